"""The stream of tokens that the parser of nft's text eats: files within files, problems, and the values of names.

nft reads ``include`` where it stands, so an included file's tokens come in the middle of the other's. Everything that a
hostile text could make large is counted here: depth, included text, and elements that variables multiply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Union

from agent.errors import AgentError
from agent.firewall.nft.text_tokens import Kind, Token, shown, tokens, without_comments
from agent.firewall.nft.text_tree import Converter, NotNft, Tree, integer, measure
from agent.firewall.xtables.values import SERVICES
from agent.unknown import Unknown

Opener = Callable[[str], Union[str, Unknown]]

_MAX_INCLUDES = 16  # as in nft (MAX_INCLUDE_DEPTH)
_MAX_INCLUDED = 64 << 20  # characters
_MAX_PROBLEMS = 1000
_MAX_DEPTH = 40  # of blocks, sets and parentheses within each other
_MAX_ELEMENTS = 2_000_000  # that variables may add to a text
_WARNING = re.compile(r"# Warning: table (\S+) (\S+) is managed by ([\w-]+)")


class Written(NamedTuple):
    """A rule: its expressions, comment and text."""

    expressions: list[object]
    comment: str
    text: str
    line: int


class Variable(NamedTuple):
    """``size`` counts what each use of it adds to a rule-set."""

    tree: Tree
    size: int


@dataclass
class _File:
    name: str
    text: str
    rest: Iterator[Token]
    after: tuple[Token, Token] | None = None  # what follows in the file that includes this one


class Stream:
    """``token`` is the one to be read, ``next`` the one behind it."""

    def __init__(
        self, text: str, name: str = "", opener: Opener | None = None, services: Mapping[str, int] = SERVICES
    ) -> None:
        self.values = Converter(services)
        self.classid = False  # whether 1:2 is one value here
        self.masks = False  # whether a value may be followed by the mask of its flags
        self._opener = opener
        self._files: list[_File] = []
        self._included = 0
        self._line = 0  # of the include in the outermost file, while inside
        self._depth = 0
        self._end = 0  # of the last token that was passed
        self.managed: dict[tuple[str, str], str] = {}  # tables that another program says are its own
        self.used: list[tuple[str, str, int]] = []  # chains and sets that are named: kind, name, line
        self.meters: set[str] = set()  # meters are sets, too
        self.inner: dict[str, list[Written]] = {}  # chains that stand within a rule
        self.parted = False  # whether the line that was read may be followed by a brace
        self._closed = True
        self.open = 0  # braces that are not closed yet
        self.family = "ip"  # of the table that is being read
        self._multiplied = 0
        self._scopes: list[dict[str, Variable]] = [{}]
        self.problems: list[dict[str, object]] = []
        self._enter(name, text, None)

    # --- tokens ---

    def _enter(self, name: str, text: str, after: tuple[Token, Token] | None) -> None:
        place = text.find("\r\n")
        if place >= 0:
            line = text.count("\n", 0, place) + 1
            self.problem("", "lines end with a carriage return, which nft refuses", line=self._line or line)
        rest = tokens(text)
        self._files.append(_File(name, text, rest, after))
        self.token = next(rest)
        self.next = next(rest, self.token)

    def advance(self) -> Token:
        """Step over the current token; it is returned."""
        passed = self.token
        if passed.kind is Kind.END:
            return passed
        self._end = passed.end
        if passed.kind is Kind.NEWLINE and passed.text:
            warned = _WARNING.match(passed.text)
            if warned:
                self.managed[warned.group(1), warned.group(2)] = warned.group(3)
        if passed.kind is Kind.SIGN:
            if passed.text == "{":
                self.open += 1
            elif passed.text == "}":
                self.open -= 1
        self.token = self.next
        file = self._files[-1]
        if self.token.kind is Kind.END and file.after is not None:
            self._files.pop()
            self.token, self.next = file.after
            if len(self._files) == 1:
                self._line = 0
        else:
            self.next = next(file.rest, self.next)
        return passed

    @property
    def line(self) -> int:
        """The line in the text that was given; within an included file, that of its ``include``."""
        return self._line or self.token.line

    @property
    def inside(self) -> str:
        """Where in an included file we are, "" in the outermost one."""
        return f"{self._files[-1].name}, line {self.token.line}" if self._line else ""

    def is_word(self, *texts: str) -> bool:
        return self.token.kind is Kind.WORD and self.token.text in texts

    def is_sign(self, text: str) -> bool:
        return self.token.kind is Kind.SIGN and self.token.text == text

    def word(self, *texts: str) -> str:
        """The current word, if it is one of these: then it is passed; else ""."""
        return self.advance().text if self.is_word(*texts) else ""

    def sign(self, text: str) -> bool:
        """Pass this sign if it stands here."""
        if self.is_sign(text):
            self.advance()
            return True
        return False

    def need_sign(self, text: str) -> None:
        if not self.sign(text):
            raise self.unexpected(f"{text!r}")

    def need_word(self, *texts: str) -> str:
        if not self.is_word(*texts):
            raise self.unexpected(" or ".join(texts))
        return self.advance().text

    def need_any_word(self, what: str) -> str:
        if self.token.kind is not Kind.WORD:
            raise self.unexpected(what)
        return self.advance().text

    def identifier(self) -> str:
        """A name of a table, a chain, a set. Newer releases of nft allow it to be quoted."""
        if self.token.kind not in (Kind.WORD, Kind.QUOTED):
            raise self.unexpected("a name")
        return self.advance().text

    def string(self) -> str:
        """A word or a quoted text."""
        return self.identifier()

    def string_or_variable(self) -> str:
        """A text, perhaps by the name of a variable."""
        if not self.sign("$"):
            return self.string()
        tree = self.variable(self.identifier())
        if not isinstance(tree, Token):
            raise NotNft("the variable is no text")
        return tree.text

    def number(self) -> int:
        if self.token.kind is not Kind.NUMBER:
            raise self.unexpected("a number")
        return integer(self.advance().text)

    def take(self, pattern: re.Pattern[str]) -> str:
        """What the pattern finds in the text right here, passed; for values that the scanner cuts in other places."""
        match = pattern.match(self._files[-1].text, self.token.start)
        if match is None:
            return ""
        depth = len(self._files)
        while self.token.start < match.end() and self.token.kind is not Kind.END and len(self._files) == depth:
            self.advance()
        return match.group()

    def unexpected(self, wanted: str) -> NotNft:
        return NotNft(f"{shown(self.token)} where {wanted} belongs")

    def at_separator(self) -> bool:
        token = self.token
        return token.kind is Kind.NEWLINE or token.kind is Kind.END or (token.kind is Kind.SIGN and token.text == ";")

    def newlines(self) -> None:
        while self.token.kind is Kind.NEWLINE:
            self.advance()

    def text_since(self, start: Token) -> str:
        """What is written from a token to here, with single blanks."""
        text = self._files[-1].text[start.start : max(self._end, start.end)]
        if "#" in text or "\\\n" in text:
            text = without_comments(text)
        return " ".join(text.split())

    # --- limits ---

    def deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotNft("nested too deeply")

    def shallower(self) -> None:
        self._depth -= 1

    def recover(self, depth: int) -> None:
        """After an error: as deep as before, and nothing is special any more."""
        self._depth = depth
        self.classid = self.masks = False

    @property
    def depth(self) -> int:
        return self._depth

    # --- problems ---

    def problem(self, text: str, why: str, refused: bool = True, line: int = 0) -> None:
        if len(self.problems) >= _MAX_PROBLEMS:
            return
        if len(self.problems) == _MAX_PROBLEMS - 1:
            text, why = "", "more problems than are listed"
        inside = self.inside
        self.problems.append(
            {
                "line": line or self.line,
                "text": text[:200],
                "why": f"{inside}: {why}" if inside else why,
                "refused": refused,
            }
        )

    def unclosed(self) -> None:
        """The text ends within a block."""
        if self._closed:
            self.problem("", "the text ends before a block is closed")
        self._closed = False

    # --- names ---

    def open_scope(self) -> None:
        self._scopes.append({})

    def close_scope(self) -> None:
        self._scopes.pop()

    def define(self, name: str, tree: Tree, again: bool = False) -> None:
        if name in self._scopes[-1] and not again:
            raise NotNft(f"${name} is defined twice")
        size, depth = measure(tree)
        if depth > _MAX_DEPTH:
            raise NotNft("nested too deeply")
        self._scopes[-1][name] = Variable(tree, size)

    def undefine(self, name: str) -> None:
        if self._scopes[-1].pop(name, None) is None:
            raise NotNft(f"${name} is not defined")

    def variable(self, name: str) -> Tree:
        """The value of a name, in the innermost scope that has one."""
        for scope in reversed(self._scopes):
            if name in scope:
                self._multiplied += scope[name].size
                if self._multiplied > _MAX_ELEMENTS:
                    raise NotNft("variables make too many elements", refused=False)
                return scope[name].tree
        raise NotNft(f"${name} is not defined")

    def include(self, path: str) -> None:
        """Go on with the tokens of another file; then with what stands behind the current token."""
        if self._opener is None:
            raise NotNft("the included file is not at hand", refused=False)
        if len(self._files) > _MAX_INCLUDES:
            raise NotNft("files include each other too deeply")
        try:
            text = self._opener(path)
        except (OSError, ValueError, AgentError) as error:
            raise NotNft(f"the included file can't be read: {error}") from None
        if isinstance(text, Unknown):
            raise NotNft(f"the included file can't be read: {text.reason}")
        self._included += len(text) + 10_000
        if self._included > _MAX_INCLUDED:
            raise NotNft("included files are too large", refused=False)
        self._line = self.line
        self._enter(path, text if text.endswith("\n") else text + "\n", (self.token, self.next))
        if self.token.kind is Kind.END:
            raise AssertionError("an included text ends with a newline")
