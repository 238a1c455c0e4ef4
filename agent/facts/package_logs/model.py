"""What the package managers' logs tell: runs, and what each did to which package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Action(Enum):
    INSTALLED = "installed"
    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    REINSTALLED = "reinstalled"
    REMOVED = "removed"


@dataclass(frozen=True)
class PackageChange:
    """``old`` and ``new`` are versions, "" where there is none or the log has none."""

    action: Action
    package: str
    old: str = ""
    new: str = ""


@dataclass(frozen=True)
class PackageRun:
    """One run of a package manager.

    ``began`` and ``ended`` are in seconds since the epoch (``ended``: of the last line that belongs to it).
    ``line`` counts from 1 in ``source``, 0 where that can't be told. ``command`` is what was typed, "" where
    the log has it not. ``failed`` says what went wrong: an error of the log, "it did not come to its end".
    """

    began: float
    ended: float
    changes: tuple[PackageChange, ...]
    source: str
    line: int = 0
    command: str = ""
    failed: str = ""

    def among(self, *actions: Action) -> tuple[PackageChange, ...]:
        return tuple(change for change in self.changes if change.action in actions)


UNFINISHED = "it did not come to its end"
GAP = 300.0  # seconds between two lines of one run, in logs that don't say where a run begins


def grouped(
    items: Sequence[tuple[float, int, PackageChange]], source: str, gap: float = GAP, command: str = ""
) -> list[PackageRun]:
    """Runs out of single lines (time, line number, change): what lies close together is one."""
    runs: list[PackageRun] = []
    group: list[tuple[float, int, PackageChange]] = []
    for item in items:
        if group and not -gap <= item[0] - group[-1][0] <= gap:
            runs.append(_run(group, source, command))
            group = []
        group.append(item)
    if group:
        runs.append(_run(group, source, command))
    return runs


def _run(group: Sequence[tuple[float, int, PackageChange]], source: str, command: str) -> PackageRun:
    times = [time for time, _, _ in group]
    changes = tuple(change for _, _, change in group)
    return PackageRun(min(times), max(times), paired(changes), source, group[0][1], command)


def paired(changes: Sequence[PackageChange]) -> tuple[PackageChange, ...]:
    """One change a package and version, where a log has several lines for it: the new version's and the old's.

    An installation beside a removal of the same package is an upgrade, where a log has no word for it.
    """
    kept: dict[tuple[Action, str, str], PackageChange] = {}
    for change in changes:
        kept.setdefault((change.action, change.package, change.new or change.old), change)
    removed = {change.package: change.old for change in kept.values() if change.action is Action.REMOVED}
    result: list[PackageChange] = []
    consumed: set[str] = set()
    for change in kept.values():
        if change.action is Action.INSTALLED and change.package in removed and removed[change.package] != change.new:
            consumed.add(change.package)
            result.append(PackageChange(Action.UPGRADED, change.package, removed[change.package], change.new))
        else:
            result.append(change)
    return tuple(c for c in result if not (c.action is Action.REMOVED and c.package in consumed))
