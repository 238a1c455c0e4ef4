"""Entries of one open journal file, by systemd-python or by journalctl."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

FIELDS = ("_TRANSPORT", "_UID", "_PID", "_SYSTEMD_UNIT", "_COMM", "_EXE", "UNIT", "SYSLOG_IDENTIFIER")
JOURNALCTL_ENTRIES = 100_000  # the newest; its output is held in memory
JOURNALCTL_SECONDS = 60.0
JOURNALCTL_BYTES = 96 * 1024 * 1024


@dataclass(frozen=True)
class Raw:
    """One entry. ``fields`` and ``cursor`` are asked for only where the message may match; they are
    valid until the next entry is taken when the reader is systemd-python's (it moves on)."""

    message: bytes
    time: float  # seconds since the epoch
    boot: str  # 32 hexadecimal digits
    fields: Callable[[], Mapping[str, str]]
    cursor: Callable[[], str]


def read_entries(target: Target, stream: BinaryIO, promised: int) -> Maybe[Iterator[Raw]]:
    """All entries, oldest first. Unknown when no reader can read the file at all."""
    by_library = _library(stream)
    if not isinstance(by_library, Unknown):
        return by_library
    by_command = _command(target, stream, promised)
    if not isinstance(by_command, Unknown):
        return by_command
    return by_library if by_command.absent else by_command


def _library(stream: BinaryIO) -> Maybe[Iterator[Raw]]:
    try:
        reader_module = importlib.import_module("systemd._reader")
        id128 = importlib.import_module("systemd.id128")
    except ImportError:
        return Unknown("systemd-python is not installed", Why.ABSENT)
    del id128
    try:
        descriptor = os.dup(stream.fileno())
        reader = reader_module._Reader(0, None, [descriptor])
        reader.data_threshold = 64 * 1024
        reader.seek_head()
    except (OSError, ValueError, TypeError) as error:
        return Unknown(f"libsystemd: {getattr(error, 'strerror', None) or error}", Why.UNREADABLE)
    return _library_entries(reader)


def _library_entries(reader: object) -> Iterator[Raw]:
    step = getattr(reader, "_next")  # noqa: B009
    get = getattr(reader, "_get")  # noqa: B009
    realtime = getattr(reader, "_get_realtime")  # noqa: B009
    monotonic = getattr(reader, "_get_monotonic")  # noqa: B009
    while step():
        try:
            message = get("MESSAGE")
        except (KeyError, OSError):
            continue
        boot = monotonic()[1]
        when = realtime() / 1e6
        text = message if isinstance(message, bytes) else str(message).encode("utf-8", "replace")
        yield _fetched(reader, text.replace(b"\n", b" "), when, _hex(boot))


def _hex(boot: object) -> str:
    text = getattr(boot, "hex", None)
    return str(text() if callable(text) else text or boot)


def _fetched(reader: object, message: bytes, when: float, boot: str) -> Raw:
    """An entry that remembers where it stands, to fetch its fields when they are asked for."""
    cursor: str = getattr(reader, "_get_cursor")()  # noqa: B009

    def fields() -> Mapping[str, str]:
        here: str = getattr(reader, "_get_cursor")()  # noqa: B009
        moved = here != cursor
        if moved:
            _seek(reader, cursor)
        found = {name: value for name in FIELDS if (value := _field(reader, name))}
        if moved:
            _seek(reader, here)
        return found

    return Raw(message, when, boot, fields, lambda: cursor)


def _seek(reader: object, cursor: str) -> None:
    getattr(reader, "seek_cursor")(cursor)  # noqa: B009
    getattr(reader, "_next")()  # noqa: B009


def _field(reader: object, name: str) -> str:
    try:
        value = getattr(reader, "_get")(name)  # noqa: B009
    except (KeyError, OSError):
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _command(target: Target, stream: BinaryIO, promised: int) -> Maybe[Iterator[Raw]]:
    argv = [
        "journalctl",
        f"--file=/proc/{os.getpid()}/fd/{stream.fileno()}",
        "--output=json",
        f"--output-fields=MESSAGE,_BOOT_ID,{','.join(FIELDS)}",
        "--all",
        "--no-pager",
        "--quiet",
        f"--lines={JOURNALCTL_ENTRIES}",
    ]
    output = target.run(argv, timeout=JOURNALCTL_SECONDS, limit=JOURNALCTL_BYTES)
    if isinstance(output, Unknown):
        return output
    if output.exit != 0 or (promised and not output.stdout.strip()):
        reason = output.stderr.strip().split("\n")[0] or "it gave no entries"
        return Unknown(f"journalctl: {reason}", Why.UNREADABLE)
    return _command_entries(output.stdout)


def _command_entries(text: str) -> Iterator[Raw]:
    for line in text.split("\n"):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if not isinstance(record, dict):
            continue
        message = record.get("MESSAGE")
        if isinstance(message, list):  # bytes that are no UTF-8
            message = bytes(byte for byte in message if isinstance(byte, int) and 0 <= byte < 256)
        elif isinstance(message, str):
            message = message.encode("utf-8", "replace")
        else:
            continue
        yield _recorded(message.replace(b"\n", b" "), record)


def _recorded(message: bytes, record: Mapping[str, object]) -> Raw:
    stamp = str(record.get("__REALTIME_TIMESTAMP", "0"))
    return Raw(
        message,
        int(stamp) / 1e6 if stamp.isdigit() else 0.0,
        str(record.get("_BOOT_ID", "")),
        lambda: {name: str(record[name]) for name in FIELDS if record.get(name)},
        lambda: str(record.get("__CURSOR", "")),
    )
