"""A plan to search many patterns at once: few literals to look for, then the regexes on the lines that hold one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple, overload

from agent.logs.engine import Engine, best_engine
from agent.logs.literals import required_literals
from agent.logs.model import Pattern

PID = re.compile(r"\[\d{1,10}\]:")
ANCHOR = re.compile(r"(?<!\[)\^|\\A")


# The kernel's first line, by which text logs tell one boot from the next.
BOOT = Pattern("boot", r"(?:^|\s)(?:Linux version \d|Booting Linux on physical CPU)", idents=("kernel",))
# The log daemon's own first line. It comes before the kernel's: what was said while it was not yet there to
# hear it stands between the two, and belongs to the boot that begins.
LOGGER = Pattern(
    "logger",
    r"\[origin software=\"rsyslogd\".{0,300}\] (?:\(re\))?start"
    r"|^syslogd \d[\w.#-]{0,20}: restart|^syslogd started: BusyBox|^syslog-ng starting up",
    idents=("rsyslogd", "syslogd", "syslog-ng", "syslog"),
)
MARKS = (BOOT, LOGGER)


class Regexes(Sequence["re.Pattern[str]"]):
    """The patterns' regexes, each compiled when a line first needs it: most never are."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._texts = tuple(pattern.regex for pattern in patterns)
        self._compiled: dict[int, re.Pattern[str]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> re.Pattern[str]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[re.Pattern[str]]: ...

    def __getitem__(self, index: int | slice) -> re.Pattern[str] | Sequence[re.Pattern[str]]:
        if isinstance(index, slice):
            return [self[one] for one in range(len(self))[index]]
        compiled = self._compiled.get(index)
        if compiled is None:
            compiled = self._compiled[index] = re.compile(self._texts[index])
        return compiled


class Plan:
    """Patterns with their regexes and the literals that lead to them."""

    def __init__(self, patterns: Sequence[Pattern], engine: Callable[[Sequence[bytes]], Engine] = best_engine) -> None:
        self.patterns = tuple(patterns)
        self.regexes = Regexes(patterns)
        choices = [required_literals(pattern.regex) for pattern in patterns]
        self.literals = tuple(sorted({literal for choice in choices for literal in choice}))
        numbers = {literal: number for number, literal in enumerate(self.literals)}
        leads: list[list[int]] = [[] for _ in self.literals]
        for index, choice in enumerate(choices):
            for literal in choice:
                leads[numbers[literal]].append(index)
        self.leads = tuple(map(tuple, leads))
        self._make = engine
        self._anchored = tuple(bool(ANCHOR.search(pattern.regex)) for pattern in patterns)

    @cached_property
    def _engine(self) -> Engine:
        """Made when the first block is read: it takes its time, and many a target has no log."""
        return self._make(self.literals)

    @cached_property
    def astride(self) -> frozenset[bytes]:
        """What a tag may end with in which a literal begins that ends in the message."""
        return frozenset(literal[: at.start()] for literal in self.literals for at in re.finditer(b"(?<!^): ", literal))

    def likely(self, line: str, indices: Sequence[int]) -> list[int]:
        """Those of the patterns that may match the line's message: tried on the whole line, before it is
        taken apart, which costs more. A regex bound to the message's start can't be tried so."""
        plain = PID.sub(":", line, count=1)
        return [index for index in indices if self._anchored[index] or self.regexes[index].search(plain)]

    def matching(self, indices: Sequence[int], message: str, ident: str) -> tuple[int, ...]:
        """Those of the patterns that match a message: as it is, or behind its tag."""
        tagged = f"{ident}: {message}" if ident else ""
        return tuple(
            index
            for index in indices
            if self.regexes[index].search(message) or (tagged and self.regexes[index].search(tagged))
        )

    def find(self, data: bytes, start: int = 0, stop: int | None = None, quiet: bytes = b"") -> Places:
        """The literals in ``data[start:stop]``; ``quiet`` as for an engine."""
        stop = len(data) if stop is None else stop
        if not self.literals:
            return Places((), data.count(b"\n", start, stop))
        found = self._engine.find(data, start, stop, quiet)
        places = [(hit.line, start + hit.offset, self.leads[hit.literal]) for hit in found.hits]
        return Places(places, found.newlines, found.counts)


class Places(NamedTuple):
    """Where literals stand: the newlines before each, its offset, the numbers of the patterns that it leads to; by
    line. ``newlines`` in all; how often the quiet literals were found."""

    found: Sequence[tuple[int, int, tuple[int, ...]]]
    newlines: int
    counts: Sequence[int] = ()
