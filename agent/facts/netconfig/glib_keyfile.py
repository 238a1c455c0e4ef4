"""GLib's key files (GKeyFile), the syntax of NetworkManager's profiles and configuration.

Unlike systemd's: only ``#`` begins a comment, nothing is continued, and one bad line ends it all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_GROUP = re.compile(r"\[([^\[\]\x00-\x1f]+)\][ \t\r]*")
_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


@dataclass(frozen=True)
class Entry:
    value: str  # as written, without the blanks after =
    line: int


@dataclass
class KeyFile:
    """Groups of entries. ``error`` is GLib's message when it would refuse the file, at ``error_line``."""

    groups: dict[str, dict[str, Entry]] = field(default_factory=dict)
    error: str = ""
    error_line: int = 0

    def get(self, group: str, key: str) -> str | None:
        """The value with its escapes undone, None when the key is not there."""
        entry = self.groups.get(group, {}).get(key)
        return None if entry is None else unescape(entry.value)

    def line(self, group: str, key: str) -> int:
        entry = self.groups.get(group, {}).get(key)
        return 0 if entry is None else entry.line


def unescape(text: str) -> str:
    r"""\s, \n, \t, \r and \\ undone; other escapes are kept as they are."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)


def parse(data: bytes) -> KeyFile:
    """Reads until the first line that GLib refuses. A group that comes twice is continued."""
    found = KeyFile()
    current: dict[str, Entry] | None = None
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.decode("utf-8", "replace").lstrip(" \t\r\f\v")
        if not line or line.startswith("#"):
            continue
        group = _GROUP.fullmatch(line)
        key, equals, value = line.partition("=")
        if group:
            current = found.groups.setdefault(group[1], {})
        elif equals and key.strip() and not line.startswith("["):
            if current is None:
                found.error, found.error_line = "Key file does not start with a group", number
                return found
            current[key.strip()] = Entry(value.strip(" \t\r\f\v"), number)
        else:
            shown = line.rstrip("\r")[:200]
            found.error = f"Key file contains line \u201c{shown}\u201d which is not a key-value pair, group, or comment"
            found.error_line = number
            return found
    return found
