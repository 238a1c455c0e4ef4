"""Proofs of routes: none, a gateway outside or silent, two that fight."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.facts import Facts
from agent.facts.netconfig.model import InterfaceConfig, Manager, Method, Origin, RouteConfig
from agent.facts.network import Link, Neighbour, Route
from agent.target.model import Mode
from tests.proofs.managed import DEFAULT_ROUTE, config, facts, iface, link, prove
from tests.virtual import Node

FILE = "/etc/network/interfaces"


def routed(
    gateway: str,
    address: str = "192.0.2.10/24",
    name: str = "eth0",
    manager: Manager = Manager.NETWORKD,
    onlink: bool = False,
    metric: int | None = None,
    line: int = 5,
) -> InterfaceConfig:
    route = RouteConfig("default", ip_address(gateway), Origin(FILE, line), onlink, metric)
    return replace(iface(manager, name, address=address), routes=(route,))


def host(
    *wants: InterfaceConfig,
    mode: Mode = Mode.OFFLINE,
    links: tuple[Link, ...] = (),
    routes: tuple[Route, ...] = (),
    neighbours: tuple[Neighbour, ...] = (),
    files: dict[str, Node] | None = None,
) -> Facts:
    manager = wants[0].manager if wants else Manager.NETWORKD
    found = facts(
        files or {"/etc/hostname": "web1\n"},
        enabled=[manager],
        configs=[config(manager, *wants)],
        mode=mode,
        links=links,
        routes=routes,
    )
    if mode is Mode.LIVE:
        found.__dict__["neighbours"] = neighbours
    return found


def test_a_gateway_outside_every_network_is_named() -> None:
    proof = prove("gateway_off_subnet", host(routed("198.51.100.1")))
    assert isinstance(proof, Holds)
    assert proof.why == f"{FILE}:5: gateway 198.51.100.1 is outside 192.0.2.0/24"


def test_a_gateway_in_the_network_is_left_alone() -> None:
    found = host(routed("192.0.2.1"))
    for name in ("gateway_off_subnet", "default_route_missing", "multiple_gateways"):
        assert isinstance(prove(name, found), Fails), name


@pytest.mark.parametrize(
    "want",
    [
        routed("198.51.100.1", onlink=True),
        routed("fe80::1", "2001:db8::10/128"),
        routed("198.51.100.1", "2001:db8::10/64"),
        replace(routed("198.51.100.1"), method4=Method.DHCP),
    ],
    ids=["onlink", "link-local", "no address of the family", "lease"],
)
def test_a_gateway_that_may_well_be_reached_is_left_alone(want: InterfaceConfig) -> None:
    assert isinstance(prove("gateway_off_subnet", host(want)), Fails)


def test_a_host_route_to_the_gateway_makes_it_reachable() -> None:
    want = routed("198.51.100.1", "192.0.2.10/32")
    assert isinstance(prove("gateway_off_subnet", host(want)), Holds)
    way = RouteConfig("198.51.100.1/32", None, Origin(FILE, 6))
    assert isinstance(prove("gateway_off_subnet", host(replace(want, routes=(way, *want.routes)))), Fails)


def test_a_gateway_that_the_kernel_took_works() -> None:
    live = replace(DEFAULT_ROUTE, gateway="198.51.100.1")
    found = host(routed("198.51.100.1"), mode=Mode.LIVE, links=(link(),), routes=(live,))
    assert isinstance(prove("gateway_off_subnet", found), Fails)


def test_a_public_address_without_any_gateway_is_named() -> None:
    proof = prove("default_route_missing", host(iface(Manager.NETWORKD)))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.CRITICAL
    assert proof.values["gateway"] == "192.0.2.1"


def test_a_private_network_needs_no_gateway() -> None:
    assert isinstance(prove("default_route_missing", host(iface(Manager.NETWORKD, address="10.0.0.5/24"))), Fails)
    private = host(
        iface(Manager.NETWORKD, address="10.77.0.2/24"), mode=Mode.LIVE, links=(link("eth0", "10.77.0.2/24"),)
    )
    assert isinstance(prove("default_route_missing", private), Fails)


def test_a_route_that_a_script_adds_can_not_be_judged() -> None:
    files: dict[str, Node] = {"/etc/rc.local": "#!/bin/sh\nip route add default via 192.0.2.1\n"}
    assert isinstance(prove("default_route_missing", host(iface(Manager.NETWORKD), files=files)), CantTell)
    comment: dict[str, Node] = {"/etc/rc.local": "#!/bin/sh\n# ip route add default via 192.0.2.1\n"}
    assert isinstance(prove("default_route_missing", host(iface(Manager.NETWORKD), files=comment)), Holds)


def test_live_a_configured_gateway_without_its_route_is_named() -> None:
    found = host(routed("192.0.2.1"), mode=Mode.LIVE, links=(link(),))
    proof = prove("default_route_missing", found)
    assert isinstance(proof, Holds)
    assert "192.0.2.1" in proof.why


@pytest.mark.parametrize(
    "route",
    [
        DEFAULT_ROUTE,
        Route("0.0.0.0/1", None, "tun0", 4),
        replace(DEFAULT_ROUTE, table="100"),
    ],
    ids=["main", "vpn", "policy routing"],
)
def test_every_way_out_counts(route: Route) -> None:
    found = host(routed("192.0.2.1"), mode=Mode.LIVE, links=(link(),), routes=(route,))
    assert isinstance(prove("default_route_missing", found), Fails)


def test_a_gateway_that_answers_is_left_alone() -> None:
    neighbour = Neighbour("192.0.2.1", "eth0", "STALE", "02:00:00:00:00:01")
    found = host(routed("192.0.2.1"), mode=Mode.LIVE, links=(link(),), routes=(DEFAULT_ROUTE,), neighbours=(neighbour,))
    assert isinstance(prove("gateway_unreachable", found), Fails)


def test_a_gateway_that_nobody_answers_for_is_named() -> None:
    neighbour = Neighbour("192.0.2.1", "eth0", "FAILED")
    found = host(routed("192.0.2.1"), mode=Mode.LIVE, links=(link(),), routes=(DEFAULT_ROUTE,), neighbours=(neighbour,))
    assert isinstance(prove("gateway_unreachable", found), Holds)


def test_a_gateway_that_was_never_asked_for_is_no_finding() -> None:
    found = host(routed("192.0.2.1"), mode=Mode.LIVE, links=(link(),), routes=(DEFAULT_ROUTE,))
    assert isinstance(prove("gateway_unreachable", found), CantTell)


def test_two_gateways_of_one_metric_are_named() -> None:
    other = routed("198.51.100.1", "198.51.100.10/24", "eth1", line=9)
    proof = prove("multiple_gateways", host(routed("192.0.2.1"), other))
    assert isinstance(proof, Holds)
    assert "192.0.2.1" in proof.why and "198.51.100.1" in proof.why


def test_different_metrics_or_families_do_not_fight() -> None:
    metric = routed("198.51.100.1", "198.51.100.10/24", "eth1", metric=200)
    assert isinstance(prove("multiple_gateways", host(routed("192.0.2.1"), metric)), Fails)
    other = routed("2001:db8::1", "2001:db8::10/64", "eth1")
    assert isinstance(prove("multiple_gateways", host(routed("192.0.2.1"), other)), Fails)


def test_networkmanager_gives_every_device_a_metric() -> None:
    one = routed("192.0.2.1", manager=Manager.NETWORKMANAGER)
    other = routed("198.51.100.1", "198.51.100.10/24", "eth1", Manager.NETWORKMANAGER)
    assert isinstance(prove("multiple_gateways", host(one, other)), Fails)


def test_two_leases_of_ifup_are_a_remark() -> None:
    leases = [iface(Manager.IFUPDOWN, name, method=Method.DHCP) for name in ("eth0", "eth1")]
    proof = prove("multiple_gateways", host(*leases))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.INFO


def test_live_two_default_routes_of_one_metric_fight() -> None:
    other = Route("default", "198.51.100.1", "eth1", 4)
    found = host(routed("192.0.2.1"), mode=Mode.LIVE, links=(link(),), routes=(DEFAULT_ROUTE, other))
    assert isinstance(prove("multiple_gateways", found), Holds)
