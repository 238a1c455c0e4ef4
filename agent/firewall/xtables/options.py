"""Options: the words of a rule, taken apart by the modules (matches, targets) that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.firewall.expression import Expression
from agent.firewall.statement import Statement
from agent.firewall.xtables.values import NotUnderstood, Setting


@dataclass(frozen=True)
class Option:
    """``name`` is its full name, without dashes."""

    name: str
    values: tuple[str, ...] = ()
    negated: bool = False

    @property
    def value(self) -> str:
        """The only value; NotUnderstood when there is none or more."""
        if len(self.values) != 1:
            raise NotUnderstood(f"--{self.name} wants one value")
        return self.values[0]


Options = Sequence[Option]
MatchReader = Callable[[Options, Setting], "list[Expression]"]
TargetReader = Callable[[Options, Setting], "list[Expression | Statement]"]


@dataclass(frozen=True)
class Module:
    """A match or target. ``names`` are the spellings of its options, ``counts`` how many values each takes.
    ``free``: it takes any option that no other module claims."""

    names: dict[str, str]
    counts: dict[str, int]
    free: bool = False


def module(text: str, free: bool = False) -> Module:
    """From "full-name/alias:count ...", the count left out where it is one."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for word in text.split():
        spellings, _, count = word.partition(":")
        first, *others = spellings.split("/")
        counts[first] = int(count) if count else 1
        names.update(dict.fromkeys((first, *others), first))
    return Module(names, counts, free)


def words(line: str) -> list[str]:
    """A line's words, as iptables-restore takes it apart: double quotes, and backslashes within them.

    Single quotes too, for lines that were written for a shell; NotUnderstood when a quote isn't closed.
    """
    if '"' not in line and "'" not in line and "\\" not in line:
        return line.split()
    found: list[str] = []
    current: list[str] = []
    inside, quote, escaped = False, "", False
    for char in line:
        if escaped:
            current.append(char)
            escaped = False
        elif char == "\\" and quote != "'":
            inside = escaped = True
        elif quote:
            if char == quote:
                quote = ""
            else:
                current.append(char)
        elif char == '"' or (char == "'" and not current):
            quote, inside = char, True
        elif char.isspace():
            if inside:
                found.append("".join(current))
            current, inside = [], False
        else:
            current.append(char)
            inside = True
    if quote:
        raise NotUnderstood("a quote is not closed")
    if inside:
        found.append("".join(current))
    return found
