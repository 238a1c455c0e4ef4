"""Open a target: is it the running host, a mounted disk, or the root that we are chrooted in; and do we run
on a rescue system?

Inside a chroot of a disk, everything that the kernel tells (processes, links, addresses, mounts) is true of
the rescue system. Believing it would call a dead host healthy: where the signs are few, we say chroot.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping, Sequence
from typing import BinaryIO

from agent.errors import CannotLook
from agent.target import mounts
from agent.target.door import RootDoor
from agent.target.failures import shown
from agent.target.model import Json, Mode, Output, Space, Stat
from agent.target.target import Target
from agent.unknown import Maybe, Unknown, Why

RESCUE_MARK = "/run/lish-agent/rescue"  # in a chroot of ours, whose /run is a tmpfs (agent/rescue/chroot.py)


def open_target(root: str = "/") -> Target:
    """The target at ``root``; CannotLook with a hint when it can't be looked at."""
    root_user = os.geteuid() == 0
    if not root:
        raise CannotLook("no directory was named", "name where the disk is mounted: --root /media/sda")
    # Not normalised where it has a "..": what that means after a link is the kernel's to say.
    path = os.path.realpath(root) if ".." in root.split("/") else os.path.abspath(root)
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise _cannot(root, error, root_user) from error
    if not stat.S_ISDIR(status.st_mode):
        raise _no_directory(path, status)
    if _same(status, "/"):
        path = "/"
        mode = Mode.CHROOT if in_chroot() else Mode.LIVE
    else:
        mode = Mode.OFFLINE
    rescue = in_finnix(mode)
    try:
        door = RootDoor(path, live=mode is Mode.LIVE, rescue=rescue)
    except OSError as error:
        raise _cannot(root, error, root_user) from error
    if isinstance(door.list("/"), Unknown) and not isinstance(door.stat("/etc", True), Stat):
        raise _cannot(root, PermissionError(errno.EACCES, os.strerror(errno.EACCES)), root_user)
    return Target(door, path, mode, rescue, root_user)


def nothing_target() -> Target:
    """No host at all, for a scan of a captured log: every operation is Unknown NOT_LIVE."""
    return Target(_NothingDoor(), "", Mode.OFFLINE, rescue=False, root_user=os.geteuid() == 0)


def in_chroot() -> bool:
    """Is our root another one than pid 1's? A container's own root is not a chroot."""
    if not mounts.has_proc():
        return _without_proc()
    with contextlib.suppress(OSError):  # denied to an ordinary user, and to root without CAP_SYS_PTRACE
        return not _same(os.stat("/proc/1/root/"), "/") and not _container_on_the_host()
    own = _root_mount(mounts.read("/proc/self/mountinfo"))
    if own is None:
        return True  # our root is a plain directory: nothing is mounted at it
    first = _root_mount(mounts.read("/proc/1/mountinfo"))
    if first is not None:
        # A mount namespace of our own has the same root, mounted again: device and part of it are equal.
        return (own.device, own.root) != (first.device, first.root) and not _container_on_the_host()
    # /proc hides pid 1 from us. A running system mounted /run or /dev/shm at its boot.
    points = {mount.point for mount in mounts.read("/proc/self/mountinfo")}
    return not points & {"/run", "/var/run", "/dev/shm", "/lib/init/rw"}


def _root_mount(found: Sequence[mounts.Mounted]) -> mounts.Mounted | None:
    """What is mounted at /, the last of several on top of each other."""
    return next((mount for mount in reversed(found) if mount.point == "/"), None)


def _container_on_the_host() -> bool:
    """A container that shares the host's processes (docker run --pid=host): pid 1 is the host's there."""
    return any(os.path.exists(path) for path in ("/.dockerenv", "/run/.containerenv"))


def _without_proc() -> bool:
    """No /proc: a chroot that nothing was mounted in; or a boot with init=/bin/sh, whose shell is pid 1."""
    return 1 not in (os.getpid(), os.getppid())


