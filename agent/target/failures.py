"""How a failed system call becomes an Unknown: the kind, and a clause for people."""

from __future__ import annotations

import errno
import os

from agent.unknown import Unknown, Why

_KINDS = {
    errno.ENOENT: Why.ABSENT,
    errno.ENOTDIR: Why.ABSENT,
    errno.ENAMETOOLONG: Why.ABSENT,  # the kernel would never find such a name either
    errno.EACCES: Why.DENIED,
    errno.EPERM: Why.DENIED,
    errno.ELOOP: Why.LOOP,
    errno.ETIMEDOUT: Why.TIMEOUT,
    errno.ENXIO: Why.SPECIAL,
    errno.ENODEV: Why.SPECIAL,
    errno.EFBIG: Why.TOO_LARGE,
}


class Refused(Exception):
    """Raised inside the door where the answer is an Unknown that is no system call's error."""

    def __init__(self, clause: str, why: Why) -> None:
        super().__init__(clause)
        self.clause = clause
        self.why = why


FAILURES = (OSError, ValueError, Refused)  # what the door's operations may meet; ValueError: a NUL in a name


def shown(text: str) -> str:
    """Text that any stream can print: names that are not UTF-8 with their bytes spelt out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def unknown(subject: str, error: Exception) -> Unknown:
    """The Unknown for an exception that ``subject`` (a path or a command) met."""
    subject = shown(subject)
    if isinstance(error, Refused):
        return Unknown(f"{subject}: {error.clause}", error.why)
    if isinstance(error, OSError) and error.errno is not None:
        clause = os.strerror(error.errno)
        return Unknown(f"{subject}: {clause[:1].lower()}{clause[1:]}", _KINDS.get(error.errno, Why.IO))
    if isinstance(error, ValueError):
        return Unknown(f"{subject}: no such name is possible", Why.ABSENT)
    return Unknown(f"{subject}: {error}", Why.IO)
