"""One journal file: its entries by the way that journald laid, or, where that is broken, all that can be found.

libsystemd stops, without an error, at the first thing that is not as it should be: it gives nothing of a file that
lacks its end, and a fraction of one with a few wrong bits. A host that died has such files.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from agent.logs.journald import layout
from agent.logs.journald.blocks import Blocks
from agent.logs.journald.layout import EntryObject, FileHeader, Kind, ObjectHeader
from agent.logs.journald.payload import decompressed
from agent.unknown import Maybe, Unknown, Why

CHUNK = 1024 * 1024
VALUES = 40_000  # short values that are remembered
SHORT = 256  # bytes of a value that is worth remembering
SHORT_STEP = 64 * 1024  # bytes: what is longer must be followed by another object
EARLIEST = 1_000_000_000_000_000  # microseconds: 2001. What is older is no time of a log
LATEST = 4_102_444_800_000_000  # 2100
_CANDIDATE = re.compile(rb"[\x01-\x07][\x00-\x04]\x00{6}.{5}\x00{3}", re.DOTALL)


class JournalFile:
    """An open journal file. ``problem`` is "" as long as all that was read is as journald wrote it."""

    def __init__(self, header: FileHeader, blocks: Blocks) -> None:
        self.header = header
        self.problem = ""
        self._blocks = blocks
        self._values: OrderedDict[int, bytes | None] = OrderedDict()
        self.end = blocks.size

    def value(self, offset: int) -> Maybe[bytes]:
        """The data object at an offset: "NAME=value"."""
        if offset in self._values:
            kept = self._values[offset]
            return _NO_DATA if kept is None else kept
        value = self._value(offset)
        if isinstance(value, Unknown) or len(value) <= SHORT:
            self._values[offset] = None if isinstance(value, Unknown) else value
            if len(self._values) > VALUES:
                self._values.popitem(last=False)
        return value

    def value_in(self, block: bytes, at: int, offset: int) -> Maybe[bytes]:
        """The same, where ``block[at:]`` holds what stands at the offset."""
        header = layout.object_header(block, at)
        if header is None or header.size > len(block) - at:
            return self.value(offset)
        return self._decoded(header, block[at : at + header.size])

    def _value(self, offset: int) -> Maybe[bytes]:
        if offset & 7 or not self.header.size <= offset < self.end:
            return _NO_DATA
        data = self._blocks.at(offset, 256)
        header = layout.object_header(data)
        if header is None or offset + header.size > self.end:
            return _NO_DATA
        if header.size > len(data):
            data = self._blocks.at(offset, header.size)
        return self._decoded(header, data)

    def _decoded(self, header: ObjectHeader, data: bytes) -> Maybe[bytes]:
        start = self.header.payload
        if header.kind != _DATA or header.size <= start:
            return _NO_DATA
        value = data[start : header.size]
        return decompressed(value, header.flags) if header.flags else value

    def entry(self, offset: int) -> EntryObject | None:
        """The entry at an offset, None where there is none that can be one."""
        if offset & 7 or not self.header.size <= offset < self.end:
            return None
        head = self._blocks.at(offset, 512)
        header = layout.object_header(head)
        if header is None or header.kind != Kind.ENTRY or offset + header.size > self.end:
            return None
        data = head if header.size <= len(head) else self._blocks.at(offset, header.size)
        return layout.entry_object(data[: header.size], offset, self.header.compact)

    def linked(self, first: int, most: int) -> Iterator[int]:
        """Offsets of entries by a chain of arrays that begins at ``first``, at most so many. Stops at damage."""
        seen = 0
        for array in self._arrays(first):
            if seen >= most:
                return
            items = layout.array_items(array, self.header.compact)
            yield from items[: most - seen]
            seen += len(items)

    def arrays(self, first: int) -> Iterator[bytes]:
        """The items of such a chain's arrays, as they stand there."""
        return (array[layout.ARRAY_FIXED :] for array in self._arrays(first))

    def _arrays(self, first: int) -> Iterator[bytes]:
        array = first
        while array and not array & 7 and array < self.end:
            header = layout.object_header(self._blocks.at(array, layout.ARRAY_FIXED))
            if header is None or header.kind != Kind.ENTRY_ARRAY or array + header.size > self.end:
                return
            data = self._blocks.at(array, header.size)
            if len(data) < header.size or header.size < layout.ARRAY_FIXED:
                return
            yield data
            following = layout.next_array(data)
            if following <= array:
                return  # arrays are only ever appended: anything else is a circle
            array = following

    def raw(self, offset: int, size: int) -> bytes:
        """What stands there, past the blocks that are kept."""
        return self._blocks.read(offset, size)

    def entries(self) -> Iterator[EntryObject]:
        """All entries in the order in which they were written: by the arrays that lead to them, and from the first
        damage on by a walk through the file, in which they lie in the same order."""
        header = self.header
        seen, behind = 0, header.size
        if not header.signed:
            self.problem = "its header is damaged"
        elif header.size + header.arena > self.end:
            self.problem = "it is cut short"
        for offset in self.linked(header.entry_array, header.entries):
            entry = self.entry(offset) if offset >= behind else None
            if entry is None:
                self.problem = self.problem or "some of its entries are damaged"
                break
            yield entry
            seen += 1
            behind = offset + layout.ENTRY_FIXED
        # journald counts an entry before it links it: one may be on its way.
        if seen < header.entries - 1:
            self.problem = self.problem or "the way to some of its entries is damaged"
        if self.problem:
            yield from self._walk(behind)

    def _walk(self, start: int) -> Iterator[EntryObject]:
        """Every entry from ``start`` on, linked or not, that can be one."""
        at = (start + 7) & ~7
        while at + layout.OBJECT_HEADER <= self.end:
            header = layout.object_header(self._blocks.at(at, layout.OBJECT_HEADER))
            entry = self.entry(at) if header is not None and header.kind == Kind.ENTRY else None
            if entry is not None and self._plausible(entry):
                yield entry
            elif header is None or header.kind == Kind.ENTRY or not self._true_size(at, header):
                following = self._resume(at + 8)
                if following is None:
                    return
                at = following
                continue
            at += header.step if header is not None else 8

    def _true_size(self, at: int, header: ObjectHeader) -> bool:
        """True when another object, or nothing yet, stands where this one says that it ends: one wrong bit in a
        size would make us pass over thousands of entries."""
        following = at + header.step
        if following > self.end:
            return False
        if header.kind == Kind.DATA and not header.flags:
            start = self._blocks.at(at + self.header.payload, 1)
            if not (start.isalpha() or start == b"_"):
                return False
        behind = self._blocks.at(following, layout.OBJECT_HEADER)
        return layout.object_header(behind) is not None or (header.size < SHORT_STEP and not any(behind))

    def _plausible(self, entry: EntryObject) -> bool:
        """Its time can be, and at least one of its fields can be read."""
        return EARLIEST < entry.realtime < LATEST and any(
            not isinstance(self.value(item), Unknown) for item in entry.items
        )

    def _resume(self, at: int) -> int | None:
        """The next place from ``at`` on where an object may begin."""
        at = (at + 7) & ~7
        while at < self.end:
            chunk = self._blocks.at(at, CHUNK)
            if not chunk:
                return None
            position = 0
            while True:
                match = _CANDIDATE.search(chunk, position)
                if match is None:
                    break
                if not match.start() & 7 and layout.object_header(chunk, match.start()) is not None:
                    return at + match.start()
                position = match.start() + 1
            at += max(8, (len(chunk) - 16) & ~7)
        return None


