"""A repair while it goes on: its steps, what has to be asked between them, and its record.

Each step's intent is on disk before it runs. A step that wrote without leaving what undoes it makes the whole
repair one that can't be taken back, and the record says so.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from typing import Callable

from agent.errors import AgentError
from agent.facts.filesystem import Health
from agent.rescue import check, extfs, repairs, take_back
from agent.rescue.repairs import Repair, State, Step
from agent.rescue.stopping import Killed, unstoppable
from agent.rescue.tool import PROGRESS, Ask, Said, run
from agent.target import mounting
from agent.target.failures import shown
from agent.target.hold import Held
from agent.unknown import Unknown

Progress = Callable[[str], None]

_MIB = 1024 * 1024
_FLOOR = 16 * _MIB  # bytes that are left free beside an undo file: e2fsck needs room to finish it
_REFUSALS = 40  # lines of what -p refused that are shown
REBUILD = (
    "this filesystem is beyond its checker: restore a backup (Cloud Manager: Backups), or save what can still be"
    " read and rebuild the disk (Cloud Manager: Rebuild)"
)


@dataclass(frozen=True)
class Question:
    """What only a person may allow. ``command`` is what would be run next, as typed; ``refused`` is what the
    safe way refused, in the program's words; ``without_undo``: it could not be taken back."""

    text: str  # one sentence: "e2fsck -p refuses to repair the rest by itself."
    risk: str  # what may come of it
    command: tuple[str, ...]
    refused: tuple[str, ...] = ()
    without_undo: bool = False


