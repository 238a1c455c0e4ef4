"""Expressions: what a rule asks before it acts. They hold, don't hold, or can't be told (see match.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from agent.firewall.fields import Field, Key
from agent.firewall.sets import Set

Ranges = tuple[tuple[int, int], ...]  # both ends included


@dataclass(frozen=True)
class Within:
    """The field's value, after ``mask``, lies in one of the ranges.

    Where the packet has no such field it does not hold, negated or not: as both xtables' matches and nft's
    expressions break off there.
    """

    field: Field
    ranges: Ranges
    negated: bool = False
    mask: int = -1


@dataclass(frozen=True)
class Named:
    """The field is this name, or begins with it (``prefix``): interfaces, packet types."""

    field: Field
    name: str
    prefix: bool = False
    negated: bool = False


@dataclass(frozen=True)
class Same:
    """Two fields have the same value (rpfilter: the route back and the interface of arrival)."""

    field: Field
    other: Field


@dataclass(frozen=True)
class Present:
    """The packet has this field: a connection's, a port, a flag."""

    field: Field


@dataclass(frozen=True)
class Lookup:
    """The values of ``keys``, side by side, are a key of an nft set: one of the table by its name, or an
    anonymous one. Does not hold where a field is missing, negated or not."""

    keys: tuple[Key, ...]
    set: str | Set
    negated: bool = False


@dataclass(frozen=True)
class InIpset:
    """The packet is in an ipset: ``directions`` has "src" or "dst" for each part of its key (man iptables-extensions,
    set). What the parts are is known only to the set. A field that is missing means: not in it."""

    set: str
    directions: tuple[str, ...]
    return_nomatch: bool = False


@dataclass(frozen=True)
class Every:
    """All parts hold; with no parts: always."""

    parts: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Either:
    """One of the parts holds; with no parts: never."""

    parts: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Expression


@dataclass(frozen=True)
class Depends:
    """Holds for some packets and not for others by what came before them (limit, recent, quota, statistic):
    both outcomes happen."""

    reason: str


@dataclass(frozen=True)
class NotModelled:
    """A match that the model doesn't know, or an option that was not understood."""

    reason: str


Expression = Union[Within, Named, Same, Present, Lookup, InIpset, Every, Either, Not, Depends, NotModelled]

ALWAYS = Every()
NEVER = Either()
