"""Sets, maps and verdict maps in nft's JSON: named ones of a table, and those that stand in a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.firewall.nft.values import BITS, DEPTH, NAMED, integer, label, mapping, number, only, part, sequence, text
from agent.firewall.sets import Element, Part, Set
from agent.firewall.statement import Action, Constant, End, Endpoint, Jump, Operand, Verdict
from agent.firewall.xtables.values import NotUnderstood

_VERDICTS = {
    "accept": End(Action.ACCEPT),
    "drop": End(Action.DROP),
    "return": End(Action.RETURN),
    "continue": End(Action.CONTINUE),
}
_ASIDE = ("counter", "comment", "timeout", "expires", "val", "last")  # of an element: nothing to whether it holds


class Chancy(NotUnderstood):
    """An element that holds for some packets only (it has a limit, a quota or a count of its own)."""


def verdict(item: object) -> Verdict:
    """What a rule or a verdict map says: {"accept": null}, {"jump": {"target": "chain"}} ..."""
    name, inner = only(item, "a verdict")
    if name in _VERDICTS:
        return _VERDICTS[name]
    if name in ("jump", "goto"):
        return Jump(text(mapping(inner, name).get("target"), "the chain"), name == "goto")
    raise NotUnderstood(f"the verdict {name[:40]} is not modelled")


def anonymous(data: object, kinds: Sequence[str], data_kind: str = "") -> Set:
    """The set or map {"set": [...]} of a rule. ``kinds`` are its key's data types; ``data_kind`` what a map gives."""
    name, items = only(data, "a set")
    if name != "set":
        raise NotUnderstood(f"{name[:40]} where a set should be")
    listed = items if isinstance(items, (list, tuple)) else [items]
    return Set("", " . ".join(kinds), tuple(element(item, kinds, data_kind) for item in listed))


def element(item: object, kinds: Sequence[str], data_kind: str = "") -> Element:
    """One element of a set, or [key, data] of a map."""
    if not data_kind:
        return _keyed(item, kinds)
    pair = sequence(item, "an element of a map")
    if len(pair) != 2:
        raise NotUnderstood("an element of a map is not a pair")
    found = _keyed(pair[0], kinds)
    return Element(found.key, data=_data(pair[1], data_kind), expires=found.expires)


def _keyed(item: object, kinds: Sequence[str]) -> Element:
    expires: float | None = None
    if isinstance(item, Mapping) and "elem" in item:
        inner = mapping(item["elem"], "an element")
        if any(name not in _ASIDE for name in inner):
            raise Chancy("an element holds for some packets only")
        left = inner.get("expires", inner.get("timeout"))
        expires = float(integer(left, "a time")) if left is not None else None
        item = inner.get("val")
    return Element(_key(item, kinds), expires=expires)


def _key(item: object, kinds: Sequence[str]) -> tuple[Part, ...]:
    if len(kinds) == 1 and not (isinstance(item, Mapping) and "concat" in item):
        return (part(kinds[0], item),)
    if item == "*":
        return tuple(part(kind, item) for kind in kinds)
    parts = sequence(mapping(item, "a key").get("concat"), "a concatenation")
    if len(parts) != len(kinds):
        raise NotUnderstood("a key with another number of parts than its set")
    return tuple(part(kind, one) for kind, one in zip(kinds, parts))


def _data(item: object, kind: str) -> Verdict | Operand:
    if kind == "verdict":
        return verdict(item)
    if kind.split(" . ")[0] in ("ipv4_addr", "ipv6_addr"):
        return endpoint(item, kind)
    if kind not in BITS:
        raise NotUnderstood(f"a map to {kind[:40]} is not modelled")
    return Constant(number(kind, item))


