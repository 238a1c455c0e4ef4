"""ICMP errors that the kernel keeps for a socket (IP_RECVERR, ip(7)): needs no raw socket."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_IP_RECVERR = 11  # linux/in.h
_IPV6_RECVERR = 25  # linux/in6.h
_MSG_ERRQUEUE = 0x2000  # linux/socket.h
_ICMP, _ICMP6 = 2, 3  # linux/errqueue.h: SO_EE_ORIGIN_
_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err
_MOST = 1000  # errors at once
_TIME_EXCEEDED = {_ICMP: 11, _ICMP6: 3}


@dataclass(frozen=True)
class IcmpError:
    """Who complained, and about what. ``sent`` is the beginning of our packet as it comes back."""

    address: str
    time_exceeded: bool
    sent: bytes


def enable(one: socket.socket) -> None:
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        one.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def set_hops(one: socket.socket, hops: int) -> None:
    """How many hops its packets live."""
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
    else:
        one.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)


def errors(one: socket.socket) -> Iterator[IcmpError]:
    """Those that wait. The socket blocks no more from then on: with a timeout Python would wait for data."""
    one.setblocking(False)
    for _ in range(_MOST):
        try:
            sent, ancillary, _, _ = one.recvmsg(512, 512, _MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
                return
            continue  # the socket's pending error, told once
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                found = _parse(data, sent)
                if found is not None:
                    yield found


def _parse(data: bytes, sent: bytes) -> IcmpError | None:
    if len(data) < _ERROR.size:
        return None
    _, origin, kind, _, _, _, _ = _ERROR.unpack_from(data)
    offender = data[_ERROR.size :]
    if origin == _ICMP and len(offender) >= 8:
        address = socket.inet_ntop(socket.AF_INET, offender[4:8])
    elif origin == _ICMP6 and len(offender) >= 24:
        address = socket.inet_ntop(socket.AF_INET6, offender[8:24])
    else:  # told by this host itself
        return None
    return IcmpError(address, kind == _TIME_EXCEEDED[origin], sent)
