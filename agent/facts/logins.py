"""Who logged in of late, and from where: the addresses in wtmp's records of logins."""

from __future__ import annotations

from ipaddress import ip_address

from agent.facts import utmp
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

MOST = 5  # addresses


def recent_addresses(target: Target) -> Maybe[tuple[str, ...]]:
    """Addresses of the newest logins over the network, newest first, each once."""
    found: dict[str, None] = {}
    reason: Unknown | None = None
    read = False
    for path in utmp.FILES:
        data = utmp.tail(target, path)
        if isinstance(data, Unknown):
            reason = reason or data
            continue
        read = True
        for record in reversed(utmp.records(data)):
            if record.kind == utmp.USER and is_address(record.host):
                found.setdefault(record.host)
    if not read:
        return reason or Unknown("no record of logins", Why.ABSENT)
    return tuple(found)[:MOST]


def is_address(host: str) -> bool:
    """An address from which one comes over the network, and no name."""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return False
