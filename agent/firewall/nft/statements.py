"""Statements in nft's JSON: what a rule does, as steps of the model (libnftables-json(5), STATEMENTS).

A rule's expressions and statements come in the order in which the kernel evaluates them. nft's rules end at a field
that the packet has not; the questions that this implies stand before the statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from agent.firewall.expression import Depends, Expression, Lookup, NotModelled, Present
from agent.firewall.fields import Protocol
from agent.firewall.model import Family, Step
from agent.firewall.nft.assignments import mangle, table_of
from agent.firewall.nft.elements import verdict
from agent.firewall.nft.keys import Chance, Setting, of_family, of_protocol, several
from agent.firewall.nft.matches import match
from agent.firewall.nft.merging import either_way, merged
from agent.firewall.nft.translations import translate
from agent.firewall.nft.values import label, mapping, only, text
from agent.firewall.statement import Action, Aside, Beyond, Choose, End, Fill, Untrack
from agent.firewall.xtables.values import NotUnderstood

ENDS = ("accept", "drop", "return", "continue", "jump", "goto")
_ASIDE = {
    "counter": "counts",
    "log": "logs",
    "last": "notes the time",
    "dup": "copies",
    "flow": "hands over to a flowtable",
    "secmark": "labels",
    "ct helper": "names a helper",
    "ct timeout": "sets a timeout",
    "reset": "resets an option",
    "ct expectation": "expects a connection",
    "ct event": "tells of events",
    "nftrace": "traces",
}
_BEYOND = {
    "queue": "a program decides about the packet (queue)",
    "fwd": "the packet is sent on by another interface (fwd)",
    "tproxy": "a proxy gets the packet, if one listens (tproxy)",
    "synproxy": "the host answers for the service first (synproxy)",
}
_TRANSLATIONS = ("dnat", "snat", "redirect", "masquerade")
_FILLING = re.compile(r"(?:add|update|delete) @([^ ]{1,128}) \{")
_FAMILIES = {"icmp": 4, "icmpv6": 6}


def steps(expressions: Sequence[object], setting: Setting) -> tuple[Step, ...]:
    """All of a rule. What is not understood becomes a step that says so; nothing is left out."""
    found: list[Step] = []
    skip = False
    for at, item in enumerate(expressions):
        if skip:
            skip = False
            continue
        try:
            if at + 1 < len(expressions) and merged(item, expressions[at + 1]):
                pair = [match(mapping(one)["match"], setting) for one in expressions[at : at + 2]]
                found += either_way(*pair)
                skip = True
                continue
            found += _step(item, expressions[at + 1 :], setting)
        except NotUnderstood as problem:
            reason = f"{_named(item)}: {problem}"
            found.append(NotModelled(reason) if _is_question(item) else Beyond(reason))
    return tuple(found)


def _named(item: object) -> str:
    return str(next(iter(item), "nothing"))[:40] if isinstance(item, Mapping) else "a statement"


def _is_question(item: object) -> bool:
    return isinstance(item, Mapping) and set(item) == {"match"}


def _step(item: object, rest: Sequence[object], setting: Setting) -> list[Step]:
    if isinstance(item, str):
        filled = filled_map(item)
        if filled:
            return [NotModelled("what a rule puts into a map is not modelled"), Fill(filled)]
        item = {item: None}
    name, inner = only(item, "a statement")
    if name in ENDS:
        return [verdict(item)]
    if name in _ASIDE:
        return [Aside(_ASIDE[name])]
    if name in _BEYOND:
        return [Beyond(_BEYOND[name])]
    if name in _TRANSLATIONS:
        return translate(name, inner, setting)
    reader = _READERS.get(name)
    if reader is not None:
        return reader(inner, setting)
    if name == "xt":
        return [_xtables(inner, rest)]
    raise NotUnderstood("the model does not know this statement")


def filled_map(item: str) -> str:
    """The map's name in a statement that nft 1.0.6 prints as text within its JSON: ``add @map { key : value }``."""
    found = _FILLING.match(item)
    return found[1] if found else ""


def _match(inner: object, setting: Setting) -> list[Step]:
    try:
        return list(match(inner, setting))
    except Chance as chance:
        return [Depends(str(chance))]