def in_finnix(mode: Mode) -> bool:
    """Does the machine that we run on run Finnix? Two signs, one of which has its name.

    In a chroot its files are seen through pid 1's root, if at all; what the kernel tells is left then.
    """
    if mode is Mode.CHROOT and _marked():
        return True
    base = "/proc/1/root" if mode is Mode.CHROOT else ""
    release = _first(f"{base}/usr/lib/os-release") or _first(f"{base}/etc/os-release")
    named = (
        b'ID="finnix"' in release or b"ID=finnix" in release.split(b"\n"),
        os.uname().nodename == "finnix" or _first(f"{base}/etc/hostname").strip() == b"finnix",
        os.path.isdir(f"{base}/usr/lib/finnix") or os.path.exists(f"{base}/etc/sudoers.d/finnix"),
        _first(f"{base}/etc/issue").lstrip().startswith(b"Finnix"),
        _first(f"{base}/run/live/medium/.disk/info").lstrip().startswith(b"Finnix"),
    )
    other = (
        b"boot=live" in _first("/proc/cmdline").split(),
        any(mount.point.startswith("/run/live/") for mount in _first_mounts()),
    )
    return any(named) and sum(named) + sum(other) >= 2


def _marked() -> bool:
    """Did we ourselves make this chroot, on a rescue system? The mark lies where no disk can have it."""
    with contextlib.suppress(OSError):
        return os.major(os.lstat(RESCUE_MARK).st_dev) == 0
    return False


def _first_mounts() -> tuple[mounts.Mounted, ...]:
    return mounts.read("/proc/1/mountinfo") or mounts.read()


def _first(path: str) -> bytes:
    """The first KiB of a file of the machine that we run on, b"" when it can't be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as stream:
            return stream.read(1024)
    except OSError:
        return b""


def _same(status: os.stat_result, path: str) -> bool:
    other = os.stat(path)
    return (status.st_dev, status.st_ino) == (other.st_dev, other.st_ino)


def _cannot(root: str, error: Exception, root_user: bool) -> CannotLook:
    name = shown(root)
    if isinstance(error, PermissionError) and not root_user:
        return CannotLook(f"{name}: permission denied", "run it as root: sudo agent scan")
    if isinstance(error, FileNotFoundError) and root.startswith("/dev/"):
        return CannotLook(f"{name}: there is no such disk", "list the disks that are there: lsblk -f")
    if isinstance(error, (FileNotFoundError, ValueError)):
        return CannotLook(
            f"{name}: no such directory", "name the directory where the disk is mounted: --root /media/sda"
        )
    clause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CannotLook(f"{name}: {clause[:1].lower()}{clause[1:]}", "see what is mounted there: findmnt")


def _no_directory(path: str, status: os.stat_result) -> CannotLook:
    name = shown(path)
    folder = f"/media/{os.path.basename(name)}"
    if stat.S_ISBLK(status.st_mode):
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        for mount in mounts.read():
            if mount.device == number and mount.root == "/":
                return CannotLook(
                    f"{name} is a disk, not a directory",
                    f"it is mounted already: agent scan --root {shown(mount.point)}",
                )
        return CannotLook(
            f"{name} is a disk, not a directory",
            f"mount it first, read-only: mkdir -p {folder} && mount -o ro {name} {folder}"
            f" && agent scan --root {folder}",
        )
    if stat.S_ISREG(status.st_mode):
        return CannotLook(
            f"{name} is a file, not a directory",
            "if it is a disk image, mount it first: "
            f"mkdir -p {folder} && mount -o ro,loop {name} {folder}; if it is a log: agent scan --log {name}",
        )
    return CannotLook(f"{name} is not a directory", "name the directory where the disk is mounted")


_NOTHING = Unknown("only a log was given", Why.NOT_LIVE)


class _NothingDoor:
    def stat(self, path: str, follow: bool) -> Maybe[Stat]:
        return _NOTHING

    def readlink(self, path: str) -> Maybe[str]:
        return _NOTHING

    def resolve(self, path: str) -> Maybe[str]:
        return _NOTHING

    def list(self, path: str) -> Maybe[Sequence[str]]:
        return _NOTHING

    def open(self, path: str) -> Maybe[BinaryIO]:
        return _NOTHING

    def space(self, path: str) -> Maybe[Space]:
        return _NOTHING

    def run(self, argv: Sequence[str], timeout: float, limit: int, input: bytes | None) -> Maybe[Output]:
        return _NOTHING

    def query(self, name: str, params: Mapping[str, str]) -> Maybe[Json]:
        return _NOTHING
