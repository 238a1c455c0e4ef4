"""From log hits and proofs to findings: proof decides, and a later repair makes a problem past."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.diagnosis.model import (
    Advice,
    CantTell,
    Context,
    Evidence,
    Fails,
    Finding,
    Holds,
    Proof,
    Rule,
    Status,
)
from agent.diagnosis.proofs import PROOFS
from agent.facts.facts import Facts
from agent.logs.model import Entry, Found, Hits, Match, Pattern, Unchecked
from agent.target import Target
from agent.unknown import Unknown

LOG_EVIDENCE = 3  # newest log entries that a finding shows


@dataclass(frozen=True)
class Evaluated:
    """The findings, unordered, the checks that could not be made, and what each rule's proof said."""

    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    proofs: Mapping[str, Proof] = field(default_factory=dict)


def evaluate(
    facts: Facts,
    rules: Sequence[Rule],
    found: Found,
    progress: Callable[[str], None] = lambda step: None,
    only: Collection[str] | None = None,
) -> Evaluated:
    """Every rule's finding on this target. One failing check never stops the others.

    ``only`` names the rules that are to be proven: a proof may look at the others' hits all the same.
    """
    started = facts.boot.started
    boot_time = None if isinstance(started, Unknown) or not facts.target.live else started
    present: dict[str, dict[str, Hits]] = {}
    past: dict[str, list[Match]] = {}
    for rule in rules:
        present[rule.id], past[rule.id] = _divide(rule, found, boot_time, facts.repaired.get(rule.id))
    findings: list[Finding | None] = []
    unchecked: list[Unchecked] = []
    proofs: dict[str, Proof] = {}
    for rule in rules:
        if only is not None and rule.id not in only:
            continue
        progress(f"checking {rule.id}")
        proof = _prove(rule, Context(facts, present[rule.id], rule.params, present, _told(rule, found)), unchecked)
        proofs[rule.id] = proof
        findings.append(_finding(rule, proof, present[rule.id], past[rule.id], found, facts.target))
    return Evaluated(tuple(finding for finding in findings if finding), tuple(unchecked), proofs)


def suspect(rules: Sequence[Rule], found: Found) -> tuple[Finding, ...]:
    """The findings when there is nothing but a log: suspicions, and what the log itself shows as repaired."""
    proof = CantTell("only a log was given")
    findings = []
    for rule in rules:
        present, past = _divide(rule, found, None)
        findings.append(_finding(rule, proof, present, past, found, None))
    return tuple(finding for finding in findings if finding)


def _prove(rule: Rule, context: Context, unchecked: list[Unchecked]) -> Proof:
    try:
        proof = PROOFS[rule.proof](context)
    except Exception as error:  # noqa: BLE001 - the one border where a check's failure becomes a word
        reason = f"its check failed: {type(error).__name__}: {error}"
        unchecked.append(Unchecked(rule.id, reason))
        return CantTell(reason)
    if isinstance(proof, CantTell):
        unchecked.append(Unchecked(rule.id, proof.why))
    return proof


def _divide(
    rule: Rule, found: Found, boot_time: float | None, repaired: float | None = None
) -> tuple[dict[str, Hits], list[Match]]:
    """This rule's hits that may still stand, by pattern name, and the matches that are over."""
    repairs = [match for pattern in rule.patterns if pattern.repairs for match in _matches(found, pattern.pattern.key)]
    refuted = {
        match.entry.source
        for pattern in rule.patterns
        if pattern.refutes
        for match in _matches(found, pattern.pattern.key)
    }
    standing: dict[str, Hits] = {}
    over: list[Match] = []
    for pattern in rule.patterns:
        hits = found.hits.get(pattern.pattern.key)
        if not pattern.claims or hits is None:
            continue
        kept = []
        for match in hits.matches:
            if match.entry.source in refuted:
                continue
            if _is_past(match, repairs, boot_time) or _is_older(match, repaired):
                over.append(match)
            else:
                kept.append(match)
        if kept:
            standing[pattern.name] = Hits(hits.key, hits.count - (len(hits.matches) - len(kept)), tuple(kept))
    return standing, over


def _told(rule: Rule, found: Found) -> dict[str, Hits]:
    """The hits of patterns that only tell something to the proof, by pattern name."""
    told = {one.name: found.hits.get(one.pattern.key) for one in rule.patterns if one.tells}
    return {name: hits for name, hits in told.items() if hits is not None}


def _matches(found: Found, key: str) -> tuple[Match, ...]:
    hits = found.hits.get(key)
    return hits.matches if hits else ()


