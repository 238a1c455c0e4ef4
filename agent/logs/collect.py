"""Collects matches: counts all, keeps the newest few of each pattern."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable

from agent.logs.accept import accepts
from agent.logs.model import Entry, Hits, Match
from agent.logs.plan import Plan

KEEP = 20  # matches a pattern; a flood is counted, not kept
WINDOW = 4096  # characters of a message in which a regex is searched


class Collector:
    """Matches of one source, offered oldest first."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._counts: Counter[str] = Counter()
        self._kept: dict[str, deque[Match]] = defaultdict(lambda: deque(maxlen=KEEP))

    def offer(self, entry: Entry, indices: Iterable[int]) -> tuple[int, ...]:
        """Tries the patterns of these numbers on an entry; gives those that it matched."""
        matched = []
        text = entry.text[:WINDOW]
        for index in indices:
            pattern = self._plan.patterns[index]
            regex = self._plan.regexes[index]
            hit = regex.search(text)
            if hit is None and entry.ident:
                hit = regex.search(f"{entry.ident}: {text}")
            if hit is None or not accepts(pattern, entry):
                continue
            matched.append(index)
            groups = {name: value for name, value in hit.groupdict().items() if value is not None}
            self._counts[pattern.key] += 1
            self._kept[pattern.key].append(Match(pattern.key, entry, groups))
        return tuple(matched)

    def hits(self) -> dict[str, Hits]:
        return {key: Hits(key, self._counts[key], tuple(kept)) for key, kept in self._kept.items()}