_DATA = int(Kind.DATA)
_NO_DATA = Unknown("damaged", Why.UNREADABLE)


def open_journal(stream: BinaryIO) -> Maybe[JournalFile]:
    """The file, also when its header is damaged: what the header should say is then found out from the objects."""
    try:
        blocks = Blocks(stream)
    except OSError as error:
        return Unknown(error.strerror or str(error), Why.IO)
    header = layout.file_header(blocks.at(0, layout.SMALLEST_HEADER))
    if header is None:
        return Unknown("shorter than a journal's header", Why.UNREADABLE)
    if header.signed and header.features & ~layout.KNOWN_FEATURES:
        return Unknown(f"uses an unknown feature (flags {header.features:#x})", Why.UNREADABLE)
    if not (header.signed and layout.SMALLEST_HEADER <= header.size <= layout.LARGEST_HEADER):
        guessed = _guessed(blocks, header)
        if guessed is None:
            return Unknown("its header is damaged, and no entry can be found", Why.UNREADABLE)
        header = guessed
    return JournalFile(header, blocks)


def _guessed(blocks: Blocks, header: FileHeader) -> FileHeader | None:
    """A header that fits the objects: compact or not by what the data objects hold; the rest is not believed."""
    start = blocks.at(0, 16 * CHUNK)
    votes = {False: 0, True: 0}
    first = 0
    for match in _CANDIDATE.finditer(start):
        at = match.start()
        found = None if at & 7 else layout.object_header(start, at)
        if found is None or at < layout.SMALLEST_HEADER:
            continue
        first = first or at
        if found.kind == Kind.DATA and not found.flags:
            for compact in votes:
                begin = at + (72 if compact else 64)
                votes[compact] += bool(re.match(rb"_{0,2}[A-Z][A-Z0-9_]{0,62}=", start[begin : at + found.size]))
        if sum(votes.values()) > 200:
            break
    if not any(votes.values()):
        return None
    features = layout.Feature.COMPACT if votes[True] > votes[False] else 0
    return replace(header, signed=False, features=int(features), size=first, arena=0, entries=0, entry_array=0)
