"""The simple commands of a shell script, and under which conditions each is run.

A script is read and not run. Conditions on files that a disk can answer ([ -f FILE ]) are kept as such; what stands in
a loop, a function, a case or behind any other condition is marked as uncertain. A command that loads rules, or that
hardly ever fails, is taken to succeed for what stands behind && and || .
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.firewall.saved.shell_words import Word, read

_GUARDS = 50  # that a command may have; beyond, nobody reads it
_TESTS = ("-e", "-f", "-r", "-s", "-x", "-d", "-w")
_SUCCEEDS = re.compile(
    r"(.*/)?(ip6?tables(-\w+)*|nft|ipset|modprobe|sysctl|echo|printf|sleep|logger|cd|true|:|export|set)"
)
_ENDS = (";", "&", "\n", "&&", "||", "|", "(", ")", ";;", ";&", ";;&")
_INTO = (">", ">>", ">|", ">&", "&>", "&>>", "<&", "<>")


@dataclass(frozen=True)
class Guard:
    """A condition that a disk can answer: ``test`` (-f, -x ...) of ``path`` gives ``holds``."""

    test: str
    path: str
    holds: bool = True


NEVER = Guard("never", "")


@dataclass(frozen=True)
class Simple:
    """One command. ``expands``: a shell would put something else for one of its words. ``file`` and ``document`` are
    what it reads: after <, from cat FILE | or from a here-document. ``piped``: it reads what another program writes.
    ``negated``: after ! . ``certain`` is false where it depends on more than ``guards`` whether it is run."""

    words: tuple[str, ...]
    line: int
    expands: bool = False
    file: str = ""
    document: str | None = None
    piped: bool = False
    negated: bool = False
    guards: tuple[Guard, ...] = ()
    certain: bool = True

    @property
    def program(self) -> str:
        return self.words[0].rsplit("/", 1)[-1] if self.words else ""

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass
class _Frame:
    """What is open: if, while, for, case, a function, a group."""

    kind: str
    guards: tuple[Guard, ...]
    certain: bool
    conditions: list[Simple] | None = None  # of an if, while they are read


def simple_commands(text: str) -> tuple[Simple, ...]:
    """All commands of a script in its order; NotAScript where it can't be taken into words."""
    return tuple(_Reader().commands(read(text)))


