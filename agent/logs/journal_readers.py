"""Entries of one open journal file: by our own reader, else by systemd-python or journalctl."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from agent.logs.journal_entry import FIELDS, Raw
from agent.logs.journald.journal_file import open_journal
from agent.logs.journald.layout import Feature
from agent.logs.journald.payload import zstd_here
from agent.logs.journald.reader import JournaldReader
from agent.target import Output, Target
from agent.unknown import Maybe, Unknown, Why

LONGEST = 64 * 1024  # bytes of a field
JOURNALCTL_ENTRIES = 40_000  # the newest; its output is held in memory
JOURNALCTL_SECONDS = 60.0
JOURNALCTL_BYTES = 40 * 1024 * 1024


@dataclass(frozen=True)
class Reading:
    """A file's entries, oldest first; ``most`` where only so many of the newest are given. ``close`` it after.

    ``problem`` says, once they were read, what was wrong with the file; "" where it is as journald wrote it, or
    where the reader does not tell."""

    entries: Iterator[Raw]
    close: Callable[[], None]
    most: int = 0
    problem: Callable[[], str] = lambda: ""
    reader: JournaldReader | None = None  # of our own, which knows a shorter way


# A journalctl that is not the machine's own: what it gives for a file, named by its path in the target, as
# ``asked_of_journalctl`` words it. Whoever calls the search hands one in, where the target's may be run.
OwnJournalctl = Callable[[str], Maybe[Output]]


def read_entries(target: Target, stream: BinaryIO) -> Maybe[Reading]:
    """Unknown when no reader can read the file at all. OSError may come while reading."""
    by_ourselves = _ourselves(stream)
    if not isinstance(by_ourselves, Unknown):
        return by_ourselves
    if by_ourselves.why is Why.UNREADABLE:
        return by_ourselves
    by_library = _library(stream)
    if not isinstance(by_library, Unknown):
        return by_library
    by_command = _command(target, stream)
    if not isinstance(by_command, Unknown):
        return by_command
    if by_library.absent and not by_command.absent:
        return by_command
    if not by_library.absent:
        return by_library
    return Unknown("neither systemd-python nor journalctl is there to read it", Why.ABSENT)


def _ourselves(stream: BinaryIO) -> Maybe[Reading]:
    """ABSENT where the library is missing that decompresses what the file holds: libsystemd may have it."""
    file = open_journal(stream)
    if isinstance(file, Unknown):
        return file
    if file.header.features & Feature.ZSTD and not zstd_here():
        return Unknown("no library for zstd", Why.ABSENT)
    reader = JournaldReader(file)
    return Reading(reader.entries(), lambda: None, problem=lambda: reader.problem, reader=reader)


class _Reader(Protocol):
    """What is used of systemd-python's reader; its own Python layer converts every field and is slow."""

    data_threshold: int

    def seek_head(self) -> None: ...

    def seek_cursor(self, cursor: str) -> None: ...

    def close(self) -> None: ...

    def _next(self) -> bool: ...

    def _get(self, name: str) -> object: ...

    def _get_cursor(self) -> str: ...

    def _get_realtime(self) -> int: ...

    def _get_monotonic(self) -> tuple[int, object]: ...


def _library(stream: BinaryIO) -> Maybe[Reading]:
    try:
        module = importlib.import_module("systemd._reader")
    except ImportError:
        return Unknown("systemd-python is not installed", Why.ABSENT)
    readers: list[_Reader] = []
    try:
        readers.append(_reader(module._Reader, stream))
        readers[0].seek_head()
        readers.append(_reader(module._Reader, stream))  # goes back for fields, while the first goes on
    except (OSError, ValueError, TypeError) as error:
        _close(readers)
        return Unknown(f"libsystemd: {getattr(error, 'strerror', None) or error}", Why.UNREADABLE)
    return Reading(_library_entries(*readers), lambda: _close(readers))


def _reader(make: Callable[..., _Reader], stream: BinaryIO) -> _Reader:
    # By a path of the open descriptor: libsystemd before 248 aborts the whole process when it is given
    # descriptors (sd_journal_open_files_fd). It opens the file anew, so ours stays ours.
    # The default flags (local entries only) are refused together with files.
    reader = make(flags=0, files=[f"/proc/self/fd/{stream.fileno()}"])
    reader.data_threshold = LONGEST
    return reader


