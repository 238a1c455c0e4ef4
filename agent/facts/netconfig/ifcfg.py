"""ifcfg files, of whichever family the target is."""

from __future__ import annotations

from agent.facts.netconfig import ifcfg_rh, ifcfg_suse
from agent.facts.netconfig.model import ManagerConfig
from agent.target import Target


def read(target: Target) -> ManagerConfig:
    """RHEL's files, or SUSE's where there are none of RHEL's (Manager.IFCFG_RH or Manager.WICKED)."""
    red = ifcfg_rh.read(target)
    suse = ifcfg_suse.read(target)
    return suse if suse.present and not red.present else red
