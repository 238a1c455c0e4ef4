"""Host and path together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.diagnosis.model import (
    Advice,
    Finding,
    Layer,
    LayerState,
    Rule,
    Rung,
    Severity,
    Status,
    Verdict,
    VerdictState,
)
from agent.diagnosis.with_path import PING, Together, with_path
from agent.mtr.judge import judge
from agent.mtr.model import Report
from tests.mtr.made import made

GOAL = "203.0.113.10"
WAY = ("198.51.100.2", "198.51.100.6", "203.0.113.1")
FINE = made(*WAY, GOAL, destination=GOAL)
LOOP = made(*WAY, *("192.0.2.1", "192.0.2.2") * 2, destination=GOAL)
SILENT = made(*WAY, "???", destination=GOAL)
NOTHING = made(source="web1")
RUNGS = tuple(Rung(layer, LayerState.OK, "") for layer in Layer)
HEALTHY = Verdict(VerdictState.HEALTHY, None, None, "No known problem found", ("look at Cloud Firewall",))


def finding(identity: str, layer: Layer, severity: Severity) -> Finding:
    rule = Rule(identity, "title", layer, severity, (), "proof", {}, (), Advice(""), "", (), (), ())
    return Finding(rule, Status.CONFIRMED, severity, "title", "proof", (), 0, Advice(""))


def together(*reports: Report, verdict: Verdict = HEALTHY, found: tuple[Finding, ...] = ()) -> Together:
    return with_path(verdict, RUNGS, found, [judge(report) for report in reports], "web1", [GOAL])


def test_without_reports_nothing_changes() -> None:
    assert together() == Together(HEALTHY, RUNGS, "")


def test_a_fine_path_leaves_the_verdict_and_says_so() -> None:
    seen = together(FINE)
    assert seen.verdict == HEALTHY and seen.means.startswith("The path is fine, and so is this host")


def test_a_fine_path_puts_the_fault_on_a_broken_host() -> None:
    cause = finding("cause", Layer.SSH, Severity.CRITICAL)
    broken = Verdict(VerdictState.BROKEN, Layer.SSH, cause, "broken", ())
    assert together(FINE, verdict=broken, found=(cause,)).means == "The path is fine: the fault is on this host"


def test_a_fine_host_behind_a_broken_path_is_degraded() -> None:
    seen = together(FINE, LOOP)
    assert seen.verdict.state is VerdictState.DEGRADED
    assert "This host is fine, the path to it is not" in seen.verdict.summary
    assert any("ticket" in step for step in seen.verdict.next)


def test_a_fine_host_that_does_not_answer_is_behind_a_firewall() -> None:
    assert "Cloud Firewall" in together(SILENT).verdict.summary


def test_a_firewall_that_drops_ping_explains_the_silence() -> None:
    seen = together(SILENT, found=(finding(PING, Layer.FIREWALL, Severity.INFO),))
    assert seen.verdict.state is VerdictState.HEALTHY
    assert "drops ping" in seen.verdict.summary


@pytest.mark.parametrize(
    ("layer", "said"),
    [(Layer.ADDRESS, "can explain"), (Layer.SSH, "does not explain"), (Layer.DNS, "does not explain")],
)
def test_what_is_broken_on_the_host_stays_the_verdict(layer: Layer, said: str) -> None:
    cause = finding("cause", layer, Severity.CRITICAL)
    broken = Verdict(VerdictState.BROKEN, layer, cause, "broken", ())
    seen = together(SILENT, verdict=broken, found=(cause,))
    assert seen.verdict == broken and said in seen.means


def test_a_report_that_did_not_leave_this_host_marks_the_route() -> None:
    seen = together(NOTHING)
    assert (seen.verdict.state, seen.verdict.layer) == (VerdictState.DEGRADED, Layer.ROUTE)
    assert {rung.layer for rung in seen.rungs if rung.state is LayerState.WARNING} == {Layer.ROUTE}


def test_a_name_that_did_not_resolve_marks_dns() -> None:
    seen = together(made(error="Failed to resolve host: x: Temporary failure in name resolution"))
    assert seen.verdict.layer is Layer.DNS


def test_a_report_that_did_not_leave_another_computer_says_nothing_here() -> None:
    seen = together(replace(NOTHING, source="laptop"))
    assert seen.verdict == HEALTHY and "laptop" in seen.means


ELSEWHERE = "192.0.2.77"


def test_a_report_between_others_says_nothing_here() -> None:
    seen = together(made(*WAY, *("192.0.2.1", "192.0.2.2") * 2, destination=ELSEWHERE, source="laptop"))
    assert seen.verdict == HEALTHY and "from laptop to 192.0.2.77: neither is this host" in seen.means
    seen = together(made(*WAY, f"{ELSEWHERE} 30"))
    assert seen.verdict == HEALTHY and "which is none of this host's addresses" in seen.means


def test_a_report_from_here_is_of_the_way_out() -> None:
    seen = together(
        made(*WAY, *("198.51.100.9", "198.51.100.10") * 2, destination=ELSEWHERE, source="web1.example.com")
    )
    assert seen.verdict.state is VerdictState.DEGRADED
    assert "the path from it to 192.0.2.77 is not" in seen.verdict.summary
    assert together(made(*WAY, "???", destination=ELSEWHERE, source=GOAL)).means.startswith(
        "This host is fine, the path"
    )


def test_a_name_that_may_be_this_host_is_said_with_an_if() -> None:
    assert together(made(*WAY, "???", destination="www.example.org")).means.startswith(
        "If www.example.org is this host"
    )
    assert not together(made(*WAY, "???", destination="web1.example.org")).means.startswith("If")


def test_of_several_reports_those_of_this_host_count() -> None:
    other = made(*WAY, *("192.0.2.1", "192.0.2.2") * 2, destination=ELSEWHERE)
    assert together(other, FINE).verdict == HEALTHY
    assert together(other, LOOP).verdict.state is VerdictState.DEGRADED
