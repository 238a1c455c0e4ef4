"""Which network managers are installed, enabled and running, and which one is in charge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from agent.facts.netconfig.model import Manager, ManagerConfig
from agent.facts.services import Unit
from agent.target import Target
from agent.unknown import Maybe


@dataclass(frozen=True)
class ManagerState:
    """``claims`` are interface names (or globs) that its configuration wants and that it would bring up."""

    manager: Manager
    installed: bool  # its program is on disk
    enabled: bool  # it runs at boot (links on disk, runlevels)
    masked: bool
    running: Maybe[bool]  # live only
    configured: bool  # it has files that name an interface other than lo
    unit: str  # networking.service, systemd-networkd.service ...
    claims: tuple[str, ...] = ()


@dataclass(frozen=True)
class Managers:
    states: Mapping[Manager, ManagerState]
    in_charge: tuple[Manager, ...]  # enabled, installed and configured: the first is the main one

    @property
    def main(self) -> Manager | None:
        return self.in_charge[0] if self.in_charge else None


def read(target: Target, unit: Callable[[str], Unit], configs: Mapping[Manager, ManagerConfig]) -> Managers:
    raise NotImplementedError
