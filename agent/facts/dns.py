"""resolv.conf, and who answers at the addresses it names."""

from __future__ import annotations

from dataclasses import dataclass

from agent.target import Target
from agent.unknown import Maybe


@dataclass(frozen=True)
class Resolver:
    """``link`` is the text of /etc/resolv.conf when it is a link ("" otherwise), ``dangling`` that its end
    is missing on disk. Offline, a link into /run can't be followed: ``runtime`` says that a service makes
    it at boot (systemd-resolved, resolvconf, NetworkManager) and ``provider`` which one."""

    state: str  # "file", "link", "absent", "unreadable"
    link: str = ""
    dangling: bool = False
    runtime: bool = False
    provider: str = ""  # systemd-resolved, NetworkManager, resolvconf, dhcpcd, connman, or ""
    nameservers: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()  # lines that resolv.conf(5) ignores or can't parse
    reason: str = ""
    nsswitch_dns: bool = True  # "dns" or "resolve" stands on the hosts line of nsswitch.conf
    listening: Maybe[tuple[str, ...]] = ()  # live: local addresses with something on port 53


def read(target: Target) -> Resolver:
    raise NotImplementedError
