"""A plan to search many patterns at once: few literals to look for, then the regexes on the lines that hold one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

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


class Plan:
    """Patterns with their compiled regexes and the literals that lead to them."""

    def __init__(self, patterns: Sequence[Pattern], engine: type[Engine] | None = None) -> None:
        self.patterns = tuple(patterns)
        self.regexes = tuple(re.compile(pattern.regex) for pattern in patterns)
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
        make = engine or best_engine
        self._engine: Engine | None = make(self._literals) if self._literals else None  # type: ignore[call-arg]

        self._anchored = tuple(bool(ANCHOR.search(pattern.regex)) for pattern in patterns)

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
        if self._engine is None:
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
                piece = literal[start : start + size]
                if piece not in ORDINARY:
                    holders[piece].add(literal)
    left = set(literals)
    atoms: dict[bytes, bytes] = {}
    while left and holders:
        piece = max(holders, key=lambda known: (len(holders[known] & left), len(known), known))
        shared = holders.pop(piece) & left
        if len(shared) < 2:
            break
        atoms.update((literal, piece) for literal in shared)
        left -= shared
    atoms.update((literal, literal) for literal in left)
    return atoms
