"""The search for many literals in large blocks: one interface, a fast engine and its plain twin.

Both answer the same: where each literal ends. The plain twin is what the fast one is tested against, and
serves where the library is missing (see docs/architecture.md).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol


class Engine(Protocol):
    """Finds literals. ``find`` gives (start offset, literal's number) of every occurrence, in any order.

    Occurrences of one literal that overlap each other may be given once.
    """

    def find(self, data: bytes) -> list[tuple[int, int]]: ...


class PlainEngine:
    """bytes.find for each literal: no library, and obviously right."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._literals = tuple(literals)

    def find(self, data: bytes) -> list[tuple[int, int]]:
        hits = []
        for number, literal in enumerate(self._literals):
            start = data.find(literal)
            while start >= 0:
                hits.append((start, number))
                start = data.find(literal, start + len(literal))
        return hits


class HyperscanEngine:
    """Intel's Hyperscan over all literals at once (the wheel ``hyperscan``, extra ``fast``)."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        hyperscan = importlib.import_module("hyperscan")
        self._lengths = [len(literal) for literal in literals]
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[_escape(literal) for literal in literals],
            ids=list(range(len(literals))),
            elements=len(literals),
            flags=[0] * len(literals),
        )

    def find(self, data: bytes) -> list[tuple[int, int]]:
        hits: list[tuple[int, int]] = []
        lengths = self._lengths

        def on_match(number: int, start: int, end: int, flags: int, context: object) -> None:
            hits.append((end - lengths[number], number))

        self._database.scan(data, match_event_handler=on_match)
        return hits


def _escape(literal: bytes) -> bytes:
    """Every byte in hexadecimal: no byte has a meaning of its own then."""
    return b"".join(b"\\x%02x" % byte for byte in literal)


def best_engine(literals: Sequence[bytes]) -> Engine:
    """Hyperscan where it can be loaded, else the plain twin."""
    try:
        return HyperscanEngine(literals)
    except Exception:  # noqa: BLE001 - a native library of any condition must never stop a scan
        return PlainEngine(literals)
