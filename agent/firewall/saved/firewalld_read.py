"""firewalld's XML elements as zones, policies, services, ipsets and helpers.

An element or attribute that firewalld doesn't expect makes it give up the whole configuration (``Refused``); a rich
rule that makes no sense is left out with a warning (a note).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.firewall.saved.firewalld_objects import Helper, Ipset, Policy, PortOf, Service, Settings, Zone
from agent.firewall.saved.firewalld_objects import Thing as _Thing
from agent.firewall.saved.firewalld_rich import read_rule
from agent.firewall.saved.firewalld_values import address_family, check_port, check_protocol, is_mac, joined
from agent.firewall.saved.firewalld_xml import Element, Refused

Note = Callable[[int, str], None]  # a line, and what firewalld warns of there

_RULE_PARTS = {
    "service": ("name",),
    "port": ("port", "protocol"),
    "icmp-block": ("name",),
    "icmp-type": ("name",),
    "forward-port": ("port", "protocol"),
    "protocol": ("value",),
    "source-port": ("port", "protocol"),
    "mark": ("set",),
    "limit": ("value",),
}
_BARE = ("short", "description", "rule", "source", "destination", "log", "nflog", "audit", "accept", "reject", "drop")
_COMMON_OPTIONAL = {
    "forward-port": ("to-port", "to-addr"),
    "rule": ("family", "priority"),
    "source": ("address", "mac", "invert", "family", "ipset"),
    "destination": ("address", "invert", "ipset"),
    "log": ("prefix", "level"),
    "nflog": ("group", "prefix", "queue-size"),
    "reject": ("type",),
    "tcp-mss-clamp": ("value",),
    "masquerade": ("enabled",),
}
_ZONE = {"zone": (), "forward": (), "interface": ("name",), "icmp-block-inversion": (), "masquerade": ()}
_ZONE_OPTIONAL = {"zone": ("name", "immutable", "target", "version", "ingress-priority", "egress-priority")}
_POLICY = {"policy": ("target",), "ingress-zone": ("name",), "egress-zone": ("name",), "masquerade": ()}
_POLICY_OPTIONAL = {"policy": ("version", "priority")}
_SERVICE = {
    "service": ("name", "version"),
    "port": ("port", "protocol"),
    "protocol": ("value",),
    "module": ("name",),
    "destination": ("ipv4", "ipv6"),
    "source-port": ("port", "protocol"),
    "include": ("service",),
    "helper": ("name",),
}
_BOUNDS = (-32768, 32767)
ZONE_TARGETS = ("default", "ACCEPT", "DROP", "%%REJECT%%", "{chain}_{zone}")
POLICY_TARGETS = ("CONTINUE", "ACCEPT", "DROP", "REJECT")


def zone(name: str, root: Element, note: Note) -> Zone:
    _expect(root, "zone")
    _check(root, {**dict.fromkeys(_BARE, ()), **_RULE_PARTS, **_ZONE}, {**_COMMON_OPTIONAL, **_ZONE_OPTIONAL})
    target = root.attributes.get("target", "") or "{chain}_{zone}"
    if target not in ZONE_TARGETS:
        raise Refused(f"target {target} is none of {', '.join(ZONE_TARGETS[:4])}")
    target = {"{chain}_{zone}": "default", "default": "none"}.get(target, target)
    interfaces: list[str] = []
    sources: list[str] = []
    for child in root.children:
        if child.name == "interface":
            interfaces.append(child.attributes["name"])
        elif child.name == "source":
            sources += _zone_source(child, note)
    return Zone(
        name,
        target,
        tuple(dict.fromkeys(interfaces)),
        tuple(dict.fromkeys(sources)),
        any(child.name == "forward" for child in root.children),
        _priority(root, "ingress-priority", 0),
        _priority(root, "egress-priority", 0),
        _settings(root, note),
    )


def policy(name: str, root: Element, note: Note) -> Policy:
    _expect(root, "policy")
    _check(root, {**dict.fromkeys(_BARE, ()), **_RULE_PARTS, **_POLICY}, {**_COMMON_OPTIONAL, **_POLICY_OPTIONAL})
    target = root.attributes["target"] or "CONTINUE"
    if target not in POLICY_TARGETS:
        raise Refused(f"target {target} is none of {', '.join(POLICY_TARGETS)}")
    zones = {
        kind: tuple(dict.fromkeys(child.attributes["name"] for child in root.children if child.name == kind))
        for kind in ("ingress-zone", "egress-zone")
    }
    number = _priority(root, "priority", -1)
    if number == 0:
        raise Refused("priority 0 is reserved")
    return Policy(name, target, number, zones["ingress-zone"], zones["egress-zone"], _settings(root, note))


def service(root: Element) -> Service:
    _expect(root, "service")
    _check(root, dict.fromkeys(("short", "description", "service"), ()), _SERVICE)
    found = Service()
    for child in root.children:
        given = child.attributes
        if child.name == "port" and given.get("port"):
            found = replace(found, ports=(*found.ports, _port(given)))
        elif child.name in ("port", "protocol"):  # a port without number is the protocol as a whole
            value = given.get("protocol" if child.name == "port" else "value", "")
            found = replace(found, protocols=(*found.protocols, check_protocol(value)))
        elif child.name == "source-port":
            found = replace(found, source_ports=(*found.source_ports, _port(given)))
        elif child.name == "module":
            found = replace(found, modules=(*found.modules, given.get("name", "")))
        elif child.name == "helper":
            found = replace(found, helpers=(*found.helpers, given.get("name", "")))
        elif child.name == "include":
            found = replace(found, includes=(*found.includes, given.get("service", "")))
        elif child.name == "destination":
            for family, address in given.items():
                if address_family(address) != family:
                    raise Refused(f"line {child.line}: {address} is no {family} address")
            found = replace(found, destination=tuple(given.items()))
    return found


def helper(name: str, root: Element) -> Helper:
    _expect(root, "helper")
    ports = tuple(_port(child.attributes) for child in root.children if child.name == "port")
    return Helper(name, root.attributes.get("module", ""), root.attributes.get("family", ""), ports)


def icmp_type(root: Element) -> tuple[str, ...]:
    """The families in which it exists."""
    _expect(root, "icmptype")
    found = [
        family
        for child in root.children
        if child.name == "destination"
        for family in ("ipv4", "ipv6")
        if child.attributes.get(family, "").lower() in ("yes", "true")
    ]
    return tuple(dict.fromkeys(found)) or ("ipv4", "ipv6")


def ipset(root: Element) -> Ipset:
    _expect(root, "ipset")
    required = {"short": (), "description": (), "ipset": ("type",), "option": ("name",), "entry": ()}
    _check(root, required, {"ipset": ("version",), "option": ("value",)})
    options = [
        (child.attributes["name"], child.attributes.get("value", ""))
        for child in root.children
        if child.name == "option"
    ]
    entries = [child.text.strip() for child in root.children if child.name == "entry"]
    return Ipset(root.attributes["type"], tuple(options), tuple(dict.fromkeys(entries)))


def _settings(root: Element, note: Note) -> Settings:
    named: dict[str, list[str]] = {"service": [], "icmp-block": [], "protocol": []}
    ports: dict[str, list[PortOf]] = {"port": [], "source-port": []}
    forwards: list[_Thing] = []
    found = Settings()
    for child in root.children:
        given = child.attributes
        if child.name in ("service", "icmp-block"):
            named[child.name].append(given["name"])
        elif child.name == "protocol":
            named["protocol"].append(check_protocol(given["value"]))
        elif child.name in ports:
            ports[child.name] = joined(ports[child.name], _port(given))
        elif child.name == "masquerade":
            found = replace(found, masquerade=True)
        elif child.name == "icmp-block-inversion":
            found = replace(found, icmp_inversion=True)
        elif child.name == "forward-port":
            forwards.append(_forward_port(child))
        elif child.name == "rule":
            rule = read_rule(child, note)
            if rule is not None and rule not in found.rules:
                found = replace(found, rules=(*found.rules, rule))
    return replace(
        found,
        services=tuple(dict.fromkeys(named["service"])),
        icmp_blocks=tuple(dict.fromkeys(named["icmp-block"])),
        protocols=tuple(dict.fromkeys(named["protocol"])),
        ports=tuple(ports["port"]),
        source_ports=tuple(ports["source-port"]),
        forward_ports=tuple(dict.fromkeys(forwards)),
    )


def _forward_port(element: Element) -> _Thing:
    given = element.attributes
    port, protocol = _port(given)
    to_port, to_address = given.get("to-port", ""), given.get("to-addr", "")
    if not to_port and not to_address:
        raise Refused(f"line {element.line}: forward-port without to-port and to-addr")
    if to_address and (not address_family(to_address) or "/" in to_address):
        raise Refused(f"line {element.line}: {to_address} is no address")
    return _Thing("forward-port", port, protocol, check_port(to_port) if to_port else "", to_address)


def _zone_source(element: Element, note: Note) -> list[str]:
    given = element.attributes
    if ("address" in given) == ("ipset" in given) or "invert" in given:
        note(element.line, "a source of a zone has either an address or an ipset; firewalld ignores this one")
        return []
    if "ipset" in given:
        return ["ipset:" + given["ipset"]]
    if not address_family(given["address"]) and not is_mac(given["address"]):
        raise Refused(f"line {element.line}: {given['address']} is no address")
    return [given["address"]]


def _port(given: Mapping[str, str]) -> PortOf:
    protocol = given.get("protocol", "")
    if protocol not in ("tcp", "udp", "sctp", "dccp"):
        raise Refused(f"ports of the protocol {protocol} are not known")
    return check_port(given.get("port", "")), protocol


def _priority(element: Element, name: str, default: int) -> int:
    text = element.attributes.get(name, str(default)).strip()
    if not text.lstrip("+-").isdecimal() or len(text) > 6 or not _BOUNDS[0] <= int(text) <= _BOUNDS[1]:
        raise Refused(f"{name} {text} is not between {_BOUNDS[0]} and {_BOUNDS[1]}")
    return int(text)


def _expect(root: Element, name: str) -> None:
    if root.name != name:
        raise Refused(f"the root element is {root.name}, not {name}")


def _check(element: Element, required: Mapping[str, tuple[str, ...]], optional: Mapping[str, tuple[str, ...]]) -> None:
    """Every element and attribute is one that firewalld expects."""
    if element.name not in required and element.name not in optional:
        raise Refused(f"line {element.line}: unexpected element {element.name}")
    needed = required.get(element.name, ())
    for name in needed:
        if name not in element.attributes:
            raise Refused(f"line {element.line}: {element.name} without {name}")
    for name in element.attributes:
        if name not in needed and name not in optional.get(element.name, ()):
            raise Refused(f"line {element.line}: unexpected attribute {name} of {element.name}")
    for child in element.children:
        _check(child, required, optional)
