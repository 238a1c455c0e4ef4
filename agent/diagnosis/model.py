"""The words of the diagnosis: rule, proof, evidence, finding, layer, verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Callable, Union

from agent.facts.facts import Facts
from agent.logs.model import Entry, Hits, Pattern


class Layer(str, Enum):
    """The rungs between "powered on" and "you can ssh in", lowest first."""

    BOOT = "boot"
    STORAGE = "storage"
    PACKAGES = "packages"
    LINK = "link"
    NAME = "name"
    MANAGER = "manager"
    ADDRESS = "address"
    ROUTE = "route"
    FIREWALL = "firewall"
    DNS = "dns"
    SSH = "ssh"


class Severity(str, Enum):
    CRITICAL = "critical"  # the host can't be reached, or won't boot, because of it
    WARNING = "warning"
    INFO = "info"


class Status(str, Enum):
    CONFIRMED = "confirmed"  # the proof holds now
    SUSPECTED = "suspected"  # a log says so, the proof can't be looked at
    PAST = "past"  # it happened, and is repaired since


class LayerState(str, Enum):
    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    UNCHECKED = "unchecked"


class VerdictState(str, Enum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Evidence:
    """One thing that shows it: a file's line, a command's output, a log entry."""

    source: str  # path in the target, "journal", or a live source such as "ip route"
    text: str
    line: int = 0
    cursor: str = ""
    time: float | None = None
    boot: int | None = None


@dataclass(frozen=True)
class Holds:
    """The problem is real now. ``why`` is one clause for the screen: "gateway 192.0.2.1 is outside
    192.0.3.0/24". ``values`` fill the {placeholders} of the rule's title and advice. ``severity``
    overrides the rule's for this host (a failing hook that left the network up is a warning).
    ``commands``/``undo`` replace the advice's when the cure depends on what was found."""

    why: str
    evidence: tuple[Evidence, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    commands: tuple[str, ...] | None = None
    undo: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Fails:
    """The problem is provably not there (now)."""

    why: str


@dataclass(frozen=True)
class CantTell:
    """The proof can't be looked at on this target, and why."""

    why: str
    values: Mapping[str, str] = field(default_factory=dict)


Proof = Union[Holds, Fails, CantTell]


@dataclass(frozen=True)
class Context:
    """What a proof may look at: the facts, its own rule's hits and parameters, and everybody's hits."""

    facts: Facts
    hits: Mapping[str, Hits]  # this rule's, by pattern name
    params: Mapping[str, str]
    found: Mapping[str, Mapping[str, Hits]]  # all rules' hits, by rule id
    told: Mapping[str, Hits] = field(default_factory=dict)  # this rule's lines that only tell, by pattern name

    def entries(self, newest_boot: bool = False, trusted: bool = False) -> tuple[Entry, ...]:
        """This rule's entries, oldest first; only those of the newest boot, or of proven origin."""
        return tuple(
            match.entry
            for hits in self.hits.values()
            for match in hits.matches
            if (not newest_boot or match.entry.boot == 0) and (not trusted or match.entry.trust is not None)
        )

    def trusted_now(self) -> tuple[Entry, ...]:
        """Entries of the newest boot whose writer the journal vouches for."""
        return self.entries(newest_boot=True, trusted=True)


ProofFunction = Callable[[Context], Proof]


@dataclass(frozen=True)
class Sample:
    """A log text that the rule must, or must not, match; with why."""

    text: str
    why: str = ""


@dataclass(frozen=True)
class Advice:
    text: str
    commands: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


@dataclass(frozen=True)
class RulePattern:
    """A pattern with its reason. ``repairs`` marks a line that says the problem is over: matches older
    than it are past. ``refutes`` marks a line that says the others are false: the program that made them
    could not see what it claims; matches of the same source don't count. ``tells`` marks a line that the proof
    asks for, and that speaks for no problem by itself."""

    name: str
    pattern: Pattern
    why: str
    repairs: bool = False
    refutes: bool = False
    tells: bool = False

    @property
    def claims(self) -> bool:
        """True when a match speaks for the problem, not against it."""
        return not (self.repairs or self.refutes or self.tells)


@dataclass(frozen=True)
class Rule:
    """One known problem, declared in rules/<layer>/<id>.toml (see docs/rules.md)."""

    id: str
    title: str
    layer: Layer
    severity: Severity
    patterns: tuple[RulePattern, ...]
    proof: str  # name of a function in agent.diagnosis.proofs
    params: Mapping[str, str]
    explains: tuple[str, ...]  # ids whose findings are consequences of this one
    advice: Advice
    fix: str  # flag of agent fix, or ""
    references: tuple[str, ...]
    matching: tuple[Sample, ...]
    rejecting: tuple[Sample, ...]
    path: str = ""


@dataclass(frozen=True)
class Finding:
    """A rule that held on this target."""

    rule: Rule
    status: Status
    severity: Severity
    title: str
    proof: str  # the clause of the proof, or why it could not be looked at
    evidence: tuple[Evidence, ...]
    count: int  # log matches
    advice: Advice  # with the placeholders filled
    first: float | None = None
    last: float | None = None
    root_cause: bool = False
    explained_by: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)  # what the proof found, by name

    @property
    def id(self) -> str:
        return self.rule.id


@dataclass(frozen=True)
class Rung:
    layer: Layer
    state: LayerState
    why: str


@dataclass(frozen=True)
class Verdict:
    state: VerdictState
    layer: Layer | None
    finding: Finding | None
    summary: str
    next: tuple[str, ...]
    undo: tuple[str, ...] = ()
