"""agent confirm: ends the probation of a fix; it stays."""

from __future__ import annotations

import argparse
import sys

from agent.errors import AgentError


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "confirm",
        description="Keeps a fix that would be undone by itself (agent fix --confirm-within, --firewall=flush).",
        allow_abbrev=False,
    )
    parser.add_argument(
        "change", nargs="?", default="", metavar="CHANGE", help="3 or 3-restart-network: see agent history"
    )
    parser.add_argument("--root", metavar="DIR", default="/", help="a mounted root, not this host")
    parser.add_argument("--backup-dir", metavar="DIR", default="", help="where the backup is, when it was put apart")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 it stays, 1 refused."""
    from agent.change import engine
    from agent.change.store import Store
    from agent.report import change_json, changes
    from agent.report.terminal import style
    from agent.target.detect import open_target

    target = open_target(options.root)
    if not target.root_user:
        raise AgentError("only root can confirm a fix", "sudo agent confirm")
    store = Store.open(target, options.backup_dir)
    change = engine.confirm(store, options.change)
    if options.json:
        place = change_json.Place(target.name, options.backup_dir)
        sys.stdout.write(change_json.render(place, [change_json.change(change, place)]))
    else:
        print("\n".join(changes.confirmed(change, target.name, options.backup_dir, style(sys.stdout))))
    return 0
