"""All readers, in one list."""

from __future__ import annotations

from collections.abc import Mapping

from agent.facts.netconfig.model import Manager, ManagerConfig
from agent.target import Target


def read_all(target: Target) -> Mapping[Manager, ManagerConfig]:
    """What each manager's files say; managers without files are left out."""
    raise NotImplementedError
