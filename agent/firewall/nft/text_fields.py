"""What a rule of nft may ask for, and of which type it is (nft(8), EXPRESSIONS; ``nft describe`` prints the same)."""

from __future__ import annotations

from collections.abc import Mapping

_PORTS = "sport=inet_service dport=inet_service checksum=integer"


def _table(**rows: str) -> Mapping[str, Mapping[str, str]]:
    return {
        name.replace("_", " "): {field: kind for field, _, kind in (item.partition("=") for item in row.split())}
        for name, row in rows.items()
    }


# headers: protocol -> field -> type
HEADERS = _table(
    ether="saddr=ether_addr daddr=ether_addr type=ether_type",
    vlan="id=integer cfi=integer dei=integer pcp=integer type=ether_type",
    arp="htype=integer ptype=integer hlen=integer plen=integer operation=arp_op",  # and saddr, daddr, each ether or ip
    ip="version=integer hdrlength=integer dscp=dscp ecn=ecn length=integer id=integer frag-off=integer ttl=integer"
    " protocol=inet_proto checksum=integer saddr=ipv4_addr daddr=ipv4_addr",
    ip6="version=integer dscp=dscp ecn=ecn flowlabel=integer length=integer nexthdr=inet_proto hoplimit=integer"
    " saddr=ipv6_addr daddr=ipv6_addr",
    icmp="type=icmp_type code=icmp_code checksum=integer id=integer sequence=integer gateway=integer mtu=integer",
    igmp="type=igmp_type checksum=integer mrt=integer group=integer",
    icmpv6="type=icmpv6_type code=icmpv6_code checksum=integer parameter-problem=integer mtu=integer id=integer"
    " sequence=integer max-delay=integer taddr=ipv6_addr daddr=ipv6_addr",
    ah="nexthdr=inet_proto hdrlength=integer reserved=integer spi=integer sequence=integer",
    esp="spi=integer sequence=integer",
    comp="nexthdr=inet_proto flags=integer cpi=integer",
    udp=f"{_PORTS} length=integer",
    udplite=f"{_PORTS} csumcov=integer",
    tcp=f"{_PORTS} sequence=integer ackseq=integer doff=integer reserved=integer flags=tcp_flag window=integer"
    " urgptr=integer",
    dccp="sport=inet_service dport=inet_service type=dccp_pkttype",
    sctp=f"{_PORTS} vtag=integer",
    th="sport=inet_service dport=inet_service",
    gre="flags=integer version=integer protocol=ether_type",
    vxlan="vni=integer flags=integer",
    gretap="",
    geneve="vni=integer type=ether_type",
)

# headers that extend IPv6's: JSON has them as "exthdr"
EXTENSIONS = _table(
    hbh="nexthdr=inet_proto hdrlength=integer",
    rt="nexthdr=inet_proto hdrlength=integer type=integer seg-left=integer",
    rt0="addr=ipv6_addr",
    rt2="addr=ipv6_addr",
    srh="last-entry=integer flags=integer tag=integer sid=ipv6_addr",
    frag="nexthdr=inet_proto reserved=integer frag-off=integer reserved2=integer more-fragments=integer id=integer",
    dst="nexthdr=inet_proto hdrlength=integer",
    mh="nexthdr=inet_proto hdrlength=integer type=mh_type reserved=integer checksum=integer",
)

TCP_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "sack-perm": {"length": "integer"},
    "sack-permitted": {"length": "integer"},
    **_table(
        echo="length=integer",
        eol="length=integer",
        fastopen="length=integer",
        md5sig="length=integer",
        mptcp="length=integer subtype=integer",
        maxseg="length=integer size=integer",
        mss="length=integer size=integer",
        nop="length=integer",
        timestamp="length=integer tsval=integer tsecr=integer",
        window="length=integer count=integer",
        sack="length=integer left=integer right=integer",
        sack0="length=integer left=integer right=integer",
        sack1="length=integer left=integer right=integer",
        sack2="length=integer left=integer right=integer",
        sack3="length=integer left=integer right=integer",
    ),
}

# other names of the same option
TCP_OPTION_NAMES = {"mss": "maxseg", "sack-permitted": "sack-perm"}

IP_OPTIONS = _table(
    lsrr="type=integer length=integer ptr=integer addr=integer",
    rr="type=integer length=integer ptr=integer addr=integer",
    ssrr="type=integer length=integer ptr=integer addr=integer",
    ra="type=integer length=integer value=integer",
)

