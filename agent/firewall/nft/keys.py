"""Keys: what nft's expressions read of a packet, as fields of the model and what they silently ask besides.

nft asks for the family before it reads an address, and for the protocol before a port, and then doesn't print these
questions (man nft, PAYLOAD EXPRESSIONS); they are ``guards`` here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.firewall.expression import Either, Expression, Named, Not, NotModelled, Within
from agent.firewall.fields import WITH_PORTS, Bits, Field, Key, Protocol
from agent.firewall.model import Family, Hook
from agent.firewall.nft.values import DEPTH, FLAGS, NAMED, flags, integer, label, mapping, number, only, sequence, text
from agent.firewall.xtables.values import NotUnderstood, equals

SWAPPED = "some versions of nft (1.0.6) look ip6 dscp up in a set or map with its bytes swapped"


class Chance(NotUnderstood):
    """What is read is different for each packet, and nothing that a packet shows tells it."""


@dataclass(frozen=True)
class Setting:
    """What the meaning of an expression hangs on: the table's family, and where its chain can stand (empty when no
    base chain leads there)."""

    family: Family
    hooks: frozenset[Hook] = frozenset()


@dataclass(frozen=True)
class Asked:
    """One thing that is read. ``kind`` is its data type."""

    key: Key
    kind: str
    guards: tuple[Expression, ...] = ()

    @property
    def swapped(self) -> bool:
        """Is this the field that lies across two bytes?"""
        return self.kind == "dscp" and _SIX[0] in self.guards

    @property
    def field(self) -> Field:
        return self.key.field if isinstance(self.key, Bits) else self.key


def of_family(number: int) -> Expression:
    """The packet is of IPv4 (4) or IPv6 (6)."""
    return equals(Field.FAMILY, number)


def of_protocol(number: int) -> Expression:
    return equals(Field.PROTOCOL, number)


_FOUR, _SIX = (of_family(4),), (of_family(6),)
_PORTS = (
    Either(
        (
            Within(Field.PROTOCOL, tuple((number, number) for number in sorted(WITH_PORTS))),
            NotModelled("what stands where ports would be is not known for this protocol"),
        )
    ),
)
_SOCKET = (  # packets that come in for a connection have its socket early (net/ipv4/ip_input.c)
    Either((Not(Named(Field.OUTPUT, "")), NotModelled("whose socket a packet is for is not modelled"))),
)
_CODES = {"icmp": Protocol.ICMP, "icmpv6": Protocol.ICMPV6}
_WITH_PORTS = {
    "tcp": Protocol.TCP,
    "udp": Protocol.UDP,
    "sctp": Protocol.SCTP,
    "dccp": Protocol.DCCP,
    "udplite": Protocol.UDPLITE,
}
_PORT = {"sport": Field.SOURCE_PORT, "dport": Field.DESTINATION_PORT}

_PAYLOAD: Mapping[tuple[str, str], Asked] = {
    ("ether", "saddr"): Asked(Field.SOURCE_MAC, "ether_addr"),
    ("ether", "type"): Asked(Field.FAMILY, "ether_type"),
    ("ip", "saddr"): Asked(Field.SOURCE, "ipv4_addr", _FOUR),
    ("ip", "daddr"): Asked(Field.DESTINATION, "ipv4_addr", _FOUR),
    ("ip", "protocol"): Asked(Field.PROTOCOL, "inet_proto", _FOUR),
    ("ip", "length"): Asked(Field.LENGTH, "length", _FOUR),
    ("ip", "ttl"): Asked(Field.TTL, "byte", _FOUR),
    ("ip", "dscp"): Asked(Bits(Field.TOS, 0xFC, 2), "dscp", _FOUR),
    ("ip", "ecn"): Asked(Bits(Field.TOS, 3), "ecn", _FOUR),
    ("ip6", "saddr"): Asked(Field.SOURCE, "ipv6_addr", _SIX),
    ("ip6", "daddr"): Asked(Field.DESTINATION, "ipv6_addr", _SIX),
    ("ip6", "nexthdr"): Asked(Field.PROTOCOL, "inet_proto", _SIX),
    ("ip6", "hoplimit"): Asked(Field.TTL, "byte", _SIX),
    ("ip6", "dscp"): Asked(Bits(Field.TOS, 0xFC, 2), "dscp", _SIX),
    ("ip6", "ecn"): Asked(Bits(Field.TOS, 3), "ecn", _SIX),
    ("tcp", "flags"): Asked(Field.TCP_FLAGS, "tcp_flag", (of_protocol(Protocol.TCP),)),
    **{("th", name): Asked(field, "inet_service", _PORTS) for name, field in _PORT.items()},
    **{
        (header, name): Asked(field, "inet_service", (of_protocol(number),))
        for header, number in _WITH_PORTS.items()
        for name, field in _PORT.items()
    },
    **{
        (header, name): Asked(field, f"{header}_{name}", (of_protocol(number),))
        for header, number in _CODES.items()
        for name, field in (("type", Field.ICMP_TYPE), ("code", Field.ICMP_CODE))
    },
}
_FRAGMENT = ("ip", "frag-off")
_PIECE_MASK = 0x1FFF  # of frag-off: the offset; the rest are flags

_META: Mapping[str, Asked] = {
    "nfproto": Asked(Field.FAMILY, "nf_proto"),
    "protocol": Asked(Field.FAMILY, "ether_type"),
    "l4proto": Asked(Field.PROTOCOL, "inet_proto"),
    "length": Asked(Field.LENGTH, "integer"),
    "mark": Asked(Field.MARK, "mark"),
    "iifname": Asked(Field.INPUT, "ifname"),
    "oifname": Asked(Field.OUTPUT, "ifname"),
    "iif": Asked(Field.INPUT, "iface_index"),
    "oif": Asked(Field.OUTPUT, "iface_index"),
    "skuid": Asked(Field.USER, "uid", _SOCKET),
    "skgid": Asked(Field.GROUP, "gid", _SOCKET),
    "cgroup": Asked(Field.CGROUP, "cgroup", _SOCKET),
    "pkttype": Asked(Field.PACKET_TYPE, "pkt_type"),
    "day": Asked(Field.WEEKDAY, "day"),
    "ipsec": Asked(Field.IPSEC, "boolean"),
    "secpath": Asked(Field.IPSEC, "boolean"),
}
_CT: Mapping[str, Asked] = {
    "state": Asked(Field.CT_STATE, "ct_state"),
    "status": Asked(Field.CT_STATUS, "ct_status"),
    "mark": Asked(Field.CT_MARK, "mark"),
    "direction": Asked(Field.CT_DIRECTION, "ct_dir"),
    "l4proto": Asked(Field.CT_PROTOCOL, "inet_proto"),
    "protocol": Asked(Field.CT_PROTOCOL, "inet_proto"),
    "l3proto": Asked(Field.FAMILY, "nf_proto", (Within(Field.CT_PROTOCOL, ((0, 255),)),)),
}
_ORIGINAL: Mapping[str, Asked] = {
    "ip saddr": Asked(Field.CT_SOURCE, "ipv4_addr", _FOUR),
    "ip daddr": Asked(Field.CT_DESTINATION, "ipv4_addr", _FOUR),
    "ip6 saddr": Asked(Field.CT_SOURCE, "ipv6_addr", _SIX),
    "ip6 daddr": Asked(Field.CT_DESTINATION, "ipv6_addr", _SIX),
    "proto-src": Asked(Field.CT_SOURCE_PORT, "inet_service"),
    "proto-dst": Asked(Field.CT_DESTINATION_PORT, "inet_service"),
}
_CHANCE = {"numgen", "jhash", "symhash"}
_RAW_FOUR = {(96, 32): ("ip", "saddr"), (128, 32): ("ip", "daddr"), (72, 8): ("ip", "protocol")}
_RAW_SIX = {(64, 128): ("ip6", "saddr"), (192, 128): ("ip6", "daddr"), (48, 8): ("ip6", "nexthdr")}
_RAW_PORTS = {(0, 16): "sport", (16, 16): "dport"}


def asked(expression: object, setting: Setting) -> Asked:
    """The field that an expression reads. NotUnderstood when the model has none."""
    name, inner = only(expression, "an expression")
    if name == "&":
        return _part(inner, setting)
    if name in _CHANCE:
        raise Chance(f"{name} gives another number for each packet")
    reader = _READERS.get(name)
    if reader is None:
        raise NotUnderstood(f"the expression {name[:40]} is not modelled")
    return reader(mapping(inner, name), setting)


def _part(inner: object, setting: Setting) -> Asked:
    """{"&": [expression, mask]}."""
    sides = sequence(inner, "&")
    if len(sides) != 2 or (isinstance(sides[0], Mapping) and "&" in sides[0]):
        raise NotUnderstood("a mask of more than one piece is not modelled")
    one = asked(sides[0], setting)
    if one.kind in NAMED or isinstance(one.key, Bits):
        raise NotUnderstood("a mask over this is not modelled")
    mask = flags(one.kind, sides[1]) if one.kind in FLAGS else number(one.kind, sides[1])
    return Asked(Bits(one.key, mask), one.kind, one.guards)


def several(expression: object, setting: Setting) -> tuple[Asked, ...]:
    """The parts of a concatenation; one for what is none."""
    items: Sequence[object] = (expression,)
    if isinstance(expression, Mapping) and "concat" in expression and len(expression) == 1:
        items = sequence(expression["concat"], "a concatenation")
        if not 1 <= len(items) <= DEPTH:
            raise NotUnderstood("a concatenation of too many parts, or none")
    parts = tuple(asked(item, setting) for item in items)
    if any(part.swapped for part in parts):
        raise NotUnderstood(SWAPPED)
    return parts


def _payload(inner: Mapping[str, object], setting: Setting) -> Asked:
    if "base" in inner:
        return _raw(inner, setting)
    protocol, field = text(inner.get("protocol"), "a header"), text(inner.get("field"), "a header's field")
    found = _PAYLOAD.get((protocol, field))
    if found is None:
        raise NotUnderstood(f"the field {protocol[:30]} {field[:30]} is not modelled")
    return found


def _raw(inner: Mapping[str, object], setting: Setting) -> Asked:
    """Bytes by their place, which nft reads without asking what packet it is."""
    place = integer(inner.get("offset"), "an offset"), integer(inner.get("len"), "a length")
    base = text(inner.get("base"), "the base")
    if base == "th" and place in _RAW_PORTS:
        return _PAYLOAD["th", _RAW_PORTS[place]]
    for version, known, own in ((4, _RAW_FOUR, Family.IP), (6, _RAW_SIX, Family.IP6)):
        if base == "nh" and place in known:
            found = _PAYLOAD[known[place]]
            if setting.family is own:
                return found
            reason = "bytes of a header whose family the rule doesn't ask for"
            return Asked(found.key, found.kind, (Either((of_family(version), NotModelled(reason))),))
    raise NotUnderstood(f"the bytes @{base[:10]},{place[0]},{place[1]} are not modelled")


def _meta(inner: Mapping[str, object], setting: Setting) -> Asked:
    name = text(inner.get("key"), "the key of meta")
    if name == "random":
        raise Chance("random gives another number for each packet")
    if name in ("hour", "time"):
        raise NotUnderstood(f"nft prints {name} in the time zone of whoever asks, which is not known")
    if name == "length" and setting.family is Family.NETDEV and Hook.EGRESS in setting.hooks:
        raise NotUnderstood("the length of a whole frame is not modelled")
    found = _META.get(name)
    if found is None:
        raise NotUnderstood(f"meta {name[:40]} is not modelled")
    return found


def _conntrack(inner: Mapping[str, object], setting: Setting) -> Asked:
    name = text(inner.get("key"), "the key of ct")
    if name in ("saddr", "daddr") and setting.family in (Family.IP, Family.IP6):
        name = f"{setting.family.value} {name}"
    found = _CT.get(name) if "dir" not in inner else None
    if inner.get("dir") == "original":
        found = _ORIGINAL.get(name)
    if found is None:
        raise NotUnderstood(f"ct {label(inner.get('dir'), 10)} {name[:40]} is not modelled".replace("  ", " "))
    return found


def _fib(inner: Mapping[str, object], setting: Setting) -> Asked:
    given = inner.get("flags")
    wanted = {given} if isinstance(given, str) else set(map(text, sequence(given, "the flags of fib")))
    result = text(inner.get("result"), "the result of fib")
    if result == "type" and wanted == {"saddr"}:
        return Asked(Field.SOURCE_TYPE, "fib_addrtype")
    if result == "type" and wanted == {"daddr"}:
        return Asked(Field.DESTINATION_TYPE, "fib_addrtype")
    raise NotUnderstood(f"fib {' . '.join(sorted(wanted))[:60]} {result[:20]} is not modelled")


def _route(inner: Mapping[str, object], setting: Setting) -> Asked:
    name = text(inner.get("key"), "the key of rt")
    if name == "ipsec":
        return _META["ipsec"]
    raise NotUnderstood(f"rt {name[:40]} is not modelled")


def is_fragment_offset(expression: object) -> bool:
    """Is this ``ip frag-off & 0x1fff``: which piece of a datagram?"""
    if not isinstance(expression, Mapping) or set(expression) != {"&"}:
        return False
    sides = sequence(expression["&"], "&")
    if len(sides) != 2 or sides[1] not in (_PIECE_MASK, hex(_PIECE_MASK)) or not isinstance(sides[0], Mapping):
        return False
    inner = sides[0].get("payload")
    return isinstance(inner, Mapping) and (inner.get("protocol"), inner.get("field")) == _FRAGMENT


_READERS = {"payload": _payload, "meta": _meta, "ct": _conntrack, "fib": _fib, "rt": _route}
