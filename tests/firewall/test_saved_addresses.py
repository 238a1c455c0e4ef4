"""The host's addresses and routes, for rules that ask for them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from agent.firewall.host import Host
from agent.firewall.saved.addresses import host
from tests.virtual import File, Node, virtual

IFUPDOWN: dict[str, Node] = {
    "/sbin/ifup": File("", 0o755),
    "/etc/debian_version": "12\n",
    "/etc/init.d/networking": "",
    "/usr/lib/systemd/systemd": "",
    "/usr/lib/systemd/system/networking.service": "[Install]\nWantedBy=multi-user.target\n",
    "/etc/systemd/system/multi-user.target.wants/networking.service": "",
}
STATIC = """auto lo eth0
iface lo inet loopback
iface eth0 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
iface eth0 inet6 static
    address 2001:db8::10/64
    gateway fe80::1
"""


def number(text: str) -> int:
    return int(ip_address(text))


def configured(text: str) -> Host:
    return host(virtual({**IFUPDOWN, "/etc/network/interfaces": text}))


def test_a_static_configuration_tells_addresses_and_routes() -> None:
    found = configured(STATIC)
    assert [interface.name for interface in found.interfaces] == ["lo", "eth0"]
    assert found.own_address(4, "eth0") == number("192.0.2.10")
    assert found.own_address(6, "eth0") == number("2001:db8::10")
    assert found.leaves_by(4, number("198.51.100.1")) == "eth0"
    assert found.leaves_by(6, number("2001:db8:9::1")) == "eth0"


@pytest.mark.parametrize(
    "text",
    [
        "auto lo eth0\niface eth0 inet dhcp\n",
        STATIC.replace("inet6 static", "inet6 auto"),
        "auto lo\niface lo inet loopback\n",
        "",
        "iface eth0 inet static\n    address nonsense\n",
        "iface eth0 inet static\n    address 192.0.2.10/99\n    gateway 2001:db8::1\n",
    ],
)
def test_what_is_not_certain_tells_nothing(text: str) -> None:
    assert configured(text) == Host()


def test_an_empty_disk_tells_nothing() -> None:
    assert host(virtual({})) == Host()
