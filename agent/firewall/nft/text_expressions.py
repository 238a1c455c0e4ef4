"""Expressions in nft's text: values, ranges, prefixes, concatenations, sets and maps, as trees (text_tree.py)."""

from __future__ import annotations

import re

from agent.firewall.nft.text_limits import element_statements
from agent.firewall.nft.text_selectors import selector, starts
from agent.firewall.nft.text_stream import Stream
from agent.firewall.nft.text_tokens import Kind, milliseconds
from agent.firewall.nft.text_tree import NotNft, Tree

_LEVELS = (("|",), ("^",), ("&",), ("<<", ">>"))  # weakest first
_OPERATORS = frozenset(sign for level in _LEVELS for sign in level)
_VALUES = frozenset({Kind.WORD, Kind.QUOTED, Kind.NUMBER, Kind.TIME, Kind.ADDRESS})
_MAX_CHAIN = 64
_ONE = "[0-9a-fA-F]{1,4}:[0-9a-fA-F]{1,4}"
_CLASSID = re.compile(f"{_ONE}(?:-{_ONE})?")  # 1:10, a class of tc(8)
VERDICTS = frozenset({"accept", "drop", "continue", "return", "jump", "goto"})


def concatenation(stream: Stream, selectors: bool) -> Tree:
    """``a . b . c``. With ``selectors``, ``tcp dport`` is read from the packet; without, ``tcp`` is a constant."""
    first = _piece(stream, selectors)
    if not stream.is_sign("."):
        return first
    parts = [first]
    while stream.sign("."):
        parts.append(_piece(stream, selectors))
        if len(parts) > _MAX_CHAIN:
            raise NotNft("a concatenation of too many parts")
    whole: list[Tree] = []
    for part in parts:
        inner = part.get("concat") if isinstance(part, dict) else None
        whole += inner if isinstance(inner, list) else [part]
    return {"concat": whole}


def _piece(stream: Stream, selectors: bool) -> Tree:
    """One value, a range or a prefix."""
    low = _binary(stream, selectors, 0)
    if stream.token.kind is not Kind.SIGN:
        return low
    if stream.sign("-"):
        return {"range": [low, _binary(stream, selectors, 0)]}
    if stream.is_sign("/") and stream.next.kind is Kind.NUMBER and not stream.masks:
        stream.advance()
        return {"prefix": {"addr": low, "len": stream.number()}}
    return low


def _binary(stream: Stream, selectors: bool, level: int) -> Tree:
    left = _primary(stream, selectors)
    if stream.token.kind is not Kind.SIGN or stream.token.text not in _OPERATORS:
        return left
    return _operations(stream, selectors, left, 0)


def _operations(stream: Stream, selectors: bool, left: Tree, level: int) -> Tree:
    """The operators that bind as tightly as ``level`` or more, behind a first operand."""
    count = 0
    while stream.token.kind is Kind.SIGN and stream.token.text in _OPERATORS:
        sign = stream.token.text
        own = next(place for place, signs in enumerate(_LEVELS) if sign in signs)
        if own < level:
            break
        count += 1
        if count > _MAX_CHAIN:
            raise NotNft("nested too deeply")
        stream.advance()
        right = _primary(stream, selectors)
        right = _operations(stream, selectors, right, own + 1)
        left = {sign: [left, right]}
    return left


def _primary(stream: Stream, selectors: bool) -> Tree:
    token = stream.token
    if token.kind in _VALUES:
        if selectors and starts(stream):
            return selector(stream)
        if stream.classid and token.kind in (Kind.WORD, Kind.NUMBER):
            found = stream.take(_CLASSID)
            if found:
                low, _, high = found.partition("-")
                return {"range": [low, high]} if high else low
        return stream.advance()
    if token.kind is not Kind.SIGN:
        raise stream.unexpected("a value")
    if token.text == "$":
        stream.advance()
        return stream.variable(stream.identifier())
    if token.text == "@":
        if selectors and starts(stream):
            return selector(stream)
        stream.advance()
        return set_name(stream)
    if token.text == "*":
        stream.advance()
        return "*"
    if token.text in ("(", "["):
        stream.advance()
        stream.deeper()
        inner = _piece(stream, selectors) if token.text == "[" else _binary(stream, selectors, 0)
        stream.need_sign(")" if token.text == "(" else "]")
        stream.shallower()
        return inner
    raise stream.unexpected("a value")


def set_name(stream: Stream) -> str:
    """A set by its name, behind the ``@``."""
    line, name = stream.line, stream.identifier()
    stream.used.append(("set", name, line))
    return f"@{name}"


