"""apt's history.log and dpkg.log.

apt writes a paragraph a run: Start-Date, Commandline, Install, Upgrade, Remove ..., Error, End-Date; one that was
killed has no End-Date. dpkg writes a line a step, whoever called it. Times are the host's local ones.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from datetime import tzinfo

from agent.facts.package_logs.model import UNFINISHED, Action, PackageChange, PackageRun, paired
from agent.facts.package_logs.reading import Log, stamp

APT = "/var/log/apt/history.log"
DPKG = "/var/log/dpkg.log"
NEAR = 90.0  # seconds around apt's run in which dpkg's steps are taken to be its own

_LISTS = {
    "Install": Action.INSTALLED,
    "Reinstall": Action.REINSTALLED,
    "Upgrade": Action.UPGRADED,
    "Downgrade": Action.DOWNGRADED,
    "Remove": Action.REMOVED,
    "Purge": Action.REMOVED,
    "Disappeared": Action.REMOVED,
}
_ITEM = re.compile(r"([a-z0-9][a-z0-9+.-]{0,100}(?::[a-z0-9-]{1,20})?)(?: \(([^()]{0,200})\))?")
_STEP = re.compile(r"(install|upgrade|remove|purge) (\S{1,200}) (\S{1,200})(?: (\S{1,200}))?")
_SHORTEST = 20


def apt(log: Log, zone: tzinfo) -> list[PackageRun]:
    """The runs of one history.log."""
    runs: list[PackageRun] = []
    fields: dict[str, str] = {}
    begun = 0
    for index, line in enumerate((*log.lines, "")):
        name, colon, value = line.partition(":")
        if not line.strip():
            runs += _apt_run(fields, log, begun, zone)
            fields = {}
        elif colon and name.strip() == name:
            if name == "Start-Date":
                runs += _apt_run(fields, log, begun, zone)  # the one before was cut off without an empty line
                fields, begun = {}, log.number(index)
            fields[name] = value.strip()
    return runs


def _apt_run(fields: dict[str, str], log: Log, line: int, zone: tzinfo) -> Iterable[PackageRun]:
    began = stamp(fields.get("Start-Date", ""), zone)
    if began is None:
        return ()
    changes = tuple(
        _apt_item(action, item[1], item[2] or "")
        for name, action in _LISTS.items()
        for item in _ITEM.finditer(fields.get(name, ""))
        if item[2] is not None or fields[name] == item[0]
    )
    ended = stamp(fields.get("End-Date", ""), zone)
    failed = fields.get("Error", "") or ("" if ended is not None else UNFINISHED)
    if not changes and not failed:
        return ()
    end = began if ended is None else ended
    return (PackageRun(began, max(began, end), changes, log.path, line, fields.get("Commandline", ""), failed),)


def _apt_item(action: Action, package: str, versions: str) -> PackageChange:
    words = [word.strip() for word in versions.split(",") if word.strip() != "automatic"]
    package = native(package)
    if action in (Action.UPGRADED, Action.DOWNGRADED) and len(words) >= 2:
        return PackageChange(action, package, words[0], words[1])
    version = words[0] if words else ""
    return PackageChange(action, package, *((version, "") if action is Action.REMOVED else ("", version)))


def native(package: str) -> str:
    """The name without its architecture, which is nearly always the only one."""
    return package.partition(":")[0]


def dpkg(log: Log, zone: tzinfo) -> list[PackageRun]:
    """dpkg's own steps, in groups; what it says meanwhile (configure, status, trigproc) tells how long one lasted."""
    runs: list[PackageRun] = []
    changes: list[PackageChange] = []
    began = last = 0.0
    line = 0

    def end() -> None:
        if changes:
            runs.append(PackageRun(began, last, paired(changes), log.path, line, "dpkg"))
        changes.clear()

    for index, text in enumerate(log.lines):
        moment = stamp(text[:19], zone) if len(text) > _SHORTEST else None
        if moment is None:
            continue
        if changes and not -NEAR <= moment - last <= NEAR:
            end()
        match = _STEP.match(text, 20, 600)
        if match:
            if not changes:
                began, line = moment, log.number(index)
            changes.append(_step(match[1], native(match[2]), match[3], match[4] or ""))
        last = moment
    end()
    return runs


def _step(word: str, package: str, old: str, new: str) -> PackageChange:
    before = "" if old == "<none>" else old
    if word in ("remove", "purge"):
        return PackageChange(Action.REMOVED, package, before)
    if word == "install":  # of a package that was removed and not purged, dpkg names its old version
        return PackageChange(Action.INSTALLED, package, "", new)
    return PackageChange(Action.REINSTALLED if before == new else Action.UPGRADED, package, before, new)


def joined(apt_runs: list[PackageRun], dpkg_runs: list[PackageRun]) -> list[PackageRun]:
    """apt's runs, with dpkg's beside them where dpkg did more than apt asked for.

    A run of apt that has no end in its log lasted as long as dpkg went on.
    """
    runs = sorted(apt_runs, key=lambda run: run.began)
    starts = [run.began for run in runs]
    others: list[PackageRun] = []
    for steps in dpkg_runs:
        # apt's runs don't overlap each other: the one before, and those that begin meanwhile
        first = max(0, bisect_right(starts, steps.began) - 1)
        after = bisect_right(starts, steps.ended + NEAR)
        own = [index for index in range(first, after) if runs[index].ended >= steps.began - NEAR]
        if own:
            last = runs[own[-1]]
            if last.failed:
                runs[own[-1]] = replace(last, ended=max(last.ended, steps.ended))
        asked = {(change.package, change.new) for index in own for change in runs[index].changes}
        rest = tuple(change for change in steps.changes if (change.package, change.new) not in asked)
        if rest:
            others.append(replace(steps, changes=rest))
    return sorted([*runs, *others], key=lambda run: run.began)
