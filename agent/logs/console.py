"""Captured console texts and pasted logs: escape codes, wrapped lines, cut lines, joined lines.

What people paste has been through terminals, pagers, web pages and mail. A line is looked at as it stands;
then, where lines look wrapped, as the paragraph that they may have been.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timezone
from typing import BinaryIO

from agent.logs import compressed
from agent.logs.collect import Collector
from agent.logs.header import parse, split, when
from agent.logs.lines import candidates
from agent.logs.model import Found, Pattern, Unchecked
from agent.logs.plan import MARKS, Plan
from agent.logs.text import Uncoloured, entry
from agent.unknown import Unknown

SMALL = 1024 * 1024  # bytes; a larger file is no paste: it is read as a log, a line at a time
MOST = 512 * 1024 * 1024  # bytes of text that are read
WRAPPED = 48  # columns from which on a line may go on in the next
PARAGRAPH = 4096  # characters

ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)"  # titles
    r"|\x1b[PX^_][^\x1b]{0,200}\x1b\\"
    r"|(?:\x1b\[|\x9b)[0-9;?<=>]{0,20}[ -/]{0,4}[@-~]"  # colours, cursor
    r"|\x1b[ -/]{0,2}[0-~]"
    r"|\[\d{1,2}(?:;\d{1,3}){0,4}m|\[0?m(?![a-z])|\[K"  # the same, its ESC lost on the way
)
BACKSPACE = re.compile(r"[^\x08\n]\x08")
MARKDOWN = re.compile(r"\\([\[\]_*<>`~#(){}.!|-])")
QUOTED = re.compile(r"^(?:\s{0,3}>\s?){1,6}", re.MULTILINE)
LETTERS = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u00a0": " ",
        "\u2013": "-",
        "\u2026": "...",
        "\u200b": "",
        "\ufeff": "",
    }
)
STARTS = re.compile(r"\s*(?:\[|<\d|\* |[#$] |Loaded:|Active:|Docs:|Process:|Main PID:|Tasks:|CGroup:|Memory:)")


def search_console(name: str, stream: BinaryIO, patterns: Sequence[Pattern]) -> Found:
    """Searches one captured text. Nothing in it has a proven writer: no entry carries trust."""
    plan = Plan((*patterns, *MARKS))
    unchecked: list[Unchecked] = []
    collector = Collector(plan)
    counted: list[int] = []
    try:
        head, damage = _at_most(stream, SMALL + 1)
        suffix = compressed.kind(name, head[:6])
        if suffix:
            opened = compressed.decompressed(_Rejoined(head, stream), suffix)  # type: ignore[arg-type]
            if isinstance(opened, Unknown):
                return Found({}, (Unchecked(name, opened.reason),), (name,), 0)
            stream = opened
            head, damage = _at_most(stream, SMALL + 1)
        if len(head) <= SMALL:
            _search_text(name, _decode(head), plan, collector, counted)
            if damage is not None:
                raise damage
        else:
            _search_stream(name, _Rejoined(head, stream), plan, collector, counted)
    except compressed.DAMAGE as error:
        unchecked.append(Unchecked(name, f"damaged, read only in part: {error or type(error).__name__}"))
    hits = collector.hits()
    for mark in MARKS:
        hits.pop(mark.key, None)
    return Found(hits, tuple(unchecked), (name,), counted[0] if counted else 0)


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes have been read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest
        self._left = MOST

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            return b""
        if self._head:
            size = len(self._head) if size < 0 else size
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._rest.read(size if size >= 0 else self._left) or b""
        self._left -= len(data)
        return data


def _at_most(stream: BinaryIO, size: int) -> tuple[bytes, Exception | None]:
    """So many bytes, or as many as there were before the stream's end or damage."""
    parts = []
    try:
        while size > 0:
            data = stream.read(size)
            if not data:
                break
            parts.append(data)
            size -= len(data)
    except compressed.DAMAGE as error:
        return b"".join(parts), error
    return b"".join(parts), None


