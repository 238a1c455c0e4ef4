"""Holding a block device: nobody mounts it, and only what was meant to write can.

Two locks, both the kernel's own. The device is opened exclusively (O_EXCL, open(2)): as long as that lasts,
mount(2), swapon(2), device mapper and RAID get EBUSY. Programs get a loop device on top of it: the claim is not
in their way (e2fsck claims what it works on, too), the loop device is read-only unless writing was asked for,
and it carries the claim as long as any program has it open, even when we were killed. With the last of them
everything is gone; there is nothing to clean up.

Where there are no loop devices (a container), programs get the device itself, and its protection is their own
exclusive claim: ``guarded`` is False then.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from agent.errors import AgentError
from agent.target import busy, loop
from agent.target.failures import shown

_BLKROGET = 0x125E  # linux/fs.h
_PATIENCE = 1.0  # seconds; udev's rules let mdadm and others claim a device for a moment after a change
_RELEASE = 5.0  # seconds; udev looks into a loop device, and so keeps it for a moment longer than we
_PAUSE = 0.02


class DeviceBusy(AgentError):
    """The device is mounted, used as swap, carries another device, or is held by another program.

    ``why`` is that as a predicate: "is mounted on /mnt"."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{shown(path)} {why}", _hint(path, why))
        self.why = why


@dataclass(frozen=True)
class Held:
    """A claimed device. ``place`` is the path for programs and for mount(2); ``path`` is how it was named.

    ``guarded``: nobody can mount the device meanwhile, and unless ``writing`` the kernel forbids every write to
    ``place``. False where there are no loop devices: then ``place`` is ``path``, and nothing is guaranteed but
    that the device was free when the hold began (and, with ``keep``, that nobody mounts it meanwhile).
    """

    path: str
    number: str  # major:minor
    place: str
    guarded: bool
    writing: bool
    size: int  # bytes
    descriptor: int = -1  # of ``place``: a program that inherits it keeps the claim when we are killed


@contextlib.contextmanager
def held(path: str, writing: bool = False, keep: bool = False) -> Iterator[Held]:
    """Claim a block device as long as the context lasts.

    ``keep``: where there are no loop devices, keep the claim, for programs that make none of their own
    (xfs_repair -n); it would be in the way of the others, and of mount(2).

    Raises DeviceBusy when it is in use, AgentError when it is no block device, not there, or not ours to open.
    """
    number = _number(path)
    why = busy.in_use(number)
    if why:
        raise DeviceBusy(path, why)
    claim = _claim(path, number, writing)
    device = -1
    try:
        why = busy.in_use(number)  # what was begun before our claim; nothing can begin after it
        if why:
            raise DeviceBusy(path, why)
        if writing and _is_read_only(claim):
            raise _cannot_open(path, OSError(errno.EROFS, ""))
        size = os.lseek(claim, 0, os.SEEK_END)
        try:
            device, place = loop.attach(claim, path, read_only=not writing)
        except OSError:
            if not keep:
                os.close(claim)
                claim = -1
            yield Held(path, number, path, False, writing, size)
        else:
            yield Held(path, number, place, True, writing, size, device)
    finally:
        for descriptor in (device, claim):
            if descriptor >= 0:
                os.close(descriptor)
        if device >= 0:
            _wait_for_release(path, number)


def _number(path: str) -> str:
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise _cannot_open(path, error) from error
    if not stat.S_ISBLK(status.st_mode):
        raise AgentError(f"{shown(path)} is not a block device", "agent rescue lists the disks")
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


def _claim(path: str, number: str, writing: bool) -> int:
    flags = (os.O_RDWR if writing else os.O_RDONLY) | os.O_EXCL | os.O_CLOEXEC
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            descriptor = os.open(path, flags)
            break
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise _cannot_open(path, error) from error
            why = busy.in_use(number)
            if why or time.monotonic() >= deadline:
                by = busy.opened_by(number)
                raise DeviceBusy(path, why or f"is held by {by or 'another program'}") from error
        time.sleep(_PAUSE)
    status = os.fstat(descriptor)
    if not stat.S_ISBLK(status.st_mode) or f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}" != number:
        os.close(descriptor)
        raise DeviceBusy(path, "was replaced by another device just now")
    return descriptor


def _is_read_only(descriptor: int) -> bool:
    """Some devices open for writing, and then refuse every write."""
    with contextlib.suppress(OSError):
        return bool(struct.unpack("i", fcntl.ioctl(descriptor, _BLKROGET, bytes(4)))[0])
    return False


def _wait_for_release(path: str, number: str) -> None:
    """Until the loop device is gone, and its claim with it, which the kernel ends a moment later: the device is
    in use until then, for our own next mount as for others."""
    deadline = time.monotonic() + _RELEASE
    while time.monotonic() < deadline:
        if not any(backing == number for _, backing in loop.attached()):
            try:
                os.close(os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
                return
            except OSError as error:
                if error.errno != errno.EBUSY or busy.in_use(number):
                    return
        time.sleep(_PAUSE)


def _cannot_open(path: str, error: OSError | ValueError) -> AgentError:
    number = error.errno if isinstance(error, OSError) else None
    hint = "agent rescue lists the disks"
    if number in (errno.EACCES, errno.EPERM):
        hint = "run it as root (sudo)"
    elif number == errno.EROFS:
        hint = "nothing on this device can be changed"
    clause = (
        "it is read-only" if number == errno.EROFS else os.strerror(number) if number else "no such name is possible"
    )
    return AgentError(f"{shown(path)}: {clause[:1].lower()}{clause[1:]}", hint)


def _hint(path: str, why: str) -> str:
    if "mounted on" in why:
        return f"unmount it first: umount {shown(path)}; when it is this system's own root, do it from rescue mode"
    if "swap" in why:
        return f"switch the swap off first: swapoff {shown(path)}"
    if "carries" in why:
        return "work on the device that it carries, or switch that off first (vgchange -an, mdadm --stop, losetup -d)"
    return "end what uses it, and try again"
