"""Openings: the commands by which a person lets a packet through at the place that stops it, and takes that back.

They say what the manager in charge would say, so that its own idea of the rules stays true; else what the tool of the
table says. None of them outlives a reboot unless the manager keeps it (ufw does).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from agent.firewall.fields import Protocol
from agent.firewall.model import Backend, Family
from agent.firewall.packet import Question
from agent.firewall.result import Place

_NAMES = {Protocol.TCP: "tcp", Protocol.UDP: "udp", Protocol.ICMP: "icmp", Protocol.ICMPV6: "ipv6-icmp"}
_ECHO = {4: "icmp type echo-request", 6: "icmpv6 type echo-request"}


@dataclass(frozen=True)
class Opening:
    """``commands`` in order, and those that take them back. Empty where a person must decide (a ban list)."""

    commands: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


def opening(place: Place, question: Question, owner: str, has: Callable[[str], bool] = lambda name: True) -> Opening:
    """How to let a packet like ``question`` in where ``place`` stops it. ``owner``: who wrote the chain, "" if nobody
    is known; ``has``: is there a program of this name."""
    port = question.destination_port
    if owner == "ufw" and port is not None:
        what = f"{port}/{_NAMES[question.protocol]}"
        return Opening((f"ufw prepend allow {what}",), (f"ufw delete allow {what}",))
    if owner == "firewalld" and port is not None:
        what = f"{port}/{_NAMES[question.protocol]}"
        return Opening((f"firewall-cmd --add-port={what}",), (f"firewall-cmd --remove-port={what}",))
    if owner not in ("", "Docker"):
        return Opening()
    if place.backend is Backend.NFT:
        return _by_nft(place, question)
    return _by_iptables(place, question, has)


def saved_line(place: Place, question: Question) -> str:
    """The line that lets a packet in, as the file has it in which the rule of ``place`` is saved."""
    if place.backend is Backend.NFT:
        return _nft_rule(question)
    return f"-A {shlex.quote(place.chain)} {_iptables_rule(question)}"


def _iptables_rule(question: Question) -> str:
    return f"-p {_NAMES[question.protocol]}{_matching(question)} -j ACCEPT"


def _by_iptables(place: Place, question: Question, has: Callable[[str], bool]) -> Opening:
    base = "ip6tables" if place.family is Family.IP6 else "iptables"
    flavoured = f"{base}-{'legacy' if place.backend is Backend.LEGACY else 'nft'}"
    tool = flavoured if has(flavoured) else base
    table = "" if place.table == "filter" else f" -t {shlex.quote(place.table)}"
    chain = shlex.quote(place.chain)
    rule = _iptables_rule(question)
    at = f"-I {chain} {place.number}" if place.number else f"-A {chain}"
    return Opening((f"{tool}{table} {at} {rule}",), (f"{tool}{table} -D {chain} {rule}",))


def _matching(question: Question) -> str:
    if question.destination_port is not None:
        return f" --dport {question.destination_port}"
    if question.protocol == Protocol.ICMP:
        return " --icmp-type echo-request"
    return " --icmpv6-type echo-request" if question.protocol == Protocol.ICMPV6 else ""


def _by_nft(place: Place, question: Question) -> Opening:
    chain = " ".join((place.family.value, shlex.quote(place.table), shlex.quote(place.chain)))
    rule = _nft_rule(question)
    at = f"insert rule {chain} index {place.number - 1}" if place.number else f"add rule {chain}"
    return Opening((f"nft {at} {rule}",), (f"nft -a list chain {chain}", f"nft delete rule {chain} handle NUMBER"))


def _nft_rule(question: Question) -> str:
    name = _NAMES[question.protocol]
    if question.destination_port is not None:
        return f"{name} dport {question.destination_port} accept"
    return f"{_ECHO[question.family]} accept" if name in ("icmp", "ipv6-icmp") else f"meta l4proto {name} accept"
