"""fstab, mounts, free space, memory."""

from __future__ import annotations

from dataclasses import dataclass

from agent.target import Target
from agent.unknown import Maybe


@dataclass(frozen=True)
class FstabEntry:
    """One line of fstab(5), escapes decoded. ``text`` is the line as written."""

    line: int
    spec: str
    file: str
    type: str
    options: tuple[str, ...]
    dump: str
    passno: str
    text: str

    @property
    def nofail(self) -> bool:
        """Boot goes on without it: nofail, noauto, or x-systemd.automount."""
        return bool({"nofail", "noauto", "x-systemd.automount"} & set(self.options))


@dataclass(frozen=True)
class FstabProblem:
    line: int
    text: str  # the line as written
    why: str  # what mount(8) or systemd would reject
    fatal: bool  # the boot stops, or root is not mounted as meant


@dataclass(frozen=True)
class Fstab:
    entries: tuple[FstabEntry, ...]
    problems: tuple[FstabProblem, ...]
    unread: str = ""  # why it could not be read; "" when it was (or is absent)
    present: bool = True


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    source: str
    point: str
    type: str
    options: tuple[str, ...]  # per mount and per super block
    device: str  # major:minor

    @property
    def read_only(self) -> bool:
        return "ro" in self.options


@dataclass(frozen=True)
class Memory:
    """Bytes."""

    total: int
    available: int
    swap_total: int
    swap_free: int


def fstab(target: Target) -> Fstab:
    raise NotImplementedError


def mounts(target: Target) -> Maybe[tuple[Mount, ...]]:
    raise NotImplementedError


def memory(target: Target) -> Maybe[Memory]:
    raise NotImplementedError
