"""Matches in nft's JSON: what a rule compares, and with what, as the model's expressions.

A comparison without an operator means "one of these flags" for flags and equality for all else; nft's JSON calls the
former "in" (man nft, BITMASK TYPE; src/netlink_delinearize.c).
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.firewall.expression import (
    Either,
    Every,
    Expression,
    Lookup,
    Named,
    Not,
    NotModelled,
    Present,
    Ranges,
    Same,
    Within,
)
from agent.firewall.fields import WITH_PORTS, AddressType, Bits, Field, Protocol, State
from agent.firewall.model import Hook
from agent.firewall.nft.elements import anonymous
from agent.firewall.nft.keys import SWAPPED, Asked, Setting, asked, is_fragment_offset, several
from agent.firewall.nft.values import BITS, FLAGS, NAMED, flags, mapping, part, sequence, text
from agent.firewall.sets import Part, Prefix
from agent.firewall.xtables.values import NotUnderstood, any_bit, equals

_ORDERED = {"<", ">", "<=", ">="}
_OPERATORS = {"==", "!=", "in", "!", *_ORDERED}
_EVERY_BIT = (1 << 128) - 1
_FOUR, _SIX = equals(Field.FAMILY, 4), equals(Field.FAMILY, 6)
_LINK_LOCAL = Within(Field.SOURCE, ((0xFE80 << 112, (0xFEC0 << 112) - 1),))
_NOT_YET = (
    Within(Field.SOURCE, ((0, 0xFFFFFF),)),
    Within(Field.DESTINATION, ((0xFFFFFFFF, 0xFFFFFFFF), (0xE0000000, 0xE00000FF))),
)
_NOT_YET_SIX = Within(Field.SOURCE, ((0, 0),)), Within(Field.DESTINATION, ((0xFE80 << 112, (1 << 128) - 1),))
# Senders to whom there is always a way back: on the loopback, those of the link, and those that have no address yet
# (net/ipv4/netfilter/nft_fib_ipv4.c, net/ipv6/netfilter/nft_fib_ipv6.c)
_HAS_SOCKET = Every(
    (
        Within(Field.PROTOCOL, tuple((number, number) for number in sorted(WITH_PORTS))),
        equals(Field.CT_STATE, State.ESTABLISHED),
        NotModelled("newer kernels (6.15) don't ask for the way back of a packet whose socket is known already"),
    )
)
_ALWAYS_BACK = (
    Named(Field.INPUT, "lo"),
    Every((_FOUR, *_NOT_YET)),
    Every((_SIX, equals(Field.PROTOCOL, Protocol.ICMPV6), *_NOT_YET_SIX)),
    Every((_SIX, _LINK_LOCAL)),
)


def match(inner: object, setting: Setting) -> list[Expression]:
    """{"op": ..., "left": ..., "right": ...}: all that come back must hold."""
    given = mapping(inner, "a match")
    operator = text(given.get("op", "=="), "the operator")
    if operator not in _OPERATORS:
        raise NotUnderstood(f"the operator {operator[:10]} is not known")
    left, right = given.get("left"), given.get("right")
    special = _special(left, right, operator, setting)
    if special is not None:
        return special
    if isinstance(left, Mapping) and "concat" in left:
        return _in_set(several(left, setting), right, operator)
    one = asked(left, setting)
    if (isinstance(right, str) and right.startswith("@")) or (isinstance(right, Mapping) and "set" in right):
        return _in_set((one,), right, operator)
    return [*one.guards, _compared(one, right, operator)]


def _special(left: object, right: object, operator: str, setting: Setting) -> list[Expression] | None:
    """Comparisons that the model has as one question."""
    if is_fragment_offset(left):
        if right == 0 and operator in ("==", "!="):
            return [Within(Field.FAMILY, ((4, 4),)), Within(Field.FRAGMENT, ((0, 0),), operator == "!=")]
        raise NotUnderstood("which piece of a datagram is not modelled")
    fib = left.get("fib") if isinstance(left, Mapping) else None
    if isinstance(fib, Mapping) and fib.get("result") in ("oif", "oifname", "check"):
        return [_route_back(fib, right, operator, setting)]
    return None


def _route_back(fib: Mapping[str, object], right: object, operator: str, setting: Setting) -> Expression:
    """``fib saddr . iif oif exists``: is there a way back to the sender, by the interface of arrival?"""
    given = fib.get("flags")
    wanted = {given} if isinstance(given, str) else set(map(text, sequence(given, "the flags of fib")))
    if operator not in ("==", "!=") or (not isinstance(right, bool) and right not in (0, 1)):
        raise NotUnderstood("fib compared with an interface is not modelled")
    if wanted - {"mark"} == {"saddr", "iif"}:
        back: Expression = Same(Field.ROUTE_BACK, Field.INPUT)
    elif wanted - {"mark"} == {"saddr"}:
        back = Not(Named(Field.ROUTE_BACK, ""))
    else:
        raise NotUnderstood(f"fib {' . '.join(sorted(wanted))[:60]} oif is not modelled")
    ways = (*_ALWAYS_BACK, Every((any_bit(Field.SOURCE_TYPE, AddressType.UNICAST), back)))
    exists: Expression = Either((*ways, _HAS_SOCKET) if Hook.INPUT in setting.hooks else ways)
    if "mark" in wanted:
        unmarked = equals(Field.MARK, 0)
        other = NotModelled("the route for a marked packet is not modelled")
        exists = Either((Every((unmarked, exists)), Every((Not(unmarked), other))))
    return exists if (operator == "==") is bool(right) else Not(exists)


def _in_set(parts: tuple[Asked, ...], right: object, operator: str) -> list[Expression]:
    """In a set of the table ("@name"), or in one that stands in the rule."""
    if operator not in ("==", "!=", "in"):
        raise NotUnderstood(f"a set compared by {operator}")
    negated = operator == "!="
    guards = [guard for one in parts for guard in one.guards]
    if isinstance(right, str) and right.startswith("@"):
        if any(one.swapped for one in parts):
            raise NotUnderstood(SWAPPED)
        return [*guards, Lookup(tuple(one.key for one in parts), right[1:], negated)]
    if isinstance(right, Mapping) and "set" in right:
        if len(parts) == 1:
            return [*guards, _in_list(parts[0], right["set"], negated)]
        found = anonymous(right, [one.kind for one in parts])
    else:
        found = anonymous({"set": [right]}, [one.kind for one in parts])
    return [*guards, Lookup(tuple(one.key for one in parts), found, negated)]


def _in_list(one: Asked, items: object, negated: bool) -> Expression:
    """A set in a rule with one part: ranges, or names."""
    listed = items if isinstance(items, (list, tuple)) else [items]
    plain = [_unwrapped(item) for item in listed]
    if one.kind in NAMED:
        return _named(one, [part(one.kind, item) for item in plain], negated)
    ranges: list[tuple[int, int]] = []
    for item in plain:
        covered = part(one.kind, item)
        if not isinstance(covered, tuple):
            raise NotUnderstood("a name where a number should be")
        ranges.append(covered)
    return _within(one, tuple(ranges), negated)


def _named(one: Asked, names: list[Part], negated: bool) -> Expression:
    either = Either(tuple(_name(one, name, False) for name in names))
    return Every((Present(one.field), Not(either))) if negated else either


def _unwrapped(item: object) -> object:
    """An element without its counter and comment."""
    if isinstance(item, Mapping) and "elem" in item:
        inner = mapping(item["elem"], "an element")
        if set(inner) <= {"val", "counter", "comment"}:
            return inner.get("val")
        raise NotUnderstood("an element with more than a value is not modelled here")
    return item


def _compared(one: Asked, right: object, operator: str) -> Expression:
    """One field with one value, range or prefix."""
    if one.kind in NAMED:
        if operator not in ("==", "!="):
            raise NotUnderstood("names in an order are not modelled")
        return _name(one, part(one.kind, right), operator == "!=")
    if one.kind in FLAGS and not (isinstance(right, Mapping) and "range" in right):
        value = flags(one.kind, right)
        if operator in ("in", "!"):
            return _any_of(one, value, operator == "!")
        return _ordered(one, value, operator)
    covered = part(one.kind, right)
    assert isinstance(covered, tuple)
    if operator in _ORDERED:
        if covered[0] != covered[1]:
            raise NotUnderstood("a range in an order is not modelled")
        return _ordered(one, covered[0], operator)
    if operator == "!":
        raise NotUnderstood("the operator ! is only for flags")
    return _within(one, (covered,), operator == "!=")


def _name(one: Asked, name: Part, negated: bool) -> Expression:
    if isinstance(name, tuple):
        raise NotUnderstood("names in a range are not modelled")
    if isinstance(name, Prefix):
        return Named(one.field, name.text, prefix=True, negated=negated)
    return Named(one.field, name, negated=negated)


def _any_of(one: Asked, value: int, negated: bool) -> Expression:
    mask = one.key.mask if isinstance(one.key, Bits) else -1
    return Within(one.field, ((1, value),), negated, mask & value) if value & mask else _never(one, negated)


def _never(one: Asked, negated: bool) -> Expression:
    return Within(one.field, (), negated)


def _ordered(one: Asked, value: int, operator: str) -> Expression:
    top = (1 << BITS.get(one.kind, 128)) - 1
    ranges: dict[str, Ranges] = {
        "==": ((value, value),),
        "in": ((value, value),),
        "!=": ((value, value),),
        "<": ((0, value - 1),) if value else (),
        "<=": ((0, value),),
        ">": ((value + 1, top),) if value < top else (),
        ">=": ((value, top),),
    }
    return _within(one, ranges[operator], operator == "!=")


def _within(one: Asked, ranges: Ranges, negated: bool) -> Expression:
    """Ranges of the value that is asked for, as ranges of its field."""
    if not isinstance(one.key, Bits):
        return Within(one.key, ranges, negated)
    shift, mask = one.key.shift, one.key.mask & _EVERY_BIT
    lifted = tuple((low << shift, (high << shift) | ((1 << shift) - 1)) for low, high in ranges)
    return Within(one.key.field, lifted, negated, mask)
