"""Rules, hits and findings made by hand, for the tests of the diagnosis and the reports."""

from __future__ import annotations

from agent.diagnosis.model import (
    Advice,
    Evidence,
    Finding,
    Layer,
    Rule,
    RulePattern,
    Sample,
    Severity,
    Status,
)
from agent.logs.model import Entry, Found, Hits, Match, Pattern


def rule(
    identity: str = "gateway-lost",
    layer: Layer = Layer.ROUTE,
    severity: Severity = Severity.CRITICAL,
    explains: tuple[str, ...] = (),
    proof: str = "trusted_log",
    commands: tuple[str, ...] = ("ip route add default via {gateway}",),
    patterns: tuple[RulePattern, ...] = (),
) -> Rule:
    made = patterns or (RulePattern("lost", Pattern(f"{identity}/lost", "gateway lost"), "a test"),)
    advice = Advice("Give it back.", commands, ("ip route del default",) if commands else ())
    return Rule(
        identity,
        f"Title of {identity}",
        layer,
        severity,
        made,
        proof,
        {},
        explains,
        advice,
        "",
        ("https://bugs.debian.org/1",),
        (Sample("gateway lost"),),
        (Sample("gateway found"),),
    )


def finding(
    identity: str = "gateway-lost",
    layer: Layer = Layer.ROUTE,
    severity: Severity = Severity.CRITICAL,
    status: Status = Status.CONFIRMED,
    explains: tuple[str, ...] = (),
    evidence: tuple[Evidence, ...] = (),
    proof: str = "no default route",
) -> Finding:
    made = rule(identity, layer, severity, explains)
    return Finding(made, status, severity, made.title, proof, evidence, 1, made.advice, 1.7e9, 1.7e9 + 60)


def found(*entries: tuple[str, Entry]) -> Found:
    """A search's result: (pattern key, entry) pairs."""
    hits: dict[str, Hits] = {}
    for key, entry in entries:
        known = hits.get(key, Hits(key, 0, ()))
        hits[key] = Hits(key, known.count + 1, (*known.matches, Match(key, entry, {})))
    return Found(hits, (), ("journal",), len(entries))
