"""Values in nft's text before their type is known: the type of what stands on the left tells what ``ssh`` means.

A tree is made of the shapes of libnftables-json(5) with tokens as its leaves: ``{"range": [low, high]}``,
``{"prefix": {"addr": address, "len": bits}}``, ``{"concat": [...]}``, ``{"set": [...]}`` whose elements may be
``{"elem": {"val": key, ...}}``. Only ``{"pair": [key, data]}``, an element of a map, and ``{"map": [key, map]}`` are
shapes of our own. A row is a list of flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple, Union

from agent.firewall.nft.text_fields import ETHER_TYPES, PROTOCOL_ALIASES, PROTOCOL_NAMES
from agent.firewall.nft.text_tokens import Kind, Token, milliseconds


class NotNft(Exception):
    """The text has no meaning in nft's language. ``refused`` is False where only this program doesn't know it."""

    def __init__(self, why: str, refused: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.refused = refused


class Selector(NamedTuple):
    """What a rule takes from a packet, as JSON; ``kind`` is the type of its values."""

    json: dict[str, object]
    kind: str


# Any other object is a finished piece of JSON.
Tree = Union[Token, Selector, str, int, None, "list[Tree]", "dict[str, object]"]
Kinds = tuple[str, ...]

OPERATORS = frozenset({"|", "^", "&", "<<", ">>"})
_BY_NAME = frozenset({"realm", "devgroup", "iface_index"})  # nft prints their numbers as texts


def integer(text: str) -> int:
    """The value of a number as nft writes it."""
    if len(text) > 40:
        raise NotNft("the number is too large")
    return int(text, 16) if text[:2] in ("0x", "0X") else int(text)


def measure(tree: object) -> tuple[int, int]:
    """How many leaves a tree has, and how deep it is."""
    if isinstance(tree, dict):
        rows: list[object] = list(tree.values())
    elif isinstance(tree, list):
        rows = tree
    else:
        return 1, 0
    sizes = [measure(row) for row in rows]
    return sum(size for size, _ in sizes) + 1, max((depth for _, depth in sizes), default=0) + 1


def kinds_of(tree: object) -> Kinds:
    """The types of a left side, one for each part of a concatenation."""
    if isinstance(tree, Selector):
        return (tree.kind,)
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key == "concat" and isinstance(value, list):
                return tuple(kind for part in value for kind in kinds_of(part))
            if key in OPERATORS and isinstance(value, list):
                return kinds_of(value[0])
    return ("",)


def _plain(kinds: Kinds, named: frozenset[str] = _BY_NAME | {"inet_proto"}) -> Kinds:
    """Within sets and ranges nft prints numbers of some types as such."""
    return tuple("" if kind in named else kind for kind in kinds)


def flags_of(json: object) -> object:
    """``syn | ack`` and ``(syn|ack)`` as the list of flags that nft prints; other values as they are."""
    if not isinstance(json, dict) or len(json) != 1 or "|" not in json:
        return json
    found: list[object] = []
    rows: list[object] = [json]
    while rows:
        row = rows.pop()
        parts = row.get("|") if isinstance(row, dict) else None
        if isinstance(parts, list):
            rows += reversed(parts)
        elif isinstance(row, str):
            found.append(row)
        else:
            return json
    return found


class Converter:
    """Turns trees into JSON; ``services`` are the numbers of ports by name."""

    def __init__(self, services: Mapping[str, int]) -> None:
        self._services = services

    def json(self, tree: object, kinds: Kinds = ("",), data: Kinds = ("",)) -> object:
        """A tree of values of these types; ``data`` is the type of what a map gives."""
        if isinstance(tree, Token):
            return self._constant(tree, kinds[0] if kinds else "")
        if isinstance(tree, Selector):
            return tree.json
        if isinstance(tree, list):
            return [self.json(part, kinds, data) for part in tree]
        if not isinstance(tree, dict) or len(tree) != 1:
            return tree
        for key, value in tree.items():
            if key == "concat" and isinstance(value, list):
                return {key: self._concat(value, kinds)}
            if key == "range":
                return {key: self.json(value, _plain(kinds))}
            if key in OPERATORS:
                return {key: self.json(value, kinds)}
            if key == "prefix" and isinstance(value, dict):
                return {key: {**value, "addr": self.json(value["addr"], kinds)}}
            if key == "elem" and isinstance(value, dict):
                return {key: {**value, "val": self.json(value["val"], kinds)}}
            if key == "set" and isinstance(value, list):
                kinds = _plain(kinds, _BY_NAME)
                return {key: [self.json(item, kinds, data) for item in value]}
            if key == "pair" and isinstance(value, list):
                return [self.json(value[0], kinds), self.json(value[1], data)]
            if key == "map" and isinstance(value, list):
                return {key: self.mapped(value[0], value[1], kinds)}
        return tree

    def mapped(self, key: object, mapping: object, data: Kinds) -> dict[str, object]:
        """A key and the map that it is looked up in."""
        kinds = kinds_of(key)
        return {"key": self.json(key, kinds), "data": self.json(mapping, kinds, data)}

    def _concat(self, parts: list[object], kinds: Kinds) -> list[object]:
        return [self.json(part, (kinds[place],) if place < len(kinds) else ("",)) for place, part in enumerate(parts)]

    def _constant(self, token: Token, kind: str) -> object:
        text = token.text
        if token.kind is Kind.NUMBER:
            return _number(text, kind)
        if token.kind is Kind.ADDRESS:
            return _address(text)
        if token.kind is Kind.TIME and kind == "time":
            return milliseconds(text) // 1000
        if token.kind is Kind.WORD:
            return self._word(text, kind)
        return text

    def _word(self, text: str, kind: str) -> object:
        if text in ("exists", "missing"):
            return text == "exists"
        if kind == "inet_service":
            if text not in self._services:
                raise NotNft(f"{text!r} is no service that is known", refused=False)
            return self._services[text]
        if kind == "inet_proto":
            return PROTOCOL_ALIASES.get(text, text)
        if kind in ("ipv4_addr", "ipv6_addr", "address"):
            raise NotNft(f"{text[:40]!r} is a host's name, that is looked up when the rules are loaded", refused=False)
        if kind in ("uid", "gid") and text == "root":
            return 0
        return text


def _number(text: str, kind: str) -> object:
    value = integer(text)
    if kind == "inet_proto":
        return PROTOCOL_NAMES.get(value, value)
    if kind == "ether_type":
        return ETHER_TYPES.get(value, value)
    if kind in _BY_NAME:
        return str(value)
    return value if value < 1 << 64 else hex(value)


def _address(text: str) -> str:
    """As nft prints it; addresses of Ethernet as they are, in small letters."""
    try:
        if "." in text and ":" not in text:
            return inet_ntop(AF_INET, inet_pton(AF_INET, text))
        if text.count(":") == 5 and "::" not in text:
            return ":".join(part.rjust(2, "0") for part in text.lower().split(":"))
        return inet_ntop(AF_INET6, inet_pton(AF_INET6, text))
    except OSError:
        raise NotNft(f"{text!r} is no address") from None
