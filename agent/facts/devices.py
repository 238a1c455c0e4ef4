"""Block devices and the names by which fstab may call them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.facts import mount_words
from agent.target import Target
from agent.target.model import Json
from agent.unknown import Maybe, Unknown, Why

_FOLDERS = {"by-uuid": "UUID", "by-label": "LABEL", "by-partuuid": "PARTUUID", "by-partlabel": "PARTLABEL"}


@dataclass(frozen=True)
class BlockDevice:
    """``names`` are all the ways to call it: /dev/sda, /dev/disk/by-uuid/..., UUID=..., LABEL=..."""

    path: str
    names: tuple[str, ...]
    type: str = ""  # filesystem type, "swap", "LVM2_member" ...
    size: int = 0  # bytes
    kind: str = ""  # disk, part, lvm, raid1, crypt, rom, loop ... (lsblk's TYPE)
    read_only: bool = False
    number: str = ""  # major:minor


def read(target: Target) -> Maybe[tuple[BlockDevice, ...]]:
    """The machine's block devices: the target's record of them, or what udev made in /dev.

    On an offline root they are those of the system we run on, which in rescue mode holds the target's disks.
    Unknown when neither tells (a container has none of its own: an empty answer would accuse every fstab).
    """
    record = target.query("devices")
    if not isinstance(record, Unknown):
        found = parse(record)
        return found if found else Unknown("the running system shows no block device", Why.ABSENT)
    if not target.live:
        return record
    found = _of_dev(target)
    return found if found else Unknown(f"no block devices in /dev/disk; {record.reason}", record.why)


def parse(record: Json) -> tuple[BlockDevice, ...]:
    """A list of {path, names, type, size} and, as blkid or lsblk call them, uuid, label, partuuid ..."""
    devices: list[BlockDevice] = []
    for item in record if isinstance(record, (list, tuple)) else ():
        if not isinstance(item, dict) or not isinstance(item.get("path"), str):
            continue
        path = item["path"]
        listed = item.get("names")
        names = [name for name in listed if isinstance(name, str)] if isinstance(listed, (list, tuple)) else []
        for tag in ("UUID", "LABEL", "PARTUUID", "PARTLABEL"):
            value = item.get(tag.lower(), item.get(tag))
            if isinstance(value, str) and value:
                names.append(f"{tag}={value}")
        kind = item.get("type") if isinstance(item.get("type"), str) else item.get("fstype")
        size = item.get("size")
        devices.append(
            BlockDevice(
                path,
                tuple(dict.fromkeys((path, *names))),
                _text(kind),
                size if isinstance(size, int) else 0,
                _text(item.get("kind")),
                item.get("read_only") is True,
                _text(item.get("number")),
            )
        )
    return tuple(devices)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def find(devices: tuple[BlockDevice, ...], spec: str) -> BlockDevice | None:
    """The device that an fstab spec names; None when none does."""
    wanted = _spellings(spec)
    for device in devices:
        for name in device.names:
            if wanted & _spellings(name):
                return device
    return None


def is_device(spec: str, type: str = "") -> bool:
    """True when an fstab spec names a block device that must exist; False for tmpfs, host:/share, files."""
    if type in mount_words.PSEUDO_FILESYSTEMS or mount_words.is_network(type):
        return False
    if spec.partition("=")[0] in mount_words.TAGS and "=" in spec:
        return True
    if type.startswith("fuse.") or spec in ("/dev/fuse", "/dev/shm", "/dev/pts"):
        return False
    return spec.startswith("/dev/")


def _spellings(name: str) -> set[str]:
    """One name in the forms that mean the same: UUID=x and /dev/disk/by-uuid/x, LVM's two paths.

    blkid prints UUIDs in one case, people type them in another: a finding must not hang on that.
    """
    name = name.strip()
    tag, equals, value = name.partition("=")
    if equals and tag.upper() in mount_words.TAGS:
        value = value.strip().strip("\"'")
        tag = tag.upper()
        return {f"{tag}={value.lower() if tag in ('UUID', 'PARTUUID') else value}"} if value else set()
    path = re.sub(r"/+", "/", name)
    match = re.fullmatch(r"/dev/disk/(by-[a-z]+)/(.+)", path)
    if match:
        folder, value = match.group(1), _unescaped(match.group(2))
        if folder in _FOLDERS:
            return _spellings(f"{_FOLDERS[folder]}={value}")
        return {f"ID={value}"} if folder == "by-id" else {path}
    mapper = re.fullmatch(r"/dev/mapper/(.+)", path)
    if mapper:
        return {path, f"lvm {mapper.group(1)}"}
    volume = re.fullmatch(r"/dev/([^/]+)/([^/]+)", path)
    if volume and volume.group(1) not in ("disk", "mapper", "block", "shm", "pts", "input"):
        # device-mapper doubles the dashes inside the names of group and volume
        group, logical = (part.replace("-", "--") for part in volume.groups())
        return {path, f"lvm {group}-{logical}"}
    return {path}


def _unescaped(name: str) -> str:
    """udev writes characters that can't stand in a file name as \\x20."""
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda match: chr(int(match.group(1), 16)), name)


def _of_dev(target: Target) -> tuple[BlockDevice, ...]:
    """What /proc/partitions and the links in /dev/disk and /dev/mapper show."""
    names: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    text = target.text("/proc/partitions")
    if not isinstance(text, Unknown):
        for blocks, name in re.findall(r"^\s*\d+\s+\d+\s+(\d{1,15})\s+(\S+)$", text, re.MULTILINE):
            path = "/dev/" + name.replace("!", "/")
            if target.exists(path):
                names.setdefault(path, [])
                sizes[path] = int(blocks) * 1024
    for link in (*target.glob("/dev/disk/by-*/*"), *target.glob("/dev/mapper/*")):
        resolved = target.resolve(link)
        if not isinstance(resolved, Unknown) and resolved != "/dev/mapper/control":
            names.setdefault(resolved, []).append(link)
    return tuple(BlockDevice(path, (path, *links), "", sizes.get(path, 0)) for path, links in sorted(names.items()))
