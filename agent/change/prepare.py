"""From a plan to a change that is safe to begin: everything that it will touch is looked at, refused where it
could not be put back to the byte, and kept on disk together with the intent.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.change.digest import sha256
from agent.change.errors import ChangeRefused
from agent.change.keep import CHUNK, Seen, look, look_at_folder, same
from agent.change.model import (
    Absent,
    Change,
    ChangeState,
    Command,
    Kept,
    KeptFile,
    KeptFolder,
    KeptLink,
    Link,
    MakeFolder,
    Move,
    Operation,
    Plan,
    Remove,
    Run,
    SetMode,
    Step,
    WriteFile,
)
from agent.change.place import boot_id
from agent.change.store import Store, reason
from agent.target.failures import Refused, shown
from agent.target.write import Folder
from agent.unknown import Unknown

SELINUX = "security.selinux"
SPARE = 256 * 1024  # bytes that must be left besides, for the documents and the directories
INODES = 16


class CannotPrepare(Exception):
    """Why an operation can't be made, or could not be taken back."""

    def __init__(self, path: str, why: str, hint: str = "") -> None:
        super().__init__(f"{shown(path)}: {why}")
        self.hint = hint or "nothing was changed; look at what is there, and put it right by hand"


@dataclass(frozen=True)
class Draft:
    """A change that is all in memory: what it keeps has been looked at and not yet stored."""

    steps: tuple[Step, ...]
    folders: dict[str, Kept]
    sources: dict[str, str]  # name among the change's files: path whose content it is
    contents: dict[str, bytes]  # name among the change's files: new content


def draft(store: Store, operations: Sequence[Operation]) -> Draft:
    """What the operations will do to the tree as it is now. Changes nothing."""
    return _Drafting(store).run(operations)


def prepare(store: Store, fix: str, plan: Plan) -> Change:
    """The change on disk, in state planned; ChangeRefused with a hint, and nothing touched, when it can't be."""
    made = drafted(store, plan)
    try:
        _check_space(store, made)
        change_id = store.new_id(fix)
        with store.beginning(change_id) as files:
            for name, path in made.sources.items():
                _store(files, name, _read(store, path), _kept(made, name).sha256)
            for name, data in made.contents.items():
                _store(files, name, iter((data,)), _digest(data))
            files.sync_folder()
            return store.save(
                Change(
                    id=change_id,
                    fix=fix,
                    state=ChangeState.PLANNED,
                    summary=plan.summary,
                    steps=made.steps,
                    created=time.time(),
                    folders=made.folders,
                    warnings=plan.warnings,
                    reboot=plan.reboot,
                    next=plan.next,
                    mode=store.target.mode.value,
                    boot=boot_id(store.target),
                )
            )
    except (OSError, Refused, CannotPrepare) as error:
        why = str(error) if isinstance(error, CannotPrepare) else reason(error)
        raise ChangeRefused(
            f"the backup could not be written to {store.place}: {why}",
            "nothing was changed; give it a place with room on another disk: --backup-dir DIR",
        ) from error


def drafted(store: Store, plan: Plan) -> Draft:
    """The plan's draft; ChangeRefused when it can't be made."""
    try:
        return draft(store, plan.operations)
    except CannotPrepare as error:
        raise ChangeRefused(str(error), error.hint) from error
    except (OSError, Refused) as error:
        named = f"{error.filename}: " if isinstance(error, OSError) and isinstance(error.filename, str) else ""
        raise ChangeRefused(f"{named}{reason(error)}", "nothing was changed") from error


