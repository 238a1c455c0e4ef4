"""Filesystems with something on them, and the ways in which they are damaged."""

from __future__ import annotations

import os
import random
import re
import struct
from pathlib import Path

from agent.facts.devices import BlockDevice
from tests.rescue.images import cut_off, fill, make, need, run

BLOCK = 4096


def contents(place: Path) -> None:
    for folder in range(12):
        (place / f"folder{folder}").mkdir()
        for file in range(25):
            (place / f"folder{folder}/file{file}").write_bytes(bytes([file]) * (file * 400))


def sound(path: Path, type: str = "ext4", *options: str, size: int = 0) -> Path:
    make(path, type, *options, size=size)
    fill(path, contents)
    return path


def overwrite(image: Path, offset: int, data: bytes) -> None:
    with image.open("r+b") as stream:
        stream.seek(offset)
        stream.write(data)


def noise(length: int) -> bytes:
    return random.Random(7).randbytes(length) if hasattr(random.Random, "randbytes") else os.urandom(length)


def place_of(image: Path, what: str) -> int:
    """Where the first group has its "Inode table", "Block bitmap" ..., in bytes (dumpe2fs(8))."""
    text = run("dumpe2fs", str(image))
    size, block = re.search(r"Block size:\s+(\d+)", text), re.search(rf"{what} at (\d+)", text)
    assert size and block
    return int(size[1]) * int(block[1])


def cleared_inodes(image: Path) -> None:
    """Directory entries that lead nowhere: -p repairs that."""
    run("debugfs", "-w", "-R", "clri folder3/file9", str(image))
    run("debugfs", "-w", "-R", "clri folder5/file2", str(image))


def garbage_inodes(image: Path) -> None:
    """Inodes full of noise: -p refuses to decide."""
    overwrite(image, place_of(image, "Inode table") + 16 * 256, noise(3 * BLOCK))


def garbage_bitmaps(image: Path) -> None:
    overwrite(image, place_of(image, "Block bitmap"), b"\xaa" * 1024)


def garbage_directory(image: Path) -> None:
    text = run("debugfs", "-R", "blocks folder7", str(image))
    size = re.search(r"Block size:\s+(\d+)", run("dumpe2fs", "-h", str(image)))
    assert size
    overwrite(image, int(text.split()[0]) * int(size[1]), noise(int(size[1])))


def no_superblock(image: Path) -> None:
    overwrite(image, 1024, bytes(1024))


def no_descriptors(image: Path) -> None:
    """Superblock intact, descriptors zeroed (images with blocks of 1 KiB)."""
    overwrite(image, 2048, bytes(1024))


def no_beginning(image: Path) -> None:
    overwrite(image, 0, bytes(64 * 1024))


def error_flag(image: Path) -> None:
    run("debugfs", "-w", "-R", "set_super_value state 3", str(image))


def half_done(place: Path) -> object:
    """Changes that are in the log alone."""
    (place / "later").mkdir()
    for file in range(50):
        (place / f"later/file{file}").write_bytes(b"x" * 3000)
    (place / "folder1/file1").unlink()
    stream = (place / "last").open("wb")
    stream.write(b"the last")
    stream.flush()
    os.fsync(stream.fileno())
    return stream


def dirty(path: Path, type: str = "ext4", *options: str) -> Path:
    """The power was cut while its log was full."""
    make(path, type, *options)

    def work(place: Path) -> object:
        contents(place)
        os.sync()
        return half_done(place)

    cut_off(path, work)
    return path


def needs_recovery(image: Path) -> bool:
    with image.open("rb") as stream:
        stream.seek(1024)
        return bool(struct.unpack_from("<I", stream.read(1024), 0x60)[0] & 4)


def broken_xfs(image: Path) -> None:
    """The root directory's inode without its type."""
    need("xfs_db")
    root = re.search(r"rootino = (\d+)", run("xfs_db", "-r", "-c", "sb 0", "-c", "print", str(image)))
    assert root
    run("xfs_db", "-x", "-c", f"inode {root[1]}", "-c", "write -d core.nlinkv2 77", str(image))


def block_device(path: str, type: str = "ext4") -> BlockDevice:
    return BlockDevice(path, (path,), type)
