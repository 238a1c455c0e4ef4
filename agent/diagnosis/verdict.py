"""Root cause before consequence, and the verdict in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.diagnosis.model import (
    Finding,
    Layer,
    LayerState,
    Rung,
    Severity,
    Status,
    Verdict,
    VerdictState,
)

ORDER = {layer: index for index, layer in enumerate(Layer)}
SEVERITIES = {severity: index for index, severity in enumerate(Severity)}
STATUSES = {status: index for index, status in enumerate(Status)}
LOOKED_AT = (Layer.LINK, Layer.MANAGER, Layer.ADDRESS, Layer.ROUTE)


def relate(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings in the order in which to read them, each marked as root cause or with what explains it.

    A finding explains another when its rule says so and it is at least as sure: a suspicion does not
    explain away what is proven. Past findings explain nothing.
    """
    active = {finding.id: finding for finding in findings if finding.status is not Status.PAST}
    explained: dict[str, list[str]] = {identity: [] for identity in active}
    for finding in active.values():
        for other in finding.rule.explains:
            if other in active and STATUSES[finding.status] <= STATUSES[active[other].status]:
                explained[other].append(finding.id)
    roots = _roots(list(active), explained)
    related = [
        replace(
            finding,
            root_cause=finding.status is not Status.PAST and finding.id in roots,
            explained_by=() if finding.status is Status.PAST else tuple(explained[finding.id]),
        )
        for finding in findings
    ]
    return tuple(sorted(related, key=_rank))


def _roots(identities: Sequence[str], explained: dict[str, list[str]]) -> set[str]:
    """Those that nothing explains; of findings that only explain each other, the first keeps its place."""
    roots = {identity for identity in identities if not explained[identity]}
    reached: set[str] = set()

    def reach(root: str) -> None:
        todo = [root]
        while todo:
            current = todo.pop()
            if current not in reached:
                reached.add(current)
                todo += [other for other in identities if current in explained[other]]

    for root in sorted(roots, key=identities.index):
        reach(root)
    for identity in identities:
        if identity not in reached:
            roots.add(identity)
            explained[identity] = []
            reach(identity)
    return roots


def _rank(finding: Finding) -> tuple[int, int, int, int, int, str]:
    return (
        1 if finding.status is Status.PAST else 0,
        0 if finding.root_cause else 1,
        SEVERITIES[finding.severity],
        STATUSES[finding.status],
        ORDER[finding.rule.layer],
        finding.id,
    )


def judge(findings: Sequence[Finding], rungs: Sequence[Rung]) -> Verdict:
    """The verdict on related findings: the first of the root causes explains the host's state."""
    serious = [f for f in findings if f.status is not Status.PAST and f.severity is not Severity.INFO]
    if serious:
        cause = next((finding for finding in serious if finding.root_cause), serious[0])
        sure = cause.status is Status.CONFIRMED
        critical = sure and cause.severity is Severity.CRITICAL
        return Verdict(
            state=VerdictState.BROKEN if critical else VerdictState.DEGRADED,
            layer=cause.rule.layer,
            finding=cause,
            summary=f"{cause.title}: {cause.proof}"
            if sure
            else f"Suspected: {cause.title} (not proven: {cause.proof})",
            next=cause.advice.commands or (cause.advice.text,),
            undo=cause.advice.undo,
        )
    seen = [rung for rung in rungs if rung.state is LayerState.OK]
    if not any(rung.layer in LOOKED_AT for rung in seen):
        return Verdict(VerdictState.UNKNOWN, None, None, "Not enough could be looked at to judge this host", ())
    missing = [rung.layer.value for rung in rungs if rung.state is LayerState.UNCHECKED]
    rest = f" (not checked: {', '.join(missing)})" if missing else ""
    return Verdict(
        VerdictState.HEALTHY,
        None,
        None,
        f"No known problem found{rest}",
        (_elsewhere(findings, rungs),),
    )


def _elsewhere(findings: Sequence[Finding], rungs: Sequence[Rung]) -> str:
    """Where to look when nothing is wrong here."""
    look = "look at Cloud Firewall in Cloud Manager, which is outside and can't be seen from here"
    read = any(rung.layer is Layer.FIREWALL and rung.state is LayerState.OK for rung in rungs)
    remarks = any(finding.rule.layer is Layer.FIREWALL and finding.status is not Status.PAST for finding in findings)
    if read and not remarks:
        return f"No rule here stops ssh or ping. If it can't be reached from outside, {look}"
    return f"If it can't be reached from outside, {look}"
