"""agent fix --fsck, and its undo: the repair of a filesystem that nobody has mounted."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.errors import AgentError

if TYPE_CHECKING:
    from agent.facts.devices import BlockDevice
    from agent.facts.filesystem import Check
    from agent.report.style import Style
    from agent.report.terminal import Progress
    from agent.rescue.repair import Question, Repairing

DONE, REFUSED, INTERRUPTED = 0, 1, 130


def run(options: argparse.Namespace) -> int:
    """Check, repair what is safe, ask for the rest, check again. Exit status: 0 sound, or nothing to do; 1 refused,
    or still damaged."""
    from agent.errors import UsageError
    from agent.facts.filesystem import Health
    from agent.report import repairs as screen
    from agent.report.terminal import Progress, style
    from agent.rescue import check

    if options.confirm_within:
        raise UsageError("--confirm-within is for the running host", "undo it at any time: agent undo fsck")
    view = style(sys.stdout)
    device = _device(options)
    with Progress() as progress:
        checked = check.check(device, progress)
    if checked.health is Health.CLEAN and not options.force:
        return _say_nothing_to_do(options, checked, view)
    if checked.health is Health.BUSY:
        raise AgentError(f"{device.path}: {checked.why}", f"umount it; then: agent fix --fsck --device {device.path}")
    if options.dry_run:
        return _preview(options, checked, view)
    if not options.json:
        print("\n".join(screen.proof(checked, view)), flush=True)
    return _repair(options, device, checked, view)


def _device(options: argparse.Namespace) -> BlockDevice:
    """The disk that was named; AgentError for one that can't be repaired, with what to do."""
    from agent.facts.facts import Facts
    from agent.rescue import choice
    from agent.target.detect import open_target

    host = open_target("/")
    if not options.device:
        from agent.fixes import fsck
        from agent.fixes.model import Refusal, Request

        target = host if options.root == "/" else open_target(options.root)
        planned = fsck.plan(Request(Facts(target), ()))
        assert isinstance(planned, Refusal)
        raise AgentError(f"--fsck: {planned.why}", planned.hint)
    if not host.root_user:
        raise AgentError("only root can repair a disk", "sudo agent fix --fsck --device DISK")
    return choice.named(Facts(host), options.device)


def _say_nothing_to_do(options: argparse.Namespace, checked: Check, view: Style) -> int:
    from agent.report import changes
    from agent.report import repairs as screen

    if options.json:
        sys.stdout.write(screen.render((), checked))
    else:
        print("\n".join(changes.nothing("--fsck", f"{checked.device} is clean", view)))
    return DONE


def _preview(options: argparse.Namespace, checked: Check, view: Style) -> int:
    """--dry-run: what the check said, and what would be run."""
    from agent.report import repairs as screen

    if options.json:
        sys.stdout.write(screen.render((), checked))
        return DONE
    print("\n".join(screen.proof(checked, view)))
    print("\n".join(screen.said(checked.output, view)))
    print("Nothing was changed. Without --dry-run: what is safe is repaired; it asks before the rest.")
    return DONE


class _Steps:
    """Names the current step on a progress line that is there only while a program works: a question needs the
    screen for itself."""

    def __init__(self) -> None:
        self._line: Progress | None = None

    def __call__(self, step: str) -> None:
        if self._line is not None:
            self._line(step)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        from agent.report.terminal import Progress

        with Progress() as self._line:
            yield
        self._line = None


def _repair(options: argparse.Namespace, device: BlockDevice, checked: Check, view: Style) -> int:
    from agent.report import repairs as screen
    from agent.rescue import repair
    from agent.rescue.repairs import State

    steps = _Steps()
    shown = 0
    work: Repairing | None = None
    try:
        with repair.repairing(device, options.backup_dir, steps) as work:
            with steps.shown():
                work.start()
            shown = _show_steps(options, work, shown, view)
            while work.question is not None and _agreed(options, work.question, view):
                with steps.shown():
                    work.go_on()
                shown = _show_steps(options, work, shown, view)
            with steps.shown():
                result = work.finish()
    except (KeyboardInterrupt, repair.Killed):
        _say_where_it_stands(work, view, options.backup_dir)
        return INTERRUPTED
    except AgentError:
        if work is not None and any(step.changed for step in work.repair.steps):
            _say_where_it_stands(work, view, options.backup_dir)
        raise
    if options.json:
        refused = work.question.text if work.question else ""
        sys.stdout.write(screen.render((result,), checked, refused, "--yes goes on without asking" if refused else ""))
    else:
        print("\n".join(screen.done(result, view, options.backup_dir)))
    return DONE if result.state is State.REPAIRED else REFUSED


def _show_steps(options: argparse.Namespace, work: Repairing, shown: int, view: Style) -> int:
    """Print what has been run since; how many steps have been shown now."""
    from agent.report import repairs as screen

    steps = work.repair.steps
    if not options.json:
        for one in steps[shown:]:
            asks = work.question is not None and one is steps[-1]  # what it refused comes with the question
            print("\n".join(screen.step(one, view, quiet=asks)), flush=True)
    return len(steps)


def _agreed(options: argparse.Namespace, question: Question, view: Style) -> bool:
    """Does the person allow it: by --yes, or when asked? What the safe way refused is said before."""
    from agent.report import changes
    from agent.report import repairs as screen

    if not options.json:
        lines = [*changes.sentence(question.text, view), *screen.said(question.refused, view)]
        print("\n".join([*lines, *changes.risk(question.risk, view)]), flush=True)
    if options.yes:
        return True
    if options.json:
        return False
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("There is no terminal to ask at: --yes goes on without asking.")
        return False
    print(f"Go on, with {' '.join(question.command)}? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say_where_it_stands(work: Repairing | None, view: Style, backup_dir: str) -> None:
    from agent.report import repairs as screen

    lines = ["", "stopped; nothing was changed"]
    if work is not None and work.repair.steps:
        lines = ["", "stopped; this is how it stands:", *screen.done(work.repair, view, backup_dir)]
    with contextlib.suppress(OSError):
        print("\n".join(lines), file=sys.stderr, flush=True)


def undo(options: argparse.Namespace) -> int:
    """agent undo fsck-1. Exit status: 0 undone, 1 refused."""
    from agent.report import repairs as screen
    from agent.report.terminal import Progress, style
    from agent.rescue import repairs
    from agent.rescue.take_back import undo_repair

    if options.dry_run:
        found = repairs.find(options.change, options.backup_dir)
        state = "would be undone" if found.undoable else f"can't be undone: {found.no_undo or found.state.value}"
        print(f"{found.id} ({found.device}, {found.why}): {state}. Nothing was changed.")
        return DONE
    with Progress() as progress:
        progress("putting back what the repair overwrote")
        undone = undo_repair(options.change, options.backup_dir)
    if options.json:
        sys.stdout.write(screen.render((undone,)))
    else:
        print("\n".join(screen.done(undone, style(sys.stdout), options.backup_dir)))
    return DONE
