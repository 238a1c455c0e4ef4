"""Counts probes and answers by hop as mtr counts them, and makes the report's rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from agent.mtr.model import Hop, Router


@dataclass
class Count:
    """One hop. Times in milliseconds."""

    sent: int = 0
    received: int = 0
    routers: dict[str, None] = field(default_factory=dict)  # the latest to answer last
    final: bool = False  # whoever answered last is the destination, or said that it can't be reached
    last: float = 0.0
    best: float = math.inf
    worst: float = 0.0
    average: float = 0.0
    squares: float = 0.0  # sum of squared differences from the average (Welford)
    cycle: int = 0  # the last in which it was probed

    def note(self, milliseconds: float) -> None:
        self.received += 1
        self.last = milliseconds
        self.best = min(self.best, milliseconds)
        self.worst = max(self.worst, milliseconds)
        before = self.average
        self.average += (milliseconds - before) / self.received
        self.squares += (milliseconds - before) * (milliseconds - self.average)

    @property
    def deviation(self) -> float:
        """Of the sample, as mtr's StDev."""
        return math.sqrt(self.squares / (self.received - 1)) if self.received > 1 else 0.0

    @property
    def loss(self) -> float:
        """In percent; never below 0, also if an answer came twice."""
        return max(0.0, 100.0 * (1 - self.received / self.sent)) if self.sent else 0.0


class Tally:
    """What was sent and what came back, by hop (from 1)."""

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._counts: dict[int, Count] = {}
        self._cycle = 0  # the one that is going on, from 1

    def sent(self, hop: int) -> None:
        if hop == 1:
            self._cycle += 1
        count = self._count(hop)
        count.sent += 1
        count.cycle = self._cycle

    def unsent(self, hop: int) -> None:
        """The probe was not given the time to be answered."""
        self._count(hop).sent -= 1

    def heard(self, hop: int, address: str, final: bool = False) -> None:
        """Somebody answered there."""
        count = self._count(hop)
        count.routers.pop(address, None)
        count.routers[address] = None
        count.final = final or address == self._destination

    def end(self) -> None:
        """Ended early: the latest probe of a hop may be on its way still, and is not lost."""
        for count in self._counts.values():
            if count.cycle == self._cycle and count.sent > count.received and count.sent > 1:
                count.sent -= 1

    def answered(self, hop: int, milliseconds: float) -> None:
        self._count(hop).note(milliseconds)

    def _count(self, hop: int) -> Count:
        return self._counts.setdefault(hop, Count())

    def ends(self, hop: int) -> bool:
        """True when nothing is to be learnt beyond this hop."""
        return hop in self._counts and self._counts[hop].final

    @property
    def cycle(self) -> int:
        return self._cycle

    @property
    def length(self) -> int:
        """Rows of the report: up to the destination, or who said that it can't be reached; else to the last that
        answered, and the next when it was probed too."""
        last = 0
        for hop in sorted(self._counts):
            count = self._counts[hop]
            if not count.routers:
                continue
            last = hop
            if count.final:
                return hop
        refused = self._refused(last)
        if refused:
            return refused
        beyond = self._counts.get(last + 1)
        if not last or beyond is None:
            return last
        # mtr goes no farther once it was told that there is no way: then only the first cycle went there.
        return last + 1 if beyond.cycle >= self._counts[last].cycle - 1 and beyond.sent else last

    def _refused(self, last: int) -> int:
        """Where nothing beyond is told but by one router, over and over: its refusal, which mtr --raw doesn't name."""
        router = _only(self._counts.get(last))
        first = last
        while router and _only(self._counts.get(first - 1)) == router:
            first -= 1
        return first + 1 if last - first >= 2 else 0

    def rows(self) -> tuple[Hop, ...]:
        return tuple(self._row(number) for number in range(1, self.length + 1))

    def _row(self, number: int) -> Hop:
        count = self._counts.get(number, Count())
        routers = tuple(Router(address=one) for one in reversed(count.routers))
        if not count.received:
            return Hop(number, routers, 100.0, count.sent, 0.0, 0.0, 0.0, 0.0, 0.0)
        times = (count.last, count.average, count.best, count.worst, count.deviation)
        return Hop(number, routers, count.loss, count.sent, *times)

    @property
    def lost(self) -> float:
        """Loss at the last row so far, in percent."""
        return self._counts[self.length].loss if self.length else 100.0

    def progress(self, cycles: int) -> str:
        hops = self.length
        return f"cycle {self.cycle} of {cycles}, {hops} hop{'s' * (hops != 1)}, {self.lost:.1f} % lost so far"


def _only(count: Count | None) -> str:
    """The one router that answers there; "" for none or several."""
    return next(iter(count.routers)) if count is not None and len(count.routers) == 1 else ""
