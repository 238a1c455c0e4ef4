"""Compressed values."""

from __future__ import annotations

import lzma
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.logs.journald.payload import LZ4, XZ, ZSTD, decompressed, lz4_block
from agent.unknown import Unknown
from tests.growth import grows_with_its_input


def test_what_xz_and_zstd_packed_comes_back() -> None:
    zstandard = pytest.importorskip("zstandard")
    text = b"MESSAGE=" + b"again and again, " * 500
    assert decompressed(lzma.compress(text), XZ) == text
    assert decompressed(zstandard.ZstdCompressor().compress(text), ZSTD) == text
    assert decompressed(zstandard.ZstdCompressor(write_content_size=False).compress(text), ZSTD) == text
    assert decompressed(text, 0) == text


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=3000), st.text("ab", max_size=5000).map(str.encode)), st.integers(0, 6000))
def test_what_lz4_packed_comes_back(data: bytes, longest: int) -> None:
    block = pytest.importorskip("lz4.block")
    packed = block.compress(data, store_size=False)
    assert lz4_block(packed, len(data)) == data
    assert decompressed(struct.pack("<Q", len(data)) + packed, LZ4, longest) == data[:longest]


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([XZ, LZ4, ZSTD]))
def test_rubbish_is_damage(data: bytes, flags: int) -> None:
    value = decompressed(data, flags)
    assert isinstance(value, Unknown) or len(value) <= 1024 * 1024


def test_a_bomb_gives_no_more_than_is_looked_at() -> None:
    assert len(decompressed(lzma.compress(b"\0" * 50_000_000), XZ, 1000) or b"") == 1000

    def burst(size: int) -> None:
        bomb = struct.pack("<Q", 2**40) + b"\x1fa\x01\x00" + b"\xff" * size + b"\x00"
        value = decompressed(bomb, LZ4, 1000)
        assert isinstance(value, Unknown) or len(value) <= 1000

    assert grows_with_its_input(burst, 125_000, 1_000_000)
