"""Mounting a filesystem for as long as it is looked at, where only we see it.

The mount is made in a mount namespace of our own, at a directory of a tmpfs of our own: whoever dies, the
kernel takes it down with us. Where no namespace is to be had (a container without CAP_SYS_ADMIN over its
processes, a seccomp filter) it is a directory below /run that everybody sees, and the next run clears what is
left of a process that is gone.

Read-only means more than the option: a filesystem that was not cleanly unmounted is repaired by its own driver,
also by a mount with "ro". Here its log is left alone. That alone does not keep ext4 from emptying its list of
deleted files (seen with Linux 6.18: "orphan cleanup on readonly fs" in spite of "noload"), so what is to be read
is mounted from a read-only loop device (hold.py), on which the kernel lets nobody write.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import os
import re
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from agent.errors import AgentError
from agent.target import kernel_messages, libc, mounts, signature
from agent.target.failures import shown
from agent.target.walk import to_bytes, to_text

BASES = ("/run", "/var/run", "/dev/shm", "/tmp")  # the first that is there and can be written to
_FOLDER = "lish-agent/mounts"
_PATIENCE = 1.0  # seconds until a mount that somebody still uses is detached
_PAUSE = 0.02

_READING = libc.RDONLY | libc.NODEV | libc.NOSUID | libc.NOEXEC
_WRITING = libc.NODEV | libc.NOSUID

# Newer kernels have one driver for the three.
_DRIVERS = {"ext2": "ext4", "ext3": "ext4"}
# What to do about an error is written on the disk itself ("panic", it may be): here it is not the rescue
# system that falls over.
_ALWAYS = {"ext4": "errors=remount-ro"}
_READ_ONLY = {"xfs": "nouuid"}  # a clone of a mounted disk has its UUID
# Options with which the log is left alone; of several, the first that the kernel knows.
_WITHOUT_LOG = {
    "ext4": ("noload",),
    "xfs": ("norecovery",),
    "btrfs": ("rescue=nologreplay", "nologreplay"),  # before Linux 5.9 the second only
    "f2fs": ("norecovery",),
    "reiserfs": ("nolog",),
    "nilfs2": ("norecovery",),
}


class MountFailed(AgentError):
    """The kernel does not mount it. ``reason`` is a clause: in its own words where it logged some."""

    def __init__(self, source: str, reason: str, number: int = 0) -> None:
        super().__init__(f"{shown(source)} can't be mounted: {reason}")
        self.reason = reason
        self.number = number  # errno(3)

    @property
    def unsupported(self) -> bool:
        """This kernel has no driver for the type, which says nothing about the filesystem."""
        return self.number == errno.ENODEV

    @property
    def wants_log(self) -> bool:
        """Its log would have to be replayed first, which the read-only device does not allow."""
        return self.number == errno.EROFS or "log replay required" in self.reason  # btrfs answers EIO


@dataclass(frozen=True)
class Mounting:
    """A mounted filesystem: ``path`` is the directory. ``unfinished``: its log holds what is not in its place
    yet. Read-only this was left out, so that what is seen may be old; for writing the kernel put it there.
    None where that can't be told."""

    path: str
    unfinished: bool | None


_private: bool | None = None  # have we a mount namespace of our own; None: not tried yet
_folder = ""  # the directory that holds our mounts
_lock = -1  # held on it as long as we live


def private_namespace() -> bool:
    """Go into a mount namespace of our own, once a process; False where there is none to be had.

    It concerns the calling thread, and threads and processes that it starts later: so it is called (by the
    first mount at the latest) from the main thread, before others that need the mounts; elsewhere it does
    nothing. What is unmounted outside is unmounted here as well, or we would keep that disk busy; what is
    mounted here stays here.
    """
    global _private
    if _private is None and threading.current_thread() is threading.main_thread():
        clear_leftovers()
        try:
            libc.call("unshare", libc.NEWNS)
            libc.mount("none", "/", None, libc.REC | libc.SLAVE)
            _private = True
        except OSError:
            _private = False
    return _private is True


