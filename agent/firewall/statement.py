"""Statements: what a rule does with a packet for which its expressions held."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Union

from agent.firewall.fields import Field, Key

if TYPE_CHECKING:
    from agent.firewall.sets import Set


class Action(Enum):
    """The ends of a chain's walk. ``RETURN`` in a base chain means its policy."""

    ACCEPT = "accept"  # leaves this base chain; the next one at the hook, or the next hook, goes on
    DROP = "drop"
    REJECT = "reject"
    RETURN = "return"
    CONTINUE = "continue"  # the rule goes on


@dataclass(frozen=True)
class End:
    """A final verdict. ``answer`` is how a reject answers: "icmp-port-unreachable", "tcp-reset"."""

    action: Action
    answer: str = ""


@dataclass(frozen=True)
class Jump:
    """Into another chain of the same table. After a ``goto``, its end returns not here but to where here would."""

    chain: str
    goto: bool = False


Verdict = Union[End, Jump]


@dataclass(frozen=True)
class Constant:
    """A value that stands in the rule."""

    value: int


@dataclass(frozen=True)
class Read:
    """The value of a field."""

    field: Field


@dataclass(frozen=True)
class Mapped:
    """What a map gives for the values of ``keys``; the rule ends where it has none."""

    keys: tuple[Key, ...]
    map: str | Set


@dataclass(frozen=True)
class Uncertain:
    """A value that the rule computes in a way that the model doesn't follow."""

    reason: str


@dataclass(frozen=True)
class Endpoint:
    """Where a map sends packets: ranges of addresses, and of ports. Only as data of a map."""

    addresses: tuple[int, int]
    ports: tuple[int, int] | None = None


Operand = Union[Constant, Read, Mapped, Uncertain, Endpoint]


@dataclass(frozen=True)
class Assign:
    """``field`` becomes (its old value & ``keep``) ^ (operand & ``take``) ^ ``toggle``: marks, TTL."""

    field: Field
    operand: Operand
    keep: int = 0
    take: int = -1
    toggle: int = 0


class Translation(Enum):
    """What a translation changes. A redirect gives the packet this host's own address on the interface."""

    DESTINATION = "dnat"
    REDIRECT = "redirect"
    SOURCE = "snat"
    MASQUERADE = "masquerade"


@dataclass(frozen=True)
class Translate:
    """Network address translation; an end of the walk through its base chain (packets go on as accepted).

    ``addresses`` and ``ports`` are ranges from which the kernel chooses; None leaves the packet's own.
    With ``keep`` (NETMAP) only the bits of the address that are not in ``keep`` come from ``addresses``.
    ``uncertain`` says why the new destination can't be told. ``by`` is the map that gives it: its data are
    ``Endpoint``.
    """

    kind: Translation
    addresses: tuple[int, int] | None = None
    ports: tuple[int, int] | None = None
    keep: int = 0
    uncertain: str = ""
    by: Mapped | None = None


@dataclass(frozen=True)
class Untrack:
    """The packet is kept out of connection tracking (NOTRACK, CT --notrack, nft notrack): only before it began."""


@dataclass(frozen=True)
class Template:
    """The packet's connection will be made from a template (CT target): until tracking begins it seems new, and can't
    be kept out any more. In another ``zone`` an established connection may be new."""

    zone: bool = False


@dataclass(frozen=True)
class Fill:
    """Puts something into a set, or takes it out: from here on its content is not known."""

    set: str


@dataclass(frozen=True)
class Choose:
    """nft's verdict map: the values of ``keys`` choose a verdict; without one the rule's next statement follows (a
    rule of nft ends there: its reader puts a ``Lookup`` before)."""

    keys: tuple[Key, ...]
    map: str | Set


@dataclass(frozen=True)
class Aside:
    """Does something that is nothing to the packet's way: log, count, trace, copy, classify."""

    what: str


@dataclass(frozen=True)
class Beyond:
    """A target that the model doesn't know, or that leaves the decision to a program (a queue, a proxy):
    from here on nothing is known."""

    reason: str


Statement = Union[End, Jump, Assign, Translate, Untrack, Template, Fill, Choose, Aside, Beyond]
