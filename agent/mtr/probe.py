"""A probe of our own for hosts without mtr: finds the routers on the way and counts losses as mtr does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from agent.errors import AgentError
from agent.mtr.request import Destination, Request
from agent.mtr.tally import Tally

FIRST_GUESS = 10  # hops: how the first cycle is spaced, as nobody knows yet how far it is
SILENT = 12  # hops in a row without an answer: nobody is going to answer beyond
YOUNG = 1.0  # seconds; a probe that was not given so long is not lost when the person ends the run


@dataclass(frozen=True)
class Answer:
    """What came back to one probe. ``final``: the destination itself, or a router that says that there is no way."""

    sequence: int
    address: str
    milliseconds: float
    final: bool


class Prober(Protocol):
    """Sends probes of one kind and hears the answers."""

    def send(self, hop: int, sequence: int) -> None:
        """Send one with so many hops to live. OSError where the kernel refuses."""

    def hear(self, seconds: float) -> Iterator[Answer]:
        """Wait so long for answers, not longer than until there are some."""

    def close(self) -> None: ...


class Run:
    """One run of a probe over a path."""

    def __init__(self, prober: Prober, request: Request, destination: Destination) -> None:
        self._prober = prober
        self._request = request
        self.tally = Tally(destination.address)
        self._waiting: dict[int, tuple[int, float]] = {}  # by sequence number: the hop, and when it was sent
        self._sequence = 0
        self.refusal: OSError | None = None  # the last
        self._heard = False

    def go(self, progress: Callable[[str], None]) -> None:
        """All cycles. Ctrl-C leaves what there is by then."""
        begin = time.monotonic()
        try:
            for _ in range(self._request.count):
                end = begin + self._request.interval
                self._cycle(begin, end)
                progress(self.tally.progress(self._request.count))
                begin = max(end, time.monotonic() - self._request.interval)
            self._grace()
        except KeyboardInterrupt:
            now = time.monotonic()
            for hop, sent in self._waiting.values():
                if now - sent < YOUNG:
                    self.tally.unsent(hop)

    @property
    def error(self) -> str:
        """Why nothing could be sent, "" when something was answered or may yet have arrived."""
        if self._heard or self.refusal is None or self.tally.length:
            return ""
        return f"sending failed: {self.refusal.strerror or self.refusal}"

    def _cycle(self, begin: float, end: float) -> None:
        hop = 0
        while hop < self._request.hops:
            hop += 1
            self._send(hop)
            pause = self._request.interval / max(self.tally.length or FIRST_GUESS, 1)
            self._listen(min(begin + hop * pause, end) if hop * pause < self._request.interval else 0)
            if self.tally.ends(hop) or self._silent(hop):
                break
        self._listen(end)

    def _silent(self, hop: int) -> bool:
        return hop - max(self.tally.length - 1, 0) > SILENT

    def _send(self, hop: int) -> None:
        self._sequence = self._sequence % 0xFFFF + 1
        sequence = self._sequence
        self.tally.sent(hop)
        self._waiting[sequence] = (hop, time.monotonic())
        try:
            self._prober.send(hop, sequence)
        except OSError as error:
            self.refusal = error

    def _listen(self, until: float) -> None:
        """Note the answers that come until then; at least those that are there."""
        while True:
            left = until - time.monotonic()
            for answer in self._prober.hear(max(left, 0.0)):
                self._note(answer)
            if time.monotonic() >= until:
                return

    def _note(self, answer: Answer) -> None:
        sent = self._waiting.pop(answer.sequence, None)
        if sent is None:
            return
        self._heard = True
        self.tally.heard(sent[0], answer.address, answer.final)
        self.tally.answered(sent[0], answer.milliseconds)

    def _grace(self) -> None:
        """Wait for the last answers, no longer than until none is missing."""
        until = time.monotonic() + self._request.grace
        while time.monotonic() < until and self._missing():
            self._listen(min(until, time.monotonic() + 0.05))

    def _missing(self) -> bool:
        oldest = time.monotonic() - max(self._request.grace, self._request.interval)
        length = self.tally.length or self._request.hops
        return any(hop <= length and sent > oldest for hop, sent in self._waiting.values())


def open_prober(request: Request, destination: Destination) -> Prober:
    """The probe for the request. AgentError where we may not send such."""
    if request.tcp:
        from agent.mtr.probe_tcp import TcpProber
        from agent.mtr.request import TCP_PORT

        return TcpProber(destination, request.port or TCP_PORT)
    try:
        import icmplib  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise AgentError("neither mtr nor the Python library icmplib is installed", "apt install mtr-tiny") from error
    from agent.mtr.probe_icmp import open_icmp

    return open_icmp(destination)


def run(request: Request, destination: Destination, progress: Callable[[str], None]) -> Run:
    """Probe the path to its end, or to Ctrl-C."""
    with contextlib.closing(open_prober(request, destination)) as prober:
        done = Run(prober, request, destination)
        done.go(progress)
    return done
