"""Since when it is broken: from the boots, the first sign in the logs, and what changed between; or "not known"."""

from __future__ import annotations

from collections.abc import Iterator

from agent.diagnosis.happening import plain
from agent.diagnosis.happenings import Before, Course
from agent.diagnosis.model import VerdictState
from agent.report.model import Scan
from agent.report.style import moment
from agent.ticket.model import Attachment, Ticket

PATH = "since.txt"
CHANGED = "Changed just before:"
NOT_KNOWN = "Not known"
MOST = 20  # changes that are named


def since(scan: Scan, before: Before, reaches: float | None) -> Attachment:
    """The answer as a text: a sentence a line, then what changed before. ``reaches``: how far back the logs go
    (seconds since the epoch)."""
    lines = [*_sentences(scan, before, reaches), "", CHANGED, *_changed(before)]
    return Attachment(PATH, "boots, logs, package history and file times of the host", "\n".join(lines) + "\n")


def sentences(ticket: Ticket) -> tuple[str, ...]:
    """The answer, a sentence each."""
    return tuple(line for line in _text(ticket).partition(CHANGED)[0].split("\n") if line)


def changed(ticket: Ticket) -> tuple[str, ...]:
    """What changed just before, a line each."""
    return tuple(line for line in _text(ticket).partition(CHANGED)[2].split("\n") if line)


def _text(ticket: Ticket) -> str:
    return next((one.text for one in ticket.attachments if one.path == PATH), "")


def _sentences(scan: Scan, before: Before, reaches: float | None) -> Iterator[str]:
    if scan.verdict.state is VerdictState.HEALTHY:
        yield "Nothing is broken now, as far as this host can tell."
        return
    cause = scan.verdict.finding
    signed = cause is not None and cause.first is not None
    if before.bad is not None and before.bad.first is not None:
        yield f"Since the boot of {_time(before.bad.first)} UTC at the latest: {plain(before.bad.why)}."
        if before.good is not None:
            good = f"{_time(before.good.first)} UTC: {plain(before.good.why)}"
            yield f"The last boot before it that went better was that of {good}."
        else:
            yield f"No boot that went better is on record{_back(reaches)}; it may be older."
    elif before.good is not None and before.good.course is Course.WELL:
        boot = f"the boot of {_time(before.good.first)} UTC, which went well ({plain(before.good.why)})"
        if signed:
            yield f"After the beginning of {boot}."
        else:
            yield f"{NOT_KNOWN} exactly: no log tells when it began. The newest boot that is known is {boot}."
    elif not signed:
        yield f"{NOT_KNOWN}: {plain(before.why)}."
    if cause is not None and cause.first is not None:
        last = cause.last
        again = f", the last at {_time(last)} UTC" if last is not None and last - cause.first > 60 else ""
        count = f" ({cause.count} in all{again})" if cause.count > 1 else ""
        yield f"Its first sign in the logs is of {_time(cause.first)} UTC{count}{_back(reaches, cause.first)}."


def _back(reaches: float | None, first: float | None = None) -> str:
    """How far back the logs go, where that limits the answer."""
    if reaches is None or (first is not None and first - reaches > 86400.0):
        return ""
    return f" (the logs go back to {_time(reaches)} UTC)"


def _changed(before: Before) -> Iterator[str]:
    for happening in sorted(before.happenings[:MOST], key=lambda one: -one.time):
        yield f"{_time(happening.time)}  {happening.what}"
    more = before.left_out + max(0, len(before.happenings) - MOST)
    if more:
        yield f"and {more} more (timeline in ticket.json)"
    if not before.happenings:
        yield "nothing is known to have changed"
    yield f"({plain(before.why)})"
    for reason in before.unread[:5]:
        yield f"(not read: {plain(reason)})"


def _time(seconds: float | None) -> str:
    return moment(seconds, "%Y-%m-%d %H:%M:%S") or "an unknown time"
