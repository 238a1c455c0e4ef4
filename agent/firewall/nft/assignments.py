"""Statements of nft that change a packet (``meta mark set``, ``ip dscp set`` ...), as the model has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.firewall.expression import Expression, Lookup, Present
from agent.firewall.fields import Bits, Field
from agent.firewall.model import Step
from agent.firewall.nft.elements import anonymous
from agent.firewall.nft.keys import Asked, Chance, Setting, asked, several
from agent.firewall.nft.values import DEPTH, NAMED, mapping, number, sequence
from agent.firewall.sets import Set
from agent.firewall.statement import Aside, Assign, Beyond, Constant, Mapped, Operand, Read, Template, Uncertain
from agent.firewall.xtables.values import NotUnderstood

_ASIDE = {
    "meta": ("priority", "nftrace", "cpu", "rtclassid", "secmark", "broute"),
    "ct": ("helper", "label", "event", "secmark"),
}
_EVERY_BIT = 0xFFFFFFFF
_REWRITTEN = (Field.SOURCE, Field.DESTINATION, Field.SOURCE_PORT, Field.DESTINATION_PORT, Field.PROTOCOL, Field.FAMILY)


@dataclass(frozen=True)
class _Computed:
    """(value of ``field`` & ``keep``) ^ ``toggle``; without a field the constant ``toggle``."""

    field: Field | None
    keep: int
    toggle: int


def mangle(inner: object, setting: Setting) -> list[Step]:
    """{"key": what is set, "value": to what}: the guards, what must be there, and the assignment."""
    given = mapping(inner, "mangle")
    key, value = mapping(given.get("key"), "what is set"), given.get("value")
    for room, names in _ASIDE.items():
        inside = key.get(room)
        if isinstance(inside, Mapping) and inside.get("key") in names:
            return [Aside(f"{room} {inside['key']} set")]
    if any(name in key for name in ("tcp option", "ip option", "exthdr")):
        return [Aside("sets an option of the packet")]
    if isinstance(key.get("ct"), Mapping) and mapping(key["ct"]).get("key") == "zone":
        return [Template(zone=True)]
    target = asked(key, setting)
    if target.field in _REWRITTEN:
        return [*target.guards, Beyond("the rule gives the packet other addresses or ports without tracking that")]
    if target.field in (Field.FRAGMENT, Field.TCP_FLAGS, Field.LENGTH):
        return [*target.guards, Beyond(f"the rule changes {target.field.value}")]
    guards, assigned = _assignment(target, value, setting)
    return [*target.guards, *guards, assigned]


def _assignment(target: Asked, value: object, setting: Setting) -> tuple[list[Expression], Assign]:
    part = target.key if isinstance(target.key, Bits) else None
    others = 0 if part is None else 0xFF & ~part.mask
    if isinstance(value, Mapping) and "map" in value:
        guards, mapped = lookup(value["map"], setting, target.kind)
        if part is not None:
            return guards, Assign(target.field, Uncertain("a map gives a part of this field"))
        return guards, Assign(target.field, mapped)
    if target.kind in NAMED:
        return [], Assign(target.field, Uncertain(f"the rule sets {target.field.value}"))
    try:
        found = _computed(value, target.kind, setting, 0)
    except NotUnderstood as problem:
        return [], Assign(target.field, Uncertain(str(problem)))
    shift = 0 if part is None else part.shift
    if found.field is None:
        return [], Assign(target.field, Constant(found.toggle << shift), keep=others)
    if part is not None:
        return [], Assign(target.field, Uncertain("the rule computes a part of this field"))
    needed: list[Expression] = [Present(found.field)] if found.field is not target.field else []
    if found.field is target.field:
        return needed, Assign(target.field, Constant(0), keep=found.keep, take=0, toggle=found.toggle)
    return needed, Assign(target.field, Read(found.field), take=found.keep, toggle=found.toggle)


def _computed(value: object, kind: str, setting: Setting, depth: int) -> _Computed:
    """Masks and toggles over one field, however deep."""
    if depth > DEPTH:
        raise NotUnderstood("a computation within computations without end")
    if not isinstance(value, Mapping):
        return _Computed(None, 0, number(kind, value))
    name = next(iter(value), None)
    if name in ("|", "^", "&"):
        sides = [_computed(side, kind, setting, depth + 1) for side in sequence(value[name], str(name))]
        if not sides:
            raise NotUnderstood("nothing to compute with")
        found = sides[0]
        for side in sides[1:]:
            found = _combined(str(name), found, side)
        return found
    if name in ("<<", ">>"):
        raise NotUnderstood("a value that is shifted is not modelled")
    read = asked(value, setting)
    if isinstance(read.key, Bits) or read.kind in NAMED or read.guards:
        raise NotUnderstood(f"a value from {read.field.value} is not modelled here")
    return _Computed(read.field, _EVERY_BIT, 0)


def _combined(sign: str, one: _Computed, other: _Computed) -> _Computed:
    if one.field is None:
        one, other = other, one
    if other.field is not None:
        raise NotUnderstood("a value made of two fields is not modelled")
    bits = other.toggle
    if sign == "&":
        return _Computed(one.field, one.keep & bits, one.toggle & bits)
    if sign == "|":
        return _Computed(one.field, one.keep & ~bits, (one.toggle & ~bits) | bits)
    return _Computed(one.field, one.keep, one.toggle ^ bits)


def lookup(inner: object, setting: Setting, data_kind: str) -> tuple[list[Expression], Operand]:
    """{"key": ..., "data": a map}: the guards, among them that the map has the key, and what it gives."""
    given = mapping(inner, "a map")
    try:
        parts = several(given.get("key"), setting)
    except Chance as chance:
        return [], Uncertain(str(chance))
    guards = [guard for part in parts for guard in part.guards]
    keys = tuple(part.key for part in parts)
    found = table_of(given.get("data"), [part.kind for part in parts], data_kind)
    return [*guards, Lookup(keys, found)], Mapped(keys, found)


def table_of(data: object, kinds: list[str], data_kind: str) -> str | Set:
    """A map by its name ("@name"), or one that stands in the rule."""
    if isinstance(data, str):
        if not data.startswith("@"):
            raise NotUnderstood("a map without a name")
        return data[1:]
    return anonymous(data, kinds, data_kind)
