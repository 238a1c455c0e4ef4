"""The scan as a person reads it at a serial console: 80 columns, the answer first."""

from __future__ import annotations

from collections.abc import Sequence

from agent.diagnosis.model import Evidence, Finding, LayerState, Severity, Status, VerdictState
from agent.fixes.offers import Offer, invocation
from agent.logs.model import Unchecked
from agent.report import mtr
from agent.report.changes import unconfirmed, unfinished
from agent.report.harmless import cut, harmless_lines
from agent.report.model import Scan
from agent.report.style import BOLD, GREEN, LABEL, PLAIN, RED, YELLOW, Style, commands, labelled, moment, wrap

STATES = {
    VerdictState.BROKEN: RED,
    VerdictState.DEGRADED: YELLOW,
    VerdictState.HEALTHY: GREEN,
    VerdictState.UNKNOWN: YELLOW,
}
RUNGS = {
    LayerState.OK: GREEN,
    LayerState.WARNING: YELLOW,
    LayerState.BROKEN: RED,
    LayerState.UNCHECKED: PLAIN,
}
LONG = 40  # columns from which on a path is shortened: what it says matters more


def render(scan: Scan, style: Style) -> str:
    """The whole report. The first 24 lines hold the verdict, its proof, the cure and the ladder."""
    lines = [*answer(scan, style), "", *ladder(scan, style), *rest(scan, style)]
    if not style.everything:
        lines += ["", *_next_steps(scan, style), f"Everything that was read: {_again(scan)}"]
    return "\n".join(lines) + "\n"


def answer(scan: Scan, style: Style) -> list[str]:
    """What is broken, why we believe it, what repairs it, and how to take that back."""
    lines = [line for change in scan.interrupted for line in unfinished(change, scan.subject.root, style)]
    lines += [line for change in scan.unconfirmed for line in unconfirmed(change, scan.subject.root, style)]
    lines += _headline(scan, style)
    if scan.subject.rescue and scan.subject.mode == "live" and not scan.subject.logs:
        lines += labelled("Note", ["this is the rescue system itself; your disks are examined by: agent rescue"], style)
    cause = scan.verdict.finding
    if cause is not None:
        lines += _cause(cause, scan.offers.of(cause), style)
    elif scan.verdict.next:
        lines += labelled("Next", scan.verdict.next, style)
    return lines + _path(scan, style)


def _path(scan: Scan, style: Style) -> list[str]:
    """What the MTR reports say, and how that fits."""
    told = [mtr.headline(judgement) for judgement in scan.mtr]
    return labelled("MTR", [*told, scan.mtr_means] if scan.mtr_means else told, style)


def rest(scan: Scan, style: Style) -> list[str]:
    """The other findings, what was not looked at, and with --all what the commands said."""
    others = [finding for finding in scan.findings if finding is not scan.verdict.finding]
    if not style.everything:
        others = [finding for finding in others if finding.severity is not Severity.INFO]
    lines: list[str] = []
    for judgement in scan.mtr:
        lines += ["", *mtr.judgement(judgement, style)]
    if others:
        lines += ["", style.paint("Other findings", BOLD)]
        for finding in others:
            lines += _other(finding, scan.offers.of(finding), style)
    if scan.unchecked:
        lines += ["", *_unchecked(scan.unchecked, style)]
    return [*lines, *_diagnostics(scan, style)] if style.everything else lines


def _again(scan: Scan) -> str:
    root = scan.subject.root
    if root.startswith("/dev/"):
        return invocation("scan", "--all", root=root)
    return "agent scan --all"


def _headline(scan: Scan, style: Style) -> list[str]:
    subject, verdict = scan.subject, scan.verdict
    if subject.logs:
        seen = ["log only", *subject.logs]
    else:
        name = subject.distro.name or "unknown distribution"
        where = subject.mode if subject.mode == "live" else f"{subject.mode} {subject.root}"
        seen = [name, where, subject.manager or "no network manager"]
        if subject.hostname:
            seen.insert(0, subject.hostname)
    head = cut(style.safe(", ".join(seen)), style.columns)
    state = verdict.state.value.upper()
    if verdict.finding is not None:
        layer = verdict.layer.value if verdict.layer else ""
        sure = "" if verdict.finding.status is Status.CONFIRMED else "suspected: "
        text = f"{state} at {layer}: {sure}{verdict.finding.title}"
    else:
        text = f"{state}: {verdict.summary}"
    wrapped = wrap(style.safe(text), style, indent=2)
    return [head, *(style.paint(line, STATES[verdict.state]) for line in wrapped)]


