"""One lab for the whole run, and its table at the end."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.lab.base import SUITES
from tests.lab.isolation import why_not
from tests.lab.judge import Outcome, table
from tests.lab.run import Job, Lab, jobs
from tests.lab.scenarios import ALL

if TYPE_CHECKING:
    from _pytest.config import Config
    from _pytest.terminal import TerminalReporter

OUTCOMES = pytest.StashKey[list[Outcome]]()


def wanted() -> list[Job]:
    """All scenarios on the suites of LAB_SUITES (by comma or blank), else on the usual two."""
    suites = re.split(r"[,\s]+", os.environ.get("LAB_SUITES", " ".join(SUITES)).strip())
    return jobs(suites, ALL)


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    reason = why_not()
    if reason:
        pytest.skip(f"no lab here: {reason}")
    request.config.stash.setdefault(OUTCOMES, [])
    with Lab(wanted()) as running:
        yield running


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: Config) -> None:
    outcomes = config.stash.get(OUTCOMES, [])
    if outcomes:
        terminalreporter.section("the lab: scenario, suite, live verdict, offline verdict")
        for line in table(outcomes):
            terminalreporter.write_line(line)
