"""Random lives of a host: fixes, an admin's edits, undo, crashes at any call, in any order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agent.change import document, engine
from agent.change.errors import ChangeRefused
from agent.change.model import (
    Absent,
    Change,
    ChangeState,
    Command,
    KeptFile,
    KeptFolder,
    KeptLink,
    Link,
    MakeFolder,
    Move,
    Operation,
    Plan,
    Remove,
    Run,
    SetMode,
    Step,
    WriteFile,
)
from agent.change.store import Store
from agent.target.detect import open_target
from tests.change import crash, roots
from tests.manifest import STORE, Entry, manifest

NAMES = ("/etc/a", "/etc/b", "/etc/d/c", "/etc/d/e")
FOLDERS = ("/etc/d", "/etc/n")
CONTENTS = st.sampled_from([b"", b"one\n", b"two\n", b"\x00\xff" * 700])
paths = st.sampled_from(NAMES)
operations = st.one_of(
    st.builds(WriteFile, paths, CONTENTS, st.sampled_from([None, 0o600, 0o4755])),
    st.builds(Move, paths, st.sampled_from(["/etc/a.off", "/etc/d/off", "/etc/b"])),
    st.builds(Link, paths, st.sampled_from(["/dev/null", "b", "/nowhere"])),
    st.builds(Remove, paths),
    st.builds(SetMode, paths, st.sampled_from([0o600, 0o755])),
    st.builds(MakeFolder, st.sampled_from(["/etc/n", "/etc/d"])),
    st.builds(WriteFile, st.just("/etc/n/inside"), CONTENTS),
)
lists = st.lists(operations, min_size=1, max_size=4).map(tuple)


def paths_of(operations: tuple[Operation, ...]) -> set[str]:
    found: set[str] = set()
    for operation in operations:
        found.add(getattr(operation, "path", ""))
        if isinstance(operation, Move):
            found.add(operation.to)
    return found


class Life(RuleBasedStateMachine):
    """One host, and what is known of it from outside."""

    @initialize()
    def begin(self) -> None:
        self.work = crash.memory()
        self.root = self.work / "root"
        self.root.mkdir()
        building = roots.Building(self.root)
        for folder in ("/var/lib", "/etc/d", "/root", "/dev", "/proc", "/sys", "/run", "/tmp"):
            building.folder(folder)
        for number, name in enumerate(NAMES[:3]):
            building.write(name, f"as installed {number}\n", 0o640)
        roots.settle(self.root)
        self.stack: list[tuple[str, Mapping[str, Entry], set[str]]] = []  # changes that stand; what was before
        self.edited: dict[str, bytes] = {}  # what the admin wrote, where it has not been asked to go
        self.interrupted = False

    def teardown(self) -> None:
        if hasattr(self, "work"):
            shutil.rmtree(self.work, ignore_errors=True)

    def now(self) -> Mapping[str, Entry]:
        return manifest(self.root, directory_times=False)

    def store(self) -> Store:
        return Store.open(open_target(str(self.root)))

    # -- what happens
    @rule(wanted=lists, cured=st.booleans())
    def fix(self, wanted: tuple[Operation, ...], cured: bool) -> None:
        before = self.now()
        try:
            verify = (lambda: "") if cured else (lambda: crash.BROKEN)
            done = engine.apply(self.store(), "test", Plan("Tests.", wanted), verify=verify)
        except ChangeRefused as error:
            assert error.message
            assert self.now() == before, "refused, and nothing was touched"
            return
        assert not self.interrupted, "nothing new is begun over what was interrupted"
        if done.state is ChangeState.UNDONE:
            assert not cured, done.why
            assert self.now() == before, "taken back"
            return
        assert cured
        self.stack.append((done.id, before, self.touched(done)))
        self.edited = {path: data for path, data in self.edited.items() if path not in self.touched(done)}

    def touched(self, change: Change) -> set[str]:
        return {path for step in change.steps for path in (*step.before, *step.after)}

    @rule(wanted=lists, number=st.integers(1, 90), after=st.booleans())
    @precondition(lambda self: not self.interrupted)
    def crash_in_fix(self, wanted: tuple[Operation, ...], number: int, after: bool) -> None:
        before = self.now()
        known = {change.id for change in self.store().changes()}

        def work() -> str:
            with crash.observed(crash.Killer(number, after)):
                try:
                    engine.apply(self.store(), "test", Plan("Tests.", wanted), verify=lambda: "")
                except ChangeRefused:
                    return "refused"
            return "done"

        crash.child(work)
        for change in self.store().changes():
            if change.id not in known and change.state is not ChangeState.UNDONE:
                self.stack.append((change.id, before, self.touched(change)))
                self.interrupted = change.state.interrupted
                self.edited = {path: data for path, data in self.edited.items() if path not in self.touched(change)}
        if len(self.store().changes()) == len(known):
            assert self.now() == before

    @rule(path=paths, data=st.binary(min_size=1, max_size=20))
    @precondition(lambda self: not self.interrupted)
    def edit(self, path: str, data: bytes) -> None:
        self.write(path, data)

    @rule(number=st.integers(0, 5), data=st.binary(min_size=1, max_size=20), force=st.booleans())
    @precondition(lambda self: bool(self.stack) and not self.interrupted)
    def edit_what_a_fix_left_and_undo(self, number: int, data: bytes, force: bool) -> None:
        touched = sorted(self.stack[-1][2] - set(FOLDERS))
        if touched:
            self.write(touched[number % len(touched)], data)
        self.undo(force)

    def write(self, path: str, data: bytes) -> None:
        place = self.root / path.lstrip("/")
        if place.is_symlink() or place.is_dir() or not place.parent.is_dir():
            return
        new = b"by the admin: " + data
        place.write_bytes(new)
        self.edited[path] = new

    @rule(force=st.booleans())
    def undo(self, force: bool) -> None:
        before = self.now()
        try:
            done = engine.undo(self.store(), force=force)
        except ChangeRefused as error:
            assert error.message
            assert self.now() == before, "refused, and nothing was touched"
            assert not force or not self.stack, f"--force insists: {error.message}"
            return
        self.taken_back(done, force)

    @rule(number=st.integers(1, 60), after=st.booleans(), force=st.booleans())
    @precondition(lambda self: bool(self.stack))
    def crash_in_undo(self, number: int, after: bool, force: bool) -> None:
        def work() -> str:
            with crash.observed(crash.Killer(number, after)):
                try:
                    engine.undo(self.store(), force=force)
                except ChangeRefused:
                    return "refused"
            return "done"

        ended = crash.child(work)
        if ended == crash.Said("refused"):
            return
        by_id = {change.id: change for change in self.store().changes()}
        last = by_id[self.stack[-1][0]]
        if last.state is ChangeState.UNDONE:
            self.taken_back(last, force)
            return
        self.interrupted = last.state.interrupted
        if force and self.interrupted:  # begun with --force: the edits of what it touched are in the journal
            self.lost_to_force(last)

    def taken_back(self, done: Change, force: bool) -> None:
        expected, before, touched = self.stack.pop()
        assert done.id == expected, "the last one, or the interrupted one, is undone"
        assert done.state is ChangeState.UNDONE
        self.interrupted = False
        if force:
            self.lost_to_force(done)
        now = self.now()
        for path in touched:
            if path in FOLDERS and path not in before and path in now:
                continue  # the admin put something into the folder that the change had made
            assert now.get(path) == before.get(path), f"{path} is as it was before {done.id}"

    def lost_to_force(self, change: Change) -> None:
        """What the admin wrote over what the change had left is kept in the change's own files."""
        kept = {place.read_bytes() for place in self.files(change)}
        for path in self.touched(change) & set(self.edited):
            data = self.edited.pop(path)
            place = self.root / path.lstrip("/")
            there = place.read_bytes() if place.is_file() and not place.is_symlink() else b""
            assert data in kept or data == there, f"the edited {path} is lost"

    def files(self, change: Change) -> list[Path]:
        return sorted((self.root / STORE.lstrip("/") / "changes" / change.id / "files").iterdir())

    # -- what always holds
    @invariant()
    def edits_are_there(self) -> None:
        for path, data in getattr(self, "edited", {}).items():
            assert (self.root / path.lstrip("/")).read_bytes() == data, f"the edit of {path} was not asked to go"

    @invariant()
    def nothing_is_left_lying_about(self) -> None:
        if getattr(self, "interrupted", True):
            return
        names = {path for path in manifest(self.root) if path.rpartition("/")[2].startswith(".lish-agent")}
        assert names == set()
        assert not any(change.state.interrupted for change in self.store().changes())


