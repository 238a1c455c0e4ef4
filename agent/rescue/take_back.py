"""Take a repair of an ext filesystem back: what its steps overwrote is written again, the last step first.

e2undo(8) alone would not do. It refuses when the superblock says that somebody has written since, which is right;
but an undo file that e2fsck could not finish it accepts, writes a part of it, and marks the filesystem as damaged.
So a step is undone only with a finished undo file, and only on the superblock that it left.
"""

from __future__ import annotations

import os
import struct
import time
from dataclasses import replace

from agent.errors import AgentError
from agent.rescue import extfs, repairs, tool
from agent.rescue.repairs import Repair, State, Step
from agent.rescue.stopping import unstoppable
from agent.rescue.tool import Ask
from agent.target.hold import Held, held
from agent.unknown import Unknown

_HEADER = 512  # bytes; struct undo_header of e2fsprogs
_MAGIC = b"E2UNDO02"
_STATE_AT, _FINISHED = 0x2C, 1


class CannotUndo(AgentError):
    """The repair can't be taken back; unless its state is "undoing", nothing was written to the disk."""


def undo_repair(wanted: str, backup_dir: str = "") -> Repair:
    """Take back the repair of that id ("fsck": the last one); its record, in state undone.

    Raises CannotUndo when it can't be taken back to the byte (somebody wrote to the disk since, a newer repair
    lies over it, the undo file is unfinished), DeviceBusy when the disk is in use.
    """
    repair = repairs.find(wanted, backup_dir)
    if repair.state is State.UNDONE:
        raise CannotUndo(f"{repair.id} is undone already")
    if repair.no_undo:
        raise CannotUndo(f"{repair.id} can't be undone: {repair.no_undo}", "restore a backup instead")
    newer = [
        one.id
        for one in repairs.list_repairs(backup_dir)
        if one.uuid == repair.uuid and one.started > repair.started and any(step.changed for step in one.steps)
        if one.state is not State.UNDONE
    ]
    if newer:
        raise CannotUndo(f"{newer[-1]} repaired the same filesystem later", f"first: agent undo {newer[-1]}")
    with unstoppable(), held(repair.device, writing=True) as hold:
        _same_filesystem(repair, hold)
        return take_back(repair, hold, "taken back: the filesystem is as damaged as it was before")


