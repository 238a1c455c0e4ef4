"""The logs of what installs RPM packages: yum.log, dnf's dnf.rpm.log and dnf.log, dnf5.log, zypp/history.

Written from the formats as their programs' sources and documentation show them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from agent.facts.package_logs.model import GAP, UNFINISHED, Action, PackageChange, PackageRun, grouped, paired
from agent.facts.package_logs.reading import Log, stamp

YUM = "/var/log/yum.log"
DNF = "/var/log/dnf.rpm.log"
DNF_COMMANDS = "/var/log/dnf.log"
DNF5 = "/var/log/dnf5.log"
ZYPP = "/var/log/zypp/history"
BEFORE = 3600.0  # seconds from the command to its first package: downloads lie between

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_YUM = re.compile(r"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d) (\w{5,20}): (\S{1,300})")
_DNF = re.compile(r"(\S{20,30}) [A-Z]{2,10} (\w{5,20}): (\S{1,300})$")
_DNF_BEGUN = re.compile(r"\S{20,30} [A-Z]{2,10} --- logging initialized ---")
_COMMAND = re.compile(r"(\S{20,30}) DDEBUG Command: (.{1,500})")
_DNF5 = re.compile(
    r"(\S{20,30}) \[\d{1,10}\] [A-Z]{4,10} RPM callback (install|uninstall|transaction) (start|stop)"
    r"(?:,| \"(\S{1,300})\")"
)
_ACTIONS = {
    "Installed": Action.INSTALLED,
    "Install": Action.INSTALLED,
    "Dep-Installed": Action.INSTALLED,
    "Updated": Action.UPGRADED,
    "Upgrade": Action.UPGRADED,
    "Downgrade": Action.DOWNGRADED,
    "Reinstall": Action.REINSTALLED,
    "Erased": Action.REMOVED,
    "Erase": Action.REMOVED,
    "Removed": Action.REMOVED,
    "Obsoleted": Action.REMOVED,
}
_OLD = {"Upgraded": Action.UPGRADED, "Downgraded": Action.DOWNGRADED}  # dnf's line of the version that goes


def name_and_version(nevra: str) -> tuple[str, str]:
    """("kernel-core", "5.14.0-503.el9") of kernel-core-5.14.0-503.el9.x86_64; yum puts the epoch first."""
    epoch = re.match(r"(\d{1,9}:)(?=[^\d])", nevra)
    text = nevra[epoch.end() :] if epoch else nevra
    text = re.sub(r"\.(?:x86_64|noarch|i[3-6]86|aarch64|armv7hl|ppc64le|s390x|src)$", "", text)
    parts = text.rsplit("-", 2)
    if len(parts) != 3 or not parts[0] or not parts[1][:1].isdecimal():
        return text, ""
    version = f"{parts[1]}-{parts[2]}"
    return parts[0], re.sub(r"^0:", "", (epoch[1] if epoch else "") + version)


def yum(log: Log, zone: tzinfo) -> list[PackageRun]:
    """Lines without a year: they are counted back from the file's last change."""
    found: list[tuple[tuple[int, int, int, int, int], int, PackageChange]] = []
    for index, line in enumerate(log.lines):
        match = _YUM.match(line, 0, 400)
        action = _ACTIONS.get(match[6]) if match else None
        if match is None or action is None or match[1] not in _MONTHS:
            continue
        name, version = name_and_version(match[7])
        removed = action is Action.REMOVED
        change = PackageChange(action, name, version if removed else "", "" if removed else version)
        day, hour, minute, second = (int(match[number]) for number in range(2, 6))
        found.append(((_MONTHS[match[1]], day, hour, minute, second), log.number(index), change))
    items: list[tuple[float, int, PackageChange]] = []
    limit = log.written + 86400.0
    year = datetime.fromtimestamp(limit, zone).year
    for when, number, change in reversed(found):
        moment, year = _year(when, year, limit, zone)
        if moment is None:
            continue
        limit = moment + 86400.0
        items.append((moment, number, change))
    return grouped(items[::-1], log.path)


def _year(when: tuple[int, int, int, int, int], year: int, limit: float, zone: tzinfo) -> tuple[float | None, int]:
    for guess in range(year, year - 5, -1):  # Feb 29 may be far back
        try:
            moment = datetime(guess, *when, tzinfo=zone).timestamp()
        except (ValueError, OverflowError, OSError):
            continue
        if moment <= limit:
            return moment, guess
    return None, year


