"""One entry of a journal file, whoever read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

FIELDS = ("_TRANSPORT", "_UID", "_PID", "_SYSTEMD_UNIT", "_COMM", "_EXE", "UNIT")


@dataclass(frozen=True)
class Raw:
    """One entry. ``message`` is None where the file holds none that can be read. ``fields`` is asked only
    where the message may match, for a reader has to go back for them."""

    message: bytes | None
    ident: bytes  # SYSLOG_IDENTIFIER
    time: float  # seconds since the epoch
    boot: str  # 32 hexadecimal digits
    cursor: str
    fields: Callable[[], Mapping[str, str]]
    doubtful: bool = False  # a damaged file's: something about it was lost, or can't be believed
