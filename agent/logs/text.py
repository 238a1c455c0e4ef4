"""Text logs of /var/log and their rotations."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timezone, tzinfo
from zoneinfo import ZoneInfo

from agent.logs import compressed
from agent.logs.collect import Collector
from agent.logs.extents import LIMIT, Extents
from agent.logs.header import Header, parse, when
from agent.logs.lines import Readable, candidates
from agent.logs.model import Entry, Found, Hits, Match, Unchecked
from agent.logs.plan import BOOT, Plan
from agent.target import Stat, Target
from agent.unknown import Unknown

NAMES = ["messages", "syslog", "kern.log", "dmesg", "boot.log", "daemon.log", "auth.log", "secure"]
ROTATED = re.compile(
    rf"(?P<base>{'|'.join(re.escape(name) for name in NAMES)})"
    r"(?:[.-](?P<turn>\d{1,8}(?:[-T]\d{1,6})?|old|bak))?(?:\.(?:gz|xz|lzma|bz2|zst))?"
)
MOST_TEXT = 2 * LIMIT  # bytes of text out of one compressed file: a bomb ends there


@dataclass(frozen=True)
class LogFile:
    path: str
    base: str
    age: tuple[int, str]  # sorts newest first


def files(target: Target) -> Iterator[list[LogFile]]:
    """The known logs with their rotations: a family at a time, newest first."""
    names = target.list("/var/log")
    if isinstance(names, Unknown):
        return
    families: dict[str, list[LogFile]] = {}
    for name in names:
        match = ROTATED.fullmatch(name)
        if match:
            file = LogFile(f"/var/log/{name}", match["base"], _age(match["turn"]))
            families.setdefault(match["base"], []).append(file)
    for base in NAMES:
        if base in families:
            yield sorted(families[base], key=lambda file: file.age)


def _age(turn: str | None) -> tuple[int, str]:
    if turn is None:
        return (0, "")
    if turn.isdigit() and len(turn) < 6:
        return (1 + int(turn), "")
    # Dates: the latest first, each digit turned round.
    return (1, "".join(chr(ord("z") - int(char)) if char.isdigit() else char for char in turn))


def zone(target: Target) -> tzinfo:
    """The target's own time zone; UTC where it can't be told."""
    stream = target.open("/etc/localtime")
    if isinstance(stream, Unknown):
        return timezone.utc
    try:
        with stream:
            return ZoneInfo.from_file(stream)
    except (ValueError, OSError, EOFError):
        return timezone.utc


def search_texts(
    target: Target,
    plan: Plan,
    since: float | None = None,
    say: Callable[[str], None] = lambda step: None,
) -> Found:
    """Searches all text logs of the target."""
    local = zone(target)
    unchecked: list[Unchecked] = []
    sources: list[str] = []
    merged: dict[str, Hits] = {}
    lines = 0
    for family in files(target):
        boots = 0  # that began in newer files of the family
        parts: list[dict[str, Hits]] = []
        for file in family:
            say(f"searching {file.path}")
            stat = target.stat(file.path)
            if isinstance(stat, Stat) and since is not None and stat.mtime < since:
                continue
            one = search_file(target, file.path, plan, local, since, unchecked)
            if one is None:
                continue
            hits, counted = one
            sources.append(file.path)
            lines += counted
            begun = hits.pop(BOOT.key, None)
            marks = [match.entry.line for match in begun.matches] if begun else []
            parts.append({key: _booted(value, marks, boots) for key, value in hits.items()})
            boots += begun.count if begun else 0
        for part in reversed(parts):  # oldest first
            for key, value in part.items():
                value = value if boots else _bootless(value)
                known = merged.get(key)
                merged[key] = (
                    value if known is None else Hits(key, known.count + value.count, known.matches + value.matches)
                )
    return Found(merged, tuple(unchecked), tuple(sources), lines)


def _booted(hits: Hits, marks: list[int], newer: int) -> Hits:
    """Each entry's boot: 0 is the newest, counted back by the kernel's first lines that follow it."""
    matches = tuple(
        Match(
            match.key,
            replace(match.entry, boot=-(newer + sum(1 for mark in marks if mark > match.entry.line))),
            match.groups,
        )
        for match in hits.matches
    )
    return Hits(hits.key, hits.count, matches)


def _bootless(hits: Hits) -> Hits:
    """Where the kernel's first line is nowhere to be seen, boots can't be told apart."""
    matches = tuple(Match(m.key, replace(m.entry, boot=None), m.groups) for m in hits.matches)
    return Hits(hits.key, hits.count, matches)


def search_file(
    target: Target,
    path: str,
    plan: Plan,
    local: tzinfo,
    since: float | None,
    unchecked: list[Unchecked],
) -> tuple[dict[str, Hits], int] | None:
    """One file's hits and its number of lines; None when it can't be opened."""
    opened = target.open(path)
    if isinstance(opened, Unknown):
        unchecked.append(Unchecked(path, opened.reason))
        return None
    stat = target.stat(path)
    newest = stat.mtime if isinstance(stat, Stat) and stat.mtime > 0 else time.time()
    with opened as stream:
        suffix = compressed.kind(path)
        readable: Readable | Unknown
        if suffix:
            readable = compressed.decompressed(stream, suffix)
        else:
            readable = extents = Extents(stream)
            if extents.left_out:
                unchecked.append(Unchecked(path, f"too large: its first {_size(extents.left_out)} were not read"))
        if isinstance(readable, Unknown):
            unchecked.append(Unchecked(path, readable.reason))
            return None
        collector = Collector(plan)
        counted: list[int] = []
        limited = _Limited(readable, MOST_TEXT)
        try:
            for line in candidates(limited, plan, counted):
                text = line.data.decode("utf-8", "replace")
                likely = plan.likely(text, line.patterns)
                if not likely:
                    continue
                header = parse(text)
                moment = when(header, newest, local)
                if since is not None and moment is not None and moment < since:
                    continue
                collector.offer(entry(path, line.number, header, moment), likely)
        except compressed.DAMAGE as error:
            unchecked.append(Unchecked(path, f"damaged, read only in part: {error or type(error).__name__}"))
        if limited.ended:
            unchecked.append(Unchecked(path, f"only its first {_size(MOST_TEXT)} of text were read"))
    return collector.hits(), counted[0] if counted else 0


def entry(source: str, number: int, header: Header, moment: float | None) -> Entry:
    """A log line as an entry."""
    return Entry(source, header.text, line=number, time=moment, uptime=header.uptime, ident=header.ident, boot=None)


def _size(count: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.0f} {unit}"
    return f"{count} bytes"


class _Limited:
    """Reads no more than so many bytes."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream = stream
        self._left = limit
        self.ended = False

    def read(self, size: int) -> bytes:
        if self._left <= 0:
            self.ended = True
            return b""
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data
