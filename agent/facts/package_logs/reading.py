"""Bounded reading of a log and its rotations: the newest lines of each, whatever its size and content."""

from __future__ import annotations

import bz2
import importlib
import lzma
import os
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import BinaryIO, Protocol

from agent.target import Stat, Target
from agent.unknown import Maybe, Unknown, Why

TAIL = 8 * 1024 * 1024  # bytes of a plain log that are read, the newest: ten years of most hosts' dpkg.log
TEXT = 16 * 1024 * 1024  # bytes of text out of one compressed file
ROTATIONS = 24  # of one log
LINES = 400_000  # of one file
LONGEST = 1024 * 1024  # bytes of one line: apt writes all the packages of a release upgrade on one
INPUT = 64 * 1024
MEMORY = 72 * 1024 * 1024  # bytes that a decoder may use: xz -9 asks for 65 MiB, a hostile file for 4 GiB
FIRST = 631152000.0  # 1990: an earlier time is no time
LAST = 4102444800.0  # 2100

_TURN = r"(?:[.-](?P<turn>\d{1,8}(?:[-T]\d{1,6})?|old))?(?P<suffix>\.(?:gz|xz|bz2|zst))?"
DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError)


@dataclass(frozen=True)
class Log:
    """One file's lines, oldest first. ``written`` is when it was last written, in seconds since the epoch.

    ``numbered``: its lines are counted from its beginning; ``problem`` says why it was not read whole.
    """

    path: str
    lines: tuple[str, ...]
    written: float
    numbered: bool = True
    problem: str = ""

    def number(self, index: int) -> int:
        return index + 1 if self.numbered else 0


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def logs(target: Target, path: str, since: float | None = None) -> Iterator[Log]:
    """A log and its rotations, oldest first; those that were last written before ``since`` are left out."""
    found: list[tuple[float, str]] = []
    folder, _, base = path.rpartition("/")
    names = target.list(folder)
    pattern = re.compile(re.escape(base) + _TURN)
    for name in () if isinstance(names, Unknown) else names:
        if pattern.fullmatch(name) is None:
            continue
        stat = target.stat(f"{folder}/{name}")
        if isinstance(stat, Stat) and (since is None or stat.mtime <= 0 or stat.mtime >= since):
            found.append((stat.mtime, f"{folder}/{name}"))
    found.sort(key=lambda item: (item[0], item[1] != path))
    for written, name in found[-ROTATIONS:]:
        log = read(target, name, written)
        if isinstance(log, Unknown):
            yield Log(name, (), written, problem=log.reason)
        else:
            yield log


def read(target: Target, path: str, written: float = 0.0) -> Maybe[Log]:
    """The newest lines of one file, plain or compressed."""
    stream = target.open(path)
    if isinstance(stream, Unknown):
        return stream
    problem = ""
    numbered = True
    try:
        with stream:
            head = stream.read(6)
            stream.seek(0)
            if _compressed(head):
                data, problem = _text(stream, head)
            else:
                size = stream.seek(0, os.SEEK_END)
                numbered = size <= TAIL
                stream.seek(0 if numbered else size - TAIL)
                data = stream.read(TAIL)
                if not numbered:
                    data = data[data.find(b"\n") + 1 :]
    except (OSError, ValueError) as error:
        return Unknown(f"{path}: {getattr(error, 'strerror', None) or error}", Why.IO)
    lines = data.split(b"\n", LINES)
    if len(lines) > LINES:
        lines, problem = lines[:LINES], f"only its first {LINES} lines were read"
    texts = tuple(line[:LONGEST].strip(b"\0\r").decode("utf-8", "replace") for line in lines)
    return Log(path, texts, written or time.time(), numbered, problem)


def _compressed(head: bytes) -> bool:
    return head.startswith((b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh", b"\x28\xb5\x2f\xfd"))


def _text(stream: BinaryIO, head: bytes) -> tuple[bytes, str]:
    """What is in a compressed file, up to TEXT bytes; and why that is not all."""
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _zstd(stream)
    text = bytearray()
    rest = b""
    try:
        while len(text) <= TEXT:
            decoder = _decoder(head)
            if not rest:
                rest = stream.read(INPUT)
            if not rest:
                break
            while not decoder.eof and len(text) <= TEXT:
                given = rest or stream.read(INPUT)
                if not given and not isinstance(decoder, _Gzip):
                    raise EOFError("it ends too early")
                rest = b""
                piece = decoder.decompress(given, TEXT + 1 - len(text))
                text += piece
                if not given and not piece:
                    raise EOFError("it ends too early")
            rest = getattr(decoder, "unused_data", b"")
            if rest and not _compressed(rest):
                break
    except DAMAGE as error:
        return bytes(text), f"damaged, read only in part: {error}"
    if len(text) > TEXT:
        return bytes(text[:TEXT]), f"only its first {TEXT >> 20} MiB were read"
    return bytes(text), ""


class _Gzip:
    """zlib's decoder with the manners of lzma's and bz2's, which keep what they could not give yet."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max(0, max_length))


def _decoder(head: bytes) -> _Decoder:
    if head.startswith(b"\x1f\x8b"):
        return _Gzip()
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(memlimit=MEMORY)


def _zstd(stream: BinaryIO) -> tuple[bytes, str]:
    """With Python 3.14's own library, or with the package zstandard."""
    try:
        try:
            reader: BinaryIO = importlib.import_module("compression.zstd").ZstdFile(stream)
        except ImportError:
            library = importlib.import_module("zstandard")
            reader = library.ZstdDecompressor(max_window_size=1 << 26).stream_reader(stream)
        text = reader.read(TEXT + 1)
    except ImportError:
        return b"", "compressed with zstd, and no decoder for it is installed"
    except Exception as error:  # noqa: BLE001 - the library's own error, which can't be named without it
        return b"", f"damaged: {error}"
    return text[:TEXT], f"only its first {TEXT >> 20} MiB were read" if len(text) > TEXT else ""


def stamp(text: str, zone: tzinfo) -> float | None:
    """Seconds since the epoch of "2026-11-22 14:03:05" (or with T between), with or without an offset
    (+0100, +01:00, +01, Z); without one it is in ``zone``. None for what is no time."""
    match = _STAMP.match(text)
    if match is None:
        return None
    year, month, day, hour, minute = (int(match[number]) for number in range(1, 6))
    try:
        where = _offset(match[7], zone)
        moment = datetime(year, month, day, hour, minute, int(match[6] or 0), tzinfo=where).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return moment if FIRST < moment < LAST else None


_STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ] {0,2}(\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?(Z|[+-]\d\d(?::?\d\d)?)?(?!\d)"
)


def _offset(text: str | None, zone: tzinfo) -> tzinfo:
    if not text:
        return zone
    return datetime.strptime("+0000" if text == "Z" else text.replace(":", "").ljust(5, "0"), "%z").tzinfo or zone
