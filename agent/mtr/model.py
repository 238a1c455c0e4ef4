"""A report of mtr, whatever form it was written in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Form(str, Enum):
    """The forms that a report comes in."""

    TEXT = "text"
    SCREEN = "screen"  # a dump of the interactive screen
    JSON = "json"
    CSV = "csv"
    XML = "xml"
    RAW = "raw"
    WINMTR = "winmtr"  # WinMTR's table


class Protocol(str, Enum):
    """What the probes were."""

    ICMP = "icmp"
    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


@dataclass(frozen=True)
class Router:
    """Somebody who answered at a hop. A report gives a name, an address, or both; the other is ""."""

    name: str = ""
    address: str = ""

    def __str__(self) -> str:
        """As mtr writes it: name (address), or what there is."""
        return f"{self.name} ({self.address})" if self.name and self.address else self.name or self.address


@dataclass(frozen=True)
class Hop:
    """One line of a report: what came back from so many hops away.

    ``routers`` has who answered most (or last) first; none means that nobody ever did (``???``). ``loss`` is in
    percent, 0 to 100. Times are in milliseconds, None where the report has no such column or nobody answered.
    ``sent`` is the number of probes, None where the report does not tell.
    """

    number: int
    routers: tuple[Router, ...]
    loss: float
    sent: int | None = None
    last: float | None = None
    average: float | None = None
    best: float | None = None
    worst: float | None = None
    deviation: float | None = None
    asn: str = ""  # "AS63949", "" where not told or not known (AS???)
    labels: tuple[str, ...] = ()  # MPLS lines, without their brackets

    @property
    def silent(self) -> bool:
        """True when nobody ever answered at this hop."""
        return not self.routers or self.loss >= 100

    @property
    def router(self) -> str:
        """Who answers here, for people; "???" for nobody."""
        return str(self.routers[0]) if self.routers else "???"


@dataclass(frozen=True)
class Report:
    """One whole report. Texts are "" where the report does not tell them.

    A report without hops is one to which nobody answered at all, or that mtr could not even begin: then ``error``
    has mtr's own words ("Network is unreachable").
    """

    form: Form
    hops: tuple[Hop, ...]
    source: str = ""  # the name after HOST:, SRC, or the left side of the screen's first line
    destination: str = ""  # as given to mtr, or an address; text reports alone do not tell it
    destination_address: str = ""  # where the report tells it beside a name
    started: str = ""  # as printed
    protocol: Protocol = Protocol.ICMP
    protocol_told: bool = False  # True when the input (a prompt's command line, TCP in a file) says the protocol
    error: str = ""
    line: int = 1  # where it begins in what was read, counted from 1

    @property
    def cycles(self) -> int | None:
        """The most probes that any hop was sent; None where not told."""
        counts = [hop.sent for hop in self.hops if hop.sent is not None]
        return max(counts) if counts else None


@dataclass(frozen=True)
class Unread:
    """A line that looked like part of a report and could not be understood."""

    line: int
    text: str
    why: str


@dataclass(frozen=True)
class Reading:
    """All the reports in one input, in their order."""

    name: str
    reports: tuple[Report, ...]
    unread: tuple[Unread, ...] = ()
