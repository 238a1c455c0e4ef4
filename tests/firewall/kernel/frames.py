"""Frames: Ethernet, IP, TCP, UDP and ICMP made by hand, and what they carry found again."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

MAGIC = b"LiSh"


@dataclass(frozen=True)
class Frame:
    """What is to be sent. ``number`` finds the packet again; ``inner`` is what an ICMP error quotes."""

    family: int
    protocol: int
    source: str
    destination: str
    number: int
    source_port: int = 0
    destination_port: int = 0
    flags: int = 2
    sequence: int = 0
    acknowledge: int = 0
    kind: int = 0
    code: int = 0
    identity: int = 1  # of an echo
    ttl: int = 64
    tos: int = 0
    padding: int = 0
    source_mac: str = "02:00:00:00:00:01"
    destination_mac: str = "02:00:00:00:00:10"
    inner: bytes = b""
    silent: bool = False  # without MAGIC: not to be found


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _mac(text: str) -> bytes:
    return bytes(int(part, 16) for part in text.split(":"))


def packet(frame: Frame) -> bytes:
    """The IP packet."""
    load = b"" if frame.silent else MAGIC + struct.pack("!I", frame.number)
    load += b"\0" * frame.padding
    source, destination = (ipaddress.ip_address(text).packed for text in (frame.source, frame.destination))
    body = _body(frame, load)
    if frame.protocol != 1:
        pseudo = source + destination + struct.pack("!IBBBB", len(body), 0, 0, 0, frame.protocol)
        if frame.family == 4:
            pseudo = source + destination + struct.pack("!BBH", 0, frame.protocol, len(body))
        at = {6: 16, 17: 6, 58: 2}[frame.protocol]
        total = checksum(pseudo + body) or (0xFFFF if frame.protocol == 17 else 0)
        body = body[:at] + struct.pack("!H", total) + body[at + 2 :]
    else:
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    if frame.family == 6:
        first = 6 << 28 | frame.tos << 20
        return struct.pack("!IHBB", first, len(body), frame.protocol, frame.ttl) + source + destination + body
    number = frame.number & 0xFFFF
    head = struct.pack("!BBHHHBBH", 0x45, frame.tos, 20 + len(body), number, 0x4000, frame.ttl, frame.protocol, 0)
    head += source + destination
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def _body(frame: Frame, load: bytes) -> bytes:
    if frame.protocol == 6:
        ports = struct.pack("!HHII", frame.source_port, frame.destination_port, frame.sequence, frame.acknowledge)
        return ports + struct.pack("!BBHHH", 5 << 4, frame.flags, 64240, 0, 0) + load
    if frame.protocol == 17:
        return struct.pack("!HHHH", frame.source_port, frame.destination_port, 8 + len(load), 0) + load
    if frame.inner:
        return struct.pack("!BBHI", frame.kind, frame.code, 0, 0) + frame.inner
    return struct.pack("!BBHHH", frame.kind, frame.code, 0, frame.identity, 1) + load


def ethernet(frame: Frame) -> bytes:
    kind = 0x0800 if frame.family == 4 else 0x86DD
    return _mac(frame.destination_mac) + _mac(frame.source_mac) + struct.pack("!H", kind) + packet(frame)


@dataclass(frozen=True)
class Seen:
    """What came out of the host: TCP's ports and flags, or the number that something carries."""

    family: int
    protocol: int
    source: str
    destination: str
    number: int | None
    ports: tuple[int, int] = (0, 0)
    flags: int = 0
    sequence: int = 0
    acknowledge: int = 0
    kind: int = 0
    quoted: tuple[int, int] = (0, 0)  # ports of the packet that an ICMP error quotes


def number_in(data: bytes) -> int | None:
    at = data.find(MAGIC)
    if at < 0 or len(data) < at + 8:
        return None
    found: int = struct.unpack_from("!I", data, at + 4)[0]
    return found


def seen(frame: bytes) -> Seen | None:
    """A frame from the wire; None when it is no IP."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0800 and len(frame) >= 34:
        size = (frame[14] & 15) * 4
        family, protocol, body = 4, frame[23], frame[14 + size :]
        source, destination = str(ipaddress.ip_address(frame[26:30])), str(ipaddress.ip_address(frame[30:34]))
        inner = 28
    elif kind == 0x86DD and len(frame) >= 54:
        family, protocol, body = 6, frame[20], frame[54:]
        source, destination = str(ipaddress.ip_address(frame[22:38])), str(ipaddress.ip_address(frame[38:54]))
        inner = 48
    else:
        return None
    number = number_in(body)
    if protocol in (6, 17) and len(body) >= 8:
        ports = struct.unpack_from("!HH", body)
        if protocol == 6 and len(body) >= 20:
            sequence, acknowledge = struct.unpack_from("!II", body, 4)
            return Seen(family, protocol, source, destination, number, ports, body[13], sequence, acknowledge)
        return Seen(family, protocol, source, destination, number, ports)
    quoted = struct.unpack_from("!HH", body, inner) if len(body) >= inner + 4 else (0, 0)
    return Seen(family, protocol, source, destination, number, kind=body[0] if body else 0, quoted=quoted)