@contextlib.contextmanager
def mounted(
    source: str, type: str, writable: bool = False, subvolume: str = "", at: int = -1, guarded: bool = True
) -> Iterator[Mounting]:
    """Mount the block device at ``source`` (a path), until the context ends.

    ``at`` is a descriptor of the directory to mount on, a new one of ours by default. ``subvolume`` is what
    "subvol=" takes (btrfs; "subvolid=5" is possible as well). ``guarded``: no write reaches the disk whatever
    the kernel tries, since ``source`` is a read-only device; else the log is left alone unasked.

    Raises MountFailed; nothing is mounted then. What was mounted below is unmounted as well at the end. What
    is still in use after a second is detached, and unmounted by the kernel with its last user.
    """
    private_namespace()
    kind = _DRIVERS.get(type, type)
    made = done = ""
    try:
        with _uninterrupted():
            made = _new_folder(source) if at < 0 else ""
            place = made or f"/proc/self/fd/{at}"
            unfinished = _mount(source, place, kind, writable, subvolume, guarded)
            done = made or to_text(os.readlink(os.fsencode(place)))
        yield Mounting(done, unfinished)
    finally:
        with _uninterrupted():
            if done:
                _unmount(done)
            if made:
                with contextlib.suppress(OSError):
                    os.rmdir(made)


def clear_leftovers() -> tuple[str, ...]:
    """Unmount what a run without a namespace of its own left when it was killed; the devices that were freed."""
    freed = []
    for base in BASES:
        folder = f"{base}/{_FOLDER}"
        if not _ours(folder):
            continue
        for name in sorted(os.listdir(folder)):
            path = f"{folder}/{name}"
            lock = _locked(path) if name.isdecimal() else -1
            if lock < 0:
                continue
            try:
                freed += [mount.source for mount in mounts.read() if mount.point.startswith(f"{path}/")]
                _unmount(path, lazily=False)
                for one in os.listdir(path):
                    os.rmdir(f"{path}/{one}")
                os.rmdir(path)
            except OSError:  # somebody is in there: the next run's business
                pass
            finally:
                os.close(lock)
    return tuple(freed)


# -- mounting


def _mount(source: str, place: str, kind: str, writable: bool, subvolume: str, guarded: bool) -> bool | None:
    """Is the log unfinished? MountFailed with the first refusal's reason, which is the one that matters."""
    always = [_ALWAYS.get(kind, ""), subvolume if subvolume.startswith("subvolid=") or not subvolume else ""]
    if subvolume and not always[1]:
        always[1] = f"subvol={subvolume}"
    if "," in always[1] or "\n" in always[1]:
        raise MountFailed(source, f"{shown(subvolume)!r} is no name of a subvolume")
    if writable:
        said = _try(source, place, kind, _WRITING, always)
        return None if said is None else any(re.search(_REPLAYED, line) for line in said)
    if not guarded and kind == "ext4" and signature.has_orphans(source):
        reason = "reading would change it (it lists files that were deleted while open), and no loop device is there"
        raise MountFailed(source, reason)
    always.append(_READ_ONLY.get(kind, ""))
    without = _WITHOUT_LOG.get(kind, ())
    first: MountFailed | None = None
    dirty = kind == "ext4" and signature.needs_recovery(source)  # asked of the kernel, it would fill the console
    if (guarded and not dirty) or not without:
        try:
            _try(source, place, kind, _READING, always)
            return False
        except MountFailed as error:
            first = error
    unfinished = dirty or (None if first is None else first.wants_log)
    for option in without:
        try:
            _try(source, place, kind, _READING, [*always, option])
            return unfinished
        except MountFailed as error:
            first = error if first is None or first.wants_log else first
    assert first is not None
    raise first


# What the drivers of ext4, XFS, btrfs and reiserfs say when they have worked through a log.
_REPLAYED = re.compile(r"recovery complete|Ending recovery|start tree-log replay|replayed \d+ transactions")


