"""What firewalld's XML files say: zones, policies, services, ipsets, helpers and kinds of ICMP.

Sources: firewalld.zone(5), firewalld.policy(5), firewalld.service(5), firewalld.ipset(5), firewalld.richlanguage(5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
PortOf = tuple[str, str]  # "80" or "8000-8100", and the protocol


@dataclass(frozen=True)
class Place:
    """Where packets of a rich rule come from or go to: one of an address, a hardware address, an ipset."""

    address: str = ""
    mac: str = ""
    ipset: str = ""
    negated: bool = False


@dataclass(frozen=True)
class Thing:
    """The element of a rich rule. ``kind`` is its XML name; ``name`` its name, port or value."""

    kind: str
    name: str = ""
    protocol: str = ""
    to_port: str = ""
    to_address: str = ""


@dataclass(frozen=True)
class Act:
    """An action or a log of a rich rule. ``kind`` is the XML name; ``value`` a reject's type, a mark, a level."""

    kind: str
    value: str = ""
    prefix: str = ""
    group: str = ""
    threshold: str = ""
    limit: str = ""


@dataclass(frozen=True)
class RichRule:
    family: str = ""
    priority: int = 0
    source: Place | None = None
    destination: Place | None = None
    element: Thing | None = None
    log: Act | None = None
    audit: Act | None = None
    action: Act | None = None


@dataclass(frozen=True)
class Settings:
    """What zones and policies have in common."""

    services: tuple[str, ...] = ()
    ports: tuple[PortOf, ...] = ()
    protocols: tuple[str, ...] = ()
    source_ports: tuple[PortOf, ...] = ()
    icmp_blocks: tuple[str, ...] = ()
    icmp_inversion: bool = False
    masquerade: bool = False
    forward_ports: tuple[Thing, ...] = ()
    rules: tuple[RichRule, ...] = ()


@dataclass(frozen=True)
class Zone:
    """``target`` is "default", "ACCEPT", "DROP", "%%REJECT%%", or "none" where the file says default in so many words:
    then no rule is made for it, and packets fall through to the reject at the end."""

    name: str
    target: str = "default"
    interfaces: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # "ipset:NAME", addresses, hardware addresses
    forward: bool = False
    ingress_priority: int = 0
    egress_priority: int = 0
    settings: Settings = Settings()


@dataclass(frozen=True)
class Policy:
    """``target`` is "CONTINUE", "ACCEPT", "DROP" or "REJECT". Zones may be "ANY" and "HOST"."""

    name: str
    target: str
    priority: int = -1
    ingress: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()
    settings: Settings = Settings()


@dataclass(frozen=True)
class Service:
    ports: tuple[PortOf, ...] = ()
    protocols: tuple[str, ...] = ()
    source_ports: tuple[PortOf, ...] = ()
    modules: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    destination: tuple[tuple[str, str], ...] = ()  # ("ipv4", address)


@dataclass(frozen=True)
class Ipset:
    type: str
    options: tuple[tuple[str, str], ...] = ()
    entries: tuple[str, ...] = ()

    @property
    def six(self) -> bool:
        return ("family", "inet6") in self.options

    @property
    def parts(self) -> tuple[str, ...]:
        """What a key is made of: "ip", "net", "port", "mac" ..."""
        return tuple(self.type.split(":")[-1].split(","))


@dataclass(frozen=True)
class Helper:
    """Connection tracking of a protocol that opens further connections (FTP)."""

    name: str
    module: str
    family: str = ""
    ports: tuple[PortOf, ...] = ()

    @property
    def short(self) -> str:
        """The kernel's own name for it: of nf_conntrack_netbios_ns, netbios-ns."""
        return self.module.replace("_", "-").replace("nf-conntrack-", "")


def combined(name: str, parts: list[Zone]) -> Zone:
    """The files of a directory in zones/ are one zone."""
    found = Settings(
        services=_once(item for part in parts for item in part.settings.services),
        ports=_once(item for part in parts for item in part.settings.ports),
        protocols=_once(item for part in parts for item in part.settings.protocols),
        source_ports=_once(item for part in parts for item in part.settings.source_ports),
        icmp_blocks=_once(item for part in parts for item in part.settings.icmp_blocks),
        icmp_inversion=any(part.settings.icmp_inversion for part in parts),
        masquerade=any(part.settings.masquerade for part in parts),
        forward_ports=_once(item for part in parts for item in part.settings.forward_ports),
        rules=tuple(item for part in parts for item in part.settings.rules),
    )
    return Zone(
        name,
        interfaces=_once(item for part in parts for item in part.interfaces),
        sources=_once(item for part in parts for item in part.sources),
        forward=any(part.forward for part in parts),
        settings=found,
    )


def _once(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))