def _is_past(match: Match, repairs: Sequence[Match], boot_time: float | None) -> bool:
    entry = match.entry
    if entry.boot is not None and entry.boot < 0:
        return True
    if boot_time is not None and entry.boot is None and entry.time is not None and entry.time < boot_time - 60:
        return True
    return any(_repaired_by(match, repair) for repair in repairs)


def _is_older(match: Match, repaired: float | None) -> bool:
    return repaired is not None and match.entry.time is not None and match.entry.time < repaired


def _repaired_by(match: Match, repair: Match) -> bool:
    """The repair came later, and speaks of the same thing where both name one."""
    for name in ("iface", "device", "unit", "point"):
        mine, theirs = match.groups.get(name), repair.groups.get(name)
        if mine and theirs and mine != theirs:
            return False
    return _later(repair.entry, match.entry)


def _later(one: Entry, other: Entry) -> bool:
    if one.source == other.source and one.line and other.line:
        return one.line > other.line
    if one.time is not None and other.time is not None:
        return one.time > other.time
    return False


def _finding(
    rule: Rule,
    proof: Proof,
    present: Mapping[str, Hits],
    past: Sequence[Match],
    found: Found,
    target: Target | None,
) -> Finding | None:
    root = "" if target is None or target.device else target.place
    now = sorted((match.entry for hits in present.values() for match in hits.matches), key=_when)
    gone = sorted((match.entry for match in past), key=_when)
    if isinstance(proof, Holds):
        status, entries = Status.CONFIRMED, now
    elif isinstance(proof, Fails):
        status, entries = Status.PAST, now + gone
    else:
        status, entries = (Status.SUSPECTED, now) if now else (Status.PAST, gone)
    if not entries and not isinstance(proof, Holds):
        return None
    proven = proof.evidence if isinstance(proof, Holds) else ()
    values = {} if isinstance(proof, Fails) else proof.values
    times = [entry.time for entry in entries if entry.time is not None]
    keys = [p.pattern.key for p in rule.patterns if p.claims]
    severity = proof.severity if isinstance(proof, Holds) else None
    return Finding(
        rule=rule,
        status=status,
        severity=severity or rule.severity,
        title=fill(rule.title, values, root),
        proof=proof.why,
        evidence=proven + _log_evidence(entries, proven),
        count=sum(found.hits[key].count for key in keys if key in found.hits) if entries else 0,
        advice=_advice(rule.advice, proof, values, root, target.device if target else ""),
        first=min(times, default=None),
        last=max(times, default=None),
        values=values,
    )


def _when(entry: Entry) -> tuple[float, int]:
    return (entry.time if entry.time is not None else 0.0, entry.line)


def _log_evidence(entries: Sequence[Entry], proven: Sequence[Evidence]) -> tuple[Evidence, ...]:
    shown = {(evidence.source, evidence.text) for evidence in proven}
    texts: dict[str, Entry] = {}
    for entry in entries:
        texts[entry.text] = entry  # the newest of equal texts
    return tuple(
        Evidence(entry.source, entry.text, entry.line, entry.cursor, entry.time, entry.boot)
        for entry in list(texts.values())[-LOG_EVIDENCE:]
        if (entry.source, entry.text) not in shown
    )


def _advice(advice: Advice, proof: Proof, values: Mapping[str, str], root: str, device: str) -> Advice:
    commands, undo = advice.commands, advice.undo
    if isinstance(proof, Holds):
        commands = commands if proof.commands is None else proof.commands
        undo = undo if proof.undo is None else proof.undo
    filled = replace(
        advice,
        text=fill(advice.text, values, root),
        commands=tuple(_command(command, values, root, device) for command in commands),
        undo=tuple(_command(command, values, root, device) for command in undo),
    )
    if isinstance(proof, Holds):
        return filled
    # Without proof nothing is known to fill the placeholders with, and nothing should be run blindly.
    known = [c for c in filled.commands if not PLACEHOLDER.search(c)]
    return replace(filled, commands=tuple(known), undo=filled.undo if known == list(filled.commands) else ())


PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def _command(command: str, values: Mapping[str, str], root: str, device: str) -> str:
    """A command as it is typed: for a disk that nobody has mounted, in a chroot of it."""
    if device and "{root}" in command:
        command = f"agent rescue --chroot {device} {command.removeprefix('chroot {root} ')}"
    return fill(command, values, root)


def fill(text: str, values: Mapping[str, str], root: str) -> str:
    """``text`` with {name} replaced by values, and {root} by the mounted root ("" when it is /)."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "root":
            return root.rstrip("/")
        return values.get(match[1], match[0])

    return PLACEHOLDER.sub(value, text)


def all_patterns(rules: Sequence[Rule]) -> tuple[Pattern, ...]:
    """The patterns of all rules, for one search."""
    return tuple(pattern.pattern for rule in rules for pattern in rule.patterns)
