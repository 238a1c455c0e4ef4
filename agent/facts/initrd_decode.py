"""Compressed archives of an initrd: where each ends by its own frames, and its text where there is a decoder.

Walking needs no decoder: xz ends with an index of its blocks, zstd, lz4 and lzo give the length of each block.
gzip, bzip2 and lzma show their end only when they are decoded. zstd is decoded by Python 3.14 or the library
zstandard; lz4 and lzo by nothing that Python brings.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import struct
import time
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from agent.unknown import Maybe, Unknown

SECONDS = 10.0  # how long the decoders may take for one initrd
INPUT = 64 * 1024  # bytes read at once
SIP = 1024  # bytes given at once to a decoder: a few bytes may stand for very many
LARGEST = 4 * 1024 * 1024 * 1024  # bytes decoded
MEMORY = 256 * 1024 * 1024  # bytes; the kernel gives a decoder less
BLOCKS = 1_000_000
_BLOCK = 128 * 1024  # bytes of a zstd block, at most
_LZ4_BLOCK = 8 * 1024 * 1024  # of text in a block of the legacy frame (the kernel's own limit)

Add = Callable[[bytes], None]


class Damaged(Exception):
    """The data ends too early or is not what it should be. Its text is a clause on the file."""


class Budget:
    """The time that is left for decoding."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def spent(self) -> bool:
        return time.monotonic() > self._end


def walked(kind: str, stream: BinaryIO, start: int, size: int) -> int | None:
    """Where an archive that begins at ``start`` ends, by its frames; None when only decoding can tell.

    Damaged when the file (of ``size`` bytes) ends before it.
    """
    walk = _WALKS.get(kind)
    return walk(_Source(stream, size, kind), start) if walk else None


class _Source:
    def __init__(self, stream: BinaryIO, size: int, kind: str) -> None:
        self.stream = stream
        self.size = size
        self.kind = kind

    def at(self, offset: int, length: int) -> bytes:
        """So many bytes; Damaged when the file has not got them."""
        if offset + length > self.size:
            raise self.cut()
        self.stream.seek(offset)
        data = self.stream.read(length)
        if len(data) < length:
            raise self.cut()
        return data

    def number(self, offset: int, form: str = "<I") -> int:
        value: int = struct.unpack(form, self.at(offset, struct.calcsize(form)))[0]
        return value

    def cut(self) -> Damaged:
        return Damaged(f"is cut off: its {self.kind} data goes on after its {self.size} bytes")

    def wrong(self, offset: int) -> Damaged:
        return Damaged(f"is damaged: its {self.kind} data makes no sense at byte {offset}")


def _zstd(source: _Source, start: int) -> int:
    """Frames of RFC 8878: a header, blocks with their length, the last one marked, a checksum."""
    offset = start
    while offset + 4 <= source.size:
        magic = source.number(offset)
        if magic & 0xFFFFFFF0 == 0x184D2A50:  # a frame to skip
            offset += 8 + source.number(offset + 4)
            if offset > source.size:
                raise source.cut()
            continue
        if magic != 0xFD2FB528:
            break
        flags = source.at(offset + 4, 1)[0]
        single = flags >> 5 & 1
        content = (single, 2, 4, 8)[flags >> 6]
        offset += 5 + (0 if single else 1) + (0, 1, 2, 4)[flags & 3] + content
        for _ in range(BLOCKS):
            block = int.from_bytes(source.at(offset, 3), "little")
            kind, length = block >> 1 & 3, block >> 3
            if kind == 3 or (kind != 1 and length > _BLOCK):
                raise source.wrong(offset)
            offset += 3 + (1 if kind == 1 else length)
            if offset > source.size:
                raise source.cut()
            if block & 1:
                break
        offset += 4 if flags & 4 else 0
        if offset > source.size:
            raise source.cut()
    return offset


def _xz(source: _Source, start: int) -> int:
    """The stream ends with its index and a footer, at the end of the file but for zeros (xz-file-format.txt)."""
    end = source.size
    while end - start >= 4 and end % 4 == start % 4 and source.at(end - 4, 4) == b"\0\0\0\0":
        end -= 4
    if (end - start) % 4 or end - start < 32 or source.at(end - 2, 2) != b"YZ":
        raise source.cut()
    checksum, backward = struct.unpack("<II", source.at(end - 12, 8))
    if zlib.crc32(source.at(end - 8, 6)) != checksum:
        raise source.wrong(end - 12)
    length = (backward + 1) * 4
    if length > min(end - start - 24, 16 * 1024 * 1024):
        raise source.wrong(end - 12)
    index = source.at(end - 12 - length, length)
    if index[0] or zlib.crc32(index[:-4]) != struct.unpack("<I", index[-4:])[0]:
        raise source.wrong(end - 12 - length)
    blocks, place = 0, 1
    count, place = _variable(index, place)
    for _ in range(min(count, BLOCKS)):
        unpadded, place = _variable(index, place)
        _, place = _variable(index, place)
        blocks += (unpadded + 3) // 4 * 4
    if start + 12 + blocks + length + 12 != end:
        raise source.wrong(end - 12 - length)
    return end


