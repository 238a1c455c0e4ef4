"""Hooks: what a packet meets at one of them, in the kernel's order.

Base chains stand by priority; connection tracking at -200, before it no packet has a connection; translations at
-100 (destination) and 100 (source), where all nat chains stand together and the first that translates ends it
(net/netfilter/nf_nat_core.c, nf_nat_inet_fn; include/uapi/linux/netfilter_ipv4.h).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.firewall.doubts import Doubt, Doubts
from agent.firewall.fields import CONNECTION, Field, Protocol, State, Status
from agent.firewall.host import Host
from agent.firewall.model import Chain, Family, Hook, Ruleset, Table
from agent.firewall.packet import Packet
from agent.firewall.result import Place, Verdict
from agent.firewall.walk import BUDGET, Outcome, Walk, World, merged
from agent.unknown import Unknown, Why

TRACKING = -200
_TRANSLATION = {Hook.PREROUTING: -100, Hook.OUTPUT: -100, Hook.POSTROUTING: 100, Hook.INPUT: 100}
_OF_DEVICES = (Hook.INGRESS, Hook.EGRESS)
_DECIDING = (Hook.INPUT, Hook.FORWARD, Hook.OUTPUT)

_FAMILIES = {4: (Family.IP, Family.INET), 6: (Family.IP6, Family.INET)}


@dataclass(frozen=True)
class _Stop:
    """One thing at a hook: connection tracking (no chains), a base chain, or all nat chains."""

    priority: int
    chains: tuple[tuple[Table, Chain], ...]
    nat: bool = False


class Passage:
    """One packet's way past hooks. ``over`` collects the ways that ended there."""

    def __init__(self, ruleset: Ruleset, packet: Packet, host: Host, effort: list[int] | None = None) -> None:
        self._ruleset, self._packet, self._host = ruleset, packet, host
        self.effort = [BUDGET] if effort is None else effort
        self.over: list[Outcome] = []

    def start(self) -> World:
        """The packet before anything of this host has seen it."""
        fields = {field: value for field, value in self._packet.fields.items() if field not in CONNECTION}
        return World({**fields, Field.CT_STATE: State.INVALID})

    def past(self, hook: Hook, worlds: list[World]) -> list[World]:
        """The worlds that are accepted by everything at a hook."""
        for stop in self._stops(hook):
            if not worlds:
                break
            if stop.nat:
                worlds = self._translate(hook, stop, worlds)
            elif stop.chains:
                table, chain = stop.chains[0]
                worlds = self._accepted(self._walk(hook, table, chain, worlds), hook, nat=False)
            else:
                worlds = merged([self._tracked(world) for world in worlds])
        return worlds

    def _stops(self, hook: Hook) -> list[_Stop]:
        family = self._packet.fields.get(Field.FAMILY)
        families = _FAMILIES.get(family, ()) if isinstance(family, int) else ()
        stops: list[_Stop] = []
        nat: list[tuple[Table, Chain]] = []
        for table in self._ruleset.tables:
            for chain in table.chains:
                base = chain.base
                if base is None or base.hook is not hook or base.disabled:
                    continue
                if base.device:
                    device = self._packet.fields.get(Field.OUTPUT if hook is Hook.EGRESS else Field.INPUT)
                    if table.family not in (*families, Family.NETDEV) or device not in base.device:
                        continue
                elif table.family not in (*families, *((Family.NETDEV,) if hook in _OF_DEVICES else ())):
                    continue
                if base.nat:
                    nat.append((table, chain))
                else:
                    stops.append(_Stop(base.priority, ((table, chain),)))
        if hook in (Hook.PREROUTING, Hook.OUTPUT):
            stops.append(_Stop(TRACKING, ()))
        if nat:
            nat.sort(key=lambda pair: pair[1].base.priority if pair[1].base else 0)
            stops.append(_Stop(_TRANSLATION.get(hook, 0), tuple(nat), nat=True))
        return sorted(stops, key=lambda stop: (stop.priority, bool(stop.chains)))

    def _walk(self, hook: Hook, table: Table, chain: Chain, worlds: Iterable[World]) -> list[Outcome]:
        return Walk(self._ruleset, table, hook, self._host, self.effort).run(chain, worlds)

    def _accepted(self, outcomes: list[Outcome], hook: Hook, *, nat: bool) -> list[World]:
        passed: list[World] = []
        for outcome in outcomes:
            if outcome.verdict is not Verdict.ACCEPT:
                self.over.append(outcome)
                continue
            world = outcome.world
            if not nat and hook in _DECIDING and _says_more(outcome.place, world.accepted):
                world = replace(world, accepted=outcome.place)
            passed.append(world)
        return merged(passed)

    def _tracked(self, world: World) -> World:
        """The packet gets its connection, unless a rule kept it out of tracking."""
        if world.fields.get(Field.CT_STATE) == State.UNTRACKED:
            return world
        connection = dict(self._packet.connection)
        if Field.CT_ZONE in world.fields and connection.get(Field.CT_STATE) != State.NEW:
            unknown = Unknown("a rule puts the packet into a zone of connections of its own", Why.UNREADABLE)
            connection = dict.fromkeys((*connection, Field.CT_STATE), unknown)
        before = {field: value for field, value in world.fields.items() if field not in CONNECTION}
        return replace(world, fields={**before, **connection})

    def _translate(self, hook: Hook, stop: _Stop, worlds: list[World]) -> list[World]:
        """The nat chains: for the first packet of a connection; later ones follow what was decided then."""
        passed: list[World] = []
        for world in worlds:
            state = world.fields.get(Field.CT_STATE)
            if isinstance(state, int) and state & State.NO_CONNECTION:
                passed.append(world)
            elif _begins(world):
                passed += self._first_translation(hook, stop, world)
            elif world.fields.get(Field.CT_DIRECTION) == 1 or _untranslated(world, hook):
                passed.append(world)
            else:
                passed += self._earlier_translation(hook, stop, world)
        return merged(passed)

    def _first_translation(self, hook: Hook, stop: _Stop, world: World) -> list[World]:
        waiting, done = [world], []
        for table, chain in stop.chains:
            accepted = self._accepted(self._walk(hook, table, chain, waiting), hook, nat=True)
            done += [one for one in accepted if one.translated != world.translated]
            waiting = [one for one in accepted if one.translated == world.translated]
        return done + waiting

    def _earlier_translation(self, hook: Hook, stop: _Stop, world: World) -> list[World]:
        """A packet of a connection that stands: it may have begun before these rules, or been translated by them."""
        as_new = replace(world, fields={**world.fields, Field.CT_STATE: State.NEW})
        ways: list[World] = []
        for table, chain in stop.chains:
            for outcome in self._walk(hook, table, chain, [as_new]):
                if outcome.world.translated == world.translated:
                    continue
                reason = "whether this rule translated the connection when it began is not known"
                fields = {**outcome.world.fields, Field.CT_STATE: world.fields[Field.CT_STATE]}
                doubts = Doubts(Doubt(outcome.place, reason, True), outcome.world.doubts)
                ways.append(replace(outcome.world, fields=fields, doubts=doubts))
                untouched = Doubt(outcome.place, reason, False)
                ways.append(replace(world, doubts=Doubts(untouched, outcome.world.doubts)))
        return ways or [world]


def _begins(world: World) -> bool:
    """Is this the first packet of a connection? One that an earlier connection brought along (RELATED) is, but no
    ICMP error about a connection that stands."""
    state = world.fields.get(Field.CT_STATE)
    if state == State.RELATED:
        return world.fields.get(Field.PROTOCOL) not in (Protocol.ICMP, Protocol.ICMPV6)
    return state == State.NEW


def _untranslated(world: World, hook: Hook) -> bool:
    """True when the connection's status says that it was not translated at a hook like this one."""
    status = world.fields.get(Field.CT_STATUS)
    source = hook in (Hook.POSTROUTING, Hook.INPUT)
    bit = Status.SOURCE_TRANSLATED if source else Status.DESTINATION_TRANSLATED
    return isinstance(status, int) and not status & bit


def _says_more(place: Place, other: Place | None) -> bool:
    """Which of two chains that accept is named: the later one, but no policy over a rule."""
    return other is None or place.number > 0 or other.number == 0
