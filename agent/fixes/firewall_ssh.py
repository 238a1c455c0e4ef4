"""--firewall=ssh: the accept rules that let ssh in, each before the rule that stops it, and proven on the model first.

A rule that accepts ends one base chain alone, so that there may be several to insert: in iptables' tables and nft's, in
IPv4 and IPv6, in raw and filter. Each carries a comment, by which undo finds it wherever it stands by then.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Union

from agent.change.model import Command, Plan, Run
from agent.diagnosis.packet_paths import Paths
from agent.firewall.anybody import Answer, Path
from agent.firewall.expression import Within
from agent.firewall.fields import Field, Protocol
from agent.firewall.model import Backend, Chain, Rule, Ruleset, Table
from agent.firewall.result import Place
from agent.firewall.saving import WAIT, xtables_program
from agent.firewall.statement import Action, End
from agent.fixes.model import Planned, Refusal
from agent.target import Target
from agent.unknown import Unknown

MOST = 24  # rules: chains that stop one packet, in all tables and families
_FLUSH = "agent fix --firewall=flush lets everything in for ten minutes"
_LETS_IN = (Answer.OPEN, Answer.RATED)


@dataclass(frozen=True)
class Insertion:
    """One accept rule. ``reply``: it lets the answer out, from that port; else the question in, to it."""

    place: Place
    port: int
    reply: bool = False
    handle: int | None = None  # of the rule that it stands before, nft's

    @property
    def comment(self) -> str:
        return f"lish-agent: ssh {self.port}"


@dataclass(frozen=True)
class ByManager:
    """A port that firewalld is asked to open, in a zone."""

    zone: str
    port: int


Step = Union[Insertion, ByManager]


def plan(paths: Paths, forced: bool) -> Planned:
    """The rules, or why there are none to insert."""
    if not paths.ssh_ports:
        return Refusal(
            "sshd is not installed, so that no rule could let anybody in", "agent scan shows what is missing"
        )
    if paths.reading.unchecked and not forced:
        return Refusal(
            f"the rules in force are not known as a whole: {paths.reading.unchecked[0]}",
            "--force goes by what is known",
            forceable=True,
        )
    steps = insertions(paths, forced)
    if isinstance(steps, Refusal):
        return steps
    if not steps:
        return Refusal("no rule in force stops ssh", f"{_FLUSH}; agent firewall --to-port 22 shows the way of a packet")
    target = paths.facts.target
    runs: list[Run] = []
    for step in steps:
        run = _by_firewalld(step) if isinstance(step, ByManager) else _run(target, step)
        if isinstance(run, Refusal):
            return run
        runs.append(run)
    ports = ", ".join(map(str, paths.ssh_ports))
    rules = "one accept rule" if len(runs) == 1 else f"{len(runs)} accept rules"
    return Plan(
        f"Lets ssh in (tcp {ports}), from everywhere: {rules}, before what stops it.",
        tuple(runs),
        tuple(_warnings(paths, steps)),
        next=tuple(_next(paths)),
        proof=_proof(steps),
    )


def _proof(steps: Sequence[Step]) -> str:
    first = steps[0]
    if isinstance(first, ByManager):
        return f"firewalld's zone {first.zone} does not let tcp {first.port} in"
    place = first.place
    rule = f"rule {place.number} ({place.text})" if place.number else "the policy"
    chain = f"{rule} of {place.chain} in the table {place.family.value} {place.table} ({place.backend.value})"
    what = f"what answers ssh from tcp {first.port}" if first.reply else f"ssh to tcp {first.port}"
    return f"{what} is stopped by {chain}"


def insertions(paths: Paths, forced: bool = False) -> tuple[Step, ...] | Refusal:
    """What has to be inserted so that ssh gets in, and its answers out, by the model; () when it does already.

    Where rules let some addresses in they are left alone, unless ``forced``."""
    steps: list[Step] = []
    some: Path | None = None
    ruleset = paths.reading.ruleset
    for family, port in ((family, port) for family in paths.families for port in paths.ssh_ports):
        while True:
            path = Paths(paths.facts, replace(paths.reading, ruleset=ruleset)).ssh(family, port)
            if path.answer in _LETS_IN:
                break
            if path.answer is Answer.SOME and not forced:
                some = path
                break
            if len(steps) >= MOST:
                return Refusal("more chains stop ssh than can be opened one by one", _FLUSH)
            step = _step(paths, ruleset, path, port)
            if isinstance(step, Refusal):
                return step
            if isinstance(step, ByManager):
                steps += [step] if step not in steps else []
                break  # what firewalld makes of it shows afterwards
            if step in steps:
                return Refusal(f"a rule that accepts it before this one does not let ssh in: {step.place.text}", _FLUSH)
            steps.append(step)
            ruleset = imagined(ruleset, step)
    return tuple(steps) if steps or some is None else _for_some(some)


def left(paths: Paths, forced: bool) -> str:
    """What still stops ssh, "" when nothing does; rules that let some addresses in may stay, unless ``forced``."""
    fine = _LETS_IN if forced else (*_LETS_IN, Answer.SOME)
    found = []
    for family in paths.families:
        for port in paths.ssh_ports:
            path = paths.ssh(family, port)
            if path.answer not in fine:
                rule = path.place.text if path.place else path.shown.why
                found.append(f"{path.what} does not get in by IPv{family}: {rule}")
    return "; ".join(found)


def _for_some(path: Path) -> Refusal:
    rule = f" ({path.place.text})" if path.place else ""
    return Refusal(
        f"ssh gets in from some addresses, and not from others{rule}",
        "--force lets it in from everywhere; agent firewall --to-port 22 --from ADDRESS asks for yours",
        forceable=True,
    )


def _step(paths: Paths, ruleset: Ruleset, path: Path, port: int) -> Step | Refusal:
    shown = path.shown
    place = shown.place
    if path.answer is Answer.UNKNOWN:
        at = f": {place.text}" if place else ""
        return Refusal(f"what becomes of {path.what} is not known{at} ({shown.why})", _FLUSH)
    if place is None or shown.forwarded:
        return Refusal(f"{path.what} is not stopped at a rule of this host ({shown.why})", _FLUSH)
    if paths.reading.owner(place) == "firewalld":
        return _in_zone(paths, path, port)
    chain = _chain(ruleset, place)
    if chain is None:
        return Refusal(f"the chain {place.chain} of {place.table}, which stops it, can't be found again", _FLUSH)
    if chain.base is not None and chain.base.nat:
        return Refusal(f"{path.what} is stopped where addresses are translated: {place.text}", _FLUSH)
    before = next((rule for rule in chain.rules if rule.number == place.number), None)
    return Insertion(place, port, shown.reply, before.handle if before else None)


def _chain(ruleset: Ruleset, place: Place) -> Chain | None:
    table = next((table for table in ruleset.tables if _is(table, place)), None)
    return table.chain_by_name.get(place.chain) if table else None


def _is(table: Table, place: Place) -> bool:
    return (table.backend, table.family, table.name) == (place.backend, place.family, place.table)


def imagined(ruleset: Ruleset, insertion: Insertion) -> Ruleset:
    """The rule-set with the rule in it."""
    place = insertion.place
    port = Field.SOURCE_PORT if insertion.reply else Field.DESTINATION_PORT
    steps = (
        Within(Field.PROTOCOL, ((Protocol.TCP, Protocol.TCP),)),
        Within(port, ((insertion.port, insertion.port),)),
        End(Action.ACCEPT),
    )

    def with_rule(chain: Chain) -> Chain:
        if chain.name != place.chain:
            return chain
        index = place.number - 1 if place.number else len(chain.rules)
        rule = Rule(" ".join(_matching(insertion)), index + 1, steps)
        later = tuple(replace(one, number=one.number + 1) for one in chain.rules[index:])
        return replace(chain, rules=(*chain.rules[:index], rule, *later))

    tables = tuple(
        replace(table, chains=tuple(map(with_rule, table.chains))) if _is(table, place) else table
        for table in ruleset.tables
    )
    return replace(ruleset, tables=tables)


# -- commands


def _run(target: Target, insertion: Insertion) -> Run | Refusal:
    if insertion.place.backend is Backend.NFT:
        return _by_nft(insertion)
    program = xtables_program(target, insertion.place.backend, insertion.place.family)
    if isinstance(program, Unknown):
        return Refusal(program.reason, "install it, or boot once without the rules")
    return _by_xtables(program, insertion)


def _matching(insertion: Insertion) -> tuple[str, ...]:
    side = "--sport" if insertion.reply else "--dport"
    rule = ("-p", "tcp", side, str(insertion.port))
    return (*rule, "-m", "comment", "--comment", insertion.comment, "-j", "ACCEPT")


def _by_xtables(program: str, insertion: Insertion) -> Run:
    place = insertion.place
    command = (program, "-w", WAIT, "-t", place.table)
    at = ("-I", place.chain, str(place.number)) if place.number else ("-A", place.chain)
    rule = shlex.join((place.chain, *_matching(insertion)))
    tool = shlex.join(command)
    undo = f"if {tool} -C {rule} 2>/dev/null; then {tool} -D {rule}; fi"
    return Run(
        (*command, *at, *_matching(insertion)),
        f"before {place.text}" if place.number else f"at the end of {place.chain}, before its policy",
        inverse=(Command(("sh", "-c", undo), required=True),),
    )


def _by_nft(insertion: Insertion) -> Run:
    place = insertion.place
    chain = (place.family.value, place.table, place.chain)
    side = "sport" if insertion.reply else "dport"
    rule = ("tcp", side, str(insertion.port), "counter", "accept", "comment", f'"{insertion.comment}"')
    at: tuple[str, ...] = ("add", "rule", *chain)
    if insertion.handle is not None:
        at = ("insert", "rule", *chain, "handle", str(insertion.handle))
    elif place.number:
        at = ("insert", "rule", *chain, "index", str(place.number - 1))
    named = shlex.join(chain)
    undo = (
        f"nft -a list chain {named} 2>/dev/null"
        f" | sed -n 's/.* comment \"{insertion.comment}\" # handle \\([0-9]*\\)$/\\1/p'"
        f' | while read -r number; do nft delete rule {named} handle "$number" || exit 1; done'
    )
    return Run(
        ("nft", *at, *rule),
        f"before {place.text}" if place.number else f"at the end of {place.chain}, before its policy",
        inverse=(Command(("sh", "-c", undo), required=True),),
    )


# -- firewalld, whose tables nobody else may write to


def _in_zone(paths: Paths, path: Path, port: int) -> Step | Refusal:
    target = paths.facts.target
    interface = paths.interface(path.question.family) or ""
    zone = _said(target, "--get-zone-of-interface", interface) if interface else ""
    zone = zone or _said(target, "--get-default-zone")
    if not zone:
        return Refusal("firewalld does not say which zone is in force", _FLUSH)
    if _said(target, f"--zone={zone}", f"--query-port={port}/tcp") == "yes":
        return Refusal(f"firewalld's zone {zone} lets {port}/tcp in, and another rule of its stops it", _FLUSH)
    return ByManager(zone, port)


def _said(target: Target, *words: str) -> str:
    if words[0] == "--get-zone-of-interface":
        words = (f"{words[0]}={words[1]}",)
    output = target.run(("firewall-cmd", *words))
    return "" if isinstance(output, Unknown) else output.stdout.strip()


def _by_firewalld(step: ByManager) -> Run:
    zone = f"--zone={step.zone}"
    port = f"{step.port}/tcp"
    tool = shlex.join(("firewall-cmd", zone))
    undo = f"if {tool} --query-port={port} >/dev/null; then {tool} --remove-port={port}; fi"
    return Run(
        ("firewall-cmd", zone, f"--add-port={port}"),
        f"opens it in firewalld's zone {step.zone}, until firewalld is reloaded",
        inverse=(Command(("sh", "-c", undo)),),
    )


# -- words


def _warnings(paths: Paths, steps: Sequence[Step]) -> Iterator[str]:
    owners = {paths.reading.owner(step.place) for step in steps if isinstance(step, Insertion)} - {""}
    yield "It holds until the next boot: no file that is loaded at boot is touched."
    neighbours = paths.neighbours() if 6 in paths.families else None
    if neighbours is not None and neighbours.answer is Answer.BLOCKED:
        yield "By IPv6 nobody gets in all the same: neighbour discovery (ICMPv6) is stopped as well."
    for owner in sorted(owners):
        yield f"{owner} wrote the chain and does not know of the rule: when {owner} is reloaded, the rule is gone."


def _next(paths: Paths) -> Iterator[str]:
    port = paths.ssh_ports[0]
    managers = paths.reading.managers
    if "ufw" in managers:
        yield f"for good: ufw allow {port}/tcp"
    elif "firewalld" in managers:
        yield f"for good: firewall-cmd --permanent --add-port={port}/tcp"
    else:
        yield f"for good: let tcp {port} in, in the file that is loaded at boot (agent firewall names it)"
