"""The bytes of a block device in which filesystems keep their superblocks, and what is mounted in the target.

Only these few KiB are read, and only of block devices: a name that comes from a disk's own fstab may lead anywhere.
Reading a mounted device is harmless, and shows what the kernel would write: both use the same cache.
"""

from __future__ import annotations

import base64
import os
import re
import stat

from agent.target import mounts
from agent.target.failures import shown, unknown
from agent.target.model import Json
from agent.unknown import Maybe, Unknown, Why

# Where ext2/3/4 (at 1024 in the first piece), XFS (at its beginning) and btrfs keep theirs, and each piece's size.
PIECES = ((0, 4096), (65536, 4096))
SYSFS = "/sys/dev/block"
_NUMBER = re.compile(r"\d{1,4}:\d{1,7}")


def superblock(device: str) -> Maybe[Json]:
    """{number, pieces: {offset: base64}} of a block device, by its path or by its number (8:0).

    A piece that lies beyond the device's end is shorter, or empty. Unknown SPECIAL for anything but a block
    device, IO where it can't be read.
    """
    path = device
    if _NUMBER.fullmatch(device):
        named = _node(device)
        if isinstance(named, Unknown):
            return named
        path = named
    try:
        held = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        return unknown(path, error)
    try:
        status = os.fstat(held)
        if not stat.S_ISBLK(status.st_mode):
            return Unknown(f"{shown(path)}: is no block device", Why.SPECIAL)
        number = _number(status.st_rdev)
        if _NUMBER.fullmatch(device) and number != device:
            return Unknown(f"{shown(path)}: is the device {number}, not {device}", Why.UNREADABLE)
        # O_NONBLOCK: a drive without a medium answers at once
        descriptor = os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return unknown(path, error)
    finally:
        os.close(held)
    try:
        pieces = {str(offset): os.pread(descriptor, size, offset) for offset, size in PIECES}
    except OSError as error:
        return unknown(path, error)
    finally:
        os.close(descriptor)
    return {
        "number": number,
        "pieces": {offset: base64.b64encode(data).decode("ascii") for offset, data in pieces.items()},
    }


def mounted(root: str) -> Maybe[Json]:
    """[{point, number, source, type}] of the filesystems that the tree at ``root`` is made of, its own root first.

    ``point`` is the path in the target. Unknown where there is no mount table to be read.
    """
    if not mounts.has_proc():
        return Unknown("what is mounted shows in /proc, which is not there", Why.ABSENT)
    found = mounts.read()
    if not found:
        return Unknown(f"{mounts.MOUNTINFO} can't be read", Why.UNREADABLE)
    top = os.path.realpath(root)
    below = "" if top == "/" else top
    over: dict[str, mounts.Mounted] = {}  # what is seen at a point: the last of several on top of each other
    for mount in found:
        if mount.point == (top or "/") or mount.point.startswith(f"{below}/"):
            over.pop(mount.point, None)
            over[mount.point] = mount
    own = over.pop(top, None) or _holder(found, top)
    records = [] if own is None else [_record(own, "/")]
    return [*records, *(_record(mount, mount.point[len(below) :]) for mount in over.values())]


def _record(mount: mounts.Mounted, point: str) -> dict[str, Json]:
    return {"point": point, "number": mount.device, "source": mount.source, "type": mount.type}


def _holder(found: tuple[mounts.Mounted, ...], path: str) -> mounts.Mounted | None:
    """The mount that a directory lies in, where it is no mount point itself; never the running system's root."""
    inside = [mount for mount in found if mount.point != "/" and path.startswith(f"{mount.point}/")]
    return max(inside, key=lambda mount: len(mount.point), default=None)


def _node(number: str) -> Maybe[str]:
    """The device node of a number, as the kernel calls it."""
    try:
        with open(f"{SYSFS}/{number}/uevent", "rb") as stream:
            text = stream.read(4096).decode("utf-8", "surrogateescape")
    except OSError as error:
        return unknown(f"{SYSFS}/{number}", error)
    name = re.search(r"^DEVNAME=(.+)$", text, re.MULTILINE)
    return f"/dev/{name.group(1)}" if name else Unknown(f"the device {number} has no name", Why.ABSENT)


def _number(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"
