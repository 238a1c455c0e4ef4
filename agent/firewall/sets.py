"""Sets: addresses, ports and their combinations that rules look up; ipset's and nft's alike.

A key is a row of parts (nft's concatenation, ipset's ip,port,net). A part of an element is a range of integers,
or a name (an interface, "" for none), or the beginning of names. Sets of prefixes and intervals are sets of ranges.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import Union

from agent.firewall.statement import Operand, Verdict
from agent.unknown import Unknown


@dataclass(frozen=True)
class Prefix:
    """All names that begin so."""

    text: str


Part = Union[tuple[int, int], str, Prefix]


@dataclass(frozen=True)
class Element:
    """``except_`` is ipset's nomatch: a smaller piece that is left out of a larger one. ``data`` is what a map gives:
    a verdict (verdict map) or a value. ``expires`` in seconds, where the element goes away by itself."""

    key: tuple[Part, ...]
    except_: bool = False
    data: Verdict | Operand | None = None
    expires: float | None = None


@dataclass(frozen=True)
class Set:
    """A set or a map.

    ``type`` is the declaration's own words: "hash:net,port", "ipv4_addr . inet_service". ``family`` is 4, 6, or 0
    where the keys have none. ``members`` are the names of an ipset list:set. ``incomplete`` says why elements may be
    missing or have come since (a meter, a set that rules fill, a text that was cut off): then only a hit is certain.
    """

    name: str
    type: str
    elements: tuple[Element, ...] = ()
    family: int = 0
    members: tuple[str, ...] = ()
    incomplete: str = ""
    flags: tuple[str, ...] = ()
    timeout: float | None = None
    comment: str = field(default="", compare=False)

    @cached_property
    def _index(self) -> tuple[list[int], list[list[Element]], list[Element]]:
        """Starts of the pieces into which the ranges of first parts cut the line, the elements that cover each
        piece, and the elements whose first part is no range."""
        begins: dict[int, list[int]] = {}
        ends: dict[int, list[int]] = {}
        others: list[Element] = []
        for place, item in enumerate(self.elements):
            first = item.key[0] if item.key else ""
            if not isinstance(first, tuple):
                others.append(item)
            else:
                begins.setdefault(first[0], []).append(place)
                ends.setdefault(first[1] + 1, []).append(place)
        starts = sorted({*begins, *ends})
        covers: list[list[Element]] = []
        active: dict[int, None] = {}
        for at in starts:
            for place in ends.get(at, ()):
                del active[place]
            active.update(dict.fromkeys(begins.get(at, ())))
            covers.append([self.elements[place] for place in active])
        return starts, covers, others


_WHOLE = 1 << 20  # longer than any name


def find(table: Set, key: tuple[int | str, ...]) -> Element | None:
    """The element that decides about a key: the smallest of those that hold it; None when none does."""
    starts, covers, others = table._index
    candidates = others
    if starts and key and isinstance(key[0], int):
        place = bisect_right(starts, key[0]) - 1
        if place >= 0:
            candidates = covers[place] + others if others else covers[place]
    found = [item for item in candidates if _holds(item, key)]
    return min(found, key=_size) if found else None


def _holds(element: Element, key: tuple[int | str, ...]) -> bool:
    if len(element.key) != len(key):
        return False
    return all(_covers(part, value) for part, value in zip(element.key, key))


def _covers(part: Part, value: int | str) -> bool:
    if isinstance(part, tuple):
        return isinstance(value, int) and part[0] <= value <= part[1]
    if isinstance(part, Prefix):
        return isinstance(value, str) and value.startswith(part.text)
    return part == value


def _size(element: Element) -> tuple[int, ...]:
    """Names are smaller the more of them is told."""
    return tuple(
        part[1] - part[0] if isinstance(part, tuple) else -len(part.text) if isinstance(part, Prefix) else -_WHOLE
        for part in element.key
    )


def lookup(table: Set, key: tuple[int | str | Unknown, ...]) -> Element | Unknown | None:
    """``find`` for a key with unknown parts: Unknown unless no element could hold it, or the set has all keys."""
    unknown = next((part for part in key if isinstance(part, Unknown)), None)
    if unknown is None:
        return find(table, tuple(part for part in key if not isinstance(part, Unknown)))
    if any(_may_hold(item, key) for item in table.elements):
        return unknown
    return None


def _may_hold(element: Element, key: tuple[int | str | Unknown, ...]) -> bool:
    if len(element.key) != len(key):
        return False
    return all(isinstance(value, Unknown) or _covers(part, value) for part, value in zip(element.key, key))