def _try(source: str, place: str, kind: str, flags: int, options: list[str]) -> tuple[str, ...] | None:
    """One mount(2); what the kernel logged of it meanwhile, None where its log is not to be had."""
    device = os.path.basename(os.path.realpath(source))
    with kernel_messages.of_device(device) as messages:
        try:
            libc.mount(source, place, kind, flags, ",".join(filter(None, options)))
        except OSError as error:
            clause = os.strerror(error.errno or 0)
            if error.errno == errno.ENODEV:
                clause = f"this kernel has no driver for {shown(kind)}"
            reason = "; ".join(messages.worst(2)) or f"{clause[:1].lower()}{clause[1:]}"
            raise MountFailed(source, reason, error.errno or 0) from error
        except ValueError as error:  # a name that can't be spelt
            raise MountFailed(source, "no such name is possible") from error
        return messages.all() if messages.readable else None


def _unmount(place: str, lazily: bool = True) -> None:
    """Unmount what is mounted at a path and below it, the last first; ``lazily``: at least from our sight."""
    deadline = time.monotonic() + _PATIENCE
    for point in [mount.point for mount in reversed(mounts.read()) if f"{mount.point}/".startswith(f"{place}/")]:
        collected = False
        while True:
            flags = libc.NOFOLLOW
            if lazily and time.monotonic() >= deadline:
                flags |= libc.DETACH
            try:
                libc.call("umount2", to_bytes(point), flags)
                break
            except OSError as error:
                if error.errno != errno.EBUSY:  # not mounted any more
                    break
                if not collected:  # a descriptor that nobody needs, but nobody closed
                    gc.collect()
                    collected = True
                elif not lazily:
                    raise
                else:
                    time.sleep(_PAUSE)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals wait, so that there is no moment in which something is mounted and nobody knows."""
    waiting = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# -- the directory


def _new_folder(source: str) -> str:
    global _folder
    _folder = _folder or _own_folder()
    try:
        return tempfile.mkdtemp(prefix=f"{os.path.basename(source)}-", dir=_folder)
    except OSError as error:
        raise _no_folder(_folder, error) from error


def _own_folder() -> str:
    """A directory below one of ``BASES`` with our process number, locked as long as we live. In a namespace of
    our own a tmpfs covers it: it stays ours alone if a container's /run is another's, too."""
    global _lock
    failed: tuple[str, OSError] | None = None
    for base in BASES:
        folder = f"{base}/{_FOLDER}"
        if not os.path.isdir(base):
            continue
        try:
            for one in (os.path.dirname(folder), folder):  # not makedirs: its parents are as open as the umask is
                with contextlib.suppress(FileExistsError):
                    os.mkdir(one, 0o700)
            if not _ours(folder):
                continue
            if private_namespace():
                with contextlib.suppress(OSError):
                    libc.mount("tmpfs", folder, "tmpfs", _WRITING | libc.NOEXEC, "mode=0700,size=1m")
            path = f"{folder}/{os.getpid()}"
            for _ in range(10):  # another run may take it for a leftover until it is locked
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path, 0o700)
                _lock = _locked(path)
                if _lock >= 0:
                    return path
        except OSError as error:
            failed = failed or (folder, error)
    raise _no_folder(*(failed or (BASES[0], OSError(errno.ENOENT, os.strerror(errno.ENOENT)))))


def _locked(path: str) -> int:
    """A descriptor that holds the lock on a directory; -1 when another process has it, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here, there = os.fstat(descriptor), os.lstat(path)
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return -1


def _ours(folder: str) -> bool:
    """Only we may write in it, and in the directory that holds it: /tmp and /dev/shm are everybody's."""
    for path in (folder, os.path.dirname(folder)):
        try:
            status = os.lstat(path)
        except OSError:
            return False
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            return False
    return True


def _no_folder(path: str, error: OSError) -> AgentError:
    clause = os.strerror(error.errno or 0)
    return AgentError(f"no directory to mount on: {path}: {clause[:1].lower()}{clause[1:]}", "run it as root (sudo)")


__all__ = ["MountFailed", "Mounting", "clear_leftovers", "mounted", "private_namespace"]
