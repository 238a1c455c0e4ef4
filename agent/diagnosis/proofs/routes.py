"""Proofs of routes: no default route, a gateway that can't be reached, two that fight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from agent.diagnosis.model import CantTell, Context, Evidence, Fails, Holds, Proof, ProofFunction, Severity
from agent.diagnosis.proofs import parts, wanted
from agent.diagnosis.proofs.wanted import Wanted
from agent.facts import live_network
from agent.facts.facts import Facts
from agent.facts.netconfig.model import IPInterface, Manager, Method, RouteConfig
from agent.facts.network import Neighbour, Route
from agent.unknown import Unknown

# Files in which owners add routes by hand, which no reader follows.
_SCRIPTS = (
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/local.d/*.start",
    "/etc/network/if-up.d/*",
    "/etc/network/if-pre-up.d/*",
    "/etc/networkd-dispatcher/*/*",
    "/etc/NetworkManager/dispatcher.d/*",
    "/etc/sysconfig/network",
    "/etc/sysconfig/network-scripts/route-*",
    "/etc/systemd/system/*.service",
)
_ROUTE = re.compile(r"\b(?:route\s+(?:add|replace|append)|GATEWAY=\S|ip\s+(?:-\d\s+)?r(?:o|ou|out|oute)?\s+(?:a|r))")

_ANSWERED = frozenset({"REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT", "NOARP"})
_SILENT = frozenset({"INCOMPLETE", "FAILED"})


@dataclass(frozen=True)
class Gateway:
    """A configured default route, and by whom."""

    want: Wanted
    route: RouteConfig

    @property
    def family(self) -> int:
        return self.route.gateway.version if self.route.gateway is not None else 4


def gateways(facts: Facts) -> Iterator[Gateway]:
    """The default routes of the main table that managers in charge are configured with."""
    for want in wanted.all_of(facts):
        if want.at_boot:
            for route in want.config.default_routes:
                if route.table in ("main", "254"):
                    yield Gateway(want, route)


def default_route_missing(context: Context) -> Proof:
    """Live: an address, and no way out although the configuration has one or the address is public.
    Offline: a public static address, and nothing on the disk that could give a default route."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    if facts.target.live:
        return _no_way_out(context)
    wants = [want for want in wanted.all_of(facts) if want.at_boot]
    public = [
        (want, one)
        for want in wants
        for one in want.config.addresses
        if one.interface.version == 4 and wanted.public(one.interface.ip)
    ]
    if not public:
        return Fails("no public IPv4 address is configured without a lease")
    found = [each for each in gateways(facts) if each.family == 4]
    if found:
        return Fails(f"{found[0].route.origin} names the gateway {found[0].route.gateway}")
    for want in wants:
        if want.config.method4 in (Method.DHCP, Method.UNKNOWN) or any(route.default for route in want.config.routes):
            return Fails(f"{want.config.origin} may bring a default route")
    script = _script_with_route(facts)
    if script:
        return CantTell(f"{script} may add a default route")
    want, one = public[0]
    return _missing(facts, want.config.name, f"{one.origin} gives {one.interface}", one.origin.path, one.interface)


def _no_way_out(context: Context) -> Proof:
    facts = context.facts
    routes = facts.routes
    if isinstance(routes, Unknown):
        return CantTell(routes.reason, wanted.log_values(context))
    if any(_leads_out(route) for route in routes):
        return Fails("there is a default route")
    if not wanted.settled(facts):
        return CantTell("the host has just booted", wanted.log_values(context))
    cards = wanted.cards(facts)
    if isinstance(cards, Unknown):
        return CantTell(cards.reason, wanted.log_values(context))
    configured = next((each for each in gateways(facts) if each.family == 4), None)
    for link in cards:
        live = [address.interface for address in link.global_addresses if address.interface.version == 4]
        if not live or not link.up:
            continue
        if wanted.public(live[0].ip):
            return _missing(facts, link.name, f"{link.name} has {live[0]}", "", live[0], configured)
        if configured is not None and wanted.matches(configured.want, link):
            return _missing(facts, link.name, f"{link.name} has {live[0]}", "", live[0], configured)
    if configured is not None:
        return CantTell("no interface has an address: the route comes after it", wanted.log_values(context))
    return Fails("no gateway is configured, and no address is public")


