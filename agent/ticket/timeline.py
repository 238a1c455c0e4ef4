"""What happened on the host, in order: boots, packages, files, our own changes, failures, logins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from agent.change.model import Change, ChangeState
from agent.diagnosis.boot_records import BootRecord, Course, records
from agent.diagnosis.changed_packages import of_run
from agent.diagnosis.happening import clip, plain
from agent.diagnosis.happenings import Before, Happening
from agent.diagnosis.model import Finding
from agent.facts import boots, package_history, utmp
from agent.logs.model import Found
from agent.target import Target
from agent.ticket.model import Event, EventKind
from agent.unknown import Unknown

WINDOW = 30 * 86400.0  # seconds before the newest sign of life that are told
MOST = {  # events of a kind, the newest
    EventKind.BOOT: 60,
    EventKind.PACKAGE: 120,
    EventKind.FILE: 80,
    EventKind.CHANGE: 60,
    EventKind.FAILURE: 80,
    EventKind.LOGIN: 40,
}
NAME = 40  # characters of a user's name or address that are shown
_FILES = ("config",)


def boot_records(target: Target, found: Found) -> tuple[BootRecord, ...]:
    """All boots that a log or wtmp tells of, oldest first."""
    return records(found.boots, boots.read(target), target.live)


def timeline(
    target: Target,
    found: Found,
    findings: Sequence[Finding],
    changes: Sequence[Change],
    before: Before,
    now: float,
    since: float | None = None,
) -> tuple[Event, ...]:
    """The events since a time (seconds since the epoch; else those of the last weeks), oldest first, each once."""
    known = boot_records(target, found)
    newest = max((record.last or record.first or 0.0 for record in known), default=now) or now
    start = min(newest, now) - WINDOW if since is None else since
    if since is None and before.good is not None and before.good.first is not None:
        start = min(start, before.good.first)
    told = [
        *_boots(known),
        *_packages(target, start),
        *_happenings(before.happenings),
        *_changes(changes),
        *_failures(findings),
        *_logins(target),
    ]
    return _bounded(event for event in told if start <= event.time <= now + 86400.0)


def _bounded(events: Iterable[Event]) -> tuple[Event, ...]:
    """Each once, of each kind the newest, in the order of time."""
    counts = dict.fromkeys(MOST, 0)
    kept: list[Event] = []
    for event in sorted(set(events), key=_order, reverse=True):
        counts[event.kind] += 1
        if counts[event.kind] <= MOST[event.kind]:
            kept.append(event)
    return tuple(reversed(kept))


def _order(event: Event) -> tuple[float, str, str, str]:
    return event.time, event.kind.value, event.text, event.source


def _boots(known: Sequence[BootRecord]) -> Iterator[Event]:
    for record in known:
        if record.first is None:
            continue
        words = {
            Course.WELL: f"booted, and came up: {record.why}",
            Course.NO_NETWORK: f"booted without network: {record.why}",
            Course.STOPPED: f"boot failed: {record.why}",
            Course.UNKNOWN: f"booted; how it went is not known: {record.why}",
        }
        failed = record.course in (Course.STOPPED, Course.NO_NETWORK)
        yield Event(record.first, EventKind.BOOT, plain(words[record.course]), record.source)
        if failed and record.last is not None and record.clean_end is False:
            yield Event(record.last, EventKind.BOOT, "the last that this boot said: it was cut off", record.source)


def _packages(target: Target, since: float) -> Iterator[Event]:
    for run in package_history.read(target, since).runs:
        yield from _happenings(of_run(run))


def _happenings(happenings: Iterable[Happening]) -> Iterator[Event]:
    """Boots are told by the records themselves."""
    for happening in happenings:
        if happening.kind == "boot":
            continue
        file = happening.kind in _FILES or happening.source.startswith(("/boot/", "/etc/"))
        yield Event(happening.time, EventKind.FILE if file else EventKind.PACKAGE, happening.what, happening.source)


def _changes(changes: Sequence[Change]) -> Iterator[Event]:
    for change in changes:
        place = plain(change.place or change.id)
        said = clip(change.summary, 200)
        yield Event(change.created, EventKind.CHANGE, f"agent fix --{plain(change.fix)}: {said}", place)
        if change.state is ChangeState.UNDONE and change.ended is not None:
            why = f": {clip(change.why, 200)}" if change.why else ""
            yield Event(change.ended, EventKind.CHANGE, f"agent undo of {plain(change.id)}{why}", place)


def _failures(findings: Sequence[Finding]) -> Iterator[Event]:
    """The first and the last sign of each finding."""
    for finding in findings:
        source = next((one.source for one in finding.evidence if one.time is not None), "")
        title = clip(finding.title, 200)
        if finding.first is not None:
            yield Event(finding.first, EventKind.FAILURE, f"first sign of {finding.id}: {title}", plain(source))
        if finding.last is not None and finding.last != finding.first:
            times = f" ({finding.count} in all)" if finding.count > 1 else ""
            yield Event(finding.last, EventKind.FAILURE, f"last sign of {finding.id}{times}", plain(source))


def _logins(target: Target) -> Iterator[Event]:
    for path in utmp.FILES:
        data = utmp.tail(target, path)
        if isinstance(data, Unknown):
            continue
        for record in utmp.records(data)[-10_000:]:
            if record.kind == utmp.USER and record.user:
                where = f" from {clip(record.host, NAME)}" if record.host else ""
                yield Event(record.time, EventKind.LOGIN, f"{clip(record.user, NAME)} logged in{where}", path)
