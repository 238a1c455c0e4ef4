"""utmp(5) records: when the boots began and ended, how far they came."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

RUN_LEVEL, BOOT_TIME, USER = 1, 2, 7  # ut_type
FILES = ("/var/log/wtmp", "/var/log/wtmp.1")
TAIL = 4 * 1024 * 1024  # bytes from the end; a hundred thousand times as much as one boot's records
_FIRST = 631152000  # 1990: an earlier time is no time
_LAST = 4102444800  # 2100


@dataclass(frozen=True)
class _Layout:
    """Where the fields are: glibc writes 384 bytes with 32-bit times on most processors, 400 bytes with
    64-bit ones on those that never had a 32-bit sibling (arm64)."""

    size: int
    seconds: struct.Struct
    offset: int


LAYOUTS = (
    _Layout(384, struct.Struct("<I"), 340),
    _Layout(400, struct.Struct("<q"), 344),
)


def newest_boot(target: Target) -> Maybe[float]:
    """Seconds since the epoch of the last BOOT_TIME record in wtmp or its newest rotation."""
    reason = Unknown("no boot record in /var/log/wtmp", Why.ABSENT)
    for path in FILES:
        data = tail(target, path)
        if isinstance(data, Unknown):
            if not data.absent:
                reason = data
            continue
        times = boot_times(data)
        if times:
            return times[-1]
    return reason


def boot_times(data: bytes) -> tuple[float, ...]:
    """Times of the boot records, in the file's order; ``data`` begins and ends with whole records."""
    return tuple(record.time for record in records(data) if record.kind == BOOT_TIME)


@dataclass(frozen=True)
class Record:
    """One record: ``kind`` is ut_type, ``pid`` ut_pid (of a run level: the level's letter), ``user`` ut_user,
    ``host`` ut_host: of a login over the network the other side's address or name."""

    kind: int
    pid: int
    user: str
    time: float
    host: str = ""


def records(data: bytes) -> tuple[Record, ...]:
    """The records of boots, run levels and logins with a time that can be one, in the file's order."""
    for layout in LAYOUTS:
        if len(data) % layout.size:
            continue
        raw = [data[start : start + layout.size] for start in range(0, len(data), layout.size)]
        if all(_sane(record, layout) for record in raw):
            found = (_record(record, layout) for record in raw)
            return tuple(
                record
                for record in found
                if record.kind in (RUN_LEVEL, BOOT_TIME, USER) and _FIRST < record.time < _LAST
            )
    return ()


def _record(raw: bytes, layout: _Layout) -> Record:
    kind, pid = struct.unpack_from("<hxxi", raw)
    user = raw[44:76].split(b"\0")[0].decode("utf-8", "replace")
    host = raw[76:332].split(b"\0")[0].decode("utf-8", "replace")
    return Record(kind, pid, user, float(layout.seconds.unpack_from(raw, layout.offset)[0]), host)


def _sane(record: bytes, layout: _Layout) -> bool:
    kind: int = struct.unpack_from("<h", record)[0]
    seconds: int = layout.seconds.unpack_from(record, layout.offset)[0]
    return 0 <= kind <= 9 and 0 <= seconds < _LAST


def tail(target: Target, path: str) -> Maybe[bytes]:
    """The last records of a file, cut at a multiple of both record sizes."""
    stat = target.stat(path)
    if isinstance(stat, Unknown):
        return stat
    stream = target.open(path)
    if isinstance(stream, Unknown):
        return stream
    try:
        with stream:
            if stat.size > TAIL:
                # records are counted from the beginning, and which size they have is not known yet
                step = 384 * 400
                stream.seek((stat.size - TAIL) // step * step)
            data = stream.read(TAIL + 384 * 400)
    except (OSError, ValueError) as error:
        return Unknown(f"{path}: {error}", Why.IO)
    for layout in LAYOUTS:
        if len(data) % layout.size == 0:
            return data
    return data[: len(data) // 384 * 384]  # a record that was cut while it was written
