"""Rules in nft's text: comparisons, verdicts, and what changes or remembers something (nft(8), STATEMENTS)."""

from __future__ import annotations

from collections.abc import Callable

from agent.firewall.nft.text_actions import ACTIONS
from agent.firewall.nft.text_expressions import (
    VERDICTS,
    concatenation,
    mapping,
    options,
    row,
    set_name,
    value,
    verdict,
)
from agent.firewall.nft.text_fields import BITMASKS
from agent.firewall.nft.text_limits import connections, counted, element_statements, last, quota, rate
from agent.firewall.nft.text_stream import Stream, Written
from agent.firewall.nft.text_tokens import Kind
from agent.firewall.nft.text_tree import Kinds, NotNft, Selector, Tree, flags_of, kinds_of

_COMPARISONS = frozenset({"==", "!=", "<", ">", "<=", ">=", "!"})
_NAMED = ("ct helper", "ct timeout", "ct expectation")


def statements(stream: Stream) -> tuple[list[object], str]:
    """The statements of a rule up to its end, and its comment. What isn't understood becomes ``lish_unknown``."""
    found: list[object] = []
    open_braces, depth = stream.open, stream.depth
    while not stream.at_separator() and not stream.is_sign("}"):
        if stream.is_word("comment"):
            stream.advance()
            comment = stream.string()
            if not stream.at_separator() and not stream.is_sign("}"):
                stream.problem(comment, str(stream.unexpected("the end of the rule")))
                skip(stream, open_braces)
            return found, comment
        start, line = stream.token, stream.line
        try:
            found.append(statement(stream))
        except NotNft as problem:
            skip(stream, open_braces)
            stream.recover(depth)
            text = stream.text_since(start)
            found.append({"lish_unknown": {"text": text, "why": problem.why}})
            if problem.refused:
                stream.problem(text, problem.why, line=line)
            break
    return found, ""


def skip(stream: Stream, open_braces: int) -> None:
    """To the end of a statement that began where so many braces were open."""
    while stream.token.kind is not Kind.END:
        if stream.open <= open_braces and (stream.at_separator() or stream.is_sign("}")):
            return
        stream.advance()


def statement(stream: Stream) -> object:
    token = stream.token
    if token.kind is Kind.WORD:
        if token.text in VERDICTS:
            return _verdict(stream)
        known = _STATEMENTS.get(token.text)
        if known is not None:
            stream.advance()
            return known(stream)
        if token.text == "ct":
            special = _conntrack(stream)
            if special is not None:
                return special
    return _comparison(stream)


def _verdict(stream: Stream) -> object:
    if stream.next.kind is not Kind.SIGN or stream.next.text != "{":
        return verdict(stream)
    action = stream.need_word("jump", "goto")
    return {action: {"target": _inner_chain(stream)}}


def _inner_chain(stream: Stream) -> str:
    """``{ rules }`` in the place of a chain's name. It gets a name as the kernel gives them."""
    name = f"__chain{len(stream.inner)}"
    rules: list[Written] = []
    stream.inner[name] = rules
    stream.need_sign("{")
    stream.deeper()
    while not stream.sign("}"):
        if stream.token.kind is Kind.END:
            stream.unclosed()
            break
        if stream.at_separator():
            stream.advance()
        else:
            rules.append(written(stream))
    stream.shallower()
    return name


def written(stream: Stream) -> Written:
    """A rule as it is written."""
    start, line = stream.token, stream.line
    found, comment = statements(stream)
    return Written(found, comment, stream.text_since(start), line)


def _conntrack(stream: Stream) -> object | None:
    """``ct count`` and ``ct helper set``; None where ct is compared or set like others."""
    name = f"ct {stream.next.text}"
    if name == "ct count":
        stream.advance()
        return {name: connections(stream)}
    if name not in _NAMED:
        return None
    stream.advance()
    if name == "ct helper" and stream.next.text != "set":
        stream.advance()
        return _compared(stream, Selector({"ct": {"key": "helper"}}, "string"))
    stream.advance()
    stream.need_word("set")
    return {name: stream.values.json(value(stream), ("string",))}


def _comparison(stream: Stream) -> object:
    """``tcp dport 22``, and what else begins with a selector."""
    start = stream.token
    left = concatenation(stream, selectors=True)
    kinds = kinds_of(left)
    if kinds == ("",):
        raise NotNft(f"{start.text[:40]!r} begins no statement")
    return _compared(stream, left)


