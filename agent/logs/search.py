"""One search through all the logs of a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from agent.logs.boots import SIGNS
from agent.logs.journal import search_journal
from agent.logs.journal_readers import OwnJournalctl
from agent.logs.model import Entry, Found, Hits, Match, Pattern, Unchecked, merge
from agent.logs.plan import MARKS, Plan
from agent.logs.text import search_texts
from agent.target import Target

SLACK = 5.0  # seconds that text logs may be off against the journal


def search(
    target: Target,
    patterns: Sequence[Pattern],
    since: float | None = None,
    progress: Callable[[str], None] | None = None,
    own: OwnJournalctl | None = None,
) -> Found:
    """journald's files and the text logs. ``since`` in seconds since the epoch. ``own``: see search_journal."""
    say = progress or (lambda step: None)
    plan = Plan((*patterns, *MARKS, *SIGNS))
    journal, began = search_journal(target, plan, since, say, own)
    texts = search_texts(target, plan, since, say)
    if began is not None:
        texts = _dated(texts, began)
    found = merge([journal, texts])
    if not found.sources and not found.unchecked:
        found = replace(found, unchecked=(Unchecked("logs", "no journal and no text logs were found"),))
    return found


def _dated(found: Found, began: float) -> Found:
    """The journal knows when the newest boot began: text logs that went out of use have older boots only."""

    def boot(entry: Entry) -> Entry:
        if entry.time is None:
            return entry
        if entry.time >= began - SLACK:
            return replace(entry, boot=0)
        return replace(entry, boot=min(entry.boot or 0, -1))

    hits = {
        key: Hits(key, value.count, tuple(Match(m.key, boot(m.entry), m.groups) for m in value.matches))
        for key, value in found.hits.items()
    }
    return replace(found, hits=hits)
