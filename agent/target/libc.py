"""The few calls of libc that Python does not have (mount(2), unshare(2), prctl(2) ...), by ctypes."""

from __future__ import annotations

import ctypes
import os

# unshare(2)
NEWNS, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
# mount(2)
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT = 1, 2, 4, 8, 32
BIND, MOVE, REC, PRIVATE = 4096, 8192, 16384, 1 << 18
SLAVE = 1 << 19
DETACH, NOFOLLOW = 2, 8  # umount2(2)

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """A function of libc; OSError where it answers with -1."""
    ctypes.set_errno(0)
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def mount(source: str, place: str, kind: str | None, flags: int, data: str = "") -> None:
    """mount(2); the error names what was to be mounted."""
    try:
        call(
            "mount",
            os.fsencode(source),
            os.fsencode(place),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        )
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"mount of {kind or source}") from error
