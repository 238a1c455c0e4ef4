"""Rules of nft's JSON in nft's own syntax, as ``nft list ruleset`` prints them.

Only for people's eyes: what has not the form that nft prints is shown as JSON, cut short. Nothing that a terminal would
obey comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agent.firewall.nft.render_reads import SHORT, plain
from agent.firewall.nft.render_values import Style, style, value
from agent.firewall.nft.statement_words import STATEMENTS, words
from agent.firewall.nft.values import label

_LENGTH = 2000  # characters of a rule
_IMPLICIT = {"ct state", "ct status", "ct label", "tcp flags"}  # flags, which nft compares without an operator


def rendered(expressions: Sequence[object], comment: object = None) -> str:
    """A rule's text on one line."""
    parts = [_step(item) for item in expressions]
    if isinstance(comment, str):
        parts.append(f'comment "{comment}"')
    return plain(" ".join(part for part in parts if part), _LENGTH)


def _step(item: object) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, Mapping) or len(item) != 1:
        return SHORT
    ((name, inner),) = item.items()
    if name == "match":
        return _match(inner) if isinstance(inner, Mapping) else SHORT
    writer: Callable[[object], str] | None = STATEMENTS.get(label(name))
    return writer(inner) if writer else words(label(name), inner)


def _match(inner: Mapping[object, object]) -> str:
    left, right, operator = inner.get("left"), inner.get("right"), label(inner.get("op", "=="))
    how = style(left)
    shown = value(left, Style())
    if isinstance(left, Mapping) and "&" in left and how.flags and not _is_set(right):
        return _under_mask(left["&"], right, operator, how)
    listed = isinstance(right, (list, tuple))
    joined = Style(how.kind, how.flags, listed, how.parts)
    text = value(right, joined)
    sign = "" if operator == "in" or (operator == "==" and not _explicit(left, right, how)) else f"{operator} "
    return f"{shown} {sign}{text}"


def _is_set(item: object) -> bool:
    return (isinstance(item, Mapping) and "set" in item) or (isinstance(item, str) and item.startswith("@"))


def _explicit(left: object, right: object, how: Style) -> bool:
    """Does nft print == here? Beside a computation, and where leaving it out would mean "one of these flags"."""
    computed = isinstance(left, Mapping) and bool({"&", "|", "^", "<<", ">>"} & set(left))
    return computed or (how.flags and not _is_set(right))


def _under_mask(sides: object, right: object, operator: str, how: Style) -> str:
    """``tcp flags syn / syn,ack``: nft's short form of a comparison under a mask."""
    if not isinstance(sides, (list, tuple)) or len(sides) != 2:
        return SHORT
    sign = "" if operator == "==" else f"{operator} "
    shown = value(sides[0], Style())
    commas = Style(how.kind, how.flags, commas=True)
    if right == 0 or (operator == "!=" and isinstance(right, (str, int)) and label(right) == label(sides[1])):
        mask, number = value(sides[1], Style(how.kind, how.flags)), value(right, Style(how.kind, how.flags))
        inner = f"({mask})" if "|" in mask else mask
        return f"{shown} & {inner} {operator} {number}"
    return f"{shown} {sign}{value(right, commas)} / {value(sides[1], commas)}"
