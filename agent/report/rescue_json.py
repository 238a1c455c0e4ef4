"""What `agent rescue` found as JSON, schema lish-agent/rescue/1 (docs/rescue.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent import __version__
from agent.diagnosis.bootable import BootCheck
from agent.diagnosis.happenings import Before, BootRecord
from agent.facts.filesystem import Check
from agent.report.json import document as scan_document
from agent.report.json import plain, time
from agent.report.rescue import RootReport
from agent.rescue.model import Disk

SCHEMA = "lish-agent/rescue/1"


def render(disks: Sequence[Disk], reports: Sequence[RootReport]) -> str:
    """The document as text, ASCII only: a serial console passes it unharmed."""
    return json.dumps(document(disks, reports), indent=2, ensure_ascii=True) + "\n"


def document(disks: Sequence[Disk], reports: Sequence[RootReport]) -> dict[str, object]:
    """The document as values."""
    return {
        "schema": SCHEMA,
        "agent": {"version": __version__},
        "disks": [_disk(disk) for disk in disks],
        "roots": [_root(report) for report in reports],
    }


def _disk(disk: Disk) -> dict[str, object]:
    device = disk.device
    uuid = next((name[5:] for name in device.names if name.startswith("UUID=")), "")
    return {
        "path": plain(device.path),
        "type": plain(device.type) or None,
        "kind": plain(device.kind) or None,
        "size": device.size,
        "uuid": plain(uuid) or None,
        "role": disk.role.value,
        "what": plain(disk.what),
        "why": plain(disk.why),
        "commands": [plain(command) for command in disk.commands],
    }


def _root(report: RootReport) -> dict[str, object]:
    return {
        "device": plain(report.examined.disk.device.path),
        "check": _check(report.examined.check),
        "scan": None if report.scan is None else scan_document(report.scan),
        "why": plain(report.why),
        "next": [plain(command) for command in report.next],
        "undo": [plain(command) for command in report.undo],
        "notes": [plain(note) for note in report.notes],
        "changed": None if report.before is None else _before(report.before),
        "boot": [_boot_check(one) for one in report.boot],
        "unknowable": [plain(sentence) for sentence in report.unknowable],
    }


def _check(check: Check) -> dict[str, object]:
    return {
        "type": plain(check.type),
        "health": check.health.value,
        "why": plain(check.why),
        "command": [plain(word) for word in check.command],
        "exit": check.exit,
        "seconds": round(check.seconds, 3),
        "output": plain(check.output),
    }


def _boot_check(one: BootCheck) -> dict[str, object]:
    return {
        "what": plain(one.what),
        "state": one.state.value,
        "why": plain(one.why),
        "commands": [plain(command) for command in one.commands],
    }


def _before(before: Before) -> dict[str, object]:
    return {
        "good": _boot(before.good),
        "bad": _boot(before.bad),
        "happenings": [
            {"time": time(one.time), "what": plain(one.what), "kind": plain(one.kind), "source": plain(one.source)}
            for one in before.happenings
        ],
        "left_out": before.left_out,
        "why": plain(before.why),
    }


def _boot(record: BootRecord | None) -> dict[str, object] | None:
    if record is None:
        return None
    return {"id": plain(record.id), "first": time(record.first), "last": time(record.last), "why": plain(record.why)}
