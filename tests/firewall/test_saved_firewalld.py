"""firewalld's files against what the real firewalld loaded from them (firewalld 1.3.3 and 2.3.1, recorded).

The recordings hold the packaged files without their descriptions, each configuration's own files, and what
``nft -j list table inet firewalld`` printed after firewalld had started with them; nothing for those it refused.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from agent.firewall import evaluate
from agent.firewall.fields import Protocol
from agent.firewall.host import Host, Interface, Network, Route
from agent.firewall.model import Family, Ruleset, Step, together
from agent.firewall.packet import Question, packet
from agent.firewall.result import Verdict
from agent.firewall.saved.firewalld_direct import direct
from agent.firewall.saved.firewalld_listing import read
from agent.firewall.saved.firewalld_xml import Refused
from agent.firewall.xtables import save
from agent.target import Target
from tests.virtual import virtual

RECORDED = Path(__file__).parent / "recorded"
VERSIONS = ("1.3.3", "2.3.1")
CODES = {  # nft prints names for codes that it knows from rejects
    "icmp": {
        "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
        "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13,
    },
    "icmpv6": {
        "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4, "policy-fail": 5,
        "reject-route": 6,
    },
}  # fmt: skip


@cache
def recording(version: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(lzma.decompress((RECORDED / f"firewalld-{version}.json.xz").read_bytes()))
    return found


def cases() -> list[tuple[str, str]]:
    return [(version, name) for version in VERSIONS for name in recording(version)["cases"]]


def target(version: str = "2.3.1", case: str = "stock", **files: str) -> Target:
    """A disk with firewalld's packaged files and a configuration; ``files`` stand over it, with paths as names."""
    recorded = recording(version)
    tree = {f"/usr/lib/firewalld/{name}": text for name, text in recorded["packaged"].items()}
    tree |= {f"/etc/firewalld/{name}": text for name, text in recorded["cases"][case]["files"].items()}
    tree["/usr/lib/python3/dist-packages/firewall/config/__init__.py"] = f"VERSION = '{version}'\n"
    return virtual({**tree, **files})


def with_zone(text: str, name: str = "public", version: str = "2.3.1") -> Target:
    return target(version, **{f"/etc/firewalld/zones/{name}.xml": text})


def refusal(asked: Target) -> str:
    with pytest.raises(Refused) as caught:
        read(asked)
    return str(caught.value)


@pytest.mark.parametrize(("version", "name"), cases())
def test_the_table_is_the_one_that_firewalld_loaded(version: str, name: str) -> None:
    case = recording(version)["cases"][name]
    if case["state"] != "RUNNING":
        assert refusal(target(version, name))
        return
    mine, _ = read(target(version, name))
    assert shape(mine) == shape(case["listing"])


def shape(listing: Mapping[str, Any]) -> dict[str, Any]:
    """Chains, their rules and sets, without what differs from one start of firewalld to the next."""
    found: dict[str, Any] = {}
    for item in listing["nftables"]:
        if "chain" in item:
            chain = item["chain"]
            found[chain["name"]] = [{key: chain.get(key) for key in ("type", "hook", "prio", "policy")}]
        elif "set" in item:
            found["@" + item["set"]["name"]] = [item["set"]["type"], sorted(map(repr, item["set"].get("elem", ())))]
    for item in listing["nftables"]:
        if "rule" in item:
            found[item["rule"]["chain"]].append(plain(item["rule"]["expr"]))
    return {name: steady(rules) if "POLICIES_" in name else rules for name, rules in found.items()}


def plain(rule: list[dict[str, Any]]) -> list[Any]:
    """A rule with its tests in one order, as nft joins them; a reject of one family implies that family."""
    last = rule[-1].get("reject") if rule else None
    implied = {"icmp": "ipv4", "icmpv6": "ipv6"}.get((last or {}).get("type", ""))
    tests = [sets(step) for step in rule if "match" in step and step["match"] != nfproto(implied)]
    return [*sorted(tests, key=repr), *(step for step in rule if "match" not in step)]


