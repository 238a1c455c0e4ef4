"""journald: live and from a directory, through systemd-python, else through journalctl.

A small door on purpose: files are opened by the target (a hostile link leads nowhere), each is read alone,
newest first, and what a reader silently leaves out becomes "unchecked".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from agent.logs.collect import Collector
from agent.logs.journal_file import JournalHeader, header
from agent.logs.journal_readers import Raw, read_entries
from agent.logs.model import Entry, Found, Hits, Match, Trust, Unchecked
from agent.logs.plan import Plan
from agent.target import Target
from agent.unknown import Unknown

FOLDERS = ("/run/log/journal", "/var/log/journal")
BATCH = 4096  # entries whose messages are searched at once
BUDGET = 120.0  # seconds for all journals together
DONE = 0.98  # share of the promised entries below which a file counts as read in part


@dataclass
class _Boots:
    """Boot ids with the newest and oldest time seen, in seconds since the epoch."""

    newest: dict[str, float] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)

    def see(self, boot: str, when: float) -> None:
        self.newest[boot] = max(when, self.newest.get(boot, when))
        self.oldest[boot] = min(when, self.oldest.get(boot, when))

    def order(self, current: str) -> dict[str, int]:
        """Each boot's number: 0 the newest (the running one, when live), -1 before it."""
        ids = sorted(self.newest, key=lambda boot: self.newest[boot], reverse=True)
        if current in self.newest:
            ids.remove(current)
            ids.insert(0, current)
        offset = 0 if not current or current in self.newest else 1
        return {boot: -(index + offset) for index, boot in enumerate(ids)}


@dataclass(frozen=True)
class _File:
    path: str
    stream: BinaryIO
    header: JournalHeader


def search_journal(
    target: Target,
    plan: Plan,
    since: float | None = None,
    say: Callable[[str], None] = lambda step: None,
) -> tuple[Found, float | None]:
    """Searches the system journals. Also gives when the newest boot began, if the journal tells."""
    unchecked: list[Unchecked] = []
    sources: list[str] = []
    boots = _Boots()
    matches: list[tuple[Match, str]] = []
    counts: dict[str, int] = {}
    total = 0
    ends = time.monotonic() + BUDGET
    with ExitStack() as stack:
        for file in sorted(_files(target, stack, unchecked), key=lambda file: -file.header.newest):
            if since is not None and file.header.newest < since:
                continue
            if time.monotonic() > ends:
                unchecked.append(Unchecked(file.path, "left out: the journals took too long to read"))
                continue
            say(f"searching {file.path}")
            reading = _search_file(target, file, plan, since, boots, ends)
            total += reading.entries
            sources.append(file.path)
            matches += reading.matches
            for key, count in reading.counts.items():
                counts[key] = counts.get(key, 0) + count
            if reading.problem:
                unchecked.append(Unchecked(file.path, reading.problem))
    order = boots.order(_current_boot(target))
    hits = _merge(matches, counts, order)
    began = [boots.oldest[boot] for boot, number in order.items() if number == 0]
    return Found(hits, tuple(unchecked), tuple(sources), total), began[0] if began else None


def _files(target: Target, stack: ExitStack, unchecked: list[Unchecked]) -> Iterable[_File]:
    """The system journals (not the users' own: these prove nothing about the host)."""
    for folder in FOLDERS:
        machines = target.list(folder)
        if isinstance(machines, Unknown):
            if not machines.absent and not (folder.startswith("/run") and not target.live):
                unchecked.append(Unchecked(folder, machines.reason))
            continue
        for machine in machines:
            names = target.list(f"{folder}/{machine}")
            for name in () if isinstance(names, Unknown) else names:
                path = f"{folder}/{machine}/{name}"
                if not name.startswith("system") or not name.endswith((".journal", ".journal~")):
                    continue
                stream = target.open(path)
                if isinstance(stream, Unknown):
                    unchecked.append(Unchecked(path, stream.reason))
                    continue
                stack.enter_context(stream)
                found = header(stream)
                if isinstance(found, Unknown):
                    unchecked.append(Unchecked(path, f"can't be read: {found.reason}"))
                elif found.entries:
                    yield _File(path, stream, found)


