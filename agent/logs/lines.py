"""Candidate lines of a byte stream: read in large blocks, in bounded memory however long a line is."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from agent.logs.engine import SPACING
from agent.logs.flood import Flood
from agent.logs.plan import Plan

BLOCK = 1024 * 1024  # bytes read at once; a line that is longer is searched in parts
WINDOW = 4096  # bytes in which a regex is run: a line's beginning, and what stands around a literal further on
CONTEXT = WINDOW // 2
STEP = 512  # literals closer than this to the last window's literal are within that window, and so are those that
# follow one of them by less than the engine's SPACING: it does not tell them

Hit = tuple[int, tuple[int, ...]]  # offset of a literal, and the patterns that it leads to


class Readable(Protocol):
    """Anything that gives bytes in order, and b"" at its end."""

    def read(self, size: int) -> bytes: ...


@dataclass(frozen=True)
class Line:
    """A line that holds literals, or a window of a long one. ``number`` counts from 1.

    ``head`` is empty for a whole line; for a window it is the line's beginning, where time and tag stand.
    Windows of one line share its number.
    """

    number: int
    data: bytes
    patterns: tuple[int, ...]
    head: bytes = b""


@dataclass
class _Open:
    """The line that the buffer begins with, when its beginning has been searched and let go."""

    head: bytes = b""
    searched: int = 0  # bytes at the buffer's beginning whose literals have been seen


def candidates(
    stream: Readable, plan: Plan, counted: list[int] | None = None, flood: Flood[Line] | None = None
) -> Iterator[Line]:
    """The lines of a stream that may match, in order; of a ``flood`` the newest. ``counted`` gets the number of lines.

    An error of the stream (damage, a disk's error) is raised after everything before it was searched.
    """
    number = 1  # of the line that goes on
    rest = b""  # of that line, what has been read
    line = _Open()
    error: Exception | None = None
    while error is None:
        block, error = _fill(stream)
        last = not block or error is not None
        start = 0
        if rest:
            start = block.find(b"\n") + 1 or len(block)
            rest += block[:start]
            if rest.endswith(b"\n") or (last and start == len(block)):
                number += yield from _lines(rest, (0, len(rest)), number, plan, line, flood)
                rest, line = b"", _Open()
        end = len(block) if last else block.rfind(b"\n") + 1
        if end > start:
            number += yield from _lines(block, (start, end), number, plan, line, flood)
            line = _Open()
        if start < len(block) and end < len(block):
            rest = block[max(start, end) :]
        if len(rest) >= max(BLOCK, 4 * CONTEXT):
            rest = yield from _part(rest, number, plan, line)
        if not block:
            break
    if counted is not None:
        counted.append(number - 1)
    if error is not None:
        raise error


def _fill(stream: Readable) -> tuple[bytes, Exception | None]:
    """A block, gathered from a stream that may give less at a time; and what ended it, if an error did."""
    parts: list[bytes] = []
    missing = BLOCK
    try:
        while missing > 0:
            data = stream.read(missing)
            if not data:
                break
            parts.append(data)
            missing -= len(data)
    except Exception as error:  # noqa: BLE001 - given on to the caller, after what was read
        return b"".join(parts), error
    return b"".join(parts), None


def _part(data: bytes, number: int, plan: Plan, line: _Open) -> Generator[Line, None, bytes]:
    """Searches a part of a line without an end in sight; returns what the next part begins with."""
    if not line.head:
        data = data.lstrip(b"\0")  # the run of zeros that a crash leaves stands before a line, not in it
        if len(data) < 4 * CONTEXT:
            return data
        line.head = data[:WINDOW]
    cut = len(data) - CONTEXT  # literals beyond have not all their context yet
    hits = [(at, indices) for _, at, indices in plan.find(data, line.searched).found if at < cut]
    first = not line.searched
    yield from windows(data, hits, number, b"" if first else line.head, line.head)
    line.searched = CONTEXT
    return data[cut - CONTEXT :]


def _lines(
    data: bytes, part: tuple[int, int], number: int, plan: Plan, line: _Open, flood: Flood[Line] | None
) -> Generator[Line, None, int]:
    """Candidates in a part of the data, which ends with a line's end; its first line may have begun before, as
    ``line`` tells. Returns the number of its lines."""
    start, stop = part
    places = plan.find(data, start + line.searched, stop, flood.quiet if flood is not None else b"")
    if flood is not None and places.counts:
        flood.counted(places.counts)
    for index, group in groupby(places.found, itemgetter(0)):
        found = [(offset, indices) for _, offset, indices in group]
        begin = max(start, data.rfind(b"\n", start, found[0][0]) + 1)
        end = data.find(b"\n", found[0][0], stop)
        opened = line.head if not index else b""
        yield from _line(data[begin : stop if end < 0 else end], begin, number + index, found, opened)
    return places.newlines + (stop > start and data[stop - 1] != 10)


def _line(text: bytes, begin: int, number: int, found: list[Hit], opened: bytes) -> Iterable[Line]:
    """A whole line, or windows of a long one. ``opened``: its beginning, where that was searched before."""
    skipped = begin
    if text[:1] == b"\0" and not opened:
        skipped += len(text)
        text = text.lstrip(b"\0")
        skipped -= len(text)
    if len(text) <= WINDOW and not opened:
        return (Line(number, text, _together(found)),)
    hits = sorted((offset - skipped, indices) for offset, indices in found)
    return windows(text, hits, number, opened, opened or text[:WINDOW])


def windows(data: bytes, hits: Iterable[Hit], number: int, opened: bytes, head: bytes) -> Iterator[Line]:
    """What stands around the literals of a long line: its beginning once (unless it was ``opened`` before),
    then a window around each literal further on."""
    near: list[Hit] = []
    far: list[Hit] = []
    for hit in hits:
        (near if not opened and hit[0] < WINDOW - CONTEXT // 2 - SPACING else far).append(hit)
    if near:
        yield Line(number, data[:WINDOW], _together(near))
    begun: list[Hit] = []
    for hit in far:
        if begun and hit[0] - begun[0][0] > STEP:
            yield _window(data, begun, number, head)
            begun = []
        begun.append(hit)
    if begun:
        yield _window(data, begun, number, head)


def _window(data: bytes, hits: list[Hit], number: int, head: bytes) -> Line:
    start = max(0, hits[0][0] - CONTEXT)
    return Line(number, data[start : hits[0][0] + CONTEXT], _together(hits), head)


def _together(hits: list[Hit]) -> tuple[int, ...]:
    if len(hits) == 1:
        return hits[0][1]
    return tuple(sorted({index for _, indices in hits for index in indices}))
