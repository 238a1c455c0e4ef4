"""The root that the kernel is told to mount, and the other filesystems of /etc/fstab."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.diagnosis.boot_checks import model
from agent.diagnosis.boot_checks.model import BootCheck, Checked
from agent.diagnosis.proofs import fstab_devices
from agent.facts import devices
from agent.facts.devices import BlockDevice
from agent.facts.fstab import PATH as FSTAB
from agent.facts.fstab import FstabEntry
from agent.facts.services import Init
from agent.target.model import Kind, Stat
from agent.unknown import Maybe, Unknown

_BY_ORDER = re.compile(r"/dev/(?:sd|vd|xvd|hd)[a-z]\d*")


def checks(checked: Checked) -> Iterator[BootCheck]:
    if checked.entry is not None:
        yield _root(checked)
    yield from fstab(checked)


def _root(checked: Checked) -> BootCheck:
    held = checked.findings.get("initramfs-no-root")
    if held is not None and held.values.get("cause", "root") == "root":
        return model.of_finding("root device", held)
    root = checked.option("root")
    if root is None:
        source = checked.entry.source if checked.entry else ""
        return model.doubt("root device", f"no root= on the command line in {source}")
    if not devices.is_device(root):
        return model.unknown("root device", f"root={root} names no disk that can be looked for")
    known: Maybe[tuple[BlockDevice, ...]] = checked.facts.devices
    if isinstance(known, Unknown):
        return model.unknown("root device", f"root={root}: {known.reason}")
    named = [one for one in known if devices.find((one,), root)]
    if not named:
        doubt = fstab_devices.doubt(known, root, checked.target.live)
        return model.unknown("root device", f"root={root} is none of the disks here, but {doubt or 'they may change'}")
    if len(named) > 1:
        paths = " and ".join(one.path for one in named)
        return model.doubt("root device", f"root={root} is the name of {paths}: either of them may be mounted")
    return _compared(checked, root, named[0], known)


def _compared(checked: Checked, root: str, named: BlockDevice, known: tuple[BlockDevice, ...]) -> BootCheck:
    """Is the disk that root= names the one that this root is on?"""
    mine = _mine(checked, known)
    called = f"root={root}" if root == named.path else f"root={root} is {named.path}"
    if mine is None:
        if _BY_ORDER.fullmatch(root) and not checked.target.live:
            why = f"{called}, and which disk gets that name is set in the configuration profile"
            return model.unknown("root device", why)
        return model.ok("root device", f"{called}, which is there")
    if mine.path == named.path:
        return model.ok("root device", f"{called}, the disk that this root is on")
    if _BY_ORDER.fullmatch(root):
        why = f"root={root} is another disk here, this root is on {mine.path}: the order is set in the profile"
        return model.doubt("root device", why)
    return model.problem("root device", f"{called}, and this root is on {mine.path}: another system would boot")


def _mine(checked: Checked, known: tuple[BlockDevice, ...]) -> BlockDevice | None:
    """The disk of this root; None where that can't be told (a directory, a filesystem of several disks)."""
    if checked.target.device:
        return devices.find(known, checked.target.device)
    mounts = checked.facts.mounts
    if not isinstance(mounts, Unknown):
        number = next((mount.device for mount in reversed(mounts) if mount.point == "/"), "")
    else:
        stat = checked.target.stat("/")
        device = stat.device if isinstance(stat, Stat) else 0
        number = f"{device >> 8 & 0xFFF}:{(device & 0xFF) | (device >> 12 & 0xFFF00)}" if device else ""
    return next((one for one in known if number and one.number == number), None)


def fstab(checked: Checked) -> Iterator[BootCheck]:
    """Lines whose device, mount point or type stops or delays the boot."""
    facts = checked.facts
    if facts.fstab.unread:
        yield model.unknown("fstab", facts.fstab.unread)
        return
    found = [*checked.confirmed("fstab", "fstab-missing-device", "fstab-invalid"), *_lines(checked)]
    yield from found
    if found:
        return
    if not facts.fstab.entries:
        yield model.ok("fstab", f"{FSTAB} mounts nothing" if facts.fstab.present else f"there is no {FSTAB}")
        return
    unseen = _unseen(checked)
    if unseen:
        yield model.unknown("fstab", unseen)
        return
    yield model.ok("fstab", f"nothing in {FSTAB} ({_counted(len(facts.fstab.entries))}) keeps the host from booting")


