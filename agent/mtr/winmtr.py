"""WinMTR's table: | host - loss | sent | received | best | average | worst | last |."""

from __future__ import annotations

import re

from agent.mtr.cleaning import Line
from agent.mtr.model import Form, Hop, Report, Unread
from agent.mtr.values import count, number, routers, share

_HEADER = re.compile(r"\|?\s*Host(?:name)?\s*-\s*%\s*\|\s*Sent\b", re.IGNORECASE)
_ROW = re.compile(r"\|?\s*(?P<who>[^|]{1,300}?)\s*-\s*(?P<loss>\d{1,3})\s*\|(?P<numbers>(?:\s*\d{1,9}\s*\|?){5,6})\s*$")
_FLAT = re.compile(
    r"(?P<who>(?:No response from host|\S{1,255}(?: \([^()\s]{1,60}\))?))\s+-?\s*(?P<loss>\d{1,3})(?:\s*%)?"
    r"(?P<numbers>(?:\s+\d{1,9}){6})\s*$"
)


def begins(text: str) -> bool:
    """True for the line of column names."""
    return bool(_HEADER.match(text.strip()))


class WinMtrReader:
    """Takes the lines after the column names."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.unread: list[Unread] = []
        self._hops: list[Hop] | None = None
        self._line = 1

    @property
    def active(self) -> bool:
        return self._hops is not None

    def begin(self, line: Line) -> None:
        """The column names were seen."""
        self.finish()
        self._hops, self._line = [], line.number

    def feed(self, line: Line) -> bool:
        """False when the line is no part of the table."""
        text = line.text.strip()
        if self._hops is None:
            return False
        if not text.strip("|-_ +="):
            return True
        match = _ROW.fullmatch(text) or _FLAT.fullmatch(text)
        loss = share(match["loss"]) if match else None
        if match is None or loss is None:
            if "|" in text and any(char.isdecimal() for char in text):
                self.unread.append(Unread(line.number, line.text[:200], "not a row of WinMTR's"))
                return True
            return False
        numbers = re.findall(r"\d+", match["numbers"])
        sent = count(numbers[0])
        best, average, worst, last = (number(text) for text in (*numbers[2:6], *("",) * 4)[:4])
        found = routers(match["who"])
        if not found or loss >= 100:
            self._hops.append(Hop(len(self._hops) + 1, found, 100.0, sent))
        else:
            self._hops.append(Hop(len(self._hops) + 1, found, loss, sent, last, average, best, worst))
        return True

    def finish(self) -> None:
        """Ends the table. WinMTR goes on behind a silent destination: one such row is enough."""
        if self._hops is not None:
            self.reports.append(Report(Form.WINMTR, tuple(self._hops), line=self._line))
        self._hops = None
