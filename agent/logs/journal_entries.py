"""The search through one journal file's entries, whoever reads it: those that may match alone, or one after another."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from agent.logs.boots import SIGN_KEYS, SIGNS_KEPT
from agent.logs.collect import Collector
from agent.logs.flood import Flood
from agent.logs.journal_entry import Raw
from agent.logs.journal_file import JournalHeader
from agent.logs.journal_readers import Reading
from agent.logs.journald.prefilter import Irregular, Prefilter
from agent.logs.journald.reader import JournaldReader
from agent.logs.lines import Hit, windows
from agent.logs.model import Entry, Hits, Match, Trust
from agent.logs.plan import BOOT, Plan

BATCH = 4096  # entries whose messages are searched at once
SIGNS = frozenset((BOOT.key, *SIGN_KEYS))  # what boots are told by: kept for every boot, not the newest alone
TOO_LONG = "read only in part: the journals took too long to read"


@dataclass
class Boots:
    """Boot ids with the newest and oldest time seen, in seconds since the epoch."""

    newest: dict[str, float] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)

    def see(self, boot: str, when: float) -> None:
        self.newest[boot] = max(when, self.newest.get(boot, when))
        self.oldest[boot] = min(when, self.oldest.get(boot, when))

    def add(self, other: Boots) -> None:
        for boot, when in (*other.newest.items(), *other.oldest.items()):
            self.see(boot, when)

    def order(self, current: str) -> dict[str, int]:
        """Each boot's number: 0 the newest (the running one, when live), -1 before it."""
        ids = sorted(self.newest, key=lambda boot: self.newest[boot], reverse=True)
        if current in self.newest:
            ids.remove(current)
            ids.insert(0, current)
        offset = 0 if not current or current in self.newest else 1
        return {boot: -(index + offset) for index, boot in enumerate(ids)}


class Task:
    """What is asked of each file: ``since`` in seconds since the epoch; ``ends`` is a time of the monotonic clock."""

    def __init__(self, plan: Plan, since: float | None, ends: float) -> None:
        self.plan = plan
        self.since = since
        self.ends = ends
        self.flood: Flood[int] = Flood(plan, SIGNS)  # files follow each other, the newest first

    def asks_for(self, raw: Raw) -> bool:
        return self.since is None or raw.time >= self.since

    @property
    def over(self) -> bool:
        return time.monotonic() > self.ends


