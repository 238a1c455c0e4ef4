"""Text logs of /var/log and their rotations."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import BinaryIO

from agent.logs import compressed
from agent.logs.boots import SIGN_KEYS, SIGNS_KEPT, Mark, Timeline, boundaries, of_texts
from agent.logs.collect import Collector
from agent.logs.extents import LIMIT, Extents
from agent.logs.flood import Flood
from agent.logs.header import Header, parse, when
from agent.logs.lines import Line, Readable, candidates
from agent.logs.model import Entry, Found, Hits, Match, Unchecked
from agent.logs.plan import BOOT, LOGGER, Plan
from agent.target import Stat, Target
from agent.target.zone import zone
from agent.unknown import Unknown, Why

NAMES = ["messages", "syslog", "kern.log", "dmesg", "boot.log", "daemon.log", "auth.log", "secure"]
ROTATED = re.compile(
    rf"(?P<base>{'|'.join(re.escape(name) for name in NAMES)})"
    r"(?:[.-](?P<turn>\d{1,8}(?:[-T]\d{1,6})?|old|bak))?(?:\.(?:gz|xz|lzma|bz2|zst))?"
)
MOST_TEXT = 2 * LIMIT  # bytes of text out of one compressed file: a bomb ends there
TEXT = frozenset(b"\t\n\r\x1b" + bytes(range(0x20, 0x7F)))  # bytes that a log begins with
MOST_FILES = 200  # rotations of one log that are read, the newest
MOST_BOOTS = 1000  # in one file
BUDGET = 180.0  # seconds for all text logs together


@dataclass(frozen=True)
class LogFile:
    path: str
    base: str
    age: tuple[int, str]  # sorts newest first


def files(target: Target, unchecked: list[Unchecked]) -> Iterator[list[LogFile]]:
    """The known logs with their rotations: a family at a time, newest first."""
    names = target.list("/var/log")
    if isinstance(names, Unknown):
        if not names.absent:
            unchecked.append(Unchecked("/var/log", names.reason))
        return
    families: dict[str, list[LogFile]] = {}
    for name in names:
        match = ROTATED.fullmatch(name)
        if match:
            file = LogFile(f"/var/log/{name}", match["base"], _age(match["turn"]))
            families.setdefault(match["base"], []).append(file)
    for base in NAMES:
        family = sorted(families.get(base, []), key=lambda file: file.age)
        if len(family) > MOST_FILES:
            unchecked.append(
                Unchecked(f"/var/log/{base}*", f"of {len(family)} files the newest {MOST_FILES} were read")
            )
        if family:
            yield family[:MOST_FILES]


def _age(turn: str | None) -> tuple[int, str]:
    if turn is None:
        return (0, "")
    if turn.isdecimal() and len(turn) < 6:
        return (1 + int(turn), "")
    # Dates: the latest first, each digit turned round.
    return (1, "".join(chr(ord("z") - int(char)) if char.isdecimal() else char for char in turn))


def search_texts(
    target: Target,
    plan: Plan,
    since: float | None = None,
    say: Callable[[str], None] = lambda step: None,
) -> Found:
    """Searches all text logs of the target. ``plan`` holds the MARKS too."""
    local = zone(target)
    unchecked: list[Unchecked] = []
    sources: list[str] = []
    lines = 0
    timeline = Timeline()
    known: set[tuple[int, int]] = set()  # one file under many names is read once
    ends = time.monotonic() + BUDGET
    families: list[list[Searched]] = []
    for family in files(target, unchecked):
        searched: list[Searched] = []
        for file in family:
            stat = target.stat(file.path)
            if isinstance(stat, Stat):
                if since is not None and stat.mtime < since:
                    continue
                if stat.inode and (stat.device, stat.inode) in known:
                    continue
                known.add((stat.device, stat.inode))
            if time.monotonic() > ends:
                unchecked.append(Unchecked(file.path, "left out: the text logs took too long to read"))
                continue
            say(f"searching {file.path}")
            one = search_file(target, file.path, plan, local, since, unchecked, ends)
            if one is not None:
                searched.append(one)
                sources.append(file.path)
                lines += one.lines
        timeline.add([mark for one in reversed(searched) for mark in one.marks], family[0].path)
        families.append(searched)
    merged: dict[str, Hits] = {}
    for searched in families:
        own = any(one.marks for one in searched)
        newer = sum(len(one.marks) for one in searched)
        for one in reversed(searched):  # oldest first
            newer -= len(one.marks)
            for key, hits in one.hits.items():
                numbered = _numbered(hits, one.marks, newer) if own else _dated(hits, timeline)
                if not one.whole:
                    numbered = _changed(numbered, lambda entry: replace(entry, line=0))
                before = merged.get(key)
                merged[key] = (
                    numbered
                    if before is None
                    else Hits(key, before.count + numbered.count, before.matches + numbered.matches)
                )
    signs = [match for key in SIGN_KEYS if key in merged for match in merged.pop(key).matches]
    boots = of_texts(timeline, signs)
    return Found(merged, tuple(unchecked), tuple(sources), lines, boots)


@dataclass(frozen=True)
class Searched:
    """What one file held: hits whose boot is not told yet, and where boots begin in it."""

    hits: dict[str, Hits]
    marks: list[Mark]
    lines: int
    whole: bool  # else its lines were counted from somewhere in the middle


def _numbered(hits: Hits, marks: list[Mark], newer: int) -> Hits:
    """Each entry's boot: 0 is the newest, counted back by the boots that begin after it."""

    def numbered(entry: Entry) -> Entry:
        return replace(entry, boot=-(newer + sum(1 for mark in marks if mark.line > entry.line)))

    return _changed(hits, numbered)


