"""The superblock and the group descriptors of ext2, ext3 and ext4: whether they are in order, and their copies.

Layout: linux/fs/ext4/ext4.h, struct ext4_super_block; Documentation/filesystems/ext4/super.rst.
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass

PLACE, SIZE = 1024, 1024  # bytes: where it is, and how long
MAGIC = 0xEF53
TYPES = ("ext2", "ext3", "ext4")
_CLEAN, _ERRORS = 1, 2  # s_state
_RECOVER, _META_BG, _64BIT = 0x4, 0x10, 0x80  # s_feature_incompat
_WRITTEN = 1024 * 1024  # bytes at the beginning that every writer changes some of
_METADATA_CSUM = 0x400  # s_feature_ro_compat
_GROUPS = 1 << 20  # more are not believed (128 TiB)
_CRC32C = 0x82F63B78


@dataclass(frozen=True)
class Superblock:
    """``clean``: unmounted in order, or has a journal that is to tell. ``errors``: the kernel, or e2fsck, met
    damage and marked the filesystem. ``needs_recovery``: the journal holds what is not in its place yet."""

    data: bytes
    clean: bool
    errors: bool
    needs_recovery: bool
    block_size: int
    blocks: int
    group: int  # 0 for the first one, else that of a copy
    uuid: bytes
    groups: int
    descriptor_size: int  # bytes of a group descriptor; 0 where they don't follow the superblock (meta_bg)
    journal: int  # bytes of the journal inside of it; 0 for none
    intact: bool  # its own checksum fits, or it has none

    @property
    def descriptors(self) -> tuple[int, int]:
        """Where its group descriptors begin, counted from its own group's first block (bytes), and how long they
        are: whole blocks."""
        blocks = -(-self.groups * self.descriptor_size // self.block_size)
        return (2048 if self.block_size == 1024 else self.block_size), blocks * self.block_size


def read(descriptor: int, offset: int = PLACE) -> Superblock | None:
    """The superblock at a place of an open device; None where there is none. OSError where it can't be read."""
    return parse(os.pread(descriptor, SIZE, offset))


def parse(data: bytes) -> Superblock | None:
    """None for what is no superblock, or one that makes no sense."""
    if len(data) < SIZE or struct.unpack_from("<H", data, 0x38)[0] != MAGIC:
        return None
    exponent: int = struct.unpack_from("<I", data, 0x18)[0]
    if exponent > 6:
        return None
    state: int = struct.unpack_from("<H", data, 0x3A)[0]
    incompat, ro_compat = struct.unpack_from("<II", data, 0x60)
    wide = struct.unpack_from("<I", data, 0x150)[0] if incompat & _64BIT else 0
    blocks: int = struct.unpack_from("<I", data, 4)[0] | wide << 32
    per_group: int = struct.unpack_from("<I", data, 0x20)[0]
    length: int = struct.unpack_from("<H", data, 0xFE)[0] if incompat & _64BIT else 32
    if not per_group or not blocks or length not in (32, 64, 128, 256, 512, 1024):
        return None
    high, low = struct.unpack_from("<II", data, 0x10C + 15 * 4)  # s_jnl_blocks: the journal's i_size
    return Superblock(
        data,
        bool(state & _CLEAN),
        bool(state & _ERRORS),
        bool(incompat & _RECOVER),
        1024 << exponent,
        blocks,
        struct.unpack_from("<H", data, 0x5A)[0],
        data[0x68:0x78],
        min(-(-blocks // per_group), _GROUPS),
        0 if incompat & _META_BG else length,
        high << 32 | low if data[0xFD] == 1 else 0,  # s_jnl_backup_type
        not ro_compat & _METADATA_CSUM or struct.unpack_from("<I", data, 0x3FC)[0] == crc32c(data[:0x3FC]),
    )


def copy(descriptor: int) -> Superblock | None:
    """The first intact copy of the superblock with its group descriptors, where mke2fs puts them: in the groups
    1, 3, 5 and 7."""
    for block_size in (4096, 1024, 2048):
        for group in (1, 3, 5, 7):
            place = (group * 8 * block_size + (1 if block_size == 1024 else 0)) * block_size
            found = read(descriptor, place)
            if found is None or found.block_size != block_size or found.group != group or not found.intact:
                continue
            if sound_descriptors(descriptor, found):
                return found
    return None


def sound_descriptors(descriptor: int, superblock: Superblock) -> bool:
    """Do the group descriptors beside this superblock, or copy, lead anywhere? As e2fsck decides it."""
    if not superblock.descriptor_size:
        return True
    data = _descriptors(descriptor, superblock)
    first = 1 if superblock.block_size == 1024 else 0
    for group in range(superblock.groups):
        at = group * superblock.descriptor_size
        if at + superblock.descriptor_size > len(data):
            return False
        places = struct.unpack_from("<III", data, at)
        high = struct.unpack_from("<III", data, at + 32) if superblock.descriptor_size >= 64 else (0, 0, 0)
        for low_part, high_part in zip(places, high):
            if not first < (low_part | high_part << 32) < superblock.blocks:
                return False
    return True


def beginning(descriptor: int, first: Superblock | None, backup: Superblock) -> bytes:
    """What has to be written at ``PLACE``: the first superblock (from the copy when it is gone), and after it the
    copy's group descriptors."""
    superblock = first.data if first is not None else as_first(backup)
    data = _descriptors(descriptor, backup)
    start, _ = backup.descriptors
    gap = os.pread(descriptor, start - PLACE - SIZE, PLACE + SIZE)  # with blocks of more than 1 KiB
    return superblock + (gap + data if backup.descriptor_size else b"")


def _descriptors(descriptor: int, superblock: Superblock) -> bytes:
    start, length = superblock.descriptors
    group = superblock.group * 8 * superblock.block_size * superblock.block_size
    return os.pread(descriptor, length, group + start)


def as_first(backup: Superblock) -> bytes:
    """The bytes of the first superblock, made from a copy: they differ in the group's number and the checksum."""
    data = bytearray(backup.data)
    struct.pack_into("<H", data, 0x5A, 0)
    if struct.unpack_from("<I", data, 0x64)[0] & _METADATA_CSUM:
        struct.pack_into("<I", data, 0x3FC, crc32c(bytes(data[:0x3FC])))
    return bytes(data)


def place_of(backup: Superblock) -> int:
    """The block at which e2fsck -b finds this copy."""
    return backup.group * 8 * backup.block_size + (1 if backup.block_size == 1024 else 0)


def crc32c(data: bytes) -> int:
    """CRC-32C without the last complement, as the kernel's crc32c_le and e2fsprogs have it."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_CRC32C if value & 1 else 0)
    return value


def digest(descriptor: int, instead: bytes = b"") -> str:
    """What tells whether somebody has written to the filesystem: every mount for writing, every checker and
    debugger changes its superblock (times of mount and of write, counter of what was written).

    "SUPERBLOCK-BEGINNING", the latter of the first MiB. ``instead`` stands for what is at ``PLACE`` now.
    """
    data = os.pread(descriptor, _WRITTEN, 0)
    data = data[:PLACE] + instead + data[PLACE + len(instead) :]
    return f"{hashlib.sha256(data[PLACE : PLACE + SIZE]).hexdigest()}-{hashlib.sha256(data).hexdigest()}"


def first_bytes(descriptor: int) -> bytes:
    """Of the place where the first superblock is, whatever is there."""
    return os.pread(descriptor, SIZE, PLACE)


def same_superblock(one: str, other: str) -> bool:
    """Of two digests."""
    return one.partition("-")[0] == other.partition("-")[0]