def nfproto(family: str | None) -> dict[str, Any]:
    return {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": family}


def sets(step: dict[str, Any]) -> Any:
    match = {key: step["match"][key] for key in ("op", "left", "right")}
    payload = match["left"].get("payload", {})
    if payload.get("field") == "code":
        match["right"] = CODES[payload["protocol"]].get(match["right"], match["right"])
    if isinstance(match["right"], dict) and "set" in match["right"]:
        items = match["right"]["set"] if isinstance(match["right"]["set"], list) else [match["right"]["set"]]
        match["right"] = sorted(items, key=repr) if len(items) > 1 else items[0]
    if "fib" in match["left"]:
        match["left"] = {"fib": sorted(match["left"]["fib"]["flags"])}
    return match


def steady(rules: list[Any]) -> list[Any]:
    """firewalld 1 leads packets into one policy in the order of a set, which is another at each start."""
    found: list[Any] = []
    for rule in rules:
        if found and isinstance(found[-1], list) and isinstance(rule, list) and found[-1][-1][-1] == rule[-1]:
            found[-1] = sorted([*found[-1], rule], key=repr)
        else:
            found.append([rule] if isinstance(rule, list) else rule)
    return found


def test_the_recordings_are_of_many_configurations() -> None:
    running = [name for version, name in cases() if recording(version)["cases"][name]["state"] == "RUNNING"]
    assert len(running) > 70


@pytest.mark.parametrize(
    "text",
    [
        "<zone>",
        "",
        "\x00\x01\x02",
        "<zone><service/></zone>",
        '<zone><service name="no-such-service"/></zone>',
        '<zone target="MAYBE"/>',
        '<zone><port port="70000" protocol="tcp"/></zone>',
        '<zone><port port="22" protocol="tcp" colour="red"/></zone>',
        '<zone><source address="not-an-address"/></zone>',
        '<zone><source ipset="no-such-set"/></zone>',
        '<zone><icmp-block name="no-such-kind"/></zone>',
        "<zone><blink/></zone>",
        '<zone><rule priority="many"><accept/></rule></zone>',
        '<zone><interface name="a b"/></zone>',
        '<zone><rule><port port="1" protocol="tcp"/><mark set="0x1/all"/></rule></zone>',
        "<policy target='ACCEPT'/>",
        "<zone>" * 100 + "</zone>" * 100,
        '<!DOCTYPE zone [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><zone><short>&b;</short></zone>',
        '<!DOCTYPE zone [<!ENTITY x SYSTEM "file:///etc/passwd">]><zone><short>&x;</short></zone>',
        '<?xml version="1.0" encoding="no-such-code"?><zone/>',
        "<zone>" + '<interface name="e"/>' * 200_000 + "</zone>",
    ],
)
def test_a_zone_that_can_not_be_understood_is_refused_with_its_file(text: str) -> None:
    assert refusal(with_zone(text))


def test_the_refusal_names_file_and_line() -> None:
    why = refusal(with_zone('<zone>\n<port port="ssh" protocol="tcp"/>\n</zone>'))
    assert why.startswith("/etc/firewalld/zones/public.xml: ")
    assert "line 2" in refusal(with_zone("<zone>\n<blink/>\n</zone>"))


def test_services_that_include_each_other_without_end_are_refused() -> None:
    files = {
        f"/etc/firewalld/services/s{number}.xml": f'<service><include service="s{number + 1}"/></service>'
        for number in range(2000)
    }
    zone = {"/etc/firewalld/zones/public.xml": '<zone><service name="s0"/></zone>'}
    assert "include" in refusal(target(**files, **zone))


@pytest.mark.parametrize(
    "text",
    [
        '<ipset type="hash:ip"><option name="timeout" value="soon"/></ipset>',
        '<ipset type="hash:ip,port"><entry>192.0.2.1,tcp:http</entry></ipset>',
        '<ipset type="hash:ip"><entry>somewhere</entry></ipset>',
        '<ipset type="hash:unheard"/>',
    ],
)
def test_an_ipset_that_can_not_be_understood_is_refused(text: str) -> None:
    assert refusal(target(**{"/etc/firewalld/ipsets/bad.xml": text}))


def test_an_interface_in_two_zones_is_refused() -> None:
    files = {f"/etc/firewalld/zones/{name}.xml": '<zone><interface name="eth0"/></zone>' for name in ("work", "home")}
    assert "eth0" in refusal(target(**files))


def test_a_rich_rule_without_sense_is_left_out_by_firewalld_1_and_refused_by_2() -> None:
    text = '<zone><service name="ssh"/><rule><accept/></rule></zone>'
    listing, problems = read(with_zone(text, version="1.3.3"))
    assert [problem.text for problem in problems] == ["/etc/firewalld/zones/public.xml"]
    assert shape(listing)["filter_IN_public_allow"][1:] == shape_of_ssh()
    assert "line 1" in refusal(with_zone(text))


def shape_of_ssh() -> list[Any]:
    port = {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}
    return [[port, {"accept": None}]]


def test_an_unknown_default_zone_is_replaced_and_said() -> None:
    _, problems = read(target(case="default-unknown"))
    assert [(problem.text, problem.why) for problem in problems] == [
        ("DefaultZone=nowhere", "no such zone: firewalld uses public instead")
    ]


def leads(asked: Target, interface: str) -> list[str]:
    """The chains of filter's input into which packets from an interface are led."""
    listing, _ = read(asked)
    return list(_led(listing, interface))


def _led(listing: Mapping[str, Any], interface: str) -> Iterator[str]:
    for rules in (item["rule"] for item in listing["nftables"] if "rule" in item):
        if rules["chain"].startswith("filter_INPUT_") and interface in repr(rules["expr"][0]):
            for kind in ("jump", "goto"):
                if kind in rules["expr"][-1] and "policy" not in rules["expr"][-1][kind]["target"]:
                    yield rules["expr"][-1][kind]["target"]


@pytest.mark.parametrize("version", VERSIONS)
def test_networkmanager_puts_an_interface_into_a_zone(version: str) -> None:
    keyfile = "[connection]\nid=lan\ninterface-name=eth7\nzone=work\n[ipv4]\nmethod=auto\n"
    files = {"/etc/NetworkManager/system-connections/lan.nmconnection": keyfile}
    assert leads(target(version, **files), "eth7") == ["filter_IN_work"]


def test_an_ifcfg_file_moves_an_interface_out_of_another_zone() -> None:
    files = {
        "/etc/sysconfig/network-scripts/ifcfg-eth7": 'DEVICE="eth7"\nZONE=work\n',
        "/etc/firewalld/zones/home.xml": '<zone><interface name="eth7"/></zone>',
    }
    assert leads(target(**files), "eth7") == ["filter_IN_work"]


def test_a_connection_with_a_zone_and_no_interface_leaves_it_unknown() -> None:
    keyfile = "[connection]\nid=any\nzone=work\n"
    files = {"/etc/NetworkManager/system-connections/any.nmconnection": keyfile}
    assert "the interface is not told" in refusal(target(**files))


def test_what_is_not_read_is_not_guessed() -> None:
    assert "iptables" in refusal(target(**{"/etc/firewalld/firewalld.conf": "FirewallBackend=iptables\n"}))
    assert "version" in refusal(virtual({"/etc/firewalld/zones/public.xml": "<zone/>"}))
    assert "older" in refusal(
        target(**{"/usr/lib/python3/dist-packages/firewall/config/__init__.py": "VERSION = '0.9.3'\n"})
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_direct_rules_are_those_that_iptables_held(version: str) -> None:
    """In the order in which firewalld inserted them, which is not that of the file."""
    texts = recording(version)["cases"]["direct"]["iptables"]
    real = together(*(save.read(texts[name], family) for name, family in (("4", Family.IP), ("6", Family.IP6))))
    mine = direct(target(version, "direct"))
    assert not mine.problems
    assert chains_of(mine) == chains_of(real)


def chains_of(ruleset: Ruleset) -> dict[tuple[str, str, str], list[tuple[Step, ...]]]:
    return {
        (table.family.value, table.name, chain.name): [rule.steps for rule in chain.rules]
        for table in ruleset.tables
        for chain in table.chains
    }


def test_direct_rules_that_pass_through_are_refused() -> None:
    text = '<direct><passthrough ipv="ipv4">-I INPUT -j DROP</passthrough></direct>'
    with pytest.raises(Refused, match="line 1"):
        direct(target(**{"/etc/firewalld/direct.xml": text}))


def test_a_broken_direct_file_is_passed_over_and_said() -> None:
    """As firewalld does, which logs an error and goes on."""
    found = direct(target(**{"/etc/firewalld/direct.xml": "<direct>"}))
    assert not found.tables
    assert len(found.problems) == 1


def test_an_empty_direct_file_is_nothing() -> None:
    assert direct(target(**{"/etc/firewalld/direct.xml": "<direct></direct>"})) == Ruleset()


SOURCES = {
    4: ("203.0.113.5", "203.0.113.7", "203.0.113.66", "203.0.113.200", "198.51.100.4", "198.51.100.77", "192.0.2.4"),
    6: ("2001:db8::5", "2001:db8:1::7", "2001:db9::1"),
}
OWN = {4: "192.0.2.10", 6: "2001:db8:1::10"}
HOST = Host(
    (
        Interface("eth0", (Network(4, 0xC000020A, 25), Network(6, 0x20010DB8000100000000000000000010, 64))),
        Interface("eth1", (Network(4, 0xC0000282, 25),)),
    ),
    (Route(Network(4, 0, 0), "eth0"), Route(Network(6, 0, 0), "eth0")),
)
KINDS = (
    *((Protocol.TCP, port) for port in (22, 25, 80, 81, 443, 2200, 2222, 3306, 8050, 9090)),
    *((Protocol.UDP, port) for port in (5, 53, 5000, 5353)),
    *((protocol, None) for protocol in (Protocol.ICMP, Protocol.GRE, Protocol.ESP)),
)


def questions() -> Iterator[Question]:
    for family, sources in SOURCES.items():
        for source, (protocol, port), interface in product(sources, KINDS, ("eth0", "eth1", "tun3")):
            number = Protocol.ICMPV6 if (family, protocol) == (6, Protocol.ICMP) else protocol
            from_port = None if port is None else 40000
            yield Question(family, number, source, OWN[family], from_port, port, interface)


def verdicts(ruleset: Ruleset) -> list[tuple[Verdict, str]]:
    found = []
    for question in questions():
        result = evaluate.inbound(ruleset, packet(question, HOST), HOST)
        found.append((result.verdict, result.place.chain if result.place else ""))
    return found


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version, name in cases() if not name.startswith("random-")]
)
def test_packets_meet_the_same_verdict_in_the_same_chain(version: str, name: str) -> None:
    reader = pytest.importorskip("agent.firewall.nft.json_reader")
    case = recording(version)["cases"][name]
    if case["state"] != "RUNNING" or name == "direct":
        return
    mine, _ = read(target(version, name))
    assert verdicts(reader.read(mine)) == verdicts(reader.read(case["listing"]))


