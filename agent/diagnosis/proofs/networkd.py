"""Proofs of systemd-networkd: not enabled, failed, or with files that it can't use."""

from __future__ import annotations

import difflib
import re

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts
from agent.facts.facts import Facts
from agent.facts.netconfig.model import ConfigProblem, InterfaceConfig, Manager, ManagerConfig, Method
from agent.facts.services import Init
from agent.target.model import Stat
from agent.unknown import Unknown

UNIT = "systemd-networkd.service"


def networkd_disabled(context: Context) -> Proof:
    """A .network file of the owner's wants a real interface, and nothing starts systemd-networkd at boot.

    netplan's generator enables networkd by itself, so netplan's files count only when it is masked.
    """
    facts = context.facts
    if facts.init is not Init.SYSTEMD:
        return Fails("systemd does not run this host")
    state = facts.managers.states.get(Manager.NETWORKD)
    if state is None or not state.installed:
        return Fails("systemd-networkd is not installed")
    if (state.enabled and not state.masked) or state.running is True:
        return Fails("systemd-networkd is enabled")
    config = _own(facts) or (_netplan(facts) if state.masked else None)
    if config is None:
        return Fails("no file of its own configures an interface")
    other = _other_manager(facts)
    if other:
        return Fails(f"{other} configures the network")
    if parts.network_up(facts):
        return Fails("the network is up without it")
    values = {"iface": config.name, "file": config.origin.path, "rootoption": parts.root_option(facts)}
    word = "masked" if state.masked else "not enabled"
    enable = f"systemctl {parts.root_option(facts)}enable {UNIT}"
    commands = (f"systemctl {parts.root_option(facts)}unmask {UNIT}", enable) if state.masked else (enable,)
    undo = [f"systemctl {parts.root_option(facts)}disable {UNIT}"]
    if state.masked:
        undo.append(f"systemctl {parts.root_option(facts)}mask {UNIT}")
    evidence = (
        Evidence(config.origin.path, f"configures {config.name}", config.origin.line),
        Evidence(UNIT, word),
    )
    why = f"{config.origin.path} configures {config.name}, and {UNIT} is {word}"
    return Holds(why, evidence, values, Severity.CRITICAL, commands, tuple(undo))


def _own(facts: Facts) -> InterfaceConfig | None:
    """The first interface that a file in /etc/systemd/network configures; /usr has those for containers."""
    for config in parts.configured(facts, Manager.NETWORKD):
        if config.origin.path.startswith("/etc/systemd/network/"):
            return config
    return None


def _netplan(facts: Facts) -> InterfaceConfig | None:
    config = facts.configs.get(Manager.NETPLAN)
    if config is None or config.renderer == "NetworkManager":
        return None
    return next(iter(parts.configured(facts, Manager.NETPLAN)), None)


def _other_manager(facts: Facts) -> str:
    for manager in facts.managers.in_charge:
        if manager not in (Manager.NETWORKD, Manager.NETPLAN, Manager.CLOUD_INIT):
            return str(manager.value)
    # NetworkManager takes every wired interface that nobody names.
    if parts.enabled(facts, Manager.NETWORKMANAGER):
        return str(Manager.NETWORKMANAGER.value)
    return parts.other_service(facts)


def networkd_failed(context: Context) -> Proof:
    """The service failed, or networkd holds a link of the host's own for failed (its state file says so)."""
    facts = context.facts
    if not parts.enabled(facts, Manager.NETWORKD) and not parts.running(facts, Manager.NETWORKD):
        return Fails("systemd-networkd does not run here")
    files = facts.configs[Manager.NETWORKD].files if Manager.NETWORKD in facts.configs else ()
    proof = parts.failed_unit(context, (UNIT,), ("unit-failed", "unit-state"), files)
    if isinstance(proof, Holds):
        return Holds(proof.why, proof.evidence, proof.values, parts.milder(facts))
    if facts.target.live:
        return _failed_link(facts) or (proof if isinstance(proof, Fails) else Fails("no link is failed"))
    return _said(context, files) or proof


def _failed_link(facts: Facts) -> Holds | None:
    for one in parts.links(facts):
        if not parts.carries_network(one.name):
            continue
        path = f"/run/systemd/netif/links/{one.index}"
        text = facts.target.text(path, 65536)
        if isinstance(text, Unknown) or "ADMIN_STATE=failed" not in text.split("\n"):
            continue
        severity = Severity.WARNING if one.global_addresses else parts.milder(facts)
        evidence = Evidence(path, "ADMIN_STATE=failed")
        return Holds(f"systemd-networkd gave {one.name} up", (evidence,), {"iface": one.name}, severity)
    return None


def _said(context: Context, files: tuple[str, ...]) -> Proof | None:
    """Offline: networkd itself said in the newest boot that it gave a link up."""
    matches = parts.trusted_matches(context, "link-failed", "not-brought-up", "not-set", "daemon")
    if not matches:
        return None
    match = matches[-1]
    changed = parts.changed_since(context.facts, match.entry.time, files)
    if changed:
        return CantTell(f"it failed in the newest boot, but {changed} was changed since")
    iface = match.groups.get("iface") or "a link"
    evidence = parts.entry_evidence(match.entry)
    return Holds(f"systemd-networkd could not configure {iface} in the newest boot", (evidence,), {"iface": iface})


