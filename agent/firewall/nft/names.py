"""Names that nft prints for numbers, by the name of the data type (``nft describe``; src/datatype.c, src/meta.c)."""

from __future__ import annotations

from collections.abc import Mapping

from agent.firewall.fields import AddressType, State, Status

OTHER_FAMILY = 1 << 16  # what is neither IPv4 nor IPv6: no packet of the model

# fmt: off
_PROTOCOLS = {
    "ip": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "pup": 12,
    "udp": 17, "hmp": 20, "xns-idp": 22, "rdp": 27, "iso-tp4": 29, "dccp": 33, "xtp": 36, "ddp": 37,
    "idpr-cmtp": 38, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50,
    "ah": 51, "skip": 57, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "rspf": 73, "vmtp": 81,
    "eigrp": 88, "ospf": 89, "ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108,
    "comp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": 132, "fc": 133, "mobility-header": 135,
    "udplite": 136, "mpls-in-ip": 137, "manet": 138, "hip": 139, "shim6": 140, "wesp": 141, "rohc": 142,
    "ethernet": 143, "mptcp": 262,
}
_ICMP_TYPES = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
    "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
    "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
    "address-mask-request": 17, "address-mask-reply": 18,
}
_ICMPV6_TYPES = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
    "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
    "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133, "nd-router-advert": 134,
    "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138,
    "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}
_DSCP = {
    **{f"cs{number}": number << 3 for number in range(8)},
    "df": 0, "be": 0, "lephb": 1, "va": 0x2C, "ef": 0x2E,
    **{f"af{high}{low}": high << 3 | low << 1 for high in range(1, 5) for low in range(1, 4)},
}
# fmt: on
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

# fmt: off
NAMES: Mapping[str, Mapping[str, int]] = {
    "inet_proto": _PROTOCOLS,
    "icmp_type": _ICMP_TYPES,
    "icmpv6_type": _ICMPV6_TYPES,
    "icmp_code": {
        "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
        "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13,
    },
    "icmpv6_code": {
        "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4,
        "policy-fail": 5, "reject-route": 6,
    },
    "tcp_flag": {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128},
    "dscp": _DSCP,
    "ecn": {"not-ect": 0, "ect1": 1, "ect0": 2, "ce": 3},
    "fib_addrtype": {kind.lower(): bits for kind, bits in vars(AddressType).items() if kind.isupper()},
    "ct_state": {
        "invalid": State.INVALID, "new": State.NEW, "established": State.ESTABLISHED,
        "related": State.RELATED, "untracked": State.UNTRACKED,
    },
    "ct_status": {
        "expected": Status.EXPECTED, "seen-reply": Status.SEEN_REPLY, "assured": Status.ASSURED,
        "confirmed": Status.CONFIRMED, "snat": Status.SOURCE_TRANSLATED, "dnat": Status.DESTINATION_TRANSLATED,
        "dying": 0x200,
    },
    "ct_dir": {"original": 0, "reply": 1},
    "ether_type": {"ip": 4, "ip6": 6, **dict.fromkeys(("arp", "vlan", "8021q", "8021ad"), OTHER_FAMILY)},
    "nf_proto": {"ipv4": 4, "ipv6": 6},
    "day": {name: number for number, name in enumerate(_DAYS)},
    "boolean": {"exists": 1, "missing": 0},
}

PACKET_TYPES = {
    "host": "unicast", "unicast": "unicast", "broadcast": "broadcast", "multicast": "multicast", "other": "other",
    "0": "unicast", "1": "broadcast", "2": "multicast", "3": "other",
}
# fmt: on
