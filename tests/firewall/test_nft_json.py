"""What ``nft -j list ruleset`` prints, read into the model and rendered again (recorded with nft 1.0.6)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agent.firewall import evaluate
from agent.firewall.expression import NotModelled
from agent.firewall.fields import Protocol, State
from agent.firewall.model import Backend, Family, Hook, Ruleset
from agent.firewall.nft import json_reader
from agent.firewall.nft.priorities import priority
from agent.firewall.nft.render import rendered
from agent.firewall.packet import Question, packet
from agent.firewall.result import Result, Verdict
from agent.firewall.statement import Action, Beyond, End
from tests.firewall.asking import HOST, PING, SSH

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parent / "recorded" / "nft-1.0.6-rules.json"
Json = dict[str, Any]

DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
STATE = {"ct": {"key": "state"}}
ACCEPT, DROP = {"accept": None}, {"drop": None}


@cache
def recorded() -> list[Json]:
    found: list[Json] = json.loads(RECORDED.read_text())
    return found


def match(left: object, right: object, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def document(*rules: Sequence[object], policy: str = "drop", more: Sequence[Json] = (), **chain: object) -> Json:
    """A table inet t with a chain c at input, and other objects."""
    base = {"family": "inet", "table": "t", "name": "c", "type": "filter", "hook": "input", "prio": 0}
    items: list[Json] = [{"table": {"family": "inet", "name": "t"}}, {"chain": {**base, "policy": policy, **chain}}]
    items += more
    items += [{"rule": {"family": "inet", "table": "t", "chain": "c", "expr": list(rule)}} for rule in rules]
    return {"nftables": items}


def named(word: str, name: str, kind: object, elements: Sequence[object], **other: object) -> Json:
    return {word: {"family": "inet", "table": "t", "name": name, "type": kind, "elem": list(elements), **other}}


def ask(what: Mapping[str, object] | Ruleset, question: Question = SSH) -> Result:
    rules = what if isinstance(what, Ruleset) else json_reader.read(what)
    return evaluate.inbound(rules, packet(question, HOST), HOST)


@pytest.mark.parametrize("rule", recorded(), ids=lambda rule: rule["text"])
def test_a_rule_is_rendered_as_nft_prints_it(rule: Json) -> None:
    assert rendered(rule["expr"], rule.get("comment")) == rule["text"]


@pytest.mark.parametrize("rule", recorded(), ids=lambda rule: rule["text"])
def test_no_part_of_a_rule_is_left_out(rule: Json) -> None:
    """Each expression becomes a step; a rule that the model knows only in part says so."""
    (chain,) = json_reader.read(document(rule["expr"])).tables[0].chains
    (read,) = chain.rules
    assert len(read.steps) >= len(rule["expr"])
    for step in read.steps:
        if isinstance(step, (NotModelled, Beyond)):
            assert len(step.reason) > 10


def test_the_verdict_names_the_rule_as_nft_prints_it() -> None:
    rules = (
        [match(STATE, ["established", "related"], "in"), ACCEPT],
        [match(DPORT, {"set": [80, {"range": [20, 30]}]}), DROP],
    )
    result = ask(document(*rules, policy="accept"))
    assert result.verdict is Verdict.DROP
    assert result.place is not None
    assert result.place.text == "tcp dport { 80, 20-30 } drop"
    assert (result.place.table, result.place.chain, result.place.number) == ("t", "c", 2)


@pytest.mark.parametrize(
    ("op", "right", "accepted"),
    [
        ("==", 22, True),
        ("!=", 22, False),
        ("<", 22, False),
        ("<=", 22, True),
        (">", 21, True),
        (">=", 23, False),
        ("==", {"range": [20, 30]}, True),
        ("!=", {"range": [20, 30]}, False),
        ("==", {"set": [80, 22]}, True),
        ("!=", {"set": [80, {"range": [1, 21]}]}, True),
        ("==", "ssh", True),
    ],
)
def test_operators(op: str, right: object, accepted: bool) -> None:
    assert (ask(document([match(DPORT, right, op), ACCEPT])).verdict is Verdict.ACCEPT) is accepted


@pytest.mark.parametrize(
    ("op", "right", "flags", "accepted"),
    [
        ("in", "syn", 2, True),
        ("in", ["syn", "ack"], 16, True),
        ("in", "syn", 16, False),
        ("==", "syn", 18, False),
        ("!=", "syn", 18, True),
        ("!", "syn", 16, True),
        ("!", ["syn", "ack"], 18, False),
        ("==", {"set": ["syn", {"|": ["syn", "ack"]}]}, 18, True),
    ],
)
def test_flags_without_an_operator_mean_one_of_them(op: str, right: object, flags: int, accepted: bool) -> None:
    rules = document([match({"payload": {"protocol": "tcp", "field": "flags"}}, right, op), ACCEPT])
    question = Question(**{**_fields(SSH), "flags": flags})
    assert (ask(rules, question).verdict is Verdict.ACCEPT) is accepted


def _fields(question: Question) -> Json:
    return {name: getattr(question, name) for name in question.__dataclass_fields__}


def test_a_rule_for_a_port_doesnt_hold_for_another_protocol_even_negated() -> None:
    assert ask(document([match(DPORT, 80, "!="), ACCEPT]), PING).verdict is Verdict.DROP


def test_a_rule_for_an_ipv4_address_doesnt_hold_for_ipv6_even_negated() -> None:
    six = Question(6, Protocol.TCP, "2001:db8::5", None, 40000, 22, "eth0")
    rules = document([match(SADDR, "203.0.113.9", "!="), ACCEPT])
    assert ask(rules).verdict is Verdict.ACCEPT
    assert ask(rules, six).verdict is Verdict.DROP


@pytest.mark.parametrize(("kind", "holds"), [("icmp", True), ("icmpv6", False), ("icmpx", True)])
def test_a_reject_implies_the_family_that_nft_doesnt_print(kind: str, holds: bool) -> None:
    result = ask(document([{"reject": {"type": kind, "expr": "port-unreachable"}}], policy="accept"))
    assert result.verdict is (Verdict.REJECT if holds else Verdict.ACCEPT)


def test_a_reset_implies_tcp() -> None:
    rules = document([{"reject": {"type": "tcp reset"}}], policy="accept")
    assert ask(rules).answer == "tcp-reset"
    assert ask(rules, PING).verdict is Verdict.ACCEPT


CONCATENATED = {"concat": [SADDR, DPORT]}
PAIRS = [
    {"concat": ["203.0.113.5", 22]},
    {"concat": [{"prefix": {"addr": "198.51.100.0", "len": 24}}, {"range": [1, 9]}]},
]


def test_a_concatenation_is_looked_up_in_a_named_set_and_in_one_of_the_rule() -> None:
    own = [match(CONCATENATED, {"set": PAIRS}), ACCEPT]
    by_name = [match(CONCATENATED, "@pairs"), ACCEPT]
    pairs = named("set", "pairs", ["ipv4_addr", "inet_service"], PAIRS, flags=["interval"])
    other = Question(**{**_fields(SSH), "destination_port": 23})
    for rules in (document(own), document(by_name, more=[pairs])):
        assert ask(rules).verdict is Verdict.ACCEPT
        assert ask(rules, other).verdict is Verdict.DROP


def test_a_verdict_map_chooses_and_ends_the_rule_where_it_has_no_key() -> None:
    table = {"set": [[22, {"jump": {"target": "d"}}], [80, DROP]]}
    chain = {"chain": {"family": "inet", "table": "t", "name": "d"}}
    rule = {"rule": {"family": "inet", "table": "t", "chain": "d", "expr": [ACCEPT]}}
    rules = document([{"vmap": {"key": DPORT, "data": table}}, DROP], more=[chain, rule], policy="accept")
    assert [step.chain for step in ask(rules).trace] == ["c", "d"]
    assert ask(rules).verdict is Verdict.ACCEPT
    assert ask(rules, Question(**{**_fields(SSH), "destination_port": 80})).verdict is Verdict.DROP
    assert ask(rules, Question(**{**_fields(SSH), "destination_port": 443})).verdict is Verdict.ACCEPT


def test_a_named_map_sets_a_mark_that_a_later_rule_asks_for() -> None:
    marks = named("map", "marks", "ipv4_addr", [["203.0.113.5", 5], ["*", 7]], map="mark")
    mark = {"meta": {"key": "mark"}}
    value = {"map": {"key": SADDR, "data": "@marks"}}
    rules = document([{"mangle": {"key": mark, "value": value}}], [match(mark, 5), ACCEPT], more=[marks])
    assert ask(rules).verdict is Verdict.ACCEPT
    assert ask(rules, Question(**{**_fields(SSH), "source": "203.0.113.6"})).verdict is Verdict.DROP


@pytest.mark.parametrize(
    ("value", "mark"),
    [
        ({"|": [{"meta": {"key": "mark"}}, 16]}, 0x1A),
        ({"&": [{"meta": {"key": "mark"}}, 3]}, 2),
        ({"^": [{"meta": {"key": "mark"}}, 3]}, 9),
        ({"|": [{"&": [{"meta": {"key": "mark"}}, 0xF8]}, 1]}, 9),
        ({"^": [{"|": [{"meta": {"key": "mark"}}, 1]}, 0xFF]}, 0xF4),
    ],
)
def test_marks_are_computed(value: object, mark: int) -> None:
    key = {"meta": {"key": "mark"}}
    rules = (
        [{"mangle": {"key": key, "value": 10}}],
        [{"mangle": {"key": key, "value": value}}],
        [match(key, mark), ACCEPT],
    )
    assert ask(document(*rules)).verdict is Verdict.ACCEPT


def test_a_limit_is_explored_both_ways_and_matters_only_where_the_ends_differ() -> None:
    limit = {"limit": {"rate": 3, "burst": 5, "per": "minute"}}
    assert ask(document([limit, {"log": None}], [ACCEPT])).verdict is Verdict.ACCEPT
    result = ask(document([limit, ACCEPT]))
    assert result.verdict is Verdict.UNKNOWN
    assert result.possible == {Verdict.ACCEPT, Verdict.DROP}
    assert "limit" in result.why


def test_a_set_that_rules_fill_is_certain_only_where_it_has_the_key() -> None:
    add = {"set": {"op": "add", "elem": SADDR, "set": "@seen"}}
    rules = [match(SADDR, "@seen"), DROP], [match(DPORT, 9), add], [ACCEPT]
    full = named("set", "seen", "ipv4_addr", ["203.0.113.5"])
    empty = named("set", "seen", "ipv4_addr", [])
    assert ask(document(*rules, more=[full])).verdict is Verdict.DROP
    result = ask(document(*rules, more=[empty]))
    assert result.verdict is Verdict.UNKNOWN
    assert "seen" in result.why


def test_a_meter_depends_on_what_came_before() -> None:
    meter = {"meter": {"name": "m", "key": SADDR, "stmt": {"limit": {"rate": 1, "per": "minute", "inv": True}}}}
    assert ask(document([meter, DROP], policy="accept")).possible == {Verdict.ACCEPT, Verdict.DROP}


def test_wildcards_of_interfaces() -> None:
    name = {"meta": {"key": "iifname"}}
    for right, accepted in (("eth*", True), ("eth0", True), ("et\\*", False), ({"set": ["lo", "e*"]}, True)):
        assert (ask(document([match(name, right), ACCEPT])).verdict is Verdict.ACCEPT) is accepted
    assert ask(document([match(name, {"set": ["lo", "e*"]}, "!="), ACCEPT])).verdict is Verdict.DROP


def test_a_dormant_table_is_asleep_and_flags_that_are_garbage_leave_it_open() -> None:
    awake, asleep, garbled = document([DROP]), document([DROP]), document([DROP])
    asleep["nftables"][0]["table"]["flags"] = ["dormant"]
    garbled["nftables"][0]["table"]["flags"] = "ftp-std"  # what nft 1.0.6 prints of a dormant table
    assert ask(awake).verdict is Verdict.DROP
    assert ask(asleep).verdict is Verdict.ACCEPT
    assert ask(garbled).possible == {Verdict.ACCEPT, Verdict.DROP}


def test_a_chain_of_a_device_that_nft_didnt_tell_may_stand_before_any() -> None:
    def ingress(**device: object) -> Json:
        table = {"table": {"family": "netdev", "name": "t"}}
        base = {"family": "netdev", "table": "t", "name": "c", "type": "filter", "hook": "ingress", "prio": 0}
        rule = {"rule": {"family": "netdev", "table": "t", "chain": "c", "expr": [DROP]}}
        return {"nftables": [table, {"chain": {**base, "policy": "accept", **device}}, rule]}

    assert ask(ingress(dev="eth0")).verdict is Verdict.DROP
    assert ask(ingress(dev=["eth1", "eth2"])).verdict is Verdict.ACCEPT
    assert ask(ingress()).possible == {Verdict.ACCEPT, Verdict.DROP}


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (-300, -300),
        ("filter", 0),
        ("filter + 10", 10),
        ("raw", -300),
        ("dstnat - 5", -105),
        ("srcnat+1", 101),
        ("-7", -7),
    ],
)
def test_priorities_have_names(given: object, number: int) -> None:
    assert priority(given, Family.INET) == number


def test_priorities_of_bridges_have_other_names() -> None:
    assert [priority(name, Family.BRIDGE) for name in ("dstnat", "filter", "out", "srcnat")] == [-300, -200, 100, 300]


def test_chains_that_were_loaded_last_are_met_first() -> None:
    first = {"family": "inet", "table": "t", "name": "first", "type": "filter", "hook": "input", "prio": 0}
    last = {**first, "name": "last"}
    rules = json_reader.read({"nftables": [{"chain": first}, {"chain": last}]})
    assert [step.chain for step in ask(rules).trace] == ["last", "first"]


def test_tables_of_iptables_are_told_from_nft_s_own() -> None:
    def backend(table: str, chain: str, hook: str) -> Backend:
        base = {"family": "ip", "table": table, "name": chain, "type": "filter", "hook": hook, "prio": 0}
        return json_reader.read({"nftables": [{"chain": base}]}).tables[0].backend

    assert backend("filter", "INPUT", "input") is Backend.NF_TABLES
    assert backend("filter", "input", "input") is Backend.NFT
    assert backend("mine", "INPUT", "input") is Backend.NFT


def test_a_match_of_xtables_that_nft_doesnt_show_is_unknown() -> None:
    assert ask(document([{"xt": None}, ACCEPT])).possible == {Verdict.ACCEPT, Verdict.DROP}
    assert ask(document([{"xt": None}])).verdict is Verdict.UNKNOWN
    assert ask(document([{"xt": {"type": "match", "name": "comment"}}, ACCEPT])).verdict is Verdict.ACCEPT


def test_text_and_line_of_a_parser_are_kept() -> None:
    rules = document([ACCEPT])
    rules["nftables"][-1]["rule"] |= {"lish_text": "accept  # ssh", "lish_line": 7, "handle": 3}
    (rule,) = json_reader.read(rules).tables[0].chains[0].rules
    assert (rule.text, rule.line, rule.handle) == ("accept  # ssh", 7, 3)


def test_what_a_parser_didnt_understand_is_unknown_in_its_place() -> None:
    unknown = {"lish_unknown": {"text": "frobnicate", "why": "frobnicate is no statement"}}
    result = ask(document([match(DPORT, 22), unknown, ACCEPT]))
    assert (result.verdict, "frobnicate" in result.why) == (Verdict.UNKNOWN, True)
    assert ask(document([match(DPORT, 80), unknown, ACCEPT])).verdict is Verdict.DROP


def test_counters_and_elements_with_counters() -> None:
    counted = {"elem": {"val": "203.0.113.5", "counter": {"packets": 3, "bytes": 180}}}
    rules = document([match(SADDR, {"set": [counted]}), {"counter": {"packets": 2, "bytes": 9}}, ACCEPT])
    assert ask(rules).verdict is Verdict.ACCEPT
    assert json_reader.read(rules).tables[0].chains[0].rules[0].counters == (2, 9)


def test_elements_with_limits_of_their_own_hold_for_some_packets_only() -> None:
    limited = {"elem": {"val": "203.0.113.5", "limit": {"rate": 1, "per": "second"}}}
    rules = document([match(SADDR, "@s"), ACCEPT], more=[named("set", "s", "ipv4_addr", [limited])])
    assert ask(rules).possible == {Verdict.ACCEPT, Verdict.DROP}


def test_translations() -> None:
    nat = {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept", "name": "c"}
    rules = document([match(DPORT, 22), {"dnat": {"family": "ip", "addr": "192.0.2.10", "port": 80}}], **nat)
    steps = json_reader.read(rules).tables[0].chains[0].rules[0].steps
    assert evaluate.inbound(json_reader.read(rules), packet(SSH, HOST), HOST).verdict is Verdict.ACCEPT
    assert steps[-1].ports == (80, 80)  # type: ignore[union-attr]
    by_map = {"dnat": {"family": "ip", "addr": {"map": {"key": DPORT, "data": {"set": [[80, "192.0.2.10"]]}}}}}
    assert ask(document([by_map], **nat)).verdict is Verdict.ACCEPT  # the map has no port 22: nothing is translated


def test_after_a_translation_the_new_address_decides_of_which_type_it_is() -> None:
    nat = {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept", "name": "c"}
    later = {"family": "inet", "table": "t", "name": "d", "type": "filter", "hook": "prerouting", "prio": 0}
    foreign = match({"fib": {"result": "type", "flags": ["daddr"]}}, "local", "!=")
    more = [{"chain": later}, {"rule": {"family": "inet", "table": "t", "chain": "d", "expr": [foreign, DROP]}}]
    rules = document([match(DPORT, 22), {"dnat": {"family": "ip", "addr": "198.51.100.7"}}], more=more, **nat)
    assert ask(rules).verdict is Verdict.DROP
    assert ask(rules, PING).verdict is Verdict.ACCEPT


def test_a_map_gives_address_and_port_of_a_translation() -> None:
    nat = {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept", "name": "c"}
    table = named("map", "m", "ipv4_addr", [["203.0.113.5", {"concat": ["192.0.2.10", 80]}]])
    table["map"]["map"] = ["ipv4_addr", "inet_service"]
    rules = document([{"dnat": {"family": "ip", "addr": {"map": {"key": SADDR, "data": "@m"}}}}], more=[table], **nat)
    at = {"family": "inet", "table": "t", "name": "d", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}
    allowed = {"rule": {"family": "inet", "table": "t", "chain": "d", "expr": [match(DPORT, 80), ACCEPT]}}
    assert ask({"nftables": [*rules["nftables"], {"chain": at}, allowed]}).verdict is Verdict.ACCEPT


def test_neighbouring_inequalities_that_nft_may_have_loaded_as_one_are_not_guessed() -> None:
    sport = {"payload": {"protocol": "tcp", "field": "sport"}}

    def verdict(source: int, destination: int) -> Verdict:
        return ask(document([match(sport, source, "!="), match(DPORT, destination, "!="), ACCEPT])).verdict

    assert verdict(1, 1) is Verdict.ACCEPT
    assert verdict(40000, 22) is Verdict.DROP
    assert verdict(1, 22) is Verdict.UNKNOWN


def test_a_named_set_of_interfaces_may_have_wildcards() -> None:
    links = named("set", "links", "ifname", ["lo", "et*"], flags=["interval"])
    rules = document([match({"meta": {"key": "iifname"}}, "@links"), ACCEPT], more=[links])
    assert ask(rules).verdict is Verdict.ACCEPT
    assert ask(rules, Question(**{**_fields(SSH), "arrives": "wg0"})).verdict is Verdict.DROP


def test_untracked_and_invalid_packets() -> None:
    raw = {"hook": "prerouting", "prio": -300, "policy": "accept", "name": "c"}
    rules = document([{"notrack": None}], **raw)
    below = document([match(STATE, "untracked", "in"), ACCEPT])
    below["nftables"][0]["table"]["name"] = "u"
    for item in below["nftables"][1:]:
        for inner in item.values():
            inner["table"] = "u"
    both = {"nftables": [*rules["nftables"], *below["nftables"]]}
    assert ask(both).verdict is Verdict.ACCEPT
    invalid = Question(**{**_fields(SSH), "state": State.INVALID})
    assert ask(document([match(STATE, "invalid", "in"), DROP], policy="accept"), invalid).verdict is Verdict.DROP


def test_hooks_of_chains_that_can_not_be_read_are_problems() -> None:
    rules = json_reader.read(document([DROP], hook="nowhere"))
    assert rules.problems
    assert rules.tables[0].chains[0].base is None
    assert json_reader.read(document([DROP], policy="maybe")).problems
    assert json_reader.read(document([DROP], prio="soon")).problems


def test_the_parts_of_a_base_chain() -> None:
    (chain,) = json_reader.read(document(prio=-5, type="nat")).tables[0].chains
    assert chain.base is not None
    assert (chain.base.hook, chain.base.priority, chain.base.policy, chain.base.nat) == (
        Hook.INPUT, -5, End(Action.DROP), True,
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, network namespaces and nft")
def test_rules_at_random_are_rendered_as_this_machine_s_nft_prints_them() -> None:
    argv = (sys.executable, "-m", "tests.firewall.kernel.rendering", "25")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[:4000] + done.stderr
