"""What the log room hands on: entries with their time and boot, and who is proven to have written them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Trust:
    """journald's trusted fields of an entry: the kernel vouches for them, the writer can't set them."""

    transport: str  # kernel, syslog, stdout, journal, driver, audit
    uid: int | None = None
    pid: int | None = None
    unit: str = ""  # _SYSTEMD_UNIT
    comm: str = ""
    exe: str = ""


@dataclass(frozen=True)
class Entry:
    """One log message.

    ``time`` is in seconds since the epoch (None: the line has none that can be told), ``uptime`` the
    kernel's seconds since boot. ``boot`` is 0 for the newest boot of its source, -1 for the one before,
    and None where it can't be told. ``ident`` is the syslog tag or SYSLOG_IDENTIFIER ("" on a bare
    console line). ``trust`` is None for everything but journald.
    """

    source: str  # "journal" or the path in the target, or the --log file's name
    text: str  # the message alone, without time, host and tag; may hold control characters
    line: int = 0  # counts from 1 in text sources
    cursor: str = ""  # in the journal
    time: float | None = None
    uptime: float | None = None
    boot: int | None = None
    ident: str = ""
    trust: Trust | None = None

    @property
    def kernel(self) -> bool:
        """Proven to come from the kernel."""
        return self.trust is not None and self.trust.transport == "kernel"


@dataclass(frozen=True)
class Pattern:
    """One thing to look for. ``key`` is the caller's; ``regex`` is matched with re.search on the message.

    ``idents`` (empty: any) are the syslog tags that may say it; an entry without a tag is never refused
    for it. ``uids``, ``units``, ``comms``, ``transports`` (empty: any) are what a journald entry's trusted
    fields must show: units and comms are alternatives to each other, the others must all hold.
    """

    key: str
    regex: str
    idents: tuple[str, ...] = ()
    uids: tuple[int, ...] = ()
    units: tuple[str, ...] = ()
    comms: tuple[str, ...] = ()
    transports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Match:
    """An entry that a pattern hit, with the regex's named groups."""

    key: str
    entry: Entry
    groups: dict[str, str]


@dataclass(frozen=True)
class Hits:
    """All that one pattern hit, kept up to a limit (the newest). ``count`` is exact for the first thousands of a
    source; of a flood the rest is counted by the lines that hold its literals."""

    key: str
    count: int
    matches: tuple[Match, ...]  # oldest first


@dataclass(frozen=True)
class Unchecked:
    """A source that could not be read, or not to its end."""

    what: str
    why: str


@dataclass(frozen=True)
class Sign:
    """A message that tells how a boot went: one of the names in agent/logs/boots.py, and when it was said."""

    name: str
    time: float | None
    text: str


@dataclass(frozen=True)
class BootSeen:
    """One boot that a log tells of. ``number`` is 0 for the newest, -1 for the one before.

    ``id`` is journald's ("" in text logs). ``first`` and ``last`` are the times of its first and last message,
    in seconds since the epoch. ``whole``: its first message is the boot's own, no rotation took it. ``trusted``:
    the journal vouches for who said the signs; into a text log anybody may write.
    """

    id: str
    number: int
    first: float | None
    last: float | None
    signs: tuple[Sign, ...]  # oldest first
    whole: bool = False
    trusted: bool = False
    source: str = "journal"


@dataclass(frozen=True)
class Found:
    """The result of one search through all sources."""

    hits: dict[str, Hits]
    unchecked: tuple[Unchecked, ...]
    sources: tuple[str, ...]  # what was read
    entries: int = 0  # lines and journal entries looked at
    boots: tuple[BootSeen, ...] = ()  # newest first; the journal's, or where there is none those of a text log


def merge(parts: Sequence[Found]) -> Found:
    """Several searches' results as one."""
    hits: dict[str, Hits] = {}
    for part in parts:
        for key, more in part.hits.items():
            known = hits.get(key)
            hits[key] = more if known is None else Hits(key, known.count + more.count, known.matches + more.matches)
    return Found(
        hits,
        tuple(item for part in parts for item in part.unchecked),
        tuple(source for part in parts for source in part.sources),
        sum(part.entries for part in parts),
        next((part.boots for part in parts if part.boots), ()),
    )
