"""Settings files that a shell sources, with what facts/shell_words.py leaves out: line numbers and arrays.

netifrc (``config_eth0=( "a" "b" )``), Slackware (``IPADDR[0]="a"``) and the ifcfg files need them. Nothing is
run: commands, functions and conditions are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_NAME = re.compile(
    r"[ \t]*(?:(?:export|declare|typeset|local)[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)(?:\[([^\]\n]{0,40})\])?(\+?)="
)
_SPACED = re.compile(r"[ \t]*([A-Z][A-Z0-9_]*)[ \t]+=|[ \t]*([A-Z][A-Z0-9_]*)=[ \t]+[^\s#]")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
MAX_SETTINGS = 5000
_MAX_VALUE = 65536


@dataclass(frozen=True)
class Setting:
    """One assignment. ``index`` is what stands in its brackets; ``words`` are the members of an array."""

    name: str
    index: str
    words: tuple[str, ...]
    line: int
    append: bool = False

    @property
    def value(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class Broken:
    """A line that the shell does not take as meant."""

    code: str  # unclosed-quote, spaced-assignment, carriage-return
    line: int
    name: str


def settings(text: str) -> tuple[tuple[Setting, ...], tuple[Broken, ...]]:
    """All assignments of a file in order, and the lines that are none though they look it."""
    reader = _Reader(text.lstrip("\ufeff").replace("\x00", ""))
    found = tuple(reader.read())
    return found, tuple(reader.broken)


def last_values(found: tuple[Setting, ...]) -> Mapping[str, Setting]:
    """The settings by name, the last of each; arrays' members by ``NAME[index]``."""
    out: dict[str, Setting] = {}
    for one in found:
        key = f"{one.name}[{one.index}]" if one.index else one.name
        before = out.get(key)
        if one.append and before is not None:
            words = before.words + one.words if len(one.words) != 1 else (before.value + one.value,)
            out[key] = Setting(one.name, one.index, words, before.line)
        else:
            out[key] = one
    return out


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.broken: list[Broken] = []
        self.values: dict[str, str] = {}
        if "\r\n" in text:
            self.broken.append(Broken("carriage-return", text[: text.index("\r\n")].count("\n") + 1, ""))

    def read(self) -> Iterator[Setting]:
        at, line, count = 0, 1, 0
        while at < len(self.text) and count < MAX_SETTINGS:
            match = _NAME.match(self.text, at)
            if match is None:
                at, line = self._skip(at, line)
                continue
            name, index, plus = match.group(1), match.group(2) or "", bool(match.group(3))
            spaced = _SPACED.match(self.text, at)
            if spaced:
                self.broken.append(Broken("spaced-assignment", line, name))
            words, end = self._value(match.end(), line, name)
            yield Setting(name, index.strip("\"'"), words, line, plus)
            count += 1
            self.values[name] = " ".join(words)[:_MAX_VALUE]
            line += self.text.count("\n", at, end)
            at = end
            # further words of the line: another assignment after ; or blanks, or a comment
            while at < len(self.text) and self.text[at] in " \t;":
                at += 1
            if at < len(self.text) and self.text[at] == "\n":
                at, line = at + 1, line + 1

    def _skip(self, at: int, line: int) -> tuple[int, int]:
        """To the next line, noting what looks like an assignment and is none."""
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        spaced = _SPACED.match(self.text, at)
        if spaced and spaced.end() <= end:
            self.broken.append(Broken("spaced-assignment", line, spaced.group(1) or spaced.group(2)))
        return end + 1, line + 1

    def _value(self, at: int, line: int, name: str) -> tuple[tuple[str, ...], int]:
        if self.text.startswith("(", at):
            return self._array(at + 1, line, name)
        word, end = self._word(at, line, name, array=False)
        return (word,), end

    def _array(self, at: int, line: int, name: str) -> tuple[tuple[str, ...], int]:
        words: list[str] = []
        while at < len(self.text) and len(words) < 1000:
            char = self.text[at]
            if char == ")":
                return tuple(words), at + 1
            if char.isspace():
                at += 1
            elif char == "#":
                end = self.text.find("\n", at)
                at = len(self.text) if end < 0 else end
            else:
                word, end = self._word(at, line, name, array=True)
                words.append(word)
                at = max(end, at + 1)
        self.broken.append(Broken("unclosed-quote", line, name))
        return tuple(words), at

    def _word(self, at: int, line: int, name: str, array: bool) -> tuple[str, int]:
        """One word by the shell's quoting; an unclosed quote ends with its line."""
        out: list[str] = []
        quote, opened = "", at
        while at < len(self.text) and at - opened < _MAX_VALUE:
            char = self.text[at]
            if char == "\\" and quote != "'" and at + 1 < len(self.text):
                following = self.text[at + 1]
                if following != "\n":
                    out.append(following if not quote or following in '$"\\`' else char + following)
                at += 2
                continue
            if quote:
                if char == quote:
                    quote = ""
                    at += 1
                    continue
            elif char in "\"'":
                quote, opened = char, at
                at += 1
                continue
            elif char.isspace() or char in ";&|" or (array and char == ")"):
                break
            variable = _VARIABLE.match(self.text, at) if char == "$" and quote != "'" else None
            if variable:
                out.append(self.values.get(variable.group(1) or variable.group(2), ""))
                at = variable.end()
                continue
            out.append(char)
            at += 1
        if quote:
            self.broken.append(Broken("unclosed-quote", line, name))
            end = self.text.find("\n", opened)
            end = len(self.text) if end < 0 else end
            return self.text[opened + 1 : end], end
        return "".join(out)[:_MAX_VALUE], at
