"""All that goes into a ticket, gathered from one examined host. Texts are as found: ``redacted`` comes next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from agent import __version__
from agent.change import history
from agent.change.model import Change
from agent.diagnosis.happenings import what_changed
from agent.diagnosis.with_path import with_path
from agent.facts.facts import Facts
from agent.logs.model import Found, Unchecked
from agent.mtr.compare import Directions, directions
from agent.report.model import Scan
from agent.ticket import log_lines
from agent.ticket.attachments import collect
from agent.ticket.how_to import how_to
from agent.ticket.model import Attachment, Ticket, Trace
from agent.ticket.since import since as since_when
from agent.ticket.timeline import boot_records, timeline
from agent.unknown import Unknown

HAPPENINGS = 40  # changes before it broke
ROOM = 2_000_000  # bytes of all attachments together
LEAST = 500  # bytes of one that is cut for want of room


def gather(
    facts: Facts,
    scan: Scan,
    found: Found,
    traces: Sequence[Trace] = (),
    since: float | None = None,
    now: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> Ticket:
    """The ticket of an examined host. ``found``: what its logs hold; times in seconds since the epoch."""
    say = progress or (lambda step: None)
    made = time.time() if now is None else now
    say("looking for what changed before")
    before = what_changed(facts, found, limit=HAPPENINGS, now=made)
    unread, changes = _changes(facts)
    events = timeline(facts.target, found, scan.findings, changes, before, made, since)
    say("collecting the configuration")
    collected = collect(facts, scan.findings)
    say("reading the newest boot's log")
    lines, more = log_lines.lines(facts.target, found, since, say)
    scan = _with_traces(scan, traces)
    attachments = [since_when(scan, before, _reaches(facts, found)), *([] if traces else [how_to(facts)])]
    attachments += collected.attachments
    if lines:
        cut = [f"[{more} earlier lines are left out]"] if more else []
        source = "journal and text logs of the newest boot: findings, network units, warnings of the kernel"
        attachments.append(Attachment("logs/newest-boot.txt", source, "\n".join([*cut, *lines]) + "\n"))
    unchecked = (*scan.unchecked, *unread, *collected.unchecked)
    return Ticket(
        made=made,
        version=__version__,
        scan=replace(scan, unchecked=tuple(dict.fromkeys(unchecked))),
        changes=changes,
        timeline=events,
        traces=tuple(traces),
        attachments=_fitting(attachments),
        directions=_directions(traces),
    )


def _with_traces(scan: Scan, traces: Sequence[Trace]) -> Scan:
    """The verdict with what the reports say of the path."""
    if not traces:
        return scan
    every = [trace.judgement for trace in traces]
    ours = [trace.judgement for trace in traces if trace.from_here]
    subject = scan.subject
    together = with_path(scan.verdict, scan.rungs, scan.findings, every, subject.hostname, subject.addresses, ours)
    return replace(scan, verdict=together.verdict, rungs=together.rungs, mtr_means=together.means)


def _directions(traces: Sequence[Trace]) -> Directions | None:
    """The first report of either direction, together."""
    there = next((trace.judgement for trace in traces if not trace.from_here), None)
    back = next((trace.judgement for trace in traces if trace.from_here), None)
    return None if there is None or back is None else directions(there, back)


def _changes(facts: Facts) -> tuple[tuple[Unchecked, ...], tuple[Change, ...]]:
    """Our own changes, oldest first."""
    known = history.read(facts.target)
    if isinstance(known, Unknown):
        return (() if known.absent else (Unchecked("what was tried", known.reason),)), ()
    return (), known


def _reaches(facts: Facts, found: Found) -> float | None:
    """The oldest boot that is on record."""
    known = [record.first for record in boot_records(facts.target, found) if record.first is not None]
    return min(known, default=None)


def _fitting(attachments: Sequence[Attachment]) -> tuple[Attachment, ...]:
    """As they are while there is room; the later ones are cut where there is none."""
    left = ROOM
    kept: list[Attachment] = []
    for one in attachments:
        allowed = max(left, LEAST)
        data = one.text.encode("utf-8", "replace")
        if len(data) > allowed:
            text = data[:allowed].decode("utf-8", "ignore")
            one = replace(one, text=f"{text}\n[cut here: {len(one.text) - len(text)} more characters]\n")
        left -= len(data)
        kept.append(one)
    return tuple(kept)
