"""The live network as it is now, as commands that put it back: addresses and routes of some links (ip-batch).

What the kernel makes by itself is left out: connected and link-local routes come with their addresses.
Addresses that a lease or a router advertisement gave come back with a short lifetime: whoever looks after
them renews them, and if nobody does, they don't stay for ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.change.model import Command
from agent.facts.network import Address, Link, Route

LIFETIME = 3600  # seconds for what had a lifetime that the facts don't tell
# Who made a route, by number, for /etc/iproute2/rt_protos may be missing: boot, static, ra, dhcp (ip-route(8)).
_PROTOCOLS = {"boot": "3", "static": "4", "ra": "9", "dhcp": "16"}
_MAIN = "main"
_WORDS_OF_IPROUTE = re.compile(r" (?:nodad|noprefixroute|expires \d+)\b")


def restoring(links: Sequence[Link], routes: Sequence[Route], busybox: bool = False) -> tuple[Command, ...]:
    """Commands that put the links, their global addresses and their routes back as they are now.

    One batch a family, so that the network is gone for a moment only. ``busybox``: its ip knows no batch, no
    nodad and no lifetime of routes, and its flush takes the kernel's routes away as well: one command a line.
    """
    found: list[Command] = []
    for family in (4, 6) if links else ():
        lines = [line for link in links for line in _of_link(link, routes, family)]
        if busybox:
            plain = [_WORDS_OF_IPROUTE.sub("", line) for line in lines if not line.startswith("route flush")]
            found += [Command(("ip", f"-{family}", *line.split())) for line in plain]
        else:
            text = "".join(f"{line}\n" for line in lines)
            found.append(Command(("ip", f"-{family}", "-force", "-batch", "-"), text.encode()))
    return tuple(found)


def _of_link(link: Link, routes: Sequence[Route], family: int) -> Iterator[str]:
    own = [route for route in routes if route.device == link.name and route.family == family and _kept(route)]
    addresses = [one for one in link.addresses if one.interface.version == family]
    if family == 4:
        yield f"link set dev {link.name} {'up' if link.up else 'down'}"
    for number in _PROTOCOLS.values():  # of the main table: to flush one that is gone by then is an error
        yield f"route flush dev {link.name} table {_MAIN} proto {number}"
    yield f"addr flush dev {link.name} scope global"
    for address in addresses:
        if _comes_back(address) or (family == 6 and address.scope == "link" and link.up):
            yield _address(link, address)
    if not link.up:
        return
    seen: set[tuple[str, int, str]] = set()
    for route in sorted(own, key=lambda route: route.gateway is not None):  # what leads to a gateway first
        key = (route.destination, route.metric, route.table)
        yield _route(route, "append" if key in seen else "replace")
        seen.add(key)


def _comes_back(address: Address) -> bool:
    """Not one that was refused, or that the kernel makes up for privacy. (IPv6's link-local ones are the
    kernel's, and a gateway is reached through them: they are seen to be there, and never flushed.)"""
    return address.scope == "global" and not {"dadfailed", "temporary"} & set(address.flags)


def _address(link: Link, address: Address) -> str:
    words = ["addr", "replace", str(address.interface), "dev", link.name, "scope", address.scope]
    if address.interface.version == 4:
        words += ["brd", "+"] if address.interface.network.prefixlen < 31 else []
    else:
        words += ["nodad"]  # it was in use a moment ago: waiting helps nobody
    if "noprefixroute" in address.flags:
        words.append("noprefixroute")
    if "dynamic" in address.flags:
        words += ["valid_lft", str(LIFETIME), "preferred_lft", "0" if "deprecated" in address.flags else str(LIFETIME)]
    return " ".join(words)


def _kept(route: Route) -> bool:
    """Somebody set it, and it can be set again."""
    return route.kind == "unicast" and (route.protocol or "boot") in _PROTOCOLS


def _route(route: Route, verb: str) -> str:
    words = ["route", verb, route.destination]
    if route.gateway:
        other = ":" in route.gateway and route.family == 4
        words += ["via", *(["inet6"] if other else []), route.gateway]
    words += ["dev", route.device, "table", route.table, "proto", _PROTOCOLS[route.protocol or "boot"]]
    if route.metric:
        words += ["metric", str(route.metric)]
    if route.source:
        words += ["src", route.source]
    if "onlink" in route.flags:
        words.append("onlink")
    if route.family == 6 and route.protocol == "ra":
        words += ["expires", str(LIFETIME)]
    return " ".join(words)


__all__ = ["LIFETIME", "restoring"]
