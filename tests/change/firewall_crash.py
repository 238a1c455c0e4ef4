"""Kills the fixes of the firewall at each call that changes something, and before and after each program.

Each point has a rule-set of its own in a real kernel, in a network namespace of its own. At the moment of death every
table is the old one or the new one, and the way back was armed; then undo, or the timer, makes it as before.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.change import engine, probation
from agent.change.model import Change, ChangeState, Plan
from agent.change.store import Store
from agent.firewall.model import Backend, Family, Hook
from agent.firewall.result import Place
from agent.firewall.saving import Part, parts
from agent.fixes import firewall_flush, firewall_ssh
from agent.fixes.firewall_ssh import Insertion
from agent.target import Target
from agent.target.detect import open_target
from agent.unknown import Unknown
from tests.change.crash import Killed, Killer, child, observed
from tests.fixes import rulesets
from tests.fixes.rulesets import Case
from tests.fixes.tables import in_force

WAYS = ("apply", "undo", "timer", "take back")
SECONDS = 600.0
BROKEN = "it is as broken as before"


@dataclass
class Row:
    """One way of one rule-set: how many points, at how many all was well, and what was not."""

    subject: str
    way: str
    points: int = 0
    survivors: int = 0
    problems: list[str] = field(default_factory=list)


def flush(target: Target, case: Case) -> Plan:
    found = held(target, case)
    return Plan("Flushes.", tuple(firewall_flush._run(part, b"") for part in reversed(found)))


def held(target: Target, case: Case) -> tuple[Part, ...]:
    found = parts(target, in_force(case))
    assert not isinstance(found, Unknown), found.reason
    return found


def ssh(target: Target, case: Case) -> Plan:
    """A rule in each chain that stops ssh, by whoever holds it."""
    places: list[Insertion] = []
    for name in case.xtables:
        backend = Backend.LEGACY if name == "legacy" else Backend.NF_TABLES
        for family in (Family.IP, Family.IP6):
            places.append(Insertion(Place(backend, family, "raw", "PREROUTING", 1, "drop", Hook.PREROUTING), 22))
            places.append(Insertion(Place(backend, family, "filter", "INPUT", 0, "policy", Hook.INPUT), 22))
    if case.native:
        places.append(Insertion(Place(Backend.NFT, Family.INET, "guard", "input", 8, "reject", Hook.INPUT), 22))
        places.append(Insertion(Place(Backend.NFT, Family.IP6, "six", "input", 1, "drop", Hook.INPUT), 22))
    runs = []
    for place in places:
        run = firewall_ssh._run(target, place)
        assert not isinstance(run, firewall_ssh.Refusal), run
        runs.append(run)
    return Plan("Lets ssh in.", tuple(runs))


KINDS: dict[str, Callable[[Target, Case], Plan]] = {"flush": flush, "ssh": ssh}


class Programs:
    """The engine's runs, seen by an observer as calls: killed before a program, or after it."""

    def __init__(self, observe: Callable[[str, str, bool], None]) -> None:
        self._observe = observe
        self._run = engine.run_inside

    def __call__(self, target: Target, argv: Any, *rest: Any) -> Any:
        self._observe("run", " ".join(argv), False)
        said = self._run(target, argv, *rest)
        self._observe("run", " ".join(argv), True)
        return said


@contextmanager
def watched(observe: Callable[[str, str, bool], None], armed: Path) -> Iterator[None]:
    """Every call and every program is seen; what is armed is only written down."""
    run, arm, disarm = engine.run_inside, probation.arm, probation.disarm

    def note(seconds: float, argv: Any, name: str, environment: Any = None) -> str:
        armed.write_text(name)
        return "noted"

    engine.run_inside = Programs(observe)  # type: ignore[assignment]
    probation.arm, probation.disarm = note, lambda name: True
    try:
        with observed(observe):
            yield
    finally:
        engine.run_inside, probation.arm, probation.disarm = run, arm, disarm


