"""The verdict over all ways that a packet may take, and the rule that it hangs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.firewall.fields import Field, Value
from agent.firewall.result import Place, Result, Verdict
from agent.firewall.walk import Doubt, Outcome, World, steps_of
from agent.unknown import Unknown, Why

_ANY = frozenset((Verdict.ACCEPT, Verdict.DROP, Verdict.REJECT))


@dataclass(frozen=True)
class _End:
    """One way's end. ``kind`` is what it has in common with others that end alike: to arrive here, or to be sent on
    to another host, are two things."""

    verdict: Verdict
    place: Place | None
    why: str
    world: World
    answer: str = ""
    reply: bool = False
    forwarded: bool = False

    @property
    def kind(self) -> tuple[Verdict, bool]:
        return self.verdict, self.forwarded


def decided(over: Sequence[Outcome], arrived: Sequence[tuple[World, bool]], reply_from: int) -> Result:
    """One verdict: of the ways that are over and those that arrived (and whether at another host).

    The outcomes from index ``reply_from`` are of replies. Where the ways differ the verdict is unknown, and the
    place is the rule at which the difference arises.
    """
    ends = [
        _End(item.verdict, item.place, item.why, item.world, item.answer, number >= reply_from)
        for number, item in enumerate(over)
    ]
    ends += [_End(Verdict.ACCEPT, world.accepted, "", world, forwarded=other) for world, other in arrived]
    possible: set[Verdict] = set()
    for end in ends:
        possible |= _ANY if end.verdict is Verdict.UNKNOWN else {end.verdict}
    if len({end.kind for end in ends}) == 1:
        found = _result(ends[0], ends[0].verdict, ends[0].place, ends[0].why, possible)
        return replace(found, packet=_common([end.world.fields for end in ends]))
    doubt, end = _cause(ends, 0)
    if end.verdict is Verdict.UNKNOWN:
        return _result(end, Verdict.UNKNOWN, end.place, end.why, possible)
    return _result(end, Verdict.UNKNOWN, doubt.place, doubt.reason, possible)


def _result(end: _End, verdict: Verdict, place: Place | None, why: str, possible: set[Verdict]) -> Result:
    fields, trace = end.world.fields, steps_of(end.world.trail)
    return Result(verdict, place, why, trace, frozenset(possible), fields, end.answer, end.reply, end.forwarded)


def _common(packets: Sequence[Mapping[Field, Value]]) -> Mapping[Field, Value]:
    """What the packet is at its end on every way; where they differ nothing is known."""
    first, *others = packets
    unknown = Unknown("the packet may come with one value or another", Why.UNREADABLE)
    differing = [field for field in first if any(other.get(field) != first[field] for other in others)]
    return {**first, **dict.fromkeys(differing, unknown)} if differing else first


def _cause(ends: list[_End], depth: int) -> tuple[Doubt, _End]:
    """The doubt at which the ends part, on the lowest level where the two sides differ, and an end behind it."""
    doubts = [end for end in ends if len(end.world.doubts) > depth]
    if not doubts:
        return _nothing(ends)
    first = doubts[0].world.doubts[depth]
    sides: dict[bool, list[_End]] = {True: [], False: []}
    others: list[_End] = []
    for end in ends:
        met = end.world.doubts[depth] if len(end.world.doubts) > depth else None
        if met is not None and (met.place, met.reason) == (first.place, first.reason):
            sides[met.held].append(end)
        else:
            others.append(end)
    for side in (*sides.values(), others):
        if len({end.kind for end in side}) > 1:
            if side is others:
                return _cause(others, depth)
            return _cause(side, depth + 1)
    shown = next((end for end in ends if end.verdict is Verdict.UNKNOWN), None)
    return first, shown or (sides[True] or sides[False] or others)[0]


def _nothing(ends: list[_End]) -> tuple[Doubt, _End]:
    end = next((end for end in ends if end.verdict is Verdict.UNKNOWN), ends[0])
    place = end.place or next(item.place for item in ends if item.place is not None)
    return Doubt(place, end.why or "the packet may take several ways", True), end
