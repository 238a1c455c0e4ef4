"""Which rules an earlier fix has answered, and when: what a log said before of a disk is over then.

A disk's newest boot is older than a fix that was made from rescue mode. Without this, its journal would go on
accusing what is repaired until the host has booted again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.change.model import Change, ChangeState
from agent.diagnosis.model import Rule


def since(rules: Sequence[Rule], changes: Sequence[Change]) -> Mapping[str, float]:
    """By rule id the time (seconds since the epoch) of the last fix that answers it, or what would explain it."""
    known = {rule.id: rule for rule in rules}
    times: dict[str, float] = {}
    for change in changes:
        if change.state not in (ChangeState.APPLIED, ChangeState.VERIFIED) or change.ended is None:
            continue
        todo = [rule.id for rule in rules if rule.fix == f"--{change.fix}"]
        done: set[str] = set()
        while todo:
            current = todo.pop()
            if current in done or current not in known:
                continue
            done.add(current)
            todo += known[current].explains
            times[current] = max(times.get(current, 0.0), change.ended)
    return times
