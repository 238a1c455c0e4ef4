"""The answer of `agent firewall` as JSON, schema lish-agent/firewall/1 (docs/firewall.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agent import __version__
from agent.firewall.anybody import Answer, Path
from agent.firewall.packet import Question
from agent.firewall.result import Step, Verdict
from agent.report.firewall import Asked, Report, verdict

SCHEMA = "lish-agent/firewall/1"
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def render(report: Report) -> str:
    """The document as text, ASCII only: a serial console passes it unharmed."""
    return json.dumps(document(report), indent=2, ensure_ascii=True) + "\n"


def document(report: Report) -> dict[str, object]:
    """The packet that matters most at the top level, all that were asked about under ``answers``."""
    shown = report.shown
    assert shown is not None
    reading = report.reading
    return {
        "schema": SCHEMA,
        "agent": {"version": __version__},
        "where": report.where,
        **answer(shown),
        "answers": [answer(one) for one in report.asked],
        "rules": sum(len(chain.rules) for table in reading.ruleset.tables for chain in table.chains),
        "managers": list(reading.managers),
        "sources": [
            {
                "name": source.name,
                "backend": source.backend.value,
                "family": source.family.value if source.family else None,
                "loaded_by": source.loaded_by or None,
            }
            for source in reading.sources
        ],
        "unchecked": list(reading.unchecked),
    }


def answer(asked: Asked) -> dict[str, object]:
    """One packet, what becomes of it, and why."""
    path = asked.path
    place = path.place
    return {
        "packet": _packet(path.question),
        "verdict": verdict(path).value,
        "from": _senders(path),
        "why": path.shown.why or None,
        "rule": place.text if place else None,
        "table": place.table if place else None,
        "chain": place.chain if place else None,
        "number": place.number if place else None,
        "family": place.family.value if place else None,
        "backend": place.backend.value if place else None,
        "owner": asked.owner or None,
        "file": asked.file or None,
        "line": asked.line or None,
        "reply": path.shown.reply,
        "reject_with": path.shown.answer or None,
        "possible": sorted(one.value for one in _possible(path)),
        "trace": [_step(step) for step in path.shown.trace],
        "notes": list(asked.notes),
        "commands": list(asked.opening.commands),
        "undo": list(asked.opening.undo),
    }


def _senders(path: Path) -> str:
    if path.question.source is not None:
        return "address"
    return "some" if path.allowed is not None and path.answer in (Answer.BLOCKED, Answer.SOME) else "anywhere"


def _possible(path: Path) -> frozenset[Verdict]:
    return path.shown.possible | (path.allowed.possible if path.allowed else frozenset())


def _packet(question: Question) -> Mapping[str, object]:
    return {
        "family": question.family,
        "protocol": _PROTOCOLS.get(question.protocol, question.protocol),
        "from": question.source,
        "to": question.destination,
        "from_port": question.source_port,
        "to_port": question.destination_port,
        "interface": question.arrives,
        "state": "new" if question.state == 8 else "established" if question.state == 2 else str(question.state),
    }


def _step(step: Step) -> dict[str, object]:
    return {
        "hook": step.hook.value,
        "backend": step.backend.value,
        "family": step.family.value,
        "table": step.table,
        "chain": step.chain,
        "by": step.by.text if step.by else None,
    }
