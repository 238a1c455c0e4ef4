"""Putting a change's paths back as they were, by what the tree itself shows."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable

from agent.change.digest import sha256_of
from agent.change.errors import ChangeRefused
from agent.change.keep import CHUNK, discard, dress, look, look_at_folder, put, same, same_content
from agent.change.model import (
    Absent,
    Change,
    Kept,
    KeptFile,
    KeptFolder,
    KeptLink,
    MakeFolder,
    Move,
    Run,
    SetMode,
)
from agent.change.prepare import matching
from agent.change.store import Store
from agent.change.texts import difference, show
from agent.target.failures import Refused, shown
from agent.target.write import Folder

SHOWN = 64 * 1024  # bytes of a file that a difference is shown of


@dataclass(frozen=True)
class Net:
    """One path over a whole change: as it was first, every state it may have been left in, the last one."""

    before: Kept
    states: tuple[Kept, ...]
    by_run: bool  # a program rewrote it: in between, it may have been anything

    @property
    def after(self) -> Kept:
        return self.states[-1]


def net(change: Change) -> dict[str, Net]:
    """Every path that a change touches, in the order in which it comes to them."""
    paths: dict[str, Net] = {}
    for step in change.steps:
        by_run = isinstance(step.operation, Run)
        if by_run and not step.begun:
            continue
        for path in {**step.before, **step.after}:
            before = step.before.get(path, Absent())
            after = step.after.get(path, before)
            known = paths.get(path)
            if known is None:
                paths[path] = Net(before, (before, after), by_run)
            else:
                paths[path] = Net(known.before, (*known.states, after), by_run or known.by_run)
    return paths


class Restoring:
    """One undo. ``check`` refuses before anything is touched; ``run`` puts back."""

    def __init__(self, store: Store, change: Change, force: bool) -> None:
        self._store = store
        self._change = change
        self._force = force
        self._net = {**net(change), **self._half_run()}
        self._interrupted = change.state.interrupted
        self._folder_times = self._times()

    def _half_run(self) -> dict[str, Net]:
        """Files that a program made which never ended: nobody has written down their names."""
        found: dict[str, Net] = {}
        for step in self._change.steps:
            if isinstance(step.operation, Run) and step.begun and not step.after:
                for pattern in step.operation.keeps:
                    for path in matching(self._store, pattern):
                        if path not in step.before:
                            found[path] = Net(Absent(), (Absent(),), True)
        return found

    def check(self) -> None:
        """ChangeRefused, with the difference, when somebody edited what the change had left."""
        self._check_copies()
        if self._force:
            return
        lines: list[str] = []
        edited: list[str] = []
        for path, planned in self._net.items():
            now = self._look(path)
            if self._expected(now, planned):
                continue
            edited.append(path)
            lines += self._difference(path, planned.after, now)
        if edited:
            raise ChangeRefused(
                f"edited since by somebody else: {', '.join(map(shown, edited))}",
                "look at the difference; --force puts the older state back and keeps a copy of this one",
                tuple(lines),
            )

    def _check_copies(self) -> None:
        """Every copy that will be put back is whole; else nothing is, for half an undo is none."""
        for path, planned in self._net.items():
            kept = planned.before
            if not isinstance(kept, KeptFile) or not kept.stored or self._is_at_hand(path, kept):
                continue
            if sha256_of(self._store.content(self._change, kept.stored), kept.size) != kept.sha256:
                raise ChangeRefused(
                    f"the copy that was kept of {shown(path)} is damaged",
                    f"it is file {kept.stored} in {self._change.place}/files",
                )

    def _is_at_hand(self, path: str, kept: KeptFile) -> bool:
        """The file itself is still there, under its own name or where it was moved: no copy is needed."""
        if same_content(self._look(path), kept):
            return True
        moves = [step.operation for step in self._change.steps if isinstance(step.operation, Move)]
        return any(same(self._look(move.to), kept) for move in moves if move.path == path)

    def run(self, progress: Callable[[str], None]) -> list[str]:
        """Everything back; returns what could not be, in words."""
        notes: list[str] = []
        self._remake_folders()
        self._moves()
        for path, planned in reversed(self._net.items()):
            progress(f"putting back {path}")
            note = self._restore(path, planned)
            if note:
                notes.append(note)
        for path, kept in self._change.folders.items():
            if isinstance(kept, KeptFolder):
                self._restore_times(path, kept)
        return notes

    # -- looking
    def _look(self, path: str) -> Kept:
        try:
            with self._store.tree.parent(path) as (folder, name):
                return look(folder, name).kept
        except (FileNotFoundError, NotADirectoryError):
            return Absent()
        except Refused as error:
            raise ChangeRefused(f"{shown(path)} {error.clause} now", "move it away first") from error

    def _expected(self, now: Kept, planned: Net) -> bool:
        if same(now, planned.before):
            return True
        if self._interrupted:
            return planned.by_run or any(same_content(now, state) for state in planned.states)
        if isinstance(planned.after, KeptFolder) and isinstance(now, KeptFolder):
            return True  # what is in it is looked at by itself
        return same(now, planned.after)

    def _difference(self, path: str, left: Kept, now: Kept) -> list[str]:
        if isinstance(left, KeptFile) and isinstance(now, KeptFile) and left.sha256 != now.sha256 and left.stored:
            old = next(self._store.content(self._change, left.stored), b"")
            with self._store.tree.parent(path) as (folder, name), folder.reading(name) as file:
                new = os.read(file, SHOWN)
            secret = not (left.mode & now.mode & 0o004)
            return difference(path, old[:SHOWN], new, secret, "as the change left it", "as it is now")
        return [f"{shown(path)}: the change left {show(left)}; now: {show(now)}"]

    # -- putting back
    def _remake_folders(self) -> None:
        """Directories that a program removed because they had become empty, the upper ones first."""
        wanted = {
            path.rpartition("/")[0] for path, planned in self._net.items() if not isinstance(planned.before, Absent)
        }
        for path, kept in sorted(self._change.folders.items()):
            needed = any(f"{folder}/".startswith(f"{path}/") for folder in wanted)
            if not needed or not isinstance(kept, KeptFolder) or path == "/":
                continue
            with contextlib.suppress(FileNotFoundError), self._store.tree.parent(path) as (folder, name):
                if folder.stat(name) is None:
                    put(folder, name, self._change.temporary, kept, iter(()))
                    folder.sync_folder()

    def _moves(self) -> None:
        """What was moved is renamed back: the same inode, with all its names."""
        for step in reversed(self._change.steps):
            operation = step.operation
            if not isinstance(operation, Move):
                continue
            with contextlib.suppress(FileNotFoundError):
                self._rename_back(operation, step.before[operation.path])

    def _rename_back(self, operation: Move, kept: Kept) -> None:
        tree = self._store.tree
        with tree.parent(operation.to) as (folder, name), tree.parent(operation.path) as (into, to):
            if into.stat(to) is None and same(look(folder, name).kept, kept):
                folder.rename(name, to, into)
                into.sync_folder()
                folder.sync_folder()

    def _restore(self, path: str, planned: Net) -> str:
        try:
            with self._store.tree.parent(path) as (folder, name):
                discard(folder, self._change.temporary)
                now = look(folder, name).kept
                if same(now, planned.before):
                    self._restore_file_times(folder, name, now, planned.before)
                    folder.sync_folder()
                    return ""
                if isinstance(planned.before, Absent) and isinstance(now, KeptFolder):
                    return self._remove_folder(path)
                if not self._expected(now, planned):
                    self._keep_edited(path, now)
                if self._inode_only(path) and type(now) is type(planned.before) and same_content(now, planned.before):
                    assert isinstance(planned.before, (KeptFile, KeptFolder, KeptLink))
                    dress(folder, name, planned.before)
                else:
                    stored = planned.before.stored if isinstance(planned.before, KeptFile) else ""
                    content = self._store.content(self._change, stored) if stored else iter(())
                    put(folder, name, self._change.temporary, planned.before, content)
                folder.sync_folder()
                return ""
        except (FileNotFoundError, NotADirectoryError):
            if isinstance(planned.before, Absent):
                return ""
            raise

    @staticmethod
    def _restore_file_times(folder: Folder, name: str, now: Kept, before: Kept) -> None:
        """The same file or link with another time: it was made anew with what it had held."""
        if not isinstance(now, (KeptFile, KeptLink)) or not isinstance(before, (KeptFile, KeptLink)):
            return
        if now.mtime != before.mtime:
            folder.set_times(name, before.atime, before.mtime)

    def _inode_only(self, path: str) -> bool:
        """Is all that was done to this path done to its inode (owner, mode), so that it may stay?"""
        operations = [step.operation for step in self._change.steps if path in step.before or path in step.after]
        return all(isinstance(operation, (SetMode, MakeFolder)) for operation in operations)

    def _remove_folder(self, path: str) -> str:
        with self._store.tree.folder(path) as folder:
            if folder.names():
                return f"{shown(path)} is no longer empty, so it stays"
        with self._store.tree.parent(path) as (folder, name):
            folder.rmdir(name)
            folder.sync_folder()
        return ""

    def _keep_edited(self, path: str, now: Kept) -> None:
        """--force loses nothing: what somebody had edited lies among the change's files."""
        if not isinstance(now, KeptFile):
            return
        with self._store.tree.parent(path) as (folder, name), folder.reading(name) as file:
            self._store.add(self._change, self._pieces(file))

    @staticmethod
    def _pieces(file: int) -> Iterator[bytes]:
        while True:
            data = os.read(file, CHUNK)
            if not data:
                return
            yield data

    # -- directories' times
    def _times(self) -> dict[str, int]:
        times: dict[str, int] = {}
        for path in self._change.folders:
            with contextlib.suppress(OSError, Refused), self._store.tree.folder(path) as folder:
                kept = look_at_folder(folder).kept
                if isinstance(kept, KeptFolder):
                    times[path] = kept.mtime
        return times

    def _restore_times(self, path: str, kept: KeptFolder) -> None:
        """Only where nobody else has added or removed a name since."""
        left = self._change.folders_after.get(path)
        if not self._interrupted and left is not None and self._folder_times.get(path) != left:
            return
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._store.tree.folder(path) as folder:
            status = folder.stat()
            if status is not None and stat.S_ISDIR(status.st_mode):
                folder.set_times(".", kept.atime, kept.mtime)
