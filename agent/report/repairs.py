"""What is said of the repair of a filesystem: what is wrong, what is run, what came of it, how to take it back."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agent import __version__
from agent.facts.filesystem import Check
from agent.fixes.offers import invocation
from agent.report.harmless import cut, harmless_lines
from agent.report.json import plain, time
from agent.report.style import BOLD, GREEN, LABEL, PLAIN, RED, YELLOW, Style, commands, labelled, moment, wrap
from agent.rescue.repairs import Repair, State, Step

SCHEMA = "lish-agent/repair/1"
SHOWN = 8  # lines of what a checker said; the rest is in the record
COLOURS = {State.REPAIRED: GREEN, State.FAILED: RED, State.STOPPED: RED, State.RUNNING: RED, State.UNDOING: RED}
WHEN = "%Y-%m-%d %H:%M"


def proof(check: Check, style: Style) -> list[str]:
    """Why it is to be repaired."""
    head = f"--fsck: the {check.type or 'filesystem'} on {check.device} is {check.health.value}"
    return [style.paint(wrap(style.safe(head), style, 2)[0], BOLD), *labelled("Proof", [check.why], style)]


def step(one: Step, style: Style, quiet: bool = False) -> list[str]:
    """One program's run, and unless ``quiet`` the end of what it said."""
    if one.command:
        exit = "" if one.exit is None else f" (exit status {one.exit}, {one.seconds:.0f} s)"
        lines = labelled("Run", [f"{' '.join(one.command)}{exit}"], style)
    else:
        return labelled("Write", [one.output], style)
    return lines if quiet else lines + said(one.output, style)


def said(text: str | Sequence[str], style: Style) -> list[str]:
    """The last lines of what a checker said, as they are."""
    whole = text.rstrip("\n").split("\n") if isinstance(text, str) else list(text)
    whole = [line for line in whole if line.strip()]
    shown = whole if style.everything else whole[-SHOWN:]
    lines = [f"{'':<{LABEL}}... {len(whole) - len(shown)} lines before"] if len(shown) < len(whole) else []
    for line in shown:
        lines += [cut(f"{'':<{LABEL}}{style.safe(part)}", style.columns) for part in harmless_lines(line)]
    return lines


def done(repair: Repair, style: Style, backup_dir: str = "") -> list[str]:
    """What came of it, and how it can be taken back."""
    word = {State.REPAIRED: "Done", State.UNDONE: "Undone"}.get(repair.state, "Not ok")
    colour = COLOURS.get(repair.state, YELLOW)
    lines = [style.paint(line, colour) for line in labelled(word, [f"{repair.id}: {repair.why}"], style)]
    lines += undo(repair, style, backup_dir)
    following = repair.next
    if repair.state is State.REPAIRED:
        following = ("agent rescue looks at the disk again",)
    return lines + labelled("Next", following, style)


def undo(repair: Repair, style: Style, backup_dir: str = "") -> list[str]:
    """How to take it back, and until when; or why that can't be."""
    if repair.undoable:
        until = "until something else writes to the disk"
        until += "" if backup_dir else ", or the rescue system ends: its record is in memory"
        return [*commands("Undo", [undo_command(repair, backup_dir)], style), *labelled("", [until], style)]
    if repair.no_undo and any(one.changed for one in repair.steps):
        return labelled("Undo", [f"can't be undone: {repair.no_undo}"], style)
    return []


def undo_command(repair: Repair, backup_dir: str = "") -> str:
    return invocation("undo", repair.id, backup_dir=backup_dir)


def history(repairs: Sequence[Repair], style: Style, backup_dir: str = "") -> list[str]:
    """The repairs of filesystems that this system has on record, the newest first; a blank line after each."""
    lines: list[str] = []
    for repair in reversed(repairs):
        head = f"{repair.id}  {moment(repair.started, WHEN)} UTC  {repair.device}: {repair.state.value}"
        lines.append(style.paint(cut(style.safe(head), style.columns), COLOURS.get(repair.state, PLAIN)))
        lines += labelled("", [repair.why] if repair.why else [], style)
        lines += undo(repair, style, backup_dir)
        lines.append("")
    return lines


def render(repairs: Sequence[Repair], check: Check | None = None, refused: str = "", hint: str = "") -> str:
    """The document (docs/repair.schema.json) as text, ASCII only."""
    document = {
        "schema": SCHEMA,
        "agent": {"version": __version__},
        "check": None
        if check is None
        else {"device": plain(check.device), "health": check.health.value, "why": plain(check.why)},
        "repairs": [_repair(repair) for repair in repairs],
        "refused": plain(refused) or None,
        "hint": plain(hint) or None,
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _repair(repair: Repair) -> dict[str, object]:
    return {
        "id": repair.id,
        "device": plain(repair.device),
        "type": plain(repair.type),
        "state": repair.state.value,
        "verified": repair.verified,
        "why": plain(repair.why),
        "started": time(repair.started),
        "ended": time(repair.ended),
        "steps": [
            {
                "command": [plain(word) for word in one.command],
                "exit": one.exit,
                "output": plain(one.output),
                "seconds": round(one.seconds, 3),
                "changed": one.changed,
            }
            for one in repair.steps
        ],
        "next": [plain(sentence) for sentence in repair.next],
        "undo": undo_command(repair) if repair.undoable else None,
        "no_undo": plain(repair.no_undo) or None,
        "backup": plain(repair.place),
    }
