"""The sections and keys that systemd-networkd knows in .network files: those of releases 252 to 258 together.

Keys are listed for the sections whose loss can cost the network; in other sections no key is judged.
"""

from __future__ import annotations

_SECTIONS = """
    Address BFIFO BandMultiQueueing Bridge BridgeFDB BridgeMDB BridgeVLAN CAKE CAN
    ClassfulMultiQueueing ControlledDelay DHCP DHCPPrefixDelegation DHCPServer DHCPServerStaticLease
    DHCPv4 DHCPv6 DHCPv6PrefixDelegation DeficitRoundRobinScheduler DeficitRoundRobinSchedulerClass
    EnhancedTransmissionSelection FairQueueing FairQueueingControlledDelay FlowQueuePIE
    GenericRandomEarlyDetection HeavyHitterFilter HierarchyTokenBucket HierarchyTokenBucketClass
    IPv6AcceptRA IPv6AddressLabel IPv6NDPProxyAddress IPv6PREF64Prefix IPv6Prefix
    IPv6PrefixDelegation IPv6RoutePrefix IPv6SendRA LLDP Link Match MobileNetwork Neighbor Network
    NetworkEmulator NextHop PFIFO PFIFOFast PFIFOHeadDrop PIE QDisc QuickFairQueueing
    QuickFairQueueingClass Route RoutingPolicyRule SR-IOV StochasticFairBlue
    StochasticFairnessQueueing TokenBucketFilter TrafficControlQueueingDiscipline
    TrivialLinkEqualizer
    """

SECTIONS = frozenset(_SECTIONS.split())

