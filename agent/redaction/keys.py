"""Private keys: blocks between their BEGIN and END lines, whole or cut, plain, escaped, or packed once more."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

LONGEST = 64 * 1024  # characters of one key
KIND = "private key"
_SPACE = r"(?: |%20|\+)"
_BEGIN = re.compile(
    rf"-----BEGIN{_SPACE}(?:[A-Z0-9]{{1,20}}{_SPACE}){{0,4}}PRIVATE{_SPACE}KEY(?:{_SPACE}BLOCK)?-----"
    r"|PuTTY-User-Key-File-\d: ?|-----BEGIN OpenVPN Static key V1-----"
)
_END = re.compile(
    rf"-----END{_SPACE}(?:[A-Z0-9]{{1,20}}{_SPACE}){{0,4}}PRIVATE{_SPACE}KEY(?:{_SPACE}BLOCK)?-----"
    r"|Private-MAC: ?[0-9a-f]+|-----END OpenVPN Static key V1-----"
)
# A line of a key: base64, one of its headers, or nothing; quoted, indented or with the marks of a diff before it.
_BODY = re.compile(
    r"(?:[ \t>|\"',+-]{0,40}(?:[A-Za-z0-9+/=]{20,}|[A-Z][\w-]{2,20}: [^\n]{0,100}|[A-Za-z0-9+/]{1,80}={0,2})?"
    r"(?:\\[rn])?[\"',\\ \t]{0,20}\r?(?:\n|$)){1,400}"
)
_CUT_BODY = re.compile(r"(?:[A-Za-z0-9+/=]{16,}[ \t\r]*(?:\n|\\n|$)[ \t]*){1,400}$")
_PACKED = re.compile(r"(?:LS0tLS1CRUdJTi|LS0tLS1FTkQ|b3BlbnNzaC1rZXkt)[A-Za-z0-9+/=_-]{16,}")
_OTHERS = re.compile(r"AGE-SECRET-KEY-1[A-Z0-9]{20,90}|\bb3BlbnNzaC1rZXktdjE[A-Za-z0-9+/=]{16,}")


def without(text: str, removed: Callable[[str], str]) -> str:
    """The text with each private key replaced by what ``removed(kind)`` gives."""
    if "PRIVATE" in text or "PuTTY" in text or "Static key" in text or "Private-MAC" in text:
        text = _blocks(text, removed)
    if "LS0tLS1" in text or "b3BlbnNzaC1" in text:
        text = _PACKED.sub(lambda match: removed(KIND) if _is_key(match[0]) else match[0], text)
    if "AGE-SECRET" in text or "b3BlbnNzaC1" in text:
        text = _OTHERS.sub(lambda match: removed(KIND), text)
    return text


def _blocks(text: str, removed: Callable[[str], str]) -> str:
    parts: list[str] = []
    at = 0
    marks = [*_BEGIN.finditer(text), *_END.finditer(text)]
    marks.sort(key=lambda match: match.start())
    for index, mark in enumerate(marks):
        if mark.start() < at:
            continue
        if mark.re is _END:  # its beginning was cut off
            head = text[max(at, mark.start() - LONGEST) : mark.start()]
            cut = _CUT_BODY.search(head)
            parts += (text[at : mark.start() - (len(head) - cut.start() if cut else 0)], removed(KIND))
            at = mark.end()
            continue
        parts += (text[at : mark.start()], removed(KIND))
        following = marks[index + 1] if index + 1 < len(marks) else None
        if following is not None and following.re is _END and following.start() - mark.end() < LONGEST:
            at = following.end()
        else:  # its end was cut off
            at = _end_of_body(text, mark.end(), following.start() if following is not None else len(text))
    return "".join((*parts, text[at:]))


def _end_of_body(text: str, start: int, limit: int) -> int:
    """Where the lines end that can be part of a key whose BEGIN line ends at ``start``."""
    limit = min(limit, start + LONGEST)
    first = text.find("\n", start, min(limit, start + 2000))
    if first < 0:
        body = _BODY.match(text, start, limit)
        return body.end() if body else start
    body = _BODY.match(text, first + 1, limit)
    stop = body.end() if body else first + 1
    return stop - 1 if text[stop - 1 : stop] == "\n" else stop


def _is_key(packed: str) -> bool:
    """True for base64 of a text that holds a private key, or of its end."""
    data = packed.rstrip("=").replace("-", "+").replace("_", "/")
    data = data[: len(data) // 4 * 4]
    try:
        content = base64.b64decode(data[:LONGEST])
    except (binascii.Error, ValueError):
        return False
    return b"PRIVATE KEY" in content or b"openssh-key" in content
