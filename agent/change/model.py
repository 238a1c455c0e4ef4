"""The words of a change: operation, plan, what was kept of a path, change, state.

A fix yields a plan; the engine turns the plan into a change: it keeps what undo needs, writes the intent to
disk, and only then touches the first byte (see docs/safety.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Union


@dataclass(frozen=True)
class WriteFile:
    """Replaces a regular file's content atomically, or creates the file.

    Owner, mode, ACLs, labels and other extended attributes stay as they are; ``mode`` (permission bits),
    ``uid`` and ``gid`` are set where they are given. A new file gets 0644, root, root unless told otherwise.
    """

    path: str
    content: bytes
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class Move:
    """rename(2) of a file or a link to a name in the same filesystem that nothing has yet."""

    path: str
    to: str


@dataclass(frozen=True)
class Link:
    """Makes a symbolic link with the text ``to``, in place of a file, a link or nothing."""

    path: str
    to: str


@dataclass(frozen=True)
class Remove:
    """Removes a regular file or a symbolic link."""

    path: str


@dataclass(frozen=True)
class SetMode:
    """chmod and chown of a regular file or directory; None leaves that part alone."""

    path: str
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class MakeFolder:
    """Makes one directory, owned by root; nothing happens when it is there. Its parent must exist, or be
    made by an earlier operation of the plan. Undo removes it when it is empty."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True)
class Command:
    """An argument vector and what it reads from standard input.

    ``state`` is read instead of ``input``: what was in force when the plan was made. It goes on changing while the
    plan is shown (counters), so that two plans may differ in it and be the same plan. In a change it lies among the
    files, as ``stored``. ``required``: as long as it fails nothing is undone, and `agent undo` has to be run again.
    """

    argv: tuple[str, ...]
    input: bytes = b""
    state: bytes = field(default=b"", compare=False)
    stored: str = field(default="", compare=False)
    sha256: str = field(default="", compare=False)
    required: bool = False


@dataclass(frozen=True)
class Run:
    """Runs a program of the target: on the live host, or inside of the mounted root.

    ``keeps`` are the files that the program rewrites (patterns with * ? [] are allowed in any component):
    all that match are kept before, and undo puts them back and removes those that came new. ``inverse``
    are commands that undo runs when all files are back, the last Run's first. With neither, the operation
    can't be undone, and is shown as such. ``required=False``: its failure is reported and does not roll the
    change back.
    """

    argv: tuple[str, ...]
    why: str  # what it does, for the screen: "writes the boot menu anew"
    keeps: tuple[str, ...] = ()
    inverse: tuple[Command, ...] = ()
    input: bytes = b""
    timeout: float = 120.0  # seconds
    accept: tuple[int, ...] = (0,)  # exit statuses of success
    required: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)  # added to the fixed one

    @property
    def reversible(self) -> bool:
        return bool(self.keeps or self.inverse)


Operation = Union[WriteFile, Move, Link, Remove, SetMode, MakeFolder, Run]


@dataclass(frozen=True)
class Plan:
    """What a fix would do, from facts alone. Nothing has been changed when a plan is made."""

    summary: str  # one sentence: "Moves the sendmail hooks aside, where ifup does not run them."
    operations: tuple[Operation, ...]
    warnings: tuple[str, ...] = ()  # said before and after: "The firewall is down until it is loaded again."
    ask: str = ""  # why it is risky: then a terminal is asked, or --yes wanted
    reboot: bool = False  # takes effect at the next boot
    next: tuple[str, ...] = ()  # commands or sentences for the person, after it
    proof: str = ""  # of a fix that looks for the problem itself; else the findings prove it


class ChangeState(str, Enum):
    """Where a change is. Written to disk, and synced, before the next step begins."""

    PLANNED = "planned"  # nothing was touched yet
    APPLYING = "applying"
    APPLIED = "applied"  # all operations done, not (yet) verified
    VERIFIED = "verified"  # the proof of the problem no longer holds
    UNDOING = "undoing"
    UNDONE = "undone"

    @property
    def interrupted(self) -> bool:
        """Met on disk with nobody at work on it: whoever did it died."""
        return self in (ChangeState.PLANNED, ChangeState.APPLYING, ChangeState.UNDOING)