def row(stream: Stream) -> Tree:
    """The right side of a comparison: a value, ``a,b``, a set or the name of one."""
    if stream.is_sign("{"):
        return braces(stream)
    first = concatenation(stream, selectors=False)
    if not stream.is_sign(","):
        return first
    values = [first]
    while stream.sign(","):
        values.append(_piece(stream, selectors=False))
    return values


def initial(stream: Stream) -> Tree:
    """What ``define`` gives to a name."""
    if stream.is_sign("-"):
        stream.advance()
        return -stream.number()
    if starts(stream):  # newer releases of nft know this
        return concatenation(stream, selectors=True)
    return row(stream)


def value(stream: Stream) -> Tree:
    """What a statement sets, or translates to: anything, with a map where the value is looked up."""
    stream.deeper()
    first = concatenation(stream, selectors=True)
    if stream.is_word("map"):
        return mapped(stream, first)
    stream.shallower()
    if not stream.is_sign(",") or stream.next.text in ("random", "fully-random", "persistent"):
        return first
    values = [first]
    while stream.sign(","):
        values.append(_binary(stream, True, 0))
    return values


def mapped(stream: Stream, key: Tree) -> Tree:
    """``key map { ... }``; the key has been read."""
    stream.need_word("map")
    found = mapping(stream)
    stream.shallower()
    return {"map": [key, found]}


def mapping(stream: Stream) -> Tree:
    """The map behind ``map`` and ``vmap``: in braces, by name, or a variable."""
    if stream.is_sign("{"):
        return braces(stream)
    if stream.is_sign("@") or stream.is_sign("$"):
        return _primary(stream, selectors=False)
    raise stream.unexpected("a map")


def braces(stream: Stream) -> dict[str, object]:
    """``{ a, b-c, d : data }``, over as many lines as it likes."""
    stream.need_sign("{")
    stream.deeper()
    masks, stream.masks = stream.masks, False
    found: list[Tree] = []
    stream.newlines()
    while not stream.is_sign("}"):
        item = _element(stream)
        inner = item.get("set") if isinstance(item, dict) else None
        if isinstance(inner, list):
            found += inner
        elif isinstance(item, list):
            raise NotNft("a list within a set", refused=False)
        else:
            found.append(item)
        stream.newlines()
        if not stream.sign(","):
            break
        stream.newlines()
    stream.need_sign("}")
    stream.masks = masks
    stream.shallower()
    return {"set": found}


def _element(stream: Stream) -> Tree:
    key: Tree = braces(stream) if stream.is_sign("{") else concatenation(stream, selectors=False)
    if stream.is_sign(",") or stream.is_sign("}"):
        return key
    extra = options(stream)
    stream.newlines()
    if not stream.sign(":"):
        return {"elem": {"val": key, **extra}} if extra else key
    stream.newlines()
    data = verdict(stream) if _is_verdict(stream) else concatenation(stream, selectors=False)
    extra.update(options(stream))
    return {"pair": [{"elem": {"val": key, **extra}} if extra else key, data]}


def options(stream: Stream, statements: bool = True) -> dict[str, object]:
    """What an element may have besides its key; in a rule, ``statements`` are not part of it."""
    found: dict[str, object] = {}
    while stream.token.kind is Kind.WORD:
        if stream.word("timeout"):
            found["timeout"] = duration(stream)
        elif stream.word("expires"):
            found["expires"] = duration(stream)
        elif stream.word("comment"):
            found["comment"] = stream.string()
        else:
            filling = element_statements(stream) if statements else []
            if not filling:
                break
            for statement in filling:
                found.update(statement)
    return found


def duration(stream: Stream, unit: int = 1000) -> int:
    """A time in whole seconds, or with ``unit`` 1 in milliseconds."""
    token = stream.token
    if token.kind not in (Kind.TIME, Kind.NUMBER):
        raise stream.unexpected("a time")
    stream.advance()
    return milliseconds(token.text) // unit


def _is_verdict(stream: Stream) -> bool:
    return stream.token.kind is Kind.WORD and stream.token.text in VERDICTS


def verdict(stream: Stream) -> dict[str, object]:
    """``accept``, ``jump chain`` ..."""
    action = stream.advance().text
    if action not in ("jump", "goto"):
        return {action: None}
    if stream.sign("$"):
        target: object = stream.variable(stream.identifier())
        target = getattr(target, "text", target)
        if not isinstance(target, str):
            raise NotNft("this is no name of a chain")
    else:
        target = stream.identifier()
    stream.used.append(("chain", target, stream.line))
    return {action: {"target": target}}
