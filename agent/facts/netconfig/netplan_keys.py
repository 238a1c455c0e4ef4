"""netplan's keys and what each takes: those of releases 0.99 to 1.2 together (netplan(5)).

A value is the name of a check in netplan_check; ``map:NAME`` is a mapping with the keys of NAME,
``one:a|b`` a scalar that must be one of these, ``each:a|b`` a sequence of such scalars.
"""

from __future__ import annotations

Table = dict[str, str]

_COMMON: Table = {
    "accept-ra": "bool",
    "activation-mode": "activation",
    "addresses": "addresses",
    "critical": "bool",
    "dhcp-identifier": "dhcp-identifier",
    "dhcp4": "bool",
    "dhcp4-overrides": "map:dhcp-overrides",
    "dhcp6": "bool",
    "dhcp6-overrides": "map:dhcp-overrides",
    "gateway4": "gateway4",
    "gateway6": "gateway6",
    "hairpin": "bool",
    "ignore-carrier": "bool",
    "ipv6-address-generation": "address-generation",
    "ipv6-address-token": "address-token",
    "ipv6-mtu": "uint",
    "ipv6-privacy": "bool",
    "link-local": "link-local",
    "macaddress": "set-mac",
    "mtu": "uint",
    "nameservers": "map:nameservers",
    "neigh-suppress": "bool",
    "networkmanager": "map:networkmanager",
    "openvswitch": "map:openvswitch-device",
    "optional": "bool",
    "optional-addresses": "optional-addresses",
    "port-mac-learning": "bool",
    "ra-overrides": "map:ra-overrides",
    "renderer": "renderer",
    "routes": "routes",
    "routing-policy": "routing-policy",
}

_PHYSICAL: Table = {
    "emit-lldp": "bool",
    "generic-receive-offload": "bool",
    "generic-segmentation-offload": "bool",
    "large-receive-offload": "bool",
    "match": "map:match",
    "receive-checksum-offload": "bool",
    "set-name": "scalar",
    "tcp-segmentation-offload": "bool",
    "tcp6-segmentation-offload": "bool",
    "transmit-checksum-offload": "bool",
    "wakeonlan": "bool",
    "wakeonwlan": "wakeonwlan",
}

_ETHERNET: Table = {
    **_COMMON,
    **_PHYSICAL,
    "auth": "map:auth",
    "delay-virtual-functions-rebind": "bool",
    "embedded-switch-mode": "embedded-switch",
    "infiniband-mode": "infiniband",
    "link": "reference",
    "virtual-function-count": "uint",
}

TYPES: dict[str, Table] = {
    "ethernets": _ETHERNET,
    "nm-devices": _ETHERNET,
    "wifis": {
        **_COMMON,
        **_PHYSICAL,
        "access-points": "access-points",
        "auth": "map:auth",
        "regulatory-domain": "scalar",
    },
    "modems": {
        **_COMMON,
        **_PHYSICAL,
        **dict.fromkeys(
            ("apn", "device-id", "network-id", "number", "password", "pin", "sim-id", "sim-operator-id"),
            "scalar",
        ),
        "auto-config": "bool",
        "username": "scalar",
    },
    "bridges": {**_COMMON, "interfaces": "bridge-ports", "parameters": "map:bridge"},
    "bonds": {**_COMMON, "interfaces": "bond-ports", "parameters": "map:bond"},
    "vlans": {**_COMMON, "id": "uint", "link": "reference"},
    "vrfs": {**_COMMON, "interfaces": "vrf-ports", "table": "uint"},
    "dummy-devices": _COMMON,
    "virtual-ethernets": {**_COMMON, "peer": "peer"},
    "tunnels": {
        **_COMMON,
        "ageing": "uint",
        "aging": "uint",
        "arp-proxy": "bool",
        "checksums": "checksums",
        "do-not-fragment": "bool",
        "extensions": "extensions",
        "flow-label": "uint",
        "id": "uint",
        "key": "tunnel-key",
        "keys": "tunnel-key",
        "limit": "uint",
        "link": "reference",
        "local": "tunnel-address",
        "mac-learning": "bool",
        "mark": "uint",
        "mode": "tunnel-mode",
        "notifications": "notifications",
        "peers": "peers",
        "port": "uint",
        "port-range": "port-range",
        "remote": "tunnel-address",
        "short-circuit": "bool",
        "ttl": "uint",
        "type-of-service": "uint",
    },
}

PHYSICAL = ("ethernets", "wifis", "modems", "nm-devices")

_OVERRIDES: Table = {
    "hostname": "scalar",
    "route-metric": "uint",
    "send-hostname": "bool",
    "use-dns": "bool",
    "use-domains": "scalar",
    "use-hostname": "bool",
    "use-mtu": "bool",
    "use-ntp": "bool",
    "use-routes": "bool",
}

