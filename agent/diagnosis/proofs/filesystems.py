"""Proofs about damaged disks: file systems with errors, made read-only, and disks that can't be read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, storage, wanted
from agent.facts.facts import Facts
from agent.facts.filesystem import Check, Health
from agent.facts.superblock import Filesystem, Superblock
from agent.logs.model import Match
from agent.unknown import Unknown

# How a filesystem is looked at without changing it; the repair is the rule's fix.
_LOOKS = {
    "ext2": ("e2fsck -fn {disk}",),
    "ext3": ("e2fsck -fn {disk}",),
    "ext4": ("e2fsck -fn {disk}",),
    "xfs": ("xfs_repair -n {disk}",),
    "btrfs": ("btrfs check --readonly {disk}",),
}
_UNREADABLE = re.compile(r"Input/output error|[Mm]edium error|Attempt to read block .{0,80} resulted in short read")
_SHOWN = 400  # characters of a checker's output


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
        if entry is None or mount.type not in storage.DISK_TYPES or not mount.read_only or "ro" in entry.options:
            continue
        options = ",".join(mount.options)
        return Holds(
            f"{mount.point} ({mount.source}) is mounted read-only, /etc/fstab:{entry.line} wants it writable",
            (Evidence("/proc/self/mountinfo", f"{mount.source} {mount.point} {mount.type} {options}"),),
            {"point": mount.point, "disk": mount.source},
            Severity.CRITICAL if mount.point in storage.SYSTEM else None,
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


def fs_corrupt(context: Context) -> Proof:
    """A check of the unmounted disk found damage; or the superblock of one of the host's own filesystems tells of
    errors; or the kernel, or PID 1 of a check that failed, said so in the newest boot, and nobody has checked since."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    check = facts.check
    if check is not None and check.health in (Health.DAMAGED, Health.UNREADABLE):
        return _by_check(check)
    noted = _noted(facts)
    if noted is not None:
        return noted
    unknown = over = ""
    for match in reversed(parts.trusted_matches(context)):
        kernel = match.entry.kernel
        if not kernel and not wanted.spoken_by_systemd(match.entry) and not _by_fsck(match):
            continue
        device = match.groups.get("device", "")
        if device and not _is_ours(facts, device):
            unknown = device
            continue
        over = _over(facts, device, match.entry.time)
        if not over:
            return _damaged(context, match, device)
    if over:
        return Fails(over)
    if unknown:
        return CantTell(f"{unknown} is not known to be a disk of this host", {"disk": f"/dev/{unknown}"})
    counted = _counted(facts)
    if counted is not None:
        return counted
    if check is not None and check.health is Health.CLEAN:
        return Fails(f"{check.device}: {check.why or 'a full check found nothing wrong'}")
    if context.entries():
        return CantTell("a log says so, and nobody vouches for the log", wanted.log_values(context))
    return Fails("no log of the newest boot says so")


_ANSWER = re.compile(
    r"(Fix|Clear|Salvage|Connect to /lost\+found|Ignore error|Abort|Recreate|Relocate)\? (no|yes)|Pass \d"
)


def _by_check(check: Check) -> Holds:
    lines = [line for line in check.output.split("\n") if line.strip() and not _ANSWER.match(line)]
    said = " ".join(check.command) or f"check of {check.device}"
    evidence = tuple(Evidence(said, line[:_SHOWN]) for line in lines[-3:]) or (Evidence(said, check.why),)
    values = {"disk": check.device, "point": "/"}
    return Holds(f"{check.device}: {check.why}", evidence, values, None, _LOOKS.get(check.type))


def _noted(facts: Facts) -> Holds | None:
    """What the superblocks tell; the worst first."""
    if facts.target.live and wanted.container(facts):
        return None
    held: list[tuple[Filesystem, Superblock, str]] = []
    for one in facts.superblocks:
        block = one.superblock
        if isinstance(block, Unknown):
            continue
        damage = block.damage
        if not damage and block.whole is False and not one.mounted:
            damage = f"the checksum of its {block.type} superblock is wrong"
        if damage:
            held.append((one, block, damage))
    if not held:
        return None
    first, block, damage = min(held, key=lambda item: (item[0].optional, item[0].point != "/"))
    severity = _severity(facts, first)
    why = f"{first.device} ({first.point}): {damage}"
    check = facts.check
    if check is not None and check.health is Health.CLEAN and first.point == "/":
        why, severity = f"{why}; a full check finds nothing wrong now, and its repair clears the mark", Severity.WARNING
    values = {"disk": first.device, "point": first.point}
    evidence = tuple(found for one, its, words in held for found in _evidence(one, its, words))
    return Holds(why, evidence, values, severity, _LOOKS.get(block.type))


