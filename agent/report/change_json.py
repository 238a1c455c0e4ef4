"""Fixes, undo and history as JSON, schema lish-agent/change/1 (docs/change.schema.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent import __version__
from agent.change.model import Change, ChangeState, Plan, Run, Step
from agent.change.preview import Preview
from agent.change.store import Damage
from agent.fixes.model import Refusal
from agent.fixes.offers import Offer, Offers
from agent.report import operations
from agent.report.changes import restored, undo_command, undoable
from agent.report.json import plain, time, waiting
from agent.report.secrets import masked_lines

SCHEMA = "lish-agent/change/1"


@dataclass(frozen=True)
class Place:
    """Where the changes are kept, for the commands that are named."""

    root: str
    backup_dir: str = ""


def render(
    place: Place,
    changes: Sequence[Mapping[str, object]] = (),
    refused: Sequence[Mapping[str, object]] = (),
    nothing: Sequence[Mapping[str, object]] = (),
    offers: Offers | None = None,
    interrupted: Sequence[Change] = (),
    dry_run: bool = False,
) -> str:
    """The document as text, ASCII only. ``offers`` only where no fix was named."""
    document: dict[str, object] = {
        "schema": SCHEMA,
        "agent": {"version": __version__},
        "root": plain(place.root),
        "dry_run": dry_run,
        "changes": list(changes),
        "refused": list(refused),
        "nothing_to_do": list(nothing),
        "interrupted": [waiting(one, place.root, place.backup_dir) for one in interrupted],
    }
    if offers is not None:
        document["offers"] = [_offer(offer) for offer in offers.offered]
        document["refused"] = [
            *refused,
            *(refusal(withheld.fix.name, withheld.refusal) for withheld in offers.withheld),
        ]
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def change(one: Change, place: Place) -> dict[str, object]:
    """A change that is on disk."""
    return {
        "id": plain(one.id),
        "fix": plain(one.fix),
        "state": one.state.value,
        "summary": plain(one.summary),
        "operations": [
            {**_safe(operations.document(step.operation)), **_outcome(_done(one, step), step.output, step.failed)}
            for step in one.steps
        ],
        "backup": plain(one.place) or None,
        "verified": one.state is ChangeState.VERIFIED,
        "reboot": one.reboot,
        "undo": plain(undo_command(one, place.root, place.backup_dir)) if undoable(one) else None,
        "reversible": one.reversible,
        "interrupted": one.state.interrupted,
        "created": time(one.created),
        "ended": time(one.ended),
        "confirm_by": time(one.confirm_by) if one.on_probation else None,
        "why": plain(one.why or ("it ended by a reboot" if one.ended_by_boot else "")),
        "warnings": [plain(text) for text in one.warnings],
        "next": [plain(text) for text in one.next],
    }


def planned(fix: str, plan: Plan, previews: Sequence[Preview], backup: str) -> dict[str, object]:
    """What --dry-run would do: a change without an id, in state "planned"."""
    shown: list[dict[str, object]] = []
    for operation, preview in zip(plan.operations, previews):
        document = {**_safe(operations.document(operation)), **_outcome(False, "", "")}
        if document["kind"] == "write":
            document["diff"] = [plain(line) for line in masked_lines(preview.lines)]
        shown.append(document)
    return {
        "id": None,
        "fix": fix,
        "state": ChangeState.PLANNED.value,
        "summary": plain(plan.summary),
        "operations": shown,
        "backup": plain(backup) or None,
        "verified": False,
        "reboot": plan.reboot,
        "undo": None,
        "reversible": all(operations.reversible(operation) for operation in plan.operations),
        "interrupted": False,
        "created": None,
        "ended": None,
        "confirm_by": None,
        "why": "",
        "warnings": [plain(text) for text in plan.warnings],
        "next": [plain(text) for text in plan.next],
        "ask": plain(plan.ask) or None,
    }


def refusal(fix: str, one: Refusal, differences: Sequence[str] = ()) -> dict[str, object]:
    """A fix, or an undo, that did not act."""
    return {
        "fix": plain(fix),
        "why": plain(one.why),
        "hint": plain(one.hint) or None,
        "forceable": one.forceable,
        "differences": [plain(line) for line in masked_lines(differences)],
    }


def undoing(one: Change, place: Place) -> dict[str, object]:
    """A change that `agent undo --dry-run` looked at, with the paths that it would put back."""
    return {**change(one, place), "restores": [plain(path) for path in restored(one)]}


def unread(damage: Damage) -> dict[str, object]:
    """A record that can't be read."""
    return refusal(damage.id.partition("-")[2], Refusal(f"{damage.id} can't be read: {damage.why}"))


def nothing(fix: str, why: str) -> dict[str, object]:
    """A fix whose problem is not there."""
    return {"fix": plain(fix), "why": plain(why)}


def _offer(offer: Offer) -> dict[str, object]:
    return {
        "fix": offer.fix.name,
        "finding": offer.finding.id,
        "command": plain(offer.command),
        "undo": plain(offer.undo),
        "summary": plain(offer.plan.summary),
        "warnings": [plain(text) for text in offer.plan.warnings],
        "ask": plain(offer.plan.ask) or None,
        "reboot": offer.plan.reboot,
    }


def _done(one: Change, step: Step) -> bool:
    if isinstance(step.operation, Run):
        return step.done
    return one.state in (ChangeState.APPLIED, ChangeState.VERIFIED)


def _outcome(done: bool, output: str, failed: str) -> dict[str, object]:
    return {"done": done, "output": plain(output) or None, "failed": plain(failed) or None}


def _safe(document: Mapping[str, object]) -> dict[str, object]:
    """Texts of a disk may hold bytes that were no UTF-8: replaced, at any depth."""
    return {key: _plain(value) for key, value in document.items()}


def _plain(value: object) -> object:
    if isinstance(value, str):
        return plain(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
