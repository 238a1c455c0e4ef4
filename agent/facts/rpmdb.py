"""The rpm database on disk, as far as its own headers tell whether it is one and all there.

SQLite (rpm 4.16 and later): https://www.sqlite.org/fileformat.html; Berkeley DB (before): the meta-data page's magic
numbers; ndb (SUSE): lib/backend/ndb/rpmpkg.c.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from agent.target import Target
from agent.unknown import Unknown

FOLDERS = ("/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm")
_SQLITE, _BERKELEY, _NDB = "rpmdb.sqlite", "Packages", "Packages.db"
_MAGIC = (0x00061561, 0x00053162)  # DB_HASHMAGIC, DB_BTREEMAGIC


@dataclass(frozen=True)
class Database:
    """``problem`` is a clause on why it can't be opened, "" when nothing speaks against it; ``unread`` why it
    could not be looked at."""

    path: str
    size: int = 0
    problem: str = ""
    unread: str = ""


def read(target: Target) -> Database | None:
    """The database that rpm would use; None where there is none."""
    for folder in FOLDERS:
        for name, judge in ((_SQLITE, _sqlite), (_NDB, _ndb), (_BERKELEY, _berkeley)):
            path = f"{folder}/{name}"
            stream = target.open(path)
            if isinstance(stream, Unknown):
                if stream.absent:
                    continue
                return Database(path, unread=stream.reason)
            try:
                with stream:
                    size = stream.seek(0, 2)
                    stream.seek(0)
                    head = stream.read(512)
            except OSError as error:
                return Database(path, unread=f"{path}: {error.strerror or error}")
            if not size:
                return Database(path, 0, "is empty")
            if not any(head):
                return Database(path, size, "begins with zeros")
            return Database(path, size, judge(target, path, head, size))
    return None


def _sqlite(target: Target, path: str, head: bytes, size: int) -> str:
    if head[:16] != b"SQLite format 3\0":
        return "is no SQLite database"
    page = struct.unpack_from(">H", head, 16)[0]
    page = 65536 if page == 1 else page
    changed, count, valid = (struct.unpack_from(">I", head, at)[0] for at in (24, 28, 92))
    if page < 512 or page & (page - 1):
        return f"has an impossible page size ({page})"
    log = target.stat(f"{path}-wal")
    pending = not isinstance(log, Unknown) and log.size > 0  # pages that are still in the log are not in the file
    if changed == valid and not pending and size < page * count:
        return f"is cut off: {size} of {page * count} bytes"
    return ""


def _ndb(target: Target, path: str, head: bytes, size: int) -> str:
    return "" if head[:4] == b"RpmP" else "is no database of rpm's"


def _berkeley(target: Target, path: str, head: bytes, size: int) -> str:
    numbers = (struct.unpack_from(order + "I", head.ljust(16, b"\0"), 12)[0] for order in "<>")
    if not any(number in _MAGIC for number in numbers):
        return "is no Berkeley database"
    return ""
