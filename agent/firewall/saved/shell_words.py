"""The words of a shell script: quotes, operators, redirections and here-documents (POSIX, Shell Command Language).

Nothing is expanded: a word that a shell would change is marked, so that nobody takes it for what it says.
"""

from __future__ import annotations

from dataclasses import dataclass

_OPERATORS = ("<<<", "<<-", ";;&", "&>>", "<<", ">>", "&&", "||", ";;", ";&", "&>", ">&", "<&", ">|", "<>")
_SINGLE = "<>;&|()\n"
_EXPANDS = "$`*?["
SIZE = 256 * 1024  # characters of a script; longer ones were not written by people


@dataclass(frozen=True)
class Word:
    """``operator`` is true for ; | && < and the like. ``expands``: a shell would put something else here.
    ``quoted``: some of it stood in quotes. ``document`` is the text of the here-document that stands behind << ."""

    text: str
    line: int
    operator: bool = False
    expands: bool = False
    quoted: bool = False
    document: str | None = None


class NotAScript(Exception):
    """The text can't be taken into words; the message says why."""


def read(text: str) -> list[Word]:
    """All words of a script. NotAScript where a quote or a here-document has no end."""
    if len(text) > SIZE:
        raise NotAScript("it is too long for a script")
    return _Reader(text.replace("\r\n", "\n")).words()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._words: list[Word] = []

    def words(self) -> list[Word]:
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "\n":
                self._words.append(Word("\n", self._line, operator=True))
                self._step()
                self._documents()
            elif char in " \t" or self._text.startswith("\\\n", self._at):
                self._step(1 if char != "\\" else 2)
            elif char == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif char in _SINGLE:
                operator = next((one for one in _OPERATORS if self._text.startswith(one, self._at)), char)
                self._words.append(Word(operator, self._line, operator=True))
                self._step(len(operator))
            else:
                self._word()
        self._documents()
        return self._words

    def _step(self, count: int = 1) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def _word(self) -> None:
        line, expands, quoted = self._line, False, False
        out: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in " \t" or char in _SINGLE:
                break
            if char == "\\":
                following = self._text[self._at + 1 : self._at + 2]
                out.append("" if following == "\n" else following)
                quoted = True
                self._step(2)
            elif char in "'\"":
                quoted = True
                expands |= self._quoted(char, out)
            else:
                if char == "$" and self._text[self._at + 1 : self._at + 2] in ("(", "{"):
                    self._substitution()
                    expands = True
                    continue
                expands |= char in _EXPANDS
                out.append(char)
                self._step()
        text = "".join(out)
        if text.isdecimal() and not quoted and self._text[self._at : self._at + 1] in ("<", ">"):
            return  # the number of a descriptor: 2>&1
        if text in ("[", "[["):
            expands = False
        self._words.append(Word(text, line, expands=expands, quoted=quoted))

    def _quoted(self, quote: str, out: list[str]) -> bool:
        """Takes a quoted piece; whether a shell would expand something in it."""
        self._step()
        expands = False
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == quote:
                self._step()
                return expands
            if char == "\\" and quote == '"' and self._text[self._at + 1 : self._at + 2] in tuple('$`"\\\n'):
                following = self._text[self._at + 1]
                out.append("" if following == "\n" else following)
                self._step(2)
                continue
            expands |= quote == '"' and char in "$`"
            out.append(char)
            self._step()
        raise NotAScript("a quote has no end")

    def _substitution(self) -> None:
        """Steps over $(...) or ${...}; what is in it is not read."""
        opened, closed = ("(", ")") if self._text[self._at + 1] == "(" else ("{", "}")
        depth = 0
        while self._at < len(self._text):
            char = self._text[self._at]
            self._step()
            depth += (char == opened) - (char == closed)
            if char == closed and not depth:
                return
        raise NotAScript("a substitution has no end")

    def _documents(self) -> None:
        """Takes the here-documents that the line which has just ended asks for."""
        first = len(self._words) - 1
        while first > 0 and not (self._words[first - 1].operator and self._words[first - 1].text == "\n"):
            first -= 1
        for place in range(max(first, 0), len(self._words) - 1):
            word, end = self._words[place], self._words[place + 1]
            if word.operator and word.text in ("<<", "<<-") and end.document is None and not end.operator:
                text = self._document(end.text, word.text == "<<-")
                expands = not end.quoted and any(char in text for char in "$`\\")
                self._words[place + 1] = Word(end.text, end.line, False, expands, end.quoted, text)

    def _document(self, end: str, tabs: bool) -> str:
        lines: list[str] = []
        while self._at < len(self._text):
            stop = self._text.find("\n", self._at)
            stop = len(self._text) if stop < 0 else stop
            line = self._text[self._at : stop]
            self._step(min(stop + 1, len(self._text)) - self._at)
            line = line.lstrip("\t") if tabs else line
            if line == end:
                return "".join(lines)
            lines.append(line + "\n")
        raise NotAScript("a here-document has no end")
