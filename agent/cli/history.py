"""agent history: the fixes that were applied, the newest first."""

from __future__ import annotations

import argparse
import sys

from agent.errors import AgentError


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "history", help="list the fixes that were applied", description="The fixes that were applied, newest first."
    )
    parser.add_argument("--root", metavar="DIR", default="/", help="a mounted root, not this host")
    parser.add_argument(
        "--backup-dir", metavar="DIR", default="", help="where the backups are, when they were put apart"
    )
    parser.add_argument("--json", action="store_true", help="the list as JSON")
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0."""
    from agent.change.store import Store
    from agent.report import change_json, changes
    from agent.report.terminal import style
    from agent.target.detect import open_target

    target = open_target(options.root)
    if not target.root_user:
        raise AgentError("only root can read what was changed", "sudo agent history")
    store = Store.open(target, options.backup_dir)
    known = store.changes()
    damaged = store.damaged()
    if options.json:
        place = change_json.Place(target.root, options.backup_dir)
        shown = [change_json.change(change, place) for change in reversed(known)]
        unfinished = tuple(change for change in known if change.state.interrupted)
        unread = [change_json.unread(damage) for damage in damaged]
        sys.stdout.write(change_json.render(place, shown, refused=unread, interrupted=unfinished))
    else:
        print("\n".join(changes.history(known, damaged, target.root, options.backup_dir, style(sys.stdout))))
    return 0
