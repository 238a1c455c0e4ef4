"""What the managers in charge want of the host's own interfaces, set against the interfaces that are there."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from agent.diagnosis.model import CantTell, Context
from agent.diagnosis.proofs import parts
from agent.facts.facts import Facts
from agent.facts.netconfig import networkd_match
from agent.facts.netconfig.model import InterfaceConfig, IPAddress, Manager
from agent.facts.netconfig.text import any_glob
from agent.facts.network import Link
from agent.logs.model import Entry
from agent.unknown import Maybe, Unknown

# Names that network cards have: the kernel's, udev's, biosdevname's, and containers' uplinks.
_CARD = re.compile(r"(?:eth|em|ib|venet|host|mv-|iv-)\d+|en[a-z0-9]{1,13}|p\d+p\d+|host0|lan\d|wan\d")

# These look at the devices that are there: a profile for an absent one lies idle.
IDLE = frozenset({Manager.NETWORKMANAGER, Manager.NETWORKD, Manager.NETPLAN})

SETTLED = 90.0  # seconds after boot: until then interfaces may still be coming up

# Units whose programs bring interfaces up as root: their word on an interface counts.
_UNITS = ("networking.service", "network.service", "NetworkManager.service", "systemd-networkd.service", "wicked")

_PRIVATE = tuple(
    ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8")
)


@dataclass(frozen=True)
class Wanted:
    """One interface as one manager in charge wants it. ``manager`` is who applies the files, which may be
    another one than whose format they have (NetworkManager reads ifcfg files)."""

    manager: Manager
    config: InterfaceConfig

    @property
    def card(self) -> str:
        """The name of the card that it needs: eth0 of the alias eth0:1; "" for patterns and virtual ones."""
        name = self.config.name.partition(":")[0]
        if self.config.pattern or self.config.virtual or not _CARD.fullmatch(name):
            return ""
        return name

    @property
    def at_boot(self) -> bool:
        return self.config.auto or self.config.hotplug


def only_a_log(facts: Facts) -> bool:
    """True when no host was looked at: then nothing is provably absent."""
    return isinstance(facts.target.stat("/"), Unknown)


def not_looked_at(context: Context) -> CantTell:
    return CantTell("only a log was given", log_values(context))


def log_values(context: Context) -> dict[str, str]:
    """The named groups of this rule's newest match."""
    matches = [match for hits in context.hits.values() for match in hits.matches]
    return {key: value for key, value in matches[-1].groups.items() if value} if matches else {}


def all_of(facts: Facts) -> tuple[Wanted, ...]:
    """Every interface of the host's own network that a manager in charge has a configuration for."""
    found: list[Wanted] = []
    for manager in facts.managers.in_charge:
        formats = [manager]
        if manager is Manager.NETWORKMANAGER and Manager.IFCFG_RH not in facts.managers.in_charge:
            formats.append(Manager.IFCFG_RH)
        for one in formats:
            config = facts.configs.get(one)
            for interface in config.interfaces if config else ():
                if interface.settings.get("generated-by") == "netplan" and Manager.NETPLAN in facts.configs:
                    continue
                if interface.name.partition(":")[0] != "lo" and parts.carries_network(interface.name):
                    found.append(Wanted(manager, interface))
    return tuple(found)


def cards(facts: Facts) -> Maybe[tuple[Link, ...]]:
    """Live network cards (and containers' uplinks) that are nobody's port."""
    found = facts.links
    if isinstance(found, Unknown):
        return found
    return tuple(
        link
        for link in found
        if link.hardware and not link.loopback and not link.master and parts.carries_network(link.name)
    )


def names(facts: Facts) -> frozenset[str]:
    """All names that live links answer to."""
    return frozenset(name for link in parts.links(facts) for name in (link.name, *link.altnames))


def matches(want: Wanted, link: Link) -> bool:
    """This configuration is meant for that link."""
    config = want.config
    if config.macs and link.mac and link.mac not in config.macs:
        return False
    name = config.name.partition(":")[0]
    if not name:
        return bool(config.macs)
    if not config.pattern:
        return name == link.name or name in link.altnames or bool(config.macs and link.mac in config.macs)
    return any_glob(tuple(name.split()), link.name)


