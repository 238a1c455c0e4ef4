"""What the superblock of a filesystem tells: was it left in order, has the kernel met errors in it, when was it last
checked.

Layouts: linux/fs/ext4/ext4.h (struct ext4_super_block), fs/xfs/libxfs/xfs_format.h (struct xfs_dsb),
fs/btrfs (struct btrfs_super_block). Every number may be a lie: a disk's owner can write what he likes there.
"""

from __future__ import annotations

import base64
import binascii
import struct
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone

from agent.facts import devices
from agent.facts.devices import BlockDevice
from agent.facts.fstab import Fstab
from agent.facts.storage import Mount
from agent.target import Target
from agent.target.model import Json
from agent.unknown import Maybe, Unknown, Why

TYPES = frozenset(("ext2", "ext3", "ext4", "xfs", "btrfs"))
_EXT, _BTRFS = 1024, 0x10000  # bytes from the device's beginning; XFS's is at 0


@dataclass(frozen=True)
class Met:
    """An error that the kernel met and noted in the superblock (ext4 since Linux 2.6.36)."""

    time: float  # seconds since the epoch, 0 where it was not noted
    function: str
    line: int
    inode: int = 0
    block: int = 0

    @property
    def text(self) -> str:
        """ "2026-01-10 10:00 UTC in ext4_lookup:1785, inode 2"."""
        words = [_minute(self.time)] if self.time else []
        if self.function:
            words.append(f"in {self.function}:{self.line}")
        text = " ".join(words)
        places = [f"{name} {number}" for name, number in (("inode", self.inode), ("block", self.block)) if number]
        return ", ".join(filter(None, (text, *places)))


@dataclass(frozen=True)
class Superblock:
    """One filesystem, by its first superblock. Times in seconds since the epoch, 0 where there is none."""

    type: str  # ext2, ext3, ext4, xfs, btrfs
    uuid: str = ""
    label: str = ""
    clean: bool = True  # unmounted in order, or kept in order by its log
    errors: bool = False  # marked as one that holds errors, or that must be repaired
    count: int = 0  # of errors since its last check (ext4)
    first: Met | None = None
    last: Met | None = None
    unfinished: bool = False  # its log holds what is not in its place yet; while it is mounted that is normal
    orphans: bool = False  # deleted files that were still open are to be emptied (ext)
    whole: bool | None = None  # does its checksum hold; None where it has none
    mounted: float = 0.0  # when last
    point: str = ""  # where it was mounted last
    mounts: int = 0  # since its last check
    made: float = 0.0
    checked: float = 0.0
    generation: int = 0  # btrfs: of its last commit
    problem: str = ""  # what makes it unusable, "" when nothing does

    @property
    def damage(self) -> str:
        """A clause on what is known to be wrong with the filesystem; "" when the superblock tells of nothing.

        Its checksum is left out: on a mounted filesystem it may be behind what the kernel has in memory.
        """
        if self.problem:
            return self.problem
        if self.count:
            last = self.last.text if self.last else ""
            since = " since its last check" if self.type == "ext4" else ""
            errors = "error" if self.count == 1 else "errors"
            return f"{self.type} counted {self.count} {errors}{since}" + (f", the last {last}" if last else "")
        if self.errors and self.type == "xfs":
            return "XFS is marked as one that must be repaired"
        return f"{self.type} is marked as one that holds errors" if self.errors else ""


def of(target: Target, device: str) -> Maybe[Superblock]:
    """The superblock on a block device of the machine we run on, by its path or number (8:0)."""
    record = target.query("superblock", device=device)
    return record if isinstance(record, Unknown) else _parsed(record, device)


def parse(pieces: dict[int, bytes]) -> Superblock | None:
    """A device's filesystem by pieces of its beginning (offset: bytes); None when it is none of these."""
    begin = pieces.get(0, b"")
    return _ext(begin[_EXT : _EXT + 1024]) or _xfs(begin) or _btrfs(pieces.get(_BTRFS, b""))


def _parsed(record: Json, device: str) -> Maybe[Superblock]:
    given = record.get("pieces") if isinstance(record, dict) else None
    pieces: dict[int, bytes] = {}
    try:
        for offset, data in given.items() if isinstance(given, dict) else ():
            pieces[int(offset)] = base64.b64decode(str(data), validate=True)
    except (ValueError, binascii.Error):
        return Unknown(f"{device}: its superblock was recorded wrongly", Why.UNREADABLE)
    found = parse(pieces)
    return found or Unknown(f"{device}: no superblock of ext2, ext3, ext4, XFS or btrfs", Why.UNREADABLE)