def _variable(data: bytes, place: int) -> tuple[int, int]:
    """xz's numbers: seven bits a byte, the lowest first."""
    value = 0
    for shift in range(0, 63, 7):
        byte = data[place] if place < len(data) else 0
        value |= (byte & 0x7F) << shift
        place += 1
        if not byte & 0x80:
            break
    return value, place


def _lz4(source: _Source, start: int) -> int:
    """The legacy frame: blocks with their length up to the end of the file, or the next frame, or zeros."""
    offset = start + 4
    for _ in range(BLOCKS):
        if source.size - offset < 4:
            if any(source.at(offset, source.size - offset)):
                raise source.cut()
            return source.size
        length = source.number(offset)
        if length == 0x184C2102:  # another frame begins
            offset += 4
        elif length == 0 or length > _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16:
            return offset
        else:
            offset += 4 + length
            if offset > source.size:
                raise source.cut()
    return offset


def _lzo(source: _Source, start: int) -> int:
    """lzop's file: a header, blocks with both lengths and the checksums that its flags name, a length of zero."""
    version = source.number(start + 9, ">H")
    newer = version >= 0x0940
    offset = start + 9 + (6 if newer else 4) + (2 if newer else 1)
    flags = source.number(offset, ">I")
    offset += 4 + (4 if flags & 0x800 else 0) + (12 if newer else 8)
    offset += 1 + source.at(offset, 1)[0] + 4
    if flags & 0x40:
        offset += 8 + source.number(offset, ">I")
    for _ in range(BLOCKS):
        text = source.number(offset, ">I")
        if text == 0:
            return offset + 4
        packed = source.number(offset + 4, ">I")
        if not 0 < packed <= text <= 64 * 1024 * 1024:
            raise source.wrong(offset)
        sums = (flags & 1) + (flags >> 8 & 1)
        if packed < text:
            sums += (flags >> 1 & 1) + (flags >> 9 & 1)
        offset += 8 + 4 * sums + packed
        if offset > source.size:
            raise source.cut()
    return offset


_WALKS: dict[str, Callable[[_Source, int], int]] = {"zstd": _zstd, "xz": _xz, "lz4": _lz4, "lzo": _lzo}


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes) -> bytes: ...


def decoded(kind: str, stream: BinaryIO, start: int, size: int, feed: Add, budget: Budget) -> Maybe[int]:
    """Gives all text of one archive to ``feed``, and where it ends; Unknown when there is no decoder or no time.

    Damaged when the decoder finds it so.
    """
    decoder = _decoder(kind)
    if isinstance(decoder, Unknown):
        return decoder
    taken, given = start, 0
    stream.seek(start)
    data = b""
    while not decoder.eof:
        if not data:
            if budget.spent:
                return Unknown("it takes too long to decode")
            data = stream.read(INPUT)
        if not data:
            raise Damaged(f"is cut off: its {kind} data goes on after its {size} bytes")
        sip, data = data[:SIP], data[SIP:]
        try:
            text = decoder.decompress(sip)
        except _errors(kind) as error:
            raise Damaged(f"is damaged: its {kind} data can't be decoded at byte {taken}") from error
        taken += len(sip)
        given += len(text)
        if given > LARGEST:
            raise Damaged(f"is damaged: its {kind} data has no end")
        feed(text)
    return taken - len(decoder.unused_data)


def _decoder(kind: str) -> Maybe[_Decoder]:
    if kind == "gzip":
        return zlib.decompressobj(wbits=31)
    if kind in ("xz", "lzma"):
        form = lzma.FORMAT_XZ if kind == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(form, memlimit=MEMORY)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    if kind == "zstd":
        return _zstandard()
    return Unknown(f"{kind} can't be decoded here")


def _zstandard() -> Maybe[_Decoder]:
    module = _imported("compression.zstd")  # Python 3.14
    if module is not None:
        made: _Decoder = module.ZstdDecompressor()
        return made
    module = _imported("zstandard")
    if module is not None:
        found: _Decoder = module.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        return found
    return Unknown("zstd can't be decoded here (the library zstandard is missing)")


class _Module(Protocol):
    """What both zstd libraries are asked for."""

    ZstdError: type[Exception]

    def ZstdDecompressor(self, max_window_size: int = ...) -> _Maker: ...


class _Maker(_Decoder, Protocol):
    def decompressobj(self) -> _Decoder: ...


def _imported(name: str) -> _Module | None:
    try:
        module: _Module = importlib.import_module(name)
    except ImportError:
        return None
    return module


def _errors(kind: str) -> tuple[type[Exception], ...]:
    found: list[type[Exception]] = [zlib.error, lzma.LZMAError, EOFError, ValueError]
    if kind in ("bzip2", "zstd"):
        found.append(OSError)
    if kind == "zstd":
        for name in ("compression.zstd", "zstandard"):
            module = _imported(name)
            if module is not None:
                found.append(module.ZstdError)
    return tuple(found)
