"""Statements of nft's JSON in nft's own words: ``log prefix "x" level warn``, ``dnat ip to 192.0.2.1:80``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.firewall.nft.render_reads import SHORT, mapping, plain, word
from agent.firewall.nft.render_values import Style, duration, lookup, style, value
from agent.firewall.nft.values import label

_FLAG_ORDER = ("random", "fully-random", "persistent")


def words(name: str, inner: object) -> str:
    """A statement that has no form of its own here."""
    if name == "lish_unknown" and isinstance(inner, Mapping) and isinstance(inner.get("text"), str):
        return plain(str(inner["text"]), 300)
    return plain(name, 60) if inner is None else f"{plain(name, 60)} {SHORT}"


def _named(inner: object, word: str) -> str:
    """A reference to an object of the table: ``counter name "c"``."""
    if isinstance(inner, str):
        return f'{word} name "{inner}"'
    return f"{word} name {value(inner, Style('quoted'))}"


def _verdict(name: str) -> Callable[[object], str]:
    return lambda inner: f"{name} {word(mapping(inner), 'target')}" if name in ("jump", "goto") else name


def _counter(inner: object) -> str:
    given = mapping(inner)
    if isinstance(inner, str) or "map" in given:
        return _named(inner, "counter")
    if not given:
        return "counter"
    return f"counter packets {word(given, 'packets')} bytes {word(given, 'bytes')}"


def limit(inner: object) -> str:
    """``limit rate over 10/minute burst 3 packets``; the usual burst is not printed."""
    given = mapping(inner)
    if isinstance(inner, str) or "map" in given:
        return _named(inner, "limit")
    over = "over " if given.get("inv") is True else ""
    unit = label(given.get("rate_unit", "packets"))
    rate = word(given, "rate") + ("" if unit == "packets" else f" {unit}")
    found = f"limit rate {over}{rate}/{word(given, 'per')}"
    burst, of = given.get("burst", 5), given.get("burst_unit", "packets")
    if (unit == "packets" and burst != 5) or (unit != "packets" and burst):
        found += f" burst {word(given, 'burst')} {plain(str(of), 20) if isinstance(of, str) else SHORT}"
    return found


def _quota(inner: object) -> str:
    given = mapping(inner)
    if isinstance(inner, str) or "map" in given:
        return _named(inner, "quota")
    found = f"quota {'over ' if given.get('inv') is True else ''}{word(given, 'val')} {word(given, 'val_unit')}"
    return f"{found} used {word(given, 'used')} {word(given, 'used_unit')}" if given.get("used") else found


def _count(inner: object) -> str:
    given = mapping(inner)
    return f"ct count {'over ' if given.get('inv') is True else ''}{word(given, 'val')}"


def _log(inner: object) -> str:
    given = mapping(inner)
    found = "log"
    if isinstance(given.get("prefix"), str):
        found += f' prefix "{given["prefix"]}"'
    for name in ("group", "snaplen", "queue-threshold", "level"):
        if name in given:
            found += f" {name} {word(given, name)}"
    flags = given.get("flags")
    listed = [one for one in (flags if isinstance(flags, (list, tuple)) else [flags]) if isinstance(one, str)]
    tcp = ",".join(one[4:] for one in listed if one.startswith("tcp "))
    others = [one for one in listed if not one.startswith("tcp ")]
    return found + (f" flags tcp {tcp}" if tcp else "") + "".join(f" flags {one}" for one in others)


def _reject(inner: object) -> str:
    given = mapping(inner)
    kind, code = given.get("type"), given.get("expr")
    if kind is None or (kind == "icmpx" and code == "port-unreachable"):
        return "reject"
    return f"reject with {word(given, 'type')}" + ("" if code is None else f" {word(given, 'expr')}")


def _flags(given: Mapping[object, object]) -> str:
    flags = given.get("flags")
    listed = [one for one in (flags if isinstance(flags, (list, tuple)) else [flags]) if isinstance(one, str)]
    shown = [one for one in listed if one != "netmap"]
    return " " + ",".join(shown) if shown else ""


def _translation(name: str) -> Callable[[object], str]:
    def write(inner: object) -> str:
        given = mapping(inner)
        address, port = given.get("addr"), given.get("port")
        family = f" {word(given, 'family')}" if "family" in given else ""
        prefix = " prefix" if given.get("type_flags") == "prefix" else ""
        if address is None and port is None:
            return f"{name}{_flags(given)}"
        shown = "" if address is None else _address(address, port is not None)
        return f"{name}{family}{prefix} to {shown}{'' if port is None else ':' + value(port, Style())}{_flags(given)}"

    return write


def _address(item: object, with_port: bool) -> str:
    shown = value(item, Style())
    if with_port and ":" in shown and not isinstance(item, Mapping):
        return f"[{shown}]"
    if with_port and isinstance(item, Mapping) and "range" in item and ":" in shown:
        return "-".join(f"[{one}]" for one in shown.split("-"))
    return shown


def _mangle(inner: object) -> str:
    given = mapping(inner)
    key = given.get("key")
    how = style(key)
    found = given.get("value")
    commas = Style(how.kind, how.flags, commas=isinstance(found, (list, tuple)))
    return f"{value(key, Style())} set {value(found, commas)}"


def _set(inner: object) -> str:
    given = mapping(inner)
    shown = value(given.get("elem"), Style())
    kept = given.get("stmt")
    for item in kept if isinstance(kept, (list, tuple)) else [] if kept is None else [kept]:
        shown += f" {_inner(item)}"
    return f"{word(given, 'op')} {word(given, 'set')} {{ {shown} }}"


def _inner(item: object) -> str:
    """A statement within another."""
    if isinstance(item, Mapping) and len(item) == 1:
        ((name, inner),) = item.items()
        writer = {"counter": _counter, "limit": limit, "quota": _quota, "ct count": _count}.get(label(name))
        return writer(inner) if writer else words(label(name), inner)
    return SHORT


def _meter(inner: object) -> str:
    given = mapping(inner)
    size = f" size {word(given, 'size')}" if "size" in given else ""
    key = value(given.get("key"), Style())
    return f"meter {word(given, 'name')}{size} {{ {key} {_inner(given.get('stmt'))} }}"


def _tproxy(inner: object) -> str:
    return _translation("tproxy")(inner)


def _queue(inner: object) -> str:
    given = mapping(inner)
    flags = given.get("flags")
    listed = [one for one in (flags if isinstance(flags, (list, tuple)) else [flags]) if isinstance(one, str)]
    shown = f" flags {','.join(listed)}" if listed else ""
    return f"queue{shown}" + (f" to {value(given['num'], Style())}" if "num" in given else "")


def _duplicate(inner: object) -> str:
    given = mapping(inner)
    found = "dup" + (f" to {value(given['addr'], Style())}" if "addr" in given else "")
    return found + (f" device {value(given['dev'], Style('quoted'))}" if "dev" in given else "")


def _forward(inner: object) -> str:
    given = mapping(inner)
    if "addr" in given:
        device = value(given.get("dev"), Style("quoted"))
        return f"fwd {word(given, 'family')} to {value(given['addr'], Style())} device {device}"
    return f"fwd to {value(given.get('dev'), Style('quoted'))}"


def _xtables(inner: object) -> str:
    given = mapping(inner)
    return f'xt {word(given, "type")} "{word(given, "name")}"' if given else "xt (of iptables: not shown by nft)"


STATEMENTS: Mapping[str, Callable[[object], str]] = {
    **{name: _verdict(name) for name in ("accept", "drop", "return", "continue", "jump", "goto")},
    "counter": _counter,
    "limit": limit,
    "quota": _quota,
    "ct count": _count,
    "log": _log,
    "reject": _reject,
    **{name: _translation(name) for name in ("dnat", "snat", "redirect", "masquerade")},
    "mangle": _mangle,
    "vmap": lambda inner: lookup(inner, "vmap", Style()),
    "set": _set,
    "map": _set,
    "meter": _meter,
    "tproxy": _tproxy,
    "queue": _queue,
    "dup": _duplicate,
    "fwd": _forward,
    "notrack": lambda _: "notrack",
    "reset": lambda inner: f"reset {value(inner, Style())}",
    "flow": lambda inner: f"flow add {word(mapping(inner), 'flowtable')}",
    "ct helper": lambda inner: f"ct helper set {value(inner, Style('quoted'))}",
    "ct timeout": lambda inner: f"ct timeout set {value(inner, Style('quoted'))}",
    "ct expectation": lambda inner: f"ct expectation set {value(inner, Style('quoted'))}",
    "last": lambda inner: "last used " + duration(mapping(inner).get("used")) if inner else "last used never",
    "xt": _xtables,
}
