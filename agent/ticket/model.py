"""What a support ticket is made of, before and after secrets are taken out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.change.model import Change
from agent.mtr.compare import Directions
from agent.mtr.verdict import Judgement
from agent.redaction.model import Removed
from agent.report.model import Scan


class EventKind(str, Enum):
    """What a line of the timeline is about."""

    BOOT = "boot"
    PACKAGE = "package"
    FILE = "file"
    CHANGE = "change"  # a fix of ours, applied or undone
    FAILURE = "failure"
    LOGIN = "login"


@dataclass(frozen=True)
class Event:
    """Something that happened on the host. ``time`` is seconds since the epoch."""

    time: float
    kind: EventKind
    text: str
    source: str  # the file or log that tells it


@dataclass(frozen=True)
class Trace:
    """A report of mtr in the ticket: where it was made, in words and as a fact, and what it says."""

    title: str  # "from outside", "from this host"
    judgement: Judgement
    from_here: bool = False


@dataclass(frozen=True)
class Attachment:
    """A text that goes into the archive as a file of its own: a configuration file, a command's output."""

    path: str  # inside the archive, relative, made of harmless characters
    source: str  # the file or command on the host
    text: str


@dataclass(frozen=True)
class Ticket:
    """All of it. Texts are as found until ``agent.ticket.redacted`` has gone through them."""

    made: float  # seconds since the epoch
    version: str
    scan: Scan
    changes: tuple[Change, ...]  # what was tried, and undone, oldest first
    timeline: tuple[Event, ...]  # oldest first
    traces: tuple[Trace, ...]
    attachments: tuple[Attachment, ...]
    removed: tuple[Removed, ...] = ()
    addresses_redacted: bool = False
    directions: Directions | None = None  # what a report to this host and one from it say together
