"""Questions to a rule-set whose host is not known: what a person would take for granted is filled in, and said.

A packet from outside comes by the interface of which the rules speak, or by eth0, and not by lo. Where it hangs on the
address that it is sent to, that is the one that the rules name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from agent.firewall import anybody
from agent.firewall.anybody import Answer, Path
from agent.firewall.host import Host, Interface, Network
from agent.firewall.model import Ruleset
from agent.firewall.packet import Question
from agent.firewall.reading import Reading
from agent.unknown import Unknown

USUAL = "eth0"
_MOST = 4  # addresses that are tried
_BY = re.compile(r"(?:(?<!\! )-i |\biif(?:name)? (?!!= )(?:\{ )?\"?|\s--\s+)([a-zA-Z][\w.@-]{0,14})(?=[\s\",+]|$)")
_TO = re.compile(r"(?:(?<!\! )-d |\bip6? daddr (?!!= ))([0-9a-fA-F.:]{3,39})(?:/(?:32|128))?(?=\s|$)")
_OUTWARD = re.compile(r"(?:eth|en[opsx]|em|venet|ens|wan|ppp|p\d+p|bond)\d*\S*")
_INWARD = re.compile(r"(?:lo|docker|br-|veth|virbr|wg|tun|tap|lxc|lxd|cni|cali|flannel|tailscale|podman|vnet|any)\S*")


@dataclass(frozen=True)
class Asked:
    """A path, and what was taken for granted on it."""

    path: Path
    notes: tuple[str, ...] = ()


def ask(reading: Reading, what: str, question: Question) -> Asked:
    """The path of a packet, on a host that may not be known."""
    notes: list[str] = []
    if question.arrives is None:
        name = leads_out(reading, question.family)
        question = replace(question, arrives=name)
        if not reading.host.routes and any(name in rule for rule in _texts(reading.ruleset)):
            notes.append(f"it is taken to come in by {name}; --in NAME asks for another interface")
    found = anybody.path(what, question, reading.ruleset, _host(reading, question))
    if found.answer is Answer.UNKNOWN and question.destination is None and "to which address" in found.shown.why:
        for address in _own_addresses(reading.ruleset, question.family):
            sent = replace(question, destination=address)
            other = anybody.path(what, sent, reading.ruleset, _host(reading, sent))
            if other.answer is not Answer.UNKNOWN:
                return Asked(other, (*notes, f"it is taken to be sent to {address}; --to ADDRESS asks for another"))
    return Asked(found, tuple(notes))


def _host(reading: Reading, question: Question) -> Host:
    """The host; of a text alone, one that has the address that is asked about."""
    if reading.host.interfaces or question.destination is None or question.arrives is None:
        return reading.host
    address = ip_address(question.destination)
    own = Network(address.version, int(address), address.max_prefixlen)
    return Host((Interface("lo"), Interface(question.arrives, (own,))))


def leads_out(reading: Reading, family: int) -> str:
    """The interface to the world: by the routes, else the one that the rules speak of."""
    leaves = reading.host.leaves_by(family, 0x18300025 if family == 4 else 0x26008800 << 96)
    if not isinstance(leaves, Unknown) and leaves:
        return leaves
    own = [one.name for one in reading.host.interfaces if one.name != "lo"]
    if len(own) == 1:
        return own[0]
    names = [name for text in _texts(reading.ruleset) for name in _BY.findall(text) if not _INWARD.fullmatch(name)]
    return next((name for name in names if _OUTWARD.fullmatch(name)), USUAL)


def _own_addresses(ruleset: Ruleset, family: int) -> Iterator[str]:
    found = dict.fromkeys(address for text in _texts(ruleset) for address in _TO.findall(text))
    count = 0
    for address in found:
        try:
            network = ip_network(address)
        except ValueError:
            continue
        if network.version == family and not network.is_multicast and not network.is_loopback and count < _MOST:
            count += 1
            yield address


def _texts(ruleset: Ruleset) -> Iterator[str]:
    return (rule.text for table in ruleset.tables for chain in table.chains for rule in chain.rules)
