"""Runs the chosen machines in the background while pytest asks for them one by one, and prints their table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.vm.model import Outcome, Scenario, table
from tests.vm.run import Machines, why_not

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_OUTCOMES = pytest.StashKey[list[Outcome]]()
_WANTED = pytest.StashKey[list[Scenario]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Notes which machines the chosen tests will ask for."""
    here = Path(__file__).parent
    config.stash[_OUTCOMES] = []
    config.stash[_WANTED] = []
    for item in items:
        if isinstance(item, pytest.Function) and here in item.path.parents and hasattr(item, "callspec"):
            scenario = item.callspec.params["scenario"]
            if isinstance(scenario, Scenario):
                config.stash[_WANTED].append(scenario)


@pytest.fixture(scope="session")
def machines(request: pytest.FixtureRequest) -> Iterator[Machines]:
    reason = why_not()
    if reason:
        pytest.skip(f"no machines here: {reason}")
    wanted = request.config.stash[_WANTED]
    with Machines(wanted) as running:
        yield running


@pytest.fixture(scope="session")
def vm_outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    return request.config.stash[_OUTCOMES]


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    outcomes = config.stash.get(_OUTCOMES, [])
    if outcomes:
        terminalreporter.section("machines: broken, rescued, reached again")
        for line in table(outcomes):
            terminalreporter.write_line(line)
