"""What netplan keeps from file to file, and its conditions over a whole definition."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from agent.facts.netconfig import netplan_keys as keys
from agent.facts.netconfig.netplan_yaml import get, scalar
from agent.facts.netconfig.text import address
from agent.facts.netconfig.yaml_nodes import Node

_WIREGUARD = re.compile(r"[A-Za-z0-9+/]{43}=")


@dataclass
class Definition:
    """What is known of one definition over all files so far."""

    id: str
    type: str
    renderer: str = ""
    seen: set[str] = field(default_factory=set)  # keys that any file gave it
    master: str = ""  # bridge or bond that has it as a port
    match: bool = False
    passthrough: bool = False
    nodes: list[Node] = field(default_factory=list)


@dataclass
class World:
    """The state that netplan keeps from file to file."""

    release: tuple[int, int] | None = None  # of the netplan on the target; None: not known, taken as new
    renderer: str = ""
    definitions: dict[str, Definition] = field(default_factory=dict)


class Rejected(Exception):
    """The first error of a file: where, what, in which definition. ``column`` 0: netplan gives no place."""

    def __init__(self, code: str, message: str, line: int, column: int, interface: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.line, self.column, self.interface = line, column, interface


def older(world: World, release: tuple[int, int]) -> bool:
    """Whether the netplan on the target is known to be older than a release."""
    return world.release is not None and world.release < release


def value(definition: Definition, key: str) -> Node | None:
    """A key's value in the last file that gives it."""
    found = None
    for node in definition.nodes:
        found = get(node, key) or found
    return found


def number(definition: Definition, key: str) -> int:
    """A number that the grammar has already taken; 0 where it is empty."""
    return int((scalar(value(definition, key)) or "").strip() or 0)


def incomplete(definition: Definition, world: World) -> str:
    """What is wrong with the definition as a whole, in netplan's words; "" when nothing is."""
    seen = definition.seen
    if "set-name" in seen and not definition.match:
        return "'set-name:' requires 'match:' properties"
    wrong = _by_type(definition)
    if wrong:
        return wrong
    if {"ipv6-address-generation", "ipv6-address-token"} <= seen:
        return "ipv6-address-generation and ipv6-address-token are mutually exclusive"
    renderer = definition.renderer or world.renderer
    foreign = "networkmanager" in seen and renderer != "NetworkManager" and definition.type != "nm-devices"
    if foreign and not older(world, (0, 107)):
        return "networkmanager backend settings found but renderer is not NetworkManager."
    return ""


def _by_type(definition: Definition) -> str:
    kind, seen = definition.type, definition.seen
    if kind == "wifis" and not value(definition, "access-points"):
        return "No access points defined"
    if kind == "vlans":
        missing = next((key for key in ("link", "id") if key not in seen), "")
        if missing:
            return f"missing '{missing}' property"
        found = number(definition, "id")
        return f"invalid id '{found}' (allowed values are 0 to 4094)" if found > 4094 else ""
    if kind == "vrfs" and "table" not in seen:
        return "missing 'table' property"
    if kind == "virtual-ethernets" and "peer" not in seen:
        return "virtual-ethernet missing 'peer' property"
    if kind == "nm-devices" and not definition.passthrough:
        return "network type 'nm-devices:' needs to provide a 'connection.type' via passthrough"
    return _tunnel(definition) if kind == "tunnels" else ""


def _tunnel(definition: Definition) -> str:
    mode = scalar(value(definition, "mode")) or ""
    if not mode:
        return "missing or invalid 'mode' property for tunnel"
    if mode == "vxlan":
        found = number(definition, "id")
        if not found:
            return "missing 'id' property (VXLAN VNI)"
        return "VXLAN 'id' (VNI) must be in range [1..16777215]" if found > 16777215 else ""
    if mode == "wireguard":
        secret = value(definition, "key") or value(definition, "keys")
        private = scalar(secret) or scalar(get(secret, "private"))
        bad = private and not private.startswith("/") and not _WIREGUARD.fullmatch(private)
        return "invalid wireguard private key" if bad else ""
    if scalar(value(definition, "remote")) is None:
        return "missing 'remote' property for tunnel"
    family = 6 if mode in keys.TUNNEL_MODES_6 else 4
    for key in ("local", "remote"):
        text = scalar(value(definition, key))
        found_address = address(text) if text else None
        if text and (found_address is None or found_address.version != family):
            return f"'{key}' must be a valid IPv{family} address for this tunnel type"
    return ""
