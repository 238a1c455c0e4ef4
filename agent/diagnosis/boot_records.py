"""How each boot went: what the logs and wtmp tell of it, judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from agent.facts.boots import RecordedBoot
from agent.logs import boots as signs
from agent.logs.model import BootSeen, Sign
from agent.unknown import Maybe, Unknown

NEAR = 300.0  # seconds between what two sources say of one boot
AT_ONCE = 5.0  # seconds after the last target in which a failure still belongs to the boot

_UNIT = re.compile(r"Failed to start (?:\S+\.service - )?(.{1,80}?)\.?$")
_SERVICE = re.compile(r"Failed to start (\S+\.service)")


class Course(IntEnum):
    """How far a boot came: the higher the better."""

    UNKNOWN = -1
    STOPPED = 0  # emergency mode, or its log ends before there was a login prompt
    NO_NETWORK = 1  # it came up, and what configures the network failed
    WELL = 2


@dataclass(frozen=True)
class BootRecord:
    """One boot. ``id`` is journald's, "" where another log told. ``first`` and ``last`` are its first and last sign
    of life in seconds since the epoch. ``why`` says what the judgement rests on, in a clause.

    ``clean_end``: it was shut down in order (False: cut off, or it hangs still).
    """

    id: str
    first: float | None
    last: float | None
    course: Course
    why: str
    clean_end: Maybe[bool]
    source: str = "journal"

    @property
    def good(self) -> Maybe[bool]:
        """True when it went well, False when it did not, Unknown when its log does not tell."""
        return Unknown(self.why) if self.course is Course.UNKNOWN else self.course is Course.WELL


def records(
    seen: Sequence[BootSeen],
    recorded: Maybe[Sequence[RecordedBoot]],
    running: bool,
) -> tuple[BootRecord, ...]:
    """All boots that anything tells of, oldest first. ``running``: the newest one is (the target is live)."""
    judged = [_judged(boot, seen, running) for boot in seen]
    from_wtmp = () if isinstance(recorded, Unknown) else recorded
    levels = any(boot.level for boot in from_wtmp)
    for boot in from_wtmp:
        same = [index for index, record in enumerate(judged) if _same(record, boot)]
        if not same:
            judged.append(_of_wtmp(boot, levels))
        elif judged[same[0]].course is Course.UNKNOWN and (boot.level or boot.login):
            judged[same[0]] = replace(judged[same[0]], course=Course.WELL, why=_came_up(boot))
    known = [record for record in judged if record.first is not None]
    return tuple(sorted(known, key=lambda record: record.first or 0.0))


def _judged(boot: BootSeen, others: Sequence[BootSeen], running: bool) -> BootRecord:
    is_running = running and boot.number == 0
    course, why = _course(boot, others, is_running)
    clean: Maybe[bool]
    if is_running:
        clean = Unknown("it still runs")
    elif _first(boot, signs.SHUTDOWN.key):
        clean = True
    elif boot.trusted:
        clean = False
    else:
        clean = Unknown(f"{boot.source} does not tell")
    return BootRecord(boot.id, boot.first, boot.last, course, why, clean, boot.source)


def _course(boot: BootSeen, others: Sequence[BootSeen], is_running: bool) -> tuple[Course, str]:
    reached = _first(boot, signs.REACHED.key)
    stopped = _first(boot, signs.STOPPED.key)
    sshd = _first(boot, signs.SSHD.key)
    if stopped and (reached is None or _before(stopped, reached)):
        mode = "rescue" if "escue" in stopped.text else "emergency"
        mounts = _first(boot, signs.MOUNTS.key)
        return Course.STOPPED, f"stopped in {mode} mode" + (": a filesystem was not mounted" if mounts else "")
    if reached or sshd:
        came = "reached multi-user.target" if reached else "sshd was started"
        network = _first(boot, signs.NETWORK.key)
        if network and (reached is None or (network.time or 0.0) <= (reached.time or 0.0) + AT_ONCE):
            return Course.NO_NETWORK, f"{came}, but {_failed(network)} failed"
        return Course.WELL, came + (", sshd listening" if reached and sshd else "")
    if is_running:
        return Course.UNKNOWN, "it has not reached multi-user.target yet"
    if not boot.whole:
        return Course.UNKNOWN, "its beginning is no longer in the log"
    if not any(_first(other, signs.REACHED.key) or _first(other, signs.SSHD.key) for other in others):
        return Course.UNKNOWN, "no boot in this log says how it went"
    return Course.STOPPED, "no login prompt: its log ends before that"


def _first(boot: BootSeen, name: str) -> Sign | None:
    return next((sign for sign in boot.signs if sign.name == name), None)


def _before(one: Sign, other: Sign) -> bool:
    return (one.time or 0.0) <= (other.time or 0.0)


def _failed(sign: Sign) -> str:
    match = _SERVICE.match(sign.text) or _UNIT.match(sign.text)
    return match[1] if match else "the network's service"


def _same(record: BootRecord, boot: RecordedBoot) -> bool:
    """wtmp's time and the log's are of one boot."""
    if record.first is None:
        return False
    last = record.first if record.last is None or record.source != "journal" else record.last
    return record.first - NEAR <= boot.began <= max(last, record.first + NEAR)


def _of_wtmp(boot: RecordedBoot, levels: bool) -> BootRecord:
    if boot.level or boot.login:
        course, why = Course.WELL, _came_up(boot)
    elif levels:
        course, why = Course.STOPPED, "no login prompt: wtmp has its start, and no run level after it"
    else:
        course, why = Course.UNKNOWN, "wtmp has its start, and not how it went"
    clean: Maybe[bool] = True if boot.shutdown is not None else Unknown("wtmp does not tell")
    return BootRecord("", boot.began, boot.shutdown, course, why, clean, boot.source or "/var/log/wtmp")


def _came_up(boot: RecordedBoot) -> str:
    return f"reached run level {boot.level}" if boot.level else "somebody logged in"
