"""The header of a journald file: what its reader does not say.

libsystemd gives no entries and no error for a file that it can't read to the end; the header tells how many
there should be. Layout: https://systemd.io/JOURNAL_FILE_FORMAT/
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from agent.unknown import Maybe, Unknown, Why

SIGNATURE = b"LPKSHHRH"
SMALLEST = 208  # bytes of the oldest header
KNOWN_FEATURES = 0b11111  # xz, lz4, keyed hash, zstd, compact
STATES = {0: "offline", 1: "online", 2: "archived"}


@dataclass(frozen=True)
class JournalHeader:
    """``entries`` as the writer counted them; ``newest`` in seconds since the epoch; ``missing`` bytes
    that the header promises beyond the file's end."""

    entries: int
    newest: float
    missing: int
    unclean: bool  # it was open when the host died
    unsupported: str = ""  # why readers that know no more of the format than we do can't read it


def header(stream: BinaryIO) -> Maybe[JournalHeader]:
    """Reads the header; Unknown says why the file can't be read at all."""
    try:
        data = os.pread(stream.fileno(), SMALLEST, 0)
        size = os.fstat(stream.fileno()).st_size
    except OSError as error:
        return Unknown(error.strerror or str(error), Why.IO)
    if len(data) < SMALLEST:
        return Unknown("shorter than a journal's header", Why.UNREADABLE)
    if data[:8] != SIGNATURE:
        return Unknown("its header is damaged (no signature)", Why.UNREADABLE)
    (incompatible,) = struct.unpack_from("<I", data, 12)
    unsupported = f"uses an unsupported feature (flags {incompatible:#x})" if incompatible & ~KNOWN_FEATURES else ""
    header_size, arena_size = struct.unpack_from("<QQ", data, 88)
    (entries,) = struct.unpack_from("<Q", data, 152)
    (newest,) = struct.unpack_from("<Q", data, 192)
    return JournalHeader(entries, newest / 1e6, max(0, header_size + arena_size - size), data[16] == 1, unsupported)