def _reject(inner: object, setting: Setting) -> list[Step]:
    """nft drops from its listing the questions that a reject's type implies."""
    given = {} if inner is None else mapping(inner, "reject")
    kind = text(given.get("type", "icmpx" if setting.family is Family.INET else "icmp"), "the type of a reject")
    if kind == "tcp reset":
        return [of_protocol(Protocol.TCP), End(Action.REJECT, "tcp-reset")]
    code = given.get("expr", "port-unreachable")
    guards: list[Step] = [of_family(_FAMILIES[kind])] if kind in _FAMILIES and "type" in given else []
    words = {"icmpv6": "icmp6", "icmp": "icmp", "icmpx": "icmpx"}.get(kind)
    if words is None or not isinstance(code, (str, int)):
        raise NotUnderstood("a reject of another type than is known")
    return [*guards, End(Action.REJECT, f"{words}-{code}")]


def _limit(inner: object, _: Setting) -> list[Step]:
    return [Depends("a limit: it depends on what came before")]


def _quota(inner: object, _: Setting) -> list[Step]:
    return [Depends("a quota: it depends on what came before")]


def _count(inner: object, _: Setting) -> list[Step]:
    return [Depends("a number of connections: it depends on what came before")]


def _vmap(inner: object, setting: Setting) -> list[Step]:
    """The rule ends where the map has no such key."""
    given = mapping(inner, "vmap")
    try:
        parts = several(given.get("key"), setting)
    except Chance as chance:
        return [Beyond(f"{chance}, by which a map chooses")]
    keys = tuple(part.key for part in parts)
    table = table_of(given.get("data"), [part.kind for part in parts], "verdict")
    return [*(guard for part in parts for guard in part.guards), Lookup(keys, table), Choose(keys, table)]


def _set(inner: object, setting: Setting) -> list[Step]:
    """``add @set { key }``, ``update``, ``delete``; with a limit in it the rule may end there."""
    given = mapping(inner, "set")
    name = text(given.get("set"), "the name of a set").lstrip("@")
    found: list[Step] = [*_needed(given.get("elem"), setting), Fill(name)]
    return [*found, *_doubtful(given.get("stmt"))]


def _map(inner: object, setting: Setting) -> list[Step]:
    given = mapping(inner, "map")
    name = text(given.get("map"), "the name of a map").lstrip("@")
    return [*_needed(given.get("elem"), setting), Fill(name), *_doubtful(given.get("stmt"))]


def _meter(inner: object, setting: Setting) -> list[Step]:
    given = mapping(inner, "meter")
    return [*_needed(given.get("key"), setting), *(_doubtful([given.get("stmt")]))]


def _needed(element: object, setting: Setting) -> list[Expression]:
    """What the packet must have for its element to be made."""
    if isinstance(element, Mapping) and "elem" in element:
        element = mapping(element["elem"], "an element").get("val")
    parts = several(element, setting)
    guards = [guard for part in parts for guard in part.guards]
    return [*guards, *(Present(part.field) for part in parts)]


def _doubtful(statements: object) -> list[Step]:
    listed = statements if isinstance(statements, (list, tuple)) else [] if statements is None else [statements]
    if all(isinstance(item, Mapping) and set(item) <= {"counter", "last"} for item in listed):
        return []
    return [Depends("a limit of its own for each key: it depends on what came before")]


def _notrack(_: object, __: Setting) -> list[Step]:
    return [Untrack()]


def _xtables(inner: object, rest: Sequence[object]) -> Step:
    """A match or a target of xtables; nft tells of it no more than that, or its name."""
    kind, name = "", ""
    if isinstance(inner, Mapping):
        kind, name = label(inner.get("type"), 20), label(inner.get("name"), 40)
    if (kind, name) == ("match", "comment"):
        return Aside("a comment")
    reason = f"the {kind or 'match or target'} {name or 'of xtables'} is not shown by nft: ask iptables-save"
    ends = any(isinstance(one, Mapping) and set(one) & set(ENDS) for one in rest)
    return NotModelled(reason) if kind == "match" or (not kind and ends) else Beyond(reason)


def _unknown(inner: object, _: Setting) -> list[Step]:
    """What the parser of text did not understand."""
    why = inner.get("why", "") if isinstance(inner, Mapping) else ""
    raise NotUnderstood(label(why, 200) or "this part of the rule was not understood")


_READERS: Mapping[str, Callable[[object, Setting], list[Step]]] = {
    "match": _match,
    "mangle": mangle,
    "vmap": _vmap,
    "reject": _reject,
    "limit": _limit,
    "quota": _quota,
    "ct count": _count,
    "set": _set,
    "map": _map,
    "meter": _meter,
    "notrack": _notrack,
    "lish_unknown": _unknown,
}
