"""Interfaces that others put into firewalld's zones: NetworkManager's connections, and ifcfg files."""

from __future__ import annotations

from dataclasses import replace

from agent.firewall.saved.firewalld_config import Config
from agent.firewall.saved.firewalld_xml import Refused
from agent.target import Target
from agent.unknown import Unknown

_CONNECTIONS = (
    "/etc/NetworkManager/system-connections/*.nmconnection",
    "/usr/lib/NetworkManager/system-connections/*.nmconnection",
)
_IFCFG = "/etc/sysconfig/network-scripts/ifcfg-*"
_FILE_LIMIT = 1000


def assigned(target: Target, config: Config) -> None:
    """Moves interfaces into the zones that the network's own files name."""
    paths = [path for pattern in _CONNECTIONS for path in target.glob(pattern)]
    for path in (*paths, *target.glob(_IFCFG))[:_FILE_LIMIT]:
        text = target.text(path)
        if isinstance(text, Unknown):
            raise Refused(text.reason)
        zone, interface = _keyfile(text) if path.endswith(".nmconnection") else _ifcfg(text)
        if not zone:
            continue
        if not interface:
            raise Refused(f"{path}: its zone is {zone}, and the interface is not told")
        _move(config, interface, zone)


def _move(config: Config, interface: str, zone: str) -> None:
    wanted = config.zone(zone)
    for name, item in config.zones.items():
        if interface in item.interfaces and name != zone:
            kept = tuple(other for other in item.interfaces if other != interface)
            config.zones[name] = replace(item, interfaces=kept)
    if interface not in wanted.interfaces:
        config.zones[zone] = replace(wanted, interfaces=(*wanted.interfaces, interface))


def _keyfile(text: str) -> tuple[str, str]:
    """Zone and interface-name of the section [connection]."""
    found: dict[str, str] = {}
    section = ""
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif section == "connection" and "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found[key.strip()] = value.strip()
    return found.get("zone", ""), found.get("interface-name", "")


def _ifcfg(text: str) -> tuple[str, str]:
    found: dict[str, str] = {}
    for line in text.split("\n"):
        key, equals, value = line.strip().partition("=")
        if equals:
            found[key] = value.strip("\"'")
    return found.get("ZONE", ""), found.get("DEVICE", "")
