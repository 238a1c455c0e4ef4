"""Packets for real rule-sets: from and to the addresses, ports and bridges that their rules speak of."""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Iterator
from dataclasses import replace

from agent.firewall.fields import State
from tests.firewall.kernel import pools
from tests.firewall.kernel.frames import Frame
from tests.firewall.kernel.lab import ADDRESSES, INNER, OUR_MAC, PEER_MAC
from tests.firewall.kernel.packets import Packets, Sent, fresh, told

_ADDRESS = re.compile(
    r"(?<![\w.:])((?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]{1,4}:[0-9a-fA-F:]*:[0-9a-fA-F:]*)(?:/(\d+))?(?![\w.:])"
)
_PORTS = re.compile(r"(?:dports?|sports?|to-ports|\"right\":|:verdict|dport)\W{0,4}((?:\d{1,5}[:,\- ]{0,2})+)")
_NOT_SENT = ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/128", "::1/128", "fe80::/10", "ff00::/8", "::ffff:0:0/96")
_DOOMED = tuple(map(ipaddress.ip_network, _NOT_SENT))
_ON_LINK = tuple(  # nobody is there but those that the lab tells of
    ipaddress.ip_interface(text).network for texts in ADDRESSES.values() for text in texts
)
_SOLICITING = (133, 134, 135, 136)


class RealPackets(Packets):
    """Half of them are such as the rules name."""

    def __init__(self, chance: random.Random, family: int, text: str) -> None:
        super().__init__(chance, family)
        self.named = sorted(set(_addresses(chance, family, text)))
        self.ports = sorted(set(_ports(text)))
        self.inner = [link for link in INNER if f'"{link}"' in text or f" {link}" in text]

    def one(self, protocol: int | None = None) -> tuple[Frame, str]:
        chance = self.chance
        frame, link = super().one(protocol)
        if self.ports and chance.random() < 0.5:
            frame = replace(frame, destination_port=chance.choice(self.ports))
        if self.named and chance.random() < 0.4:
            source = chance.choice(self.named)
            frame = replace(frame, source=source)
        return frame, link

    def _behind(self, link: str) -> list[str]:
        """Who stands behind a bridge, of our family."""
        own = [text.partition("/")[0] for text in INNER[link] if (":" in text) == (self.family == 6)]
        return [address[:-1] + last for address in own for last in "23"]

    def fresh(self) -> Sent:
        """A packet that begins something: from outside, from a container or to one."""
        chance = self.chance
        around = chance.random()
        if self.family == 6 and around < 0.06:
            return self._neighbour()
        inner = chance.choice(self.inner) if self.inner else ""
        behind = self._behind(inner) if inner else []
        if behind and around < 0.15:
            frame, _ = self.one()
            frame = replace(
                frame, source=chance.choice(behind), source_mac=PEER_MAC[inner], destination_mac=OUR_MAC[inner]
            )
            return Sent(frame, inner, told(frame, inner, State.NEW), True, "from a container")
        if behind and around < 0.25:
            frame, link = self.one()
            frame = replace(frame, destination=chance.choice(behind))
            return Sent(frame, link, told(frame, link, State.NEW), False, "to a container")
        if self.family == 4 and around < 0.3:
            frame, link = self.one(chance.choice((17, 17, 1)))
            frame = replace(frame, destination="192.0.2.127", destination_mac="ff:ff:ff:ff:ff:ff")
            told_of = told(frame, link, State.NEW, packet_type="broadcast")
            return Sent(frame, link, told_of, False, "broadcast frame")
        return fresh(self)

    def _neighbour(self) -> Sent:
        """Neighbour discovery, which connection tracking leaves alone."""
        frame, link = self.one(58)
        frame = replace(
            frame,
            kind=self.chance.choice(_SOLICITING),
            ttl=255 if self.chance.random() < 0.8 else 64,
            destination=self.chance.choice(pools.OWN[6]),
        )
        return Sent(frame, link, told(frame, link, State.UNTRACKED), False, "neighbour discovery")


def _addresses(chance: random.Random, family: int, text: str) -> Iterator[str]:
    """Addresses that occur in the rules, and two of each network."""
    for match in _ADDRESS.finditer(text):
        try:
            network = ipaddress.ip_network(
                match.group(1) + (f"/{match.group(2)}" if match.group(2) else ""), strict=False
            )
        except ValueError:
            continue
        if network.version != family or network.prefixlen == 0:
            continue
        for _ in range(2):
            address = network[chance.randrange(network.num_addresses)]
            if not any(address in one for one in (*_DOOMED, *_ON_LINK) if one.version == family):
                yield str(address)


def _ports(text: str) -> Iterator[int]:
    for match in _PORTS.finditer(text):
        for number in re.findall(r"\d+", match.group(1)):
            if 0 < int(number) < 65536:
                yield int(number)
