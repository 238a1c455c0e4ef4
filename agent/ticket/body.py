"""The ticket as plain text, ready to paste: 80 columns of ASCII, the answer first, what proves it behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.change.model import Change, ChangeState
from agent.diagnosis.model import Evidence, Finding, LayerState, Severity, Status, VerdictState
from agent.facts.diagnostics import Diagnostic
from agent.mtr import next_steps, printing
from agent.mtr.verdict import Judgement
from agent.report import mtr
from agent.report.harmless import harmless_lines
from agent.report.operations import said
from agent.report.style import Style, labelled, moment, wrap
from agent.ticket import how_to, since
from agent.ticket.model import Ticket, Trace

COLUMNS = 80
STYLE = Style(COLUMNS, everything=True)
EVIDENCE = 6  # of the cause; the others have two
OUTPUT = 40  # lines of one command
UNCHECKED = 12  # reasons
REMOVED = 30  # places


def render(ticket: Ticket) -> str:
    """The whole body. Nothing in it can move a cursor, whatever the host's files held."""
    healthy = ticket.scan.verdict.state is VerdictState.HEALTHY
    sections = (
        ("What is broken", _broken(ticket)),
        ("Since when", _paragraphs(since.sentences(ticket))),
        ("What changed of late" if healthy else "What changed just before", _paragraphs(since.changed(ticket))),
        ("What proves it" if ticket.scan.verdict.finding else "What to do next", _proof(ticket)),
        ("What was tried", _tried(ticket.changes)),
        ('The ladder, from "powered on" to "you can ssh in"', _ladder(ticket)),
        ("Other findings", _others(ticket)),
        ("Network path (MTR)", _traces(ticket)),
        (f"Diagnostics: {_safe(ticket.scan.subject.diagnostics) or 'none'}", _diagnostics(ticket)),
        ("What was not looked at", _unchecked(ticket)),
        ("What was removed from this ticket", _removed(ticket)),
    )
    lines = list(_head(ticket))
    for title, content in sections:
        body = list(content)
        if body:
            lines += ["", f"== {title} ==", *body]
    lines += ["", f"Made by lish-agent {_safe(ticket.version)}. The archive has all of it, and the files it rests on."]
    return "\n".join(line.rstrip() for line in _folded(lines)) + "\n"


def headline(ticket: Ticket) -> str:
    """What is broken, in one sentence."""
    verdict = ticket.scan.verdict
    cause = verdict.finding
    state = verdict.state.value.upper()
    if cause is None:
        return f"{state}: {verdict.summary}"
    layer = f" at {verdict.layer.value}" if verdict.layer else ""
    sure = "" if cause.status is Status.CONFIRMED else "suspected: "
    return f"{state}{layer}: {sure}{cause.title}"


def _safe(text: str) -> str:
    return STYLE.safe(text)


def _head(ticket: Ticket) -> Iterator[str]:
    subject = ticket.scan.subject
    yield f"Support ticket of {_safe(subject.hostname)[:40] or 'an unnamed host'}, {_time(ticket.made)} UTC"
    where = "examined while it runs" if subject.mode == "live" else f"examined {subject.mode}, at {subject.root}"
    told = (
        ("System", subject.distro.name or "unknown distribution"),
        ("Kernel", subject.kernel),
        ("Network", subject.manager or "no network manager found"),
        ("Init", subject.init),
        ("How", f"{where}, from rescue mode" if subject.rescue else where),
    )
    for label, text in told:
        if text:
            yield from labelled(f"{label:<7}", [text], STYLE)


def _broken(ticket: Ticket) -> Iterator[str]:
    yield from _paragraphs([headline(ticket)])
    for trace in ticket.traces:
        if not trace.judgement.verdict.harmless:
            yield from _paragraphs([f"MTR {trace.title}: {trace.judgement.summary}"])


