"""What is in force: read from every program's answer at once, without loading or changing anything."""

from __future__ import annotations

import json
import lzma
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.firewall import evaluate
from agent.firewall.fields import Protocol
from agent.firewall.inforce import in_force
from agent.firewall.model import Backend, Family, Ruleset
from agent.firewall.packet import Question, packet
from agent.firewall.reading import Reading
from agent.firewall.result import Verdict
from agent.target import Mode, Output, Target
from agent.target.detect import open_target
from agent.unknown import Unknown, Why
from tests.fixes import rulesets
from tests.target.children import needs_root
from tests.virtual import Denied, File, Link, Node, VirtualDoor, virtual

RECORDED = Path(__file__).parent / "recorded"
PROGRAM = File("", mode=0o755)
MODULES = "nf_tables 385024 1 - Live 0x0\nnft_compat 20480 1 - Live 0x0\nip_set 61440 1 - Live 0x0\n"
PROGRAMS: Mapping[str, Node] = {
    f"/usr/sbin/{name}": PROGRAM
    for name in (
        "nft",
        "ipset",
        "iptables-nft-save",
        "ip6tables-nft-save",
        "iptables-legacy-save",
        "ip6tables-legacy-save",
    )
}
LEGACY = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n"
EMPTY = json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}]})
NFT = ("nft", "-j", "list", "ruleset")
NFT_TEXT = ("nft", "-a", "list", "ruleset")

Answers = Mapping[Sequence[str], "str | Output | Unknown"]


def host(files: Mapping[str, Node], runs: Answers) -> Target:
    queries = {"links": [], "routes": []}
    return virtual({"/proc/modules": "", "/etc/hostname": "web1", **files}, Mode.LIVE, runs, queries)


def calls(target: Target) -> list[tuple[str, ...]]:
    assert isinstance(target.door, VirtualDoor)
    return target.door.calls


def failed(stderr: str, status: int = 1, stdout: str = "") -> Output:
    return Output(("x",), status, stdout, stderr, 0.0)


def names(ruleset: Ruleset) -> list[tuple[str, str, str]]:
    return [(table.backend.value, table.family.value, table.name) for table in ruleset.tables]


# -- what is asked


def test_a_target_that_does_not_run_has_nothing_in_force() -> None:
    target = virtual({"/proc/net/ip_tables_names": "filter\n", **PROGRAMS}, Mode.OFFLINE)
    assert in_force(target) == Reading(unchecked=("what is in force shows only on the running host",))
    assert calls(target) == []


def test_a_kernel_without_any_of_it_is_asked_by_no_program() -> None:
    target = host({"/lib/modules/6.1/modules.builtin": "", "/proc/sys/kernel/osrelease": "6.1\n", **PROGRAMS}, {})
    reading = in_force(target)
    assert (reading.ruleset.tables, dict(reading.ruleset.ipsets or {}), reading.unchecked) == ((), {}, ())
    assert calls(target) == []


@pytest.mark.parametrize(
    "files",
    [
        {"/proc/modules": MODULES},
        {"/sys/module/nf_tables/refcnt": "1", "/sys/module/ip_set/refcnt": "0"},
        {
            "/proc/sys/kernel/osrelease": "6.1-virt\n",
            "/lib/modules/6.1-virt/modules.builtin": "kernel/net/netfilter/nf_tables.ko\nkernel/net/ipset/ip-set.ko\n",
        },
        {"/proc/kallsyms": "ff1 T nft_do_chain\nff2 t ip_set_test\n"},
    ],
    ids=["loaded", "in sysfs", "built in", "built in, without a list"],
)
def test_what_the_kernel_has_is_asked(files: Mapping[str, Node]) -> None:
    target = host({**files, **PROGRAMS}, {NFT: EMPTY, ("ipset", "save"): ""})
    reading = in_force(target)
    assert sorted(calls(target)) == [("ipset", "save"), NFT]
    assert reading.unchecked == ()


def test_only_families_with_tables_are_asked_of_the_old_xtables() -> None:
    files = {"/proc/net/ip_tables_names": "filter\n", "/proc/net/ip6_tables_names": ""}
    target = host({**files, **PROGRAMS, "/proc/kallsyms": ""}, {("iptables-legacy-save", "-c"): LEGACY})
    reading = in_force(target)
    assert names(reading.ruleset) == [("legacy", "ip", "filter")]
    assert [(source.name, source.backend, source.family) for source in reading.sources] == [
        ("iptables-legacy-save", Backend.LEGACY, Family.IP)
    ]
    assert calls(target) == [("iptables-legacy-save", "-c")]
    assert reading.unchecked == ()


