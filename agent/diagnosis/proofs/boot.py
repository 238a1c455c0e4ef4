"""Proofs of the boot rules: fstab, where the boot stopped, and what waits to be done at the next."""

from __future__ import annotations

import re

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import fstab_devices, parts, wanted
from agent.facts import devices
from agent.facts.facts import Facts
from agent.facts.fstab import FstabEntry
from agent.facts.services import Init
from agent.unknown import Unknown

FSTAB = "/etc/fstab"


def emergency_mode(context: Context) -> Proof:
    """Live: emergency.service runs. Offline: PID 1 said so in the newest boot, which went no further, and
    /etc/fstab is still the same."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.target.live and facts.init is Init.SYSTEMD:
        unit = facts.unit("emergency.service")
        if unit.active in ("active", "activating", "reloading"):
            text = f"ActiveState={unit.active}"
            return Holds("emergency.service is active", (Evidence(f"systemctl show {unit.name}", text),))
        if isinstance(unit.active, str) and unit.active:
            return Fails(f"emergency.service is {unit.active}")
    if facts.target.live and wanted.container(facts):
        return Fails("a container, whose init does not tell of an emergency")
    for match in reversed(parts.trusted_matches(context)):
        entry = match.entry
        unit_of = entry.trust.unit if entry.trust else ""
        if not wanted.spoken_by_systemd(entry) and not unit_of.startswith(("emergency.", "rescue.")):
            continue
        changed = parts.changed_since(facts, entry.time, (FSTAB,))
        if changed:
            return CantTell(f"it stopped in the newest boot, but {changed} was changed since")
        return Holds("the newest boot stopped there", (parts.entry_evidence(entry),))
    if context.entries(newest_boot=True) or (context.entries() and not facts.target.live):
        return CantTell("a log says so, and nobody vouches for the log")
    return Fails("no log of the newest boot says so")


def fstab_invalid(context: Context) -> Proof:
    """A line on which mount or systemd would stop the boot; offline, and where it wasn't mounted all the same."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    fstab = facts.fstab
    if fstab.unread:
        return CantTell(fstab.unread)
    by_line = {entry.line: entry for entry in fstab.entries}
    fatal = [one for one in fstab.problems if one.fatal and not _of_no_weight(facts, by_line.get(one.line))]
    if not fatal:
        return Fails("every line of /etc/fstab can be used" if fstab.present else "there is no /etc/fstab")
    problem, others = fatal[0], [one for one in fatal[1:] if one.line != fatal[0].line]
    entry = by_line.get(problem.line)
    numbers = sorted({one.line for one in fatal})
    values = {"line": str(problem.line), "file": FSTAB, "lines": ",".join(map(str, numbers))}
    root = entry is not None and entry.file == "/"
    commands = ("findmnt --verify --tab-file {root}/etc/fstab",) if root else None
    return Holds(
        "; ".join(f"line {one.line}: {one.why}" for one in (problem, *others[:2])),
        tuple(Evidence(FSTAB, one.text, one.line) for one in (problem, *others)),
        values,
        None if parts.network_up(facts) else Severity.CRITICAL,
        commands,
        () if root else None,
    )


def _of_no_weight(facts: Facts, entry: FstabEntry | None) -> bool:
    """Mounted all the same by this file, or a container's, which ignores the devices in fstab."""
    if not facts.target.live or entry is None:
        return False
    point = entry.file
    if devices.is_device(entry.spec, entry.type) and wanted.container(facts):
        return True
    stat, started = facts.target.stat(FSTAB), facts.boot.started
    if isinstance(stat, Unknown) or isinstance(started, Unknown) or stat.mtime > started or point == "/":
        return False
    return not isinstance(facts.mounts, Unknown) and any(mount.point == point for mount in facts.mounts)


_RELABELS = (
    "/usr/lib/systemd/system/selinux-autorelabel.service",
    "/lib/systemd/system/selinux-autorelabel.service",
    "/usr/lib/systemd/system/rhel-autorelabel.service",
    "/usr/lib/systemd/system/fedora-autorelabel.service",
    "/etc/init/selinux-autorelabel.conf",
    "/etc/rc.d/rc.sysinit",
)
AUTORELABEL = "/.autorelabel"


def selinux_relabel_pending(context: Context) -> Proof:
    """/.autorelabel lies there, and the system is one that acts on it: SELinux is set up and not switched off."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    stat = facts.target.stat(AUTORELABEL, follow=False)
    if isinstance(stat, Unknown):
        return Fails(f"there is no {AUTORELABEL}") if stat.absent else CantTell(stat.reason)
    if facts.target.live and wanted.container(facts):
        return Fails("a container is labelled by its host")
    text = facts.target.text("/etc/selinux/config")
    if isinstance(text, Unknown) and not text.absent:
        return CantTell(text.reason)
    modes = re.findall(r"^\s*SELINUX\s*=\s*(\w+)", text, re.MULTILINE) if isinstance(text, str) else []
    mode = modes[-1].lower() if modes else "not set up"
    entry = facts.boot.default_entry
    words = entry.options.split() if entry else []
    if "selinux=0" in words or mode not in ("enforcing", "permissive"):
        return Fails(f"{AUTORELABEL} lies there, and SELinux is {'off' if 'selinux=0' in words else mode}")
    program = next((path for path in _RELABELS if facts.target.exists(path)), "")
    if not program:
        return CantTell(f"{AUTORELABEL} lies there, and what acts on it at boot is not known here")
    evidence = (Evidence(AUTORELABEL, "is there"), Evidence("/etc/selinux/config", f"SELINUX={mode}"))
    why = f"{AUTORELABEL} lies there, SELinux is {mode}: the next boot labels every file, and boots once more"
    return Holds(why, evidence, {"mode": mode})


PROOFS: dict[str, ProofFunction] = {
    "emergency_mode": emergency_mode,
    "fstab_invalid": fstab_invalid,
    "fstab_missing_device": fstab_devices.fstab_missing_device,
    "selinux_relabel_pending": selinux_relabel_pending,
}
