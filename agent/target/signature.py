"""The few bytes that tell what blkid(8) does not: how many disks a btrfs spans, whether a disk with nothing on it
has a partition table, and what it held before its first superblock was overwritten, by a copy of that.

Read from a device that is held (hold.py). Layouts: linux/fs/ext4/ext4.h, fs/btrfs, fs/xfs/libxfs/xfs_format.h.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

_EXT_MAGIC, _EXT_MAGIC_AT = 0xEF53, 0x38  # the magic number, and where in the superblock it is
# Group 1 keeps a copy in every filesystem with more than one group (but "sparse_super2"): at the block after
# the 8 * block size blocks that one bitmap can tell of, plus the boot block where blocks are that small.
_EXT_COPIES = {1024: 8193 * 1024, 2048: 16384 * 2048, 4096: 32768 * 4096}
_BTRFS, _BTRFS_COPIES, _BTRFS_MAGIC = 0x10000, (0x4000000, 0x4000000000), b"_BHRfS_M"
_XFS_GROUPS, _XFS_BLOCK = 4, 4096  # what mkfs.xfs chooses for one disk below 4 TiB
_SIZE = 4096  # bytes


@dataclass(frozen=True)
class Lost:
    """A filesystem whose first superblock is gone, by a copy of it. ``tags`` as fstab writes them."""

    type: str
    tags: tuple[str, ...]


def needs_recovery(place: str) -> bool:
    """Does the journal of an ext3 or ext4 hold what is not in its place yet (EXT3_FEATURE_INCOMPAT_RECOVER)?"""
    block = _read(place, 1024)
    return _ext_magic(block) and bool(_u32(block, 0x60) & 0x4)


def has_orphans(place: str) -> bool:
    """Does this ext2, ext3 or ext4 list files that were deleted while they were open (s_last_orphan, or the
    orphan file of Linux 5.15)? The kernel empties them with the first mount that can write."""
    block = _read(place, 1024)
    return _ext_magic(block) and (_u32(block, 0xE8) != 0 or _u32(block, 0x64) & 0x10000 != 0)


def btrfs_devices(place: str) -> int:
    """The number of disks that this btrfs is made of; 0 when it is none."""
    block = _read(place, _BTRFS)
    if block[0x40:0x48] != _BTRFS_MAGIC:
        return 0
    number: int = struct.unpack_from("<Q", block, 0x88)[0]
    return number


def lost(place: str, size: int) -> Lost | None:
    """What the device held before its beginning was overwritten; None when no copy shows anything."""
    for found in (_lost_ext(place), _lost_btrfs(place), _lost_xfs(place, size)):
        for one in found:
            return one
    return None


def partition_table(place: str) -> str:
    """ "GPT" or "MBR" where there is a table with partitions; "" for none."""
    block = _read(place, 0)
    if block[512:520] == b"EFI PART":
        return "GPT"
    entries = [block[446 + 16 * index : 462 + 16 * index] for index in range(4)]
    sound = all(entry[0] in (0, 0x80) for entry in entries) and any(entry[4] for entry in entries)
    return "MBR" if block[510:512] == b"\x55\xaa" and sound else ""


def _lost_ext(place: str) -> Iterator[Lost]:
    for length, offset in _EXT_COPIES.items():
        block = _read(place, offset)
        if not _ext_magic(block):
            continue
        exponent, group = _u32(block, 0x18), struct.unpack_from("<H", block, 0x5A)[0]
        if exponent > 6 or 1024 << exponent != length or group != 1:
            continue
        journal, extents = _u32(block, 0x5C) & 4, _u32(block, 0x60) & 0x40
        type = "ext4" if extents else "ext3" if journal else "ext2"
        yield Lost(type, _tags(block[0x68:0x78], block[0x78:0x88]))


def _lost_btrfs(place: str) -> Iterator[Lost]:
    for offset in _BTRFS_COPIES:
        block = _read(place, offset)
        if block[0x40:0x48] == _BTRFS_MAGIC and struct.unpack_from("<Q", block, 0x30)[0] == offset:
            yield Lost("btrfs", _tags(block[0x20:0x30], block[0x12B:0x22B]))


def _lost_xfs(place: str, size: int) -> Iterator[Lost]:
    blocks = size // _XFS_BLOCK
    for group in sorted({blocks // _XFS_GROUPS, -(-blocks // _XFS_GROUPS)}):
        block = _read(place, group * _XFS_BLOCK) if group else b""
        if block[:4] == b"XFSB" and struct.unpack_from(">I", block, 84)[0] == group:  # sb_agblocks
            yield Lost("xfs", _tags(block[32:48], block[108:120]))


def _u32(block: bytes, offset: int) -> int:
    number: int = struct.unpack_from("<I", block, offset)[0]
    return number


def _ext_magic(block: bytes) -> bool:
    return bool(struct.unpack_from("<H", block.ljust(_SIZE, b"\0"), _EXT_MAGIC_AT)[0] == _EXT_MAGIC)


def _tags(identity: bytes, label: bytes) -> tuple[str, ...]:
    name = label.split(b"\0")[0].decode("utf-8", "replace")
    found = [f"UUID={uuid.UUID(bytes=identity)}"] if identity.strip(b"\0") else []
    return tuple(found + ([f"LABEL={name}"] if name else []))


def _read(place: str, offset: int) -> bytes:
    """A few KiB of a block device, padded with zeros; only zeros where it can't be read or ends before."""
    data = b""
    with contextlib.suppress(OSError, OverflowError):
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISBLK(os.fstat(descriptor).st_mode):
                data = os.pread(descriptor, _SIZE, offset)
        finally:
            os.close(descriptor)
    return data.ljust(_SIZE, b"\0")