@pytest.mark.parametrize(
    ("files", "runs", "command"),
    [
        (
            {"/sbin/iptables-save": Link("xtables-legacy-multi"), "/sbin/xtables-legacy-multi": PROGRAM},
            {},
            "iptables-save",
        ),
        ({"/sbin/iptables-save": Link("xtables-multi"), "/sbin/xtables-multi": PROGRAM}, {}, "iptables-save"),
        ({"/sbin/iptables-save": PROGRAM}, {("iptables", "-V"): "iptables v1.4.7\n"}, "iptables-save"),
        ({"/sbin/xtables-legacy-multi": PROGRAM}, {}, "xtables-legacy-multi iptables-save"),
    ],
)
def test_the_program_that_prints_the_old_tables_is_found(
    files: Mapping[str, Node], runs: Answers, command: str
) -> None:
    target = host(
        {"/proc/net/ip_tables_names": "filter\n", "/proc/kallsyms": "", **files},
        {**runs, (*command.split(), "-c"): LEGACY},
    )
    reading = in_force(target)
    assert names(reading.ruleset) == [("legacy", "ip", "filter")]
    assert reading.sources[0].name == command


def test_an_iptables_save_of_the_other_back_end_is_not_taken_for_the_old_one() -> None:
    files = {"/sbin/iptables-save": Link("xtables-nft-multi"), "/sbin/xtables-nft-multi": PROGRAM, "/proc/kallsyms": ""}
    reading = in_force(host({"/proc/net/ip_tables_names": "filter\n", **files}, {("iptables-save", "-c"): LEGACY}))
    assert reading.ruleset.tables == ()
    assert reading.unchecked == ("the tables of iptables-legacy can't be read: iptables-legacy-save is not installed",)


# -- what can't be read


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (failed("Permission denied (you must be root)"), "must be root) (run it with sudo)"),
        (failed("\x1b[2Jbroken\x07\n"), "?[2Jbroken?"),
        (failed("", -9), "exit status -9"),
        (Unknown("iptables-legacy-save -c: no end within 60 seconds", Why.TIMEOUT), "no end within 60 seconds"),
        (Output(("x",), -15, "*filter\n", "", 1.0, truncated=True), "prints more than 64 MiB"),
    ],
)
def test_a_program_that_fails_is_a_sentence_with_its_reason(answer: Output | Unknown, said: str) -> None:
    files = {"/proc/net/ip_tables_names": "filter\n", "/proc/kallsyms": "", **PROGRAMS}
    (sentence,) = in_force(host(files, {("iptables-legacy-save", "-c"): answer})).unchecked
    assert sentence.startswith("the tables of iptables-legacy can't be read: ")
    assert said in sentence
    assert sentence.isprintable()


def test_what_only_root_may_look_at_is_said_with_what_to_do() -> None:
    files = {"/proc/net/ip_tables_names": Denied(), "/proc/kallsyms": ""}
    (sentence,) = in_force(host(files, {})).unchecked
    assert "permission denied (run it with sudo)" in sentence


def test_nobody_but_root_is_refused_before_anything_is_asked() -> None:
    target = replace(host({"/proc/modules": MODULES, **PROGRAMS}, {NFT: EMPTY}), root_user=False)
    assert in_force(target).unchecked == ("only root may read the rules in force: run it with sudo",)
    assert calls(target) == []


def test_a_text_that_is_cut_off_or_lacks_a_table_is_said() -> None:
    files = {"/proc/net/ip_tables_names": "nat\nfilter\n", "/proc/kallsyms": "", **PROGRAMS}
    reading = in_force(host(files, {("iptables-legacy-save", "-c"): LEGACY.replace("COMMIT\n", "")}))
    assert reading.unchecked == (
        "iptables-legacy-save does not print the end of the table filter",
        "iptables-legacy-save does not print the table nat",
    )


def test_nf_tables_without_nft_leaves_its_own_tables_unseen() -> None:
    programs = {path: PROGRAM for path in PROGRAMS if "nft-save" in path}
    save = LEGACY.replace("DROP [", "ACCEPT [")
    runs: Answers = {("iptables-nft-save", "-c"): save, ("ip6tables-nft-save", "-c"): ""}
    reading = in_force(host({"/proc/modules": MODULES, **programs}, runs))
    assert names(reading.ruleset) == [("nf_tables", "ip", "filter")]
    assert reading.unchecked == (
        "the kernel has nf_tables, and nft is not installed: tables of nft itself can't be seen",
    )