def networkd_config_invalid(context: Context) -> Proof:
    """A file that networkd can't read or leaves out, or a line of it without which no address remains."""
    facts = context.facts
    config = facts.configs.get(Manager.NETWORKD)
    if config is None:
        return Fails("there are no .network files")
    if not parts.enabled(facts, Manager.NETWORKD) and not parts.running(facts, Manager.NETWORKD):
        return Fails("systemd-networkd does not run here")
    mild: Holds | None = None
    for problem in config.problems:
        holds = _lost(facts, config, problem)
        if holds and holds.severity is None:
            return holds
        mild = mild or holds
    if mild:
        return mild
    if config.unread:
        return CantTell(config.unread[0])
    return Fails("every file can be used")


def _lost(facts: Facts, config: ManagerConfig, problem: ConfigProblem) -> Holds | None:
    """What the problem costs: critical where nothing else configures an interface, a warning otherwise."""
    path = problem.origin.path
    if not path.startswith(("/etc/systemd/network/", "/run/systemd/network/")):
        return None
    if problem.interface and not parts.carries_network(problem.interface):
        return None
    if problem.fatal:
        return _holds(facts, problem, "networkd leaves the file out", _replaced(facts, problem))
    return _lost_line(facts, config, problem)


def _lost_line(facts: Facts, config: ManagerConfig, problem: ConfigProblem) -> Holds | None:
    """A line that networkd passes over counts when its interface loses its IPv4 address, or its way out.

    An unknown key or section may just be newer than this networkd: only those that look like a typing
    error of one that matters count, and only where no address remains.
    """
    own = [one for one in config.interfaces if _same_file(one.origin.path, problem.origin.path)]
    if not own or not parts.carries_network(own[0].name) or not own[0].auto:
        return None
    addressed = own[0].method4 is Method.DHCP or any(a.interface.version == 4 for a in own[0].addresses)
    if problem.code == "lost-address":
        return _holds(facts, problem, "the address is left out", addressed or _replaced(facts, problem))
    if problem.code == "lost-gateway":
        return _holds(facts, problem, "the gateway is left out", any(_way_out(one) for _, one in parts.claims(facts)))
    if problem.code in ("unknown-key", "unknown-section") and _mistyped(problem) and not addressed:
        return _holds(facts, problem, "no IPv4 address remains", _replaced(facts, problem))
    return None


def _mistyped(problem: ConfigProblem) -> bool:
    """The word that networkd does not know is close to one that gives the address."""
    found = re.search(r"Unknown (?:section|key|lvalue) '\[?([\w-]{1,40})", problem.text)
    if not found:
        return False
    words = ("Network", "Address") if problem.code == "unknown-section" else ("Address", "Gateway", "DHCP")
    return bool(difflib.get_close_matches(found[1].capitalize(), words, 1, 0.7)) or found[1].upper() == "DHCP4"


def _same_file(one: str, other: str) -> bool:
    """A drop-in stands in a folder named for its file: 05-eth0.network.d/10-more.conf."""
    return one == other or f"{one.rsplit('/', 1)[-1]}.d" in other.split("/")


def _way_out(config: InterfaceConfig) -> bool:
    """The configuration brings an IPv4 default route."""
    static = any(route.gateway is None or route.gateway.version == 4 for route in config.default_routes)
    return static or config.method4 is Method.DHCP


def _replaced(facts: Facts, problem: ConfigProblem) -> bool:
    """Another file, of any manager in charge, configures the interface, or gives the host a way out."""
    for _, config in parts.claims(facts):
        if config.origin.path == problem.origin.path:
            continue
        if _way_out(config) or (problem.interface and config.name == problem.interface):
            return True
    return False


def _holds(facts: Facts, problem: ConfigProblem, cost: str, mild: bool) -> Holds:
    path, line = problem.origin.path, problem.origin.line
    text = problem.text if path in problem.text else f"{problem.origin}: {problem.text}"
    repair = f"nano +{line} {{root}}{path}" if line else f"nano {{root}}{path}"
    undo: tuple[str, ...] = ()
    if problem.code == "unreadable":
        repair = f"chmod 644 {{root}}{path}"
        stat = facts.target.stat(path)
        if isinstance(stat, Stat):
            undo = (f"chmod {stat.mode:o} {{root}}{path}",)
    values = {
        "file": path,
        "line": str(line),
        "problem": problem.text,
        "iface": problem.interface,
        "repair": repair,
    }
    severity = Severity.WARNING if mild or parts.network_up(facts) else None
    return Holds(f"{text}: {cost}", (Evidence(path, problem.text, line),), values, severity, (repair,), undo)


PROOFS: dict[str, ProofFunction] = {
    "networkd_config_invalid": networkd_config_invalid,
    "networkd_disabled": networkd_disabled,
    "networkd_failed": networkd_failed,
}
