"""Which disk each line of a root's fstab means, here and now.

UUID= and LABEL= mean the same everywhere. /dev/sda does not: it is the first disk of whatever profile the
machine was started with, and rescue mode has one of its own. So a path is believed as far as the filesystem
found there is of the kind that the line expects; where it is not, and only one other disk is, that one is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.facts import devices, fstab
from agent.facts.devices import BlockDevice
from agent.facts.fstab import FstabEntry
from agent.rescue.model import Disk, Role
from agent.target import Target

_ORDERED = re.compile(r"/dev/(sd|vd|xvd|hd)[a-z]+\d*")  # names that are given in the order of discovery
_EXT = frozenset(("ext2", "ext3", "ext4"))


@dataclass(frozen=True)
class FstabLink:
    """A line of fstab and the disk that it means; None when no disk here is meant. ``why`` says in a sentence
    what a person should know: the disk is missing, or has another name here. "" when there is nothing to say."""

    entry: FstabEntry
    disk: Disk | None
    why: str = ""


def companions(target: Target, disks: Sequence[Disk]) -> tuple[FstabLink, ...]:
    """For each line of the target's fstab that names a block device: the disk. ``disks`` are those of the
    machine (``survey``); the root's own is the one with the path ``target.device``."""
    entries = [entry for entry in fstab.read(target).entries if devices.is_device(entry.spec, entry.type)]
    root = next((disk for disk in disks if disk.device.path == target.device), None)
    links = {entry.line: _by_name(entry, disks, root) for entry in entries}
    taken = [link.disk for link in links.values() if link.disk is not None]
    for line, link in links.items():
        if link.disk is None and _ORDERED.fullmatch(link.entry.spec):
            links[line] = _moved(link, disks, taken, root)
            taken += [found for found in (links[line].disk,) if found is not None]
    return tuple(links.values())


def _by_name(entry: FstabEntry, disks: Sequence[Disk], root: Disk | None) -> FstabLink:
    named = [disk for disk in disks if devices.find((disk.device,), entry.spec) is not None]
    if entry.file == "/" and root is not None:
        return _root(entry, named, root)
    if len(named) > 1:
        return FstabLink(entry, None, f"{_said(entry)}: several disks here answer to that, {_paths(named)}")
    found = named[0] if named else None
    if found is None:
        return FstabLink(entry, None, f"{_said(entry)}: no disk here is that")
    if found is root and not _subvolume(entry):
        return FstabLink(entry, None, f"{_said(entry)}: here that is the root itself")
    if not _fits(entry, found.device):
        what = found.device.type or "no filesystem that is known"
        return FstabLink(entry, None, f"{_said(entry)} ({entry.type}): here that is {what}")
    return FstabLink(entry, found)


def _root(entry: FstabEntry, named: Sequence[Disk], root: Disk) -> FstabLink:
    """The line for / can only mean the disk that it is on; how it names it may be out of date."""
    if root in named:
        return FstabLink(entry, root)
    if _ORDERED.fullmatch(entry.spec):
        why = (
            f"{_said(entry)}: here that disk is {root.device.path}. Names follow the order in the configuration"
            " profile: assign the disk there as fstab calls it, or name it by UUID in fstab"
        )
        return FstabLink(entry, root, why)
    real = next((name for name in root.device.names if name.startswith("UUID=")), root.device.path)
    return FstabLink(entry, root, f"{_said(entry)}, which is not what this disk is called: {real}")


def _moved(link: FstabLink, disks: Sequence[Disk], taken: Sequence[Disk], root: Disk | None) -> FstabLink:
    """A path that leads to nothing fitting here: the only disk of that kind that nothing else names."""
    entry = link.entry
    left = [disk for disk in disks if disk not in taken and disk is not root and _wanted(entry, disk)]
    if len(left) != 1:
        return link
    found = left[0]
    return FstabLink(entry, found, f"{_said(entry)}: here it is {found.device.path}, as the order of the disks differs")


def _wanted(entry: FstabEntry, disk: Disk) -> bool:
    if entry.swap:
        return disk.role is Role.SWAP
    if disk.role not in (Role.DATA, Role.BOOT):
        return False
    if (entry.file == "/boot") != (disk.role is Role.BOOT):
        return False
    return _fits(entry, disk.device)


def _fits(entry: FstabEntry, device: BlockDevice) -> bool:
    """Is the filesystem of the type that the line says, or one that the same driver mounts?"""
    wanted = set(entry.type.split(","))
    if "auto" in wanted or not entry.type or "none" in wanted:
        return bool(device.type)
    return device.type in wanted or (device.type in _EXT and bool(wanted & _EXT))


def _subvolume(entry: FstabEntry) -> bool:
    return entry.type == "btrfs" or "bind" in entry.options


def _said(entry: FstabEntry) -> str:
    what = "swap" if entry.swap else entry.file
    return f"fstab line {entry.line} names {entry.spec} for {what}"


def _paths(disks: Sequence[Disk]) -> str:
    return ", ".join(disk.device.path for disk in disks)


def for_system(links: Sequence[FstabLink]) -> Iterator[FstabLink]:
    """Those whose filesystem is part of the system itself, outermost first: /boot, /usr, /var and below,
    /etc; not /home, /srv, /mnt. What is mounted by hand (noauto) only where it is /boot."""
    seen = set()
    for link in sorted(links, key=lambda link: link.entry.file.count("/")):
        path = link.entry.file
        parts = path.split("/")
        if link.entry.swap or path in seen or {".", ".."} & set(parts) or len(parts) < 2:
            continue
        if parts[0] or parts[1] not in ("boot", "efi", "usr", "var", "etc", "root", "opt"):
            continue
        if "noauto" in link.entry.options and parts[1] not in ("boot", "efi"):
            continue
        seen.add(path)
        yield link
