"""Matches on what stands in a packet's headers: ports, flags, ICMP types, lengths, marks (man iptables-extensions)."""

from __future__ import annotations

from collections.abc import Callable

from agent.firewall.expression import ALWAYS, NEVER, Either, Every, Expression, Named, Not, NotModelled, Within
from agent.firewall.fields import AddressType, Field
from agent.firewall.xtables import icmp_names
from agent.firewall.xtables.options import MatchReader, Option, Options
from agent.firewall.xtables.values import (
    NotUnderstood,
    Setting,
    address_range,
    any_bit,
    equals,
    masked,
    number,
    port_range,
    span,
)

_PORT_FIELDS = {"source-port": Field.SOURCE_PORT, "destination-port": Field.DESTINATION_PORT}
_TCP_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
_SYN = Within(Field.TCP_FLAGS, ((2, 2),), mask=0x17)

_CLASSES = {
    **{"CS%d" % number: number << 3 for number in range(8)},  # noqa: UP031
    "BE": 0,
    "EF": 0x2E,
    **{f"AF{row}{column}": row << 3 | column << 1 for row in range(1, 5) for column in range(1, 4)},
}
_TOS_NAMES = {
    "minimize-delay": 0x10,
    "maximize-throughput": 8,
    "maximize-reliability": 4,
    "minimize-cost": 2,
    "normal-service": 0,
}


def each(read: Callable[[Option, Setting], Expression]) -> MatchReader:
    """A reader that takes one option at a time."""
    return lambda options, setting: [read(option, setting) for option in options]


def flags(text: str) -> int:
    """TCP flags by name: "SYN,ACK", "ALL", "NONE"; listings print 0x17."""
    if text[:2].lower() == "0x":
        return number(text, 255)
    try:
        return sum({_TCP_FLAGS[name.upper()] for name in text.split(",")})
    except KeyError:
        raise NotUnderstood(f"{text}: unknown TCP flags") from None


def ports(option: Option, setting: Setting) -> Expression:
    """tcp, udp, sctp and the like."""
    field = _PORT_FIELDS.get(option.name)
    if field is not None:
        return Within(field, (port_range(option.value, setting),), option.negated)
    if option.name == "tcp-flags":
        if len(option.values) != 2:
            raise NotUnderstood("--tcp-flags wants a mask and flags")
        return equals(Field.TCP_FLAGS, flags(option.values[1]), flags(option.values[0]), option.negated)
    if option.name == "syn":
        return Within(_SYN.field, _SYN.ranges, option.negated, _SYN.mask)
    return NotModelled(f"--{option.name} is not modelled")


def both_ports(options: Options, setting: Setting) -> list[Expression]:
    """tcp and udp. Where both ports are single and negated, iptables-nft (seen with 1.8.9) compares them at once: the
    rule then holds as soon as one of them differs. Which of the two was loaded, its listing doesn't tell."""
    found = [ports(option, setting) for option in options]
    negated = [
        part
        for part, option in zip(found, options)
        if option.negated and isinstance(part, Within) and option.name in _PORT_FIELDS
    ]
    single = [part for part in negated if len({*part.ranges[0]}) == 1]
    if not setting.native or len(single) != 2:
        return found
    others = [part for part in found if part not in single]
    same = Every(tuple(Within(part.field, part.ranges) for part in single))
    doubt = NotModelled("iptables-nft may have loaded two negated ports as one comparison")
    return [*others, Either((Every(tuple(single)), Every((Not(same), doubt))))]


def icmp(option: Option, setting: Setting) -> Expression:
    kind, code = icmp_names.kind(option.value, setting.family)
    if kind == icmp_names.ANY:
        return NEVER if option.negated else ALWAYS
    matched: Expression = equals(Field.ICMP_TYPE, kind)
    if code is not None:
        matched = Every((matched, equals(Field.ICMP_CODE, code)))
    return Not(matched) if option.negated else matched


def multiport(option: Option, setting: Setting) -> Expression:
    listed = tuple(port_range(text, setting) for text in option.value.split(","))
    if option.name in _PORT_FIELDS:
        return Within(_PORT_FIELDS[option.name], listed, option.negated)
    both = Either((Within(Field.SOURCE_PORT, listed), Within(Field.DESTINATION_PORT, listed)))
    return Not(both) if option.negated else both


def length(option: Option, _: Setting) -> Expression:
    return Within(Field.LENGTH, (span(option.value, 0xFFFF),), option.negated)


