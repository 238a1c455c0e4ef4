"""Whose a hop is, by its AS number, its name or its address.

A table of the large carriers, of Linode and of China's networks: enough to say who to ask. A hop that it does not
know belongs to nobody known, never to a guess.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Union

from agent.mtr.model import Hop

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


@dataclass(frozen=True)
class Owner:
    """A network. ``names`` end the names of its routers, ``prefixes`` hold their addresses."""

    name: str
    numbers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    china: bool = False


LINODE = Owner(
    "Linode (Akamai)",
    (63949, 20940),
    ("linode.com", "linodeusercontent.com", "akamai.com", "akamaitechnologies.com", "akamaized.net"),
    # Blocks that its hosts have had for long; not all.
    (
        *("45.33.0.0/17", "45.56.64.0/18", "45.79.0.0/16", "50.116.0.0/18", "66.228.32.0/19", "69.164.192.0/19"),
        *("96.126.96.0/19", "97.107.128.0/20", "139.162.0.0/16", "170.187.128.0/17", "172.104.0.0/15"),
        *("173.230.128.0/19", "173.255.192.0/18", "2600:3c00::/28", "2a01:7e00::/29", "2400:8900::/28"),
    ),
)
OWNERS = (
    LINODE,
    Owner("Arelion (Telia)", (1299,), ("telia.net", "arelion.com", "arelion.net", "twelve99.net")),
    Owner("Lumen (Level 3)", (3356, 3549, 209), ("level3.net", "lumen.tech", "gblx.net", "centurylink.net")),
    Owner("Cogent", (174,), ("cogentco.com",), ("154.54.0.0/16",)),
    Owner("NTT", (2914,), ("ntt.net", "gin.ntt.net"), ("129.250.0.0/16",)),
    Owner("Hurricane Electric", (6939,), ("he.net",), ("184.104.0.0/15", "2001:470::/32")),
    Owner("GTT", (3257,), ("gtt.net", "tinet.net")),
    Owner("Zayo", (6461,), ("zayo.com", "above.net")),
    Owner("Tata", (6453,), ("as6453.net", "tatacommunications.com")),
    Owner("PCCW", (3491,), ("pccwbtn.net", "pccwglobal.net")),
    Owner("Telecom Italia Sparkle", (6762,), ("seabone.net",)),
    Owner("Orange", (5511,), ("opentransit.net",)),
    Owner("Telxius", (12956,), ("telxius.net",)),
    Owner("Vodafone", (1273, 3209), ("vodafone.net", "cw.net")),
    Owner("Verizon", (701, 702), ("alter.net", "verizon-gni.net")),
    Owner("AT&T", (7018,), ("att.net",), ("12.122.0.0/15",)),
    Owner("Comcast", (7922,), ("comcast.net",)),
    Owner("Deutsche Telekom", (3320,), ("dtag.de", "t-ipconnect.de")),
    Owner("Google", (15169,), ("google.com", "1e100.net")),
    Owner("Cloudflare", (13335,), ("cloudflare.com",), ("104.16.0.0/13", "1.1.1.0/24")),
    Owner("China Telecom", (4134, 4812, 23724), ("chinanet.cn", "163data.com.cn"), ("202.97.0.0/17",), True),
    Owner("China Telecom CN2", (4809,), ("cn2.net",), ("59.43.0.0/16",), True),
    Owner("China Unicom", (4837, 4808, 9929, 10099), ("cnc.net", "chinaunicom.cn"), ("219.158.0.0/17",), True),
    Owner("China Mobile", (9808, 56040, 58453), ("cmcc.cn",), ("221.183.0.0/16", "223.120.0.0/15"), True),
    Owner("CERNET", (4538,), ("edu.cn", "cernet.net"), ("202.112.0.0/14",), True),
)
_INNER = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
)
_BY_NUMBER = {number: owner for owner in OWNERS for number in owner.numbers}
_BY_NAME = {name: owner for owner in OWNERS for name in owner.names}
_BY_PREFIX = [(ipaddress.ip_network(prefix), owner) for owner in OWNERS for prefix in owner.prefixes]


def address_of(text: str) -> Address | None:
    """The address that a text is, None for a name."""
    try:
        return ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None


def addresses(hop: Hop) -> tuple[Address, ...]:
    """Of all who answer at a hop; a name that is an address is one."""
    found = (address_of(router.address or router.name) for router in hop.routers)
    return tuple(address for address in found if address is not None)


def number_of(hop: Hop) -> int | None:
    """The AS number that the report gives for a hop."""
    digits = hop.asn[2:]
    return int(digits) if hop.asn[:2] == "AS" and digits.isascii() and digits.isdecimal() and len(digits) < 11 else None


def owner(hop: Hop) -> Owner | None:
    """Whose a hop is; the AS number that the report gives is believed first, then the name, then the address."""
    number = number_of(hop)
    if number is not None:
        return _BY_NUMBER.get(number)
    for router in hop.routers[:1]:
        found = of_name(router.name) or of_address(router.address or router.name)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=4096)
def of_name(name: str) -> Owner | None:
    """The owner of a name such as ae5.r01.fra03.icn.netarch.akamai.com."""
    labels = name.lower().rstrip(".").split(".")[-4:]
    for first in range(len(labels) - 1):
        found = _BY_NAME.get(".".join(labels[first:]))
        if found is not None:
            return found
    return None


@lru_cache(maxsize=4096)
def of_address(text: str) -> Owner | None:
    """The owner of an address."""
    address = address_of(text)
    if address is None:
        return None
    for prefix, found in _BY_PREFIX:
        if address.version == prefix.version and address in prefix:
            return found
    return None


def private(hop: Hop) -> bool:
    """True when all who answer have addresses that are routed nowhere: a router at home, or inside a data centre.

    The addresses of documentation (RFC 5737, RFC 3849) stand for public ones.
    """
    found = addresses(hop)
    return bool(found) and all(_inner(address) for address in found)


def _inner(address: Address) -> bool:
    """True for an address of private networks, of carriers' own (RFC 6598), or of one link."""
    return any(address.version == prefix.version and address in prefix for prefix in _INNER)


def same_subnet(one: Address, other: Address) -> bool:
    """True for addresses of one IPv4 /24 or IPv6 /64: on Linode and nearly everywhere, of one data centre."""
    if one.version != other.version:
        return False
    shift = 8 if one.version == 4 else 64
    return int(one) >> shift == int(other) >> shift
