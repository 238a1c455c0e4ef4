"""Sets, maps, flowtables, counters and other named objects in nft's text (nft(8), SETS, MAPS, STATEFUL OBJECTS)."""

from __future__ import annotations

from collections.abc import Callable

from agent.firewall.nft.text_actions import synproxy_options
from agent.firewall.nft.text_draft import Json, SetDraft, TableDraft
from agent.firewall.nft.text_expressions import braces, concatenation, duration
from agent.firewall.nft.text_limits import counted, element_statements, quota, rate
from agent.firewall.nft.text_stream import Stream
from agent.firewall.nft.text_tokens import Kind
from agent.firewall.nft.text_tree import Kinds, NotNft, Tree, kinds_of

_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")
_SET_FLAGS = ("constant", "interval", "timeout", "dynamic")
_STATEFUL = ("counter", "limit", "quota", "ct", "last")


def set_line(stream: Stream, draft: SetDraft) -> None:
    """One line within the block of a set or a map."""
    if stream.is_word(*_STATEFUL):
        draft.json["stmt"] = [_for_each(item) for item in element_statements(stream)]
        return
    name = stream.need_any_word("a property of the set")
    json = draft.json
    if name == "type":
        _typed(draft, _types(stream), _types(stream) if stream.sign(":") else None)
    elif name == "typeof":
        _typed(draft, _typeof(stream), _typeof(stream) if stream.sign(":") else None)
    elif name == "flags":
        json["flags"] = _list(stream, _SET_FLAGS)
    elif name in ("timeout", "gc-interval"):
        json[name] = duration(stream)
        if name == "timeout":  # nft -j says so
            json.setdefault("flags", ["timeout"])
    elif name == "size":
        json["size"] = stream.number()
    elif name == "policy":
        json["policy"] = stream.need_word("performance", "memory")
        if json["policy"] == "performance":  # as it is where nothing is said
            del json["policy"]
    elif name == "auto-merge":
        json["auto-merge"] = True
        stream.parted = True
    elif name == "comment":
        json["comment"] = stream.string()
    elif name == "elements":
        stream.need_sign("=")
        draft.add(elements(stream, draft))
        stream.parted = True
    else:
        raise NotNft(f"{name[:40]!r} is no property of a set")


def _for_each(statement: Json) -> Json:
    """A statement that each element of a set gets: counters begin at nothing."""
    return {name: None if name == "counter" else value for name, value in statement.items()}


def new_set(table: TableDraft, word: str, name: str) -> SetDraft:
    return SetDraft(word, table.heading(name))


def elements(stream: Stream, draft: SetDraft) -> list[object]:
    """``{ ... }`` or a variable, as elements of this set."""
    tree: Tree
    stream.classid = "classid" in (*draft.kinds, *draft.data)
    if stream.sign("$"):
        tree = stream.variable(stream.identifier())
    else:
        tree = braces(stream)
    stream.classid = False
    if not isinstance(tree, dict) or "set" not in tree:
        tree = {"set": [tree]}
    found = stream.values.json(tree, draft.kinds, draft.data)
    rows = found.get("set") if isinstance(found, dict) else None
    return rows if isinstance(rows, list) else []


def _object_kind(stream: Stream) -> Kinds:
    """A map may give named objects: ``: counter``, ``: ct helper``; empty for values."""
    if stream.is_word("ct") and stream.next.text in ("helper", "timeout", "expectation"):
        stream.advance()
        return (f"ct {stream.advance().text}",)
    word = stream.word("counter", "quota", "limit", "secmark", "synproxy", "tunnel", "verdict")
    return (word,) if word else ()


def _types(stream: Stream) -> Kinds:
    stream.word("interval")
    named = _object_kind(stream)
    if named:
        return named
    found = [stream.need_any_word("a type")]
    while stream.sign("."):
        found.append(stream.need_any_word("a type"))
    return tuple(found)


def _typeof(stream: Stream) -> Kinds:
    stream.word("interval")
    named = _object_kind(stream)
    if named:
        return named
    return kinds_of(concatenation(stream, selectors=True))


def _typed(draft: SetDraft, kinds: Kinds, data: Kinds | None) -> None:
    draft.kinds = kinds
    draft.json["type"] = kinds[0] if len(kinds) == 1 else list(kinds)
    if data is not None:
        draft.data = data
        draft.json["map"] = " . ".join(data)


def _list(stream: Stream, known: tuple[str, ...]) -> list[str]:
    found = [stream.need_word(*known)]
    while stream.sign(","):
        found.append(stream.need_word(*known))
    return found


# --- flowtables ---


def flowtable_line(stream: Stream, json: Json) -> None:
    name = stream.need_any_word("a property of the flowtable")
    if name == "hook":
        json["hook"] = stream.need_any_word("a hook")
        json["prio"] = priority(stream, "netdev", "ingress")
    elif name == "devices":
        stream.need_sign("=")
        json["dev"] = devices(stream)
    elif name == "flags":
        json["flags"] = [stream.need_word("offload")]
    elif name == "counter":
        stream.parted = True
    else:
        raise NotNft(f"{name[:40]!r} is no property of a flowtable")