_CHUNK_FIELDS = {
    "data": ("tsn", "stream", "ssn", "ppid"),
    "init": ("init-tag", "a-rwnd", "num-outbound-streams", "num-inbound-streams", "initial-tsn"),
    "init-ack": ("init-tag", "a-rwnd", "num-outbound-streams", "num-inbound-streams", "initial-tsn"),
    "sack": ("cum-tsn-ack", "a-rwnd", "num-gap-ack-blocks", "num-dup-tsns"),
    "shutdown": ("cum-tsn-ack",),
    "ecne": ("lowest-tsn",),
    "cwr": ("lowest-tsn",),
    "asconf": ("seqno",),
    "asconf-ack": ("seqno",),
    "forward-tsn": ("new-cum-tsn",),
}
_CHUNKS = (
    *("data", "init", "init-ack", "sack", "heartbeat", "heartbeat-ack", "abort", "shutdown", "shutdown-ack", "error"),
    *("cookie-echo", "cookie-ack", "ecne", "cwr", "shutdown-complete", "asconf", "asconf-ack", "forward-tsn"),
)
SCTP_CHUNKS: Mapping[str, Mapping[str, str]] = {
    name: dict.fromkeys(("type", "flags", "length", *_CHUNK_FIELDS.get(name, ())), "integer") for name in _CHUNKS
}

# "meta" may be left out before these
META_ALONE = {
    "mark": "mark",
    "iif": "iface_index",
    "iifname": "ifname",
    "iiftype": "iface_type",
    "oif": "iface_index",
    "oifname": "ifname",
    "oiftype": "iface_type",
    "skuid": "uid",
    "skgid": "gid",
    "nftrace": "integer",
    "rtclassid": "realm",
    "ibriport": "ifname",
    "obriport": "ifname",
    "ibrname": "ifname",
    "obrname": "ifname",
    "ibridgename": "ifname",
    "obridgename": "ifname",
    "pkttype": "pkt_type",
    "cpu": "integer",
    "iifgroup": "devgroup",
    "oifgroup": "devgroup",
    "cgroup": "integer",
    "ipsec": "boolean",
    "time": "time",
    "day": "day",
    "hour": "hour",
}
META = {
    **META_ALONE,
    "length": "integer",
    "protocol": "ether_type",
    "priority": "classid",
    "random": "integer",
    "prandom": "integer",
    "secmark": "integer",
    "nfproto": "nf_proto",
    "l4proto": "inet_proto",
    "iifkind": "ifname",
    "oifkind": "ifname",
    "sdif": "iface_index",
    "sdifname": "ifname",
    "ibrpvid": "integer",
    "ibrvproto": "ether_type",
    "ibrhwaddr": "ether_addr",
    "broute": "integer",
    "secpath": "boolean",
}
META_NAMES = {"ibridgename": "ibrname", "obridgename": "obrname", "secpath": "ipsec"}

CONNTRACK = {
    "l3proto": "nf_proto",
    "protocol": "inet_proto",
    "mark": "mark",
    "state": "ct_state",
    "direction": "ct_dir",
    "status": "ct_status",
    "expiration": "time",
    "helper": "string",
    "saddr": "address",
    "daddr": "address",
    "proto-src": "inet_service",
    "proto-dst": "inet_service",
    "label": "ct_label",
    "event": "ct_event",
    "secmark": "integer",
    "id": "integer",
    "bytes": "integer",
    "packets": "integer",
    "avgpkt": "integer",
    "zone": "integer",
}
SOCKET = {"transparent": "integer", "mark": "mark", "wildcard": "integer"}
ROUTE = {"classid": "realm", "nexthop": "address", "mtu": "integer", "ipsec": "boolean"}
FIB = {"oif": "iface_index", "oifname": "ifname", "type": "fib_addrtype"}
FIB_FLAGS = ("saddr", "daddr", "mark", "iif", "oif")

# types whose values are flags: "a,b" asks whether one of them is set
BITMASKS = frozenset({"tcp_flag", "ct_state", "ct_status", "ct_label", "ct_event"})

PROTOCOL_NAMES: Mapping[int, str] = {
    1: "icmp",
    2: "igmp",
    4: "ipencap",
    6: "tcp",
    17: "udp",
    33: "dccp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    89: "ospf",
    103: "pim",
    108: "ipcomp",
    112: "vrrp",
    115: "l2tp",
    132: "sctp",
    136: "udplite",
    135: "mobility-header",
}
PROTOCOL_ALIASES = {"icmpv6": "ipv6-icmp", "icmp6": "ipv6-icmp", "comp": "ipcomp", "ipip": "ipencap"}
ETHER_TYPES: Mapping[int, str] = {0x0800: "ip", 0x86DD: "ip6", 0x0806: "arp", 0x8100: "8021q", 0x88A8: "8021ad"}
