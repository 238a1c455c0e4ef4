"""ELF files as the kernel and the dynamic loader see them (elf(5)): class, machine, loader, libraries, versions.

Only program headers and the dynamic section count, for these are what a program is started by; section headers
are asked for one thing alone, whether the file reaches as far as they say. Every number in a file on a disk may
be a lie: each table has a limit, and nothing is read that lies outside of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

HEADERS = 1024  # program headers; a kernel module or a program has some ten
DYNAMIC = 64 * 1024  # bytes of the dynamic section
NAMES = 1024  # libraries, or versions, of one file; libc defines some forty versions
TEXT = 4096  # bytes of one name

_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64", 21: "ppc64", 22: "s390x"}
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3  # types of program headers
_NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29  # tags of the dynamic section
_VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_WEAK = 2  # VER_FLG_WEAK: the loader only warns


@dataclass(frozen=True)
class Elf:
    """One program or library. ``interpreter`` is its loader ("" for libraries and static programs).

    ``rpath`` and ``runpath`` are the folders as written, with their $ORIGIN. ``wants`` are the versions that it
    asks of each library (libc.so.6: GLIBC_2.34), ``defines`` those that it offers itself. ``cut`` says that the
    file ends before what is loaded of it does; ``short`` that it only ends before its section headers, which
    no program needs, but every tool that makes one writes.
    """

    bits: int  # 32 or 64
    machine: str  # x86_64, i386, aarch64 ..., or its number
    big_endian: bool = False
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    soname: str = ""
    wants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defines: frozenset[str] = frozenset()
    cut: str = ""
    short: str = ""

    @property
    def kind(self) -> tuple[int, str, bool]:
        """What a program and its libraries must have in common."""
        return self.bits, self.machine, self.big_endian


def read(target: Target, path: str) -> Maybe[Elf]:
    """The file's headers; Unknown(UNREADABLE) when it is no ELF file, or one that makes no sense."""
    stream = target.open(path)
    if isinstance(stream, Unknown):
        return stream
    try:
        with stream:
            size = stream.seek(0, 2)
            return _Reader(stream, size).elf()
    except OSError as error:
        return Unknown(f"{path}: {error.strerror or error}", Why.IO)
    except _Wrong as error:
        return Unknown(f"{path}: {error}", Why.UNREADABLE)


class _Wrong(Exception):
    """It is not an ELF file, or its headers contradict each other."""


@dataclass(frozen=True)
class _Segment:
    type: int
    offset: int
    address: int
    size: int  # bytes in the file


