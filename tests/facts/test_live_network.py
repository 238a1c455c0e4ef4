"""The live network's parsers, on recorded output of ip and, where it may, on a namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from ipaddress import ip_interface

import pytest

from agent.facts import live_network
from agent.facts.ip_records import parse_links, parse_neighbours, parse_routes, parse_rules
from agent.facts.ip_text import parse_links_text, parse_neighbours_text, parse_routes_text, parse_rules_text
from agent.facts.network import Link, Neighbour, Route, RoutingRule
from agent.target.model import Mode, Output
from agent.unknown import Unknown, Why
from tests.facts import ip_recorded as recorded
from tests.virtual import virtual


def _link(links: tuple[Link, ...], name: str) -> Link:
    return next(link for link in links if link.name == name)


def test_a_link_has_its_addresses_flags_and_kind() -> None:
    links = parse_links(recorded.LINKS_JSON)
    assert [link.name for link in links] == ["lo", "peer0", "eth0", "br0", "tun0"]
    eth0 = _link(links, "eth0")
    assert eth0.up and eth0.carrier and not eth0.loopback
    assert eth0.operstate == "UP" and eth0.mtu == 1500 and eth0.kind == "veth"
    assert [address.interface for address in eth0.global_addresses] == [
        ip_interface("192.0.2.10/24"),
        ip_interface("192.0.2.11/32"),
        ip_interface("198.51.100.1/32"),
        ip_interface("2001:db8::10/64"),
    ]
    assert eth0.addresses[3].flags == ("nodad",)
    assert _link(links, "lo").mac == "" and _link(links, "lo").loopback


@pytest.mark.parametrize("text", [recorded.LINKS_DETAILED_TEXT, recorded.LINKS_TEXT])
def test_the_text_of_ip_tells_the_same_links_as_its_json(text: str) -> None:
    assert parse_links_text(text) == parse_links(recorded.LINKS_JSON)


def test_busybox_tells_the_same_addresses() -> None:
    ours, theirs = parse_links_text(recorded.BUSYBOX_LINKS), parse_links(recorded.LINKS_JSON)
    assert [(link.name, link.flags, link.addresses, link.mac) for link in ours] == [
        (link.name, link.flags, link.addresses, link.mac) for link in theirs
    ]
    assert _link(ours, "eth0").operstate == "UP" and _link(ours, "br0").operstate == "DOWN"


def test_routes_of_both_families_without_the_kernels_own() -> None:
    four = parse_routes(recorded.ROUTES4_JSON, 4)
    assert four[0] == Route("default", "192.0.2.1", "eth0", 4, metric=100, protocol="static", flags=("onlink",))
    assert four[0].default
    assert four[1].kind == "unreachable" and not four[1].default
    assert four[2].destination == "10.9.8.7/32" and four[2].gateway == "fe80::1" and four[2].family == 4
    hops = [route for route in four if route.destination == "203.0.113.0/24"]
    assert [route.gateway for route in hops] == ["192.0.2.2", "192.0.2.3"]
    assert not any(route.table == "local" or route.kind in ("local", "broadcast") for route in four)
    six = parse_routes(recorded.ROUTES6_JSON, 6)
    assert [route.gateway for route in six if route.default] == ["fe80::1"]
    assert all(route.family == 6 for route in six)


@pytest.mark.parametrize(
    ("text", "records", "family"),
    [
        (recorded.ROUTES4_ALL_TEXT, recorded.ROUTES4_JSON, 4),
        (recorded.ROUTES4_TEXT, recorded.ROUTES4_JSON, 4),
        (recorded.ROUTES6_ALL_TEXT, recorded.ROUTES6_JSON, 6),
        (recorded.ROUTES6_TEXT, recorded.ROUTES6_JSON, 6),
    ],
)
def test_the_text_of_ip_tells_the_same_routes_as_its_json(text: str, records: object, family: int) -> None:
    assert parse_routes_text(text, family) == parse_routes(records, family)


def test_busybox_tells_the_same_default_routes() -> None:
    four = parse_routes_text(recorded.BUSYBOX_ROUTES4, 4)
    assert [(route.gateway, route.metric) for route in four if route.default] == [("192.0.2.1", 100)]
    assert four[1].metric == 4278198272  # printed as a negative number
    six = parse_routes_text(recorded.BUSYBOX_ROUTES6, 6)
    assert [(route.gateway, route.device) for route in six if route.default] == [("fe80::1", "eth0")]


def test_rules_keep_what_selects_them() -> None:
    rules = parse_rules(recorded.RULES4_JSON, 4)
    assert RoutingRule(999, 4, "not from all fwmark 0xca6c", "51820") in rules
    assert RoutingRule(997, 4, "from all to 203.0.113.0/24 iif eth0", "7") in rules
    assert RoutingRule(998, 4, "from all suppress_prefixlength 0", "main") in rules
    assert parse_rules_text(recorded.RULES4_TEXT, 4) == rules
    assert parse_rules_text(recorded.RULES6_TEXT, 6) == parse_rules(recorded.RULES6_JSON, 6)
    assert [rule.table for rule in parse_rules_text(recorded.BUSYBOX_RULES4)][-2:] == ["main", "default"]


def test_neighbours_have_their_state() -> None:
    neighbours = parse_neighbours(recorded.NEIGHBOURS_JSON)
    assert Neighbour("192.0.2.9", "eth0", "FAILED") in neighbours
    assert Neighbour("fe80::1", "eth0", "STALE", "52:54:00:00:00:01", router=True) in neighbours
    assert parse_neighbours_text(recorded.NEIGHBOURS_TEXT) == neighbours
    assert parse_neighbours_text(recorded.BUSYBOX_NEIGHBOURS) == neighbours


def test_pasted_text_may_have_prompts_and_errors_around_it() -> None:
    text = "root@web:~# ip r\r\ndefault via 192.0.2.1 dev eth0 \r\nerror: no\r\nroot@web:~# "
    assert [route.gateway for route in parse_routes_text(text)] == ["192.0.2.1"]
    old = "2: eth0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc pfifo_fast state DOWN qlen 1000\n"
    assert not parse_links_text("$ ip a\n" + old)[0].carrier


def test_a_device_without_a_kind_is_hardware_and_a_bridge_is_not() -> None:
    text = (
        "1: lo: <LOOPBACK,UP> mtu 65536\n    link/loopback 00:00:00:00:00:00\n"
        "2: ens3: <BROADCAST,UP,LOWER_UP> mtu 1500 state UP\n    link/ether 52:54:00:00:00:09\n"
        "3: docker0: <BROADCAST,UP> mtu 1500 state DOWN\n    link/ether 02:42:00:00:00:01\n"
        "5: veth1a2b@if4: <BROADCAST,UP,LOWER_UP> mtu 1500 master docker0 state UP\n"
        "    link/ether 02:42:00:00:00:02\n"
    )
    assert [link.name for link in parse_links_text(text) if link.hardware] == ["ens3"]


def test_the_uplink_of_a_container_counts_as_hardware() -> None:
    record = {
        "ifindex": 2,
        "ifname": "host0",
        "flags": ["UP", "LOWER_UP"],
        "link_type": "ether",
        "address": "52:54:00:00:00:09",
        "link_index": 7,
        "link_netnsid": 0,
        "linkinfo": {"info_kind": "veth"},
    }
    assert parse_links([record])[0].hardware
    assert not parse_links([{**record, "master": "br0"}])[0].hardware
    device = {"ifindex": 3, "ifname": "eth0", "flags": [], "link_type": "ether"}
    assert [link.hardware for link in parse_links([record, device])] == [False, True]


def test_the_targets_own_record_says_driver_and_hardware() -> None:
    records = [{"ifname": "eth0", "flags": ["UP"], "driver": "virtio_net", "hardware": True, "addr_info": []}]
    target = virtual({}, Mode.LIVE, queries={"links": records})
    links = live_network.links(target)
    assert not isinstance(links, Unknown)
    assert links[0].hardware and links[0].driver == "virtio_net"


def test_without_a_library_the_json_of_ip_is_read() -> None:
    runs = {
        ("ip", "-j", "-d", "addr"): json.dumps(recorded.LINKS_JSON),
        ("ip", "-j", "-4", "route", "show", "table", "all"): json.dumps(recorded.ROUTES4_JSON),
        ("ip", "-j", "-6", "route", "show", "table", "all"): json.dumps(recorded.ROUTES6_JSON),
        ("ip", "-j", "-4", "rule"): json.dumps(recorded.RULES4_JSON),
        ("ip", "-j", "neigh"): "",
    }
    target = virtual({}, Mode.LIVE, runs=runs)
    assert live_network.links(target) == parse_links(recorded.LINKS_JSON)
    routes = live_network.routes(target)
    assert not isinstance(routes, Unknown)
    assert {route.family for route in routes if route.default} == {4, 6}
    assert live_network.rules(target) == parse_rules(recorded.RULES4_JSON, 4)  # no IPv6: no rules of it
    assert live_network.neighbours(target) == ()


def test_where_ip_has_no_json_its_text_is_read() -> None:
    usage = Output(("ip",), 1, "", "BusyBox v1.35.0\n", 0.0)
    runs: dict[tuple[str, ...], str | Output] = {
        ("ip", "-j", "-d", "addr"): usage,
        ("ip", "addr"): recorded.BUSYBOX_LINKS,
        ("ip", "-j", "-4", "route", "show", "table", "all"): usage,
        ("ip", "r"): recorded.BUSYBOX_ROUTES4,
        ("ip", "-6", "r"): recorded.BUSYBOX_ROUTES6,
        ("ip", "-j", "neigh"): usage,
        ("ip", "neigh"): recorded.BUSYBOX_NEIGHBOURS,
    }
    target = virtual({}, Mode.LIVE, runs=runs)
    assert live_network.links(target) == parse_links_text(recorded.BUSYBOX_LINKS)
    routes = live_network.routes(target)
    assert not isinstance(routes, Unknown)
    assert {route.family for route in routes if route.default} == {4, 6}
    assert live_network.neighbours(target) == parse_neighbours_text(recorded.BUSYBOX_NEIGHBOURS)


def test_a_target_that_does_not_run_has_no_live_network() -> None:
    target = virtual({})
    for fact in (live_network.links, live_network.routes, live_network.rules, live_network.neighbours):
        found = fact(target)
        assert isinstance(found, Unknown) and found.why is Why.NOT_LIVE


@pytest.mark.parametrize(
    "junk",
    [
        None,
        7,
        "x",
        {},
        [[]],
        [{"ifname": 3}],
        [{"ifname": "a", "flags": {}, "addr_info": [{"local": []}, {"local": "x"}], "mtu": "q", "linkinfo": 1}],
        [{"dst": None, "via": 3, "nexthops": "x"}, {"dst": "default", "nexthops": [None, {"via": {}}]}],
        [{"priority": "x", "src": [], "state": {}}],
    ],
)
def test_records_of_any_shape_are_taken_without_an_error(junk: object) -> None:
    parse_links(junk)
    parse_routes(junk)
    parse_rules(junk)
    parse_neighbours(junk)
    text = json.dumps(junk)
    parse_links_text(text), parse_routes_text(text), parse_rules_text(text), parse_neighbours_text(text)


_SCRIPT = """
ip link set lo up
ip link add eth0 type veth peer name peer0 && ip link set eth0 up && ip link set peer0 up
ip addr add 192.0.2.10/24 brd + dev eth0; ip -6 addr add 2001:db8::10/64 dev eth0 nodad
ip route add default via 192.0.2.1 dev eth0 proto static metric 100
ip -6 route add default via fe80::1 dev eth0; ip route add blackhole 203.0.113.0/24
ip rule add not from 192.0.2.9 fwmark 0x1 table 100
ip neigh add 192.0.2.1 lladdr 52:54:00:00:00:01 dev eth0 nud permanent
sleep 0.2
for c in "-j -d addr" "-d addr" "-j -4 route show table all" "-4 route show table all" \
  "-j -6 route show table all" "-6 route show table all" "-j rule" "rule" "-j neigh" "neigh"; do
  ip $c; echo; echo ======
done
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_json_and_text_of_this_machines_ip_agree() -> None:
    ran = subprocess.run(
        ["unshare", "-n", "sh", "-c", _SCRIPT], capture_output=True, text=True, check=False, timeout=30
    )
    parts = ran.stdout.split("======\n")
    if len(parts) < 10 or "eth0" not in parts[0]:
        pytest.skip(f"no namespace to be had here: {ran.stderr[:200]}")
    loads = [json.loads(part) if part.strip() else [] for part in parts[:10:2]]
    texts = parts[1:10:2]

    def settled(links: tuple[Link, ...]) -> list[Link]:  # duplicate address detection may end in between
        out = []
        for link in links:
            kept = tuple(replace(address, flags=()) for address in link.addresses)
            out.append(replace(link, addresses=kept))
        return out

    assert settled(parse_links(loads[0])) == settled(parse_links_text(texts[0]))
    assert parse_routes(loads[1], 4) == parse_routes_text(texts[1], 4)
    assert parse_routes(loads[2], 6) == parse_routes_text(texts[2], 6)
    assert parse_rules(loads[3], 4) == parse_rules_text(texts[3], 4)
    assert parse_neighbours(loads[4]) == parse_neighbours_text(texts[4])
