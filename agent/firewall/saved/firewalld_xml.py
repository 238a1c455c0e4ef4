"""XML as firewalld writes it: small trees of elements with attributes, read from files that may be hostile.

Entities are never declared nor expanded, nothing outside the file is opened, and depth and size are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

SIZE_LIMIT = 1024 * 1024  # bytes; only the entries of an ipset grow large
_DEPTH_LIMIT = 16
_ELEMENT_LIMIT = 100_000


class Refused(Exception):
    """firewalld would refuse this configuration as a whole, or we don't know what it would make of it."""


@dataclass
class Element:
    """``text`` is what stands before the first child. ``line`` is where it begins."""

    name: str
    attributes: Mapping[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""


def parse(data: bytes) -> Element:
    """The root element. Raises Refused with the reason when the file is no XML that firewalld would take."""
    if len(data) > SIZE_LIMIT:
        raise Refused(f"it is larger than {SIZE_LIMIT} bytes")
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Refused(f"not well-formed XML: {expat.ErrorString(error.code)}, line {error.lineno}") from None
    except (ValueError, LookupError, UnicodeError) as error:
        raise Refused(f"not readable XML: {error}") from None  # an encoding that is not known
    if reader.root is None:
        raise Refused("no XML element in it")
    return reader.root


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self.open: list[Element] = []
        self.count = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._entity
        self.parser.ExternalEntityRefHandler = self._external

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if len(self.open) >= _DEPTH_LIMIT or self.count > _ELEMENT_LIMIT:
            raise Refused("nested too deep or too long")
        element = Element(name, attributes, self.parser.CurrentLineNumber)
        if self.open:
            self.open[-1].children.append(element)
        elif self.root is None:
            self.root = element
        self.open.append(element)

    def _end(self, _name: str) -> None:
        self.open.pop()

    def _text(self, text: str) -> None:
        if self.open and not self.open[-1].children:
            self.open[-1].text += text

    def _entity(self, *_what: object) -> None:
        raise Refused("it declares entities")

    def _external(self, *_what: object) -> int:
        raise Refused("it refers to another file")
