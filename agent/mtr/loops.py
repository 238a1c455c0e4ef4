"""Routers that send a packet round in a circle, and a last router that answers twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.mtr.model import Hop

SIZES = (2, 3)  # routers in a circle
REPEATS = 2  # a pair that comes twice is enough


@dataclass(frozen=True)
class Loop:
    """A circle: the hops of its first round."""

    hops: tuple[Hop, ...]


def who(hop: Hop) -> str:
    """Who answered most at a hop; "" for nobody. Other routers of a multipath hop say nothing about a circle."""
    if hop.silent:
        return ""
    first = hop.routers[0]
    return (first.address or first.name).lower()


def find(hops: Sequence[Hop]) -> Loop | None:
    """The circle in which the path ends. One that leads on to somebody else is none: the path had changed meanwhile."""
    names = [who(hop) for hop in hops]
    while names and not names[-1]:
        names.pop()
    for size in SIZES:
        first = _first(names, size)
        if first is not None:
            return Loop(tuple(hops[first : first + size]))
    return None


def _first(names: Sequence[str], size: int) -> int | None:
    """Where the rows at the end begin of which each repeats the one ``size`` before it; silent rows fit anywhere."""
    place: list[str] = [""] * size
    first = len(names)
    for index in range(len(names) - 1, -1, -1):
        name, kept = names[index], place[index % size]
        if name and kept and name != kept:
            break
        if name and not kept:
            if name in place:
                break
            place[index % size] = name
        first = index
    while first < len(names) and not names[first]:
        first += 1
    seen = [names[first + offset :: size] for offset in range(size)]
    enough = all(sum(1 for name in column if name) >= REPEATS for column in seen)
    return first if enough and len(set(place)) == size and all(place) else None


def ends_twice(hops: Sequence[Hop]) -> int | None:
    """The index of the first of the last rows that are all the same router; None when only one row is.

    Such rows are no hops: the last router says of packets that should go further that it can't deliver them (ICMP
    "unreachable"), and mtr writes that down as an answer from further away.
    """
    if len(hops) < 2 or not who(hops[-1]):
        return None
    first = len(hops) - 1
    while first and who(hops[first - 1]) == who(hops[-1]):
        first -= 1
    return first if first < len(hops) - 1 else None