def test_any_life_can_be_taken_back_step_by_step() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Life,
        settings=settings(
            max_examples=60,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# -- change.json is there and back again

texts = st.text(max_size=8)
numbers = st.integers(0, 2**31 - 2)
times = st.integers(-(2**40), 2**62)
# A name on a disk is bytes: what is no UTF-8 comes as U+DC80 to U+DCFF, and other surrogates never come.
in_names = st.characters(exclude_characters="/\0", exclude_categories=["Cs"]) | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF
)
absolute = st.lists(st.text(in_names, min_size=1, max_size=6), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(part if part.strip(".") else "x" for part in parts)
)
xattrs = st.dictionaries(texts, st.binary(max_size=6), max_size=2)
kept = st.one_of(
    st.just(Absent()),
    st.builds(
        KeptFile,
        st.integers(1, 99).map(str),
        texts,
        numbers,
        st.integers(0, 0o7777),
        numbers,
        numbers,
        times,
        times,
        xattrs,
    ),
    st.builds(KeptLink, texts, numbers, numbers, times, times, xattrs),
    st.builds(KeptFolder, st.integers(0, 0o7777), numbers, numbers, times, times, xattrs),
)
modes = st.one_of(st.none(), st.integers(0, 0o7777))
any_operation = st.one_of(
    st.builds(WriteFile, absolute, st.binary(max_size=9), modes, modes, modes),
    st.builds(Move, absolute, absolute),
    st.builds(Link, absolute, texts),
    st.builds(Remove, absolute),
    st.builds(SetMode, absolute, modes, modes, modes),
    st.builds(MakeFolder, absolute, st.integers(0, 0o7777)),
    st.builds(
        Run,
        st.lists(texts, min_size=1, max_size=3).map(tuple),
        texts,
        st.lists(absolute, max_size=2).map(tuple),
        st.lists(st.builds(Command, st.just(("x",)), st.binary(max_size=4)), max_size=2).map(tuple),
        st.binary(max_size=5),
        st.floats(0, 1e6),
    ),
)


@given(st.lists(st.tuples(any_operation, kept, kept), max_size=4), texts, st.sampled_from(ChangeState))
@settings(max_examples=150, deadline=None)
def test_a_change_is_read_as_it_was_written(
    parts: list[tuple[Operation, object, object]], summary: str, state: ChangeState
) -> None:
    steps = []
    for operation, before, after in parts:
        touched = [] if isinstance(operation, Run) else sorted(paths_of((operation,)))
        steps.append(Step(operation, dict.fromkeys(touched, before), dict.fromkeys(touched, after)))  # type: ignore[misc]
    change = Change("7-test", "test", state, summary, tuple(steps), 1.5)
    read = document.load(document.dump(change))
    assert replace(read, place="") == replace(change, place="")


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
@settings(max_examples=300, deadline=None)
def test_what_is_no_change_is_damaged_and_nothing_else(data: bytes) -> None:
    try:
        document.load(data)
    except document.Damaged as error:
        assert str(error)
    else:
        raise AssertionError("nothing of this is a change")