def _cause(finding: Finding, offer: Offer | None, style: Style) -> list[str]:
    label = "Proof" if finding.status is Status.CONFIRMED else "Why"
    why = finding.proof if finding.status is Status.CONFIRMED else f"not proven: {finding.proof}"
    lines = labelled(label, [why], style)
    shown = finding.evidence if style.everything else finding.evidence[:2]
    for evidence in shown:
        lines.append(_evidence(evidence, style))
    if offer is None:
        return lines + _advice(finding, style)
    lines += _offer(offer, style)
    return lines + _advice(finding, style) if style.everything else lines


def _offer(offer: Offer, style: Style) -> list[str]:
    """The command that repairs it, what that does, and how to take it back."""
    plan = offer.plan
    what = " ".join([plan.summary, *plan.warnings[:1], *(["It takes effect at the next boot."] if plan.reboot else [])])
    return [
        *commands("Fix", [offer.command], style),
        *labelled("", [what], style),
        *commands("Undo", [offer.undo], style),
    ]


def _advice(finding: Finding, style: Style) -> list[str]:
    lines = labelled("Cure", [finding.advice.text], style)
    if finding.advice.commands:
        lines += commands("Run", finding.advice.commands, style)
    if finding.advice.undo:
        lines += commands("Undo", finding.advice.undo, style)
    return lines


def _evidence(evidence: Evidence, style: Style) -> str:
    place = f"{evidence.source}:{evidence.line}" if evidence.line else evidence.source
    if len(place) > LONG and not style.everything:
        place = f"...{place[3 - LONG :]}"
    when = moment(evidence.time, "%b %d %H:%M:%S")
    text = f"{' ' * LABEL}{place}{' ' + when if when else ''}: {evidence.text}"
    safe = style.safe(text)
    return safe if style.everything else cut(safe, style.columns)


def ladder(scan: Scan, style: Style) -> list[str]:
    """A line for each rung."""
    lines = []
    for rung in scan.rungs:
        state = style.paint(f"{rung.state.value:<10}", RUNGS[rung.state])
        why = style.safe(rung.why)
        why = why if style.everything else cut(why, style.columns - 21)
        lines.append(f"{rung.layer.value:<10} {state}{why}".rstrip())
    return lines


def _other(finding: Finding, offer: Offer | None, style: Style) -> list[str]:
    mark = finding.status.value
    if finding.explained_by:
        mark += f", because of {', '.join(finding.explained_by)}"
    head = style.safe(f"- {finding.id} ({finding.severity.value}, {mark}): {finding.title}")
    lines = wrap(head, style, indent=2)
    if style.everything:
        lines += labelled("  Proof", [finding.proof], style)
        lines += [_evidence(evidence, style) for evidence in finding.evidence]
        lines += [] if offer is None else _offer(offer, style)
        lines += _advice(finding, style)
    elif not finding.explained_by and finding.status is not Status.PAST:
        lines += wrap(f"  {style.safe(finding.proof)}", style, indent=2)[:2]
        lines += [] if offer is None else commands("  Fix", [offer.command], style)
    return lines


def _unchecked(items: Sequence[Unchecked], style: Style) -> list[str]:
    """Grouped by reason: many checks fail for one cause, such as a host that is not running."""
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(item.why, []).append(item.what)
    lines = [style.paint("Not looked at", BOLD)]
    shown = list(groups.items()) if style.everything else list(groups.items())[:6]
    for why, whats in shown:
        text = style.safe(f"- {why}: {', '.join(whats)}")
        wrapped = wrap(text, style, indent=2)
        lines += wrapped if style.everything else wrapped[:2]
    if len(groups) > len(shown):
        lines.append(f"- and {len(groups) - len(shown)} more reasons: agent scan --all")
    return lines


def _diagnostics(scan: Scan, style: Style) -> list[str]:
    lines: list[str] = []
    for diagnostic in scan.diagnostics:
        lines += ["", style.paint(style.safe(f"$ {' '.join(diagnostic.command)}"), BOLD)]
        if diagnostic.error:
            lines.append(style.safe(f"({diagnostic.error})"))
        for line in harmless_lines(diagnostic.output.rstrip("\n")):
            lines.append(line if style.unicode else line.encode("ascii", "backslashreplace").decode("ascii"))
        if diagnostic.exit:
            lines.append(f"(exit status {diagnostic.exit})")
    if scan.next_steps:
        lines += ["", *_next_steps(scan, style)]
    return lines


def _next_steps(scan: Scan, style: Style) -> list[str]:
    """The diagnostic set's own last step, which changes state: never run by a scan. The fix that runs it keeps
    what is up before; the step itself is shown with --all."""
    if scan.subject.mode != "live" or scan.subject.logs or not scan.next_steps:
        return []
    if scan.verdict.state is VerdictState.HEALTHY:
        return []
    steps = " && ".join(" ".join(step) for step in scan.next_steps)
    how = f"agent fix --restart-network, which runs {steps}" if style.everything else "agent fix --restart-network"
    return wrap(style.safe(f"After a cure, bring the network up again (at the console): {how}"), style, 2)
