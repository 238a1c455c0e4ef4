"""pacman.log, Portage's emerge.log, apk.log, and Slackware's folder of packages."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timezone, tzinfo

from agent.facts.package_logs.model import UNFINISHED, Action, PackageChange, PackageRun, grouped, paired
from agent.facts.package_logs.reading import Log, stamp
from agent.target import Stat, Target
from agent.unknown import Unknown

PACMAN = "/var/log/pacman.log"
EMERGE = "/var/log/emerge.log"
APK = "/var/log/apk.log"
SLACKWARE = ("/var/lib/pkgtools/packages", "/var/log/packages")
SLACKWARE_REMOVED = ("/var/lib/pkgtools/removed_packages", "/var/log/removed_packages")
SLACKWARE_NAMES = 20_000

_PACMAN = re.compile(
    r"\[([^\]]{16,30})\] (?:\[(?:ALPM|PACMAN)\] )?"
    r"(installed|upgraded|downgraded|reinstalled|removed|transaction|Running) (.{1,1000})"
)
_PACMAN_VERSIONS = re.compile(r"(\S{1,200}) \((\S{1,200})(?: -> (\S{1,200}))?\)")
_EMERGE = re.compile(
    r"(\d{9,11}):\s{1,4}(?:(?P<begun>Started emerge on)|\*\*\* emerge\s{1,4}(?P<command>.{1,500})"
    r"|::: completed emerge \(\d+ of \d+\) (?P<done>\S{1,300}) to "
    r"|>>> unmerge success: (?P<gone>\S{1,300})"
    r"|\*\*\* exiting (?P<failed>un)?successfully|(?P<over>\*\*\* terminating))"
)
_ATOM = re.compile(r"(?P<name>[\w+.-]{1,80}/[\w+-]{1,120}?)-(?P<version>\d[\w.+]{0,80}(?:-r\d{1,6})?)")
_APK_RUN = re.compile(r"Running `(.{1,2000})`(?: at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d))?$")
_APK_STEP = re.compile(
    r"\(\s{0,6}\d{1,6}/\d{1,6}\) (Installing|Upgrading|Downgrading|Replacing|Reinstalling|Purging) "
    r"(\S{1,200}) \((\S{1,200})(?: -> (\S{1,200}))?\)"
)
_APK_ACTIONS = {
    "Installing": Action.INSTALLED,
    "Upgrading": Action.UPGRADED,
    "Downgrading": Action.DOWNGRADED,
    "Replacing": Action.REINSTALLED,
    "Reinstalling": Action.REINSTALLED,
    "Purging": Action.REMOVED,
}
_SLACKWARE = re.compile(r"(?P<name>.{1,150})-(?P<version>[^-]{1,80})-(?P<arch>[^-]{1,20})-(?P<build>[^-]{1,40})")
_SLACKWARE_GONE = re.compile(
    r"(?P<package>.{5,250}?)(?P<upgraded>-upgraded)?-(?P<date>\d{4}-\d\d-\d\d),(?P<clock>\d\d:\d\d:\d\d)"
)


def pacman(log: Log, zone: tzinfo) -> list[PackageRun]:
    """Minutes in local time until pacman 5.1, seconds with the offset since. Hooks may follow a transaction."""
    runs: list[PackageRun] = []
    items: list[tuple[float, int, PackageChange]] = []
    command = ""
    open_since = 0.0

    def end(failed: str = "") -> None:
        if items:
            runs.extend(replace(run, failed=failed) for run in grouped(items, log.path, 3600.0, command))
        items.clear()

    for index, line in enumerate(log.lines):
        match = _PACMAN.match(line, 0, 1100)
        moment = stamp(match[1], zone) if match else None
        if match is None or moment is None:
            continue
        if match[2] == "Running":
            end(UNFINISHED if open_since else "")
            command, open_since = match[3].strip("'"), 0.0
        elif match[2] == "transaction":
            if match[3].startswith("started"):
                end(UNFINISHED if open_since else "")
                open_since = moment
            else:
                end("" if match[3].startswith("completed") else f"transaction {match[3]}")
                open_since = 0.0
        else:
            versions = _PACMAN_VERSIONS.match(match[3])
            if versions:
                items.append((moment, log.number(index), _pacman_change(Action(match[2]), versions)))
    end(UNFINISHED if open_since else "")
    return runs


def _pacman_change(action: Action, versions: re.Match[str]) -> PackageChange:
    name, one, two = versions[1], versions[2], versions[3] or ""
    if action in (Action.UPGRADED, Action.DOWNGRADED):
        return PackageChange(action, name, one, two)
    return PackageChange(action, name, one, "") if action is Action.REMOVED else PackageChange(action, name, "", one)


def emerge(log: Log) -> list[PackageRun]:
    """Portage's sessions; times are seconds since the epoch. Merged and unmerged together: upgraded."""
    runs: list[PackageRun] = []
    changes: list[PackageChange] = []
    began = last = 0.0
    line = 0
    command = failed = ""

    def end(why: str) -> None:
        if changes and began:
            runs.append(PackageRun(began, last, paired(changes), log.path, line, command, why))
        changes.clear()

    for index, text in enumerate(log.lines):
        match = _EMERGE.match(text, 0, 800)
        if match is None:
            continue
        moment = float(match[1])
        if match["begun"]:
            end(failed)
            began, line, command, failed = moment, log.number(index), "", ""
        elif match["command"]:
            command = f"emerge {match['command'].strip()}"
        elif match["done"] or match["gone"]:
            atom = _ATOM.fullmatch(match["done"] or match["gone"])
            if atom and match["done"]:
                changes.append(PackageChange(Action.INSTALLED, atom["name"], "", atom["version"]))
            elif atom:
                changes.append(PackageChange(Action.REMOVED, atom["name"], atom["version"]))
        elif match["failed"]:
            failed = "it failed"
        elif match["over"]:
            end(failed)
            failed = ""
        last = moment
    end(UNFINISHED if changes else "")
    return runs


