"""What was changed before, read through the target: a scan only looks."""

from __future__ import annotations

from dataclasses import replace

from agent.change import document
from agent.change.model import Change
from agent.change.place import BASE, DOCUMENT, boot_id, told_of_boots
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why


def read(target: Target) -> Maybe[tuple[Change, ...]]:
    """The changes on record in the target, oldest first; what can't be read is left out.

    Unknown when the place can't be listed (not root), or may be written by others than root.
    """
    names = target.list(f"{BASE}/changes")
    if isinstance(names, Unknown):
        return () if names.absent else names
    status = target.stat(BASE, follow=False)
    if isinstance(status, Unknown):
        return status
    if status.mode & 0o022:
        return Unknown(f"{BASE}: may be written by others than root", Why.FAILED)
    boot = boot_id(target)
    changes = [told_of_boots(change, boot) for change in (_read(target, name) for name in names) if change is not None]
    return tuple(sorted(changes, key=lambda change: change.number))


def _read(target: Target, name: str) -> Change | None:
    if not document.ID.fullmatch(name):
        return None
    data = target.read(f"{BASE}/changes/{name}/{DOCUMENT}", document.LIMIT)
    if isinstance(data, Unknown):
        return None
    try:
        change = document.load(data)
    except document.Damaged:
        return None
    place = f"{target.place.rstrip('/')}{BASE}/changes/{name}"
    return replace(change, place=place) if change.id == name else None
