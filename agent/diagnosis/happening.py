"""One thing that happened on the host, in a line that fits on a console."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 62  # characters: a line of 80 has its date before it
MOST = 300  # characters of a name that are looked at


@dataclass(frozen=True)
class Happening:
    """``time`` in seconds since the epoch. ``kind`` is packages, kernel, config or boot. ``source`` is a file, and
    its line where it has one. ``rank``: 0 for what decides about boot, network and logging in, the rest follows."""

    time: float
    what: str
    kind: str
    source: str
    rank: int = 1


def day(moment: float) -> str:
    """Nov 22 14:03, in UTC."""
    return time.strftime("%b %d %H:%M", time.gmtime(moment))


def plain(text: str) -> str:
    """Without control characters, and no longer than a name may be: logs and file names are anybody's."""
    return "".join(char if char.isprintable() else "?" for char in text[:MOST])


def clip(text: str, width: int = WIDTH) -> str:
    """``text`` in at most ``width`` characters."""
    text = plain(text)
    return text if len(text) <= width else text[: width - 3].rstrip() + "..."


def listed(names: Sequence[str], room: int) -> str:
    """As many names as fit, and how many there are beside."""
    shown: list[str] = []
    names = [plain(name) for name in names]
    for index, name in enumerate(names):
        more = len(names) - index - 1
        tail = f" and {more} more" if more else ""
        if shown and len(", ".join([*shown, name])) + len(tail) > room:
            return f"{', '.join(shown)} and {len(names) - len(shown)} more"
        shown.append(name)
    return ", ".join(shown)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
