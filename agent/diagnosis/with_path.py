"""The verdict on a host, with what MTR reports say about the path to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from agent.diagnosis.model import Finding, Layer, LayerState, Rung, Status, Verdict, VerdictState
from agent.mtr import owners
from agent.mtr.model import Report
from agent.mtr.owners import address_of
from agent.mtr.path import Path
from agent.mtr.verdict import Judgement
from agent.mtr.verdict import Verdict as PathVerdict

SILENT = (PathVerdict.DESTINATION_ONLY_100, PathVerdict.UNRESPONSIVE_TO_END)
PING = "firewall-blocks-ping"
ARRIVING = (  # their last hop is the destination
    PathVerdict.HEALTHY,
    PathVerdict.RATE_LIMITED_HOPS_ONLY,
    PathVerdict.PERSISTENT_LOSS,
    PathVerdict.DESTINATION_PARTIAL,
)
UNREACHABLE = (Layer.BOOT, Layer.LINK, Layer.NAME, Layer.MANAGER, Layer.ADDRESS, Layer.ROUTE, Layer.FIREWALL)

FINE = {  # what a fine path means for a host
    VerdictState.HEALTHY: "The path is fine, and so is this host. What still does not work: look at Cloud Firewall, and"
    " at the program itself",
    VerdictState.UNKNOWN: "The path is fine: what does not work is on this host, or in Cloud Firewall",
}


class Way(Enum):
    """Which path a report is of."""

    TO = "to this host"
    FROM = "from this host"
    UNSURE = "to a name that may be this host's"
    ELSEWHERE = "neither from nor to this host"


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
    addresses: Sequence[str] = (),
    made_here: Sequence[Judgement] = (),
) -> Together:
    """Host and path together. ``hostname`` and ``addresses`` (those that the world can reach it by) tell which
    reports speak of this host; "" and none where not known. ``made_here``: those that the user says were made on it."""
    ways = [
        (judgement, Way.FROM if judgement in made_here else _way(judgement, hostname, addresses))
        for judgement in judgements
    ]
    ours = [(judgement, way) for judgement, way in ways if way is not Way.ELSEWHERE]
    if not ours:
        means = _elsewhere(judgements[0].report) if judgements else ""
        return Together(verdict, tuple(rungs), means)
    bad = [(judgement, way) for judgement, way in ours if not judgement.verdict.harmless]
    if not bad:
        return Together(verdict, tuple(rungs), FINE.get(verdict.state, "The path is fine: the fault is on this host"))
    worst, way = bad[0]
    if worst.verdict is PathVerdict.NO_ROUTE:
        return _no_route(verdict, rungs, worst, "" if way is Way.FROM else hostname)
    if verdict.finding is not None:
        return Together(verdict, tuple(rungs), _beside(verdict.finding, worst))
    if verdict.state is not VerdictState.HEALTHY:
        return Together(verdict, tuple(rungs), "")
    return _healthy_host(verdict, rungs, findings, worst, way)


def _healthy_host(
    verdict: Verdict, rungs: Sequence[Rung], findings: Sequence[Finding], worst: Judgement, way: Way
) -> Together:
    goal = Path(worst.report).goal
    if way is Way.FROM:
        means = f"This host is fine, the path from it to {goal} is not: open a support ticket with MTRs both ways"
        return _degraded(verdict, rungs, worst, means)
    drops_ping = any(finding.id == PING and finding.status is not Status.PAST for finding in findings)
    if worst.verdict in SILENT and drops_ping:
        means = "This host is fine, and its own firewall drops ping: that alone explains the silent end of the MTR"
        advice = ("Test with what the firewall lets in: mtr --tcp --port 22, or ssh", *verdict.next)
        return Together(replace(verdict, summary=means, next=advice), tuple(rungs), means)
    if worst.verdict is PathVerdict.DESTINATION_ONLY_100:
        means = "This host is fine, but does not answer from outside: Cloud Firewall, or the network in front of it"
    else:
        means = "This host is fine, the path to it is not: open a support ticket with MTRs in both directions"
    if way is Way.UNSURE:
        means = f"If {goal} is this host: {means[:1].lower()}{means[1:]}"
    return _degraded(verdict, rungs, worst, means)


def _degraded(verdict: Verdict, rungs: Sequence[Rung], worst: Judgement, means: str) -> Together:
    summary = f"{means} ({worst.summary})"
    changed = replace(verdict, state=VerdictState.DEGRADED, summary=summary, next=worst.advice)
    return Together(changed, tuple(rungs), means)


def _way(judgement: Judgement, hostname: str, addresses: Sequence[str]) -> Way:
    """Which path a report is of, as far as it and the host's own names tell."""
    report = judgement.report
    path = Path(report)
    own = {address for address in map(address_of, addresses) if address is not None}
    if _same_name(report.source, hostname) or address_of(report.source) in own:
        return Way.FROM
    goals = set(path.addresses)
    if not goals and judgement.verdict in ARRIVING and path.reached is not False:
        goals = set(owners.addresses(report.hops[-1]))
    if goals & own or any(_same_name(name, hostname) for name in path.named if address_of(name) is None):
        return Way.TO
    if {address.version for address in goals} & {address.version for address in own}:
        return Way.ELSEWHERE
    if judgement.verdict is PathVerdict.NO_ROUTE or not (path.named or goals):
        return Way.TO  # whoever hands a report in without more means this host
    return Way.UNSURE


def _same_name(one: str, other: str) -> bool:
    first = one.split(".")[0].lower()
    return bool(first) and first == other.split(".")[0].lower()


def _elsewhere(report: Report) -> str:
    goal = Path(report).goal
    if report.source:
        return f"The MTR goes from {report.source} to {goal}: neither is this host, so it says nothing about it"
    return f"The MTR goes to {goal}, which is none of this host's addresses: it says nothing about the way to this host"


def _beside(finding: Finding, worst: Judgement) -> str:
    if worst.verdict in SILENT and finding.rule.layer in UNREACHABLE:
        return "What is broken on this host can explain why the MTR ends in silence: repair that first, then repeat it"
    if worst.verdict in SILENT:
        return "The MTR ends in silence as well, which what is broken here does not explain: look at Cloud Firewall"
    return "The path has trouble of its own, which nothing on this host explains: a support ticket, with MTRs both ways"


def _no_route(verdict: Verdict, rungs: Sequence[Rung], worst: Judgement, hostname: str) -> Together:
    """A report that got nowhere speaks of where it was made."""
    source = worst.report.source
    if source and hostname and not _same_name(source, hostname):
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
