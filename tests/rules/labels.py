"""The labelled real logs: what each label wants found, and what it forbids.

The collection stands beside the checkout (shared/samples/real); its README defines the labels.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

REAL = Path(__file__).resolve().parents[3] / "shared" / "samples" / "real"


@dataclass(frozen=True)
class Case:
    """One labelled log. ``wanted`` holds a group per label: one of each group must be found."""

    path: Path
    labels: tuple[str, ...]
    wanted: tuple[tuple[str, frozenset[str]], ...]
    forbidden: frozenset[str]
    none: bool


def tables() -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    """The two tables of the README: label to ids that must, and that must not, be there."""
    parts = (REAL / "README.md").read_text("utf-8").split("| label |")
    found: list[dict[str, frozenset[str]]] = []
    for part in parts[1:]:
        rows = re.findall(r"^\| (\w+) \| ([a-z0-9, -]+) \|$", part, re.MULTILINE)
        found.append({label: frozenset(re.split(r",\s*", ids.strip())) for label, ids in rows})
    return found[0], found[1]


def cases() -> list[Case]:
    """All labelled inputs that are read with --log."""
    if not REAL.is_dir():
        return []
    wanted, forbidden = tables()
    made = []
    for line in (REAL / "labels.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] not in ("log", "statecmd"):
            continue
        labels = tuple(row["labels"])
        made.append(
            Case(
                REAL / row["file"],
                labels,
                tuple((label, wanted[label]) for label in labels if label in wanted),
                frozenset().union(*(forbidden.get(label, frozenset()) for label in labels)),
                "none" in labels,
            )
        )
    return made
