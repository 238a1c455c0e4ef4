"""Values in xtables' rules: addresses, ports, protocols, numbers with masks; and expressions made of them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.firewall.expression import ALWAYS, NEVER, Expression, Ranges, Within
from agent.firewall.fields import Field, Protocol

PROTOCOLS: Mapping[str, int] = {
    "icmp": 1,
    "igmp": 2,
    "ipip": 4,
    "ipencap": 4,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ipv6-crypt": 50,
    "ah": 51,
    "ipv6-auth": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "icmp6": 58,
    "ospf": 89,
    "pim": 103,
    "vrrp": 112,
    "l2tp": 115,
    "sctp": 132,
    "udplite": 136,
    "mh": 135,
    "ipv6-mh": 135,
}

# What people write and -L without -n prints; the target's own /etc/services adds to these.
SERVICES: Mapping[str, int] = {
    "ftp-data": 20,
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "bootps": 67,
    "bootpc": 68,
    "tftp": 69,
    "http": 80,
    "kerberos": 88,
    "pop3": 110,
    "sunrpc": 111,
    "ntp": 123,
    "netbios-ns": 137,
    "netbios-dgm": 138,
    "netbios-ssn": 139,
    "imap": 143,
    "imap2": 143,
    "snmp": 161,
    "ldap": 389,
    "https": 443,
    "microsoft-ds": 445,
    "submissions": 465,
    "urd": 465,
    "isakmp": 500,
    "syslog": 514,
    "dhcpv6-client": 546,
    "dhcpv6-server": 547,
    "submission": 587,
    "ldaps": 636,
    "domain-s": 853,
    "imaps": 993,
    "pop3s": 995,
    "openvpn": 1194,
    "nfs": 2049,
    "mysql": 3306,
    "ms-wbt-server": 3389,
    "postgresql": 5432,
    "mdns": 5353,
    "http-alt": 8080,
    "webmin": 10000,
}


class NotUnderstood(ValueError):
    """A piece of a rule that the reader can't turn into the model; its text says which."""


@dataclass(frozen=True)
class Setting:
    """What the meaning of a rule's words hangs on."""

    family: int
    table: str = "filter"
    chain: str = ""
    services: Mapping[str, int] = field(default_factory=lambda: SERVICES)
    native: bool = False  # loaded by iptables-nft, which turns some matches into nft's own expressions


def number(text: str, limit: int = 0xFFFFFFFF) -> int:
    """A number as iptables reads it: decimal, 0x..., 0..."""
    try:
        value = int(text, 8) if len(text) > 1 and text[0] == "0" and text.isdecimal() else int(text, 0)
    except ValueError:
        raise NotUnderstood(f"{text} is not a number") from None
    if not 0 <= value <= limit:
        raise NotUnderstood(f"{text} is out of range")
    return value


def masked(text: str) -> tuple[int, int]:
    """VALUE[/MASK]."""
    value, slash, mask = text.partition("/")
    return number(value), number(mask) if slash else 0xFFFFFFFF


def port(text: str, setting: Setting) -> int:
    """A port by number or service name."""
    if text.isdecimal():
        return number(str(int(text)), 0xFFFF)
    if text in setting.services:
        return setting.services[text]
    raise NotUnderstood(f"the service {text} is not known here")


def port_range(text: str, setting: Setting, separator: str = ":") -> tuple[int, int]:
    """PORT, PORT:PORT, :PORT or PORT: ; a range that is the wrong way round is never met."""
    low, colon, high = text.partition(separator)
    if not colon:
        return (port(low, setting), port(low, setting))
    return (port(low, setting) if low else 0, port(high, setting) if high else 0xFFFF)


def span(text: str, limit: int, separator: str = ":") -> tuple[int, int]:
    """N, N:M, :M or N: of plain numbers."""
    low, colon, high = text.partition(separator)
    if not colon:
        return (number(low, limit), number(low, limit))
    return (number(low, limit) if low else 0, number(high, limit) if high else limit)


def protocol(text: str) -> int:
    """A protocol by name or number; 0 is any."""
    if text.lower() in ("all", "any"):
        return 0
    found = PROTOCOLS.get(text.lower())
    return number(text, 255) if found is None else found


def address(text: str, family: int) -> int:
    """One address of the family as an integer."""
    try:
        return int.from_bytes(socket.inet_pton(socket.AF_INET if family == 4 else socket.AF_INET6, text), "big")
    except (OSError, ValueError):
        raise NotUnderstood(f"{text} is not an IPv{family} address") from None


def network(text: str, family: int) -> tuple[int, int]:
    """ADDRESS[/LENGTH or /MASK] as address and mask; the mask need not be one of a prefix."""
    base, slash, length = text.partition("/")
    bits = 32 if family == 4 else 128
    every = (1 << bits) - 1
    if not slash:
        mask = every
    elif length.isdecimal():
        if int(length) > bits:
            raise NotUnderstood(f"{text} has no possible prefix length")
        mask = every ^ ((1 << (bits - int(length))) - 1)
    else:
        mask = address(length, family)
    if family == 4 and base.count(".") < 3 and base.replace(".", "").isdecimal():
        base += ".0" * (3 - base.count("."))  # 10/8, as iptables reads it
    return address(base, family) & mask, mask


def in_network(fields: Field, text: str, family: int, negated: bool = False) -> Expression:
    """The address lies in a network; any network at all when its mask is empty."""
    value, mask = network(text, family)
    every = 0xFFFFFFFF if family == 4 else (1 << 128) - 1
    if not mask:
        return NEVER if negated else ALWAYS
    hosts = every ^ mask
    if hosts & (hosts + 1) == 0:  # the mask of a prefix
        return Within(fields, ((value, value | hosts),), negated)
    return Within(fields, ((value, value),), negated, mask)


def address_range(text: str, family: int) -> tuple[int, int]:
    """ADDRESS or ADDRESS-ADDRESS."""
    low, dash, high = text.partition("-")
    first = address(low, family)
    return first, address(high, family) if dash else first


def equals(fields: Field, value: int, mask: int = -1, negated: bool = False) -> Within:
    """A field, after a mask, is this number."""
    return Within(fields, ((value, value),), negated, mask)


def is_protocol(value: int, negated: bool = False) -> Expression:
    """The protocol; 0 is any (and its negation none)."""
    if value == 0:
        return NEVER if negated else ALWAYS
    return equals(Field.PROTOCOL, value, negated=negated)


def ranges(texts: list[str], limit: int, separator: str = ":") -> Ranges:
    return tuple(span(text, limit, separator) for text in texts)


def any_bit(fields: Field, bits: int, negated: bool = False) -> Within:
    """One of these bits is set."""
    return Within(fields, ((1, bits),), negated, bits)


ICMP_PROTOCOL = {4: Protocol.ICMP, 6: Protocol.ICMPV6}