def _leads_out(route: Route) -> bool:
    """A default route of any table (policy routing), or the two halves that VPNs put in its place."""
    return route.family == 4 and (route.default or route.destination in ("0.0.0.0/1", "128.0.0.0/1"))


def _missing(
    facts: Facts, iface: str, seen: str, path: str, address: IPInterface, configured: Gateway | None = None
) -> Holds:
    gateway = str(configured.route.gateway) if configured else _usual_gateway(address)
    why = f"{seen}, and no default route"
    why += f"; {configured.route.origin} names {gateway}" if configured else " is configured"
    live = facts.target.live
    return Holds(
        why,
        (Evidence("ip route" if live else path, "no default route"),),
        {"iface": iface, "gateway": gateway, "file": path},
        Severity.CRITICAL,
        None if live and gateway else (),
        None if live and gateway else (),
    )


def _usual_gateway(address: IPInterface) -> str:
    """Linode's: the first address of the public address's /24; "" where that is only a guess."""
    if address.version == 4 and address.network.prefixlen == 24 and wanted.public(address.ip):
        return str(address.network.network_address + 1)
    return ""


def _script_with_route(facts: Facts) -> str:
    for pattern in _SCRIPTS:
        for path in facts.target.glob(pattern)[:100]:
            text = facts.target.text(path, 256 * 1024)
            if isinstance(text, str) and any(
                _ROUTE.search(line[:1000]) for line in text.split("\n") if not line.lstrip().startswith("#")
            ):
                return path
    for want in wanted.all_of(facts):
        for name in ("up", "post-up", "pre-up"):
            if want.config.settings.get(name):
                return str(want.config.origin)
    return ""


