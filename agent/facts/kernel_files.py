"""A kernel image on disk: what kind it is, for which machine, and whether all of it is there.

The Linux x86 boot protocol (Documentation/arch/x86/boot.rst), arm64's Image header, EFI programs (zboot), and what
these hold. An image that an upgrade left half written is empty, shorter than its own header says, or has a hole
of zeros: the filesystem gave it its length, and the bytes never came.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

LARGEST = 512 * 1024 * 1024  # bytes; a kernel larger than this is not one
PIECE = 256 * 1024  # bytes read at once
PAGE = 4096  # bytes; a filesystem loses blocks, hardly ever less
HEADER = 4096  # bytes
_PE_MACHINES = {0x8664: "x86_64", 0x14C: "i386", 0xAA64: "aarch64", 0x5064: "riscv64"}

# How compressed data begins, with the kernel's own names of the formats (lib/decompress.c).
MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x1f\x9e", "gzip"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"BZh", "bzip2"),
    (b"\x5d\x00\x00", "lzma"),
    (b"\x89LZO\x00\r\n\x1a\n", "lzo"),
)


@dataclass(frozen=True)
class Image:
    """A kernel image. ``problem`` is a clause on why it can't boot, "" when all of it is there."""

    path: str
    size: int  # bytes
    kind: str = ""  # "bzImage", "arm64 Image", "EFI program", "gzip", "ELF"
    machine: str = ""  # x86_64, i386, aarch64; "" when it does not tell
    problem: str = ""


def read(target: Target, path: str) -> Maybe[Image]:
    """The image, read to its end; Unknown when it can't be opened or the disk gives an error."""
    stream = target.open(path)
    if isinstance(stream, Unknown):
        return stream
    try:
        with stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            head = stream.read(HEADER)
            if not head:
                return Image(path, 0, problem="is empty")
            if size > LARGEST:
                return Image(path, size, problem=f"is no kernel ({size} bytes)")
            if size < HEADER:
                return Image(path, size, problem=f"is cut off: {size} bytes are no kernel")
            return _judged(path, size, head, stream)
    except OSError as error:
        return Unknown(f"{path}: {error.strerror or error}", Why.IO)


def compression(head: bytes) -> str:
    """The kernel's name of the format that compressed data has, "" for any other."""
    return next((name for magic, name in MAGIC if head.startswith(magic)), "")


def _judged(path: str, size: int, head: bytes, stream: BinaryIO) -> Image:
    kind, machine, needed, packed = _layout(size, head)
    if not kind:
        zeros = not any(head)
        return Image(path, size, problem="begins with zeros" if zeros else "is no kernel that is known here")
    if size < needed:
        return Image(path, size, kind, machine, f"is cut off: {size} of {needed} bytes")
    hole = _hole(stream, size, packed)
    if hole >= 0:
        return Image(path, size, kind, machine, f"holds nothing but zeros at byte {hole}: only a part was written")
    return Image(path, size, kind, machine)


_Layout = tuple[str, str, int, tuple[int, int]]  # kind, machine, bytes that must be there, its compressed part


def _layout(size: int, head: bytes) -> _Layout:
    if head[0x202:0x206] == b"HdrS" and len(head) >= 0x268:
        return _bzimage(head)
    if head[0x38:0x3C] == b"ARMd":
        return "arm64 Image", "aarch64", 64, (0, 0)
    if head[:2] == b"MZ":
        return _efi(size, head)
    if head[:4] == b"\x7fELF":
        return "ELF", "", 64, (0, 0)
    packed = compression(head)
    return (packed, "", 64, (0, size)) if packed else ("", "", 0, (0, 0))


def _bzimage(head: bytes) -> _Layout:
    """The setup header tells how long the real-mode code and the rest are, and where the packed kernel lies."""
    sectors = head[0x1F1] or 4
    (version,) = struct.unpack_from("<H", head, 0x206)
    paragraphs = struct.unpack_from("<I" if version >= 0x204 else "<H", head, 0x1F4)[0]
    setup = (sectors + 1) * 512
    machine, packed = "", (0, 0)
    if version >= 0x20C:
        machine = "x86_64" if struct.unpack_from("<H", head, 0x236)[0] & 1 else "i386"
    if version >= 0x208:
        offset, length = struct.unpack_from("<II", head, 0x248)
        packed = (setup + offset, setup + offset + length)
    return "bzImage", machine, setup + paragraphs * 16, packed


def _efi(size: int, head: bytes) -> _Layout:
    """A PE program: its sections tell how far the file must reach; zboot's own header where the kernel lies."""
    packed = (0, 0)
    if head[4:8] == b"zimg":
        offset, length = struct.unpack_from("<II", head, 8)
        packed = (offset, offset + length)
    (start,) = struct.unpack_from("<I", head, 0x3C)
    if start + 24 > len(head) or head[start : start + 4] != b"PE\0\0":
        return "", "", 0, (0, 0)
    machine, sections = struct.unpack_from("<HH", head, start + 4)
    (optional,) = struct.unpack_from("<H", head, start + 20)
    ends = packed[1]
    for number in range(min(sections, 96)):
        place = start + 24 + optional + number * 40
        if place + 40 > len(head):
            break
        length, offset = struct.unpack_from("<II", head, place + 16)
        ends = max(ends, offset + length if offset else 0)
    return "EFI program", _PE_MACHINES.get(machine, ""), min(ends, size + LARGEST), packed


def _hole(stream: BinaryIO, size: int, packed: tuple[int, int]) -> int:
    """Where a page of the compressed part is all zeros, which no compression writes; -1 when there is none.

    The whole file is read: a block that the disk can't give shows as an error.
    """
    for offset, page in pages(stream, size):
        inside = packed[0] <= offset and offset + len(page) <= min(packed[1], size)
        if inside and len(page) == PAGE and page.count(0) == PAGE:
            return offset
    return -1


def pages(stream: BinaryIO, size: int, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """The file from ``start`` (rounded down to a page) to its end, by pages, with their offsets."""
    offset = start - start % PAGE
    stream.seek(offset)
    while offset < size:
        piece = stream.read(PIECE)
        if not piece:
            return
        for within in range(0, len(piece), PAGE):
            yield offset + within, piece[within : within + PAGE]
        offset += len(piece)
