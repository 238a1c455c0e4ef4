"""agent rules: lists, shows and checks rules."""

from __future__ import annotations

import argparse
from pathlib import Path

from agent.errors import UsageError


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser("rules", description="The problems that a scan knows.")
    parser.set_defaults(run=run)
    parser.add_argument("action", nargs="?", choices=("list", "show", "check"), default="list")
    parser.add_argument("what", nargs="?", default="", help="a rule's id (show); a folder or file (check)")
    parser.add_argument("--rules", metavar="DIR", action="append", default=[], help="more rules")
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 well, 1 a sample fails, 2 a rule is wrong."""
    if options.action == "check":
        return _check(options.what)
    from agent.diagnosis.loader import load

    rules = load([Path(folder) for folder in options.rules])
    if options.action == "list":
        for rule in rules:
            print(f"{rule.layer.value:<10}{rule.severity.value:<10}{rule.id:<30}{rule.title}")
        return 0
    chosen = [rule for rule in rules if rule.id == options.what]
    if not chosen:
        raise UsageError(f"no rule {options.what!r}", "agent rules list shows all ids")
    print(Path(chosen[0].path).read_text("utf-8"), end="")
    return 0


def _check(what: str) -> int:
    from agent.diagnosis.loader import BUILT_IN, load_file, load_folder
    from agent.diagnosis.samples import failures

    path = Path(what) if what else BUILT_IN
    rules = (load_file(path),) if path.is_file() else load_folder(path)
    wrong = [failure for rule in rules for failure in failures(rule)]
    for failure in wrong:
        print(failure)
    print(f"{len(rules)} rules, {len(wrong)} samples fail")
    return 1 if wrong else 0
