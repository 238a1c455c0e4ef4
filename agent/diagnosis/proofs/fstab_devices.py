"""The proof that fstab names a device that is not there: the machine's disks against its lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, Severity
from agent.diagnosis.proofs import parts, wanted
from agent.facts import devices
from agent.facts.devices import BlockDevice
from agent.facts.facts import Facts
from agent.facts.fstab import FstabEntry
from agent.facts.services import Init
from agent.logs.model import Match
from agent.unknown import Unknown

FSTAB = "/etc/fstab"

# Names that the kernel gives in the order of finding: a rescue system may order the disks otherwise.
_BY_ORDER = re.compile(r"/dev/(?:sd|vd|xvd|hd|nvme)[a-z0-9]+")
# Disks that hold others, which show only when somebody opens them.
_CLOSED = ("LVM2_member", "crypto_LUKS", "linux_raid_member", "zfs_member", "bcache", "multipath_member")


def fstab_missing_device(context: Context) -> Proof:
    """A line that the boot waits for names a device that the machine does not have; where its disks can't be
    seen, PID 1 waited for it in vain in the newest boot and the line still stands."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.fstab.unread:
        return CantTell(facts.fstab.unread, _named(context))
    lines = [entry for entry in facts.fstab.entries if entry.required and _is_device(entry)]
    if not lines:
        return Fails("no line of /etc/fstab that the boot needs names a device")
    waited = _waited(context, lines)
    if facts.target.live and wanted.container(facts):
        return _in_container(facts, lines, waited)
    known = facts.devices
    if isinstance(known, Unknown):
        if waited:
            return _held(facts, tuple(waited.values()))
        optional = _waited(context, [one for one in facts.fstab.entries if not one.required and _is_device(one)])
        if optional:
            return Fails(f"line {min(optional)}, whose device did not appear, does not stop the boot")
        return CantTell(known.reason, _named(context))
    if facts.target.live and not wanted.settled(facts):
        return CantTell("the host has just booted", _named(context))
    doubts = ""
    held: list[_Missed] = []
    for entry in lines:
        if _there(facts, known, entry):
            continue
        doubt = doubt_of(facts, known, entry)
        if doubt and entry.line not in waited:
            doubts = f"line {entry.line}: {entry.spec} is not among the disks, but {doubt}"
            continue
        held.append(waited.get(entry.line, (entry, None)))
    if held:
        return _held(facts, held, known)
    return CantTell(doubts, _named(context)) if doubts else Fails("every device that the boot needs is there")


def _is_device(entry: FstabEntry) -> bool:
    if entry.spec in ("/dev/root", "/dev/rootfs") or {"bind", "rbind", "loop"} & set(entry.options):
        return False
    return devices.is_device(entry.spec, entry.type)


def _named(context: Context) -> dict[str, str]:
    return wanted.log_values(context)


def _there(facts: Facts, known: tuple[BlockDevice, ...], entry: FstabEntry) -> bool:
    if devices.find(known, entry.spec):
        return True
    if not facts.target.live:
        return False
    if entry.spec.startswith("/dev/") and facts.target.exists(entry.spec):
        return True
    mounts = facts.mounts
    if isinstance(mounts, Unknown) or entry.file == "/":
        return False
    return any(mount.point == entry.file and mount.type not in ("autofs", "tmpfs") for mount in mounts)


def doubt_of(facts: Facts, known: tuple[BlockDevice, ...], entry: FstabEntry) -> str:
    return doubt(known, entry.spec, facts.target.live)


def doubt(known: tuple[BlockDevice, ...], spec: str, live: bool) -> str:
    """Why a device may exist although it is not seen; "" when it would be."""
    tag = spec.partition("=")[0].upper() if "=" in spec and not spec.startswith("/") else ""
    names = [name for device in known for name in device.names]
    if (tag or spec.startswith("/dev/disk/")) and not any("UUID=" in name or "/by-uuid/" in name for name in names):
        return "what is on the disks can't be read"
    if live:
        return ""
    if _BY_ORDER.fullmatch(spec):
        return "a rescue system may order the disks otherwise"
    if any(device.type in _CLOSED for device in known):
        return "some of them hold others that are not opened here"
    if not tag and not spec.startswith("/dev/disk/"):
        return "it may be one that the target itself makes"
    return ""


_Missed = tuple[FstabEntry, Optional[Match]]  # a line, and the log that speaks of it


def _waited(context: Context, lines: list[FstabEntry]) -> dict[int, _Missed]:
    """The lines of fstab, by number, for whose device PID 1 waited in vain in the newest boot, or whose mount
    did not find it; each with what says so, the strongest and newest first."""
    found: dict[int, _Missed] = {}
    for match in reversed(parts.trusted_matches(context, "timeout")):
        path = _waited_path(match.entry.text)
        if path and wanted.spoken_by_systemd(match.entry):
            for entry in lines:
                if devices.find((BlockDevice(path, (path,)),), entry.spec):
                    found.setdefault(entry.line, (entry, match))
    if any(context.found.get("fs-corrupt", {}).values()):
        return found  # a failed check has the same consequence
    for match in reversed(parts.trusted_matches(context, "dependency")):
        point = match.groups.get("point", "")
        if point and wanted.spoken_by_systemd(match.entry):
            for entry in lines:
                if point.rstrip("/") == entry.file.rstrip("/"):
                    found.setdefault(entry.line, (entry, match))
    for match in reversed(parts.trusted_matches(context, "mount")):
        trust = match.entry.trust
        for entry in lines:
            if trust is not None and trust.uid == 0 and trust.unit == mount_unit(entry.file):
                found.setdefault(entry.line, (entry, match))
    return found


