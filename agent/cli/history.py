"""agent history: the fixes that were applied, the newest first."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from agent.cli import place
from agent.errors import AgentError

if TYPE_CHECKING:
    from agent.target import Target


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser("history", description="The fixes that were applied, newest first.")
    place.add_arguments(parser, "look at")
    parser.add_argument(
        "--backup-dir", metavar="DIR", default="", help="where the backups are, when they were put apart"
    )
    parser.add_argument("--json", action="store_true", help="the list as JSON")
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0."""
    with place.opened(options) as target:
        return _list(options, target)


def _list(options: argparse.Namespace, target: Target) -> int:
    from agent.change.store import Store
    from agent.report import change_json, changes
    from agent.report import repairs as repairs_report
    from agent.report.terminal import style
    from agent.rescue.repairs import list_repairs

    if not target.root_user:
        raise AgentError("only root can read what was changed", "sudo agent history")
    repairs = list_repairs(options.backup_dir) if target.live else ()
    store = Store.open(target, options.backup_dir)
    known = store.changes()
    damaged = store.damaged()
    if options.json:
        where = change_json.Place(target.name, options.backup_dir)
        shown = [change_json.change(change, where) for change in reversed(known)]
        unfinished = tuple(change for change in known if change.state.interrupted)
        unread = [change_json.unread(damage) for damage in damaged]
        sys.stdout.write(change_json.render(where, shown, refused=unread, interrupted=unfinished))
    else:
        view = style(sys.stdout)
        told = repairs_report.history(repairs, view, options.backup_dir)
        if told and not known and not damaged:
            print("\n".join(told[:-1]))
            return 0
        print("\n".join(told + changes.history(known, damaged, target.name, options.backup_dir, view)))
    return 0
