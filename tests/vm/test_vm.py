"""Real machines whose disks do not boot, or are not reached: rescue mode says what to do, and it is done."""

from __future__ import annotations

import os

import pytest

from tests.vm.machine import readable
from tests.vm.model import Outcome, Scenario
from tests.vm.run import Machines
from tests.vm.scenarios import ALL, QUICK

CHOSEN = ALL if os.environ.get("VM") == "all" else QUICK


@pytest.mark.vm
@pytest.mark.timeout(3000)  # the first one waits for the images to be built
@pytest.mark.parametrize("scenario", [pytest.param(one, id=f"{one.letter}-{one.title}") for one in CHOSEN])
def test_a_lost_host_is_reached_again(scenario: Scenario, machines: Machines, vm_outcomes: list[Outcome]) -> None:
    outcome = machines.outcome(scenario)
    vm_outcomes.append(outcome)
    assert not outcome.problems, "\n".join(outcome.problems)


def test_a_transcript_shows_what_was_left_of_a_line() -> None:
    assert readable("checking \x1b[1m/dev/sda\x1b[0m\r\x1b[KCheck clean\r\n") == "Check clean\n"


def test_a_transcript_forgets_a_line_that_was_blanked() -> None:
    assert readable("... checking\r            \rDisks\r\n") == "Disks\n"


def test_a_transcript_keeps_a_line_that_the_shell_wrapped() -> None:
    assert readable(f"{'x' * 80} \ry --device /dev/sda") == f"{'x' * 80}y --device /dev/sda"


def test_a_transcript_hides_what_the_prompt_says_of_the_command() -> None:
    assert readable("done\r\n\x1b]697;0\x07root@host:~# ") == "done\nroot@host:~#"
