"""Kills the program before and after each call that changes something, and looks at what is left.

Every mutating system call goes through one seam (agent/target/write.py; test_seam.py proves it with
strace). A forked child is killed there with SIGKILL, at every call in turn; what a fresh process then
finds must be as before, or be brought back by `undo`. `python -m tests.change.crash` prints the table.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from agent.change import engine, history
from agent.change.engine import ChangeRefused
from agent.change.model import Change, ChangeState, Plan, Run
from agent.change.store import Store
from agent.target.detect import open_target
from agent.target.write import Observer, Tree
from agent.unknown import Unknown
from tests.change import plans, roots
from tests.manifest import STORE, Manifest, differences, manifest, without_directory_times

WAYS = ("apply", "undo", "take back", "twice")  # what the program is doing when it dies
BROKEN = "it is as broken as before"


@dataclass(frozen=True)
class Subject:
    """One root as it is before, and what is done to it. ``runs``: programs of the root too, which may change
    the times of any directory."""

    name: str
    fix: str
    template: Path
    plan: Plan
    rolled_back: bool = False
    before: Manifest = field(default_factory=dict)
    runs: bool = False

    def changes(self, top: Path) -> list[str]:
        """How the tree differs from what it was."""
        before, after = self.before, manifest(top)
        if self.runs:
            before, after = without_directory_times(before), without_directory_times(after)
        return differences(before, after)


@dataclass(frozen=True)
class Killed:
    """The child died at the point where it was told to."""


@dataclass(frozen=True)
class Said:
    """The child ended by itself, with this answer."""

    answer: object = None


@dataclass
class Row:
    """One way of one subject: how many points, at how many of them all was well, and what was not."""

    subject: str
    way: str
    points: int = 0
    survivors: int = 0
    problems: list[str] = field(default_factory=list)


# -- children


def child(work: Callable[[], object]) -> Killed | Said:
    """What ``work`` returns (as JSON) in a forked process of its own. Its own errors are an AssertionError."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.close(reader)
            answer = json.dumps({"said": work()})
        except BaseException:  # noqa: BLE001 - a forked child must not run on into the tests
            answer = json.dumps({"failed": traceback.format_exc()})
        with os.fdopen(writer, "w") as stream:
            stream.write(answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) == signal.SIGKILL:
            return Killed()
        raise AssertionError(f"the child died of signal {os.WTERMSIG(status)}")
    document = json.loads(text)
    if "failed" in document:
        raise AssertionError(document["failed"])
    return Said(document["said"])


@contextlib.contextmanager
def observed(observe: Observer) -> Iterator[None]:
    """Every tree that is opened within is watched."""
    original = Tree.__init__

    def init(self: Tree, root: str, live: bool, theirs: Observer = observe) -> None:
        original(self, root, live, observe)

    Tree.__init__ = init  # type: ignore[method-assign]
    try:
        yield
    finally:
        Tree.__init__ = original  # type: ignore[method-assign]


class Killer:
    """Kills this process at its ``number``-th mutating call (from 1), before or after it is made."""

    def __init__(self, number: int, after: bool) -> None:
        self.number, self.after, self.seen = number, after, 0

    def __call__(self, call: str, path: str, after: bool) -> None:
        self.seen += not after
        if self.seen == self.number and after == self.after:
            os.kill(os.getpid(), signal.SIGKILL)


# -- what is done to a root


def apply(root: Path, fix: str, plan: Plan, verify: Callable[[], str] | None = lambda: "") -> Change:
    target = open_target(str(root))
    return engine.apply(Store.open(target), fix, plan, verify=verify)


def undo(root: Path, force: bool = False) -> Change:
    return engine.undo(Store.open(open_target(str(root))), force=force)


def changes(root: Path) -> tuple[Change, ...]:
    found = history.read(open_target(str(root)))
    assert not isinstance(found, Unknown), found.reason
    return found


def recover(root: Path) -> dict[str, Any]:
    """What a person does who finds the host after the crash: looks, tries to go on, takes it back."""
    found = changes(root)
    states = [change.state.value for change in found]
    refused = None
    if found and found[-1].state.interrupted:
        try:
            apply(root, "another", Plan("Another.", ()))
            refused = ""
        except ChangeRefused as error:
            refused = error.message or "refused"
    if found and found[-1].state is not ChangeState.UNDONE:
        undo(root)
    return {"states": states, "refused": refused, "after": [change.state.value for change in changes(root)]}


