"""Real published logs, through `agent scan --log`: what must be found, and what must stay silent."""

from __future__ import annotations

import pytest

from agent.cli.scan import scan_logs
from agent.diagnosis.loader import load
from agent.diagnosis.model import Severity, Status
from tests.rules.labels import Case, cases

CASES = cases()
RULES = load()
KNOWN = {rule.id for rule in RULES}

pytestmark = pytest.mark.skipif(not CASES, reason="the collection of real logs is not beside the checkout")


def reported(case: Case) -> dict[str, tuple[Severity, Status]]:
    """Findings of at least warning that are not past."""
    findings = scan_logs([str(case.path)], RULES).findings
    return {
        finding.id: (finding.severity, finding.status)
        for finding in findings
        if finding.severity is not Severity.INFO and finding.status is not Status.PAST
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.name)
def test_every_label_that_a_rule_knows_is_suspected(case: Case) -> None:
    seen = reported(case)
    missed = [label for label, ids in case.wanted if ids & KNOWN and not ids & set(seen)]
    assert not missed, f"found {sorted(seen)}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.name)
def test_look_alikes_stay_silent_and_nothing_is_confirmed(case: Case) -> None:
    seen = reported(case)
    assert not case.forbidden & set(seen)
    assert all(status is Status.SUSPECTED for _, status in seen.values())
    if case.none:
        assert Severity.CRITICAL not in [severity for severity, _ in seen.values()]
