"""Selectors in nft's text: what a rule takes from the packet, its connection and the host (libnftables-json(5))."""

from __future__ import annotations

from agent.firewall.nft import text_fields as fields
from agent.firewall.nft.text_stream import Stream
from agent.firewall.nft.text_tokens import Kind
from agent.firewall.nft.text_tree import NotNft, Selector

_CONDITIONAL = frozenset({*fields.HEADERS, *fields.EXTENSIONS, "rt", "ct", "meta", "socket", "fib", "osf", "ipsec"})
_ALWAYS = frozenset({*fields.META_ALONE, "numgen", "jhash", "symhash", "exthdr"})
STARTS = _CONDITIONAL | _ALWAYS


def starts(stream: Stream) -> bool:
    """Whether a selector begins here, and not one of the constants that have the same name (tcp, ip, mark)."""
    token = stream.token
    if token.kind is Kind.SIGN:
        return token.text == "@" and stream.next.kind is Kind.WORD and stream.next.text in ("ll", "nh", "th", "ih")
    if token.kind is not Kind.WORD or token.text not in STARTS:
        return False
    return token.text in _ALWAYS or stream.next.kind is Kind.WORD


def selector(stream: Stream) -> Selector:
    """Read one; ``NotNft`` where nft has none of that name."""
    if stream.sign("@"):
        return _raw(stream)
    name = stream.advance().text
    special = _SPECIAL.get(name)
    if special is not None:
        return special(stream)
    if name in fields.META_ALONE:
        return Selector({"meta": {"key": fields.META_NAMES.get(name, name)}}, fields.META_ALONE[name])
    if name in fields.EXTENSIONS:
        return _extension(stream, name)
    if name in fields.HEADERS:
        return _header(stream, name)
    raise NotNft(f"{name!r} is nothing that can be asked for")


def _one_of(stream: Stream, what: str, known: dict[str, str]) -> tuple[str, str]:
    name = stream.token.text
    if stream.token.kind is not Kind.WORD or name not in known:
        raise stream.unexpected(f"a key of {what}")
    stream.advance()
    return name, known[name]


def _raw(stream: Stream) -> Selector:
    """@th,16,16: bits anywhere in the packet."""
    base = stream.need_word("ll", "nh", "th", "ih")
    stream.need_sign(",")
    offset = stream.number()
    stream.need_sign(",")
    return Selector({"payload": {"base": base, "offset": offset, "len": stream.number()}}, "integer")


_TUNNELS = {"vxlan", "geneve", "gre", "gretap"}


def _header(stream: Stream, name: str) -> Selector:
    field = stream.token.text
    known = fields.HEADERS[name]
    if name in _TUNNELS and field in fields.HEADERS and field not in known:
        stream.deeper()
        inner = selector(stream)
        stream.shallower()
        payload = inner.json.get("payload")
        return Selector({"payload": {"tunnel": name, **(payload if isinstance(payload, dict) else {})}}, inner.kind)
    if name == "arp" and field in ("saddr", "daddr"):
        stream.advance()
        of = stream.need_word("ether", "ip")
        return Selector(_payload("arp", f"{field} {of}"), "ether_addr" if of == "ether" else "ipv4_addr")
    if field == "option":
        if name == "tcp":
            return _tcp_option(stream)
        if name == "ip":
            return _option(stream, "ip option", fields.IP_OPTIONS)
    if field == "chunk" and name == "sctp":
        return _option(stream, "sctp chunk", fields.SCTP_CHUNKS)
    if stream.token.kind is not Kind.WORD or field not in known:
        raise stream.unexpected(f"a field of {name}")
    stream.advance()
    return Selector(_payload(name, field), known[field])


def _payload(protocol: str, field: str) -> dict[str, object]:
    return {"payload": {"protocol": protocol, "field": field}}


def _option(stream: Stream, what: str, known: object) -> Selector:
    stream.advance()
    assert isinstance(known, dict)
    name = stream.token.text
    if name not in known:
        raise stream.unexpected(f"a name of an {what}")
    stream.advance()
    field = stream.word(*known[name])
    return Selector({what: {"name": name, "field": field} if field else {"name": name}}, "integer")


def _tcp_option(stream: Stream) -> Selector:
    stream.advance()
    if stream.sign("@"):  # @kind,offset,length
        token = stream.advance()
        kind: object = int(token.text) if token.kind is Kind.NUMBER and len(token.text) < 4 else token.text
        stream.need_sign(",")
        offset = stream.number()
        stream.need_sign(",")
        return Selector({"tcp option": {"base": kind, "offset": offset, "len": stream.number()}}, "integer")
    if stream.token.kind is Kind.NUMBER:
        number = stream.number()
        if stream.word("length"):
            return Selector({"tcp option": {"base": number, "offset": 8, "len": 8}}, "integer")
        return Selector({"tcp option": {"base": number, "offset": 0, "len": 8}}, "integer")
    name = stream.token.text
    known = fields.TCP_OPTIONS.get(name)
    if known is None:
        raise stream.unexpected("a name of a tcp option")
    stream.advance()
    name = fields.TCP_OPTION_NAMES.get(name, name)
    field = stream.word(*known)
    return Selector({"tcp option": {"name": name, "field": field} if field else {"name": name}}, "integer")


