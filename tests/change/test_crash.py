"""Whatever dies, and wherever: the host is as before, or `undo` brings it back to the byte."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.change.errors import ChangeRefused
from agent.change.model import ChangeState, Move, Plan, Run, WriteFile
from agent.change.store import Store
from tests.change import crash, plans, roots
from tests.change.crash import Row, Subject
from tests.manifest import differences, manifest

FEW = ("a write over a file", "everything at once")
FEW_FIXES = ("sendmail", "fstab", "networkd")


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    work = crash.memory()
    yield work
    crash.remove(work)


def verdict(rows: list[Row]) -> list[str]:
    assert rows and all(row.points > 10 for row in rows), [(row.subject, row.way, row.points) for row in rows]
    return [problem for row in rows for problem in row.problems]


def test_killed_at_any_call_a_few_changes_are_taken_back_to_the_byte(memory: Path) -> None:
    """Killed before each call: that is also after the one before it. The whole matrix is marked `crash`."""
    few: list[Subject] = [one for one in crash.of_operations(memory / "few") if one.name in FEW]
    for name in FEW_FIXES:
        few += crash.of_fixes(memory / name.replace(" ", "-"), only=name)
    rows = crash.matrix(few, memory, ("apply", "undo"), sides=(False,))
    assert verdict(rows) == []


@pytest.mark.crash
@pytest.mark.timeout(1200)
def test_killed_before_and_after_every_call_every_change_is_taken_back(memory: Path) -> None:
    """Some 11,000 deaths."""
    subjects = [*crash.of_operations(memory / "all"), *crash.of_fixes(memory / "all-fixes")]
    rows = crash.matrix(subjects, memory)
    print(*crash.table(rows), sep="\n")
    assert verdict(rows) == []


def test_every_fix_has_a_root_that_proves_it(memory: Path) -> None:
    """So that the matrix holds them all; what works on the running host alone, or on the unmounted disk, has its
    own tests."""
    from agent.fixes.registry import FIXES

    assert {fix.name for fix in FIXES if not (fix.live_only or fix.on_device)} == {case.fix for case in roots.CASES}


@pytest.mark.parametrize("case", roots.CASES, ids=lambda case: case.name)
def test_a_scan_confirms_the_roots_finding_and_the_fix_cures_it(memory: Path, case: roots.Case) -> None:
    """Applied and verified by the scan's own proof, then undone: the tree is as before, and as broken."""
    from agent.fixes.proven import Ready, still_wrong
    from agent.fixes.registry import BY_NAME

    if case.runs and not crash.can_run():
        pytest.skip("needs root and busybox")
    if (case.kernel or case.systemd) and not roots.can_write_journals():
        pytest.skip("systemd-journal-remote is not installed")
    top = roots.make(case, memory / f"case-{roots.CASES.index(case)}")
    before = manifest(top)
    found = crash.scanned(top)
    assert case.rule in {finding.id for finding in found.evaluated(BY_NAME[case.fix]).findings}
    ready = crash.planned_for(case, top)
    assert isinstance(ready, Ready), ready
    fix = BY_NAME[case.fix]
    done = crash.apply(top, case.fix, ready.plan, lambda: still_wrong(fix, ready.request, found.anew()))
    assert done.state is ChangeState.VERIFIED, done.why
    after = differences(before, manifest(top))
    touched = {line.split(": ")[0] for line in after if ": mtime" not in line}
    assert touched, "the fix changed something"
    if not done.reversible:
        with pytest.raises(ChangeRefused, match="can't be taken back"):
            crash.undo(top)
        return
    assert crash.undo(top).state is ChangeState.UNDONE
    assert case.runs or differences(before, manifest(top)) == []
    assert [line for line in differences(before, manifest(top)) if ": mtime" not in line] == []
    again = crash.planned_for(case, top)
    assert isinstance(again, Ready), f"it is broken again as before: {again}"


