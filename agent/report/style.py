"""What the terminal can show, and the few shapes of line that every screen is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from agent.report.harmless import harmless

RED, YELLOW, GREEN, BOLD, PLAIN = "31", "33", "32", "1", ""
LABEL = 8  # columns of "Proof   "


@dataclass(frozen=True)
class Style:
    """What the terminal can show."""

    columns: int = 80
    colour: bool = False
    unicode: bool = False  # UTF-8: else what is not ASCII is shown as escapes
    everything: bool = False  # --all

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text

    def safe(self, text: str) -> str:
        """Harmless, and in letters that the terminal has."""
        text = harmless(text)
        return text if self.unicode else text.encode("ascii", "backslashreplace").decode("ascii")


def wrap(text: str, style: Style, indent: int, room: int | None = None) -> list[str]:
    """Lines of a text that is harmless already; all but the first are indented."""
    return textwrap.wrap(
        text,
        room or style.columns,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    ) or [""]


def labelled(label: str, texts: Sequence[str], style: Style) -> list[str]:
    """Texts beside a label: "Proof   /etc/x: ..."."""
    lines: list[str] = []
    for text in texts:
        for line in wrap(style.safe(text), style, indent=0, room=style.columns - LABEL):
            lines.append(f"{label if not lines else '':<{LABEL}}{line}")
    return lines


def commands(label: str, lines: Sequence[str], style: Style) -> list[str]:
    """Commands are never wrapped by us: a break in the middle would be copied."""
    return [
        f"{label if index == 0 else '':<{LABEL}}{style.paint(style.safe(line), BOLD)}"
        for index, line in enumerate(lines)
    ]


def moment(seconds: float | None, layout: str) -> str:
    """A time in UTC; "" where there is none that a calendar has."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime(layout)
    except (ValueError, OverflowError, OSError):
        return ""