def _counted(number: int) -> str:
    return "1 line" if number == 1 else f"{number} lines"


def _lines(checked: Checked) -> Iterator[BootCheck]:
    for entry in checked.facts.fstab.entries:
        if entry.swap:
            yield from _swap(checked, entry)
        elif entry.file == "/":
            if "ro" in entry.options:
                yield model.doubt("fstab", f"line {entry.line} of {FSTAB} mounts the root read-only (ro)")
        elif "noauto" not in entry.options and entry.file.startswith("/"):
            yield from _point(checked, entry)
            yield from _source(checked, entry)


def _swap(checked: Checked, entry: FstabEntry) -> Iterator[BootCheck]:
    known = checked.facts.devices
    if {"nofail", "noauto"} & set(entry.options):
        return
    why = f"line {entry.line} of {FSTAB} wants {entry.spec} for swap, which does not exist: the boot waits for it"
    if devices.is_device(entry.spec):
        if not isinstance(known, Unknown) and not devices.find(known, entry.spec):
            reason = fstab_devices.doubt_of(checked.facts, known, entry)
            yield model.doubt("fstab", f"{why} (or {reason})" if reason else why)
    elif entry.spec.startswith("/") and not entry.spec.startswith("/dev/") and not checked.target.exists(entry.spec):
        yield model.doubt("fstab", f"line {entry.line} of {FSTAB} wants {entry.spec} for swap, which does not exist")


def _point(checked: Checked, entry: FstabEntry) -> Iterator[BootCheck]:
    """systemd makes a directory that is missing; others don't, and nobody mounts on a file."""
    if _elsewhere(checked, entry.file, entry) or entry.file.startswith(("/proc", "/sys", "/dev", "/run")):
        return
    stat = checked.target.stat(entry.file)
    if isinstance(stat, Unknown):
        if stat.absent and checked.target.exists(entry.file, follow=False):
            why = f"{entry.file}, the mount point of line {entry.line} of {FSTAB}, is a link that leads nowhere"
            yield model.doubt("fstab", why)
        elif stat.absent and checked.facts.init is not Init.SYSTEMD:
            why = f"{entry.file}, the mount point of line {entry.line} of {FSTAB}, does not exist"
            yield model.doubt("fstab", why, f"mkdir -p {checked.place}{entry.file}")
        return
    if stat.kind is not Kind.DIR and entry.required and not {"bind", "rbind"} & set(entry.options):
        yield model.problem("fstab", f"{entry.file}, the mount point of line {entry.line} of {FSTAB}, is no directory")


def _source(checked: Checked, entry: FstabEntry) -> Iterator[BootCheck]:
    """What is bound, or mounted as an image, must be there."""
    if not {"bind", "rbind", "loop"} & set(entry.options) or not entry.required or not entry.spec.startswith("/"):
        return
    if entry.spec.startswith(("/dev/", "/proc", "/sys", "/run")) or _elsewhere(checked, entry.spec, entry):
        return
    stat = checked.target.stat(entry.spec)
    if isinstance(stat, Unknown) and stat.absent:
        why = f"line {entry.line} of {FSTAB} wants {entry.spec} at {entry.file}, and {entry.spec} does not exist"
        yield model.problem("fstab", why)


def _elsewhere(checked: Checked, path: str, but: FstabEntry) -> bool:
    """The path lies on a filesystem that another line mounts, and that may not be mounted here."""
    points = [one.file for one in checked.facts.fstab.entries if one is not but and one.file not in ("", "/")]
    return any(path == point or path.startswith(point + "/") for point in points)


def _unseen(checked: Checked) -> str:
    """Why the devices of required lines could not be compared; "" when they could, or there are none."""
    known = checked.facts.devices
    lines = [one for one in checked.facts.fstab.entries if one.required and devices.is_device(one.spec, one.type)]
    lines = [one for one in lines if one.spec not in ("/dev/root", "/dev/rootfs")]
    if not lines:
        return ""
    if isinstance(known, Unknown):
        return f"whether {lines[0].spec} of line {lines[0].line} exists: {known.reason}"
    for one in lines:
        if devices.find(known, one.spec) is None and not checked.target.live:
            doubt = fstab_devices.doubt_of(checked.facts, known, one)
            return f"line {one.line}: {one.spec} is not among the disks, but {doubt or 'they may change'}"
    return ""