def _dated(hits: Hits, timeline: Timeline) -> Hits:
    """A log without the kernel's lines (auth.log, daemon.log): its boots by what the other logs date."""
    return _changed(hits, lambda entry: replace(entry, boot=timeline.boot(entry.time)))


def _changed(hits: Hits, change: Callable[[Entry], Entry]) -> Hits:
    return Hits(hits.key, hits.count, tuple(Match(m.key, change(m.entry), m.groups) for m in hits.matches))


def search_file(
    target: Target,
    path: str,
    plan: Plan,
    local: tzinfo,
    since: float | None,
    unchecked: list[Unchecked],
    ends: float = float("inf"),
) -> Searched | None:
    """One file's hits; None when it can't be opened. ``ends`` is a time of the monotonic clock."""
    opened = target.open(path)
    if isinstance(opened, Unknown):
        unchecked.append(Unchecked(path, opened.reason))
        return None
    stat = target.stat(path)
    newest = stat.mtime if isinstance(stat, Stat) and stat.mtime > 0 else time.time()
    with opened as stream:
        readable = _readable(stream, path, unchecked)
        if isinstance(readable, Unknown):
            unchecked.append(Unchecked(path, readable.reason))
            return None
        whole = not (isinstance(readable, Extents) and readable.left_out)
        limited = _Limited(readable, MOST_TEXT, ends)
        source: Readable = Uncoloured(limited) if _console(path) else limited
        keep = {BOOT.key: MOST_BOOTS, LOGGER.key: MOST_BOOTS, **dict.fromkeys(SIGN_KEYS, SIGNS_KEPT)}
        collector = Collector(plan, keep)
        flood: Flood[Line] = Flood(plan, keep)
        counted: list[int] = []

        def confirm(line: Line, patterns: tuple[int, ...]) -> tuple[int, ...]:
            """Which of the patterns match the line."""
            text = line.data.decode("utf-8", "replace").strip()
            likely = plan.likely(text, patterns)
            if not likely:
                return ()
            header = parse(line.head.decode("utf-8", "replace") if line.head else text)
            if line.head:
                header = replace(header, text=text)
            moment = when(header, newest, local)
            if since is not None and moment is not None and moment < since:
                return ()
            return collector.offer(entry(path, line.number, header, moment), likely)

        try:
            for line in candidates(source, plan, counted, flood):
                patterns = flood.fresh(line, line.patterns)
                if not patterns or (not line.head and flood.nothing(line.data, patterns)):
                    continue
                matched = confirm(line, patterns)
                flood.saw(patterns, matched)
                if not matched and since is None and not line.head:
                    flood.found_nothing(line.data, patterns)
        except compressed.DAMAGE as error:
            unchecked.append(Unchecked(path, f"damaged, read only in part: {_said(error)}"))
        for line, patterns in flood.rest():
            confirm(line, patterns)
        if limited.ended:
            unchecked.append(Unchecked(path, limited.ended))
    hits = collector.hits(flood.more())
    marks = boundaries(hits.pop(BOOT.key, None), hits.pop(LOGGER.key, None))
    return Searched(hits, marks, counted[0] if counted else 0, whole)


def _readable(stream: BinaryIO, path: str, unchecked: list[Unchecked]) -> Readable | Unknown:
    """The text in a file; by its content, for a rotation that was cut short may leave plain text in a .gz."""
    try:
        head = stream.read(compressed.LONGEST_MAGIC)
        stream.seek(0)
    except OSError as error:
        return Unknown(f"{path}: {_said(error)}", Why.IO)
    suffix = compressed.kind(path, head) if head else ""
    if head and not suffix and compressed.kind(path) and not all(byte in TEXT for byte in head):
        return Unknown("damaged: it does not begin as its name says", Why.UNREADABLE)
    if suffix:
        return compressed.decompressed(stream, suffix)
    extents = Extents(stream)
    if extents.left_out:
        unchecked.append(Unchecked(path, f"too large: its first {_size(extents.left_out)} were not read"))
    return extents


def _said(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _console(path: str) -> bool:
    """boot.log is what stood on the console, colours and all."""
    return path.startswith("/var/log/boot.log")


def entry(source: str, number: int, header: Header, moment: float | None) -> Entry:
    """A log line as an entry."""
    return Entry(source, header.text, line=number, time=moment, uptime=header.uptime, ident=header.ident, boot=None)


def _size(count: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.0f} {unit}"
    return f"{count} bytes"


class _Limited:
    """Reads no more than so many bytes, and not beyond a time of the monotonic clock."""

    def __init__(self, stream: Readable, limit: int, ends: float) -> None:
        self._stream = stream
        self._limit = limit
        self._left = limit
        self._ends = ends
        self.ended = ""  # why it stopped

    def read(self, size: int) -> bytes:
        if self._left <= 0:
            self.ended = f"only its first {_size(self._limit)} of text were read"
            return b""
        if time.monotonic() > self._ends:
            self.ended = "read only in part: the text logs took too long to read"
            return b""
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


class Uncoloured:
    """A stream without the escape codes in it, which may stand in the middle of what a pattern looks for."""

    CODES = re.compile(rb"\x1b\[[0-9;?]{0,20}[@-~]|\x1b[ -/]?[0-Z\\^-~]|\r(?=\r{0,8}\n)")
    BEGUN = re.compile(rb"(?:\x1b(?:\[[0-9;?]{0,20}|[ -/])?|\r)$")

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._rest = b""

    def read(self, size: int) -> bytes:
        while True:
            block = self._stream.read(size)
            data = self._rest + block
            self._rest = b""
            if block:
                begun = self.BEGUN.search(data, max(0, len(data) - 32))
                if begun:
                    data, self._rest = data[: begun.start()], data[begun.start() :]
            clean = self.CODES.sub(b"", data)
            if clean or not block:
                return clean
