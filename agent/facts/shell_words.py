"""Files of shell assignments (os-release, /etc/default/grub, sysconfig), read without a shell."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)(\+?=)(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_SIZE = 64 * 1024  # characters that one value may grow to by expansion


def assignments(text: str, expand: bool = False, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """NAME=value lines by shell quoting rules; the last assignment of a name counts.

    ``expand`` follows $NAME and ${NAME} of names assigned before (or in ``known``), which os-release(5)
    forbids and /etc/default/grub lives from. A quote that is never closed ends with its line, a quoted value
    may run over lines; everything that is no assignment is left out.
    """
    values: dict[str, str] = dict(known or {})
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\x00", "").split("\n")
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        match = _ASSIGNMENT.match(line)
        if match is None or line.lstrip().startswith("#"):
            continue
        name, operator, rest = match.groups()
        value, closed = _value(rest, values if expand else None)
        if not closed:
            longer, index = _joined(rest, lines, index)
            value, _ = _value(longer, values if expand else None)
        values[name] = (values.get(name, "") + value if operator == "+=" else value)[:_SIZE]
    return values


def _joined(rest: str, lines: list[str], index: int) -> tuple[str, int]:
    """The value with the lines that its quote or its backslash continues over (at most 50)."""
    longer = rest
    for step in range(index, min(index + 50, len(lines))):
        longer += "\n" + lines[step]
        if _value(longer, None)[1]:
            return longer, step + 1
    return rest, index


def _value(text: str, known: Mapping[str, str] | None) -> tuple[str, bool]:
    """The first word of ``text``, unquoted, and whether its quotes are closed."""
    out: list[str] = []
    quote = ""
    index = 0
    while index < len(text):
        char = text[index]
        if char == "\\" and quote != "'":
            if index + 1 == len(text):
                return "".join(out), False
            following = text[index + 1]
            if following != "\n":
                out.append(following if not quote or following in '$"\\`' else char + following)
            index += 2
            continue
        if quote:
            if char == quote:
                quote = ""
                index += 1
                continue
        elif char in "\"'":
            quote = char
            index += 1
            continue
        elif char.isspace() or char in ";&|":
            break
        if char == "$" and quote != "'" and known is not None:
            variable = _VARIABLE.match(text, index)
            if variable:
                out.append(known.get(variable.group(1) or variable.group(2), ""))
                index = variable.end()
                continue
        out.append(char)
        index += 1
    return "".join(out), not quote
