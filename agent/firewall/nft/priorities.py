"""Priorities of base chains: numbers, and the names that nft has for some (man nft, CHAINS)."""

from __future__ import annotations

import re

from agent.firewall.model import Family
from agent.firewall.xtables.values import NotUnderstood

_USUAL = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_BRIDGE = {"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}
_WORDS = re.compile(r"\s*([a-z]+)?\s*(?:([+-])?\s*(\d{1,10}))?\s*")


def priority(item: object, family: Family) -> int:
    """``-100``, ``filter``, ``filter + 10``."""
    if isinstance(item, bool):
        raise NotUnderstood("the priority of this chain is not known")
    if isinstance(item, int):
        return item
    found = _WORDS.fullmatch(item) if isinstance(item, str) and len(item) < 60 else None
    if found is None or not (found[1] or found[3]):
        raise NotUnderstood("the priority of this chain is not known")
    names = _BRIDGE if family is Family.BRIDGE else _USUAL
    if found[1] and found[1] not in names:
        raise NotUnderstood(f"the priority {found[1][:20]} is not known")
    base = names[found[1]] if found[1] else 0
    number = int(found[3] or 0)
    return base - number if found[2] == "-" else base + number
