"""The verdict over all ways that a packet may take, and the rule that it hangs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.firewall.doubts import Doubt, Doubts
from agent.firewall.fields import Field, Value
from agent.firewall.result import Place, Result, Verdict
from agent.firewall.walk import Outcome, World, steps_of
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
    doubt, end = _cause(ends)
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


class _Fork:
    """A point on the ways: after the doubts of ``path``. ``below`` are the points after the next doubt, in the order
    in which their ends were met; ``kinds`` how the ends behind it end, ``here`` those that end without a doubt more.
    """

    def __init__(self, path: Doubts | None) -> None:
        self.path = path
        self.below: list[_Fork] = []
        self.here: list[_End] = []
        self.kinds: set[tuple[Verdict, bool]] = set()
        self.first: _End | None = None
        self.unknown: _End | None = None

    def meet(self, end: _End) -> None:
        self.kinds.add(end.kind)
        self.first = self.first or end
        if end.verdict is Verdict.UNKNOWN:
            self.unknown = self.unknown or end


def _forks(ends: list[_End]) -> _Fork:
    """All ways from their beginning."""
    root = _Fork(None)
    known: dict[Doubts | None, _Fork] = {None: root}
    for end in ends:
        path, new = end.world.doubts, []
        while path not in known:
            new.append(path)
            path = path.before if path else None
        at = known[path]
        for path in reversed(new):
            fork = _Fork(path)
            known[path] = fork
            at.below.append(fork)
            at = fork
        at.here.append(end)
    order = [root]
    for fork in order:
        order += fork.below
    for fork in reversed(order):
        for end in fork.here:
            fork.meet(end)
        for below in fork.below:
            fork.kinds |= below.kinds
            fork.first = fork.first or below.first
            fork.unknown = fork.unknown or below.unknown
    return root


def _cause(ends: list[_End]) -> tuple[Doubt, _End]:
    """The doubt at which the ends part, on the lowest level where the two sides differ, and an end behind it."""
    fork = _forks(ends)
    while True:
        rest: dict[tuple[Place, str], list[_Fork]] = {}
        for one in fork.below:
            assert one.path is not None
            rest.setdefault((one.path.last.place, one.path.last.reason), []).append(one)
        deeper: _Fork | None = None
        groups = list(rest.values())
        while groups and deeper is None:
            sides = sorted(groups.pop(0), key=lambda side: not _doubt(side).held)
            deeper = next((side for side in sides if len(side.kinds) > 1), None)
            if deeper is not None:
                break
            others: set[tuple[Verdict, bool]] = {end.kind for end in fork.here}.union(
                *(side.kinds for group in groups for side in group)
            )
            if len(others) < 2:
                behind = [*sides, *(side for group in groups for side in group)]
                shown = next((side.unknown for side in behind if side.unknown), None)
                shown = shown or next((end for end in fork.here if end.verdict is Verdict.UNKNOWN), None)
                first = sides[0].first
                assert first is not None
                return _doubt(sides[0]), shown or first
        if deeper is None:
            return _nothing(fork.here)
        fork = deeper


def _doubt(fork: _Fork) -> Doubt:
    assert fork.path is not None
    return fork.path.last


def _nothing(ends: list[_End]) -> tuple[Doubt, _End]:
    end = next((end for end in ends if end.verdict is Verdict.UNKNOWN), ends[0])
    place = end.place or next(item.place for item in ends if item.place is not None)
    return Doubt(place, end.why or "the packet may take several ways", True), end
