"""SUSE's ifcfg files, which wicked reads: /etc/sysconfig/network/ifcfg-*, ifroute-*, routes, config.

Codes of problems: unclosed-quote, spaced-assignment, carriage-return, unknown-bootproto, unknown-startmode,
bad-address, bad-prefix, bad-route, missing-address.
"""

from __future__ import annotations

import re
from dataclasses import replace

from agent.facts.netconfig.ifcfg_file import (
    Ifcfg,
    destination,
    load,
    prefix_length,
    syntax_problems,
    with_length,
)
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
from agent.facts.netconfig.text import address, mac
from agent.target import Target
from agent.unknown import Unknown

FOLDER = "/etc/sysconfig/network"

_IGNORED = re.compile(
    r"(~|\.(bak|old|orig|rej|rpmnew|rpmorig|rpmsave|scpmbackup|swp|template|linode-orig|linode-last))$"
)
_AUTO = frozenset({"auto", "boot", "onboot", "on", "nfsroot"})
_MODES = _AUTO | {"hotplug", "ifplugd", "manual", "off", ""}
# BOOTPROTO: method of IPv4, method of IPv6 (router advertisements are taken unless IPv6 is off)
_BOOTPROTO = {
    "": (Method.STATIC, Method.AUTO),
    "static": (Method.STATIC, Method.AUTO),
    "none": (Method.NONE, Method.NONE),
    "dhcp": (Method.DHCP, Method.DHCP),
    "dhcp4": (Method.DHCP, Method.AUTO),
    "dhcp6": (Method.NONE, Method.DHCP),
    "autoip": (Method.AUTO, Method.AUTO),
    "dhcp+autoip": (Method.DHCP, Method.AUTO),
    "auto6": (Method.NONE, Method.AUTO),
    "dhcp4+auto6": (Method.DHCP, Method.AUTO),
    "ibft": (Method.UNKNOWN, Method.UNKNOWN),
    "6to4": (Method.NONE, Method.UNKNOWN),
}


def read(target: Target) -> ManagerConfig:
    """What SUSE's ifcfg files say, lo aside; no files when there are none."""
    names = target.list(FOLDER)
    if isinstance(names, Unknown):
        return ManagerConfig(Manager.WICKED)  # RHEL has a file of this name
    loaded: list[Ifcfg] = []
    unread: list[str] = []
    for name in names[:2000]:
        if not name.startswith("ifcfg-") or name == "ifcfg-lo" or _IGNORED.search(name):
            continue
        file = load(target, f"{FOLDER}/{name}", name[6:])
        if isinstance(file, Unknown):
            unread.append(file.reason)
        else:
            loaded.append(file)
    if not loaded and not unread:
        return ManagerConfig(Manager.WICKED)
    problems: list[ConfigProblem] = []
    servers = _name_servers(target)
    found = [_interface(file, servers, problems) for file in loaded]
    files = [file.path for file in loaded]
    for path in (f"{FOLDER}/routes", *(f"{FOLDER}/ifroute-{file.name}" for file in loaded)):
        text = target.text(path)
        if isinstance(text, Unknown):
            unread += [] if text.absent else [text.reason]
            continue
        files.append(path)
        _routes_into(found, path, text, problems)
    return ManagerConfig(
        Manager.WICKED,
        files=tuple(files),
        interfaces=tuple(found),
        problems=tuple(problems),
        unread=tuple(unread),
        helper=any(file.helper for file in loaded),
    )


def _name_servers(target: Target) -> tuple[str, ...]:
    common = load(target, f"{FOLDER}/config", "")
    return () if isinstance(common, Unknown) else tuple(common.get("NETCONFIG_DNS_STATIC_SERVERS").split())


