"""The course of `agent fix`: prove, plan, show, ask, apply, verify; and what is said at each step."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.change import engine
from agent.change.errors import ChangeRefused
from agent.change.model import Change, ChangeState, Plan
from agent.change.prepare import drafted
from agent.change.preview import preview
from agent.change.store import Store
from agent.cli import examine
from agent.errors import AgentError
from agent.fixes import offers, proven
from agent.fixes.model import Refusal
from agent.fixes.offers import Offers, invocation
from agent.fixes.proven import Case, NothingToDo, Ready, Wish
from agent.report import change_json, changes
from agent.report.change_json import Place
from agent.report.operations import reversible
from agent.report.style import Style
from agent.report.terminal import Progress, style
from agent.target import Target
from agent.unknown import Unknown

DONE, REFUSED = 0, 1
INTERRUPTED = 130  # after Ctrl-C


@dataclass
class Session:
    """One call of `agent fix`: how it was called, and what came of it so far."""

    target: Target
    backup_dir: str = ""
    dry_run: bool = False
    yes: bool = False
    force: bool = False
    probation: float | None = None  # seconds
    lasting: float | None = None  # seconds, of a fix that ends by itself; 0: it does not
    as_json: bool = False
    made: list[dict[str, object]] = field(default_factory=list)
    refused: list[dict[str, object]] = field(default_factory=list)
    nothing: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store.open(self.target, self.backup_dir)
        self.store.rehearsal = self.dry_run and bool(self.target.device)
        self.style: Style = style(sys.stdout)
        self.place = Place(self.target.name, self.backup_dir)

    def probation_of(self, wish: Wish) -> float | None:
        """After how many seconds this fix is undone by itself; None: it stays."""
        lasts = dict(wish.fix.lasts)
        if lasts and self.lasting is not None:
            return self.lasting or None
        return self.probation or lasts.get(wish.choice)

    def say(self, lines: Sequence[str]) -> None:
        """To the person, at once: what is said before a step must be read before it."""
        if self.as_json or not lines:
            return
        try:
            print("\n".join(lines), flush=True)
        except OSError as error:  # a closed pipe, or the console is gone
            nowhere()
            raise Unheard from error

    def report(self, lines: Sequence[str]) -> None:
        """Of what was done: that nobody reads it any more changes nothing about it."""
        with contextlib.suppress(Unheard):
            self.say(lines)

    def refuse(self, wish: Wish, refusal: Refusal, differences: Sequence[str] = ()) -> None:
        self.refused.append(change_json.refusal(wish.fix.name, refusal, differences))
        self.say(changes.refused(wish.words, refusal, self.style, differences))

    def earlier(self) -> tuple[Change, ...]:
        """The changes on record: in the target, and where --backup-dir says."""
        own = self.store.changes() if self.target.root_user else ()
        kept = examine.earlier_changes(self.target) if self.store.apart or not self.target.root_user else ()
        return (*(() if isinstance(kept, Unknown) else kept), *own)

    def end(self, status: int, found: Offers | None = None, unfinished: tuple[Change, ...] = ()) -> int:
        """The JSON, where it was asked for."""
        if not self.as_json:
            return status
        text = change_json.render(
            self.place, self.made, self.refused, self.nothing, found, unfinished, dry_run=self.dry_run
        )
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            nowhere()
        return status


class Unheard(Exception):
    """What was to be said before a step could not be said."""


def nowhere() -> None:
    """From now on output goes where nobody reads it, instead of failing again at each line."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def list_offers(session: Session) -> int:
    """What the current findings offer; changes nothing."""
    from agent.diagnosis.evaluation import evaluate
    from agent.diagnosis.verdict import relate

    with Progress() as progress:
        unfinished = _unfinished(session)
        case = examine.case(session.target, progress)
        findings = relate(evaluate(case.facts, case.rules, case.found, progress).findings)
        found = offers.look(case.facts, findings, backup_dir=session.backup_dir)
    for change in unfinished:
        session.say([*changes.unfinished(change, session.target.name, session.style, session.backup_dir), ""])
    session.say(changes.offers(found, session.style))
    return session.end(DONE, found, unfinished)


def apply_all(session: Session, wishes: Sequence[Wish]) -> int:
    """Each fix is a change of its own; one that had to be taken back ends the call."""
    if not session.dry_run and not session.target.root_user:
        raise AgentError("only root can repair a host", "sudo agent fix ...; or look first: --dry-run")
    unfinished = _unfinished(session)
    if unfinished:
        return _refuse_all(session, wishes, unfinished)
    before = {change.id for change in session.earlier()}
    try:
        return _in_order(session, wishes)
    except Unheard:
        return REFUSED  # what was to be done could not be shown, and so was not done
    except KeyboardInterrupt:
        _say_where_it_stands(session, before, "stopped")
        return INTERRUPTED
    except AgentError:
        if _new(session, before):
            _say_where_it_stands(session, before, "failed")
        raise
    except Exception:
        _say_where_it_stands(session, before, "internal error")
        raise


def _in_order(session: Session, wishes: Sequence[Wish]) -> int:
    with Progress() as progress:
        case = examine.case(session.target, progress)
    status = DONE
    for number, wish in enumerate(wishes):
        if number:
            case = case.anew()
        went = _one(session, wish, case)
        if went is None:
            for rest in wishes[number + 1 :]:
                session.refuse(rest, Refusal(f"not tried, because {wish.words} had to be taken back"))
            status = REFUSED
            break
        status = status if went else REFUSED
    return session.end(status)


