"""systemd's own syntax of configuration files (systemd.syntax(7)), with what its parser complains of.

Read as systemd 252 and 257 do: lines end at a newline, a carriage return or a NUL; a comment line may
stand inside a continued line; a line that is not UTF-8 or a broken section header ends the file, which is
then not used at all; everything else is passed over.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

WHITESPACE = " \t\n\r"


@dataclass(frozen=True)
class Setting:
    """One assignment. ``section_line`` is the line of its section's header (a section may come twice)."""

    section: str
    key: str
    value: str
    line: int
    section_line: int


@dataclass(frozen=True)
class Complaint:
    """``code`` is one of invalid-section-header, not-utf8, unknown-section, assignment-outside-section,
    missing-equals, missing-key."""

    code: str
    text: str  # without the file and line
    line: int
    fatal: bool = False


@dataclass(frozen=True)
class Parsed:
    settings: tuple[Setting, ...] = ()
    sections: tuple[tuple[str, int], ...] = ()  # name and line of each header that was taken
    complaints: tuple[Complaint, ...] = ()

    @property
    def usable(self) -> bool:
        return not any(complaint.fatal for complaint in self.complaints)


@dataclass
class _State:
    settings: list[Setting]
    sections: list[tuple[str, int]]
    complaints: list[Complaint]
    section: str = ""
    line: int = 0
    ignored: bool = False

    def complain(self, code: str, text: str, line: int, fatal: bool = False) -> None:
        self.complaints.append(Complaint(code, text, line, fatal))


def parse(data: bytes, known: frozenset[str] | None = None) -> Parsed:
    """The assignments of one file. ``known``: the sections that the program knows (None: all)."""
    state = _State([], [], [])
    pending = b""
    continued = False
    if data.startswith(codecs.BOM_UTF8):
        data = data[3:]
    number = 0
    for number, raw in enumerate(_lines(data), 1):
        line = raw.lstrip(b" \t")
        if line[:1] in (b"#", b";"):
            continue
        pending += line
        slashes = len(pending) - len(pending.rstrip(b"\\"))
        if slashes % 2:
            pending = pending[:-1] + b" "
            continued = True
            continue
        _line(state, pending, number, known)
        if not state_usable(state):
            break
        pending, continued = b"", False
    if continued and state_usable(state):
        _line(state, pending, number, known)
    return Parsed(tuple(state.settings), tuple(state.sections), tuple(state.complaints))


def state_usable(state: _State) -> bool:
    return not (state.complaints and state.complaints[-1].fatal)


def _lines(data: bytes) -> list[bytes]:
    # read_line() of systemd takes \n, \r, \0 and their pairs as one end of line
    lines = re.split(rb"\r\n|\n\r|\n|\r|\0", data)
    return lines[:-1] if lines and lines[-1] == b"" else lines


def _line(state: _State, raw: bytes, number: int, known: frozenset[str] | None) -> None:
    raw = raw.strip(b" \t\r\n")
    if not raw:
        return
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError:
        shown = raw[:200].decode("utf-8", "replace")
        state.complain("not-utf8", f"String is not UTF-8 clean, ignoring assignment: {shown}", number, True)
        return
    if line.startswith("["):
        _header(state, line, number, known)
        return
    if not state.section:
        if not state.ignored:
            text = "Assignment outside of section. Ignoring."
            state.complain("assignment-outside-section", text, number)
        return
    key, equals, value = line.partition("=")
    if not equals:
        state.complain("missing-equals", "Missing '=', ignoring line.", number)
    elif not key:
        state.complain("missing-key", "Missing key name before '=', ignoring line.", number)
    else:
        setting = Setting(state.section, key.strip(WHITESPACE), value.strip(WHITESPACE), number, state.line)
        state.settings.append(setting)


def _header(state: _State, line: str, number: int, known: frozenset[str] | None) -> None:
    if not line.endswith("]"):
        state.complain("invalid-section-header", f"Invalid section header '{line[:200]}'", number, True)
        return
    name = line[1:-1]
    if any(char in "\"'\\" or ord(char) < 32 or ord(char) == 127 for char in name):
        text = f"Bad characters in section header '{line[:200]}'"
        state.complain("invalid-section-header", text, number, True)
        return
    if known is not None and name not in known:
        if not name.startswith("X-"):
            state.complain("unknown-section", f"Unknown section '{name[:200]}'. Ignoring.", number)
        state.section, state.line, state.ignored = "", 0, True
        return
    state.section, state.line, state.ignored = name, number, False
    state.sections.append((name, number))
