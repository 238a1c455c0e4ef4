"""Which entries of a journal file may match: told by a walk through its objects that decodes no other entry.

journald writes each value once, however many entries have it. So the messages are searched as they lie in the file,
and only the entries that lead to one with a literal in it are taken apart.
"""

from __future__ import annotations

import importlib
import struct
from array import array
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, Protocol

from agent.logs.journald.journal_file import JournalFile
from agent.logs.plan import Plan
from agent.unknown import Unknown

BLOCK = 1024 * 1024  # what the nearest caches hold
LARGEST = 1 << 32  # bytes of a file that is walked through
REMEMBERED = 20_000  # messages that are remembered with their patterns
WHOLE = 2048  # bytes of a message that is never searched in windows
LONG_TAG = 256
_RUN = struct.Struct("=16sQQ")
_MESSAGE, _IDENT = b"MESSAGE=", b"SYSLOG_IDENTIFIER="


class Irregular(Exception):
    """The file is not as journald wrote it: it must be read entry by entry."""


class Run(NamedTuple):
    """Entries of one boot: its id, and the oldest and newest time in microseconds since the epoch."""

    boot: bytes
    oldest: int
    newest: int


class Part(NamedTuple):
    """What a walk tells of a block. Offsets are the file's."""

    end: int  # where the next object begins, from where the block does
    done: bool  # the last object was passed
    text: bytes  # messages, a line each, behind ": "
    messages: bytes  # offsets of their data objects, 64 bits each
    others: bytes  # of identifiers, and of values that are compressed or large
    entries: bytes  # offsets, as wide as in the file's own arrays
    runs: bytes


class Walk(Protocol):
    """agent.logs.native._journal.Walk."""

    def block(
        self, data: bytes, start: int, base: int, last: int
    ) -> tuple[int, bool, bytes, bytes, bytes, bytes, bytes] | None: ...

    def want(self, offset: int) -> None: ...

    def choose(self, data: bytes, base: int, entries: bytes) -> bytes: ...


class _Led(NamedTuple):
    """A data object in which literals stand: the patterns that these lead to, and the message, if it is one that a
    regex may be tried on as a whole."""

    patterns: tuple[int, ...]
    message: str | None


class Prefilter:
    """``candidates`` first; then ``runs`` tells the boots, and ``entries`` how many there are."""

    def __init__(self, file: JournalFile, plan: Plan, walk: Walk) -> None:
        self._file = file
        self._plan = plan
        self._walk = walk
        self._leads: dict[int, _Led] = {}  # by the object's offset
        self._idents: dict[int, str] = {0: ""}
        self._wanted = False
        self.runs: list[Run] = []
        self.entries = 0

    def candidates(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Offsets of the entries that may match, oldest first, with the patterns; none of these: any may.

        Irregular, sooner or later, for a file that is not as journald wrote it: then nothing of this counts.
        """
        header = self._file.header
        width = 4 if header.compact else 8
        passed = bytearray()
        at, done = header.size, False
        while not done:
            data = self._file.raw(at, BLOCK)
            told = self._walk.block(data, 0, at, header.tail_object)
            if told is None or not told[0]:
                raise Irregular
            part = Part(*told)
            done = part.done
            self._search(part, data, at)
            self.runs += [Run(*run) for run in _RUN.iter_unpack(part.runs)]
            passed += part.entries
            self.entries = len(passed) // width
            if self._wanted and part.entries:
                yield from self._chosen(array("Q", self._walk.choose(data, at, part.entries)))
            at += part.end
        self._compare(bytes(passed))

    def _compare(self, passed: bytes) -> None:
        """The entries that were passed must be those that are linked, in the same order."""
        header = self._file.header
        width = 4 if header.compact else 8
        linked = b"".join(self._file.arrays(header.entry_array))[: header.entries * width]
        self.entries = len(linked) // width
        # One may have been on its way when the header was read.
        if self.entries != header.entries or not passed.startswith(linked) or len(passed) > len(linked) + width:
            raise Irregular

    def _search(self, part: Part, block: bytes, base: int) -> None:
        if len(self._leads) > REMEMBERED:
            self._leads.clear()  # what is forgotten may match anything
        messages = array("Q", part.messages)
        if messages:
            self._find(part.text, messages)
        texts, offsets = [], array("Q")
        for offset in array("Q", part.others):
            value = self._file.value_in(block, offset - base, offset)
            if isinstance(value, Unknown):
                raise Irregular
            if value.startswith(_MESSAGE):
                texts.append(b": " + value[len(_MESSAGE) :].replace(b"\n", b" "))
                offsets.append(offset)
            elif value.startswith(_IDENT):
                self._learn(offset, value[len(_IDENT) :])
        if texts:
            self._find(b"\n".join(texts), offsets)

    def _find(self, text: bytes, offsets: array[int]) -> None:
        """``text``: messages, a line each; of the data objects at these offsets."""
        for line, group in groupby(self._plan.find(text).found, itemgetter(0)):
            hits = list(group)
            begin = text.rfind(b"\n", 0, hits[0][1] + 1) + 1 + len(": ")
            end = text.find(b"\n", begin)
            message = text[begin : end if end >= 0 else len(text)]
            patterns = hits[0][2] if len(hits) == 1 else tuple({index for hit in hits for index in hit[2]})
            self._want(offsets[line], patterns, message.decode("utf-8", "replace") if len(message) <= WHOLE else None)

    def _learn(self, offset: int, ident: bytes) -> None:
        """An identifier. A literal may stand in it, or begin in it and end in a message."""
        self._idents[offset] = ident.decode("utf-8", "replace")
        tag = ident.replace(b"\n", b" ")
        if (
            len(tag) > LONG_TAG  # which the walk can't tell when it is compressed
            or any(tag.endswith(left) for left in self._plan.astride)
            or self._plan.find(tag + b": ").found
        ):
            self._want(offset, (), None)

    def _want(self, offset: int, patterns: tuple[int, ...], message: str | None) -> None:
        self._walk.want(offset)
        self._leads[offset] = _Led(patterns, message)
        self._wanted = True

    def _chosen(self, rows: array[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
        for entry, group in groupby(zip(rows[0::3], rows[1::3], rows[2::3]), itemgetter(0)):
            (_, field, ident), *more = group
            led = self._leads.get(field)
            if more or led is None or led.message is None:
                yield entry, ()
                continue
            patterns = self._plan.matching(led.patterns, led.message, self._idents.get(ident, ""))
            if patterns:
                yield entry, patterns


def prefilter(file: JournalFile, plan: Plan) -> Prefilter | None:
    """None where nothing was compiled, and for a file that a look at its header tells to be damaged."""
    header = file.header
    whole = header.signed and header.size + header.arena <= file.end <= LARGEST
    if not whole or not header.size <= header.tail_object < file.end or header.tail_object & 7 or header.size & 7:
        return None
    try:
        native = importlib.import_module("agent.logs.native._journal")
    except (ImportError, OSError):
        return None
    return Prefilter(file, plan, native.Walk(header.compact, file.end))
