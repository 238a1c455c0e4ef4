"""Statements that do something with a packet: translate, log, reject, queue, copy (nft(8), STATEMENTS)."""

from __future__ import annotations

from collections.abc import Callable

from agent.firewall.nft.text_expressions import value
from agent.firewall.nft.text_stream import Stream
from agent.firewall.nft.text_tokens import Kind
from agent.firewall.nft.text_tree import Kinds, NotNft

_FLAGS = ("random", "fully-random", "persistent")
_LEVELS = {"err": "err", "error": "err", "warning": "warn", "panic": "emerg"}
_BEHIND_FAMILY = ("to", "addr", "prefix", "interval")  # else "ip" begins a selector: snat ip saddr map { ... }
_PROTOCOL = {"ip": "icmp", "ip6": "icmpv6"}


def _flags(stream: Stream, known: tuple[str, ...]) -> object | None:
    """``a,b``: one as a string, more as a list."""
    found: list[str] = []
    while stream.is_word(*known):
        found.append(stream.advance().text)
        stream.sign(",")
    if not found:
        return None
    return found[0] if len(found) == 1 else found


def _translation(name: str) -> Callable[[Stream], object]:
    """snat and dnat: ``dnat ip to 10.0.0.1:80 persistent``."""

    def read(stream: Stream) -> object:
        found: dict[str, object] = {}
        family = stream.word("ip", "ip6") if stream.next.text in _BEHIND_FAMILY else ""
        if family:
            found["family"] = family
        kinds: Kinds = ("address",)
        if stream.word("addr"):
            stream.need_sign(".")
            stream.need_word("port")
            kinds = ("address", "inet_service")
        elif stream.word("prefix"):
            found.update(flags="netmap", type_flags="prefix")
        else:
            stream.word("interval")
        stream.word("to")
        _destination(stream, found, kinds)
        flags = _flags(stream, _FLAGS)
        if flags is not None:
            found["flags"] = flags
        return {name: found}

    return read


def _destination(stream: Stream, found: dict[str, object], kinds: Kinds = ("address",)) -> None:
    """``address``, ``:port``, ``address:port``."""
    if not stream.is_sign(":"):
        found["addr"] = stream.values.json(
            value(stream),
            (*kinds, "inet_service"),
        )
    if stream.sign(":"):
        found["port"] = stream.values.json(value(stream), ("inet_service",))


def _local(name: str) -> Callable[[Stream], object]:
    """masquerade and redirect: ``redirect to :8080 random``."""

    def read(stream: Stream) -> object:
        found: dict[str, object] = {}
        if stream.word("to"):
            stream.sign(":")
            found["port"] = stream.values.json(value(stream), ("inet_service",))
        flags = _flags(stream, _FLAGS)
        if flags is not None:
            found["flags"] = flags
        return {name: found or None}

    return read


def _log(stream: Stream) -> object:
    found: dict[str, object] = {}
    flags: list[str] = []
    while stream.token.kind is Kind.WORD:
        if stream.word("prefix"):
            found["prefix"] = stream.string_or_variable()
        elif stream.is_word("group", "snaplen", "queue-threshold"):
            name = stream.advance().text
            found[name] = stream.number()
        elif stream.word("level"):
            level = stream.string_or_variable()
            found["level"] = _LEVELS.get(level, level)
        elif stream.word("flags"):
            flags += _log_flags(stream)
        else:
            break
    if found.get("level") == "warn":  # as it is where nothing is said
        del found["level"]
    if set(flags) == {"tcp sequence", "tcp options", "ip options", "skuid", "ether"}:
        flags = ["all"]
    if flags:
        found["flags"] = flags[0] if len(flags) == 1 else flags
    return {"log": found or None}


def _log_flags(stream: Stream) -> list[str]:
    name = stream.need_word("tcp", "ip", "skuid", "ether", "all")
    if name == "ip":
        stream.need_word("options")
        return ["ip options"]
    if name != "tcp":
        return [name]
    found = []
    while True:
        found.append(f"tcp {stream.need_word('sequence', 'options')}")
        if not stream.sign(","):
            return found


