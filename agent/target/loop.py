"""Loop devices, by ioctl: one on top of an open block device, and which of them lie on what (loop(4))."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import struct
from collections.abc import Iterator

SYSFS = "/sys/block"
DEV = "/dev"
CONTROL = f"{DEV}/loop-control"

# linux/loop.h
_SET_FD, _CLR_FD, _SET_STATUS64, _GET_STATUS64, _CONFIGURE = 0x4C00, 0x4C01, 0x4C04, 0x4C05, 0x4C0A
_CTL_GET_FREE = 0x4C82
_READ_ONLY, _AUTOCLEAR = 1, 4
_INFO = "=5Q4I64s64s32s2Q"  # struct loop_info64
_CONFIG = f"=2I{_INFO[1:]}8Q"  # struct loop_config
_RDEVICE = 16  # bytes into struct loop_info64

_TRIES = 64  # others take a free device before we do


def attach(backing: int, name: str, read_only: bool) -> tuple[int, str]:
    """A loop device on the open ``backing``: its descriptor and its path. OSError where none is to be had.

    The kernel takes it away when the last who has it open has closed it, also when we are killed; until then
    it keeps ``backing`` open, with any claim made through it. ``name`` is what losetup(8) shows.
    """
    flags = _AUTOCLEAR | (_READ_ONLY if read_only else 0)
    info = (0, 0, 0, 0, 0, 0, 0, 0, flags, os.fsencode(name)[:63], b"", b"", 0, 0)
    control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_TRIES):
            path = f"{DEV}/loop{fcntl.ioctl(control, _CTL_GET_FREE)}"
            device = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)
            try:
                _configure(device, backing, info)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:
                    raise
                continue
            except BaseException:
                os.close(device)
                raise
            return device, path
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), CONTROL)


def _configure(device: int, backing: int, info: tuple[object, ...]) -> None:
    try:
        fcntl.ioctl(device, _CONFIGURE, struct.pack(_CONFIG, backing, 0, *info, *([0] * 8)))
        return
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTTY, errno.ENOSYS):
            raise
    # before Linux 5.8; read-only follows from how both are open
    fcntl.ioctl(device, _SET_FD, backing)
    try:
        fcntl.ioctl(device, _SET_STATUS64, struct.pack(_INFO, *info))
    except BaseException:
        fcntl.ioctl(device, _CLR_FD)
        raise


def attached() -> Iterator[tuple[str, str]]:
    """Each loop device that lies on a block device: its kernel name, and the number (major:minor) of that."""
    try:
        names = sorted(os.listdir(SYSFS))
    except OSError:
        return
    for name in names:
        if re.fullmatch(r"loop\d+", name) is None:
            continue
        try:
            with open(f"{SYSFS}/{name}/loop/backing_file", "rb") as stream:
                path = stream.read(4096).removesuffix(b"\n")
        except OSError:  # not attached
            continue
        number = _block(path) or _asked(name)
        if number:
            yield name, number


def _block(path: bytes) -> str:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" if stat.S_ISBLK(status.st_mode) else ""


def _asked(name: str) -> str:
    """From the loop device itself: the backing path may be one of another mount namespace."""
    with contextlib.suppress(OSError):
        device = os.open(f"{DEV}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            answer = fcntl.ioctl(device, _GET_STATUS64, bytes(struct.calcsize(_INFO)))
        finally:
            os.close(device)
        number: int = struct.unpack_from("=Q", answer, _RDEVICE)[0]
        if number:
            return f"{os.major(number)}:{os.minor(number)}"
    return ""
