"""--firewall=flush: no rules and policies that accept, in every table that can stop a packet; and all of it kept.

The chains and sets stay, empty of rules: so whoever put them there can go on with them, and what comes back comes back
in its old order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.change import history
from agent.change.model import ChangeState, Command, Plan, Run
from agent.change.place import boot_id
from agent.diagnosis.packet_paths import Paths
from agent.firewall.anybody import Answer
from agent.firewall.model import Backend, Ruleset
from agent.firewall.saving import HELD, Part, parts
from agent.fixes import firewall_trial
from agent.fixes.model import Planned, Refusal
from agent.target import Target
from agent.target.model import Output
from agent.unknown import Maybe, Unknown

TIMEOUT = 30.0  # seconds for one table; more than a program waits for the lock of xtables
_IPSETS = 16 * 1024 * 1024  # bytes
# What people lose while no rule stands, by who wrote the chains.
_BREAKS = {
    "Docker": "Docker: containers can't be reached by their published ports, nor reach out, until the rules are back.",
    "Kubernetes": "Kubernetes: addresses of services lead nowhere, and network policies do not hold.",
    "fail2ban": "fail2ban: banned addresses get in; bans of that time are lost when the rules come back.",
    "firewalld": "firewalld: its zones do not hold. A reload of firewalld would put its own rules back early.",
    "ufw": "ufw: its rules do not hold. A reload of ufw would put its own rules back early.",
    "libvirt": "libvirt: virtual machines lose their way out until the rules are back.",
}


def plan(paths: Paths, forced: bool) -> Planned:
    """Everything in force is saved while this is planned: it becomes what undo restores."""
    target, reading = paths.facts.target, paths.reading
    earlier = _standing(target)
    if earlier:
        return Refusal(f"the firewall was flushed already, by change {earlier}", f"agent undo {earlier} ends it")
    if reading.unchecked and not forced:
        return Refusal(
            f"the rules in force are not known as a whole, and could not all be put back: {reading.unchecked[0]}",
            "--force saves and flushes what is known",
            forceable=True,
        )
    if not forced and _all_open(paths):
        return Refusal(
            "no rule in force stops ssh, ping or a service of this host, so that a flush would change nothing",
            "look at Cloud Firewall, which is outside and can't be seen from here; --force flushes all the same",
            forceable=True,
        )
    found = parts(target, reading.ruleset)
    if isinstance(found, Unknown):
        return Refusal(f"what is in force can't be saved: {found.reason}", "--firewall=ssh only inserts a rule")
    if not found:
        return Refusal("no rules are in force: there is nothing to flush", "agent scan shows what else is wrong")
    ipsets = _ipsets(target, reading.ruleset)
    if isinstance(ipsets, Unknown):
        return Refusal(f"the ipsets can't be saved: {ipsets.reason}", "--firewall=ssh only inserts a rule")
    tried = firewall_trial.problem(target, found, ipsets, [one.name for one in reading.host.interfaces])
    if tried.refusal and not forced:
        return Refusal(
            tried.refusal, "--firewall=ssh only inserts a rule; --force flushes all the same", forceable=True
        )
    latest = parts(target, reading.ruleset)  # what others did while it was tried comes back too
    if not isinstance(latest, Unknown):
        found = latest
    if tried.note and not forced and any(part.backend is Backend.NF_TABLES for part in found):
        return Refusal(
            f"{tried.note[:-1]}; and iptables-nft-save may print rules that nft made as others",
            "--firewall=ssh only inserts a rule; --force flushes all the same",
            forceable=True,
        )
    rules, tables = sum(part.rules for part in found), sum(len(part.tables) for part in found)
    warnings = [*_breaks(paths), *([tried.note] if tried.note else [])]
    return Plan(
        f"Flushes the firewall: {_counted(rules, 'rule')} in {_counted(tables, 'table')}; all policies accept.",
        tuple(_run(part, ipsets) for part in reversed(found)),
        tuple(warnings),
        ask="everything gets in from everywhere meanwhile",
        proof=_proof(paths),
        next=("Nothing that is loaded at boot is touched: a reboot brings the saved rules as well.",),
    )


def _standing(target: Target) -> str:
    """A flush of this boot that was not taken back yet: a second one would keep an empty rule-set."""
    changes = history.read(target)
    boot = boot_id(target)
    for change in () if isinstance(changes, Unknown) else changes:
        if change.fix == "firewall" and change.boot == boot != "" and change.state is not ChangeState.UNDONE:
            runs = [step.operation for step in change.steps if isinstance(step.operation, Run)]
            if any(command.stored for run in runs for command in run.inverse):
                return change.id
    return ""


def left(paths: Paths) -> str:
    """What still stands after a flush, "" when nothing does."""
    rules = [
        f"{table.family.value} {table.name} {chain.name}"
        for table in paths.reading.ruleset.tables
        if table.family in HELD
        for chain in table.chains
        if chain.rules
    ]
    return f"rules stand in {', '.join(rules[:3])}" if rules else ""


def _all_open(paths: Paths) -> bool:
    asked = [path for family in paths.families for path in paths.everything(family)]
    return bool(asked) and all(path.answer is Answer.OPEN for path in asked)


def _proof(paths: Paths) -> str:
    """What is not open, by the model."""
    for family in paths.families:
        for path in paths.everything(family):
            if path.answer is not Answer.OPEN:
                place = f"{path.place.table} {path.place.chain}: {path.place.text}" if path.place else path.shown.why
                return f"{path.what} by IPv{family}: {path.answer.value} ({place})"
    return ""


def _run(part: Part, ipsets: bytes) -> Run:
    back = Command(part.load, state=part.saved, required=True)
    sets = Command(("ipset", "-exist", "restore"), state=ipsets)
    xtables = part.backend is not Backend.NFT
    return Run(
        part.load,
        f"empties {part.name}: {_counted(part.rules, 'rule')}",
        inverse=(sets, back) if ipsets and xtables else (back,),
        input=part.opened,
        timeout=TIMEOUT,
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _ipsets(target: Target, ruleset: Ruleset) -> Maybe[bytes]:
    """All ipsets, for a rule can't come back before the set that it names; b"" when there are none."""
    if not ruleset.ipsets:
        return b""
    output = target.run(("ipset", "save"), 60.0, _IPSETS)
    if isinstance(output, Unknown):
        return output
    if not isinstance(output, Output) or output.exit or output.truncated:
        return Unknown("ipset save failed")
    return output.stdout.encode("utf-8", "surrogateescape")


def _breaks(paths: Paths) -> Iterator[str]:
    programs: Sequence[str] = [*(owner.program for owner in paths.reading.owners), *paths.reading.managers]
    for name, text in _BREAKS.items():
        if name in programs:
            yield text
