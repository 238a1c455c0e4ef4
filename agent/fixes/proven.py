"""From a wish (a flag) to a plan: only with proof, or when the person insists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from agent.change import history
from agent.change.model import Plan
from agent.change.place import boot_id
from agent.diagnosis.evaluation import Evaluated, evaluate
from agent.diagnosis.model import CantTell, Fails, Finding, Rule, Status
from agent.facts.facts import Facts
from agent.fixes.model import Fix, Refusal, Request
from agent.fixes.offers import not_live
from agent.logs.model import Found
from agent.target import Target
from agent.unknown import Unknown


@dataclass(frozen=True)
class Wish:
    """A fix as it was asked for: --flag, --flag=choice, or --flag NAME."""

    fix: Fix
    choice: str = ""
    name: str = ""
    forced: bool = False

    @property
    def words(self) -> str:
        """As it was typed: "--sendmail=purge"."""
        if self.name:
            return f"{self.fix.flag} {self.name}"
        return f"{self.fix.flag}={self.choice}" if self.choice else self.fix.flag


@dataclass(frozen=True)
class Ready:
    """A plan, and the request that it was made from."""

    request: Request
    plan: Plan


@dataclass(frozen=True)
class NothingToDo:
    """The problem is provably not there."""

    why: str


Answer = Union[Ready, Refusal, NothingToDo]


@dataclass(frozen=True)
class Case:
    """What proves a fix: facts read at one moment, and what the logs held."""

    facts: Facts
    rules: tuple[Rule, ...]  # all, for a proof may look at another rule's hits
    found: Found

    def evaluated(self, fix: Fix) -> Evaluated:
        return evaluate(self.facts, self.rules, self.found, only=frozenset(fix.rules))

    def anew(self) -> Case:
        """The same logs with fresh facts."""
        return Case(Facts(self.facts.target), self.rules, self.found)


def answer(wish: Wish, case: Case) -> Answer:
    """The plan; or why there is none."""
    fix = wish.fix
    if fix.live_only and not case.facts.target.live:
        return not_live(fix, case.facts.target)
    evaluated = case.evaluated(fix)
    findings = confirmed(evaluated)
    forced = wish.forced or (fix.after_change and _changed_in_this_boot(fix, case.facts.target))
    if not findings and not forced and not fix.own_proof:
        return _unproven(fix, evaluated)
    request = Request(case.facts, findings, wish.choice, wish.name, forced)
    planned = fix.plan(request)
    return planned if isinstance(planned, Refusal) else Ready(request, planned)


def _changed_in_this_boot(fix: Fix, target: Target) -> bool:
    """Was another fix applied, or taken back, since the host booted?"""
    changes = history.read(target)
    if isinstance(changes, Unknown):
        return False
    boot = boot_id(target)
    return any(change.fix != fix.name and change.boot == boot != "" and change.ended is not None for change in changes)


def confirmed(evaluated: Evaluated) -> tuple[Finding, ...]:
    return tuple(finding for finding in evaluated.findings if finding.status is Status.CONFIRMED)


def _unproven(fix: Fix, evaluated: Evaluated) -> Refusal | NothingToDo:
    """A log alone is a suspicion, and what can't be looked at is no proof."""
    titles = {finding.id: finding for finding in evaluated.findings}
    for identity, proof in evaluated.proofs.items():
        if isinstance(proof, CantTell) and identity in titles:
            finding = titles[identity]
            status = "only suspected" if finding.status is Status.SUSPECTED else "past"
            return Refusal(f"it is {status}, not proven: {proof.why}", _INSIST, forceable=True)
    unknown = [proof.why for proof in evaluated.proofs.values() if isinstance(proof, CantTell)]
    if unknown:
        return Refusal(f"there is no proof for it: {unknown[0]}", _INSIST, forceable=True)
    if not evaluated.proofs:
        return Refusal("none of the rules that prove it is known here", _INSIST, forceable=True)
    past = [finding for finding in evaluated.findings if finding.status is Status.PAST]
    if past:
        return NothingToDo(f"it happened, and is repaired since: {past[0].proof}")
    fails = [proof.why for proof in evaluated.proofs.values() if isinstance(proof, Fails)]
    return NothingToDo("; ".join(dict.fromkeys(fails[:2])))


_INSIST = "agent scan shows what is known; --force insists, and keeps a backup all the same"


def still_wrong(fix: Fix, before: Request, case: Case) -> str:
    """What is still wrong after the fix was applied, "" when nothing is: the proof is looked at anew.

    ``case`` holds fresh facts; the logs are those of before, which the fix did not change.
    """
    findings = confirmed(case.evaluated(fix))
    if fix.verify is not None:
        return fix.verify(Request(case.facts, findings, before.choice, before.name, before.forced))
    return still_confirmed(findings)


def still_confirmed(findings: Sequence[Finding]) -> str:
    return "; ".join(f"{finding.title}: {finding.proof}" for finding in findings)
