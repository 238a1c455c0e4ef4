"""The verdict on a host, with what MTR reports say about the path to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.diagnosis.model import Finding, Layer, LayerState, Rung, Status, Verdict, VerdictState
from agent.mtr.verdict import Judgement
from agent.mtr.verdict import Verdict as PathVerdict

SILENT = (PathVerdict.DESTINATION_ONLY_100, PathVerdict.UNRESPONSIVE_TO_END)
PING = "firewall-blocks-ping"
UNREACHABLE = (Layer.BOOT, Layer.LINK, Layer.NAME, Layer.MANAGER, Layer.ADDRESS, Layer.ROUTE, Layer.FIREWALL)


@dataclass(frozen=True)
class Together:
    """The verdict and the ladder with the path in mind; ``means`` is one sentence on how both fit."""

    verdict: Verdict
    rungs: tuple[Rung, ...]
    means: str


def with_path(
    verdict: Verdict,
    rungs: Sequence[Rung],
    findings: Sequence[Finding],
    judgements: Sequence[Judgement],
    hostname: str = "",
) -> Together:
    """Host and path together. ``hostname`` tells a report that was made on this host from others; "" unknown."""
    bad = [judgement for judgement in judgements if not judgement.verdict.harmless]
    if not bad:
        means = "The path is fine: what does not work is on this host, or in Cloud Firewall"
        return Together(verdict, tuple(rungs), means if judgements else "")
    worst = bad[0]
    if worst.verdict is PathVerdict.NO_ROUTE:
        return _no_route(verdict, rungs, worst, hostname)
    if verdict.finding is not None:
        return Together(verdict, tuple(rungs), _beside(verdict.finding, worst))
    if verdict.state is not VerdictState.HEALTHY:
        return Together(verdict, tuple(rungs), "")
    drops_ping = any(finding.id == PING and finding.status is not Status.PAST for finding in findings)
    if worst.verdict in SILENT and drops_ping:
        means = "This host is fine, and its own firewall drops ping: that alone explains the silent end of the MTR"
        advice = ("Test with what the firewall lets in: mtr --tcp --port 22, or ssh", *verdict.next)
        return Together(replace(verdict, summary=means, next=advice), tuple(rungs), means)
    if worst.verdict is PathVerdict.DESTINATION_ONLY_100:
        means = "This host is fine, but does not answer from outside: Cloud Firewall, or the network in front of it"
    else:
        means = "This host is fine, the path to it is not: open a support ticket with MTRs in both directions"
    return Together(
        replace(verdict, state=VerdictState.DEGRADED, summary=f"{means} ({worst.summary})", next=worst.advice),
        tuple(rungs),
        means,
    )


def _beside(finding: Finding, worst: Judgement) -> str:
    if worst.verdict in SILENT and finding.rule.layer in UNREACHABLE:
        return "What is broken on this host can explain why the MTR ends in silence: repair that first, then repeat it"
    if worst.verdict in SILENT:
        return "The MTR ends in silence as well, which what is broken here does not explain: look at Cloud Firewall"
    return "The path has trouble of its own, which nothing on this host explains: a support ticket, with MTRs both ways"


def _no_route(verdict: Verdict, rungs: Sequence[Rung], worst: Judgement, hostname: str) -> Together:
    """A report that got nowhere speaks of where it was made."""
    source = worst.report.source
    if source and hostname and source.split(".")[0].lower() != hostname.split(".")[0].lower():
        means = f"The MTR was made on {source} and did not get out of there: it says nothing about this host"
        return Together(verdict, tuple(rungs), means)
    layer = Layer.DNS if worst.loss is None else Layer.ROUTE
    means = f"If the MTR was made on this host, the {layer.value} rung is where it failed"
    seen = tuple(
        replace(rung, state=LayerState.WARNING, why=f"MTR: {worst.summary}")
        if rung.layer is layer and rung.state in (LayerState.OK, LayerState.UNCHECKED)
        else rung
        for rung in rungs
    )
    if verdict.finding is not None or verdict.state is VerdictState.BROKEN:
        return Together(verdict, seen, means)
    state = VerdictState.DEGRADED
    return Together(replace(verdict, state=state, layer=layer, summary=worst.summary, next=worst.advice), seen, means)
