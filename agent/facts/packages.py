"""State of the package manager: interrupted runs, packages removed but not purged, what is installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.facts.distro import Distro
from agent.target import Target
from agent.unknown import Maybe


@dataclass(frozen=True)
class Packages:
    """dpkg(1)'s database as it is on disk. ``system`` is dpkg, rpm, apk, pacman, portage, or ""."""

    system: str
    dpkg_states: Maybe[Mapping[str, str]]  # package: "install ok installed", "deinstall ok config-files" ...
    pending_updates: tuple[str, ...] = ()  # files in /var/lib/dpkg/updates: a run that was interrupted

    def removed_not_purged(self, package: str) -> bool:
        raise NotImplementedError

    def half_done(self) -> tuple[str, ...]:
        """Packages that are unpacked, half-configured, half-installed or wait for triggers."""
        raise NotImplementedError


def read(target: Target, distro: Distro) -> Packages:
    raise NotImplementedError
