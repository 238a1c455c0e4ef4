"""HTML and SVG as values: what is written is escaped by construction.

An element's name and the names of its attributes come from fixed sets, none of which can run a script, load
anything or hold a style; texts and attribute values are escaped when they are written, and control characters and
marks that reorder text become visible. There is no way to hand in markup as a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Union

from agent.report.harmless import harmless

VOID = frozenset({"meta"})
PAGE = {"html", "head", "title", "style", "body", "main", "header", "footer", "section"}
PROSE = {"h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "dl", "dt", "dd", "div", "span", "strong", "em", "a", "time"}
SHOWN = {"code", "pre", "details", "summary", "figure", "figcaption"}
TABLE = {"table", "caption", "thead", "tbody", "tr", "th", "td"}
DRAWING = {"svg", "rect", "line", "circle", "path", "text"}
NAMES = VOID | PAGE | PROSE | SHOWN | TABLE | DRAWING
HEAD = {"lang", "charset", "name", "content", "http-equiv"}
PLACE = {"id", "class", "role", "aria-label", "aria-hidden", "aria-labelledby", "tabindex", "focusable"}
MEANING = {"scope", "colspan", "datetime", "reversed", "rel", "href"}
SIZES = {"viewBox", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "d", "width", "height", "text-anchor"}
ATTRIBUTES = frozenset(HEAD | PLACE | MEANING | SIZES)
LINK = re.compile(r"https://[a-z0-9]+(?:[.-][a-z0-9]+)*(?:/[A-Za-z0-9._~/?=&%+,:#-]*)?")  # no user, no port, no quotes
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;"}
SPECIAL = re.compile("[&<>\"'`]")


@dataclass(frozen=True)
class Element:
    """One element. Made by ``element``, which knows what is allowed."""

    name: str
    attributes: Mapping[str, str]
    children: tuple[Node, ...]


@dataclass(frozen=True)
class StyleSheet:
    """The text of the one style element: a constant of ours, never made of what was read."""

    text: str

    def __post_init__(self) -> None:
        if "<" in self.text or not self.text.isascii():
            raise ValueError("a style sheet that could end its element")


Node = Union[Element, str]
NOTHING: Mapping[str, str] = MappingProxyType({})


def element(name: str, /, *children: Node | Iterable[Node], **attributes: str | int | float | bool | None) -> Element:
    """An element with its children; lists of children are taken apart.

    An attribute's underscores stand for hyphens, one at the end is dropped (class_); None and False leave it out, True
    writes it with an empty value. ValueError for a name that is not in the sets, and for a link that is not a
    plain https address.
    """
    if name not in NAMES or name == "style":
        raise ValueError(f"no such element here: {name!r}")
    written: dict[str, str] = {}
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if attribute not in ATTRIBUTES:
            raise ValueError(f"no such attribute here: {key!r}")
        if value is None or value is False:
            continue
        written[attribute] = "" if value is True else _number(value) if isinstance(value, float) else str(value)
    if "href" in written and (name != "a" or not LINK.fullmatch(written["href"])):
        raise ValueError("a link that is not a plain https address")
    return Element(name, written, tuple(_flat(children)))


def style(sheet: StyleSheet) -> Element:
    """The style element. Its text is written as it is: the hash of the content security policy is made of it."""
    return Element("style", NOTHING, (sheet.text,))


def document(root: Element) -> str:
    """The whole page."""
    return "<!DOCTYPE html>\n" + written(root) + "\n"


def written(node: Node) -> str:
    """A node as text. Any depth: nothing here calls itself."""
    parts: list[str] = []
    todo: list[tuple[Node, str] | str] = [(node, "")]  # what to write with the name around it; an end tag
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            parts.append(one)
            continue
        current, around = one
        if isinstance(current, str):
            parts.append(current if around == "style" else escaped(current))
            continue
        parts.append(_opening(current))
        if current.name in VOID:
            continue
        todo.append(f"</{current.name}>")
        todo.extend((child, current.name) for child in reversed(current.children))
    return "".join(parts)


def escaped(text: str) -> str:
    """Visible text in which no mark has a meaning."""
    return SPECIAL.sub(lambda match: ESCAPES[match[0]], visible(text))


def visible(text: str) -> str:
    """Text that hides nothing. Line ends and tabs stay; other controls, and marks that reorder, become escapes."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(harmless(part) for part in line.split("\t")) for line in lines)


def size(node: Node) -> int:
    """Bytes of a node when it is written."""
    return len(written(node).encode("utf-8"))


def _opening(node: Element) -> str:
    attributes = "".join(f' {name}="{escaped(value)}"' for name, value in node.attributes.items())
    # the parser drops a line end right behind <pre>: one more keeps the text's own
    return f"<{node.name}{attributes}>" + ("\n" if node.name == "pre" else "")


def _flat(children: Iterable[Node | Iterable[Node]]) -> Iterable[Node]:
    for child in children:
        if isinstance(child, (str, Element)):
            yield child
        else:
            yield from child


def _number(value: float) -> str:
    """At most two digits behind the point."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
