"""What a difference of configuration files may not show: keys and passwords.

A serial console keeps what passes over it, and a screen is copied into tickets. The change itself is made as
planned; only the showing is shortened. (Of a file that not everybody may read, agent/change/texts.py shows
nothing but the size.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

HIDDEN = "(not shown)"

# key=value, key: value or key="value", also within a line (mount options: password=...).
_KEY = (
    r"[\w.-]*(?:psk|passwd|password|passphrase|secret|private[-_]?key|preshared[-_]?key|wep[-_]?key|token|community)"
    r"[\w.-]*|pin|pass"
)
_ASSIGNED = re.compile(
    rf"(?i)(?<![\w/-])(?P<key>[\"']?(?:{_KEY})[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;]+)"
)


def masked(line: str) -> str:
    """The line with the values of keys and passwords hidden."""
    return _ASSIGNED.sub(lambda match: match["key"] + HIDDEN, line)


def masked_lines(lines: Sequence[str]) -> Iterator[str]:
    """A unified diff that gives no secret away; its headers and places stay as they are."""
    return (line if line.startswith(("--- ", "+++ ", "@@")) else masked(line) for line in lines)
