"""Init system and units: what is installed, what is enabled (from the links on disk), what runs (live)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.target import Target
from agent.unknown import Maybe


class Init(str, Enum):
    SYSTEMD = "systemd"
    UPSTART = "upstart"
    SYSVINIT = "sysvinit"
    OPENRC = "openrc"
    BSD = "bsd"  # Slackware's rc scripts
    UNKNOWN = "unknown"


class Enablement(str, Enum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    STATIC = "static"  # no [Install] section: started by others
    MASKED = "masked"
    GENERATED = "generated"
    ABSENT = "absent"  # no such unit or script on disk


@dataclass(frozen=True)
class Unit:
    """One service: a systemd unit, or an init script of the same name.

    ``enablement`` comes from the links on disk (a chroot's systemctl lies: systemctl(1) answers for
    nobody there). ``active`` and the rest come from the live manager and are Unknown offline.
    """

    name: str  # with its suffix: networking.service
    path: str  # the unit file or script in force, "" when absent
    enablement: Enablement
    wanted_by: tuple[str, ...] = ()  # the link paths that enable it
    active: Maybe[str] = ""  # active, inactive, failed, activating ...
    sub: Maybe[str] = ""
    result: Maybe[str] = ""  # success, exit-code, timeout ...

    @property
    def enabled(self) -> bool:
        return self.enablement in (Enablement.ENABLED, Enablement.GENERATED)


def init(target: Target) -> Init:
    """Which init the target boots with."""
    raise NotImplementedError


def unit(target: Target, init: Init, name: str) -> Unit:
    """One service by its systemd name; on another init the script of the same stem."""
    raise NotImplementedError
