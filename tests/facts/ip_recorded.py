# ruff: noqa: E501
"""What ip printed in one network namespace: iproute2 6.1 with and without JSON, and busybox 1.35."""

from __future__ import annotations

import json

LINKS_JSON: object = json.loads(
    r"""
[
{"ifindex": 1, "ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"], "mtu": 65536, "qdisc": "noqueue", "operstate": "UNKNOWN", "group": "default", "txqlen": 1000, "link_type": "loopback", "address": "00:00:00:00:00:00", "broadcast": "00:00:00:00:00:00", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host", "label": "lo", "valid_life_time": 4294967295, "preferred_life_time": 4294967295}, {"family": "inet6", "local": "::1", "prefixlen": 128, "scope": "host", "valid_life_time": 4294967295, "preferred_life_time": 4294967295}]},
{"ifindex": 2, "link": "eth0", "ifname": "peer0", "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"], "mtu": 1500, "qdisc": "noqueue", "operstate": "UP", "group": "default", "txqlen": 1000, "link_type": "ether", "address": "f2:af:b7:3e:43:31", "broadcast": "ff:ff:ff:ff:ff:ff", "linkinfo": {"info_kind": "veth"}, "addr_info": [{"family": "inet6", "local": "fe80::f0af:b7ff:fe3e:4331", "prefixlen": 64, "scope": "link", "valid_life_time": 4294967295, "preferred_life_time": 4294967295}]},
{"ifindex": 3, "link": "peer0", "ifname": "eth0", "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"], "mtu": 1500, "qdisc": "noqueue", "operstate": "UP", "group": "default", "txqlen": 1000, "link_type": "ether", "address": "86:59:f3:8b:cb:23", "broadcast": "ff:ff:ff:ff:ff:ff", "linkinfo": {"info_kind": "veth"}, "addr_info": [{"family": "inet", "local": "192.0.2.10", "prefixlen": 24, "broadcast": "192.0.2.255", "scope": "global", "label": "eth0", "valid_life_time": 4294967295, "preferred_life_time": 4294967295}, {"family": "inet", "local": "192.0.2.11", "prefixlen": 32, "scope": "global", "label": "eth0", "valid_life_time": 4294967295, "preferred_life_time": 4294967295}, {"family": "inet", "local": "198.51.100.1", "address": "198.51.100.2", "prefixlen": 32, "scope": "global", "label": "eth0", "valid_life_time": 4294967295, "preferred_life_time": 4294967295}, {"family": "inet6", "local": "2001:db8::10", "prefixlen": 64, "scope": "global", "nodad": true, "valid_life_time": 4294967295, "preferred_life_time": 4294967295}, {"family": "inet6", "local": "fe80::8459:f3ff:fe8b:cb23", "prefixlen": 64, "scope": "link", "valid_life_time": 4294967295, "preferred_life_time": 4294967295}]},
{"ifindex": 4, "ifname": "br0", "flags": ["BROADCAST", "MULTICAST"], "mtu": 1500, "qdisc": "noop", "operstate": "DOWN", "group": "default", "txqlen": 1000, "link_type": "ether", "address": "3e:0e:80:02:50:45", "broadcast": "ff:ff:ff:ff:ff:ff", "linkinfo": {"info_kind": "bridge"}, "addr_info": []},
{"ifindex": 5, "ifname": "tun0", "flags": ["POINTOPOINT", "MULTICAST", "NOARP"], "mtu": 1500, "qdisc": "noop", "operstate": "DOWN", "group": "default", "txqlen": 500, "link_type": "none", "linkinfo": {"info_kind": "tun"}, "addr_info": []}
]
"""
)
ROUTES4_JSON: object = json.loads(
    r"""
[
{"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "protocol": "static", "metric": 100, "flags": ["onlink"]},
{"type": "unreachable", "dst": "default", "metric": 4278198272, "flags": []},
{"dst": "10.9.8.7", "via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth0", "flags": []},
{"dst": "192.0.2.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "192.0.2.10", "flags": []},
{"dst": "198.51.100.2", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "198.51.100.1", "flags": []},
{"dst": "203.0.113.0/24", "flags": [], "nexthops": [{"gateway": "192.0.2.2", "dev": "eth0", "weight": 1, "flags": []}, {"gateway": "192.0.2.3", "dev": "eth0", "weight": 2, "flags": []}]},
{"type": "blackhole", "dst": "203.0.113.128/25", "flags": []},
{"type": "local", "dst": "127.0.0.0/8", "dev": "lo", "table": "local", "protocol": "kernel", "scope": "host", "prefsrc": "127.0.0.1", "flags": []},
{"type": "local", "dst": "127.0.0.1", "dev": "lo", "table": "local", "protocol": "kernel", "scope": "host", "prefsrc": "127.0.0.1", "flags": []},
{"type": "broadcast", "dst": "127.255.255.255", "dev": "lo", "table": "local", "protocol": "kernel", "scope": "link", "prefsrc": "127.0.0.1", "flags": []},
{"type": "local", "dst": "192.0.2.10", "dev": "eth0", "table": "local", "protocol": "kernel", "scope": "host", "prefsrc": "192.0.2.10", "flags": []},
{"type": "local", "dst": "192.0.2.11", "dev": "eth0", "table": "local", "protocol": "kernel", "scope": "host", "prefsrc": "192.0.2.11", "flags": []},
{"type": "broadcast", "dst": "192.0.2.255", "dev": "eth0", "table": "local", "protocol": "kernel", "scope": "link", "prefsrc": "192.0.2.10", "flags": []},
{"type": "local", "dst": "198.51.100.1", "dev": "eth0", "table": "local", "protocol": "kernel", "scope": "host", "prefsrc": "198.51.100.1", "flags": []}
]
"""
)
ROUTES6_JSON: object = json.loads(
    r"""
[
{"dst": "2001:db8::/64", "dev": "eth0", "protocol": "kernel", "metric": 256, "flags": [], "pref": "medium"},
{"dst": "2001:db8:1::/48", "gateway": "2001:db8::1", "dev": "eth0", "metric": 1024, "flags": [], "pref": "medium"},
{"type": "prohibit", "dst": "2001:db8:bad::/48", "dev": "lo", "metric": 1024, "flags": [], "pref": "medium"},
{"dst": "fe80::/64", "dev": "peer0", "protocol": "kernel", "metric": 256, "flags": [], "pref": "medium"},
{"dst": "fe80::/64", "dev": "eth0", "protocol": "kernel", "metric": 256, "flags": [], "pref": "medium"},
{"dst": "default", "gateway": "fe80::1", "dev": "eth0", "protocol": "ra", "metric": 1024, "flags": [], "pref": "high"},
{"type": "local", "dst": "::1", "dev": "lo", "table": "local", "protocol": "kernel", "metric": 0, "flags": [], "pref": "medium"},
{"type": "local", "dst": "2001:db8::10", "dev": "eth0", "table": "local", "protocol": "kernel", "metric": 0, "flags": [], "pref": "medium"},
{"type": "local", "dst": "fe80::8459:f3ff:fe8b:cb23", "dev": "eth0", "table": "local", "protocol": "kernel", "metric": 0, "flags": [], "pref": "medium"},
{"type": "local", "dst": "fe80::f0af:b7ff:fe3e:4331", "dev": "peer0", "table": "local", "protocol": "kernel", "metric": 0, "flags": [], "pref": "medium"},
{"type": "multicast", "dst": "ff00::/8", "dev": "peer0", "table": "local", "protocol": "kernel", "metric": 256, "flags": [], "pref": "medium"},
{"type": "multicast", "dst": "ff00::/8", "dev": "eth0", "table": "local", "protocol": "kernel", "metric": 256, "flags": [], "pref": "medium"}
]
"""
)
RULES4_JSON: object = json.loads(
    r"""
[
{"priority": 0, "src": "all", "table": "local"},
{"priority": 996, "src": "198.51.100.99", "action": "blackhole"},
{"priority": 997, "src": "all", "dst": "203.0.113.0", "dstlen": 24, "iif": "eth0", "table": "7"},
{"priority": 998, "src": "all", "table": "main", "suppress_prefixlen": 0},
{"priority": 999, "not": null, "src": "all", "fwmark": "0xca6c", "table": "51820"},
{"priority": 1000, "src": "192.0.2.11", "fwmark": "0x1", "table": "100"},
{"priority": 32766, "src": "all", "table": "main"},
{"priority": 32767, "src": "all", "table": "default"}
]
"""
)
RULES6_JSON: object = json.loads(
    r"""
[
{"priority": 0, "src": "all", "table": "local"},
{"priority": 32765, "src": "2001:db8::10", "table": "100"},
{"priority": 32766, "src": "all", "table": "main"}
]
"""
)
NEIGHBOURS_JSON: object = json.loads(
    r"""
[
{"dst": "192.0.2.8", "dev": "eth0", "lladdr": "52:54:00:00:00:02", "state": ["PERMANENT"]},
{"dst": "192.0.2.9", "dev": "eth0", "state": ["FAILED"]},
{"dst": "192.0.2.1", "dev": "eth0", "lladdr": "52:54:00:00:00:01", "state": ["REACHABLE"]},
{"dst": "fe80::1", "dev": "eth0", "lladdr": "52:54:00:00:00:01", "router": null, "state": ["STALE"]}
]
"""
)
LINKS_TEXT = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host 
       valid_lft forever preferred_lft forever