def gateway_off_subnet(context: Context) -> Proof:
    """A static gateway in no network of its interface, without onlink and without a route that covers it."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    for each in gateways(facts):
        if not _outside(facts, each) or _works(context, each):
            continue
        origin, gateway = each.route.origin, each.route.gateway
        networks = ", ".join(str(one.network) for one in _addresses(facts, each))
        return Holds(
            f"{origin}: gateway {gateway} is outside {networks}",
            (Evidence(origin.path, f"gateway {gateway}", origin.line),),
            {"iface": each.want.config.name, "gateway": str(gateway), "file": wanted.quoted(origin.path)},
            Severity.WARNING if _harmless(context, each) else Severity.CRITICAL,
        )
    return Fails("every configured gateway lies in a network of its interface")


def _works(context: Context, each: Gateway) -> bool:
    """The kernel has this very route: whatever the configuration looks like, it was taken. Where the manager
    forces such a route in (onlink), it works only if the gateway answers from outside of the network."""
    routes = context.facts.routes
    if isinstance(routes, Unknown):
        return False
    if not any(route.default and route.gateway == str(each.route.gateway) for route in routes):
        return False
    return not (_forced(each) and isinstance(gateway_unreachable(context), Holds))


def _forced(each: Gateway) -> bool:
    """ifupdown and NetworkManager add onlink, or a route to the gateway, by themselves."""
    return each.want.manager in (Manager.IFUPDOWN, Manager.NETWORKMANAGER)


def _harmless(context: Context, each: Gateway) -> bool:
    if not context.facts.target.live:
        return _forced(each)  # it may answer all the same: that shows only on the running host
    return parts.network_up(context.facts) and not isinstance(gateway_unreachable(context), Holds)


def _siblings(facts: Facts, each: Gateway) -> list[Wanted]:
    """All configurations in charge for the same interface: their addresses come before the route."""
    name = each.want.config.name
    return [want for want in wanted.all_of(facts) if want.config.name.partition(":")[0] == name.partition(":")[0]]


def _addresses(facts: Facts, each: Gateway) -> list[IPInterface]:
    return [
        one.interface
        for want in _siblings(facts, each)
        for one in want.config.addresses
        if one.interface.version == each.family
    ]


def _outside(facts: Facts, each: Gateway) -> bool:
    gateway = each.route.gateway
    if gateway is None or gateway.is_link_local or gateway.is_unspecified:
        return False
    if each.route.onlink and not _forced(each):
        return False
    siblings = _siblings(facts, each)
    addresses = [one for want in siblings for one in want.config.addresses if one.interface.version == each.family]
    # Without an address, or with one whose length the manager guesses, nothing can be computed.
    if not addresses or not all(one.prefix_given for one in addresses):
        return False
    if _forced(each) and any(one.interface.network.prefixlen >= one.interface.max_prefixlen - 1 for one in addresses):
        return False  # a single address, with a gateway that must lie outside: meant so
    dynamic = {want.config.method4 if each.family == 4 else want.config.method6 for want in siblings}
    if dynamic & {Method.DHCP, Method.AUTO, Method.UNKNOWN}:
        return False
    if any(gateway in one.interface.network for one in addresses):
        return False
    return not any(_covers(route, each) for want in siblings for route in want.config.routes)


def _covers(route: RouteConfig, each: Gateway) -> bool:
    """A route to the gateway itself, which the default route may build upon."""
    if route.default or each.route.gateway is None:
        return False
    try:
        return each.route.gateway in ip_network(route.destination, strict=False)
    except ValueError:
        return False


def gateway_unreachable(context: Context) -> Proof:
    """Live: nobody answers ARP for the IPv4 gateway, after one ping that makes the kernel ask."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    routes = facts.routes
    if isinstance(routes, Unknown):
        return CantTell(routes.reason, wanted.log_values(context))
    defaults = [route for route in routes if route.default and route.family == 4 and route.table == "main"]
    ways = sorted((route for route in defaults if route.gateway), key=lambda route: route.metric)
    if not ways:
        return Fails("there is no default route with a gateway")
    way = ways[0]
    known = facts.neighbours
    if isinstance(known, Unknown):
        return CantTell(known.reason, wanted.log_values(context))
    before = _neighbour(known, way)
    if before is not None and before.state in _ANSWERED:
        return Fails(f"the gateway {way.gateway} answers")
    return _probed(context, way, before)


def _neighbour(known: tuple[Neighbour, ...], way: Route) -> Neighbour | None:
    return next((one for one in known if one.address == way.gateway and one.device == way.device), None)


def _probed(context: Context, way: Route, before: Neighbour | None) -> Proof:
    facts = context.facts
    gateway = way.gateway or ""
    link = parts.link(facts, way.device)
    if link is not None and ("NOARP" in link.flags or "POINTOPOINT" in link.flags):
        return Fails(f"{way.device} needs no ARP")
    ping = facts.target.run(["ping", "-n", "-c", "1", "-W", "1", gateway], timeout=5.0)
    if not isinstance(ping, Unknown) and ping.exit == 0:
        return Fails(f"the gateway {gateway} answers")
    now = live_network.neighbours(facts.target)
    after = before if isinstance(now, Unknown) else _neighbour(now, way)
    if after is not None and after.state in _ANSWERED:
        return Fails(f"the gateway {gateway} answers ARP")
    if after is None or after.state not in _SILENT:
        return CantTell(f"nobody has asked for the gateway {gateway} yet", {"gateway": gateway, "iface": way.device})
    return Holds(
        f"nobody answers ARP for the gateway {gateway} on {way.device}",
        (Evidence("ip neigh", f"{gateway} dev {way.device} {after.state}"),),
        {"gateway": gateway, "iface": way.device},
        Severity.CRITICAL,
    )


