"""The boots that wtmp tells of, where there is no journal: when each began, how far it came, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.facts import utmp
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

FOLDER = "/var/log"
MOST = 1000  # boots


@dataclass(frozen=True)
class RecordedBoot:
    """``began`` in seconds since the epoch. ``level`` is the last run level that was reached ("2" to "5"), "" for
    none; ``login``: somebody logged in; ``shutdown`` the time at which it was shut down in order, None where no
    record says so."""

    began: float
    level: str = ""
    login: bool = False
    shutdown: float | None = None
    source: str = ""


def read(target: Target) -> Maybe[tuple[RecordedBoot, ...]]:
    """All boots of wtmp and its newest rotation, oldest first.

    Source: utmp(5), systemd-update-utmp(8). A run level is recorded until systemd 257 and by sysvinit; busybox
    and newer systems record none.
    """
    found: list[RecordedBoot] = []
    reason = Unknown("no boot record in /var/log/wtmp", Why.ABSENT)
    for path in reversed(_files(target)):
        data = utmp.tail(target, path)
        if isinstance(data, Unknown):
            if not data.absent:
                reason = data
            continue
        found += boots(utmp.records(data), path)
    return tuple(sorted(found, key=lambda boot: boot.began)[-MOST:]) if found else reason


def _files(target: Target) -> tuple[str, ...]:
    """wtmp and its newest rotation, which may be called by number or by date."""
    names = target.list(FOLDER)
    dated = [] if isinstance(names, Unknown) else [name for name in names if _dated(name)]
    return (*utmp.FILES, *(f"{FOLDER}/{name}" for name in dated[-1:]))


def _dated(name: str) -> bool:
    return name.startswith("wtmp-") and name[5:].isdecimal() and len(name) == 13


def boots(records: Sequence[utmp.Record], source: str = "") -> list[RecordedBoot]:
    """The boots in one file's records."""
    found: list[RecordedBoot] = []
    began: float | None = None
    level = ""
    login = False
    shutdown: float | None = None

    def end() -> None:
        if began is not None:
            found.append(RecordedBoot(began, level, login, shutdown, source))

    for record in records:
        if record.kind == utmp.BOOT_TIME:
            end()
            began, level, login, shutdown = record.time, "", False, None
        elif record.kind == utmp.USER:
            login = True
        elif record.user == "shutdown":
            shutdown = record.time
        elif chr(record.pid & 0x7F) in "2345":
            level = chr(record.pid & 0x7F)
    end()
    return found
