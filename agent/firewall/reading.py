"""Readings: a rule-set, where it was read, who wrote it, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.firewall.host import Host
from agent.firewall.model import Backend, Family, Ruleset
from agent.firewall.result import Place


@dataclass(frozen=True)
class Source:
    """Where a part of a rule-set comes from: a program's output or a file, by a name that people can run or open
    ("iptables-legacy-save", "/etc/nftables.conf"). ``loaded_by`` is the service that loads a file at boot."""

    name: str
    backend: Backend
    family: Family | None = None  # None: of both
    loaded_by: str = ""


@dataclass(frozen=True)
class Owner:
    """Who wrote a chain: "ufw", "firewalld", "fail2ban", "Docker" ... ``table`` and ``chain`` as in the model."""

    program: str
    family: Family
    table: str
    chain: str


@dataclass(frozen=True)
class Reading:
    """What is in force now, or would be after a boot. ``managers`` are the programs in charge ("ufw", "firewalld").

    ``unchecked`` says in a sentence each what could not be read (and so may hold more rules); where it is not
    empty, an accept is not certain."""

    ruleset: Ruleset = field(default_factory=Ruleset)
    host: Host = field(default_factory=Host)
    sources: tuple[Source, ...] = ()
    owners: tuple[Owner, ...] = ()
    managers: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    def owner(self, place: Place) -> str:
        """The program that wrote the chain in which a rule stands; "" when nobody is known for it. The policy of a
        table that ufw fills is ufw's too."""
        for one in self.owners:
            if (one.family, one.table, one.chain) == (place.family, place.table, place.chain):
                return one.program
        if place.number == 0 and any(
            one.program == "ufw" and (one.family, one.table) == (place.family, place.table) for one in self.owners
        ):
            return "ufw"
        return ""

    def file(self, place: Place) -> str:
        """The one file in which a rule of this kind is saved; "" where that can't be told."""
        names = {
            source.name
            for source in self.sources
            if source.loaded_by and source.backend is place.backend and source.family in (None, place.family)
        }
        return names.pop() if len(names) == 1 else ""