class _Drafting:
    """The state of the tree after the operations so far, without any of them having been made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._now: dict[str, Kept] = {}
        self._folders: dict[str, Kept] = {}
        self._sources: dict[str, str] = {}
        self._contents: dict[str, bytes] = {}
        self._time = time.time_ns()

    def run(self, operations: Sequence[Operation]) -> Draft:
        steps = tuple(self._step(operation) for operation in operations)
        return Draft(steps, self._folders, self._sources, self._contents)

    def _step(self, operation: Operation) -> Step:
        if isinstance(operation, WriteFile):
            return self._write(operation)
        if isinstance(operation, Move):
            return self._move(operation)
        if isinstance(operation, Link):
            return self._link(operation)
        if isinstance(operation, Remove):
            return self._remove(operation)
        if isinstance(operation, SetMode):
            return self._set_mode(operation)
        if isinstance(operation, MakeFolder):
            return self._make_folder(operation)
        return self._run(operation)

    def _write(self, operation: WriteFile) -> Step:
        path = self._canonical(operation.path)
        if isinstance(self._seen(path).kept, KeptLink):
            path = self._end_of_link(path)
        before = self._replaceable(path)
        stored = self._keep_content(operation.content)
        digest = _digest(operation.content)
        if isinstance(before, KeptFile):
            after = replace(before, stored=stored, sha256=digest, size=len(operation.content))
            after = replace(after, atime=self._time, mtime=self._time)
        elif isinstance(before, Absent):
            now = self._time
            label = self._label(path)
            after = KeptFile(stored, digest, len(operation.content), 0o644, 0, 0, now, now, label)
            if not self._store.target.root_user:
                after = replace(after, uid=os.geteuid(), gid=os.getegid())
        else:
            raise CannotPrepare(path, "is a directory, not a file")
        after = replace(
            after,
            mode=after.mode if operation.mode is None else operation.mode,
            uid=after.uid if operation.uid is None else operation.uid,
            gid=after.gid if operation.gid is None else operation.gid,
        )
        return self._done(replace(operation, path=path), {path: before}, {path: after})

    def _move(self, operation: Move) -> Step:
        path, to = self._canonical(operation.path), self._canonical(operation.to)
        before = self._changeable(path).kept
        if isinstance(before, Absent):
            raise CannotPrepare(path, "is not there")
        if isinstance(before, KeptFolder):
            raise CannotPrepare(path, "is a directory")
        if not isinstance(self._changeable(to).kept, Absent):
            raise CannotPrepare(to, "is there already", "move it away first")
        if self._device(path) != self._device(to):
            raise CannotPrepare(to, f"lies in another filesystem than {path}")
        before = self._keep(path, before)
        return self._done(Move(path, to), {path: before, to: Absent()}, {path: Absent(), to: before})

    def _link(self, operation: Link) -> Step:
        path = self._canonical(operation.path)
        before = self._replaceable(path)
        if isinstance(before, KeptFolder):
            raise CannotPrepare(path, "is a directory, not a link")
        uid, gid = (0, 0) if self._store.target.root_user else (os.geteuid(), os.getegid())
        after = KeptLink(operation.to, uid, gid, self._time, self._time, self._label(path))
        return self._done(Link(path, operation.to), {path: before}, {path: after})

    def _remove(self, operation: Remove) -> Step:
        path = self._canonical(operation.path)
        before = self._replaceable(path)
        if isinstance(before, Absent):
            raise CannotPrepare(path, "is not there")
        if isinstance(before, KeptFolder):
            raise CannotPrepare(path, "is a directory")
        return self._done(Remove(path), {path: before}, {path: Absent()})

    def _set_mode(self, operation: SetMode) -> Step:
        path = self._canonical(operation.path)
        if isinstance(self._seen(path).kept, KeptLink):
            path = self._end_of_link(path)
        before = self._changeable(path, entry=False).kept
        if not isinstance(before, (KeptFile, KeptFolder)):
            raise CannotPrepare(path, "is not there" if isinstance(before, Absent) else "is a link")
        before = self._keep(path, before)
        assert isinstance(before, (KeptFile, KeptFolder))
        after = replace(
            before,
            mode=before.mode if operation.mode is None else operation.mode,
            uid=before.uid if operation.uid is None else operation.uid,
            gid=before.gid if operation.gid is None else operation.gid,
        )
        return self._done(replace(operation, path=path), {path: before}, {path: after}, entry=False)

    def _make_folder(self, operation: MakeFolder) -> Step:
        path = self._canonical(operation.path)
        before = self._changeable(path).kept
        if isinstance(before, KeptFolder):
            return Step(MakeFolder(path, operation.mode), {path: before}, {path: before})
        if not isinstance(before, Absent):
            raise CannotPrepare(path, "is there and is no directory")
        uid, gid = (0, 0) if self._store.target.root_user else (os.geteuid(), os.getegid())
        after = KeptFolder(operation.mode, uid, gid, self._time, self._time, self._label(path))
        return self._done(replace(operation, path=path), {path: before}, {path: after})

    def _run(self, operation: Run) -> Step:
        before: dict[str, Kept] = {}
        for pattern in operation.keeps:
            for path in matching(self._store, pattern):
                seen = self._changeable(path)
                if isinstance(seen.kept, KeptFolder):
                    raise CannotPrepare(path, "is a directory; only files can be kept")
                before[path] = self._keep(path, seen.kept)
                self._keep_folders(path)
        return Step(replace(operation, inverse=tuple(map(self._keep_state, operation.inverse))), before)

    def _keep_state(self, command: Command) -> Command:
        """What it will read lies among the change's files, where people find it too."""
        if not command.state:
            return command
        return replace(command, state=b"", stored=self._keep_content(command.state), sha256=_digest(command.state))

    def _keep_folders(self, path: str) -> None:
        """The directories above a file that a program rewrites: it may remove one that becomes empty."""
        head = path.rpartition("/")[0]
        while head:
            if head not in self._folders and head not in self._now:
                with self._store.tree.folder(head) as folder:
                    self._folders[head] = look_at_folder(folder).kept
            head = head.rpartition("/")[0]

    # -- the tree as it will be
    def _canonical(self, path: str) -> str:
        head, _, name = path.rstrip("/").rpartition("/")
        if not path.startswith("/") or name in ("", ".", ".."):
            raise CannotPrepare(path, "is no path that can be changed")
        try:
            with self._store.tree.parent(path) as (folder, last):
                return folder.at(last)
        except FileNotFoundError:
            above = self._canonical(head) if head else "/"
            if isinstance(self._now.get(above), KeptFolder):
                return f"{above}/{name}"
            raise CannotPrepare(path, "its directory is not there") from None
        except NotADirectoryError:
            raise CannotPrepare(path, "its directory is not one") from None

    def _end_of_link(self, path: str) -> str:
        """Where a link leads inside the root: the file itself is written, the link stays."""
        end = self._store.target.resolve(path)
        if isinstance(end, Unknown):
            raise CannotPrepare(path, "is a link that leads to nothing inside the root")
        return self._canonical(end)

    def _seen(self, path: str) -> Seen:
        if path in self._now:
            return Seen(self._now[path])
        try:
            with self._store.tree.parent(path) as (folder, name):
                return look(folder, name)
        except FileNotFoundError:
            return Seen(Absent())
        except Refused as error:
            raise CannotPrepare(path, error.clause) from error

    def _changeable(self, path: str, entry: bool = True) -> Seen:
        """What is there, when it may be changed. ``entry``: the directory's entry changes, not only the inode."""
        seen = self._seen(path)
        if path in self._now:
            return seen
        self._check_folder(path, entry)
        if seen.locked:
            raise CannotPrepare(path, f"is {seen.locked} (chattr)", f"allow it first: chattr -ia {self._outside(path)}")
        if isinstance(seen.kept, KeptFile) and seen.filesystem != self._filesystem(path):
            raise CannotPrepare(path, "is a mount point of its own", "unmount it first")
        return seen

    def _replaceable(self, path: str) -> Kept:
        """What is there, when another inode may take its place."""
        seen = self._changeable(path)
        if isinstance(seen.kept, KeptFile) and seen.links > 1:
            raise CannotPrepare(
                path,
                f"has {seen.links} names (hard links), which replacing it would part",
                "edit it by hand, or make it a file of its own: cp -p to a new name and mv it back",
            )
        return self._keep(path, seen.kept)

    def _check_folder(self, path: str, entry: bool) -> None:
        head = path.rpartition("/")[0] or "/"
        if isinstance(self._now.get(head), KeptFolder) and head not in self._folders:
            return  # one that the plan makes
        with self._store.tree.folder(head) as folder:
            if not folder.writable() and not self._store.rehearsal:
                root = self._store.target.place
                raise CannotPrepare(
                    path, "lies on a filesystem that is mounted read-only", f"first: mount -o remount,rw {root}"
                )
            seen = look_at_folder(folder)
        if entry and seen.locked:
            raise CannotPrepare(head, f"is {seen.locked} (chattr)", f"allow it first: chattr -ia {self._outside(head)}")

    def _device(self, path: str) -> int:
        head = path.rpartition("/")[0] or "/"
        while head in self._now and head not in self._folders:  # made by the plan
            head = head.rpartition("/")[0] or "/"
        with self._store.tree.folder(head) as folder:
            status = folder.stat()
        return 0 if status is None else status.st_dev

    def _outside(self, path: str) -> str:
        """As a person would name it who does not stand in the root."""
        return self._store.target.place.rstrip("/") + path

    def _filesystem(self, path: str) -> int:
        with self._store.tree.folder(path.rpartition("/")[0] or "/") as folder:
            return folder.filesystem()

    def _label(self, path: str) -> dict[str, bytes]:
        """A new file's SELinux label, the directory's as the kernel would give it where SELinux is on."""
        head = path.rpartition("/")[0] or "/"
        kept = self._now.get(head)
        if not isinstance(kept, KeptFolder):
            with self._store.tree.folder(head) as folder:
                kept = look_at_folder(folder).kept
        assert isinstance(kept, KeptFolder)
        return {SELINUX: kept.xattrs[SELINUX]} if SELINUX in kept.xattrs else {}

    def _keep(self, path: str, kept: Kept) -> Kept:
        if not isinstance(kept, KeptFile) or kept.stored:
            return kept
        name = self._next_name()
        self._sources[name] = path
        return replace(kept, stored=name)

    def _keep_content(self, content: bytes) -> str:
        name = self._next_name()
        self._contents[name] = content
        return name

    def _next_name(self) -> str:
        return str(len(self._sources) + len(self._contents) + 1)

    def _done(self, operation: Operation, before: dict[str, Kept], after: dict[str, Kept], entry: bool = True) -> Step:
        for path in before if entry else ():
            head = path.rpartition("/")[0] or "/"
            if head not in self._folders and head not in self._now:
                with self._store.tree.folder(head) as folder:
                    self._folders[head] = look_at_folder(folder).kept
        self._now.update(after)
        return Step(operation, before, after)


