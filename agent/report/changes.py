"""Plans and changes as a person reads them at a serial console: what is done, what was done, how to take it back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.change.model import Absent, Change, ChangeState, KeptFolder, Plan, Run, WriteFile
from agent.change.preview import Preview
from agent.change.restore import net
from agent.change.store import Damage
from agent.diagnosis.model import Finding
from agent.fixes.model import Refusal
from agent.fixes.offers import Offer, Offers, invocation
from agent.report.harmless import cut, width
from agent.report.operations import reversible, said
from agent.report.secrets import masked_lines
from agent.report.style import BOLD, GREEN, RED, YELLOW, Style, commands, labelled, moment, wrap

WHEN = "%Y-%m-%d %H:%M"


def unfinished(change: Change, root: str, style: Style, backup_dir: str = "") -> list[str]:
    """An earlier change that somebody's death left half done."""
    command = invocation("undo", str(change.number), root=root, backup_dir=backup_dir)
    text = f"An earlier fix ({change.id}) was interrupted: {command} finishes it"
    if change.state is ChangeState.UNDOING:
        text = f"The undoing of an earlier fix ({change.id}) was interrupted: {command} finishes it"
    return _kept_whole(text, command, style)


def unconfirmed(change: Change, root: str, style: Style, backup_dir: str = "") -> list[str]:
    """A change on probation."""
    command = invocation("confirm", str(change.number), root=root, backup_dir=backup_dir)
    until = moment(change.confirm_by, "%H:%M:%S")
    return _kept_whole(f"{change.id} is undone by itself at {until} UTC; to keep it: {command}", command, style)


def _kept_whole(text: str, command: str, style: Style) -> list[str]:
    """One line where it fits; else the command, unbroken, on a line of its own."""
    safe = style.safe(text)
    if width(safe) <= style.columns:
        return [style.paint(safe, YELLOW)]
    before, after = (style.safe(part).strip() for part in text.split(command, 1))
    lines = (
        wrap(before, style, indent=2) + [f"  {style.safe(command)}"] + (wrap(f"  {after}", style, 2) if after else [])
    )
    return [style.paint(line, YELLOW) for line in lines]


def offers(found: Offers, style: Style) -> list[str]:
    """What `agent fix` without a flag says."""
    lines: list[str] = []
    shown: set[str] = set()
    for offer in found.offered:
        if offer.command in shown:
            continue
        shown.add(offer.command)
        lines += [*_offer(offer, style), ""]
    for withheld in found.withheld:
        lines += wrap(style.safe(f"{withheld.finding.title}: {withheld.fix.flag} can't help here"), style, 2)
        lines += [*_refusal(withheld.refusal, style), ""]
    if not found.offered:
        lines += ["No finding of this host has a fix here. What is wrong, and what to do: agent scan"]
    else:
        lines += ["Nothing was changed. With --dry-run a fix only shows what it would do."]
    return lines


def _offer(offer: Offer, style: Style) -> list[str]:
    plan = offer.plan
    lines = wrap(style.safe(offer.finding.title), style, indent=2)
    lines = [style.paint(line, BOLD) for line in lines]
    lines += labelled("Proof", [offer.finding.proof], style)
    lines += commands("Fix", [offer.command], style)
    lines += labelled("", [plan.summary, *plan.warnings], style)
    if plan.ask:
        lines += labelled("Risk", [f"{plan.ask} (it asks before, or wants --yes)"], style)
    if plan.reboot:
        lines += labelled("Reboot", ["it takes effect at the next boot"], style)
    return lines


def plan(what: str, made: Plan, findings: Sequence[Finding], style: Style) -> list[str]:
    """What is about to be done: the whole of it, a line each."""
    lines = [style.paint(line, BOLD) for line in wrap(style.safe(f"{what}: {made.summary}"), style, 2)]
    lines += labelled("Proof", _proofs(made, findings), style)
    for operation in made.operations:
        words = said(operation)
        text = words.line if reversible(operation) else f"{words.line}; CAN'T BE UNDONE"
        lines += labelled(words.kind.capitalize(), [text], style)
    if made.ask or not all(map(reversible, made.operations)):  # else they are said once, when it is done
        lines += labelled("Warning", made.warnings, style)
    return lines


