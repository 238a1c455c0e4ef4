"""What an operation would do, in words and differences, before it is done."""

from __future__ import annotations

from dataclasses import dataclass

from agent.change.document import KINDS
from agent.change.model import (
    Link,
    MakeFolder,
    Move,
    Operation,
    Remove,
    Run,
    SetMode,
    WriteFile,
)
from agent.change.texts import difference
from agent.target import Target
from agent.target.failures import shown
from agent.unknown import Unknown


@dataclass(frozen=True)
class Preview:
    """One operation for a person. ``lines``: a unified diff, or one line. ``backup``: the paths that are kept."""

    kind: str  # write, move, link, remove, set-mode, make-folder, run
    path: str  # "" for run
    lines: tuple[str, ...]
    backup: tuple[str, ...]
    reversible: bool = True


def preview(target: Target, operation: Operation) -> Preview:
    """Reads the target, and changes nothing."""
    kind = KINDS[type(operation)]
    if isinstance(operation, Run):
        return _run(operation)
    path = operation.path
    if isinstance(operation, WriteFile):
        return Preview(kind, path, tuple(_write(target, operation)), _kept(target, path))
    if isinstance(operation, Move):
        return Preview(kind, path, (f"move {shown(path)} to {shown(operation.to)}",), (path,))
    if isinstance(operation, Link):
        now = target.readlink(path)
        was = "" if isinstance(now, Unknown) else f" (was -> {shown(now)})"
        return Preview(kind, path, (f"link {shown(path)} -> {shown(operation.to)}{was}",), _kept(target, path))
    if isinstance(operation, Remove):
        now = target.readlink(path)
        what = f"file {shown(path)}" if isinstance(now, Unknown) else f"link {shown(path)} -> {shown(now)}"
        return Preview(kind, path, (f"remove the {what}",), (path,))
    if isinstance(operation, MakeFolder):
        return Preview(kind, path, (f"make the directory {shown(path)}",), ())
    return Preview(kind, path, (_set_mode(target, operation),), (path,))


def _kept(target: Target, path: str) -> tuple[str, ...]:
    return (path,) if target.exists(path, follow=False) else ()


def _write(target: Target, operation: WriteFile) -> list[str]:
    old = target.read(operation.path)
    stat = target.stat(operation.path)
    mode = operation.mode if isinstance(stat, Unknown) else stat.mode
    secret = mode is not None and not mode & 0o004
    if isinstance(old, Unknown):
        if not old.absent and target.exists(operation.path, follow=False):
            return [f"write {shown(operation.path)} ({old.reason})"]
        return difference(operation.path, b"", operation.content, secret, "not there", "new")
    return difference(operation.path, old, operation.content, secret)


def _set_mode(target: Target, operation: SetMode) -> str:
    parts = []
    stat = target.stat(operation.path)
    if operation.mode is not None:
        was = "" if isinstance(stat, Unknown) else f"{stat.mode:04o} -> "
        parts.append(f"mode {was}{operation.mode:04o}")
    if operation.uid is not None or operation.gid is not None:
        was = "" if isinstance(stat, Unknown) else f"{stat.uid}:{stat.gid} -> "
        owner = "" if operation.uid is None else str(operation.uid)
        group = "" if operation.gid is None else str(operation.gid)
        parts.append(f"owner {was}{owner}:{group}")
    return f"{shown(operation.path)}: {', '.join(parts)}"


def _run(operation: Run) -> Preview:
    lines = [f"run {shown(' '.join(operation.argv))}  ({operation.why})"]
    lines += [f"  undone by {shown(' '.join(command.argv))}" for command in operation.inverse]
    if not operation.reversible:
        lines.append("  this can't be undone")
    return Preview("run", "", tuple(lines), operation.keeps, operation.reversible)
