"""Initrds on disk: their archives, whether they end as they should, and what is in them."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import lzma
import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.facts import initrd_decode, initrd_files
from agent.facts.initrd_files import Initrd
from agent.unknown import Unknown, Why
from tests.facts.boot_files import cpio
from tests.virtual import Denied, virtual

NAMES = ("init", "lib/modules/6.1/virtio_scsi.ko")
MICROCODE = cpio(("kernel/x86/microcode/AuthenticAMD.bin",))


def look(data: bytes, seconds: float = 20.0) -> Initrd:
    found = initrd_files.read(virtual({"/boot/initrd": data}), "/boot/initrd", seconds)
    assert isinstance(found, Initrd)
    return found


def archive(names: Sequence[str] = NAMES, size: int = 200_000) -> bytes:
    """Half of it can be compressed, as in a real one."""
    noise = random.Random(3).randbytes(size // 2)
    return cpio(names, noise + b"text " * (size // 10))


def by(*command: str) -> Callable[[bytes], bytes]:
    return lambda data: subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def lzop(data: bytes) -> bytes:
    """lzop's file with blocks that are stored as they are, each with a checksum of its text."""
    head = b"\x89LZO\x00\r\n\x1a\n" + struct.pack(">HHHBBI", 0x1030, 0x20A0, 0x0940, 1, 5, 0x1)
    head += struct.pack(">IIIB", 0o100644, 0, 0, 4) + b"name" + struct.pack(">I", 0)
    blocks = [data[start : start + 256 * 1024] for start in range(0, len(data), 256 * 1024)]
    return head + b"".join(struct.pack(">III", len(one), len(one), 0) + one for one in blocks) + bytes(4)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "lzo": lzop,
}
if shutil.which("zstd"):
    PACKERS["zstd"] = by("zstd", "-q", "-c")
if shutil.which("lz4"):
    PACKERS["lz4"] = by("lz4", "-l", "-q", "-c")
if shutil.which("xz"):
    PACKERS["xz in blocks"] = by("xz", "--block-size=64KiB", "--check=crc32", "-c")

WHOLE = {name: pack(archive()) for name, pack in PACKERS.items()}
LISTED = {"gzip", "bzip2", "lzma", "xz", "xz in blocks"} | (
    {"zstd"} if importlib.util.find_spec("zstandard") else set()
)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_initrd_is_whole_and_its_files_are_listed_where_they_can_be(name: str) -> None:
    found = look(WHOLE[name])
    assert found.problem == "" and found.parts == (name.split()[0],)
    if name in LISTED:
        assert found.names == set(NAMES) and not found.unlisted
    else:
        assert not found.names and "can't be decoded here" in found.unlisted


@pytest.mark.parametrize("name", WHOLE)
def test_an_initrd_that_is_cut_anywhere_is_cut(name: str) -> None:
    data = WHOLE[name]
    for length in (*range(40, len(data), len(data) // 23), len(data) - 1, len(data) - 5):
        problem = look(data[:length]).problem
        assert problem, (name, length, len(data))
        assert "is cut off" in problem or name == "xz"


@pytest.mark.parametrize("name", WHOLE)
def test_a_cut_shows_behind_microcode_too(name: str) -> None:
    whole = MICROCODE + bytes(512 - len(MICROCODE) % 512) + WHOLE[name]
    assert look(whole).problem == "" and look(whole).parts == ("cpio", name.split()[0])
    assert look(whole[: len(MICROCODE) + len(WHOLE[name]) // 2]).problem


@pytest.mark.parametrize("name", WHOLE)
def test_zeros_behind_it_are_no_harm(name: str) -> None:
    assert look(WHOLE[name] + bytes(4096)).problem == ""


@pytest.mark.parametrize("name", WHOLE)
def test_a_page_of_zeros_within_was_never_written(name: str) -> None:
    data = bytearray(WHOLE[name])
    if name == "lzo":  # its blocks are stored here: zeros would be zeros of the files
        pytest.skip("nothing is compressed")
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = bytes(8192)
    assert look(bytes(data)).problem, name


def test_a_plain_archive_is_walked_by_its_headers() -> None:
    whole = archive()
    assert look(whole).parts == ("cpio",) and look(whole).names == set(NAMES)
    assert "is cut off" in look(whole[:-150]).problem
    assert "is cut off" in look(cpio(NAMES, trailer=False)).problem
    damaged = bytearray(whole)
    damaged[50] = ord("x")
    assert "is damaged" in look(bytes(damaged)).problem


def test_archives_follow_each_other() -> None:
    parts = (MICROCODE, bytes(300), gzip.compress(archive()), gzip.compress(cpio(("etc/more",))))
    found = look(b"".join(parts))
    assert found.parts == ("cpio", "gzip", "gzip") and "etc/more" in found.names and not found.problem


def test_a_compressed_archive_without_its_trailer_is_cut() -> None:
    assert "the archive within has no end" in look(gzip.compress(cpio(NAMES, trailer=False))).problem


def test_what_is_no_initrd_says_so() -> None:
    assert look(b"").problem == "is empty"
    assert look(bytes(90_000)).problem == "holds nothing but zeros"
    assert "is no archive" in look(b"<html>404</html>").problem
    assert "what is no archive" in look(MICROCODE + b"garbage" * 100).problem


def test_a_flipped_bit_shows_where_there_is_a_checksum() -> None:
    for name in ("gzip", "xz"):
        data = bytearray(WHOLE[name])
        data[len(data) // 3] ^= 4
        assert "is damaged" in look(bytes(data)).problem, name


def test_a_piece_that_is_missing_in_the_middle_shows_without_a_decoder() -> None:
    whole = WHOLE["xz"]
    assert look(whole[:8192] + whole[12288:], seconds=-1).problem


def test_without_time_an_initrd_is_walked_but_not_listed() -> None:
    found = look(WHOLE["xz"], seconds=-1)
    assert not found.problem and not found.names and "too long" in found.unlisted


def test_a_bomb_costs_no_more_than_the_time_that_is_given() -> None:
    bomb = lzma.compress(bytes(200_000_000), preset=0)
    found = look(bomb, seconds=0.5)
    assert found.problem or found.unlisted


def test_what_may_not_be_read_is_unknown() -> None:
    found = initrd_files.read(virtual({"/boot/initrd": Denied()}), "/boot/initrd")
    assert isinstance(found, Unknown) and found.why is Why.DENIED


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    st.integers(0, 5000),
)
def test_no_initrd_makes_the_reader_fail(name: str, changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(WHOLE[name][:length].ljust(401, b"\1"))
    for place, value in changes:
        data[place] = value
    look(bytes(data), seconds=2)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_a_walk_fail(data: bytes) -> None:
    for magic in (b"\x28\xb5\x2f\xfd", b"\x02\x21\x4c\x18", b"\x89LZO\x00\r\n\x1a\n", b"\xfd7zXZ\x00", b"070701"):
        look(magic + data, seconds=1)


def test_the_walk_and_the_decoder_agree_where_a_frame_ends() -> None:
    import io

    for name in ("xz", "zstd"):
        if name not in WHOLE or name not in LISTED:
            continue
        data = WHOLE[name]
        end = initrd_decode.walked(name, io.BytesIO(data), 0, len(data))
        budget = initrd_decode.Budget(20)
        assert end == initrd_decode.decoded(name, io.BytesIO(data), 0, len(data), lambda text: None, budget)
