"""What netplan's definitions want of each interface, merged over all files."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_interface

from agent.facts.netconfig import netplan_keys as keys
from agent.facts.netconfig.model import (
    AddressConfig,
    InterfaceConfig,
    IPAddress,
    Manager,
    Method,
    Origin,
    RouteConfig,
)
from agent.facts.netconfig.netplan_world import World
from agent.facts.netconfig.netplan_yaml import get, items, line_of, pairs, scalar
from agent.facts.netconfig.text import address, interface, mac, secret
from agent.facts.netconfig.yaml_nodes import MappingNode, Node

MAX_DEFINITIONS = 4096


@dataclass
class _Draft:
    id: str
    type: str
    origin: Origin
    renderer: str = ""
    values: dict[str, str] = field(default_factory=dict)
    addresses: list[AddressConfig] = field(default_factory=list)
    routes: list[RouteConfig] = field(default_factory=list)
    gateways: dict[str, RouteConfig] = field(default_factory=dict)
    dns: list[str] = field(default_factory=list)
    macs: list[str] = field(default_factory=list)
    match: bool = False


def build(roots: list[tuple[str, Node]], world: World) -> tuple[InterfaceConfig, ...]:
    """The definitions of all files in the order in which they first appear.

    Takes what it can also from files that netplan rejects: the proofs want to know what was meant.
    """
    drafts: dict[str, _Draft] = {}
    ports: dict[str, str] = {}
    for path, root in roots:
        network = get(root, "network")
        for type_key, definitions in pairs(network):
            type_name = scalar(type_key) or ""
            if type_name not in keys.TYPES:
                continue
            renderer = ""
            for key, node in pairs(definitions):
                name = scalar(key)
                if name == "renderer":
                    renderer = scalar(node) or ""
                elif name and isinstance(node, MappingNode) and len(drafts) < MAX_DEFINITIONS:
                    fresh = _Draft(name, type_name, Origin(path, line_of(key)), renderer)
                    draft = drafts.setdefault(name, fresh)
                    _take(draft, path, node)
                    for port in items(get(node, "interfaces")) if type_name != "vrfs" else []:
                        ports.setdefault(scalar(port) or "", name)
    default = world.renderer or "networkd"
    return tuple(_config(draft, default, ports.get(draft.id, "")) for draft in drafts.values())


def _take(draft: _Draft, path: str, node: Node) -> None:
    for key, value in pairs(node):
        name, text = scalar(key) or "", scalar(value)
        if name == "addresses":
            for item in items(value):
                options = pairs(item)[:1]
                _address(draft, path, options[0][0] if options else item)
                if options:
                    _flatten(draft.values, f"address-options.{scalar(options[0][0])}", options[0][1], 0)
        elif name in ("gateway4", "gateway6"):
            found = address(text or "")
            if found is not None:
                draft.gateways[name] = RouteConfig("default", found, Origin(path, line_of(value)))
        elif name == "routes":
            for item in items(value):
                _route(draft, path, item)
        elif name == "nameservers":
            found_servers = [scalar(item) or "" for item in items(get(value, "addresses"))]
            draft.dns += [server for server in found_servers if address(server) is not None]
            search = " ".join(filter(None, (scalar(item) for item in items(get(value, "search")))))
            if search:
                draft.values["nameservers.search"] = search
        elif name == "match":
            _match(draft, value)
        elif name == "renderer" and text:
            draft.renderer = text
        else:
            _flatten(draft.values, name, value, 0)


def _flatten(values: dict[str, str], name: str, node: Node, depth: int) -> None:
    """Keeps other keys as ``name`` or ``name.key``, sequences joined by blanks."""
    if len(values) > 1024 or depth > 4 or secret(name):
        return
    text = scalar(node)
    if text is not None:
        values[name] = text
    elif isinstance(node, MappingNode):
        for key, value in pairs(node):
            _flatten(values, f"{name}.{scalar(key) or ''}", value, depth + 1)
    else:
        values[name] = " ".join(filter(None, (scalar(item) for item in items(node))))


def _match(draft: _Draft, node: Node) -> None:
    draft.match = draft.match or isinstance(node, MappingNode)
    for key, value in pairs(node):
        name = scalar(key) or ""
        _flatten(draft.values, f"match.{name}", value, 0)
        found = mac(scalar(value) or "") if name == "macaddress" else None
        if found:
            draft.macs = [found]


def _address(draft: _Draft, path: str, node: Node) -> None:
    text = scalar(node) or ""
    found = interface(text)
    if found is None or len(draft.addresses) > 4096:
        return
    entry = AddressConfig(found, Origin(path, line_of(node)), "/" in text)
    if all(other.interface != found for other in draft.addresses):
        draft.addresses.append(entry)


def _route(draft: _Draft, path: str, node: Node) -> None:
    values = {scalar(key) or "": scalar(value) or "" for key, value in pairs(node)}
    to, via = values.get("to", ""), values.get("via", "")
    if values.get("type", "unicast") != "unicast" or not to or len(draft.routes) > 4096:
        return
    gateway: IPAddress | None = address(via)
    prefixed = address(via.rpartition("/")[0]) if "/" in via else None
    found = interface(to)
    destination = "default" if to == "default" or to in ("0.0.0.0/0", "::/0") else ""
    if not destination and found is not None:
        destination = str(ip_interface(found).network)
    if not destination or (via and gateway is None and prefixed is None):
        return
    metric, table = values.get("metric", ""), values.get("table", "")
    origin = Origin(path, line_of(node))
    if prefixed is not None:
        # the renderer will refuse it: kept for the problem, not as a route
        draft.values[f"via-with-prefix.{len(draft.values)}"] = f"{origin}\t{via}"
        return
    onlink = values.get("on-link", "").lower() in keys.TRUE
    number = int(metric) if metric.isdecimal() and len(metric) < 11 else None
    draft.routes.append(RouteConfig(destination, gateway, origin, onlink, number, table or "main"))


def _true(draft: _Draft, key: str) -> bool:
    return draft.values.get(key, "").lower() in keys.TRUE


def _config(draft: _Draft, default: str, master: str) -> InterfaceConfig:
    physical = draft.type in keys.PHYSICAL
    name = draft.id
    if physical and draft.match:
        name = draft.values.get("set-name") or draft.values.get("match.name", "")
    ra = draft.values.get("accept-ra", "").lower()
    accept = True if ra in keys.TRUE else False if ra in keys.FALSE else None
    settings = {"id": draft.id, "type": draft.type, "renderer": draft.renderer or default, **draft.values}
    if master:
        settings["master"] = master
    return InterfaceConfig(
        Manager.NETPLAN,
        name,
        draft.origin,
        _method4(draft),
        _method6(draft, accept, master),
        tuple(draft.addresses),
        (*draft.gateways.values(), *draft.routes),
        tuple(dict.fromkeys(draft.dns)),
        tuple(draft.macs),
        auto="activation-mode" not in draft.values,
        optional=_true(draft, "optional"),
        virtual=not physical,
        accept_ra=accept,
        settings=settings,
    )


def _method4(draft: _Draft) -> Method:
    if any(each.interface.version == 4 for each in draft.addresses):
        return Method.STATIC
    return Method.DHCP if _true(draft, "dhcp4") else Method.NONE


def _method6(draft: _Draft, accept: bool | None, master: str) -> Method:
    if any(each.interface.version == 6 for each in draft.addresses):
        return Method.STATIC
    if _true(draft, "dhcp6"):
        return Method.DHCP
    local = draft.values.get("link-local")
    if accept is False or master or (local is not None and "ipv6" not in local.lower()):
        return Method.NONE
    return Method.AUTO
