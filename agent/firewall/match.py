"""Matching: does an expression hold for a packet? True, False, or Unknown with what isn't known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from agent.firewall import ipset_match
from agent.firewall.expression import (
    Depends,
    Either,
    Every,
    Expression,
    InIpset,
    Lookup,
    Named,
    Not,
    NotModelled,
    Present,
    Same,
    Within,
)
from agent.firewall.fields import Field, Value, value_of
from agent.firewall.sets import Set, lookup
from agent.unknown import Unknown, Why

Truth = Union[bool, Unknown]
Fields = Mapping[Field, Value]


@dataclass(frozen=True)
class Scope:
    """Where names of sets are looked up. ``changed`` are those that rules on this path have changed."""

    sets: Mapping[str, Set]
    ipsets: Mapping[str, Set] | None
    changed: frozenset[str] = frozenset()


def holds(expression: Expression, fields: Fields, scope: Scope) -> Truth:
    """Three-valued: a part that is unknown matters only where the others leave the question open."""
    if type(expression) is Within:
        return _within(expression, fields)
    return _KINDS[type(expression)](expression, fields, scope)


def _within(expression: Within, fields: Fields) -> Truth:
    value = fields.get(expression.field)
    if value is None:
        return False
    if isinstance(value, Unknown):
        return value
    if isinstance(value, str):
        return Unknown(f"{expression.field.value} is a name, compared with a number", Why.UNREADABLE)
    value &= expression.mask
    for low, high in expression.ranges:
        if low <= value <= high:
            return not expression.negated
    return expression.negated


def _named(expression: Named, fields: Fields, _: Scope) -> Truth:
    value = fields.get(expression.field)
    if value is None:
        return False
    if isinstance(value, Unknown):
        if expression.prefix and not expression.name:
            return not expression.negated
        return value
    same = isinstance(value, str) and (
        value.startswith(expression.name) if expression.prefix else value == expression.name
    )
    return same is not expression.negated


def _same(expression: Same, fields: Fields, _: Scope) -> Truth:
    one, other = fields.get(expression.field), fields.get(expression.other)
    for value in (one, other):
        if isinstance(value, Unknown):
            return value
    return one is not None and one == other


def _present(expression: Present, fields: Fields, _: Scope) -> Truth:
    return expression.field in fields


def _every(expression: Every, fields: Fields, scope: Scope) -> Truth:
    open_question: Unknown | None = None
    for part in expression.parts:
        truth = holds(part, fields, scope)
        if truth is False:
            return False
        if isinstance(truth, Unknown):
            open_question = open_question or truth
    return True if open_question is None else open_question


def _either(expression: Either, fields: Fields, scope: Scope) -> Truth:
    open_question: Unknown | None = None
    for part in expression.parts:
        truth = holds(part, fields, scope)
        if truth is True:
            return True
        if isinstance(truth, Unknown):
            open_question = open_question or truth
    return False if open_question is None else open_question


def _not(expression: Not, fields: Fields, scope: Scope) -> Truth:
    truth = holds(expression.part, fields, scope)
    return truth if isinstance(truth, Unknown) else not truth


def _looked_up(expression: Lookup, fields: Fields, scope: Scope) -> Truth:
    found = expression.set if isinstance(expression.set, Set) else scope.sets.get(expression.set)
    if found is None:
        return Unknown(f"the set {expression.set} is not known", Why.ABSENT)
    key: list[Value] = []
    for asked in expression.keys:
        value = value_of(asked, fields)
        if value is None:
            return False
        key.append(value)
    hit = lookup(found, tuple(key))
    if isinstance(hit, Unknown):
        return hit
    if found.name in scope.changed:
        return Unknown(f"a rule on the way changes the set {found.name}", Why.UNREADABLE)
    if hit is None and found.incomplete:
        return Unknown(f"the set {found.name}: {found.incomplete}", Why.ABSENT)
    return (hit is not None and not hit.except_) is not expression.negated


def _in_ipset(expression: InIpset, fields: Fields, scope: Scope) -> Truth:
    if scope.ipsets is None:
        return Unknown(f"what the ipset {expression.set} holds is not known", Why.ABSENT)
    if expression.set in scope.changed:
        return Unknown(f"a rule on the way changes the ipset {expression.set}", Why.UNREADABLE)
    return ipset_match.holds(expression, fields, scope.ipsets)


def _open(expression: Depends | NotModelled, _: Fields, __: Scope) -> Truth:
    return Unknown(expression.reason, Why.UNREADABLE)


_KINDS: dict[type, Callable[[Any, Fields, Scope], Truth]] = {
    Within: lambda expression, fields, _: _within(expression, fields),
    Named: _named,
    Same: _same,
    Present: _present,
    Lookup: _looked_up,
    InIpset: _in_ipset,
    Every: _every,
    Either: _either,
    Not: _not,
    Depends: _open,
    NotModelled: _open,
}
