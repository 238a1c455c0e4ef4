"""Tree: the one door through which a target is changed, for agent/change alone.

Every primitive works on a name in a directory that is held open and was reached step by step from the root,
following no link out of it and no final link at all: whoever swaps a directory for a link meanwhile changes
where later walks lead, never where this one writes. All mutating system calls go through one seam, so that
tests can stop the program before and after each of them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Callable, TypeVar

from agent.target.door import running_devices
from agent.target.failures import Refused
from agent.target.walk import HOLD, Place, RootedPlaces, to_bytes, to_text
from agent.unknown import Why

# observe(call, path, after): before and after each mutating system call on the tree.
Observer = Callable[[str, str, bool], None]

_GETFLAGS = 0x80086601  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS (linux/fs.h) where a long has 64 bits
_SETFLAGS = 0x40086602
if struct.calcsize("l") == 4:
    _GETFLAGS, _SETFLAGS = 0x80046601, 0x40046602

IMMUTABLE, APPEND_ONLY = 0x10, 0x20  # FS_IMMUTABLE_FL, FS_APPEND_FL
SETTABLE = 0x0001 | 0x0002 | 0x0004 | 0x0008 | 0x0040 | 0x0080 | 0x00800000  # s u c S d A C of chattr(1)
_NO_FLAGS = (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
_NO_XATTRS = (errno.EOPNOTSUPP, errno.ENOSYS)
NAMES = 500_000  # in one directory

T = TypeVar("T")


def _unobserved(call: str, path: str, after: bool) -> None:
    pass


class Tree:
    """A root to write below. Raises OSError or Refused, and changes nothing but what its methods say.

    ``live``: the root is the running host's own, so that other filesystems below it are the target's too.
    """

    def __init__(self, root: str, live: bool, observe: Observer = _unobserved) -> None:
        self.root = root
        self.observe = observe
        self._root = os.open(root, HOLD | os.O_DIRECTORY)
        self._places = _AnyDevice(self._root, frozenset()) if live else RootedPlaces(self._root, running_devices(root))
        weakref.finalize(self, os.close, self._root)

    @contextlib.contextmanager
    def folder(self, path: str) -> Iterator[Folder]:
        """The directory at a path, held open; links on the way are followed inside the root."""
        with self._places.at(f"{path.rstrip('/')}/.", follow=True) as place:
            yield Folder(self, _descriptor(place), to_text(place.path) or "/")

    @contextlib.contextmanager
    def parent(self, path: str) -> Iterator[tuple[Folder, str]]:
        """The directory of a path, and the path's last name, which may be absent or a link."""
        head, _, name = path.rstrip("/").rpartition("/")
        if not name or name in (".", "..") or "\0" in path:
            raise Refused("is no path that can be changed", Why.FAILED)
        with self.folder(head or "/") as folder:
            yield folder, name