def copy(template: Path, top: Path) -> None:
    subprocess.run(["cp", "-a", "--", str(template), str(top)], check=True)


def remove(top: Path) -> None:
    shutil.rmtree(top, ignore_errors=True)


# -- one point


LIFE_GOES_ON = 4  # after each so many deaths the fix is applied and undone once more


def trial(subject: Subject, way: str, number: int, after: bool, top: Path) -> tuple[bool, list[str]]:
    """Was there such a point, and what was wrong after the program had died there."""
    fresh(subject, top)

    def work() -> None:
        with observed(Killer(number, after)):
            if way == "undo":
                undo(top)
            else:
                verify = (lambda: BROKEN) if way == "take back" else (lambda: "")
                apply(top, subject.fix, subject.plan, verify)

    if way == "undo":
        child(lambda: void(apply(top, subject.fix, subject.plan)))
    if isinstance(child(work), Said):
        remove(top)
        return False, []
    if way == "twice":
        chosen = random.Random(f"{subject.name} {number} {after}").randrange(1, 40)

        def again() -> None:
            with observed(Killer(chosen, after)):
                recover(top)

        child(again)
    said = child(lambda: found_after(subject, top, number % LIFE_GOES_ON == 0))
    assert isinstance(said, Said) and isinstance(said.answer, list)
    problems = [str(problem) for problem in said.answer]
    if problems:
        remove(top)
    return True, problems


def fresh(subject: Subject, top: Path) -> None:
    """The root as it was: a copy, or the one that the last point left, which was found to be as before."""
    if not top.is_dir():
        copy(subject.template, top)
        return
    journal = top / STORE.lstrip("/")
    status = journal.parent.stat()
    remove(journal)
    os.utime(journal.parent, ns=(status.st_atime_ns, status.st_mtime_ns))


def found_after(subject: Subject, top: Path, whole: bool) -> list[str]:
    """What is wrong with what a crash left, once it was taken back; with ``whole``, whether life goes on then."""
    answer = recover(top)
    problems = []
    if answer["refused"] == "":
        problems.append("a new change was begun over an interrupted one")
    if any(ChangeState(state).interrupted for state in answer["after"]):
        problems.append(f"after undo: {answer['after']}")
    problems += subject.changes(top)
    if problems or not whole:
        return problems
    done = apply(top, subject.fix, subject.plan)
    if done.state is not ChangeState.UNDONE:
        undo(top)
    return [f"afterwards: {line}" for line in subject.changes(top)]


def void(value: object) -> None:
    """Nothing, for a child's answer."""


def run(subject: Subject, way: str, work: Path, sides: Sequence[bool] = (False, True)) -> Row:
    """Every point of one way."""
    row = Row(subject.name, way)
    number = 0
    top = work / f"top-{os.getpid()}"
    remove(top)
    there = True
    while there:
        number += 1
        for after in sides:
            try:
                there, problems = trial(subject, way, number, after, top)
            except AssertionError as error:
                there, problems = True, [str(error)]
            if not there:
                break
            row.points += 1
            row.survivors += not problems
            if problems:
                side = "after" if after else "before"
                row.problems.append(f"{subject.name}, {way}, {side} call {number}: " + "; ".join(problems[:6]))
    remove(top)
    return row


def ways(subject: Subject) -> tuple[str, ...]:
    """What its program can be doing when it dies: a plan that fails on the way is never there to be undone."""
    return tuple(way for way in WAYS if way != "undo" or not subject.rolled_back)


def matrix(
    subjects: Sequence[Subject], work: Path, chosen: Sequence[str] = WAYS, sides: Sequence[bool] = (False, True)
) -> list[Row]:
    """Every point of every way of every subject, on all processors.

    After a call and before the next one the disk is the same: where the way is one that others already cover
    in part (taking back within apply, a second death), only the side before is died at.
    """
    jobs = [
        (subject, way, work, sides if way in ("apply", "undo") else sides[:1])
        for subject in subjects
        for way in ways(subject)
        if way in chosen
    ]
    with multiprocessing.get_context("fork").Pool(max(1, os.cpu_count() or 1)) as pool:
        return pool.starmap(run, jobs, chunksize=1)


