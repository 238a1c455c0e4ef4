"""Floods: what matched thousands of times is counted by its literals, and only its newest lines are read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from agent.logs.engine import KEPT
from agent.logs.plan import Plan

ENOUGH = 2000  # matches in one source, after which the next are counted
SURE = 0.9  # share of the lines with its literal that a pattern must have matched so far


class Flood:
    """Tells the engine which literals are ``quiet``: these it counts, and tells their last KEPT of a block alone.

    ``exact``: keys of patterns of which every match is needed.
    """

    def __init__(self, plan: Plan, exact: Collection[str] = ()) -> None:
        self._plan = plan
        self._exact = frozenset(index for index, pattern in enumerate(plan.patterns) if pattern.key in exact)
        self._offered = [0] * len(plan.patterns)
        self._matched = [0] * len(plan.patterns)
        self._tired: set[int] = set()
        self._skipped: dict[int, int] = {}
        self.quiet = b""

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
        self._tired.add(index)
        quiet = bytearray(self.quiet or bytes(len(self._plan.literals)))
        for number, leads in enumerate(self._plan.leads):
            if self._tired.issuperset(leads):
                quiet[number] = 1
        self.quiet = bytes(quiet) if any(quiet) else b""

    def counted(self, counts: Sequence[int]) -> None:
        """A block was searched: so often each quiet literal was found in it, its last KEPT times told."""
        more: dict[int, int] = {}
        for number, count in enumerate(counts):
            if count > KEPT:
                for index in self._plan.leads[number]:
                    # Several literals of one pattern may stand on the same lines.
                    more[index] = max(more.get(index, 0), count - KEPT)
        for index, count in more.items():
            self._skipped[index] = self._skipped.get(index, 0) + count

    def more(self) -> Mapping[str, int]:
        """How many matches, by the patterns' keys, were not looked at: by the share that matched before."""
        return {
            self._plan.patterns[index].key: round(count * self._matched[index] / self._offered[index])
            for index, count in self._skipped.items()
        }
