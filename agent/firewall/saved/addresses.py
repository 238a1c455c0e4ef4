"""The host's addresses and routes: the running ones, or those that a disk's configuration gives."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager, Method
from agent.firewall.host import Host, Interface, Network, Route
from agent.target import Target
from agent.unknown import Unknown


def host(target: Target) -> Host:
    """Empty where nothing is known for certain: a configuration with DHCP gives no addresses."""
    facts = Facts(target)
    return _running(facts) if target.live else _configured(facts)


def _network(text: str) -> Network:
    found = ip_interface(text)
    return Network(found.version, int(found.ip), found.network.prefixlen)


def _running(facts: Facts) -> Host:
    links, routes = facts.links, facts.routes
    if isinstance(links, Unknown) or isinstance(routes, Unknown):
        return Host()
    interfaces = tuple(
        Interface(link.name, tuple(_network(str(one.interface)) for one in link.addresses)) for link in links
    )
    return Host(
        interfaces,
        tuple(
            Route(_destination(route.destination, route.family), route.device)
            for route in routes
            if route.table == "main" and route.kind == "unicast" and route.device
        ),
    )


def _destination(text: str, family: int) -> Network:
    found = ip_network(("0.0.0.0/0" if family == 4 else "::/0") if text == "default" else text, strict=False)
    return Network(family, int(found.network_address), found.prefixlen)


def _configured(facts: Facts) -> Host:
    manager = facts.managers.main
    config = facts.configs.get(manager) if isinstance(manager, Manager) else None
    if config is None or config.problems or config.unread:
        return Host()
    interfaces: list[Interface] = []
    routes: list[Route] = []
    for one in config.interfaces:
        if one.pattern:
            return Host()
        if one.name == "lo":
            continue
        by_others = any(method not in (Method.NONE, Method.STATIC) for method in (one.method4, one.method6))
        if not one.addresses or by_others or one.accept_ra:
            return Host()
        interfaces.append(Interface(one.name, tuple(_network(str(item.interface)) for item in one.addresses)))
        routes += (Route(_whole(str(item.interface)), one.name) for item in one.addresses)
        for route in one.routes:
            family = route.gateway.version if route.gateway is not None else 6 if ":" in route.destination else 4
            routes.append(Route(_destination(route.destination, family), one.name))
    if not interfaces:
        return Host()
    loopback = Interface("lo", (_network("127.0.0.1/8"), _network("::1/128")))
    return Host((loopback, *interfaces), tuple(routes))


def _whole(text: str) -> Network:
    found = ip_interface(text).network
    return Network(found.version, int(found.network_address), found.prefixlen)
