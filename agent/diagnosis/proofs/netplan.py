"""Proof that netplan's generator refuses its YAML: then no interface at all gets a configuration."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts
from agent.facts.netconfig.model import Manager
from agent.unknown import Unknown


def netplan_invalid(context: Context) -> Proof:
    """A file in /etc/netplan (or /run, /usr/lib) that the generator stops at."""
    facts = context.facts
    config = facts.configs.get(Manager.NETPLAN)
    if config is None or not (config.present or config.problems):
        return Fails("there are no netplan files")
    state = facts.managers.states.get(Manager.NETPLAN)
    if state is None or not state.installed:
        return Fails("netplan is not installed")
    for problem in config.problems:
        if not problem.fatal:
            continue
        path, line = problem.origin.path, problem.origin.line
        lines = facts.target.lines(path)
        text = "" if isinstance(lines, Unknown) or not 0 < line <= len(lines) else lines[line - 1][:200]
        values = {"file": path, "line": str(line), "problem": problem.text, "iface": problem.interface}
        place = f"+{line} " if line else ""
        commands = (f"nano {place}{{root}}{path}", parts.in_root(facts, "netplan generate"))
        why = problem.text if path in problem.text else f"{problem.origin}: {problem.text}"
        evidence = Evidence(path, text or problem.text, line)
        others = [manager for manager, _ in parts.claims(facts) if manager is not Manager.NETPLAN]
        mild = parts.network_up(facts) or bool(others)
        return Holds(why, (evidence,), values, Severity.WARNING if mild else None, commands, ())
    if config.unread:
        return CantTell(config.unread[0])
    return Fails("its files can be read")


PROOFS: dict[str, ProofFunction] = {"netplan_invalid": netplan_invalid}
