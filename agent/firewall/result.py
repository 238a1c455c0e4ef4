"""Results: what becomes of a packet, which rule decides, and the way there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from agent.firewall.fields import Field, Value
from agent.firewall.model import Backend, Family, Hook


class Verdict(Enum):
    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Place:
    """A rule, or a chain's policy (``number`` 0). ``text`` as its tool prints it."""

    backend: Backend
    family: Family
    table: str
    chain: str
    number: int
    text: str
    hook: Hook | None = None  # of a base chain
    line: int = 0


@dataclass(frozen=True)
class Step:
    """One chain on the way. ``by`` is the rule that led into it, None for a base chain."""

    hook: Hook
    backend: Backend
    family: Family
    table: str
    chain: str
    by: Place | None = None


@dataclass(frozen=True)
class Result:
    """What becomes of a packet.

    ``place`` is what decided: for an unknown verdict the rule that the model can't judge, with ``why``. None where
    no rule and no policy took part. ``possible`` are the verdicts that can come of it. ``reply`` is true when the
    packet came in, and it is the answer on its way back that met this verdict. ``packet`` is what reached its end,
    after all translations; ``forwarded``: that is another host.
    """

    verdict: Verdict
    place: Place | None
    why: str
    trace: tuple[Step, ...]
    possible: frozenset[Verdict]
    packet: Mapping[Field, Value]
    answer: str = ""  # how a reject answers
    reply: bool = False
    forwarded: bool = False
