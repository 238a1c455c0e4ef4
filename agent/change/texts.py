"""How contents and states are shown: differences in the unified form, and nothing that is secret."""

from __future__ import annotations

import difflib

from agent.change.model import Kept, KeptFile, KeptFolder, KeptLink
from agent.target.failures import shown

LINES = 400  # of one difference


def difference(
    path: str, old: bytes, new: bytes, secret: bool, old_name: str = "before", new_name: str = "after"
) -> list[str]:
    """A unified diff. ``secret``: the file is not for everybody, so only its size is told."""
    if old == new:
        return []
    if secret:
        return [f"{shown(path)}: {len(old)} bytes become {len(new)} (not shown: only its owner may read it)"]
    if b"\0" in old or b"\0" in new:
        return [f"{shown(path)}: {len(old)} bytes become {len(new)} (not text)"]
    lines = list(
        difflib.unified_diff(
            _lines(old), _lines(new), f"{shown(path)} ({old_name})", f"{shown(path)} ({new_name})", lineterm=""
        )
    )
    return lines if len(lines) <= LINES else [*lines[:LINES], f"... and {len(lines) - LINES} lines more"]


def _lines(data: bytes) -> list[str]:
    text = data.decode("utf-8", "backslashreplace")
    lines = text.split("\n")
    if lines and not lines[-1]:
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}  (no newline at the end)"] if lines else lines


def show(kept: Kept) -> str:
    """A state in a few words."""
    if isinstance(kept, KeptFile):
        return f"a file of {kept.size} bytes, mode {kept.mode:04o}, owner {kept.uid}:{kept.gid}"
    if isinstance(kept, KeptLink):
        return f"a link to {shown(kept.to)}"
    if isinstance(kept, KeptFolder):
        return f"a directory, mode {kept.mode:04o}"
    return "nothing"
