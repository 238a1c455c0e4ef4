"""The record of the repairs of filesystems, and where what undoes them is kept.

    /var/lib/lish-agent/repairs/<n>/repair.json     the intent, then each step
    /var/lib/lish-agent/repairs/<n>/undo-<step>     what the step overwrote, as e2fsck -z writes it
    /var/lib/lish-agent/repairs/<n>/blocks-<step>   the same of our own writing: the bytes from offset 1024 on

A repair's record can't lie on the disk that is repaired. It lies in the system that runs, which in rescue mode
is in memory and gone with the next boot; or in the directory that was named (--backup-dir).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum

from agent.errors import AgentError
from agent.target.failures import shown

BASE = "/var/lib/lish-agent/repairs"
DOCUMENT = "repair.json"
SCHEMA = "lish-agent/repair-record/1"
_LIMIT = 16 * 1024 * 1024  # bytes of a record
_ID = re.compile(r"fsck-([1-9]\d{0,8})")


class State(str, Enum):
    """Where a repair is; on disk before the next step begins."""

    RUNNING = "running"  # met with nobody at work on it: whoever did it died
    REPAIRED = "repaired"  # and the check after it found nothing wrong
    REFUSED = "refused"  # the rest wanted a consent that was not given
    FAILED = "failed"  # done, and the filesystem is still damaged
    STOPPED = "stopped"  # half-way, and can't be put back
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True)
class Step:
    """One program's run on the disk. ``exit`` is None as long as it runs.

    ``undo`` is the file beside the record that undoes it, "" for none. ``before`` and ``after`` are digests of
    the filesystem's beginning, its superblock in it, of which every writer changes something.
    """

    command: tuple[str, ...]
    exit: int | None = None
    output: str = ""
    seconds: float = 0.0
    undo: str = ""
    before: str = ""
    after: str = ""
    superblock: str = ""  # as it was before, in hexadecimal
    changed: bool = True  # False when it is certain that it changed nothing


@dataclass(frozen=True)
class Repair:
    """One repair of one filesystem. Times are seconds since the epoch."""

    id: str  # "fsck-1"
    device: str
    type: str
    uuid: str  # of the filesystem, in hexadecimal
    state: State
    started: float
    steps: tuple[Step, ...] = ()
    no_undo: str = ""  # why it can't be taken back, as a clause; "" when it can
    verified: bool = False  # a full check after it found nothing wrong
    why: str = ""  # what came of it, as a clause
    next: tuple[str, ...] = ()  # sentences and commands for the person
    ended: float | None = None
    place: str = ""  # the directory that holds it

    @property
    def undoable(self) -> bool:
        """It changed something, and all of that can be taken back, as long as nobody else writes to the disk."""
        return not self.no_undo and self.state is not State.UNDONE and any(step.changed for step in self.steps)

    @property
    def interrupted(self) -> bool:
        return self.state in (State.RUNNING, State.UNDOING)

    @property
    def number(self) -> int:
        return int(self.id.rpartition("-")[2])


def folder_of(backup_dir: str) -> str:
    """The directory of all repairs, in the running system or in the one that was named."""
    return f"{os.path.abspath(backup_dir)}/repairs" if backup_dir else BASE


def list_repairs(backup_dir: str = "") -> tuple[Repair, ...]:
    """All that can be read, oldest first; those in ``backup_dir`` as well as those of the running system."""
    found: dict[str, Repair] = {}
    for folder in dict.fromkeys((BASE, folder_of(backup_dir))):
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                repair = _load(f"{folder}/{name}") if re.fullmatch(r"[1-9]\d{0,8}", name) else None
                if repair is not None:
                    found[repair.place] = repair
    return tuple(sorted(found.values(), key=lambda repair: (repair.number, repair.started)))


def find(wanted: str, backup_dir: str = "") -> Repair:
    """By its id; "fsck" is the last that is not undone yet. AgentError when there is none."""
    known = list_repairs(backup_dir)
    if wanted == "fsck":
        matching = [repair for repair in known if repair.state is not State.UNDONE]
    else:
        matching = [repair for repair in known if repair.id == wanted]
    if matching:
        return matching[-1]
    ids = ", ".join(repair.id for repair in known) or "none"
    raise AgentError(
        f"there is no repair {shown(wanted)!r}",
        f"repairs on record: {ids}; those of an earlier boot of the rescue system are gone with it,"
        " unless they were kept with --backup-dir DIR",
    )


def is_id(text: str) -> bool:
    """Is this what a repair is called, and not a change?"""
    return text == "fsck" or _ID.fullmatch(text) is not None


def begin(device: str, type: str, uuid: str, backup_dir: str = "") -> Repair:
    """A new record, on disk. AgentError where it can't be written: then nothing must be begun."""
    folder = folder_of(backup_dir)
    try:
        if backup_dir and not os.path.isdir(backup_dir):
            raise NotADirectoryError(20, "is no directory")
        os.makedirs(folder, 0o700, exist_ok=True)
        _trusted(folder)
        taken = [repair.number for repair in list_repairs(backup_dir)]
        taken += [int(name) for name in os.listdir(folder) if name.isdecimal()]
        number = max(taken, default=0) + 1
        while True:
            with contextlib.suppress(FileExistsError):
                os.mkdir(f"{folder}/{number}", 0o700)
                break
            number += 1
        place = f"{folder}/{number}"
        return save(Repair(f"fsck-{number}", device, type, uuid, State.RUNNING, time.time(), place=place))
    except OSError as error:
        raise AgentError(
            f"the record of the repair can't be written to {shown(folder)}: {(error.strerror or 'failed').lower()}",
            "nothing was changed; name a directory on another disk: --backup-dir DIR",
        ) from error