def matching(store: Store, pattern: str) -> tuple[str, ...]:
    """Canonical paths of what a pattern of Run.keeps names: a plain path counts even when absent."""
    plain = not any(char in pattern for char in "*?[")
    paths = []
    for path in (pattern,) if plain else store.target.glob(pattern):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), store.tree.parent(path) as (folder, name):
            paths.append(folder.at(name))
    return tuple(paths)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _kept(made: Draft, name: str) -> KeptFile:
    for step in made.steps:
        for kept in (*step.before.values(), *step.after.values()):
            if isinstance(kept, KeptFile) and kept.stored == name:
                return kept
    raise AssertionError(f"nothing keeps {name}")


def _read(store: Store, path: str) -> Iterator[bytes]:
    with store.tree.parent(path) as (folder, name), folder.reading(name) as file:
        while True:
            data = os.read(file, CHUNK)
            if not data:
                return
            yield data


def _store(files: Folder, name: str, content: Iterator[bytes], wanted: str) -> None:
    digest = sha256()
    descriptor = files.create(name)
    try:
        for data in content:
            digest.update(data)
            files.write(name, descriptor, data)
        files.sync(name, descriptor)
    finally:
        os.close(descriptor)
    if digest.hexdigest() != wanted:
        raise CannotPrepare(f"kept file {name}", "it changed while it was copied")


