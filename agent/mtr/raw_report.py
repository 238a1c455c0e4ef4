"""mtr --raw: one event a line. x: a probe was sent; h: who answered; d: the name; p: the time of an answer, in
microseconds; m: an MPLS label. Hops count from 0."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from agent.mtr.cleaning import Line
from agent.mtr.model import Form, Hop, Report, Router, Unread
from agent.mtr.values import is_address

_EVENT = re.compile(r"(?P<kind>[xhdpm]) (?P<hop>\d{1,3}) (?P<rest>\S.{0,300})")
MOST_HOPS = 256


@dataclass
class _Counted:
    addresses: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    sent: int = 0
    times: list[float] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)


def is_event(text: str) -> bool:
    """True for a line of this form."""
    return len(text) > 4 and text[1] == " " and text[0] in "xhdpm" and bool(_EVENT.fullmatch(text))


class RawReader:
    """Takes events one after the other."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.unread: list[Unread] = []
        self._hops: dict[int, _Counted] = {}
        self._line = 0

    def feed(self, line: Line) -> None:
        match = _EVENT.fullmatch(line.text)
        if match is None or int(match["hop"]) >= MOST_HOPS:
            self.unread.append(Unread(line.number, line.text[:200], "no event of mtr's"))
            return
        self._line = self._line or line.number
        hop = self._hops.setdefault(int(match["hop"]), _Counted())
        words = match["rest"].split()
        if match["kind"] == "x":
            hop.sent += 1
        elif match["kind"] == "h" and words[0] not in hop.addresses and len(hop.addresses) < 64:
            hop.addresses.append(words[0])
        elif match["kind"] == "d" and hop.addresses:
            hop.names[hop.addresses[-1]] = words[0]
        elif match["kind"] == "p" and words[0].isdecimal() and len(words[0]) < 13:
            hop.times.append(int(words[0]) / 1000)
        elif match["kind"] == "m" and len(hop.labels) < 64:
            hop.labels.append(" ".join(words))

    def finish(self) -> None:
        """Ends the report."""
        hops, self._hops = self._hops, {}
        if not hops:
            return
        last = max((number for number, hop in hops.items() if hop.times), default=-1)
        while last > 0 and self._beyond(hops.get(last - 1), hops[last]):
            last -= 1
        # mtr prints one silent row behind the last who answered, when the destination did not.
        found = [self._hop(number, hops.get(number, _Counted())) for number in range(last + 1)]
        silent = [number for number, hop in hops.items() if number > last and hop.sent and not hop.times]
        if last >= 0 and silent and not self._arrived(hops, last):
            found.append(self._hop(last + 1, hops.get(last + 1, _Counted())))
        self.reports.append(Report(Form.RAW, tuple(found), line=self._line))
        self._line = 0

    def _beyond(self, before: _Counted | None, hop: _Counted) -> bool:
        """Probes that went further than the destination before mtr knew how far it is."""
        return (
            before is not None
            and bool(hop.addresses)
            and hop.addresses[0] in before.addresses
            and hop.sent < max(before.sent, 2)
        )

    def _arrived(self, hops: dict[int, _Counted], last: int) -> bool:
        """The probes stopped at this hop after the first cycles: it is the destination."""
        return all(hop.sent * 2 < hops[last].sent for number, hop in hops.items() if number > last)

    def _hop(self, number: int, counted: _Counted) -> Hop:
        times = counted.times
        routers = tuple(_router(address, counted.names.get(address, "")) for address in counted.addresses)
        if not times:
            return Hop(number + 1, routers, 100.0, counted.sent or None)
        sent = max(counted.sent, len(times)) if counted.sent else None
        average = math.fsum(times) / len(times)
        deviation = math.sqrt(math.fsum((time - average) ** 2 for time in times) / max(1, len(times) - 1))
        return Hop(
            number + 1,
            routers,
            0.0 if sent is None else 100 * (sent - len(times)) / sent,
            sent,
            times[-1],
            average,
            min(times),
            max(times),
            deviation,
            labels=tuple(counted.labels),
        )


def _router(address: str, name: str) -> Router:
    if not is_address(address):
        return Router(name=address)
    return Router("" if name == address else name, address)
