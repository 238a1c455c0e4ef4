"""Every call that changes something may fail: then the change is refused or taken back, and nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.change import engine
from agent.change.model import Change, ChangeState, Move, Plan, Remove, SetMode, WriteFile
from agent.change.store import Store
from agent.errors import AgentError
from agent.target.detect import open_target
from tests.change import crash, roots
from tests.change.crash import Subject
from tests.change.traced import REPOSITORY, needs_strace
from tests.manifest import STORE, Manifest, differences, manifest

FAULTS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EPERM, errno.EMFILE, errno.EDQUOT)
WHOLE = ("one path three times", "sendmail", "fstab")


class Failing:
    """Raises an error in place of the ``number``-th call (from 1); ``lasting``: of all that follow too."""

    def __init__(self, number: int, fault: int, lasting: bool) -> None:
        self.number, self.fault, self.lasting = number, fault, lasting
        self.seen = 0

    def __call__(self, call: str, path: str, after: bool) -> None:
        if after:
            return
        self.seen += 1
        if self.seen == self.number or (self.lasting and self.seen > self.number):
            raise OSError(self.fault, os.strerror(self.fault), path)


def told(change: Change, fault: int) -> str:
    """What is wrong with what the person is told, "" when it is well."""
    if change.state is ChangeState.UNDONE and os.strerror(fault).lower() not in change.why.lower():
        return f"taken back because of {change.why!r}"
    return ""


def attempt(top: Path, subject: Subject, way: str, number: int, fault: int, lasting: bool) -> dict[str, object]:
    """What came of it: how it ended, what was said, and whether the fault was met at all."""
    failing = Failing(number, fault, lasting)
    end, said, problem = "", "", ""
    try:
        with crash.observed(failing):
            if way == "undo":
                change = crash.undo(top)
            else:
                change = crash.apply(top, subject.fix, subject.plan)
        end = change.state.value
        reasoned = way == "apply" and failing.seen >= number and not subject.rolled_back
        problem = told(change, fault) if reasoned else ""
    except AgentError as error:
        end, said = type(error).__name__, f"{error.message} / {error.hint}"
        if not error.message or not error.hint:
            problem = f"no message or no hint: {said!r}"
    return {"end": end, "said": said, "problem": problem, "met": failing.seen >= number}


def failed(subject: Subject, way: str, number: int, fault: int, lasting: bool, top: Path) -> tuple[bool, list[str]]:
    """Was the fault met, and what was wrong afterwards."""
    crash.remove(top)
    crash.copy(subject.template, top)
    if way == "undo":
        crash.child(lambda: crash.void(crash.apply(top, subject.fix, subject.plan)))
        applied = manifest(top)
    answer = crash.child(lambda: attempt(top, subject, way, number, fault, lasting))
    assert isinstance(answer, crash.Said) and isinstance(answer.answer, dict)
    end, problem = str(answer.answer["end"]), str(answer.answer["problem"])
    if not answer.answer["met"]:
        return False, []
    problems = [problem] if problem else []
    left = subject.changes(top)
    if way == "apply" and not lasting and left and end in ("ChangeRefused", "undone"):
        problems += [f"{end}, and yet: {line}" for line in left]
    if way == "undo" and end == "ChangeRefused":
        problems += [f"refused, and yet: {line}" for line in differences(applied, manifest(top))]
    if way == "undo" and end == "undone":
        problems += [f"said to be undone, and yet: {line}" for line in left]
    crash.child(lambda: crash.recover(top))
    problems += [f"after undo: {line}" for line in subject.changes(top)]
    if problems:
        problems.insert(0, f"{end} {answer.answer['said']}")
    return True, problems


def all_failures(subject: Subject, work: Path, whole: bool) -> Iterator[str]:
    """Each call of each way fails, by one of the errors in turn; ``whole``: by every one, once and lastingly."""
    top = work / f"failing-{os.getpid()}"
    for way in ("apply",) if subject.rolled_back else ("apply", "undo"):
        number, met = 0, True
        while met:
            number += 1
            kinds = [(fault, lasting) for fault in FAULTS for lasting in (False, True)]
            for fault, lasting in kinds if whole else [kinds[(5 * number) % len(kinds)]]:
                met, problems = failed(subject, way, number, fault, lasting, top)
                if not met:
                    break
                if problems:
                    how = "from then on" if lasting else "once"
                    yield f"{subject.name}, {way}, call {number}, {errno.errorcode[fault]} {how}: {problems[:5]}"


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    work = crash.memory()
    yield work
    crash.remove(work)


FEW = ("a file in place of one moved aside", "everything at once")


def test_whatever_fails_is_refused_or_taken_back_and_nothing_is_lost(memory: Path) -> None:
    """Each call of a few changes fails, by each error in turn."""
    few = [subject for subject in crash.of_operations(memory / "few") if subject.name in FEW]
    few += crash.of_fixes(memory / "fixes", only="sendmail")
    assert len(few) == (3 if crash.can_run() else 2)
    problems = [problem for subject in few for problem in all_failures(subject, memory, whole=False)]
    assert problems == []


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_every_call_may_fail_by_every_error(memory: Path) -> None:
    subjects = [*crash.of_operations(memory / "all"), *crash.of_fixes(memory / "all-fixes")]
    jobs = [(subject, memory, subject.name in WHOLE) for subject in subjects]
    with multiprocessing.get_context("fork").Pool(max(1, os.cpu_count() or 1)) as pool:
        problems = [problem for found in pool.starmap(_listed, jobs, chunksize=1) for problem in found]
    assert problems == []


def _listed(subject: Subject, memory: Path, whole: bool) -> list[str]:
    return list(all_failures(subject, memory, whole))


# -- reality: the kernel's own refusals


def state(root: Path) -> Manifest:
    return manifest(root, ignore=(STORE, "/lost+found"))


def tried(root: Path, *operations: object) -> tuple[str, str, Change | None]:
    """How it ended, and what was said."""
    plan = Plan("Does something.", operations)  # type: ignore[arg-type]
    try:
        done = engine.apply(Store.open(open_target(str(root))), "test", plan, verify=lambda: "")
    except AgentError as error:
        assert error.message and error.hint, error.message
        return "refused", f"{error.message}; {error.hint}", None
    return done.state.value, done.why, done


CHANGES = (
    WriteFile("/etc/odd", b"after\n" * 100),
    WriteFile("/etc/new", b"after\n"),
    Move("/etc/aside", "/root/aside"),
    SetMode("/etc/plain", 0o600),
    Remove("/etc/plain"),
)


def prepared(root: Path) -> None:
    from tests.change.plans import odd

    building = roots.Building(root)
    for folder in ("/etc", "/root", "/var/lib"):
        building.folder(folder)
    odd(building)


def loop_device(size: int, work: Path, *options: str) -> str:
    """A loop device with a fresh ext4; skips where there can't be one."""
    for program in ("mkfs.ext4", "losetup", "mount", "umount"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    image = work / "image"
    with image.open("wb") as stream:
        stream.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", *options, str(image)], check=True, capture_output=True)
    done = subprocess.run(["losetup", "--find", "--show", str(image)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.strip()}")
    return done.stdout.strip()


@contextlib.contextmanager
def disk(work: Path, size: int = 8 << 20, *options: str) -> Iterator[Path]:
    """A small ext4, mounted; unmounted and its loop device given back however the test ends."""
    device = loop_device(size, work, *options)
    point = work / "mounted"
    point.mkdir()
    try:
        done = subprocess.run(["mount", device, str(point)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no mount: {done.stderr.strip()}")
        try:
            yield point
        finally:
            subprocess.run(["umount", "--lazy", str(point)], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def fill(folder: Path, leave: int) -> None:
    """Until so many bytes are left."""
    left = os.statvfs(folder)
    with (folder / "filler").open("wb") as stream:
        size = left.f_bavail * left.f_frsize - leave
        while size > 0:
            try:
                size -= os.write(stream.fileno(), b"\0" * min(size, 65536))
            except OSError:
                break


@pytest.mark.parametrize("leave", [0, 4096, 8192, 16384, 24576, 32768, 65536])
def test_a_disk_that_is_really_full_is_left_as_it_is(tmp_path: Path, leave: int) -> None:
    with disk(tmp_path) as root:
        prepared(root)
        fill(root, leave)
        before = state(root)
        end, said, _ = tried(root, *CHANGES)
        if end == "verified":
            assert differences(before, state(root)) != []
            assert crash.undo(root).state is ChangeState.UNDONE
        else:
            assert re.search(r"space|room|full", said), said
        assert differences(before, state(root)) == []


@pytest.mark.parametrize("leave", [0, 1, 2, 4, 6, 8, 10, 20])
def test_a_disk_without_inodes_is_left_as_it_is(tmp_path: Path, leave: int) -> None:
    with disk(tmp_path, 8 << 20, "-N", "256") as root:
        prepared(root)
        (root / "many").mkdir()
        number = 0
        while os.statvfs(root).f_ffree > leave:
            (root / f"many/{number}").touch()
            number += 1
        before = state(root)
        end, said, _ = tried(root, *CHANGES)
        if end == "verified":
            assert crash.undo(root).state is ChangeState.UNDONE
        else:
            assert re.search(r"space|room|inode|full", said), said
        assert differences(before, state(root)) == []


def test_a_disk_mounted_read_only_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with disk(tmp_path) as root:
        prepared(root)
        before = state(root)
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        end, said, _ = tried(root, *CHANGES)
        assert end == "refused"
        assert "read-only" in said and "remount,rw" in said
        subprocess.run(["mount", "-o", "remount,rw", str(root)], check=True)
        assert differences(before, state(root)) == []
        assert not (root / STORE.lstrip("/")).exists()


def test_a_disk_that_becomes_read_only_after_the_change_keeps_it_for_later(tmp_path: Path) -> None:
    with disk(tmp_path) as root:
        prepared(root)
        before = state(root)
        assert tried(root, *CHANGES)[0] == "verified"
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        after = state(root)
        with pytest.raises(AgentError) as refused:
            crash.undo(root)
        assert "read-only" in refused.value.message + refused.value.hint
        assert differences(after, state(root)) == []
        subprocess.run(["mount", "-o", "remount,rw", str(root)], check=True)
        assert crash.undo(root).state is ChangeState.UNDONE
        assert differences(before, state(root)) == []


@contextlib.contextmanager
def chattr(flag: str, path: Path) -> Iterator[None]:
    if os.geteuid() != 0 or shutil.which("chattr") is None:
        pytest.skip("needs root and chattr")
    done = subprocess.run(["chattr", f"+{flag}", str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no inode flags here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", str(path)], check=True)


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("name", ["etc/odd", "etc/aside", "etc/plain", "etc", "root"])
def test_what_is_immutable_is_refused_before_anything_is_touched(tmp_path: Path, name: str, flag: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    prepared(root)
    with chattr(flag, root / name):
        before = manifest(root, ignore=(STORE,))
        end, said, _ = tried(root, *CHANGES)
        assert differences(before, manifest(root, ignore=(STORE,))) == []
    assert end == "refused"
    assert re.search(r"immutable|append", said) and "chattr" in said, said


def test_flags_of_a_file_survive_a_change_and_its_undo(tmp_path: Path) -> None:
    """No-dump and no-atime are kept by the rewritten file too."""
    root = tmp_path / "root"
    root.mkdir()
    prepared(root)
    with chattr("d", root / "etc/odd"), chattr("A", root / "etc/aside"):
        before = manifest(root)
        assert tried(root, *CHANGES)[0] == "verified"
        after = manifest(root)
        assert (after["/etc/odd"].flags, after["/root/aside"].flags) == (
            before["/etc/odd"].flags,
            before["/etc/aside"].flags,
        )
        crash.undo(root)
        assert differences(before, manifest(root)) == []


SCRIPT = """
import sys
from pathlib import Path
from tests.change.test_faults import CHANGES, tried
end, said, _ = tried(Path(sys.argv[1]), *CHANGES)
print(end, said)
"""


@needs_strace
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EROFS", "EPERM", "EDQUOT"])
@pytest.mark.parametrize("call", ["write", "renameat", "fsync", "fchmod", "unlinkat", "utimensat", "mkdirat"])
def test_the_kernels_own_error_in_its_place_does_the_same(tmp_path: Path, call: str, fault: str) -> None:
    """The seam raises before a call; here the kernel refuses it, at a place in the middle of the run."""
    root = tmp_path / "root"
    root.mkdir()
    prepared(root)
    before = state(root)
    calls = "renameat,rename,renameat2" if call == "renameat" else call
    words = ["strace", "-f", "-o", os.devnull, "-P", str(root), "-e", f"inject={calls}:error={fault}:when=3"]
    # -P would follow names that are relative to a descriptor only in part: all calls of the kind count
    words = [word for word in words if word not in ("-P", str(root))]
    done = subprocess.run(
        [*words, "-e", f"trace={calls}", sys.executable, "-c", SCRIPT, str(root)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=60,
        check=False,
    )
    if "PTRACE" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert "Traceback" not in done.stderr, done.stderr
    end = done.stdout.split(" ", 1)[0]
    if end == "verified":
        crash.undo(root)
    elif end in ("refused", "undone"):
        assert differences(before, state(root)) == [], done.stdout
    crash.recover(root)
    assert differences(before, state(root)) == [], done.stdout
