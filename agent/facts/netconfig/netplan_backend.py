"""What netplan finds only when it writes for a renderer: conflicts, and things that a renderer can't do."""

from __future__ import annotations

from ipaddress import ip_network

from agent.facts.netconfig.model import ConfigProblem, InterfaceConfig, Origin, RouteConfig
from agent.facts.netconfig.netplan_keys import TRUE

_SAME_OVERRIDES = (
    *("use-dns", "use-domains", "use-ntp", "send-hostname", "use-hostname", "use-mtu", "hostname"),
    *("route-metric", "use-routes"),
)


def backend_problems(interfaces: tuple[InterfaceConfig, ...]) -> list[ConfigProblem]:
    """Problems of a configuration whose files are all well-formed."""
    found = _conflicts(interfaces)
    for interface in interfaces:
        found += _prefixes(interface)
        networkd = interface.settings.get("renderer") != "NetworkManager"
        found += _without_gateway(interface) + _networkd(interface) if networkd else _network_manager(interface)
    return found


def _family(route: RouteConfig) -> int:
    if route.gateway is not None:
        return int(route.gateway.version)
    return 0 if route.destination == "default" else int(ip_network(route.destination).version)


def _conflicts(interfaces: tuple[InterfaceConfig, ...]) -> list[ConfigProblem]:
    """Two default routes of one family, table and metric; netplan tells the first pair only."""
    first: dict[tuple[int, str, int | None], str] = {}
    for interface in interfaces:
        for route in interface.default_routes:
            key = (_family(route), route.table, route.metric)
            if key not in first:
                first[key] = interface.settings["id"]
                continue
            metric = "default" if route.metric is None else str(route.metric)
            text = (
                "Problem encountered while validating default route consistency.Please set up multiple "
                "routing tables and use `routing-policy` instead.\nError: Conflicting default route "
                f"declarations for IPv{key[0]} (table: {route.table}, metric: {metric}), first declared in "
                f"{first[key]} but also in {interface.settings['id']}"
            )
            return [ConfigProblem("conflicting-default-routes", text, route.origin, False, interface.name)]
    return []


def _prefixes(interface: InterfaceConfig) -> list[ConfigProblem]:
    found: list[ConfigProblem] = []
    for key, value in interface.settings.items():
        if key.startswith("via-with-prefix."):
            place, _, via = value.partition("\t")
            path, _, line = place.rpartition(":")
            text = f"Invalid Gateway='{via}', ignoring assignment: Invalid argument"
            origin = Origin(path, int(line))
            found.append(ConfigProblem("via-with-prefix", text, origin, False, interface.name))
    return found


def _without_gateway(interface: InterfaceConfig) -> list[ConfigProblem]:
    return [
        ConfigProblem(
            "default-without-via",
            "get_global_network: assertion failed: (ip_family == AF_INET || ip_family == AF_INET6)",
            route.origin,
            True,
            interface.name,
        )
        for route in interface.default_routes
        if route.gateway is None and route.destination == "default"
    ]


def _unsupported(interface: InterfaceConfig, text: str) -> ConfigProblem:
    message = f"ERROR: {interface.settings['id']}: {text}"
    return ConfigProblem("unsupported", message, interface.origin, True, interface.name)


def _networkd(interface: InterfaceConfig) -> list[ConfigProblem]:
    settings = interface.settings
    if settings["type"] == "modems":
        return [_unsupported(interface, "networkd backend does not support GSM/CDMA modem configuration")]
    if settings["type"] == "wifis" and any(key.startswith("match.") for key in settings):
        text = "networkd backend does not support wifi with match:, only by interface name"
        return [_unsupported(interface, text)]
    both = all(settings.get(key, "").lower() in TRUE for key in ("dhcp4", "dhcp6"))
    for key in _SAME_OVERRIDES if both else ():
        four, six = settings.get(f"dhcp4-overrides.{key}"), settings.get(f"dhcp6-overrides.{key}")
        if (four or "").lower() != (six or "").lower() and not _defaults(key, four, six):
            text = f"networkd requires that {key} has the same value in both dhcp4_overrides and dhcp6_overrides"
            return [_unsupported(interface, text)]
    return []


def _defaults(key: str, four: str | None, six: str | None) -> bool:
    """An absent switch counts as on."""
    if key in ("hostname", "route-metric", "use-domains"):
        return False
    return all(value is None or value.lower() in TRUE for value in (four, six))


def _network_manager(interface: InterfaceConfig) -> list[ConfigProblem]:
    settings = interface.settings
    if settings.get("activation-mode") == "off":
        text = "NetworkManager definitions do not support activation-mode off"
        return [_unsupported(interface, text)]
    if settings.get("match.driver"):
        return [_unsupported(interface, "NetworkManager definitions do not support matching by driver")]
    if any(key.startswith("address-options.") for key in settings):
        return [_unsupported(interface, "NetworkManager does not support address options")]
    if settings.get("ipv6-mtu"):
        return [_unsupported(interface, "NetworkManager definitions do not support ipv6-mtu")]
    return []
