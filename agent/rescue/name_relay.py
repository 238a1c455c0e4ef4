"""Names for a disk without /etc/resolv.conf: a relay on 127.0.0.1, where its libc asks then (resolv.conf(5)).

The missing file can't be lent without writing to the disk. A child of ours passes each question (UDP alone, which
is what resolvers begin with) to the rescue system's name servers, and ends with us.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Iterator

from agent.target.libc import call

ADDRESS = ("127.0.0.1", 53)
_SET_PDEATHSIG = 1  # prctl(2)
_SERVERS = 3  # as many as libc asks, MAXNS
_PATIENCE = 5.0  # seconds that an answer is waited for
_WAITING = 64  # questions at a time
_LARGEST = 65535  # bytes of a datagram


@contextlib.contextmanager
def relayed(resolver: bytes, address: tuple[str, int] = ADDRESS) -> Iterator[bool]:
    """Answer on ``address`` by asking the name servers of a resolv.conf, as long as the context lasts.

    False where that can't be had: no name server is known, or somebody else answers there already.
    """
    servers = name_servers(resolver)
    with contextlib.ExitStack() as stack:
        plug = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        try:
            plug.bind(address)
        except OSError:
            servers = ()
        if not servers:
            yield False
            return
        parent = os.getpid()
        child = os.fork()
        if not child:
            _serve_to_the_end(plug, servers, parent)
        plug.close()
        try:
            yield True
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def name_servers(resolver: bytes) -> tuple[str, ...]:
    """The addresses that a resolv.conf names."""
    lines = [line.split() for line in resolver.decode("utf-8", "replace").split("\n")]
    return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")[:_SERVERS]


def _serve_to_the_end(plug: socket.socket, servers: tuple[str, ...], parent: int) -> None:
    try:
        call("prctl", _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, plug.fileno())
        os.closerange(plug.fileno() + 1, 65536)
        if os.getppid() == parent:
            _serve(plug, servers)
    finally:
        os._exit(1)


def _serve(plug: socket.socket, servers: tuple[str, ...]) -> None:
    waiting: dict[socket.socket, tuple[tuple[str, int], float]] = {}
    while True:
        ready, _, _ = select.select([plug, *waiting], [], [], 1.0)
        for one in ready:
            with contextlib.suppress(OSError):  # a server that is not there says so here
                if one is plug:
                    question, asker = plug.recvfrom(_LARGEST)
                    for server in servers if len(waiting) < _WAITING else ():
                        with contextlib.suppress(OSError):
                            waiting[_asked(server, question)] = (asker, time.monotonic() + _PATIENCE)
                else:  # each server's answer is passed on: the asker takes the first
                    asker, _ = waiting.pop(one)
                    with one:
                        plug.sendto(one.recv(_LARGEST), asker)
        for one in [one for one, (_, until) in waiting.items() if until < time.monotonic()]:
            del waiting[one]
            one.close()


def _asked(server: str, question: bytes) -> socket.socket:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM)
    try:
        one.connect(socket.getaddrinfo(server, 53, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4])
        one.send(question)
    except BaseException:
        one.close()
        raise
    return one


__all__ = ["name_servers", "relayed"]
