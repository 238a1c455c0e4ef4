"""Facts for the proofs of managers and packages: a virtual target, with what other readers would find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_interface

from agent.diagnosis.model import Context, Proof
from agent.diagnosis.proofs import PROOFS
from agent.facts.facts import Facts
from agent.facts.managers import Managers, ManagerState
from agent.facts.netconfig.model import (
    AddressConfig,
    ConfigProblem,
    InterfaceConfig,
    Manager,
    ManagerConfig,
    Method,
    Origin,
)
from agent.facts.network import Address, Link, Route
from agent.facts.packages import Packages
from agent.facts.services import Enablement, Init, Unit
from agent.logs.model import Entry, Hits, Match, Trust
from agent.target.model import Mode
from agent.unknown import Unknown, Why
from tests.virtual import Node, virtual

UNITS = {
    Manager.IFUPDOWN: "networking.service",
    Manager.NETWORKD: "systemd-networkd.service",
    Manager.NETWORKMANAGER: "NetworkManager.service",
    Manager.NETPLAN: "",
    Manager.IFCFG_RH: "network.service",
    Manager.WICKED: "wicked.service",
}
OFFLINE = Unknown("not live", Why.NOT_LIVE)


def facts(
    files: Mapping[str, Node] | None = None,
    enabled: Sequence[Manager] = (),
    installed: Sequence[Manager] = (),
    masked: Sequence[Manager] = (),
    configs: Sequence[ManagerConfig] = (),
    mode: Mode = Mode.OFFLINE,
    links: Sequence[Link] = (),
    routes: Sequence[Route] = (),
    units: Sequence[Unit] = (),
    init: Init = Init.SYSTEMD,
    packages: Packages | None = None,
) -> Facts:
    """Facts of a host with these managers; ``enabled`` ones are installed, and in charge when configured."""
    found = Facts(virtual(files or {}, mode))
    by_manager = {config.manager: config for config in configs}
    states = {}
    for manager in {*enabled, *installed, *masked}:
        config = by_manager.get(manager)
        wanted = config.interfaces if config else ()
        states[manager] = ManagerState(
            manager,
            installed=True,
            enabled=manager in enabled,
            masked=manager in masked,
            running=manager in enabled if mode is Mode.LIVE else OFFLINE,
            configured=bool(wanted),
            unit=UNITS.get(manager, ""),
            claims=tuple(one.name for one in wanted),
        )
    in_charge = tuple(manager for manager in enabled if states[manager].configured)
    for unit in units:
        found._units[unit.name] = unit
    found.__dict__.update(
        configs=by_manager,
        managers=Managers(states, in_charge),
        links=tuple(links) if mode is Mode.LIVE else OFFLINE,
        routes=tuple(routes) if mode is Mode.LIVE else OFFLINE,
        init=init,
        packages=packages or Packages("dpkg", {}),
    )
    return found


def prove(name: str, of: Facts, *matches: tuple[str, Match]) -> Proof:
    """The proof's answer, with these log matches by pattern name."""
    hits: dict[str, Hits] = {}
    for pattern, match in matches:
        known = hits.get(pattern)
        hits[pattern] = Hits(pattern, 1, (*(known.matches if known else ()), match))
    return PROOFS[name](Context(of, hits, {}, {}, hits))


def said(text: str, trusted: bool = True, time: float = 1000.0, boot: int | None = 0, **groups: str) -> Match:
    """A log entry that a pattern hit."""
    trust = Trust("stdout", 0, 1, "networking.service", "ifup") if trusted else None
    return Match("key", Entry("journal", text, time=time, boot=boot, trust=trust), groups)


def iface(
    manager: Manager,
    name: str = "eth0",
    path: str = "/etc/network/interfaces",
    address: str = "192.0.2.10/24",
    method: Method = Method.STATIC,
    line: int = 4,
    **more: bool,
) -> InterfaceConfig:
    origin = Origin(path, line)
    addresses = (AddressConfig(ip_interface(address), origin),) if address and method is Method.STATIC else ()
    return InterfaceConfig(manager, name, origin, method, addresses=addresses, **more)  # type: ignore[arg-type]


def config(manager: Manager, *interfaces: InterfaceConfig, problems: Sequence[ConfigProblem] = ()) -> ManagerConfig:
    paths = [one.origin.path for one in interfaces] + [problem.origin.path for problem in problems]
    return ManagerConfig(manager, tuple(dict.fromkeys(paths)), interfaces, tuple(problems))


def link(name: str = "eth0", address: str = "192.0.2.10/24", up: bool = True, index: int = 2) -> Link:
    flags = ("BROADCAST", "UP", "LOWER_UP") if up else ("BROADCAST",)
    addresses = (Address(ip_interface(address), "global"),) if address else ()
    return Link(name, index, "f2:3c:00:00:00:01", flags, "UP" if up else "DOWN", addresses=addresses)


DEFAULT_ROUTE = Route("default", "192.0.2.1", "eth0", 4)


def unit(name: str, active: str = "active", result: str = "success", live: bool = True) -> Unit:
    if not live:
        return Unit(name, f"/lib/systemd/system/{name}", Enablement.ENABLED, (), OFFLINE, OFFLINE, OFFLINE)
    return Unit(name, f"/lib/systemd/system/{name}", Enablement.ENABLED, (), active, "", result)