class _Reader:
    def __init__(self) -> None:
        self._frames = [_Frame("script", (), True)]
        self._next: Guard | bool | None = None  # what && or || ask of the next command; True: of something unknown
        self._skip = False  # || behind a command that is taken to succeed
        self._before: Simple | None = None  # what writes into the pipe
        self._function = False
        self._negated = False

    def commands(self, words: list[Word]) -> Iterator[Simple]:
        current: list[Word] = []
        for word in [*words, Word("\n", words[-1].line if words else 1, operator=True)]:
            if word.operator and word.text in _ENDS:
                yield from self._end(current, word.text)
                current = []
            else:
                current.append(word)

    def _end(self, words: list[Word], ended_by: str) -> Iterator[Simple]:
        plain = self._keywords(words)
        top = self._frames[-1]
        if ended_by == "(" and plain and not any(word.operator for word in plain):
            self._function = True  # NAME ( )
            return
        found = _simple(plain) if plain else None
        if found is not None:
            found, self._negated = replace(found, negated=self._negated), False
        if found is not None and not self._skip:
            found = self._placed(found)
            if found.program == "exit":
                self._exit(found)
            else:
                yield found
            if top.conditions is not None:
                top.conditions.append(found)
        self._follow(found, ended_by)
        if ended_by == "(" and not self._function:
            self._open("(", True)
        elif ended_by == ")" and self._frames[-1].kind == "(":
            self._frames.pop()

    def _keywords(self, words: list[Word]) -> list[Word]:
        """Takes the reserved words at the beginning of a command; what is left of it."""
        while words and not words[0].operator:
            word = words[0].text
            if words[0].quoted or not self._keyword(word):
                return words
            words = [] if word in ("for", "select", "case") else words[2 if word == "function" else 1 :]
        return words

    def _keyword(self, word: str) -> bool:
        top = self._frames[-1]
        if word == "if":
            self._open("if", True)
            self._frames[-1].conditions = []
        elif word == "then" and top.kind == "if":
            self._then(top)
        elif word in ("elif", "else") and top.kind == "if":
            self._otherwise(top, word)
        elif word in ("while", "until", "for", "select", "case"):
            self._open("do", False)
        elif word == "function":
            self._function = True
        elif word == "!":
            self._negated = not self._negated
        elif word == "{":
            self._open("{", not self._function)
            self._function = False
        elif word in ("fi", "done", "esac", "}"):
            if len(self._frames) > 1:
                self._frames.pop()
        elif word not in ("do", "time"):
            return False
        self._next = self._next if word in ("{", "!", "if") else None
        return True

    def _open(self, kind: str, certain: bool) -> None:
        top = self._frames[-1]
        guards, known = self._with_next(top.guards)
        self._frames.append(_Frame(kind, guards, certain and known and top.certain))

    def _then(self, top: _Frame) -> None:
        """What stands between then and else is run where the condition holds."""
        guard = _guard(top.conditions[0]) if top.conditions is not None and len(top.conditions) == 1 else None
        top.conditions = None
        if guard is None or len(top.guards) > _GUARDS:
            top.certain = False
        else:
            top.guards += (guard,)

    def _otherwise(self, top: _Frame, word: str) -> None:
        if word == "elif":
            top.certain = False  # more than one condition
        elif top.certain and top.guards:
            top.guards = (*top.guards[:-1], replace(top.guards[-1], holds=not top.guards[-1].holds))

    def _with_next(self, guards: tuple[Guard, ...]) -> tuple[tuple[Guard, ...], bool]:
        if isinstance(self._next, Guard):
            return (*guards, self._next), True
        return guards, self._next is None

    def _placed(self, found: Simple) -> Simple:
        top = self._frames[-1]
        guards, known = self._with_next(top.guards)
        if self._before is not None:
            cat = self._before if self._before.program == "cat" and len(self._before.words) == 2 else None
            known &= True
            found = replace(found, piped=cat is None, file=cat.words[1] if cat and not cat.expands else found.file)
        return replace(found, guards=guards, certain=known and top.certain)

    def _follow(self, found: Simple | None, ended_by: str) -> None:
        """What the operator behind a command asks of the next one."""
        self._before = found if ended_by == "|" else None
        if ended_by not in ("&&", "||"):
            if ended_by != "|":
                self._next, self._skip = None, False
            return
        if found is None or self._skip:
            self._next, self._skip = (self._next, self._skip and ended_by == "||") if found is None else (None, False)
            return
        guard = _guard(found)
        if guard is not None:
            self._next = guard if ended_by == "&&" else replace(guard, holds=not guard.holds)
            self._next = True if found.guards and self._frames[-1].guards != found.guards else self._next
        elif not found.negated and _SUCCEEDS.fullmatch(found.words[0]):
            self._skip = ended_by == "||"
        else:
            self._next = True

    def _exit(self, found: Simple) -> None:
        """Nothing is run behind an exit, but where its condition does not hold."""
        if any(frame.kind == "(" for frame in self._frames):
            return
        script = self._frames[0].guards
        own = found.guards[len(script) :]
        if not found.certain or len(own) > 1 or len(script) > _GUARDS or found.guards[: len(script)] != script:
            for frame in self._frames:
                frame.certain = False
            return
        rest = tuple(replace(guard, holds=not guard.holds) for guard in own) or (NEVER,)
        for frame in self._frames:
            frame.guards = (*rest, *frame.guards)


def _simple(words: list[Word]) -> Simple | None:
    """Words without redirections and assignments."""
    kept: list[Word] = []
    file, document, expands = "", None, False
    at = 0
    while at < len(words):
        word = words[at]
        after = words[at + 1] if at + 1 < len(words) else None
        if not word.operator:
            kept.append(word)
            at += 1
            continue
        at += 2
        if after is None or word.text in _INTO:
            continue
        expands |= after.expands
        if word.text in ("<<", "<<-"):
            document = after.document
        elif word.text == "<<<":
            document = after.text + "\n"
        else:
            file = after.text
    while kept and re.match(r"[A-Za-z_]\w*\+?=", kept[0].text):
        kept = kept[1:]
    if not kept:
        return None
    expands |= any(word.expands for word in kept)
    return Simple(tuple(word.text for word in kept), kept[0].line, expands, file, document)


def _guard(found: Simple) -> Guard | None:
    """[ -f FILE ] and test -f FILE, with ! before it."""
    words = list(found.words)
    if found.expands or len(words) < 2 or words[0] not in ("[", "[[", "test"):
        return None
    if words[0] != "test":
        if words[-1] not in ("]", "]]"):
            return None
        words.pop()
    holds = words[1] != "!"
    rest = words[1:] if holds else words[2:]
    if len(rest) != 2 or rest[0] not in _TESTS or not rest[1].startswith("/"):
        return None
    return Guard(rest[0], rest[1], holds is not found.negated)