def ttl(option: Option, _: Setting) -> Expression:
    value = number(option.value, 255)
    if option.name.endswith("-eq"):
        return equals(Field.TTL, value, negated=option.negated)
    if option.name.endswith("-lt"):
        return Within(Field.TTL, ((0, value - 1),))
    return Within(Field.TTL, ((value + 1, 255),))


def tos_value(text: str) -> tuple[int, int]:
    """VALUE[/MASK] or a name, for which only the bits of the old type of service count."""
    if text.lower() in _TOS_NAMES:
        return _TOS_NAMES[text.lower()], 0x3F
    value, mask = masked(text)
    return value, mask & 0xFF


def tos(option: Option, _: Setting) -> Expression:
    value, mask = tos_value(option.value)
    return equals(Field.TOS, value, mask, option.negated)


def dscp_value(option: Option) -> int:
    """The byte's value for --dscp 0x.. or --dscp-class NAME."""
    if option.name.endswith("class"):
        if option.value.upper() not in _CLASSES:
            raise NotUnderstood(f"{option.value}: unknown DSCP class")
        return _CLASSES[option.value.upper()] << 2
    return number(option.value, 63) << 2


def dscp(option: Option, _: Setting) -> Expression:
    return equals(Field.TOS, dscp_value(option), 0xFC, option.negated)


def ecn(option: Option, _: Setting) -> Expression:
    if option.name == "ecn-ip-ect":
        return equals(Field.TOS, number(option.value, 3), 3, option.negated)
    return any_bit(Field.TCP_FLAGS, 0x80 if option.name == "ecn-tcp-cwr" else 0x40, option.negated)


def mac(option: Option, _: Setting) -> Expression:
    digits = option.value.replace("-", ":").split(":")
    try:
        value = int("".join(part.zfill(2) for part in digits), 16)
    except ValueError:
        raise NotUnderstood(f"{option.value} is not a hardware address") from None
    return equals(Field.SOURCE_MAC, value, negated=option.negated)


def iprange(option: Option, setting: Setting) -> Expression:
    field = Field.SOURCE if option.name == "src-range" else Field.DESTINATION
    return Within(field, (address_range(option.value, setting.family),), option.negated)


def packet_type(option: Option, _: Setting) -> Expression:
    names = {"host": "unicast", "bcast": "broadcast", "mcast": "multicast"}
    name = names.get(option.value.lower(), option.value.lower())
    if name not in ("unicast", "broadcast", "multicast"):
        raise NotUnderstood(f"{option.value}: unknown packet type")
    return Named(Field.PACKET_TYPE, name, negated=option.negated)


def mark(option: Option, _: Setting) -> Expression:
    value, mask = masked(option.value)
    return equals(Field.MARK, value, mask, option.negated)


def connmark(option: Option, _: Setting) -> Expression:
    value, mask = masked(option.value)
    return equals(Field.CT_MARK, value, mask, option.negated)


def address_type(option: Option, setting: Setting) -> Expression:
    if option.name.startswith("limit-iface"):
        return NotModelled(f"--{option.name} is not modelled")
    bits = 0
    for name in option.value.upper().split(","):
        bit = getattr(AddressType, name, None)
        if not isinstance(bit, int):
            raise NotUnderstood(f"{name}: unknown address type")
        bits |= bit
    source = option.name == "src-type"
    if setting.family == 4:
        return any_bit(Field.SOURCE_TYPE if source else Field.DESTINATION_TYPE, bits, option.negated)
    matched = _address_type6(bits, source)
    return Not(matched) if option.negated else matched


def _address_type6(bits: int, source: bool) -> Expression:
    """IPv6 asks the address itself for some types, and wants each of those named (xt_addrtype.c, match_type6)."""
    address = Field.SOURCE if source else Field.DESTINATION
    multicast = Within(address, ((0xFF << 120, (1 << 128) - 1),))
    parts: list[Expression] = []
    if bits & AddressType.MULTICAST:
        parts.append(multicast)
    if bits & AddressType.UNICAST:
        parts.append(Not(Either((multicast, equals(address, 0)))))
    if bits & AddressType.UNSPEC:
        parts.append(equals(address, 0))
    routed = AddressType.LOCAL | AddressType.ANYCAST | AddressType.PROHIBIT | AddressType.UNREACHABLE
    if bits & routed:
        parts.append(any_bit(Field.SOURCE_TYPE if source else Field.DESTINATION_TYPE, bits & routed))
    return Every(tuple(parts))
