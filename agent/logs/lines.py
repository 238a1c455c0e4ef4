"""Candidate lines of a byte stream: read in large blocks, in bounded memory however long a line is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from agent.logs.plan import Plan

BLOCK = 1024 * 1024  # bytes read at once
LONGEST = 64 * 1024  # bytes of a line that are handed on; the rest of it is searched in pieces
CONTEXT = 2048  # bytes kept before a literal in a piece of an overlong line


class Readable(Protocol):
    """Anything that gives bytes in order, and b"" at its end."""

    def read(self, size: int) -> bytes: ...


@dataclass(frozen=True)
class Line:
    """A line (or a piece of an overlong one) that holds literals. ``number`` counts from 1."""

    number: int
    data: bytes
    patterns: tuple[int, ...]


def candidates(stream: Readable, plan: Plan, counted: list[int] | None = None) -> Iterator[Line]:
    """The lines of a stream that may match, in order. ``counted`` gets the number of lines read.

    OSError and EOFError of the stream reach the caller.
    """
    overlap = max(plan.longest, 1) - 1
    number = 1  # of the line that the buffer begins with
    rest = b""
    while True:
        block = stream.read(BLOCK)
        data = rest + block if rest else block
        if not data:
            break
        if not block:
            whole, rest = data, b""
        else:
            end = data.rfind(b"\n") + 1
            if end:
                whole, rest = data[:end], data[end:]
            elif len(data) >= BLOCK:
                yield from _piece(data, number, plan)
                rest = data[-(CONTEXT + overlap) :]
                continue
            else:
                rest = data
                continue
        yield from _lines(whole, number, plan)
        number += whole.count(b"\n")
        if not block:
            number += not whole.endswith(b"\n")
            break
    if counted is not None:
        counted.append(number - 1)


def _lines(data: bytes, number: int, plan: Plan) -> Iterator[Line]:
    """Candidates in whole lines."""
    start = end = -1
    counted = 0  # where the newlines are counted up to
    found: set[int] = set()
    for offset, indices in plan.find(data):
        if offset >= end:
            if found:
                yield _line(data, start, end, number, found)
            start = data.rfind(b"\n", 0, offset) + 1
            end = data.find(b"\n", offset)
            end = len(data) if end < 0 else end
            number += data.count(b"\n", counted, start)
            counted = start
            found = set()
        found.update(indices)
    if found:
        yield _line(data, start, end, number, found)


def _line(data: bytes, start: int, end: int, number: int, found: set[int]) -> Line:
    return Line(number, data[start : min(end, start + LONGEST)], tuple(sorted(found)))


def _piece(data: bytes, number: int, plan: Plan) -> Iterator[Line]:
    """Candidates in a block without any line end: what stands around the literals."""
    start = until = -1
    found: set[int] = set()
    for offset, indices in plan.find(data):
        if offset >= until:
            if found:
                yield Line(number, data[start:until], tuple(sorted(found)))
            start, until, found = max(0, offset - CONTEXT), offset + CONTEXT, set()
        found.update(indices)
    if found:
        yield Line(number, data[start:until], tuple(sorted(found)))
