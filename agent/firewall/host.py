"""Host: what the path of a packet needs to know of the machine: its addresses and its routes."""

from __future__ import annotations

from dataclasses import dataclass

from agent.firewall.fields import AddressType
from agent.unknown import Maybe, Unknown, Why


@dataclass(frozen=True)
class Network:
    """A prefix of one family (4 or 6); ``address`` is an integer."""

    family: int
    address: int
    length: int

    def holds(self, address: int) -> bool:
        """True when the address lies in it (the caller knows that the families agree)."""
        shift = (32 if self.family == 4 else 128) - self.length
        return address >> shift == self.address >> shift


@dataclass(frozen=True)
class Route:
    """Where packets to ``network`` leave: the interface's name."""

    network: Network
    interface: str


@dataclass(frozen=True)
class Interface:
    """``addresses`` with the length of their prefix, in the order in which ``ip address`` lists them: a redirect takes
    the first of its family (and that order is the kernel's own: IPv6 puts the newest first)."""

    name: str
    addresses: tuple[Network, ...] = ()


@dataclass(frozen=True)
class Host:
    """Empty where nobody told: then what hangs on it is unknown."""

    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()

    def address_type(self, family: int, address: int) -> Maybe[int]:
        """An AddressType, as the kernel's local table would tell it."""
        fixed = _fixed_type(family, address)
        if fixed:
            return fixed
        if not self.interfaces:
            return Unknown("the host's own addresses are not known", Why.ABSENT)
        for interface in self.interfaces:
            for own in interface.addresses:
                if own.family == family:
                    if own.address == address:
                        return AddressType.LOCAL
                    if family == 4 and _is_broadcast(own, address):
                        return AddressType.BROADCAST
        if family == 6:
            leaves = self.leaves_by(family, address)
            if isinstance(leaves, Unknown):
                return leaves
            return AddressType.UNICAST if leaves else AddressType.UNREACHABLE
        return AddressType.UNICAST

    def leaves_by(self, family: int, address: int) -> Maybe[str]:
        """Name of the interface by which a packet to this address leaves; "" when there is no route."""
        if not self.routes:
            return Unknown("the host's routes are not known", Why.ABSENT)
        known = [item for item in self.routes if item.network.family == family and item.network.holds(address)]
        return max(known, key=lambda item: item.network.length).interface if known else ""

    def own_address(self, family: int, interface: str) -> Maybe[int]:
        """The first address of an interface: where a redirect sends packets that came by it."""
        for item in self.interfaces:
            if item.name == interface:
                for own in item.addresses:
                    if own.family == family and not (family == 6 and own.address >> 118 == 0x3FA):
                        return own.address
        return Unknown(f"the address of {interface or 'the interface'} is not known", Why.ABSENT)


def _fixed_type(family: int, address: int) -> int:
    """The type of addresses that are the same on every host; 0 for others."""
    if family == 4:
        if address in (0, 0xFFFFFFFF):
            return AddressType.BROADCAST
        if address >> 28 == 0xE:
            return AddressType.MULTICAST
        return AddressType.LOCAL if address >> 24 == 127 else 0
    if address == 0:
        return AddressType.UNSPEC
    if address == 1:
        return AddressType.LOCAL
    return AddressType.MULTICAST if address >> 120 == 0xFF else 0


def _is_broadcast(own: Network, address: int) -> bool:
    hosts = (1 << (32 - own.length)) - 1
    return own.length < 31 and address in (own.address | hosts, own.address & ~hosts)
