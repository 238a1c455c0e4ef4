"""Runs the chosen hosts in the background while pytest asks for them one by one, and prints their table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import judge, trip
from tests.lab.isolation import why_not
from tests.lab.judge import Outcome
from tests.lab.run import ROUND_TRIPS, SCANS, Job, Lab
from tests.lab.trip import RoundTrip

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_OUTCOMES = pytest.StashKey[list[Outcome]]()
_TRIPS = pytest.StashKey[list[RoundTrip]]()
_WANTED = pytest.StashKey[dict[str, list[Job]]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Notes which hosts the chosen tests will ask for."""
    config.stash[_OUTCOMES] = []
    config.stash[_TRIPS] = []
    wanted: dict[str, list[Job]] = {}
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and Path(__file__).parent in item.path.parents
            and hasattr(item, "callspec")
        ):
            chosen = item.callspec.params
            if "scenario" in chosen:
                wanted.setdefault(item.path.name, []).append((chosen["suite"], chosen["scenario"]))
    config.stash[_WANTED] = wanted


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab[Outcome]]:
    reason = why_not()
    if reason:
        pytest.skip(f"no lab here: {reason}")
    with Lab(SCANS, request.config.stash[_WANTED]["test_lab.py"]) as running:
        yield running


@pytest.fixture(scope="session")
def round_trips(request: pytest.FixtureRequest) -> Iterator[Lab[RoundTrip]]:
    reason = why_not()
    if reason:
        pytest.skip(f"no lab here: {reason}")
    with Lab(ROUND_TRIPS, request.config.stash[_WANTED]["test_round_trip.py"]) as running:
        yield running


@pytest.fixture(scope="session")
def lab_outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    return request.config.stash[_OUTCOMES]


@pytest.fixture(scope="session")
def lab_trips(request: pytest.FixtureRequest) -> list[RoundTrip]:
    return request.config.stash[_TRIPS]


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    outcomes = config.stash.get(_OUTCOMES, [])
    if outcomes:
        terminalreporter.section("the lab: real hosts, scanned from inside and from outside")
        for line in judge.table(outcomes):
            terminalreporter.write_line(line)
    trips = config.stash.get(_TRIPS, [])
    if trips:
        terminalreporter.section("the lab: broken, fixed, healthy, undone, broken again")
        for line in trip.table(trips):
            terminalreporter.write_line(line)
