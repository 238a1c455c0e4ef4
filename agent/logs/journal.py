"""journald: live and from a directory, through systemd-python, else through journalctl.

A small door on purpose: files are opened by the target (a hostile link leads nowhere), each is read alone,
newest first, and what a reader silently leaves out becomes "unchecked".
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import BinaryIO

from agent.logs.boots import SIGN_KEYS, of_journal
from agent.logs.collect import KEEP
from agent.logs.journal_entries import SIGNS, Boots, Result, Task, search_entries
from agent.logs.journal_file import JournalHeader, header
from agent.logs.journal_readers import OwnJournalctl, Reading, read_by, read_entries
from agent.logs.journald.journal_file import open_journal
from agent.logs.model import Found, Hits, Match, Unchecked
from agent.logs.plan import Plan
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

FOLDERS = ("/run/log/journal", "/var/log/journal")
BUDGET = 120.0  # seconds for all journals together
MOST_FILES = 500
MACHINE = re.compile(r"[0-9a-f]{32}(?:\..{1,200})?")  # a machine id, and a namespace of it
SYSTEM = re.compile(r"system(?:@.{1,200})?\.journal~?")


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
    boots = Boots()
    matches: list[tuple[Match, str]] = []
    counts: dict[str, int] = {}
    total = 0
    task = Task(plan, since, time.monotonic() + BUDGET)
    with ExitStack() as stack:
        for file in sorted(_files(target, stack, unchecked), key=lambda file: -file.header.newest):
            if since is not None and file.header.newest < since:
                continue
            if task.over:
                unchecked.append(Unchecked(file.path, "left out: the journals took too long to read"))
                continue
            say(f"searching {file.path}")
            result = _search_file(target, file, task, own)
            total += result.entries
            sources.append(file.path)
            matches += result.matches
            boots.add(result.boots)
            for key, count in result.counts.items():
                counts[key] = counts.get(key, 0) + count
            if result.problem:
                unchecked.append(Unchecked(file.path, result.problem))
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


def _search_file(target: Target, file: _File, task: Task, own: OwnJournalctl | None) -> Result:
    reading = _reading(target, file, own)
    if isinstance(reading, Unknown):
        return Result(problem=f"can't be read: {reading.reason}")
    result = search_entries(reading, file.header, task)
    if result.entries or own is None:
        return result
    # An old library leaves out a file of a newer format (systemd 246, 252) without a word.
    again = read_by(own, file.path)
    return result if isinstance(again, Unknown) else search_entries(again, file.header, task)


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
