"""Whether a block device is in use, and by what: mounts of every process, swap, devices on top of it, its disk
and its partitions.

Decided by number (major:minor), never by name: mountinfo calls the root's device /dev/root, a bind mount names
a directory, and /dev may hold any number of nodes for one device. What is seen here can change a moment later:
whoever acts on it claims the device first (hold.py).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from agent.target import loop, mounts
from agent.target.failures import shown

PROC = "/proc"
SYS = "/sys"
DEV = "/dev"
_LIMIT = 1024 * 1024  # bytes


@dataclass(frozen=True)
class _Seen:
    """A mount, and who sees it: "" for ourselves, else a process and its name."""

    mount: mounts.Mounted
    by: str


def in_use(number: str) -> str:
    """Why a block device must be left alone, as a predicate: "is mounted on /mnt"; "" when nothing uses it.

    ``number`` is major:minor. A disk is in use when one of its partitions is, and a partition when its disk is.
    Sources: proc_pid_mountinfo(5), proc_swaps(5), sysfs (holders, partitions, loop, fs/btrfs).
    """
    reason = _itself(number)
    if reason:
        return reason
    for partition in _partitions(number):
        reason = _itself(partition)
        if reason:
            return f"has the partition {name_of(partition)}, which {reason}"
    disk = _disk_of(number)
    reason = _itself(disk) if disk else ""
    return f"is part of {name_of(disk)}, which {reason}" if reason else ""


def opened_by(number: str) -> str:
    """The processes that have a node of this device open, for people: "e2fsck (process 812)"; "" for none
    that we may see. Not part of in_use: whoever only reads a device does not claim it."""
    major, _, minor = number.partition(":")
    wanted = os.makedev(int(major), int(minor))
    found = []
    for pid in _processes():
        if pid == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"{PROC}/{pid}/fd"):
                if _block(f"{PROC}/{pid}/fd/{descriptor}") == wanted:
                    found.append(_process(pid))
                    break
    return ", ".join(found)


def name_of(number: str) -> str:
    """The path that people know a device by; its number where there is none."""
    folder = f"{SYS}/dev/block/{number}"
    mapped = _text(f"{folder}/dm/name").strip()
    if mapped and os.path.exists(f"{DEV}/mapper/{mapped}"):
        return f"{DEV}/mapper/{mapped}"
    for line in _text(f"{folder}/uevent").split("\n"):
        key, _, value = line.partition("=")
        if key == "DEVNAME" and value:
            return f"{DEV}/{value}"
    return number


def _itself(number: str) -> str:
    """Without its disk and its partitions."""
    return _mounted(number) or _swap(number) or _btrfs(number) or _held(number) or _loops(number)


def _mounted(number: str) -> str:
    for seen in _mounts():
        mount = seen.mount
        if mount.device == number or (mount.device.startswith("0:") and _number(mount.source) == number):
            return f"is mounted on {shown(mount.point)}{seen.by}"
    return ""


def _mounts() -> Iterator[_Seen]:
    """All that any process sees: ours first, then one process of each other mount namespace."""
    own = _link(f"{PROC}/self/ns/mnt")
    for mount in mounts.read(f"{PROC}/self/mountinfo"):
        yield _Seen(mount, "")
    known = {own}
    for pid in _processes():
        namespace = _link(f"{PROC}/{pid}/ns/mnt")
        if namespace and namespace in known:
            continue
        found = mounts.read(f"{PROC}/{pid}/mountinfo")
        if found and namespace:  # empty for a process that is just ending: the next one of it shall tell
            known.add(namespace)
        for mount in found:
            yield _Seen(mount, f" by {_process(pid)}")


def _swap(number: str) -> str:
    for line in _text(f"{PROC}/swaps").split("\n")[1:]:
        source = line.split(" ")[0].split("\t")[0]
        if source and _number(mounts.plain(source)) == number:
            return "is used as swap"
    return ""


def _btrfs(number: str) -> str:
    """A mounted btrfs names one of its devices in mountinfo; all of them are in sysfs."""
    with contextlib.suppress(OSError):
        for identity in os.listdir(f"{SYS}/fs/btrfs"):
            with contextlib.suppress(OSError):
                for name in os.listdir(f"{SYS}/fs/btrfs/{identity}/devices"):
                    if _text(f"{SYS}/fs/btrfs/{identity}/devices/{name}/dev").strip() == number:
                        return "belongs to a mounted btrfs"
    return ""


def _held(number: str) -> str:
    """Device mapper (LVM, LUKS), RAID, bcache: what the kernel lists as its holders."""
    folder = f"{SYS}/dev/block/{number}/holders"
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(folder)):
            holder = _text(f"{folder}/{name}/dev").strip()
            return f"carries {name_of(holder) if holder else f'{DEV}/{name}'}"
    return ""


def _loops(number: str) -> str:
    for name, backing in loop.attached():
        if backing == number:
            own = _text(f"{SYS}/class/block/{name}/dev").strip()
            by = own and (_mounted(own) or opened_by(own))
            return f"carries {DEV}/{name}" + (f", which {by}" if by.startswith("is ") else f" of {by}" if by else "")
    return ""


def _partitions(number: str) -> list[str]:
    folder = f"{SYS}/dev/block/{number}"
    found: list[str] = []
    with contextlib.suppress(OSError):
        names = [name for name in sorted(os.listdir(folder)) if os.path.exists(f"{folder}/{name}/partition")]
        found = [_text(f"{folder}/{name}/dev").strip() for name in names]
    return [one for one in found if one]


def _disk_of(number: str) -> str:
    folder = f"{SYS}/dev/block/{number}"
    if not os.path.exists(f"{folder}/partition"):
        return ""
    return _text(f"{os.path.realpath(folder)}/../dev").strip()


def _processes() -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(PROC) if name.isdecimal())
    except OSError:
        return []


def _process(pid: int) -> str:
    name = shown(_text(f"{PROC}/{pid}/comm").strip())
    return f"{name} (process {pid})" if name else f"process {pid}"


def _number(path: str) -> str:
    device = _block(path)
    return f"{os.major(device)}:{os.minor(device)}" if device is not None else ""


def _block(path: str) -> int | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_rdev if stat.S_ISBLK(status.st_mode) else None


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return stream.read(_LIMIT).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
