"""What nft's expressions read of a packet, in nft's own words: ``ip saddr``, ``meta mark``, ``fib saddr . iif oif``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

SHORT = "..."
_PRINTED_WITH_META = {
    *("length", "nfproto", "l4proto", "protocol", "priority", "mark", "random", "ipsec", "secpath", "time", "hour"),
    *("day", "sdif", "sdifname", "skuid", "skgid", "nftrace", "rtclassid", "pkttype", "cpu", "cgroup"),
    *("iifkind", "oifkind", "iiftype", "oiftype", "secmark", "broute", "ibrpvid", "ibrvproto", "ibrhwaddr"),
}


def plain(text: str, limit: int) -> str:
    """Printable, and cut off."""
    if text.isprintable():
        return text[:limit]
    return "".join(sign if sign.isprintable() else "?" for sign in text[:limit])


def mapping(item: object) -> Mapping[object, object]:
    return item if isinstance(item, Mapping) else {}


def items(item: object) -> Sequence[object]:
    return item if isinstance(item, (list, tuple)) else (item,)


def _payload(inner: object) -> str:
    given = mapping(inner)
    if "base" in given:
        return f"@{word(given, 'base')},{word(given, 'offset')},{word(given, 'len')}"
    return f"{word(given, 'protocol')} {word(given, 'field')}"


def word(given: Mapping[object, object], name: str) -> str:
    found = given.get(name)
    return plain(str(found), 200) if isinstance(found, (str, int)) else SHORT


def _meta(inner: object) -> str:
    key = word(mapping(inner), "key")
    return f"meta {key}" if key in _PRINTED_WITH_META else key


def _conntrack(inner: object) -> str:
    given = mapping(inner)
    direction = f"{word(given, 'dir')} " if "dir" in given else ""
    return f"ct {direction}{word(given, 'key')}"


def _fib(inner: object) -> str:
    given = mapping(inner)
    return f"fib {' . '.join(named(one) for one in items(given.get('flags')))} {word(given, 'result')}"


def named(item: object) -> str:
    return plain(item, 60) if isinstance(item, str) else SHORT


def _numgen(inner: object) -> str:
    given = mapping(inner)
    offset = f" offset {word(given, 'offset')}" if given.get("offset") else ""
    return f"numgen {word(given, 'mode')} mod {word(given, 'mod')}{offset}"


def _symhash(inner: object) -> str:
    given = mapping(inner)
    offset = f" offset {word(given, 'offset')}" if given.get("offset") else ""
    return f"symhash mod {word(given, 'mod')}{offset}"


def _option(kind: str) -> Callable[[object], str]:
    def write(inner: object) -> str:
        given = mapping(inner)
        return f"{kind}{word(given, 'name')}" + (f" {word(given, 'field')}" if "field" in given else "")

    return write


def _extension(inner: object) -> str:
    given = mapping(inner)
    field = given.get("field")
    return f"{word(given, 'name')} {word(given, 'field')}" if field is not None else f"exthdr {word(given, 'name')}"


def _keyed(name: str) -> Callable[[object], str]:
    return lambda inner: f"{name} {word(mapping(inner), 'key')}"


def _osf(inner: object) -> str:
    given = mapping(inner)
    ttl = f"ttl {word(given, 'ttl')} " if "ttl" in given else ""
    return f"osf {ttl}{word(given, 'key')}"


def _ipsec(inner: object) -> str:
    given = mapping(inner)
    return f"ipsec {word(given, 'dir')} {word(given, 'family')} {word(given, 'key')}".replace(f" {SHORT}", "")


READS: Mapping[str, Callable[[object], str]] = {
    "payload": _payload,
    "meta": _meta,
    "ct": _conntrack,
    "fib": _fib,
    "numgen": _numgen,
    "symhash": _symhash,
    "tcp option": _option("tcp option "),
    "ip option": _option("ip option "),
    "sctp chunk": _option("sctp chunk "),
    "exthdr": _extension,
    "rt": _keyed("rt"),
    "socket": _keyed("socket"),
    "osf": _osf,
    "ipsec": _ipsec,
}
