"""Which network managers are installed, enabled and running, and which one is in charge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from agent.facts.netconfig.model import InterfaceConfig, Manager, ManagerConfig, Method
from agent.facts.netconfig.networkmanager_conf import ifcfg_plugin, nm_settings
from agent.facts.services import Unit
from agent.target import Target
from agent.target.model import Stat
from agent.unknown import Maybe, Unknown, Why

_NETWORKD_PROGRAMS = ("/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd")
_NETPLAN_GENERATORS = (
    "/usr/lib/systemd/system-generators/netplan",
    "/lib/systemd/system-generators/netplan",
    "/usr/libexec/netplan/generate",
    "/usr/lib/netplan/generate",
    "/lib/netplan/generate",
)
_IFUPDOWN_RULES = ("/usr/lib/udev/rules.d/80-ifupdown.rules", "/lib/udev/rules.d/80-ifupdown.rules")
_RH_SCRIPT = "/etc/sysconfig/network-scripts/ifup"  # ifup of initscripts, not of ifupdown
_OTHERS = ("dhcpcd.service", "connman.service", "netctl.service", "dhclient.service", "ifplugd.service")
_OTHER_TEMPLATES = ("dhcpcd@*.service", "netctl@*.service", "netctl-auto@*.service", "dhclient@*.service")


@dataclass(frozen=True)
class ManagerState:
    """``claims`` are interface names (or globs) that its configuration wants and that it would bring up."""

    manager: Manager
    installed: bool  # its program is on disk
    enabled: bool  # it runs at boot (links on disk, runlevels)
    masked: bool
    running: Maybe[bool]  # live only
    configured: bool  # it has files that name an interface other than lo
    unit: str  # networking.service, systemd-networkd.service ...
    claims: tuple[str, ...] = ()

    @property
    def works(self) -> bool:
        """It would bring up what it is configured for at the next boot."""
        return self.installed and self.enabled and not self.masked


@dataclass(frozen=True)
class Managers:
    """``others`` are units that configure interfaces too and have no reader here (dhcpcd, connman)."""

    states: Mapping[Manager, ManagerState]
    in_charge: tuple[Manager, ...]  # enabled, installed and configured: the first is the main one
    others: tuple[str, ...] = ()

    @property
    def main(self) -> Manager | None:
        return self.in_charge[0] if self.in_charge else None


def read(target: Target, unit: Callable[[str], Unit], configs: Mapping[Manager, ManagerConfig]) -> Managers:
    """The state of each manager, from programs and links on disk, and from the running system when live."""
    found = _Reader(target, unit, configs).states()
    states = {state.manager: state for state in found}
    in_charge = [state.manager for state in found if state.works and state.configured]
    network_manager = states[Manager.NETWORKMANAGER]
    if network_manager.works and Manager.NETWORKMANAGER not in in_charge and _automatic(target, in_charge):
        in_charge.append(Manager.NETWORKMANAGER)
    in_charge.sort(key=lambda manager: _rank(states[manager], configs.get(manager)))
    return Managers(states, tuple(in_charge), _others(target, unit))


def _rank(state: ManagerState, config: ManagerConfig | None) -> tuple[bool, bool]:
    """The one that is configured first, and of those the one that gives the host its way out."""
    leads_out = config is not None and any(
        one.default_routes or Method.DHCP in (one.method4, one.method6)
        for one in config.interfaces
        if one.name in state.claims
    )
    return not state.configured, not leads_out


def _automatic(target: Target, in_charge: list[Manager]) -> bool:
    """Without profiles NetworkManager gives every wired device DHCP, unless told not to."""
    told = nm_settings(target)
    if any(spec in ("*", "interface-name:*") for spec in told.no_auto_default + told.unmanaged):
        return False
    return not in_charge


class _Reader:
    def __init__(self, target: Target, unit: Callable[[str], Unit], configs: Mapping[Manager, ManagerConfig]) -> None:
        self.target = target
        self.unit = unit
        self.configs = configs
        self.network_manager = unit("NetworkManager.service")

    def states(self) -> list[ManagerState]:
        """In the order in which they win when all else is equal."""
        return [
            self._ifupdown(),
            self._networkd(),
            self._netplan(),
            self._network_scripts(),
            self._network_manager(),
            self._wicked(),
            self._netifrc(),
            self._slackware(),
        ]

    def _any(self, *paths: str) -> bool:
        return any(self.target.exists(path) for path in paths)

    def _program(self, name: str) -> bool:
        return isinstance(self.target.find_program(name), str)

    def _interfaces(self, manager: Manager) -> tuple[InterfaceConfig, ...]:
        config = self.configs.get(manager)
        if config is None:
            return ()
        return tuple(one for one in config.interfaces if one.name != "lo" and self._somebodys(one))

    def _somebodys(self, one: InterfaceConfig) -> bool:
        """Not written by netplan (which has its own reader), nor shipped for hosts of a kind that this is not."""
        by = one.settings.get("generated-by", "")
        if by == "systemd":  # 80-container-host0.network makes a difference in a container only
            return not one.pattern and self.target.live and self.target.exists(f"/sys/class/net/{one.name}")
        return by != "netplan"

    def _state(
        self,
        manager: Manager,
        unit: Unit,
        installed: bool,
        enabled: bool | None = None,
        interfaces: tuple[InterfaceConfig, ...] | None = None,
    ) -> ManagerState:
        found = self._interfaces(manager) if interfaces is None else interfaces
        claims = tuple(
            dict.fromkeys(one.name or f"mac:{one.macs[0]}" for one in found if _claimed(one) and (one.name or one.macs))
        )
        return ManagerState(
            manager,
            installed=installed,
            enabled=unit.starts_at_boot if enabled is None else enabled,
            masked=unit.masked,
            running=_running(unit),
            configured=bool(found),
            unit=unit.name,
            claims=claims,
        )

    def _ifupdown(self) -> ManagerState:
        unit = self.unit("networking.service")
        own = self._program("ifup") and (self.target.is_dir("/etc/network") or not self.target.exists(_RH_SCRIPT))
        if not self.target.is_dir("/etc/network"):
            own = own and unit.path.endswith(("networking", "networking.service", "networking.conf"))
        found = self._interfaces(Manager.IFUPDOWN)
        hotplug = any(one.hotplug for one in found) and self._any(*_IFUPDOWN_RULES)
        return self._state(Manager.IFUPDOWN, unit, own, unit.starts_at_boot or (hotplug and not unit.masked))

    def _networkd(self) -> ManagerState:
        unit = self.unit("systemd-networkd.service")
        installed = unit.present and (unit.masked or self._any(*_NETWORKD_PROGRAMS))
        socket = self.unit("systemd-networkd.socket")  # it starts the service as soon as a link appears
        enabled = unit.starts_at_boot or socket.enabled or self._netplan_starts("networkd")
        return self._state(Manager.NETWORKD, unit, installed, enabled and not unit.masked)

    def _netplan_renderers(self) -> set[str]:
        config = self.configs.get(Manager.NETPLAN)
        if config is None:
            return set()
        found = {one.settings.get("renderer") or config.renderer or "networkd" for one in config.interfaces}
        return found or {config.renderer or "networkd"}

    def _netplan_starts(self, renderer: str) -> bool:
        """netplan's generator pulls in systemd-networkd at boot, with a link in /run that no disk shows.

        For NetworkManager it writes profiles only: that service must be enabled by itself. A configuration
        that the generator rejects starts nothing.
        """
        config = self.configs.get(Manager.NETPLAN)
        if config is None or not self._interfaces(Manager.NETPLAN) or not self._any(*_NETPLAN_GENERATORS):
            return False
        return renderer == "networkd" and renderer in self._netplan_renderers() and not config.broken

    def _netplan(self) -> ManagerState:
        by_manager = "networkd" not in self._netplan_renderers() and self._netplan_renderers() != set()
        unit = self.network_manager if by_manager else self.unit("systemd-networkd.service")
        there = self._program("NetworkManager") if by_manager else self._any(*_NETWORKD_PROGRAMS)
        installed = self._any(*_NETPLAN_GENERATORS)
        enabled = installed and there and not unit.masked
        if by_manager:
            enabled = enabled and unit.starts_at_boot
        return self._state(Manager.NETPLAN, unit, installed, enabled)

    def _network_scripts(self) -> ManagerState:
        """initscripts' own. Where NetworkManager runs, ifup leaves to it all but NM_CONTROLLED=no."""
        unit = self.unit("network.service")
        scripts = self._any("/etc/rc.d/init.d/network", "/etc/init.d/network") and self.target.exists(_RH_SCRIPT)
        found = self._interfaces(Manager.IFCFG_RH)
        if self._manager_reads_ifcfg():
            found = tuple(one for one in found if not _nm_controlled(one))
        enabled = unit.starts_at_boot and not unit.path.endswith(("wicked.service", "NetworkManager.service"))
        return self._state(Manager.IFCFG_RH, unit, scripts, enabled, found)

    def _manager_reads_ifcfg(self) -> bool:
        return self.network_manager.starts_at_boot and self._program("NetworkManager") and ifcfg_plugin(self.target)

    def _network_manager(self) -> ManagerState:
        found = list(self._interfaces(Manager.NETWORKMANAGER))
        if self._manager_reads_ifcfg():
            found += [one for one in self._interfaces(Manager.IFCFG_RH) if _nm_controlled(one)]
        told = nm_settings(self.target)
        taken = set()
        if not told.ifupdown_managed and self.target.exists("/etc/debian_version"):
            taken = {one.name for one in self._interfaces(Manager.IFUPDOWN)}
        found = [one for one in found if one.name not in taken and not told.leaves_alone(one.name)]
        installed = self._program("NetworkManager")
        return self._state(Manager.NETWORKMANAGER, self.network_manager, installed, None, tuple(found))

    def _wicked(self) -> ManagerState:
        if self._program("wicked") or self._program("wickedd"):
            return self._state(Manager.WICKED, self.unit("wicked.service"), True)
        old = self._any("/etc/init.d/network") and self.target.is_dir("/etc/sysconfig/network")  # SUSE before 12
        return self._state(Manager.WICKED, self.unit("network.service" if old else "wicked.service"), old)

    def _netifrc(self) -> ManagerState:
        found = self._interfaces(Manager.NETIFRC)
        first = next((one.name for one in found if one.auto), "eth0")
        unit = self.unit(f"net.{first}")
        installed = self._any("/etc/init.d/net.lo", "/lib/netifrc/net", "/usr/libexec/netifrc")
        return self._state(Manager.NETIFRC, unit, installed, any(one.auto for one in found))

    def _slackware(self) -> ManagerState:
        script = self.target.stat("/etc/rc.d/rc.inet1")
        there = isinstance(script, Stat)
        unit = self.unit("networking.service")
        enabled = isinstance(script, Stat) and script.executable
        return self._state(Manager.SLACKWARE, unit, there, enabled)


def _nm_controlled(one: InterfaceConfig) -> bool:
    return one.settings.get("NM_CONTROLLED", "yes").strip().lower() not in ("no", "false", "0", "n")


def _claimed(one: InterfaceConfig) -> bool:
    """It would be brought up, with something to configure: a stanza that boot leaves alone claims nothing."""
    return one.auto or one.hotplug


def _running(unit: Unit) -> Maybe[bool]:
    if isinstance(unit.active, Unknown):
        return unit.active
    if not unit.active:
        return Unknown(f"whether {unit.name} runs is not known", Why.NOT_LIVE)
    return unit.active in ("active", "activating", "reloading")


def _others(target: Target, unit: Callable[[str], Unit]) -> tuple[str, ...]:
    """Enabled units that configure interfaces and have no reader here."""
    found = [name for name in _OTHERS if unit(name).starts_at_boot]
    for pattern in _OTHER_TEMPLATES:
        links = target.glob(f"/etc/systemd/system/*.wants/{pattern}")
        found += [link.rpartition("/")[2] for link in links]
    return tuple(dict.fromkeys(found))
