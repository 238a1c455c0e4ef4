"""The live network: links, addresses, routes, rules, neighbours; pure parsers of iproute2's records.

The records have the shape of ``ip -j -d addr``, ``ip -j route`` and so on, whether they came from
pyroute2, from the ip command's JSON, or from its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface


@dataclass(frozen=True)
class Address:
    """One address of a link (ip-address(8))."""

    interface: IPv4Interface | IPv6Interface
    scope: str  # global, link, host, site
    flags: tuple[str, ...] = ()  # dynamic, tentative, dadfailed, deprecated, permanent, temporary ...

    @property
    def usable(self) -> bool:
        """Global, and not refused by duplicate address detection."""
        return self.scope == "global" and "dadfailed" not in self.flags


@dataclass(frozen=True)
class Link:
    """One network interface. ``kind`` is empty for hardware (virtio, e1000), else veth, bridge, dummy ..."""

    name: str
    index: int
    mac: str  # lower case, "" when it has none
    flags: tuple[str, ...]  # UP, LOWER_UP, NO-CARRIER, LOOPBACK ...
    operstate: str  # UP, DOWN, UNKNOWN, LOWERLAYERDOWN, DORMANT
    mtu: int = 0
    kind: str = ""
    altnames: tuple[str, ...] = ()
    master: str = ""
    addresses: tuple[Address, ...] = ()
    driver: str = ""  # from sysfs; "" unknown
    hardware: bool = True  # a NIC that the platform gives: virtio, PCI, or a container's uplink (veth of nspawn)

    @property
    def loopback(self) -> bool:
        return "LOOPBACK" in self.flags

    @property
    def up(self) -> bool:
        """Administratively up."""
        return "UP" in self.flags

    @property
    def carrier(self) -> bool:
        return "LOWER_UP" in self.flags

    @property
    def global_addresses(self) -> tuple[Address, ...]:
        return tuple(address for address in self.addresses if address.usable)


@dataclass(frozen=True)
class Route:
    """One route of the kernel's tables."""

    destination: str  # "default" or CIDR
    gateway: str | None
    device: str
    family: int  # 4 or 6
    metric: int = 0
    table: str = "main"
    protocol: str = ""  # static, dhcp, ra, kernel, boot
    kind: str = "unicast"  # unicast, blackhole, unreachable, prohibit
    flags: tuple[str, ...] = ()  # onlink, linkdown, dead
    source: str = ""

    @property
    def default(self) -> bool:
        return self.destination == "default" and self.kind == "unicast"


@dataclass(frozen=True)
class RoutingRule:
    """One policy routing rule (ip-rule(8))."""

    priority: int
    family: int
    selector: str  # as ip prints it: "from all", "from 192.0.2.1 fwmark 0x1"
    table: str


@dataclass(frozen=True)
class Neighbour:
    """One entry of the neighbour table (ARP, NDP)."""

    address: str
    device: str
    state: str  # REACHABLE, STALE, INCOMPLETE, FAILED, DELAY, PROBE, PERMANENT, NOARP
    mac: str = ""
    router: bool = False
