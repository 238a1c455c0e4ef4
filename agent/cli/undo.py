"""agent undo: takes a fix back, also after a reboot and from rescue mode."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from agent.cli import place
from agent.errors import AgentError, UsageError

if TYPE_CHECKING:
    from agent.change.model import Change
    from agent.change.store import Store
    from agent.target import Target

DONE, REFUSED, INTERRUPTED = 0, 1, 130


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "undo",
        description="Puts everything back that a fix changed: the last one, or the one that is named.",
        epilog="Exit status: 0 undone, or nothing to undo; 1 refused; 2 usage; 3 internal.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "change", nargs="?", default="", metavar="CHANGE", help="3, 3-sendmail or fsck-1: see agent history"
    )
    place.add_arguments(parser, "look at")
    parser.add_argument("--dry-run", action="store_true", help="show what would be put back, and change nothing")
    parser.add_argument("--force", action="store_true", help="also where it was edited since (a copy is kept)")
    parser.add_argument("--backup-dir", metavar="DIR", default="", help="where the backup is, when it was put apart")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--unconfirmed", action="store_true", help=argparse.SUPPRESS)  # the end of a probation
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 undone or nothing to undo, 1 refused, 2 no such change."""
    if options.change.startswith("fsck"):
        from agent.cli import fsck

        return fsck.undo(options)
    with place.opened(options, writable=not options.dry_run) as target:
        return _undo(options, target)


def _undo(options: argparse.Namespace, target: Target) -> int:
    from agent.change import engine
    from agent.change.errors import ChangeRefused
    from agent.change.model import ChangeState
    from agent.change.store import Store
    from agent.fixes.model import Refusal
    from agent.report import change_json, changes
    from agent.report.terminal import Progress, style

    if not target.root_user and not options.dry_run:
        raise AgentError("only root can undo a fix", "sudo agent undo; or look first: agent undo --dry-run")
    store = Store.open(target, options.backup_dir)
    screen = style(sys.stdout)
    where = change_json.Place(target.name, options.backup_dir)
    change, sentence = chosen(store, options.change)
    if change is None:
        if options.json:
            said = [change_json.nothing("undo", sentence)]
            sys.stdout.write(change_json.render(where, nothing=said, dry_run=options.dry_run))
        else:
            print("\n".join(changes.sentence(sentence, screen)))
            if target.live and not options.backup_dir:
                print("The fixes of a mounted disk: agent undo --device DISK")
        return DONE
    try:
        if options.dry_run:
            _check(store, change, options.force)
            shown = [change_json.undoing(change, where)]
            text = changes.would_undo(change, screen)
        else:
            with Progress() as progress:
                change = engine.undo(
                    store, change.id, force=options.force, unconfirmed=options.unconfirmed, progress=progress
                )
            shown = [change_json.change(change, where)]
            stays = options.unconfirmed and change.state is not ChangeState.UNDONE  # somebody was quicker
            text = changes.undone(change, screen)
            if stays:
                text = changes.confirmed(change, where.root, where.backup_dir, screen)
    except ChangeRefused as error:
        refusal = Refusal(error.message, error.hint, forceable=bool(error.differences))
        if options.json:
            refused = [change_json.refusal(change.fix, refusal, error.differences)]
            sys.stdout.write(change_json.render(where, refused=refused, dry_run=options.dry_run))
        else:
            print("\n".join(changes.refused(f"undo of {change.id}", refusal, screen, error.differences)))
        return REFUSED
    except KeyboardInterrupt:
        _say_where_it_stands(store, change)
        return INTERRUPTED
    if options.json:
        sys.stdout.write(change_json.render(where, shown, dry_run=options.dry_run))
    else:
        print("\n".join(text))
    return DONE


def chosen(store: Store, wanted: str) -> tuple[Change | None, str]:
    """The change to undo; or none, and why that is no error: what is wanted is so already."""
    from agent.change.model import ChangeState
    from agent.change.store import Damage

    known = store.changes()
    damaged: tuple[Damage, ...] = store.damaged()
    standing = [change for change in known if change.state is not ChangeState.UNDONE]
    if not wanted:
        interrupted = [change for change in standing if change.state.interrupted]
        if standing:
            return (interrupted or standing)[-1], ""
        if damaged:
            raise AgentError(f"change {damaged[0].id} can't be read: {damaged[0].why}", f"its files: {store.place}")
        if known:
            return None, "Nothing to undo: every fix was undone already (agent history)."
        return None, f"Nothing to undo: no fix was applied to {store.target.name}, and nothing was changed."
    for change in known:
        if wanted in (change.id, str(change.number)):
            if change.state is ChangeState.UNDONE:
                return None, f"Nothing to undo: {change.id} was undone already (agent history)."
            return change, ""
    for damage in damaged:
        if wanted in (damage.id, damage.id.partition("-")[0]):
            raise AgentError(f"change {damage.id} can't be read: {damage.why}", f"its files: {store.place}/changes")
    ids = ", ".join(change.id for change in known)
    where = "" if store.target.name != "/" else "; those of another disk: agent undo --device DISK"
    raise UsageError(
        f"there is no change {wanted!r}", (f"there are: {ids}" if ids else "no fix was applied here") + where
    )


def _check(store: Store, change: Change, force: bool) -> None:
    from agent.change.restore import Restoring

    Restoring(store, change, force).check()


def _say_where_it_stands(store: Store, change: Change) -> None:
    """After Ctrl-C: what is true now, read from the record."""
    from agent.report import changes
    from agent.report.terminal import style

    backup = store.place if store.apart else ""
    now = next((one for one in store.changes() if one.id == change.id), change)
    lines = ["\nstopped; this is how it stands:"]
    lines += changes.stands(now, store.target.name, backup, style(sys.stderr))
    print("\n".join(lines), file=sys.stderr)
