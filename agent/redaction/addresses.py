"""Public addresses, and names, replaced by others that are always the same within one ticket.

What support needs stays: which addresses are equal, which lie in one network, which are private. The first 16 bits of a
public IPv4 address become a number in the reserved 240.0.0.0/4, the others stay: so a gateway outside its subnet still
is. The first 48 bits of an IPv6 address become 2001:db8:N, its interface a number.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:]{0,45}:[0-9A-Fa-f:]{0,45}:)[0-9A-Fa-f:]{3,45}(?![\w:])")
_BYTE = "[0-9A-Fa-f]{2}"
_MAC = re.compile(
    rf"(?<![\w:-])(?P<vendor>{_BYTE}(?P<sign>[:-]){_BYTE}(?P=sign){_BYTE}(?P=sign))"
    rf"(?P<own>{_BYTE}(?P=sign){_BYTE}(?P=sign){_BYTE})(?![\w:-])"
)
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_REVERSED = re.compile(
    r"(?<![\w.])[\w-]{1,40}(?:[.-]\w{1,40}){0,6}\.(?:ip|members)\.linodeusercontent\.com"
    r"|(?<![\w.])[\w-]{1,40}(?:\.[\w-]{1,30}){0,2}\.members\.linode\.com"
)
_PUBLIC6 = ipaddress.IPv6Network("2000::/3")
_DOCUMENTATION6 = ipaddress.IPv6Network("2001:db8::/32")


class Addresses:
    """The replacements of one ticket. ``names``: host names to replace."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._networks4: dict[int, int] = {}
        self._networks6: dict[int, int] = {}
        self._interfaces6: dict[int, int] = {}
        self._cards: dict[str, int] = {}
        self._people: dict[str, int] = {}
        self._hosts: dict[str, int] = {}
        known = sorted({name for name in names if len(name) > 2 and name not in ("localhost", "host")}, key=len)
        words = "|".join(re.escape(name) for name in reversed(known))
        self._names = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.I) if words else None

    def replaced(self, text: str) -> str:
        """The text with all of them replaced."""
        if "@" in text:
            text = _MAIL.sub(self._person, text)
        if self._names is not None:
            text = self._names.sub(self._host, text)
        if "linode" in text:
            text = _REVERSED.sub(self._host, text)
        text = _IPV4.sub(self._ipv4, text)
        if ":" in text or "-" in text:
            text = _MAC.sub(self._card, text)
            text = _IPV6.sub(self._ipv6, text)
        return text

    def _ipv4(self, match: re.Match[str]) -> str:
        try:
            address = ipaddress.IPv4Address(match[0])
        except ValueError:
            return match[0]
        if not address.is_global or address.is_multicast:
            return match[0]
        number = int(address)
        network = self._networks4.setdefault(number >> 16, len(self._networks4))
        return str(ipaddress.IPv4Address((0xF000 + network % 0x0FFF << 16) | number & 0xFFFF))

    def _ipv6(self, match: re.Match[str]) -> str:
        try:
            address = ipaddress.IPv6Address(match[0])
        except ValueError:
            return match[0]
        if address not in _PUBLIC6 or address in _DOCUMENTATION6:
            return match[0]
        number = int(address)
        network = self._networks6.setdefault(number >> 80, len(self._networks6) + 1)
        own = number & (1 << 64) - 1
        if own > 0xFFFF:
            own = 0xA_0000 + self._interfaces6.setdefault(own, len(self._interfaces6) + 1)
        subnet = number >> 64 & 0xFFFF
        return str(ipaddress.IPv6Address(0x20010DB8 << 96 | (network & 0xFFFF) << 80 | subnet << 64 | own))

    def _card(self, match: re.Match[str]) -> str:
        """The vendor's half stays: it tells a virtual card from a real one."""
        if match["own"].lower().replace("-", ":") in ("00:00:00", "ff:ff:ff"):
            return match[0]
        number = self._cards.setdefault(match[0].lower().replace("-", ":"), len(self._cards) + 1)
        sign = match["sign"]
        return match["vendor"] + f"00{sign}{number >> 8 & 255:02x}{sign}{number & 255:02x}"

    def _person(self, match: re.Match[str]) -> str:
        if match[0].lower().endswith(".example"):
            return match[0]
        return f"person{self._people.setdefault(match[0].lower(), len(self._people) + 1)}@mail.example"

    def _host(self, match: re.Match[str]) -> str:
        return f"host{self._hosts.setdefault(match[0].lower(), len(self._hosts) + 1)}.example"
