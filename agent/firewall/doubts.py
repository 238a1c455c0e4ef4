"""Doubts: the rules on a packet's way that could not be judged, and the side that was taken at each."""

from __future__ import annotations

from dataclasses import dataclass

from agent.firewall.result import Place


@dataclass(frozen=True)
class Doubt:
    """A rule that could not be judged, and the way that was taken there."""

    place: Place
    reason: str
    held: bool


class Doubts:
    """The doubts on the way so far, the last one first: a list whose older part ways share, so that a list of
    20,000 bans and a sender that nobody told cost no more than their number."""

    __slots__ = ("before", "last", "length")

    def __init__(self, last: Doubt, before: Doubts | None) -> None:
        self.last, self.before = last, before
        self.length: int = 1 if before is None else before.length + 1


def common(one: Doubts | None, other: Doubts | None) -> Doubts | None:
    """The part that two ways share, from their beginning."""
    while one is not other:
        if one is None or other is None:
            return None
        longer, shorter = one.length > other.length, one.length < other.length
        one = one if shorter else one.before
        other = other if longer else other.before
    return one
