"""RHEL's ifcfg files: /etc/sysconfig/network-scripts/ifcfg-*, route-*, and /etc/sysconfig/network.

They are read by initscripts (network.service) and by NetworkManager's ifcfg-rh plugin; where the two differ,
the reading is NetworkManager's. Codes of problems: unclosed-quote, spaced-assignment, carriage-return,
unknown-bootproto, bad-address, bad-prefix, bad-gateway, bad-route, device-differs, missing-address.
"""

from __future__ import annotations

import re

from agent.facts.netconfig.ifcfg_file import (
    Ifcfg,
    destination,
    load,
    prefix_length,
    route_line,
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
from agent.facts.netconfig.text import address, interface, mac
from agent.target import Target
from agent.unknown import Unknown

FOLDER = "/etc/sysconfig/network-scripts"
GLOBAL = "/etc/sysconfig/network"

_IGNORED = re.compile(r"(~|\.(bak|old|orig|rej|rpmnew|rpmorig|rpmsave|augnew|augtmp|swp|linode-orig|linode-last))$")
_DEVICE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}$")
_VIRTUAL_TYPES = frozenset(
    {
        "bridge",
        "bond",
        "vlan",
        "team",
        "tunnel",
        "gre",
        "ipip",
        "sit",
        "dummy",
        "vxlan",
        "macvlan",
        "wireguard",
    }
)
_OVS = "ovs"  # OVSBridge, OVSPort, OVSIntPort ...
_BOOTPROTO = frozenset({"", "none", "static", "dhcp", "bootp", "autoip", "shared", "ibft"})


def read(target: Target) -> ManagerConfig:
    """What RHEL's ifcfg files say, lo aside; no files when there are none."""
    names = target.list(FOLDER)
    if isinstance(names, Unknown):
        unread = () if names.absent else (names.reason,)
        return ManagerConfig(Manager.IFCFG_RH, unread=unread)
    loaded: list[Ifcfg] = []
    unread_files: list[str] = []
    for name in names[:2000]:
        if not name.startswith("ifcfg-") or name == "ifcfg-lo" or _IGNORED.search(name):
            continue
        file = load(target, f"{FOLDER}/{name}", name[6:])
        if isinstance(file, Unknown):
            unread_files.append(file.reason)
        else:
            loaded.append(file)
    common = load(target, GLOBAL, "")
    if isinstance(common, Unknown):
        common = Ifcfg(GLOBAL, "", {})
    reader = _Reader(target, common)
    aliases = [file for file in loaded if ":" in file.name or re.search(r"-range\d*$", file.name)]
    found = [reader.interface(file, _children(file, aliases)) for file in loaded if file not in aliases]
    if not loaded and not unread_files:
        return ManagerConfig(Manager.IFCFG_RH)
    files = [GLOBAL] if common.values else []
    return ManagerConfig(
        Manager.IFCFG_RH,
        files=tuple(files + [file.path for file in loaded] + reader.route_files),
        interfaces=tuple(found),
        problems=tuple(reader.problems),
        unread=tuple(unread_files + reader.unread),
        helper=any(file.helper for file in loaded),
    )


def _children(parent: Ifcfg, aliases: list[Ifcfg]) -> list[Ifcfg]:
    """ifcfg-eth0:1 and ifcfg-eth0-range0: further addresses of eth0."""
    return [one for one in aliases if re.split(r":|-range", one.name)[0] == parent.name]


