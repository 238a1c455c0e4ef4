"""The probe by ping: ICMP echo requests that live so many hops, on icmplib's sockets."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Iterator

from icmplib import ICMPRequest, ICMPv4Socket, ICMPv6Socket
from icmplib.exceptions import ICMPLibError, ICMPSocketError, SocketPermissionError, TimeoutExceeded

from agent.errors import AgentError
from agent.mtr import error_queue
from agent.mtr.probe import Answer
from agent.mtr.request import Destination

_REPLY = {4: 0, 6: 129}
_TIME_EXCEEDED = {4: 11, 6: 3}
_UNREACHABLE = {4: (3,), 6: (1, 2, 4)}  # and too big, and a parameter problem
_AT_ONCE = 0.02  # seconds for a packet that is there to be handed over
_PAYLOAD = 36  # bytes: mtr's packets are 64 long, the header of IPv4 included


class IcmpProber:
    """``privileged``: a raw socket; else the kernel's ping socket, whose errors wait in its error queue."""

    def __init__(self, destination: Destination, privileged: bool) -> None:
        self._destination = destination
        self._privileged = privileged
        make = ICMPv6Socket if destination.family == socket.AF_INET6 else ICMPv4Socket
        self._version = 6 if destination.family == socket.AF_INET6 else 4
        self._icmp = make(privileged=privileged)
        self._socket: socket.socket = self._icmp.sock
        self._id = int.from_bytes(os.urandom(2), "big")
        self._times: dict[int, float] = {}  # by sequence number
        self._target = destination.address
        if destination.scope:
            self._target += f"%{destination.scope}"
        if not privileged:
            error_queue.enable(self._socket)

    def send(self, hop: int, sequence: int) -> None:
        request = ICMPRequest(self._target, self._id, sequence, payload_size=_PAYLOAD, ttl=hop)
        self._times[sequence] = time.time()
        self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # an error of before is not this one's
        self._socket.settimeout(1)  # the last receive() left it short, and a full queue must not raise
        try:
            self._icmp.send(request)
        except ICMPSocketError as error:
            cause = error.__context__
            raise cause if isinstance(cause, OSError) else OSError(str(error)) from error
        except ICMPLibError as error:  # icmplib takes every EPERM for a broadcast address
            raise PermissionError(1, os.strerror(1)) from error
        if not self._privileged:
            self._id = request.id

    def hear(self, seconds: float) -> Iterator[Answer]:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        wait = seconds * 1000
        while True:
            events = poll.poll(wait)
            wait = 0
            if not events:
                return
            if events[0][1] & select.POLLERR and not self._privileged:
                yield from self._errors()
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # told once: poll would not wait again
            if events[0][1] & select.POLLIN:
                yield from self._receive()

    def _receive(self) -> Iterator[Answer]:
        try:
            reply = self._icmp.receive(timeout=_AT_ONCE)
        except TimeoutExceeded:
            return
        except ICMPLibError:
            return
        if reply.id != self._id or reply.sequence not in self._times:
            return
        reached = reply.type == _REPLY[self._version]
        refused = reply.type in _UNREACHABLE[self._version]
        if not (reached or refused or reply.type == _TIME_EXCEEDED[self._version]):
            return  # our own request, when we ping ourselves
        if reached and reply.source.partition("%")[0] != self._destination.address:
            return
        yield self._answer(reply.sequence, reply.source, reply.time, reached or refused)

    def _errors(self) -> Iterator[Answer]:
        now = time.time()
        for error in error_queue.errors(self._socket):
            sequence = int.from_bytes(error.sent[6:8], "big")  # of the ICMP header
            if sequence in self._times:
                yield self._answer(sequence, error.address, now, not error.time_exceeded)

    def _answer(self, sequence: int, source: str, now: float, final: bool) -> Answer:
        milliseconds = max(now - self._times.pop(sequence), 0.0) * 1000
        return Answer(sequence, source.partition("%")[0], milliseconds, final)

    def close(self) -> None:
        self._icmp.close()


def open_icmp(destination: Destination) -> IcmpProber:
    """A raw socket where we may, else a ping socket where the kernel lets this group."""
    for privileged in (True, False):
        try:
            return IcmpProber(destination, privileged)
        except SocketPermissionError:
            continue
        except ICMPLibError as error:
            raise AgentError(f"no socket to ping with: {error}", "run it as root, or probe with --tcp") from error
    raise AgentError("only root may send pings on this host", "run it as root (sudo), or probe with --tcp --port 22")
