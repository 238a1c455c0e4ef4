"""Where the journal of changes lies in a target, and in which boot of it we are."""

from __future__ import annotations

from dataclasses import replace

from agent.change.model import Change
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


def told_of_boots(change: Change, boot: str) -> Change:
    """The change, knowing whether the target was booted since. ``boot``: the boot that runs now, "" if none does."""
    return replace(change, rebooted=bool(boot and change.boot and change.boot != boot))
