"""The journal of changes: where it lies, its lock, and how a change gets to disk before it happens.

    <root>/var/lib/lish-agent/lock
    <root>/var/lib/lish-agent/changes/<id>/change.json     the intent, then each state
    <root>/var/lib/lish-agent/changes/<id>/files/<n>       contents, as before and as after

It lies in the target, so that a change made at the console can be taken back in rescue mode, and the other way
round. Nothing is believed that somebody else than root may have written there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.change import document
from agent.change.errors import ChangeRefused
from agent.change.keep import CHUNK, discard
from agent.change.model import Change
from agent.change.place import BASE, DOCUMENT, LOCK, UNFINISHED, boot_id, told_of_boots
from agent.target import Target
from agent.target.failures import Refused, shown
from agent.target.write import Folder, Observer, Tree

_NUMBER = re.compile(r"([1-9]\d{0,8})-")


@dataclass(frozen=True)
class Damage:
    """A directory among the changes that can't be read."""

    id: str
    why: str


class Store:
    """The journal of one target, opened for writing. Holds the target's tree too."""

    def __init__(self, target: Target, tree: Tree, backup: Tree | None = None) -> None:
        self.target = target
        self.tree = tree
        self.apart = backup is not None
        self.rehearsal = False  # nothing will be written: a disk that is mounted read-only will do
        self._own = backup or tree
        self._base = "" if backup else BASE

    @classmethod
    def open(cls, target: Target, backup_dir: str = "", observe: Observer | None = None) -> Store:
        """ChangeRefused when the target, or the directory for the backups, can't be held."""
        live = target.live
        try:
            tree = Tree(target.root, live, observe) if observe else Tree(target.root, live)
        except OSError as error:
            raise ChangeRefused(f"{target.root}: {error.strerror}", "name where the disk is mounted") from error
        if not backup_dir:
            return cls(target, tree)
        path = os.path.abspath(backup_dir)
        try:
            status = os.stat(path)
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            apart = Tree(path, True, observe) if observe else Tree(path, True)
        except OSError as error:
            raise ChangeRefused(
                f"--backup-dir {shown(backup_dir)}: {error.strerror}", "name a directory that is there"
            ) from error
        return cls(target, tree, apart)

    @property
    def backup_dir(self) -> str:
        """--backup-dir, or ""."""
        return self._own.root if self.apart else ""

    @property
    def place(self) -> str:
        """Where it lies, as the person would name it."""
        root = self._own.root if self.apart else self.target.place
        return root.rstrip("/") + self._base

    # -- reading
    def changes(self) -> tuple[Change, ...]:
        """All that can be read, oldest first."""
        return self._all()[0]

    def damaged(self) -> tuple[Damage, ...]:
        return self._all()[1]

    def _all(self) -> tuple[tuple[Change, ...], tuple[Damage, ...]]:
        changes: list[Change] = []
        damaged: list[Damage] = []
        for name in self._names():
            try:
                changes.append(self._load(name))
            except FileNotFoundError:
                if not self._never_begun(name):
                    damaged.append(Damage(name, "its record is gone"))
            except (OSError, Refused, document.Damaged) as error:
                damaged.append(Damage(name, reason(error)))
        changes.sort(key=lambda change: change.number)
        return tuple(changes), tuple(damaged)

    def find(self, wanted: str) -> Change:
        """A change by its id or its number."""
        for change in self.changes():
            if wanted in (change.id, str(change.number)):
                return change
        for damage in self.damaged():
            if wanted in (damage.id, damage.id.partition("-")[0]):
                raise ChangeRefused(f"change {damage.id} can't be read: {damage.why}", f"its files: {self.place}")
        known = ", ".join(change.id for change in self.changes()) or "none"
        raise ChangeRefused(f"there is no change {shown(wanted)!r}", f"changes on record: {known} (agent history)")

    def content(self, change: Change, stored: str) -> Iterator[bytes]:
        """A kept file's content, in pieces."""
        with self._own.folder(f"{self._base}/changes/{change.id}/files") as folder, folder.reading(stored) as file:
            while True:
                data = os.read(file, CHUNK)
                if not data:
                    return
                yield data

    def _names(self) -> tuple[str, ...]:
        try:
            self._trusted()
            with self._own.folder(f"{self._base}/changes") as folder:
                return tuple(name for name in folder.names() if document.ID.fullmatch(name))
        except FileNotFoundError:
            return ()
        except NotADirectoryError as error:
            raise self._untrusted("is not a directory") from error
        except (OSError, Refused) as error:
            raise ChangeRefused(f"{self.place}: {reason(error)}", "run it as root (sudo)") from error

    def _load(self, name: str) -> Change:
        with self._own.folder(f"{self._base}/changes/{name}") as folder, folder.reading(DOCUMENT) as file:
            data = b""
            while len(data) <= document.LIMIT:
                piece = os.read(file, CHUNK)
                if not piece:
                    break
                data += piece
        if len(data) > document.LIMIT:
            raise document.Damaged(f"larger than {document.LIMIT} bytes")
        change = document.load(data)
        if change.id != name:
            raise document.Damaged("it is another one's")
        change = told_of_boots(change, boot_id(self.target))
        return replace(change, place=f"{self.place}/changes/{name}")

    # -- writing
    @contextlib.contextmanager
    def lock(self, wait: float = 0.0) -> Iterator[None]:
        """Nobody else changes this target meanwhile. ``wait`` seconds for whoever does now."""
        self._make()
        try:
            with self._own.folder(self._base or "/") as folder:
                if folder.stat(LOCK) is None:
                    with contextlib.suppress(FileExistsError):  # another agent was quicker
                        os.close(folder.create(LOCK))
                    folder.sync_folder()
                descriptor = folder.hold(LOCK)
        except (OSError, Refused) as error:
            raise self._refused(error) from error
        try:
            _lock(descriptor, time.monotonic() + wait)
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    def new_id(self, fix: str) -> str:
        numbers = [int(found[1]) for found in map(_NUMBER.match, self._names()) if found]
        return f"{max(numbers, default=0) + 1}-{fix}"

    @contextlib.contextmanager
    def beginning(self, change_id: str) -> Iterator[Folder]:
        """The directory for a new change's contents; what was begun is removed when it can't be finished."""
        try:
            with self._own.folder(f"{self._base}/changes") as folder:
                folder.mkdir(change_id, 0o700)
                folder.sync_folder()
            with self._own.folder(f"{self._base}/changes/{change_id}") as folder:
                os.close(folder.create(UNFINISHED))
                folder.mkdir("files", 0o700)
                folder.sync_folder()
            with self._own.folder(f"{self._base}/changes/{change_id}/files") as files:
                yield files
            with self._own.folder(f"{self._base}/changes/{change_id}") as folder:
                folder.unlink(UNFINISHED)
                folder.sync_folder()
        except BaseException:
            with contextlib.suppress(OSError, Refused):
                self._remove(change_id)
            raise

    def save(self, change: Change) -> Change:
        """Its document, in place of the one before, safe from a power cut when this returns."""
        with self._own.folder(f"{self._base}/changes/{change.id}") as folder:
            temporary = f"{DOCUMENT}.new"
            discard(folder, temporary)
            descriptor = folder.create(temporary)
            try:
                folder.write(temporary, descriptor, document.dump(change))
                folder.sync(temporary, descriptor)
            finally:
                os.close(descriptor)
            folder.rename(temporary, DOCUMENT)
            folder.sync_folder()
        return replace(change, place=f"{self.place}/changes/{change.id}")

    def add(self, change: Change, content: Iterator[bytes]) -> str:
        """One more file among a change's files; returns its name."""
        with self._own.folder(f"{self._base}/changes/{change.id}/files") as files:
            name = str(max((int(known) for known in files.names() if known.isdecimal()), default=0) + 1)
            descriptor = files.create(name)
            try:
                for data in content:
                    files.write(name, descriptor, data)
                files.sync(name, descriptor)
            finally:
                os.close(descriptor)
            files.sync_folder()
        return name

    def forget(self, change: Change) -> None:
        """Removes a change that touched nothing."""
        self._remove(change.id)

    def free(self) -> os.statvfs_result:
        """The space where it lies, or will lie."""
        path = f"{self._base}/changes"
        while path:
            try:
                with self._own.folder(path) as folder:
                    return folder.space()
            except FileNotFoundError:
                path = path.rpartition("/")[0]
        with self._own.folder("/") as folder:
            return folder.space()

    def exists(self) -> bool:
        try:
            with self._own.folder(f"{self._base}/changes"):
                return True
        except (OSError, Refused):
            return False

    def _make(self) -> None:
        """The directories, where they are missing; their parent's times stay, for nothing of its own changed."""
        try:
            parts = [part for part in f"{self._base}/changes".split("/") if part]
            for index, part in enumerate(parts):
                parent = "/" + "/".join(parts[:index])
                ours = index >= len(parts) - 2
                with self._own.folder(parent) as folder:
                    there = folder.stat(part)
                    if there is not None and ours:
                        self._trust(there)
                    elif there is None:
                        status = folder.stat()
                        folder.mkdir(part, 0o700 if ours else 0o755)
                        folder.sync_folder()
                        if status is not None:
                            folder.set_times(".", status.st_atime_ns, status.st_mtime_ns)
            self._trusted()
        except (OSError, Refused) as error:
            raise self._refused(error) from error

    def _trusted(self) -> None:
        """Only root may have written what we are about to believe."""
        for path in ("/", "/changes") if self.apart else (self._base, f"{self._base}/changes"):
            if path == "/":
                continue
            with self._own.parent(path) as (folder, name):
                status = folder.stat(name)
                if status is None:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                self._trust(status)

    def _trust(self, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            raise self._untrusted("is a symbolic link")
        if not stat.S_ISDIR(status.st_mode):
            raise self._untrusted("is not a directory")
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
            raise self._untrusted("may be written by others than root")

    def _untrusted(self, why: str) -> ChangeRefused:
        return ChangeRefused(
            f"{self.place} {why}, so what lies there can't be trusted",
            "look at it, move it away, and run this again; or name another place: --backup-dir DIR",
        )

    def _refused(self, error: Exception) -> ChangeRefused:
        hint = "give it a place with room on another disk: --backup-dir DIR"
        if isinstance(error, OSError) and error.errno == errno.EROFS:
            hint = f"make it writable first: mount -o remount,rw {self.target.place}"
        elif isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
            hint = "run it as root (sudo)"
        return ChangeRefused(f"the backup can't be written to {self.place}: {reason(error)}", hint)

    def _sweep(self) -> None:
        """Directories whose intent never got to disk: nothing was touched, and whoever made them died."""
        for name in self._names():
            with contextlib.suppress(OSError, Refused):
                if self._never_begun(name):
                    self._remove(name)

    def _never_begun(self, name: str) -> bool:
        """Its intent never got to disk. A record that was there once, and that a repair of the filesystem took,
        leaves kept files and no mark: those are not ours to remove."""
        with self._own.folder(f"{self._base}/changes/{name}") as folder:
            if folder.stat(DOCUMENT) is not None:
                return False
            if folder.stat(UNFINISHED) is not None or folder.stat("files") is None:
                return True
        with self._own.folder(f"{self._base}/changes/{name}/files") as files:
            return not files.names()

    def _remove(self, name: str) -> None:
        with self._own.folder(f"{self._base}/changes/{name}") as folder:
            if folder.stat("files") is not None:
                with self._own.folder(f"{self._base}/changes/{name}/files") as files:
                    for kept in files.names():
                        files.unlink(kept)
                folder.rmdir("files")
            for rest in (DOCUMENT, f"{DOCUMENT}.new", UNFINISHED):
                discard(folder, rest)
        with self._own.folder(f"{self._base}/changes") as folder:
            folder.rmdir(name)
            folder.sync_folder()


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            if time.monotonic() >= deadline:
                raise ChangeRefused(
                    "another agent is changing this target now", "wait until it is done, then run this again"
                ) from error
        time.sleep(0.1)


def reason(error: Exception) -> str:
    """A clause for people."""
    if isinstance(error, Refused):
        return error.clause
    if isinstance(error, OSError) and error.errno is not None:
        text = os.strerror(error.errno)
        return text[:1].lower() + text[1:]
    return shown(str(error)) or type(error).__name__


__all__ = ["Damage", "Store", "reason"]
