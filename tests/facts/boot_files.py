"""Kernels and initrds made by hand for the tests, with the layout that the kernel's documentation gives."""

from __future__ import annotations

import gzip
import random
import struct
from collections.abc import Sequence

RELEASE = "6.1.0-18-amd64"
PACKED = gzip.compress(random.Random(1).randbytes(40_000))


def bzimage(release: str = RELEASE, packed: bytes = PACKED, machine: str = "x86_64") -> bytes:
    """An x86 kernel: a setup sector, real-mode code with the version, then the rest with the packed kernel."""
    sectors, offset = 39, 716
    rest = bytes(range(1, 180)) * 4 + packed
    rest += b"\x90" * (-len(rest) % 16) + b"\x90" * 4096
    data = bytearray((sectors + 1) * 512) + rest
    data[0:2] = b"MZ"
    data[0x1F1] = sectors
    struct.pack_into("<I", data, 0x1F4, len(rest) // 16)
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<HH", data, 0x206, 0x20F, 0)
    struct.pack_into("<H", data, 0x20E, 0x2000)
    struct.pack_into("<H", data, 0x236, 1 if machine == "x86_64" else 0)
    struct.pack_into("<II", data, 0x248, offset, len(packed))
    text = release.encode() + b" (builder@host) #1 SMP\0"
    data[0x2200 : 0x2200 + len(text)] = text
    return bytes(data)


def cpio(names: Sequence[str], content: bytes = b"content of a file\n", trailer: bool = True) -> bytes:
    """An archive in the format "newc"."""
    data = bytearray()
    for name in [*names, *(["TRAILER!!!"] if trailer else [])]:
        body = b"" if name == "TRAILER!!!" else content
        numbers = (1, 0o100644, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(name) + 1, 0)
        data += b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
        data += bytes(-len(data) % 4) + body
        data += bytes(-len(data) % 4)
    return bytes(data)


DRIVERS = tuple(
    f"usr/lib/modules/{RELEASE}/kernel/drivers/{path}.ko" for path in ("scsi/virtio_scsi", "scsi/sd_mod", "fs/ext4")
)


def initrd(names: Sequence[str] = (*DRIVERS, "init"), size: int = 60_000) -> bytes:
    """One as update-initramfs makes it, compressed by gzip."""
    return gzip.compress(cpio(names, random.Random(2).randbytes(size)))
