"""An initrd on disk: the archives that it is made of, whether they end as they should, and the files in them.

The kernel takes an initrd as archives one after the other, each a cpio(5) archive in the "newc" format, plain (the
processor's microcode; on newer systems the modules too) or compressed, with zeros between them
(Documentation/driver-api/early-userspace/buffer-format.rst). An upgrade on a full disk leaves one that ends too
early: the trailer of gzip, the index of xz, the last block of zstd, lz4 and lzo, the trailer of cpio are missing.
For these the frames are walked, which needs no decoder; names are listed where Python has one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from agent.facts import initrd_decode
from agent.facts.initrd_decode import Damaged
from agent.facts.kernel_files import PAGE, compression, pages
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

LARGEST = 2 * 1024 * 1024 * 1024  # bytes
ARCHIVES = 32  # of one initrd
NAMES = 100_000  # files of one initrd
_CPIO = (b"070701", b"070702")
_HEADER = 110  # bytes of a cpio header: the magic and 13 numbers of 8 hexadecimal digits


@dataclass(frozen=True)
class Initrd:
    """An initrd. ``problem`` is a clause on what is wrong with it, "" when it ends as it should.

    ``parts`` are the formats of its archives ("cpio", "zstd" ...); ``names`` the files in them, without a leading
    slash; ``unlisted`` why not all names could be had, "" when they could.
    """

    path: str
    size: int
    parts: tuple[str, ...] = ()
    problem: str = ""
    names: frozenset[str] = field(default_factory=frozenset)
    unlisted: str = ""


def read(target: Target, path: str, seconds: float = initrd_decode.SECONDS) -> Maybe[Initrd]:
    """The initrd, read to its end; Unknown when it can't be opened or the disk gives an error.

    ``seconds`` is how long its decoders may take; what was not decoded then is not listed.
    """
    stream = target.open(path)
    if isinstance(stream, Unknown):
        return stream
    try:
        with stream:
            size = stream.seek(0, 2)
            if not size:
                return Initrd(path, 0, problem="is empty")
            if size > LARGEST:
                return Initrd(path, size, problem=f"is no initrd ({size} bytes)")
            return _Walk(path, stream, size, seconds).initrd()
    except OSError as error:
        return Unknown(f"{path}: {error.strerror or error}", Why.IO)


class _Walk:
    def __init__(self, path: str, stream: BinaryIO, size: int, seconds: float) -> None:
        self._path = path
        self._stream = stream
        self._size = size
        self._names: set[str] = set()
        self._unlisted = ""
        self._budget = initrd_decode.Budget(seconds)

    def initrd(self) -> Initrd:
        parts: list[str] = []
        problem = ""
        try:
            offset = self._skip_zeros(0)
            if offset >= self._size:
                raise Damaged("holds nothing but zeros")
            while offset < self._size and len(parts) < ARCHIVES:
                head = self._at(offset, 16)
                kind = "cpio" if head.startswith(_CPIO) else compression(head)
                if not kind:
                    if parts:
                        raise Damaged(f"goes on with what is no archive at byte {offset}")
                    raise Damaged("is no archive: neither cpio nor compressed")
                parts.append(kind)
                offset = self._skip_zeros(self._cpio(offset) if kind == "cpio" else self._compressed(kind, offset))
        except Damaged as error:
            problem = str(error)
        if not problem:
            self._read_to_its_end()
        return Initrd(self._path, self._size, tuple(parts), problem, frozenset(self._names), self._unlisted)

    def _at(self, offset: int, size: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(size)

    def _skip_zeros(self, offset: int) -> int:
        """The next byte that is not zero, or the file's end."""
        while offset < self._size:
            data = self._at(offset, 64 * 1024)
            rest = data.lstrip(b"\0")
            if rest:
                return offset + len(data) - len(rest)
            if not data:
                break
            offset += len(data)
        return self._size

    def _read_to_its_end(self) -> None:
        """Blocks that the disk can't give show as errors."""
        for _ in pages(self._stream, self._size):
            pass

    def _cpio(self, offset: int) -> int:
        """Walks a plain cpio archive by its headers; gives where it ends."""
        while True:
            head = self._at(offset, _HEADER)
            if len(head) < _HEADER:
                raise Damaged(f"is cut off: its archive has no end after {self._size} bytes")
            if not head.startswith(_CPIO) or not re.fullmatch(rb"[0-9A-Fa-f]{104}", head[6:]):
                raise Damaged(f"is damaged: its archive makes no sense at byte {offset}")
            length, name_size = int(head[54:62], 16), int(head[94:102], 16)
            if not 0 < name_size <= PAGE:
                raise Damaged(f"is damaged: its archive makes no sense at byte {offset}")
            name = self._at(offset + _HEADER, name_size).rstrip(b"\0")
            offset += (_HEADER + name_size + 3) // 4 * 4
            if offset + length > self._size:
                raise Damaged(f"is cut off: its archive has no end after {self._size} bytes")
            offset += (length + 3) // 4 * 4
            if name == b"TRAILER!!!" and not length:
                return offset
            self._add(name)

    def _add(self, name: bytes) -> None:
        if len(self._names) < NAMES:
            self._names.add(name.decode("utf-8", "surrogateescape").lstrip("./"))

    def _compressed(self, kind: str, offset: int) -> int:
        """Walks (and where it can be done in time decodes) a compressed archive; gives where it ends."""
        end = initrd_decode.walked(kind, self._stream, offset, self._size)
        if end is not None:
            self._no_holes(kind, offset, end)
        listing = _Listing(self._add)
        decoded = initrd_decode.decoded(kind, self._stream, offset, self._size, listing.feed, self._budget)
        if isinstance(decoded, Unknown):
            self._unlisted = self._unlisted or decoded.reason
            return self._size if end is None else end
        if not listing.ended:
            raise Damaged(f"is cut off: the archive within has no end ({kind})")
        return decoded if end is None else end

    def _no_holes(self, kind: str, start: int, end: int) -> None:
        for offset, page in pages(self._stream, end, start):
            if offset >= start and offset + PAGE <= end and page.count(0) == PAGE:
                raise Damaged(f"holds nothing but zeros at byte {offset}: only a part was written ({kind})")


