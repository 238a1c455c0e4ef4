"""Proofs of names and links: renamed, tied to another card, missing, down."""

from __future__ import annotations

from dataclasses import replace

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.boot import Boot
from agent.facts.facts import Facts
from agent.facts.netconfig.model import InterfaceConfig, Manager, ManagerConfig, Method
from agent.logs.model import Entry, Match, Trust
from agent.target.model import Mode
from agent.unknown import Unknown, Why
from tests.proofs.managed import DEFAULT_ROUTE, config, facts, iface, link, prove, said
from tests.virtual import Link as SymbolicLink
from tests.virtual import Node

PERSISTENT = (
    'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="f2:3c:91:00:00:99", '
    'ATTR{dev_id}=="0x0", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"\n'
)
RULES = "/etc/udev/rules.d/70-persistent-net.rules"
NO = Unknown("no boot menu", Why.ABSENT)


def boot(cmdline: str = "") -> Boot:
    return Boot((), (), NO, cmdline or NO, NO, (), NO)


def host(
    *names: str,
    files: dict[str, Node] | None = None,
    mode: Mode = Mode.LIVE,
    wants: ManagerConfig | None = None,
    cmdline: str = "",
    route: bool = False,
    address: str = "",
) -> Facts:
    found = facts(
        files or {"/etc/network/interfaces": "iface eth0 inet static\n"},
        enabled=[Manager.IFUPDOWN] if wants is None else [wants.manager],
        configs=[wants or config(Manager.IFUPDOWN, iface(Manager.IFUPDOWN))],
        mode=mode,
        links=[link(name, address) for name in names],
        routes=[DEFAULT_ROUTE] if route else [],
    )
    found.__dict__["boot"] = boot(cmdline)
    return found


def kernel_said(text: str, time: float = 1000.0) -> Match:
    return Match("key", Entry("journal", text, time=time, boot=0, trust=Trust("kernel")), {"iface": "ens3"})


RENAMED = "virtio_net virtio0 ens3: renamed from eth0"


def test_a_configured_name_that_is_absent_beside_an_unconfigured_card_is_a_rename() -> None:
    proof = prove("interface_renamed", host("ens3"))
    assert isinstance(proof, Holds)
    assert "ens3" in proof.why and "eth0" in proof.why
    assert proof.severity is Severity.CRITICAL


def test_a_host_whose_interface_has_its_configured_name_is_left_alone() -> None:
    assert isinstance(prove("interface_renamed", host("eth0")), Fails)


def test_a_missing_second_card_is_no_rename() -> None:
    wants = config(Manager.IFUPDOWN, iface(Manager.IFUPDOWN), iface(Manager.IFUPDOWN, "eth1"))
    found = host("eth0", wants=wants)
    assert isinstance(prove("interface_renamed", found), Fails)
    assert isinstance(prove("interface_missing", found), Holds)


def test_a_container_uplink_gets_its_name_into_the_configuration() -> None:
    proof = prove("interface_renamed", host("host0"))
    assert isinstance(proof, Holds)
    assert any("sed -i" in command and "host0" in command for command in proof.commands or ())
    assert proof.undo


def test_a_configuration_by_pattern_covers_the_new_name() -> None:
    wants = config(Manager.NETWORKD, iface(Manager.NETWORKD, "en*", "/etc/systemd/network/20-wired.network"))
    assert isinstance(prove("interface_renamed", host("ens3", wants=wants)), Fails)


def test_an_idle_profile_does_no_harm_where_the_network_is_up() -> None:
    wants = config(Manager.NETWORKD, iface(Manager.NETWORKD, "eth0", "/etc/systemd/network/05-eth0.network"))
    up = host("ens3", wants=wants, address="192.0.2.10/24")
    up.__dict__["routes"] = (replace(DEFAULT_ROUTE, device="ens3"),)
    assert isinstance(prove("interface_renamed", up), Fails)
    assert isinstance(prove("interface_missing", up), Fails)


def test_on_a_disk_the_kernels_word_and_the_old_name_prove_it_together() -> None:
    found = host(mode=Mode.OFFLINE)
    assert isinstance(prove("interface_renamed", found, ("kernel", kernel_said(RENAMED))), Holds)
    assert isinstance(prove("interface_renamed", found), CantTell)


def test_on_a_disk_a_name_switched_back_since_is_past() -> None:
    found = host(mode=Mode.OFFLINE, cmdline="console=ttyS0 net.ifnames=0")
    assert isinstance(prove("interface_renamed", found, ("kernel", kernel_said(RENAMED))), Fails)


