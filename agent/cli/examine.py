"""What scan and fix share: the rules, one search through the logs, the proofs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.change.model import Change
    from agent.diagnosis.model import Rule
    from agent.fixes.proven import Case
    from agent.logs.journal_readers import OwnJournalctl
    from agent.logs.model import Found
    from agent.target import Target
    from agent.unknown import Maybe


def search_logs(
    target: Target,
    rules: Sequence[Rule],
    progress: Callable[[str], None],
    since: float | None = None,
    own: OwnJournalctl | None = None,
) -> Found:
    """One search for all the rules' patterns. ``since`` in seconds since the epoch; ``own``: see logs.search."""
    from agent.diagnosis.evaluation import all_patterns
    from agent.logs.search import search

    progress("searching the logs")
    return search(target, all_patterns(rules), since=since, progress=progress, own=own)


def case(target: Target, progress: Callable[[str], None], folders: Sequence[str] = ()) -> Case:
    """All that proves or refuses a fix: the rules, what the logs hold, and the facts, read when asked for."""
    from agent.diagnosis.loader import load
    from agent.facts.facts import Facts
    from agent.fixes.proven import Case

    progress("reading the rules")
    rules = load([Path(folder) for folder in folders])
    return Case(Facts(target), tuple(rules), search_logs(target, rules, progress))


def earlier_changes(target: Target) -> Maybe[tuple[Change, ...]]:
    """The changes that are kept on the target, oldest first; none where there was never one."""
    from agent.unknown import Unknown

    try:
        from agent.change import history
    except ImportError:
        return ()
    changes = history.read(target)
    return () if isinstance(changes, Unknown) and changes.absent else changes
