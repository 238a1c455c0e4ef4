"""--interface-names=config: the new name where the old one stood for the interface, and every other byte as it was."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent.change import engine
from agent.change.model import Move, Plan, WriteFile
from agent.change.store import Store
from agent.facts.facts import Facts
from agent.facts.helper import NetworkHelper
from agent.facts.managers import Managers, ManagerState
from agent.facts.netconfig.model import Manager
from agent.fixes import imagined
from agent.fixes.interface_names import FIX
from agent.fixes.model import Planned, Refusal, Request
from agent.fixes.rename_in_config import Name
from agent.target.detect import open_target
from agent.target.model import Mode
from agent.unknown import Unknown
from tests.diagnosis.build import finding
from tests.target.children import needs_root
from tests.virtual import File, Node, virtual

INTERFACES = """\
# The network of eth0, by hand.
auto lo eth0 eth0.100
iface lo inet loopback

source /etc/network/interfaces.d/*
source-directory /etc/network/eth0

allow-hotplug eth0
iface eth0 inet static
    address 192.0.2.10/24   # of eth0
    gateway 192.0.2.1
    post-up /sbin/ip route add 198.51.100.0/24 via 192.0.2.1 dev eth0
    post-up /usr/local/sbin/eth0-up eth0 veth0 eth01 /etc/firewall/eth0
    up echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_ra; sysctl -w net.ipv6.conf.eth0.forwarding=0
iface eth0:1 inet static
    address 192.0.2.11/24
iface eth0.100 inet manual
    vlan-raw-device eth0
"""


def request(
    files: Mapping[str, Node], manager: Manager, helper: str = "absent", forced: bool = False, mode: Mode = Mode.LIVE
) -> Request:
    facts = Facts(virtual(files, mode))
    facts.__dict__["managers"] = Managers(
        {manager: ManagerState(manager, True, True, False, True, True, "", ())}, (manager,)
    )
    facts.__dict__["helper"] = NetworkHelper(helper, tuple(files) if helper != "absent" else ())
    values = {"old": "eth0", "iface": "ens3", "file": next(iter(files))}
    return Request(facts, (replace(finding("interface-renamed"), values=values),), choice="config", forced=forced)


def planned(files: Mapping[str, Node], manager: Manager) -> Plan:
    found = FIX.plan(request(files, manager))
    assert isinstance(found, Plan), found
    return found


def texts(found: Planned) -> dict[str, str]:
    assert isinstance(found, Plan), found
    return {one.path: one.content.decode() for one in found.operations if isinstance(one, WriteFile)}


def test_ifupdown_gets_the_name_wherever_it_stands_for_the_interface() -> None:
    (after,) = texts(planned({"/etc/network/interfaces": INTERFACES}, Manager.IFUPDOWN)).values()
    expected = INTERFACES
    for old, new in (
        ("auto lo eth0 eth0.100", "auto lo ens3 ens3.100"),
        ("allow-hotplug eth0", "allow-hotplug ens3"),
        ("iface eth0 inet", "iface ens3 inet"),
        ("iface eth0:1", "iface ens3:1"),
        ("iface eth0.100", "iface ens3.100"),
        ("dev eth0", "dev ens3"),
        ("eth0-up eth0 veth0 eth01", "eth0-up ens3 veth0 eth01"),
        ("conf/eth0/accept_ra", "conf/ens3/accept_ra"),
        ("conf.eth0.forwarding", "conf.ens3.forwarding"),
        ("raw-device eth0", "raw-device ens3"),
        ("# of eth0", "# of ens3"),  # ifupdown has no comments behind a value: this is part of it
    ):
        expected = expected.replace(old, new)
    assert after == expected


def test_sourced_files_of_ifupdown_are_edited_where_they_are() -> None:
    files: dict[str, Node] = {
        "/etc/network/interfaces": "source /etc/network/interfaces.d/eth0\n",
        "/etc/network/interfaces.d/eth0": "auto eth0\niface eth0 inet dhcp\n",
    }
    after = texts(planned(files, Manager.IFUPDOWN))
    assert after == {"/etc/network/interfaces.d/eth0": "auto ens3\niface ens3 inet dhcp\n"}


def test_a_bond_keeps_its_name_and_gets_its_ports() -> None:
    text = "auto bond0\niface bond0 inet dhcp\n    bond-slaves eth0 eth1\nauto eth0\niface eth0 inet manual\n"
    (after,) = texts(planned({"/etc/network/interfaces": text}, Manager.IFUPDOWN)).values()
    assert "bond-slaves ens3 eth1" in after
    assert "iface bond0" in after


def test_networkd_keeps_the_files_name_and_its_other_lines() -> None:
    path = "/etc/systemd/network/05-eth0.network"
    text = "# eth0\n[Match]\nName=eth0\n\n[Network]\nDescription=eth0\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n"
    after = texts(planned({path: File(text)}, Manager.NETWORKD))
    assert after == {path: text.replace("Name=eth0", "Name=ens3")}


@pytest.mark.parametrize(
    "key", ["eth0:", '"eth0":', "'eth0' :", "eth0:   # the public one"], ids=["plain", "double", "single", "comment"]
)
def test_netplans_key_is_changed_at_its_exact_place(key: str) -> None:
    path = "/etc/netplan/01-netcfg.yaml"
    text = f"network:\n  version: 2\n  # eth0\n  ethernets:\n      {key}\n          addresses: [192.0.2.10/24]\n"
    after = texts(planned({path: File(text, mode=0o600)}, Manager.NETPLAN))
    assert after == {path: text.replace(key, key.replace("eth0", "ens3"))}


def test_netplans_references_to_the_key_follow_it() -> None:
    path = "/etc/netplan/01-netcfg.yaml"
    text = (
        "network:\n  version: 2\n  ethernets:\n    eth0: {dhcp4: false}\n  bridges:\n    br0:\n"
        "      interfaces: [eth0]\n      dhcp4: true\n  vlans:\n    v7:\n      id: 7\n      link: eth0\n"
    )
    after = texts(planned({path: File(text, mode=0o600)}, Manager.NETPLAN))
    assert after[path] == text.replace("eth0", "ens3")


def test_netplans_match_by_name_is_changed_and_the_identity_kept() -> None:
    path = "/etc/netplan/01-netcfg.yaml"
    text = "network:\n  version: 2\n  ethernets:\n    eth0:\n      match: {name: eth0}\n      dhcp4: true\n"
    after = texts(planned({path: File(text, mode=0o600)}, Manager.NETPLAN))
    assert after[path] == text.replace("name: eth0", "name: ens3")


def test_an_ifcfg_file_changes_its_own_name_and_the_names_in_it() -> None:
    base = "/etc/sysconfig/network-scripts"
    text = '# eth0\nDEVICE="eth0"\nNAME="System eth0"\nONBOOT="yes"\nBOOTPROTO="none"\nIPADDR0=192.0.2.10\nPREFIX0=24\n'
    files: dict[str, Node] = {f"{base}/ifcfg-eth0": text, f"{base}/route-eth0": "198.51.100.0/24 dev eth0\n"}
    found = planned(files, Manager.IFCFG_RH)
    assert [(one.path, one.to) for one in found.operations if isinstance(one, Move)] == [
        (f"{base}/ifcfg-eth0", f"{base}/ifcfg-ens3"),
        (f"{base}/route-eth0", f"{base}/route-ens3"),
    ]
    after = texts(found)
    renamed = text.replace('"eth0"', '"ens3"').replace("System eth0", "System ens3")
    assert after[f"{base}/ifcfg-ens3"] == renamed
    assert after[f"{base}/route-ens3"] == "198.51.100.0/24 dev ens3\n"


def test_an_ifcfg_file_of_the_new_name_is_never_overwritten() -> None:
    base = "/etc/sysconfig/network-scripts"
    files: dict[str, Node] = {
        f"{base}/ifcfg-eth0": "DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\n",
        f"{base}/ifcfg-ens3": "ONBOOT=no\n",
    }
    found = FIX.plan(request(files, Manager.IFCFG_RH))
    assert isinstance(found, Refusal)
    assert "ifcfg-ens3" in found.why


def test_wickeds_files_and_its_routes_follow() -> None:
    base = "/etc/sysconfig/network"
    files: dict[str, Node] = {
        f"{base}/ifcfg-eth0": "STARTMODE=auto\nBOOTPROTO=static\nIPADDR=192.0.2.10/24\n",
        f"{base}/routes": "default 192.0.2.1 - eth0\n",
        f"{base}/config": "",
    }
    after = texts(planned(files, Manager.WICKED))
    assert after[f"{base}/routes"] == "default 192.0.2.1 - ens3\n"
    assert f"{base}/ifcfg-ens3" in after


def test_a_keyfile_changes_its_interface_name_alone() -> None:
    path = "/etc/NetworkManager/system-connections/eth0.nmconnection"
    text = (
        "[connection]\nid=eth0\nuuid=0a1b2c3d-0000-4000-8000-000000000001\ntype=ethernet\ninterface-name=eth0\n\n"
        "[ipv4]\nmethod=auto\n"
    )
    after = texts(planned({path: File(text, mode=0o600)}, Manager.NETWORKMANAGER))
    assert after == {path: text.replace("interface-name=eth0", "interface-name=ens3")}


def test_a_file_that_network_helper_writes_is_refused_and_the_switch_is_named() -> None:
    files: dict[str, Node] = {"/etc/network/interfaces": INTERFACES}
    found = FIX.plan(request(files, Manager.IFUPDOWN, helper="on"))
    assert isinstance(found, Refusal)
    assert found.forceable
    assert "Auto-configure networking" in found.hint
    assert "--interface-names" in found.hint
    assert isinstance(FIX.plan(request(files, Manager.IFUPDOWN, helper="on", forced=True)), Plan)


def test_files_of_a_firewall_that_go_by_the_old_name_are_named_and_left() -> None:
    files: dict[str, Node] = {
        "/etc/network/interfaces": INTERFACES,
        "/etc/iptables/rules.v4": "-A INPUT -i eth0 -j DROP\n",
        "/etc/sysctl.d/10-a.conf": "# eth0\nnet.ipv4.ip_forward=0\n",
    }
    found = planned(files, Manager.IFUPDOWN)
    assert any("/etc/iptables/rules.v4" in warning for warning in found.warnings)
    assert not any("10-a.conf" in warning for warning in found.warnings)
    assert "/etc/iptables/rules.v4" not in texts(found)


def test_live_no_reboot_is_needed_and_on_a_disk_the_next_boot_reads_it() -> None:
    files: dict[str, Node] = {"/etc/network/interfaces": INTERFACES}
    live = planned(files, Manager.IFUPDOWN)
    assert not live.reboot
    assert live.next == ("ifup ens3",)
    disk = FIX.plan(request(files, Manager.IFUPDOWN, mode=Mode.OFFLINE))
    assert isinstance(disk, Plan)
    assert disk.reboot


def test_a_manager_without_an_editor_is_refused() -> None:
    files: dict[str, Node] = {"/etc/conf.d/net": 'config_eth0="192.0.2.10/24"\n', "/etc/init.d/net.eth0": ""}
    assert isinstance(FIX.plan(request(files, Manager.NETIFRC)), Refusal)


def test_a_text_that_would_say_more_than_a_new_name_is_refused() -> None:
    # ens3 has a stanza of its own already: the two would become one.
    text = "auto eth0\niface eth0 inet dhcp\niface ens3 inet6 auto\n"
    assert isinstance(FIX.plan(request({"/etc/network/interfaces": text}, Manager.IFUPDOWN)), Refusal)


def test_the_plan_takes_effect_for_the_managers_own_reader() -> None:
    given = request({"/etc/network/interfaces": INTERFACES}, Manager.IFUPDOWN)
    found = FIX.plan(given)
    assert isinstance(found, Plan)
    after = Facts(imagined.after(given.facts.target, found.operations)).configs[Manager.IFUPDOWN]
    assert "eth0" not in {one.name for one in after.interfaces}
    assert "ens3" in {one.name for one in after.interfaces}


@pytest.mark.parametrize("text", ["eth01", "veth0", "eth0-up", "eth0.conf", "/etc/x/eth0", "x.eth0", "my_eth0"])
def test_a_part_of_another_word_is_left_alone(text: str) -> None:
    assert Name("eth0", "ens3").within(text) == text


def test_unreadable_files_end_in_a_refusal() -> None:
    found = request({"/etc/network/interfaces": INTERFACES}, Manager.IFUPDOWN)
    found.facts.__dict__["configs"] = {
        Manager.IFUPDOWN: replace(found.facts.configs[Manager.IFUPDOWN], files=("/etc/network/gone",))
    }
    assert isinstance(FIX.plan(found), Refusal)
    assert isinstance(found.facts.target.read("/etc/network/gone"), Unknown)


@needs_root
def test_a_renamed_ifcfg_file_keeps_owner_and_mode_and_undo_brings_the_old_one_back(tmp_path: Path) -> None:
    folder = tmp_path / "etc/sysconfig/network-scripts"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib").mkdir(parents=True)
    old, new = folder / "ifcfg-eth0", folder / "ifcfg-ens3"
    old.write_text("DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\n")
    old.chmod(0o600)
    os.utime(old, (1.5e9, 1.5e9))
    target = open_target(str(tmp_path))
    given = request({"/none": ""}, Manager.IFCFG_RH)
    facts = Facts(target)
    facts.__dict__["managers"] = given.facts.managers
    found = FIX.plan(replace(given, facts=facts))
    assert isinstance(found, Plan)
    store = Store.open(target)
    engine.apply(store, FIX.name, found, verify=lambda: "")
    assert new.read_text() == "DEVICE=ens3\nONBOOT=yes\nBOOTPROTO=dhcp\n"
    assert new.stat().st_mode & 0o7777 == 0o600
    assert not old.exists()
    engine.undo(store)
    assert not new.exists()
    assert old.read_text() == "DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\n"
    assert old.stat().st_mtime == 1.5e9
