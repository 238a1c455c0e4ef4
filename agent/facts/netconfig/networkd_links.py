"""systemd's other files of networks: .netdev, which make interfaces, and .link, by which udev names them.

Sources: systemd.netdev(5), systemd.link(5). The first .link file that matches a device applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.facts.netconfig.networkd_files import Reader, daemon, files, merged, pieces
from agent.facts.netconfig.text import any_glob, mac
from agent.target import Target

_LISTS = frozenset({"MACAddress", "PermanentMACAddress", "OriginalName", "Path", "Driver", "Type", "Kind"})


@dataclass(frozen=True)
class NetDev:
    """One interface that networkd creates."""

    path: str
    name: str
    kind: str  # bridge, bond, vlan, dummy, wireguard ...
    usable: bool = True  # networkd can read it and it has Name= and Kind=


@dataclass(frozen=True)
class LinkFile:
    """One .link file. ``match`` holds [Match]'s keys as written, lists joined by blanks.

    ``masked``: a link to /dev/null or an empty file; it hides the file of that name in lower
    directories. A masked 99-default.link leaves devices with the kernel's names (eth0).
    """

    path: str
    masked: bool = False
    match: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    name_policy: tuple[str, ...] = ()
    mac_policy: str = ""
    macs: tuple[str, ...] = ()  # those that [Match] asks for, lower case


def netdevs(target: Target) -> tuple[NetDev, ...]:
    """All .netdev files that count, in networkd's order."""
    reader = daemon(target)
    found, _ = files(target, ".netdev")
    made: list[NetDev] = []
    for file in found:
        if file.masked:
            continue
        parts = pieces(target, file, reader, None)
        values = {s.key: s.value for _, s in merged(parts) if s.section == "NetDev"}
        name, kind = values.get("Name", ""), values.get("Kind", "").lower()
        usable = bool(name and kind) and all(part.usable and not part.unread for part in parts)
        made.append(NetDev(file.path, name, kind, usable))
    return tuple(made)


def links(target: Target) -> tuple[LinkFile, ...]:
    """All .link files in udev's order, masked ones included."""
    found, _ = files(target, ".link")
    return tuple(
        LinkFile(file.path, masked=True) if file.masked else _link(target, file.path, file.name) for file in found
    )


def _link(target: Target, path: str, name: str) -> LinkFile:
    from agent.facts.netconfig.confdirs import ConfFile

    match: dict[str, str] = {}
    link: dict[str, str] = {}
    for _, setting in merged(pieces(target, ConfFile(path, name), Reader(0, 0), None)):
        if setting.section == "Match":
            former = match.get(setting.key, "")
            joined = setting.key in _LISTS and former and setting.value
            match[setting.key] = f"{former} {setting.value}" if joined else setting.value
        elif setting.section == "Link":
            link[setting.key] = setting.value
    words = f"{match.get('MACAddress', '')} {match.get('PermanentMACAddress', '')}".split()
    return LinkFile(
        path,
        False,
        match,
        link.get("Name", ""),
        tuple(link.get("NamePolicy", "").split()),
        link.get("MACAddressPolicy", ""),
        tuple(found for found in map(mac, words) if found),
    )


def link_for(found: tuple[LinkFile, ...], original: str, address: str = "", driver: str = "") -> LinkFile | None:
    """The first .link file that applies to a device whose kernel name is ``original`` (eth0).

    What is not known ("") is taken to match nothing; conditions of the host (Virtualization=, Host=,
    Architecture=) are not judged.
    """
    for link in found:
        if link.masked or not link.match:
            continue
        if link.macs and address.lower() not in link.macs:
            continue
        if not _listed(link.match, "OriginalName", original) or not _listed(link.match, "Driver", driver):
            continue
        if any(link.match.get(key) for key in ("Path", "Type", "Kind", "Property")):
            continue
        return link
    return None


def _listed(match: Mapping[str, str], key: str, value: str) -> bool:
    wanted = tuple(match.get(key, "").split())
    return not wanted or (bool(value) and any_glob(wanted, value))
