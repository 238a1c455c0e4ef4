"""Collects matches: counts all, keeps the newest few of each pattern."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from agent.logs.accept import accepts
from agent.logs.lines import WINDOW
from agent.logs.model import Entry, Hits, Match
from agent.logs.plan import Plan

KEEP = 20  # matches a pattern; a flood is counted, not kept
FAR = 512  # characters before a match that are worth showing


class Collector:
    """Matches of one source, offered oldest first. ``keep``: pattern keys of which more are kept."""

    def __init__(self, plan: Plan, keep: Mapping[str, int] | None = None) -> None:
        self._plan = plan
        self._keep = keep or {}
        self._counts: Counter[str] = Counter()
        self._kept: dict[str, deque[Match]] = {}
        self._line: dict[int, int] = {}  # the last line that each pattern matched: its windows count once

    def offer(self, entry: Entry, indices: Iterable[int]) -> tuple[int, ...]:
        """Tries the patterns of these numbers on an entry; gives those that it matched."""
        matched = []
        text = entry.text[:WINDOW]
        for index in indices:
            if entry.line and self._line.get(index) == entry.line:
                continue
            pattern = self._plan.patterns[index]
            regex = self._plan.regexes[index]
            hit = regex.search(text)
            if hit is None and entry.ident:
                hit = regex.search(f"{entry.ident}: {text}")
            if hit is None or not accepts(pattern, entry):
                continue
            matched.append(index)
            self._line[index] = entry.line
            groups = {name: value for name, value in hit.groupdict().items() if value is not None}
            self._counts[pattern.key] += 1
            kept = self._kept.get(pattern.key)
            if kept is None:
                kept = self._kept[pattern.key] = deque(maxlen=self._keep.get(pattern.key, KEEP))
            kept.append(Match(pattern.key, _shown(entry, text, hit), groups))
        return tuple(matched)

    def hits(self, more: Mapping[str, int] = MappingProxyType({})) -> dict[str, Hits]:
        """``more``: matches by key that were counted elsewhere, and not offered."""
        return {key: Hits(key, self._counts[key] + more.get(key, 0), tuple(kept)) for key, kept in self._kept.items()}


def _shown(entry: Entry, text: str, hit: re.Match[str]) -> Entry:
    """The entry as evidence: of a message of megabytes, what stands around the match."""
    if hit.string is text and hit.start() > FAR:
        return replace(entry, text=text[hit.start() - FAR // 8 :])
    return entry
