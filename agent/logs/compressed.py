"""Rotated logs as streams of text: gz, xz, zst, bz2; what is cut or damaged gives what could be read."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import zlib
from typing import BinaryIO, cast

from agent.unknown import Maybe, Unknown, Why

SUFFIXES = (".gz", ".xz", ".lzma", ".bz2", ".zst")
MAGIC = ((b"\x1f\x8b", ".gz"), (b"\xfd7zXZ\x00", ".xz"), (b"BZh", ".bz2"), (b"\x28\xb5\x2f\xfd", ".zst"))

# Damage that shows itself while reading.
DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError)


def kind(name: str, head: bytes = b"") -> str:
    """The compression by content, else by name: ".gz" ...; "" for plain text."""
    for magic, suffix in MAGIC:
        if head.startswith(magic):
            return suffix
    if head:
        return ""
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def decompressed(stream: BinaryIO, suffix: str) -> Maybe[BinaryIO]:
    """A stream of the text within. Errors of its ``read`` are among DAMAGE."""
    if suffix == ".gz":
        try:
            fast = importlib.import_module("isal.igzip")
            return cast(BinaryIO, fast.GzipFile(fileobj=stream, mode="rb"))
        except ImportError:
            return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb"))
    if suffix in (".xz", ".lzma"):
        return cast(BinaryIO, lzma.LZMAFile(stream))
    if suffix == ".bz2":
        return cast(BinaryIO, bz2.BZ2File(stream))
    if suffix == ".zst":
        return _zstd(stream)
    return stream


def _zstd(stream: BinaryIO) -> Maybe[BinaryIO]:
    try:
        module = importlib.import_module("compression.zstd")  # Python 3.14
        return cast(BinaryIO, module.ZstdFile(stream))
    except ImportError:
        pass
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        return Unknown("compressed with zstd, and no decoder for it is installed", Why.FAILED)
    reader = module.ZstdDecompressor(max_window_size=1 << 27).stream_reader(stream, read_across_frames=True)
    return cast(BinaryIO, _Errors(reader, module.ZstdError))


class _Errors(io.RawIOBase):
    """A reader whose library's own error becomes an OSError."""

    def __init__(self, reader: BinaryIO, error: type[Exception]) -> None:
        self._reader = reader
        self._error = error

    def read(self, size: int = -1) -> bytes:
        try:
            return self._reader.read(size)
        except self._error as error:
            raise OSError(str(error)) from error
