"""The layout of a journal file: its header and its objects, taken apart without trust.

Source: https://systemd.io/JOURNAL_FILE_FORMAT/. All numbers are little-endian; objects begin at multiples of eight.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cached_property
from typing import NamedTuple

SIGNATURE = b"LPKSHHRH"
SMALLEST_HEADER = 208  # of the oldest writers
LARGEST_HEADER = 4096
OBJECT_HEADER = 16
ENTRY_FIXED = 64
ARRAY_FIXED = 24
LARGEST_OBJECT = 768 * 1024 * 1024 + 72  # the largest field that journald takes
MOST_ITEMS = 4096  # fields of one entry; journald takes 1024

_HEADER = struct.Struct("<8sIIB7x16s16s16s16s" + "Q" * 15)
_OBJECT = struct.Struct("<BB6sQ")
_ENTRY = struct.Struct("<QQQ16sQ")


class Kind(IntEnum):
    """Types of objects."""

    UNUSED = 0
    DATA = 1
    FIELD = 2
    ENTRY = 3
    DATA_HASH_TABLE = 4
    FIELD_HASH_TABLE = 5
    ENTRY_ARRAY = 6
    TAG = 7


class Feature(IntFlag):
    """What a reader must know to read the file (incompatible flags)."""

    XZ = 1
    LZ4 = 2
    KEYED_HASH = 4
    ZSTD = 8
    COMPACT = 16


KNOWN_FEATURES = Feature.XZ | Feature.LZ4 | Feature.KEYED_HASH | Feature.ZSTD | Feature.COMPACT
COMPRESSED = 0b111  # the object flags XZ 1, LZ4 2, ZSTD 4


@dataclass(frozen=True)
class FileHeader:
    """The header as it stands. ``whole`` is False where it could not be believed and was guessed."""

    signed: bool
    features: int
    state: int
    file_id: bytes
    machine_id: bytes
    sequence_id: bytes  # seqnum_id, part of each cursor
    size: int
    arena: int
    data_table: int
    data_table_size: int
    field_table: int
    field_table_size: int
    tail_object: int
    objects: int
    entries: int
    entry_array: int
    oldest: int  # microseconds since the epoch
    newest: int

    @cached_property
    def compact(self) -> bool:
        return bool(self.features & Feature.COMPACT)

    @cached_property
    def keyed(self) -> bool:
        return bool(self.features & Feature.KEYED_HASH)

    @cached_property
    def payload(self) -> int:
        """Where the payload of a data object begins."""
        return 72 if self.compact else 64


class ObjectHeader(NamedTuple):
    kind: int
    flags: int
    size: int

    @property
    def step(self) -> int:
        """Bytes to the next object."""
        return (self.size + 7) & ~7


class EntryObject(NamedTuple):
    """One log entry: times in microseconds, the offsets of its data objects."""

    offset: int
    sequence: int
    realtime: int
    monotonic: int
    boot: bytes
    xor_hash: int
    items: tuple[int, ...]


def file_header(data: bytes) -> FileHeader | None:
    """The header; None where there are not enough bytes for one."""
    if len(data) < SMALLEST_HEADER:
        return None
    (
        signature,
        _compatible,
        features,
        state,
        file_id,
        machine_id,
        _tail_boot,
        sequence_id,
        size,
        arena,
        data_table,
        data_table_size,
        field_table,
        field_table_size,
        tail_object,
        objects,
        entries,
        _tail_sequence,
        _head_sequence,
        entry_array,
        oldest,
        newest,
        _monotonic,
    ) = _HEADER.unpack_from(data)
    return FileHeader(
        signature == SIGNATURE,
        features,
        state,
        file_id,
        machine_id,
        sequence_id,
        size,
        arena,
        data_table,
        data_table_size,
        field_table,
        field_table_size,
        tail_object,
        objects,
        entries,
        entry_array,
        oldest,
        newest,
    )


def object_header(data: bytes, at: int = 0) -> ObjectHeader | None:
    """The header of an object that may be one: a known type, a size that can be. None for anything else."""
    if at + OBJECT_HEADER > len(data):
        return None
    kind, flags, reserved, size = _OBJECT.unpack_from(data, at)
    if not 1 <= kind <= 7 or reserved != b"\0\0\0\0\0\0" or not OBJECT_HEADER <= size <= LARGEST_OBJECT:
        return None
    if flags & ~COMPRESSED or (flags and kind != Kind.DATA):
        return None
    return ObjectHeader(kind, flags, size)


def entry_object(data: bytes, offset: int, compact: bool) -> EntryObject | None:
    """An entry that can be one; ``data`` holds the whole object."""
    header = object_header(data)
    if header is None or header.kind != Kind.ENTRY or len(data) < header.size or header.size <= ENTRY_FIXED:
        return None
    width = 4 if compact else 16
    count, rest = divmod(header.size - ENTRY_FIXED, width)
    if rest or not 0 < count <= MOST_ITEMS:
        return None
    sequence, realtime, monotonic, boot, xor_hash = _ENTRY.unpack_from(data, OBJECT_HEADER)
    if not sequence or not realtime:
        return None
    layout = f"<{count}I" if compact else "<" + "Q8x" * count
    return EntryObject(
        offset, sequence, realtime, monotonic, boot, xor_hash, struct.unpack_from(layout, data, ENTRY_FIXED)
    )


def next_array(data: bytes) -> int:
    """Where the entry array after this one is, 0: nowhere."""
    (following,) = struct.unpack_from("<Q", data, OBJECT_HEADER)
    return int(following)


def array_items(data: bytes, compact: bool) -> tuple[int, ...]:
    """The offsets that an entry array holds, unused ones (0) left out."""
    count = (len(data) - ARRAY_FIXED) // (4 if compact else 8)
    items = struct.unpack_from(f"<{count}{'I' if compact else 'Q'}", data, ARRAY_FIXED)
    return tuple(item for item in items if item)
