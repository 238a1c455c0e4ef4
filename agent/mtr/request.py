"""What report is wanted, checked before anything is sent."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from agent.errors import UsageError
from agent.mtr.model import Protocol

MOST_CYCLES = 10_000
MOST_HOPS = 64
LONGEST = 3600.0  # seconds of one interval
TCP_PORT = 80  # as mtr's own

_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?\Z")
_EXAMPLE = "for example 203.0.113.10, 2001:db8::10 or www.example.org"


@dataclass(frozen=True)
class Request:
    """A report to make: ``count`` cycles, one each ``interval`` seconds, at most ``hops`` far.

    ``tcp`` with connections to ``port`` instead of ping. ``grace``: seconds to wait for the last answers.
    """

    address: str
    count: int = 100
    tcp: bool = False
    port: int | None = None
    interval: float = 1.0
    hops: int = 30
    grace: float = 5.0

    @property
    def protocol(self) -> Protocol:
        return Protocol.TCP if self.tcp else Protocol.ICMP

    @property
    def seconds(self) -> float:
        """How long it takes at most, about."""
        return self.count * self.interval + self.grace


@dataclass(frozen=True)
class Destination:
    """Where it goes: ``address`` is numeric, ``scope`` the interface's number for a link-local one."""

    name: str
    address: str
    family: int  # socket.AF_INET or AF_INET6
    scope: int = 0

    def place(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """As sockets want it."""
        if self.family == socket.AF_INET:
            return (self.address, port)
        return (self.address, port, 0, self.scope)


def check(request: Request) -> None:
    """UsageError where the request makes no sense, or could be taken for an option of a program."""
    address = request.address
    if not address or (not _NAME.match(address) and not _numeric(address)):
        shown = "".join(char if char.isprintable() else "?" for char in address[:80])
        raise UsageError(f"{shown!r} is no address and no host's name", _EXAMPLE)
    if not 1 <= request.count <= MOST_CYCLES:
        raise UsageError(f"{request.count} cycles: not a number from 1 to {MOST_CYCLES}", "100 are a good count")
    if not 0.01 <= request.interval <= LONGEST:
        raise UsageError(f"an interval of {request.interval:g} seconds can't be used", "1 second is usual")
    if not 1 <= request.hops <= MOST_HOPS:
        raise UsageError(f"{request.hops} hops: not a number from 1 to {MOST_HOPS}", "30 are usual")
    if not 0 <= request.grace <= 60:
        raise UsageError(f"a wait of {request.grace:g} seconds for the last answers can't be used", "5 are usual")
    if request.port is not None and not request.tcp:
        raise UsageError("a port goes with TCP only", "agent mtr --run ADDRESS --tcp --port 22")
    if request.port is not None and not 1 <= request.port <= 65535:
        raise UsageError(f"{request.port}: not a port from 1 to 65535", "22 is ssh's, 443 https'")


def _numeric(address: str) -> bool:
    text, percent, scope = address.partition("%")
    if percent and not re.match(r"[A-Za-z0-9_.:-]{1,15}\Z", scope):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return not percent or ":" in text


def resolve(name: str) -> Destination | str:
    """The first address of a host; a str says in mtr's words why there is none. May ask DNS."""
    try:
        found = socket.getaddrinfo(name, None, 0, socket.SOCK_DGRAM)
    except socket.gaierror as error:
        return f"Failed to resolve host: {name}: {error.strerror}"
    except UnicodeError:
        return f"Failed to resolve host: {name}: Name or service not known"
    for family, _, _, _, place in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            address = str(place[0])
            scope = int(place[3]) if len(place) == 4 else 0
            return Destination(name, address.partition("%")[0], family, scope)
    return f"Failed to resolve host: {name}: No address associated with hostname"


def unroutable(destination: Destination) -> str:
    """In mtr's words why nothing can be sent there, "" when the kernel has a route. Sends nothing."""
    with socket.socket(destination.family, socket.SOCK_DGRAM) as one:
        try:
            one.connect(destination.place(1025))
        except OSError as error:
            return f"udp socket connect failed: {error.strerror}"
    return ""