def save(repair: Repair) -> Repair:
    """Written and synced as a whole, or not at all."""
    record: dict[str, object] = {"schema": SCHEMA, **asdict(repair)}
    record["state"] = repair.state.value
    data = json.dumps(record, indent=1).encode("utf-8", "backslashreplace")
    name = f"{repair.place}/{DOCUMENT}"
    descriptor = os.open(f"{name}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(f"{name}.new", name)
    sync_folder(repair.place)
    return repair


def keep(repair: Repair, name: str, data: bytes) -> None:
    """A file beside the record, synced."""
    path = f"{repair.place}/{name}"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(repair.place)


def sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _trusted(folder: str) -> None:
    """An undo file is written to a disk with root's rights: nobody else may have a hand in it."""
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(1, "others may write there")


def _load(place: str) -> Repair | None:
    try:
        _trusted(place)
        descriptor = os.open(f"{place}/{DOCUMENT}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            record = json.loads(stream.read(_LIMIT))
        return _parsed(record, place)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _parsed(record: Mapping[str, object], place: str) -> Repair | None:
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or not _ID.fullmatch(_text(record, "id")):
        return None
    ended = record.get("ended")
    steps = record.get("steps")
    return Repair(
        _text(record, "id"),
        _text(record, "device"),
        _text(record, "type"),
        _text(record, "uuid"),
        State(_text(record, "state")),
        _number(record["started"]),
        tuple(_step(step) for step in steps) if isinstance(steps, list) else (),
        _text(record, "no_undo"),
        record.get("verified") is True,
        _text(record, "why"),
        _texts(record, "next"),
        None if ended is None else _number(ended),
        place,
    )


def _step(record: object) -> Step:
    if not isinstance(record, dict):
        raise TypeError
    code = record.get("exit")
    undo = _text(record, "undo")
    if undo and not re.fullmatch(r"(undo|blocks)-\d{1,3}", undo):
        raise ValueError(undo)
    return Step(
        _texts(record, "command"),
        code if isinstance(code, int) else None,
        _text(record, "output"),
        _number(record.get("seconds", 0.0)),
        undo,
        _text(record, "before"),
        _text(record, "after"),
        bytes.fromhex(_text(record, "superblock")).hex(),
        record.get("changed") is not False,
    )


def _text(record: Mapping[str, object], key: str) -> str:
    value = record.get(key, "")
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def _texts(record: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = record.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError(key)
    return tuple(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("not a number")
    return float(value)


def ended(repair: Repair, state: State, why: str) -> Repair:
    """The record with its last state, on disk."""
    return save(replace(repair, state=state, why=why, ended=time.time()))
