"""Packets: what arrives, as the fields that rules ask for."""

from __future__ import annotations

import ipaddress
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent.firewall.fields import CONNECTION, WITH_PORTS, AddressType, Field, Protocol, State, Value
from agent.firewall.host import Host
from agent.unknown import Maybe, Unknown, Why

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32

_ECHO_REQUEST = {4: 8, 6: 128}


def not_given(what: str) -> Unknown:
    """The value of a field that the question leaves open."""
    return Unknown(f"the question doesn't say {what}", Why.ABSENT)


@dataclass(frozen=True)
class Packet:
    """``fields`` are those of the packet on the wire; ``connection`` are the CT_* fields that it has once
    connection tracking has seen it. A field that is in neither, the packet has not."""

    fields: Mapping[Field, Value]
    connection: Mapping[Field, Value]

    def but(self, **changed: Value) -> Packet:
        """The same packet with other fields, named as in ``Field`` but in small letters."""
        fields, connection = dict(self.fields), dict(self.connection)
        for name, value in changed.items():
            field = Field[name.upper()]
            (connection if field.name.startswith("CT_") else fields)[field] = value
        return replace(self, fields=fields, connection=connection)


@dataclass(frozen=True)
class Question:
    """A packet in people's words. ``family`` is 4 or 6; addresses are text; None where the question is open.

    ``arrives`` is the interface; ``state`` one of State's bits; ``flags`` TCP's; ``kind`` and ``code`` ICMP's.
    Without ``destination`` the packet is for this host, at an address that is not told.
    """

    family: int = 4
    protocol: int = Protocol.TCP
    source: str | None = None
    destination: str | None = None
    source_port: int | None = None
    destination_port: int | None = None
    arrives: str | None = None
    state: int = State.NEW
    flags: int = SYN
    kind: int | None = None
    code: int = 0
    length: int | None = None
    ttl: int | None = None
    tos: int | None = None
    time: float | None = None  # seconds since the epoch


def packet(question: Question, host: Host = Host()) -> Packet:  # noqa: B008 - frozen
    """The packet that is asked about. What the question leaves open is Unknown in it."""
    family, protocol = question.family, question.protocol
    source, destination = _address(question.source, "from where"), _address(question.destination, "to which address")
    fields: dict[Field, Value] = {
        Field.FAMILY: family,
        Field.PROTOCOL: protocol,
        Field.SOURCE: source,
        Field.DESTINATION: destination,
        Field.FRAGMENT: 0,
        Field.LENGTH: _or(question.length, "how long the packet is"),
        Field.TTL: _or(question.ttl, "the packet's TTL"),
        Field.TOS: _or(question.tos, "the packet's type of service"),
        Field.SOURCE_MAC: not_given("the sender's hardware address"),
        Field.INPUT: not_given("the interface") if question.arrives is None else question.arrives,
        Field.OUTPUT: "",
        Field.PACKET_TYPE: "unicast",
        Field.MARK: 0,
        Field.IPSEC: 0,
        Field.BRIDGED: 0,
        **_protocol_fields(question),
        **_time_fields(question.time),
        **_address_types(family, source, destination, host, to_this_host=question.destination is None),
    }
    if question.arrives == "lo":
        del fields[Field.SOURCE_MAC]  # no Ethernet
    return Packet(fields, _connection(question, fields))


def _address(text: str | None, what: str) -> Maybe[int]:
    return not_given(what) if text is None else int(ipaddress.ip_address(text))


def _or(value: int | None, what: str) -> Maybe[int]:
    return not_given(what) if value is None else value


def _protocol_fields(question: Question) -> dict[Field, Value]:
    if question.protocol in WITH_PORTS:
        found: dict[Field, Value] = {
            Field.SOURCE_PORT: _or(question.source_port, "from which port"),
            Field.DESTINATION_PORT: _or(question.destination_port, "to which port"),
        }
        if question.protocol == Protocol.TCP:
            found[Field.TCP_FLAGS] = question.flags
        return found
    if question.protocol in (Protocol.ICMP, Protocol.ICMPV6):
        kind = _ECHO_REQUEST[question.family] if question.kind is None else question.kind
        return {Field.ICMP_TYPE: kind, Field.ICMP_CODE: question.code}
    return {}


def _time_fields(time: float | None) -> dict[Field, Value]:
    if time is None:
        unknown = not_given("when")
        return dict.fromkeys((Field.TIME, Field.SECOND_OF_DAY, Field.WEEKDAY, Field.DAY_OF_MONTH), unknown)
    parts = clock.gmtime(time)
    return {
        Field.TIME: int(time),
        Field.SECOND_OF_DAY: int(time) % 86400,
        Field.WEEKDAY: (parts.tm_wday + 1) % 7,
        Field.DAY_OF_MONTH: parts.tm_mday,
    }


def _address_types(
    family: int, source: Maybe[int], destination: Maybe[int], host: Host, *, to_this_host: bool
) -> dict[Field, Value]:
    found: dict[Field, Value] = {}
    found[Field.SOURCE_TYPE] = source if isinstance(source, Unknown) else host.address_type(family, source)
    found[Field.ROUTE_BACK] = source if isinstance(source, Unknown) else host.leaves_by(family, source)
    if to_this_host:
        found[Field.DESTINATION_TYPE] = AddressType.LOCAL
    elif not isinstance(destination, Unknown):
        found[Field.DESTINATION_TYPE] = host.address_type(family, destination)
    return found


def _connection(question: Question, fields: Mapping[Field, Value]) -> dict[Field, Value]:
    """What connection tracking will say; an invalid packet belongs to no connection."""
    if question.state & State.NO_CONNECTION:
        return {Field.CT_STATE: question.state}
    new = question.state == State.NEW
    established = Unknown("the question doesn't tell about the connection so far", Why.ABSENT)
    found: dict[Field, Value] = {
        Field.CT_STATE: question.state,
        Field.CT_STATUS: 0 if new else established,
        Field.CT_MARK: 0 if new else established,
        Field.CT_DIRECTION: 0 if new else established,
        Field.CT_PROTOCOL: question.protocol,
    }
    originals = {
        Field.CT_SOURCE: Field.SOURCE,
        Field.CT_DESTINATION: Field.DESTINATION,
        Field.CT_SOURCE_PORT: Field.SOURCE_PORT,
        Field.CT_DESTINATION_PORT: Field.DESTINATION_PORT,
    }
    for field, wire in originals.items():
        found[field] = fields.get(wire, 0) if new else established
    if new and Field.ICMP_TYPE in fields:  # where ports would be, the kernel keeps the echo's identifier, type and code
        found[Field.CT_SOURCE_PORT] = not_given("the identifier of the echo")
        found[Field.CT_DESTINATION_PORT] = (question.kind or _ECHO_REQUEST[question.family]) << 8 | question.code
    assert set(found) <= CONNECTION | {Field.CT_STATE}
    return found