def _proofs(made: Plan, findings: Sequence[Finding]) -> list[str]:
    return [finding.proof for finding in findings] or [made.proof or "none; --force insists"]


def ends(seconds: float, style: Style) -> list[str]:
    """That a change will not stay by itself."""
    time = f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"
    return labelled("Ends", [f"by itself {time} after it is done, unless you keep it: agent confirm"], style)


def preview(
    what: str,
    made: Plan,
    findings: Sequence[Finding],
    previews: Sequence[Preview],
    place: str,
    style: Style,
) -> list[str]:
    """What --dry-run says."""
    title = f"{what} would do this: {made.summary}"
    lines = [style.paint(line, BOLD) for line in wrap(style.safe(title), style, 2)]
    lines += labelled("Proof", _proofs(made, findings), style)
    for operation, shown in zip(made.operations, previews):
        words = said(operation)
        lines += labelled(words.kind.capitalize(), [words.line], style)
        if isinstance(operation, WriteFile):
            lines += diff(shown.lines, style)
        if isinstance(operation, Run):
            lines += _run(operation, style)
    kept = tuple(dict.fromkeys(path for shown in previews for path in shown.backup))
    lines += labelled("Backup", [f"in {place}: {', '.join(kept)}" if kept else f"in {place}"], style)
    lines += labelled("Warning", made.warnings, style)
    if made.ask:
        lines += labelled("Risk", [f"{made.ask} (it asks before, or wants --yes)"], style)
    if made.reboot:
        lines += labelled("Reboot", ["it takes effect at the next boot"], style)
    lines += steps("Next", made.next, style)
    return lines


def diff(lines: Sequence[str], style: Style) -> list[str]:
    """Folded, never cut: a change that is not shown whole was not shown."""
    shown: list[str] = []
    for line in masked_lines(lines):
        colour = {"+": GREEN, "-": RED}.get(line[:1], "")
        shown += [style.paint(f"    {part}", colour) for part in folded(style.safe(line), style.columns - 4)]
    return shown


def folded(text: str, columns: int) -> list[str]:
    """A line in pieces that fit."""
    pieces, piece, used = [], "", 0
    for char in text:
        wide = width(char)
        if used + wide > columns:
            pieces.append(piece)
            piece, used = "", 0
        piece += char
        used += wide
    return [*pieces, piece]


def _run(operation: Run, style: Style) -> list[str]:
    lines = []
    if operation.keeps:
        lines += labelled("", [f"keeps before: {', '.join(operation.keeps)}"], style)
    for command in operation.inverse:
        lines += labelled("", [f"undo runs: {' '.join(command.argv)}"], style)
    if not operation.reversible:
        lines += labelled("", ["THIS CAN'T BE UNDONE"], style)
    if not operation.required:
        lines += labelled("", ["its failure is reported, and does not take the rest back"], style)
    return lines


def done(change: Change, root: str, backup_dir: str, style: Style) -> list[str]:
    """What became of a fix: applied and verified, or taken back."""
    if change.state is ChangeState.UNDONE:
        lines = labelled("Failed", [change.why or "it could not be verified"], style)
        lines += labelled("", [_taken_back(change)], style)
        lines += _failures(change, style)
        return [style.paint(lines[0], RED), *lines[1:]]
    if change.state is ChangeState.VERIFIED:
        first = labelled("Done", [f"change {change.id}; looked at again: the problem is gone"], style)
        lines = [style.paint(first[0], GREEN), *first[1:]]
    else:
        first = labelled(
            "Done", [f"change {change.id}; not verified: {change.why or 'nothing could be looked at'}"], style
        )
        lines = [style.paint(first[0], YELLOW), *first[1:]]
    lines += _failures(change, style)
    lines += labelled("Warning", change.warnings, style)
    if change.reboot:
        lines += labelled("Reboot", ["it takes effect at the next boot"], style)
    lines += steps("Next", change.next, style)
    if change.confirm_by is not None:
        lines += unconfirmed(change, root, style, backup_dir)
    return lines + _undo(change, root, backup_dir, style)


