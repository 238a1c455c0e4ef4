"""How much of the page a section may take: huge inputs are cut, and a line says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from agent.ticket.markup import Element, element, escaped, size

Item = TypeVar("Item")

LONG = 4000  # bytes of one text, unless told otherwise


class Room:
    """So many bytes, spent by what is put into a section."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def fit(self, values: Sequence[Item], make: Callable[[Item], Element]) -> list[Element]:
        """The elements made of the first values that fit. Of what does not fit, nothing but the first is made."""
        taken: list[Element] = []
        for value in values:
            made = make(value)
            needs = size(made)
            if needs > self.left:
                break
            self.left -= needs
            taken.append(made)
        return taken

    def take(
        self, values: Sequence[Item], make: Callable[[Item], Element], what: str, where: str, tag: str = "li"
    ) -> list[Element]:
        """The same, and behind them, when some do not fit, a line that says how many."""
        taken = self.fit(values, make)
        dropped = len(values) - len(taken)
        if dropped:
            taken.append(left_out(f"{dropped} more {what} are not on this page: {where}", tag))
        return taken


def left_out(text: str, tag: str = "p") -> Element:
    """The line that says that something was cut."""
    if tag == "tr":
        return element("tr", element("td", text, class_="cut", colspan=9))
    return element(tag, text, class_="cut")


def short(text: str, limit: int = LONG, end: bool = False) -> str:
    """The text, cut where it would take more than so many bytes of the page, with a word on what is missing.

    ``end``: its end is what counts, as in a log.
    """
    if len(text) * 6 <= limit:
        return text
    kept = _part(text, limit, end)
    while kept and (cost := len(escaped(kept).encode("utf-8"))) > limit:
        kept = _part(kept, min(len(kept) - 1, len(kept) * limit // cost), end)
    missing = len(text) - len(kept)
    if not missing:
        return text
    return f"[{missing} earlier characters ...] {kept}" if end else f"{kept} [... {missing} more characters]"


def _part(text: str, length: int, end: bool) -> str:
    return text[max(len(text) - length, 0) :] if end else text[:length]
