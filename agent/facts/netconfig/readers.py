"""All readers, in one list."""

from __future__ import annotations

from collections.abc import Mapping

from agent.facts.netconfig import (
    cloud_init,
    ifcfg_rh,
    ifcfg_suse,
    ifupdown,
    netifrc,
    netplan,
    networkd,
    networkmanager,
    slackware,
)
from agent.facts.netconfig.model import Manager, ManagerConfig
from agent.target import Target

_READERS = (
    ifupdown.read,
    networkd.read,
    netplan.read,
    networkmanager.read,
    ifcfg_rh.read,
    ifcfg_suse.read,
    netifrc.read,
    slackware.read,
    cloud_init.read,
)


def read_all(target: Target) -> Mapping[Manager, ManagerConfig]:
    """What each manager's files say; managers without files are left out.

    A manager whose files are there but can't be read has its reasons in ``unread``.
    """
    found = (read(target) for read in _READERS)
    return {config.manager: config for config in found if config.present or config.unread}
