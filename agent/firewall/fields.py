"""Fields: what a rule may ask of a packet, named as nft names it (man nft, PAYLOAD/META/CONNTRACK EXPRESSIONS)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Union

from agent.unknown import Unknown

Value = Union[int, str, Unknown]  # of one field; a field that the packet has not is left out


class Field(Enum):
    """A property of a packet, of its connection, or of where it is.

    All are integers but the names of interfaces and ``PACKET_TYPE``. Addresses are integers of 32 or 128 bits;
    which of the two, ``FAMILY`` tells. After a translation, addresses and ports are the new ones.
    """

    FAMILY = "meta nfproto"  # 4 or 6
    PROTOCOL = "meta l4proto"
    SOURCE = "ip saddr"  # or ip6
    DESTINATION = "ip daddr"
    SOURCE_PORT = "th sport"
    DESTINATION_PORT = "th dport"
    FRAGMENT = "ip frag-off"  # 0 unless this is a later piece of a datagram
    TCP_FLAGS = "tcp flags"
    ICMP_TYPE = "icmp type"
    ICMP_CODE = "icmp code"
    LENGTH = "meta length"  # bytes, with the IP header
    TTL = "ip ttl"  # or hop limit
    TOS = "ip tos"  # the whole byte: DSCP and ECN
    SOURCE_MAC = "ether saddr"
    INPUT = "meta iifname"  # "" where there is none
    OUTPUT = "meta oifname"
    PACKET_TYPE = "meta pkttype"  # "unicast" (to this host), "broadcast", "multicast", "other"
    MARK = "meta mark"
    USER = "meta skuid"  # of the socket that sends
    GROUP = "meta skgid"
    CGROUP = "meta cgroup"
    TIME = "meta time"  # seconds since the epoch
    SECOND_OF_DAY = "meta hour"  # seconds since midnight UTC
    WEEKDAY = "meta day"  # 0 is Sunday, UTC
    DAY_OF_MONTH = "day of month"  # 1 to 31, UTC; only xtables knows it
    SOURCE_TYPE = "fib saddr type"  # an AddressType
    DESTINATION_TYPE = "fib daddr type"
    ROUTE_BACK = "fib saddr oif"  # name of the interface by which the source would be reached; "" when by none
    IPSEC = "meta ipsec"  # 1 when the packet came, or will leave, through IPsec
    BRIDGED = "bridge"  # 1 when it comes through a bridge's port
    CT_STATE = "ct state"  # a State
    CT_STATUS = "ct status"  # bits of Status
    CT_MARK = "ct mark"
    CT_DIRECTION = "ct direction"  # 0 original, 1 reply
    CT_ZONE = "ct zone"  # only where rules set it: any but the usual one
    CT_PROTOCOL = "ct l4proto"
    CT_SOURCE = "ct original saddr"
    CT_DESTINATION = "ct original daddr"
    CT_SOURCE_PORT = "ct original proto-src"
    CT_DESTINATION_PORT = "ct original proto-dst"


@dataclass(frozen=True)
class Bits:
    """A part of a field: (its value & ``mask``) >> ``shift``."""

    field: Field
    mask: int
    shift: int = 0


Key = Union[Field, Bits]  # what is looked up in a set


def value_of(key: Key, fields: Mapping[Field, Value]) -> Value | None:
    """The value of a field or of a part of one; None where the packet has no such field."""
    if isinstance(key, Field):
        return fields.get(key)
    value = fields.get(key.field)
    if isinstance(value, int):
        return (value & key.mask) >> key.shift
    return value


class State:
    """Bits of ``CT_STATE``, numbered as nft does. A packet has one of them."""

    INVALID = 1
    ESTABLISHED = 2
    RELATED = 4
    NEW = 8
    UNTRACKED = 64
    NO_CONNECTION = INVALID | UNTRACKED


class Status:
    """Bits of ``CT_STATUS`` (enum ip_conntrack_status)."""

    EXPECTED = 1
    SEEN_REPLY = 2
    ASSURED = 4
    CONFIRMED = 8
    SOURCE_TRANSLATED = 16
    DESTINATION_TRANSLATED = 32


class AddressType:
    """Bits of the types of addresses (RTN_* of rtnetlink), as the kernel's routes tell them."""

    UNSPEC = 1
    UNICAST = 2
    LOCAL = 4
    BROADCAST = 8
    ANYCAST = 16
    MULTICAST = 32
    BLACKHOLE = 64
    UNREACHABLE = 128
    PROHIBIT = 256
    THROW = 512
    NAT = 1024
    XRESOLVE = 2048


class Protocol:
    """Numbers of protocols over IP."""

    ICMP = 1
    IGMP = 2
    TCP = 6
    UDP = 17
    DCCP = 33
    GRE = 47
    ESP = 50
    AH = 51
    ICMPV6 = 58
    SCTP = 132
    UDPLITE = 136


WITH_PORTS = frozenset((Protocol.TCP, Protocol.UDP, Protocol.DCCP, Protocol.SCTP, Protocol.UDPLITE))

CONNECTION = frozenset(
    field for field in Field if field.name.startswith("CT_") and field not in (Field.CT_STATE, Field.CT_ZONE)
)  # what only a packet with a connection has
