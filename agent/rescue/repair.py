"""Repair a filesystem that nobody has mounted: what is safe at once, the rest only when a person agreed to it.

    with repairing(device, backup_dir, progress) as work:
        work.start()
        while work.question is not None and agreed(work.question):
            work.go_on()
        result = work.finish()

ext2, ext3, ext4: `e2fsck -fp` replays the journal and repairs what is safe. What that refuses is put to the
person, and then `e2fsck -fy` is run. Each run writes what it overwrites to an undo file (`e2fsck -z`), so that
agent undo can take it back to the byte. XFS: the log is replayed by a mount, then `xfs_repair`; there is no undo.
btrfs: its own authors advise against btrfs check --repair, so it is not run.

The device is held from before the first look until after the last check: nobody can mount it meanwhile. A
Ctrl-C lets e2fsck finish what it is at, and puts back what it did. When we are killed, e2fsck finishes its work.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from agent.errors import AgentError
from agent.facts.devices import BlockDevice
from agent.rescue import extfs
from agent.rescue.repairs import list_repairs
from agent.rescue.stopping import Killed, stoppable
from agent.rescue.take_back import undo_repair
from agent.rescue.work import Progress, Question, Repairing
from agent.target import command, signature
from agent.target.failures import shown
from agent.target.hold import Held, held


@contextlib.contextmanager
def repairing(device: BlockDevice, backup_dir: str = "", progress: Progress | None = None) -> Iterator[Repairing]:
    """Hold the device, and begin the record of a repair; nothing is written to the disk yet.

    Raises DeviceBusy when it is in use, AgentError when this type is not repaired here or the record can't be
    written. On Ctrl-C or SIGTERM all is put back where that is possible (``repair.state`` tells), and the
    exception goes on.
    """
    with stoppable(), held(device.path, writing=True) as hold:
        lost = signature.lost(hold.place, hold.size) if not device.type else None
        kind = lost.type if lost is not None else device.type
        _refuse(hold, kind, lost is not None)
        work = Repairing(hold, kind, backup_dir, progress or (lambda text: None))
        try:
            yield work
        except BaseException as error:
            work.leave(error)
            raise


def _refuse(hold: Held, kind: str, lost: bool) -> None:
    """AgentError for what is not repaired here, with what to do instead."""
    if kind in extfs.TYPES:
        if command.find("e2fsck") is None:
            raise AgentError("e2fsck is not installed", "install e2fsprogs, or use a rescue system")
        return
    if kind == "xfs":
        if command.find("xfs_repair") is None:
            raise AgentError("xfs_repair is not installed", "install xfsprogs, or use a rescue system")
        return
    if kind == "btrfs":
        way = f"btrfs rescue super-recover {hold.path}" if lost else f"mount it, and: btrfs scrub start -B {hold.path}"
        raise AgentError(
            f"{hold.path}: a btrfs is not repaired here, since btrfs check --repair can make it worse",
            f"{way}; if that does not help: save its files with btrfs restore {hold.path} DIR, and restore a backup"
            " or rebuild the disk (Cloud Manager: Rebuild)",
        )
    what = f"{shown(kind)} is nothing that this program can repair" if kind else "no filesystem was recognised on it"
    raise AgentError(f"{hold.path}: {what}", "agent rescue lists the disks and what is on them")


__all__ = ["Killed", "Question", "Repairing", "list_repairs", "repairing", "undo_repair"]
