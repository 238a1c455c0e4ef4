"""Gentoo's netifrc: /etc/conf.d/net, and which net.* scripts are in a runlevel.

An interface whose script is started and that has no config_ line gets DHCP. Codes of problems:
unclosed-quote, bad-address, bad-route.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.facts.netconfig.bash_settings import Setting, last_values, settings
from agent.facts.netconfig.ifcfg_file import prefix_length, route_line, with_length
from agent.facts.netconfig.model import (
    AddressConfig,
    ConfigProblem,
    InterfaceConfig,
    Manager,
    ManagerConfig,
    Method,
    Origin,
    RouteConfig,
)
from agent.facts.netconfig.text import address, by_helper
from agent.target import Target
from agent.unknown import Unknown

PATH = "/etc/conf.d/net"

_WORDS = frozenset({"null", "noop", "dhcp", "dhcpv6", "adsl", "apipa", "ppp", "pppoa", "pppoe", "arping"})
_PER_INTERFACE = re.compile(
    r"(?:config|routes|dns_servers|modules|mac|bridge|slaves|vlans|fallback|preup|mtu|enable_ipv6)_(\w+)$"
)
_VIRTUAL_KEYS = (
    "bridge",
    "slaves",
    "tunnel",
    "iptunnel",
    "ip6tunnel",
    "type",
    "tuntap",
    "vlan",
    "macvlan",
    "veth",
)


def read(target: Target) -> ManagerConfig:
    """What /etc/conf.d/net says; no files when there are neither it nor net.* scripts in a runlevel."""
    started = _started(target)
    text = target.text(PATH)
    if isinstance(text, Unknown):
        if not text.absent:
            return ManagerConfig(Manager.NETIFRC, files=(PATH,), unread=(text.reason,))
        if not started:
            return ManagerConfig(Manager.NETIFRC)
        text = ""
    found, broken = settings(text)
    values = last_values(found)
    problems = [
        ConfigProblem("unclosed-quote", f"{PATH}: line {one.line}: unclosed quote", Origin(PATH, one.line), True)
        for one in broken
        if one.code == "unclosed-quote"
    ]
    names = _names(values, started)
    interfaces = tuple(_interface(name, name in started, values, problems) for name in names)
    return ManagerConfig(
        Manager.NETIFRC,
        files=(PATH,) if text else tuple(started.values()),
        interfaces=interfaces,
        problems=tuple(problems),
        helper=by_helper(text),
    )


def _started(target: Target) -> dict[str, str]:
    """Interfaces whose net.NAME script is in a runlevel, with the link's path."""
    out = {}
    for path in target.glob("/etc/runlevels/*/net.*")[:200]:
        name = path.rpartition("/net.")[2]
        if name and name != "lo":
            out[name] = path
    return out


def _names(values: Mapping[str, Setting], started: Mapping[str, str]) -> list[str]:
    """Interface names: those started, then those of the variables (in which all but letters is _)."""
    names = list(started)
    mangled = {_mangled(name) for name in names} | {"lo"}
    for key in values:
        match = _PER_INTERFACE.match(key)
        if match and match.group(1) not in mangled:
            mangled.add(match.group(1))
            names.append(match.group(1))
    return names[:500]


def _mangled(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def _interface(
    name: str, started: bool, values: Mapping[str, Setting], problems: list[ConfigProblem]
) -> InterfaceConfig:
    suffix = _mangled(name)
    config = values.get(f"config_{suffix}")
    methods = [Method.NONE, Method.NONE]
    addresses: list[AddressConfig] = []
    for line in _lines(config):
        words = line.split()
        if words[0] in ("dhcp", "dhcpv6"):
            methods[words[0] == "dhcpv6"] = Method.DHCP
        elif words[0] in _WORDS:
            continue
        else:
            one = _address(words, config, started, name, problems)
            if one is not None:
                addresses.append(one)
                index = one.interface.version == 6
                if methods[index] is Method.NONE:
                    methods[index] = Method.STATIC
    virtual = any(f"{key}_{suffix}" in values for key in _VIRTUAL_KEYS) or re.search(
        r"[._]\d+$|^(br|bond|vlan)\d", name
    )
    if config is None and not virtual:
        methods[0] = Method.DHCP
    servers = values.get(f"dns_servers_{suffix}") or values.get("dns_servers")
    return InterfaceConfig(
        Manager.NETIFRC,
        name,
        Origin(PATH, config.line if config else 0),
        method4=methods[0],
        method6=methods[1],
        addresses=tuple(addresses),
        routes=tuple(_routes(values.get(f"routes_{suffix}"), started, name, problems)),
        dns=tuple(servers.value.split()) if servers else (),
        auto=started,
        virtual=bool(virtual),
        settings={
            key: setting.value
            for key, setting in values.items()
            if key.endswith(f"_{suffix}") and _PER_INTERFACE.match(key)
        },
    )


def _lines(setting: Setting | None) -> list[str]:
    """One entry each: lines of a string, members of an array, or several addresses with a blank between."""
    out: list[str] = []
    for word in setting.words if setting else ():
        for line in re.split(r"[\n;]", word):
            parts = line.split()
            if len(parts) > 1 and all("/" in part or part in _WORDS for part in parts):
                out += parts
            elif parts:
                out.append(" ".join(parts))
    return out


def _address(
    words: list[str], config: Setting | None, started: bool, name: str, problems: list[ConfigProblem]
) -> AddressConfig | None:
    origin = Origin(PATH, config.line if config else 0)
    mask = words[words.index("netmask") + 1] if "netmask" in words[:-1] else ""
    found = with_length(words[0], mask, origin)
    bad_length = "/" in words[0] and prefix_length(words[0].partition("/")[2]) is None
    if found is None or bad_length:
        text = f'any valid prefix is expected rather than "{words[0]}"'
        problems.append(ConfigProblem("bad-address", text, origin, started, name))
    return found


def _routes(setting: Setting | None, started: bool, name: str, problems: list[ConfigProblem]) -> list[RouteConfig]:
    out = []
    origin = Origin(PATH, setting.line if setting else 0)
    for word in setting.words if setting else ():
        for line in re.split(r"[\n;]", word):
            words = line.split()
            if not words:
                continue
            words = ["default", "via", words[-1]] if words[:2] == ["default", "gw"] else words
            if words[0] in ("-net", "-host"):
                words = words[1:]
            if "gw" in words:
                words[words.index("gw")] = "via"
            if len(words) == 1 and address(words[0]):
                words = ["default", "via", words[0]]
            found = route_line(words, origin)
            if found is None or ("via" in words and found.gateway is None):
                problems.append(ConfigProblem("bad-route", f"invalid route: {line.strip()}", origin, started, name))
            else:
                out.append(found)
    return out
