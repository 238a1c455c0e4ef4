"""A hostile disk, or a process that races: nothing outside of the root changes, and undo never crashes."""

from __future__ import annotations

import base64
import copy as copies
import ctypes
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from agent.change import engine, history
from agent.change.errors import ChangeRefused
from agent.change.model import Change, ChangeState, Link, MakeFolder, Move, Plan, Remove, Run, SetMode, WriteFile
from agent.change.store import Store
from agent.errors import AgentError
from agent.target.detect import open_target
from tests.change import crash, roots
from tests.change.traced import needs_strace, trace
from tests.manifest import STORE, differences, manifest

SECRET = b"the secret of the outside\n"
Json = Any  # what json.loads gives


class World:
    """A root, and beside it an outside that must never change."""

    def __init__(self, top: Path) -> None:
        self.root, self.outside = top / "root", top / "outside"
        self.root.mkdir()
        roots.debian(roots.Building(self.root))
        building = roots.Building(self.root)
        building.write("/etc/network/if-up.d/hook", "#!/bin/sh\nexit 1\n", 0o755)
        building.write("/etc/plain", "before\n")
        for name in ("", "network/if-up.d", "lib/lish-agent/changes"):
            (self.outside / name).mkdir(parents=True, exist_ok=True)
        for name in ("hook", "plain", "network/if-up.d/hook", "secret"):
            (self.outside / name).write_bytes(SECRET)
        (self.outside / "link").symlink_to("secret")
        roots.settle(top)
        self._outside = manifest(self.outside, ignore=())
        self._root = manifest(self.root)

    def settled(self) -> World:
        """As it is now is how it was."""
        self._root = manifest(self.root)
        return self

    def apply(self, *operations: object, verify: Callable[[], str] | None = lambda: "") -> Change:
        plan = Plan("Does something.", operations)  # type: ignore[arg-type]
        return engine.apply(Store.open(open_target(str(self.root))), "test", plan, verify=verify)

    def undo(self, force: bool = False) -> Change:
        return engine.undo(Store.open(open_target(str(self.root))), force=force)

    def outside_changes(self) -> list[str]:
        return differences(self._outside, manifest(self.outside, ignore=()))

    def changes(self) -> list[str]:
        return differences(self._root, manifest(self.root))

    @property
    def store(self) -> Path:
        return self.root / STORE.lstrip("/")


@pytest.fixture
def world() -> Iterator[World]:
    work = crash.memory()
    yield World(work)
    crash.remove(work)


def up_to(place: Path) -> tuple[str, str]:
    """The two ways for a link to lead there from anywhere: absolute, and by .. ."""
    return str(place), "../" * 30 + str(place).lstrip("/")


# -- paths that lead out


OPERATIONS = (
    WriteFile("/etc/network/if-up.d/hook", b"after\n"),
    WriteFile("/etc/network/if-up.d/new", b"after\n"),
    Move("/etc/network/if-up.d/hook", "/etc/network/if-up.d/hook.off"),
    Move("/etc/plain", "/etc/network/if-up.d/plain"),
    Link("/etc/network/if-up.d/hook", "/dev/null"),
    Remove("/etc/network/if-up.d/hook"),
    SetMode("/etc/network/if-up.d/hook", 0o600, 1, 1),
    SetMode("/etc/network/if-up.d", 0o700, 1, 1),
    MakeFolder("/etc/network/if-up.d/folder"),
)


def named(operation: object) -> str:
    return f"{type(operation).__name__} {getattr(operation, 'to', '') or getattr(operation, 'path', '')}"


