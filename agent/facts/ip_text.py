"""Parsers of the text that ``ip a``, ``ip r``, ``ip -6 r``, ``ip rule`` and ``ip neigh`` print.

For an ip command without JSON: busybox, iproute2 before 4.13, and text that somebody pasted. Lines that say
something else (prompts, error messages) are passed over.
"""

from __future__ import annotations

import re
from dataclasses import replace

from agent.facts.ip_records import (
    OWN_ROUTES,
    address_interface,
    destination,
    family_of,
    guessed_kind,
    guessed_state,
    with_hardware,
)
from agent.facts.network import Address, Link, Neighbour, Route, RoutingRule

_LINK = re.compile(r"^\s*(\d+):\s+([^\s:@]+)(?:@(\S+?))?:\s+<([^>]*)>(.*)$")
_LINK_ADDRESS = re.compile(r"^\s+link/(\S+)(?:\s+([0-9A-Fa-f:.]+))?")
_ADDRESS = re.compile(r"^\s*(?:\d+:\s+\S+\s+)?(inet6?)\s+([0-9A-Fa-f:.]+(?:/\d+)?)(.*)$")
_ALTNAME = re.compile(r"^\s+altname\s+(\S+)")
_KIND = re.compile(r"^\s+(bridge|veth|vlan|bond|tun|dummy|wireguard|macvlan|ipvlan|vxlan|team|sit|gre|ipip)\b")
_BUSYBOX_FLAGS = {0x40: "tentative", 0x20: "deprecated", 0x08: "dadfailed", 0x02: "nodad", 0x01: "secondary"}
_STATES = "REACHABLE|STALE|INCOMPLETE|FAILED|DELAY|PROBE|PERMANENT|NOARP|NONE"


def parse_links_text(output: str) -> tuple[Link, ...]:
    """Links with their addresses from ``ip a`` (with or without -d), iproute2's or busybox's."""
    links: list[Link] = []
    types: dict[str, str] = {}
    peers: dict[str, str] = {}
    for line in _lines(output):
        head = _LINK.match(line)
        if head:
            index, name, peer, flags, rest = head.groups()
            links.append(_link(int(index[:9]), name, tuple(flags.split(",")) if flags else (), rest))
            peers[name] = peer or ""
        elif links:
            current = _within(links[-1], line, types)
            if current is not None:
                links[-1] = current
    links = [
        link if link.kind else replace(link, kind=guessed_kind(link.name, types.get(link.name, ""), peers[link.name]))
        for link in links
    ]
    return with_hardware(links, {name: re.fullmatch(r"if\d+", peer) is not None for name, peer in peers.items()})


def _link(index: int, name: str, flags: tuple[str, ...], rest: str) -> Link:
    state = _after(rest, "state")
    mtu = _after(rest, "mtu")
    return Link(
        name=name,
        index=index,
        mac="",
        flags=flags,
        operstate=state or guessed_state(flags),
        mtu=int(mtu) if re.fullmatch(r"\d{1,9}", mtu) else 0,
        master=_after(rest, "master"),
    )


def _within(link: Link, line: str, types: dict[str, str]) -> Link | None:
    """The link with what an indented line tells of it; None when the line tells nothing."""
    hardware = _LINK_ADDRESS.match(line)
    if hardware:
        types.setdefault(link.name, hardware.group(1))
        mac = hardware.group(2) or ""
        if hardware.group(1) in ("ether", "loopback") and mac.strip("0:"):
            return replace(link, mac=mac.lower())
        return None
    found = _ADDRESS.match(line)
    if found:
        address = _address(found.group(1), found.group(2), found.group(3))
        return replace(link, addresses=(*link.addresses, address)) if address else None
    other = _ALTNAME.match(line)
    if other:
        return replace(link, altnames=(*link.altnames, other.group(1)))
    kind = _KIND.match(line)
    return replace(link, kind=kind.group(1)) if kind and not link.kind else None


def _address(family: str, written: str, rest: str) -> Address | None:
    peer = re.match(r"\s+peer\s+[0-9A-Fa-f:.]+/(\d+)", rest)  # ip prints the length with the peer
    if peer and "/" not in written:
        written = f"{written}/{peer.group(1)}"
    interface = address_interface(written)
    if interface is None:
        return None
    scope = re.search(r"\bscope\s+(\S+)(.*)$", rest)
    flags: list[str] = []
    if scope:
        tail = scope.group(2).split()
        if family == "inet" and tail:
            tail = tail[:-1] if tail[-1] not in ("dynamic", "noprefixroute", "secondary", "deprecated") else tail
        for at, word in enumerate(tail):
            if word == "flags" and at + 1 < len(tail):
                flags += _busybox_flags(tail[at + 1])
                break
            flags.append(word)
    return Address(interface, scope.group(1) if scope else "global", tuple(flags))


