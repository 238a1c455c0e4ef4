"""Claims about NetworkManager, and about the managers among themselves."""

from __future__ import annotations

from ipaddress import ip_interface

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.netconfig.model import ConfigProblem, Manager, Method, Origin
from agent.facts.network import Address, Link
from agent.facts.services import Init
from agent.target.model import Mode
from tests.proofs.managed import DEFAULT_ROUTE, config, facts, iface, link, prove, said, unit
from tests.virtual import File, Node

NM = Manager.NETWORKMANAGER
IF = Manager.IFUPDOWN
ND = Manager.NETWORKD
KEYFILE = "/etc/NetworkManager/system-connections/eth0.nmconnection"
IFCFG = "/etc/sysconfig/network-scripts/ifcfg-eth0"
PLUGINS: dict[str, Node] = {"/usr/lib64/NetworkManager/1.52.0/libnm-device-plugin-team.so": ""}


def test_an_insecure_keyfile_is_proven_and_its_mode_can_be_taken_back() -> None:
    problem = ConfigProblem("insecure-mode", "File permissions (100644) are insecure", Origin(KEYFILE), True, "eth0")
    here = facts({KEYFILE: File("", mode=0o644)}, enabled=[NM], configs=[config(NM, problems=[problem])])
    proof = prove("nm_profile_rejected", here)
    assert isinstance(proof, Holds)
    assert proof.commands == (f"chown root:root {{root}}{KEYFILE}", f"chmod 600 {{root}}{KEYFILE}")
    assert proof.undo == (f"chown 0:0 {{root}}{KEYFILE}", f"chmod 644 {{root}}{KEYFILE}")


def test_a_rejected_radio_profile_is_not_the_servers_network() -> None:
    problem = ConfigProblem("insecure-mode", "insecure", Origin(KEYFILE), True, "wlan0")
    here = facts({KEYFILE: ""}, enabled=[NM], configs=[config(NM, problems=[problem])])
    assert isinstance(prove("nm_profile_rejected", here), Fails)


def test_ifcfg_files_without_a_reader_are_proven() -> None:
    ifcfg = config(Manager.IFCFG_RH, iface(Manager.IFCFG_RH, path=IFCFG))
    here = facts({IFCFG: "", **PLUGINS}, enabled=[NM], configs=[ifcfg])
    assert isinstance(prove("nm_profile_rejected", here), Holds)
    plugin = "/usr/lib64/NetworkManager/1.40.0/libnm-settings-plugin-ifcfg-rh.so"
    reader = facts({IFCFG: "", **PLUGINS, plugin: ""}, enabled=[NM], configs=[ifcfg])
    assert isinstance(prove("nm_profile_rejected", reader), Fails)
    scripts = facts({IFCFG: "", **PLUGINS, f"{IFCFG[:-11]}/ifup-eth": ""}, enabled=[NM], configs=[ifcfg])
    assert isinstance(prove("nm_profile_rejected", scripts), Fails)


ACTIVATION = ("activation", said("device (eth0): Activation: failed for connection 'eth0'", iface="eth0"))


def test_a_device_that_was_given_up_and_has_no_address_is_proven() -> None:
    units = [unit("NetworkManager.service")]
    profile = config(NM, iface(NM, path=KEYFILE))
    broken = facts(enabled=[NM], configs=[profile], mode=Mode.LIVE, units=units, links=[link(address="")])
    assert isinstance(prove("nm_activation_failed", broken, ACTIVATION), Holds)
    well = facts(enabled=[NM], configs=[profile], mode=Mode.LIVE, units=units, links=[link()])
    assert isinstance(prove("nm_activation_failed", well, ACTIVATION), Fails)


def test_offline_an_injected_activation_proves_nothing() -> None:
    units = [unit("NetworkManager.service", live=False)]
    here = facts(enabled=[NM], units=units)
    injected = ("activation", said(ACTIVATION[1].entry.text, trusted=False, iface="eth0"))
    assert isinstance(prove("nm_activation_failed", here, injected), CantTell)


BOOTS: dict[str, Node] = {"/etc/fstab": "/dev/sda / ext4 defaults 0 1\n", "/sbin/init": ""}


def bootable(**more: object) -> object:
    here = facts(BOOTS, **more)  # type: ignore[arg-type]

    class Kernels:
        kernels = ()
        module_folders = ()

    here.__dict__["boot"] = Kernels()
    return here


def test_a_disk_on_which_nothing_is_enabled_is_proven() -> None:
    proof = prove("no_network_manager", bootable(installed=[IF]))  # type: ignore[arg-type]
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.CRITICAL
    assert "networking.service is not enabled" in proof.why


