"""journald: live and from a directory, through systemd-python, else through journalctl.

A small door on purpose: files are opened by the target (a hostile link leads nowhere), each is read alone,
newest first, and what a reader silently leaves out becomes "unchecked".
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import BinaryIO

from agent.logs.boots import SIGN_KEYS, SIGNS_KEPT, of_journal
from agent.logs.collect import KEEP, Collector
from agent.logs.journal_entry import Raw
from agent.logs.journal_file import JournalHeader, header
from agent.logs.journal_readers import OwnJournalctl, Reading, read_by, read_entries
from agent.logs.journald.journal_file import open_journal
from agent.logs.lines import Hit, windows
from agent.logs.model import Entry, Found, Hits, Match, Trust, Unchecked
from agent.logs.plan import BOOT, Plan
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

FOLDERS = ("/run/log/journal", "/var/log/journal")
BATCH = 4096  # entries whose messages are searched at once
BUDGET = 120.0  # seconds for all journals together
MOST_FILES = 500
MACHINE = re.compile(r"[0-9a-f]{32}(?:\..{1,200})?")  # a machine id, and a namespace of it
SIGNS = frozenset((BOOT.key, *SIGN_KEYS))  # what boots are told by: kept for every boot, not the newest alone
SYSTEM = re.compile(r"system(?:@.{1,200})?\.journal~?")


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
    own: OwnJournalctl | None = None,
) -> tuple[Found, float | None]:
    """Searches the system journals. Also gives when the newest boot began, if the journal tells.

    ``own``: the target's journalctl, for files whose format is newer than this machine's readers.
    """
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
            reading = _search_file(target, file, plan, since, boots, ends, own)
            total += reading.entries
            sources.append(file.path)
            matches += reading.matches
            for key, count in reading.counts.items():
                counts[key] = counts.get(key, 0) + count
            if reading.problem:
                unchecked.append(Unchecked(file.path, reading.problem))
    order = boots.order(_current_boot(target))
    signs = [(match, boot) for match, boot in matches if match.key in SIGNS]
    hits = _merge([(match, boot) for match, boot in matches if match.key not in SIGN_KEYS], counts, order)
    began = [boots.oldest[boot] for boot, number in order.items() if number == 0]
    seen = of_journal(order, boots.oldest, boots.newest, signs)
    return Found(hits, tuple(unchecked), tuple(sources), total, seen), began[0] if began else None


def _files(target: Target, stack: ExitStack, unchecked: list[Unchecked]) -> Iterable[_File]:
    """The system journals (not the users' own: these prove nothing about the host)."""
    for path in _paths(target, unchecked):
        stream = target.open(path)
        if isinstance(stream, Unknown):
            unchecked.append(Unchecked(path, stream.reason))
            continue
        stack.enter_context(stream)
        found = header(stream)
        if isinstance(found, Unknown):
            if found.why is not Why.UNREADABLE or isinstance(open_journal(stream), Unknown):
                unchecked.append(Unchecked(path, f"can't be read: {found.reason}"))
                continue
            found = JournalHeader(0, os.fstat(stream.fileno()).st_mtime, 0, True)
            yield _File(path, stream, found)
        elif found.entries:
            yield _File(path, stream, found)


def _paths(target: Target, unchecked: list[Unchecked]) -> list[str]:
    """Journals of this machine; of all machine ids that are there, where it has none under its own.

    Another id's journals are a container's, or of the host that the image was made on.
    """
    text = target.text("/etc/machine-id")
    own = "" if isinstance(text, Unknown) else text.strip()[:32]
    mine: list[str] = []
    others: list[str] = []
    for folder in FOLDERS:
        machines = target.list(folder)
        if isinstance(machines, Unknown):
            if not machines.absent and not (folder.startswith("/run") and not target.live):
                unchecked.append(Unchecked(folder, machines.reason))
            continue
        for machine in machines:
            if not MACHINE.fullmatch(machine):
                continue
            names = target.list(f"{folder}/{machine}")
            if isinstance(names, Unknown):
                if machine == own or not own:
                    unchecked.append(Unchecked(f"{folder}/{machine}", names.reason))
                continue
            found = [f"{folder}/{machine}/{name}" for name in names if SYSTEM.fullmatch(name)]
            (mine if machine == own else others).extend(found)
    chosen = mine or others
    if len(chosen) > MOST_FILES:
        unchecked.append(Unchecked("journal", f"of {len(chosen)} files the first {MOST_FILES} were read"))
    return chosen[:MOST_FILES]


@dataclass
class _Result:
    entries: int = 0
    silent: int = 0  # entries without a message that could be read
    doubtful: int = 0  # entries of a damaged file of which something is lost
    matches: list[tuple[Match, str]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    problem: str = ""


def _search_file(
    target: Target,
    file: _File,
    plan: Plan,
    since: float | None,
    boots: _Boots,
    ends: float,
    own: OwnJournalctl | None = None,
) -> _Result:
    reading = _reading(target, file, own)
    if isinstance(reading, Unknown):
        return _Result(problem=f"can't be read: {reading.reason}")
    result = _read_through(reading, file, plan, since, boots, ends)
    if result.entries or own is None:
        return result
    # An old library leaves out a file of a newer format (systemd 246, 252) without a word.
    again = read_by(own, file.path)
    return result if isinstance(again, Unknown) else _read_through(again, file, plan, since, boots, ends)


def _reading(target: Target, file: _File, own: OwnJournalctl | None) -> Maybe[Reading]:
    """By this machine's readers; else by the target's own, where that may be asked."""
    reading = (
        Unknown(f"its format is newer than this system's journalctl: {file.header.unsupported}", Why.UNREADABLE)
        if file.header.unsupported
        else read_entries(target, file.stream)
    )
    if own is None or not isinstance(reading, Unknown):
        return reading
    again = read_by(own, file.path)
    if isinstance(again, Unknown):
        return Unknown(f"{reading.reason}; nor by the disk's own programs: {again.reason}", Why.UNREADABLE)
    return again


def _read_through(
    reading: Reading, file: _File, plan: Plan, since: float | None, boots: _Boots, ends: float
) -> _Result:
    result = _Result()
    stopped = ""
    collector = Collector(plan, dict.fromkeys(SIGNS, SIGNS_KEPT))
    found: dict[str, str] = {}  # cursor to boot
    batch: list[Raw] = []
    try:
        for raw in reading.entries:
            result.entries += 1
            result.doubtful += raw.doubtful
            boots.see(raw.boot, raw.time)
            if raw.message is None:
                result.silent += 1
                continue
            if since is not None and raw.time < since:
                continue
            batch.append(raw)
            if len(batch) >= BATCH:
                _search_batch(batch, plan, collector, found)
                batch.clear()
                if time.monotonic() > ends:
                    stopped = "read only in part: the journals took too long to read"
                    break
    except OSError as error:
        stopped = f"damaged, read only in part: {error.strerror or error}"
    _search_batch(batch, plan, collector, found)
    reading.close()
    for key, value in collector.hits().items():
        result.counts[key] = value.count
        result.matches += [(match, found.get(match.entry.cursor, "")) for match in value.matches]
    result.problem = stopped or _problem(file.header, result, reading)
    return result


def _problem(promised: JournalHeader, result: _Result, reading: Reading) -> str:
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


def _search_batch(batch: Sequence[Raw], plan: Plan, collector: Collector, found: dict[str, str]) -> None:
    """Looks for the literals in the messages of all entries at once, each behind its tag as in a text log."""
    if not batch:
        return
    texts = [raw.ident.replace(b"\n", b" ") + b": " + (raw.message or b"").replace(b"\n", b" ") for raw in batch]
    starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
    wanted: dict[int, list[Hit]] = {}
    for index, offset, patterns in plan.find(b"\n".join(texts)).found:  # an entry a line
        skipped = starts[index] + len(batch[index].ident) + 2
        wanted.setdefault(index, []).append((max(0, offset - skipped), patterns))
    for number, hits in wanted.items():
        raw = batch[number]
        message = texts[number][len(raw.ident) + 2 :]
        entry = _entry(raw, message)
        matched: set[int] = set()
        for piece in windows(message, hits, 0, b"", b""):
            part = replace(entry, text=piece.data.decode("utf-8", "replace"))
            matched.update(collector.offer(part, [index for index in piece.patterns if index not in matched]))
        if matched:
            found[raw.cursor] = raw.boot


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


def _merge(matches: list[tuple[Match, str]], counts: dict[str, int], order: dict[str, int]) -> dict[str, Hits]:
    by_key: dict[str, list[Match]] = {}
    for match, boot in matches:
        numbered = replace(match.entry, boot=order.get(boot))
        by_key.setdefault(match.key, []).append(Match(match.key, numbered, match.groups))
    return {
        key: Hits(key, counts[key], tuple(sorted(found, key=lambda match: match.entry.time or 0.0)[-KEEP:]))
        for key, found in by_key.items()
    }


def _current_boot(target: Target) -> str:
    if not target.live:
        return ""
    text = target.text("/proc/sys/kernel/random/boot_id")
    return "" if isinstance(text, Unknown) else text.strip().replace("-", "")
