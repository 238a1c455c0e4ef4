"""The words of nft's language, as its scanner cuts them (nft(8), LEXICAL CONVENTIONS; src/scanner.l).

A word may hold ``/``, ``-`` and ``.``, so that ``$net/24`` is a variable with a long name, and ``mbytes/second`` one
word; the longest piece wins, as in nft. Every character of a text ends up in one token, in a single pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    WORD = "word"
    QUOTED = "quoted"  # the text is without the quotes
    NUMBER = "number"  # decimal or hexadecimal
    TIME = "time"  # 1d2h
    ADDRESS = "address"  # of IPv4, IPv6 or Ethernet
    SIGN = "sign"
    NEWLINE = "newline"  # its text is the comment that ends there, if any
    JUNK = "junk"  # a character that nft has no use for
    END = "end"


class Token(NamedTuple):
    """``start`` and ``end`` are its place in the text it comes from; ``line`` counts from 1."""

    kind: Kind
    text: str
    line: int
    start: int
    end: int


_GROUP = "[0-9a-fA-F]{1,4}"
_FOUR = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_SIX = (
    f"::(?:[fF]{{4}}:)?{_FOUR}|(?:{_GROUP}:){{7}}{_GROUP}"
    f"|(?:{_GROUP}(?::{_GROUP}){{0,6}})?::(?:{_GROUP}(?::{_GROUP}){{0,6}})?"
)
_MAC = "(?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}"
_WORD = r"[A-Za-z_.][A-Za-z0-9/_.\-]*"

_TOKEN = re.compile(
    rf"""(?P<blank>(?:[ \t]|\\\n|\r(?=\n))+)
    |(?P<NEWLINE>\n)
    |(?P<COMMENT>\#[^\n]*)
    |(?P<QUOTED>"[^"]*")
    |(?P<ADDRESS>{_SIX}|{_MAC}|{_FOUR})
    |(?P<dot>\.(?![A-Za-z0-9/_.\-]))
    |(?P<WORD>{_WORD}(?:\\?\*(?:(?<=\\\*){_WORD})?)?|\\\*)
    |(?P<WORD_TOO>8021(?:q|ad)(?![A-Za-z0-9]))
    |(?P<TIME>(?=[0-9]+[dhms])(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m(?!s))?(?:[0-9]+s)?(?:[0-9]+ms)?)
    |(?P<NUMBER>0[xX][0-9a-fA-F]+|[0-9]+)
    |(?P<SIGN>==|!=|<=|>=|<<|>>|[<>,:;{{}}\[\]()^&|!/\-*@$=+])
    |(?P<JUNK>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_KINDS = {kind.name: kind for kind in Kind}

# signs that may be written as words
_SPELT = {
    "eq": "==",
    "ne": "!=",
    "le": "<=",
    "lt": "<",
    "ge": ">=",
    "gt": ">",
    "lshift": "<<",
    "rshift": ">>",
    "xor": "^",
    "and": "&",
    "or": "|",
    "not": "!",
}


def tokens(text: str) -> Iterator[Token]:
    """All tokens of a text but the blanks, and one ``END``. A comment is the text of the newline that ends it."""
    line = 1
    comment = ""
    for match in _TOKEN.finditer(text):
        name = match.lastgroup
        piece = match.group()
        start, end = match.span()
        if name == "blank":
            if piece != " ":
                line += piece.count("\n")
        elif name == "WORD":
            spelt = _SPELT.get(piece)
            yield Token(Kind.SIGN if spelt else Kind.WORD, spelt or piece, line, start, end)
        elif name == "NEWLINE":
            yield Token(Kind.NEWLINE, comment, line, start, end)
            comment = ""
            line += 1
        elif name == "COMMENT":
            comment = piece
        elif name == "QUOTED":
            yield Token(Kind.QUOTED, piece[1:-1], line, start, end)
            line += piece.count("\n")
        elif name in ("dot", "WORD_TOO"):
            yield Token(Kind.SIGN if name == "dot" else Kind.WORD, piece, line, start, end)
        else:
            yield Token(_KINDS[name or "JUNK"], piece, line, start, end)
    yield Token(Kind.END, comment, line, len(text), len(text))


_TIME_PART = re.compile(r"([0-9]+)(ms|[dhms])")
_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def milliseconds(text: str) -> int:
    """Of a time such as 1d2h3m4s5ms, or of a bare number (they are seconds)."""
    if text.isdecimal():
        return int(text[:20]) * 1000
    return sum(int(number[:20]) * _MILLISECONDS[unit] for number, unit in _TIME_PART.findall(text))


def without_comments(text: str) -> str:
    """A piece of text on one line, as its tokens stand."""
    parts: list[str] = []
    end = 0
    for token in tokens(text):
        if token.kind not in (Kind.NEWLINE, Kind.END):
            parts += [" " if token.start > end else "", text[token.start : token.end]]
            end = token.end
    return "".join(parts)


def shown(token: Token) -> str:
    """A token, for a message."""
    if token.kind is Kind.NEWLINE:
        return "the end of the line"
    if token.kind is Kind.END:
        return "the end of the text"
    return repr(token.text[:40])
