"""Runs the chosen hosts in the background while pytest asks for them one by one, and prints their table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.lab.isolation import why_not
from tests.lab.judge import Outcome, table
from tests.lab.run import Job, Lab

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_OUTCOMES = pytest.StashKey[list[Outcome]]()
_WANTED = pytest.StashKey[list[Job]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Notes which hosts the chosen tests will ask for."""
    outcomes: list[Outcome] = []
    config.stash[_OUTCOMES] = outcomes
    wanted: list[Job] = [
        (item.callspec.params["suite"], item.callspec.params["scenario"])
        for item in items
        if isinstance(item, pytest.Function) and item.originalname == "test_the_scan_names_the_true_cause"
    ]
    config.stash[_WANTED] = wanted


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    reason = why_not()
    if reason:
        pytest.skip(f"no lab here: {reason}")
    with Lab(request.config.stash[_WANTED]) as running:
        yield running


@pytest.fixture(scope="session")
def lab_outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    return request.config.stash[_OUTCOMES]


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    outcomes = config.stash.get(_OUTCOMES, [])
    if outcomes:
        terminalreporter.section("the lab: real hosts, scanned from inside and from outside")
        for line in table(outcomes):
            terminalreporter.write_line(line)