def _one(session: Session, wish: Wish, case: Case) -> bool | None:
    """True: done and verified, or nothing to do. False: refused, or not verified. None: taken back."""
    with Progress() as progress:
        progress(f"planning {wish.fix.flag}")
        answer = proven.answer(wish, case)
    if isinstance(answer, NothingToDo):
        session.nothing.append(change_json.nothing(wish.fix.name, answer.why))
        session.say(changes.nothing(wish.words, answer.why, session.style))
        return True
    if isinstance(answer, Refusal):
        session.refuse(wish, answer)
        return False
    if session.made:
        session.say([""])
    if session.dry_run:
        return _show(session, wish, answer)
    session.say(changes.plan(wish.words, answer.plan, answer.request.findings, session.style))
    session.say(_ends(session, wish))
    refusal = _not_agreed(session, answer.plan)
    if refusal is not None:
        session.refuse(wish, refusal)
        return False
    try:
        change = _apply(session, wish, answer, case)
    except ChangeRefused as error:
        session.refuse(wish, Refusal(error.message, error.hint), error.differences)
        return False
    session.made.append(change_json.change(change, session.place))
    session.report(changes.done(change, session.target.name, session.backup_dir, session.style))
    return None if change.state is ChangeState.UNDONE else change.state is ChangeState.VERIFIED


def _apply(session: Session, wish: Wish, ready: Ready, case: Case) -> Change:
    """The plan is made once more, under the lock: what was shown is done, or nothing is."""
    with Progress() as progress:

        def plan() -> Plan:
            again = proven.answer(wish, case.anew())
            if not isinstance(again, Ready) or again.plan != ready.plan:
                raise ChangeRefused("the host changed while this was shown", "run it again")
            return again.plan

        def verify() -> str:
            return proven.still_wrong(wish.fix, ready.request, case.anew())

        return engine.apply(
            session.store,
            wish.fix.name,
            plan,
            verify=verify,
            force=session.force,
            confirm_within=session.probation_of(wish),
            progress=progress,
        )


def _show(session: Session, wish: Wish, ready: Ready) -> bool:
    """--dry-run. True when it could be done."""
    target = session.target
    try:
        if target.root_user:
            drafted(session.store, ready.plan)  # refuses what could not be taken back
        shown = tuple(preview(target, operation) for operation in ready.plan.operations)
    except ChangeRefused as error:
        session.refuse(wish, Refusal(error.message, error.hint), error.differences)
        return False
    backup = f"{session.store.place}/changes"
    session.made.append(change_json.planned(wish.fix.name, ready.plan, shown, backup))
    session.say(changes.preview(wish.words, ready.plan, ready.request.findings, shown, backup, session.style))
    session.say([*_ends(session, wish), "Nothing was changed."])
    return True


def _ends(session: Session, wish: Wish) -> list[str]:
    seconds = session.probation_of(wish)
    return [] if seconds is None else changes.ends(seconds, session.style)


def _not_agreed(session: Session, plan: Plan) -> Refusal | None:
    """None where the person agrees: by having named the fix, by --yes, or when asked."""
    risks = [plan.ask] if plan.ask else []
    if not all(reversible(operation) for operation in plan.operations):
        risks.append("a part of it can't be undone")
    if not risks or session.yes:
        return None
    risk = "; ".join(risks)
    if session.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Refusal(f"it is risky ({risk}), and there is no terminal to ask at", "--yes goes on without asking")
    session.say(changes.risk(risk, session.style))
    print("Go on? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return None
    return Refusal("you did not say yes", "nothing was changed")


def _unfinished(session: Session) -> tuple[Change, ...]:
    return tuple(change for change in session.earlier() if change.state.interrupted)


def _refuse_all(session: Session, wishes: Sequence[Wish], unfinished: tuple[Change, ...]) -> int:
    for change in unfinished:
        session.say(changes.unfinished(change, session.target.name, session.style, session.backup_dir))
    for wish in wishes:
        session.refuse(
            wish,
            Refusal(f"an earlier fix ({unfinished[0].id}) was interrupted", f"first: {_undo(session, unfinished[0])}"),
        )
    return session.end(REFUSED, unfinished=unfinished)


def _undo(session: Session, change: Change) -> str:
    return invocation("undo", str(change.number), root=session.target.name, backup_dir=session.backup_dir)


def _new(session: Session, before: set[str]) -> tuple[Change, ...]:
    return tuple(change for change in session.earlier() if change.id not in before)


def _say_where_it_stands(session: Session, before: set[str], word: str) -> None:
    """After Ctrl-C or a failure: what is true now, read from the record."""
    new = _new(session, before)
    lines = [f"\n{word}; {'this is how it stands:' if new else 'nothing was changed'}"]
    for change in new:
        lines += changes.stands(change, session.target.name, session.backup_dir, style(sys.stderr))
    with contextlib.suppress(OSError):
        print("\n".join(lines), file=sys.stderr, flush=True)
    if session.as_json:
        session.made[:] = [change_json.change(change, session.place) for change in new]
        session.end(REFUSED)
