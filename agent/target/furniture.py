"""What a program of a mounted disk finds around it: /dev, /proc, /sys, /run and /tmp, none of them the disk's.

All of it is mounted in a mount namespace of its own (namespace.py). Mount points are opened without following
links, and must be directories of the disk; nothing is ever written to the disk itself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from agent.target import mounts
from agent.target.libc import BIND, NODEV, NOEXEC, NOSUID, RDONLY, REMOUNT, mount
from agent.target.walk import HOLD_DIR

_QUIET = NOSUID | NODEV | NOEXEC
_CHARACTER = ("null", "zero", "full", "random", "urandom", "tty")
_DEV_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
    "console": "null",  # what is said there goes nowhere: the console is the rescue system's
}
_KERNEL_SETTINGS = ("sys", "sysrq-trigger", "irq", "bus")  # below /proc; a postinst runs sysctl


@dataclass(frozen=True)
class DeviceNode:
    """A block device's name below /dev, and its number; or, with ``to``, a link."""

    name: str
    number: int = 0
    to: str = ""


@dataclass(frozen=True)
class RunFile:
    """A file that is put below /run, which is a tmpfs: never on the disk. ``path`` is relative to it."""

    path: str
    content: bytes
    mode: int = 0o644


class SetupFailed(Exception):
    """What could not be prepared, as a clause for people."""


def furnish(disk: int, devices: Sequence[DeviceNode], files: Sequence[RunFile] = ()) -> None:
    """Mount all of it over the directories of the disk, which is held open. SetupFailed, or OSError."""
    _mount_in(disk, "dev", "tmpfs", "tmpfs", NOSUID | NOEXEC, "mode=0755,size=1m")
    _make_dev(_opened(disk, "dev"), devices)
    _mount_in(disk, "proc", "proc", "proc", _QUIET)
    _protect_settings(_opened(disk, "proc"))
    try:
        _mount_in(disk, "sys", "sysfs", "sysfs", _QUIET | RDONLY)
    except OSError:  # not allowed in a container: its own /sys then, without what is mounted below
        _mount_in(disk, "sys", "/sys", None, BIND)
        os.fchdir(_opened(disk, "sys"))
        mount("none", ".", None, REMOUNT | BIND | _QUIET | RDONLY)
    if _there(disk, "run"):  # CentOS 6 has none
        _mount_in(disk, "run", "tmpfs", "tmpfs", NOSUID | NODEV, "mode=0755,size=64m")
        _make_run(_opened(disk, "run"), files)
    with contextlib.suppress(SetupFailed):  # some link it to /var/tmp: then it is the disk's
        _mount_in(disk, "tmp", "tmpfs", "tmpfs", NOSUID | NODEV, "mode=1777")


def _make_dev(dev: int, devices: Sequence[DeviceNode]) -> None:
    """A /dev with the harmless devices, and of the disks only the one that is mounted here (grub-probe and
    dracut look at it, and at its names below /dev/disk)."""
    os.fchdir(dev)
    for name in _CHARACTER:
        _node(name, os.stat(f"/dev/{name}").st_rdev, stat.S_IFCHR | 0o666)
    for name, to in _DEV_LINKS.items():
        os.symlink(to, name)
    for device in devices:
        os.makedirs(os.path.dirname(device.name) or ".", 0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            if device.to:
                os.symlink(device.to, device.name)
            else:
                _node(device.name, device.number, stat.S_IFBLK | 0o660)
    os.mkdir("pts")
    mount("devpts", "pts", "devpts", NOSUID | NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    os.mkdir("shm")
    mount("tmpfs", "shm", "tmpfs", _QUIET, "mode=1777,size=64m")
    os.close(dev)


def _node(name: str, number: int, mode: int) -> None:
    try:
        os.mknod(name, mode, number)
    except PermissionError:  # a container may not make nodes; those it has it may bind
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        mount(f"/dev/{name}", name, None, BIND)


def _protect_settings(proc: int) -> None:
    """The kernel is the rescue system's: its settings are not the disk's to change."""
    os.fchdir(proc)
    for name in _KERNEL_SETTINGS:
        if os.path.exists(name):
            mount(name, name, None, BIND)
            mount("none", name, None, REMOUNT | BIND | _QUIET | RDONLY)
    os.close(proc)


def _make_run(run: int, files: Sequence[RunFile]) -> None:
    os.fchdir(run)
    os.mkdir("lock", 0o1777)
    os.mkdir("sshd", 0o755)  # without it sshd -t complains of that alone
    if os.path.isdir("/run/udev/data"):  # what the rescue's udev knows of the disks; its socket is not lent
        os.makedirs("udev/data", 0o755)
        mount("/run/udev/data", "udev/data", None, BIND)
        mount("none", "udev/data", None, REMOUNT | BIND | _QUIET | RDONLY)
    for file in files:
        os.makedirs(os.path.dirname(file.path) or ".", 0o755, exist_ok=True)
        descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, file.mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(file.content)
    os.close(run)


def _mount_in(disk: int, name: str, source: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mount over a directory of the disk's own top, reached without following a link."""
    try:
        descriptor = os.open(name, HOLD_DIR, dir_fd=disk)
    except OSError as error:
        clause = "is missing on the disk" if error.errno == errno.ENOENT else "is not a directory of the disk"
        raise SetupFailed(f"/{name} {clause}") from error
    try:
        os.fchdir(descriptor)
        mount(source, ".", kind, flags, data)
    finally:
        os.close(descriptor)


def _opened(disk: int, name: str) -> int:
    """What is mounted there now."""
    return os.open(name, HOLD_DIR, dir_fd=disk)


def _there(disk: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=disk, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def let_programs_run(path: str, read_only: bool) -> None:
    """A rescue system mounts disks noexec, it may be: here, and only here, that does not count.

    ``read_only``: nothing may be written to what is mounted at ``path``, or below. OSError where that can't be had.
    """
    points = [found.point for found in mounts.read() if found.point.startswith(f"{path}/")]
    for point in (path, *points):
        try:
            _allow(point, read_only)
        except OSError:
            if read_only:
                raise


def _allow(point: str, read_only: bool) -> None:
    found = os.statvfs(point).f_flag
    as_it_should = not read_only or found & os.ST_RDONLY
    if as_it_should and not found & (os.ST_NOEXEC | os.ST_NOSUID):
        return
    flags = REMOUNT | BIND | (RDONLY if read_only else 0)
    for theirs, ours in ((os.ST_RDONLY, RDONLY), (os.ST_NODEV, NODEV)):
        flags |= ours if found & theirs else 0
    mount("none", point, None, flags)


__all__ = ["DeviceNode", "RunFile", "SetupFailed", "furnish", "let_programs_run"]
