"""A fact that could not be had: a value that carries its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar, Union

T = TypeVar("T")


class Why(Enum):
    """The kinds of not knowing that callers tell apart."""

    ABSENT = "absent"  # there is no such file, command or record: often an answer in itself
    DENIED = "denied"  # no permission
    SPECIAL = "special"  # a device, socket or fifo where a file was expected
    TOO_LARGE = "too large"
    LOOP = "loop"  # too many symbolic links
    IO = "io"  # the disk or the kernel gave an error
    NOT_LIVE = "not live"  # only the running host could tell, and this one is not running
    TIMEOUT = "timeout"
    FAILED = "failed"  # a command or library failed
    UNREADABLE = "unreadable"  # found, but its content can't be understood


@dataclass(frozen=True)
class Unknown:
    """Not known, and why. ``reason`` is a clause for people: "/etc/fstab: permission denied"."""

    reason: str
    why: Why = Why.FAILED

    @property
    def absent(self) -> bool:
        """True when the thing provably does not exist (which is knowledge, not ignorance)."""
        return self.why is Why.ABSENT

    def __bool__(self) -> bool:
        """Unknown is falsy, so that ``value or default`` reads well."""
        return False


Maybe = Union[T, Unknown]
