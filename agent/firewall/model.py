"""The rule-set model: tables, chains and rules, as xtables and nft both have them.

The kernel knows no difference between the two but who loaded what: base chains stand at hooks in the order of
their priority, and a packet must be accepted by each of them. xtables' tables are read with the hooks and
priorities that they have in the kernel (``xtables/tables.py``), so that both add up in one ``Ruleset``.

For a reader of nft: a rule's ``steps`` are its expressions and statements in the order they are written, for there
``meta mark set 1 meta mark 1 accept`` means what it says. Every test of an address stands behind a test of
``Field.FAMILY``, and one of a port behind one of ``Field.PROTOCOL``, as nft itself adds them. Families: inet
chains see IPv4 and IPv6; ip and ip6 one each; netdev chains (ingress, egress) see what passes ``Base.device``;
arp and bridge chains see no IP packet that is routed or addressed to this host itself. A meter or a dynamic set
is a ``Set`` with ``incomplete``; sets with timeouts have elements with ``expires``; a set with intervals, elements
whose parts are ranges. A verdict map is a ``Set`` whose elements' ``data`` are verdicts, used by ``Choose``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Union

from agent.firewall.expression import Expression
from agent.firewall.sets import Set
from agent.firewall.statement import End, Statement

Step = Union[Expression, Statement]


class Backend(Enum):
    """Who holds a table. Tables of iptables-nft are xtables in form, and nft's in the kernel."""

    LEGACY = "legacy"
    NF_TABLES = "nf_tables"
    NFT = "nft"


class Family(Enum):
    IP = "ip"
    IP6 = "ip6"
    INET = "inet"
    ARP = "arp"
    BRIDGE = "bridge"
    NETDEV = "netdev"


class Hook(Enum):
    """Where a base chain stands (man nft, ADDRESS FAMILIES)."""

    INGRESS = "ingress"
    PREROUTING = "prerouting"
    INPUT = "input"
    FORWARD = "forward"
    OUTPUT = "output"
    POSTROUTING = "postrouting"
    EGRESS = "egress"


@dataclass(frozen=True)
class Base:
    """What makes a chain a base chain. ``nat`` chains see only the first packet of a connection, and at a priority
    of the kernel's choice. ``device`` is of ingress and egress chains. ``disabled``: an nft table that sleeps
    (flags dormant)."""

    hook: Hook
    priority: int
    policy: End
    nat: bool = False
    device: tuple[str, ...] = ()
    disabled: bool = False


@dataclass(frozen=True)
class Rule:
    """``text`` is the rule as its tool prints it. ``number`` counts from 1 within the chain, as
    ``iptables -L --line-numbers`` does; ``handle`` is nft's. ``counters`` are packets and bytes."""

    text: str
    number: int
    steps: tuple[Step, ...]
    counters: tuple[int, int] | None = None
    handle: int | None = None
    line: int = field(default=0, compare=False)  # of the text that was read


@dataclass(frozen=True)
class Chain:
    """``truncated`` says why rules may be missing at its end; then what falls off its end is unknown."""

    name: str
    rules: tuple[Rule, ...] = ()
    base: Base | None = None
    counters: tuple[int, int] | None = None
    truncated: str = ""


@dataclass(frozen=True)
class Table:
    """``name`` as its tool prints it. ``sets`` are nft's own."""

    name: str
    family: Family
    backend: Backend
    chains: tuple[Chain, ...] = ()
    sets: tuple[Set, ...] = ()

    @cached_property
    def chain_by_name(self) -> Mapping[str, Chain]:
        return {chain.name: chain for chain in self.chains}

    @cached_property
    def set_by_name(self) -> Mapping[str, Set]:
        return {item.name: item for item in self.sets}


@dataclass(frozen=True)
class Problem:
    """Something in a text that could not be understood; ``refused``: its own program would not load the text."""

    line: int
    text: str
    why: str
    refused: bool = False


@dataclass(frozen=True)
class Ruleset:
    """Everything that is, or would be, in force. ``ipsets`` is None where nobody told what the ipsets hold.

    Base chains of the same hook and priority are met in the order of ``tables``. The kernel puts those first that were
    registered last (net/netfilter/core.c, nf_hook_entries_grow), which only ``nft list hooks`` tells."""

    tables: tuple[Table, ...] = ()
    ipsets: Mapping[str, Set] | None = None
    problems: tuple[Problem, ...] = ()


def assumed_whole(ruleset: Ruleset) -> Ruleset:
    """The rule-set of a text that was cut off, as if nothing had been lost: say so wherever it is used."""
    return replace(
        ruleset,
        tables=tuple(
            replace(table, chains=tuple(replace(chain, truncated="") for chain in table.chains))
            for table in ruleset.tables
        ),
    )


def together(*parts: Ruleset) -> Ruleset:
    """Rule-sets that are in force at the same time (legacy and nft, IPv4 and IPv6, ipsets): they add up."""
    sets: dict[str, Set] = {}
    for part in parts:
        sets.update(part.ipsets or {})
    known = any(part.ipsets is not None for part in parts)
    return Ruleset(
        tuple(table for part in parts for table in part.tables),
        MappingProxyType(sets) if known else None,
        tuple(problem for part in parts for problem in part.problems),
    )
