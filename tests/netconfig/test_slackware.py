"""Slackware's rc.inet1.conf."""

from __future__ import annotations

import pytest

from agent.facts.netconfig import slackware
from agent.facts.netconfig.model import ManagerConfig, Method
from tests.virtual import File, virtual

CONF = "/etc/rc.d/rc.inet1.conf"


def _read(text: str, mode: int = 0o755) -> ManagerConfig:
    return slackware.read(virtual({CONF: text, "/etc/rc.d/rc.inet1": File("#!/bin/sh\n", mode=mode)}))


CLASSIC = """\
# Config information for eth0:
IPADDR[0]="192.0.2.5"
NETMASK[0]="255.255.255.0"
USE_DHCP[0]=""
DHCP_HOSTNAME[0]=""

# Config information for eth1:
IPADDR[1]=""
NETMASK[1]=""
USE_DHCP[1]="yes"

# Default gateway IP address:
GATEWAY="192.0.2.1"
DEBUG_ETH_UP="no"
"""


def test_the_classic_file() -> None:
    config = _read(CLASSIC)
    eth0, eth1 = config.interfaces
    assert (eth0.name, eth0.method4, eth0.auto) == ("eth0", Method.STATIC, True)
    assert [str(address.interface) for address in eth0.addresses] == ["192.0.2.5/24"]
    assert [(str(route.gateway), route.origin.line) for route in eth0.default_routes] == [("192.0.2.1", 13)]
    assert (eth1.name, eth1.method4, eth1.routes) == ("eth1", Method.DHCP, ())
    assert not config.problems


def test_the_file_of_slackware_15() -> None:
    config = _read(
        'IFNAME[0]="eth0"\nIPADDRS[0]="192.0.2.5/24 192.0.2.6/32"\nUSE_DHCP[0]=""\nIP6ADDRS[0]="2001:db8::5/64"\n'
        'USE_SLAAC[0]="no"\nIFNAME[1]="br0"\nBRNICS[1]="eth1"\nIPADDRS[1]=""\nGATEWAY="192.0.2.1"\nGATEWAY6="fe80::1"\n'
    )
    eth0, br0 = config.interfaces
    assert [str(one.interface) for one in eth0.addresses] == ["192.0.2.5/24", "192.0.2.6/32", "2001:db8::5/64"]
    assert (eth0.method4, eth0.method6) == (Method.STATIC, Method.STATIC)
    assert [str(route.gateway) for route in eth0.default_routes] == ["192.0.2.1", "fe80::1"]
    assert br0.virtual


def test_a_gateway_off_every_subnet_is_still_the_default_route_of_the_first() -> None:
    eth0 = _read(CLASSIC.replace('GATEWAY="192.0.2.1"', 'GATEWAY="203.0.113.1"')).interfaces[0]
    assert [str(route.gateway) for route in eth0.default_routes] == ["203.0.113.1"]


def test_without_an_executable_rc_inet1_nothing_comes_up() -> None:
    assert not any(one.auto for one in _read(CLASSIC, mode=0o644).interfaces)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"192.0.2.5"', '"192.0.2.500"', "bad-address"),
        ('"255.255.255.0"', '"255.255.255.300"', "bad-netmask"),
        ('GATEWAY="192.0.2.1"', 'GATEWAY="192.0.2.1/24"', "bad-gateway"),
        ('GATEWAY="192.0.2.1"', 'GATEWAY= "192.0.2.1"', "spaced-assignment"),
    ],
)
def test_faults(old: str, new: str, code: str) -> None:
    config = _read(CLASSIC.replace(old, new, 1))
    assert [(problem.code, problem.fatal) for problem in config.problems] == [(code, True)]


def test_the_file_as_shipped_configures_nothing() -> None:
    config = _read('IPADDR[0]=""\nNETMASK[0]=""\nUSE_DHCP[0]=""\nGATEWAY=""\n')
    assert config.present and not config.interfaces and not config.problems


def test_no_file_is_no_configuration() -> None:
    assert not slackware.read(virtual({})).present
