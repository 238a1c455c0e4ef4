"""ifupdown's configuration: /etc/network/interfaces and what it sources.

Codes of problems, beside those of ifupdown_syntax.py: missing-variable, bad-address, bad-netmask,
bad-gateway, bad-value, repeated-option, second-gateway, unknown-interface, configure-interfaces-off. They leave the
file in force and name the interface; fatal where an interface that boot brings up stays down because
of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from agent.facts.netconfig.ifupdown_commands import commanded
from agent.facts.netconfig.ifupdown_program import dialect as program_dialect
from agent.facts.netconfig.ifupdown_program import version
from agent.facts.netconfig.ifupdown_syntax import MAIN, Dialect, Parsed, Stanza, parse
from agent.facts.netconfig.ifupdown_values import first_word, refusals, repeated, with_length
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
from agent.facts.netconfig.text import address as parse_address
from agent.facts.netconfig.text import glob, mac
from agent.facts.shell_words import assignments
from agent.target import Target

_METHODS = {
    "static": Method.STATIC,
    "dhcp": Method.DHCP,
    "bootp": Method.DHCP,
    "auto": Method.AUTO,
    "v4tunnel": Method.STATIC,
    "6to4": Method.STATIC,
    "tunnel": Method.STATIC,
    "manual": Method.NONE,
    "loopback": Method.NONE,
    "none": Method.NONE,
    "": Method.NONE,
}
_REQUIRED = {
    ("inet", "static"): ("address",),
    ("inet6", "static"): ("address",),
    ("inet", "tunnel"): ("mode", "endpoint"),
    ("inet6", "tunnel"): ("mode", "endpoint"),
    ("inet6", "v4tunnel"): ("endpoint",),
    ("inet6", "6to4"): ("local",),
    ("can", "static"): ("bitrate",),
    ("ipx", "static"): ("frame", "netnum"),
    ("ipx", "dynamic"): ("frame",),
}
_VIRTUAL_METHODS = frozenset({"tunnel", "v4tunnel", "6to4", "ppp", "wvdial"})
_VIRTUAL_NAME = re.compile(r".*\.\d+$|vlan\d+$|.+:.+|(dummy|tun|tap|wg|ppp|br|bond|veth|sit|gre)\d+$")
_VIRTUAL_OPTION = re.compile(
    r"(bridge|bond|vlan|vxlan|batman|tunnel|wireguard)[-_]"
    r"|(slaves|vrf-table|link-type|veth-peer-name|macvlan_ifaces|openvpn|wireguard|ovs[-_]type|use)$"
)
_NOT_VIRTUAL = frozenset(
    {
        "bond-master",
        "bond_master",
        "bond-primary",
        "bond_primary",
        "bridge-access",
        "bridge-vids",
        "bridge-pvid",
    }
)
_MAKES_LINK = re.compile(r"\b(ip\s+(-\S+\s+)*link\s+add|brctl\s+addbr|tunctl|vconfig\s+add|wg-quick\s+up)\b")
_DNS = frozenset({"dns-nameservers", "dns-nameserver", "dns_nameservers", "dns_nameserver"})


def read(target: Target) -> ManagerConfig:
    """What /etc/network/interfaces says; no files when it is not there."""
    parsed = parse(target, program_dialect(target))
    if not parsed.files and not parsed.unread:
        return ManagerConfig(Manager.IFUPDOWN)
    reader = _Reader(parsed, version(target), _Defaults(target))
    interfaces = reader.interfaces()
    return ManagerConfig(
        Manager.IFUPDOWN,
        files=tuple(parsed.files) or (MAIN,),
        interfaces=tuple(interfaces),
        problems=tuple(parsed.problems + reader.problems),
        unread=tuple(parsed.unread),
        helper=parsed.helper,
    )


class _Defaults:
    """/etc/default/networking: whether ``ifup -a`` is to bring up anything, and what it leaves out."""

    def __init__(self, target: Target) -> None:
        self.path = "/etc/default/networking"
        text = target.text(self.path)
        values = assignments(text) if isinstance(text, str) else {}
        self.off = values.get("CONFIGURE_INTERFACES", "yes") == "no"
        self.exclude = values.get("EXCLUDE_INTERFACES", "").split()

    def excluded(self, name: str) -> bool:
        return any(glob(pattern, name) for pattern in self.exclude)


class _Reader:
    """From stanzas to interfaces: who is brought up, with which addresses, and what fails on the way."""

    def __init__(self, parsed: Parsed, release: tuple[int, ...], defaults: _Defaults) -> None:
        self.parsed = parsed
        self.defaults = defaults
        self.onlink = parsed.dialect is Dialect.CLASSIC and (not release or release >= (0, 8))
        self.problems: list[ConfigProblem] = []

    def interfaces(self) -> list[InterfaceConfig]:
        stanzas: dict[str, list[Stanza]] = {}
        for stanza in self.parsed.stanzas:
            if not stanza.template:
                stanzas.setdefault(stanza.name, []).append(stanza)
        found = [self._merged(name, group) for name, group in stanzas.items()]
        found += self._by_logical_name(found)
        found += self._mapped({one.name for one in found})
        self._unknown(found)
        self._second_gateways(found)
        if self.defaults.off and self.parsed.dialect is Dialect.CLASSIC:
            text = "CONFIGURE_INTERFACES=no: ifup -a brings up nothing"
            origin = Origin(self.defaults.path)
            self.problems.append(ConfigProblem("configure-interfaces-off", text, origin, True))
            found = [replace(one, auto=False) for one in found]
        return found

    def _by_logical_name(self, found: list[InterfaceConfig]) -> list[InterfaceConfig]:
        """``auto eth0=home``, ``auto /eth*=lan``: the physical name, or a pattern, for a logical stanza."""
        out = []
        for name, origin in self._requested():
            logical = name.partition("=")[2]
            source = next((one for one in found if one.name == logical), None)
            if source is None or not logical:
                continue
            physical, macs = _physical(name)
            hotplug = name not in self.parsed.auto
            out.append(replace(source, name=physical, macs=macs, auto=not hotplug, hotplug=hotplug, origin=origin))
        return out

    def _mapped(self, names: set[str]) -> list[InterfaceConfig]:
        """Names for which a mapping's script picks the stanza: which one is not known."""
        out = []
        for name, origin in self._requested():
            for patterns, script in self.parsed.mappings:
                if name not in names and any(glob(pattern, name) for pattern in patterns):
                    names.add(name)
                    auto = name in self.parsed.auto
                    out.append(
                        InterfaceConfig(
                            Manager.IFUPDOWN,
                            name,
                            origin,
                            method4=Method.UNKNOWN,
                            auto=auto,
                            hotplug=not auto,
                            settings={"mapping": script},
                        )
                    )
        return out

    def _requested(self) -> list[tuple[str, Origin]]:
        return [*self.parsed.auto.items(), *self.parsed.allow.get("hotplug", {}).items()]

    def _started(self, name: str, names: Sequence[str]) -> bool:
        return name in names or any(
            one.startswith("/") and "=" not in one and glob(_physical(one)[0], name) for one in names
        )

    def _merged(self, name: str, stanzas: list[Stanza]) -> InterfaceConfig:
        hotplug = self._started(name, list(self.parsed.allow.get("hotplug", {})))
        auto = self._started(name, list(self.parsed.auto)) and not self.defaults.excluded(name)
        addresses: list[AddressConfig] = []
        routes: list[RouteConfig] = []
        dns: list[str] = []
        settings: dict[str, str] = {}
        accept_ra: bool | None = None
        virtual = _VIRTUAL_NAME.match(name) is not None
        methods = {"inet": Method.NONE, "inet6": Method.NONE}
        for stanza in stanzas:
            self._check(stanza, fatal=(auto or hotplug) and name != "lo")
            _options_into(settings, stanza)
            own, by_hand = self._addresses(stanza), commanded(stanza)
            addresses += own + list(by_hand.addresses)
            routes += self._gateways(stanza) + list(by_hand.routes)
            dns += [word for option in stanza.options if option.name in _DNS for word in option.value.split()]
            virtual = virtual or _makes_itself(stanza)
            accept_ra = _accepts_ra(stanza, accept_ra)
            _note_method(methods, stanza, own + list(by_hand.addresses), self.parsed.dialect)
        if name in self.parsed.renames:
            settings["rename"] = self.parsed.renames[name]
        settings["method"] = " ".join(f"{one.family}/{one.method}" for one in stanzas)
        return InterfaceConfig(
            Manager.IFUPDOWN,
            name,
            stanzas[0].origin,
            method4=methods["inet"],
            method6=methods["inet6"],
            addresses=tuple(addresses),
            routes=tuple(routes),
            dns=tuple(dict.fromkeys(dns)),
            auto=auto,
            hotplug=hotplug,
            virtual=virtual,
            accept_ra=accept_ra,
            settings=settings,
        )

    # -- addresses and gateways

    def _addresses(self, stanza: Stanza) -> list[AddressConfig]:
        options = stanza.values("address")
        masks = stanza.values("netmask")
        every = self.parsed.dialect.lenient
        found = [with_length(option, masks[:1], stanza.family) for option in options[: None if every else 1]]
        return [one for one in found if one is not None]

    def _gateways(self, stanza: Stanza) -> list[RouteConfig]:
        metric = next((one.value for one in stanza.values("metric")), "")
        every = self.parsed.dialect.lenient
        out = []
        options = stanza.values("gateway")
        for option in options[: None if every else 1]:
            gateway = parse_address(first_word(option.value))
            if gateway is not None:
                number = int(metric) if re.fullmatch(r"\d{1,9}", metric) else None
                onlink = self.onlink and "#" not in option.value and len(options) == 1
                out.append(RouteConfig("default", gateway, option.origin, onlink=onlink, metric=number))
        return out

    # -- what the program, or the command that it runs, refuses

    def _check(self, stanza: Stanza, fatal: bool) -> None:
        if not self.parsed.dialect.lenient:
            names = {option.name for option in stanza.options}
            for required in _REQUIRED.get((stanza.family, stanza.method), ()):
                if required not in names:
                    text = f"missing required variable: {required}"
                    self._say("missing-variable", text, stanza.origin, fatal, stanza.name)
            for one in repeated(stanza):
                self._say(one.code, one.text, one.option.origin, fatal and one.keeps_down, stanza.name)
        for one in refusals(stanza):
            self._say(one.code, one.text, one.option.origin, fatal and one.keeps_down, stanza.name)

    def _unknown(self, found: list[InterfaceConfig]) -> None:
        """Names that ``auto`` wants and no stanza defines; ifup -a then fails, having done the others."""
        names = {one.name for one in found}
        if any(problem.fatal and problem.origin.path == MAIN for problem in self.parsed.problems):
            return  # the program stops before it
        works = any((one.auto or one.hotplug) and one.name != "lo" for one in found)
        for name, origin in self.parsed.auto.items():
            if name.startswith("/") or name in names or name == "lo" or self.parsed.dialect.lenient:
                continue
            if name in self.parsed.dropped:
                continue
            if "=" in name and name.partition("=")[2] in names:
                continue
            text = f"unknown interface {name}"
            self._say("unknown-interface", text, origin, not works, name)

    def _second_gateways(self, found: list[InterfaceConfig]) -> None:
        """A second IPv4 default route with the same metric: the kernel answers File exists, ifup fails."""
        seen: dict[int | None, RouteConfig] = {}
        if self.parsed.dialect.lenient:
            return
        for one in found:
            for route in one.default_routes:
                if not (one.auto or one.hotplug) or not isinstance(route.gateway, IPv4Address):
                    continue
                first = seen.setdefault(route.metric, route)
                if first is not route and first.origin != route.origin:
                    text = f"second default gateway {route.gateway}, after {first.gateway} ({first.origin})"
                    self._say("second-gateway", text, route.origin, False, one.name)

    def _say(self, code: str, text: str, origin: Origin, fatal: bool, name: str) -> None:
        self.problems.append(ConfigProblem(code, text, origin, fatal, name))