# -- ext2, ext3, ext4

_HAS_JOURNAL, _RECOVER, _EXTENTS, _METADATA_CSUM = 0x4, 0x4, 0x40, 0x400
_ORPHAN_PRESENT = 0x10000  # ro_compat: the orphan file (Linux 5.15) is not empty


def _ext(block: bytes) -> Superblock | None:
    if len(block) < 1024 or block[0x38:0x3A] != b"\x53\xef":
        return None
    state = _u16(block, 0x3A)
    compat, incompat, ro_compat = (_u32(block, at) for at in (0x5C, 0x60, 0x64))
    modern = incompat & ~0x6 or ro_compat & ~0x7  # what no ext3 has
    type = "ext4" if modern else "ext3" if compat & _HAS_JOURNAL else "ext2"
    count = _u32(block, 0x194) if compat & _HAS_JOURNAL or modern else 0
    whole = None
    if ro_compat & _METADATA_CSUM:
        whole = crc32c(block[:0x3FC]) ^ 0xFFFFFFFF == _u32(block, 0x3FC)
    return Superblock(
        type=type,
        uuid=_uuid(block[0x68:0x78]),
        label=_text(block[0x78:0x88]),
        clean=bool(state & 1),
        errors=bool(state & 2),
        count=count,
        first=_met(block, 0x198, 0x19C, 0x1A0, 0x1A8, 0x1C8, 0x278) if count else None,
        last=_met(block, 0x1CC, 0x1D0, 0x1D8, 0x1E0, 0x1D4, 0x279) if count else None,
        unfinished=bool(incompat & _RECOVER),
        orphans=bool(state & 4) or bool(_u32(block, 0xE8)) or bool(ro_compat & _ORPHAN_PRESENT),
        whole=whole,
        mounted=_time(block, 0x2C, 0x275),
        point=_text(block[0x88:0xC8]),
        mounts=_u16(block, 0x34),
        made=_time(block, 0x108, 0x276),
        checked=_time(block, 0x40, 0x277),
        problem=_ext_problem(block, incompat),
    )


def _ext_problem(block: bytes, incompat: int) -> str:
    """Sizes that no ext filesystem has; the kernel refuses to mount it."""
    if _u32(block, 0x18) > 6:
        return f"its block size (1024 << {_u32(block, 0x18)}) is none that ext4 has"
    if not _u32(block, 0x20) or not _u32(block, 0x28) or not _u32(block, 0x00):
        return "its superblock counts no blocks or no inodes"
    return ""


def _met(block: bytes, time: int, inode: int, number: int, function: int, line: int, high: int) -> Met:
    return Met(
        _time(block, time, high),
        _text(block[function : function + 32]),
        _u32(block, line),
        _u32(block, inode),
        struct.unpack_from("<Q", block, number)[0],
    )


def _time(block: bytes, low: int, high: int) -> float:
    """Seconds with the bits above 32 that Linux 4.17 added."""
    return float(_u32(block, low) | (block[high] << 32))


# -- XFS and btrfs

_XFS_NEEDS_REPAIR = 0x10  # sb_features_incompat


def _xfs(block: bytes) -> Superblock | None:
    """A dirty log can't be told from the superblock: it is in the log."""
    if len(block) < 512 or block[:4] != b"XFSB":
        return None
    version, size = struct.unpack_from(">HH", block, 100)
    newest = version & 0xF == 5
    whole = None
    if newest and 512 <= size <= len(block) and size & (size - 1) == 0:
        sector = block[:224] + bytes(4) + block[228:size]
        whole = crc32c(sector) == _u32(block, 224)
    problem = "it was never finished by mkfs.xfs or xfs_copy" if block[126] else ""
    return Superblock(
        type="xfs",
        uuid=_uuid(block[32:48]),
        label=_text(block[108:120]),
        errors=newest and bool(struct.unpack_from(">I", block, 216)[0] & _XFS_NEEDS_REPAIR),
        whole=whole,
        problem=problem,
    )


_BTRFS_ERROR = 1 << 2  # BTRFS_SUPER_FLAG_ERROR


