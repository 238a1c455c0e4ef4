"""Floods: what matched thousands of times is counted by its literals, and only its newest lines are read."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from agent.logs.engine import KEPT
from agent.logs.plan import Plan

ENOUGH = 2000  # matches in one source, after which the next are counted
SURE = 0.9  # share of the lines with its literal that a pattern must have matched so far
REMEMBERED = 4096  # lines that are known to match nothing
_STAMP = re.compile(rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")
_PID = re.compile(rb"\[\d{1,10}\]")

T = TypeVar("T")


class Flood(Generic[T]):
    """What has matched thousands of times in one source is tired: of its lines (T) only the newest are kept for later.

    Literals that lead to tired patterns alone are ``quiet``: the engine counts these, and tells their last KEPT of a
    block. ``exact``: keys of patterns of which every match is needed.
    """

    def __init__(self, plan: Plan, exact: Collection[str] = ()) -> None:
        self._plan = plan
        self._exact = frozenset(index for index, pattern in enumerate(plan.patterns) if pattern.key in exact)
        self._offered = [0] * len(plan.patterns)
        self._matched = [0] * len(plan.patterns)
        self._skipped = [0] * len(plan.patterns)
        self._later: dict[int, deque[T]] = {}  # of tired patterns
        self._nothing: set[tuple[bytes, tuple[int, ...]]] = set()
        self.quiet = b""

    def next_source(self) -> None:
        """What is tired stays so in another source, whose newest lines are kept for themselves."""
        self._nothing.clear()
        self._skipped = [0] * len(self._skipped)
        for later in self._later.values():
            later.clear()

    def saw(self, offered: Iterable[int], matched: Collection[int]) -> None:
        """A line held literals of the ``offered`` patterns, and these of them matched."""
        for index in offered:
            self._offered[index] += 1
            if index in matched:
                self._matched[index] += 1
                if self._matched[index] == ENOUGH and index not in self._exact:
                    self._judge(index)

    def _judge(self, index: int) -> None:
        if self._matched[index] < SURE * self._offered[index]:
            return
        self._later[index] = deque(maxlen=KEPT)
        quiet = bytearray(self.quiet or bytes(len(self._plan.literals)))
        for number, leads in enumerate(self._plan.leads):
            if self._later.keys() >= set(leads):
                quiet[number] = 1
        self.quiet = bytes(quiet) if any(quiet) else b""

    def fresh(self, line: T, patterns: tuple[int, ...]) -> tuple[int, ...]:
        """Those of a line's patterns that are not tired; for the others it is kept."""
        if self._later.keys().isdisjoint(patterns):
            return patterns
        for index in patterns:
            later = self._later.get(index)
            if later is not None:
                self._skipped[index] += len(later) == KEPT
                later.append(line)
        return tuple(index for index in patterns if index not in self._later)

    def rest(self) -> Iterator[tuple[T, tuple[int, ...]]]:
        """The lines that were kept, each with its pattern, oldest first."""
        for index, later in self._later.items():
            for line in later:
                yield line, (index,)

    def nothing(self, data: bytes, patterns: tuple[int, ...]) -> bool:
        """Is the line, its time and process id aside, known to match none of these?"""
        return bool(self._nothing) and (_lasting(data), patterns) in self._nothing

    def found_nothing(self, data: bytes, patterns: tuple[int, ...]) -> None:
        if len(self._nothing) >= REMEMBERED:
            self._nothing.clear()
        self._nothing.add((_lasting(data), patterns))

    def counted(self, counts: Sequence[int]) -> None:
        """A block was searched: so often each quiet literal was found in it, its last KEPT times told."""
        more: dict[int, int] = {}
        for number, count in enumerate(counts):
            if count > KEPT:
                for index in self._plan.leads[number]:
                    # Several literals of one pattern may stand on the same lines.
                    more[index] = max(more.get(index, 0), count - KEPT)
        for index, count in more.items():
            self._skipped[index] += count

    def more(self) -> Mapping[str, int]:
        """How many matches, by the patterns' keys, were not looked at: by the share that matched before."""
        return {
            self._plan.patterns[index].key: round(count * self._matched[index] / self._offered[index])
            for index, count in enumerate(self._skipped)
            if count
        }


def _lasting(data: bytes) -> bytes:
    """A line without what differs each time that a program says the same."""
    stamp = _STAMP.match(data)
    return _PID.sub(b"", data[stamp.end() :], 1) if stamp else data