def _physical(name: str) -> tuple[str, tuple[str, ...]]:
    """The interface name, glob or MAC that an ``auto`` word stands for."""
    head = name.partition("=")[0]
    variable, slash, rest = head.partition("/")
    if not slash:
        return head, ()
    value = rest.partition("/")[0]
    if variable == "mac":
        found = mac(value)
        return "", (found,) if found else ()
    return ("", ()) if variable else (value, ())


def _options_into(settings: dict[str, str], stanza: Stanza) -> None:
    for option in stanza.options:
        held = settings.get(option.name)
        settings[option.name] = option.value if held is None else f"{held}\n{option.value}"[:16384]


def _makes_itself(stanza: Stanza) -> bool:
    if stanza.method in _VIRTUAL_METHODS:
        return True
    for option in stanza.options:
        if _VIRTUAL_OPTION.match(option.name) and option.name not in _NOT_VIRTUAL:
            return option.name != "use" or option.value in (
                "bridge",
                "bond",
                "vlan",
                "vxlan",
                "wireguard",
                "tunnel",
            )
        if option.name in ("pre-up", "up") and _MAKES_LINK.search(option.value):
            return True
    return False


def _accepts_ra(stanza: Stanza, before: bool | None) -> bool | None:
    if stanza.family != "inet6":
        return before
    told = stanza.values("accept_ra")
    if told:
        return told[-1].value.strip() != "0"
    if stanza.method == "auto":
        return True
    if stanza.method == "static" and stanza.values("gateway"):
        return False  # a static gateway turns router advertisements off
    return before


def _note_method(methods: dict[str, Method], stanza: Stanza, addresses: list[AddressConfig], dialect: Dialect) -> None:
    """DHCP weighs most (it needs a client), then static, then auto."""
    if stanza.method == "loopback":
        return
    weight = [Method.NONE, Method.UNKNOWN, Method.AUTO, Method.STATIC, Method.DHCP]
    family = stanza.family if stanza.family in methods else "inet"
    method = _METHODS.get(stanza.method, Method.UNKNOWN)
    if dialect is Dialect.NG and any(one.value == "dhcp" for one in stanza.values("use")):
        method = Method.DHCP
    candidates = [(family, method)]
    candidates += [("inet" if one.interface.version == 4 else "inet6", Method.STATIC) for one in addresses]
    for name, candidate in candidates:
        if weight.index(candidate) > weight.index(methods[name]):
            methods[name] = candidate
