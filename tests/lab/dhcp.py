"""A DHCP server for one host on one link: offers one address, to whoever asks."""

from __future__ import annotations

import socket
import struct
import threading

from tests.lab.host import ADDRESS, GATEWAY, OUTSIDE

_COOKIE = b"\x63\x82\x53\x63"
_DISCOVER, _OFFER, _REQUEST, _ACKNOWLEDGE = 1, 2, 3, 5
_SO_BINDTODEVICE = 25
_LEASE_SECONDS = 86400


def serve() -> None:
    """Serves in the background until the process ends. The link may appear later."""
    threading.Thread(target=_serve, daemon=True).start()


def _serve() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    server.bind(("", 67))
    while True:
        request, _ = server.recvfrom(2048)
        reply = answer(request)
        if reply:
            server.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, OUTSIDE.encode() + b"\0")
            server.sendto(reply, ("255.255.255.255", 68))
            server.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, b"\0")


def answer(request: bytes) -> bytes:
    """The reply to a request (RFC 2131, 2132), b"" where there is nothing to say."""
    if len(request) < 240 or request[0] != 1 or request[236:240] != _COOKIE:
        return b""
    kind = _options(request[240:]).get(53, b"\0")[0]
    if kind not in (_DISCOVER, _REQUEST):
        return b""
    answers = _OFFER if kind == _DISCOVER else _ACKNOWLEDGE
    address, gateway = socket.inet_aton(ADDRESS), socket.inet_aton(GATEWAY)
    header = b"\2" + request[1:8] + bytes(2) + request[10:12] + bytes(4) + address + gateway + bytes(4)
    options = bytes([53, 1, answers]) + b"\x36\4" + gateway + b"\x33\4" + struct.pack("!I", _LEASE_SECONDS)
    options += b"\1\4\xff\xff\xff\0" + b"\3\4" + gateway + b"\6\4" + gateway + b"\xff"
    return header + request[28:44] + bytes(192) + _COOKIE + options


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    place = 0
    while place + 1 < len(data) and data[place] != 255:
        if data[place] == 0:
            place += 1
            continue
        size = data[place + 1]
        found[data[place]] = data[place + 2 : place + 2 + size]
        place += 2 + size
    return found
