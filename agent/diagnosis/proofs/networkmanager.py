"""Proofs of NetworkManager: profiles that it refuses, and activations that failed."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts
from agent.facts.facts import Facts
from agent.facts.netconfig.model import ConfigProblem, InterfaceConfig, Manager
from agent.unknown import Unknown

UNIT = "NetworkManager.service"
IFCFG_FOLDER = "/etc/sysconfig/network-scripts"
_PLUGIN_FOLDERS = (
    "/usr/lib64/NetworkManager",
    "/usr/lib/NetworkManager",
    "/usr/lib64/NetworkManager/*",
    "/usr/lib/NetworkManager/*",
    "/usr/lib/*/NetworkManager/*",
)


def nm_profile_rejected(context: Context) -> Proof:
    """A keyfile that NetworkManager ignores for mode, owner or content, or ifcfg files without a reader."""
    facts = context.facts
    if not parts.enabled(facts, Manager.NETWORKMANAGER) and not parts.running(facts, Manager.NETWORKMANAGER):
        return Fails("NetworkManager does not run here")
    config = facts.configs.get(Manager.NETWORKMANAGER)
    for problem in config.problems if config else ():
        if problem.fatal and parts.carries_network(problem.interface or "eth0"):
            return _rejected(facts, problem)
    unread = _unread_ifcfg(facts)
    if unread:
        return unread
    if config and config.unread:
        return CantTell(config.unread[0])
    return Fails("every profile can be used")


def _rejected(facts: Facts, problem: ConfigProblem) -> Holds:
    path = problem.origin.path
    values = {
        "file": path,
        "line": str(problem.origin.line),
        "problem": problem.text,
        "iface": problem.interface,
    }
    commands, undo = _repair(facts, problem)
    why = problem.text if path in problem.text else f"{path}: {problem.text}"
    evidence = Evidence(path, problem.text, problem.origin.line)
    mild = parts.network_up(facts) or _replaced(facts, path)
    return Holds(why, (evidence,), values, Severity.WARNING if mild else None, commands, undo)


def _repair(facts: Facts, problem: ConfigProblem) -> tuple[tuple[str, ...], tuple[str, ...]]:
    path = problem.origin.path
    stat = facts.target.stat(path)
    insecure = not isinstance(stat, Unknown) and (stat.mode & 0o077 or stat.uid != 0)
    if isinstance(stat, Unknown) or not (insecure):
        return (f"nano {{root}}{path}",), ()
    return (
        (f"chown root:root {{root}}{path}", f"chmod 600 {{root}}{path}"),
        (f"chown {stat.uid}:{stat.gid} {{root}}{path}", f"chmod {stat.mode:o} {{root}}{path}"),
    )


def _replaced(facts: Facts, path: str) -> bool:
    """Another file, of any manager in charge, gives a real interface an address."""
    return any(config.origin.path != path for _, config in parts.claims(facts))


def _unread_ifcfg(facts: Facts) -> Holds | None:
    """ifcfg files, a NetworkManager that has no reader for them, and none of the old scripts (EL10)."""
    files = [
        config for config in parts.configured(facts, Manager.IFCFG_RH) if config.origin.path.startswith(IFCFG_FOLDER)
    ]
    if not files or parts.configured(facts, Manager.NETWORKMANAGER):
        return None
    if parts.enabled(facts, Manager.IFCFG_RH) or facts.target.exists(f"{IFCFG_FOLDER}/ifup-eth"):
        return None
    plugins = [name for folder in _PLUGIN_FOLDERS for name in facts.target.glob(f"{folder}/libnm-*plugin-*.so")]
    if not plugins or any("ifcfg-rh" in name for name in plugins):
        return None
    first = files[0]
    problem = "NetworkManager here has no reader for ifcfg files"
    values = {"file": first.origin.path, "line": "0", "problem": problem, "iface": first.name}
    evidence = (
        Evidence(first.origin.path, f"configures {first.name}"),
        Evidence(plugins[0], "no ifcfg-rh beside it"),
    )
    return Holds(f"{first.origin.path}: {problem}", evidence, values, parts.milder(facts), (), ())


def nm_activation_failed(context: Context) -> Proof:
    """The service failed, or NetworkManager gave up a wired device that has no address now."""
    facts = context.facts
    if not parts.enabled(facts, Manager.NETWORKMANAGER) and not parts.running(facts, Manager.NETWORKMANAGER):
        return Fails("NetworkManager does not run here")
    files = tuple(config.origin.path for config in _profiles(facts))
    proof = parts.failed_unit(context, (UNIT,), ("unit-failed",), files)
    if isinstance(proof, Holds):
        values = {"iface": "the interfaces", "problem": proof.why, **proof.values}
        return Holds(proof.why, proof.evidence, values, parts.milder(facts))
    if facts.target.live and isinstance(facts.links, Unknown):
        return CantTell(facts.links.reason)
    return _gave_up(context, files) or _unproven(context)


def _profiles(facts: Facts) -> tuple[InterfaceConfig, ...]:
    return (*parts.configured(facts, Manager.NETWORKMANAGER), *parts.configured(facts, Manager.IFCFG_RH))


def _gave_up(context: Context, files: tuple[str, ...]) -> Proof | None:
    facts = context.facts
    for match in reversed(parts.trusted_matches(context, "state-change", "activation", "activation-old")):
        iface = match.groups.get("iface") or ""
        if not parts.carries_network(iface):
            continue
        one = parts.link(facts, iface)
        if facts.target.live and (one is None or one.global_addresses):
            continue
        changed = "" if facts.target.live else parts.changed_since(facts, match.entry.time, files)
        if changed:
            return CantTell(f"it failed in the newest boot, but {changed} was changed since")
        problem = "its activation failed in this boot" if facts.target.live else "its activation failed last boot"
        evidence = parts.entry_evidence(match.entry)
        values = {"iface": iface, "problem": problem}
        return Holds(f"{iface}: {problem}", (evidence,), values, parts.milder(facts))
    return None


def _unproven(context: Context) -> Proof:
    if not context.entries():
        return Fails("no activation of a wired device failed in the newest boot")
    if context.facts.target.live:
        return Fails("the devices that it gave up are up now, or gone")
    return CantTell("a log says so, and nobody vouches for the log")


PROOFS: dict[str, ProofFunction] = {
    "nm_activation_failed": nm_activation_failed,
    "nm_profile_rejected": nm_profile_rejected,
}