2: peer0@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether f2:af:b7:3e:43:31 brd ff:ff:ff:ff:ff:ff
    inet6 fe80::f0af:b7ff:fe3e:4331/64 scope link 
       valid_lft forever preferred_lft forever
3: eth0@peer0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 86:59:f3:8b:cb:23 brd ff:ff:ff:ff:ff:ff
    inet 192.0.2.10/24 brd 192.0.2.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet 192.0.2.11/32 scope global eth0
       valid_lft forever preferred_lft forever
    inet 198.51.100.1 peer 198.51.100.2/32 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 2001:db8::10/64 scope global nodad 
       valid_lft forever preferred_lft forever
    inet6 fe80::8459:f3ff:fe8b:cb23/64 scope link 
       valid_lft forever preferred_lft forever
4: br0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default qlen 1000
    link/ether 3e:0e:80:02:50:45 brd ff:ff:ff:ff:ff:ff
5: tun0: <POINTOPOINT,MULTICAST,NOARP> mtu 1500 qdisc noop state DOWN group default qlen 500
    link/none 
"""
LINKS_DETAILED_TEXT = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host 
       valid_lft forever preferred_lft forever
2: peer0@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether f2:af:b7:3e:43:31 brd ff:ff:ff:ff:ff:ff
    veth
    inet6 fe80::f0af:b7ff:fe3e:4331/64 scope link 
       valid_lft forever preferred_lft forever
3: eth0@peer0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 86:59:f3:8b:cb:23 brd ff:ff:ff:ff:ff:ff
    veth
    inet 192.0.2.10/24 brd 192.0.2.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet 192.0.2.11/32 scope global eth0
       valid_lft forever preferred_lft forever
    inet 198.51.100.1 peer 198.51.100.2/32 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 2001:db8::10/64 scope global nodad 
       valid_lft forever preferred_lft forever
    inet6 fe80::8459:f3ff:fe8b:cb23/64 scope link 
       valid_lft forever preferred_lft forever
4: br0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default qlen 1000
    link/ether 3e:0e:80:02:50:45 brd ff:ff:ff:ff:ff:ff
    bridge
5: tun0: <POINTOPOINT,MULTICAST,NOARP> mtu 1500 qdisc noop state DOWN group default qlen 500
    link/none 
    tun type tun pi off vnet_hdr off persist on
"""
ROUTES4_TEXT = """\
default via 192.0.2.1 dev eth0 proto static metric 100 onlink 
unreachable default metric 4278198272 
10.9.8.7 via inet6 fe80::1 dev eth0 
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10 
198.51.100.2 dev eth0 proto kernel scope link src 198.51.100.1 
203.0.113.0/24 
	nexthop via 192.0.2.2 dev eth0 weight 1 
	nexthop via 192.0.2.3 dev eth0 weight 2 
blackhole 203.0.113.128/25 
"""
ROUTES6_TEXT = """\
2001:db8::/64 dev eth0 proto kernel metric 256 pref medium
2001:db8:1::/48 via 2001:db8::1 dev eth0 metric 1024 pref medium
prohibit 2001:db8:bad::/48 dev lo metric 1024 pref medium
fe80::/64 dev peer0 proto kernel metric 256 pref medium
fe80::/64 dev eth0 proto kernel metric 256 pref medium
default via fe80::1 dev eth0 proto ra metric 1024 pref high
"""
ROUTES4_ALL_TEXT = """\
default via 192.0.2.1 dev eth0 proto static metric 100 onlink 
unreachable default metric 4278198272 
10.9.8.7 via inet6 fe80::1 dev eth0 
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10 
198.51.100.2 dev eth0 proto kernel scope link src 198.51.100.1 
203.0.113.0/24 
	nexthop via 192.0.2.2 dev eth0 weight 1 
	nexthop via 192.0.2.3 dev eth0 weight 2 
blackhole 203.0.113.128/25 
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1 
local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1 
broadcast 127.255.255.255 dev lo table local proto kernel scope link src 127.0.0.1 
local 192.0.2.10 dev eth0 table local proto kernel scope host src 192.0.2.10 
local 192.0.2.11 dev eth0 table local proto kernel scope host src 192.0.2.11 
broadcast 192.0.2.255 dev eth0 table local proto kernel scope link src 192.0.2.10 
local 198.51.100.1 dev eth0 table local proto kernel scope host src 198.51.100.1 
"""
ROUTES6_ALL_TEXT = """\
2001:db8::/64 dev eth0 proto kernel metric 256 pref medium
2001:db8:1::/48 via 2001:db8::1 dev eth0 metric 1024 pref medium
prohibit 2001:db8:bad::/48 dev lo metric 1024 pref medium
fe80::/64 dev peer0 proto kernel metric 256 pref medium
fe80::/64 dev eth0 proto kernel metric 256 pref medium
default via fe80::1 dev eth0 proto ra metric 1024 pref high
local ::1 dev lo table local proto kernel metric 0 pref medium
local 2001:db8::10 dev eth0 table local proto kernel metric 0 pref medium
local fe80::8459:f3ff:fe8b:cb23 dev eth0 table local proto kernel metric 0 pref medium
local fe80::f0af:b7ff:fe3e:4331 dev peer0 table local proto kernel metric 0 pref medium
multicast ff00::/8 dev peer0 table local proto kernel metric 256 pref medium
multicast ff00::/8 dev eth0 table local proto kernel metric 256 pref medium
"""
RULES4_TEXT = """\
0:	from all lookup local
996:	from 198.51.100.99 blackhole
997:	from all to 203.0.113.0/24 iif eth0 lookup 7
998:	from all lookup main suppress_prefixlength 0
999:	not from all fwmark 0xca6c lookup 51820
1000:	from 192.0.2.11 fwmark 0x1 lookup 100
32766:	from all lookup main
32767:	from all lookup default
"""
RULES6_TEXT = """\
0:	from all lookup local
32765:	from 2001:db8::10 lookup 100
32766:	from all lookup main
"""
NEIGHBOURS_TEXT = """\
192.0.2.8 dev eth0 lladdr 52:54:00:00:00:02 PERMANENT 
192.0.2.9 dev eth0 FAILED 
192.0.2.1 dev eth0 lladdr 52:54:00:00:00:01 REACHABLE 
fe80::1 dev eth0 lladdr 52:54:00:00:00:01 router STALE 
"""
BUSYBOX_LINKS = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host 
       valid_lft forever preferred_lft forever