class _Listing:
    """Names of a cpio archive that comes in pieces, of which only the headers are kept.

    Archives may follow each other within one compressed stream, with zeros between them.
    """

    def __init__(self, add: initrd_decode.Add) -> None:
        self._add = add
        self._data = bytearray()
        self._skip = 0
        self.ended = False

    def feed(self, piece: bytes) -> None:
        if self._skip >= len(piece):
            self._skip -= len(piece)
            return
        self._data += piece[self._skip :]
        self._skip = 0
        while self._header():
            pass

    def _header(self) -> bool:
        data = self._data
        if self.ended:  # zeros, then maybe another archive
            rest = data.lstrip(b"\0")
            del data[: len(data) - len(rest)]
            if not data:
                return False
        if len(data) < _HEADER:
            return False
        if not data.startswith(_CPIO) or not re.fullmatch(rb"[0-9A-Fa-f]{104}", bytes(data[6:_HEADER])):
            raise Damaged("is damaged: the archive within makes no sense")
        length, name_size = int(data[54:62], 16), int(data[94:102], 16)
        if not 0 < name_size <= PAGE:
            raise Damaged("is damaged: the archive within makes no sense")
        if len(data) < _HEADER + name_size:
            return False
        name = bytes(data[_HEADER : _HEADER + name_size]).rstrip(b"\0")
        whole = (_HEADER + name_size + 3) // 4 * 4 + (length + 3) // 4 * 4
        self.ended = name == b"TRAILER!!!" and not length
        if not self.ended:
            self._add(name)
        if whole > len(data):
            self._skip = whole - len(data)
            data.clear()
            return False
        del data[:whole]
        return True
