"""Packets: random ones, what the model is told of them, and connections that stand before the rules do."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace

from agent.firewall.fields import State, Status
from agent.firewall.packet import Packet, Question, packet
from tests.firewall.kernel import pools
from tests.firewall.kernel.frames import Frame
from tests.firewall.kernel.frames import packet as wire_packet
from tests.firewall.kernel.lab import OUR_MAC, PEER_MAC, TCP_PORTS, UDP_PORTS, Lab, facts

HOST = facts()


@dataclass(frozen=True)
class Sent:
    """One packet, what the model is told of it, and whether the host would answer it."""

    frame: Frame
    link: str
    told: Packet
    answers: bool
    what: str


class Packets:
    """Packets from one source of chance, each with ports and numbers of its own."""

    def __init__(self, chance: random.Random, family: int) -> None:
        self.chance, self.family, self.number = chance, family, chance.randrange(1, 1 << 30)
        self._ports: set[int] = set()

    def _port(self) -> int:
        while True:
            low, high = (1, 1023) if self.chance.random() < 0.1 else (pools.LOW, pools.HIGH)
            port = self.chance.randint(low, high)
            if port not in self._ports:
                self._ports.add(port)
                return port

    def one(self, protocol: int | None = None) -> tuple[Frame, str]:
        """A frame that begins something, and its link."""
        chance, family = self.chance, self.family
        self.number += 1
        source = chance.choice(pools.SOURCES[family])
        usual = "eth1" if source.startswith(("198.51.", "2001:db8:b:")) else "eth0"
        link = usual if chance.random() < 0.85 else chance.choice(("eth0", "eth1"))
        if protocol is None:
            protocol = chance.choice((6, 6, 6, 17, 17, 1 if family == 4 else 58))
        own = pools.OWN[family]
        destination = own[0] if chance.random() < 0.6 else chance.choice(own)
        if chance.random() < 0.06:
            destination = chance.choice(pools.OTHERS[family])
            if destination == source:
                destination = own[0]
        return (
            Frame(
                family,
                protocol,
                source,
                destination,
                self.number,
                source_port=self._port(),
                destination_port=chance.choice(pools.PORTS),
                sequence=chance.randrange(1 << 31),
                kind=8 if family == 4 else 128,
                identity=chance.randrange(1, 65535),
                ttl=chance.choice((64, 64, 64, 12, 128)),
                tos=chance.choice((0, 0, 0, 0x10, 0x08, 0x28, 0x02)),
                padding=chance.choice((0, 0, 4, 20, 160)),
                source_mac=PEER_MAC[link],
                destination_mac=OUR_MAC[link],
            ),
            link,
        )


def told(frame: Frame, link: str, state: int, **more: int | str) -> Packet:
    """What the model is told: all that the frame shows."""
    ports = frame.protocol in (6, 17)
    question = Question(
        frame.family,
        frame.protocol,
        frame.source,
        frame.destination,
        frame.source_port if ports else None,
        frame.destination_port if ports else None,
        link,
        state,
        frame.flags,
        None if ports else frame.kind,
        frame.code,
        len(wire_packet(frame)),
        frame.ttl,
        frame.tos,
        time.time(),
    )
    made = packet(question, HOST).but(source_mac=int(frame.source_mac.replace(":", ""), 16))
    if state == State.ESTABLISHED:
        status = Status.SEEN_REPLY | Status.CONFIRMED | (Status.ASSURED if frame.protocol == 6 else 0)
        made = made.but(ct_status=status, ct_mark=0, ct_direction=0)
        made = _originals(made, frame)
    if not ports and state & (State.NEW | State.ESTABLISHED):
        made = made.but(ct_source_port=frame.identity)
    return made.but(**more) if more else made


def _originals(made: Packet, frame: Frame) -> Packet:
    fields = {
        name: value
        for name, value in packet(
            Question(
                frame.family,
                frame.protocol,
                frame.source,
                frame.destination,
                frame.source_port if frame.protocol in (6, 17) else None,
                frame.destination_port if frame.protocol in (6, 17) else None,
            ),
            HOST,
        ).connection.items()
        if name.name in ("CT_SOURCE", "CT_DESTINATION", "CT_SOURCE_PORT", "CT_DESTINATION_PORT")
    }
    return replace(made, connection={**made.connection, **fields})


def begun(lab: Lab, packets: Packets) -> list[Sent]:
    """Connections that stand before the rules are loaded, and the packets that will go on with them."""
    opened: list[tuple[Frame, str]] = []
    for protocol in (6, 6, 6, 17, 17, 17, 1 if packets.family == 4 else 58):
        frame, link = packets.one(protocol)
        port = packets.chance.choice(TCP_PORTS if protocol == 6 else UDP_PORTS)
        own = pools.OWN[packets.family]
        frame = replace(frame, destination=packets.chance.choice(own), destination_port=port)
        lab.send(frame, link)
        opened.append((frame, link))
    lab.settle(0.004)
    answers = {(found.source, found.ports[1]): found for found in lab.came_out if found.protocol == 6}
    later: list[Sent] = []
    for frame, link in opened:
        packets.number += 1
        following = replace(frame, number=packets.number, padding=packets.chance.choice((0, 8, 120)))
        if frame.protocol == 6:
            answer = answers.get((frame.destination, frame.source_port))
            if answer is None:
                raise RuntimeError(f"no answer to a first packet on the open host: {frame}")
            following = replace(following, flags=16, sequence=frame.sequence + 1, acknowledge=answer.sequence + 1)
            lab.send(replace(following, silent=True, padding=0), link)
            following = replace(following, flags=24)
        later.append(Sent(following, link, told(following, link, State.ESTABLISHED), True, "established"))
        if frame.protocol == 17:
            later.append(related(packets, frame, link))
    lab.forget()
    return later


def related(packets: Packets, frame: Frame, link: str) -> Sent:
    """An ICMP error about the host's answer to an earlier datagram."""
    packets.number += 1
    quoted = replace(
        frame,
        source=frame.destination,
        destination=frame.source,
        source_port=frame.destination_port,
        destination_port=frame.source_port,
        number=packets.number,
    )
    icmp = 1 if frame.family == 4 else 58
    kind, code = (3, 3) if frame.family == 4 else (1, 4)
    error = replace(frame, protocol=icmp, number=packets.number, kind=kind, code=code, inner=wire_packet(quoted))
    made = told(error, link, State.NEW)
    made = _originals(made, frame).but(
        ct_state=State.RELATED,
        ct_status=Status.SEEN_REPLY | Status.CONFIRMED,
        ct_protocol=17,
        ct_mark=0,
        ct_direction=0,
    )
    return Sent(error, link, made, False, "related")


def fresh(packets: Packets) -> Sent:
    """A packet that begins something, or one that belongs to nothing."""
    frame, link = packets.one()
    if frame.protocol == 6 and packets.chance.random() < 0.12:
        flags = packets.chance.choice((0, 0x29, 0x03, 0x10, 0x11, 0x04))
        frame = replace(frame, flags=flags)
        return Sent(frame, link, told(frame, link, State.INVALID), False, f"tcp flags {flags:#x}")
    if packets.chance.random() < 0.04:
        frame = replace(frame, destination_mac="ff:ff:ff:ff:ff:ff")
        return Sent(frame, link, told(frame, link, State.NEW, packet_type="broadcast"), False, "broadcast frame")
    return Sent(frame, link, told(frame, link, State.NEW), True, "new")
