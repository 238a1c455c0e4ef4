"""Linode's Network Helper: its header and backups, and whether it is on (FACTS: no flag inside the guest)."""

from __future__ import annotations

from dataclasses import dataclass

from agent.facts.boot import Boot
from agent.target import Target


@dataclass(frozen=True)
class NetworkHelper:
    """``state`` is "on" (header dated with this boot), "was on" (older header), "absent", or
    "unknown" (header, but the boot's time is not known)."""

    state: str
    files: tuple[str, ...] = ()  # with the header
    backups: tuple[str, ...] = ()
    linode_id: str = ""
    written: float | None = None  # the header's date, seconds since the epoch


def read(target: Target, boot: Boot) -> NetworkHelper:
    raise NotImplementedError