def _extension(stream: Stream, name: str) -> Selector:
    field, kind = _one_of(stream, name, dict(fields.EXTENSIONS[name]))
    place = None
    if name in ("rt0", "srh") and stream.sign("["):
        place = stream.number()
        stream.need_sign("]")
    if place is not None:
        field = f"{field}[{place}]"
    return Selector({"exthdr": {"name": name, "field": field}}, kind)


def _exists(stream: Stream) -> Selector:
    name, _ = _one_of(stream, "exthdr", dict.fromkeys(fields.EXTENSIONS, ""))
    return Selector({"exthdr": {"name": name}}, "boolean")


def _meta(stream: Stream) -> Selector:
    key, kind = _one_of(stream, "meta", fields.META)
    return Selector({"meta": {"key": fields.META_NAMES.get(key, key)}}, kind)


def _conntrack(stream: Stream) -> Selector:
    direction = stream.word("original", "reply")
    if direction and stream.is_word("ip", "ip6"):
        family = stream.advance().text
        field = stream.need_word("saddr", "daddr")
        kind = "ipv4_addr" if family == "ip" else "ipv6_addr"
        return Selector({"ct": {"key": f"{family} {field}", "dir": direction}}, kind)
    key, kind = _one_of(stream, "ct", fields.CONNTRACK)
    return Selector({"ct": {"key": key, "dir": direction} if direction else {"key": key}}, kind)


def _socket(stream: Stream) -> Selector:
    if stream.word("cgroupv2"):
        stream.need_word("level")
        return Selector({"socket": {"key": "cgroupv2", "level": stream.number()}}, "cgroupsv2")
    key, kind = _one_of(stream, "socket", fields.SOCKET)
    return Selector({"socket": {"key": key}}, kind)


def _route(stream: Stream) -> Selector:
    """``rt`` is the route of the packet, and the name of an IPv6 header as well."""
    if stream.is_word(*fields.EXTENSIONS["rt"]):
        return _extension(stream, "rt")
    family = stream.word("ip", "ip6")
    key, kind = _one_of(stream, "rt", fields.ROUTE)
    if key == "nexthop" and family:
        kind = "ipv4_addr" if family == "ip" else "ipv6_addr"
    return Selector({"rt": {"key": key, "family": family} if family else {"key": key}}, kind)


def _fib(stream: Stream) -> Selector:
    flags = [stream.need_word(*fields.FIB_FLAGS)]
    while stream.sign("."):
        flags.append(stream.need_word(*fields.FIB_FLAGS))
    if stream.word("check"):  # as newer releases print "oif missing"
        return Selector({"fib": {"result": "oif", "flags": flags}}, "boolean")
    result, kind = _one_of(stream, "fib", fields.FIB)
    return Selector({"fib": {"result": result, "flags": flags}}, kind)


def _osf(stream: Stream) -> Selector:
    json: dict[str, object] = {}
    if stream.word("ttl"):
        json["ttl"] = stream.need_word("loose", "skip")
    json["key"] = stream.need_word("name", "version")
    return Selector({"osf": json}, "string")


def _ipsec(stream: Stream) -> Selector:
    """``ipsec in reqid``; alone it is meta's key."""
    if not stream.is_word("in", "out"):
        return Selector({"meta": {"key": "ipsec"}}, "boolean")
    json: dict[str, object] = {"dir": stream.advance().text}
    json["spnum"] = stream.number() if stream.word("spnum") else 0
    family = stream.word("ip", "ip6")
    if family:
        json["family"] = family
        json["key"] = stream.need_word("saddr", "daddr")
        return Selector({"ipsec": json}, "ipv4_addr" if family == "ip" else "ipv6_addr")
    json["key"] = stream.need_word("reqid", "spi")
    return Selector({"ipsec": json}, "integer")


def _numgen(stream: Stream) -> Selector:
    mode = stream.need_word("inc", "random")
    stream.need_word("mod")
    modulus = stream.number()
    return Selector({"numgen": {"mode": mode, "mod": modulus, "offset": _offset(stream)}}, "integer")


def _offset(stream: Stream) -> int:
    return stream.number() if stream.word("offset") else 0


def _symhash(stream: Stream) -> Selector:
    stream.need_word("mod")
    json: dict[str, object] = {"mod": stream.number()}
    offset = _offset(stream)
    if offset:
        json["offset"] = offset
    return Selector({"symhash": json}, "integer")


def _jhash(stream: Stream) -> Selector:
    stream.deeper()
    parts = [selector(stream).json]
    while stream.sign("."):
        parts.append(selector(stream).json)
    stream.shallower()
    stream.need_word("mod")
    json: dict[str, object] = {"mod": stream.number()}
    if stream.word("seed"):
        json["seed"] = stream.number()
    offset = _offset(stream)
    if offset:
        json["offset"] = offset
    json["expr"] = parts[0] if len(parts) == 1 else {"concat": parts}
    return Selector({"jhash": json}, "integer")


_SPECIAL = {
    "meta": _meta,
    "ct": _conntrack,
    "socket": _socket,
    "rt": _route,
    "fib": _fib,
    "osf": _osf,
    "ipsec": _ipsec,
    "numgen": _numgen,
    "symhash": _symhash,
    "jhash": _jhash,
    "exthdr": _exists,
}