def test_an_enabled_manager_or_a_network_that_is_up_is_enough() -> None:
    assert isinstance(prove("no_network_manager", bootable(enabled=[IF])), Fails)  # type: ignore[arg-type]
    up = bootable(installed=[IF], mode=Mode.LIVE, links=[link()], routes=[DEFAULT_ROUTE])
    assert isinstance(prove("no_network_manager", up), Fails)  # type: ignore[arg-type]


def test_an_empty_directory_or_a_containers_root_is_not_judged() -> None:
    assert isinstance(prove("no_network_manager", facts({}, init=Init.UNKNOWN)), CantTell)
    here = facts({"/sbin/init": ""})
    here.__dict__["boot"] = type("Boot", (), {"kernels": (), "module_folders": ()})()
    assert isinstance(prove("no_network_manager", here), CantTell)


def test_a_script_of_the_owners_may_do_it() -> None:
    script = File("#!/bin/sh\nip addr add 192.0.2.10/24 dev eth0\n", mode=0o755)
    here = facts({**BOOTS, "/etc/rc.local": script}, installed=[IF])
    assert isinstance(prove("no_network_manager", here), Fails)


def both(address: str = "192.0.2.10/24") -> list[object]:
    return [
        config(IF, iface(IF)),
        config(ND, iface(ND, path="/etc/systemd/network/05-eth0.network", address=address)),
    ]


def test_two_enabled_managers_of_one_interface_compete() -> None:
    proof = prove("managers_compete", facts(enabled=[ND, IF], configs=both("192.0.2.11/24")))  # type: ignore[arg-type]
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.CRITICAL
    assert proof.commands == ("systemctl --root=/media/sda disable networking.service",)
    same = prove("managers_compete", facts(enabled=[ND, IF], configs=both()))  # type: ignore[arg-type]
    assert isinstance(same, Holds)
    assert same.severity is None


def test_a_disabled_manager_does_not_compete() -> None:
    here = facts(enabled=[ND], installed=[IF], configs=both())  # type: ignore[arg-type]
    assert isinstance(prove("managers_compete", here), Fails)


def test_networkmanager_leaves_ifupdowns_interfaces_alone_unless_told() -> None:
    configs = [config(IF, iface(IF)), config(NM, iface(NM, path=KEYFILE))]
    assert isinstance(prove("managers_compete", facts(enabled=[IF, NM], configs=configs)), Fails)
    told: dict[str, Node] = {"/etc/NetworkManager/NetworkManager.conf": "[ifupdown]\nmanaged=true\n"}
    assert isinstance(prove("managers_compete", facts(told, enabled=[IF, NM], configs=configs)), Holds)


def test_netplan_and_its_renderer_work_together() -> None:
    configs = [
        config(Manager.NETPLAN, iface(Manager.NETPLAN, path="/etc/netplan/a.yaml")),
        config(ND, iface(ND, path="/run/systemd/network/10-netplan-eth0.network")),
    ]
    assert isinstance(prove("managers_compete", facts(enabled=[Manager.NETPLAN, ND], configs=configs)), Fails)


def test_cloud_inits_other_address_is_told() -> None:
    configs = [
        config(
            Manager.NETPLAN,
            iface(Manager.NETPLAN, path="/etc/netplan/50-cloud-init.yaml", method=Method.DHCP),
        ),
        config(ND, iface(ND, path="/etc/systemd/network/05-eth0.network")),
    ]
    proof = prove("cloud_init_overwrote", facts(enabled=[ND, Manager.NETPLAN], configs=configs))
    assert isinstance(proof, Holds)
    assert proof.values["file"] == "/etc/netplan/50-cloud-init.yaml"
    alone = facts(enabled=[Manager.NETPLAN], configs=configs[:1])
    assert isinstance(prove("cloud_init_overwrote", alone), Fails)


def test_a_wait_that_failed_on_a_host_that_is_well_is_only_told() -> None:
    units = [unit("systemd-networkd-wait-online.service", "failed", "timeout")]
    units += [unit(f"{name}-wait-online.service", "inactive") for name in ("NetworkManager", "ifupdown")]
    well = facts(enabled=[ND], mode=Mode.LIVE, units=units, links=[link()], routes=[DEFAULT_ROUTE])
    proof = prove("wait_online_failed", well)
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.INFO


def test_a_link_local_address_does_not_make_the_network_up() -> None:
    address = Address(ip_interface("169.254.3.4/16"), "link")
    lonely = Link("eth0", 2, "", ("UP", "LOWER_UP"), "UP", addresses=(address,))
    units = [unit("network.service", "failed", "exit-code")]
    here = facts(enabled=[Manager.IFCFG_RH], mode=Mode.LIVE, units=units, links=[lonely], routes=[DEFAULT_ROUTE])
    proof = prove("legacy_network_failed", here)
    assert isinstance(proof, Holds)
    assert proof.severity is None
