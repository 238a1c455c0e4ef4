"""The walk of a packet through the chains of one table, with every way that it may take.

Where a rule can't be judged (a limit, a field that nobody told, a match that isn't modelled) the walk goes on both
ways. Ways that come to the same state at the same rule become one again, so that a limit before LOG costs nothing.
A ``World`` is one way: the packet as it is there, and the doubts that led to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agent.firewall import effects
from agent.firewall.doubts import Doubt, Doubts, common
from agent.firewall.fields import Field, Value
from agent.firewall.host import Host
from agent.firewall.match import Scope, Truth, holds
from agent.firewall.model import Chain, Hook, Rule, Ruleset, Table
from agent.firewall.result import Place, Step, Verdict
from agent.firewall.statement import (
    Action,
    Aside,
    Assign,
    Beyond,
    Choose,
    End,
    Fill,
    Jump,
    Statement,
    Template,
    Translate,
    Untrack,
)
from agent.unknown import Unknown

DEPTH = 120  # chains within chains; the kernel refuses loops, and so must a reader of pasted text
BUDGET = 1_000_000  # rules looked at, over all worlds; a chain that is entered counts as many
ENTRY = 20
WORLDS = 64  # at one rule

_STATEMENTS = (End, Jump, Assign, Translate, Untrack, Template, Fill, Choose, Aside, Beyond)


class Trail:
    """The chains on the way so far, the last one first: a list that worlds share."""

    __slots__ = ("before", "step")

    def __init__(self, step: Step, before: Trail | None) -> None:
        self.step, self.before = step, before


def steps_of(trail: Trail | None) -> tuple[Step, ...]:
    """The chains on the way, the first one first."""
    found: list[Step] = []
    while trail is not None:
        found.append(trail.step)
        trail = trail.before
    return tuple(reversed(found))


@dataclass(frozen=True)
class World:
    """``accepted`` is what let the packet pass last; ``translated`` says what was: "source", "destination",
    "redirect". ``changed`` are the sets that rules on the way have changed."""

    fields: Mapping[Field, Value]
    doubts: Doubts | None = None
    trail: Trail | None = None
    changed: frozenset[str] = frozenset()
    accepted: Place | None = None
    translated: frozenset[str] = frozenset()
    translator: Place | None = None  # the rule that did so last


@dataclass(frozen=True)
class Outcome:
    """How a world left a base chain: ACCEPT goes on, the others are over. ``why`` is set when UNKNOWN."""

    verdict: Verdict
    place: Place
    world: World
    why: str = ""
    answer: str = ""


class Walk:
    """One walk through one base chain of one table; ``outcomes`` is what comes of it."""

    def __init__(self, ruleset: Ruleset, table: Table, hook: Hook, host: Host, effort: list[int]) -> None:
        self._ruleset, self._table, self._hook, self._host = ruleset, table, hook, host
        self._effort = effort  # one number, shared by all walks of a packet
        self.outcomes: list[Outcome] = []

    def run(self, chain: Chain, worlds: Iterable[World]) -> list[Outcome]:
        """All ends of all worlds in a base chain, its policy included."""
        entered = [self._entered(world, chain, None) for world in worlds]
        for world in self._chain(chain, entered, 0):
            self._by_policy(chain, world)
        return self.outcomes

    def _by_policy(self, chain: Chain, world: World) -> None:
        policy = chain.base.policy if chain.base else End(Action.ACCEPT)
        place = self._place(chain, None, f"policy {policy.action.value.upper()}")
        if chain.truncated:
            self._end(Verdict.UNKNOWN, place, world, chain.truncated)
        else:
            self._end(_FINAL.get(policy.action, Verdict.ACCEPT), place, world)

    def _chain(self, chain: Chain, worlds: list[World], depth: int) -> list[World]:
        """The worlds that fall off the chain's end, or return from it."""
        returned: list[World] = []
        scopes: dict[frozenset[str], Scope] = {}
        for rule in chain.rules:
            if not worlds:
                break
            self._effort[0] -= len(worlds)
            if self._effort[0] < 0 or len(worlds) > WORLDS:
                place = self._place(chain, rule)
                for world in worlds:
                    self._end(Verdict.UNKNOWN, place, world, "the rules lead to more cases than are followed")
                return returned
            onward: list[World] = []
            for world in worlds:
                scope = scopes.get(world.changed)
                if scope is None:
                    scope = Scope(self._table.set_by_name, self._ruleset.ipsets, world.changed)
                    scopes[world.changed] = scope
                self._rule(chain, rule, world, scope, onward, returned, depth)
            worlds = onward if len(onward) < 2 else merged(onward)
        return merged(returned + worlds)

    def _rule(
        self,
        chain: Chain,
        rule: Rule,
        world: World,
        scope: Scope,
        onward: list[World],
        returned: list[World],
        depth: int,
    ) -> None:
        """One rule in one world: worlds that reach the next rule go to ``onward``."""
        truth, at = self._test(rule, 0, world, scope)
        if truth is False:
            onward.append(world)
            return
        current = [world] if truth is True else self._fork(chain, rule, world, truth, onward)
        while at < len(rule.steps) and current:
            step = rule.steps[at]
            following: list[World] = []
            if isinstance(step, _STATEMENTS):
                at += 1
                for one in current:
                    self._statement(chain, rule, step, one, following, onward, returned, depth)
            else:
                start = at
                for one in current:
                    own = replace(scope, changed=one.changed)
                    truth, end = self._test(rule, start, one, own)
                    at = max(at, end)
                    if truth is True:
                        following.append(one)
                    elif truth is False:
                        onward.append(one)
                    else:
                        following += self._fork(chain, rule, one, truth, onward)
            current = following
        onward += current

    def _test(self, rule: Rule, start: int, world: World, scope: Scope) -> tuple[Truth, int]:
        """The expressions from ``start`` to the next statement, together; and where that statement is."""
        unknown: Unknown | None = None
        at = start
        for step in rule.steps[start:] if start else rule.steps:
            if isinstance(step, _STATEMENTS):
                break
            truth = holds(step, world.fields, scope)
            if truth is False:
                return False, at
            if isinstance(truth, Unknown) and unknown is None:
                unknown = truth
            at += 1
        return (True if unknown is None else unknown), at

    def _fork(self, chain: Chain, rule: Rule, world: World, why: Unknown, onward: list[World]) -> list[World]:
        place = self._place(chain, rule)
        onward.append(replace(world, doubts=Doubts(Doubt(place, why.reason, False), world.doubts)))
        return [replace(world, doubts=Doubts(Doubt(place, why.reason, True), world.doubts))]

    def _statement(
        self,
        chain: Chain,
        rule: Rule,
        step: Statement,
        world: World,
        following: list[World],
        onward: list[World],
        returned: list[World],
        depth: int,
    ) -> None:
        if isinstance(step, Aside):
            following.append(world)
        elif isinstance(step, End):
            if step.action is Action.RETURN:
                returned.append(world)
            elif step.action is Action.CONTINUE:
                following.append(world)
            else:
                self._end(_FINAL[step.action], self._place(chain, rule), world, answer=step.answer)
        elif isinstance(step, Jump):
            self._jump(chain, rule, step, world, onward, returned, depth)
        elif isinstance(step, Beyond):
            self._end(Verdict.UNKNOWN, self._place(chain, rule), world, step.reason)
        elif isinstance(step, Choose):
            scope = Scope(self._table.set_by_name, self._ruleset.ipsets, world.changed)
            chosen = effects.chosen(step, world.fields, scope)
            if chosen is None:
                following.append(world)
            elif isinstance(chosen, Unknown):
                self._end(Verdict.UNKNOWN, self._place(chain, rule), world, chosen.reason)
            else:
                self._statement(chain, rule, chosen, world, following, onward, returned, depth)
        elif isinstance(step, Translate):
            scope = Scope(self._table.set_by_name, self._ruleset.ipsets, world.changed)
            step = effects.settled(step, world.fields, scope)
            changed = effects.translated(step, world.fields, self._host)
            done = world.translated | effects.kinds(step)
            place = self._place(chain, rule)
            self._end(Verdict.ACCEPT, place, replace(world, fields=changed, translated=done, translator=place))
        elif isinstance(step, Fill):
            following.append(replace(world, changed=world.changed | {step.set}))
        else:
            scope = Scope(self._table.set_by_name, self._ruleset.ipsets, world.changed)
            following.append(replace(world, fields=effects.applied(step, world.fields, scope)))

    def _jump(
        self,
        chain: Chain,
        rule: Rule,
        jump: Jump,
        world: World,
        onward: list[World],
        returned: list[World],
        depth: int,
    ) -> None:
        """What comes back goes on at the next rule, whatever else stands in this one."""
        target = self._table.chain_by_name.get(jump.chain)
        place = self._place(chain, rule)
        if target is None:
            self._end(Verdict.UNKNOWN, place, world, f"there is no chain {jump.chain} in what was read")
            return
        if depth >= DEPTH:
            self._end(Verdict.UNKNOWN, place, world, "chains lead into chains without end")
            return
        self._effort[0] -= ENTRY
        back = self._chain(target, [self._entered(world, target, place)], depth + 1)
        if target.truncated and back:
            for one in back:
                self._end(Verdict.UNKNOWN, self._place(target, None), one, target.truncated)
        elif jump.goto:
            returned += back
        else:
            onward += back

    def _entered(self, world: World, chain: Chain, by: Place | None) -> World:
        table = self._table
        step = Step(self._hook, table.backend, table.family, table.name, chain.name, by)
        return replace(world, trail=Trail(step, world.trail))

    def _place(self, chain: Chain, rule: Rule | None, text: str = "") -> Place:
        table = self._table
        hook = chain.base.hook if chain.base else None
        if rule is None:
            return Place(table.backend, table.family, table.name, chain.name, 0, text or "end of the chain", hook)
        return Place(table.backend, table.family, table.name, chain.name, rule.number, rule.text, hook, rule.line)

    def _end(self, verdict: Verdict, place: Place, world: World, why: str = "", answer: str = "") -> None:
        self.outcomes.append(Outcome(verdict, place, world, why, answer))


_FINAL = {Action.ACCEPT: Verdict.ACCEPT, Action.DROP: Verdict.DROP, Action.REJECT: Verdict.REJECT}


def merged(worlds: list[World]) -> list[World]:
    """Worlds that are in the same state become one: the doubts in which they differ made no difference."""
    if len(worlds) < 2:
        return worlds
    known: dict[object, World] = {}
    for world in worlds:
        key = (frozenset(world.fields.items()), world.changed, world.translated)
        other = known.get(key)
        known[key] = world if other is None else replace(other, doubts=common(other.doubts, world.doubts))
    return list(known.values())