def _interface(file: Ifcfg, servers: tuple[str, ...], problems: list[ConfigProblem]) -> InterfaceConfig:
    by_mac = re.match(r"(?:eth-)?id-([0-9a-fA-F:]{17})$", file.name)  # names of SUSE before 11
    found_mac = mac(by_mac.group(1)) if by_mac else None
    name = "" if found_mac else file.name
    mode = file.get("STARTMODE").lower()
    auto, hotplug = mode in _AUTO, mode in ("hotplug", "ifplugd")
    up = auto or hotplug
    problems += syntax_problems(file, name)
    if mode not in _MODES:
        text = f"unknown STARTMODE '{mode}'"
        problems.append(ConfigProblem("unknown-startmode", text, file.origin("STARTMODE"), True, name))
    proto = file.get("BOOTPROTO").lower()
    method4, method6 = _BOOTPROTO.get(proto, (Method.UNKNOWN, Method.UNKNOWN))
    if proto not in _BOOTPROTO:
        text = f"unknown BOOTPROTO '{proto}'"
        problems.append(ConfigProblem("unknown-bootproto", text, file.origin("BOOTPROTO"), up, name))
    addresses: list[AddressConfig] = []
    for suffix in file.numbered("IPADDR"):
        addresses += _address(file, suffix, up, name, problems)
    port = bool(file.get("BONDING_MASTER") and file.get("BONDING_MASTER") not in ("yes", "no"))
    if proto == "static" and not addresses and not port and method4 is Method.STATIC:
        text = "BOOTPROTO=static without IPADDR"
        problems.append(ConfigProblem("missing-address", text, file.origin("BOOTPROTO"), False, name))
    four = any(one.interface.version == 4 for one in addresses)
    six = any(one.interface.version == 6 for one in addresses)
    if method4 is Method.STATIC and not four:
        method4 = Method.NONE
    if six and method6 is Method.AUTO:
        method6 = Method.STATIC
    return InterfaceConfig(
        Manager.WICKED,
        name,
        Origin(file.path),
        method4=method4,
        method6=method6,
        addresses=tuple(addresses),
        dns=servers,
        macs=(found_mac,) if found_mac else (),
        auto=auto,
        hotplug=hotplug,
        virtual=_virtual(file),
        settings=file.plain(),
    )


def _address(file: Ifcfg, suffix: str, up: bool, name: str, problems: list[ConfigProblem]) -> list[AddressConfig]:
    key, word = f"IPADDR{suffix}", file.get(f"IPADDR{suffix}")
    if not word:
        return []
    mask = file.get(f"PREFIXLEN{suffix}") or file.get(f"NETMASK{suffix}")
    found = with_length(word, mask, file.origin(key))
    if found is None:
        text = f"{key}: '{word}' is no address"
        problems.append(ConfigProblem("bad-address", text, file.origin(key), up, name))
        return []
    tail = word.partition("/")[2]
    for length in (tail, mask):
        bits = prefix_length(length) if length else 0
        if bits is None or bits > found.interface.max_prefixlen:
            text = f"{key}: '{length}' is no prefix length"
            problems.append(ConfigProblem("bad-prefix", text, file.origin(key), up, name))
    return [found]


def _virtual(file: Ifcfg) -> bool:
    keys = (
        "BRIDGE",
        "BONDING_MASTER",
        "TUNNEL",
        "DUMMY",
        "VXLAN",
        "MACVLAN_DEVICE",
        "MACVTAP_DEVICE",
        "OVS_BRIDGE",
    )
    return (
        any(file.get(key) and file.get(key).lower() != "no" for key in keys)
        or bool(file.get("ETHERDEVICE") or file.get("VLAN_ID"))
        or "." in file.name
        or re.match(r"(br|bond|vlan|dummy|tun|tap|wg)\d+$", file.name) is not None
    )


def _routes_into(found: list[InterfaceConfig], path: str, text: str, problems: list[ConfigProblem]) -> None:
    """Lines of ``destination gateway netmask interface``, with - for what is not said."""
    own = path.partition("ifroute-")[2]
    for number, line in enumerate(text.split("\n")[:5000], 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        words += ["-"] * (4 - len(words))
        origin = Origin(path, number)
        mask = "" if words[2] == "-" else words[2]
        place = destination(words[0], mask)
        gateway = None if words[1] == "-" else address(words[1].partition("%")[0])
        if place is None or (gateway is None and words[1] != "-"):
            text_said = f"{origin}: {line.strip()}"
            problems.append(ConfigProblem("bad-route", text_said, origin, False, own))
            continue
        route = RouteConfig(place, gateway, origin)
        device = own or ("" if words[3] == "-" else words[3])
        for index in _receivers(found, device, route):
            found[index] = replace(found[index], routes=(*found[index].routes, route))


def _receivers(found: list[InterfaceConfig], device: str, route: RouteConfig) -> list[int]:
    """Whose route it is: of the interface that is named, else of the one whose network has the gateway."""
    if device:
        return [index for index, one in enumerate(found) if one.name == device]
    for index, one in enumerate(found):
        if any(route.gateway in address.interface.network for address in one.addresses if route.gateway):
            return [index]
    return [0] if len(found) == 1 else []