_UINTS = ("table", "metric", "mtu", "congestion-window", "advertised-receive-window", "advertised-mss")

MAPS: dict[str, Table] = {
    "root": {"network": "map:network"},
    "network": {
        "version": "version",
        "renderer": "renderer",
        "openvswitch": "map:openvswitch",
        **dict.fromkeys(TYPES, "definitions"),
    },
    "match": {"driver": "driver", "macaddress": "match-mac", "name": "name"},
    "nameservers": {"search": "scalars", "addresses": "servers"},
    "dhcp-overrides": _OVERRIDES,
    "ra-overrides": {"use-dns": "bool", "use-domains": "use-domains", "table": "uint"},
    "networkmanager": {
        **dict.fromkeys(("name", "uuid", "stable-id", "device"), "backend-scalar"),
        "passthrough": "passthrough",
    },
    "auth": {
        "key-management": "key-management",
        "method": "eap-method",
        **dict.fromkeys(
            ("identity", "anonymous-identity", "password", "ca-certificate", "client-certificate"), "scalar"
        ),
        **dict.fromkeys(("client-key", "client-key-password", "phase2-auth"), "scalar"),
    },
    "access-point": {
        "band": "band",
        "bssid": "match-mac",
        "hidden": "bool",
        "channel": "uint",
        "mode": "wifi-mode",
        "password": "scalar",
        "auth": "map:auth",
        "networkmanager": "map:networkmanager",
    },
    "bridge": {
        **dict.fromkeys(("ageing-time", "aging-time", "forward-delay", "hello-time", "max-age"), "scalar"),
        "path-cost": "port-numbers",
        "port-priority": "port-priorities",
        "priority": "uint",
        "stp": "bool",
    },
    "bond": {
        **dict.fromkeys(
            ("mii-monitor-interval", "transmit-hash-policy", "ad-select", "arp-interval", "arp-validate"),
            "scalar",
        ),
        **dict.fromkeys(
            ("arp-all-targets", "up-delay", "down-delay", "fail-over-mac-policy", "learn-packet-interval"),
            "scalar",
        ),
        **dict.fromkeys(("min-links", "gratuitous-arp", "gratuitious-arp", "resend-igmp"), "uint"),
        **dict.fromkeys(("packets-per-slave", "packets-per-member"), "uint"),
        **dict.fromkeys(("all-slaves-active", "all-members-active"), "bool"),
        "arp-ip-targets": "arp-targets",
        "lacp-rate": "lacp-rate",
        "mode": "bond-mode",
        "primary": "reference",
        "primary-reselect-policy": "scalar",
    },
    "route": {
        "from": "route-ip",
        "to": "route-to",
        "via": "route-ip",
        "on-link": "bool",
        "scope": "route-scope",
        "type": "route-type",
        **dict.fromkeys(_UINTS, "uint"),
    },
    "rule": {
        "from": "route-ip",
        "to": "route-ip",
        "mark": "uint",
        "priority": "uint",
        "table": "uint",
        "type-of-service": "type-of-service",
    },
    "address-options": {"lifetime": "lifetime", "label": "scalar"},
    "tunnel-keys": {
        "input": "scalar",
        "output": "scalar",
        "private": "scalar",
        "private-key-flags": "private-key-flags",
    },
    "wireguard-peer": {
        "keys": "map:wireguard-keys",
        "keepalive": "uint",
        "endpoint": "endpoint",
        "allowed-ips": "allowed-ips",
    },
    "wireguard-keys": {"public": "scalar", "shared": "scalar"},
    "openvswitch-device": {
        "external-ids": "strings",
        "other-config": "strings",
        "lacp": "scalar",
        "fail-mode": "scalar",
        "mcast-snooping": "bool",
        "rstp": "bool",
        "protocols": "scalars",
        "controller": "map:openvswitch-controller",
    },
    "openvswitch-controller": {"addresses": "scalars", "connection-mode": "scalar"},
    "openvswitch": {
        "external-ids": "strings",
        "other-config": "strings",
        "protocols": "scalars",
        "ports": "sequences",
        "ssl": "map:openvswitch-ssl",
    },
    "openvswitch-ssl": dict.fromkeys(("ca-cert", "certificate", "private-key"), "scalar"),
}