class Repairing:
    """A repair while it goes on. ``question`` is what has to be agreed to before ``go_on``; ``repair`` is the
    record so far."""

    def __init__(self, hold: Held, kind: str, backup_dir: str, progress: Progress) -> None:
        self._hold = hold
        self._backup_dir = backup_dir
        self._progress = progress
        self._next: Callable[[], None] = self._preen if kind in extfs.TYPES else self._xfs
        self._mode = "-fp"
        self._with_undo = kind in extfs.TYPES
        self._consented = False  # to go on without undo
        self._more = ""  # why the last step could not do all
        self.question: Question | None = None
        self._first, self._backup = self._superblocks() if kind in extfs.TYPES else (None, None)
        self._super = self._first or self._backup
        uuid = self._super.uuid.hex() if self._super is not None else ""
        self.repair = repairs.begin(hold.path, kind, uuid, backup_dir)

    # -- for the caller

    def start(self) -> None:
        """Do all that nobody has to be asked for."""
        if self.repair.type == "xfs":
            self._ask_without_undo("XFS has no undo file")
        elif self._super is None:
            raise AgentError(f"{self._hold.path}: no superblock and no copy of it is left", REBUILD)
        else:
            room = self._room_is_missing()
            if room:
                self._ask_without_undo(room)
            else:
                self._next()

    def go_on(self) -> None:
        """Do what ``question`` asks about."""
        question = self.question
        if question is None:
            return
        self.question = None
        if question.without_undo:
            self._with_undo = False
            self._consented = True
            self._save(no_undo=self._more)
        self._next()

    def finish(self) -> Repair:
        """Check what came of it, and close the record."""
        if self.repair.ended is not None:
            return self.repair
        checked = check.check_held(self._hold, self.repair.type, self._progress)
        verified = checked.health is Health.CLEAN
        next: tuple[str, ...] = ()
        if verified:
            state, why = State.REPAIRED, "repaired, and a full check found nothing wrong"
            if any("lost+found" in step.output for step in self.repair.steps):
                next = ("what had lost its name is in lost+found, at the top of that filesystem",)
        elif self.question is not None:
            state, why = State.REFUSED, f"not repaired: {checked.why}"
        elif checked.health is Health.UNCHECKED:
            state, why = State.FAILED, f"whether it is repaired could not be checked: {checked.why}"
        else:
            state, why = State.FAILED, f"still damaged after the repair: {checked.why}"
            next = (REBUILD,)
        self.repair = replace(self.repair, verified=verified, next=next)
        self.repair = repairs.ended(self.repair, state, why)
        return self.repair

    def leave(self, error: BaseException) -> None:
        """Something went wrong, or somebody stopped it: put back what can be."""
        if self.repair.ended is not None:
            return
        cause = "stopped" if isinstance(error, (KeyboardInterrupt, Killed)) else "failed"
        if not any(step.changed for step in self.repair.steps):
            self.repair = repairs.ended(self.repair, State.UNDONE, f"{cause}: nothing was changed")
            return
        again = f"repair it again: agent fix --fsck --device {self._hold.path}"
        if self.repair.no_undo:
            self.repair = replace(self.repair, next=(again,))
            why = f"{cause} half-way, and can't be put back: {self.repair.no_undo}"
            self.repair = repairs.ended(self.repair, State.STOPPED, why)
            return
        try:
            with unstoppable():
                self.repair = take_back.take_back(self.repair, self._hold, f"{cause}: all was put back")
        except (AgentError, OSError) as failed:
            begun = repairs.find(self.repair.id, self._backup_dir).state is State.UNDOING
            state = State.UNDOING if begun else State.STOPPED  # the former can be undone again
            no_undo = "" if begun else str(failed)
            self.repair = replace(self.repair, next=(again,), no_undo=no_undo)
            self.repair = repairs.ended(self.repair, state, f"{cause} half-way: {failed}")

    # -- ext2, ext3, ext4

    def _preen(self) -> None:
        if self._backup is not None:
            block = extfs.place_of(self._backup)
            part = "superblock is" if self._first is None else "group descriptors are"
            self._next = self._insist
            self.question = Question(
                f"The {part} gone, and e2fsck -p can't repair that safely.",
                f"The copy in block {block} is written to its place; then every question of e2fsck is answered"
                " with yes, which may cut off damaged files or move them to lost+found.",
                ("e2fsck", "-fy", self._hold.path),
            )
            return
        said = self._e2fsck("-fp")
        if said is None:
            return
        if said.exit & ~3:
            self._next = self._insist
            self.question = Question(
                "e2fsck -p has repaired what is safe, and refuses the rest.",
                "e2fsck -y answers all of its questions with yes: it may cut off damaged files, or move what has"
                " lost its name to lost+found.",
                ("e2fsck", "-fy", self._hold.path),
                _refused(said),
            )

    def _insist(self) -> None:
        if self._backup is not None:
            self._write_beginning(self._backup)
            self._backup = None
        for _ in range(2):  # what the first run has put in order shows more to the second, at times
            said = self._e2fsck("-fy")
            if said is None or not said.exit & 4:
                return

    def _e2fsck(self, mode: str) -> Said | None:
        """None when it has to be asked whether to do it without undo; that is the question then."""
        while True:
            name = f"undo-{len(self.repair.steps) + 1}" if self._with_undo else ""
            path = f"{self.repair.place}/{name}"
            undo = ("-z", path) if name else ()
            line = ("e2fsck", mode, *undo, "-C", PROGRESS, self._hold.place)
            progress = check.passes(f"repairing {self._hold.path}", self._progress)
            watch = self._room_ends if name else None
            ask = Ask(line, progress=progress, watch=watch, gently=True, waiting=self._stopping)
            said = self._step(ask, name)
            hindered = check.hindered(said) if not self.repair.steps[-1].changed else ""
            if hindered:
                raise AgentError(f"{self._hold.path} can't be repaired: {hindered}", "; ".join(_last_words(said)))
            if not name or take_back.is_finished(path):
                if not said.stopped:
                    self._refuse_half(said)
                    return said
                why = said.stopped
            elif self.repair.steps[-1].changed:
                self._save(no_undo="e2fsck could not finish its undo file")
                self._refuse_half(said)
                return said
            elif said.exit >= 0 and said.exit & 8:  # seen with e2fsck 1.47 and damaged group descriptors
                why = "e2fsck can't keep an undo file for so damaged a filesystem"
            elif said.exit >= 0 and said.exit & 16:
                why = "this e2fsck is too old to keep an undo file"
            else:
                self._refuse_half(said)
                return said
            self._drop_step()
            if not self._consented:
                self._next = self._preen if mode == "-fp" else self._insist
                self._ask_without_undo(why)
                return None
            self._with_undo = False
            self._save(no_undo=why)

    def _refuse_half(self, said: Said) -> None:
        """What came of it means nothing when somebody else ended it."""
        if said.exit < 0 or said.exit & 32:
            raise AgentError(
                f"e2fsck was ended by somebody else, or for lack of memory ({said.exit})",
                f"again: agent fix --fsck --device {self._hold.path}",
            )

    def _stopping(self) -> None:
        self._progress(f"stopping: e2fsck finishes what it has begun on {self._hold.path}")

    def _drop_step(self) -> None:
        """What the last run wrote is put back; it is as if it had not been."""
        last = self.repair.steps[-1]
        if last.changed:
            with unstoppable():
                take_back.take_back_step(self.repair, last, self._hold)
        with contextlib.suppress(OSError):
            os.unlink(f"{self.repair.place}/{last.undo}")
        self._save(steps=self.repair.steps[:-1])

    def _write_beginning(self, backup: extfs.Superblock) -> None:
        """e2fsck would do it by itself, but its undo file wants a filesystem that can be opened."""
        name = f"blocks-{len(self.repair.steps) + 1}"
        descriptor = os.open(self._hold.place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = extfs.beginning(descriptor, self._first, backup)
            repairs.keep(self.repair, name, os.pread(descriptor, len(data), extfs.PLACE))
            step = Step(
                (),
                undo=name,
                before=extfs.digest(descriptor),
                after=extfs.digest(descriptor, data),
                superblock=extfs.first_bytes(descriptor).hex(),
            )
        finally:
            os.close(descriptor)
        self._save(steps=(*self.repair.steps, step))
        take_back.write(self._hold, extfs.PLACE, data)
        part = "superblock and group descriptors" if self._first is None else "group descriptors"
        text = f"{part} were written from the copy in block {extfs.place_of(backup)}"
        self._save(steps=(*self.repair.steps[:-1], replace(step, exit=0, output=text)))

    def _superblocks(self) -> tuple[extfs.Superblock | None, extfs.Superblock | None]:
        """The first, if it is there, and a copy, if that is needed."""
        try:
            descriptor = os.open(self._hold.place, os.O_RDONLY | os.O_CLOEXEC)
            try:
                first = extfs.read(descriptor)
                sound = first is not None and extfs.sound_descriptors(descriptor, first)
                return first, None if sound else extfs.copy(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise AgentError(
                f"{self._hold.path}: its superblock can't be read: {error.strerror}",
                "the disk itself gives errors: save what can be read, and restore a backup",
            ) from error

    # -- room for the undo file

    def _room_is_missing(self) -> str:
        """Why an undo file may not fit; "" when it should."""
        assert self._super is not None
        need = self._hold.size // 1000 + 4 * _MIB + (self._super.journal if self._super.needs_recovery else 0)
        free = self._free()
        if free >= need + _FLOOR:
            return ""
        return (
            f"its undo file may take {_mib(need)}, and {shown(os.path.dirname(self.repair.place))} has room for"
            f" {_mib(max(free - _FLOOR, 0))} (another place: --backup-dir DIR)"
        )

    def _room_ends(self) -> str:
        if self._free() >= _FLOOR // 2:
            return ""
        return f"its undo file has outgrown the room in {shown(os.path.dirname(self.repair.place))} (--backup-dir DIR)"

    def _free(self) -> int:
        found = os.statvfs(self.repair.place)
        return found.f_bavail * found.f_frsize

    def _ask_without_undo(self, why: str) -> None:
        self._more = why
        words = ("xfs_repair",) if self.repair.type == "xfs" else ("e2fsck", self._next_mode())
        self.question = Question(
            f"This repair could not be taken back: {why}.",
            "Without undo, what the checker decides is final. Is there a backup?",
            (*words, self._hold.path),
            without_undo=True,
        )

    def _next_mode(self) -> str:
        return "-fy" if self._next == self._insist else "-fp"

    # -- XFS

    def _xfs(self) -> None:
        said = self._step(Ask(("xfs_repair", self._hold.place), line=self._phases(), gently=True))
        if said.exit != 2 or "in a log" not in said.output:
            return
        try:
            with mounting.mounted(self._hold.place, "xfs", writable=True):
                pass
        except mounting.MountFailed as error:
            self._next = self._xfs_without_log
            self.question = Question(
                f"Its log can't be replayed, for it can't be mounted ({error.reason}).",
                "xfs_repair -L throws the log away: what was being changed when it stopped is lost, and files may be.",
                ("xfs_repair", "-L", self._hold.path),
                tuple(said.output.strip().split("\n")[-7:]),
            )
            return
        text = "mounted and unmounted: the kernel has replayed its log"
        self._save(steps=(*self.repair.steps, Step(("mount", self._hold.path), 0, text)))
        self._step(Ask(("xfs_repair", self._hold.place), line=self._phases(), gently=True))

    def _xfs_without_log(self) -> None:
        self._step(Ask(("xfs_repair", "-L", self._hold.place), line=self._phases(), gently=True))

    def _phases(self) -> Progress:
        return check.phases(f"repairing {self._hold.path}", self._progress)

    # -- the record

    def _step(self, ask: Ask, undo: str = "") -> Said:
        """Run a program; its intent is on disk before, and what came of it after."""
        before, superblock = self._beginning()
        typed = tuple(
            self._hold.path if word == self._hold.place else word
            for word in ask.command
            if word not in ("-C", PROGRESS)
        )
        earlier = self.repair.steps
        self._save(steps=(*earlier, Step(typed, undo=undo, before=before, superblock=superblock)))
        said = run(ask, self._hold)
        if isinstance(said, Unknown):
            self._save(steps=earlier)
            raise AgentError(
                f"{self._hold.path} can't be repaired: {said.reason}", "install it, or use a rescue system"
            )
        after, _ = self._beginning()
        output = re.sub(
            r"(?m)^Overwriting existing filesystem; this can be undone.*\n.*e2undo .*\n\n?", "", said.output
        )
        said = replace(said, output=output)
        step = Step(typed, said.exit, output, said.seconds, undo, before, after, superblock)
        changed = before != after or not take_back.is_empty(self.repair, step)
        self._save(steps=(*earlier, replace(step, changed=changed)))
        if undo:
            _sync(f"{self.repair.place}/{undo}")
        return said

    def _beginning(self) -> tuple[str, str]:
        """Its digest, and the superblock in hexadecimal."""
        descriptor = os.open(self._hold.place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return extfs.digest(descriptor), extfs.first_bytes(descriptor).hex()
        finally:
            os.close(descriptor)

    def _save(self, steps: tuple[Step, ...] | None = None, no_undo: str | None = None) -> None:
        if steps is not None:
            self.repair = replace(self.repair, steps=steps)
        if no_undo is not None:
            self.repair = replace(self.repair, no_undo=no_undo)
        repairs.save(self.repair)


def _refused(said: Said) -> tuple[str, ...]:
    """What -p did not want to decide: the end of what it said."""
    lines = [line.rstrip() for line in said.output.split("\n") if line.strip()]
    return tuple(lines[-_REFUSALS:])


def _last_words(said: Said) -> list[str]:
    return [line.strip() for line in said.output.split("\n") if line.strip()][-2:]


def _mib(size: int) -> str:
    return f"{-(-size // _MIB)} MiB"


def _sync(path: str) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
