"""Where a path leads: inside a re-rooted tree, step by step as the kernel would after chroot(2), or on the
running host, where the kernel itself does the walking.

Why not join strings: a link that points to an absolute path, or one ``..`` too many, would leave the disk
and read the rescue system instead; and a path that was checked first and opened later may have been swapped
in between. So every step is made relative to a directory that is already held open, no step follows a link,
and a link's text is read and walked by us, from the tree's own root.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from agent.target.failures import Refused
from agent.unknown import Why

LINKS = 40  # as many as the kernel follows (path_resolution(7))
PATH_MAX = 4096  # bytes, with the final NUL (limits.h)
DEPTH = 512  # directories held open at once; a real tree has some tens

# os.O_PATH is ignored by kernels before 2.6.39 (CentOS 6): a directory is then simply opened for reading.
HOLD = os.O_PATH | os.O_CLOEXEC
HOLD_DIR = HOLD | os.O_DIRECTORY | os.O_NOFOLLOW

VOLATILE = frozenset((b"proc", b"sys", b"dev", b"run"))


def to_bytes(path: str) -> bytes:
    """The name as the kernel knows it, whatever the locale; bytes that are no UTF-8 travel as surrogates."""
    return path.encode("utf-8", "surrogateescape")


def to_text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Place:
    """A name in a directory that is held open as long as the place is used.

    ``stat`` is what the name was when we came; ``path`` the way to it with no links left.
    """

    parent: int | None  # descriptor of the directory; None: the kernel walks from our own root
    name: bytes
    stat: os.stat_result
    path: bytes
    follow: bool = False  # the kernel may follow a final link: only on the running host

    @property
    def flags(self) -> int:
        """What every open(2) of this place must carry."""
        return os.O_CLOEXEC | (0 if self.follow else os.O_NOFOLLOW)


class Places(Protocol):
    def at(self, path: str, follow: bool) -> contextlib.AbstractContextManager[Place]:
        """Where the path leads; OSError, ValueError or Refused where it leads nowhere."""


class KernelPlaces:
    """The running host: its own kernel walks, so that magic links (/proc/self/exe) mean what they mean."""

    @contextlib.contextmanager
    def at(self, path: str, follow: bool) -> Iterator[Place]:
        name = to_bytes(path)
        if not name.startswith(b"/"):
            name = b"/" + name
        status = os.stat(name, follow_symlinks=follow)
        yield Place(None, name, status, name, follow)

    @staticmethod
    def real(place: Place) -> bytes:
        """The path with all links followed. A magic link may lead to what has no name: it stays."""
        real = os.path.realpath(place.name)
        try:
            there = os.lstat(real)
        except OSError:
            return place.name
        same = (there.st_dev, there.st_ino) == (place.stat.st_dev, place.stat.st_ino)
        return real if same else place.name


@dataclass
class _Step:
    """A directory on the way, held open."""

    descriptor: int
    device: int
    name: bytes


class RootedPlaces:
    """A tree that is not the running host's: a mounted disk, or the root that we are chrooted in.

    /proc, /sys, /dev and /run of such a tree describe whoever runs now. A rescue's chroot recipe mounts them
    there (proc, sysfs, a bind of /dev), and what they say is true of the rescue system, not of the disk. How
    we know: every directory that lies on another device than the one it hangs in is a mount; a mount below
    one of these four names, or one of the devices that ``running`` names (the running system's own root,
    /run, /dev ..., for a file bound in like arch-chroot does with resolv.conf), is not the target's. Any
    other mount (/boot, /var, /home on a disk of their own) is. A plain directory of the disk with such a
    name may be read, but what is missing there is missing because the target does not run: such an absence
    proves nothing, and is Unknown NOT_LIVE, never ABSENT (else each systemd host's resolv.conf, a link into
    /run, would count as broken).
    """

    def __init__(self, root: int, running: frozenset[int]) -> None:
        self._root = root
        self._device = os.stat(".", dir_fd=root).st_dev
        self._running = running - {self._device}

    def close(self) -> None:
        """The root's descriptor is closed by its owner: it may be another file's soon."""
        self._root = -1

    @contextlib.contextmanager
    def at(self, path: str, follow: bool) -> Iterator[Place]:
        raw = to_bytes(path)
        if len(raw) >= PATH_MAX:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        steps: list[_Step] = []
        try:
            yield self._walk(raw, follow, steps)
        finally:
            for step in steps:
                os.close(step.descriptor)

    def _walk(self, raw: bytes, follow: bool, steps: list[_Step]) -> Place:
        todo = _components(raw)
        links = 0
        while todo:
            name = todo.pop()
            if name == b".":
                continue
            if name == b"..":
                if steps:
                    os.close(steps.pop().descriptor)
                continue
            here = steps[-1].descriptor if steps else self._root
            try:
                if not todo:
                    place = self._final(here, name, steps)
                    if not (follow and stat.S_ISLNK(place.stat.st_mode)):
                        return place
                elif self._enter(here, name, steps):
                    continue
                text = _link(here, name)
            except FileNotFoundError as error:
                if (steps[0].name if steps else name) in VOLATILE:
                    raise Refused("the target is not running, so nothing is there", Why.NOT_LIVE) from error
                raise
            links += 1
            if links > LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if text.startswith(b"/"):
                while steps:
                    os.close(steps.pop().descriptor)
            todo += _components(text)
        here = steps[-1].descriptor if steps else self._root
        return Place(here, b".", os.stat(".", dir_fd=here, follow_symlinks=False), _path(steps))

    def _final(self, here: int, name: bytes, steps: list[_Step]) -> Place:
        status = os.stat(name, dir_fd=here, follow_symlinks=False)
        self._check_device(status, name, steps)
        return Place(here, name, status, _path(steps, name))

    def _enter(self, here: int, name: bytes, steps: list[_Step]) -> bool:
        """Go into a directory; False when the name is no directory (a link, it may be)."""
        if len(steps) >= DEPTH:
            raise Refused(f"nested deeper than {DEPTH} directories", Why.TOO_LARGE)
        try:
            descriptor = os.open(name, HOLD_DIR, dir_fd=here)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                return False
            raise
        try:
            status = _status(descriptor)
            self._check_device(status, name, steps)
        except BaseException:
            os.close(descriptor)
            raise
        steps.append(_Step(descriptor, status.st_dev, name))
        return True

    def _check_device(self, status: os.stat_result, name: bytes, steps: list[_Step]) -> None:
        if status.st_dev == (steps[-1].device if steps else self._device):
            return
        top = steps[0].name if steps else name
        if status.st_dev in self._running or (top in VOLATILE and stat.S_ISDIR(status.st_mode)):
            raise Refused("belongs to the running system, not to the target", Why.NOT_LIVE)


def _components(path: bytes) -> list[bytes]:
    """The parts of a path, last first; a slash at the end asks for a directory, as ``/.`` does."""
    if not path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    parts = [part for part in path.split(b"/") if part]
    if path.endswith(b"/"):
        parts.append(b".")
    return parts[::-1]


def _link(here: int, name: bytes) -> bytes:
    try:
        return os.readlink(name, dir_fd=here)
    except OSError as error:
        if error.errno == errno.EINVAL:  # neither a directory nor a link
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error
        raise


def _status(descriptor: int) -> os.stat_result:
    """fstat(2), which works on an O_PATH descriptor from Linux 3.6 on."""
    try:
        return os.fstat(descriptor)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        return os.stat(".", dir_fd=descriptor)


def _path(steps: list[_Step], name: bytes = b"") -> bytes:
    parts = [step.name for step in steps]
    if name:
        parts.append(name)
    return b"/" + b"/".join(parts)