def _undo(change: Change, root: str, backup_dir: str, style: Style) -> list[str]:
    """How it is taken back, or that it can't be."""
    if undoable(change):
        return commands("Undo", [undo_command(change, root, backup_dir)], style)
    lost = [said(step.operation).line for step in change.steps if not reversible(step.operation)]
    return labelled("Undo", [f"not possible: {'; '.join(lost)}"] if lost else [], style)


def _taken_back(change: Change) -> str:
    """After a rollback: a program whose work stays is named."""
    stays = [said(step.operation).line for step in change.steps if step.begun and not reversible(step.operation)]
    if not stays:
        return "Everything that it did was taken back: the host is as it was before."
    return f"What this did stays: {'; '.join(stays)}. Everything else was taken back."


def steps(label: str, texts: Sequence[str], style: Style) -> list[str]:
    """What to do next: a sentence is wrapped, a command never."""
    lines: list[str] = []
    for text in texts:
        first = "" if lines else label
        lines += (
            labelled(first, [text], style)
            if text[:1].isupper() or text.endswith(".")
            else commands(first, [text], style)
        )
    return lines


def undoable(change: Change) -> bool:
    """Would `agent undo` take it back?"""
    return change.state is not ChangeState.UNDONE and (change.reversible or change.state.interrupted)


def undo_command(change: Change, root: str, backup_dir: str) -> str:
    return invocation("undo", str(change.number), root=root, backup_dir=backup_dir)


def _failures(change: Change, style: Style) -> list[str]:
    """Commands that failed, with the end of what they said."""
    lines: list[str] = []
    for step in change.steps:
        if step.failed:
            lines += labelled("Failed", [f"{said(step.operation).line}: {step.failed}"], style)
        if step.output and (step.failed or change.state is ChangeState.UNDONE):
            lines += [f"    {cut(style.safe(line), style.columns - 4)}" for line in step.output.splitlines()[-6:]]
    return lines


def stands(change: Change, root: str, backup_dir: str, style: Style) -> list[str]:
    """After an interruption: where one change is."""
    if change.state is ChangeState.UNDONE:
        return wrap(style.safe(f"{change.id} was taken back: all is as it was before it"), style, 2)
    if change.state.interrupted:
        return unfinished(change, root, style, backup_dir)
    lines = wrap(style.safe(f"{change.id} is applied: {change.summary}"), style, 2)
    return lines + _undo(change, root, backup_dir, style)


def risk(text: str, style: Style) -> list[str]:
    """What is said before the question."""
    return [style.paint(line, YELLOW) for line in labelled("Risk", [text], style)]


def refused(what: str, refusal: Refusal, style: Style, differences: Sequence[str] = ()) -> list[str]:
    """A fix, or an undo, that does not act; with what was edited since."""
    first = wrap(style.safe(f"{what} is refused: {refusal.why}"), style, 2)
    lines = [style.paint(line, YELLOW) for line in first] + diff(differences, style)
    hints = [refusal.hint] if refusal.hint else []
    if refusal.forceable and "--force" not in refusal.hint:
        hints.append("--force insists")
    return lines + labelled("Hint", hints, style)


def sentence(text: str, style: Style) -> list[str]:
    return wrap(style.safe(text), style, 0)