def _paragraphs(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        yield from _folded(wrap(_safe(text), STYLE, indent=2))


def _folded(lines: Sequence[str]) -> Iterator[str]:
    """Lines that are too long are broken, at a blank where there is one, and go on further in."""
    for line in lines:
        while len(line) > COLUMNS:
            blank = line.rfind(" ", COLUMNS // 2, COLUMNS + 1)
            end = blank if blank > 0 else COLUMNS
            yield line[:end]
            line = f"    {line[end:].lstrip(' ')}"
        yield line


def _proof(ticket: Ticket) -> Iterator[str]:
    verdict = ticket.scan.verdict
    cause = verdict.finding
    if cause is None:
        yield from _paragraphs([f"- {step}" for step in verdict.next])
        return
    label = "Proof" if cause.status is Status.CONFIRMED else "Doubt"
    yield from _folded(labelled(label, [cause.proof], STYLE))
    yield from _evidence(cause, EVIDENCE)
    offer = ticket.scan.offers.of(cause)
    if offer is not None:
        yield from _folded(labelled("Cure", [offer.plan.summary, offer.command], STYLE))
    else:
        yield from _folded(labelled("Cure", [cause.advice.text, *cause.advice.commands], STYLE))


def _evidence(finding: Finding, most: int) -> Iterator[str]:
    for one in finding.evidence[:most]:
        yield from _folded(wrap(f"- {_safe(_place(one))}: {_safe(one.text[:1000])}", STYLE, indent=2))
    if len(finding.evidence) > most:
        yield f"- and {len(finding.evidence) - most} more"


def _place(one: Evidence) -> str:
    place = f"{one.source}:{one.line}" if one.line else one.source
    when = _time(one.time, "%b %d %H:%M:%S") if one.time is not None else ""
    boot = {None: "", 0: ", newest boot"}.get(one.boot, f", boot {one.boot}")
    return f"{place} ({when}{boot})" if when else place


def _tried(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        yield "Nothing was tried with this program."
    for change in changes:
        state = {
            ChangeState.VERIFIED: "it stands, and its problem is gone",
            ChangeState.APPLIED: "it stands",
            ChangeState.UNDONE: f"undone {_time(change.ended)} UTC",
        }.get(change.state, "interrupted, half done")
        why = f" ({change.why})" if change.why else ""
        done = f"agent fix --{change.fix}: {change.summary}"
        yield from _folded(wrap(_safe(f"- {_time(change.created)} UTC, {done}"), STYLE, indent=2))
        yield from _folded(wrap(_safe(f"  State: {state}{why}"), STYLE, indent=2))
        for step in change.steps[:8]:
            words = said(step.operation)
            yield from _folded(wrap(_safe(f"  {words.kind} {words.line}"[:500]), STYLE, indent=4))


def _ladder(ticket: Ticket) -> Iterator[str]:
    for rung in ticket.scan.rungs:
        mark = "-> " if rung.state is LayerState.BROKEN else "   "
        text = f"{mark}{rung.layer.value:<9} {rung.state.value:<10} {_safe(rung.why)}"
        yield from _folded(wrap(text, STYLE, indent=24))


def _others(ticket: Ticket) -> Iterator[str]:
    for finding in ticket.scan.findings:
        if finding is ticket.scan.verdict.finding or finding.severity is Severity.INFO:
            continue
        mark = f"{finding.severity.value}, {finding.status.value}"
        if finding.explained_by:
            mark += f", because of {', '.join(finding.explained_by)}"
        yield from _folded(wrap(_safe(f"- {finding.id} ({mark}): {finding.title}"), STYLE, indent=2))
        if finding.status is not Status.PAST:
            yield from _folded(wrap(_safe(f"  {finding.proof}"), STYLE, indent=2))
            yield from _evidence(finding, 2)


def _traces(ticket: Ticket) -> Iterator[str]:
    if not ticket.traces:
        yield "None was given. Made like this, agent ticket --mtr FILE --reverse FILE adds them:"
        yield from _folded([STYLE.safe(line) for line in harmless_lines(how_to.text(ticket).rstrip("\n"))])
        return
    if ticket.scan.mtr_means:
        yield from _paragraphs([ticket.scan.mtr_means])
    if ticket.directions is not None:
        yield from _paragraphs([f"Both ways: {ticket.directions.summary}"])
    for trace in ticket.traces:
        yield ""
        yield from _paragraphs([f"{trace.title[:1].upper()}{trace.title[1:]}: {mtr.headline(trace.judgement)}"])
        yield from _folded([STYLE.safe(line) for line in harmless_lines(printed(trace))])
        yield from _judged(trace.judgement)


def _judged(judgement: Judgement) -> Iterator[str]:
    told = (
        ("Why", judgement.reasons),
        ("Note", judgement.notes),
        ("Next", [step.replace(next_steps.BY_US, "") for step in judgement.advice]),
        ("But", (judgement.ambiguity,) if judgement.ambiguity else ()),
    )
    for label, texts in told:
        yield from _folded(labelled(label, [mtr.sentence(text) for text in texts], STYLE))


def printed(trace: Trace) -> str:
    """The report as mtr prints it."""
    return printing.text(trace.judgement.report).rstrip("\n")


def _diagnostics(ticket: Ticket) -> Iterator[str]:
    for number, one in enumerate(ticket.scan.diagnostics):
        if number:
            yield ""
        yield from _folded(wrap(_safe(f"$ {' '.join(one.command)}"), STYLE, indent=4))
        yield from _output(one)
    steps = [" ".join(step) for step in ticket.scan.next_steps]
    if steps and ticket.scan.verdict.state is not VerdictState.HEALTHY:
        yield from _folded(wrap(_safe(f"(not run, for it changes the host: {'; '.join(steps)})"), STYLE, indent=2))


def _output(one: Diagnostic) -> Iterator[str]:
    lines = harmless_lines(one.output.rstrip("\n")) if one.output.strip() else []
    newest = one.command[:1] in (("journalctl",), ("dmesg",)) or "/var/log/" in " ".join(one.command)
    shown = lines[-OUTPUT:] if newest else lines[:OUTPUT]
    cut = f"[{len(lines) - len(shown)} {'earlier' if newest else 'more'} lines: folder diagnostics of the archive]"
    if len(lines) > len(shown) and newest:
        yield cut
    for line in shown:
        yield from _folded([STYLE.safe(line)])
    if len(lines) > len(shown) and not newest:
        yield cut
    if one.error:
        yield from _folded(wrap(_safe(f"({one.error})"), STYLE, indent=2))
    elif one.exit:
        yield f"(exit status {one.exit})"
    elif not lines:
        yield "(no output)"


def _unchecked(ticket: Ticket) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for item in ticket.scan.unchecked:
        groups.setdefault(item.why, []).append(item.what)
    shown = list(groups.items())[:UNCHECKED]
    for why, whats in shown:
        more = f" and {len(whats) - 8} more" if len(whats) > 8 else ""
        yield from _folded(wrap(_safe(f"- {why}: {', '.join(whats[:8])}{more}"), STYLE, indent=2))
    if len(groups) > len(shown):
        yield f"- and {len(groups) - len(shown)} more reasons (ticket.json)"


def _removed(ticket: Ticket) -> Iterator[str]:
    if ticket.addresses_redacted:
        yield from _paragraphs(["Addresses are replaced: the same address has the same name everywhere."])
    if not ticket.removed:
        yield "No secret was found."
    for one in ticket.removed[:REMOVED]:
        yield from _folded(wrap(_safe(f"- {one.place}: {one.kind}, {one.count}x"), STYLE, indent=2))
    if len(ticket.removed) > REMOVED:
        yield f"- and {len(ticket.removed) - REMOVED} more places (removed.txt)"


def _time(seconds: float | None, layout: str = "%Y-%m-%d %H:%M") -> str:
    return moment(seconds, layout) or "at an unknown time"
