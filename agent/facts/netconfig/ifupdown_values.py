"""Values of a stanza as ifupdown and the ip commands that it runs take them, and which of them they refuse.

ifupdown puts values into a shell command as they stand. So a comment after a value cuts the command off, quotes
are the shell's, and a second line with the same option is a command of its own. Tried with ifupdown 0.8.41 and
iproute2 6.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from agent.facts.netconfig.ifupdown_syntax import Option, Stanza
from agent.facts.netconfig.model import AddressConfig, IPAddress, IPInterface
from agent.facts.netconfig.text import address, interface, mac

_CUT_OFF = 'Not enough information: "dev" argument is required.'
_SCOPES = frozenset({"global", "site", "link", "host", "nowhere"})
_SINGLE = frozenset(
    {"gateway", "address", "netmask", "mtu", "hwaddress", "broadcast", "metric", "pointopoint", "scope"}
)
_METHODS = frozenset({"static", "v4tunnel", "tunnel", ""})


@dataclass(frozen=True)
class Refusal:
    """``keeps_down``: the interface, its address or its gateway is not set because of it."""

    code: str
    text: str
    option: Option
    keeps_down: bool = True


def first_word(value: str) -> str:
    """The first word of a value, without the quotes that the shell takes away."""
    word = (value.split() or [""])[0]
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word


def netmask(mask: str, family: str) -> int | None:
    """A netmask option as a number of bits: 24, or 255.255.255.0 for IPv4; None when ip refuses it."""
    longest = 128 if family == "inet6" else 32
    if re.fullmatch(r"\d{1,3}", mask):
        return int(mask) if int(mask) <= longest else None
    found = address(mask)
    if not isinstance(found, IPv4Address) or longest != 32:
        return None
    bits = f"{int(found):032b}"
    return bits.count("1") if "01" not in bits else None


def cidr_length(tail: str, found: IPAddress) -> int | None:
    """The length behind an address's slash. Of IPv4 ifupdown reads the digits and overlooks the rest."""
    if found.version == 6:
        return int(tail) if re.fullmatch(r"\d{1,3}", tail) and int(tail) <= 128 else None
    mask = re.match(r"\d+\.\d+\.\d+\.\d+", tail)
    if mask:
        return netmask(mask.group(0), "inet")
    digits = re.match(r"\d{1,9}", tail)
    if digits is None:
        return class_length(found) if not tail else None
    return int(digits.group(0)) if int(digits.group(0)) <= 32 else 0


def class_length(found: IPAddress) -> int:
    """The prefix length where none is given: that of the address's class, for IPv6 the whole address."""
    if not isinstance(found, IPv4Address):
        return 128
    first = int(found) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24


def with_length(option: Option, masks: list[Option], family: str) -> AddressConfig | None:
    """An address with the length that the program gives it: netmask, then CIDR, then that of its class."""
    head, slash, tail = first_word(option.value).partition("/")
    found = address(head)
    if found is None:
        return None
    length = netmask(first_word(masks[0].value), family) if masks else None
    if length is None and slash:
        length = cidr_length(tail, found)
    given = length is not None and bool(tail or masks)
    if length is None:
        length = class_length(found)
    whole: IPInterface | None = interface(f"{found}/{min(length, found.max_prefixlen)}")
    return None if whole is None else AddressConfig(whole, option.origin, given)


def refusals(stanza: Stanza) -> Iterator[Refusal]:
    """What fails when the stanza is brought up, as ip says it."""
    if stanza.method not in _METHODS:
        return
    own = [address(first_word(option.value).partition("/")[0]) for option in stanza.values("address")]
    for option in stanza.values("address"):
        yield from _address(option, stanza)
    for option in stanza.values("netmask"):
        word = first_word(option.value)
        if netmask(word, stanza.family) is None:
            text = f'any valid prefix is expected rather than "{option.value}"'
            yield Refusal("bad-netmask", text, option)
        elif len(option.value.split()) > 1:
            yield Refusal("bad-netmask", _CUT_OFF, option)
    for option in stanza.values("gateway"):
        yield from _gateway(option, stanza, own)
    for option in stanza.options:
        if not _valid(option):
            text = f'argument "{option.value}" is wrong: "{option.name}" value is invalid'
            yield Refusal("bad-value", text, option)


