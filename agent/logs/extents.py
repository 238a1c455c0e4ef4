"""The data of a file without its holes: a sparse log of terabytes holds what it holds."""

from __future__ import annotations

import errno
import os
from typing import BinaryIO

LIMIT = 256 * 1024 * 1024  # bytes of one plain log that are read, the newest
MOST = 100_000  # extents


class Extents:
    """A reader over the data of a file, at most the last LIMIT bytes of it.

    ``left_out`` is the number of bytes before that. Reads with pread: a log that is truncated while we
    read ends, it does not kill us as a mapping would.
    """

    def __init__(self, stream: BinaryIO, limit: int = LIMIT) -> None:
        self._stream = stream
        self._spans = _spans(stream)
        total = sum(end - start for start, end in self._spans)
        self.left_out = max(0, total - limit)
        skip = self.left_out
        while skip:
            start, end = self._spans[0]
            if end - start <= skip:
                self._spans.pop(0)
                skip -= end - start
            else:
                self._spans[0] = (start + skip, end)
                skip = 0

    def read(self, size: int) -> bytes:
        while self._spans:
            start, end = self._spans[0]
            self._stream.seek(start)
            data = self._stream.read(min(size, end - start))
            if data:
                self._spans[0] = (start + len(data), end)
                return data
            self._spans.pop(0)
        return b""


def _spans(stream: BinaryIO) -> list[tuple[int, int]]:
    """(start, end) of the data. The whole file where the system does not tell of holes."""
    try:
        descriptor = stream.fileno()
        size = os.fstat(descriptor).st_size
    except OSError:
        size = stream.seek(0, os.SEEK_END)
        return [(0, size)]
    spans: list[tuple[int, int]] = []
    offset = 0
    while offset < size and len(spans) < MOST:
        try:
            start = os.lseek(descriptor, offset, os.SEEK_DATA)
            offset = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole to the end
                break
            return [(0, size)]
        spans.append((start, offset))
    return spans
