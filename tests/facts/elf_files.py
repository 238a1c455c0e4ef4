"""ELF files made by hand, as small as the loader allows, for the tests."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

MACHINES = {"i386": 3, "x86_64": 62, "aarch64": 183}


def elf(
    needed: Sequence[str] = (),
    interpreter: str = "",
    runpath: str = "",
    rpath: str = "",
    wants: Mapping[str, Sequence[str]] | None = None,
    defines: Sequence[str] = (),
    machine: str = "x86_64",
    bits: int = 64,
    big_endian: bool = False,
    weak: bool = False,
) -> bytes:
    """One segment that holds the whole file; its addresses begin at 0x10000."""
    order, base = (">" if big_endian else "<"), 0x10000
    word = "Q" if bits == 64 else "I"
    strings = bytearray(b"\0")

    def string(text: str) -> int:
        strings.extend(text.encode() + b"\0")
        return len(strings) - len(text) - 1

    tags = [(1, string(name)) for name in needed]
    tags += [(tag, string(text)) for tag, text in ((15, rpath), (29, runpath)) if text]
    verneed = b""
    for number, (library, versions) in enumerate((wants or {}).items(), start=1):
        chain = b"".join(
            struct.pack(f"{order}IHHII", 0, 2 if weak else 0, 2, string(version), 16 if place < len(versions) else 0)
            for place, version in enumerate(versions, start=1)
        )
        after = 16 + len(chain) if number < len(wants or {}) else 0
        verneed += struct.pack(f"{order}HHIII", 1, len(versions), string(library), 16, after) + chain
    verdef = b"".join(
        struct.pack(f"{order}HHHHIII", 1, 0, number, 1, 0, 20, 28 if number < len(defines) else 0)
        + struct.pack(f"{order}II", string(version), 0)
        for number, version in enumerate(defines, start=1)
    )
    header, entry = (64, 56) if bits == 64 else (52, 32)
    count = 2 + bool(interpreter)
    interp_at = header + count * entry
    strings_at = interp_at + len(interpreter) + 1
    verneed_at = strings_at + len(strings)
    verdef_at = verneed_at + len(verneed)
    dynamic_at = verdef_at + len(verdef)
    tags.append((5, base + strings_at))
    if verneed:
        tags += [(0x6FFFFFFE, base + verneed_at), (0x6FFFFFFF, len(wants or {}))]
    if verdef:
        tags += [(0x6FFFFFFC, base + verdef_at), (0x6FFFFFFD, len(defines))]
    form = order + ("qQ" if bits == 64 else "iI")
    dynamic = b"".join(struct.pack(form, *tag) for tag in (*tags, (0, 0)))
    size = dynamic_at + len(dynamic)

    def segment(kind: int, offset: int, length: int) -> bytes:
        if bits == 64:
            return struct.pack(f"{order}IIQQQQQQ", kind, 5, offset, base + offset, base + offset, length, length, 1)
        return struct.pack(f"{order}IIIIIIII", kind, offset, base + offset, base + offset, length, length, 5, 1)

    segments = segment(1, 0, size) + segment(2, dynamic_at, len(dynamic))
    if interpreter:
        segments += segment(3, interp_at, len(interpreter) + 1)
    identity = b"\x7fELF" + bytes((bits // 32, 2 if big_endian else 1, 1)) + bytes(9)
    head = struct.pack(f"{order}HHI{word}{word}{word}", 3, MACHINES[machine], 1, 0, header, 0)
    head += struct.pack(f"{order}IHHHHHH", 0, header, entry, count, 0, 0, 0)
    parts = (identity + head, segments, interpreter.encode() + b"\0", bytes(strings), verneed, verdef, dynamic)
    return b"".join(parts)
