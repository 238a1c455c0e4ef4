"""Where the journal of changes lies in a target."""

from __future__ import annotations

BASE = "/var/lib/lish-agent"
DOCUMENT = "change.json"
LOCK = "lock"
