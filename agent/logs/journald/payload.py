"""The value of a data object, decompressed. journald compresses what is longer than 512 bytes."""

from __future__ import annotations

import importlib
import lzma
import struct
from functools import lru_cache
from typing import Callable

from agent.unknown import Maybe, Unknown, Why

XZ, LZ4, ZSTD = 1, 2, 4
LONGEST = 1024 * 1024  # bytes of a value that are looked at
MEMORY = 72 * 1024 * 1024

_DAMAGED = Unknown("its compressed value is damaged", Why.UNREADABLE)


def decompressed(data: bytes, flags: int, longest: int = LONGEST) -> Maybe[bytes]:
    """The value, or its first ``longest`` bytes. Unknown for damage, and where the library is missing."""
    if flags & ZSTD:
        decode = _zstd()
        if decode is None:
            return Unknown("zstd is not there to decompress it", Why.ABSENT)
        try:
            return decode(data, longest)
        except Exception:  # noqa: BLE001 - each library has errors of its own
            return _DAMAGED
    if flags & LZ4:
        if len(data) < 8:
            return _DAMAGED
        (size,) = struct.unpack_from("<Q", data)
        return lz4_block(data[8:], min(size, longest))
    if flags & XZ:
        try:
            return lzma.LZMADecompressor(memlimit=MEMORY).decompress(data, longest)
        except (lzma.LZMAError, EOFError):
            return _DAMAGED
    return data[:longest]


def zstd_here() -> bool:
    """True when values compressed by zstd can be read."""
    return _zstd() is not None


@lru_cache(maxsize=1)
def _zstd() -> Callable[[bytes, int], bytes] | None:
    """zstandard, else the standard library's own (Python 3.14)."""
    try:
        library = importlib.import_module("zstandard")
    except ImportError:
        try:
            standard = importlib.import_module("compression.zstd")
        except ImportError:
            return None
        return lambda data, longest: bytes(standard.ZstdDecompressor().decompress(data, longest))

    whole = library.ZstdDecompressor(max_window_size=2**27)

    def decode(data: bytes, longest: int) -> bytes:
        if 0 < library.frame_content_size(data) <= longest:  # as journald writes them
            return bytes(whole.decompress(data))
        with library.ZstdDecompressor(max_window_size=2**27).stream_reader(data) as stream:
            parts, left = [], longest
            while left > 0:
                part = stream.read(left)
                if not part:
                    break
                parts.append(part)
                left -= len(part)
            return b"".join(parts)

    return decode


def lz4_block(data: bytes, longest: int) -> Maybe[bytes]:
    """An LZ4 block, decoded up to ``longest`` bytes.

    Source: the format's description, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
    """
    out = bytearray()
    at, end = 0, len(data)
    try:
        while at < end and len(out) < longest:
            token = data[at]
            at += 1
            length, at = _length(data, at, token >> 4)
            out += data[at : at + length]
            if at + length > end:
                return _DAMAGED
            at += length
            if at >= end:
                break  # the last sequence has literals only
            back = data[at] | data[at + 1] << 8
            at += 2
            length, at = _length(data, at, token & 15)
            length = min(length + 4, longest - len(out))
            if not 0 < back <= len(out):
                return _DAMAGED
            if length > 0:
                start = len(out) - back
                piece = bytes(out[start : start + min(back, length)])
                out += (piece * (length // len(piece) + 1))[:length]
    except IndexError:
        return _DAMAGED
    return bytes(out[:longest])


def _length(data: bytes, at: int, length: int) -> tuple[int, int]:
    """A length that goes on in further bytes where it is 15."""
    if length < 15:
        return length, at
    while True:
        more = data[at]
        at += 1
        length += more
        if more < 255:
            return length, at
