"""The search for many literals in large blocks: one interface, a compiled engine and its plain twin.

Both answer the same. The plain twin is what the compiled one is tested against, and serves where no compiler was
(see docs/architecture.md).
"""

from __future__ import annotations

import importlib
from collections import defaultdict, deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple, Protocol

from agent.logs.literals import END, ORDINARY

ATOMS = (8, 6)  # bytes of a piece that several literals may share
KEPT = 32  # hits of a quiet literal that are told of a block
SPACING = 512  # bytes: so far apart a literal is told again on one line
BLANKS = bytes(byte for byte in range(256) if byte <= 32 or byte >= 128)  # or a part of wide white space


class Hit(NamedTuple):
    """A literal in a block. ``line``: the newlines before it; ``offset``: from where the search began."""

    line: int
    offset: int
    literal: int


class Hits(NamedTuple):
    """All of a block, by line; its newlines; and for each literal how often it was found, where quiet ones were asked
    for."""

    hits: list[Hit]
    newlines: int
    counts: Sequence[int] = ()


class Engine(Protocol):
    """Finds literals. ``find`` gives the hits of ``data[start:stop]``.

    ``quiet`` (none, or a byte for each literal): those that are not 0 are counted, and only their last KEPT hits told.
    Of each literal one hit a line is told, and one more each SPACING bytes or less of a longer line. A literal may end
    with a newline, which stands for white space up to the end of a line, or of the data. No other newline is in one.
    """

    def find(self, data: bytes, start: int, stop: int, quiet: bytes = b"") -> Hits: ...


class PlainEngine:
    """bytes.find for pieces that the literals share: no library, and obviously right."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._bare = [literal.rstrip(END) for literal in literals]
        self._ended = [literal.endswith(END) for literal in literals]
        atoms = cover(sorted(set(self._bare)))
        self._atoms: dict[bytes, list[tuple[int, int]]] = defaultdict(list)  # literals with where the atom stands
        for number, literal in enumerate(self._bare):
            atom = atoms[literal]
            self._atoms[atom].append((number, literal.index(atom)))

    def find(self, data: bytes, start: int, stop: int, quiet: bytes = b"") -> Hits:
        places = []
        for atom, literals in self._atoms.items():
            at = data.find(atom, start, stop)
            while at >= 0:
                for number, inside in literals:
                    if self._stands(data, at - inside, number, start, stop):
                        places.append((at - inside, number))
                at = data.find(atom, at + 1, stop)
        hits: list[Hit] = []
        told: dict[int, Hit] = {}
        line, counted = 0, start
        for place, number in sorted(places):
            line += data.count(b"\n", counted, place)
            counted = place
            last = told.get(number)
            if last is None or last.line != line or place - start - last.offset >= SPACING:
                told[number] = Hit(line, place - start, number)
                hits.append(told[number])
        newlines = data.count(b"\n", start, stop)
        return _hushed(hits, newlines, quiet) if quiet else Hits(hits, newlines)

    def _stands(self, data: bytes, place: int, number: int, start: int, stop: int) -> bool:
        literal = self._bare[number]
        end = place + len(literal)
        if place < start or end > stop or not data.startswith(literal, place):
            return False
        if not self._ended[number]:
            return True
        close = data.find(b"\n", end, stop)
        return not data[end : stop if close < 0 else close].strip(BLANKS)


def _hushed(hits: Sequence[Hit], newlines: int, quiet: bytes) -> Hits:
    counts = [0] * len(quiet)
    kept: dict[int, deque[Hit]] = defaultdict(lambda: deque(maxlen=KEPT))
    for hit in hits:
        counts[hit.literal] += quiet[hit.literal] > 0
        if quiet[hit.literal]:
            kept[hit.literal].append(hit)
    told = [hit for hit in hits if not quiet[hit.literal]]
    return Hits(sorted([*told, *(hit for last in kept.values() for hit in last)]), newlines, counts)


class NativeEngine:
    """Our own compiled search (agent/logs/native). ImportError where it was not compiled."""

    def __init__(self, literals: Sequence[bytes], path: str = "") -> None:
        native = importlib.import_module("agent.logs.native._literals")
        self._finder = native.Finder(tuple(literals), ORDINARY, path)

    def find(self, data: bytes, start: int, stop: int, quiet: bytes = b"") -> Hits:
        packed, newlines, counts = self._finder.find(data, start, stop, quiet)
        if not packed:
            return Hits([], newlines)
        numbers = memoryview(packed).cast("I").tolist()
        hits = list(map(Hit, numbers[1::3], numbers[0::3], numbers[2::3]))
        if not quiet:
            return Hits(hits, newlines)
        return Hits(sorted(hits), newlines, memoryview(counts).cast("I").tolist())


def best_engine(literals: Sequence[bytes]) -> Engine:
    """The compiled one where it is there, else the plain twin."""
    try:
        return NativeEngine(literals)
    except (ImportError, OSError):
        return PlainEngine(literals)


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
