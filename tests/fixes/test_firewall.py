"""--firewall plans from the rule-set in force: a rule before each that stops ssh, or no rules at all, and all kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from agent.change.model import Plan, Run
from agent.diagnosis.packet_paths import Paths
from agent.facts.facts import Facts
from agent.firewall.anybody import Answer
from agent.firewall.model import Backend, Base, Chain, Family, Hook, Rule, Ruleset, Table, together
from agent.firewall.reading import Owner, Reading
from agent.firewall.statement import Action, End
from agent.firewall.xtables import save
from agent.fixes import firewall_flush, firewall_ssh
from agent.fixes.firewall import FIX
from agent.fixes.firewall_ssh import Insertion, insertions
from agent.fixes.model import Refusal
from agent.fixes.offers import not_live
from agent.fixes.registry import BY_NAME
from agent.target import Mode
from tests.firewall.kernel.lab import facts
from tests.virtual import File, Node, virtual

PROGRAM = File("", mode=0o755)
HOST: dict[str, Node] = {
    "/usr/sbin/sshd": PROGRAM,
    "/etc/ssh/sshd_config": "Port 22\n",
    **{f"/usr/sbin/{name}-restore": PROGRAM for name in ("iptables-legacy", "iptables-nft", "ip6tables-nft")},
}
OPEN = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
POLICY = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n"
RULE = """*filter
:INPUT DROP [0:0]
:guard - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -j guard
-A guard -p tcp --dport 22 -s 203.0.113.0/24 -j LOG
-A guard -p tcp --dport 22 -j REJECT
COMMIT
"""
RAW = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 22 -j DROP\nCOMMIT\n"


def four(text: str, backend: Backend = Backend.LEGACY) -> Ruleset:
    return save.read(text, Family.IP, backend)


def paths(
    *rulesets: Ruleset,
    files: Mapping[str, Node] | None = None,
    runs: Mapping[tuple[str, ...], str] | None = None,
    **reading: object,
) -> Paths:
    target = virtual({**HOST, **(files or {})}, Mode.LIVE, runs=runs or {})
    return Paths(Facts(target), replace(Reading(together(*rulesets), facts()), **reading))  # type: ignore[arg-type]


def planned(given: Paths, forced: bool = False) -> Plan:
    answer = firewall_ssh.plan(given, forced)
    assert isinstance(answer, Plan), answer
    return answer


def commands(plan: Plan) -> list[str]:
    return [" ".join(operation.argv) for operation in plan.operations if isinstance(operation, Run)]


# -- ssh


def test_a_policy_that_drops_gets_an_accept_rule_at_the_end_of_its_chain() -> None:
    (command,) = commands(planned(paths(four(POLICY))))
    assert command == (
        "iptables-legacy -w 20 -t filter -A INPUT -p tcp --dport 22 -m comment --comment lish-agent: ssh 22 -j ACCEPT"
    )


def test_a_rule_that_stops_it_gets_an_accept_rule_before_it_in_its_own_chain() -> None:
    (command,) = commands(planned(paths(four(RULE))))
    assert " -I guard 2 -p tcp --dport 22 " in command


def test_where_several_tables_and_families_stop_it_each_gets_one() -> None:
    six = save.read(POLICY, Family.IP6, Backend.NF_TABLES)
    found = commands(planned(paths(four(RAW), four(POLICY), four(RULE, Backend.NF_TABLES), six)))
    assert [command.split(" -p ")[0] for command in found] == [
        "iptables-legacy -w 20 -t raw -I PREROUTING 1",
        "iptables-legacy -w 20 -t filter -A INPUT",
        "iptables-nft -w 20 -t filter -I guard 2",
        "ip6tables-nft -w 20 -t filter -A INPUT",
    ]


def test_sshd_s_own_ports_are_let_in() -> None:
    found = commands(planned(paths(four(POLICY), files={"/etc/ssh/sshd_config": "Port 2222\nPort 22\n"})))
    assert [command.split("--dport ")[1].split(" ")[0] for command in found] == ["2222", "22"]


def test_the_answers_are_let_out_by_the_port_that_they_come_from() -> None:
    out = "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n-A OUTPUT -o lo -j ACCEPT\nCOMMIT\n"
    (command,) = commands(planned(paths(four(out))))
    assert "-A OUTPUT -p tcp --sport 22 " in command


def test_native_rules_are_found_by_their_handle() -> None:
    chain = Chain("in", (Rule("drop", 1, (End(Action.DROP),), handle=7),), Base(Hook.INPUT, 0, End(Action.ACCEPT)))
    plan = planned(paths(Ruleset((Table("guard", Family.INET, Backend.NFT, (chain,)),))))
    assert commands(plan) == [
        'nft insert rule inet guard in handle 7 tcp dport 22 counter accept comment "lish-agent: ssh 22"'
    ]
    assert len(plan.operations) == 1, "one rule in an inet table is for both families"


def test_with_the_rules_in_it_the_model_lets_ssh_in() -> None:
    given = paths(four(RAW), four(RULE))
    ruleset = given.reading.ruleset
    steps = insertions(given)
    assert isinstance(steps, tuple) and len(steps) == 2
    for step in steps:
        assert isinstance(step, Insertion)
        ruleset = firewall_ssh.imagined(ruleset, step)
    assert Paths(given.facts, replace(given.reading, ruleset=ruleset)).ssh(4, 22).answer is Answer.OPEN
    assert given.ssh(4, 22).answer is Answer.BLOCKED


@pytest.mark.parametrize(
    ("given", "why", "forceable"),
    [
        (paths(four(OPEN)), "no rule in force stops ssh", False),
        (paths(four(POLICY), files={"/usr/sbin/sshd": File("")}), "sshd is not installed", False),
        (paths(four(POLICY), unchecked=("iptables-legacy can't be asked",)), "not known as a whole", True),
        (paths(four(POLICY.replace("--dport 80", "-m u32 --u32 1=2"))), "is not known", False),
        (paths(four(POLICY.replace("--dport 80", "--dport 22 -s 24.0.0.0/8"))), "some addresses", True),
    ],
    ids=["open", "no sshd", "unchecked", "a rule that is not modelled", "open for some"],
)
def test_it_refuses_where_a_rule_would_be_a_guess(given: Paths, why: str, forceable: bool) -> None:
    answer = firewall_ssh.plan(given, False)
    assert isinstance(answer, Refusal) and why in answer.why and answer.forceable is forceable


def test_open_for_some_is_opened_for_all_by_force() -> None:
    given = paths(four(POLICY.replace("--dport 80", "--dport 22 -s 24.0.0.0/8")))
    assert " -A INPUT -p tcp --dport 22 " in commands(planned(given, forced=True))[0]


def test_a_list_of_senders_behind_another_block_is_left_alone() -> None:
    limited = four(POLICY.replace("--dport 80", "--dport 22 -s 24.0.0.0/8"))
    plan = planned(paths(four(RAW), limited))
    assert [command.split(" -p ")[0] for command in commands(plan)] == ["iptables-legacy -w 20 -t raw -I PREROUTING 1"]
    assert firewall_ssh.left(paths(limited), forced=False) == ""
    assert "does not get in by IPv4" in firewall_ssh.left(paths(limited), forced=True)


def test_undo_takes_the_own_rule_only_and_does_nothing_where_it_is_gone() -> None:
    (run,) = planned(paths(four(POLICY))).operations
    assert isinstance(run, Run) and run.inverse[0].required
    script = run.inverse[0].argv[2]
    assert script.startswith("if iptables-legacy -w 20 -t filter -C INPUT ") and "'lish-agent: ssh 22'" in script


def test_whoever_wrote_the_chain_is_named() -> None:
    owner = Owner("ufw", Family.IP, "filter", "INPUT")
    plan = planned(paths(four(POLICY), owners=(owner,), managers=("ufw",)))
    assert any(line.startswith("ufw wrote the chain") for line in plan.warnings)
    assert plan.next == ("for good: ufw allow 22/tcp",)


def test_firewalld_is_asked_for_the_port_for_nobody_else_may_write_to_its_tables() -> None:
    owner = Owner("firewalld", Family.INET, "firewalld", "input")
    base = Base(Hook.INPUT, 10, End(Action.DROP))
    theirs = Ruleset((Table("firewalld", Family.INET, Backend.NFT, (Chain("input", base=base),)),))
    says = {
        ("firewall-cmd", "--get-zone-of-interface=eth0"): "public\n",
        ("firewall-cmd", "--zone=public", "--query-port=22/tcp"): "no\n",
    }
    given = paths(theirs, runs=says, owners=(owner,), managers=("firewalld",))
    plan = planned(given)
    assert commands(plan) == ["firewall-cmd --zone=public --add-port=22/tcp"]
    assert plan.next == ("for good: firewall-cmd --permanent --add-port=22/tcp",)
    open_already = {**says, ("firewall-cmd", "--zone=public", "--query-port=22/tcp"): "yes\n"}
    answer = firewall_ssh.plan(paths(theirs, runs=open_already, owners=(owner,)), False)
    assert isinstance(answer, Refusal) and "another rule of its" in answer.why
    silent = firewall_ssh.plan(paths(theirs, owners=(owner,)), False)
    assert isinstance(silent, Refusal) and "which zone" in silent.why


# -- flush


def test_a_flush_needs_proof_or_force() -> None:
    answer = firewall_flush.plan(paths(four(OPEN)), False)
    assert isinstance(answer, Refusal) and answer.forceable and "Cloud Firewall" in answer.hint


def test_what_can_not_be_saved_is_not_flushed() -> None:
    answer = firewall_flush.plan(paths(four(POLICY)), True)
    assert isinstance(answer, Refusal) and "can't be saved" in answer.why


def test_what_a_flush_breaks_is_said_before() -> None:
    owners = (Owner("Docker", Family.IP, "nat", "DOCKER"), Owner("fail2ban", Family.IP, "filter", "f2b-sshd"))
    said = list(firewall_flush._breaks(paths(four(POLICY), owners=owners, managers=("firewalld",))))
    assert [line.split(":")[0] for line in said] == ["Docker", "fail2ban", "firewalld"]


def test_a_flush_ends_by_itself_unless_told_otherwise() -> None:
    assert FIX.lasts == (("flush", 600.0),) and BY_NAME["firewall"] is FIX


def test_a_mounted_disk_is_not_flushed_and_the_hint_says_what_to_do() -> None:
    refusal = not_live(FIX, virtual({}, Mode.OFFLINE))
    assert "agent firewall --root" in refusal.hint


def test_after_a_flush_rules_that_stand_are_named() -> None:
    assert firewall_flush.left(paths(four(OPEN))) == ""
    assert firewall_flush.left(paths(four(POLICY))) == "rules stand in ip filter INPUT"
