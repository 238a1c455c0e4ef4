"""Proofs of storage: full, read-only or damaged file systems, and a host that ran out of memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, wanted
from agent.facts.facts import Facts
from agent.facts.storage import Mount
from agent.logs.model import Match
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


def fs_read_only(context: Context) -> Proof:
    """Live: a file system that fstab wants writable is mounted read-only. Offline: the kernel made it so in the
    newest boot."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if not facts.target.live:
        return _remounted(context)
    mounts = facts.mounts
    if isinstance(mounts, Unknown):
        return CantTell(mounts.reason, wanted.log_values(context))
    if wanted.container(facts) or facts.target.exists("/run/ostree-booted"):
        return Fails("what is mounted here was decided from outside")
    last = {mount.point: mount for mount in mounts}  # a later mount hides an earlier one
    for mount in sorted(last.values(), key=lambda one: len(one.point)):
        entry = facts.fstab.entry(mount.point)
        if entry is None or mount.type not in DISK_TYPES or not mount.read_only or "ro" in entry.options:
            continue
        options = ",".join(mount.options)
        return Holds(
            f"{mount.point} ({mount.source}) is mounted read-only, /etc/fstab:{entry.line} wants it writable",
            (Evidence("/proc/self/mountinfo", f"{mount.source} {mount.point} {mount.type} {options}"),),
            {"point": mount.point, "disk": mount.source},
            Severity.CRITICAL if mount.point in SYSTEM else None,
        )
    return Fails("no file system is read-only against /etc/fstab")


def _remounted(context: Context) -> Proof:
    facts = context.facts
    for match in reversed(parts.trusted_matches(context, "remounted")):
        device = match.groups.get("device", "")
        if not match.entry.kernel or (device and not _is_ours(facts, device)):
            continue
        started, time = facts.boot.started, match.entry.time
        if not isinstance(started, Unknown) and time is not None and started > time + 60:
            return CantTell("the kernel said so, and the host was booted again since")
        name = device.rsplit("/", 1)[-1]
        why = f"the kernel made {name or 'a file system'} read-only in the newest boot"
        return Holds(why, (parts.entry_evidence(match.entry),), {"point": _point(facts, name)})
    if context.entries():
        return CantTell("a log says so, and nobody vouches for the log")
    return Fails("no kernel message of the newest boot says so")


def _point(facts: Facts, name: str) -> str:
    """Where fstab mounts a device; the root, when it does not tell."""
    return next((entry.file for entry in facts.fstab.entries if entry.spec == f"/dev/{name}"), "/")


_CHECKS = {
    "xfs": ("xfs_repair -n {disk}", "xfs_repair {disk}"),
    "btrfs": ("btrfs check --readonly {disk}",),
}


def fs_corrupt(context: Context) -> Proof:
    """The kernel, or PID 1 of a check that failed, said so in the newest boot, of a disk of this host."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    unknown = ""
    for match in reversed(parts.trusted_matches(context)):
        kernel = match.entry.kernel
        if not kernel and not wanted.spoken_by_systemd(match.entry) and not _by_fsck(match):
            continue
        device = match.groups.get("device", "")
        if device and not _is_ours(facts, device):
            unknown = device
            continue
        return _damaged(context, match, device)
    if unknown:
        return CantTell(f"{unknown} is not known to be a disk of this host", {"disk": f"/dev/{unknown}"})
    counted = _counted(facts)
    if counted is not None:
        return counted
    if context.entries():
        return CantTell("a log says so, and nobody vouches for the log", wanted.log_values(context))
    return Fails("no log of the newest boot says so")


def _counted(facts: Facts) -> Holds | None:
    """Live: ext4's own count of errors since the last check, which e2fsck clears; it needs no log."""
    if not facts.target.live or wanted.container(facts):
        return None
    for path in facts.target.glob("/sys/fs/ext4/*/errors_count"):
        name = path.split("/")[4]
        text = facts.target.text(path, 4096)
        if isinstance(text, str) and re.fullmatch(r"[1-9][0-9]{0,18}", text.strip()) and _is_ours(facts, name):
            why = f"ext4 counted {text.strip()} errors on {name} since its last check"
            return Holds(why, (Evidence(path, text.strip()),), {"disk": f"/dev/{name}"}, Severity.WARNING)
    return None


def _by_fsck(match: Match) -> bool:
    trust = match.entry.trust
    return trust is not None and trust.uid == 0 and trust.unit.startswith("systemd-fsck")


def _is_ours(facts: Facts, device: str) -> bool:
    """A mounted disk, or one that fstab names; by UUID fstab does not tell, and any disk may be meant."""
    name = device.rsplit("/", 1)[-1]
    if re.match(r"loop|ram|zram|sr\d|fd\d|nbd", name):
        return False
    base = re.sub(r"-\d+$", "", name) if not name.startswith("dm-") else name
    mounts = facts.mounts
    if not isinstance(mounts, Unknown):
        if base.startswith("dm-") or any(mount.source.startswith("/dev/mapper/") for mount in mounts):
            return True
        return any(mount.source in (f"/dev/{base}", "/dev/root") for mount in mounts if mount.type in DISK_TYPES)
    specs = [entry.spec for entry in facts.fstab.entries]
    return f"/dev/{base}" in specs or any("=" in spec or "/by-" in spec or "mapper" in spec for spec in specs)


def _damaged(context: Context, match: Match, device: str) -> Holds:
    pattern = next((name for name, hits in context.hits.items() if match in hits.matches), "")
    base = re.sub(r"-\d+$", "", device) if not device.startswith("dm-") else device
    name = base.rsplit("/", 1)[-1]
    commands = _CHECKS.get(pattern) if name else ()
    return Holds(
        f"the newest boot reports damage{f' on {name}' if name else ''}",
        (parts.entry_evidence(match.entry),),
        {"disk": f"/dev/{name}"} if name else {},
        Severity.WARNING if parts.network_up(context.facts) else None,
        commands,
    )


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
    "fs_corrupt": fs_corrupt,
    "fs_read_only": fs_read_only,
    "inodes_full": inodes_full,
    "oom_killer": oom_killer,
}