def _same_filesystem(repair: Repair, hold: Held) -> None:
    descriptor = os.open(hold.place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        first = extfs.read(descriptor)
    finally:
        os.close(descriptor)
    if first is not None and first.uuid.hex() != repair.uuid:
        raise CannotUndo(
            f"{repair.id} can't be undone: {repair.device} holds another filesystem now",
            "the disks may have changed their order: agent rescue lists them",
        )


def take_back(repair: Repair, hold: Held, why: str) -> Repair:
    """All steps, of a device that is held for writing."""
    if repair.state is State.UNDOING:
        return _take_back_again(repair, hold, why)
    todo = _todo(repair, hold)
    repair = repairs.save(replace(repair, state=State.UNDOING))
    for step in todo:
        take_back_step(repair, step, hold)
    return _undone(repair, why)


def _take_back_again(repair: Repair, hold: Held, why: str) -> Repair:
    """After an undo that was interrupted. Blocks are anywhere between before and after, but the superblock is one
    that the repair knows; what is written a second time does no harm."""
    now = digest(hold)
    steps = [step for step in repair.steps if _finished(repair, step)]
    while steps and not any(extfs.same_superblock(now, one) for one in (steps[-1].before, steps[-1].after) if one):
        steps.pop()
    if not steps:
        raise _written_since(repair)
    for step in reversed(steps):
        _write_back(repair, step, hold, force=True)
    _verify(repair, steps[0], hold)
    return _undone(repair, why)


def _undone(repair: Repair, why: str) -> Repair:
    return repairs.save(replace(repair, state=State.UNDONE, verified=False, why=why, next=(), ended=time.time()))


def _todo(repair: Repair, hold: Held) -> list[Step]:
    """The steps that have to be undone, last first; CannotUndo unless each of them can."""
    now = digest(hold)
    todo: list[Step] = []
    for step in reversed(repair.steps):
        if not _finished(repair, step):
            if step.before == (todo[-1].before if todo else now) and is_empty(repair, step):
                continue  # ended before it had written anything
            raise CannotUndo(
                f"{repair.id} can't be undone: e2fsck was killed, and its undo file is unfinished",
                f"repair it again: agent fix --fsck --device {repair.device}",
            )
        if not todo and step.after and now != step.after:
            raise _written_since(repair)
        todo.append(step)
    if not todo and repair.steps and repair.steps[0].before != now:
        raise _written_since(repair)
    return todo


def is_empty(repair: Repair, step: Step) -> bool:
    """Has the undo file nothing in it but its head, so that nothing was overwritten yet?"""
    if not step.undo or not step.superblock:
        return False
    first = extfs.parse(bytes.fromhex(step.superblock))
    try:
        size = os.stat(f"{repair.place}/{step.undo}").st_size
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return size <= 2 * (first.block_size if first is not None else 1024)  # its header, and the superblock


def _finished(repair: Repair, step: Step) -> bool:
    return bool(step.undo) and is_finished(f"{repair.place}/{step.undo}")


def _written_since(repair: Repair) -> CannotUndo:
    return CannotUndo(
        f"{repair.id} can't be undone: {repair.device} was written to since (mounted, or checked again)",
        "to undo it would damage what was written; restore a backup instead",
    )


def is_finished(path: str) -> bool:
    """Is this an undo file that has all that was overwritten?"""
    try:
        with open(path, "rb") as stream:
            header = stream.read(_HEADER)
    except OSError:
        return False
    if _is_blocks(path):
        return bool(header)  # written and synced before anything else
    if len(header) != _HEADER or not header.startswith(_MAGIC):
        return False
    state, checksum = struct.unpack_from("<I", header, _STATE_AT)[0], struct.unpack_from("<I", header, _HEADER - 4)[0]
    return bool(state & _FINISHED) and checksum == extfs.crc32c(header[: _HEADER - 4])


def _is_blocks(path: str) -> bool:
    return os.path.basename(path).startswith("blocks-")


def take_back_step(repair: Repair, step: Step, hold: Held) -> None:
    """One step, the last that has not been undone."""
    _write_back(repair, step, hold)
    _verify(repair, step, hold)


def _write_back(repair: Repair, step: Step, hold: Held, force: bool = False) -> None:
    path = f"{repair.place}/{step.undo}"
    if _is_blocks(path):
        with open(path, "rb") as stream:
            write(hold, extfs.PLACE, stream.read())
        return
    if not force:
        _run(("e2undo", "-n", path, hold.place), hold, repair, "nothing was changed")
    _run(("e2undo", *(("-f",) if force else ()), path, hold.place), hold, repair, f"again: agent undo {repair.id}")
    if force:  # it has marked the superblock, lest somebody trust the filesystem
        write(hold, extfs.PLACE, bytes.fromhex(step.superblock))


def _verify(repair: Repair, step: Step, hold: Held) -> None:
    if digest(hold) != step.before:
        raise AgentError(
            f"{repair.id}: e2undo ended well, but the disk's beginning is not what it was before the repair",
            f"check it: e2fsck -fn {repair.device}",
        )


def _run(command: tuple[str, ...], hold: Held, repair: Repair, hint: str) -> None:
    said = tool.run(Ask(command, gently=True, stoppable=False), hold)
    if isinstance(said, Unknown):
        raise CannotUndo(f"{repair.id} can't be undone: {said.reason}", "it belongs to e2fsprogs")
    if said.exit != 0 or "Incomplete undo record" in said.output:
        words = " ".join(said.output.split())[:300]
        raise CannotUndo(f"{repair.id} can't be undone: e2undo: {words or f'exit {said.exit}'}", hint)


def write(hold: Held, offset: int, data: bytes) -> None:
    """To a held device, synced."""
    descriptor = os.open(hold.place, os.O_RDWR | os.O_CLOEXEC)
    try:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(descriptor, rest, offset)
            rest, offset = rest[written:], offset + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(hold: Held) -> str:
    """Of the disk's beginning, as it is now."""
    descriptor = os.open(hold.place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return extfs.digest(descriptor)
    finally:
        os.close(descriptor)
