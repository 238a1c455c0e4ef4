"""Rotated logs as streams of text: gz, xz, zst, bz2; what is cut or damaged gives what could be read."""

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

from agent.unknown import Maybe, Unknown, Why

SUFFIXES = (".gz", ".xz", ".lzma", ".bz2", ".zst")
MAGIC = (
    (b"\x1f\x8b", ".gz"),
    (b"\xfd7zXZ\x00", ".xz"),
    (b"]\x00\x00", ".lzma"),
    (b"BZh", ".bz2"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
)
LONGEST_MAGIC = 6
INPUT = 16 * 1024  # bytes decoded at once: damage takes no more with it than came out of these
OUTPUT = 64 * 1024
SIP = 1024  # bytes given at once to a decoder that has no limit for its output
MEMORY = 72 * 1024 * 1024  # bytes that a decoder may use: xz -9 asks for 65 MiB, a hostile file for 4 GiB

# Damage that shows itself while reading.
DAMAGE: tuple[type[Exception], ...] = (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError)


class Decoder(Protocol):
    """What the decoders of bz2, lzma, isal and Python 3.14's zstd have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def kind(name: str, head: bytes = b"") -> str:
    """The compression by content, else by name: ".gz" ...; "" for plain text."""
    for magic, suffix in MAGIC:
        if head.startswith(magic):
            return suffix
    if head:
        return ""
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def decompressed(stream: BinaryIO, suffix: str) -> Maybe[BinaryIO]:
    """A stream of the text within. Its ``read`` gives all that can be decoded, then raises one of DAMAGE."""
    if suffix == ".gz":
        return _gzip(stream)
    if suffix in (".xz", ".lzma"):
        return cast(BinaryIO, _Members(stream, suffix, lambda: lzma.LZMADecompressor(memlimit=MEMORY)))
    if suffix == ".bz2":
        return cast(BinaryIO, _Members(stream, suffix, bz2.BZ2Decompressor))
    if suffix == ".zst":
        return _zstd(stream)
    return stream


class _Members(io.RawIOBase):
    """The text of one compressed member after the other; what follows the last and is none is left alone."""

    def __init__(self, stream: BinaryIO, suffix: str, make: Callable[[], Decoder]) -> None:
        self._stream = stream
        self._magic = next(magic for magic, known in MAGIC if known == suffix)
        self._make = make
        self._decoder: Decoder | None = None
        self._input = b""
        self._members = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        limit = OUTPUT if size < 0 else min(size, OUTPUT)
        while True:
            if self._decoder is None and not self._begin():
                return b""
            assert self._decoder is not None
            data = b""
            if self._decoder.needs_input:
                data = self._input or self._stream.read(INPUT)
                self._input = b""
                if not data:
                    raise EOFError("it ends too early")
            text = self._decoder.decompress(data, limit)
            if self._decoder.eof:
                self._input = self._decoder.unused_data
                self._decoder = None
            if text:
                return text

    def _begin(self) -> bool:
        """Starts the next member, if there is one."""
        while len(self._input) < LONGEST_MAGIC:
            more = self._stream.read(INPUT)
            if not more:
                break
            self._input += more
        if not self._input or (self._members and not self._input.startswith(self._magic)):
            return False
        self._members += 1
        self._decoder = self._make()
        return True


class _Gzip:
    """zlib's decoder with the manners of the others. On damage it gives what it can still tell, then raises."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)
        self._error: zlib.error | None = None

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail and self._error is None

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        if self._error is not None:
            raise self._error
        before = self._decoder.copy()
        given = self._decoder.unconsumed_tail + data
        try:
            return self._decoder.decompress(given, max(0, max_length))
        except zlib.error as error:
            # zlib drops what it had decoded before it met the damage: the same again, in small steps.
            self._error = error
            text = bytearray()
            try:
                while given and len(text) < max_length:
                    text += before.decompress(given, 64)
                    given = before.unconsumed_tail
            except zlib.error:
                pass
            if text:
                return bytes(text)
            raise


class _Zstandard:
    """The library zstandard's decoder with the manners of the others."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._decoder = make()
        self._input = b""
        self._text = b""

    @property
    def eof(self) -> bool:
        return not self._text and bool(getattr(self._decoder, "eof"))  # noqa: B009

    @property
    def unused_data(self) -> bytes:
        return bytes(getattr(self._decoder, "unused_data")) + self._input  # noqa: B009

    @property
    def needs_input(self) -> bool:
        return not self._text and not self._input

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self._input += data
        while not self._text and self._input and not getattr(self._decoder, "eof"):  # noqa: B009
            # It has no limit for its output: 4 bytes may hold a block of 128 KiB.
            piece, self._input = self._input[:SIP], self._input[SIP:]
            self._text = getattr(self._decoder, "decompress")(piece)  # noqa: B009
        text, self._text = self._text[:max_length], self._text[max_length:]
        return text


def _gzip(stream: BinaryIO) -> BinaryIO:
    try:
        fast = importlib.import_module("isal.igzip_lib")
    except ImportError:
        return cast(BinaryIO, _Members(stream, ".gz", _Gzip))
    members = _Members(stream, ".gz", lambda: cast(Decoder, fast.IgzipDecompressor(flag=fast.DECOMP_GZIP)))
    return cast(BinaryIO, _Errors(members, fast.error))


def _zstd(stream: BinaryIO) -> Maybe[BinaryIO]:
    try:
        module = importlib.import_module("compression.zstd")  # Python 3.14
        options = {module.DecompressionParameter.window_log_max: 26}
        members = _Members(stream, ".zst", lambda: cast(Decoder, module.ZstdDecompressor(options=options)))
        return cast(BinaryIO, _Errors(members, module.ZstdError))
    except ImportError:
        pass
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        return Unknown("compressed with zstd, and no decoder for it is installed", Why.FAILED)
    library = module.ZstdDecompressor(max_window_size=1 << 26)
    members = _Members(stream, ".zst", lambda: _Zstandard(library.decompressobj))
    return cast(BinaryIO, _Errors(members, module.ZstdError))


class _Errors(io.RawIOBase):
    """A reader whose library's own error becomes an OSError."""

    def __init__(self, reader: io.RawIOBase, error: type[Exception]) -> None:
        self._reader = reader
        self._error = error

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            return self._reader.read(size) or b""
        except self._error as error:
            raise OSError(str(error)) from error
