"""The scan as JSON, schema lish-agent/scan/1 (docs/scan.schema.json)."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from agent import __version__
from agent.diagnosis.model import Evidence, Finding
from agent.report.model import Scan

SCHEMA = "lish-agent/scan/1"


def render(scan: Scan, fixes: frozenset[str] = frozenset()) -> str:
    """The document as text, ASCII only: a serial console passes it unharmed.

    ``fixes`` are the flags of `agent fix` that exist; a finding names a fix only when it can be run.
    """
    return json.dumps(document(scan, fixes), indent=2, ensure_ascii=True) + "\n"


def document(scan: Scan, fixes: frozenset[str] = frozenset()) -> dict[str, object]:
    """The document as values."""
    subject = scan.subject
    verdict = scan.verdict
    return {
        "schema": SCHEMA,
        "agent": {"version": __version__},
        "target": {
            "root": subject.root,
            "mode": subject.mode,
            "rescue": subject.rescue,
            "hostname": _or_null(subject.hostname),
            "distro": {
                "id": _or_null(subject.distro.id),
                "version": _or_null(subject.distro.version),
                "name": _or_null(subject.distro.name),
            },
            "diagnostics": _or_null(subject.diagnostics),
            "manager": _or_null(subject.manager),
            "init": _or_null(subject.init),
            "kernel": _or_null(subject.kernel),
            "logs": [_plain(name) for name in subject.logs],
        },
        "verdict": {
            "state": verdict.state.value,
            "layer": verdict.layer.value if verdict.layer else None,
            "finding": verdict.finding.id if verdict.finding else None,
            "summary": _plain(verdict.summary),
            "next": [_plain(step) for step in verdict.next],
            "undo": [_plain(step) for step in verdict.undo],
        },
        "layers": [
            {"layer": rung.layer.value, "state": rung.state.value, "why": _plain(rung.why)} for rung in scan.rungs
        ],
        "findings": [_finding(finding, fixes) for finding in scan.findings],
        "diagnostics": [
            {
                "command": [_plain(word) for word in diagnostic.command],
                "exit": diagnostic.exit,
                "output": _plain(diagnostic.output),
                "seconds": round(diagnostic.seconds, 3),
                "error": _or_null(diagnostic.error),
            }
            for diagnostic in scan.diagnostics
        ],
        "unchecked": [{"what": _plain(item.what), "why": _plain(item.why)} for item in scan.unchecked],
    }


def _finding(finding: Finding, fixes: frozenset[str]) -> dict[str, object]:
    flag = finding.rule.fix
    fix = {"id": flag.lstrip("-").split()[0], "command": f"agent fix {flag}"} if flag in fixes else None
    return {
        "id": finding.id,
        "title": _plain(finding.title),
        "layer": finding.rule.layer.value,
        "severity": finding.severity.value,
        "status": finding.status.value,
        "root_cause": finding.root_cause,
        "explained_by": list(finding.explained_by),
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "count": finding.count,
        "first": _time(finding.first),
        "last": _time(finding.last),
        "proof": _plain(finding.proof),
        "advice": _plain(finding.advice.text),
        "commands": [_plain(command) for command in finding.advice.commands],
        "undo": [_plain(command) for command in finding.advice.undo],
        "fix": fix,
        "references": list(finding.rule.references),
    }


def _evidence(evidence: Evidence) -> dict[str, object]:
    place: dict[str, object] = {"source": _plain(evidence.source)}
    if evidence.cursor:
        place["cursor"] = evidence.cursor
    else:
        place["line"] = evidence.line or None
    return {**place, "time": _time(evidence.time), "boot": evidence.boot, "text": _plain(evidence.text)}


def _time(seconds: float | None) -> str | None:
    """UTC, ISO 8601 to the second."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def _or_null(text: str) -> str | None:
    return _plain(text) or None


def _plain(text: str) -> str:
    """Lone surrogates (bytes that were no UTF-8) can't be written as JSON text: replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
