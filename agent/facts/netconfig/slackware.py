"""Slackware: /etc/rc.d/rc.inet1.conf, arrays with one index an interface; rc.inet1 reads it at boot.

Codes of problems: unclosed-quote, spaced-assignment, bad-address, bad-netmask, bad-gateway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from agent.facts.netconfig.bash_settings import Setting, last_values, settings
from agent.facts.netconfig.ifcfg_file import prefix_length, with_length
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
from agent.target.model import Stat
from agent.unknown import Unknown

PATH = "/etc/rc.d/rc.inet1.conf"
SCRIPT = "/etc/rc.d/rc.inet1"


def read(target: Target) -> ManagerConfig:
    """What rc.inet1.conf says; no files when it is not there. ``auto`` needs an executable rc.inet1."""
    text = target.text(PATH)
    if isinstance(text, Unknown):
        if text.absent:
            return ManagerConfig(Manager.SLACKWARE)
        return ManagerConfig(Manager.SLACKWARE, files=(PATH,), unread=(text.reason,))
    found, broken = settings(text)
    values = last_values(found)
    script = target.stat(SCRIPT)
    reader = _Reader(values, isinstance(script, Stat) and script.executable)
    reader.problems += [
        ConfigProblem(one.code, f"{PATH}: line {one.line}: {one.code}", Origin(PATH, one.line), True)
        for one in broken
        if one.code != "carriage-return"
    ]
    interfaces = reader.interfaces()
    return ManagerConfig(
        Manager.SLACKWARE,
        files=(PATH,),
        interfaces=tuple(interfaces),
        problems=tuple(reader.problems),
        helper=by_helper(text),
    )


class _Reader:
    def __init__(self, values: Mapping[str, Setting], auto: bool) -> None:
        self.values = values
        self.auto = auto
        self.problems: list[ConfigProblem] = []

    def interfaces(self) -> list[InterfaceConfig]:
        indexes: dict[int, None] = {}
        for setting in self.values.values():
            if setting.index.isdecimal() and len(setting.index) < 4 and setting.value.strip():
                indexes[int(setting.index)] = None
        found = [one for one in map(self._interface, sorted(indexes)) if one is not None]
        for key in ("GATEWAY", "GATEWAY6"):
            found = self._with_gateway(found, key)
        return found

    def _get(self, name: str, index: int) -> str:
        setting = self.values.get(f"{name}[{index}]")
        return setting.value.strip() if setting else ""

    def _origin(self, name: str, index: int) -> Origin:
        setting = self.values.get(f"{name}[{index}]")
        return Origin(PATH, setting.line if setting else 0)

    def _yes(self, name: str, index: int) -> bool:
        return self._get(name, index).lower() == "yes"

    def _interface(self, index: int) -> InterfaceConfig | None:
        name = self._get("IFNAME", index) or f"eth{index}"
        addresses = self._addresses(index, name)
        four = any(one.interface.version == 4 for one in addresses)
        six = any(one.interface.version == 6 for one in addresses)
        virtual = bool(self._get("BRNICS", index) or self._get("BONDNICS", index) or self._get("VIRTIF", index))
        method4 = Method.DHCP if self._yes("USE_DHCP", index) else Method.STATIC if four else Method.NONE
        method6 = (
            Method.DHCP
            if self._yes("USE_DHCP6", index)
            else Method.STATIC
            if six
            else Method.AUTO
            if self._yes("USE_SLAAC", index)
            else Method.NONE
        )
        if method4 is method6 is Method.NONE and not virtual:
            return None
        return InterfaceConfig(
            Manager.SLACKWARE,
            name,
            next(
                (self._origin(key, index) for key in ("IFNAME", "IPADDR", "IPADDRS") if self._get(key, index)),
                Origin(PATH),
            ),
            method4=method4,
            method6=method6,
            addresses=tuple(addresses),
            auto=self.auto,
            virtual=virtual or re.match(r"(br|bond|tun|tap)\d|.*\.\d+$", name) is not None,
            accept_ra=self._yes("USE_RA", index) or self._yes("USE_SLAAC", index) or None,
            settings={setting.name: setting.value for setting in self.values.values() if setting.index == str(index)},
        )

    def _addresses(self, index: int, name: str) -> list[AddressConfig]:
        out = []
        netmask = self._get("NETMASK", index)
        if netmask and prefix_length(netmask) is None:
            origin = self._origin("NETMASK", index)
            self._say("bad-netmask", f'netmask "{netmask}" is invalid', origin, name)
        for key in ("IPADDR", "IPADDRS", "IPALIASES", "IP6ADDR", "IP6ADDRS"):
            for word in self._get(key, index).split():
                mask = netmask if key in ("IPADDR", "IPALIASES") else self._get("PREFIXLEN", index)
                if "6" in key and not mask:
                    mask = "64"
                found = with_length(word, mask, self._origin(key, index))
                if found is None:
                    text = f'any valid prefix is expected rather than "{word}"'
                    self._say("bad-address", text, self._origin(key, index), name)
                else:
                    out.append(found)
        return out

    def _with_gateway(self, found: list[InterfaceConfig], key: str) -> list[InterfaceConfig]:
        """The one default route of the host, given to the interface whose network has the gateway."""
        setting = self.values.get(key)
        word = setting.value.strip() if setting else ""
        if setting is None or not word or not found:
            return found
        gateway = address(word.partition("%")[0])
        origin = Origin(PATH, setting.line)
        if gateway is None:
            self._say("bad-gateway", f'inet address is expected rather than "{word}"', origin, "")
            return found
        holders = [
            index for index, one in enumerate(found) if any(gateway in each.interface.network for each in one.addresses)
        ]
        holders = holders or [
            index for index, one in enumerate(found) if not one.virtual and one.method4 is not Method.NONE
        ]
        at = (holders or [0])[0]
        route = RouteConfig("default", gateway, origin)
        return [replace(one, routes=(*one.routes, route)) if i == at else one for i, one in enumerate(found)]

    def _say(self, code: str, text: str, origin: Origin, name: str) -> None:
        self.problems.append(ConfigProblem(code, text, origin, self.auto, name))