def test_where_nothing_can_read_nf_tables_that_is_said() -> None:
    (sentence,) = in_force(host({"/proc/modules": MODULES}, {})).unchecked
    assert sentence == "the kernel has nf_tables, and nft is not installed: its tables can't be seen"


def test_an_nft_without_json_is_read_by_its_text() -> None:
    text = "table inet t {\n\tchain c {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"
    runs: Answers = {NFT: failed("Error: JSON support not compiled-in"), ("nft", "list", "ruleset"): text}
    reading = in_force(host({"/proc/modules": MODULES, **PROGRAMS}, {**runs, ("ipset", "save"): ""}))
    assert names(reading.ruleset) == [("nft", "inet", "t")]


@pytest.mark.parametrize(
    "printed", ["", "{", "[" * 100000, "[]", "null", '{"nftables": 3}', '{"nftables": [1, {"table": 2}]}']
)
def test_broken_json_is_no_traceback(printed: str) -> None:
    runs: Answers = {NFT: printed, ("nft", "list", "ruleset"): failed("no"), ("ipset", "save"): "", NFT_TEXT: ""}
    reading = in_force(host({"/proc/modules": MODULES, **PROGRAMS}, runs))
    assert reading.ruleset.tables == ()
    assert reading.unchecked or reading.ruleset.problems or printed.endswith("2}]}")


def test_what_nft_leaves_out_of_a_newer_kernels_rules_is_said() -> None:
    said = "# Warning: table ip filter is managed by iptables-nft, do not touch!\nunknown expression type 'new'\n"
    runs: Answers = {NFT: Output(NFT, 0, EMPTY, said, 0.0), ("ipset", "save"): ""}
    reading = in_force(host({"/proc/modules": MODULES, **PROGRAMS}, runs))
    assert reading.unchecked == ("nft -j list ruleset complains: unknown expression type 'new'",)


ODD = (None, True, -1, 10**30, "", "@x", "\x1b[2J", [], [[]], {}, {"xt": None}, {"a": [1]}, "filter", "ip")


def spoilt(value: object, chance: random.Random) -> object:
    """The same JSON with something odd in a few places."""
    if chance.random() < 0.03:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: spoilt(inner, chance) for key, inner in value.items() if chance.random() > 0.02}
    return [spoilt(inner, chance) for inner in value] if isinstance(value, list) else value


