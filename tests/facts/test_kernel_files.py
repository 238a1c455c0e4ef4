"""Kernel images on disk: their kind, and whether all of them is there."""

from __future__ import annotations

import errno
import io
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.facts import kernel_files
from agent.facts.kernel_files import Image
from agent.target.model import Mode
from agent.target.target import Target
from agent.unknown import Maybe, Unknown, Why
from tests.facts.boot_files import PACKED, bzimage
from tests.virtual import Denied, VirtualDoor, virtual


def look(data: bytes) -> Image:
    found = kernel_files.read(virtual({"/boot/vmlinuz": data}), "/boot/vmlinuz")
    assert isinstance(found, Image)
    return found


def test_a_whole_kernel_is_whole() -> None:
    found = look(bzimage())
    assert (found.kind, found.machine, found.problem) == ("bzImage", "x86_64", "")
    assert look(bzimage(machine="i386")).machine == "i386"


def test_a_signature_behind_the_image_is_no_harm() -> None:
    assert look(bzimage() + b"signature" * 200).problem == ""


@settings(max_examples=40, deadline=None)
@given(st.floats(0.07, 0.999))
def test_a_kernel_that_is_cut_anywhere_is_cut(part: float) -> None:
    data = bzimage()
    found = look(data[: int(len(data) * part)])
    assert "is cut off" in found.problem and str(len(data)) in found.problem


def test_an_empty_kernel_is_empty() -> None:
    assert look(b"").problem == "is empty"


def test_a_few_bytes_are_no_kernel() -> None:
    assert look(bzimage()[:600]).problem == "is cut off: 600 bytes are no kernel"


def test_a_kernel_of_zeros_is_named() -> None:
    assert look(bytes(100_000)).problem == "begins with zeros"


def test_a_page_of_zeros_within_the_packed_kernel_was_never_written() -> None:
    data = bytearray(bzimage())
    data[36864 : 36864 + 4096] = bytes(4096)
    assert "nothing but zeros at byte 36864" in look(bytes(data)).problem


def test_zeros_outside_of_the_packed_kernel_are_no_hole() -> None:
    data = bzimage()
    assert look(data + bytes(64 * 1024)).problem == ""


def test_what_is_no_kernel_is_not_taken_for_one() -> None:
    assert "is no kernel" in look(b"<html>404 Not Found</html>\n" * 300).problem


def test_an_arm64_image() -> None:
    data = bytearray(100_000)
    data[0:2], data[0x38:0x3C] = b"MZ", b"ARMd"
    assert (look(bytes(data)).kind, look(bytes(data)).machine) == ("arm64 Image", "aarch64")


def zboot(cut: int = 0) -> bytes:
    """An EFI program that unpacks itself: a PE header with one section, and zboot's own."""
    data = bytearray(4096) + PACKED
    data[0:2], data[4:8] = b"MZ", b"zimg"
    struct.pack_into("<II", data, 8, 4096, len(PACKED))
    struct.pack_into("<I", data, 0x3C, 0x80)
    data[0x80:0x84] = b"PE\0\0"
    struct.pack_into("<HH", data, 0x84, 0xAA64, 1)
    struct.pack_into("<H", data, 0x94, 240)
    struct.pack_into("<II", data, 0x98 + 240 + 16, len(PACKED), 4096)
    return bytes(data[: len(data) - cut])


def test_an_efi_program_reaches_as_far_as_its_sections() -> None:
    whole, cut = look(zboot()), look(zboot(cut=500))
    assert (whole.kind, whole.machine, whole.problem) == ("EFI program", "aarch64", "")
    assert "is cut off" in cut.problem


def test_a_kernel_that_is_only_packed() -> None:
    assert look(PACKED).kind == "gzip"


def test_what_may_not_be_read_is_unknown() -> None:
    found = kernel_files.read(virtual({"/boot/vmlinuz": Denied()}), "/boot/vmlinuz")
    assert isinstance(found, Unknown) and found.why is Why.DENIED
    assert isinstance(kernel_files.read(virtual({}), "/boot/vmlinuz"), Unknown)


class _Bad(io.BytesIO):
    """A file with a block that the disk can't give."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 8192:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)


class _BadDoor(VirtualDoor):
    def open(self, path: str) -> Maybe[io.BytesIO]:
        return _Bad(bzimage() * 20)


def test_a_block_that_can_not_be_read_is_an_error_of_the_disk() -> None:
    found = kernel_files.read(Target(_BadDoor({}), "/media/sda", Mode.OFFLINE), "/boot/vmlinuz")
    assert isinstance(found, Unknown) and found.why is Why.IO and "Input/output error" in found.reason


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 0x300), st.integers(0, 255)), max_size=20), st.integers(0, 70_000))
def test_no_header_makes_the_reader_fail(changes: list[tuple[int, int]], length: int) -> None:
    for base in (bytearray(bzimage()), bytearray(zboot())):
        for place, value in changes:
            base[place] = value
        look(bytes(base[:length]))


def test_the_formats_are_told_by_their_first_bytes() -> None:
    assert kernel_files.compression(b"\x28\xb5\x2f\xfd....") == "zstd"
    assert kernel_files.compression(b"\x02\x21\x4c\x18....") == "lz4"
    assert kernel_files.compression(b"070701") == ""