def _btrfs(block: bytes) -> Superblock | None:
    if len(block) < 0x1000 or block[0x40:0x48] != b"_BHRfS_M":
        return None
    flags, generation = struct.unpack_from("<Q", block, 0x38)[0], struct.unpack_from("<Q", block, 0x48)[0]
    whole = None
    if _u16(block, 0xC4) == 0:  # crc32c, the only kind of checksum that is known here
        whole = crc32c(block[0x20:0x1000]) == _u32(block, 0)
    return Superblock(
        type="btrfs",
        uuid=_uuid(block[0x20:0x30]),
        label=_text(block[0x12B:0x22B]),
        errors=bool(flags & _BTRFS_ERROR),
        unfinished=bool(struct.unpack_from("<Q", block, 0x60)[0]),
        whole=whole,
        generation=generation,
    )


# -- the target's own filesystems


@dataclass(frozen=True)
class Filesystem:
    """A filesystem of the target's: where it belongs, on which device, and its superblock."""

    point: str
    device: str  # its path, or its number where it has none
    superblock: Maybe[Superblock]
    optional: bool = False  # fstab says nofail or noauto, or has it not: the boot does without
    mounted: bool = True


def own(
    target: Target, mounts: Maybe[tuple[Mount, ...]], fstab: Fstab, known: Maybe[tuple[BlockDevice, ...]]
) -> tuple[Filesystem, ...]:
    """The root first, then what else is mounted in it, then what fstab names and is not mounted now.

    Only disks that are surely the target's: on a mounted disk no name that hangs on the order of the disks.
    """
    there = () if isinstance(known, Unknown) else known
    found: dict[str, Filesystem] = {}
    seen: set[str] = set()
    for mount in _mounted(target, mounts):
        device, asked = _device(target, mount, there)
        entry = fstab.entry(mount.point)
        optional = mount.point != "/" and (entry is None or not entry.required)
        if mount.type in TYPES and asked and device not in seen:
            seen.add(device)
            found.setdefault(mount.point, Filesystem(mount.point, device, of(target, asked), optional))
    for entry in fstab.entries:
        if entry.type not in (*TYPES, "auto") or entry.file in found or not devices.is_device(entry.spec, entry.type):
            continue
        disk = devices.find(there, entry.spec) if target.live or _lasting(entry.spec) else None
        if disk is not None and disk.type in TYPES and disk.path not in seen:
            seen.add(disk.path)
            found[entry.file] = Filesystem(entry.file, disk.path, of(target, disk.path), not entry.required, False)
    return tuple(found.values())


def _mounted(target: Target, mounts: Maybe[tuple[Mount, ...]]) -> tuple[Mount, ...]:
    """What the target's tree is made of, each device's first place; live by its own mount table."""
    if not isinstance(mounts, Unknown):
        seen = {mount.point: mount for mount in mounts}
        return tuple(sorted(seen.values(), key=lambda mount: len(mount.point)))
    record = target.query("mounted")
    return tuple(
        Mount(str(one["source"]), str(one["point"]), str(one["type"]), (), str(one["number"]))
        for one in (record if isinstance(record, list) else ())
        if isinstance(one, dict) and {"source", "point", "type", "number"} <= set(one)
    )


def _device(target: Target, mount: Mount, known: tuple[BlockDevice, ...]) -> tuple[str, str]:
    """What is mounted: as it is called, and by which path or number it is to be asked for, "" where none is known."""
    if mount.point == "/" and target.device:
        return target.device, target.device
    source = mount.source if mount.source.startswith("/dev/") and mount.source != "/dev/root" else ""
    if not mount.device or mount.device.startswith("0:"):
        return source, source  # btrfs: its number is no device's
    named = next((one.path for one in known if one.number == mount.device), "")
    return named or source or mount.device, mount.device


def _lasting(spec: str) -> bool:
    """A name that is the same in every system: UUID, LABEL, a volume; not /dev/sdb."""
    return "=" in spec or spec.startswith(("/dev/disk/by-", "/dev/mapper/"))


# -- numbers and texts


def _u16(data: bytes, offset: int) -> int:
    number: int = struct.unpack_from("<H", data, offset)[0]
    return number


def _u32(data: bytes, offset: int) -> int:
    number: int = struct.unpack_from("<I", data, offset)[0]
    return number


def _uuid(data: bytes) -> str:
    return str(uuid.UUID(bytes=data)) if data.strip(b"\0") else ""


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace")


def _minute(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "at an impossible time"


def _table() -> tuple[int, ...]:
    found = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        found.append(number)
    return tuple(found)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC of RFC 3720, which zlib does not have."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


__all__ = ["TYPES", "Filesystem", "Met", "Superblock", "crc32c", "of", "own", "parse"]