def _reject(stream: Stream) -> object:
    default = {"type": _PROTOCOL.get(stream.family, "icmpx"), "expr": "port-unreachable"}
    if not stream.word("with"):
        return {"reject": default}
    protocol = stream.need_word("icmp", "icmpv6", "icmpx", "tcp")
    if protocol == "tcp":
        stream.need_word("reset")
        return {"reject": {"type": "tcp reset"}}
    stream.word("type")
    if stream.token.kind is Kind.NUMBER:
        return {"reject": {"type": protocol, "expr": stream.number()}}
    return {"reject": {"type": protocol, "expr": stream.string_or_variable()}}


def _queue(stream: Stream) -> object:
    found: dict[str, object] = {}
    flags: list[object] = []

    def add() -> None:
        some = _flags(stream, ("bypass", "fanout"))
        flags.extend(some if isinstance(some, list) else [some] if some else [])

    add()
    if stream.word("flags"):
        add()
    if stream.word("num", "to"):
        found["num"] = stream.values.json(value(stream))
    add()
    if flags:
        found["flags"] = flags[0] if len(flags) == 1 else flags
    return {"queue": found or None}


def _tproxy(stream: Stream) -> object:
    found: dict[str, object] = {}
    family = stream.word("ip", "ip6")
    if family:
        found["family"] = family
    stream.need_word("to")
    _destination(stream, found)
    return {"tproxy": found}


def synproxy_options(stream: Stream, separated: bool = False) -> dict[str, object]:
    """``mss 1460 wscale 7 timestamp sack-perm``; in an object they may stand on lines of their own."""
    found: dict[str, object] = {}
    flags: list[str] = []
    while True:
        if stream.is_word("mss", "wscale"):
            name = stream.advance().text
            found[name] = stream.number()
        elif stream.is_word("timestamp", "sack-perm"):
            flags.append(stream.advance().text)
        elif separated and stream.at_separator() and stream.token.kind is not Kind.END:
            stream.advance()
        else:
            break
    if flags:
        found["flags"] = list(flags)
    return found


def _synproxy(stream: Stream) -> object:
    if stream.word("name"):
        return {"synproxy": stream.values.json(value(stream), ("string",))}
    return {"synproxy": synproxy_options(stream) or None}


def _duplicate(stream: Stream) -> object:
    stream.need_word("to")
    found = {"addr": stream.values.json(value(stream), ("address",))}
    if stream.word("device"):
        found["dev"] = stream.values.json(value(stream), ("ifname",))
    return {"dup": found}


def _forward(stream: Stream) -> object:
    family = stream.word("ip", "ip6")
    stream.need_word("to")
    first = stream.values.json(value(stream), ("",))
    if not family:
        return {"fwd": {"dev": first}}
    stream.need_word("device")
    return {"fwd": {"dev": stream.values.json(value(stream), ("ifname",)), "family": family, "addr": first}}


def _reset(stream: Stream) -> object:
    """Takes an option out of a TCP header."""
    for word in ("tcp", "option"):
        stream.need_word(word)
    if stream.token.kind is Kind.NUMBER:
        return {"reset": {"tcp option": {"base": stream.number(), "offset": 0, "len": 0}}}
    return {"reset": {"tcp option": {"name": stream.string()}}}


def _xt(stream: Stream) -> object:
    """A match or target of xtables that nft can't print: only its name is known."""
    kind = stream.need_word("match", "target", "watcher")
    return {"xt": {"type": kind, "name": stream.string()}}


def _tunnel(stream: Stream) -> object:
    stream.need_word("name")
    return {"tunnel": stream.values.json(value(stream), ("string",))}


def _notrack(stream: Stream) -> object:
    return {"notrack": None}


def _fullcone(stream: Stream) -> object:
    raise NotNft("a statement of a changed nft", refused=False)


ACTIONS: dict[str, Callable[[Stream], object]] = {
    "snat": _translation("snat"),
    "dnat": _translation("dnat"),
    "masquerade": _local("masquerade"),
    "redirect": _local("redirect"),
    "log": _log,
    "reject": _reject,
    "queue": _queue,
    "tproxy": _tproxy,
    "synproxy": _synproxy,
    "dup": _duplicate,
    "fwd": _forward,
    "reset": _reset,
    "xt": _xt,
    "tunnel": _tunnel,
    "notrack": _notrack,
    "fullcone": _fullcone,
}