def apk(log: Log) -> list[PackageRun]:
    """apk.log (since apk-tools 2.12.5): the command with its time in UTC, then what it printed."""
    runs: list[PackageRun] = []
    changes: list[PackageChange] = []
    moment: float | None = None
    line = 0
    command = failed = ""
    done = False

    def end(why: str) -> None:
        if changes and moment is not None:
            runs.append(PackageRun(moment, moment, tuple(changes), log.path, line, command, why))
        changes.clear()

    for index, text in enumerate(log.lines):
        match = _APK_RUN.match(text[:2100])
        if match:
            end(failed or ("" if done else UNFINISHED))
            moment = stamp(match[2] or "", timezone.utc)
            line, command, failed, done = log.number(index), match[1].strip(), "", False
            continue
        step = _APK_STEP.match(text, 0, 800)
        if step:
            action = _APK_ACTIONS[step[1]]
            one, two = step[3], step[4] or ""
            pair = (one, two) if two else (one, "") if action is Action.REMOVED else ("", one)
            changes.append(PackageChange(action, step[2], *pair))
        elif text.startswith("ERROR: ") and not failed:
            failed = text[7:200]
        elif re.match(r"OK: \d|\d{1,6} errors?; ", text):
            done = True
    end(failed or ("" if done else UNFINISHED))
    return runs


def slackware(target: Target, zone: tzinfo) -> list[PackageRun]:
    """pkgtools keeps no log: a package's file is as old as its installation, a removed one's name has its time."""
    items: list[tuple[float, int, PackageChange]] = []
    old: dict[str, str] = {}
    for folder in SLACKWARE_REMOVED:
        for name in _names(target, folder):
            gone = _SLACKWARE_GONE.fullmatch(name)
            parts = _SLACKWARE.fullmatch(gone["package"]) if gone else None
            moment = stamp(f"{gone['date']} {gone['clock']}", zone) if gone else None
            if gone is None or parts is None or moment is None:
                continue
            if gone["upgraded"]:
                old[parts["name"]] = f"{parts['version']}-{parts['build']}"
            else:
                items.append((moment, 0, PackageChange(Action.REMOVED, parts["name"], parts["version"])))
        if old or items:
            break
    source = ""
    for folder in SLACKWARE:
        for name in _names(target, folder):
            parts = _SLACKWARE.fullmatch(name)
            stat = target.stat(f"{folder}/{name}", follow=False)
            if parts is None or not isinstance(stat, Stat) or stat.mtime <= 0:
                continue
            before = old.get(parts["name"], "")
            version = f"{parts['version']}-{parts['build']}"
            action = Action.UPGRADED if before else Action.INSTALLED
            items.append((stat.mtime, 0, PackageChange(action, parts["name"], before, version)))
            source = folder
        if source:
            break
    return grouped(sorted(items, key=lambda item: item[0]), source or SLACKWARE[0])


def _names(target: Target, folder: str) -> tuple[str, ...]:
    names = target.list(folder)
    return () if isinstance(names, Unknown) else tuple(names[:SLACKWARE_NAMES])