_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_BRIDGE = {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}


_AT = {"dstnat": ("prerouting", "output"), "srcnat": ("postrouting", "input")}  # where these names are known


def priority(stream: Stream, family: str, hook: str) -> int:
    """``priority filter + 10`` as a number (nft(8), table of priority names)."""
    stream.need_word("priority")
    if stream.sign("$"):
        tree = stream.variable(stream.identifier())
        if isinstance(tree, int):
            return tree
        token = getattr(tree, "text", None)
        if not isinstance(token, str):
            raise NotNft("the variable is no priority")
        return _named(token, family, hook)
    negative = stream.sign("-")
    if stream.token.kind is Kind.NUMBER:
        return -stream.number() if negative else stream.number()
    base = _named(stream.need_any_word("a priority"), family, hook)
    if stream.sign("+"):
        return base + stream.number()
    if stream.sign("-"):
        return base - stream.number()
    return base


def _named(name: str, family: str, hook: str) -> int:
    if name.isdecimal() and len(name) < 12:
        return int(name)
    known = _BRIDGE if family == "bridge" else _PRIORITIES
    if name not in known:
        raise NotNft(f"{name[:40]!r} is no name of a priority")
    if family != "bridge" and hook not in _AT.get(name, hook):
        raise NotNft(f"{name} is no priority at hook {hook}")
    return known[name]


def devices(stream: Stream) -> list[str]:
    """``{ eth0, "eth1" }``, ``$wan``, or one name."""
    tree: Tree = braces(stream) if stream.is_sign("{") else concatenation(stream, selectors=False)
    rows = tree.get("set") if isinstance(tree, dict) else [tree]
    found = [getattr(row, "text", None) for row in (rows if isinstance(rows, list) else [])]
    if any(not isinstance(name, str) for name in found):
        raise NotNft("this is no name of a device")
    return [name for name in found if isinstance(name, str)]


# --- named objects ---


def _counter(stream: Stream, json: Json) -> None:
    json.update({"packets": 0, "bytes": 0, **counted(stream)})


def _quota(stream: Stream, json: Json) -> None:
    json.update(quota(stream, declared=True))


def _limit(stream: Stream, json: Json) -> None:
    json.update(rate(stream, declared=True))


def _secmark(stream: Stream, json: Json) -> None:
    json["context"] = stream.string()


def _synproxy(stream: Stream, json: Json) -> None:
    json.update(synproxy_options(stream, separated=True))


def _helper(stream: Stream, json: Json) -> None:
    if stream.word("type"):
        json["type"] = stream.string()
        stream.need_word("protocol")
        json["protocol"] = stream.need_word("tcp", "udp")
    else:
        stream.need_word("l3proto")
        json["l3proto"] = stream.need_word(*_FAMILIES)


def _timeout(stream: Stream, json: Json) -> None:
    name = stream.need_word("protocol", "l3proto", "policy")
    if name == "protocol":
        json[name] = stream.need_word("tcp", "udp")
    elif name == "l3proto":
        json[name] = stream.need_word(*_FAMILIES)
    else:
        stream.need_sign("=")
        json[name] = _states(stream)


def _states(stream: Stream) -> Json:
    """``{ established : 100, close : 20 }``, in seconds."""
    stream.need_sign("{")
    found: Json = {}
    stream.newlines()
    while not stream.is_sign("}"):
        state = stream.need_any_word("a state")
        stream.need_sign(":")
        found[state] = duration(stream)
        stream.newlines()
        if not stream.sign(","):
            break
        stream.newlines()
    stream.need_sign("}")
    return found


def _expectation(stream: Stream, json: Json) -> None:
    name = stream.need_word("protocol", "l3proto", "dport", "timeout", "size")
    if name == "protocol":
        json[name] = stream.need_word("tcp", "udp")
    elif name == "l3proto":
        json[name] = stream.need_word(*_FAMILIES)
    elif name == "timeout":
        json[name] = duration(stream, unit=1)
    else:
        json[name] = stream.number()


OBJECTS: dict[str, Callable[[Stream, Json], None]] = {
    "counter": _counter,
    "quota": _quota,
    "limit": _limit,
    "secmark": _secmark,
    "synproxy": _synproxy,
    "ct helper": _helper,
    "ct timeout": _timeout,
    "ct expectation": _expectation,
}


# their last line needs no semicolon before the brace
UNPARTED = frozenset({"counter", "quota", "limit", "secmark", "synproxy"})


def object_line(stream: Stream, word: str, json: Json) -> None:
    """One line within the block of an object, or the words behind its name."""
    if stream.word("comment"):
        json["comment"] = stream.string()
    else:
        OBJECTS[word](stream, json)
