"""What a path is: looked at, kept, compared, and put back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from agent.change.digest import sha256
from agent.change.model import Absent, Kept, KeptFile, KeptFolder, KeptLink
from agent.target.failures import Refused
from agent.target.write import APPEND_ONLY, IMMUTABLE, SETTABLE, Folder
from agent.unknown import Why

CHUNK = 1024 * 1024  # bytes


class Sink(Protocol):
    """Where the content of a file goes while it is looked at."""

    def __call__(self, data: bytes) -> None: ...


def nowhere(data: bytes) -> None:
    """A sink that keeps nothing."""


@dataclass(frozen=True)
class Seen:
    """A path as it is now: what would be kept of it, and what tells whether it may be changed."""

    kept: Kept
    links: int = 1  # hard links
    filesystem: int = 0  # of a file; see Folder.filesystem
    locked: str = ""  # "immutable" or "append-only", when chattr(1) has made it so


def look(folder: Folder, name: str, sink: Sink = nowhere, stored: str = "") -> Seen:
    """What has this name. Refused when it is a device, fifo or socket."""
    status = folder.stat(name)
    if status is None:
        return Seen(Absent())
    if stat.S_ISLNK(status.st_mode):
        kept: Kept = KeptLink(
            folder.readlink(name),
            status.st_uid,
            status.st_gid,
            status.st_atime_ns,
            status.st_mtime_ns,
            folder.xattrs(name),
        )
        return Seen(kept, status.st_nlink)
    if stat.S_ISDIR(status.st_mode):
        flags = folder.flags(name)
        return Seen(_folder(status, folder.xattrs(name)), locked=_locked(flags))
    if not stat.S_ISREG(status.st_mode):
        raise Refused("is neither a file, a directory nor a link", Why.SPECIAL)
    digest = sha256()
    size = 0
    with folder.reading(name) as descriptor:
        while True:
            data = os.read(descriptor, CHUNK)
            if not data:
                break
            digest.update(data)
            size += len(data)
            sink(data)
    flags = folder.flags(name)
    kept = KeptFile(
        stored,
        digest.hexdigest(),
        size,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_atime_ns,
        status.st_mtime_ns,
        folder.xattrs(name),
        flags & SETTABLE,
    )
    return Seen(kept, status.st_nlink, folder.filesystem(name), _locked(flags))


def look_at_folder(folder: Folder) -> Seen:
    """A held directory itself."""
    status = folder.stat()
    assert status is not None
    flags = folder.flags(".")
    return Seen(_folder(status, folder.xattrs(".")), locked=_locked(flags))


def same(one: Kept, other: Kept) -> bool:
    """Equal but for times, which reading a file and copying it back may change."""
    return _timeless(one) == _timeless(other)


def same_content(one: Kept, other: Kept) -> bool:
    """The same kind with the same content; owner, mode and attributes aside."""
    if isinstance(one, KeptFile) and isinstance(other, KeptFile):
        return one.sha256 == other.sha256
    if isinstance(one, KeptLink) and isinstance(other, KeptLink):
        return one.to == other.to
    return type(one) is type(other)


def _timeless(kept: Kept) -> Kept:
    if isinstance(kept, KeptFile):
        return replace(kept, stored="", atime=0, mtime=0)
    if isinstance(kept, (KeptLink, KeptFolder)):
        return replace(kept, atime=0, mtime=0)
    return kept


def put(folder: Folder, name: str, temporary: str, kept: Kept, content: Iterator[bytes]) -> None:
    """Makes ``name`` what was kept, atomically: it is what it was or what it shall be, never in between.

    ``temporary`` is a name in the same directory for what is not finished.
    """
    if isinstance(kept, KeptFile):
        discard(folder, temporary)
        descriptor = folder.create(temporary)
        try:
            digest = sha256()
            left = kept.size
            for data in content:
                left -= len(data)
                if left < 0:
                    break  # not what was kept: it shall not fill the disk
                digest.update(data)
                folder.write(temporary, descriptor, data)
            if left or digest.hexdigest() != kept.sha256:
                folder.unlink(temporary)
                raise Refused("can't be written: the copy that was kept is damaged", Why.IO)
            dress(folder, temporary, kept)
            folder.sync(temporary, descriptor)
        finally:
            os.close(descriptor)
        folder.rename(temporary, name)
    elif isinstance(kept, KeptLink):
        discard(folder, temporary)
        folder.symlink(kept.to, temporary)
        dress(folder, temporary, kept)
        folder.rename(temporary, name)
    elif isinstance(kept, KeptFolder):
        if folder.stat(name) is None:
            folder.mkdir(name, 0o700)
        dress(folder, name, kept)
    else:
        status = folder.stat(name)
        if status is not None and stat.S_ISDIR(status.st_mode):
            folder.rmdir(name)
        elif status is not None:
            folder.unlink(name)


def dress(folder: Folder, name: str, kept: KeptFile | KeptLink | KeptFolder) -> None:
    """Owner, mode, attributes, flags and times, each only where it differs."""
    status = folder.stat(name)
    assert status is not None
    if (status.st_uid, status.st_gid) != (kept.uid, kept.gid):
        folder.chown(name, kept.uid, kept.gid)
    folder.set_xattrs(name, kept.xattrs)
    if not isinstance(kept, KeptLink):
        status = folder.stat(name)  # chown clears set-user-id bits, an ACL changes the group's
        if status is not None and stat.S_IMODE(status.st_mode) != kept.mode:
            folder.chmod(name, kept.mode)
    if isinstance(kept, KeptFile):
        folder.set_flags(name, kept.flags)
    folder.set_times(name, kept.atime, kept.mtime)


def discard(folder: Folder, temporary: str) -> None:
    """Removes an unfinished file that an interrupted run left."""
    status = folder.stat(temporary)
    if status is not None and not stat.S_ISDIR(status.st_mode):
        folder.unlink(temporary)


def _folder(status: os.stat_result, xattrs: dict[str, bytes]) -> KeptFolder:
    return KeptFolder(
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_atime_ns,
        status.st_mtime_ns,
        xattrs,
    )


def _locked(flags: int) -> str:
    if flags & IMMUTABLE:
        return "immutable"
    return "append-only" if flags & APPEND_ONLY else ""
