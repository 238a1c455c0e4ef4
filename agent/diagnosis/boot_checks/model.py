"""The words of "will it boot?": a check and its state, and what several checks share while they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from agent.diagnosis.evaluation import evaluate
from agent.diagnosis.loader import load
from agent.diagnosis.model import Finding, Severity, Status
from agent.diagnosis.proofs import parts
from agent.facts.boot import MenuEntry
from agent.facts.facts import Facts
from agent.facts.programs import Programs
from agent.logs.model import Found


class BootState(Enum):
    OK = "ok"
    PROBLEM = "problem"
    DOUBT = "doubt"  # it may fail
    UNKNOWN = "unknown"  # it can't be known from here


@dataclass(frozen=True)
class BootCheck:
    """One thing that the next boot needs, and how it stands.

    ``what`` is a word or two for the table ("kernel", "root device"); ``why`` one clause with the file, the line or
    the value that shows it; ``commands`` what to run, with the mounted root in them; ``finding`` the id of the rule
    that found it, "" where no rule did.
    """

    what: str
    state: BootState
    why: str
    commands: tuple[str, ...] = ()
    finding: str = ""


class Checked:
    """The facts of a target with what several checks need: findings, programs that were looked at, the entry."""

    def __init__(self, facts: Facts, found: Found | None = None) -> None:
        self.facts = facts
        self.target = facts.target
        self.programs = Programs(facts.target)
        self.machine = ""  # for which the kernel is, as soon as that is known
        self.culprits: set[str] = set()  # files that keep a program from starting, and have been named
        self._found = found or Found({}, (), (), 0)

    @property
    def entry(self) -> MenuEntry | None:
        """What the boot menu on this disk boots."""
        return self.facts.boot.default_entry

    @cached_property
    def options(self) -> tuple[str, ...]:
        """The words of the kernel's command line, as the menu has it."""
        return tuple(word.strip("\"'") for word in self.entry.options.split()) if self.entry else ()

    def option(self, name: str) -> str | None:
        """The last value of ``name=value`` on the command line; None when it is not there."""
        values = [word.partition("=")[2].strip("\"'") for word in self.options if word.startswith(f"{name}=")]
        return values[-1] if values else None

    @cached_property
    def findings(self) -> Mapping[str, Finding]:
        """What the rules prove of this target, by id. Without a scan's logs, what the disk alone shows."""
        rules = [rule for rule in load() if rule.proof != "trusted_log"]
        made = evaluate(self.facts, rules, self._found)
        return {one.rule.id: one for one in made.findings if one.status is Status.CONFIRMED}

    def confirmed(self, what: str, *rules: str) -> tuple[BootCheck, ...]:
        """What these rules found, as checks: critical is a problem, a warning may be one, a note is none."""
        found = (self.findings[identity] for identity in rules if identity in self.findings)
        return tuple(of_finding(what, one) for one in found if one.severity is not Severity.INFO)

    def named(self, *rules: str) -> str:
        """The first of these rules that is proven; "" when none is."""
        return next((identity for identity in rules if identity in self.findings), "")

    @property
    def place(self) -> str:
        """The mounted root in a command that the person types, "" on the host itself."""
        return self.target.place.rstrip("/")

    def inside(self, command: str) -> str:
        """The command as it is run for this target: in a chroot of a mounted root."""
        return parts.in_root(self.facts, command)


def of_finding(what: str, finding: Finding) -> BootCheck:
    state = BootState.PROBLEM if finding.severity is Severity.CRITICAL else BootState.DOUBT
    return BootCheck(what, state, finding.proof, finding.advice.commands, finding.rule.id)


def ok(what: str, why: str) -> BootCheck:
    return BootCheck(what, BootState.OK, why)


def problem(what: str, why: str, *commands: str, finding: str = "") -> BootCheck:
    return BootCheck(what, BootState.PROBLEM, why, commands, finding)


def doubt(what: str, why: str, *commands: str, finding: str = "") -> BootCheck:
    return BootCheck(what, BootState.DOUBT, why, commands, finding)


def unknown(what: str, why: str) -> BootCheck:
    return BootCheck(what, BootState.UNKNOWN, why)