def multiple_gateways(context: Context) -> Proof:
    """Two default routes of one family and one metric, live or in the configuration in charge."""
    facts = context.facts
    if wanted.only_a_log(facts):
        return wanted.not_looked_at(context)
    routes = facts.routes
    if not isinstance(routes, Unknown):
        live = _equal_routes(routes)
        if live:
            return live
    for manager in facts.managers.in_charge:
        proof = _twice(facts, manager)
        if proof:
            return proof
    if isinstance(routes, Unknown):
        return _two_leases(facts) or Fails("no two default routes are configured")
    return Fails("no two default routes of the same metric")


def _equal_routes(routes: tuple[Route, ...]) -> Holds | None:
    # IPv6 routers that advertise themselves on one link are meant to be many.
    seen: dict[tuple[str, int], Route] = {}
    for route in routes:
        if not route.default or route.family != 4 or route.table != "main":
            continue
        other = seen.setdefault((route.table, route.metric), route)
        if other.device != route.device:
            shown = [f"default via {each.gateway} dev {each.device} metric {each.metric}" for each in (other, route)]
            why = f"two default routes of the same metric: by {other.device} and by {route.device}"
            values = {"iface": route.device, "gateway": route.gateway or ""}
            return Holds(why, tuple(Evidence("ip route", text) for text in shown), values, None, ("ip route",))
    return None


def _twice(facts: Facts, manager: Manager) -> Holds | None:
    """NetworkManager gives each device a metric of its own, so that its routes don't fight."""
    if manager is Manager.NETWORKMANAGER:
        return None
    seen: dict[tuple[int, int | None], Gateway] = {}
    for each in gateways(facts):
        if each.want.manager is not manager or each.route.gateway is None or each.want.config.optional:
            continue
        other = seen.setdefault((each.family, each.route.metric), each)
        if other is each or (other.want.config.name == each.want.config.name and _same(manager, other, each)):
            continue
        if other.want.config.pattern or each.want.config.pattern:
            continue
        return _fight(facts, other, each)
    return None


def _same(manager: Manager, one: Gateway, other: Gateway) -> bool:
    """The same gateway named twice for one interface is an error to ifup alone."""
    return one.route.gateway == other.route.gateway and (
        manager is not Manager.IFUPDOWN or one.route.origin == other.route.origin
    )


def _fight(facts: Facts, one: Gateway, other: Gateway) -> Holds:
    shown = tuple(
        Evidence(
            each.route.origin.path, f"{each.want.config.name}: gateway {each.route.gateway}", each.route.origin.line
        )
        for each in (one, other)
    )
    why = f"{one.route.origin} and {other.route.origin} both give a default route "
    why += f"({one.route.gateway} on {one.want.config.name}, {other.route.gateway} on {other.want.config.name})"
    values = {"file": wanted.quoted(other.route.origin.path), "gateway": str(other.route.gateway)}
    return Holds(why, shown, values, Severity.WARNING if parts.network_up(facts) else None)


def _two_leases(facts: Facts) -> Holds | None:
    """ifup sets the default route of each lease without a metric: a second one is refused. Whether the second
    network offers one shows only in its lease, so this is no more than a remark."""
    leases = [
        want
        for want in wanted.all_of(facts)
        if want.manager is Manager.IFUPDOWN and want.config.auto and want.config.method4 is Method.DHCP and want.card
    ]
    if len({want.card for want in leases}) < 2 or any("metric" in want.config.settings for want in leases):
        return None
    one, other = leases[0], next(want for want in leases if want.card != leases[0].card)
    why = f"{one.card} and {other.card} both use DHCP ({other.config.origin}): each may bring a default route"
    evidence = tuple(
        Evidence(want.config.origin.path, f"{want.card} uses DHCP", want.config.origin.line) for want in (one, other)
    )
    return Holds(why, evidence, {"file": wanted.quoted(other.config.origin.path), "gateway": ""}, Severity.INFO)


PROOFS: dict[str, ProofFunction] = {
    "default_route_missing": default_route_missing,
    "gateway_off_subnet": gateway_off_subnet,
    "gateway_unreachable": gateway_unreachable,
    "multiple_gateways": multiple_gateways,
}