def calls(subject: Subject, top: Path, way: str = "apply") -> list[tuple[str, str]]:
    """The mutating calls of one run, in order."""
    remove(top)
    copy(subject.template, top)
    if way == "undo":
        child(lambda: void(apply(top, subject.fix, subject.plan)))

    def work() -> list[tuple[str, str]]:
        seen: list[tuple[str, str]] = []
        with observed(lambda call, path, after: None if after else seen.append((call, path))):
            if way == "undo":
                undo(top)
            else:
                apply(top, subject.fix, subject.plan, (lambda: BROKEN) if way == "take back" else (lambda: ""))
        return seen

    said = child(work)
    assert isinstance(said, Said) and isinstance(said.answer, list)
    return [(call, path) for call, path in said.answer]


# -- subjects


def memory() -> Path:
    """A directory in memory, where there is one: thousands of copies and syncs."""
    shared = Path("/dev/shm")
    usable = shared.is_dir() and os.access(shared, os.W_OK)
    return Path(tempfile.mkdtemp(prefix="lish-agent-", dir=shared if usable else None))


def of_operations(work: Path) -> Iterator[Subject]:
    """One subject for each operation, and all of them together."""
    work.mkdir(parents=True, exist_ok=True)
    for number, planned in enumerate(plans.PLANS):
        if planned.refused or (planned.runs and not can_run()):
            continue
        template = plans.make(planned, work / f"operation-{number}")
        yield Subject(
            planned.name, "test", template, planned.plan, planned.rolled_back, manifest(template), planned.runs
        )


def of_fixes(work: Path, only: str = "") -> Iterator[Subject]:
    """The real fixes, as a scan of their broken root proves and plans them; ``only``: the case of this name.

    Those that say themselves that they can't be taken back (dpkg --configure) promise nothing to be killed for.
    """
    from agent.fixes.proven import Ready

    work.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(roots.CASES):
        if only not in ("", case.name):
            continue
        if (case.runs and not can_run()) or ((case.kernel or case.systemd) and not roots.can_write_journals()):
            continue
        template = roots.make(case, work / f"fix-{number}")
        ready = planned_for(case, template)
        if not isinstance(ready, Ready):
            raise AssertionError(f"{case.name}: there is no plan: {ready}")
        if any(isinstance(one, Run) and not one.reversible for one in ready.plan.operations):
            continue
        shutil.rmtree(template / "var/log/journal", ignore_errors=True)  # 8 MB that nobody asks for again
        roots.settle(template)
        yield Subject(case.name, case.fix, template, ready.plan, False, manifest(template), case.runs)


def planned_for(case: roots.Case, root: Path) -> object:
    """What the fix answers to a scan of the root: Ready with its plan, a refusal, or nothing to do."""
    from agent.fixes.proven import Wish, answer
    from agent.fixes.registry import BY_NAME

    if case.fix not in BY_NAME:
        return f"there is no --{case.fix}"
    return answer(Wish(BY_NAME[case.fix], case.choice, case.argument), scanned(root))


def scanned(root: Path) -> object:
    from agent.diagnosis.evaluation import all_patterns
    from agent.diagnosis.loader import load
    from agent.facts.facts import Facts
    from agent.fixes import proven
    from agent.logs.search import search

    target, rules = open_target(str(root)), load([])
    return proven.Case(Facts(target), tuple(rules), search(target, all_patterns(rules)))


def can_run() -> bool:
    """May the programs of a root be run here, in a chroot of their own?"""
    return os.geteuid() == 0 and roots.BUSYBOX is not None


def table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{'':44} {'way':10} {'points':>7} {'survived':>9}"
    for row in rows:
        yield f"{row.subject[:44]:44} {row.way:10} {row.points:7} {row.survivors:9}"
    points, survivors = sum(row.points for row in rows), sum(row.survivors for row in rows)
    subjects = len({row.subject for row in rows})
    yield f"{f'{subjects} changes':44} {'':10} {points:7} {survivors:9}"


def main() -> int:
    started = time.monotonic()
    work = memory()
    try:
        rows = matrix([*of_operations(work / "operations"), *of_fixes(work / "fixes")], work)
    finally:
        remove(work)
    for line in table(rows):
        print(line)
    for row in rows:
        for problem in row.problems[:3]:
            print(problem)
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if all(row.points == row.survivors for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
