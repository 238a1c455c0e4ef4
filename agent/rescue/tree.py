"""A system's whole tree, put together from the disks that its fstab names, for as long as it is looked at.

Read-only: from claimed disks, on devices that can't be written to, without touching their logs. For writing:
mounted as it would be at boot, so that the kernel replays the logs first. Mount points are resolved inside of
the root, as after a chroot, and mounted on by descriptor: no link leads a mount to a place of the rescue system.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from agent.errors import AgentError
from agent.facts import superblock
from agent.facts.devices import BlockDevice
from agent.facts.facts import Facts
from agent.facts.fstab import FstabEntry
from agent.facts.superblock import Superblock
from agent.rescue.choice import chosen, damaged
from agent.rescue.disks import survey
from agent.rescue.links import FstabLink, companions, for_system
from agent.target import Mode, Target, busy
from agent.target.detect import open_target
from agent.target.door import RootDoor
from agent.target.failures import FAILURES, unknown
from agent.target.hold import DeviceBusy, held
from agent.target.mounting import MountFailed, Mounting, mounted

Say = Callable[[str], None]


def _silent(sentence: str) -> None:
    """Nobody wants to know."""


@contextlib.contextmanager
def opened(device: str, writable: bool = False, unchecked: bool = False, say: Say = _silent) -> Iterator[Target]:
    """The root on a disk as a Target, with the other filesystems of its fstab that belong to the system.

    ``device`` is a path, a link to it, UUID=... or LABEL=...; "" is the only disk with a root. ``say`` is told,
    in sentences, what is good to know: a log that was (not) replayed, a filesystem that is not there.
    ``unchecked`` allows writing to a filesystem that is marked as holding errors.

    Raises AgentError with a hint, and nothing is mounted then: in use, no root on it, damaged. What was mounted
    is unmounted again at the end, whatever happens; the Target tells nothing any more then.
    """
    host = open_target("/")
    if host.mode is Mode.CHROOT:
        raise AgentError(
            "in a chroot, disks are not opened by their names",
            "leave the chroot first (exit); or leave --device out: the root that you are in is then examined",
        )
    facts = Facts(host)
    disk = chosen(facts, device)
    with contextlib.ExitStack() as stack:
        tree = _Tree(stack, host, writable, unchecked, say)
        directory = tree.mount(disk.device, disk.subvolume).path
        door = RootDoor(directory, live=False, rescue=True)  # rescue: the machine that we run on holds its disks
        stack.callback(door.close)  # or the root could not be unmounted
        target = Target(door, directory, Mode.OFFLINE, True, host.root_user, disk.device.path)
        links = _links(target, facts)
        for link in links:
            if link.why:
                say(link.why)
        for link in for_system(links):
            tree.mount_companion(door, link)
        yield target


def _links(target: Target, facts: Facts) -> tuple[FstabLink, ...]:
    """What else fstab names. Only where a line is in doubt, all disks are looked into."""
    found = companions(target, survey(facts, looking=False))
    if any(link.why for link in found):
        found = companions(target, survey(facts))
    return found


@dataclass
class _Tree:
    """What is mounted so far, and how; ``sources`` are the devices to mount, by the number of each disk."""

    stack: contextlib.ExitStack
    host: Target
    writable: bool
    unchecked: bool
    say: Say
    sources: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def mount(self, device: BlockDevice, subvolume: str, at: int = -1) -> Mounting:
        """Mount a disk until the stack ends; AgentError with a hint."""
        first = device.number not in self.sources  # a btrfs may hold several of them
        if first:
            self.sources[device.number] = self._to_write(device) if self.writable else self._to_read(device)
        source, guarded = self.sources[device.number]
        try:
            context = mounted(source, device.type, self.writable, subvolume, at, guarded)
            mounting = self.stack.enter_context(context)
        except MountFailed as error:
            raise damaged(device, error.reason) from error
        if first and mounting.unfinished:
            how = "was replayed by mounting it" if self.writable else "is not replayed: what is seen may be old"
            self.say(f"{device.path} was not cleanly unmounted: its log {how}")
        return mounting

    def mount_companion(self, door: RootDoor, link: FstabLink) -> None:
        """Mount what fstab wants at a directory of the root. What can't be had is said; for writing it is an
        error, where boot insists on it: what would be written below is covered at the next boot."""
        point = link.entry.file
        if link.disk is None:
            return
        try:
            with door.directory(point) as descriptor:
                self.mount(link.disk.device, _subvolume(link.entry), descriptor)
        except FAILURES as error:
            self.say(f"{link.disk.device.path} is not mounted: {unknown(point, error).reason}")
        except AgentError as error:
            if self.writable and link.entry.required:
                raise
            self.say(f"what fstab mounts on {point} is not seen: {error.message}")

    def _to_read(self, device: BlockDevice) -> tuple[str, bool]:
        claim = self.stack.enter_context(held(device.path))
        return claim.place, claim.guarded

    def _to_write(self, device: BlockDevice) -> tuple[str, bool]:
        why = busy.in_use(device.number)  # a second mount of the same filesystem would be given without a word
        if why:
            raise DeviceBusy(device.path, why)
        if device.read_only:
            raise AgentError(f"{device.path} is read-only: nothing on it can be changed")
        found = superblock.of(self.host, device.path)
        if not self.unchecked and isinstance(found, Superblock) and (found.errors or found.problem):
            raise damaged(device, f"{found.damage}: it has to be repaired before it is written to")
        return device.path, True


def _subvolume(entry: FstabEntry) -> str:
    number = entry.option("subvolid")
    return f"subvolid={number}" if number else (entry.option("subvol") or "").strip("/")
