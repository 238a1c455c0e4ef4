"""The disks of the machine, and what each is for: a root, /boot, swap, the rescue medium, one in use.

By signature first, then by looking inside: claimed, on a read-only loop device, mounted without touching its
log, and unmounted again. What is in use is left alone, and so is what would first have to be opened or
assembled: that is for the person, who gets the command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from agent.errors import AgentError, CannotLook
from agent.facts.devices import BlockDevice
from agent.facts.facts import Facts
from agent.rescue import contents
from agent.rescue.model import Disk, Role
from agent.target import Target, busy, signature
from agent.target.hold import DeviceBusy, Held, held
from agent.target.mounting import MountFailed, mounted
from agent.unknown import Unknown

FILESYSTEMS = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "nilfs2", "bcachefs", "vfat")
)
_MEDIUM = frozenset(("iso9660", "udf", "squashfs", "erofs", "cramfs"))
# Where live systems keep their medium: live-boot (Finnix, Debian), casper, dracut, archiso, Alpine's modloop.
_LIVE = (
    "/run/live/",
    "/lib/live/mount/",
    "/cdrom",
    "/run/initramfs/live",
    "/run/archiso/",
    "/.modloop",
    "/media/cdrom",
)
_FINNIX_MEDIUM = "/dev/sdh"  # Linode puts the recovery image there (Rescue and Rebuild guide)
_NEVER = re.compile(r"/dev/(zram|ram|fd|nbd)\d+")
_CONTAINERS = {
    "crypto_LUKS": "LUKS",
    "LVM2_member": "LVM",
    "LVM1_member": "LVM",
    "linux_raid_member": "RAID",
    "isw_raid_member": "RAID",
    "ddf_raid_member": "RAID",
    "zfs_member": "ZFS",
    "bcache": "bcache",
    "BitLocker": "BitLocker",
}
_EXTENDED = 1024  # bytes; the size that the kernel gives an extended partition

UNFINISHED = "it was not cleanly unmounted, and its log is not replayed: what is seen may be old"


@dataclass(frozen=True)
class _Machine:
    """What all disks are judged by."""

    target: Target
    devices: tuple[BlockDevice, ...]
    medium: frozenset[str]  # numbers of the devices that the rescue system runs from


def survey(facts: Facts, only: Collection[str] = (), looking: bool = True) -> tuple[Disk, ...]:
    """The machine's disks in their order. ``facts`` are those of the running system.

    ``only`` restricts it to these paths; ``looking=False`` does without looking inside: then a filesystem is
    Role.DATA. Raises CannotLook where nobody tells which devices there are.
    """
    found = facts.devices
    if isinstance(found, Unknown):
        raise CannotLook(f"the disks can't be listed: {found.reason}", "run it as root, in rescue mode itself")
    machine = _Machine(facts.target, found, frozenset(_medium(facts, found)))
    disks = []
    for device in sorted(found, key=_order):
        if (only and device.path not in only) or _NEVER.match(device.path):
            continue
        disk = _by_signature(device, machine)
        if looking and disk.role in (Role.DATA, Role.EMPTY):
            disk = _by_looking(disk)
        disks.append(disk)
    return tuple(disks)


def _order(device: BlockDevice) -> tuple[object, ...]:
    """sda before sdb before sdaa, sda2 before sda10."""
    name, number = re.fullmatch(r"(.*?)(\d*)", device.path, re.DOTALL).groups()  # type: ignore[union-attr]
    return (len(name), name, int(number or 0)) if name.startswith("/dev/sd") else (99, name, int(number or 0))


# -- by what is known of the device


def _by_signature(device: BlockDevice, machine: _Machine) -> Disk:
    if device.number in machine.medium or device.type in _MEDIUM or device.kind == "rom":
        return Disk(device, Role.RESCUE, "the rescue system's own medium" if _is_own(device, machine) else "a medium")
    partitions = _partitions(device, machine)
    if partitions:
        return Disk(device, Role.CONTAINER, "partitions", _listed(partitions))
    why = busy.in_use(device.number)
    if device.type in _CONTAINERS:
        return _container(device, machine, why)
    if why:
        return Disk(device, Role.IN_USE, _called(device), why)
    if device.type == "swap":
        return Disk(device, Role.SWAP, "swap")
    if device.type in FILESYSTEMS:
        return Disk(device, Role.DATA, _called(device))
    if device.type:
        return Disk(device, Role.DATA, _called(device), "it is not looked into")
    if device.kind == "part" and device.size <= _EXTENDED:
        return Disk(device, Role.CONTAINER, "an extended partition", "its partitions are listed")
    return Disk(device, Role.EMPTY, "no filesystem that is known")


def _container(device: BlockDevice, machine: _Machine, why: str) -> Disk:
    what = _CONTAINERS[device.type]
    holders = _holders(device, machine)
    if holders:
        return Disk(device, Role.CONTAINER, what, _listed(holders))
    if why:
        return Disk(device, Role.IN_USE, what, why)
    if what == "LUKS":
        name = re.sub(r"[^A-Za-z0-9]", "-", device.path.rpartition("/")[2])
        return Disk(
            device, Role.CONTAINER, what, "encrypted: open it first", (f"cryptsetup open {device.path} {name}",)
        )
    if what == "LVM":
        return Disk(device, Role.CONTAINER, what, "its volumes are not active", ("vgchange -ay",))
    if what == "RAID":
        return Disk(device, Role.CONTAINER, what, "the array is not assembled", ("mdadm --assemble --scan --readonly",))
    return Disk(device, Role.CONTAINER, what, "it is not looked into")


def _listed(devices: Collection[BlockDevice]) -> str:
    paths = [device.path for device in devices]
    return f"see {', '.join(paths[:8])}{' ...' if len(paths) > 8 else ''}"


def _called(device: BlockDevice) -> str:
    label = next((name[6:] for name in device.names if name.startswith("LABEL=")), "")
    return f"{device.type}, label {label}" if label else device.type


def _partitions(device: BlockDevice, machine: _Machine) -> list[BlockDevice]:
    folder = machine.target.resolve(f"/sys/dev/block/{device.number}")
    if isinstance(folder, Unknown):
        return []
    names = machine.target.list(folder)
    inner = [] if isinstance(names, Unknown) else [f"{folder}/{name}" for name in names]
    return _numbered(inner, "/partition", machine)


def _holders(device: BlockDevice, machine: _Machine) -> list[BlockDevice]:
    names = machine.target.list(f"/sys/dev/block/{device.number}/holders")
    if isinstance(names, Unknown):
        return []
    return _numbered([f"/sys/class/block/{name}" for name in names], "/dev", machine)


def _numbered(folders: list[str], witness: str, machine: _Machine) -> list[BlockDevice]:
    """The listed devices whose folders in sysfs these are, when they hold a file of that name."""
    numbers = []
    for folder in folders:
        number = machine.target.text(f"{folder}/dev", 64) if machine.target.exists(f"{folder}{witness}") else ""
        numbers.append("" if isinstance(number, Unknown) else number.strip())
    return sorted((device for device in machine.devices if device.number in numbers), key=_order)


# -- the rescue system's own medium


def _medium(facts: Facts, devices: tuple[BlockDevice, ...]) -> Iterator[str]:
    """Numbers of what the running system was started from, whole disk and partitions alike."""
    mounts = facts.mounts
    own = set()
    for mount in () if isinstance(mounts, Unknown) else mounts:
        if f"{mount.point}/".startswith(_LIVE):
            own.add(mount.device)
    if facts.target.rescue:
        own |= {device.number for device in devices if device.path == _FINNIX_MEDIUM}
    disks = {_disk(facts.target, number) for number in own}
    yield from (device.number for device in devices if _disk(facts.target, device.number) in disks)


def _disk(target: Target, number: str) -> str:
    """The number of the disk that a partition is on; of anything else, its own."""
    folder = target.resolve(f"/sys/dev/block/{number}")
    if isinstance(folder, Unknown) or not target.exists(f"{folder}/partition"):
        return number
    text = target.text(f"{folder.rpartition('/')[0]}/dev", 64)
    return number if isinstance(text, Unknown) else text.strip()


def _is_own(device: BlockDevice, machine: _Machine) -> bool:
    return device.number in machine.medium


# -- by looking inside


def _by_looking(disk: Disk) -> Disk:
    device = disk.device
    if disk.why and disk.role is Role.DATA:
        return disk
    try:
        with held(device.path) as claim:
            return _look(disk, claim)
    except DeviceBusy as error:
        return replace(disk, role=Role.IN_USE, why=error.why)
    except AgentError as error:
        return replace(disk, why=error.message)


def _look(disk: Disk, claim: Held) -> Disk:
    device = disk.device
    if disk.role is Role.EMPTY:
        table = signature.partition_table(claim.place)
        if table:  # its kind is one that this kernel does not read by itself
            what = f"a partition table ({table})"
            command = f"partx -a {shlex.quote(device.path)}"
            return Disk(device, Role.CONTAINER, what, "the kernel has not read it", (command,))
        found = signature.lost(claim.place, claim.size)
        if found is None:
            return disk
        named = replace(device, type=found.type, names=tuple(dict.fromkeys((*device.names, *found.tags))))
        return Disk(named, Role.DAMAGED, _called(named), "its superblock is gone, but a copy of it is there")
    if device.type == "btrfs" and signature.btrfs_devices(claim.place) > 1:
        commands = ("btrfs device scan", f"mount -o ro {shlex.quote(device.path)} /mnt", "agent scan --root /mnt")
        return Disk(device, Role.CONTAINER, disk.what, "part of a btrfs of several disks: mount it yourself", commands)
    try:
        with mounted(claim.place, device.type, guarded=claim.guarded) as mounting:
            seen = contents.look(mounting.path)
            unfinished = mounting.unfinished
        if device.type == "btrfs" and seen.role is not Role.ROOT:
            with mounted(claim.place, device.type, subvolume="subvolid=5", guarded=claim.guarded) as mounting:
                seen = contents.look_in_subvolumes(mounting.path) or seen
    except MountFailed as error:
        if error.unsupported:
            return replace(disk, why=f"not looked into: {error.reason}")
        return replace(disk, role=Role.DAMAGED, why=error.reason)
    what = seen.what if seen.role is Role.ROOT else f"{seen.what} ({_called(device)})"
    return Disk(device, seen.role, what, UNFINISHED if unfinished else "", (), seen.subvolume, seen.hostname)
