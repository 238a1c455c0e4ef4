"""Where the journal of changes lies in a target, and in which boot of it we are."""

from __future__ import annotations

from agent.target import Target
from agent.unknown import Unknown

BASE = "/var/lib/lish-agent"
DOCUMENT = "change.json"
LOCK = "lock"
UNFINISHED = "unfinished"  # marks a change whose intent is not on disk yet: nothing was touched
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_id(target: Target) -> str:
    """Which boot of the running kernel this is; "" where the target does not run."""
    text = target.text(BOOT_ID) if target.live else ""
    return "" if isinstance(text, Unknown) else text.strip()