def test_a_program_that_is_killed_with_us_changes_nothing_afterwards(memory: Path) -> None:
    """Killed while a program of the root runs: it dies too, and does not write into what undo has put back."""
    if not crash.can_run():
        pytest.skip("needs root and busybox")
    slow = "i=0; while [ $i -lt 40 ]; do echo $i > /etc/list.d/$i; i=$((i+1)); sleep 0.05; done"
    planned = plans.Planned("slow", (plans.shell(slow, keeps=("/etc/list.d/*",)),), plans.odd, runs=True)
    top = plans.make(planned, memory / "slow")
    before = manifest(top)
    child = os.fork()
    if not child:
        try:
            crash.apply(top, "test", planned.plan)
        finally:
            os._exit(1)
    until = time.monotonic() + 20
    while not (top / "etc/list.d/3").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert (top / "etc/list.d/3").exists()
    assert crash.changes(top)[-1].state is ChangeState.APPLYING
    assert crash.child(lambda: crash.undo(top).state.value) == crash.Said("undone")
    time.sleep(0.3)
    left = [line for line in differences(before, manifest(top)) if ": mtime" not in line]
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_puts_everything_back_before_it_ends_us(memory: Path, number: signal.Signals) -> None:
    """Ctrl-C, and kill: in the middle of a program that runs, nothing stays half done."""
    if not crash.can_run():
        pytest.skip("needs root and busybox")
    operations = (
        WriteFile("/etc/odd", b"after\n"),
        Move("/etc/aside", "/root/aside"),
        Run(("/bin/sh", "-c", "echo x > /etc/list.d/x; sleep 30"), "waits", keeps=("/etc/list.d/*",)),
    )
    planned = plans.Planned(number.name, operations, plans.odd, runs=True)
    top = plans.make(planned, memory / number.name)
    before = manifest(top)
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            crash.apply(top, "test", planned.plan)
        except KeyboardInterrupt:
            os._exit(130)
        finally:
            os._exit(1)
    until = time.monotonic() + 20
    while not (top / "etc/list.d/x").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(child, number)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 130
    assert crash.changes(top)[-1].state is ChangeState.UNDONE
    assert [line for line in differences(before, manifest(top)) if ": mtime" not in line] == []


def test_a_console_that_closes_does_not_stop_a_change(memory: Path) -> None:
    """It may be the change itself that closed it: what was begun is done to its end."""
    if not crash.can_run():
        pytest.skip("needs root and busybox")
    script = "echo x > /etc/list.d/x; sleep 1; echo y > /etc/list.d/y"
    planned = plans.Planned("hung up", (plans.shell(script, keeps=("/etc/list.d/*",)),), plans.odd, runs=True)
    top = plans.make(planned, memory / "hung-up")
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            done = crash.apply(top, "test", planned.plan)
            os._exit(0 if done.state is ChangeState.VERIFIED else 2)
        finally:
            os._exit(1)
    until = time.monotonic() + 20
    while not (top / "etc/list.d/x").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(child, signal.SIGHUP)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
    assert (top / "etc/list.d/y").exists()


def test_the_harness_kills_and_sees_what_is_left(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an engine that writes its intent after the fact, the matrix shows every place where that is lost."""
    subject = next(one for one in crash.of_operations(memory / "late") if one.name == "a write over a file")
    real = Store.save

    def late(self: Store, change: crash.Change) -> crash.Change:
        return change if change.state in (ChangeState.PLANNED, ChangeState.APPLYING) else real(self, change)

    monkeypatch.setattr(Store, "save", late)
    row = crash.run(subject, "apply", memory, sides=(False,))
    assert 0 < row.survivors < row.points
    assert any("/etc/odd" in problem for problem in row.problems)


def test_an_interrupted_change_is_named_and_nothing_new_is_begun(memory: Path) -> None:
    subject = next(one for one in crash.of_operations(memory / "named") if one.name == "a move")
    top = memory / "interrupted"
    crash.copy(subject.template, top)
    number = next(
        index for index, (call, path) in enumerate(crash.calls(subject, memory / "counted"), 1) if path == "/etc/odd"
    )

    def work() -> None:
        with crash.observed(crash.Killer(number, True)):
            crash.apply(top, subject.fix, subject.plan)

    assert crash.child(work) == crash.Killed()
    assert [change.state for change in crash.changes(top)] == [ChangeState.APPLYING]
    half = manifest(top)
    with pytest.raises(ChangeRefused) as refused:
        crash.apply(top, "another", Plan("Another.", (WriteFile("/etc/plain", b"x"),)))
    assert "interrupted" in refused.value.message and "undo" in refused.value.hint
    assert differences(half, manifest(top)) == []
    crash.undo(top)
    assert subject.changes(top) == []