@dataclass(frozen=True)
class Absent:
    """Nothing is there."""


@dataclass(frozen=True)
class KeptFile:
    """A regular file: all that undo needs. ``stored`` names its content among the change's files."""

    stored: str
    sha256: str
    size: int  # bytes
    mode: int  # permission bits, 0o7777
    uid: int
    gid: int
    atime: int  # nanoseconds since the epoch
    mtime: int
    xattrs: Mapping[str, bytes] = field(default_factory=dict)  # ACLs and labels among them
    flags: int = 0  # inode flags (chattr), those that can be set


@dataclass(frozen=True)
class KeptLink:
    """A symbolic link."""

    to: str
    uid: int
    gid: int
    atime: int
    mtime: int
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class KeptFolder:
    """A directory itself, without what is in it."""

    mode: int
    uid: int
    gid: int
    atime: int
    mtime: int
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


Kept = Union[Absent, KeptFile, KeptLink, KeptFolder]


@dataclass(frozen=True)
class Step:
    """One operation of a change: every path it touches as it was before, and as the operation leaves it.

    ``after`` is known before for all but Run, whose keeps are looked at again when it has ended.
    """

    operation: Operation
    before: Mapping[str, Kept]
    after: Mapping[str, Kept] = field(default_factory=dict)
    begun: bool = False  # a Run that was started
    done: bool = False  # a Run that ended well
    output: str = ""  # of a Run, the end of what it said
    failed: str = ""  # why a Run that is not required failed


@dataclass(frozen=True)
class Change:
    """One applied fix, on disk: <root>/var/lib/lish-agent/changes/<id>/change.json and files/."""

    id: str  # "3-sendmail"
    fix: str  # the fix's name, "sendmail"
    state: ChangeState
    summary: str
    steps: tuple[Step, ...]
    created: float  # seconds since the epoch
    folders: Mapping[str, Kept] = field(default_factory=dict)  # directories whose entries change, as before
    folders_after: Mapping[str, int] = field(default_factory=dict)  # their mtimes as the change left them
    warnings: tuple[str, ...] = ()
    reboot: bool = False
    next: tuple[str, ...] = ()
    ended: float | None = None  # when it reached its last state
    why: str = ""  # why it was rolled back, or could not be verified
    confirm_by: float | None = None  # on probation: undone then unless confirmed
    mode: str = ""  # how the target was seen when it was applied: live, offline, chroot
    boot: str = ""  # the kernel's boot id then: what a program did to the running system ends with its boot
    place: str = ""  # the directory that holds it, as the user would name it
    rebooted: bool = False  # the target was booted since (told when it is read, not kept)

    @property
    def temporary(self) -> str:
        """The name, in the directory it is made in, of what this change has not finished writing."""
        return f".lish-agent-{self.number}"

    @property
    def number(self) -> int:
        return int(self.id.partition("-")[0])

    @property
    def on_probation(self) -> bool:
        """Stands, and will be undone by itself unless it is confirmed."""
        standing = self.state in (ChangeState.APPLIED, ChangeState.VERIFIED)
        return self.confirm_by is not None and standing and not self.ended_by_boot

    @property
    def reversible(self) -> bool:
        return all(step.operation.reversible for step in self.steps if isinstance(step.operation, Run))

    @property
    def ended_by_boot(self) -> bool:
        """All that it did was done to the running system, and a reboot took it back before anybody else."""
        runs = [step.operation for step in self.steps if isinstance(step.operation, Run)]
        only_running = len(runs) == len(self.steps) > 0 and all(run.inverse and not run.keeps for run in runs)
        return self.rebooted and only_running and self.state is not ChangeState.UNDONE


__all__ = [
    "Absent",
    "Change",
    "ChangeState",
    "Command",
    "Kept",
    "KeptFile",
    "KeptFolder",
    "KeptLink",
    "Link",
    "MakeFolder",
    "Move",
    "Operation",
    "Plan",
    "Remove",
    "Run",
    "SetMode",
    "Step",
    "WriteFile",
]