def _decode(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if data[1:2] == b"\0" and data.count(b"\0") > len(data) // 3:
        return data.decode("utf-16-le", "replace")
    return data.decode("utf-8", "replace")


def clean(text: str) -> str:
    """The text without what a terminal, a mail or a web page added to it."""
    text = re.sub(r"\r+\n", "\n", text).replace("\r", "\n").replace("\0", " ")
    for _ in range(8):  # a word that was typed over
        text, changed = BACKSPACE.subn("", text)
        if not changed:
            break
    text = ESCAPES.sub("", text).translate(LETTERS)
    return QUOTED.sub("", MARKDOWN.sub(r"\1", text))


def _search_stream(name: str, stream: _Rejoined, plan: Plan, collector: Collector, counted: list[int]) -> None:
    now = time.time()
    for line in candidates(Uncoloured(stream), plan, counted):
        header = parse(clean((line.head or line.data).decode("utf-8", "replace")).strip("\n"))
        if line.head:
            header = replace(header, text=clean(line.data.decode("utf-8", "replace")).strip())
        made = entry(name, line.number, header, when(header, now, timezone.utc))
        collector.offer(made, line.patterns)


def _search_text(name: str, text: str, plan: Plan, collector: Collector, counted: list[int]) -> None:
    lines = clean(text).split("\n")
    counted.append(len(lines))
    now = time.time()
    found: dict[int, set[int]] = {}  # line number to patterns

    def offer(number: int, piece: str, already: set[int]) -> None:
        wanted = _wanted(plan, piece) - already
        if not wanted:
            return
        header = parse(piece)
        made = entry(name, number, header, when(header, now, timezone.utc))
        matched = collector.offer(made, sorted(wanted))
        found.setdefault(number, set()).update(matched)
        already.update(matched)

    for number, line in enumerate(lines, 1):
        already: set[int] = set()
        for piece in split(line):
            offer(number, piece, already)
    for number, status in _status_blocks(lines):
        offer(number, status, set())
    for numbers, paragraph in _paragraphs(lines):
        already = set().union(*(found.get(number, set()) for number in numbers))
        for piece in split(paragraph):
            offer(numbers[0], piece, already)


def _wanted(plan: Plan, text: str) -> set[int]:
    wanted: set[int] = set()
    for _, _, indices in plan.find(text.encode("utf-8", "replace")).found:
        wanted.update(indices)
    return wanted


def _paragraphs(lines: Sequence[str]) -> Iterator[tuple[list[int], str]]:
    """Lines that look like one that was wrapped: joined with a blank, and joined without."""
    index = 0
    while index < len(lines):
        numbers = [index + 1]
        while index + 1 < len(lines) and _goes_on(lines[index], lines[index + 1]) and len(numbers) < 40:
            index += 1
            numbers.append(index + 1)
        index += 1
        if len(numbers) > 1:
            parts = [lines[number - 1] for number in numbers]
            yield numbers, " ".join(part.strip() for part in parts)[:PARAGRAPH]
            yield numbers, "".join(part.rstrip("\n") for part in parts)[:PARAGRAPH]


STATUS_HEAD = re.compile(
    r"^\s{0,8}(?:[●○×✗↻*x]|â—.?)\s(?P<unit>[\w@.\\:-]{1,80}\.(?:service|target|socket|mount|device))(?: - |$)"
)
STATUS_ACTIVE = re.compile(r"^\s{0,12}(?P<active>Active: \w.{0,100})")


def _status_blocks(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """`systemctl status` says the unit and its state on two lines: given as one line."""
    unit, since = "", 0  # the head line, and its number
    for number, line in enumerate(lines, 1):
        head = STATUS_HEAD.match(line)
        if head:
            unit, since = line.strip(), number
            continue
        state = STATUS_ACTIVE.match(line) if unit else None
        if state:
            yield number, f"{unit} {state['active']}"
        if state or number - since > 12:
            unit = ""


def _goes_on(line: str, following: str) -> bool:
    if len(line) < WRAPPED or not following.strip():
        return False
    if STARTS.match(following):
        return False
    header = parse(following)
    return not header.timed and header.uptime is None