2: peer0@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue qlen 1000
    link/ether f2:af:b7:3e:43:31 brd ff:ff:ff:ff:ff:ff
    inet6 fe80::f0af:b7ff:fe3e:4331/64 scope link 
       valid_lft forever preferred_lft forever
3: eth0@peer0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue qlen 1000
    link/ether 86:59:f3:8b:cb:23 brd ff:ff:ff:ff:ff:ff
    inet 192.0.2.10/24 brd 192.0.2.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet 192.0.2.11/32 scope global eth0
       valid_lft forever preferred_lft forever
    inet 198.51.100.1 peer 198.51.100.2/32 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 2001:db8::10/64 scope global flags 02 
       valid_lft forever preferred_lft forever
    inet6 fe80::8459:f3ff:fe8b:cb23/64 scope link 
       valid_lft forever preferred_lft forever
4: br0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop qlen 1000
    link/ether 3e:0e:80:02:50:45 brd ff:ff:ff:ff:ff:ff
5: tun0: <POINTOPOINT,MULTICAST,NOARP> mtu 1500 qdisc noop qlen 500
    link/[65534] 
"""
BUSYBOX_ROUTES4 = """\
default via 192.0.2.1 dev eth0  metric 100 onlink 
unreachable default  metric -16769024 
10.9.8.7 dev eth0 
192.0.2.0/24 dev eth0 scope link  src 192.0.2.10 
198.51.100.2 dev eth0 scope link  src 198.51.100.1 
203.0.113.0/24 
blackhole 203.0.113.128/25 
"""
BUSYBOX_ROUTES6 = """\
2001:db8::/64 dev eth0  metric 256 
2001:db8:1::/48 via 2001:db8::1 dev eth0  metric 1024 
prohibit 2001:db8:bad::/48 dev lo  metric 1024 
fe80::/64 dev peer0  metric 256 
fe80::/64 dev eth0  metric 256 
default via fe80::1 dev eth0  metric 1024 
multicast ff00::/8 dev peer0  metric 256 
multicast ff00::/8 dev eth0  metric 256 
"""
BUSYBOX_RULES4 = """\
0:	from all lookup local 
996:	from 198.51.100.99 lookup unspec blackhole
997:	from all to 203.0.113.0/24 iif eth0 lookup 7 
998:	from all lookup main suppress_prefixlength 0 
999:	from all fwmark 0xca6c lookup 51820 
1000:	from 192.0.2.11 fwmark 0x1 lookup 100 
32766:	from all lookup main 
32767:	from all lookup default 
"""
BUSYBOX_NEIGHBOURS = """\
192.0.2.8 dev eth0 lladdr 52:54:00:00:00:02 used 0/0/0 probes 0 PERMANENT
192.0.2.9 dev eth0  used 0/0/0 probes 0 FAILED
192.0.2.1 dev eth0 lladdr 52:54:00:00:00:01 ref 1 used 0/0/0 probes 0 REACHABLE
fe80::1 dev eth0 lladdr 52:54:00:00:00:01 router used 0/0/0 probes 0 STALE
"""
