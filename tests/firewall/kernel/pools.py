"""Pools: the few addresses, ports and sets that generated rules and packets are made of, so that they meet often."""

from __future__ import annotations

SOURCES = {
    4: ("203.0.113.5", "203.0.113.9", "203.0.113.77", "198.51.100.3", "198.51.100.200", "192.0.2.50"),
    6: ("2001:db8:a::5", "2001:db8:a::9", "2001:db8:a:1::77", "2001:db8:b::3", "2001:db8:b:ffff::1", "2001:db8:1::50"),
}
OWN = {4: ("192.0.2.10", "192.0.2.11", "192.0.2.130"), 6: ("2001:db8:1::10", "2001:db8:1::11", "2001:db8:2::10")}
OTHERS = {4: ("192.0.2.50", "198.51.100.60"), 6: ("2001:db8:1::50", "2001:db8:b::60")}
NETWORKS = {
    4: (
        "203.0.113.0/24",
        "203.0.113.0/28",
        "203.0.113.8/29",
        "198.51.100.0/25",
        "192.0.2.0/25",
        "0.0.0.0/1",
        "128.0.0.0/1",
    ),
    6: (
        "2001:db8:a::/48",
        "2001:db8:a::/64",
        "2001:db8:b::/48",
        "2001:db8::/32",
        "2001:db8:1::/64",
        "::/1",
        "fe80::/10",
    ),
}
PORTS = (22, 80, 443, 2222, 8080, 53, 123, 9999)
LOW, HIGH = 1024, 60999
SETS = {
    4: {
        "addresses": ("hash:ip", ("203.0.113.5", "198.51.100.3", "192.0.2.11")),
        "nets": ("hash:net", ("203.0.113.0/24", "203.0.113.8/29 nomatch", "198.51.100.128/25")),
        "services": ("bitmap:port range 0-10000", ("22", "80-443", "8080")),
        "pairs": ("hash:ip,port", ("203.0.113.5,tcp:22", "192.0.2.10,udp:53", "203.0.113.9,icmp:8/0")),
        "netports": ("hash:net,port", ("203.0.113.0/24,tcp:22", "198.51.100.0/24,udp:53-123")),
        "triples": ("hash:ip,port,ip", ("203.0.113.5,tcp:22,192.0.2.10", "203.0.113.9,udp:53,192.0.2.11")),
        "links": ("hash:net,iface", ("203.0.113.0/24,eth0", "198.51.100.0/24,eth1")),
        "bits": ("bitmap:ip range 203.0.113.0/24", ("203.0.113.5", "203.0.113.64-203.0.113.80")),
        "portnets": ("hash:ip,port,net", ("192.0.2.10,tcp:443,203.0.113.0/24",)),
        "all": ("list:set", ("addresses", "nets")),
    },
    6: {
        "addresses": ("hash:ip family inet6", ("2001:db8:a::5", "2001:db8:b::3", "2001:db8:1::11")),
        "nets": ("hash:net family inet6", ("2001:db8:a::/48", "2001:db8:a::/64 nomatch", "2001:db8:b::/64")),
        "pairs": (
            "hash:ip,port family inet6",
            ("2001:db8:a::5,tcp:22", "2001:db8:1::10,udp:53", "2001:db8:a::9,icmpv6:128/0"),
        ),
        "netports": ("hash:net,port family inet6", ("2001:db8:a::/64,tcp:22", "2001:db8:b::/48,udp:53-123")),
        "all": ("list:set", ("addresses", "nets")),
    },
}
DIRECTIONS = {
    "addresses": 1,
    "nets": 1,
    "services": 1,
    "pairs": 2,
    "netports": 2,
    "triples": 3,
    "links": 2,
    "bits": 1,
    "portnets": 3,
    "all": 1,
}
