"""The scan as JSON, schema lish-agent/scan/1 (docs/scan.schema.json)."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from agent import __version__
from agent.change.model import Change
from agent.diagnosis.model import Evidence, Finding
from agent.fixes.offers import Offer, invocation
from agent.report.model import Scan

SCHEMA = "lish-agent/scan/1"


def render(scan: Scan) -> str:
    """The document as text, ASCII only: a serial console passes it unharmed."""
    return json.dumps(document(scan), indent=2, ensure_ascii=True) + "\n"


def document(scan: Scan) -> dict[str, object]:
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
            "logs": [plain(name) for name in subject.logs],
        },
        "verdict": {
            "state": verdict.state.value,
            "layer": verdict.layer.value if verdict.layer else None,
            "finding": verdict.finding.id if verdict.finding else None,
            "summary": plain(verdict.summary),
            "next": [plain(step) for step in verdict.next],
            "undo": [plain(step) for step in verdict.undo],
        },
        "layers": [
            {"layer": rung.layer.value, "state": rung.state.value, "why": plain(rung.why)} for rung in scan.rungs
        ],
        "findings": [_finding(finding, scan.offers.of(finding)) for finding in scan.findings],
        "diagnostics": [
            {
                "command": [plain(word) for word in diagnostic.command],
                "exit": diagnostic.exit,
                "output": plain(diagnostic.output),
                "seconds": round(diagnostic.seconds, 3),
                "error": _or_null(diagnostic.error),
            }
            for diagnostic in scan.diagnostics
        ],
        "unchecked": [{"what": plain(item.what), "why": plain(item.why)} for item in scan.unchecked],
        "interrupted": [waiting(change, subject.root) for change in scan.interrupted],
        "unconfirmed": [waiting(change, subject.root) for change in scan.unconfirmed],
        "mtr": _mtr(scan),
    }


def _mtr(scan: Scan) -> dict[str, object] | None:
    from agent.report import mtr_json

    if not scan.mtr:
        return None
    return {"means": _or_null(scan.mtr_means), "reports": [mtr_json.judgement(each) for each in scan.mtr]}


def _finding(finding: Finding, offer: Offer | None) -> dict[str, object]:
    """A fix is named only where it can be run, and would not be refused."""
    fix = None
    if offer is not None:
        fix = {
            "id": offer.fix.name,
            "command": plain(offer.command),
            "undo": plain(offer.undo),
            "summary": plain(offer.plan.summary),
            "reboot": offer.plan.reboot,
        }
    return {
        "id": finding.id,
        "title": plain(finding.title),
        "layer": finding.rule.layer.value,
        "severity": finding.severity.value,
        "status": finding.status.value,
        "root_cause": finding.root_cause,
        "explained_by": list(finding.explained_by),
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "count": finding.count,
        "first": time(finding.first),
        "last": time(finding.last),
        "proof": plain(finding.proof),
        "advice": plain(finding.advice.text),
        "commands": [plain(command) for command in finding.advice.commands],
        "undo": [plain(command) for command in finding.advice.undo],
        "fix": fix,
        "references": list(finding.rule.references),
    }


def waiting(change: Change, root: str, backup_dir: str = "") -> dict[str, object]:
    """An earlier change that waits for the person: half done, or on probation."""
    number = str(change.number)
    return {
        "id": plain(change.id),
        "fix": plain(change.fix),
        "state": change.state.value,
        "summary": plain(change.summary),
        "created": time(change.created),
        "undo": plain(invocation("undo", number, root=root, backup_dir=backup_dir)),
        "confirm": plain(invocation("confirm", number, root=root, backup_dir=backup_dir))
        if change.on_probation
        else None,
        "confirm_by": time(change.confirm_by) if change.on_probation else None,
    }


def _evidence(evidence: Evidence) -> dict[str, object]:
    place: dict[str, object] = {"source": plain(evidence.source)}
    if evidence.cursor:
        place["cursor"] = evidence.cursor
    else:
        place["line"] = evidence.line or None
    return {**place, "time": time(evidence.time), "boot": evidence.boot, "text": plain(evidence.text)}


def time(seconds: float | None) -> str | None:
    """UTC, ISO 8601 to the second."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def _or_null(text: str) -> str | None:
    return plain(text) or None


def plain(text: str) -> str:
    """Lone surrogates (bytes that were no UTF-8) can't be written as JSON text: replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
