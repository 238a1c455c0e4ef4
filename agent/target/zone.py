"""The target's own time zone: most logs are written in it, without saying so."""

from __future__ import annotations

import re
import struct
from datetime import timezone, tzinfo
from zoneinfo import ZoneInfo

from agent.target.target import Target
from agent.unknown import Unknown

_NAME = re.compile(r"[A-Za-z][\w+-]{0,30}(?:/[A-Za-z][\w+-]{0,30}){0,2}")


def zone(target: Target) -> tzinfo:
    """/etc/localtime, else the zone that /etc/timezone names; UTC where neither tells.

    Source: localtime(5), tzfile(5).
    """
    paths = ["/etc/localtime"]
    name = target.text("/etc/timezone", 4096)
    if not isinstance(name, Unknown) and _NAME.fullmatch(name.strip()):
        paths.append(f"/usr/share/zoneinfo/{name.strip()}")
    for path in paths:
        stream = target.open(path)
        if isinstance(stream, Unknown):
            continue
        try:
            with stream:
                return ZoneInfo.from_file(stream)
        except (ValueError, OSError, EOFError, IndexError, struct.error, MemoryError):  # whatever a damaged one does
            continue
    return timezone.utc
