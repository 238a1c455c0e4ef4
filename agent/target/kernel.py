"""The kernel's numbers for links, addresses, routes, rules and neighbours, with iproute2's names for them.

From <linux/if.h>, <linux/if_addr.h>, <linux/rtnetlink.h>, <linux/fib_rules.h>, <linux/neighbour.h>, and
iproute2's rt_protos, rt_scopes and rt_tables.
"""

from __future__ import annotations

LINK_FLAGS = (  # netdevice(7), in the order in which ip prints them; RUNNING is shown as NO-CARRIER's absence
    (0x8, "LOOPBACK"),
    (0x2, "BROADCAST"),
    (0x10, "POINTOPOINT"),
    (0x1000, "MULTICAST"),
    (0x80, "NOARP"),
    (0x200, "ALLMULTI"),
    (0x100, "PROMISC"),
    (0x400, "MASTER"),
    (0x800, "SLAVE"),
    (0x4, "DEBUG"),
    (0x8000, "DYNAMIC"),
    (0x4000, "AUTOMEDIA"),
    (0x2000, "PORTSEL"),
    (0x20, "NOTRAILERS"),
    (0x1, "UP"),
    (0x10000, "LOWER_UP"),
    (0x20000, "DORMANT"),
    (0x40000, "ECHO"),
)
UP, RUNNING = 0x1, 0x40
LINK_TYPES = {
    1: "ether",
    32: "infiniband",
    280: "can",
    512: "ppp",
    768: "ipip",
    769: "tunnel6",
    772: "loopback",
    776: "sit",
    778: "gre",
    801: "ieee802.11",
    823: "gre6",
    65534: "none",
    65535: "void",
}
ADDRESS_FLAGS = (  # <linux/if_addr.h>
    (0x02, "nodad"),
    (0x04, "optimistic"),
    (0x08, "dadfailed"),
    (0x10, "home"),
    (0x20, "deprecated"),
    (0x40, "tentative"),
    (0x100, "mngtmpaddr"),
    (0x200, "noprefixroute"),
    (0x400, "autojoin"),
    (0x800, "stable-privacy"),
)
SECONDARY, PERMANENT = 0x01, 0x80
SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
TABLES = {253: "default", 254: "main", 255: "local"}
PROTOCOLS = {
    0: "unspec",
    1: "redirect",
    2: "kernel",
    3: "boot",
    4: "static",
    8: "gated",
    9: "ra",
    10: "mrt",
    11: "zebra",
    12: "bird",
    13: "dnrouted",
    14: "xorp",
    15: "ntk",
    16: "dhcp",
    18: "keepalived",
    42: "babel",
    186: "bgp",
    187: "isis",
    188: "ospf",
    189: "rip",
    192: "eigrp",
}
ROUTE_TYPES = (
    *("none", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable"),
    *("prohibit", "throw", "nat", "xresolve"),
)
HOP_FLAGS = (
    (1, "dead"),
    (2, "pervasive"),
    (4, "onlink"),
    (8, "offload"),
    (16, "linkdown"),
    (32, "unresolved"),
)
CLONED = 0x200  # RTM_F_CLONED: a cached exception (a path MTU), no route
PREFERENCES = {0: "medium", 1: "high", 3: "low"}
RULE_ACTIONS = {2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
INVERTED = 0x2  # FIB_RULE_INVERT
ALL_BITS = 0xFFFFFFFF
NEIGHBOUR_STATES = (
    (0x01, "INCOMPLETE"),
    (0x02, "REACHABLE"),
    (0x04, "STALE"),
    (0x08, "DELAY"),
    (0x10, "PROBE"),
    (0x20, "FAILED"),
    (0x80, "PERMANENT"),
)
ROUTER, PROXY = 0x80, 0x08  # NTF_ROUTER, NTF_PROXY