@dataclass
class Result:
    """What a file held. ``matches`` with the boot of each."""

    entries: int = 0
    silent: int = 0  # entries with a message that could not be read
    doubtful: int = 0  # entries of a damaged file of which something is lost
    matches: list[tuple[Match, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    boots: Boots = field(default_factory=Boots)
    problem: str = ""


def search_entries(reading: Reading, promised: JournalHeader, task: Task) -> Result:
    """``promised`` is what the file's header counts."""
    try:
        likely = reading.reader.likely(task.plan) if reading.reader is not None else None
        if reading.reader is not None and likely is not None:
            return _search_likely(reading.reader, likely, task)
    except Irregular:
        pass  # not as journald wrote it: it is read entry by entry
    return _search_all(reading, promised, task)


def _search_all(reading: Reading, promised: JournalHeader, task: Task) -> Result:
    result = Result()
    search = _Search(task.plan)
    stopped = ""
    try:
        for raw in reading.entries:
            result.entries += 1
            result.doubtful += raw.doubtful
            result.boots.see(raw.boot, raw.time)
            if raw.message is None:
                result.silent += 1
            elif task.asks_for(raw):
                search.add(raw)
            if not result.entries % BATCH and task.over:
                stopped = TOO_LONG
                break
    except OSError as error:
        stopped = f"damaged, read only in part: {error.strerror or error}"
    search.finish(result)
    reading.close()
    result.problem = stopped or _problem(promised, result, reading)
    return result


def _search_likely(reader: JournaldReader, likely: Prefilter, task: Task) -> Result:
    """The same, but only the entries that may match are read. Irregular: then nothing was done."""
    result = Result()
    flood = task.flood
    flood.next_source()
    search = _Search(task.plan, flood)

    def add(offset: int, patterns: tuple[int, ...]) -> None:
        raw = reader.entry(offset)
        if raw.message is not None and task.asks_for(raw):
            search.add(raw, patterns or None)

    for offset, patterns in likely.candidates():
        fresh = flood.fresh(offset, patterns)
        if fresh or not patterns:
            add(offset, fresh)
        if task.over:
            result.problem = TOO_LONG
            break
    search.run()
    for offset, patterns in list(flood.rest()):
        add(offset, patterns)
    search.finish(result, flood.more())
    result.entries = likely.entries
    for run in likely.runs:
        result.boots.see(run.boot.hex(), run.oldest / 1e6)
        result.boots.see(run.boot.hex(), run.newest / 1e6)
    return result


def _problem(promised: JournalHeader, result: Result, reading: Reading) -> str:
    """What the reader did not say: fewer entries than the file's header counts, and no error."""
    share = f"{result.entries} of {promised.entries} entries could be read"
    told = reading.problem()
    if told:
        doubtful = f", {result.doubtful} of them only in part" if result.doubtful else ""
        return f"damaged ({told}): {share if promised.entries else f'{result.entries} entries were found'}{doubtful}"
    if reading.most and result.entries == reading.most < promised.entries:
        return f"only its newest {reading.most} entries were read, for want of systemd-python"
    if promised.missing:
        return f"cut short: {share}"
    # A crash may have counted one that it did not link.
    if result.entries < promised.entries - 1 or not result.entries:
        return f"damaged: {share}"
    if result.silent:
        return f"{result.silent} of its entries have no message that could be read"
    return ""


class _Search:
    """Entries, oldest first, and what matches among them."""

    def __init__(self, plan: Plan, flood: Flood[int] | None = None) -> None:
        self._plan = plan
        self._flood = flood
        self._collector = Collector(plan, dict.fromkeys(SIGNS, SIGNS_KEPT))
        self._boots: dict[str, str] = {}  # of what matched, by cursor
        self._batch: list[Raw] = []
        self._only: list[Collection[int] | None] = []

    def add(self, raw: Raw, only: Collection[int] | None = None) -> None:
        """``only``: the patterns that are tried on it; None: all."""
        self._batch.append(raw)
        self._only.append(only)
        if len(self._batch) >= BATCH:
            self.run()

    def finish(self, result: Result, more: Mapping[str, int] | None = None) -> None:
        """``more``: matches by key that were counted elsewhere."""
        self.run()
        hits: Mapping[str, Hits] = self._collector.hits(more or {})
        for key, value in hits.items():
            result.counts[key] = value.count
            result.matches += [(match, self._boots.get(match.entry.cursor, "")) for match in value.matches]

    def run(self) -> None:
        """Looks for the literals in the messages of all entries at once, each behind its tag as in a text log."""
        batch, texts = self._batch, [_text(raw) for raw in self._batch]
        if not batch:
            return
        starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
        wanted: dict[int, list[Hit]] = {}
        for index, offset, patterns in self._plan.find(b"\n".join(texts)).found:  # an entry a line
            skipped = starts[index] + len(batch[index].ident) + 2
            wanted.setdefault(index, []).append((max(0, offset - skipped), patterns))
        for number, hits in wanted.items():
            self._offer(batch[number], texts[number][len(batch[number].ident) + 2 :], hits, self._only[number])
        self._batch.clear()
        self._only.clear()

    def _offer(self, raw: Raw, message: bytes, hits: Sequence[Hit], only: Collection[int] | None) -> None:
        entry = _entry(raw, message)
        matched: set[int] = set()
        offered: set[int] = set()
        for piece in windows(message, hits, 0, b"", b""):
            part = replace(entry, text=piece.data.decode("utf-8", "replace"))
            fresh = [index for index in piece.patterns if index not in matched and (only is None or index in only)]
            offered.update(fresh)
            matched.update(self._collector.offer(part, fresh))
        if matched:
            self._boots[raw.cursor] = raw.boot
        if self._flood is not None:
            self._flood.saw(offered, matched)


def _text(raw: Raw) -> bytes:
    return raw.ident.replace(b"\n", b" ") + b": " + (raw.message or b"").replace(b"\n", b" ")


def _entry(raw: Raw, message: bytes) -> Entry:
    fields = raw.fields()
    uid, pid = _number(fields.get("_UID", "")), _number(fields.get("_PID", ""))
    unit = fields.get("_SYSTEMD_UNIT", "")
    if pid == 1 and uid == 0:
        # What the service manager says of a unit is as good as the unit's own word.
        unit = fields.get("UNIT", unit)
    return Entry(
        "journal (damaged)" if raw.doubtful else "journal",
        message.decode("utf-8", "replace"),
        cursor=raw.cursor,
        time=raw.time,
        ident=raw.ident.decode("utf-8", "replace"),
        trust=Trust(fields.get("_TRANSPORT", ""), uid, pid, unit, fields.get("_COMM", ""), fields.get("_EXE", "")),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None
