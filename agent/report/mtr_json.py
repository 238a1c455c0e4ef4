"""Judged MTR reports as JSON, schema lish-agent/mtr/1 (docs/mtr.schema.json)."""

from __future__ import annotations

import json

from agent import __version__
from agent.mtr import owners
from agent.mtr.compare import Comparison, Directions
from agent.mtr.model import Hop
from agent.mtr.path import Path
from agent.mtr.verdict import Judgement
from agent.report.json import plain
from agent.report.mtr import Judged

SCHEMA = "lish-agent/mtr/1"


def render(judged: Judged) -> str:
    """The document as text, ASCII only: a serial console passes it unharmed."""
    return json.dumps(document(judged), indent=2, ensure_ascii=True) + "\n"


def document(judged: Judged) -> dict[str, object]:
    """The document as values."""
    return {
        "schema": SCHEMA,
        "agent": {"version": __version__},
        "reports": [{"file": _text(name), **judgement(each)} for name, each in judged.judgements],
        "comparison": None if judged.comparison is None else _comparison(judged.comparison),
        "directions": None if judged.directions is None else directions(judged.directions),
        "unread": [
            {"file": _text(name), "line": each.line, "text": plain(each.text), "why": plain(each.why)}
            for name, each in judged.unread
        ],
    }


def judgement(found: Judgement) -> dict[str, object]:
    """One report and what it says. ``host`` is the destination, by the best name that there is."""
    report = found.report
    return {
        "host": plain(Path(report).goal),
        "source": _text(report.source),
        "destination": _text(report.destination),
        "destination_address": _text(report.destination_address),
        "started": _text(report.started),
        "form": report.form.value,
        "protocol": report.protocol.value,
        "cycles": report.cycles,
        "line": report.line,
        "error": _text(report.error),
        "hops": [_hop(hop) for hop in report.hops],
        "verdict": found.verdict.value,
        "hop": found.hop,
        "loss": found.loss,
        "side": found.side.value,
        "summary": plain(found.summary),
        "reasons": [plain(text) for text in found.reasons],
        "advice": [plain(text) for text in found.advice],
        "notes": [plain(text) for text in found.notes],
        "ambiguity": _text(found.ambiguity),
    }


def _hop(hop: Hop) -> dict[str, object]:
    owner = owners.owner(hop)
    return {
        "hop": hop.number,
        "host": plain(hop.routers[0].name or hop.routers[0].address) if hop.routers else "???",
        "routers": [{"name": _text(each.name), "address": _text(each.address)} for each in hop.routers],
        "asn": _text(hop.asn),
        "owner": owner.name if owner else None,
        "silent": hop.silent,
        "loss": hop.loss,
        "sent": hop.sent,
        "last": hop.last,
        "average": hop.average,
        "best": hop.best,
        "worst": hop.worst,
        "deviation": hop.deviation,
        "labels": [plain(label) for label in hop.labels],
    }


def _comparison(found: Comparison) -> dict[str, object]:
    return {
        "cause": found.cause.value,
        "summary": plain(found.summary),
        "reasons": [plain(text) for text in found.reasons],
        "advice": [plain(text) for text in found.advice],
        "normal": found.normal.verdict.value,
        "rescue": found.rescue.verdict.value,
    }


def directions(found: Directions) -> dict[str, object]:
    """What both directions say together."""
    return {
        "summary": plain(found.summary),
        "reasons": [plain(text) for text in found.reasons],
        "advice": [plain(text) for text in found.advice],
        "forward": found.forward.verdict.value,
        "reverse": found.reverse.verdict.value,
    }


def _text(text: str) -> str | None:
    return plain(text) or None