@pytest.mark.parametrize("way", [0, 1], ids=["absolute", "dots"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
@pytest.mark.parametrize("place", ["etc/network", "etc/network/if-up.d", "etc/network/if-up.d/hook"])
def test_a_link_out_of_the_root_is_not_followed(world: World, place: str, operation: object, way: int) -> None:
    goal = {"etc/network": "network", "etc/network/if-up.d": "network/if-up.d"}.get(place, "hook")
    crash.remove(world.root / place)
    (world.root / place).unlink(missing_ok=True)
    (world.root / place).symlink_to(up_to(world.outside / goal)[way])
    world.settled()
    try:
        done = world.apply(operation)
    except AgentError as error:
        assert error.message and error.hint
    else:
        if done.state is not ChangeState.UNDONE:
            assert world.undo().state is ChangeState.UNDONE
    assert world.outside_changes() == []
    assert world.changes() == []


# -- the journal's own place


def as_link(world: World, place: Path, goal: Path) -> None:
    crash.remove(place)
    place.symlink_to(goal)


PLACES: dict[str, Callable[[World], None]] = {
    "/var leads out": lambda world: as_link(world, world.root / "var", world.outside),
    "/var/lib leads out": lambda world: as_link(world, world.root / "var/lib", world.outside / "lib"),
    "the journal leads out": lambda world: world.store.symlink_to(world.outside / "lib/lish-agent"),
    "the journal leads out by dots": lambda world: world.store.symlink_to(up_to(world.outside / "lib/lish-agent")[1]),
    "the journal is a link inside": lambda world: world.store.symlink_to("/tmp"),
    "the journal is a file": lambda world: void(world.store.write_bytes(b"x")),
    "the journal is a fifo": lambda world: os.mkfifo(world.store),
    "the journal may be written by all": lambda world: made(world.store, 0o777),
    "the journal may be written by its group": lambda world: made(world.store, 0o770),
    "the journal is somebody's": lambda world: owned(made(world.store, 0o700)),
    "the changes lead out": lambda world: made(world.store, 0o700).joinpath("changes").symlink_to(world.outside),
    "the changes are a fifo": lambda world: os.mkfifo(made(world.store, 0o700) / "changes"),
    "the changes may be written by all": lambda world: void(made(made(world.store, 0o700) / "changes", 0o777)),
    "the lock leads out": lambda world: made(world.store, 0o700).joinpath("lock").symlink_to(world.outside / "new"),
    "the lock is a fifo": lambda world: os.mkfifo(made(world.store, 0o700) / "lock"),
    "the lock is a directory": lambda world: void(made(made(world.store, 0o700) / "lock", 0o700)),
}


def void(value: object) -> None:
    """Nothing."""


def made(place: Path, mode: int) -> Path:
    place.mkdir()
    place.chmod(mode)
    return place


def owned(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(place, 1000, 1000)


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_is_not_its_own_is_refused_before_anything_is_touched(world: World, name: str) -> None:
    PLACES[name](world)
    before = manifest(world.root, ignore=())
    with deadline(20):
        with pytest.raises(AgentError) as refused:
            world.apply(WriteFile("/etc/plain", b"after\n"))
        assert refused.value.message and refused.value.hint
        with pytest.raises(AgentError):
            world.undo()
        history.read(open_target(str(world.root)))
    after = manifest(world.root, ignore=())
    mine = (f"{STORE}/changes", f"{STORE}/lock")  # of a journal that could be made and not locked
    assert [line for line in differences(before, after) if not line.startswith((*mine, f"{STORE}: mtime"))] == []
    assert world.outside_changes() == []


class TooLate(BaseException):
    """Not an error that the program could take for one of its own."""


class deadline:
    """Ends with TooLate what hangs."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __enter__(self) -> None:
        def late(number: int, frame: object) -> None:
            raise TooLate(f"still not done after {self.seconds} s")

        signal.signal(signal.SIGALRM, late)
        signal.alarm(self.seconds)

    def __exit__(self, *error: object) -> None:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


# -- a journal that somebody wrote


EVERYTHING = (
    WriteFile("/etc/plain", b"after\n"),
    Move("/etc/network/if-up.d/hook", "/etc/hook.off"),
    Link("/etc/made", "/dev/null"),
    MakeFolder("/etc/folder"),
)
ODD_PATHS = (
    "../../outside/hook",
    "/../outside/hook",
    "/etc/../../outside/hook",
    "/etc/./plain",
    "/etc//plain",
    "/etc/plain/",
    "/",
    "//",
    "",
    ".",
    "/etc/\x00plain",
    "/etc/\ud800",
    "/etc/\udcff",
    "/" + "a/" * 5000,
    "/" + "a" * 300,
    "/proc/self/root/etc",
    "/dev/sda",
    "/etc/network",
    "/var/lib/lish-agent/changes",
    "/var/lib/lish-agent/lock",
)
ODD_VALUES: tuple[Json, ...] = (
    None,
    True,
    -1,
    0,
    1 << 31,
    1 << 64,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    [],
    [[]],
    {},
    {"": None},
    "\ud800",
    "A" * 100_000,
    {"kind": "file"},
    {"kind": "absent"},
    [{"kind": "run"}],
)


def spots(value: Json, at: tuple[Json, ...] = ()) -> Iterator[tuple[Json, ...]]:
    """Every place in a JSON document."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from spots(inner, (*at, key))


def changed(document: Json, at: tuple[Json, ...], value: Json) -> Json:
    other = copies.deepcopy(document)
    inner = other
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return other


def renamed_key(document: Json, at: tuple[Json, ...], key: str) -> Json:
    other = copies.deepcopy(document)
    inner = other
    for step in at[:-1]:
        inner = inner[step]
    inner[key] = inner.pop(at[-1])
    return other


def hostile_documents(document: Json) -> Iterator[bytes]:
    """Every value of every other kind, everything that is a path on another path; and what is no document."""
    places = list(spots(document))
    for at in places:
        for value in ODD_VALUES:
            yield json.dumps(changed(document, at, value)).encode("ascii", "replace")
        leaf = document
        for key in at:
            leaf = leaf[key]
        if isinstance(leaf, str) and leaf.startswith("/"):
            for path in ODD_PATHS:
                yield json.dumps(changed(document, at, path)).encode()
        if isinstance(at[-1], str) and at[-1].startswith("/"):
            for path in ODD_PATHS:
                yield json.dumps(renamed_key(document, at, path)).encode()
        if isinstance(at[-1], str) and not at[-1].startswith("/"):
            parent = copies.deepcopy(document)
            inner = parent
            for key in at[:-1]:
                inner = inner[key]
            del inner[at[-1]]
            yield json.dumps(parent).encode()
    yield b""
    yield b"\xff\xfe"
    yield b"[" * 100_000
    yield b'{"a":' * 100_000
    yield b"9" * 10_000
    yield b"null"
    yield b"{}"
    yield b'{"schema": "lish-agent/change-on-disk/1"}'


@pytest.mark.parametrize("state", ["verified", "applying", "undoing", "planned"])
def test_undo_of_a_forged_change_stays_inside_and_never_crashes(world: World, state: str) -> None:
    """A sample of some thousand forgeries, another each time, with its seed."""
    seed = os.environ.get("FORGERY_SEED") or str(time.time_ns())
    world.apply(*EVERYTHING)
    document = next(world.store.glob("changes/*/change.json"))
    honest = {**json.loads(document.read_text()), "state": state}
    template = world.root.with_name("template")
    crash.copy(world.root, template)
    forgeries = list(hostile_documents(honest))
    assert len(forgeries) > 1000
    random.Random(seed).shuffle(forgeries)
    until = time.monotonic() + float(os.environ.get("FORGERY_SECONDS") or 3)
    tried = 0
    for forgery in forgeries:
        if time.monotonic() > until:
            break
        tried += 1
        document.write_bytes(forgery)
        with deadline(30):
            try:
                history.read(open_target(str(world.root)))
                for force in (False, True):
                    world.undo(force)
            except AgentError as error:
                assert error.message and "\x1b" not in error.message
            except Exception as error:
                shown = forgery if len(forgery) < 9000 else forgery[:200]
                raise AssertionError(f"FORGERY_SEED={seed}: {type(error).__name__}: {error}: {shown!r}") from error
        assert world.outside_changes() == [], (seed, forgery)
        crash.remove(world.root)
        crash.copy(template, world.root)
    assert tried > 20


def test_a_forged_inverse_runs_in_the_root_only(world: World) -> None:
    """What undo runs, it runs in a chroot with mounts of its own: the outside is not there."""
    if not crash.can_run():
        pytest.skip("needs root and busybox")
    roots.programs(roots.Building(world.root))
    world.apply(Run(("/bin/true",), "does nothing", keeps=("/etc/plain",), required=False))
    document = next(world.store.glob("changes/*/change.json"))
    forged = json.loads(document.read_text())
    script = f"echo reached > /etc/reached; for d in / /../../.. {world.outside} /proc/1/root{world.outside}; do "
    script += "echo x > $d/new; rm -rf $d/secret; mkdir -p $d; echo x > $d/hook; done"
    forged["steps"][0]["operation"]["inverse"] = [{"argv": ["/bin/sh", "-c", script], "input": ""}]
    forged["steps"][0]["begun"] = forged["steps"][0]["done"] = True
    document.write_text(json.dumps(forged))
    with deadline(60):
        try:
            world.undo(force=True)
        except AgentError as error:
            assert error.message
    assert (world.root / "etc/reached").exists(), "the forged inverse was run, or this test shows nothing"
    assert world.outside_changes() == []


def content(world: World) -> Path:
    """What was kept of /etc/plain."""
    change = next(world.store.glob("changes/*"))
    document = json.loads((change / "change.json").read_text())
    kept = document["steps"][0]["before"]["/etc/plain"]["stored"]
    return change / "files" / kept


@pytest.mark.parametrize("kind", ["link", "fifo", "other content", "shorter", "directory", "gone", "sparse giant"])
def test_a_kept_file_that_is_not_what_was_kept_is_not_put_back(world: World, kind: str) -> None:
    world.apply(WriteFile("/etc/plain", b"after\n"))
    kept = content(world)
    kept.unlink()
    if kind == "link":
        kept.symlink_to(world.outside / "secret")
    elif kind == "fifo":
        os.mkfifo(kept)
    elif kind == "directory":
        kept.mkdir()
    elif kind == "sparse giant":
        with kept.open("wb") as stream:
            stream.truncate(1 << 40)
    elif kind != "gone":
        kept.write_bytes(b"other!\n" if kind == "other content" else b"")
    for force in (False, True):
        with deadline(20), pytest.raises(AgentError) as refused:
            world.undo(force)
        assert refused.value.message
    assert (world.root / "etc/plain").read_bytes() == b"after\n", "nothing was changed by the undo that can't be"
    assert world.outside_changes() == []


# -- a process that races


_libc = ctypes.CDLL(None, use_errno=True)


def flip(one: Path, other: Path, ready: Path) -> None:
    """Swaps two names for ever, hundreds of times a second, until it is killed; with pauses of random length,
    in which the other comes now less, now more far."""
    first, second = os.fsencode(one), os.fsencode(other)
    ready.touch()
    while True:
        for _ in range(random.randrange(1, 4)):
            _libc.renameat2(-100, first, -100, second, 2)  # AT_FDCWD, RENAME_EXCHANGE
        time.sleep(random.random() ** 2 * 0.02)


FLIPPED = ("etc", "etc/network", "etc/network/if-up.d", "var/lib")


def racing(work: Path, place: str) -> tuple[World, list[str]]:
    world = World(work)
    real = world.root / place
    decoy = real.with_name("decoy")
    goal = {"etc": "", "etc/network": "network", "etc/network/if-up.d": "network/if-up.d", "var/lib": "lib"}[place]
    decoy.symlink_to(up_to(world.outside / goal)[0])
    return world, [str(real), str(decoy)]


PATIENCE = 90.0  # seconds

RACER = """
import sys, time
from pathlib import Path
from tests.change.test_hostile import race
print("rounds", race(Path(sys.argv[1]), float(sys.argv[2])))
"""


def race(root: Path, seconds: float) -> dict[str, int]:
    """Applies and takes back for that long, and on a slow machine until some came through; what is refused is."""
    ends: dict[str, int] = {}
    until = time.monotonic() + seconds
    latest = until + PATIENCE
    operations = (OPERATIONS[0], OPERATIONS[2], WriteFile("/etc/network/if-up.d/new", b"x"), OPERATIONS[6])
    while time.monotonic() < until or (ends.get("applied", 0) < 2 and time.monotonic() < latest):
        for work in (
            lambda: engine.apply(Store.open(open_target(str(root))), "test", Plan("Races.", operations[:2])),
            lambda: engine.undo(Store.open(open_target(str(root)))),
            lambda: engine.apply(Store.open(open_target(str(root))), "test", Plan("Races.", operations[2:])),
            lambda: engine.undo(Store.open(open_target(str(root))), force=True),
        ):
            try:
                end = work().state.value
            except ChangeRefused:
                end = "refused"
            except AgentError as error:
                end = type(error).__name__
            ends[end] = ends.get(end, 0) + 1
    return ends


@pytest.mark.parametrize("place", FLIPPED)
def test_a_directory_swapped_for_a_link_during_the_run_leads_nowhere(place: str, tmp_path: Path) -> None:
    work = crash.memory()
    try:
        world, names = racing(work, place)
        flipper = os.fork()
        if not flipper:
            try:
                flip(Path(names[0]), Path(names[1]), tmp_path / "ready")
            finally:
                os._exit(1)
        try:
            while not (tmp_path / "ready").exists():
                time.sleep(0.01)
            ends = race(world.root, 2.0)
        finally:
            os.kill(flipper, signal.SIGKILL)
            os.waitpid(flipper, 0)
        assert sum(ends.values()) > 20, ends
        assert "refused" in ends, f"the race was never met: {ends}"
        assert world.outside_changes() == []
    finally:
        crash.remove(work)


@needs_strace
def test_strace_sees_no_changing_call_outside_during_the_race(tmp_path: Path) -> None:
    work = crash.memory()
    try:
        world, names = racing(work, "etc/network")
        flipper = os.fork()
        if not flipper:
            try:
                flip(Path(names[0]), Path(names[1]), tmp_path / "ready")
            finally:
                os._exit(1)
        try:
            while not (tmp_path / "ready").exists():
                time.sleep(0.01)
            found, said = trace(["-c", RACER, str(world.root), "4"], work, tmp_path / "log")
        finally:
            os.kill(flipper, signal.SIGKILL)
            os.waitpid(flipper, 0)
        assert "rounds" in said and "Traceback" not in said, said
        below = f"<{world.root}"
        calls = [event.text for event in found if event.kind == "call" and "lsetxattr" not in event.text]
        assert len(calls) > 50, said
        assert [call for call in calls if below not in call] == []
        assert [call for call in calls if re.search(rf"<{world.outside}", call)] == []
        assert world.outside_changes() == []
    finally:
        crash.remove(work)


def test_a_race_of_two_writers_is_really_seen(tmp_path: Path) -> None:
    """The flipper flips: a naive writer is led out within the same time. So the tests above can fail."""
    world, names = racing(tmp_path, "etc/network")
    flipper = os.fork()
    if not flipper:
        try:
            flip(Path(names[0]), Path(names[1]), tmp_path / "ready")
        finally:
            os._exit(1)
    try:
        until = time.monotonic() + 10
        while not world.outside_changes() and time.monotonic() < until:
            for _ in range(200):
                try:
                    (world.root / "etc/network/if-up.d/naive").write_bytes(b"x")
                except OSError:
                    continue
    finally:
        os.kill(flipper, signal.SIGKILL)
        os.waitpid(flipper, 0)
    assert world.outside_changes() != []


# -- two at once


def test_two_agents_at_once_change_nothing_twice(world: World) -> None:
    """While one works, the other is told so; a lock file of a dead process stops nobody."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            with Store.open(open_target(str(world.root))).lock():
                os.write(writer, b"held")
                time.sleep(60)
        finally:
            os._exit(1)
    os.close(writer)
    try:
        assert os.read(reader, 4) == b"held"
        with pytest.raises(ChangeRefused) as refused:
            world.apply(WriteFile("/etc/plain", b"after\n"))
        assert "another agent" in refused.value.message and refused.value.hint
        with pytest.raises(ChangeRefused):
            world.undo()
        assert world.changes() == []
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
    assert (world.store / "lock").exists()
    assert world.apply(WriteFile("/etc/plain", b"after\n")).state is ChangeState.VERIFIED
    assert world.undo().state is ChangeState.UNDONE
    assert world.changes() == []


def test_many_agents_at_once_leave_one_whole_history(world: World) -> None:
    """Eight processes each apply and take back what they may; in the end all is as before."""
    words = [sys.executable, "-c", RACER, str(world.root), "1.5"]
    many = [
        subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for one in many:
        _, err = one.communicate(timeout=60)
        assert one.returncode == 0, err.decode()
    states = [change.state for change in crash.changes(world.root)]
    assert not any(state.interrupted for state in states)
    for _ in range(3):
        if any(state is not ChangeState.UNDONE for state in states):
            try:
                world.undo(force=True)
            except ChangeRefused:
                break
    assert world.changes() == []


def test_the_kept_contents_say_nothing_to_others(world: World) -> None:
    """The journal may hold what a file kept secret."""
    world.apply(WriteFile("/etc/plain", b"after\n"))
    for place in (world.store, *world.store.rglob("*")):
        assert place.lstat().st_mode & 0o077 == 0, place
    assert base64.b64encode(b"after\n").decode() in next(world.store.glob("changes/*/change.json")).read_text()