def dnf(log: Log, zone: tzinfo) -> list[PackageRun]:
    """dnf.rpm.log: each run begins with a line of its own, each upgrade has a line for either version."""
    runs: list[PackageRun] = []
    items: list[tuple[float, int, PackageChange]] = []
    old: dict[tuple[Action, str], str] = {}

    def end() -> None:
        for run in grouped(items, log.path):
            changes = (
                replace(change, old=change.old or old.get((change.action, change.package), ""))
                for change in run.changes
            )
            runs.append(replace(run, changes=tuple(changes)))
        items.clear()
        old.clear()

    for index, line in enumerate(log.lines):
        match = _DNF.match(line, 0, 400)
        if match is None:
            if _DNF_BEGUN.match(line, 0, 100):
                end()
            continue
        moment = stamp(match[1], zone)
        name, version = name_and_version(match[3])
        if match[2] in _OLD:
            old[_OLD[match[2]], name] = version
        elif match[2] in _ACTIONS and moment is not None:
            action = _ACTIONS[match[2]]
            versions = (version, "") if action is Action.REMOVED else ("", version)
            items.append((moment, log.number(index), PackageChange(action, name, *versions)))
    end()
    return runs


def dnf_commands(log: Log, zone: tzinfo) -> list[tuple[float, str]]:
    """What was typed, from dnf.log, with its time."""
    found = []
    for line in log.lines:
        match = _COMMAND.match(line, 0, 600) if " Command: " in line[:60] else None
        moment = stamp(match[1], zone) if match else None
        if match and moment is not None:
            found.append((moment, match[2].strip()))
    return found


def with_commands(runs: Sequence[PackageRun], commands: Sequence[tuple[float, str]]) -> list[PackageRun]:
    """Each run with the command that came shortly before it."""
    result = []
    for run in runs:
        before = [command for moment, command in commands if 0 <= run.began - moment <= BEFORE]
        result.append(replace(run, command=before[-1]) if before else run)
    return result


def dnf5(log: Log, zone: tzinfo) -> list[PackageRun]:
    """dnf5.log has the callbacks of librpm: a transaction with its installations and removals."""
    runs: list[PackageRun] = []
    changes: list[PackageChange] = []
    began = last = 0.0
    line = 0

    def end(failed: str) -> None:
        if changes:
            runs.append(PackageRun(began, last, paired(changes), log.path, line, "dnf", failed))
        changes.clear()

    for index, text in enumerate(log.lines):
        match = _DNF5.match(text, 0, 400)
        moment = stamp(match[1], zone) if match else None
        if match is None or moment is None:
            continue
        if changes and moment - last > GAP * 12:
            end(UNFINISHED)
        if not changes:
            began, line = moment, log.number(index)
        last = moment
        if match[2] == "transaction":
            if match[3] == "stop" and changes and any(c.action is Action.REMOVED for c in changes):
                continue  # what it replaces may go after this line
        elif match[3] == "start" and match[4]:
            name, version = name_and_version(match[4])
            removed = match[2] == "uninstall"
            changes.append(
                PackageChange(Action.REMOVED, name, version)
                if removed
                else PackageChange(Action.INSTALLED, name, "", version)
            )
    end("")
    return runs


def zypp(log: Log, zone: tzinfo, versions: dict[str, str] | None = None) -> list[PackageRun]:
    """zypp/history: an upgrade is an installation as well; what the log told before shows which it is.

    ``versions`` are those that older rotations told of, and are brought up to date.
    """
    known = {} if versions is None else versions
    runs: list[PackageRun] = []
    items: list[tuple[float, int, PackageChange]] = []
    command = ""

    def end() -> None:
        runs.extend(grouped(items, log.path, GAP * 12, command))
        items.clear()

    for index, line in enumerate(log.lines):
        fields = line[:2000].split("|")
        moment = stamp(fields[0], zone) if len(fields) >= 4 and len(fields[0]) == 19 else None
        if moment is None:
            continue
        action, name, version = fields[1].strip(), fields[2], fields[3]
        if action == "command":
            end()
            command = fields[3].replace("'", "")
        elif action == "install":
            before = known.get(name, "")
            several = name.startswith("kernel-")  # kept beside each other
            upgraded = before not in ("", version) and not several
            change = PackageChange(
                Action.UPGRADED if upgraded else Action.INSTALLED, name, before if upgraded else "", version
            )
            known[name] = version
            items.append((moment, log.number(index), change))
        elif action == "remove":
            items.append((moment, log.number(index), PackageChange(Action.REMOVED, name, version)))
    end()
    return runs