def _severity(facts: Facts, one: Filesystem) -> Severity | None:
    """None is the rule's own: a host that runs on it writably, or does without it, gets a warning."""
    if one.optional:
        return Severity.WARNING
    mounts = facts.mounts
    if not facts.target.live or isinstance(mounts, Unknown):
        return None
    entry = facts.fstab.entry(one.point)
    stopped = any(mount.point == one.point and mount.read_only for mount in mounts)
    return None if stopped and entry is not None and "ro" not in entry.options else Severity.WARNING


def _evidence(one: Filesystem, block: Superblock, damage: str) -> tuple[Evidence, ...]:
    source = f"superblock of {one.device}"
    found = [Evidence(source, damage, time=block.last.time if block.last and block.last.time else None)]
    if block.first is not None and block.count > 1 and block.first.text:
        found.append(Evidence(source, f"first error {block.first.text}", time=block.first.time or None))
    return tuple(found)


def _over(facts: Facts, device: str, time: float | None) -> str:
    """Why what a log says of a device is past, "" when it may still stand: it was checked since."""
    name = _disk(device)
    check = facts.check
    if check is not None and check.health is Health.CLEAN and name in ("", check.device.rsplit("/", 1)[-1]):
        return f"{check.device}: {check.why or 'a full check found nothing wrong'}"
    known = [one for one in facts.superblocks if not name or one.device.rsplit("/", 1)[-1] == name]
    if not known or time is None:
        return ""
    for one in known:
        if isinstance(one.superblock, Unknown) or one.superblock.checked <= time:
            return ""
    return f"{known[0].device} was checked since, and its superblock tells of no error"


def _counted(facts: Facts) -> Holds | None:
    """Live: ext4's own count in sysfs, where the disk itself can't be read."""
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
        return any(
            mount.source in (f"/dev/{base}", "/dev/root") for mount in mounts if mount.type in storage.DISK_TYPES
        )
    specs = [entry.spec for entry in facts.fstab.entries]
    if facts.target.device:
        specs.append(facts.target.device)
    return f"/dev/{base}" in specs or any("=" in spec or "/by-" in spec or "mapper" in spec for spec in specs)


def _damaged(context: Context, match: Match, device: str) -> Holds:
    pattern = next((name for name, hits in context.hits.items() if match in hits.matches), "")
    name = _disk(device)
    commands = _LOOKS.get(pattern) if name else ()
    return Holds(
        f"the newest boot reports damage{f' on {name}' if name else ''}",
        (parts.entry_evidence(match.entry),),
        {"disk": f"/dev/{name}"} if name else {},
        Severity.WARNING if parts.network_up(context.facts) else None,
        commands,
    )


def _disk(device: str) -> str:
    """sda of sda-8, which is its journal; dm-4 stays."""
    base = device if device.startswith("dm-") else re.sub(r"-\d+$", "", device)
    return base.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class _Failed:
    name: str
    match: Match


def disk_io_error(context: Context) -> Proof:
    """The kernel could not read or write a disk of this host in the newest boot; or a checker can't read it now."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    check = facts.check
    said = _UNREADABLE.search(check.output) if check is not None else None
    if check is not None and said is not None:
        line = next(line for line in check.output.split("\n") if said.group(0) in line)
        evidence = Evidence(" ".join(check.command) or check.device, line.strip()[:_SHOWN])
        return Holds(f"{check.device} can't be read: {said.group(0)}", (evidence,), {"disk": check.device})
    failed = [
        _Failed(_disk(match.groups.get("device", "") or match.groups.get("unit", "")), match)
        for match in parts.trusted_matches(context)
        if match.entry.kernel
    ]
    own = [one for one in failed if not one.name or _is_ours(facts, one.name)]
    if not own:
        if failed:
            return CantTell(f"{failed[-1].name} is not known to be a disk of this host")
        if context.entries():
            return CantTell("a log says so; the kernel's own word is not in the journal", wanted.log_values(context))
        return Fails("no kernel message of the newest boot says so")
    names = ", ".join(sorted({one.name for one in own if one.name})) or "a disk"
    count = f"{len(own)} lines of the kernel tell" if len(own) > 1 else "the kernel tells"
    last = own[-1]
    values = {"disk": f"/dev/{last.name}"} if last.name else {}
    why = f"{count} of input/output errors on {names} in the newest boot"
    return Holds(why, (parts.entry_evidence(last.match.entry),), values)


PROOFS: dict[str, ProofFunction] = {
    "disk_io_error": disk_io_error,
    "fs_corrupt": fs_corrupt,
    "fs_read_only": fs_read_only,
}