def _check_space(store: Store, made: Draft) -> None:
    """Room for the backup, and on each filesystem for what replaces what is there, now and at undo."""
    kept = [
        value
        for step in made.steps
        for value in (*step.before.values(), *step.after.values())
        if isinstance(value, KeptFile)
    ]
    sizes = {value.stored: value.size for value in kept}
    sizes.update((name, len(data)) for name, data in made.contents.items())
    need = 2 * sum(sizes.values()) + SPARE
    space = store.free()
    have = space.f_bavail * space.f_frsize
    if have < need or (space.f_files and space.f_favail < INODES + len(sizes)):
        lack = f"{need // 1024} KiB are needed and {have // 1024} KiB free" if have < need else "no inodes are left"
        raise ChangeRefused(
            f"there is no room for the backup at {store.place}: {lack}",
            "make room (old logs, package caches), or give it a place on another disk: --backup-dir DIR",
        )
    for path in made.folders:
        with store.tree.folder(path) as folder:
            space = folder.space()
        need = max(sizes.values(), default=0) + SPARE // 4
        if space.f_bavail * space.f_frsize < need or (space.f_files and space.f_favail < 2):
            raise ChangeRefused(
                f"{shown(path)}: its filesystem is full, so a file there can't be replaced safely",
                "make room first (old logs, package caches)",
            )


def is_same(store: Store, path: str, kept: Kept) -> bool:
    """Is the path as it was kept, but for its times?"""
    try:
        with store.tree.parent(path) as (folder, name):
            return same(look(folder, name).kept, kept)
    except FileNotFoundError:
        return isinstance(kept, Absent)
