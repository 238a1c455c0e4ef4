"""What a scenario is: a host, what was broken on it, and what a scan must say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Protocol

from tests.lab.root import Root


class Running(Protocol):
    """A host that is up: see `host.Host.inside`."""

    def inside(self, *argv: str) -> object: ...


Change = Callable[[Root], None]


def nothing(root: Root) -> None:
    """Leaves the host as it is."""


@dataclass(frozen=True)
class Scenario:
    """One host, one breakage (or none), one verdict."""

    name: str
    layer: str  # of tests.lab.base: the packages it has
    setup: Change  # makes it a healthy host
    damage: Change = nothing  # breaks it
    finding: str = ""  # the id of the true cause; "" for a healthy host
    rung: str = ""  # the layer that the verdict must name
    offline: str | None = None  # the id to be found offline: None the same, "" nothing: the disk keeps no trace
    consequences: frozenset[str] = frozenset()  # ids that may be found beside it
    link: str = "eth0"  # what the kernel calls its network card
    dhcp: bool = False  # whether its network has a DHCP server
    journal: tuple[str, ...] = ()  # regexes of what the boot's journal must hold: the breakage is real
    answers: bool | None = None  # whether it must answer ping; None: not looked at
    state: str = ""  # what systemd must think of itself; "": not looked at
    kernel: tuple[str, ...] = ()  # what a virtual machine's kernel would have said at this boot
    whisper: Callable[[Running], None] | None = None  # done inside once it is up, before the scan
    rescue: bool = False  # the offline scan runs as on Finnix, where the disks that are there can be looked at
    repair: Change | None = None  # then it is repaired and booted again, and must be healthy
    suites: tuple[str, ...] = ()  # where it can be acted out; empty: everywhere
    fix: tuple[str, ...] = ()  # the arguments of `agent fix` that repair it; then it makes a round trip
    reversible: bool = True  # else undo refuses, as its plan says
    offered: tuple[str, ...] = ("live",)  # the ways of scanning by which the finding names the fix
    legs: tuple[str, ...] = ("live", "offline")  # see round_trip
    card: Callable[[Root], str] | None = None  # what udev would call its network card, from what the disk says
    before_boot: Change = nothing  # what a boot works out from the disk, and a container's boot does not
    living: tuple[str, ...] = ()  # more paths that a program writes by itself, and that are not compared
    left: frozenset[str] = frozenset()  # ids that the fix leaves behind
    note: str = ""  # what of its round trip a container can't show

    @property
    def healthy(self) -> bool:
        return not self.finding or self.repair is not None
