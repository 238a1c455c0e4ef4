"""Proofs of addresses: missing, another one, somebody else's, Linode's private network, advertisements."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

from agent.diagnosis.model import CantTell, Fails, Holds
from agent.facts.facts import Facts
from agent.facts.helper import NetworkHelper
from agent.facts.netconfig.model import AddressConfig, InterfaceConfig, Manager, Method, Origin, RouteConfig
from agent.facts.network import Address, Link
from agent.logs.model import Entry, Match, Trust
from agent.target.model import Mode
from tests.proofs.managed import config, facts, iface, link, prove, said
from tests.virtual import Node

WHERE = Origin("/etc/network/interfaces", 4)


def host(
    *links: Link,
    want: InterfaceConfig | None = None,
    files: dict[str, Node] | None = None,
    mode: Mode = Mode.LIVE,
    linode: bool = False,
) -> Facts:
    one = want or iface(Manager.IFUPDOWN)
    found = facts(
        files or {"/etc/hostname": "web1\n"},
        enabled=[one.manager],
        configs=[config(one.manager, one)],
        mode=mode,
        links=links,
    )
    found.__dict__["helper"] = NetworkHelper("on", ("/etc/network/interfaces",)) if linode else NetworkHelper("absent")
    return found


def with_addresses(*texts: str) -> InterfaceConfig:
    return replace(iface(Manager.IFUPDOWN), addresses=tuple(AddressConfig(ip_interface(text), WHERE) for text in texts))


def test_a_card_that_is_up_without_its_static_address_is_named() -> None:
    proof = prove("address_missing", host(link("eth0", "")))
    assert isinstance(proof, Holds)
    assert "192.0.2.10/24" in proof.why


def test_a_card_with_its_address_is_left_alone() -> None:
    found = host(link())
    for name in ("address_missing", "address_mismatch", "duplicate_address", "ipv6_ra_ignored"):
        assert isinstance(prove(name, found), Fails), name


def test_a_missing_lease_is_another_proofs_matter() -> None:
    want = iface(Manager.IFUPDOWN, method=Method.DHCP)
    assert isinstance(prove("address_missing", host(link("eth0", ""), want=want)), Fails)


def test_in_the_first_minute_nothing_is_missing_yet() -> None:
    found = host(link("eth0", ""), files={"/proc/uptime": "20.00 30.00\n"})
    assert isinstance(prove("address_missing", found), CantTell)


def test_another_address_than_the_configured_one_is_named() -> None:
    proof = prove("address_mismatch", host(link("eth0", "198.51.100.7/24")))
    assert isinstance(proof, Holds)
    assert "198.51.100.7/24" in proof.why and "192.0.2.10/24" in proof.why


def test_an_address_that_moved_to_a_bridge_is_there() -> None:
    bridge = replace(link("br0", "192.0.2.10/24", index=3), hardware=False, kind="bridge")
    assert isinstance(prove("address_mismatch", host(link("eth0", "198.51.100.7/24"), bridge)), Fails)


def test_more_addresses_than_configured_are_no_mismatch() -> None:
    one = link()
    more = replace(one, addresses=(*one.addresses, Address(ip_interface("192.0.2.99/32"), "global")))
    assert isinstance(prove("address_mismatch", host(more)), Fails)


def test_an_address_refused_by_the_kernel_is_named() -> None:
    bad = Address(ip_interface("2001:db8::1/64"), "global", ("dadfailed", "tentative"))
    one = link()
    proof = prove("duplicate_address", host(replace(one, addresses=(*one.addresses, bad))))
    assert isinstance(proof, Holds)
    assert "2001:db8::1" in proof.why


def test_what_ifup_says_when_arping_itself_failed_is_no_duplicate() -> None:
    misfire = said("arping: socket: Address family not supported by protocol", trusted=False)
    claim = said("Error, some other host already uses address 192.0.2.10.", trusted=False)
    proof = prove("duplicate_address", host(mode=Mode.OFFLINE), ("arping-broken", misfire), ("initscripts", claim))
    assert isinstance(proof, Fails)


def test_an_answer_with_a_mac_address_still_counts_beside_a_broken_arping() -> None:
    misfire = said("arping: socket: x", trusted=False)
    claim = said("some other host (02:00:00:00:00:01) already uses address 192.0.2.10.", trusted=False)
    proof = prove("duplicate_address", host(mode=Mode.OFFLINE), ("arping-broken", misfire), ("initscripts-mac", claim))
    assert not isinstance(proof, Fails)


def test_on_a_disk_only_the_kernels_word_proves_a_duplicate() -> None:
    text = "IPv6: eth0: IPv6 duplicate address 2001:db8::1 used by 02:00:00:00:00:01 detected!"
    kernel = Match("key", Entry("journal", text, time=1.0, boot=0, trust=Trust("kernel")), {"iface": "eth0"})
    offline = host(mode=Mode.OFFLINE)
    assert isinstance(prove("duplicate_address", offline, ("kernel", kernel)), Holds)
    assert isinstance(prove("duplicate_address", offline, ("kernel", said(text))), CantTell)


def test_on_a_linode_a_private_address_beside_the_public_one_has_its_mask() -> None:
    wrong = with_addresses("192.0.2.10/24", "192.168.154.112/24")
    proof = prove("private_mask_wrong", host(want=wrong, mode=Mode.OFFLINE, linode=True))
    assert isinstance(proof, Holds)
    right = with_addresses("192.0.2.10/24", "192.168.154.112/17")
    assert isinstance(prove("private_mask_wrong", host(want=right, mode=Mode.OFFLINE, linode=True)), Fails)


def test_a_gateway_in_the_private_network_is_wrong() -> None:
    route = RouteConfig("default", ip_address("192.168.128.1"), WHERE)
    want = replace(with_addresses("192.0.2.10/24", "192.168.154.112/17"), routes=(route,))
    assert isinstance(prove("private_mask_wrong", host(want=want, mode=Mode.OFFLINE, linode=True)), Holds)


def test_somebodys_own_network_in_that_range_is_left_alone() -> None:
    elsewhere = with_addresses("192.0.2.10/24", "192.168.200.5/24")
    assert isinstance(prove("private_mask_wrong", host(want=elsewhere, mode=Mode.OFFLINE)), Fails)
    vlan = with_addresses("192.168.200.5/24")
    assert isinstance(prove("private_mask_wrong", host(want=vlan, mode=Mode.OFFLINE, linode=True)), Fails)


def advertised(manager: Manager = Manager.IFUPDOWN) -> InterfaceConfig:
    return replace(iface(manager), method6=Method.AUTO)


def switches(disable: str = "0", accept: str = "1", forwarding: str = "0") -> dict[str, Node]:
    base = "/proc/sys/net/ipv6/conf/eth0"
    return {
        f"{base}/disable_ipv6": f"{disable}\n",
        f"{base}/accept_ra": f"{accept}\n",
        f"{base}/forwarding": f"{forwarding}\n",
    }


def test_forwarding_keeps_router_advertisements_out_unless_accept_ra_is_2() -> None:
    docker = host(link(), want=advertised(), files=switches(forwarding="1"))
    assert isinstance(prove("ipv6_ra_ignored", docker), Holds)
    cured = host(link(), want=advertised(), files=switches(accept="2", forwarding="1"))
    assert isinstance(prove("ipv6_ra_ignored", cured), Fails)


def test_networkd_reads_advertisements_itself_with_accept_ra_0() -> None:
    found = host(link(), want=advertised(Manager.NETWORKD), files=switches(accept="0"))
    assert isinstance(prove("ipv6_ra_ignored", found), Fails)


def test_a_switch_on_the_disk_against_the_configuration_is_named() -> None:
    files: dict[str, Node] = {"/etc/sysctl.d/90-no6.conf": "net.ipv6.conf.all.disable_ipv6 = 1\n"}
    proof = prove("ipv6_ra_ignored", host(want=advertised(), files=files, mode=Mode.OFFLINE))
    assert isinstance(proof, Holds)
    assert "/etc/sysctl.d/90-no6.conf" in proof.why


def test_ipv6_that_nobody_asked_for_may_be_off() -> None:
    files: dict[str, Node] = {"/etc/sysctl.conf": "net.ipv6.conf.all.disable_ipv6 = 1\n"}
    assert isinstance(prove("ipv6_ra_ignored", host(files=files, mode=Mode.OFFLINE)), Fails)
