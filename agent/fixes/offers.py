"""Which fixes the findings of a scan offer, and the exact command for each."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.change.model import Plan, Run
from agent.diagnosis.model import Finding, Status, Verdict
from agent.facts.facts import Facts
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.fixes.registry import FIXES
from agent.target import Mode, Target


@dataclass(frozen=True)
class Offer:
    """A fix that a finding proves, whose plan could be made."""

    fix: Fix
    finding: Finding
    name: str  # of --flag NAME, "" where it takes none
    command: str  # "agent fix --ifup-hook NAME --root /media/sda"
    undo: str  # "agent undo --root /media/sda"
    plan: Plan
    choice: str = ""  # of --flag=choice, "" where the fix decides


@dataclass(frozen=True)
class Withheld:
    """A fix that a finding proves, and that would be refused all the same."""

    fix: Fix
    finding: Finding
    refusal: Refusal


@dataclass(frozen=True)
class Offers:
    """What the current findings offer, in the order of the ladder."""

    offered: tuple[Offer, ...] = ()
    withheld: tuple[Withheld, ...] = ()

    def of(self, finding: Finding) -> Offer | None:
        return next((offer for offer in self.offered if offer.finding.id == finding.id), None)


def look(facts: Facts, findings: Sequence[Finding], fixes: Sequence[Fix] = FIXES, backup_dir: str = "") -> Offers:
    """The offers for confirmed findings: without proof nothing is offered.

    Each is planned, from facts alone, so that no fix is offered that would be refused when it is called.
    """
    offered: list[Offer] = []
    withheld: list[Withheld] = []
    for fix, finding in _pairs(findings, fixes):
        name = finding.values.get("name", "") if fix.argument else ""
        if fix.argument and not name:
            continue
        mine = tuple(one for one in findings if one.status is Status.CONFIRMED and one.id in fix.rules)
        choice, planned = _best(fix, Request(facts, mine, name=name))
        if isinstance(planned, Refusal):
            withheld.append(Withheld(fix, finding, planned))
            continue
        flag = f"{fix.flag}={choice}" if choice else fix.flag
        command = invocation("fix", flag, *([name] if name else []), root=facts.target.name, backup_dir=backup_dir)
        undo = invocation("undo", root=facts.target.name, backup_dir=backup_dir)
        if fix.on_device:
            undo = invocation("undo", fix.name, backup_dir=backup_dir)
        offered.append(Offer(fix, finding, name, command, undo, planned, choice))
    return Offers(tuple(offered), tuple(withheld))


def with_fix(verdict: Verdict, offers: Offers) -> Verdict:
    """The verdict whose next step is the fix of its finding, where there is one, instead of manual commands."""
    offer = offers.of(verdict.finding) if verdict.finding else None
    return verdict if offer is None else replace(verdict, next=(offer.command,), undo=(offer.undo,))


def _pairs(findings: Sequence[Finding], fixes: Sequence[Fix]) -> Iterator[tuple[Fix, Finding]]:
    """Each confirmed finding with the fix that its rule names, if that fix takes it for a proof.

    A consequence gets none: what caused it would cause it again.
    """
    for fix in fixes:
        for finding in findings:
            proves = finding.status is Status.CONFIRMED and not finding.explained_by
            if proves and finding.id in fix.rules and finding.rule.fix == fix.flag:
                yield fix, finding


def _best(fix: Fix, request: Request) -> tuple[str, Planned]:
    """What the fix does by itself; where it refuses, another of its choices that is neither risky nor for good."""
    planned = _planned(fix, request)
    if not isinstance(planned, Refusal):
        return "", planned
    for choice in fix.choices[1:]:
        if choice in dict(fix.lasts):
            continue  # no repair: it ends by itself
        other = planned if choice != choice.lower() else _planned(fix, replace(request, choice=choice))
        if not isinstance(other, Refusal) and not other.ask and _can_be_undone(other):
            return choice, other
    return "", planned


def _can_be_undone(plan: Plan) -> bool:
    return all(operation.reversible for operation in plan.operations if isinstance(operation, Run))


def _planned(fix: Fix, request: Request) -> Planned:
    if fix.live_only and not request.facts.target.live:
        return not_live(fix, request.facts.target)
    try:
        return fix.plan(request)
    except Exception as error:  # noqa: BLE001 - one fix that can't plan must not end a scan
        return Refusal(f"its plan could not be made: {type(error).__name__}: {error}")


def not_live(fix: Fix, target: Target) -> Refusal:
    if target.mode is Mode.CHROOT:
        return Refusal(
            f"you are inside a chroot: {fix.flag} would act on the rescue system",
            "leave it with exit, boot the host from this disk, log in at Lish, and run it there",
        )
    return Refusal(
        f"{fix.flag} works on the running host only",
        fix.elsewhere or "boot the host, log in at Lish, and run it there",
    )


def invocation(verb: str, *words: str, root: str = "/", backup_dir: str = "") -> str:
    """A command as it is to be typed again: with the root or the disk that was named, and quoted for a shell."""
    line = ["agent", verb, *words]
    if root.startswith("/dev/"):
        line += ["--device", root]
    elif root not in ("", "/"):
        line += ["--root", root]
    if backup_dir:
        line += ["--backup-dir", backup_dir]
    return " ".join(shlex.quote(word) for word in line)
