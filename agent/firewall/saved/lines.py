"""Lines of files for iptables-restore, and of commands in its form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LIST = re.compile(r"(?<=\s)((?:-s|-d|--source|--src|--destination|--dst)\s+)(\S+,\S+)")


@dataclass(frozen=True)
class Line:
    """A line of a table, and where it stands."""

    text: str
    file: str
    number: int


def quoted(word: str) -> str:
    """A word as iptables-save would write it."""
    if word and not re.search(r"[\s\"'\\#]", word):
        return word
    return '"' + re.sub(r'(["\\])', r"\\\1", word.replace("\n", " ")) + '"'


def reversed_lists(text: str) -> str:
    """A rule that is inserted, with its lists of addresses turned round: each makes a rule, before the one before."""
    return _LIST.sub(_reversed, text)


def _reversed(found: re.Match[str]) -> str:
    return found.group(1) + ",".join(reversed(found.group(2).split(",")))


def blocks(text: str, file: str) -> Iterator[tuple[str | None, int, list[Line], bool]]:
    """The tables of a text in turn: name (None for a line outside of one), line, lines, and whether it is committed."""
    name: str | None = None
    start = 0
    lines: list[Line] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line[0] == "#":
            continue
        if line[0] == "*":
            if name is not None:
                yield name, start, lines, False
            name, start, lines = line[1:].strip(), number, []
        elif name is None:
            yield None, number, [Line(line, file, number)], False
        elif line == "COMMIT":
            yield name, start, lines, True
            name, lines = None, []
        else:
            lines.append(Line(line, file, number))
    if name is not None:
        yield name, start, lines, False
