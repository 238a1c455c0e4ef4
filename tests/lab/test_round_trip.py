"""Real hosts, broken and fixed: each comes back to the network, and each fix can be taken back to the byte."""

from __future__ import annotations

import pytest

from tests.lab.run import Lab, chosen_suites
from tests.lab.scenarios.model import Scenario
from tests.lab.scenarios.trips import everyday
from tests.lab.trip import RoundTrip

pytestmark = [pytest.mark.lab, pytest.mark.timeout(2400)]  # the first one waits for the disks to be built


@pytest.mark.parametrize(
    ("suite", "scenario"),
    [pytest.param(suite, scenario, id=f"{suite}-{scenario.name}") for suite, scenario in everyday(chosen_suites())],
)
def test_a_fix_brings_the_network_back_and_undo_the_breakage(
    suite: str, scenario: Scenario, round_trips: Lab[RoundTrip], lab_trips: list[RoundTrip]
) -> None:
    trip = round_trips.outcome(suite, scenario)
    lab_trips.append(trip)
    assert not trip.problems, "\n".join(trip.problems)
