"""Proofs of the package manager's state."""

from __future__ import annotations

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction
from agent.diagnosis.proofs import parts
from agent.unknown import Unknown

SHOWN = 5  # package names on the screen


def dpkg_interrupted(context: Context) -> Proof:
    """dpkg's database has packages that are half done, or a journal of a run that never ended (dpkg(1))."""
    facts = context.facts
    packages = facts.packages
    if packages.system != "dpkg":
        return Fails("dpkg is not the package manager here")
    if isinstance(packages.dpkg_states, Unknown):
        return CantTell(packages.dpkg_states.reason)
    half = packages.half_done()
    journal = tuple(name for name in packages.pending_updates if name.rsplit("/", 1)[-1].isdigit())
    if not half and not journal:
        return Fails("no package is half installed")
    if packages.busy:
        return CantTell(f"{packages.busy[0]} is at work at this moment")
    names = ", ".join(half[:SHOWN]) + (f" and {len(half) - SHOWN} more" if len(half) > SHOWN else "")
    evidence = [
        Evidence("/var/lib/dpkg/status", f"{name}: {packages.dpkg_states.get(name, '')}") for name in half[:SHOWN]
    ]
    evidence += [Evidence(f"/var/lib/dpkg/updates/{name.rsplit('/', 1)[-1]}", "not merged") for name in journal[:3]]
    if half:
        why = f"{len(half)} package{'s' if len(half) > 1 else ''} half installed: {names}"
    else:
        why = "/var/lib/dpkg/updates holds a run that never ended"
    commands = (parts.in_root(facts, "dpkg --configure -a"), parts.in_root(facts, "apt-get -f install"))
    return Holds(why, tuple(evidence), {"packages": names or "its journal"}, None, commands, ())


PROOFS: dict[str, ProofFunction] = {"dpkg_interrupted": dpkg_interrupted}