def _busybox_flags(number: str) -> list[str]:
    try:
        bits = int(number, 16)
    except ValueError:
        return []
    return [name for bit, name in _BUSYBOX_FLAGS.items() if bits & bit]


def parse_routes_text(output: str, family: int = 0) -> tuple[Route, ...]:
    """Routes from ``ip r`` or ``ip -6 r``, also with ``table all``; the kernel's own are left out."""
    routes: list[Route] = []
    pending: Route | None = None  # a route whose next hops follow on lines of their own
    for line in _lines(output):
        fields = line.split()
        if not fields:
            continue
        if fields[0] == "nexthop":
            if pending is not None:
                if routes and routes[-1] is pending:
                    routes.pop()
                routes.append(_with_hop(pending, fields))
            continue
        route = _route(fields, family)
        pending = route
        if route is not None:
            routes.append(route)
    return tuple(routes)


_KINDS = frozenset({"unicast", "blackhole", "unreachable", "prohibit", "throw", "nat", *OWN_ROUTES})


def _route(fields: list[str], family: int) -> Route | None:
    kind = fields[0] if fields[0] in _KINDS else "unicast"
    if fields[0] in _KINDS:
        fields = fields[1:]
    if not fields or not re.fullmatch(r"default|[0-9A-Fa-f:.]+(/\d+)?", fields[0]):
        return None
    if fields[0] != "default" and not re.search(r"[.:]", fields[0]):
        return None
    line = " ".join(fields)
    table = _after(line, "table") or "main"
    if kind in OWN_ROUTES or table == "local":
        return None
    gateway = _gateway(fields)
    metric = _after(line, "metric")
    version = family or family_of(fields[0], gateway or "", _after(line, "src"))
    return Route(
        destination=destination(fields[0], version),
        gateway=gateway,
        device=_after(line, "dev"),
        family=version,
        metric=int(metric) & 0xFFFFFFFF if re.fullmatch(r"-?\d{1,10}", metric) else 0,  # busybox prints it signed
        table=table,
        protocol=_after(line, "proto"),
        kind=kind,
        flags=tuple(word for word in fields if word in ("onlink", "linkdown", "dead", "pervasive")),
        source=_after(line, "src"),
    )


def _with_hop(route: Route, fields: list[str]) -> Route:
    flags = tuple(word for word in fields if word in ("onlink", "linkdown", "dead", "pervasive"))
    return replace(route, gateway=_gateway(fields), device=_after(" ".join(fields), "dev"), flags=flags)


def _gateway(fields: list[str]) -> str | None:
    if "via" not in fields:
        return None
    rest = fields[fields.index("via") + 1 :]
    if rest and rest[0] in ("inet", "inet6"):
        rest = rest[1:]
    return rest[0] if rest else None


def parse_rules_text(output: str, family: int = 0) -> tuple[RoutingRule, ...]:
    """Policy rules from ``ip rule`` or ``ip -6 rule``."""
    rules = []
    for line in _lines(output):
        match = re.match(r"\s*(\d{1,10}):\s+(\S.*)$", line)
        if not match or "from" not in match.group(2).split():
            continue
        selector = match.group(2).strip()
        table = re.search(r"\s*\blookup (\S+)", selector)
        if table:
            selector = (selector[: table.start()] + selector[table.end() :]).strip()
        name = table.group(1) if table and table.group(1) != "unspec" else ""
        rules.append(RoutingRule(int(match.group(1)), family or family_of(selector), selector, name))
    return tuple(rules)


def parse_neighbours_text(output: str) -> tuple[Neighbour, ...]:
    """The neighbour table from ``ip neigh``."""
    found = []
    for line in _lines(output):
        match = re.match(rf"\s*([0-9A-Fa-f:.]+)\s+dev\s+(\S+)(.*?)\s({_STATES})(?:\s+proxy)?\s*$", line)
        if match:
            rest = match.group(3)
            mac = _after(rest, "lladdr").lower()
            found.append(Neighbour(match.group(1), match.group(2), match.group(4), mac, "router" in rest.split()))
    return tuple(found)


def _lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if len(line) < 2000]


def _after(line: str, word: str) -> str:
    """The word that follows a keyword; "" when the keyword is not there."""
    match = re.search(rf"(?:^|\s){word}\s+(\S+)", line)
    return match.group(1) if match else ""
