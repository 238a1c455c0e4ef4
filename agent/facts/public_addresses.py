"""The addresses of the target by which the world can reach it."""

from __future__ import annotations

import ipaddress
from typing import Union

from agent.facts.facts import Facts
from agent.unknown import Unknown

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# Routed nowhere (RFC 1918, 6598, 3927, 4193, 4291). The addresses of documentation are not among them: test networks
# use them as public ones.
_INNER = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"),
        *("0.0.0.0/8", "224.0.0.0/3", "fc00::/7", "fe80::/10", "ff00::/8", "::/127"),
    )
)


def public_addresses(facts: Facts) -> tuple[str, ...]:
    """IPv4 first: those that the live host has, else those that its disk configures for the manager in charge."""
    found: list[Address] = []
    links = facts.links
    if not isinstance(links, Unknown):
        found = [address.interface.ip for link in links if link.hardware for address in link.global_addresses]
    else:
        main = facts.managers.main
        config = facts.configs.get(main) if main is not None else None
        interfaces = config.interfaces if config is not None else ()
        found = [address.interface.ip for interface in interfaces for address in interface.addresses]
    public = dict.fromkeys(address for address in found if _public(address))
    return tuple(str(address) for address in sorted(public, key=lambda address: address.version))


def _public(address: Address) -> bool:
    return not any(address.version == prefix.version and address in prefix for prefix in _INNER)
