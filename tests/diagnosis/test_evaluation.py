"""Proof decides; without it a log line is a suspicion; a later boot or repair makes it past."""

from __future__ import annotations

import pytest

from agent.diagnosis import evaluation
from agent.diagnosis.evaluation import evaluate, fill
from agent.diagnosis.model import CantTell, Evidence, Fails, Holds, Proof, RulePattern, Severity, Status
from agent.facts.facts import Facts
from agent.logs.model import Entry, Pattern, Trust
from tests.diagnosis.build import found, rule
from tests.virtual import virtual

NOW = Entry("/var/log/syslog", "gateway lost", line=10, time=2000.0)


@pytest.fixture
def facts() -> Facts:
    return Facts(virtual({}))


def answer(monkeypatch: pytest.MonkeyPatch, proof: Proof | Exception) -> None:
    def prove(context: object) -> Proof:
        if isinstance(proof, Exception):
            raise proof
        return proof

    monkeypatch.setitem(evaluation.PROOFS, "trusted_log", prove)


def test_a_proof_that_holds_confirms_without_any_log(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, Holds("seen", (Evidence("/etc/x", "y", 3),), {"gateway": "192.0.2.1"}))
    (finding,) = evaluate(facts, [rule()], found()).findings
    assert finding.status is Status.CONFIRMED
    assert finding.advice.commands == ("ip route add default via 192.0.2.1",)
    assert finding.count == 0


def test_a_log_line_alone_is_only_suspected(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, CantTell("not live"))
    result = evaluate(facts, [rule()], found(("gateway-lost/lost", NOW)))
    (finding,) = result.findings
    assert finding.status is Status.SUSPECTED
    assert finding.advice.commands == (), "a command with an unfilled placeholder must not be offered"
    assert [item.what for item in result.unchecked] == ["gateway-lost"]


def test_a_log_line_whose_problem_is_provably_gone_is_past(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, Fails("there is a route"))
    (finding,) = evaluate(facts, [rule()], found(("gateway-lost/lost", NOW))).findings
    assert finding.status is Status.PAST
    assert evaluate(facts, [rule()], found()).findings == ()


def test_a_check_that_fails_is_listed_and_stops_nothing(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ValueError("odd"))
    result = evaluate(facts, [rule("one"), rule("two")], found(("two/lost", NOW)))
    assert [finding.id for finding in result.findings] == ["two"]
    assert "its check failed: ValueError: odd" in result.unchecked[0].why


def test_an_entry_of_an_earlier_boot_is_past(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, CantTell("not live"))
    old = Entry("journal", "gateway lost", boot=-1, time=5.0)
    (finding,) = evaluate(facts, [rule()], found(("gateway-lost/lost", old))).findings
    assert finding.status is Status.PAST


@pytest.mark.parametrize(("line", "status"), [(11, Status.PAST), (9, Status.SUSPECTED)])
def test_only_a_later_repair_makes_a_problem_past(
    facts: Facts, monkeypatch: pytest.MonkeyPatch, line: int, status: Status
) -> None:
    answer(monkeypatch, CantTell("not live"))
    made = rule(
        patterns=(
            RulePattern("lost", Pattern("gateway-lost/lost", "gateway lost"), "a test"),
            RulePattern("back", Pattern("gateway-lost/back", "gateway back"), "a test", repairs=True),
        )
    )
    back = Entry("/var/log/syslog", "gateway back", line=line)
    logs = found(("gateway-lost/lost", NOW), ("gateway-lost/back", back))
    (finding,) = evaluate(facts, [made], logs).findings
    assert finding.status is status


def test_trusted_log_needs_the_newest_boot_and_a_trusted_writer(facts: Facts) -> None:
    trust = Trust("kernel")
    for entry, status in (
        (Entry("journal", "gateway lost", boot=0, trust=trust), Status.CONFIRMED),
        (Entry("journal", "gateway lost", boot=-1, trust=trust), Status.PAST),
        (Entry("/var/log/kern.log", "gateway lost", boot=0), Status.SUSPECTED),
    ):
        (finding,) = evaluate(facts, [rule()], found(("gateway-lost/lost", entry))).findings
        assert finding.status is status, entry


def test_a_proof_may_change_severity_and_cure(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, Holds("x", severity=Severity.WARNING, commands=("a {root}/b",), undo=()))
    (finding,) = evaluate(facts, [rule()], found()).findings
    assert finding.severity is Severity.WARNING
    assert finding.advice.commands == ("a /media/sda/b",)
    assert finding.advice.undo == ()


def test_fill_keeps_what_it_does_not_know() -> None:
    assert fill("{root}/etc/{file} {other}", {"file": "x"}, "/") == "/etc/x {other}"
    assert fill("awk '{print $1}' ${HOME}", {}, "/") == "awk '{print $1}' ${HOME}"