class _Reader:
    def __init__(self, target: Target, common: Ifcfg) -> None:
        self.target = target
        self.common = common
        self.problems: list[ConfigProblem] = []
        self.unread: list[str] = []
        self.route_files: list[str] = []

    def interface(self, file: Ifcfg, aliases: list[Ifcfg]) -> InterfaceConfig:
        hardware = mac(file.get("HWADDR"))
        device = file.get("DEVICE")
        name = device or ("" if hardware or not _DEVICE.match(file.name) else file.name)
        auto = file.yes("ONBOOT", True)
        self.problems += syntax_problems(file, name)
        if device and device != file.name and _DEVICE.match(file.name) and file.name[-1:].isdecimal():
            text = f"DEVICE={device} in a file named ifcfg-{file.name}"
            self._say("device-differs", text, file.origin("DEVICE"), False, name)
        bootproto = file.get("BOOTPROTO").lower()
        if bootproto not in _BOOTPROTO:
            text = f"Unknown BOOTPROTO '{file.get('BOOTPROTO')}'"
            self._say("unknown-bootproto", text, file.origin("BOOTPROTO"), auto, name)
        addresses = self._addresses(file, name, auto)
        for alias in aliases:
            if alias.yes("ONPARENT", True):
                addresses += self._addresses(alias, name, False)
        six = self._six(file)
        routes = self._gateways(file, name, auto) + self._route_files(file, name)
        ports = bool(file.get("BRIDGE") or file.get("MASTER") or file.get("TEAM_MASTER"))
        if bootproto == "static" and not addresses and not six and not ports:
            self._say("missing-address", "BOOTPROTO=static without IPADDR", file.origin("BOOTPROTO"), auto, name)
        return InterfaceConfig(
            Manager.IFCFG_RH,
            name,
            Origin(file.path),
            method4=_method4(bootproto, bool(addresses)),
            method6=self._method6(file, bool(six), ports),
            addresses=tuple(addresses + six),
            routes=tuple(routes),
            dns=tuple(file.get(f"DNS{suffix}") for suffix in file.numbered("DNS")),
            macs=(hardware,) if hardware else (),
            auto=auto,
            hotplug=False,
            virtual=_virtual(file, name),
            accept_ra=file.yes("IPV6_AUTOCONF", True) if "IPV6_AUTOCONF" in file.values else None,
            settings=file.plain(),
        )

    def _addresses(self, file: Ifcfg, name: str, auto: bool) -> list[AddressConfig]:
        out = []
        for suffix in file.numbered("IPADDR"):
            key, word = f"IPADDR{suffix}", file.get(f"IPADDR{suffix}")
            if not word:
                continue
            mask = file.get(f"PREFIX{suffix}") or file.get(f"NETMASK{suffix}")
            found = with_length(word, mask, file.origin(key))
            if found is None or "/" in word or found.interface.version == 6:
                self._say("bad-address", f"Invalid IP4 address '{word}'", file.origin(key), auto, name)
            elif mask and (prefix_length(mask) or 0) not in range(1, 33):
                self._say("bad-prefix", f"Invalid IP4 prefix '{mask}'", file.origin(key), auto, name)
            if found is not None:
                out.append(found)
        return out

    def _six(self, file: Ifcfg) -> list[AddressConfig]:
        if not file.yes("IPV6INIT", True) or file.yes("IPV6_DISABLED", False):
            return []
        words = [("IPV6ADDR", file.get("IPV6ADDR"))]
        words += [("IPV6ADDR_SECONDARIES", word) for word in file.get("IPV6ADDR_SECONDARIES").split()]
        out = []
        for key, word in words:
            found = interface(word, 64)
            if found is not None:
                out.append(AddressConfig(found, file.origin(key), "/" in word))
        return out

    def _method6(self, file: Ifcfg, addresses: bool, ports: bool) -> Method:
        if not file.yes("IPV6INIT", not ports) or file.yes("IPV6_DISABLED", False):
            return Method.NONE
        if file.yes("DHCPV6C", False):
            return Method.DHCP
        if addresses:
            return Method.STATIC
        return Method.AUTO if file.yes("IPV6_AUTOCONF", not ports) else Method.NONE

    def _gateways(self, file: Ifcfg, name: str, auto: bool) -> list[RouteConfig]:
        out = []
        only = file.get("GATEWAYDEV") or self.common.get("GATEWAYDEV")
        if not file.yes("DEFROUTE", not only or only == name):
            return []
        held = [(file, f"GATEWAY{suffix}") for suffix in file.numbered("GATEWAY")]
        if not any(file.get(key) for _, key in held) and file.get("IPADDR") + file.get("IPADDR0"):
            held.append((self.common, "GATEWAY"))
        for source, key in held:
            word = source.get(key)
            if not word:
                continue
            found = address(word)
            if found is None:
                self._say("bad-gateway", f"Invalid IP4 gateway '{word}'", source.origin(key), auto, name)
                continue
            metric = file.get("METRIC")
            number = int(metric) if re.fullmatch(r"\d{1,9}", metric) else None
            out.append(RouteConfig("default", found, source.origin(key), metric=number))
        six = file.get("IPV6_DEFAULTGW")
        found6 = address(six.partition("%")[0]) if six else None
        if found6 is not None and file.yes("IPV6INIT", True):
            out.append(RouteConfig("default", found6, file.origin("IPV6_DEFAULTGW")))
        return out

    def _route_files(self, file: Ifcfg, name: str) -> list[RouteConfig]:
        out: list[RouteConfig] = []
        for stem in ("route", "route6"):
            for suffix in dict.fromkeys((file.name, name)):
                path = f"{FOLDER}/{stem}-{suffix}"
                if not suffix or path in self.route_files:
                    continue
                text = self.target.text(path)
                if isinstance(text, Unknown):
                    self.unread += [] if text.absent else [text.reason]
                    continue
                self.route_files.append(path)
                if re.search(r"^[ \t]*ADDRESS\d+=", text, re.MULTILINE):
                    out += self._numbered_routes(path, name)
                else:
                    out += self._plain_routes(path, text, name)
        return out

    def _numbered_routes(self, path: str, name: str) -> list[RouteConfig]:
        file = load(self.target, path, name)
        out = []
        for suffix in file.numbered("ADDRESS") if isinstance(file, Ifcfg) else []:
            assert isinstance(file, Ifcfg)
            place = destination(file.get(f"ADDRESS{suffix}"), file.get(f"NETMASK{suffix}"))
            origin = file.origin(f"ADDRESS{suffix}")
            if place is None:
                self._say("bad-route", f"Invalid IP4 route in {path}", origin, False, name)
            else:
                metric = file.get(f"METRIC{suffix}")
                number = int(metric) if re.fullmatch(r"\d{1,9}", metric) else None
                out.append(RouteConfig(place, address(file.get(f"GATEWAY{suffix}")), origin, metric=number))
        return out

    def _plain_routes(self, path: str, text: str, name: str) -> list[RouteConfig]:
        out = []
        for number, line in enumerate(text.split("\n")[:5000], 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            found = route_line(words, Origin(path, number))
            if found is None:
                self._say("bad-route", f"{path}:{number}: {line.strip()}", Origin(path, number), False, name)
            else:
                out.append(found)
        return out

    def _say(self, code: str, text: str, origin: Origin, fatal: bool, name: str) -> None:
        self.problems.append(ConfigProblem(code, text, origin, fatal, name))


def _method4(bootproto: str, addresses: bool) -> Method:
    if bootproto in ("dhcp", "bootp"):
        return Method.DHCP
    if addresses:
        return Method.STATIC
    return Method.NONE if bootproto in ("", "none", "static") else Method.UNKNOWN


def _virtual(file: Ifcfg, name: str) -> bool:
    kind = file.get("TYPE").lower() or file.get("DEVICETYPE").lower()
    if kind == "teamport":
        return False
    bonding = any(file.get(key) for key in ("BONDING_OPTS", "BONDING_MASTER", "TEAM_CONFIG"))
    return (
        kind in _VIRTUAL_TYPES
        or kind.startswith(_OVS)
        or bonding
        or file.yes("VLAN", False)
        or re.match(r"(br|bond|team|dummy|tun|tap|wg|vlan|sit|ppp)\d+$", name) is not None
    )