def verdict(asked: Target, **changed: Any) -> Verdict:
    pytest.importorskip("agent.firewall.nft.json_reader")
    firewalld = pytest.importorskip("agent.firewall.saved.firewalld")
    question = replace(Question(4, Protocol.TCP, "203.0.113.5", OWN[4], 40000, 22, "eth0"), **changed)
    result: Verdict = evaluate.inbound(firewalld.zones(asked), packet(question, HOST), HOST).verdict
    return result


@pytest.mark.parametrize("version", VERSIONS)
def test_firewalld_as_installed_accepts_ssh_and_rejects_the_rest(version: str) -> None:
    assert verdict(target(version)) is Verdict.ACCEPT
    assert verdict(target(version), destination_port=80) is Verdict.REJECT
    assert verdict(target(version), destination_port=80, arrives="lo") is Verdict.ACCEPT
    assert verdict(target(version, "default-drop")) is Verdict.DROP


def test_what_can_not_be_told_is_unknown_and_says_why() -> None:
    pytest.importorskip("agent.firewall.nft.json_reader")
    firewalld = pytest.importorskip("agent.firewall.saved.firewalld")
    broken = with_zone("<zone>")
    assert verdict(broken) is Verdict.UNKNOWN
    assert "public.xml" in firewalld.zones(broken).problems[0].why