_KEYS = {
    "Match": """
    Architecture BSSID Credential Driver Firmware Host KernelCommandLine KernelVersion Kind
    MACAddress Name Path PermanentMACAddress Property SSID Type Virtualization WLANInterfaceType
    """,
    "Link": """
    ARP ActivationPolicy AllMulticast Group MACAddress MTUBytes Multicast Promiscuous
    RequiredFamilyForOnline RequiredForOnline Unmanaged
    """,
    "Network": """
    ActiveSlave Address BatmanAdvanced BindCarrier Bond Bridge ConfigureWithoutCarrier DHCP
    DHCPPrefixDelegation DHCPServer DHCPv6PrefixDelegation DNS DNSDefaultRoute DNSOverTLS DNSSEC
    DNSSECNegativeTrustAnchors DefaultRouteOnDevice Description Domains EmitLLDP Gateway IPForward
    IPMasquerade IPVLAN IPVTAP IPoIB IPv4AcceptLocal IPv4Forwarding IPv4LL IPv4LLRoute
    IPv4LLStartAddress IPv4ProxyARP IPv4ProxyARPPrivateVLAN IPv4ReversePathFilter IPv4RouteLocalnet
    IPv6AcceptRA IPv6AcceptRouterAdvertisements IPv6DuplicateAddressDetection IPv6Forwarding
    IPv6HopLimit IPv6LinkLocalAddressGenerationMode IPv6MTUBytes IPv6PrefixDelegation
    IPv6PrivacyExtensions IPv6ProxyNDP IPv6ProxyNDPAddress IPv6RetransmissionTimeSec IPv6SendRA
    IPv6StableSecretAddress IPv6Token IgnoreCarrierLoss KeepConfiguration KeepMaster L2TP LLDP LLMNR
    LinkLocalAddressing MACVLAN MACVTAP MACsec MPLSRouting ManageForeignNextHops ManageForeignRoutes
    ManageForeignRoutingPolicyRules MulticastDNS MulticastIGMPVersion NTP PrimarySlave ProxyARP
    RouteTable SpeedMeter SpeedMeterIntervalSec Tunnel UseDomains VLAN VRF VXLAN Xfrm
    """,
    "Address": """
    AddPrefixRoute Address AutoJoin Broadcast DuplicateAddressDetection HomeAddress Label
    ManageTemporaryAddress NFTSet NetLabel Peer PreferredLifetime PrefixRoute RouteMetric Scope
    """,
    "Route": """
    Destination FastOpenNoCookie Gateway GatewayOnLink GatewayOnlink HopLimit IPv6Preference
    InitialAdvertisedReceiveWindow InitialCongestionWindow MTUBytes Metric MultiPathRoute NextHop
    PreferredSource Protocol QuickAck Scope Source TCPAdvertisedMaximumSegmentSize
    TCPCongestionControlAlgorithm TCPRetransmissionTimeoutSec TTLPropagate Table Type
    """,
    "RoutingPolicyRule": """
    DestinationPort Family FirewallMark From GoTo IPProtocol IncomingInterface InvertRule
    L3MasterDevice OutgoingInterface Priority SourcePort SuppressInterfaceGroup SuppressPrefixLength
    Table To Type TypeOfService User
    """,
    "NextHop": """
    Blackhole Family Gateway Group Id OnLink
    """,
    "DHCP": """
    Anonymize ClientIdentifier CriticalConnection DUIDRawData DUIDType ForceDHCPv6PDOtherInformation
    Hostname IAID ListenPort RapidCommit RequestBroadcast RouteMetric RouteTable SendHostname UseDNS
    UseDomainName UseDomains UseHostname UseMTU UseNTP UseRoutes UseTimezone UserClass
    VendorClassIdentifier
    """,
    "DHCPv4": """
    AllowList Anonymize BlackList ClientIdentifier CriticalConnection DUIDRawData DUIDType DenyList
    FallbackLeaseLifetimeSec Hostname IAID IPServiceType IPv6OnlyMode InitialAdvertisedReceiveWindow
    InitialCongestionWindow Label ListenPort MUDURL MaxAttempts NFTSet NetLabel QuickAck RapidCommit
    RequestAddress RequestBroadcast RequestOptions RouteMTUBytes RouteMetric RouteTable RoutesToDNS
    RoutesToNTP SendDecline SendHostname SendOption SendRelease SendVendorOption ServerPort
    SocketPriority UnassignedSubnetPolicy Use6RD UseCaptivePortal UseDNR UseDNS UseDomainName
    UseDomains UseGateway UseHostname UseMTU UseNTP UseRoutes UseSIP UseTimezone UserClass
    VendorClassIdentifier
    """,
    "DHCPv6": """
    DUIDRawData DUIDType ForceDHCPv6PDOtherInformation Hostname IAID MUDURL NFTSet NetLabel
    PrefixDelegationHint RapidCommit RequestOptions RouteMetric SendHostname SendOption SendRelease
    SendVendorOption UnassignedSubnetPolicy UseAddress UseCaptivePortal UseDNR UseDNS
    UseDelegatedPrefix UseDomains UseHostname UseNTP UserClass VendorClass WithoutRA
    """,
    "IPv6AcceptRA": """
    BlackList DHCPv6Client DenyList NFTSet NetLabel PrefixAllowList PrefixDenyList QuickAck
    RouteAllowList RouteDenyList RouteMetric RouteTable RouterAllowList RouterDenyList Token
    UseAutonomousPrefix UseCaptivePortal UseDNR UseDNS UseDomains UseGateway UseHopLimit
    UseICMP6RateLimit UseMTU UseOnLinkPrefix UsePREF64 UseReachableTime UseRedirect
    UseRetransmissionTime UseRoutePrefix
    """,
    "DHCPServer": """
    BindToInterface BootFilename BootServerAddress BootServerName DNS DefaultLeaseTimeSec EmitDNS
    EmitLPR EmitNTP EmitPOP3 EmitRouter EmitSIP EmitSMTP EmitTimezone IPv6OnlyPreferredSec LPR
    MaxLeaseTimeSec NTP POP3 PersistLeases PoolOffset PoolSize RapidCommit RelayAgentCircuitId
    RelayAgentRemoteId RelayTarget Router SIP SMTP SendOption SendVendorOption ServerAddress
    Timezone UplinkInterface
    """,
    "IPv6SendRA": """
    DNS DNSLifetimeSec Domains EmitDNS EmitDomains HomeAgent HomeAgentLifetimeSec
    HomeAgentPreference HopLimit Managed OtherInformation ReachableTimeSec RetransmitSec
    RouterLifetimeSec RouterPreference UplinkInterface
    """,
}

KEYS = {section: frozenset(keys.split()) for section, keys in _KEYS.items()}
