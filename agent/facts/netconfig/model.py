"""The one shape into which every manager's configuration is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Union

IPAddress = Union[IPv4Address, IPv6Address]
IPInterface = Union[IPv4Interface, IPv6Interface]


class Manager(str, Enum):
    """Who configures interfaces."""

    IFUPDOWN = "ifupdown"  # ifupdown, ifupdown-ng, Alpine's busybox ifupdown
    NETWORKD = "systemd-networkd"
    NETPLAN = "netplan"  # writes for networkd or NetworkManager: see ManagerConfig.renderer
    NETWORKMANAGER = "NetworkManager"  # keyfiles, and ifcfg through its plugin
    IFCFG_RH = "network-scripts"  # RHEL's ifcfg files (initscripts, or NetworkManager's plugin)
    WICKED = "wicked"  # SUSE's ifcfg files
    NETIFRC = "netifrc"  # Gentoo /etc/conf.d/net
    SLACKWARE = "slackware"  # /etc/rc.d/rc.inet1.conf
    CLOUD_INIT = "cloud-init"


class Method(str, Enum):
    """How one address family of an interface gets its address."""

    STATIC = "static"
    DHCP = "dhcp"
    AUTO = "auto"  # router advertisements (SLAAC)
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Origin:
    """Where in the target a setting stands. ``line`` counts from 1; 0 when the whole file is meant."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class AddressConfig:
    interface: IPInterface  # address with prefix length; /32 or /128 when none was given
    origin: Origin
    prefix_given: bool = True


@dataclass(frozen=True)
class RouteConfig:
    """A configured route; a gateway is a route whose destination is the default."""

    destination: str  # "default", or a network in CIDR form
    gateway: IPAddress | None
    origin: Origin
    onlink: bool = False
    metric: int | None = None
    table: str = "main"

    @property
    def default(self) -> bool:
        return self.destination in ("default", "0.0.0.0/0", "::/0")


@dataclass(frozen=True)
class ConfigProblem:
    """Something the manager itself would reject, ignore or warn of.

    ``code`` is a fixed word of the reader (documented at its top), such as ``misplaced-option``;
    ``text`` is what the manager prints, or would print; ``fatal`` says that the file (ifupdown,
    netplan: the whole configuration) is not used because of it.
    """

    code: str
    text: str
    origin: Origin
    fatal: bool
    interface: str = ""


@dataclass(frozen=True)
class InterfaceConfig:
    """What one manager wants of one interface. Several stanzas for one name are merged."""

    manager: Manager
    name: str  # the interface's name, or a glob (networkd, netplan match), or "" (by MAC only)
    origin: Origin
    method4: Method = Method.NONE
    method6: Method = Method.NONE
    addresses: tuple[AddressConfig, ...] = ()
    routes: tuple[RouteConfig, ...] = ()
    dns: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()  # it must have one of these (HWADDR, MACAddress, macaddress), lower case
    auto: bool = True  # brought up at boot
    hotplug: bool = False  # brought up only when the device appears (allow-hotplug)
    optional: bool = False  # boot does not wait or fail for it
    virtual: bool = False  # the manager creates it itself (bridge, bond, vlan, dummy, tunnel ...)
    accept_ra: bool | None = None  # None: the manager's default
    settings: Mapping[str, str] = field(default_factory=dict)  # the rest, as written, for the proofs

    @property
    def pattern(self) -> bool:
        """True when ``name`` is a glob and not one interface's name."""
        return any(char in self.name for char in "*?[") or " " in self.name or self.name == ""

    @property
    def static(self) -> bool:
        return Method.STATIC in (self.method4, self.method6)

    @property
    def default_routes(self) -> tuple[RouteConfig, ...]:
        return tuple(route for route in self.routes if route.default)


@dataclass(frozen=True)
class ManagerConfig:
    """All that one manager's files say. ``files`` are those read, in the manager's own order."""

    manager: Manager
    files: tuple[str, ...] = ()
    interfaces: tuple[InterfaceConfig, ...] = ()
    problems: tuple[ConfigProblem, ...] = ()
    unread: tuple[str, ...] = ()  # reasons of files that could not be read (permission, size)
    renderer: str = ""  # netplan: networkd or NetworkManager
    helper: bool = False  # one of the files carries Linode Network Helper's header

    @property
    def present(self) -> bool:
        return bool(self.files)

    @property
    def broken(self) -> bool:
        return any(problem.fatal for problem in self.problems)