def _compared(stream: Stream, left: Tree) -> object:
    kinds = kinds_of(left)
    if stream.word("vmap"):
        return {"vmap": stream.values.mapped(left, mapping(stream), ("",))}
    if stream.word("set"):
        return _set_to(stream, left, kinds)
    if stream.is_word("map"):
        stream.advance()
        left = {"map": [left, mapping(stream)]}
    stream.classid = kinds[0] == "classid"
    stream.masks = kinds[0] in BITMASKS
    operator = ""
    if stream.token.kind is Kind.SIGN and stream.token.text in _COMPARISONS:
        operator = stream.advance().text
    right = row(stream)
    json: object = stream.values.json(left, kinds)
    if stream.masks and stream.sign("/"):
        json = {"&": [json, stream.values.json(row(stream), kinds)]}
        operator = operator or "=="
    stream.classid = stream.masks = False
    named = isinstance(right, str) or (isinstance(right, dict) and "set" in right)
    if not operator:
        operator = "in" if kinds[0] in BITMASKS and len(kinds) == 1 and not named else "=="
    found = stream.values.json(right, kinds)
    if kinds[0] in BITMASKS and not named:
        found = flags_of(found)
        if isinstance(json, dict) and isinstance(json.get("&"), list):
            json = {"&": [flags_of(part) for part in json["&"]]}
    return {"match": {"op": operator, "left": json, "right": found}}


def _set_to(stream: Stream, left: Tree, kinds: Kinds) -> object:
    stream.classid = kinds[0] == "classid"
    right = value(stream)
    stream.classid = False
    if isinstance(left, Selector) and left.json == {"meta": {"key": "secmark"}}:
        return {"secmark": stream.values.json(right, ("string",))}
    return {"mangle": {"key": stream.values.json(left, kinds), "value": stream.values.json(right, kinds)}}


def _counter(stream: Stream) -> object:
    if stream.word("name"):
        return {"counter": _name(stream)}
    return {"counter": counted(stream) or None}


def _limit(stream: Stream) -> object:
    return {"limit": _name(stream) if stream.word("name") else rate(stream)}


def _quota(stream: Stream) -> object:
    return {"quota": _name(stream) if stream.word("name") else quota(stream)}


def _last(stream: Stream) -> object:
    return {"last": last(stream)}


def _name(stream: Stream) -> object:
    """An object by its name, or by a map that names one."""
    return stream.values.json(value(stream), ("string",))


def _fill(operation: str) -> Callable[[Stream], object]:
    """``add @set { key timeout 5m limit rate ... }``; with ``key : data`` into a map."""

    def read(stream: Stream) -> object:
        stream.need_sign("@")
        name = set_name(stream)
        stream.need_sign("{")
        key, extra, filling = _key(stream)
        if stream.sign(":"):
            data = stream.values.json(value(stream))
            stream.need_sign("}")
            found: dict[str, object] = {"op": operation, "elem": _element(key, extra), "data": data, "map": name}
            return {"map": found | ({"stmt": filling} if filling else {})}
        stream.need_sign("}")
        found = {"op": operation, "elem": _element(key, extra), "set": name}
        if filling:
            found["stmt"] = filling
        return {"set": found}

    return read


def _key(stream: Stream) -> tuple[object, dict[str, object], list[dict[str, object]]]:
    """The key of an element that a rule makes, its options, and the statements that it gets."""
    tree = concatenation(stream, selectors=True)
    extra = options(stream, statements=False)
    return stream.values.json(tree, kinds_of(tree)), extra, element_statements(stream)


def _element(key: object, extra: dict[str, object]) -> object:
    return {"elem": {"val": key, **extra}} if extra else key


def _set(stream: Stream) -> object:
    """The old order: ``set add key @set``."""
    operation = stream.need_word("add", "update", "delete")
    tree = concatenation(stream, selectors=True)
    key = stream.values.json(tree, kinds_of(tree))
    extra = options(stream, statements=False)
    stream.need_sign("@")
    return {"set": {"op": operation, "elem": _element(key, extra), "set": set_name(stream)}}


def _meter(stream: Stream) -> object:
    """``meter name size 65535 { key limit ... }``, and ``flow table name { ... }`` of old."""
    name = stream.identifier()
    stream.meters.add(name)
    size = stream.number() if stream.word("size") else None
    stream.need_sign("{")
    key, extra, filling = _key(stream)
    if len(filling) != 1:
        filling.append({"lish_unknown": {"text": "", "why": "a meter without one statement"}})
    stream.need_sign("}")
    found: dict[str, object] = {"key": _element(key, extra), "stmt": filling[0]}
    if size is not None:
        found["size"] = size
    found["name"] = name
    return {"meter": found}


def _flow(stream: Stream) -> object:
    if stream.word("table"):
        return _meter(stream)
    stream.need_word("add", "offload")
    stream.need_sign("@")
    return {"flow": {"op": "add", "flowtable": set_name(stream)}}


_STATEMENTS: dict[str, Callable[[Stream], object]] = {
    **ACTIONS,
    "counter": _counter,
    "limit": _limit,
    "quota": _quota,
    "last": _last,
    "add": _fill("add"),
    "update": _fill("update"),
    "delete": _fill("delete"),
    "destroy": _fill("destroy"),
    "set": _set,
    "meter": _meter,
    "flow": _flow,
}
