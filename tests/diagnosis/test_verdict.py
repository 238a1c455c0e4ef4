"""The lowest broken layer's root cause is the verdict; consequences stand behind it."""

from __future__ import annotations

from agent.diagnosis.model import Layer, LayerState, Rung, Severity, Status, VerdictState
from agent.diagnosis.verdict import judge, relate
from tests.diagnosis.build import finding

RUNGS = tuple(Rung(layer, LayerState.OK, "seen") for layer in Layer)
BLIND = tuple(Rung(layer, LayerState.UNCHECKED, "not live") for layer in Layer)


def test_a_consequence_is_explained_by_its_cause_even_from_a_higher_layer() -> None:
    hook = finding("hook", Layer.MANAGER, explains=("failed", "no-link"))
    related = relate([finding("failed", Layer.MANAGER), finding("no-link", Layer.LINK), hook])
    assert [item.id for item in related if item.root_cause] == ["hook"]
    assert {item.id: item.explained_by for item in related} == {
        "hook": (),
        "failed": ("hook",),
        "no-link": ("hook",),
    }
    assert judge(related, RUNGS).finding == related[0]


def test_the_lowest_layer_comes_first_among_causes() -> None:
    related = relate([finding("route", Layer.ROUTE), finding("boot", Layer.BOOT)])
    verdict = judge(related, RUNGS)
    assert verdict.finding is not None
    assert (verdict.finding.id, verdict.layer, verdict.state) == ("boot", Layer.BOOT, VerdictState.BROKEN)


def test_a_suspicion_does_not_explain_away_what_is_proven() -> None:
    guess = finding("guess", Layer.BOOT, status=Status.SUSPECTED, explains=("proven",))
    related = relate([guess, finding("proven", Layer.ROUTE)])
    assert judge(related, RUNGS).finding.id == "proven"  # type: ignore[union-attr]


def test_findings_that_explain_each_other_still_leave_one_cause() -> None:
    related = relate([finding("a", explains=("b",)), finding("b", explains=("a",))])
    assert [item.id for item in related if item.root_cause] == ["a"]


def test_past_and_informational_findings_leave_a_host_healthy() -> None:
    related = relate([finding(status=Status.PAST), finding("note", severity=Severity.INFO)])
    assert judge(related, RUNGS).state is VerdictState.HEALTHY


def test_a_suspicion_alone_is_degraded_not_broken() -> None:
    verdict = judge(relate([finding(status=Status.SUSPECTED)]), RUNGS)
    assert verdict.state is VerdictState.DEGRADED
    assert verdict.summary.startswith("Suspected: ")


def test_a_target_that_could_not_be_looked_at_is_unknown_not_healthy() -> None:
    assert judge((), BLIND).state is VerdictState.UNKNOWN
