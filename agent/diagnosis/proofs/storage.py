"""Proofs of storage: full file systems, and a host that ran out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, wanted
from agent.facts.facts import Facts
from agent.facts.storage import Mount
from agent.target.model import Space
from agent.unknown import Unknown

# File systems that live on a disk and can be written to, and overlay, which a container's root is.
DISK_TYPES = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "reiserfs", "jfs", "zfs", "bcachefs"})

# Where a host can't work without space; offline these are directories of one file system, or not mounted.
SYSTEM = ("/", "/var", "/var/log", "/var/lib", "/tmp", "/usr", "/home", "/root", "/boot")

EMPTY = 1024 * 1024  # bytes; with less than this nothing useful is written
LOW = 0.01  # of the file system: nearly full, when it is also less than LOW_BYTES
LOW_BYTES = 256 * 1024 * 1024
INODES = 10
RESERVED = 0.01  # of the file system; root still writes when more than this is kept back for it
OLD = 3 * 86400.0  # seconds


@dataclass(frozen=True)
class Room:
    point: str
    space: Space
    type: str = ""  # "" when it is not known: offline

    @property
    def system(self) -> bool:
        return self.point in SYSTEM[:-3] or self.point.startswith(("/var/", "/usr/"))

    @property
    def image(self) -> bool:
        """A read-only image, always full: squashfs, a CD."""
        return self.space.read_only and self.space.bytes_free == 0 and self.space.inodes_free == 0


def rooms(facts: Facts) -> Iterator[Room]:
    """The target's own file systems, each once."""
    seen: set[tuple[int, ...]] = set()
    mounts = facts.mounts
    points = [(point, "") for point in SYSTEM]
    if not isinstance(mounts, Unknown):
        points = [(mount.point, mount.type) for mount in _own(mounts)]
    for point, kind in points:
        space = facts.target.space(point)
        if isinstance(space, Unknown) or not space.bytes_total:
            continue
        if space.read_only and facts.target.live:
            continue  # nothing is written there; offline the mount is the rescue system's choice
        key = (space.bytes_total, space.bytes_free, space.inodes_total, space.inodes_free)
        if key not in seen:
            seen.add(key)
            yield Room(point, space, kind)


def _own(mounts: tuple[Mount, ...]) -> Iterator[Mount]:
    for mount in mounts:
        disk = mount.type in DISK_TYPES and not mount.source.startswith("/dev/loop")
        if disk or (mount.point == "/" and mount.type == "overlay"):
            yield mount


def _nothing_known(facts: Facts) -> CantTell:
    space = facts.target.space("/")
    return CantTell(space.reason if isinstance(space, Unknown) else "the file system does not tell its size")


def disk_full(context: Context) -> Proof:
    """statvfs: nothing is available on one of the host's file systems."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    found = list(rooms(facts))
    full = [room for room in found if room.space.bytes_available < EMPTY and not room.image]
    if not found:
        return _nothing_known(facts)
    for room in found if not full else ():
        if room.space.bytes_available < min(room.space.bytes_total * LOW, LOW_BYTES) and not room.image:
            size = f"{_megabytes(room.space.bytes_total)}, {_megabytes(room.space.bytes_available)} available"
            why = f"{room.point} is nearly full ({size})"
            return Holds(why, (Evidence(f"df {room.point}", size),), {"point": room.point}, Severity.WARNING)
    if not full:
        return Fails(f"{_megabytes(found[0].space.bytes_available)} are available on {found[0].point}")
    room = min(full, key=lambda one: (not one.system, len(one.point)))
    kept = room.space.bytes_free > max(EMPTY, RESERVED * room.space.bytes_total)
    critical = room.system and not kept
    size = f"{_megabytes(room.space.bytes_total)}, {_megabytes(room.space.bytes_available)} available"
    return Holds(
        f"{room.point} is full ({size})",
        (Evidence(f"df {room.point}", f"{size}, {_megabytes(room.space.bytes_free)} free for root"),),
        {"point": room.point},
        Severity.CRITICAL if critical else Severity.WARNING,
    )


def _megabytes(count: int) -> str:
    return f"{count // (1024 * 1024)} MiB"


def inodes_full(context: Context) -> Proof:
    """statvfs: no inode is free while bytes are. XFS makes inodes of bytes, so that both end together."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    found = list(rooms(facts))
    if not found:
        return _nothing_known(facts)
    for room in found:
        space = room.space
        if not space.inodes_total or space.inodes_free > INODES or room.image:
            continue
        if space.bytes_free < EMPTY:
            continue
        return Holds(
            f"{room.point} has no inodes left ({space.inodes_free} of {space.inodes_total})",
            (Evidence(f"df -i {room.point}", f"{space.inodes_total} inodes, {space.inodes_free} free"),),
            {"point": room.point},
            Severity.CRITICAL if room.system else Severity.WARNING,
        )
    return Fails("inodes are free on every file system")


def oom_killer(context: Context) -> Proof:
    """The kernel killed for the whole host in the newest boot; long ago it is a remark."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    kernel = [match for match in parts.trusted_matches(context, "killed") if match.entry.kernel]
    if not kernel:
        if context.entries():
            return CantTell("a log says so; the kernel's own word for the whole host is not in the journal")
        return Fails("the kernel has killed nothing in the newest boot")
    entry = kernel[-1].entry
    old = _age(facts, entry.time) > OLD
    why = f"the kernel killed for memory {len(kernel)} times in the newest boot"
    if len(kernel) == 1:
        why = "the kernel killed a process for memory in the newest boot"
    return Holds(why, (parts.entry_evidence(entry),), {}, Severity.INFO if old else None)


def _age(facts: Facts, time: float | None) -> float:
    """Seconds since then on a host that runs, 0 where that can't be told."""
    started, uptime = facts.boot.started, facts.target.text("/proc/uptime")
    if not facts.target.live or isinstance(started, Unknown) or isinstance(uptime, Unknown) or time is None:
        return 0.0
    try:
        return started + float(uptime.split()[0]) - time
    except (ValueError, IndexError):
        return 0.0


PROOFS: dict[str, ProofFunction] = {
    "disk_full": disk_full,
    "inodes_full": inodes_full,
    "oom_killer": oom_killer,
}
