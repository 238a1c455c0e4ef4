"""The ladder: the state of each layer, with what was seen there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.diagnosis import packet_paths
from agent.diagnosis.model import Finding, Layer, LayerState, Rung, Severity, Status
from agent.facts.facts import Facts
from agent.facts.network import Link
from agent.firewall.anybody import Answer
from agent.unknown import Unknown

Seen = tuple[LayerState, str]


def ok(why: str) -> Seen:
    return LayerState.OK, why


def unchecked(why: str) -> Seen:
    return LayerState.UNCHECKED, why


def ladder(facts: Facts, findings: Sequence[Finding]) -> tuple[Rung, ...]:
    """All layers, lowest first: broken or warning by their findings, else what a look at them showed."""
    return tuple(_rung(facts, layer, [f for f in findings if f.rule.layer is layer]) for layer in Layer)


def _rung(facts: Facts, layer: Layer, findings: Sequence[Finding]) -> Rung:
    active = [finding for finding in findings if finding.status is not Status.PAST]
    for finding in active:
        if finding.status is Status.CONFIRMED and finding.severity is Severity.CRITICAL:
            return Rung(layer, LayerState.BROKEN, finding.proof)
    for finding in active:
        if finding.severity is not Severity.INFO:
            word = "" if finding.status is Status.CONFIRMED else "suspected: "
            return Rung(layer, LayerState.WARNING, f"{word}{finding.title}")
    try:
        state, why = LOOKS[layer](facts)
    except Exception as error:  # noqa: BLE001 - a look that fails leaves the rung unchecked
        state, why = unchecked(f"its check failed: {type(error).__name__}: {error}")
    return Rung(layer, state, why)


def _boot(facts: Facts) -> Seen:
    if not isinstance(facts.kernel, Unknown):
        return ok(f"running Linux {facts.kernel}")
    whole = [kernel for kernel in facts.boot.kernels if kernel.modules]
    if whole:
        return ok(f"kernel {whole[-1].release} and its modules are on the disk")
    return unchecked("no kernel on the disk, and it is not running")


def _storage(facts: Facts) -> Seen:
    space = facts.target.space("/")
    if isinstance(space, Unknown):
        return unchecked(space.reason)
    if not space.bytes_total:
        return unchecked("the root filesystem does not tell its size")
    free = 100 * space.bytes_available // space.bytes_total
    state = "writable" if not space.read_only else "mounted read-only"
    return ok(f"/ is {state if facts.target.live else 'readable'}, {free} % free")


def _packages(facts: Facts) -> Seen:
    packages = facts.packages
    if packages.system == "":
        return unchecked("no package database found")
    if packages.system != "dpkg":
        return unchecked(f"{packages.system}'s database was not examined")
    if isinstance(packages.dpkg_states, Unknown):
        return unchecked(packages.dpkg_states.reason)
    return ok(f"{len(packages.dpkg_states)} packages, none half configured")


def _hardware(facts: Facts) -> list[Link] | Unknown:
    links = facts.links
    if isinstance(links, Unknown):
        return links
    return [link for link in links if link.hardware and not link.loopback]


def _link(facts: Facts) -> Seen:
    links = _hardware(facts)
    if isinstance(links, Unknown):
        return unchecked(links.reason)
    up = [link.name for link in links if link.up and link.carrier]
    if up:
        return ok(f"{', '.join(up)} up, with carrier")
    return unchecked("no network interface is up")


def _name(facts: Facts) -> Seen:
    links = _hardware(facts)
    if isinstance(links, Unknown):
        return unchecked(links.reason)
    names = {link.name for link in links}
    wanted = {claim for state in facts.managers.states.values() if state.enabled for claim in state.claims}
    named = sorted(wanted & names)
    if named:
        return ok(f"{', '.join(named)} exists and is configured by this name")
    return ok(f"interfaces: {', '.join(sorted(names))}") if names else unchecked("no network interface")


def _manager(facts: Facts) -> Seen:
    managers = facts.managers
    if managers.main is None:
        return unchecked("nothing found that configures the network")
    names = ", ".join(manager.value for manager in managers.in_charge)
    running = managers.states[managers.main].running if managers.main in managers.states else False
    if running is True:
        return ok(f"{names} is enabled and ran")
    return ok(f"{names} is enabled")


def _addresses(facts: Facts) -> Seen:
    links = _hardware(facts)
    if not isinstance(links, Unknown):
        shown = [f"{address.interface} on {link.name}" for link in links for address in link.global_addresses]
        return ok(", ".join(shown[:2])) if shown else unchecked("no global address")
    configured = [
        f"{address.interface} on {interface.name}"
        for manager in facts.managers.in_charge
        if manager in facts.configs
        for interface in facts.configs[manager].interfaces
        for address in interface.addresses
        if not address.interface.is_loopback
    ]
    if configured:
        return ok(f"configured: {', '.join(configured[:2])}")
    return unchecked(links.reason)


def _route(facts: Facts) -> Seen:
    if not isinstance(facts.routes, Unknown):
        defaults = [route for route in facts.routes if route.default and route.table == "main"]
        shown = [f"default via {route.gateway or 'link'} dev {route.device}" for route in defaults]
        return ok(", ".join(shown[:2])) if shown else unchecked("no default route")
    configured = [
        f"default via {route.gateway} on {interface.name}"
        for manager in facts.managers.in_charge
        if manager in facts.configs
        for interface in facts.configs[manager].interfaces
        for route in interface.default_routes
    ]
    if configured:
        return ok(f"configured: {', '.join(configured[:2])}")
    return unchecked(facts.routes.reason)


def _firewall(facts: Facts) -> Seen:
    if isinstance(facts.target.stat("/"), Unknown):
        return unchecked("only a log was given")
    paths = packet_paths.of(facts)
    if paths.reading.unchecked:
        return unchecked(paths.reading.unchecked[0])
    rules = sum(len(chain.rules) for table in paths.reading.ruleset.tables for chain in table.chains)
    if not rules and not any(chain.base for table in paths.reading.ruleset.tables for chain in table.chains):
        return ok("no rules: everything gets in")
    asked = [*(paths.ssh(family, port) for family in paths.families for port in paths.ssh_ports)]
    asked += [paths.ping(family) for family in paths.families]
    passing = dict.fromkeys(path.what for path in asked if path.answer in (Answer.OPEN, Answer.RATED))
    held = f"{rules} rule{'' if rules == 1 else 's'}"
    if passing:
        return ok(f"{held}: {' and '.join(passing)} get{'' if len(passing) > 1 else 's'} in")
    doubts = [path for path in asked if path.answer is Answer.UNKNOWN]
    return unchecked(doubts[0].shown.why) if doubts else ok(f"{held}: ssh and ping get in from some places only")


def _dns(facts: Facts) -> Seen:
    resolver = facts.resolver
    if resolver.nameservers:
        return ok(f"nameserver {', '.join(resolver.nameservers[:2])}")
    if resolver.runtime and resolver.provider:
        return ok(f"resolv.conf is made at boot by {resolver.provider}")
    return unchecked(resolver.reason or "no nameserver is configured")


def _ssh(facts: Facts) -> Seen:
    sshd = facts.sshd
    if not sshd.installed:
        return unchecked("sshd is not installed")
    if isinstance(sshd.listening, Unknown):
        return unchecked(sshd.listening.reason)
    if sshd.listening:
        return ok(f"something listens on {', '.join(sshd.listening[:2])}")
    return unchecked(f"nothing listens on port {', '.join(str(port) for port in sshd.ports)}")


LOOKS: dict[Layer, Callable[[Facts], Seen]] = {
    Layer.BOOT: _boot,
    Layer.STORAGE: _storage,
    Layer.PACKAGES: _packages,
    Layer.LINK: _link,
    Layer.NAME: _name,
    Layer.MANAGER: _manager,
    Layer.ADDRESS: _addresses,
    Layer.ROUTE: _route,
    Layer.FIREWALL: _firewall,
    Layer.DNS: _dns,
    Layer.SSH: _ssh,
}
