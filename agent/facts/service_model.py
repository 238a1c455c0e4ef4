"""The words of services: init, enablement, unit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.unknown import Maybe


class Init(str, Enum):
    SYSTEMD = "systemd"
    UPSTART = "upstart"
    SYSVINIT = "sysvinit"
    OPENRC = "openrc"
    BSD = "bsd"  # Slackware's rc scripts
    RUNIT = "runit"  # Void
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
    nobody there); links that the vendor ships in /usr count like those in /etc, for the unit starts all the
    same. ``active`` and the rest come from the live manager and are Unknown offline.
    """

    name: str  # with its suffix: networking.service
    path: str  # the unit file or script in force, "" when absent
    enablement: Enablement
    wanted_by: tuple[str, ...] = ()  # the link paths that enable it
    active: Maybe[str] = ""  # active, inactive, failed, activating ...
    sub: Maybe[str] = ""
    result: Maybe[str] = ""  # success, exit-code, timeout ...
    restarts: Maybe[int] = 0  # automatic restarts (NRestarts)
    condition: Maybe[bool] = True  # its conditions held when it was last started

    @property
    def enabled(self) -> bool:
        return self.enablement in (Enablement.ENABLED, Enablement.GENERATED)

    @property
    def present(self) -> bool:
        return self.enablement is not Enablement.ABSENT

    @property
    def masked(self) -> bool:
        return self.enablement is Enablement.MASKED

    @property
    def starts_at_boot(self) -> bool:
        """Enabled, or a unit without [Install] that a link on disk pulls in."""
        return self.enabled or (self.enablement is Enablement.STATIC and bool(self.wanted_by))
