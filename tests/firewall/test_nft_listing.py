"""nft's text against nft: what it lists reads as what it prints as JSON, and a file loads as its reading does."""

from __future__ import annotations

import json
import lzma
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

from agent.firewall.nft import json_reader
from agent.firewall.nft.text import parse, read
from tests.firewall.nft_rules import accepted, generated, listed, needs_nft

RECORDED = Path(__file__).parent / "recorded"


@cache
def recording(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lzma.decompress((RECORDED / f"{name}.json.xz").read_bytes()))
    return found


def comparable(rows: object, handles: bool = False) -> list[dict[str, Any]]:
    """Without what only one side has: nft's version and our own marks; handles, that a text has with ``-a`` only; and
    the flag "dynamic" and auto-merge, that nft 1.0.6 leaves out of its JSON."""
    assert isinstance(rows, list)
    left_out = {"auto-merge"} if handles else {"auto-merge", "handle"}
    found = []
    for row in rows:
        ((word, item),) = row.items()
        if word == "metainfo":
            continue
        kept = {key: value for key, value in item.items() if not key.startswith("lish_") and key not in left_out}
        if "flags" in kept and word in ("set", "map"):
            kept["flags"] = [flag for flag in kept["flags"] if flag != "dynamic"]
            if not kept["flags"]:
                del kept["flags"]
        found.append({word: kept})
    return found


def assert_same(text: str, document: dict[str, Any], handles: bool = False) -> int:
    parsed = parse(text)
    assert parsed["lish_problems"] == []
    ours, theirs = comparable(parsed["nftables"], handles), comparable(document["nftables"], handles)
    for mine, other in zip(ours, theirs):
        assert mine == other
    assert len(ours) == len(theirs)
    return len(ours)


def test_a_recorded_listing_reads_as_its_json() -> None:
    found = recording("nft-1.0.6")
    assert assert_same(found["listing"], found["document"]) > 550
    assert_same(found["with_handles"], found["document"], handles=True)


def test_a_recorded_listing_is_the_same_rule_set_as_its_json() -> None:
    found = recording("nft-1.0.6")
    document = {"nftables": comparable(found["document"]["nftables"])}
    ours, theirs = read(found["listing"]), json_reader.read(document)
    for mine, other in zip(ours.tables, theirs.tables):
        for one, two in zip(mine.chains, other.chains):
            assert [(rule.steps, rule.counters) for rule in one.rules] == [
                (rule.steps, rule.counters) for rule in two.rules
            ]
            assert one.base == two.base
    assert ours.problems == ()


@needs_nft
def test_what_nft_lists_reads_as_what_it_prints_as_json() -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    print("seed", seed)
    made = accepted(generated(seed, 60))
    listing, document = listed(made.text())
    count = assert_same(listing, document)
    print(f"{count} objects, {len(made.rules)} rules")
    assert len(made.rules) > 300


@needs_nft
def test_a_file_loads_as_its_reading_does() -> None:
    """What nft reorders, merges and shortens in a listing is no matter here: both are loaded, and both are listed."""
    seed = random.SystemRandom().randrange(1_000_000)
    print("seed", seed)
    made = accepted(generated(seed, 60))
    assert_loads_the_same(made.text())


def assert_loads_the_same(text: str, **given: Any) -> None:
    parsed = parse(text, **given)
    assert parsed["lish_problems"] == []
    wanted, _ = listed(text)
    again, _ = listed_from_json({"nftables": _bare(_ordered(parsed["nftables"]))})
    assert _rule_lines(again) == _rule_lines(wanted)


def listed_from_json(document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return listed(json.dumps(document), load="-j")


def _ordered(rows: Any) -> list[Any]:
    """Chains before the maps that jump to them, as nft's JSON wants it."""
    order = {"table": 0, "chain": 1, "rule": 3}
    return sorted(rows, key=lambda row: order.get(next(iter(row)), 2))


def _bare(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _bare(value) for key, value in tree.items() if not key.startswith("lish_")}
    if isinstance(tree, list):
        return [_bare(part) for part in tree if part != "dynamic"]
    return tree


def _rule_lines(listing: str) -> list[str]:
    """Chains and their rules; JSON for nft 1.0.6 can't say all of a set's declaration. A ``reject`` without more is
    icmpx to us; nft makes it icmp where the rule has asked for IPv4 before: both answer the same."""
    lines = listing.split("\n")
    inside = False
    found = []
    for line in lines:
        if line.startswith(("\tchain ", "table ")):
            inside = True
        elif line.startswith("\t}"):
            inside = False
        if inside:
            found.append(re.sub(" with icmp(v6)? port-unreachable", "", line))
    return sorted(found)


@needs_nft
def test_firewalld_s_rules_read_from_their_listing() -> None:
    count = 0
    for version in ("1.3.3", "2.3.1"):
        for case in list(recording(f"firewalld-{version}")["cases"].values())[::8]:
            if case["listing"]:
                document = case["listing"] if isinstance(case["listing"], dict) else json.loads(case["listing"])
                count += assert_same(*listed(json.dumps(document), load="-j"))
    assert count > 3000


WORKSTATION = """#!/usr/sbin/nft -f

flush ruleset

table inet filter {
	chain inbound {
		type filter hook input priority 0;

		# what belongs to us already
		ct state { established, related } accept
		ct state invalid drop

		iif lo accept
		ip6 nexthdr icmpv6 icmpv6 type { nd-neighbor-solicit, nd-router-advert, nd-neighbor-advert } accept
		counter drop  # the rest
	}
	chain outbound { type filter hook output priority 0; policy accept; }
}
"""

SERVER = """#!/usr/sbin/nft -f
flush ruleset
define wan = eth0
define admins = { 192.0.2.0/24, 198.51.100.7 }
define services = { http, https }
include "/etc/nftables.d/*.nft"

table inet filter {
	set banned {
		type ipv4_addr; flags interval
		elements = { 203.0.113.0/24,   # a whole network
			198.18.0.1 }
	}
	map doors {
		type inet_service : verdict
		elements = { ssh : jump admin, 25 : drop }
	}
	chain admin {
		ip saddr $admins accept
		ip6 saddr $more accept
	}
	chain input {
		type filter hook input priority filter + 10; policy drop;
		ct state vmap { established : accept, related : accept, invalid : drop }
		iifname != $wan accept
		ip saddr @banned counter drop comment "banned by hand"
		tcp dport vmap @doors
		tcp dport $services limit rate 100/second \\
			burst 20 packets accept
		icmp type echo-request limit rate 5/second accept
		log prefix "dropped: " level info; reject with icmpx type admin-prohibited
	}
}
add rule inet filter input meta l4proto ipv6-icmp accept
insert rule inet filter input udp dport domain accept
"""
MORE = "define more = { 2001:db8::/32, fe80::1 }\n"


@needs_nft
def test_a_workstation_s_file_loads_as_its_reading_does() -> None:
    assert_loads_the_same(WORKSTATION)


@needs_nft
def test_a_server_s_file_loads_as_its_reading_does() -> None:
    whole = SERVER.replace('include "/etc/nftables.d/*.nft"\n', MORE)
    assert_loads_the_same(whole)
    asked: list[str] = []

    def opener(path: str) -> str:
        asked.append(path)
        return MORE

    included = parse(SERVER, opener=opener)
    assert asked == ["/etc/nftables.d/*.nft"]
    assert comparable(included["nftables"]) == comparable(parse(whole)["nftables"])
    assert included["lish_problems"] == []
