"""mtr --csv: with and without a header, by commas or (0.85) semicolons."""

from __future__ import annotations

import re

from agent.mtr.cleaning import Line
from agent.mtr.model import Form, Hop, Report, Unread
from agent.mtr.values import count, is_address, network, number, routers, share

_BEGIN = re.compile(r"MTR\.[\w.-]{1,20}[;,]")
_HEADER = re.compile(r"Mtr_Version[;,]")
_FIXED = 6  # version, time, status, host, hop, address
_NAMES = {"loss%": "loss", "snt": "sent", "last": "last", "avg": "average", "best": "best", "wrst": "worst",
          "stdev": "deviation", "asn": "asn"}  # fmt: skip


def is_row(text: str) -> bool:
    """True for a line of this form."""
    return text.startswith(("MTR.", "Mtr_Version")) and bool(_BEGIN.match(text) or _HEADER.match(text))


class CsvReader:
    """Takes rows one after the other; a new destination, time, or first hop begins a new report."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.unread: list[Unread] = []
        self._columns: list[str] | None = None
        self._key: tuple[str, str] | None = None
        self._hops: list[Hop] = []
        self._line = 1

    def feed(self, line: Line) -> None:
        separator = ";" if ";" in line.text[:40] else ","
        cells = [cell.strip() for cell in line.text.split(separator)]
        if _HEADER.match(line.text):
            self.finish()
            self._columns = [cell.lower() for cell in cells[_FIXED:]]
            return
        if len(cells) < _FIXED + 3 or count(cells[4]) is None:
            self.unread.append(Unread(line.number, line.text[:200], "too few columns for a row of mtr's"))
            return
        values = self._values(cells[_FIXED:])
        loss = share(str(values.get("loss", "")))
        if loss is None:
            self.unread.append(Unread(line.number, line.text[:200], "no loss where it should be"))
            return
        key, position = (cells[1], cells[3]), int(cells[4])
        if key != self._key or (self._hops and position <= self._hops[-1].number):
            self.finish()
            self._key, self._line = key, line.number
        found = routers(cells[5])
        sent = number(values.get("sent", ""))
        times = [number(values.get(name, "")) for name in ("last", "average", "best", "worst", "deviation")]
        if not found or loss >= 100:
            times, loss = [None] * 5, 100.0
        asn = network(values.get("asn", "")) or ""
        if len(self._hops) < 256:
            self._hops.append(
                Hop(
                    position,
                    found,
                    loss,
                    None if sent is None else int(sent),
                    times[0],
                    times[1],
                    times[2],
                    times[3],
                    times[4],
                    asn,
                )
            )

    def _values(self, cells: list[str]) -> dict[str, str]:
        if self._columns is not None:
            return {_NAMES[name]: cell for name, cell in zip(self._columns, cells) if name in _NAMES}
        asn = ""
        if cells and network(cells[0]) is not None:
            asn, cells = cells[0], cells[1:]
        cells = [cell for cell in cells if cell]
        if len(cells) >= 8:
            del cells[2]  # the dropped probes
        names = ("loss", "sent", "last", "average", "best", "worst", "deviation")
        return {**dict(zip(names, cells)), "asn": asn}

    def finish(self) -> None:
        """Ends the last report."""
        if self._key is not None and self._hops:
            started, host = self._key
            self.reports.append(
                Report(
                    Form.CSV,
                    tuple(self._hops),
                    destination=host,
                    destination_address=host if is_address(host) else "",
                    started=started,
                    line=self._line,
                )
            )
        self._key, self._hops = None, []
