"""The ticket as JSON, schema lish-agent/ticket/1 (docs/ticket.schema.json)."""

from __future__ import annotations

import json

from agent.report import change_json, mtr_json
from agent.report import json as scan_json
from agent.report.json import plain, time
from agent.ticket import since
from agent.ticket.body import headline
from agent.ticket.model import Event, Ticket, Trace

SCHEMA = "lish-agent/ticket/1"


def render(ticket: Ticket) -> str:
    """The document as text, ASCII only."""
    return json.dumps(document(ticket), indent=2, ensure_ascii=True) + "\n"


def document(ticket: Ticket) -> dict[str, object]:
    """The document as values. ``scan`` is as `agent scan --json` gives it (lish-agent/scan/1)."""
    cause = ticket.scan.verdict.finding
    place = change_json.Place(ticket.scan.subject.root)
    return {
        "schema": SCHEMA,
        "agent": {"version": plain(ticket.version)},
        "made": time(ticket.made),
        "summary": plain(headline(ticket)),
        "since": {
            "text": [plain(sentence) for sentence in since.sentences(ticket)],
            "changed_before": [plain(line) for line in since.changed(ticket)],
            "first_sign": time(cause.first) if cause else None,
            "last_sign": time(cause.last) if cause else None,
        },
        "scan": scan_json.document(ticket.scan),
        "changes": [change_json.change(change, place) for change in ticket.changes],
        "timeline": [_event(event) for event in ticket.timeline],
        "mtr": [_trace(trace) for trace in ticket.traces],
        "directions": None if ticket.directions is None else mtr_json.directions(ticket.directions),
        "files": [
            {"path": plain(one.path), "source": plain(one.source), "characters": len(one.text)}
            for one in ticket.attachments
        ],
        "removed": [{"place": plain(one.place), "kind": plain(one.kind), "count": one.count} for one in ticket.removed],
        "addresses_redacted": ticket.addresses_redacted,
    }


def _event(event: Event) -> dict[str, object]:
    return {
        "time": time(event.time),
        "kind": event.kind.value,
        "text": plain(event.text),
        "source": plain(event.source),
    }


def _trace(trace: Trace) -> dict[str, object]:
    return {"title": plain(trace.title), "from_here": trace.from_here, **mtr_json.judgement(trace.judgement)}
