"""One keyfile profile of NetworkManager: what it wants of its interface, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_interface, ip_network

from agent.facts.netconfig.glib_keyfile import KeyFile
from agent.facts.netconfig.model import (
    AddressConfig,
    ConfigProblem,
    InterfaceConfig,
    IPAddress,
    Manager,
    Method,
    Origin,
    RouteConfig,
)
from agent.facts.netconfig.text import address, mac, secret

_ALIASES = {
    "ethernet": "802-3-ethernet",
    "wifi": "802-11-wireless",
    "wifi-security": "802-11-wireless-security",
}
VIRTUAL = frozenset(
    {
        *(
            "bond",
            "bridge",
            "dummy",
            "hsr",
            "ip-tunnel",
            "ipvlan",
            "loopback",
            "macsec",
            "macvlan",
            "ovs-bridge",
        ),
        *("ovs-interface", "ovs-port", "team", "tun", "veth", "vlan", "vpn", "vrf", "vxlan", "wireguard"),
    }
)
_TYPES = VIRTUAL | {
    *("802-3-ethernet", "802-11-wireless", "802-11-olpc-mesh", "6lowpan", "adsl", "bluetooth", "cdma"),
    *("generic", "gsm", "infiniband", "pppoe", "wifi-p2p", "wimax", "wpan"),
}
_METHODS = {
    4: ("auto", "link-local", "manual", "shared", "disabled"),
    6: ("ignore", "auto", "dhcp", "link-local", "manual", "shared", "disabled"),
}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{40}")
_MAX = 1024


@dataclass
class _Family:
    """[ipv4] or [ipv6]."""

    version: int
    method: str = ""
    addresses: list[AddressConfig] = field(default_factory=list)
    gateway: IPAddress | None = None
    gateway_origin: Origin | None = None
    routes: list[RouteConfig] = field(default_factory=list)
    dns: list[str] = field(default_factory=list)


class Profile:
    """Reads one parsed key file; ``problems`` and ``config`` give what came of it."""

    def __init__(self, path: str, keyfile: KeyFile) -> None:
        self.path = path
        self.file = keyfile
        self.told: list[ConfigProblem] = []
        self.type = self._type()
        self.families = {4: self._family(4), 6: self._family(6)}

    # -- reading
    def _type(self) -> str:
        named = self.file.get("connection", "type")
        if named is not None:
            return _ALIASES.get(named, named)
        groups = [_ALIASES.get(group, group) for group in self.file.groups]
        return next((group for group in groups if group in _TYPES), "")

    def _tell(self, code: str, group: str, key: str, text: str) -> None:
        origin = Origin(self.path, self.file.line(group, key))
        self.told.append(ConfigProblem(code, f"keyfile: {text}", origin, False))

    def _family(self, version: int) -> _Family:
        group = f"ipv{version}"
        family = _Family(version, self.file.get(group, "method") or "")
        for key in list(self.file.groups.get(group, {}))[:_MAX]:
            value = self.file.get(group, key) or ""
            if re.fullmatch(r"address(es)?[0-9]{0,9}", key):
                self._address(family, group, key, value)
            elif re.fullmatch(r"routes?[0-9]{0,9}", key):
                self._route(family, group, key, value)
            elif key == "dns":
                self._dns(family, group, value)
        written = self.file.get(group, "gateway")
        if written:
            family.gateway = address(written)
            family.gateway_origin = Origin(self.path, self.file.line(group, "gateway"))
        return family

    def _address(self, family: _Family, group: str, key: str, value: str) -> None:
        """``192.0.2.2/24,192.0.2.1``, or the old ``192.0.2.2;24;192.0.2.1``."""
        parts = re.split("[,;]", value)
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        if key == "addresses" and any("/" in part for part in parts[1:]):
            self._tell(
                "invalid-address",
                group,
                key,
                f"{group}.addresses: garbage at the end of value {key}: '{value}'",
            )
            parts = parts[:1]
        head, slash, length = parts[0].partition("/")
        rest = parts[1:]
        if not slash and rest and rest[0].isdecimal():
            length, slash, rest = rest[0], "/", rest[1:]
        blank = next((part for part in (head, *rest) if re.search(r"\s", part)), None)
        if blank is not None:
            text = f"{group}.addresses: unexpected character ' ' for {key}: '{value}' (position "
            text += f"{blank.find(' ')})"
            self._tell("invalid-address", group, key, text)
            return
        found = address(head)
        kind = f"IPv{family.version}"
        if found is None or found.version != family.version:
            text = f"{group}.addresses: ignoring invalid {kind} address: Invalid {kind} address '{head}'"
            self._tell("invalid-address", group, key, text)
            return
        given = length.isdecimal() and len(length) < 4 and int(length) <= found.max_prefixlen
        default = 24 if family.version == 4 else 64
        if not given:
            word = "invalid" if length.isdecimal() else "missing"
            text = f"{group}.addresses: {word} prefix length for {key} '{parts[0]}', defaulting to {default}"
            self._tell("missing-prefix", group, key, text)
        gateway = address(rest[0]) if rest and rest[0] else None
        if rest and rest[0] and gateway is None:
            text = f"{group}.addresses: unexpected character '{rest[0][:1]}' for {key}: '{value}' (position 0)"
            self._tell("invalid-address", group, key, text)
            return
        origin = Origin(self.path, self.file.line(group, key))
        interface = ip_interface(f"{found}/{int(length) if given else default}")
        family.addresses.append(AddressConfig(interface, origin, given))
        if gateway is not None and family.gateway is None and int(gateway):
            family.gateway, family.gateway_origin = gateway, origin

    def _route(self, family: _Family, group: str, key: str, value: str) -> None:
        """``DESTINATION[/LENGTH][,GATEWAY[,METRIC]]``; attributes stand under ``KEY_options``."""
        parts = [part.strip() for part in re.split("[,;]", value)]
        head, _, length = parts[0].partition("/")
        found = address(head)
        if found is None or found.version != family.version:
            self._tell("invalid-route", group, key, f"{group}.routes: ignoring invalid {key}: '{value}'")
            return
        valid = length.isdecimal() and len(length) < 4 and int(length) <= found.max_prefixlen
        network = ip_network(f"{found}/{int(length) if valid else found.max_prefixlen}", strict=False)
        gateway = address(parts[1]) if len(parts) > 1 and parts[1] else None
        metric = int(parts[2]) if len(parts) > 2 and parts[2].isdecimal() and len(parts[2]) < 11 else None
        options = dict(
            option.partition("=")[::2] for option in (self.file.get(group, f"{key}_options") or "").split(",")
        )
        destination = "default" if network.prefixlen == 0 else str(network)
        origin = Origin(self.path, self.file.line(group, key))
        table = options.get("table") or self.file.get(group, "route-table") or "main"
        onlink = options.get("onlink") == "true"
        table = "main" if table in ("0", "254") else table
        family.routes.append(RouteConfig(destination, gateway, origin, onlink, metric, table))

    def _dns(self, family: _Family, group: str, value: str) -> None:
        for word in filter(None, (part.strip() for part in value.split(";"))):
            plain = word.partition("#")[0]
            if address(plain) is None:
                version = family.version
                text = f"{group}.dns: ignoring invalid DNS server IPv{version} address '{word}'"
                self._tell("invalid-dns", group, "dns", text)
            else:
                family.dns.append(plain)

    # -- judging
    def problems(self) -> tuple[ConfigProblem, ...]:
        """What NetworkManager would log on loading; the fatal ones last."""
        if self.file.error:
            return (self._fatal("keyfile-syntax", self.file.error, self.file.error_line),)
        for group in self.file.groups:
            plain = _ALIASES.get(group, group)
            if group.islower() and plain not in _TYPES and not _known_group(plain):
                origin = Origin(self.path)
                text = f"keyfile: {group}: invalid setting name '{group}'"
                self.told.append(ConfigProblem("unknown-group", text, origin, False))
        wired = "ethernet" if "ethernet" in self.file.groups else "802-3-ethernet"
        written = self.file.get(wired, "mac-address")
        if written and mac(written) is None:
            text = "ethernet/802-3-ethernet.mac-address: ignoring invalid MAC address"
            self._tell("invalid-value", wired, "mac-address", text)
        why, line = self._invalid()
        fatal = (self._fatal("keyfile-invalid", f"invalid connection: {why}", line),) if why else ()
        return (*self.told, *fatal)

    def _fatal(self, code: str, why: str, line: int) -> ConfigProblem:
        text = f'keyfile: load: "{self.path}": failed to load connection: {why}'
        return ConfigProblem(code, text, Origin(self.path, line), True)

    def _invalid(self) -> tuple[str, int]:
        """The first reason why the profile as a whole is refused, and its line."""
        line = self.file.line
        if not self.type:
            return "connection.type: property is missing", 0
        if self.type not in _TYPES:
            return (
                f"connection.type: connection type '{self.type}' is not valid",
                line("connection", "type"),
            )
        uuid = self.file.get("connection", "uuid")
        if uuid and not _UUID.fullmatch(uuid):
            return f"connection.uuid: '{uuid}' is not a valid UUID", line("connection", "uuid")
        name = self.file.get("connection", "interface-name") or ""
        if self.type not in ("ovs-bridge", "ovs-port") and name:
            wrong = _bad_name(name)
            if wrong:
                why = f"connection.interface-name: '{name}': {wrong}"
                return why, line("connection", "interface-name")
        if self._port():
            return "", 0
        for version, family in self.families.items():
            group = f"ipv{version}"
            if group not in self.file.groups:
                continue
            if not family.method:
                return f"{group}.method: property is missing", 0
            at = line(group, "method")
            if family.method not in _METHODS[version]:
                return f"{group}.method: property is invalid", at
            if family.method == "manual" and not family.addresses:
                return f"{group}.addresses: this property cannot be empty for 'method=manual'", at
            if family.gateway is not None and not family.addresses:
                why = f"{group}.gateway: gateway cannot be set if there are no addresses configured"
                return why, line(group, "gateway")
            if family.addresses and family.method in ("disabled", "link-local"):
                why = f"{group}.addresses: this property is not allowed for 'method={family.method}'"
                return why, at
        return "", 0

    def _port(self) -> bool:
        keys = ("master", "controller")
        return any(self.file.get("connection", key) for key in keys)

    # -- giving
    def config(self) -> InterfaceConfig:
        """What the profile wants; of a file with errors, as much as could be read."""
        get = self.file.get
        name = get("connection", "interface-name") or ""
        if not name:
            name = " ".join((get("match", "interface-name") or "").replace(";", " ").split())
        four, six = self.families[4], self.families[6]
        wanted = get("ethernet", "mac-address") or get("802-3-ethernet", "mac-address") or ""
        found = mac(wanted)
        autoconnect = (get("connection", "autoconnect") or "true").lower()
        settings = {
            f"{group}.{key}": entry.value
            for group, entries in list(self.file.groups.items())[:_MAX]
            for key, entry in list(entries.items())[:_MAX]
            if not secret(key) and not group.endswith("secrets")
        }
        settings["connection.type"] = self.type
        return InterfaceConfig(
            Manager.NETWORKMANAGER,
            name,
            Origin(self.path),
            self._method(four),
            self._method(six),
            (*four.addresses, *six.addresses),
            (*_gateway(four), *four.routes, *_gateway(six), *six.routes),
            (*four.dns, *six.dns),
            (found,) if found else (),
            auto=autoconnect not in ("false", "no", "0"),
            virtual=self.type in VIRTUAL,
            settings=settings,
        )

    def _method(self, family: _Family) -> Method:
        if self._port():
            return Method.NONE
        if family.version == 4:
            return {
                "": Method.DHCP,
                "auto": Method.STATIC if family.addresses else Method.DHCP,
                "manual": Method.STATIC,
                "shared": Method.STATIC,
            }.get(family.method, Method.NONE)
        return {
            "": Method.AUTO,
            "auto": Method.STATIC if family.addresses else Method.AUTO,
            "dhcp": Method.DHCP,
            "manual": Method.STATIC,
            "ignore": Method.AUTO,  # left to the kernel, which listens by default
            "shared": Method.STATIC,
        }.get(family.method, Method.NONE)


def _gateway(family: _Family) -> tuple[RouteConfig, ...]:
    if family.gateway is None or family.gateway_origin is None:
        return ()
    # NetworkManager sets a gateway outside of every subnet with a host route of its own
    inside = any(family.gateway in entry.interface.network for entry in family.addresses)
    return (RouteConfig("default", family.gateway, family.gateway_origin, onlink=not inside),)


def _bad_name(name: str) -> str:
    if len(name.encode("utf-8", "replace")) > 15:
        return "interface name is longer than 15 characters"
    if name in (".", ".."):
        return "interface name is reserved"
    if any(char in "/:" or char.isspace() for char in name):
        return "interface name contains an invalid character"
    return ""


_GROUPS = frozenset(
    {
        *("802-1x", "802-11-wireless-security", "802-3-ethernet", "bond-port", "bridge-port", "connection"),
        *("dcb", "ethtool", "hostname", "ipv4", "ipv6", "link", "match", "ovs-dpdk", "ovs-external-ids"),
        *("ovs-interface", "ovs-other-config", "ovs-patch", "ppp", "prefix-delegation", "proxy", "serial"),
        *("sriov", "tc", "team-port", "user", "vpn-secrets", "ethernet-s390-options", "bridge-vlans"),
    }
)


def _known_group(group: str) -> bool:
    return group in _GROUPS or group.startswith((".", "wireguard-peer", "qdisc", "tfilter", "vpn", "org."))
