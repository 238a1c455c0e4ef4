"""A report as the way to a destination: who that is, whether it was reached, whose networks lie between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from agent.mtr import owners
from agent.mtr.model import Hop, Report
from agent.mtr.verdict import Side

NEAR = 2  # hops at either end that belong to the source's, or the destination's side; one more on a long path
LONG = 7


@dataclass(frozen=True)
class Path:
    """One report, and the destination that the user or the report names ("" where neither does)."""

    report: Report
    destination: str = ""

    @property
    def hops(self) -> tuple[Hop, ...]:
        return self.report.hops

    @cached_property
    def answering(self) -> tuple[Hop, ...]:
        return tuple(hop for hop in self.hops if not hop.silent)

    @cached_property
    def named(self) -> tuple[str, ...]:
        """The names and addresses that the destination is known by."""
        given = (self.destination, self.report.destination_address, self.report.destination)
        return tuple(text for text in given if text)

    @cached_property
    def addresses(self) -> frozenset[owners.Address]:
        """The destination's, as far as known."""
        found = (owners.address_of(text) for text in self.named)
        return frozenset(address for address in found if address is not None)

    @property
    def goal(self) -> str:
        """The destination for people."""
        if self.named:
            return self.named[0]
        last = self.hops[-1] if self.hops else None
        return last.router if last is not None and last.routers and not last.silent else "the destination"

    @cached_property
    def reached(self) -> bool | None:
        """Whether the last row is the destination; None when the report does not tell."""
        if not self.hops or self.hops[-1].silent:
            return False
        last = self.hops[-1]
        texts = {text.lower() for router in last.routers for text in (router.name, router.address) if text}
        if any(text.lower() in texts for text in self.named):
            return True
        found = owners.addresses(last)
        if not self.addresses or not found or not {one.version for one in found} & {a.version for a in self.addresses}:
            return None
        if self.addresses & set(found):
            return True
        cut = any(str(address).startswith(text) for address in self.addresses for text in texts)
        return None if cut else False

    def side(self, hop: Hop) -> Side:
        """Whose side a hop of a path that reaches its end is on: by AS and owner, else by its place."""
        if owners.private(hop) and self._only_private_before(hop):
            return Side.SOURCE
        networks = [_network(each) for each in self.answering]
        known = [network for network in networks if network is not None]
        own = _network(hop)
        if own is not None and known and known[0] != known[-1]:
            if own == known[-1]:
                return Side.DESTINATION
            if own == known[0]:
                return Side.SOURCE
        count = self.hops[-1].number
        near = NEAR + (count > LONG)
        if hop.number > count - near and hop.number > count / 2:
            return Side.DESTINATION
        return Side.SOURCE if hop.number <= near else Side.MIDDLE

    def _only_private_before(self, hop: Hop) -> bool:
        return all(owners.private(each) for each in self.answering if each.number < hop.number)

    def in_destination_network(self, hop: Hop) -> bool:
        """True when the hop provably belongs to the network that the destination is in."""
        for address in self.addresses:
            if any(owners.same_subnet(address, one) for one in owners.addresses(hop)):
                return True
        own = owners.owner(hop)
        if own is None:
            return False
        if any(_owner_of(text) is own for text in self.named):
            return True
        # Linode carries nobody else's packets: a path that came in from elsewhere ends there.
        before = [each for each in self.answering if each.number < hop.number and not owners.private(each)]
        return own is owners.LINODE and bool(before) and owners.owner(before[0]) is not owners.LINODE


def _owner_of(text: str) -> owners.Owner | None:
    return owners.of_name(text) or owners.of_address(text)


def _network(hop: Hop) -> object:
    """What tells one network from another: the AS number, or the owner; None when nothing does."""
    return owners.number_of(hop) or owners.owner(hop)


def named_hop(hop: Hop) -> str:
    """ "hop 3 (209.51.130.213)", with the network it belongs to where that is known."""
    own = owners.owner(hop)
    who = hop.routers[0].name or hop.routers[0].address if hop.routers else "no answer"
    network = own.name if own else hop.asn if owners.number_of(hop) else ""
    return f"hop {hop.number} ({who}{', ' + network if network else ''})"


def numbers(hops: tuple[Hop, ...] | list[Hop]) -> str:
    """ "hop 3", "hops 3 and 5", "hops 3, 5 and 8 to 10"."""
    spans: list[list[int]] = []
    for hop in hops:
        if spans and hop.number == spans[-1][1] + 1:
            spans[-1][1] = hop.number
        else:
            spans.append([hop.number, hop.number])
    words: list[str] = []
    for first, last in spans:
        if last == first + 1:
            words += [str(first), str(last)]
        else:
            words.append(str(first) if first == last else f"{first} to {last}")
    text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"hop {text}" if len(hops) == 1 else f"hops {text}"