class _Reader:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._order = "<"

    def _at(self, offset: int, size: int) -> bytes:
        """Bytes of the file, fewer where it ends before."""
        if offset < 0 or size <= 0 or offset >= self._size:
            return b""
        self._stream.seek(offset)
        return self._stream.read(min(size, self._size - offset))

    def _numbers(self, form: str, offset: int) -> tuple[int, ...]:
        form = self._order + form
        data = self._at(offset, struct.calcsize(form))
        if len(data) < struct.calcsize(form):
            raise _Wrong("ends within its own headers")
        return struct.unpack(form, data)

    def elf(self) -> Elf:
        magic = self._at(0, 16)
        if not magic:
            raise _Wrong("is empty")
        if magic[:4] != b"\x7fELF":
            raise _Wrong("holds nothing but zeros" if not any(self._at(0, TEXT)) else "is no ELF file")
        if len(magic) < 16 or magic[4] not in (1, 2) or magic[5] not in (1, 2):
            raise _Wrong("has a damaged ELF header")
        bits = 32 * magic[4]
        self._order = "<" if magic[5] == 1 else ">"
        machine = self._numbers("H", 18)[0]
        table, sections = self._numbers("QQ", 32) if bits == 64 else self._numbers("II", 28)
        entry, count, section, number = self._numbers("HHHH", 54 if bits == 64 else 42)
        segments = self._segments(bits, table, entry, count)
        ends = max((one.offset + one.size for one in segments if one.type == _LOAD), default=0)
        behind = sections + section * number if sections and number else 0
        name = _MACHINES.get(machine, str(machine))
        if ends > self._size:
            return Elf(bits, name, self._order == ">", cut=f"it ends after {self._size} of {ends} bytes")
        short = f"it ends after {self._size} of {behind} bytes" if behind > self._size else ""
        return self._dynamic(bits, name, segments, short)

    def _segments(self, bits: int, table: int, entry: int, count: int) -> tuple[_Segment, ...]:
        if count > HEADERS or (count and entry < (56 if bits == 64 else 32)):
            raise _Wrong("has program headers that make no sense")
        found = []
        for number in range(count):
            place = table + number * entry
            if bits == 64:
                kind, _, offset, address, _, size = self._numbers("IIQQQQ", place)
            else:
                kind, offset, address, _, size = self._numbers("IIIII", place)
            found.append(_Segment(kind, offset, address, size))
        return tuple(found)

    def _dynamic(self, bits: int, machine: str, segments: tuple[_Segment, ...], short: str) -> Elf:
        self._loads = tuple(one for one in segments if one.type == _LOAD)
        named = next((one for one in segments if one.type == _INTERP), None)
        interpreter = self._text(named.offset, named.size) if named else ""
        tags = self._tags(bits, next((one for one in segments if one.type == _DYNAMIC), None))
        self._strings = self._offset(tags.get(_STRTAB, [0])[0])

        def texts(tag: int) -> tuple[str, ...]:
            return tuple(self._string(offset) for offset in tags.get(tag, [])[:NAMES])

        def folders(tag: int) -> tuple[str, ...]:
            return tuple(part for text in texts(tag) for part in text.split(":") if part)

        return Elf(
            bits,
            machine,
            self._order == ">",
            interpreter,
            tuple(name for name in texts(_NEEDED) if name),
            folders(_RPATH),
            folders(_RUNPATH),
            next(iter(texts(_SONAME)), ""),
            self._wanted(tags),
            self._defined(tags),
            "",
            short,
        )

    def _tags(self, bits: int, segment: _Segment | None) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        if segment is None:
            return found
        form = self._order + ("qQ" if bits == 64 else "iI")
        data = self._at(segment.offset, min(segment.size, DYNAMIC))
        for tag, value in struct.iter_unpack(form, data[: len(data) - len(data) % struct.calcsize(form)]):
            if tag == 0:
                break
            found.setdefault(tag, []).append(value)
        return found

    def _offset(self, address: int) -> int:
        """Where in the file an address of the program in memory lies; -1 when it lies nowhere."""
        for one in self._loads:
            if address and one.address <= address < one.address + one.size:
                return address - one.address + one.offset
        return -1

    def _string(self, offset: int) -> str:
        return self._text(self._strings + offset, TEXT) if self._strings >= 0 else ""

    def _text(self, offset: int, size: int) -> str:
        return self._at(offset, min(size, TEXT)).split(b"\0")[0].decode("utf-8", "surrogateescape")

    def _wanted(self, tags: Mapping[int, list[int]]) -> dict[str, tuple[str, ...]]:
        """The version needs: a record for each library, with a chain of the versions that are asked of it."""
        found: dict[str, tuple[str, ...]] = {}
        place = self._offset(tags.get(_VERNEED, [0])[0])
        for _ in range(min(tags.get(_VERNEEDNUM, [0])[0], NAMES) if place >= 0 else 0):
            _, count, file, chain, following = self._numbers("HHIII", place)
            versions: list[str] = []
            one = place + chain
            for _ in range(min(count, NAMES)):
                _, flags, _, name, step = self._numbers("IHHII", one)
                if not flags & _WEAK:
                    versions.append(self._string(name))
                one += step
            library = self._string(file)
            found[library] = tuple(dict.fromkeys((*found.get(library, ()), *versions)))
            place += following
            if not following:
                break
        return found

    def _defined(self, tags: Mapping[int, list[int]]) -> frozenset[str]:
        """The version definitions: the first name of each is the version itself, the others its parents."""
        found: set[str] = set()
        place = self._offset(tags.get(_VERDEF, [0])[0])
        for _ in range(min(tags.get(_VERDEFNUM, [0])[0], NAMES) if place >= 0 else 0):
            _, _, _, count, _, first, following = self._numbers("HHHHIII", place)
            if count:
                found.add(self._string(self._numbers("I", place + first)[0]))
            place += following
            if not following:
                break
        return frozenset(found)