def _waited_path(text: str) -> str:
    """/dev/sdc of "Timed out waiting for device /dev/sdc." or of "dev-sdc.device: Job ... timed out"."""
    unit = re.search(r"\bdev-([^\s'\"/]{1,250}?)\.device", text)
    if unit:
        return "/dev/" + unit_path(unit.group(1))
    path = re.search(r"/dev/[^\s'\"]{1,250}", text)
    return path.group(0).rstrip(".") if path else ""


def unit_path(name: str) -> str:
    """A path from its name in units (systemd-escape(1)): disk-by\\x2duuid-1 is disk/by-uuid/1."""
    path = name.replace("-", "/")
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match.group(1), 16)), path)


def mount_unit(point: str) -> str:
    """The mount unit of a path: /srv/my-data is srv-my\\x2ddata.mount."""
    escaped = ""
    for char in re.sub(r"/+", "/", point).strip("/"):
        if char == "/":
            escaped += "-"
        elif (char.isascii() and char.isalnum()) or char in ":_" or (char == "." and escaped):
            escaped += char
        else:
            escaped += "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
    return f"{escaped or '-'}.mount"


def _in_container(facts: Facts, lines: list[FstabEntry], waited: dict[int, _Missed]) -> Proof:
    """A container has no disks of its own and mostly ignores fstab's; what its init waited for counts."""
    mounts = facts.mounts
    mounted = set() if isinstance(mounts, Unknown) else {mount.point for mount in mounts}
    held: list[_Missed] = []
    for entry in lines:
        if entry.file in mounted or facts.target.exists(_path(entry.spec)):
            continue
        unit = facts.unit(mount_unit(entry.file)) if facts.init is Init.SYSTEMD else None
        if entry.line in waited:
            held.append(waited[entry.line])
        elif unit and unit.present and unit.active in ("inactive", "failed") and wanted.settled(facts):
            held.append((entry, None))
    if held:
        return _held(facts, held)
    return Fails("nothing that the boot of this container waits for")


def _path(spec: str) -> str:
    tag, equals, value = spec.partition("=")
    if equals and not spec.startswith("/"):
        value = value.strip("\"'")
        return f"/dev/disk/by-{tag.lower()}/{value}"
    return spec


def shown(known: tuple[BlockDevice, ...]) -> str:
    """The disks with their UUIDs, in one line."""
    words = []
    for device in known[:12]:
        uuid = next((name for name in device.names if name.startswith("UUID=")), "")
        words.append(f"{device.path} {uuid}".strip())
    return ", ".join(words) or "none"


def _held(facts: Facts, missed: Sequence[_Missed], disks: tuple[BlockDevice, ...] = ()) -> Holds:
    """The first line's words; ``lines`` of the values are the numbers of all, in the order of the file."""
    entry, match = missed[0]
    evidence = [Evidence(FSTAB, entry.text.strip(), entry.line)]
    if disks:
        evidence.append(Evidence("blkid", f"there are: {shown(disks)}"))
    if match:
        evidence.append(parts.entry_evidence(match.entry))
    numbers = sorted(one.line for one, _ in missed)
    values = {"file": FSTAB, "line": str(entry.line), "device": entry.spec, "point": entry.file}
    values["lines"] = ",".join(map(str, numbers))
    evidence += [Evidence(FSTAB, one.text.strip(), one.line) for one, _ in missed[1:]]
    why = f"line {entry.line} wants {entry.spec} for {entry.file}, "
    why += "which does not exist" if disks or not match else "which did not appear in the newest boot"
    if len(missed) > 1:
        others = ", ".join(str(one.line) for one, _ in missed[1:])
        why += f" (likewise line{'s' if len(missed) > 2 else ''} {others})"
    severity = Severity.WARNING if parts.network_up(facts) else None
    if entry.file == "/":  # it is mounted as the kernel was told, and must not be taken out of the file
        return Holds(why, tuple(evidence), values, severity, ("blkid", "findmnt -no SOURCE,UUID /"), ())
    return Holds(why, tuple(evidence), values, severity, _commands(facts, entry), None)


def _commands(facts: Facts, entry: FstabEntry) -> tuple[str, ...] | None:
    """nofail into the line's options; without options, and where mountall reads the file, the rule's way: a #."""
    if len(entry.text.split()) < 4 or facts.init in (Init.UPSTART, Init.UNKNOWN):
        return None
    change = r"sed -i -E '{line}s/^(\s*\S+\s+\S+\s+\S+\s+\S+)/\1,nofail/' {root}/etc/fstab"
    return ("cp -p {root}/etc/fstab {root}/etc/fstab.saved", change)
