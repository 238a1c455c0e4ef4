"""xtables' tables: their built-in chains, with hook and priority (include/uapi/linux/netfilter_ipv4.h)."""

from __future__ import annotations

from agent.firewall.model import Base, Hook
from agent.firewall.statement import Action, End

ACCEPT = End(Action.ACCEPT)

_HOOKS = {
    "PREROUTING": Hook.PREROUTING,
    "INPUT": Hook.INPUT,
    "FORWARD": Hook.FORWARD,
    "OUTPUT": Hook.OUTPUT,
    "POSTROUTING": Hook.POSTROUTING,
}

_PRIORITIES = {
    "raw": {"PREROUTING": -300, "OUTPUT": -300},
    "mangle": dict.fromkeys(_HOOKS, -150),
    "nat": {"PREROUTING": -100, "INPUT": 100, "OUTPUT": -100, "POSTROUTING": 100},
    "filter": {"INPUT": 0, "FORWARD": 0, "OUTPUT": 0},
    "security": {"INPUT": 50, "FORWARD": 50, "OUTPUT": 50},
}

TABLES = tuple(_PRIORITIES)


def base(table: str, chain: str, policy: End = ACCEPT) -> Base | None:
    """The base chain's place; None for a user's chain."""
    priority = _PRIORITIES.get(table, {}).get(chain)
    return None if priority is None else Base(_HOOKS[chain], priority, policy, nat=table == "nat")
