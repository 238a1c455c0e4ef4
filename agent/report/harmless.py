"""Text from logs and disks made harmless for a terminal."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls, DEL, and the marks that reorder or hide text.
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def harmless(text: str) -> str:
    """One line that can't move the cursor, change colours or hide what it says.

    Control characters become visible escapes such as ``\\x1b``; a tab becomes a space.
    """
    return UNSAFE.sub(_escape, text.replace("\t", " "))


def harmless_lines(text: str) -> list[str]:
    """The same, a line each, for the output of commands."""
    return [harmless(line.rstrip("\r")) for line in text.split("\n")]


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def width(text: str) -> int:
    """Columns that a terminal gives to the text (wide East Asian letters take two, marks none)."""
    if text.isascii():
        return len(text)
    columns = 0
    for char in text:
        if not unicodedata.combining(char):
            columns += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return columns


def cut(text: str, columns: int) -> str:
    """The text, shortened to so many columns with "..." at its end when it is longer."""
    if width(text) <= columns:
        return text
    kept, used = [], 0
    for char in text:
        used += width(char)
        if used > columns - 3:
            break
        kept.append(char)
    return "".join(kept) + "..."
