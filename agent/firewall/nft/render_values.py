"""Expressions and values of nft's JSON as nft prints them: ``ip saddr``, ``{ 22, 80-443 }``, ``0x00000010``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.firewall.nft.names import NAMES
from agent.firewall.nft.render_reads import READS, SHORT, items, mapping, named, plain, word
from agent.firewall.nft.values import label

_DEPTH = 24
_FLAGS = {("ct", "state"), ("ct", "status"), ("ct", "label"), ("tcp", "flags")}
_MARKS = {("meta", "mark"), ("ct", "mark"), ("socket", "mark")}
_KINDS = {
    ("ct", "expiration"): "duration",
    **dict.fromkeys((("ip", "dscp"), ("ip6", "dscp")), "dscp"),
    **{(name, field): f"{name}_{field}" for name in ("icmp", "icmpv6") for field in ("type", "code")},
    **dict.fromkeys((("ip", "protocol"), ("ip6", "nexthdr"), ("meta", "l4proto"), ("ct", "protocol")), "inet_proto"),
}
_QUOTED = {
    *("iif", "oif", "iifname", "oifname", "ibrname", "obrname", "sdif", "sdifname", "iifkind", "oifkind", "helper"),
    *("hour", "time", "day", "name", "version"),
}


@dataclass(frozen=True)
class Style:
    """How a value is written: ``kind`` is what it is compared with ("mark", "ifname"); ``commas`` between flags."""

    kind: str = ""
    flags: bool = False
    commas: bool = False
    parts: tuple[Style, ...] = ()


def style(expression: object, depth: int = 0) -> Style:
    """How the values that stand beside an expression are written."""
    if not isinstance(expression, Mapping) or len(expression) != 1 or depth > _DEPTH:
        return Style()
    ((name, inner),) = expression.items()
    if name == "concat" and isinstance(inner, (list, tuple)):
        return Style(parts=tuple(style(item, depth + 1) for item in inner))
    if name in ("&", "|", "^", "<<", ">>") and isinstance(inner, (list, tuple)) and inner:
        return style(inner[0], depth + 1)
    if not isinstance(inner, Mapping):
        return Style()
    key = label(inner.get("key", inner.get("field")))
    room = label(inner.get("protocol", name))
    if "base" in inner:
        return Style("raw")
    if (room, key) in _MARKS:
        return Style("mark")
    if (room, key) in _FLAGS:
        return Style(key, flags=True)
    if name in ("meta", "ct", "osf") and key in _QUOTED:
        return Style("quoted")
    if name == "fib" and inner.get("result") == "oifname":
        return Style("quoted")
    return Style(_KINDS.get((room, key), ""))


def value(item: object, how: Style, depth: int = 0) -> str:
    """A value, or an expression."""
    if depth > _DEPTH:
        return SHORT
    if isinstance(item, bool):
        return "exists" if item else "missing"
    if isinstance(item, int):
        return _number(item, how)
    if isinstance(item, str):
        quoted = how.kind == "quoted" and not item.startswith("@") and item != "*"
        return f'"{item}"' if quoted else item
    if isinstance(item, (list, tuple)):
        joint = "," if how.commas else " | "
        return joint.join(value(one, how, depth + 1) for one in item)
    if not isinstance(item, Mapping) or len(item) != 1:
        return SHORT
    ((name, inner),) = item.items()
    if name in READS:
        return READS[str(name)](inner)
    writer = _WRITERS.get(label(name))
    return writer(inner, how, depth + 1) if writer else plain(label(name), 60)


def _number(item: int, how: Style) -> str:
    if not -(1 << 128) < item < 1 << 128:
        return SHORT
    if how.kind == "mark":
        return f"0x{item:08x}"
    if how.kind == "duration":
        return duration(item)
    if how.kind == "raw":
        return f"0x{item:x}"
    if how.kind == "dscp":
        return f"0x{item:02x}"
    return f"0x{item:x}" if how.kind == "flags" and item else str(item)


def _concat(inner: object, how: Style, depth: int) -> str:
    parts = items(inner)
    styles = how.parts if len(how.parts) == len(parts) else (how,) * len(parts)
    return " . ".join(value(part, one, depth) for part, one in zip(parts, styles))


def _prefix(inner: object, how: Style, depth: int) -> str:
    given = mapping(inner)
    return f"{value(given.get('addr'), how, depth)}/{word(given, 'len')}"


def _range(inner: object, how: Style, depth: int) -> str:
    """nft prints no names in a range."""
    names = NAMES.get(how.kind, {})
    ends = (names.get(one, one) if isinstance(one, str) else one for one in items(inner))
    return "-".join(value(one, how, depth) for one in ends)


def _set(inner: object, how: Style, depth: int) -> str:
    return "{ " + ", ".join(_element(one, how, depth) for one in items(inner)) + " }"


def _element(item: object, how: Style, depth: int) -> str:
    if isinstance(item, (list, tuple)) and len(item) == 2:
        return f"{value(item[0], how, depth)} : {data(item[1], depth)}"
    return value(item, how, depth)


def data(item: object, depth: int = 0, how: Style | None = None) -> str:
    """What a map gives: a verdict or a value."""
    if isinstance(item, Mapping) and len(item) == 1:
        ((name, inner),) = item.items()
        if name in ("jump", "goto"):
            return f"{name} {word(mapping(inner), 'target')}"
        if inner is None:
            return named(name)
    return value(item, how or Style(), depth + 1)


def _elem(inner: object, how: Style, depth: int) -> str:
    given = mapping(inner)
    found = value(given.get("val"), how, depth)
    if "timeout" in given:
        found += f" timeout {duration(given['timeout'])}"
    if "expires" in given:
        found += f" expires {duration(given['expires'])}"
    counter = given.get("counter")
    if isinstance(counter, Mapping):
        found += f" counter packets {word(counter, 'packets')} bytes {word(counter, 'bytes')}"
    if isinstance(given.get("comment"), str):
        found += f' comment "{given["comment"]}"'
    return found


def duration(item: object) -> str:
    """Seconds as nft prints them: 1h5m3s."""
    if not isinstance(item, int) or not 0 <= item < 1 << 40:
        return SHORT
    found, rest = "", item
    for letter, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if rest >= size:
            found += f"{rest // size}{letter}"
            rest %= size
    return found or "0s"


def _binary(sign: str) -> Callable[[object, Style, int], str]:
    def write(inner: object, how: Style, depth: int) -> str:
        sides = items(inner)
        first = sides[0] if sides else None
        own = style(first) if isinstance(first, Mapping) else how
        own = own if own != Style() else how
        if own.flags and isinstance(first, Mapping) and sign == "&" and len(sides) == 2:
            mask = value(sides[1], Style(own.kind, True), depth)
            return f"{value(first, how, depth)} & ({mask})" if "|" in mask else f"{value(first, how, depth)} & {mask}"
        shift = sign in ("<<", ">>")
        shown = [value(one, Style() if shift and at else own, depth) for at, one in enumerate(sides)]
        return f" {sign} ".join(shown)

    return write


def lookup(inner: object, word: str, how: Style, depth: int = 0) -> str:
    """``KEY map { ... }`` or ``KEY vmap @name``."""
    given = mapping(inner)
    own = style(given.get("key"))
    table = given.get("data")
    if isinstance(table, Mapping) and "set" in table:
        listed = [
            f"{value(one[0], own, depth)} : {data(one[1], depth, how)}"
            if isinstance(one, (list, tuple)) and len(one) == 2
            else SHORT
            for one in items(table["set"])
        ]
        shown = "{ " + ", ".join(listed) + " }"
    else:
        shown = value(table, Style(), depth)
    return f"{value(given.get('key'), Style(), depth)} {word} {shown}"


def _jhash(inner: object, _: Style, depth: int) -> str:
    given = mapping(inner)
    seed = given.get("seed")
    more = f" seed 0x{seed:x}" if isinstance(seed, int) and abs(seed) < 1 << 64 else ""
    offset = f" offset {word(given, 'offset')}" if given.get("offset") else ""
    return f"jhash {value(given.get('expr'), Style(), depth)} mod {word(given, 'mod')}{more}{offset}"


_WRITERS: Mapping[str, Callable[[object, Style, int], str]] = {
    "concat": _concat,
    "prefix": _prefix,
    "range": _range,
    "set": _set,
    "elem": _elem,
    "map": lambda inner, how, depth: lookup(inner, "map", how, depth),
    "jhash": _jhash,
    **{sign: _binary(sign) for sign in ("&", "|", "^", "<<", ">>")},
}