def confirmed(change: Change, root: str, backup_dir: str, style: Style) -> list[str]:
    """A change that stays."""
    lines = wrap(style.safe(f"{change.id} stays: {change.summary}"), style, 2)
    return lines + commands("Undo", [undo_command(change, root, backup_dir)], style)


def _refusal(refusal: Refusal, style: Style) -> list[str]:
    return labelled("Why", [refusal.why], style) + (labelled("Hint", [refusal.hint], style) if refusal.hint else [])


def nothing(what: str, why: str, style: Style) -> list[str]:
    """The problem is not there."""
    return wrap(style.safe(f"{what}: nothing to do: {why}" if why else f"{what}: nothing to do"), style, 2)


def undone(change: Change, style: Style) -> list[str]:
    """What an undo restored."""
    head = wrap(style.safe(f"{change.id} is undone: {change.summary}"), style, 2)
    lines = [style.paint(head[0], GREEN), *head[1:]]
    for path, word in restored(change).items():
        lines += labelled("", [f"{path} {word}"], style)
    lines += labelled("Warning", [change.why] if change.why else [], style)
    if change.reboot:
        lines += labelled("Reboot", ["as before from the next boot on"], style)
    return lines


def restored(change: Change) -> dict[str, str]:
    """Each path that undo puts back, and in which words."""
    words: dict[str, str] = {}
    for path, one in net(change).items():
        if all(state == one.before for state in one.states):
            continue
        if isinstance(one.before, Absent):
            words[path] = "is gone again"
        else:
            words[path] = "has its rights back" if isinstance(one.before, KeptFolder) else "is as it was before"
    return words


def would_undo(change: Change, style: Style) -> list[str]:
    """What `agent undo --dry-run` says."""
    lines = wrap(style.safe(f"{change.id} would be undone: {change.summary}"), style, 2)
    for path, word in restored(change).items():
        lines += labelled("", [f"{path} {word}"], style)
    for step in reversed(change.steps):
        if isinstance(step.operation, Run):
            lines += labelled("Run", [" ".join(command.argv) for command in step.operation.inverse], style)
            if not step.operation.reversible:
                lines += labelled("Stays", [f"{said(step.operation).line}: this can't be undone"], style)
    return [*lines, "Nothing was changed."]


def history(
    changes: Sequence[Change], damaged: Sequence[Damage], root: str, backup_dir: str, style: Style
) -> list[str]:
    """All changes, the newest first; before them those that can't be read."""
    lines: list[str] = []
    for damage in damaged:
        lines += [*wrap(style.safe(f"{damage.id} can't be read: {damage.why}"), style, 2), ""]
    for change in reversed(changes):
        lines += [*_told(change, root, backup_dir, style), ""]
    return lines[:-1] or ["No fix was applied here."]


def _told(change: Change, root: str, backup_dir: str, style: Style) -> Iterator[str]:
    state, colour = _state(change)
    when = moment(change.created, WHEN)
    yield style.paint(cut(style.safe(f"{change.id}  {when} UTC  {state}"), style.columns), colour)
    yield from labelled("", [change.summary], style)
    if change.why:
        yield from labelled("Why", [change.why], style)
    if change.on_probation:
        yield from commands(
            "Keep", [invocation("confirm", str(change.number), root=root, backup_dir=backup_dir)], style
        )
    if change.state is not ChangeState.UNDONE:
        yield from _undo(change, root, backup_dir, style)


def _state(change: Change) -> tuple[str, str]:
    if change.state is ChangeState.UNDONE:
        ended = moment(change.ended, WHEN)
        return (f"undone {ended} UTC" if ended else "undone"), ""
    if change.state.interrupted:
        return "INTERRUPTED: undo finishes it", RED
    if change.ended_by_boot:
        return "ended by a reboot", ""
    if change.on_probation:
        return f"{change.state.value}, undone by itself at {moment(change.confirm_by, '%H:%M:%S')} UTC", YELLOW
    return change.state.value, GREEN if change.state is ChangeState.VERIFIED else YELLOW
