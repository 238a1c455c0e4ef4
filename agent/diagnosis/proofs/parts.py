"""What the proofs of the network share: evidence, who is in charge, is the network up, failed units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, Severity
from agent.facts.facts import Facts
from agent.facts.netconfig.model import InterfaceConfig, Manager, Method
from agent.facts.network import Link
from agent.facts.services import Enablement
from agent.logs.model import Entry, Match
from agent.target.model import Stat
from agent.unknown import Unknown

# Interfaces that do not carry a server's own network: containers, tunnels, radio, virtual machines' ends.
_OTHERS = re.compile(
    r"lo|(?:veth|docker|virbr|vnet|tun|tap|wg|ppp|wl|ww|cali|cni|flannel|cilium|lxc|lxd|podman|zt|tailscale"
    r"|kube|vmnet|vboxnet|dummy|ifb|sit|gre|ip6tnl|ve-|vb-|vz-|br-|can|vcan|mcan|usbmon)\S*"
)

# Links that enable what no reader and no unit name covers (OpenRC's runlevels).
_OTHER_LINKS = ("/etc/runlevels/*/dhcpcd", "/etc/runlevels/*/connman")


def carries_network(name: str) -> bool:
    """True for eth0, ens3, en*, bond0: an interface, or a pattern, of the host's own network."""
    return not _OTHERS.fullmatch(name)


def entry_evidence(entry: Entry) -> Evidence:
    return Evidence(entry.source, entry.text, entry.line, entry.cursor, entry.time, entry.boot)


def trusted_matches(context: Context, *patterns: str) -> tuple[Match, ...]:
    """Matches of the newest boot that the journal vouches for, oldest first; ``patterns``: these alone."""
    return tuple(
        match
        for name, hits in context.hits.items()
        if not patterns or name in patterns
        for match in hits.matches
        if match.entry.boot == 0 and match.entry.trust is not None
    )


def links(facts: Facts) -> tuple[Link, ...]:
    """The live links, none when they are not known."""
    found = facts.links
    return () if isinstance(found, Unknown) else found


def link(facts: Facts, name: str) -> Link | None:
    return next((one for one in links(facts) if one.name == name or name in one.altnames), None)


def ipv4(one: Link) -> bool:
    """True when the link has a usable global IPv4 address."""
    return any(address.interface.version == 4 for address in one.global_addresses)


def network_up(facts: Facts) -> bool:
    """Live: an interface has a global address and there is a default route through a link that is up."""
    if not facts.target.live:
        return False
    routes = facts.routes
    if isinstance(routes, Unknown):
        return False
    addressed = {one.name for one in links(facts) if not one.loopback and one.up and one.global_addresses}
    return any(route.default and route.table == "main" and route.device in addressed for route in routes)


def milder(facts: Facts, severity: Severity = Severity.WARNING) -> Severity | None:
    """A milder severity for a live host whose network is up all the same; None: the rule's own."""
    return severity if network_up(facts) else None


def wanted(config: InterfaceConfig) -> bool:
    """True when the configuration gives an interface of the host's own network an address at boot.

    What systemd ships for containers and virtual machines is nobody's wish.
    """
    if config.settings.get("generated-by") == "systemd":
        return False
    gives = bool(config.addresses) or any(
        method in (Method.STATIC, Method.DHCP, Method.AUTO) for method in (config.method4, config.method6)
    )
    return gives and (config.auto or config.hotplug) and carries_network(config.name)


def configured(facts: Facts, manager: Manager) -> tuple[InterfaceConfig, ...]:
    """What one manager's files want of interfaces of the host's own network."""
    config = facts.configs.get(manager)
    return () if config is None else tuple(one for one in config.interfaces if wanted(one))


def enabled(facts: Facts, manager: Manager) -> bool:
    """The manager's program is on disk and it runs at boot."""
    state = facts.managers.states.get(manager)
    return state is not None and state.installed and state.enabled and not state.masked


def running(facts: Facts, manager: Manager) -> bool:
    state = facts.managers.states.get(manager)
    return state is not None and state.running is True


def in_charge(facts: Facts, manager: Manager) -> bool:
    return manager in facts.managers.in_charge


def other_service(facts: Facts) -> str:
    """A service that configures the network and has no reader here, "" when there is none enabled."""
    for name in facts.managers.others:
        return name
    for pattern in _OTHER_LINKS:
        for path in facts.target.glob(pattern):
            return path.rsplit("/", 1)[-1]
    return ""


def root_option(facts: Facts) -> str:
    """What systemctl needs to work on the mounted root: "--root=/media/sda " or ""."""
    root = facts.target.place.rstrip("/")
    return f"--root={root} " if root else ""


def in_root(facts: Facts, command: str) -> str:
    """The command as it is run for a mounted root, or for a disk that we mount: inside a chroot of it."""
    if facts.target.device:
        return f"agent rescue --chroot {facts.target.device} {command}"
    root = facts.target.place.rstrip("/")
    return f"chroot {root} {command}" if root else command


def changed_since(facts: Facts, time: float | None, paths: Sequence[str]) -> str:
    """The first of the files that was changed after ``time`` (seconds since the epoch), or ""."""
    if time is None:
        return ""
    for path in paths:
        stat = facts.target.stat(path)
        if isinstance(stat, Stat) and stat.mtime > time:
            return path
    return ""


def failed_unit(context: Context, units: Sequence[str], patterns: Sequence[str], files: Sequence[str] = ()) -> Proof:
    """A unit is in the state failed; offline, PID 1 said so in the newest boot and nothing changed since.

    ``patterns`` are those of the rule that only PID 1 can write; ``files`` the configuration whose later
    change makes the log's word stale.
    """
    facts = context.facts
    known = [facts.unit(name) for name in units]
    there = [unit for unit in known if unit.enablement is not Enablement.ABSENT]
    if not there:
        return Fails(f"there is no {' or '.join(units)}")
    for unit in there:
        if unit.active == "failed":
            result = f" ({unit.result})" if isinstance(unit.result, str) and unit.result else ""
            evidence = Evidence(f"systemctl show {unit.name}", "ActiveState=failed")
            return Holds(f"{unit.name} failed{result}", (evidence,), {"unit": unit.name})
    if facts.target.live and any(isinstance(unit.active, str) and unit.active for unit in there):
        states = ", ".join(f"{unit.name} is {unit.active}" for unit in there if isinstance(unit.active, str))
        return Fails(states)
    return _logged(context, there[0].name, patterns, files)


def _logged(context: Context, unit: str, patterns: Sequence[str], files: Sequence[str]) -> Proof:
    matches = trusted_matches(context, *patterns)
    if not matches:
        if context.entries():
            return CantTell("a log says so, and nobody vouches for the log")
        return Fails(f"no log of the newest boot says that {unit} failed")
    entry = matches[-1].entry
    changed = changed_since(context.facts, entry.time, files)
    if changed:
        return CantTell(f"it failed in the newest boot, but {changed} was changed since")
    return Holds(f"{unit} failed in the newest boot", (entry_evidence(entry),), {"unit": unit})


def claims(facts: Facts) -> Iterator[tuple[Manager, InterfaceConfig]]:
    """What each manager in charge wants of the host's own interfaces."""
    for manager in facts.managers.in_charge:
        for config in configured(facts, manager):
            yield manager, config
