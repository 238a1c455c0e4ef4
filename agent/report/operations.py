"""One operation of a plan in words: for the screen, and for the JSON."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from agent.change.model import Link, MakeFolder, Move, Operation, Remove, Run, SetMode, WriteFile


@dataclass(frozen=True)
class Said:
    """``kind`` is one word, ``path`` the target's own path ("" of a command), ``detail`` what becomes of it."""

    kind: str  # write, move, link, remove, mode, folder, run
    path: str
    detail: str

    @property
    def line(self) -> str:
        return f"{self.path} {self.detail}".strip()


def said(operation: Operation) -> Said:
    if isinstance(operation, WriteFile):
        return Said("write", operation.path, _rights(operation.mode, operation.uid, operation.gid))
    if isinstance(operation, Move):
        return Said("move", operation.path, f"to {operation.to}")
    if isinstance(operation, Link):
        return Said("link", operation.path, f"to {operation.to}")
    if isinstance(operation, Remove):
        return Said("remove", operation.path, "")
    if isinstance(operation, SetMode):
        return Said("mode", operation.path, _rights(operation.mode, operation.uid, operation.gid))
    if isinstance(operation, MakeFolder):
        return Said("folder", operation.path, _rights(operation.mode, None, None))
    return Said("run", "", f"{shlex.join(operation.argv)} ({operation.why})")


def _rights(mode: int | None, uid: int | None, gid: int | None) -> str:
    words = [] if mode is None else [f"mode {mode:04o}"]
    if uid is not None or gid is not None:
        words.append(f"owner {'same' if uid is None else uid}:{'same' if gid is None else gid}")
    return f"({', '.join(words)})" if words else ""


def reversible(operation: Operation) -> bool:
    """All but commands that name neither an inverse nor what they rewrite."""
    return not isinstance(operation, Run) or operation.reversible


def document(operation: Operation) -> dict[str, object]:
    """As values, without content: what a file held before may be nobody's business."""
    words = said(operation)
    made: dict[str, object] = {
        "kind": words.kind,
        "path": words.path or None,
        "text": words.line,
        "reversible": reversible(operation),
    }
    if isinstance(operation, (Move, Link)):
        made["to"] = operation.to
    if isinstance(operation, (WriteFile, SetMode, MakeFolder)):
        rights: Mapping[str, object] = {
            "mode": None if operation.mode is None else f"{operation.mode:04o}",
            "uid": None if isinstance(operation, MakeFolder) else operation.uid,
            "gid": None if isinstance(operation, MakeFolder) else operation.gid,
        }
        made.update({key: value for key, value in rights.items() if value is not None})
    if isinstance(operation, Run):
        made["argv"] = list(operation.argv)
        made["why"] = operation.why
        made["required"] = operation.required
        made["keeps"] = list(operation.keeps)
        made["inverse"] = [list(command.argv) for command in operation.inverse]
    return made