def of_link(facts: Facts, link: Link) -> tuple[Wanted, ...]:
    """The configurations that apply to a link; of networkd's files only the first that matches does."""
    found: list[Wanted] = []
    networkd = facts.configs.get(Manager.NETWORKD)
    first: InterfaceConfig | None = None
    if networkd is not None and Manager.NETWORKD in facts.managers.in_charge:
        first = networkd_match.matching(networkd, link.name, link.mac, link.driver, "ether", link.kind or "")
    for want in all_of(facts):
        if want.config.manager is Manager.NETWORKD:
            if want.config is first:
                found.append(want)
        elif want.manager is Manager.NETPLAN and _before_netplan(first):
            continue
        elif matches(want, link):
            found.append(want)
    return tuple(found)


def _before_netplan(first: InterfaceConfig | None) -> bool:
    """networkd sorts its files by name: 05-eth0.network comes before netplan's 10-netplan-eth0.network."""
    if first is None or first.settings.get("generated-by"):
        return False
    return first.origin.path.rpartition("/")[2] < "10-netplan"


def spare_cards(facts: Facts) -> tuple[Link, ...]:
    """Live cards that no configuration is meant for."""
    found = cards(facts)
    return () if isinstance(found, Unknown) else tuple(link for link in found if not of_link(facts, link))


def absent(facts: Facts) -> tuple[Wanted, ...]:
    """Configurations, by name and brought up at boot, of a card that is not there."""
    there = names(facts)
    macs = {link.mac for link in parts.links(facts) if link.mac}
    return tuple(
        want
        for want in all_of(facts)
        if want.config.settings.get("generated-by") != "systemd"  # shipped for containers: nobody's wish
        if want.at_boot and want.card and want.card not in there and not macs & set(want.config.macs)
    )


def settled(facts: Facts) -> bool:
    """False in the first minute and a half after boot."""
    text = facts.target.text("/proc/uptime")
    try:
        return isinstance(text, Unknown) or float(text.split()[0]) >= SETTLED
    except (ValueError, IndexError):
        return True


def container(facts: Facts) -> str:
    """The container manager that the live target runs under; "" on a machine, and where it can't be told."""
    record = facts.target.query("machine")
    found = record.get("container") if isinstance(record, dict) else ""
    return found if isinstance(found, str) else ""


def public(address: IPAddress) -> bool:
    """An address that reaches, and is reached from, the internet (documentation networks count)."""
    if isinstance(address, IPv6Address):
        return not (address.is_link_local or address.is_loopback or address in ip_network("fc00::/7"))
    return isinstance(address, IPv4Address) and not any(address in network for network in _PRIVATE)


def spoken_by_manager(entry: Entry) -> bool:
    """The journal vouches that root's network scripts or daemon, or PID 1, wrote it; not any user's logger."""
    trust = entry.trust
    if trust is None or trust.uid != 0:
        return False
    if trust.pid == 1 and trust.comm == "systemd":
        return True
    return trust.unit.startswith((*_UNITS, "ifup@"))


def spoken_by_systemd(entry: Entry) -> bool:
    """PID 1 wrote it, through any of its ways to the journal."""
    trust = entry.trust
    return trust is not None and trust.uid in (0, None) and trust.pid == 1 and trust.comm in ("systemd", "init", "")


def quoted(path: str) -> str:
    """A path for a shell's command line: names on a hostile disk may hold anything."""
    return shlex.quote(path)


def saved(path: str) -> str:
    """Where a copy of a file is kept: in root's home, for a copy beside it may be read as configuration."""
    return "{root}" + quoted(f"/root/{path.rpartition('/')[2]}.saved")


def edit(path: str, command: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Commands that change one file, and those that take it back. ``command`` holds FILE for the path."""
    file = "{root}" + quoted(path)
    copy = f"cp -p {file} {saved(path)}"
    return (copy, command.replace("FILE", file)), (f"cp -p {saved(path)} {file}",)
