"""The path of a packet: in to this host, through it or out of it, and the reply on its way back.

In:      ingress, prerouting, then input, or forward and postrouting where it is (or was made to be) for another host
Out:     output, postrouting, egress
Replies go the other way, as packets of the connection that stands then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent.firewall.decide import decided
from agent.firewall.fields import WITH_PORTS, AddressType, Field, Protocol, State, Status, Value
from agent.firewall.hooks import Passage
from agent.firewall.host import Host
from agent.firewall.model import Backend, Family, Hook, Ruleset
from agent.firewall.packet import ACK, FIN, SYN, Packet, not_given
from agent.firewall.result import Place, Result, Verdict
from agent.firewall.walk import BUDGET, Outcome, World
from agent.unknown import Maybe, Unknown, Why

_ECHO = {(4, 8): 0, (6, 128): 129}


@dataclass(frozen=True)
class _Arrived:
    """A world at its end, and whether that is another host."""

    world: World
    forwarded: bool = False


def inbound(ruleset: Ruleset, packet: Packet, host: Host = Host()) -> Result:  # noqa: B008 - frozen
    """What becomes of a packet that arrives, up to the socket or, forwarded, to the wire."""
    over, arrived = _in(ruleset, packet, host, [BUDGET])
    return decided(over, _ends(arrived), reply_from=len(over))


def inbound_and_back(ruleset: Ruleset, packet: Packet, host: Host = Host()) -> Result:  # noqa: B008 - frozen
    """As ``inbound``, and then its reply: accepted only if both come through."""
    effort = [BUDGET]
    over, arrived = _in(ruleset, packet, host, effort)
    lost: list[Outcome] = []
    back: list[tuple[World, bool]] = []
    for one in arrived:
        reply = reply_to(one.world.fields, host, one.forwarded, packet.connection)
        passage = Passage(ruleset, reply, host, effort)
        start = replace(passage.start(), doubts=one.world.doubts, trail=one.world.trail, changed=one.world.changed)
        if one.forwarded:
            worlds = _through(passage, [start], host)
        else:
            worlds = [_Arrived(world) for world in _home(passage, _sent(passage, [start], host))]
        # the rule that let the packet in says more than the one that lets its reply out
        said = one.world.accepted
        back += [(replace(item.world, accepted=said or item.world.accepted), one.forwarded) for item in worlds]
        lost += passage.over
    return decided([*over, *lost], back, reply_from=len(over))


def outbound(ruleset: Ruleset, packet: Packet, host: Host = Host()) -> Result:  # noqa: B008 - frozen
    """What becomes of a packet that a program of this host sends, up to the wire."""
    passage = Passage(ruleset, packet, host)
    worlds = _sent(passage, [passage.start()], host)
    return decided(passage.over, [(world, False) for world in worlds], reply_from=len(passage.over))


def outbound_and_back(ruleset: Ruleset, packet: Packet, host: Host = Host()) -> Result:  # noqa: B008 - frozen
    """As ``outbound``, and then the reply from outside, up to the socket."""
    effort = [BUDGET]
    passage = Passage(ruleset, packet, host, effort)
    over = passage.over
    lost: list[Outcome] = []
    back: list[tuple[World, bool]] = []
    for world in _sent(passage, [passage.start()], host):
        answer = Passage(ruleset, reply_to(world.fields, host, True, packet.connection), host, effort)
        start = replace(answer.start(), doubts=world.doubts, trail=world.trail, changed=world.changed)
        worlds = answer.past(Hook.INPUT, _arrive(answer, [start]))
        back += [(replace(one, accepted=world.accepted or one.accepted), False) for one in worlds]
        lost += answer.over
    return decided([*over, *lost], back, reply_from=len(over))


def _in(ruleset: Ruleset, packet: Packet, host: Host, effort: list[int]) -> tuple[list[Outcome], list[_Arrived]]:
    passage = Passage(ruleset, packet, host, effort)
    arrived = _through(passage, [passage.start()], host)
    return passage.over, arrived


def _ends(arrived: list[_Arrived]) -> list[tuple[World, bool]]:
    return [(one.world, one.forwarded) for one in arrived]


def _arrive(passage: Passage, worlds: list[World]) -> list[World]:
    return passage.past(Hook.PREROUTING, passage.past(Hook.INGRESS, worlds))


def _through(passage: Passage, worlds: list[World], host: Host) -> list[_Arrived]:
    """From the wire to a socket, or to the wire again."""
    own: list[World] = []
    others: list[World] = []
    for world in _arrive(passage, worlds):
        kind = _destination_type(world, host)
        if isinstance(kind, Unknown):
            place = world.accepted or _nowhere(world)
            passage.over.append(Outcome(Verdict.UNKNOWN, place, world, kind.reason))
            continue
        fields = {**world.fields, Field.DESTINATION_TYPE: kind}
        if kind & (AddressType.LOCAL | AddressType.BROADCAST | AddressType.MULTICAST):
            own.append(replace(world, fields=fields))
        else:
            leaves = _route(fields, host)
            ttl = fields.get(Field.TTL)
            fields[Field.TTL] = ttl - 1 if isinstance(ttl, int) else not_given("the packet's TTL")
            others.append(replace(world, fields={**fields, Field.OUTPUT: leaves}))
    arrived = [_Arrived(world) for world in passage.past(Hook.INPUT, own)]
    if others:
        forwarded = passage.past(Hook.POSTROUTING, passage.past(Hook.FORWARD, others))
        arrived += [_Arrived(world, True) for world in forwarded]
    return arrived


def _sent(passage: Passage, worlds: list[World], host: Host) -> list[World]:
    """From a socket to the wire. A destination that was changed may leave by another interface."""
    passed = passage.past(Hook.OUTPUT, worlds)
    routed = [
        replace(world, fields={**world.fields, Field.OUTPUT: _route(world.fields, host)})
        if "destination" in world.translated
        else world
        for world in passed
    ]
    return passage.past(Hook.EGRESS, passage.past(Hook.POSTROUTING, routed))


def _home(passage: Passage, worlds: list[World]) -> list[World]:
    """The replies that get back to whom they are meant for: one that connection tracking takes for a new packet may
    be sent elsewhere, or come from elsewhere, by rules of nat."""
    back: list[World] = []
    for world in worlds:
        place = world.translator
        if place is not None and "destination" in world.translated:
            passage.over.append(Outcome(Verdict.DROP, place, world, "this rule sends the reply elsewhere"))
        elif place is not None and "source" in world.translated:
            passage.over.append(Outcome(Verdict.UNKNOWN, place, world, "this rule may change the reply's sender"))
        else:
            back.append(world)
    return back


def _route(fields: Mapping[Field, Value], host: Host) -> Maybe[str]:
    family, destination = fields.get(Field.FAMILY), fields.get(Field.DESTINATION)
    if isinstance(destination, Unknown):
        return destination
    if not isinstance(family, int) or not isinstance(destination, int):
        return Unknown("the way out is not known", Why.ABSENT)
    return host.leaves_by(family, destination)


def _destination_type(world: World, host: Host) -> Maybe[int]:
    """Whom the packet is for, after translation: a redirect is always for this host."""
    if "destination" not in world.translated:
        kind = world.fields.get(Field.DESTINATION_TYPE, AddressType.LOCAL)
        return kind if isinstance(kind, (int, Unknown)) else AddressType.LOCAL
    if "redirect" in world.translated:
        return AddressType.LOCAL
    family, destination = world.fields.get(Field.FAMILY), world.fields.get(Field.DESTINATION)
    if isinstance(destination, Unknown):
        return destination
    if not isinstance(family, int) or not isinstance(destination, int):
        return Unknown("the destination is not known", Why.ABSENT)
    return host.address_type(family, destination)


def _nowhere(world: World) -> Place:
    last = world.trail.step if world.trail else None
    if last is None:
        return Place(Backend.NFT, Family.INET, "", "", 0, "")
    return Place(last.backend, last.family, last.table, last.chain, 0, "end of the chain", last.hook)


def reply_to(fields: Mapping[Field, Value], host: Host, forwarded: bool, connection: Mapping[Field, Value]) -> Packet:
    """The reply to a packet that reached its end: SYN-ACK to a SYN, an echo reply, else the same protocol back.

    Its connection stands from this host's view when the packet had one; a packet that went untracked leaves none,
    and its reply is then invalid (TCP, ICMP) or seems to begin one. ``forwarded``: it comes from outside again.
    ``connection`` is what stood before the packet came, if it is of one.
    """
    family, protocol = fields.get(Field.FAMILY), fields.get(Field.PROTOCOL)
    swapped = {
        Field.SOURCE: Field.DESTINATION,
        Field.DESTINATION: Field.SOURCE,
        Field.SOURCE_PORT: Field.DESTINATION_PORT,
        Field.DESTINATION_PORT: Field.SOURCE_PORT,
    }
    reply: dict[Field, Value] = {field: fields[other] for field, other in swapped.items() if other in fields}
    for field in (Field.TIME, Field.SECOND_OF_DAY, Field.WEEKDAY, Field.DAY_OF_MONTH):
        if field in fields:
            reply[field] = fields[field]
    for field in (Field.LENGTH, Field.TTL, Field.TOS):
        reply[field] = Unknown("of the reply nothing more is known", Why.ABSENT)
    reply[Field.SOURCE_TYPE] = fields.get(Field.DESTINATION_TYPE, AddressType.LOCAL)
    reply[Field.DESTINATION_TYPE] = fields.get(Field.SOURCE_TYPE, not_given("from where"))
    reply |= {Field.FAMILY: family or 4, Field.PROTOCOL: protocol or 0, Field.FRAGMENT: 0, Field.MARK: 0}
    reply |= {Field.PACKET_TYPE: "unicast", Field.BRIDGED: 0, Field.IPSEC: fields.get(Field.IPSEC, 0)}
    if forwarded:
        reply[Field.INPUT], reply[Field.OUTPUT] = fields.get(Field.OUTPUT, ""), ""
        reply[Field.SOURCE_MAC] = not_given("the sender's hardware address")
        reply[Field.ROUTE_BACK] = fields.get(Field.OUTPUT, "")
        if not fields.get(Field.INPUT):
            reply[Field.SOURCE_TYPE], reply[Field.DESTINATION_TYPE] = AddressType.UNICAST, AddressType.LOCAL
    else:
        reply[Field.INPUT], reply[Field.OUTPUT] = "", _route(reply, host)
        for field in (Field.USER, Field.GROUP, Field.CGROUP):
            reply[field] = Unknown("which program answers is not known", Why.ABSENT)
    if protocol == Protocol.TCP:
        flags = fields.get(Field.TCP_FLAGS)
        reply[Field.TCP_FLAGS] = SYN | ACK if isinstance(flags, int) and flags & (SYN | ACK | FIN) == SYN else ACK
    elif Field.ICMP_TYPE in fields:
        kind = fields[Field.ICMP_TYPE]
        answer = _ECHO.get((family, kind)) if isinstance(family, int) and isinstance(kind, int) else None
        reply[Field.ICMP_TYPE] = Unknown("which answer this gets", Why.ABSENT) if answer is None else answer
        reply[Field.ICMP_CODE] = 0
    return Packet(reply, _reply_connection(fields, protocol, connection))


def _reply_connection(
    fields: Mapping[Field, Value], protocol: Value | None, connection: Mapping[Field, Value]
) -> dict[Field, Value]:
    state = fields.get(Field.CT_STATE)
    if Field.CT_ZONE in fields:
        return {Field.CT_STATE: Unknown("a rule puts the packet, and perhaps not its answer, into a zone", Why.ABSENT)}
    if state == State.UNTRACKED and connection.get(Field.CT_STATE) == State.ESTABLISHED:
        if protocol == Protocol.TCP:
            unseen = "connection tracking did not see the packet that this answers, and may take the answer for invalid"
            return {Field.CT_STATE: Unknown(unseen, Why.ABSENT)}
        fields, state = connection, State.ESTABLISHED
    if isinstance(state, Unknown):
        return {Field.CT_STATE: state}
    if state == State.UNTRACKED:
        if protocol == Protocol.UDP or protocol not in (*WITH_PORTS, Protocol.ICMP, Protocol.ICMPV6):
            return {
                Field.CT_STATE: State.NEW,
                Field.CT_STATUS: 0,
                Field.CT_MARK: 0,
                Field.CT_DIRECTION: 0,
                Field.CT_PROTOCOL: protocol or 0,
            }
        return {Field.CT_STATE: State.INVALID}
    if state == State.INVALID:
        return {Field.CT_STATE: Unknown("an invalid packet has no known answer", Why.ABSENT)}
    kept = {
        field: fields[field]
        for field in (
            *(Field.CT_PROTOCOL, Field.CT_MARK, Field.CT_SOURCE, Field.CT_DESTINATION),
            *(Field.CT_SOURCE_PORT, Field.CT_DESTINATION_PORT),
        )
        if field in fields
    }
    status = fields.get(Field.CT_STATUS)
    known: Value = not_given("how the connection stands")
    if isinstance(status, int):
        known = status | Status.SEEN_REPLY | Status.CONFIRMED
    return {
        **kept,
        Field.CT_STATE: State.ESTABLISHED,
        Field.CT_DIRECTION: 1,
        Field.CT_STATUS: known,
    }