def endpoint(item: object, kind: str) -> Endpoint:
    """An address, or an address and a port, or ranges of them."""
    kinds = kind.split(" . ")
    parts: Sequence[object] = (item,)
    if isinstance(item, Mapping) and "concat" in item:
        parts = sequence(item["concat"], "a concatenation")
    if len(parts) != len(kinds) or kinds[1:] not in ([], ["inet_service"]):
        raise NotUnderstood(f"a map to {kind[:60]} is not modelled")
    covered = [part(one, value) for one, value in zip(kinds, parts)]
    addresses, ports = covered[0], covered[1] if len(covered) > 1 else None
    if not isinstance(addresses, tuple) or not (ports is None or isinstance(ports, tuple)):
        raise NotUnderstood("an address that is none")
    return Endpoint(addresses, ports)


def kinds_of(declared: object, depth: int = 0) -> tuple[str, ...]:
    """The data types of a set's key: a name, names of a concatenation, or as ``typeof`` tells them."""
    if depth > DEPTH:
        raise NotUnderstood("a type within types without end")
    if isinstance(declared, str):
        return tuple(declared.split(" . "))
    if isinstance(declared, (list, tuple)):
        return tuple(kind for item in declared for kind in kinds_of(item, depth + 1))
    raise NotUnderstood("the type of a set is not modelled")


def named(item: Mapping[str, object], is_map: bool, changes: Mapping[str, frozenset[str]]) -> Set:
    """A set or map of a table. ``changes`` tells what rules do to it: "add", "update", "delete"."""
    name = text(item.get("name"), "the name of a set")
    listed = item.get("elem")
    items = sequence([] if listed is None else listed, "the elements of a set")
    flags = _words(item.get("flags"))
    changed = changes.get(name, frozenset())
    incomplete = "rules fill it, or take from it" if changed else ""
    found: list[Element] = []
    kinds: tuple[str, ...] = ()
    try:
        kinds = kinds_of(item.get("type"))
        unknown = next((kind for kind in kinds if kind not in BITS and kind not in NAMED), None)
        if unknown is not None:
            raise NotUnderstood(f"its type {unknown[:40]} is not modelled")
        data_kind = " . ".join(kinds_of(item.get("map"))) if is_map else ""
    except NotUnderstood as problem:
        return Set(name, _type(item), (), incomplete=str(problem), flags=flags)
    if "dynamic" in flags and not incomplete:
        incomplete = "rules or programs may have filled it since"
    if _chancy(item.get("stmt")):
        return Set(name, _type(item), (), incomplete="its elements hold for some packets only", flags=flags)
    for one in items:
        try:
            found.append(element(one, kinds, data_kind))
        except NotUnderstood as problem:
            incomplete = str(problem)
    if incomplete:  # what holds all others may hold less than it seems; what rules take out may be gone
        everything = _everything(kinds)
        found = [] if "delete" in changed else [one for one in found if one.key != everything]
    timeout = item.get("timeout")
    return Set(
        name,
        _type(item),
        tuple(found),
        4 if "ipv4_addr" in kinds else 6 if "ipv6_addr" in kinds else 0,
        incomplete=incomplete,
        flags=flags,
        timeout=float(timeout) if isinstance(timeout, int) else None,
        comment=label(item.get("comment"), 200),
    )


def _everything(kinds: Sequence[str]) -> tuple[Part, ...]:
    return tuple(part(kind, "*") for kind in kinds)


def _chancy(statements: object) -> bool:
    """Have all elements a limit or the like?"""
    listed = statements if isinstance(statements, (list, tuple)) else [] if statements is None else [statements]
    return any(not isinstance(one, Mapping) or not set(one) <= {"counter", "last"} for one in listed)


def _type(item: Mapping[str, object]) -> str:
    try:
        return " . ".join(kinds_of(item.get("type")))
    except NotUnderstood:
        return ""


def _words(item: object) -> tuple[str, ...]:
    if isinstance(item, str):
        return (item,)
    return tuple(one for one in item if isinstance(one, str)) if isinstance(item, (list, tuple)) else ()
