"""Proofs of ifupdown: its configuration, its unit, and the DHCP client that it calls."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts
from agent.facts.facts import Facts
from agent.facts.netconfig.model import ConfigProblem, InterfaceConfig, Manager, Method
from agent.unknown import Unknown

INTERFACES = "/etc/network/interfaces"
UNIT = "networking.service"

# dhclient3 is Debian's of before 2010; busybox gives udhcpc as a link of its own.
CLIENTS = ("dhclient", "dhcpcd", "udhcpc", "pump", "dhclient3")

# Problems that ifupdown reports of one stanza: it leaves that interface alone and brings up the others.


def networking_unit_failed(context: Context) -> Proof:
    """networking.service failed: live by its state, offline by PID 1's word on the newest boot."""
    facts = context.facts
    if not parts.enabled(facts, Manager.IFUPDOWN):
        return Fails("ifupdown does not bring up the interfaces here")
    units = [UNIT]
    hotplug = [one for one in parts.configured(facts, Manager.IFUPDOWN) if one.hotplug and not one.pattern]
    units += [f"ifup@{config.name}.service" for config in hotplug]
    config_files = facts.configs[Manager.IFUPDOWN].files if Manager.IFUPDOWN in facts.configs else ()
    proof = parts.failed_unit(context, units, ("unit-failed", "unit-state", "unit-state-old"), config_files)
    if not isinstance(proof, Holds):
        return proof
    mild = parts.network_up(facts) or not parts.in_charge(facts, Manager.IFUPDOWN)
    return Holds(proof.why, proof.evidence, proof.values, Severity.WARNING if mild else None)


def ifupdown_config_invalid(context: Context) -> Proof:
    """ifupdown's own parser refuses /etc/network/interfaces, or leaves out an interface for what it lacks."""
    facts = context.facts
    if not parts.enabled(facts, Manager.IFUPDOWN):
        return Fails("ifupdown does not bring up the interfaces here")
    config = facts.configs.get(Manager.IFUPDOWN)
    if config is None or not config.present:
        return _no_file(context)
    for problem in config.problems:
        if problem.fatal and parts.carries_network(problem.interface or "eth0"):
            return _invalid(facts, problem)
    if config.unread:
        return CantTell(config.unread[0])
    return Fails("its files can be read")


def _invalid(facts: Facts, problem: ConfigProblem) -> Holds:
    path, line = problem.origin.path, problem.origin.line
    values = {"file": path, "line": str(line), "problem": problem.text, "iface": problem.interface}
    evidence = Evidence(path, _line(facts, path, line) or problem.text, line)
    mild = parts.network_up(facts) or _others_bring_it_up(facts)
    why = problem.text if path in problem.text else f"{problem.origin}: {problem.text}"
    place = f"+{line} " if line else ""
    commands = (f"nano {place}{{root}}{path}", parts.in_root(facts, "ifquery --list"))
    return Holds(why, (evidence,), values, Severity.WARNING if mild else None, commands, ())


def _no_file(context: Context) -> Proof:
    facts = context.facts
    stat = facts.target.stat(INTERFACES)
    if not isinstance(stat, Unknown):
        return Fails(f"{INTERFACES} is there")
    if not stat.absent:
        return CantTell(stat.reason)
    if facts.managers.in_charge or parts.other_service(facts) or parts.enabled(facts, Manager.NETWORKMANAGER):
        return Fails("another manager configures the interfaces")
    values = {"file": INTERFACES, "line": "0", "problem": "the file does not exist", "iface": ""}
    evidence = Evidence(INTERFACES, "no such file")
    return Holds(f"{INTERFACES} does not exist", (evidence,), values, parts.milder(facts))


def _others_bring_it_up(facts: Facts) -> bool:
    """Another manager is in charge of real interfaces: what ifupdown refuses is then not what fails."""
    return any(manager is not Manager.IFUPDOWN for manager, _ in parts.claims(facts)) or parts.enabled(
        facts, Manager.NETWORKMANAGER
    )


def _line(facts: Facts, path: str, number: int) -> str:
    lines = facts.target.lines(path)
    if isinstance(lines, Unknown) or not 0 < number <= len(lines):
        return ""
    return lines[number - 1].strip()[:200]


def dhcp_client_missing(context: Context) -> Proof:
    """ifupdown is to use DHCP, and none of the clients that it calls is on disk.

    systemd-networkd and NetworkManager bring their own. Debian 13 does not install isc-dhcp-client.
    """
    facts = context.facts
    if not parts.enabled(facts, Manager.IFUPDOWN):
        return Fails("no manager here needs a DHCP client of its own")
    config = _dhcp_stanza(facts)
    if config is None:
        return Fails("no interface of ifupdown uses DHCP")
    if not facts.target.is_dir("/sbin") and not facts.target.is_dir("/usr/sbin"):
        return CantTell("the target has no /sbin")
    for name in CLIENTS:
        if not isinstance(facts.target.find_program(name), Unknown):
            return Fails(f"{name} is installed")
    values = {"iface": config.name, "file": config.origin.path, "line": str(config.origin.line)}
    evidence = Evidence(config.origin.path, f"iface {config.name} ... dhcp", config.origin.line)
    missing = ", ".join(CLIENTS[:3])
    commands = (f"nano +{config.origin.line} {{root}}{config.origin.path}",)
    why = f"{config.name} uses DHCP, and none of {missing} is installed"
    return Holds(why, (evidence,), values, parts.milder(facts), commands, ())


def _dhcp_stanza(facts: Facts) -> InterfaceConfig | None:
    for config in parts.configured(facts, Manager.IFUPDOWN):
        if config.method4 is Method.DHCP:
            return config
    return None


PROOFS: dict[str, ProofFunction] = {
    "dhcp_client_missing": dhcp_client_missing,
    "ifupdown_config_invalid": ifupdown_config_invalid,
    "networking_unit_failed": networking_unit_failed,
}
