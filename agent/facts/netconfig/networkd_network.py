"""One .network file and its drop-ins, taken setting by setting as networkd takes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_interface

from agent.facts.netconfig.model import (
    AddressConfig,
    ConfigProblem,
    InterfaceConfig,
    IPAddress,
    IPInterface,
    Manager,
    Method,
    Origin,
    RouteConfig,
)
from agent.facts.netconfig.networkd_values import Words, complaint, hardware, interface_names, words
from agent.facts.netconfig.systemd_syntax import Setting
from agent.facts.netconfig.text import address, boolean, interface, network

_MODERN = 257  # from this release on the settings of addresses and routes are parsed, and told of, anew
_DHCP = {"both": "yes", "v4": "ipv4", "v6": "ipv6", "none": "no"}  # the old words
_DYNAMIC = frozenset({"_dhcp4", "_dhcp6", "_dhcp", "_ipv6ra"})
_LISTS = "DNS NTP Domains VLAN MACVLAN IPVLAN MACVTAP IPVTAP VXLAN Tunnel L2TP Xfrm MACsec BindCarrier"
_JOINED = frozenset(_LISTS.split())
_CONDITIONS = (
    "Host",
    "Virtualization",
    "KernelCommandLine",
    "KernelVersion",
    "Credential",
    "Architecture",
    "Firmware",
)
_MAX = 4096  # addresses or routes of one file


@dataclass
class _Section:
    """One [Address] or [Route], or one line of [Network] that stands for one."""

    origin: Origin
    values: dict[str, str] = field(default_factory=dict)
    interface: IPInterface | None = None
    prefix_given: bool = True
    gateway: IPAddress | None = None
    dynamic: bool = False
    destination: str = ""
    onlink: bool | None = None
    metric: int | None = None
    touched: bool = False
    from_network: bool = False


class Draft:
    """Collects one file's settings; ``release`` decides between old and new behaviour (None: old)."""

    def __init__(self, path: str, release: int | None) -> None:
        self.path = path
        self.modern = release is not None and release >= _MODERN
        self.names: list[str] = []
        self.macs: list[str] = []
        self.matches: dict[str, Words] = {}
        self.conditions = False
        self.dns: list[str] = []
        self.settings: dict[str, str] = {}
        self.addresses: dict[tuple[str, int], _Section] = {}
        self.routes: dict[tuple[str, int], _Section] = {}
        self.dhcp = "no"
        self.accept_ra: bool | None = None
        self.problems: list[ConfigProblem] = []

    # -- taking
    def take(self, path: str, setting: Setting) -> None:
        handler = {
            "Match": self._match,
            "Network": self._network,
            "Address": self._address,
            "Route": self._route,
            "Link": self._link,
        }.get(setting.section)
        self._keep(setting)
        if handler is not None:
            handler(Origin(path, setting.line), setting)

    def _keep(self, setting: Setting) -> None:
        name = f"{setting.section}.{setting.key}"
        former = self.settings.get(name, "")
        if setting.key in _JOINED and setting.section == "Network" and former and setting.value:
            self.settings[name] = f"{former} {setting.value}"
        else:
            self.settings[name] = setting.value

    def _tell(self, code: str, origin: Origin, text: str) -> None:
        where = f"{origin.path}:{origin.line}" if origin.line else origin.path
        self.problems.append(ConfigProblem(code, f"{where}: {text}", origin, False))

    def _refuse(self, code: str, origin: Origin, setting: Setting, old: str, error: str = "") -> None:
        text = complaint(self.modern, setting, old, error)
        self._tell(code, origin, text)

    # -- [Match]
    def _match(self, origin: Origin, setting: Setting) -> None:
        key, value = setting.key, setting.value
        if key in ("Name", "OriginalName"):
            self._name(origin, value)
        elif key in ("MACAddress", "PermanentMACAddress"):
            self._mac(origin, value)
        elif key in _CONDITIONS:
            self.conditions = self.conditions or bool(value)
        elif key in ("Driver", "Type", "Kind", "Path", "Property", "SSID", "BSSID", "WLANInterfaceType"):
            found = words(value)
            if key == "Property":
                bad = [word for word in found.items if "=" not in word]
                if bad:
                    text = f"Invalid property or value, ignoring assignment: {bad[0]}"
                    self._tell("invalid-match", origin, text)
                found = Words(tuple(word for word in found.items if "=" in word))
            kept = found.items if not value else (*self.matches.get(key, Words()).items, *found.items)
            self.matches[key] = Words(kept)
            self.settings[f"Match.{key}"] = " ".join(kept)

    def _name(self, origin: Origin, value: str) -> None:
        if not value:
            self.names = []
            return
        good, bad = interface_names(value)
        for word in bad:
            text = f"Interface name is not valid or too long, ignoring assignment: {word}"
            self._tell("invalid-match", origin, text)
        self.names += good

    def _mac(self, origin: Origin, value: str) -> None:
        if not value:
            self.macs = []
            return
        for word in words(value).items:
            found = hardware(word)
            if found is None:
                text = f"Not a valid hardware address, ignoring: {word}"
                self._tell("invalid-match", origin, text)
            else:
                self.macs.append(found)

    # -- [Link]
    def _link(self, origin: Origin, setting: Setting) -> None:
        key, value = setting.key, setting.value
        if key == "MACAddress":
            if value and hardware(value) is None:
                old = f"Not a valid hardware address, ignoring assignment: {value}"
                self._refuse("invalid-value", origin, setting, old)
        elif key == "Unmanaged":
            if value and boolean(value) is None:
                self._refuse("invalid-value", origin, setting, f"Failed to parse boolean value, ignoring: {value}")
                self.settings.pop("Link.Unmanaged")
        elif key == "MTUBytes" and value and not value.rstrip("KMGB").isdecimal():
            old = f"Failed to parse MTU value '{value}', ignoring: Invalid argument"
            self._refuse("invalid-value", origin, setting, old)

    # -- [Network]
    def _network(self, origin: Origin, setting: Setting) -> None:
        key, value = setting.key, setting.value
        if key == "Address":
            self._network_address(origin, setting)
        elif key == "Gateway":
            self._network_gateway(origin, setting)
        elif key == "DNS":
            self._dns(origin, value)
        elif key == "DHCP":
            self._dhcp(origin, setting)
        elif key in ("IPv6AcceptRA", "IPv6AcceptRouterAdvertisements"):
            found = boolean(value)
            if value and found is None:
                old = f"Failed to parse boolean value for {key}=, ignoring: {value}"
                self._refuse("invalid-value", origin, setting, old)
            else:
                self.accept_ra = found
        elif key == "LinkLocalAddressing":
            allowed = ("ipv4", "ipv6", "both", "fallback", "ipv4-fallback")
            if value and value not in allowed and boolean(value) is None:
                old = f"Failed to parse option, ignoring: {value}"
                self._refuse("invalid-value", origin, setting, old)
                self.settings.pop("Network.LinkLocalAddressing")

    def _network_address(self, origin: Origin, setting: Setting) -> None:
        if not setting.value and self.modern:
            self.addresses = {key: each for key, each in self.addresses.items() if not each.from_network}
            return
        section = _Section(origin, from_network=True, touched=True)
        if self._parse_address(origin, setting, section) and len(self.addresses) < _MAX:
            self.addresses[origin.path, -origin.line] = section

    def _network_gateway(self, origin: Origin, setting: Setting) -> None:
        if not setting.value and self.modern:
            self.routes = {key: each for key, each in self.routes.items() if not each.from_network}
            return
        found = address(setting.value)
        if found is None:
            old = f"Invalid Gateway='{setting.value}', ignoring assignment: Invalid argument"
            self._refuse("lost-gateway", origin, setting, old, "Invalid argument")
        elif len(self.routes) < _MAX:
            section = _Section(origin, from_network=True, touched=True, gateway=found)
            self.routes[origin.path, -origin.line] = section

    def _dns(self, origin: Origin, value: str) -> None:
        if not value:
            self.dns = []
        for word in words(value).items:
            plain = word.partition("#")[0]
            if plain.startswith("["):
                plain = plain[1:].partition("]")[0]
            elif plain.count(":") == 1:
                plain = plain.partition(":")[0]
            if address(plain.partition("%")[0]) is None:
                text = f"Failed to parse dns server address, ignoring: {word}"
                self._tell("lost-dns", origin, text)
            else:
                self.dns.append(plain)

    def _dhcp(self, origin: Origin, setting: Setting) -> None:
        value = setting.value
        found = boolean(value)
        word = ("yes" if found else "no") if found is not None else value
        if word in _DHCP:
            text = f"DHCP={word} is deprecated, please use DHCP={_DHCP[word]} instead."
            self._tell("deprecated", origin, text)
            word = _DHCP[word]
        if word in ("yes", "no", "ipv4", "ipv6"):
            self.dhcp = word
        else:
            self._tell("invalid-value", origin, f"Failed to parse DHCP option, ignoring: {value}")

    # -- [Address]
    def _address(self, origin: Origin, setting: Setting) -> None:
        key = (origin.path, setting.section_line)
        section = self.addresses.setdefault(key, _Section(Origin(origin.path, setting.section_line)))
        section.values[setting.key] = setting.value
        if setting.key == "Address" and self._parse_address(origin, setting, section):
            section.origin = origin

    def _parse_address(self, origin: Origin, setting: Setting, section: _Section) -> bool:
        text = setting.value
        if not text and self.modern:
            section.interface, section.touched = None, False
            return False
        found = interface(text)
        given = "/" in text
        if found is None:
            over = given and address(text.rpartition("/")[0]) is not None
            over = over and text.rpartition("/")[2].lstrip("-").isdecimal()
            error = "Numerical result out of range" if over else "Invalid argument"
            self._lose(origin, setting, error)
            section.touched = True
            return False
        if not given:
            length: int = found.max_prefixlen
            if not self.modern:
                text = (
                    f"An address '{found.ip}' is specified without prefix length. The behavior of parsing "
                    "addresses without prefix length will be changed in the future release. Please "
                    "specify prefix length explicitly."
                )
                length = _class(found)
            else:
                text = (
                    f"Address={found.ip} is specified without prefix length. Assuming the prefix length "
                    f"is {length}. Please specify the prefix length explicitly."
                )
            self._tell("missing-prefix", origin, text)
            if length < 0:
                self._lose(origin, setting, "Numerical result out of range")
                return False
            found = ip_interface(f"{found.ip}/{length}")
        section.interface, section.prefix_given, section.touched = found, given, True
        return True

    def _lose(self, origin: Origin, setting: Setting, error: str) -> None:
        old = f"Invalid address '{setting.value}', ignoring assignment: {error}"
        self._refuse("lost-address", origin, setting, old, error)

    # -- [Route]
    def _route(self, origin: Origin, setting: Setting) -> None:
        at = (origin.path, setting.section_line)
        section = self.routes.setdefault(at, _Section(Origin(origin.path, setting.section_line)))
        key, value = setting.key, setting.value
        section.values[key] = value
        section.touched = True
        if key == "Gateway":
            section.dynamic = value in _DYNAMIC
            section.gateway = None if section.dynamic else address(value)
            if value and section.gateway is None and not section.dynamic:
                old = f"Invalid Gateway='{value}', ignoring assignment: Invalid argument"
                self._refuse("lost-gateway", origin, setting, old)
        elif key == "Destination":
            found = network(value)
            if found is None and value:
                old = f"Invalid Destination='{value}', ignoring assignment: Invalid argument"
                self._refuse("invalid-value", origin, setting, old)
            section.destination = found or ""
        elif key in ("GatewayOnLink", "GatewayOnlink"):
            section.onlink = boolean(value)
            if value and section.onlink is None:
                old = f'Could not parse {key}="{value}", ignoring assignment: Invalid argument'
                self._refuse("invalid-value", origin, setting, old)
        elif key == "Metric":
            section.metric = int(value) if value.isdecimal() and len(value) < 11 else None
            if value and section.metric is None:
                old = f'Could not parse route priority "{value}", ignoring assignment: Invalid argument'
                self._refuse("invalid-value", origin, setting, old)

    # -- the whole
    def finish(self, complete: bool = True) -> list[ConfigProblem]:
        """Problems that show only when the whole file is read; those of single lines come first.

        ``complete``: the file and its drop-ins could be read to their end.
        """
        found = list(self.problems)
        if not complete:
            return found
        if not self.names and not self.macs and not self.conditions and not self._matched():
            text = (
                f"{self.path}: No valid settings found in the [Match] section, ignoring file. "
                "To match all interfaces, add Name=* in the [Match] section."
            )
            return [*found, ConfigProblem("no-match", text, Origin(self.path), True)]
        for section in self.addresses.values():
            if section.interface is None and not section.touched:
                text = "Address section without Address= field configured. Ignoring [Address] section"
                text = self._section_text(f"{self.path}: {text}", section.origin)
                found.append(ConfigProblem("lost-section", text, section.origin, False))
        for section in self.routes.values():
            if self._implicit_onlink(section):
                where = f"{self.path}:{section.origin.line}" if self.modern else self.path
                text = f"{where}: Gateway= without static address configured. Enabling GatewayOnLink= option."
                found.append(ConfigProblem("gateway-onlink", text, section.origin, False))
            lost = self._lost_dynamic(section)
            if lost:
                text = f"{self.path}: {lost} Ignoring [Route] section"
                text = self._section_text(text, section.origin)
                found.append(ConfigProblem("lost-section", text, section.origin, False))
        return found

    def _section_text(self, text: str, origin: Origin) -> str:
        if not self.modern:
            return f"{text} from line {origin.line}."
        head, _, tail = text.partition(": ")
        return f"{head}:{origin.line}: {tail.replace('field configured', 'field was configured')}."

    def _matched(self) -> bool:
        return any(found.items for found in self.matches.values())

    def _lost_dynamic(self, section: _Section) -> str:
        value = section.values.get("Gateway", "")
        if value in ("_dhcp4", "_dhcp") and self.dhcp not in ("yes", "ipv4"):
            return 'Gateway="_dhcp4" is specified but DHCPv4 client is disabled.'
        if value == "_ipv6ra" and self.accept_ra is False:
            return 'Gateway="_ipv6ra" is specified but IPv6AcceptRA= is disabled.'
        return ""

    def _implicit_onlink(self, section: _Section) -> bool:
        if section.gateway is None or int(section.gateway) == 0 or section.onlink is not None:
            return False
        return not any(each.interface is not None for each in self.addresses.values())

    def config(self, virtual: set[str]) -> InterfaceConfig:
        """The interface as networkd would configure it."""
        addresses = tuple(
            AddressConfig(each.interface, each.origin, each.prefix_given)
            for each in self.addresses.values()
            if each.interface is not None and int(each.interface.ip) != 0
        )
        routes = tuple(self._route_config(each) for each in self.routes.values() if self._kept(each))
        policy = self.settings.get("Link.ActivationPolicy", "")
        unmanaged = boolean(self.settings.get("Link.Unmanaged", "")) is True
        required = self.settings.get("Link.RequiredForOnline", "yes")
        return InterfaceConfig(
            Manager.NETWORKD,
            " ".join(self.names),
            Origin(self.path),
            self._method4(addresses),
            self._method6(addresses),
            addresses,
            routes,
            tuple(self.dns),
            tuple(dict.fromkeys(self.macs)),
            auto=not unmanaged and policy not in ("manual", "always-down", "down"),
            optional=boolean(required) is False,
            virtual=len(self.names) == 1 and self.names[0] in virtual,
            accept_ra=self.accept_ra,
            settings=dict(self.settings),
        )

    def _kept(self, section: _Section) -> bool:
        if section.values.get("Type", "unicast") != "unicast" or section.dynamic:
            return False
        return section.gateway is not None or bool(section.destination)

    def _route_config(self, section: _Section) -> RouteConfig:
        onlink = section.onlink is True or self._implicit_onlink(section)
        destination = section.destination
        if destination in ("", "0.0.0.0/0", "::/0"):
            destination = "default"
        table = section.values.get("Table", "") or self.settings.get("Network.RouteTable", "") or "main"
        return RouteConfig(destination, section.gateway, section.origin, onlink, section.metric, table)

    def _method4(self, addresses: tuple[AddressConfig, ...]) -> Method:
        if any(each.interface.version == 4 for each in addresses):
            return Method.STATIC
        return Method.DHCP if self.dhcp in ("yes", "ipv4") else Method.NONE

    def _method6(self, addresses: tuple[AddressConfig, ...]) -> Method:
        if any(each.interface.version == 6 for each in addresses):
            return Method.STATIC
        if self.dhcp in ("yes", "ipv6"):
            return Method.DHCP
        return Method.AUTO if self._router_advertisements() else Method.NONE

    def _router_advertisements(self) -> bool:
        """Whether router advertisements are listened to: by default yes, but not by a router or a port."""
        if self.accept_ra is not None:
            return self.accept_ra
        local = self.settings.get("Network.LinkLocalAddressing", "ipv6")
        if local in ("ipv4", "fallback", "ipv4-fallback") or boolean(local) is False:
            return False
        if self.settings.get("Network.Bond") or self.settings.get("Network.Bridge"):
            return False
        forward = self.settings.get("Network.IPv6Forwarding") or self.settings.get("Network.IPForward", "")
        return not (boolean(forward) or forward == "ipv6")


def _class(found: IPInterface) -> int:
    """The prefix length of an address's old class; -1 for those that have none (class D and E)."""
    if not isinstance(found.ip, IPv4Address):
        return 128
    first = int(found.ip) >> 24
    return 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else -1