def test_on_a_disk_a_masked_naming_rule_keeps_the_name() -> None:
    files: dict[str, Node] = {"/etc/systemd/network/99-default.link": SymbolicLink("/dev/null")}
    found = host(files=files, mode=Mode.OFFLINE)
    assert isinstance(prove("interface_renamed", found, ("kernel", kernel_said(RENAMED))), Fails)


def test_a_text_log_alone_is_no_proof() -> None:
    match = said(RENAMED, trusted=False)
    assert isinstance(prove("interface_renamed", host(mode=Mode.OFFLINE), ("kernel", match)), CantTell)


def test_an_ordinary_users_message_is_no_proof() -> None:
    trust = Trust("syslog", 1000, 4711, "user@1000.service", "logger")
    match = Match("key", Entry("journal", RENAMED, time=1.0, boot=0, trust=trust), {"iface": "ens3"})
    assert isinstance(prove("interface_renamed", host(mode=Mode.OFFLINE), ("kernel", match)), CantTell)


def test_a_stored_rule_for_another_card_takes_the_name_away() -> None:
    found = host("eth1", files={RULES: PERSISTENT})
    proof = prove("interface_renamed_persistent", found)
    assert isinstance(proof, Holds)
    assert proof.values["file"] == RULES
    assert isinstance(prove("interface_renamed", found), Fails)


def test_a_leftover_rule_does_no_harm_where_the_name_is_there() -> None:
    assert isinstance(prove("interface_renamed_persistent", host("eth0", files={RULES: PERSISTENT})), Fails)


def test_a_rule_that_is_commented_out_pins_nothing() -> None:
    found = host("eth1", files={RULES: "# " + PERSISTENT})
    assert isinstance(prove("interface_renamed_persistent", found), Fails)


def test_a_profile_for_another_mac_address_is_named() -> None:
    one = replace(
        iface(Manager.IFCFG_RH, "eth0", "/etc/sysconfig/network-scripts/ifcfg-eth0"), macs=("aa:00:00:00:00:01",)
    )
    proof = prove("interface_renamed_persistent", host("eth0", wants=config(Manager.IFCFG_RH, one)))
    assert isinstance(proof, Holds)
    assert "aa:00:00:00:00:01" in proof.why


def test_a_virtual_interface_is_made_by_its_manager_and_never_missing() -> None:
    bridge = replace(iface(Manager.IFUPDOWN, "eth9"), virtual=True)
    assert isinstance(prove("interface_missing", host("eth0", wants=config(Manager.IFUPDOWN, bridge))), Fails)


def test_no_card_at_all_is_a_missing_interface() -> None:
    assert isinstance(prove("interface_missing", host()), Holds)


def test_on_a_disk_the_network_scripts_word_counts_and_a_users_does_not() -> None:
    found = host(mode=Mode.OFFLINE)
    match = said('Cannot find device "eth0"', iface="eth0")
    assert isinstance(prove("interface_missing", found, ("iproute2", match)), Holds)
    user = Trust("syslog", 1000, 4711, "user@1000.service", "logger")
    forged = replace(match, entry=replace(match.entry, trust=user))
    assert isinstance(prove("interface_missing", found, ("iproute2", forged)), CantTell)


def test_a_card_that_is_down_though_configured_is_named() -> None:
    found = host("eth0")
    found.__dict__["links"] = (link("eth0", "", up=False),)
    proof = prove("interface_down", found)
    assert isinstance(proof, Holds)
    assert "administratively down" in proof.why


def test_an_unconfigured_card_may_be_down() -> None:
    found = host("eth0", "eth1")
    found.__dict__["links"] = (link("eth0"), link("eth1", "", up=False, index=3))
    assert isinstance(prove("interface_down", found), Fails)


def test_offline_a_link_can_not_be_looked_at() -> None:
    assert isinstance(prove("interface_down", host(mode=Mode.OFFLINE)), CantTell)


def test_a_name_from_a_hostile_disk_stays_quoted_in_the_commands() -> None:
    one: InterfaceConfig = iface(Manager.IFUPDOWN, "ens3", "/etc/network/interfaces.d/$(reboot)", method=Method.DHCP)
    proof = prove("interface_renamed", host("host0", wants=config(Manager.IFUPDOWN, one)))
    assert isinstance(proof, Holds)
    assert all("'" in command for command in proof.commands or () if "$(" in command)
