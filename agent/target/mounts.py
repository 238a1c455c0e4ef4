"""The mount table of the machine we run on, for the door's own decisions (facts read it for themselves)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

MOUNTINFO = "/proc/self/mountinfo"
_LIMIT = 4 * 1024 * 1024  # bytes

# Filesystems whose server may be gone; an unreachable host is just where it will be.
_NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "beegfs", "orangefs", "coda")
)
_NETWORK_FUSE = re.compile(
    r"fuse\.(sshfs|glusterfs|ceph|ceph-fuse|s3fs|rclone|gcsfuse|goofys|davfs2?|curlftpfs|juicefs|mfs|geesefs)"
)


@dataclass(frozen=True)
class Mounted:
    """One line of mountinfo (proc_pid_mountinfo(5)). ``device`` is major:minor, ``root`` the part of the
    filesystem that is mounted."""

    device: str
    root: str
    point: str
    type: str
    source: str


def parse(text: str) -> tuple[Mounted, ...]:
    """The lines of mountinfo, in their order; malformed ones are left out."""
    found = []
    for line in text.split("\n"):
        head, separator, tail = line.partition(" - ")
        fields, rest = head.split(" "), tail.split(" ")
        if separator and len(fields) >= 6 and len(rest) >= 2:
            device, root, point = fields[2:5]
            found.append(Mounted(device, plain(root), plain(point), rest[0], plain(rest[1])))
    return tuple(found)


def read(path: str = MOUNTINFO) -> tuple[Mounted, ...]:
    """The mounts that a process sees; empty where that can't be told."""
    try:
        with open(path, "rb") as stream:
            return parse(stream.read(_LIMIT).decode("utf-8", "surrogateescape"))
    except OSError:
        return ()


def is_proc(status: os.stat_result) -> bool:
    """Is this the root of a procfs? A disk's directory may play one, with links of its own; but it lies on a
    block device, and never is inode 1 (PROC_ROOT_INO, include/linux/proc_fs.h)."""
    return status.st_ino == 1 and os.major(status.st_dev) == 0


def has_proc() -> bool:
    try:
        return is_proc(os.lstat("/proc"))
    except OSError:
        return False


def network_mounts() -> tuple[Mounted, ...]:
    """Mounts that may hang for as long as their server is away. Not the root: all hangs there anyway."""
    return tuple(mount for mount in read() if mount.point != "/" and _may_hang(mount.type))


def _may_hang(kind: str) -> bool:
    return kind in _NETWORK or _NETWORK_FUSE.fullmatch(kind) is not None


def plain(field: str) -> str:
    r"""Blanks and the like are written in octal: \040."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
