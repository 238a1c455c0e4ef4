"""Reader of ``ipset save`` (and of files for ``ipset restore``): create and add lines (man ipset)."""

from __future__ import annotations

from collections.abc import Mapping

from agent.firewall.model import Problem, Ruleset
from agent.firewall.sets import Element, Part, Set
from agent.firewall.xtables import icmp_names
from agent.firewall.xtables.options import words
from agent.firewall.xtables.values import SERVICES, NotUnderstood, Setting, address, masked, network, port, protocol

_KINDS = ("ip", "net", "port", "iface", "mac", "mark")


def read(text: str, services: Mapping[str, int] = SERVICES) -> Ruleset:
    """The sets of a text, with the lines that were not understood; a set with such a line is incomplete."""
    made: dict[str, tuple[str, int, dict[str, str]]] = {}
    elements: dict[str, list[Element]] = {}
    members: dict[str, list[str]] = {}
    incomplete: dict[str, str] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line or line[0] == "#" or line == "COMMIT":
            continue
        try:
            parts = words(line)
            if parts[0] in ("create", "-N") and len(parts) > 2:
                options = _options(parts[3:])
                six = options.get("family") in ("inet6", "6")
                family = 0 if parts[2] in ("bitmap:port", "hash:mac", "list:set") else 6 if six else 4
                made[parts[1]] = (parts[2], family, options)
                elements[parts[1]], members[parts[1]] = [], []
                if not set(parts[2].partition(":")[2].split(",")) <= {*_KINDS, "set"}:
                    raise NotUnderstood(f"sets of the type {parts[2]} are not modelled")
                if "initval" in options and parts[2] == "list:set":
                    continue
            elif parts[0] in ("add", "-A") and len(parts) > 2:
                if parts[1] not in made:
                    raise NotUnderstood(f"there is no set {parts[1]}")
                kind, family, options = made[parts[1]]
                if kind == "list:set":
                    members[parts[1]].append(parts[2])
                else:
                    setting = Setting(family or 4, services=services)
                    elements[parts[1]] += _elements(kind, parts[2], parts[3:], options, setting)
            else:
                raise NotUnderstood("neither create nor add")
        except NotUnderstood as problem:
            problems.append(Problem(number, line, str(problem)))
            name = line.split()[1] if len(line.split()) > 1 else ""
            incomplete[name] = f"line {number} is not understood ({problem})"
    sets = {
        name: Set(
            name,
            kind,
            tuple(elements[name]),
            family,
            tuple(members[name]),
            incomplete.get(name, ""),
            timeout=float(options["timeout"]) if options.get("timeout", "").isdecimal() else None,
        )
        for name, (kind, family, options) in made.items()
    }
    return Ruleset((), sets, tuple(problems))


def _options(parts: list[str]) -> dict[str, str]:
    """Options of create: all but a few have a value."""
    found: dict[str, str] = {}
    at = 0
    while at < len(parts):
        if parts[at] in ("counters", "comment", "skbinfo", "forceadd") or at + 1 >= len(parts):
            found[parts[at]] = ""
            at += 1
        else:
            found[parts[at]] = parts[at + 1]
            at += 2
    return found


def _elements(kind: str, entry: str, rest: list[str], options: Mapping[str, str], setting: Setting) -> list[Element]:
    """An entry; a port range of hash sets without a protocol stands for TCP, and 0.0.0.0/0 for both halves."""
    kinds = kind.partition(":")[2].split(",")
    texts = entry.split(",")
    if len(texts) == len(kinds) - 1 and kinds[-1] == "mac":
        texts.append("")  # bitmap:ip,mac: the address alone, the hardware address is learnt later
        raise NotUnderstood("an entry that learns its hardware address is not modelled")
    if len(texts) != len(kinds):
        raise NotUnderstood(f"{entry}: not a key of {kind}")
    if "wildcard" in rest or any(word in rest for word in ("physdev",)):
        raise NotUnderstood("interfaces by wildcard or bridge port are not modelled")
    key: list[Part] = []
    for part, text in zip(kinds, texts):
        key += _part(part, text, options, setting, bitmap=kind.startswith("bitmap:"))
    at = rest.index("timeout") + 1 if "timeout" in rest else 0
    expires = float(rest[at]) if 0 < at < len(rest) and rest[at].isdecimal() and rest[at] != "0" else None
    return [Element(tuple(key), "nomatch" in rest, expires=expires)]


def _part(part: str, text: str, options: Mapping[str, str], setting: Setting, *, bitmap: bool) -> tuple[Part, ...]:
    if part in ("ip", "net"):
        return (_addresses(text, options, setting),)
    if part == "iface":
        if text.startswith("physdev:"):
            raise NotUnderstood("bridge ports are not modelled")
        return (text,)
    if part == "mac":
        try:
            value = int(text.replace(":", ""), 16)
        except ValueError:
            raise NotUnderstood(f"{text} is not a hardware address") from None
        return ((value, value),)
    if part == "mark":
        value, _ = masked(text)
        if "markmask" in options:
            raise NotUnderstood("marks under a mask are not modelled")
        return ((value, value),)
    return _ports(text, setting, bitmap)


def _addresses(text: str, options: Mapping[str, str], setting: Setting) -> tuple[int, int]:
    """ADDRESS, ADDRESS/LENGTH or ADDRESS-ADDRESS; sets of addresses may hold whole networks (netmask, bitmask)."""
    if "bitmask" in options:
        raise NotUnderstood("sets with a bitmask are not modelled")
    every = 0xFFFFFFFF if setting.family == 4 else (1 << 128) - 1
    low, dash, high = text.partition("-")
    if dash and high[:1].isalnum() and setting.family == 4:
        return address(low, 4), address(high, 4)
    if "netmask" in options and "/" not in text:
        text = f"{text}/{options['netmask']}"
    value, mask = network(text, setting.family)
    return value, value | (every ^ mask)


def _ports(text: str, setting: Setting, bitmap: bool) -> tuple[Part, ...]:
    """[PROTOCOL:]PORT[-PORT], or a type and code of ICMP."""
    name, colon, rest = text.partition(":")
    which = protocol(name) if colon else 6
    rest = rest if colon else text
    if which in (1, 58):
        kind, code = icmp_names.kind(rest, 4 if which == 1 else 6)
        value = kind << 8 | (code or 0)
        return ((which, which), (value, value))
    low, _, high = rest.partition("-")
    ports = (port(low, setting), port(high or low, setting))
    return (ports,) if bitmap else ((which, which), ports)
