"""Addresses and routes that up, post-up and pre-up lines of a stanza set by hand (ip, route, ifconfig)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network

from agent.facts.netconfig.ifupdown_syntax import Option, Stanza
from agent.facts.netconfig.model import AddressConfig, Origin, RouteConfig
from agent.facts.netconfig.text import address, interface, network

_TAIL = re.compile(r"\s*(\|\|.*|&&.*|;.*|2?>.*|#.*)$")


MAX_LINES = 50  # of one stanza; more is no configuration that a person wrote
MAX_LENGTH = 2000


@dataclass(frozen=True)
class Commanded:
    addresses: tuple[AddressConfig, ...] = ()
    routes: tuple[RouteConfig, ...] = ()


def commanded(stanza: Stanza) -> Commanded:
    """What the stanza's own commands configure. Those that hang on conditions or variables are left out."""
    addresses: list[AddressConfig] = []
    routes: list[RouteConfig] = []
    lines = [option for option in stanza.options if option.name in ("up", "post-up", "pre-up")]
    for option in lines[:MAX_LINES]:
        if len(option.value) > MAX_LENGTH:
            continue
        for words in _commands(option, stanza.name):
            address_found = _address(words, option.origin)
            route_found = _route(words, option.origin)
            addresses += [address_found] if address_found else []
            routes += [route_found] if route_found else []
    return Commanded(tuple(addresses), tuple(routes))


def _commands(option: Option, name: str) -> list[list[str]]:
    text = re.sub(r"\$\{?IFACE\}?", name, option.value)
    found = []
    for command in re.split(r"\s*(?:&&|;|\n)\s*", text):
        words = _TAIL.sub("", command).replace('"', "").replace("'", "").split()
        if words and not any(char in command for char in "$`(") and words[0] not in ("if", "test", "["):
            words[0] = words[0].rpartition("/")[2]
            found.append(words)
    return found


def _ip(words: list[str]) -> tuple[str, list[str]]:
    """Object and arguments of an ip command without its options; ("", []) for any other command."""
    if words[0] != "ip":
        return "", []
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        rest = rest[1:]
    return (rest[0], rest[1:]) if rest else ("", [])


def _address(words: list[str], origin: Origin) -> AddressConfig | None:
    kind, rest = _ip(words)
    if kind and "address".startswith(kind) and len(rest) > 1 and rest[0] in ("add", "a", "replace", "change"):
        place = rest[2] if rest[1] in ("dev", "local") and len(rest) > 2 else rest[1]
        found = interface(place)
        return AddressConfig(found, origin, "/" in place) if found else None
    if words[0] == "ifconfig" and len(words) > 2:
        place = next((word for word in words[2:] if word not in ("add", "inet", "inet6")), "")
        mask = _after(words, "netmask")
        found = interface(place if "/" in place else f"{place}/{_bits(mask)}" if mask else place)
        return AddressConfig(found, origin, bool(mask) or "/" in place) if found else None
    return None


def _route(words: list[str], origin: Origin) -> RouteConfig | None:
    kind, rest = _ip(words)
    if kind and "route".startswith(kind) and len(rest) > 1 and rest[0] in ("add", "a", "replace", "append", "change"):
        rest = rest[2:] if rest[1] == "to" else rest[1:]
        return _built(rest[0], rest, origin) if rest else None
    if words[0] == "route":
        rest = [word for word in words[1:] if word not in ("-A", "inet6", "inet", "-4", "-6")]
        if len(rest) < 2 or rest[0] != "add":
            return None
        place = rest[2] if rest[1] in ("-net", "-host") and len(rest) > 2 else rest[1]
        mask = _after(rest, "netmask")
        if mask and place != "default":
            place = f"{place}/{_bits(mask)}"
        return _built(place, rest, origin)
    return None


def _built(place: str, words: list[str], origin: Origin) -> RouteConfig | None:
    destination = "default" if place in ("default", "0.0.0.0/0", "::/0", "0/0", "any") else network(place)
    gateway = address(_after(words, "via") or _after(words, "gw") or "-")
    if destination is None:
        return None
    metric = _after(words, "metric")
    return RouteConfig(
        destination,
        gateway,
        origin,
        onlink="onlink" in words,
        metric=int(metric) if re.fullmatch(r"\d{1,9}", metric) else None,
        table=_after(words, "table") or "main",
    )


def _after(words: list[str], word: str) -> str:
    return words[words.index(word) + 1] if word in words[:-1] else ""


def _bits(mask: str) -> int:
    try:
        return ip_network(f"0.0.0.0/{mask}").prefixlen
    except ValueError:
        return 32