@dataclass
class _Reading:
    entries: int = 0
    matches: list[tuple[Match, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    problem: str = ""


def _search_file(target: Target, file: _File, plan: Plan, since: float | None, boots: _Boots, ends: float) -> _Reading:
    reading = _Reading()
    source = read_entries(target, file.stream, file.header.entries)
    if isinstance(source, Unknown):
        reading.problem = f"can't be read: {source.reason}"
        return reading
    stopped = ""
    collector = Collector(plan)
    found: dict[int, str] = {}  # entry's id() to its boot
    batch: list[Raw] = []
    try:
        for raw in source:  # oldest first
            reading.entries += 1
            boots.see(raw.boot, raw.time)
            if since is not None and raw.time < since:
                continue
            batch.append(raw)
            if len(batch) >= BATCH:
                _search_batch(batch, plan, collector, found)
                batch.clear()
                if time.monotonic() > ends:
                    stopped = "read only in part: the journals took too long to read"
                    break
        _search_batch(batch, plan, collector, found)
    except OSError as error:
        stopped = f"damaged, read only in part: {error.strerror or error}"
    hits = collector.hits()
    for key, value in hits.items():
        reading.counts[key] = value.count
        reading.matches += [(match, found.get(id(match.entry), "")) for match in value.matches]
    promised = file.header.entries
    if stopped:
        reading.problem = stopped
    elif reading.entries < promised * DONE and not file.header.unclean:
        reading.problem = f"damaged: {reading.entries} of {promised} entries could be read"
    elif file.header.missing:
        reading.problem = f"cut short: {reading.entries} of {promised} entries could be read"
    elif not reading.entries:
        reading.problem = f"none of its {promised} entries could be read"
    return reading


def _search_batch(batch: Sequence[Raw], plan: Plan, collector: Collector, found: dict[int, str]) -> None:
    """Looks for the literals in the messages of all entries at once."""
    if not batch:
        return
    starts: list[int] = []
    size = 0
    for raw in batch:
        starts.append(size)
        size += len(raw.message) + 1
    text = b"\n".join(raw.message for raw in batch)
    wanted: dict[int, set[int]] = {}
    index = 0
    for offset, patterns in plan.find(text):
        while index + 1 < len(starts) and starts[index + 1] <= offset:
            index += 1
        wanted.setdefault(index, set()).update(patterns)
    for number, indices in wanted.items():
        raw = batch[number]
        entry = _entry(raw)
        if collector.offer(entry, sorted(indices)):
            found[id(entry)] = raw.boot


def _entry(raw: Raw) -> Entry:
    fields = raw.fields()
    pid = _number(fields.get("_PID", ""))
    unit = fields.get("_SYSTEMD_UNIT", "")
    if pid == 1 and _number(fields.get("_UID", "")) == 0:
        # What the service manager says of a unit is as good as the unit's own word.
        unit = fields.get("UNIT", unit)
    return Entry(
        "journal",
        raw.message.decode("utf-8", "replace"),
        cursor=raw.cursor(),
        time=raw.time,
        ident=fields.get("SYSLOG_IDENTIFIER", ""),
        trust=Trust(
            fields.get("_TRANSPORT", ""),
            _number(fields.get("_UID", "")),
            pid,
            unit,
            fields.get("_COMM", ""),
            fields.get("_EXE", ""),
        ),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _merge(matches: list[tuple[Match, str]], counts: dict[str, int], order: dict[str, int]) -> dict[str, Hits]:
    from dataclasses import replace

    by_key: dict[str, list[Match]] = {}
    for match, boot in matches:
        numbered = replace(match.entry, boot=order.get(boot))
        by_key.setdefault(match.key, []).append(Match(match.key, numbered, match.groups))
    return {
        key: Hits(key, counts[key], tuple(sorted(found, key=lambda match: match.entry.time or 0.0)))
        for key, found in by_key.items()
    }


def _current_boot(target: Target) -> str:
    if not target.live:
        return ""
    text = target.text("/proc/sys/kernel/random/boot_id")
    return "" if isinstance(text, Unknown) else text.strip().replace("-", "")
