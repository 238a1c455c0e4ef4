"""What was taken out of texts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Removed:
    """Secrets of one kind that were taken out of one place (a file, a command)."""

    place: str
    kind: str  # "private key", "password", "address"
    count: int
