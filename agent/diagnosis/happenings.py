"""What changed before it broke: packages, kernels, configuration between the last good boot and the first bad one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from agent.diagnosis.boot_records import BootRecord, Course, records
from agent.diagnosis.changed_files import of_files
from agent.diagnosis.changed_packages import of_run
from agent.diagnosis.happening import Happening, day
from agent.facts import boots, package_history, recent_files
from agent.facts.facts import Facts
from agent.facts.package_logs.model import PackageRun
from agent.logs.model import Found
from agent.unknown import Unknown

__all__ = ["Before", "BootRecord", "Course", "Happening", "what_changed"]

LIMIT = 12
AFTER_BOOT = 60.0  # seconds after its kernel's start in which a boot's own services write files
LATER = 900.0  # seconds from one boot's last message to what can only be another's
WHILE = 5.0  # seconds around a run of the package manager in which what changes is its doing
LONG = 1800.0  # seconds; a run that lasts longer (a compiler at work) leaves room for a person's edits
RECENT = 14 * 86400.0  # seconds before the newest change that are looked at where no boot is known


@dataclass(frozen=True)
class Before:
    """``good`` is the last boot that went better than what came after it, ``bad`` the first that did not (None:
    none left a log). ``happenings`` lie between the beginnings of the two: the telling ones first, each part newest
    first. ``left_out`` counts those beyond the limit. ``why`` says what the list rests on, or what is missing.
    """

    good: BootRecord | None
    bad: BootRecord | None
    happenings: tuple[Happening, ...]
    left_out: int
    why: str
    unread: tuple[str, ...] = ()


def what_changed(facts: Facts, found: Found, limit: int = LIMIT, now: float | None = None) -> Before:
    """The list, from ``found`` (of agent.logs.search.search, which sees the boots) and the target's files.

    ``now`` in seconds since the epoch. Reads the package managers' logs and walks /etc: nothing is changed.
    """
    target = facts.target
    until = time.time() if now is None else now
    known = _with_newest(facts, records(found.boots, boots.read(target), target.live))
    good, bad = choose(known)
    end = until if bad is None or bad.first is None else bad.first
    if good is None or good.first is None:
        since, why = 0.0, _no_good_boot(known)
    else:
        since, why = good.first, _between(good, bad, known)
    all_found, unread = _happenings(facts, since, end, until, known)
    if good is None:
        newest = max((happening.time for happening in all_found), default=0.0)
        all_found = [happening for happening in all_found if happening.time >= newest - RECENT]
    elif not all_found and good.first is not None:
        earlier = [record for record in known if record.first is not None and record.first < good.first]
        if earlier and earlier[-1].first is not None:
            all_found, unread = _happenings(facts, earlier[-1].first, end, until, known)
            if all_found:
                why += f"; nothing is known to have changed since, this was before it, from {day(earlier[-1].first)}"
    if not all_found:
        why += "; nothing is known to have changed"
    ranked = sorted(all_found, key=lambda happening: (happening.rank, -happening.time))
    return Before(good, bad, tuple(ranked[:limit]), max(0, len(ranked) - limit), why, unread)


def choose(known: Sequence[BootRecord]) -> tuple[BootRecord | None, BootRecord | None]:
    """The last boot that went better than the newest one, and the first after it that went worse.

    Where the newest that is known went well, it is the good one: later ones left nothing (a panic, an initramfs
    without its root), or what is wrong does not show in a boot's log.
    """
    judged = [record for record in known if record.course is not Course.UNKNOWN]
    if not judged:
        return None, None
    newest = judged[-1]
    if newest.course is Course.WELL:
        return newest, None
    better = [record for record in judged if record.course > newest.course]
    if not better:
        return None, newest
    good = better[-1]
    return good, next(record for record in judged[judged.index(good) + 1 :] if record.course < good.course)


def _with_newest(facts: Facts, known: tuple[BootRecord, ...]) -> tuple[BootRecord, ...]:
    """A boot that only its kernel's messages in /var/log/dmesg tell of."""
    started = facts.boot.started
    last = max((record.last or record.first or 0.0 for record in known), default=0.0)
    if facts.target.live or isinstance(started, Unknown) or started <= last + LATER:
        return known
    why = "of this boot there is only its beginning"
    return (*known, BootRecord("", started, None, Course.UNKNOWN, why, Unknown(why), "/var/log/dmesg"))


def _no_good_boot(known: Sequence[BootRecord]) -> str:
    if not known:
        return "no journal, syslog or wtmp tells of a boot: these are the newest changes"
    judged = [record for record in known if record.course is not Course.UNKNOWN]
    if not judged:
        return f"no log tells how a boot went ({known[-1].why}): these are the newest changes"
    oldest = judged[0].first
    since = "" if oldest is None else f", back to {day(oldest)}"
    return f"no boot in the logs went better than the newest ({judged[-1].why}){since}: these are the newest changes"


def _between(good: BootRecord, bad: BootRecord | None, known: Sequence[BootRecord]) -> str:
    begun = day(good.first or 0.0)
    if bad is not None:
        return f"between the boot of {begun} ({good.why}) and that of {day(bad.first or 0.0)} ({bad.why})"
    after = [record for record in known if (record.first or 0.0) > (good.first or 0.0)]
    if after:
        return f"since the boot of {begun} ({good.why}); of that of {day(after[0].first or 0.0)}, {after[0].why}"
    return f"since the boot of {begun} ({good.why}), the newest that left a log"


def _happenings(
    facts: Facts, since: float, until: float, now: float, known: Sequence[BootRecord]
) -> tuple[list[Happening], tuple[str, ...]]:
    """All that happened between two times, unordered; and what could not be read.

    Of a file only the last change is known: what decides about boot, network and login is told also where it
    changed after that time (somebody tried to repair it).
    """
    history = package_history.read(facts.target, since)
    runs = [run for run in history.runs if since <= run.ended and run.began <= until]
    files = recent_files.read(facts.target, since, now)
    spans = [(record.first, record.last or record.first) for record in known if record.first is not None]
    result = [happening for run in runs for happening in of_run(run)]
    if not runs and since <= history.database <= until:
        what = "packages were changed; no log says which"
        result.append(Happening(history.database, what, "packages", history.database_path, 1))
    broke = until if until < now else float("inf")
    left = [file for file in files.files if not _by_run(file, runs) and (file.telling or file.time < broke)]
    result += of_files(left, files.copies, [(first, min(last, first + AFTER_BOOT)) for first, last in spans], broke)
    for record in known:
        if record.course is Course.UNKNOWN and record.first is not None and since < record.first < until:
            result.append(Happening(record.first, f"a boot; {record.why}", "boot", record.source, 2))
    unread = (*history.unread, files.cut) if files.cut else history.unread
    return result, unread


def _by_run(file: recent_files.RecentFile, runs: Sequence[PackageRun]) -> bool:
    """It changed while a package manager was at work."""
    return any(
        run.began - WHILE <= file.time <= run.ended + WHILE and (run.ended - run.began <= LONG or not file.telling)
        for run in runs
    )
