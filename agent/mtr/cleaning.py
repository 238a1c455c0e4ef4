"""What mail, web pages, forums and editors do to a report, undone line by line."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78MDEHc])")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,300}>")
_ENTITY = re.compile(r"&(?:#\d{1,6}|#x[0-9a-fA-F]{1,5}|[a-zA-Z]{2,8});")
_BREAK = re.compile(r"<(?:br|/tr|/p|/div|/li)\b[^<>\n]{0,100}>", re.IGNORECASE)
_QUOTED = re.compile(r"^(?:[>›»]\s?){1,10}")
_FORUM = re.compile(r"\[/?(?:code|quote|pre|tt|font|b|i)(?:=[^\[\]\n]{0,60})?\]", re.IGNORECASE)
_OTHER_SPACE = re.compile(r"[\xa0\u2000-\u200a\u202f\u205f\u3000\t\v\f]")
_NOTHING = re.compile(r"[\u200b-\u200f\u2028-\u202e\u2060\ufeff\x00]")
_LETTERS = str.maketrans({
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-", "│": "|", "┃": "|", "￨": "|",
    "“": '"', "”": '"', "„": '"', "‟": '"', "’": "'", "‘": "'", "％": "%", "。": ".", "：": ":",
})  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of the input, counted from 1, made plain."""

    number: int
    text: str


def decoded(data: bytes) -> str:
    """The text of a file of any of the encodings that reports come in."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    head = data[:400]
    if head.count(b"\0") > len(head) // 4:
        return data.decode("utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def lines(text: str) -> list[Line]:
    """The lines, each without what is no part of a report."""
    found = []
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        found.append(Line(number, raw.rstrip() if _is_plain(raw) else plain(raw)))
    return found


def _is_plain(raw: str) -> bool:
    return (
        raw.isascii()
        and "\t" not in raw
        and "\x1b" not in raw
        and "<" not in raw
        and "&" not in raw
        and ("[" not in raw and not raw.startswith(">") and "\x00" not in raw)
    )


def plain(raw: str) -> str:
    """One line without escapes, quoting, tags; white space of all kinds becomes spaces."""
    text = _ESCAPES.sub("", raw)
    text = _OTHER_SPACE.sub(" ", _NOTHING.sub("", text)).translate(_LETTERS)
    text = _QUOTED.sub("", text)
    return _FORUM.sub("", text).rstrip()


def unmarked(text: str) -> str:
    """A web page's text: its tags removed, its entities read. XML of mtr's is left alone."""
    if "<MTR" in text or not (_TAG.search(text) or _ENTITY.search(text)):
        return text
    text = _BREAK.sub("\n", text)
    return html.unescape(_TAG.sub("", text))