def test_no_json_however_odd_brings_it_down() -> None:
    chance = random.Random(1)
    match = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 22}}
    other = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": {"set": ["tcp", "udp"]}}}
    in_table = {"family": "ip", "table": "filter"}
    good = {
        "nftables": [
            {"table": {"family": "ip", "name": "filter", "handle": 1, "flags": ["dormant"]}},
            {"set": {**in_table, "name": "s", "type": "ipv4_addr", "handle": 9, "elem": ["192.0.2.1"]}},
            {"chain": {**in_table, "name": "INPUT", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
            *(
                {"rule": {**in_table, "chain": "INPUT", "handle": 5, "expr": [one, {"xt": None}]}}
                for one in (match, other)
            ),
        ]
    }
    text = "table ip filter { # handle 1\n\tchain INPUT { # handle 2\n\t\ttcp dport 22 # handle 5\n\t}\n}\n"
    for _ in range(1500):
        runs: Answers = {
            NFT: json.dumps(spoilt(good, chance)),
            NFT_TEXT: text,
            ("nft", "list", "ruleset"): text,
            ("iptables-nft-save", "-c"): LEGACY,
            ("ip6tables-nft-save", "-c"): "",
            ("ipset", "save"): "",
        }
        reading = in_force(host({"/proc/modules": MODULES, **PROGRAMS}, runs))
        assert all(sentence.isprintable() for sentence in reading.unchecked)


def test_ipsets_are_none_where_nobody_can_tell_of_them() -> None:
    reading = in_force(host({"/proc/modules": MODULES, "/usr/sbin/nft": PROGRAM}, {NFT: EMPTY}))
    assert (reading.ruleset.ipsets, reading.unchecked) == (None, ())
    denied = failed("ipset v7.17: Kernel error received: Operation not permitted")
    (sentence,) = in_force(
        host({"/proc/modules": MODULES, **PROGRAMS}, {NFT: EMPTY, ("ipset", "save"): denied})
    ).unchecked
    assert sentence.startswith("ipsets can't be read: ipset save: ipset v7.17")


def test_services_that_put_their_rules_back_are_in_charge_without_any_chain() -> None:
    states = "inactive\nactive\nactive\ninactive\ninactive\ninactive\n"
    units = ["firewalld", "docker", "fail2ban", "crowdsec-firewall-bouncer", "sshguard", "libvirtd"]
    argv = ("systemctl", "is-active", *(f"{unit}.service" for unit in units))
    files = {"/run/systemd/system/x": "", "/proc/kallsyms": ""}
    assert in_force(host(files, {argv: failed("", 3, states)})).managers == ("Docker", "fail2ban")


# -- the real programs and this kernel

TOOLS = ("nft", "ip", "iptables-legacy-restore", "iptables-nft-restore", "ip6tables-nft-restore")
needs_tools = pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"one of {', '.join(TOOLS)} is missing")
needs_ipset = pytest.mark.skipif(not shutil.which("ipset"), reason="ipset is missing")


def seen() -> dict[str, object]:
    """All that reading might change."""
    modules = Path("/proc/modules")
    state: dict[str, object] = {"rules": rulesets.printed()}
    for path in ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names", "/proc/net/arp_tables_names"):
        state[path] = Path(path).read_text() if Path(path).exists() else None
    state["modules"] = [line.split()[0] for line in modules.read_text().splitlines()] if modules.exists() else []
    return state


def asked(reading: Reading, port: int, source: str = "203.0.113.5", family: int = 4) -> str:
    question = Question(family, Protocol.TCP, source, source_port=40000, destination_port=port, arrives="lo")
    result = evaluate.inbound(reading.ruleset, packet(question, reading.host), reading.host)
    return result.verdict.value


def told(load: Callable[[], None], look: Callable[[Reading], object]) -> object:
    """What ``look`` finds in the reading, in a network namespace of its own; reading it must change nothing."""

    def inside() -> object:
        load()
        before = seen()
        reading = in_force(open_target("/"))
        after = seen()
        return {"changed": before != after, "unchecked": list(reading.unchecked), "looked": look(reading)}

    found = rulesets.apart(inside)
    assert isinstance(found, dict)
    assert not found["changed"]
    assert found["unchecked"] == []
    return found["looked"]


@needs_root
@needs_tools
def test_an_empty_namespace_stays_empty() -> None:
    assert told(lambda: None, lambda reading: len(reading.ruleset.tables)) == 0


@needs_root
@needs_tools
@pytest.mark.parametrize("case", rulesets.CASES, ids=lambda case: case.name)
def test_every_table_is_there_once_and_nothing_is_changed(case: rulesets.Case) -> None:
    def look(reading: Reading) -> object:
        problems = [problem.why for problem in reading.ruleset.problems]
        return [sorted(names(reading.ruleset)), problems, [one.program for one in reading.owners if "f2b" in one.chain]]

    expected: list[list[str]] = [["nft", "inet", "guard"], ["nft", "ip6", "six"]] if case.native else []
    for backend in case.xtables:
        kind = "legacy" if backend == "legacy" else "nf_tables"
        tables = [("ip", "filter nat raw mangle"), ("ip6", "filter nat raw")]
        expected += [[kind, family, name] for family, several in tables for name in several.split()]
    assert told(case.load, look) == [sorted(expected), [], ["fail2ban"] * (2 * len(case.xtables))]


ALSO = """table inet a {
    chain b {
        type filter hook input priority 5
        tcp dport 3 drop
    }
}
"""
INGRESS = """table netdev n {
    chain i {
        type filter hook ingress device "lo" priority 0
        tcp dport 9 drop
    }
}
"""


@needs_root
@needs_tools
def test_rules_of_both_back_ends_and_of_nft_add_up() -> None:
    def load() -> None:
        rulesets.run("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "1", "-j", "DROP")
        rulesets.run("iptables-nft", "-A", "INPUT", "-p", "tcp", "-m", "multiport", "--dports", "2,7", "-j", "DROP")
        rulesets.run("nft", "-f", "-", text=ALSO)

    verdicts = told(load, lambda reading: [asked(reading, port) for port in (1, 2, 3, 4, 7)])
    assert verdicts == ["drop", "drop", "drop", "accept", "drop"]


NATIVE = {
    "ip saddr @banned drop": ["accept", "accept", "drop"],  # iptables-nft-save 1.8.9 prints -j DROP
    "tcp dport { 22, 80 } drop": ["drop", "accept", "drop"],  # and here -p tcp -j DROP
}


def mixed(rule: str) -> None:
    several = ("-p", "tcp", "-m", "multiport", "--dports")
    rulesets.run("iptables-nft", "-A", "INPUT", *several, "9,10", "-j", "DROP")
    rulesets.run("nft", "add", "set", "ip", "filter", "banned", "{ type ipv4_addr; elements = { 198.51.100.7 }; }")
    rulesets.run("nft", "add", "rule", "ip", "filter", "INPUT", *rule.split(" "))
    rulesets.run("iptables-nft", "-A", "INPUT", *several, "11,12", "-j", "REJECT")


@needs_root
@needs_tools
@pytest.mark.parametrize("rule", NATIVE)
def test_rules_of_nft_in_a_table_of_iptables_are_not_read_as_iptables_prints_them(rule: str) -> None:
    def look(reading: Reading) -> object:
        ours = [asked(reading, 9), asked(reading, 12)]
        others = [asked(reading, 22), asked(reading, 33), asked(reading, 22, "198.51.100.7")]
        return [names(reading.ruleset), ours, others]

    assert told(lambda: mixed(rule), look) == [[["nft", "ip", "filter"]], ["drop", "reject"], NATIVE[rule]]


@needs_root
@needs_tools
@pytest.mark.parametrize("rule", ["meta mark set 1", "ct state invalid drop"])  # it fails, or refuses the whole table
def test_rules_that_no_program_can_print_leave_the_verdict_open(rule: str) -> None:
    def inside() -> object:
        mixed(rule)
        reading = in_force(open_target("/"))
        return [asked(reading, 9), list(reading.unchecked)]

    found = rulesets.apart(inside)
    assert isinstance(found, list)
    assert found[0] == "unknown"
    assert found[1][-1] == "2 rules of iptables-nft in the table ip filter can't be read"


@needs_root
@needs_tools
@pytest.mark.parametrize("case", ["ufw-stock", "ufw-limit", "ufw-logging-full", "ufw-reject", "ufw-nat"])
def test_what_the_real_ufw_loads_stays_a_table_of_iptables(case: str) -> None:
    recorded = json.loads(lzma.decompress((RECORDED / f"{case}.json.xz").read_bytes()))

    def load() -> None:
        rulesets.run("iptables-nft-restore", text=recorded["v4"])
        rulesets.run("ip6tables-nft-restore", text=recorded["v6"])

    def look(reading: Reading) -> object:
        return [sorted({table.backend.value for table in reading.ruleset.tables}), reading.managers]

    assert told(load, look) == [["nf_tables"], ["ufw"]]


@needs_root
@needs_tools
@needs_ipset
def test_ipsets_are_read_with_what_they_hold() -> None:
    def load() -> None:
        rulesets.run("ipset", "create", "lish-test", "hash:ip")
        rulesets.run("ipset", "add", "lish-test", "203.0.113.5")
        rulesets.run("iptables-legacy", "-A", "INPUT", "-m", "set", "--match-set", "lish-test", "src", "-j", "DROP")

    def look(reading: Reading) -> object:
        return [asked(reading, 22), asked(reading, 22, "203.0.113.6"), [source.name for source in reading.sources]]

    assert told(load, look) == ["drop", "accept", ["iptables-legacy-save", "ipset save"]]


@needs_root
@needs_tools
def test_a_rule_is_shown_in_the_words_of_its_program() -> None:
    def load() -> None:
        rulesets.CASES[2].load()
        rulesets.run("nft", "-f", "-", text=INGRESS)

    def look(reading: Reading) -> object:
        tables = {table.name: table for table in reading.ruleset.tables}
        base = tables["n"].chains[0].base
        return [
            [rule.text for rule in tables["guard"].chain_by_name["input"].rules][3:6],
            base and base.device,
            asked(reading, 9),
        ]

    assert told(load, look) == [
        [
            "ip saddr @lately counter packets 9 bytes 540 drop",
            'tcp dport { 25, 80-90 } counter packets 0 bytes 0 accept comment "the web"',
            "tcp dport 77 add @tried { ip saddr limit rate 5/minute } accept",
        ],
        ["lo"],
        Verdict.DROP.value,
    ]
