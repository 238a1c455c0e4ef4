"""A plan to search many patterns at once: few literals to look for, then the regexes on the lines that hold one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import overload

from agent.logs.engine import Engine, best_engine
from agent.logs.literals import ORDINARY, required_literals
from agent.logs.model import Pattern

PID = re.compile(r"\[\d{1,10}\]:")
ANCHOR = re.compile(r"(?<!\[)\^|\\A")
ATOMS = (8, 6)  # bytes of a piece that several literals may share


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
        atoms = cover(sorted({literal for choice in choices for literal in choice}))
        self._literals = tuple(sorted(set(atoms.values())))
        numbers = {literal: number for number, literal in enumerate(self._literals)}
        leads: dict[int, set[int]] = defaultdict(set)
        for index, choice in enumerate(choices):
            for literal in choice:
                leads[numbers[atoms[literal]]].add(index)
        self.leads = {number: tuple(sorted(indices)) for number, indices in leads.items()}
        self.longest = max((len(literal) for literal in self._literals), default=0)
        self._make = engine
        self._anchored = tuple(bool(ANCHOR.search(pattern.regex)) for pattern in patterns)

    @cached_property
    def _engine(self) -> Engine:
        """Made when the first block is read: it takes its time, and many a target has no log."""
        return self._make(self._literals)

    def likely(self, line: str, indices: Sequence[int]) -> list[int]:
        """Those of the patterns that may match the line's message: tried on the whole line, before it is
        taken apart, which costs more. A regex bound to the message's start can't be tried so."""
        plain = PID.sub(":", line, count=1)
        return [index for index in indices if self._anchored[index] or self.regexes[index].search(plain)]

    @property
    def literals(self) -> tuple[bytes, ...]:
        return self._literals

    def find(self, data: bytes) -> list[tuple[int, tuple[int, ...]]]:
        """Offsets of literals, ascending, each with the numbers of the patterns that it leads to."""
        if not self._literals:
            return []
        return [(start, self.leads[number]) for start, number in sorted(self._engine.find(data))]


def cover(literals: Sequence[bytes]) -> dict[bytes, bytes]:
    """For each literal the atom to search in its place: a piece that others share where that saves a search.

    Greedy: the piece that most literals share goes first. Pieces of ordinary log lines are never chosen.
    """
    holders: dict[bytes, set[bytes]] = defaultdict(set)
    for literal in literals:
        for size in ATOMS:
            for start in range(len(literal) - size + 1):
                holders[literal[start : start + size]].add(literal)
    shared = {piece: held for piece, held in holders.items() if len(held) > 1 and piece not in ORDINARY}
    # Counts only fall while literals are taken: a piece that was counted anew and is still the first is the best.
    queue = [(-len(held), -len(piece), _inverse(piece), piece) for piece, held in shared.items()]
    heapify(queue)
    left = set(literals)
    atoms: dict[bytes, bytes] = {}
    while queue:
        count, size, order, piece = heappop(queue)
        held = shared[piece] & left
        if len(held) < 2:
            continue
        if len(held) < -count:
            heappush(queue, (-len(held), size, order, piece))
            continue
        atoms.update((literal, piece) for literal in held)
        left -= held
    atoms.update((literal, literal) for literal in left)
    return atoms


def _inverse(piece: bytes) -> bytes:
    """Sorts the other way round than the piece: of equals, the last goes first."""
    return bytes(255 - byte for byte in piece)
