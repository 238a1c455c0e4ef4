"""The health of a filesystem on a block device: what its checker said, or what its superblock says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Health(Enum):
    """What a read-only look at a filesystem showed."""

    CLEAN = "clean"
    UNFINISHED = "unfinished"  # not cleanly unmounted: its log is to be replayed, and until then nothing is sure
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"  # not to be mounted at all: the superblock is gone or makes no sense
    BUSY = "busy"  # mounted or held by somebody: it must not be checked
    UNCHECKED = "unchecked"  # not looked at: the checker is missing, was stopped, knows no such filesystem


@dataclass(frozen=True)
class Check:
    """One look at one filesystem. ``device`` is its path; ``why`` a clause for people, with what the tool said
    in the tool's words; ``output`` all of it. ``exit`` is the checker's status, None where none was run."""

    device: str
    type: str  # ext4, xfs, btrfs ...
    health: Health
    why: str
    command: tuple[str, ...] = ()
    output: str = ""
    exit: int | None = None
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Nothing speaks against mounting it."""
        return self.health in (Health.CLEAN, Health.UNFINISHED, Health.UNCHECKED)
