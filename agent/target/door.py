"""RootDoor: the target on a real machine: it runs, it is mounted, or it is the root that we are chrooted in.

Nothing is ever written, and no name is trusted twice: what was looked at is held open, and what is then
opened is that same object, or it is refused. Devices, sockets and fifos are never opened: opening alone can
block for ever, rewind a tape or arm a watchdog.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO

from agent.target import command, live, readers
from agent.target.failures import FAILURES, Refused, shown, unknown
from agent.target.model import Json, Kind, Output, Space, Stat
from agent.target.mounts import is_proc, network_mounts
from agent.target.walk import HOLD, KernelPlaces, Place, RootedPlaces, to_text
from agent.unknown import Maybe, Unknown, Why

NAMES = 500_000  # in one directory; a hostile one must not fill the memory

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIR,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
}
_CALLED = {
    Kind.DIR: "is a directory",
    Kind.LINK: "is a symbolic link",
    Kind.FIFO: "is a fifo",
    Kind.SOCKET: "is a socket",
    Kind.CHAR: "is a character device",
    Kind.BLOCK: "is a block device",
}
# Regular files by their looks whose reading takes something away from somebody else.
_CONSUMED = ("/proc/kmsg", "/sys/kernel/tracing/trace_pipe")


class RootDoor:
    """The primitive operations on the tree at ``root`` (see Door).

    ``live``: the running kernel and its processes are the target's own. ``rescue``: the machine we run on
    is a rescue system that holds the target's disks. Raises OSError when the root can't be held.
    """

    def __init__(self, root: str, live: bool, rescue: bool = False) -> None:
        self._name = root
        self._live = live
        self._rescue = rescue
        # In a chroot of a disk the programs are the disk's: not to be run for what sysfs tells as well.
        self._own_programs = live or os.path.realpath(root) != "/"
        self._root = os.open(root, HOLD | os.O_DIRECTORY)
        self._places: KernelPlaces | RootedPlaces
        if live:
            self._places = KernelPlaces()
        else:
            self._places = RootedPlaces(self._root, running_devices(root))
        self._proc = _hold_proc()
        self._consumed = frozenset(_identities(_CONSUMED))
        self._network_mounts = network_mounts() if live else ()
        held = [self._root] if self._proc is None else [self._root, self._proc]
        self._release = weakref.finalize(self, _close_all, held)

    def close(self) -> None:
        """Let go of the root, so that its disk can be unmounted. Everything is Unknown from now on."""
        if self._release.alive:
            self._root, self._proc = -1, None
            if isinstance(self._places, RootedPlaces):
                self._places.close()
            self._release()

    @contextlib.contextmanager
    def directory(self, path: str) -> Iterator[int]:
        """A directory of the target held without being opened, to mount on: its descriptor.

        OSError, ValueError or Refused (``FAILURES``) where the path leads to none.
        """
        with self._at(path, follow=True) as place, _held(place) as descriptor:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            yield descriptor

    def stat(self, path: str, follow: bool) -> Maybe[Stat]:
        try:
            with self._at(path, follow) as place:
                return _as_stat(place.stat)
        except FAILURES as error:
            return unknown(path, error)

    def readlink(self, path: str) -> Maybe[str]:
        try:
            with self._at(path, follow=False) as place:
                if not stat.S_ISLNK(place.stat.st_mode):
                    return Unknown(f"{shown(path)}: not a symbolic link", Why.SPECIAL)
                return to_text(os.readlink(place.name, dir_fd=place.parent))
        except FAILURES as error:
            return unknown(path, error)

    def resolve(self, path: str) -> Maybe[str]:
        try:
            with self._at(path, follow=True) as place:
                return to_text(place.path if place.parent is not None else KernelPlaces.real(place))
        except FAILURES as error:
            return unknown(path, error)

    def list(self, path: str) -> Maybe[Sequence[str]]:
        try:
            with self._at(path, follow=True) as place:
                if not stat.S_ISDIR(place.stat.st_mode):
                    return Unknown(f"{shown(path)}: not a directory", Why.SPECIAL)
                return _names(place)
        except FAILURES as error:
            return unknown(path, error)

    def open(self, path: str) -> Maybe[BinaryIO]:
        try:
            with self._at(path, follow=True) as place:
                return os.fdopen(self._open_file(place), "rb")
        except FAILURES as error:
            return unknown(path, error)

    def space(self, path: str) -> Maybe[Space]:
        try:
            with self._at(path, follow=True) as place, _held(place) as descriptor:
                return _as_space(os.fstatvfs(descriptor))
        except FAILURES as error:
            return unknown(path, error)

    def run(self, argv: Sequence[str], timeout: float, limit: int, input: bytes | None) -> Maybe[Output]:
        return self._run(argv, timeout, limit, input)

    def follow(
        self,
        argv: Sequence[str],
        timeout: float,
        limit: int,
        input: bytes | None,
        heard: Callable[[bytes], None],
    ) -> Maybe[Output]:
        return self._run(argv, timeout, limit, input, heard)

    def _run(
        self,
        argv: Sequence[str],
        timeout: float,
        limit: int,
        input: bytes | None,
        heard: Callable[[bytes], None] | None = None,
    ) -> Maybe[Output]:
        if not self._live:
            refusal = readers.refusal(argv, self._name, self)
            if refusal:
                return Unknown(f"{shown(' '.join(argv))}: {refusal}", Why.NOT_LIVE)
        return command.run(argv, timeout, limit, input, heard=heard)

    def query(self, name: str, params: Mapping[str, str]) -> Maybe[Json]:
        return live.query(
            name, params, live=self._live, rescue=self._rescue, programs=self._own_programs, root=self._name
        )

    def _at(self, path: str, follow: bool) -> contextlib.AbstractContextManager[Place]:
        for mount in self._network_mounts:
            if path == mount.point or path.startswith(mount.point + "/"):
                # One stat(2) below a server that is gone blocks until it is back, and can't be killed.
                raise Refused(f"on a network filesystem ({mount.type}), which may hang", Why.TIMEOUT)
        return self._places.at(path, follow)

    def _open_file(self, place: Place) -> int:
        """A descriptor to read the regular file at a place; Refused for anything else."""
        with _held(place) as held:
            status = os.fstat(held)
            kind = _kind(status)
            if kind is not Kind.FILE:
                raise Refused(_CALLED[kind], Why.SPECIAL)
            if (status.st_dev, status.st_ino) in self._consumed:
                raise Refused("reading it would take it from its reader", Why.SPECIAL)
            descriptor = self._reopen(place, held)
        try:
            now = os.fstat(descriptor)
            if (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino) or not stat.S_ISREG(now.st_mode):
                raise Refused("was replaced while it was opened", Why.IO)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _reopen(self, place: Place, held: int) -> int:
        # O_NONBLOCK: neither a lease nor a swapped-in fifo may hold us up; for regular files it does nothing.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
        if self._proc is not None:
            try:
                return _open_quietly(f"self/fd/{held}".encode(), flags | os.O_CLOEXEC, self._proc)
            except FileNotFoundError:  # a procfs of other processes than ours
                pass
        return _open_quietly(place.name, flags | place.flags, place.parent)


@contextlib.contextmanager
def _held(place: Place) -> Iterator[int]:
    """The object at a place, held without being opened."""
    if _kind(place.stat) not in (Kind.FILE, Kind.DIR, Kind.LINK) and not _HOLDS:
        raise Refused(_CALLED[_kind(place.stat)], Why.SPECIAL)  # this kernel would open it for real
    descriptor = os.open(place.name, HOLD | place.flags | os.O_NONBLOCK, dir_fd=place.parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_quietly(name: bytes, flags: int, parent: int | None) -> int:
    """open(2) that leaves the access time alone where we may (owner or root)."""
    try:
        return os.open(name, flags | os.O_NOATIME, dir_fd=parent)
    except PermissionError:
        return os.open(name, flags, dir_fd=parent)


def _names(place: Place) -> tuple[str, ...]:
    descriptor = _open_quietly(place.name, os.O_RDONLY | os.O_DIRECTORY | place.flags, place.parent)
    try:
        names: list[str] = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if len(names) == NAMES:
                    raise Refused(f"holds more than {NAMES} names", Why.TOO_LARGE)
                names.append(to_text(os.fsencode(entry.name)))
    finally:
        os.close(descriptor)
    return tuple(sorted(names))


def _kind(status: os.stat_result) -> Kind:
    return _KINDS.get(stat.S_IFMT(status.st_mode), Kind.CHAR)


def _as_stat(status: os.stat_result) -> Stat:
    return Stat(
        kind=_kind(status),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size,
        mtime=status.st_mtime,
        inode=status.st_ino,
        device=status.st_dev,
        links=status.st_nlink,
        rdev=status.st_rdev,
        ctime=status.st_ctime,
    )


def _as_space(found: os.statvfs_result) -> Space:
    return Space(
        bytes_total=found.f_blocks * found.f_frsize,
        bytes_free=found.f_bfree * found.f_frsize,
        bytes_available=found.f_bavail * found.f_frsize,
        inodes_total=found.f_files,
        inodes_free=found.f_ffree,
        read_only=bool(found.f_flag & os.ST_RDONLY),
    )


def running_devices(root: str) -> frozenset[int]:
    """Devices that belong to the running system, by its own root and the filesystems it made at boot.

    Inside a chroot our own root is the target's, and pid 1's root is the running system's.
    """
    own = ["/proc", "/sys", "/dev", "/run", "/proc/1/root/."]
    if os.path.realpath(root) != "/":
        own += ["/", "/tmp", "/dev/shm"]
    return frozenset(device for device, _ in _identities(own))


def _identities(paths: Sequence[str]) -> Iterator[tuple[int, int]]:
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.lstat(path)  # a link may lead anywhere
            yield status.st_dev, status.st_ino


def _hold_proc() -> int | None:
    """The real /proc, held; None where there is none."""
    try:
        descriptor = os.open("/proc", HOLD | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        if is_proc(os.stat(".", dir_fd=descriptor)):
            return descriptor
    os.close(descriptor)
    return None


def _really_holds() -> bool:
    """Does this kernel know O_PATH (Linux 2.6.39)? An older one opens for reading instead."""
    try:
        descriptor = os.open("/", HOLD | os.O_DIRECTORY)
    except OSError:
        return True
    try:
        os.read(descriptor, 1)
    except OSError as error:
        return error.errno == errno.EBADF
    finally:
        os.close(descriptor)
    return False


_HOLDS = _really_holds()


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


__all__ = ["NAMES", "RootDoor", "running_devices"]