def _address(option: Option, stanza: Stanza) -> Iterator[Refusal]:
    head, slash, tail = first_word(option.value).partition("/")
    found = address(head)
    expected = "inet6 prefix" if stanza.family == "inet6" else "any valid prefix"
    wanted = {"inet": 4, "inet6": 6}.get(stanza.family)
    if stanza.method in ("v4tunnel", "tunnel"):
        wanted = None
    if found is None or (wanted and found.version != wanted):
        text = f'{expected} is expected rather than "{option.value}"'
        yield Refusal("bad-address", text, option)
        return
    if slash and found.version == 4 and option.value[0] in "\"'":  # ifupdown splits at the slash
        yield Refusal("bad-address", "/bin/sh: 1: Syntax error: Unterminated quoted string", option)
        return
    length = cidr_length(tail, found) if slash else None
    if slash and length is None:
        text = f'{expected} is expected rather than "{option.value}"'
        yield Refusal("bad-netmask", text, option)
    elif slash and found.version == 4 and re.match(r"\d", tail) and length == 0 and not tail.startswith("0"):
        text = f'"{option.value}": too long a prefix length counts as 0'
        yield Refusal("bad-netmask", text, option, keeps_down=False)
    elif len(option.value.split()) > 1 and (not slash or found.version == 6):
        yield Refusal("bad-address", _CUT_OFF, option)


def _gateway(option: Option, stanza: Stanza, own: list[IPAddress | None]) -> Iterator[Refusal]:
    words = option.value.split()
    found = address(first_word(option.value))
    expected = "inet6" if stanza.family == "inet6" else "any valid"
    if found is None:
        text = f'{expected} address is expected rather than "{first_word(option.value)}"'
        yield Refusal("bad-gateway", text, option)
    elif stanza.family == "inet6" and found.version == 4:
        yield Refusal("bad-gateway", f'inet6 address is expected rather than "{found}"', option)
    elif stanza.family == "inet" and found.version == 6:
        text = f"an IPv6 gateway in an inet stanza: {found}"  # recent iproute2 sets an IPv6 route
        yield Refusal("bad-gateway", text, option, keeps_down=False)
    elif found in own or found.is_unspecified:
        yield Refusal("bad-gateway", "Nexthop has invalid gateway.", option)
    elif len(words) > 1 and not words[1].startswith("#"):
        yield Refusal("bad-gateway", f'either "to" is duplicate, or "{words[1]}" is a garbage.', option)


def _valid(option: Option) -> bool:
    value = option.value
    if "%" in value or "$" in value:  # the shell's, or a template's
        return True
    if option.name in ("mtu", "metric"):
        return re.fullmatch(r"(0x[0-9A-Fa-f]+|\d+)(\s*#.*|\n.*)?", value, re.DOTALL) is not None
    if option.name == "broadcast":
        return value in ("+", "-") or address(first_word(value)) is not None
    if option.name == "scope":
        return value in _SCOPES or value.isdecimal()
    if option.name == "hwaddress":
        words = value.split()
        return words[-1:] == ["random"] or (words[0] in ("ether", "random")) or mac(words[0]) is not None
    return True


def repeated(stanza: Stanza) -> Iterator[Refusal]:
    """Options given twice. The shell gets both values with a new line between and runs the second one.

    Only of an inet ADDRESS/LENGTH the second is merely lost.
    """
    seen: dict[str, Option] = {}
    for option in stanza.options:
        if option.name in _SINGLE and option.name in seen:
            lost = option.name == "address" and stanza.family == "inet" and "/" in seen["address"].value
            text = f"/bin/sh: 2: {first_word(option.value)}: not found"
            if lost:
                text = f"a second address is not set: {option.value}"
            yield Refusal("repeated-option", text, option, keeps_down=not lost)
        seen.setdefault(option.name, option)
