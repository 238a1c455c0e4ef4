"""A fix that was made from rescue mode is newer than the disk's journal: what that said before is over."""

from __future__ import annotations

from dataclasses import replace

from agent.change.model import Change, ChangeState
from agent.diagnosis.loader import load
from agent.fixes import repaired

DONE = Change("1-sendmail", "sendmail", ChangeState.VERIFIED, "Moves it.", (), 1.7e9, ended=1.7e9 + 5)


def test_a_fix_answers_its_rule_and_what_that_would_explain() -> None:
    times = repaired.since(load([]), (DONE,))
    assert times["ifup-hook-sendmail"] == times["networking-failed"] == 1.7e9 + 5
    assert "interface-renamed" not in times and "fstab-missing-device" not in times


def test_what_was_undone_or_interrupted_answers_nothing() -> None:
    for state in (ChangeState.UNDONE, ChangeState.APPLYING, ChangeState.PLANNED):
        assert repaired.since(load([]), (replace(DONE, state=state),)) == {}


def test_of_several_the_last_counts() -> None:
    later = replace(DONE, id="2-sendmail", ended=1.7e9 + 50)
    assert repaired.since(load([]), (later, DONE))["ifup-hook-sendmail"] == 1.7e9 + 50
