"""Whatever changes the target goes through one seam, proven from outside: by the kernel's own list of calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.change import crash, roots
from tests.change.crash import Subject
from tests.change.traced import MARK, Event, needs_strace, trace
from tests.manifest import STORE, differences, manifest

# Applies and takes back a plan; each call through the seam is marked by a stat(2) that fails.
DRIVER = f"""
import os, pickle, sys
from tests.change import crash
def mark(call, path, after):
    os.path.exists("{MARK}/" + ("after" if after else "before") + "/" + call + path)
with open(sys.argv[2], "rb") as stream:
    fix, plan, verified = pickle.load(stream)
from pathlib import Path
root = Path(sys.argv[1])
with crash.observed(mark):
    crash.apply(root, fix, plan, (lambda: "") if verified else (lambda: crash.BROKEN))
    if verified:
        crash.undo(root)
print("done")
"""


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    work = crash.memory()
    yield work
    crash.remove(work)


def traced(subject: Subject, work: Path, verified: bool = True) -> list[Event]:
    """The calls of the process that changes the target; programs that it runs are others."""
    import pickle

    top = work / "traced"
    crash.remove(top)
    crash.copy(subject.template, top)
    arguments = work / "arguments"
    arguments.write_bytes(pickle.dumps((subject.fix, subject.plan, verified)))
    log = work / "strace"
    found, said = trace(["-c", DRIVER, str(top), str(arguments)], top, log)
    assert said.strip().endswith("done"), said
    own = next(event.process for event in found if event.kind == "before")
    return [event for event in found if event.process == own]


def outside_of_the_seam(found: list[Event]) -> list[str]:
    """Calls without the seam's marks around them, and marks around no call."""
    problems = []
    waiting: Event | None = None
    made: list[Event] = []
    for event in found:
        if event.kind == "before":
            if waiting:
                problems.append(f"{waiting.call} {waiting.text}: neither made nor failed")
            waiting, made = event, []
        elif event.kind == "after":
            calls = [call.call for call in made]
            if waiting is None or calls != [waiting.call]:
                problems.append(f"{event.call} {event.text}: the kernel saw {calls}")
            waiting = None
        elif waiting is None:
            problems.append(event.text)
        else:
            made.append(event)
    return problems


@needs_strace
@pytest.mark.parametrize("verified", [True, False], ids=["applied and undone", "taken back"])
def test_every_call_that_changes_the_target_goes_through_the_seam(memory: Path, verified: bool) -> None:
    """All operations of the engine at once, so that the crash matrix is no sample."""
    subjects = {subject.name: subject for subject in crash.of_operations(memory / str(verified))}
    whole = subjects.get("everything at once") or subjects["one path three times"]
    found = traced(whole, memory, verified)
    assert len([event for event in found if event.kind == "call"]) > 100
    assert outside_of_the_seam(found) == []


@needs_strace
def test_a_call_past_the_seam_would_be_seen(memory: Path) -> None:
    before = Event(1, "before", "rename", "/etc/a")
    call = Event(1, "call", "rename", "renameat(...)")
    after = Event(1, "after", "rename", "/etc/a")
    assert outside_of_the_seam([before, call, after]) == []
    assert outside_of_the_seam([call, before, call, after])
    assert outside_of_the_seam([before, call, call, after])
    assert outside_of_the_seam([before, after])


@needs_strace
def test_every_call_of_a_real_fix_goes_through_the_seam(memory: Path) -> None:
    subject = next(subject for subject in crash.of_fixes(memory / "fixes", only="sendmail"))
    assert outside_of_the_seam(traced(subject, memory)) == []


@needs_strace
@pytest.mark.parametrize(
    "words",
    [("scan",), ("scan", "--json"), ("fix",), ("fix", "--json"), ("fix", "--sendmail", "--dry-run"), ("history",)],
    ids=" ".join,
)
def test_what_only_looks_makes_no_changing_call(memory: Path, words: tuple[str, ...]) -> None:
    top = memory / "looked-at"
    crash.remove(top)
    case = next(case for case in roots.CASES if case.name == "sendmail")
    roots.make(case, top)
    before = manifest(top, ignore=())
    found, said = trace(["-m", "agent", *words, "--root", str(top)], top, memory / "strace")
    assert "Traceback" not in said and "invalid choice" not in said, said
    assert [event.text for event in found if event.kind == "call"] == []
    assert differences(before, manifest(top, ignore=())) == []


@needs_strace
def test_the_history_of_a_changed_root_is_read_without_a_changing_call(memory: Path) -> None:
    subject = next(subject for subject in crash.of_fixes(memory / "history", only="sendmail"))
    top = memory / "changed"
    crash.copy(subject.template, top)
    crash.child(lambda: crash.void(crash.apply(top, subject.fix, subject.plan)))
    before = manifest(top, ignore=())
    for words in (("history", "--json"), ("scan", "--json"), ("undo", "--dry-run")):
        found, said = trace(["-m", "agent", *words, "--root", str(top)], top, memory / "strace")
        assert "Traceback" not in said and "invalid choice" not in said, said
        assert [event.text for event in found if event.kind == "call"] == [], words
    assert differences(before, manifest(top, ignore=())) == []


# -- what a power cut would leave


def unsynced(calls: list[tuple[str, str]]) -> list[str]:
    """Calls on the target made while the journal of changes was not on disk, and the other way round: what
    is written must be synced before anything that relies on it happens."""
    problems = []
    dirty: dict[bool, set[str]] = {True: set(), False: set()}
    for call, path in calls:
        path = path[:-2] if path.endswith("/.") else path
        ours = path.startswith(STORE)
        if call == "fsync":
            dirty[ours].discard(path)
            continue
        if not ours and dirty[True]:
            problems.append(f"{call} {path} while {sorted(dirty[True])} may be lost")
        if call in ("write", "chmod", "chown", "setxattr", "removexattr", "utime", "setflags"):
            dirty[ours].add(path)
        else:
            dirty[ours].add(path.rpartition("/")[0])
            if call in ("rename", "unlink", "rmdir"):
                dirty[ours].discard(path)
    return problems


def test_the_intent_is_on_disk_before_the_first_byte_changes(memory: Path) -> None:
    for subject in crash.of_operations(memory / "synced"):
        for way in crash.ways(subject):
            calls = crash.calls(subject, memory / "top", way)
            first = next((number for number, (_, path) in enumerate(calls) if not path.startswith(STORE)), None)
            if first is None:
                continue
            assert unsynced(calls[: first + 1]) == [], (subject.name, way)


def test_names_of_the_journal_are_never_guessed(memory: Path) -> None:
    """What it says in JSON is what is on disk."""
    subject = next(iter(crash.of_operations(memory / "named")))
    top = memory / "named-top"
    crash.copy(subject.template, top)
    crash.child(lambda: crash.void(crash.apply(top, subject.fix, subject.plan)))
    folders = sorted((top / STORE.lstrip("/") / "changes").iterdir())
    assert [json.loads((folder / "change.json").read_text())["id"] for folder in folders] == [
        folder.name for folder in folders
    ]
