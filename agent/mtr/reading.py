"""All the reports in a text, of whatever form, with whatever stands around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Callable

from agent.errors import UsageError
from agent.mtr import csv_report, json_report, raw_report, winmtr, xml_report
from agent.mtr.cleaning import Line, decoded, lines, unmarked
from agent.mtr.model import Form, Hop, Reading, Report, Unread
from agent.mtr.prompt import Command, command
from agent.mtr.text_report import TextReader

MOST_UNREAD = 200
FARTHEST = 255  # hops: the largest time to live
_OTHERS = (
    (re.compile(r"^\s*traceroute6? to \S+.{0,80}hops max|^Tracing route to |^\s*tracepath\b", re.M), "a traceroute"),
    (re.compile(r"^PING \S+ .{0,60}bytes|^Pinging \S+ .{0,60}with \d+ bytes|^--- \S+ ping statistics", re.M), "a ping"),
    (re.compile(r"^Computing statistics for \d+ seconds", re.M), "a pathping"),
)
HINT = "run: mtr -rwbzc 100 ADDRESS, and give its whole output (agent mtr --advice has the command)"


def read(name: str, data: bytes) -> Reading:
    """The reports in their order. UsageError, with a line and a hint, where there is none."""
    if not data.strip():
        raise UsageError(f"{name}: it is empty", HINT)
    text = unmarked(decoded(data))
    reports: list[Report] = []
    unread: list[Unread] = []
    text = _blocks(text, reports, unread)
    readers = _Lines()
    for line in lines(text):
        readers.feed(line)
    readers.finish()
    reports += readers.reports
    unread += readers.unread
    if not reports and readers.told is not None and readers.told[1].csv and readers.told[1].destinations:
        at, told = readers.told
        reports.append(Report(Form.CSV, (), destination=told.destinations[0], protocol=told.protocol, line=at))
    if not reports:
        raise _nothing(name, text, unread)
    reports = [_in_order(report, unread) for report in reports]
    reports.sort(key=lambda report: report.line)
    unread.sort(key=lambda item: item.line)
    return Reading(name, tuple(reports), tuple(unread[:MOST_UNREAD]))


def _in_order(report: Report, unread: list[Unread]) -> Report:
    """Without the hops that no path can have, such as one behind a farther one: what they mean nobody knows."""
    kept: list[Hop] = []
    for hop in report.hops:
        last = kept[-1].number if kept else 0
        if not last < hop.number <= FARTHEST:
            why = f"it stands behind hop {last}" if 0 < hop.number <= last else f"no packet goes {hop.number} hops far"
            unread.append(Unread(report.line, f"hop {hop.number}: {hop.router}"[:200], why))
        else:
            kept.append(hop)
    return report if len(kept) == len(report.hops) else replace(report, hops=tuple(kept))


def _blocks(text: str, reports: list[Report], unread: list[Unread]) -> str:
    """Reads what is JSON or XML; the text without it, its lines kept in number."""
    for blocks in (_json_blocks, _xml_blocks):
        parts: list[str] = []
        at = line = 0
        told: Command | None = None
        for begin, end, make in blocks(text):
            line += text.count("\n", at, begin)
            told = _command_before(text, at, begin) or told
            _take(*make(line + 1), told, reports, unread)
            ends = text.count("\n", begin, end)
            parts += (text[at:begin], "\n" * ends)
            line += ends
            at = end
        if at:
            text = "".join(parts) + text[at:]
    return text


_Made = tuple[Report, list[Unread]]


def _json_blocks(text: str) -> Iterator[tuple[int, int, Callable[[int], _Made]]]:
    """Where each document is, and what makes a report of it, given its line."""
    for begin, end, content in json_report.documents(text):
        if content is None:
            yield begin, end, partial(json_report.pieces, text[begin:end])
        else:
            yield begin, end, partial(json_report.report, content)


def _xml_blocks(text: str) -> Iterator[tuple[int, int, Callable[[int], _Made]]]:
    for begin, end in xml_report.documents(text):
        yield begin, end, partial(xml_report.report, text[begin:end])


def _command_before(text: str, start: int, end: int) -> Command | None:
    found = None
    for line in text[max(start, end - 4000) : end].splitlines():
        found = command(line) or found
    return found


def _take(made: Report, more: list[Unread], told: Command | None, reports: list[Report], unread: list[Unread]) -> None:
    if told is not None and not made.protocol_told:
        made = replace(made, protocol=told.protocol, protocol_told=True)
    reports.append(made)
    unread.extend(more)


class _Lines:
    """Hands each line to the reader of its form."""

    def __init__(self) -> None:
        self._text = TextReader()
        self._csv = csv_report.CsvReader()
        self._raw = raw_report.RawReader()
        self._windows = winmtr.WinMtrReader()
        self._events: list[Line] = []
        self.told: tuple[int, Command] | None = None  # the last command line, and where it stands

    @property
    def reports(self) -> list[Report]:
        return [*self._text.reports, *self._csv.reports, *self._raw.reports, *self._windows.reports]

    @property
    def unread(self) -> list[Unread]:
        return [*self._text.unread, *self._csv.unread, *self._raw.unread, *self._windows.unread]

    def feed(self, line: Line) -> None:
        text = line.text
        if "mtr" in text:
            told = command(text)
            self.told = self.told if told is None else (line.number, told)
        if raw_report.is_event(text):
            self._events.append(line)
            return
        if self._events:
            self._raw_ends()
        if csv_report.is_row(text.strip()):
            self._csv.feed(Line(line.number, text.strip()))
        elif winmtr.begins(text):
            self._windows.begin(line)
        elif not (self._windows.active and self._windows.feed(line)):
            self._text.feed(line)

    def finish(self) -> None:
        self._raw_ends()
        for reader in (self._text, self._csv, self._windows):
            reader.finish()

    def _raw_ends(self) -> None:
        """A few such lines are prose, not a report."""
        events, self._events = self._events, []
        if len(events) >= 3 and any(line.text[0] in "hp" for line in events):
            for line in events:
                self._raw.feed(line)
            self._raw.finish()
        elif len(events) >= 3 and all(line.text[0] == "x" for line in events):
            self._raw.feed(events[0])
            self._raw.finish()


def _nothing(name: str, text: str, unread: list[Unread]) -> UsageError:
    if unread:
        return UsageError(f"{name}: line {unread[0].line}: {unread[0].why}", HINT)
    for pattern, what in _OTHERS:
        match = pattern.search(text)
        if match is not None:
            line = text.count("\n", 0, match.start()) + 1
            return UsageError(f"{name}: line {line}: this is {what}, not a report of mtr's", HINT)
    first = next((number for number, line in enumerate(text.split("\n"), 1) if line.strip()), 1)
    return UsageError(f"{name}: line {first}: no MTR report in it", HINT)
