"""A manifest of a whole tree: what fix and undo have to leave as it was, and a readable comparison of two.

It reads by system calls alone, with none of the program's own readers, so that it can judge them. Reading
leaves the access times alone where it may (O_NOATIME).
"""

from __future__ import annotations

import array
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

STORE = "/var/lib/lish-agent"  # the program's own journal of changes

_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS
_SETTABLE = 0x604BC0FF  # what chattr(1) may set; the rest is the filesystem's own affair

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


@dataclass(frozen=True)
class Entry:
    """One name of the tree. ``same`` are the other names of the same inode, below the same root."""

    kind: str
    mode: str
    uid: int
    gid: int
    mtime: int | None  # nanoseconds; None: not compared
    size: int | None = None
    sha256: str = ""
    to: str = ""  # a link's text
    device: int = 0
    links: int = 1
    same: tuple[str, ...] = ()
    xattrs: tuple[tuple[str, str], ...] = ()
    flags: str = ""  # chattr's, in hexadecimal


Manifest = Mapping[str, Entry]


def manifest(root: Path | str, ignore: Sequence[str] = (STORE,), directory_times: bool = True) -> Manifest:
    """Everything below ``root`` by its path in it, "/" first.

    ``ignore`` are paths that are left out with all that is below them; the mtime of the directory that holds
    one of them is left out too, for it changes when the ignored one is made.
    """
    top = os.fspath(root)
    ignored = frozenset(ignore)
    holders = frozenset(os.path.dirname(path) for path in ignored)
    seen: dict[tuple[int, int], list[str]] = {}
    found: dict[str, tuple[str, os.stat_result]] = {}
    for path, real, status in _walk(top, ignored):
        found[path] = (real, status)
        if not stat.S_ISDIR(status.st_mode):
            seen.setdefault((status.st_dev, status.st_ino), []).append(path)
    entries = {}
    for path, (real, status) in found.items():
        timed = not stat.S_ISDIR(status.st_mode) or (directory_times and path not in holders)
        names = seen.get((status.st_dev, status.st_ino), [])
        entries[path] = _entry(real, status, timed, tuple(sorted(name for name in names if name != path)))
    return entries


def differences(before: Manifest, after: Manifest) -> list[str]:
    """What changed, a line each: "/etc/fstab: mode 0644 -> 0600". Empty when nothing did."""
    lines = []
    for path in sorted({*before, *after}):
        old, new = before.get(path), after.get(path)
        if old is None and new is not None:
            lines.append(f"{path}: came new, a {new.kind}{_shown(new)}")
        elif new is None and old is not None:
            lines.append(f"{path}: is gone, a {old.kind}{_shown(old)}")
        elif old is not None and new is not None:
            for field in fields(Entry):
                one, other = getattr(old, field.name), getattr(new, field.name)
                if one != other:
                    lines.append(f"{path}: {field.name} {_word(one)} -> {_word(other)}")
    return lines


def without_directory_times(entries: Manifest) -> Manifest:
    from dataclasses import replace

    return {path: replace(one, mtime=None) if one.kind == "directory" else one for path, one in entries.items()}


def _walk(top: str, ignored: frozenset[str]) -> Iterator[tuple[str, str, os.stat_result]]:
    yield "/", top, os.stat(top)
    todo = [""]
    while todo:
        folder = todo.pop()
        with os.scandir(top + folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            path = f"{folder}/{name}"
            if path in ignored:
                continue
            status = os.lstat(top + path)
            yield path, top + path, status
            if stat.S_ISDIR(status.st_mode):
                todo.append(path)


def _entry(real: str, status: os.stat_result, timed: bool, same: tuple[str, ...]) -> Entry:
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    size, digest, to, flags = None, "", "", ""
    if kind == "file":
        size = status.st_size
        digest = _digest(real)
    elif kind == "link":
        to = os.readlink(real)
    if kind in ("file", "directory"):
        flags = _flags(real)
    return Entry(
        kind=kind,
        mode=f"{stat.S_IMODE(status.st_mode):04o}",
        uid=status.st_uid,
        gid=status.st_gid,
        mtime=status.st_mtime_ns if timed else None,
        size=size,
        sha256=digest,
        to=to,
        device=status.st_rdev,
        links=1 if kind == "directory" else status.st_nlink,
        same=same,
        xattrs=_xattrs(real),
        flags=flags,
    )


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_NOFOLLOW)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    with os.fdopen(_open(path), "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _xattrs(path: str) -> tuple[tuple[str, str], ...]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return ()
    return tuple(sorted((name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in names))


def _flags(path: str) -> str:
    descriptor = _open(path)
    try:
        value = array.array("L", [0])
        fcntl.ioctl(descriptor, _GET_FLAGS, value, True)
    except OSError:
        return ""  # a filesystem without them
    finally:
        os.close(descriptor)
    return f"{value[0] & _SETTABLE:x}"


def _shown(entry: Entry) -> str:
    if entry.kind == "link":
        return f" to {entry.to}"
    return f" of {entry.size} bytes, mode {entry.mode}" if entry.size is not None else f", mode {entry.mode}"


def _word(value: object) -> str:
    return repr(value) if isinstance(value, tuple) else str(value)[:80] or "nothing"


__all__ = ["STORE", "Entry", "Manifest", "differences", "manifest", "without_directory_times"]
