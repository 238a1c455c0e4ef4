"""Pasted text made plain: what forums, mail, consoles and clipboards add to lines is taken away, line by line.

The number of lines stays, so that a problem can be named by the line that the person sees.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 16 * 1024  # characters of a line; a rule has fewer
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|\x1b[@-_]")
_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, 65279, 8203, 8204, 8205, 8288, 173))
_LOOKS = {0xA0: " ", 0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2011: "-", 0x2212: "-", 0x3000: " "}
_DASH = re.compile(r"(?<![^\s\[!])[\u2013\u2014]-?(?=[a-zA-Z])(\w*)")
_PROMPT = re.compile(
    r"^\s*(?:\[?[\w.-]{1,64}@[\w.-]{1,64}(?:[: ][^#$%>\]]{0,80})?\]?\s?[#$%>]"
    r"|\[[\w.~/ -]{1,80}\]\s?[#$]|[\w.-]{0,40}[#$%])\s+(?=\S)"
)
_TOOLS = re.compile(
    r"(?:sudo\s+(?:-\S+\s+)*)?(?:/\S*/)?(?:ip6?tables|nft|ufw|firewall-cmd|cat|less|more|ipset)(?:-\S+)?\b"
)


@dataclass(frozen=True)
class Line:
    """``command``: a person typed it at a prompt, and what follows is its output."""

    number: int
    text: str
    command: bool = False


def plain(text: str) -> tuple[Line, ...]:
    """The lines of a text without quoting, colours, control characters and prompts."""
    if "&gt;" in text or "&quot;" in text or "&lt;" in text:
        text = html.unescape(text)
    text = _ESCAPES.sub("", text).translate(_CONTROL).translate(_LOOKS)
    lines = [line[:LONGEST] for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return tuple(_line(number, line) for number, line in enumerate(_unquoted(lines), start=1))


def _unquoted(lines: Sequence[str]) -> list[str]:
    """Without the > of mail and the fences of Markdown, where the whole text has them."""
    filled = [line for line in lines if line.strip()]
    if filled and sum(line.lstrip().startswith(">") for line in filled) > 0.6 * len(filled):
        lines = [re.sub(r"^\s*(?:> ?)+", "", line) for line in lines]
    return [
        "" if re.fullmatch(r"\s*(?:```+|~~~+)\s*\w*\s*|\s*\[/?(?:code|quote|pre)[^\]]*\]\s*", line, re.I) else line
        for line in lines
    ]


def _line(number: int, line: str) -> Line:
    line = _DASH.sub(lambda found: ("-" if len(found[1]) == 1 else "--") + found[1], line).rstrip()
    prompt = _PROMPT.match(line)
    if prompt and _TOOLS.match(line, prompt.end()):
        return Line(number, line[prompt.end() :], command=True)
    return Line(number, line)