def _close(readers: Iterable[_Reader]) -> None:
    for reader in readers:
        reader.close()


def _library_entries(reader: _Reader, finder: _Reader) -> Iterator[Raw]:
    try:
        while reader._next():
            cursor = reader._get_cursor()
            yield Raw(
                _field(reader, "MESSAGE"),
                _field(reader, "SYSLOG_IDENTIFIER") or b"",
                reader._get_realtime() / 1e6,
                _hexadecimal(reader._get_monotonic()[1]),
                cursor,
                lambda cursor=cursor: _fields(finder, cursor),  # type: ignore[misc]
            )
    except ValueError as error:
        raise OSError(str(error)) from error


def _hexadecimal(boot: object) -> str:
    """A boot id: bytes, or a UUID, by the library's version."""
    return boot.hex() if isinstance(boot, bytes) else str(getattr(boot, "hex", boot))


def _fields(finder: _Reader, cursor: str) -> Mapping[str, str]:
    """An entry's trusted fields; none where the way back is damaged, and then nobody is believed."""
    try:
        finder.seek_cursor(cursor)
        if not finder._next() or finder._get_cursor() != cursor:
            return {}
    except (OSError, ValueError):
        return {}
    values = {name: _field(finder, name) for name in FIELDS}
    return {name: value.decode("utf-8", "replace") for name, value in values.items() if value}


def _field(reader: _Reader, name: str) -> bytes | None:
    try:
        value = reader._get(name)
    except (KeyError, OSError):  # absent; or damaged, or compressed in a way that can't be read
        return None
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def asked_of_journalctl(file: str) -> tuple[str, ...]:
    """The command for a file's newest entries."""
    return (
        "journalctl",
        f"--file={file}",
        "--output=json",
        f"--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_BOOT_ID,{','.join(FIELDS)}",
        "--all",
        "--no-pager",
        "--quiet",
        f"--lines={JOURNALCTL_ENTRIES}",
    )


def _command(target: Target, stream: BinaryIO) -> Maybe[Reading]:
    argv = asked_of_journalctl(f"/proc/{os.getpid()}/fd/{stream.fileno()}")
    return _read(target.run(argv, timeout=JOURNALCTL_SECONDS, limit=JOURNALCTL_BYTES))


def read_by(own: OwnJournalctl, path: str) -> Maybe[Reading]:
    """As read_entries does, by the target's own journalctl, which knows the format that its journald writes."""
    return _read(own(path))


def _read(output: Maybe[Output]) -> Maybe[Reading]:
    if isinstance(output, Unknown):
        return output
    if (output.exit != 0 and not output.truncated) or not output.stdout.strip():
        reason = output.stderr.strip().split("\n")[0] or "it gave no entries"
        return Unknown(f"journalctl: {reason}", Why.UNREADABLE)
    return Reading(_command_entries(output.stdout), lambda: None, JOURNALCTL_ENTRIES)


def _command_entries(text: str) -> Iterator[Raw]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        try:
            record = json.loads(text[start:end])
        except (ValueError, RecursionError):
            record = None
        start = end + 1
        if isinstance(record, dict):
            yield _recorded(record)


def _recorded(record: Mapping[str, object]) -> Raw:
    stamp = str(record.get("__REALTIME_TIMESTAMP", ""))
    values = {name: value for name in FIELDS if (value := _bytes(record.get(name)))}
    return Raw(
        _bytes(record.get("MESSAGE")),
        _bytes(record.get("SYSLOG_IDENTIFIER")) or b"",
        int(stamp) / 1e6 if stamp.isascii() and stamp.isdecimal() and len(stamp) < 20 else 0.0,
        str(record.get("_BOOT_ID", "")),
        str(record.get("__CURSOR", "")),
        lambda: {name: value.decode("utf-8", "replace") for name, value in values.items()},
    )


def _bytes(value: object) -> bytes | None:
    """A field in journalctl's JSON: text, or a list of bytes where it is no UTF-8, or a list of several values."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list):
        if value and isinstance(value[0], (str, list)):
            return _bytes(value[0])
        return bytes(byte for byte in value if isinstance(byte, int) and 0 <= byte < 256)
    return None
