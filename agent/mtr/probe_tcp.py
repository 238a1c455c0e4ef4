"""The probe by TCP: plain connections whose first packet lives so many hops. Any user may."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from agent.mtr import error_queue
from agent.mtr.probe import Answer
from agent.mtr.request import Destination

# The kernel sends the first packet again after a second: what came then would be no answer to the first.
PATIENCE = 0.95  # seconds
_TCP_SYNCNT = 7  # netinet/tcp.h
_LINGER_NONE = b"\1\0\0\0\0\0\0\0"  # struct linger: close() leaves no TIME_WAIT behind


@dataclass
class _Attempt:
    sequence: int
    socket: socket.socket
    sent: float


class TcpProber:
    """One connection for each probe."""

    def __init__(self, destination: Destination, port: int) -> None:
        self._destination = destination
        self._place = destination.place(port)
        self._attempts: dict[int, _Attempt] = {}  # by descriptor
        self._ready: list[Answer] = []
        self._poll = select.poll()

    def send(self, hop: int, sequence: int) -> None:
        one = socket.socket(self._destination.family, socket.SOCK_STREAM)
        try:
            one.setblocking(False)
            error_queue.enable(one)
            error_queue.set_hops(one, hop)
            one.setsockopt(socket.IPPROTO_TCP, _TCP_SYNCNT, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            attempt = _Attempt(sequence, one, time.monotonic())
            failure = one.connect_ex(self._place)
            if failure not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
                raise OSError(failure, os.strerror(failure))
        except BaseException:
            one.close()
            raise
        if failure != errno.EINPROGRESS:  # on this host itself it's done at once
            self._ready.append(self._reached(attempt, time.monotonic()))
            one.close()
            return
        self._attempts[one.fileno()] = attempt
        self._poll.register(one, select.POLLOUT)

    def hear(self, seconds: float) -> Iterator[Answer]:
        yield from self._ready
        wait = 0 if self._ready else seconds
        self._ready.clear()
        now = time.monotonic()
        oldest = min((attempt.sent for attempt in self._attempts.values()), default=now)
        if self._attempts:
            wait = max(min(wait, oldest + PATIENCE - now), 0)
        for descriptor, _ in self._poll.poll(wait * 1000):
            attempt = self._attempts.pop(descriptor)
            self._poll.unregister(descriptor)
            try:
                yield from self._outcome(attempt)
            finally:
                attempt.socket.close()
        self._give_up()

    def _outcome(self, attempt: _Attempt) -> Iterator[Answer]:
        now = time.monotonic()
        failure = attempt.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        for error in error_queue.errors(attempt.socket):
            milliseconds = (now - attempt.sent) * 1000
            yield Answer(attempt.sequence, error.address, milliseconds, not error.time_exceeded)
            return
        if failure in (0, errno.ECONNREFUSED, errno.ECONNRESET):
            yield self._reached(attempt, now)

    def _reached(self, attempt: _Attempt, now: float) -> Answer:
        return Answer(attempt.sequence, self._destination.address, (now - attempt.sent) * 1000, True)

    def _give_up(self) -> None:
        now = time.monotonic()
        for descriptor, attempt in list(self._attempts.items()):
            if now - attempt.sent >= PATIENCE:
                self._poll.unregister(descriptor)
                del self._attempts[descriptor]
                attempt.socket.close()

    def close(self) -> None:
        for attempt in self._attempts.values():
            with suppress(OSError):
                attempt.socket.close()
        self._attempts.clear()