class Folder:
    """A directory held open. ``path`` is the way to it inside the root, with no links left."""

    def __init__(self, tree: Tree, descriptor: int, path: str) -> None:
        self._tree = tree
        self._at = descriptor
        self.path = path

    # -- looking
    def at(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"

    def stat(self, name: str = ".") -> os.stat_result | None:
        """lstat(2) of a name; None when nothing has it."""
        try:
            return os.stat(to_bytes(name), dir_fd=self._at, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def readlink(self, name: str) -> str:
        return to_text(os.readlink(to_bytes(name), dir_fd=self._at))

    def names(self) -> tuple[str, ...]:
        descriptor = self._open(".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            found: list[str] = []
            with os.scandir(descriptor) as entries:
                for entry in entries:
                    if len(found) == NAMES:
                        raise Refused(f"holds more than {NAMES} names", Why.TOO_LARGE)
                    found.append(to_text(os.fsencode(entry.name)))
            return tuple(sorted(found))
        finally:
            os.close(descriptor)

    def writable(self) -> bool:
        """Is the filesystem mounted for writing? (Not whether we may.)"""
        with self._opened(".") as descriptor:
            return not os.fstatvfs(descriptor).f_flag & os.ST_RDONLY

    def space(self) -> os.statvfs_result:
        with self._opened(".") as descriptor:
            return os.fstatvfs(descriptor)

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[int]:
        """A regular file opened for reading; Refused when it is anything else."""
        status = self.stat(name)
        if status is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not stat.S_ISREG(status.st_mode):
            raise Refused("is not a regular file", Why.SPECIAL)
        with self._opened(name) as descriptor:
            now = os.fstat(descriptor)
            if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
                raise Refused("was replaced while it was opened", Why.IO)
            yield descriptor

    def xattrs(self, name: str) -> dict[str, bytes]:
        """Extended attributes: ACLs and labels too. Empty where the filesystem has none."""
        with self._inside():
            try:
                keys = os.listxattr(to_bytes(name), follow_symlinks=False)
                return {key: os.getxattr(to_bytes(name), key, follow_symlinks=False) for key in keys}
            except OSError as error:
                if error.errno in _NO_XATTRS:
                    return {}
                raise

    def filesystem(self, name: str = ".") -> int:
        """Which filesystem a file or directory lies on (statvfs(3)'s id; overlays give their files' own device
        numbers, but one id). 0 where the filesystem has none."""
        with self._opened(name) as descriptor:
            return os.fstatvfs(descriptor).f_fsid

    def flags(self, name: str) -> int:
        """Inode flags (chattr(1)) of a file or directory; 0 where the filesystem has none."""
        with self._opened(name) as descriptor:
            return _flags(descriptor)

    # -- changing: each one system call, seen by the observer
    def create(self, name: str, mode: int = 0o600) -> int:
        """A new regular file, opened for writing; the caller closes it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return self._do("open", name, lambda: os.open(to_bytes(name), flags, mode, dir_fd=self._at))

    def hold(self, name: str) -> int:
        """A regular file opened for a lock alone; the caller closes it."""
        descriptor = self._open(name, os.O_RDONLY)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        raise Refused("is not a regular file", Why.SPECIAL)

    def write(self, name: str, descriptor: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = self._do("write", name, partial(os.write, descriptor, left))
            left = left[written:]

    def sync(self, name: str, descriptor: int) -> None:
        self._do("fsync", name, lambda: os.fsync(descriptor))

    def sync_folder(self) -> None:
        """Makes the directory's entries last through a power cut."""
        with self._opened(".") as descriptor:
            try:
                self._do("fsync", ".", lambda: os.fsync(descriptor))
            except OSError as error:
                if error.errno != errno.EINVAL:  # a filesystem that syncs no directories
                    raise

    def mkdir(self, name: str, mode: int) -> None:
        self._do("mkdir", name, lambda: os.mkdir(to_bytes(name), mode, dir_fd=self._at))

    def rmdir(self, name: str) -> None:
        self._do("rmdir", name, lambda: os.rmdir(to_bytes(name), dir_fd=self._at))

    def symlink(self, to: str, name: str) -> None:
        self._do("symlink", name, lambda: os.symlink(to_bytes(to), to_bytes(name), dir_fd=self._at))

    def unlink(self, name: str) -> None:
        self._do("unlink", name, lambda: os.unlink(to_bytes(name), dir_fd=self._at))

    def rename(self, name: str, to: str, into: Folder | None = None) -> None:
        """Gives ``name`` the name ``to``, replacing what has it."""
        target = into or self
        self._do(
            "rename",
            name,
            lambda: os.rename(to_bytes(name), to_bytes(to), src_dir_fd=self._at, dst_dir_fd=target._at),
        )

    def chown(self, name: str, uid: int, gid: int) -> None:
        self._do("chown", name, lambda: os.chown(to_bytes(name), uid, gid, dir_fd=self._at, follow_symlinks=False))

    def chmod(self, name: str, mode: int) -> None:
        """Of a file or directory; never through a link (chmod(2) can't set a link's own mode)."""
        with self._opened(name) as descriptor:
            self._do("chmod", name, lambda: os.fchmod(descriptor, mode))

    def set_times(self, name: str, atime: int, mtime: int) -> None:
        """Access and modification time, in nanoseconds since the epoch; of a link itself."""
        self._do(
            "utime",
            name,
            lambda: os.utime(to_bytes(name), ns=(atime, mtime), dir_fd=self._at, follow_symlinks=False),
        )

    def set_xattrs(self, name: str, wanted: Mapping[str, bytes]) -> None:
        """Exactly these: others are removed."""
        present = self.xattrs(name)
        with self._inside():
            for key in present.keys() - wanted.keys():
                self._do("removexattr", name, partial(os.removexattr, to_bytes(name), key, follow_symlinks=False))
            for key, value in wanted.items():
                if present.get(key) != value:
                    self._do(
                        "setxattr",
                        name,
                        partial(os.setxattr, to_bytes(name), key, value, follow_symlinks=False),
                    )

    def set_flags(self, name: str, flags: int) -> None:
        """The settable inode flags of a file, the others as they are; nothing where there are none."""
        with self._opened(name) as descriptor:
            now = _flags(descriptor)
            new = (now & ~SETTABLE) | (flags & SETTABLE)
            if new != now:
                self._do("setflags", name, lambda: fcntl.ioctl(descriptor, _SETFLAGS, struct.pack("l", new)))

    # -- inner
    def _do(self, call: str, name: str, act: Callable[[], T]) -> T:
        path = self.at(name)
        self._tree.observe(call, path, False)
        result = act()
        self._tree.observe(call, path, True)
        return result

    def _open(self, name: str, flags: int) -> int:
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        try:  # looking at a file shall not change its access time
            return os.open(to_bytes(name), flags | os.O_NOATIME, dir_fd=self._at)
        except PermissionError:
            return os.open(to_bytes(name), flags, dir_fd=self._at)

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """A file or directory opened for reading; devices, fifos and sockets never are."""
        status = self.stat(name)
        if status is not None and not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise Refused("is neither a file nor a directory", Why.SPECIAL)
        descriptor = self._open(name, os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """With this directory as the working directory: the calls on extended attributes of links take no
        directory descriptor, and need no /proc that way."""
        back = os.open(".", HOLD | os.O_DIRECTORY)
        try:
            os.fchdir(self._at)
            yield
        finally:
            os.fchdir(back)
            os.close(back)


class _AnyDevice(RootedPlaces):
    """The running host: everything below its root is its own."""

    def _check_device(self, status: os.stat_result, name: bytes, steps: object) -> None:
        pass


def _descriptor(place: Place) -> int:
    assert place.parent is not None
    return place.parent


def _flags(descriptor: int) -> int:
    try:
        return int(struct.unpack("l", fcntl.ioctl(descriptor, _GETFLAGS, struct.pack("l", 0)))[0])
    except OSError as error:
        if error.errno in _NO_FLAGS:
            return 0
        raise


__all__ = ["APPEND_ONLY", "IMMUTABLE", "Folder", "Observer", "Tree"]
