"""The live network as facts, from the target's records; see network.py for the values.

Three sources, the first that answers counts: the target's own record (by library), ``ip -j``, and the text of
ip, which is all that busybox has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Callable, TypeVar

from agent.facts.ip_records import UPLINK_KINDS, parse_links, parse_neighbours, parse_routes, parse_rules
from agent.facts.ip_text import parse_links_text, parse_neighbours_text, parse_routes_text, parse_rules_text
from agent.facts.network import Link, Neighbour, Route, RoutingRule
from agent.target import Target
from agent.target.model import Json
from agent.unknown import Maybe, Unknown, Why

T = TypeVar("T")

_SOFTWARE = frozenset({"lo", "bonding_masters"})


def links(target: Target) -> Maybe[tuple[Link, ...]]:
    """Every network interface of the running host with its addresses; Unknown when it is not running."""
    found = _read(target, "links", (["addr"],), parse_links, parse_links_text, details=True)
    if isinstance(found, Unknown) or any(link.driver for link in found):
        return found
    return tuple(_from_sysfs(target, found))


def routes(target: Target) -> Maybe[tuple[Route, ...]]:
    """Routes of all tables and both families, without those that the kernel keeps for itself."""
    return _both(target, "routes", ["route", "show", "table", "all"], ["route"], parse_routes, parse_routes_text)


def rules(target: Target) -> Maybe[tuple[RoutingRule, ...]]:
    """Policy routing rules of both families."""
    return _both(target, "rules", ["rule"], ["rule"], parse_rules, parse_rules_text)


def neighbours(target: Target) -> Maybe[tuple[Neighbour, ...]]:
    """The neighbour tables (ARP, NDP)."""
    return _read(target, "neighbours", (["neigh"],), parse_neighbours, parse_neighbours_text)


def _read(
    target: Target,
    name: str,
    commands: Sequence[Sequence[str]],
    parse: Callable[[object], tuple[T, ...]],
    parse_text: Callable[[str], tuple[T, ...]],
    details: bool = False,
) -> Maybe[tuple[T, ...]]:
    recorded = target.query(name)
    if not isinstance(recorded, Unknown):
        return parse(recorded)
    for command in commands:
        records = _json(target, ["ip", "-j", *(["-d"] if details else []), *command])
        if not isinstance(records, Unknown):
            return parse(records)
        for argv in (["ip", *command], ["ip", command[0][:1]]):  # a recording may hold only `ip a`
            output = _text(target, argv)
            if not isinstance(output, Unknown):
                return parse_text(output)
    return recorded


def _both(
    target: Target,
    name: str,
    command: Sequence[str],
    short: Sequence[str],
    parse: Callable[[object, int], tuple[T, ...]],
    parse_text: Callable[[str, int], tuple[T, ...]],
) -> Maybe[tuple[T, ...]]:
    """A table that each address family has of its own. A host without IPv6 answers for IPv4 alone."""
    recorded = target.query(name)
    if not isinstance(recorded, Unknown):
        return parse(recorded, 0)
    found: list[T] = []
    for family, option in ((4, "-4"), (6, "-6")):
        records = _json(target, ["ip", "-j", option, *command])
        if not isinstance(records, Unknown):
            found += parse(records, family)
            continue
        plain = [["ip", *short], ["ip", short[0][:1]]] if family == 4 else [["ip", "-6", short[0][:1]]]
        for argv in (["ip", option, *command], ["ip", option, *short], *plain):
            output = _text(target, argv)
            if not isinstance(output, Unknown):
                found += parse_text(output, family)
                break
        else:
            if family == 4:
                return recorded
    return tuple(found)


def _json(target: Target, argv: Sequence[str]) -> Maybe[Json]:
    output = _text(target, argv)
    if isinstance(output, Unknown):
        return output
    try:
        found: Json = json.loads(output or "[]")
    except (ValueError, RecursionError):
        return Unknown(f"{' '.join(argv)}: printed no JSON", Why.UNREADABLE)
    return found if isinstance(found, list) else Unknown(f"{' '.join(argv)}: no list", Why.UNREADABLE)


def _text(target: Target, argv: Sequence[str]) -> Maybe[str]:
    output = target.run(argv)
    if isinstance(output, Unknown):
        return output
    if output.exit != 0:
        said = output.stderr.strip().splitlines()
        return Unknown(f"{' '.join(argv)}: {said[0] if said else f'exit status {output.exit}'}", Why.FAILED)
    return output.stdout


def _from_sysfs(target: Target, links: Sequence[Link]) -> Sequence[Link]:
    """Drivers, and which links have a device behind them: sysfs knows better than names do."""
    names = target.list("/sys/class/net")
    if isinstance(names, Unknown):
        return links
    out: list[Link] = []
    for link in links:
        folder = f"/sys/class/net/{link.name}"
        if "/" in link.name or link.name in ("", ".", "..") or link.name not in names:
            out.append(link)
            continue
        device = target.exists(f"{folder}/device")
        driver = target.readlink(f"{folder}/device/driver")
        hardware = link.hardware
        if device:
            hardware = True
        elif link.hardware and link.kind not in UPLINK_KINDS:
            hardware = not _virtual(target, folder)
        name = driver.rpartition("/")[2] if isinstance(driver, str) else link.driver
        out.append(replace(link, driver=name, hardware=hardware))
    if any(target.exists(f"/sys/class/net/{link.name}/device") for link in out):
        out = [replace(link, hardware=False) if link.kind in UPLINK_KINDS else link for link in out]
    return out


def _virtual(target: Target, folder: str) -> bool:
    """A link under devices/virtual that is none of a container's (venet of OpenVZ has no other place)."""
    place = target.readlink(folder)
    name = folder.rpartition("/")[2]
    return (
        isinstance(place, str)
        and "/virtual/" in place
        and name not in _SOFTWARE
        and re.match(r"venet\d|eth\d|host\d|mv-|iv-", name) is None
    )