# scalars that must be one of a list: check name -> (words, message with %s for the value)
CHOICES: dict[str, tuple[tuple[str, ...], str]] = {
    "activation": (("manual", "off"), "Value of 'activation-mode' needs to be 'manual' or 'off'"),
    "address-generation": (("eui64", "stable-privacy"), "unknown ipv6-address-generation '%s'"),
    "embedded-switch": (
        ("switchdev", "legacy"),
        "Value of 'embedded-switch-mode' needs to be 'switchdev' or 'legacy'",
    ),
    "infiniband": (
        ("datagram", "connected"),
        "Value of 'infiniband-mode' needs to be 'datagram' or 'connected'",
    ),
    "key-management": (
        ("none", "psk", "psk-sha256", "eap", "eap-sha256", "eap-suite-b-192", "sae", "802.1x"),
        "unknown key management type '%s'",
    ),
    "eap-method": (("tls", "peap", "ttls", "leap", "pwd"), "unknown EAP method '%s'"),
    "wifi-mode": (("infrastructure", "adhoc", "ap"), "unknown wifi mode '%s'"),
    "band": (("5GHz", "5G", "2.4GHz", "2.4G"), "unknown wifi band '%s'"),
    "lacp-rate": (("slow", "fast"), "unknown lacp-rate value '%s' (expected 'fast' or 'slow')"),
    "bond-mode": (
        (
            *("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad"),
            *("balance-tlb", "balance-alb", "balance-tcp", "balance-slb"),
        ),
        "unknown bond mode '%s'",
    ),
    "lifetime": (("0", "forever"), "invalid lifetime value '%s'"),
    "route-scope": (("global", "link", "host"), "invalid route scope '%s'"),
    "route-type": (
        (
            *("unicast", "anycast", "blackhole", "broadcast", "local", "multicast", "nat", "prohibit"),
            *("throw", "unreachable", "xresolve"),
        ),
        "invalid route type '%s'",
    ),
    "dhcp-identifier": (("duid", "mac"), "invalid DHCP client identifier type '%s'"),
}

# sequences of scalars that must be of a list, any case
EACH: dict[str, tuple[tuple[str, ...], str]] = {
    "link-local": (("ipv4", "ipv6"), "invalid value for link-local: '%s'"),
    "optional-addresses": (
        ("ipv4-ll", "ipv6-ra", "dhcp4", "dhcp6", "static"),
        "invalid value for optional-addresses: '%s'",
    ),
    "wakeonwlan": (
        (
            *("default", "any", "disconnect", "magic_pkt", "gtk_rekey_failure", "eap_identity_req"),
            *("four_way_handshake", "rfkill_release", "tcp"),
        ),
        "invalid value for wakeonwlan: '%s'",
    ),
    "notifications": (("l2-miss", "l3-miss"), "invalid value for notifications: '%s'"),
    "checksums": (
        ("udp", "zero-udp6-tx", "zero-udp6-rx", "remote-tx", "remote-rx"),
        "invalid value for checksums: '%s'",
    ),
    "extensions": (("group-policy", "generic-protocol"), "invalid value for extensions: '%s'"),
    "private-key-flags": (
        ("agent-owned", "not-saved", "not-required"),
        'Key flag \'%s\' is not supported. Valid values are "agent-owned", "not-saved" and "not-required"',
    ),
}

TUNNEL_MODES = (
    *("ipip", "gre", "sit", "isatap", "vti", "ip6ip6", "ipip6", "ip6gre", "vti6", "gretap", "ip6gretap"),
    *("vxlan", "wireguard"),
)
TUNNEL_MODES_6 = ("ipip6", "ip6ip6", "ip6gre", "ip6gretap", "vti6")

TRUE = ("true", "on", "yes", "y")
FALSE = ("false", "off", "no", "n")
MAC_SPECIAL = ("permanent", "random", "stable", "preserve", "stable-ssid")

# keys by the release that brought them; 0.99 and older know the rest
_NEW = {
    (
        0,
        100,
    ): "allowed-ips ca-cert certificate endpoint external-ids hidden ipv6-address-token keepalive label "
    "lifetime openvswitch other-config peers port private public shared ssl",
    (0, 102): "advertised-receive-window congestion-window nm-devices passthrough ttl",
    (0, 103): "activation-mode",
    (0, 104): "delay-virtual-functions-rebind embedded-switch-mode generic-receive-offload "
    "generic-segmentation-offload ignore-carrier large-receive-offload receive-checksum-offload "
    "tcp-segmentation-offload tcp6-segmentation-offload transmit-checksum-offload",
    (0, 105): "ageing aging aging-time arp-proxy checksums do-not-fragment extensions flow-label "
    "infiniband-mode limit mac-learning neigh-suppress notifications port-range regulatory-domain "
    "short-circuit vrfs",
    (0, 106): "all-members-active packets-per-member",
    (0, 107): "dummy-devices peer private-key-flags virtual-ethernets",
    (1, 0): "hairpin port-mac-learning",
    (1, 1): "advertised-mss ra-overrides",
}
SINCE = {key: release for release, words in _NEW.items() for key in words.split()}
