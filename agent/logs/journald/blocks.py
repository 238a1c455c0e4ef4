"""Bytes of an open file at any place, read in blocks: no mapping, which a truncation would turn into a signal."""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import BinaryIO

BLOCK = 128 * 1024
KEPT = 96  # blocks, 12 MiB


class Blocks:
    """``at`` gives what is there; less, or nothing, beyond the end and where the disk gives an error."""

    def __init__(self, stream: BinaryIO) -> None:
        self._descriptor = stream.fileno()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self.size = os.fstat(self._descriptor).st_size
        self.errors = 0  # blocks that the disk would not give

    def at(self, offset: int, size: int) -> bytes:
        number, inside = divmod(offset, BLOCK)
        if inside + size <= BLOCK:
            return self._block(number)[inside : inside + size]
        if size > KEPT * BLOCK // 4:
            return self.read(offset, size)
        parts = [self._block(number)[inside:]]
        size -= BLOCK - inside
        while size > 0:
            number += 1
            parts.append(self._block(number)[:size])
            size -= BLOCK
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        kept = self._kept.get(number)
        if kept is not None:
            self._kept.move_to_end(number)
            return kept
        block = self.read(number * BLOCK, BLOCK)
        self._kept[number] = block
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return block

    def read(self, offset: int, size: int) -> bytes:
        """As ``at``, but nothing of it is kept."""
        parts = []
        try:
            while size > 0:
                part = os.pread(self._descriptor, size, offset)
                if not part:
                    break
                parts.append(part)
                offset += len(part)
                size -= len(part)
        except (OSError, OverflowError, ValueError):
            self.errors += 1
        return b"".join(parts)