def trial(case: Case, kind: str, way: str, number: int, after: bool) -> tuple[bool, list[str]]:
    """Was there such a point, and what was wrong after the program had died there."""
    place = Path(tempfile.mkdtemp(prefix="lish-agent-firewall-"))
    try:
        said = rulesets.apart(lambda: _inside(case, kind, way, Killer(number, after), place))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    assert isinstance(said, dict)
    return said["there"], said["problems"]


def _inside(case: Case, kind: str, way: str, killer: Killer, place: Path) -> dict[str, object]:
    case.load()
    before = rulesets.printed(counters=False)
    target = open_target("/")
    states = [(part.name, _state(part)) for part in held(target, case)]
    plan = KINDS[kind](target, case)
    armed = place / "armed"
    backup = place / "kept"
    backup.mkdir()

    def store() -> Store:
        return Store.open(open_target("/"), str(backup))

    def work() -> None:
        timed = SECONDS if way == "timer" else None
        verify = (lambda: BROKEN) if way == "take back" else (lambda: "")
        if way == "undo":
            engine.undo(store())
        elif way == "timer":
            engine.undo(store(), unconfirmed=True)
        else:
            engine.apply(store(), "firewall", plan, verify=verify, confirm_within=SECONDS if not timed else None)

    if way in ("undo", "timer"):
        timed = SECONDS if way == "timer" else None
        with watched(lambda call, path, late: None, armed):
            engine.apply(store(), "firewall", plan, verify=lambda: "", confirm_within=timed)

    def dies() -> None:
        with watched(killer, armed):
            work()

    if not isinstance(child(dies), Killed):
        return {"there": False, "problems": []}
    problems = list(_halves(held(target, case), states)) if kind == "flush" else []
    changed = rulesets.printed(counters=False) != before
    if changed and way in ("apply", "take back") and not armed.exists():
        problems.append("something was changed, and no timer was armed")
    problems += _recovered(store(), way)
    now = rulesets.printed(counters=False)
    if now != before:
        problems += [f"is {line!r}" for line in now if line not in before][:3]
        problems += [f"lacks {line!r}" for line in before if line not in now][:3] or ["another order"]
    return {"there": True, "problems": problems}


def _recovered(store: Store, way: str) -> Iterator[str]:
    """What the timer, or a person, does who comes after the crash."""
    changes: tuple[Change, ...] = store.changes() if store.exists() else ()
    if not changes:
        return
    if changes[-1].state is not ChangeState.UNDONE:
        engine.undo(store, changes[-1].id, unconfirmed=changes[-1].confirm_by is not None)
    left = store.changes()[-1] if store.changes() else None
    if left is not None and left.state is not ChangeState.UNDONE:
        yield f"after undo: {left.state.value}"


def _state(part: Part) -> str:
    """What the part's own programs print of it now, without what goes on by itself."""
    from agent.firewall.saving import without_counters

    return "\n".join(line for command in part.show for line in without_counters(rulesets.run(*command)))


def _halves(now: tuple[Part, ...], before: list[tuple[str, str]]) -> Iterator[str]:
    """Tables that are neither as they were, nor empty."""
    was = dict(before)
    for part in now:
        if part.rules and _state(part) != was[part.name]:
            yield f"half: {part.name}"


def run(case: Case, kind: str, way: str, step: int = 1, sides: tuple[bool, ...] = (False, True)) -> Row:
    """Every point of one way; with ``step`` every so many."""
    row = Row(f"{kind}, {case.name}", way)
    number = 1
    there = True
    while there:
        for after in sides:
            there, problems = trial(case, kind, way, number, after)
            if not there:
                break
            row.points += 1
            row.survivors += not problems
            side = "after" if after else "before"
            row.problems += [f"{row.subject}, {way}, {side} call {number}: {'; '.join(problems)}"] if problems else []
        number += step
    return row
