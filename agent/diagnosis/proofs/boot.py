"""Proofs of the boot rules: the root, the kernel and its modules, fstab, and where the boot stopped."""

from __future__ import annotations

import re

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import fstab_devices, parts, wanted
from agent.facts import devices
from agent.facts.boot import KernelImage, MenuEntry
from agent.facts.devices import BlockDevice
from agent.facts.facts import Facts
from agent.facts.fstab import FstabEntry
from agent.facts.kernels import has_modules
from agent.facts.services import Init
from agent.unknown import Maybe, Unknown

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


def kernel_modules_missing(context: Context) -> Proof:
    """The running kernel, or offline the menu's default, has no modules on disk while its like have them."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if not facts.target.live:
        return _default_modules(facts)
    if wanted.container(facts):
        return Fails("a container's kernel is its host's")
    release = facts.kernel
    if isinstance(release, Unknown):
        return CantTell(release.reason)
    if has_modules(facts.target, release):
        return Fails(f"/lib/modules/{release} is there")
    if isinstance(facts.target.stat("/proc/modules"), Unknown):
        return Fails(f"{release} takes no modules")
    others = facts.boot.module_folders
    missed = context.entries(newest_boot=True)
    if not others and not missed:
        return Fails(f"{release} comes from outside of the disk, and nobody missed a module")
    there = f"/lib/modules holds {', '.join(others)}" if others else "/lib/modules holds none"
    return Holds(
        f"{release} runs, and {there}",
        (Evidence("uname -r", release), Evidence("/lib/modules", there)),
        {"release": release},
        None if missed else Severity.INFO,
    )


def _default_modules(facts: Facts) -> Proof:
    entry = facts.boot.default_entry
    if entry is None:
        return CantTell("no boot menu on this disk tells which kernel boots")
    image = _image(facts, entry)
    if image is None or not image.release:
        return CantTell(f"the release of {entry.kernel} can't be told")
    if image.modules or has_modules(facts.target, image.release):
        return Fails(f"/lib/modules/{image.release} is there")
    if not facts.boot.module_folders and not image.initrd:
        return Fails(f"{image.release} needs none: there are no modules and no initrd at all")
    there = ", ".join(facts.boot.module_folders) or "none"
    return Holds(
        f"{entry.kernel} boots, and /lib/modules/{image.release} is missing",
        (Evidence(entry.source or "boot menu", entry.text, entry.line), Evidence("/lib/modules", f"holds {there}")),
        {"release": image.release},
    )


def _image(facts: Facts, entry: MenuEntry) -> KernelImage | None:
    path = facts.target.resolve(entry.kernel)
    return next((image for image in facts.boot.kernels if image.path == path), None)


def kernel_panic_no_root(context: Context) -> Proof:
    """Offline: the menu's default kernel boots without the initrd that it needs to find its root."""
    facts = context.facts
    entry = _next_boot(context)
    if not isinstance(entry, MenuEntry):
        return entry
    image = _image(facts, entry)
    if image is None:
        return CantTell(f"{entry.kernel} is not on this disk")
    source = Evidence(entry.source or "boot menu", entry.text, entry.line)
    if entry.initrd:
        if facts.target.exists(entry.initrd):
            return Fails(f"{entry.kernel} boots with {entry.initrd}")
        why = f"{entry.kernel} boots with {entry.initrd}, which does not exist"
        return Holds(why, (source, Evidence(entry.initrd, "no such file")), _kernel_values(image))
    needs = _needs_initrd(facts, entry, image)
    if not needs:
        return Fails(f"{entry.kernel} boots without an initrd, and nothing says that it needs one")
    return Holds(f"{entry.kernel} boots without an initrd, and {needs}", (source,), _kernel_values(image))


def _kernel_values(image: KernelImage) -> dict[str, str]:
    return {"kernel": image.path, "release": image.release}


def _needs_initrd(facts: Facts, entry: MenuEntry, image: KernelImage) -> str:
    root = _root_of(entry)
    if root.startswith(("UUID=", "LABEL=")):
        return f"the kernel alone can't find root={root}"
    for base in ("/lib/modules", "/usr/lib/modules"):
        if image.release and facts.target.glob(f"{base}/{image.release}/kernel/drivers/scsi/virtio_scsi.ko*"):
            return "its disk driver (virtio_scsi) is a module"
    return ""


def _next_boot(context: Context) -> MenuEntry | Proof:
    """The default entry of a target that is not running; a running one has found its root."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.target.live:
        return Fails("the root is mounted, and the system runs")
    entry = facts.boot.default_entry
    if entry is None:
        return CantTell("no boot menu on this disk tells which kernel boots, and with which root")
    return entry


def _root_of(entry: MenuEntry) -> str:
    """The value of root= without quotes; the last one counts."""
    words = [word.strip("\"'") for word in entry.options.split()]
    return next((word[5:].strip("\"'") for word in reversed(words) if word.startswith("root=")), "")


def initramfs_no_root(context: Context) -> Proof:
    """Offline, with the machine's disks known: the default entry's root= names none of them."""
    facts = context.facts
    entry = _next_boot(context)
    if not isinstance(entry, MenuEntry):
        return entry
    root = _root_of(entry)
    if not root or not devices.is_device(root):
        return CantTell(f"root={root or '(none)'} of {entry.source or 'the boot menu'} names no disk")
    found: Maybe[tuple[BlockDevice, ...]] = facts.devices
    if isinstance(found, Unknown):
        return CantTell(found.reason)
    if devices.find(found, root):
        return Fails(f"root={root} is there")
    doubt = fstab_devices.doubt(found, root, live=False)
    if doubt:
        return CantTell(f"root={root} is not among the disks, but {doubt}")
    line = re.sub(r"\s+", " ", entry.text)
    return Holds(
        f"root={root} is none of the disks ({fstab_devices.shown(found)})",
        (
            Evidence(entry.source or "boot menu", line, entry.line),
            Evidence("blkid", fstab_devices.shown(found)),
        ),
        {"device": root, "file": entry.source},
    )


PROOFS: dict[str, ProofFunction] = {
    "emergency_mode": emergency_mode,
    "fstab_invalid": fstab_invalid,
    "fstab_missing_device": fstab_devices.fstab_missing_device,
    "initramfs_no_root": initramfs_no_root,
    "kernel_modules_missing": kernel_modules_missing,
    "kernel_panic_no_root": kernel_panic_no_root,
}
