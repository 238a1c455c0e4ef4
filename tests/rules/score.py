"""Recall and false alarms on the real logs, as a table: python -m tests.rules.score"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.rules.labels import cases
from tests.rules.test_real_logs import KNOWN, reported


def table() -> Iterator[str]:
    """A line per label: logs that carry it, how many were found; then the false alarms."""
    total: Counter[str] = Counter()
    found: Counter[str] = Counter()
    forbidden = alarms = silent = 0
    for case in cases():
        seen = set(reported(case))
        for label, ids in case.wanted:
            if ids & KNOWN:
                total[label] += 1
                found[label] += bool(ids & seen)
        if case.forbidden or case.none:
            forbidden += 1
            wrong = case.forbidden & seen
            alarms += bool(wrong)
            silent += case.none and not seen
    yield f"{'label':<34}{'logs':>6}{'found':>7}"
    for label in sorted(total):
        yield f"{label:<34}{total[label]:>6}{found[label]:>7}"
    yield f"{'recall':<34}{sum(total.values()):>6}{sum(found.values()):>7}"
    yield f"{'look-alikes and healthy logs':<34}{forbidden:>6}{alarms:>7} false alarms"


if __name__ == "__main__":
    for row in table():
        print(row)
