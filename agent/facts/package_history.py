"""What was installed, upgraded and removed, and when: from the logs of whichever package manager there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

from agent.facts.package_logs import debian, others, rpm
from agent.facts.package_logs.model import Action, PackageChange, PackageRun
from agent.facts.package_logs.reading import Log, logs
from agent.target import Stat, Target
from agent.target.zone import zone

__all__ = ["Action", "PackageChange", "PackageHistory", "PackageRun", "read"]

# Where there is no log: files that change with each change of the packages.
DATABASES = (
    "/var/lib/dpkg/status",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages",
    "/var/lib/rpm/Packages.db",
    "/lib/apk/db/installed",
    "/usr/lib/apk/db/installed",
    "/var/lib/pacman/local",
    "/var/db/pkg",
    "/var/db/xbps",
)
AFTER = 3600.0  # seconds that a database may be younger than the last run of its log: triggers, hooks


@dataclass(frozen=True)
class PackageHistory:
    """``runs`` oldest first. ``database`` is the time at which a package database was last changed, 0.0 where
    none was found, ``database_path`` which; the logs may know less. ``unread`` says what could not be read."""

    runs: tuple[PackageRun, ...]
    sources: tuple[str, ...]
    unread: tuple[str, ...] = ()
    database: float = 0.0
    database_path: str = ""

    @property
    def unexplained(self) -> bool:
        """The database changed after the last run that a log tells of."""
        return self.database > max((run.ended for run in self.runs), default=0.0) + AFTER


def read(target: Target, since: float | None = None) -> PackageHistory:
    """The runs since a time (seconds since the epoch), from all the logs that are there."""
    reader = _Reader(target, zone(target), since)
    local = reader.zone
    runs = debian.joined(
        reader.runs(debian.APT, lambda log: debian.apt(log, local)),
        reader.runs(debian.DPKG, lambda log: debian.dpkg(log, local)),
    )
    runs += reader.runs(rpm.YUM, lambda log: rpm.yum(log, local))
    dnf = reader.runs(rpm.DNF, lambda log: rpm.dnf(log, local))
    if dnf:
        commands = [item for log in logs(target, rpm.DNF_COMMANDS, since) for item in rpm.dnf_commands(log, local)]
        runs += rpm.with_commands(dnf, commands)
    runs += reader.runs(rpm.DNF5, lambda log: rpm.dnf5(log, local))
    versions: dict[str, str] = {}
    runs += reader.runs(rpm.ZYPP, lambda log: rpm.zypp(log, local, versions), everything=True)
    runs += reader.runs(others.PACMAN, lambda log: others.pacman(log, local))
    runs += reader.runs(others.EMERGE, others.emerge)
    runs += reader.runs(others.APK, others.apk)
    packages = others.slackware(target, local)
    if packages:
        reader.sources.append(packages[0].source)
        runs += packages
    kept = [run for run in runs if since is None or run.ended >= since]
    path, changed = _database(target)
    return PackageHistory(
        tuple(sorted(kept, key=lambda run: run.began)),
        tuple(reader.sources),
        tuple(reader.unread),
        changed,
        path,
    )


class _Reader:
    """Reads logs, and remembers which and what was wrong with them."""

    def __init__(self, target: Target, local: tzinfo, since: float | None) -> None:
        self.zone = local
        self.sources: list[str] = []
        self.unread: list[str] = []
        self._target = target
        self._since = since

    def runs(self, path: str, parse: Callable[[Log], list[PackageRun]], everything: bool = False) -> list[PackageRun]:
        """``everything``: also rotations from before the time that is asked for."""
        found: list[PackageRun] = []
        for log in logs(self._target, path, None if everything else self._since):
            if log.problem:
                self.unread.append(f"{log.path}: {log.problem}")
            if log.lines:
                self.sources.append(log.path)
                found += parse(log)
        return found


def _database(target: Target) -> tuple[str, float]:
    newest = ("", 0.0)
    for path in DATABASES:
        stat = target.stat(path)
        if isinstance(stat, Stat) and stat.mtime > newest[1]:
            newest = (path, stat.mtime)
    return newest
