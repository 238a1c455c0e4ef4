"""Real hosts, healthy and broken: the scan names the true cause from inside and from outside, and nothing else."""

from __future__ import annotations

import pytest

from tests.lab.judge import Outcome
from tests.lab.run import Lab, chosen_suites, jobs
from tests.lab.scenarios import ALL
from tests.lab.scenarios.model import Scenario

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]  # the first one waits for the disks to be built


@pytest.mark.parametrize(
    ("suite", "scenario"),
    [pytest.param(suite, scenario, id=f"{suite}-{scenario.name}") for suite, scenario in jobs(chosen_suites(), ALL)],
)
def test_the_scan_names_the_true_cause(
    suite: str, scenario: Scenario, lab: Lab[Outcome], lab_outcomes: list[Outcome]
) -> None:
    outcome = lab.outcome(suite, scenario)
    lab_outcomes.append(outcome)
    assert not outcome.problems, "\n".join(outcome.problems)
