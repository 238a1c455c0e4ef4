"""Who configures the network: from programs, links and files on disk."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agent.facts import managers, services
from agent.facts.managers import Managers
from agent.facts.netconfig.model import Manager
from agent.facts.netconfig.readers import read_all
from agent.target.model import Mode
from agent.unknown import Unknown
from tests.virtual import Dir, File, Link, Node, virtual

PROGRAM = File("\x7fELF", mode=0o755)
SYSTEMD: dict[str, Node] = {"/sbin/init": Link("/lib/systemd/systemd"), "/lib/systemd/systemd": PROGRAM}
ETC = "/etc/systemd/system"

DEBIAN: dict[str, Node] = {
    **SYSTEMD,
    "/etc/debian_version": "12.11\n",
    "/sbin/ifup": PROGRAM,
    "/etc/network/interfaces": "auto lo eth0\niface lo inet loopback\niface eth0 inet dhcp\n",
    "/lib/systemd/system/networking.service": "[Install]\nWantedBy=multi-user.target\n",
    f"{ETC}/multi-user.target.wants/networking.service": Link("/lib/systemd/system/networking.service"),
    "/lib/systemd/systemd-networkd": PROGRAM,
    "/lib/systemd/system/systemd-networkd.service": "[Install]\nWantedBy=multi-user.target\n",
}
NETWORKD: dict[str, Node] = {
    **SYSTEMD,
    "/lib/systemd/systemd-networkd": PROGRAM,
    "/lib/systemd/system/systemd-networkd.service": "[Install]\nWantedBy=multi-user.target\n",
    "/etc/systemd/network/05-eth0.network": "[Match]\nName=eth0\n[Network]\nAddress=192.0.2.2/24\nGateway=192.0.2.1\n",
}
WANTED: dict[str, Node] = {
    f"{ETC}/multi-user.target.wants/systemd-networkd.service": Link("/lib/systemd/system/systemd-networkd.service")
}
NETPLAN: dict[str, Node] = {
    **SYSTEMD,
    "/lib/systemd/systemd-networkd": PROGRAM,
    "/lib/systemd/system/systemd-networkd.service": "[Install]\nWantedBy=multi-user.target\n",
    "/lib/systemd/system-generators/netplan": Link("/lib/netplan/generate"),
    "/lib/netplan/generate": PROGRAM,
    "/etc/netplan/01.yaml": File("network:\n  version: 2\n  ethernets:\n    eth0:\n      dhcp4: true\n", mode=0o600),
}
NM: dict[str, Node] = {
    **SYSTEMD,
    "/usr/sbin/NetworkManager": PROGRAM,
    "/lib/systemd/system/NetworkManager.service": "[Install]\nWantedBy=multi-user.target\n",
    f"{ETC}/multi-user.target.wants/NetworkManager.service": Link("/lib/systemd/system/NetworkManager.service"),
}
KEYFILE: dict[str, Node] = {
    "/etc/NetworkManager/system-connections/eth0.nmconnection": File(
        "[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\n[ipv4]\nmethod=auto\n", mode=0o600
    )
}


def _managers(files: Mapping[str, Node], mode: Mode = Mode.OFFLINE) -> Managers:
    target = virtual(files, mode)
    init = services.init(target)
    return managers.read(target, lambda name: services.unit(target, init, name), read_all(target))


def _without(files: Mapping[str, Node], *ends: str) -> dict[str, Node]:
    return {path: node for path, node in files.items() if not path.endswith(ends)}


@pytest.mark.parametrize(
    ("files", "main"),
    [
        (DEBIAN, Manager.IFUPDOWN),
        ({**NETWORKD, **WANTED}, Manager.NETWORKD),
        (NETPLAN, Manager.NETPLAN),
        ({**NM, **KEYFILE}, Manager.NETWORKMANAGER),
        (NM, Manager.NETWORKMANAGER),
    ],
)
def test_each_manager_alone_is_in_charge(files: dict[str, Node], main: Manager) -> None:
    found = _managers(files)
    assert found.in_charge == (main,) and found.main is main
    state = found.states[main]
    assert state.installed and state.enabled and not state.masked
    assert isinstance(state.running, Unknown)  # a disk does not run


def test_an_interface_that_is_configured_is_claimed_and_lo_is_not() -> None:
    assert _managers(DEBIAN).states[Manager.IFUPDOWN].claims == ("eth0",)


def test_only_lo_configured_puts_nobody_in_charge() -> None:
    found = _managers({**DEBIAN, "/etc/network/interfaces": "auto lo\niface lo inet loopback\n"})
    assert found.main is None and not found.states[Manager.IFUPDOWN].configured


def test_a_networkd_that_nothing_enables_is_not_in_charge() -> None:
    found = _managers(NETWORKD)
    state = found.states[Manager.NETWORKD]
    assert state.installed and state.configured and not state.enabled and found.main is None


def test_a_masked_networkd_is_not_in_charge() -> None:
    found = _managers({**NETWORKD, **WANTED, f"{ETC}/systemd-networkd.service": Link("/dev/null")})
    assert found.states[Manager.NETWORKD].masked and found.main is None


def test_netplans_generator_starts_networkd_without_a_link_on_disk() -> None:
    found = _managers(NETPLAN)
    assert found.states[Manager.NETWORKD].enabled
    own = {"/etc/systemd/network/05-eth0.network": NETWORKD["/etc/systemd/network/05-eth0.network"]}
    assert set(_managers({**NETPLAN, **own}).in_charge) == {Manager.NETWORKD, Manager.NETPLAN}


def test_netplan_without_its_generator_or_with_a_masked_renderer_is_not_in_charge() -> None:
    assert _managers(_without(NETPLAN, "/netplan", "/generate")).main is None
    assert _managers({**NETPLAN, f"{ETC}/systemd-networkd.service": Link("/dev/null")}).main is None


def test_netplan_for_networkmanager_needs_that_service() -> None:
    text = "network:\n  version: 2\n  renderer: NetworkManager\n  ethernets:\n    eth0:\n      dhcp4: true\n"
    yaml: dict[str, Node] = {"/etc/netplan/01.yaml": File(text, mode=0o600)}
    assert _managers({**NETPLAN, **yaml}).main is None
    found = _managers({**NETPLAN, **NM, **yaml})
    assert found.main is Manager.NETPLAN and found.states[Manager.NETPLAN].unit == "NetworkManager.service"
    assert not found.states[Manager.NETWORKD].enabled


def test_ifupdown_without_its_program_is_not_in_charge() -> None:
    found = _managers(_without(DEBIAN, "/sbin/ifup"))
    state = found.states[Manager.IFUPDOWN]
    assert state.configured and not state.installed and found.main is None


def test_ifupdown_with_hotplug_only_needs_the_udev_rule_and_no_enabled_unit() -> None:
    files = _without(DEBIAN, "wants/networking.service")
    files["/etc/network/interfaces"] = "allow-hotplug eth0\niface eth0 inet dhcp\n"
    assert _managers(files).main is None
    files["/lib/udev/rules.d/80-ifupdown.rules"] = ""
    assert _managers(files).main is Manager.IFUPDOWN


def test_networkmanager_leaves_the_interfaces_of_ifupdown_alone() -> None:
    found = _managers({**DEBIAN, **NM, **KEYFILE})
    assert found.states[Manager.NETWORKMANAGER].claims == ()
    assert found.in_charge == (Manager.IFUPDOWN,)
    conf: dict[str, Node] = {"/etc/NetworkManager/NetworkManager.conf": "[ifupdown]\nmanaged=true\n"}
    assert set(_managers({**DEBIAN, **NM, **KEYFILE, **conf}).in_charge) == {
        Manager.IFUPDOWN,
        Manager.NETWORKMANAGER,
    }


def test_networkmanager_told_to_make_no_connections_by_itself_is_not_in_charge() -> None:
    conf: dict[str, Node] = {"/etc/NetworkManager/conf.d/10.conf": "[main]\nno-auto-default=*\n"}
    assert _managers({**NM, **conf}).main is None


IFCFG: dict[str, Node] = {
    "/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\n",
    "/etc/sysconfig/network-scripts/ifup": PROGRAM,
    "/usr/sbin/ifup": Link("/etc/sysconfig/network-scripts/ifup"),
    "/etc/rc.d/init.d/network": PROGRAM,
}
PLUGIN: dict[str, Node] = {"/usr/lib64/NetworkManager/1.40/libnm-settings-plugin-ifcfg-rh.so": PROGRAM}


def test_centos_6_is_run_by_its_network_scripts() -> None:
    found = _managers(
        {**IFCFG, "/etc/inittab": "id:3:initdefault:\n", "/etc/rc.d/rc3.d/S10network": Link("../init.d/network")}
    )
    assert found.in_charge == (Manager.IFCFG_RH,)
    assert not found.states[Manager.IFUPDOWN].installed


def test_on_rhel_networkmanager_reads_the_ifcfg_files() -> None:
    found = _managers({**NM, **IFCFG, **PLUGIN})
    assert found.main is Manager.NETWORKMANAGER
    assert found.states[Manager.NETWORKMANAGER].claims == ("eth0",)
    assert found.states[Manager.IFCFG_RH].claims == ()


def test_wicked_is_in_charge_of_suses_files() -> None:
    files: dict[str, Node] = {
        **SYSTEMD,
        "/usr/sbin/wicked": PROGRAM,
        "/usr/lib/systemd/system/wicked.service": "[Install]\nWantedBy=multi-user.target\nAlias=network.service\n",
        f"{ETC}/multi-user.target.wants/wicked.service": Link("/usr/lib/systemd/system/wicked.service"),
        f"{ETC}/network.service": Link("/usr/lib/systemd/system/wicked.service"),
        "/etc/sysconfig/network/ifcfg-eth0": "STARTMODE=auto\nBOOTPROTO=dhcp\n",
    }
    assert _managers(files).in_charge == (Manager.WICKED,)


OPENRC: dict[str, Node] = {"/sbin/init": Link("/bin/busybox"), "/bin/busybox": PROGRAM, "/sbin/openrc": PROGRAM}


def test_alpines_networking_is_in_a_runlevel() -> None:
    files: dict[str, Node] = {
        **OPENRC,
        "/etc/runlevels/default": Dir(),
        "/etc/alpine-release": "3.20.0\n",
        "/sbin/ifup": Link("/sbin/ifupdown"),
        "/sbin/ifupdown": PROGRAM,
        "/etc/network/interfaces": "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n",
        "/etc/init.d/networking": PROGRAM,
    }
    assert _managers(files).main is None
    files["/etc/runlevels/boot/networking"] = Link("/etc/init.d/networking")
    assert _managers(files).in_charge == (Manager.IFUPDOWN,)


def test_gentoos_net_script_is_in_a_runlevel() -> None:
    files: dict[str, Node] = {
        **OPENRC,
        "/etc/conf.d/net": 'config_eth0="192.0.2.2/24"\nroutes_eth0="default via 192.0.2.1"\n',
        "/etc/init.d/net.lo": PROGRAM,
        "/etc/init.d/net.eth0": Link("net.lo"),
        "/etc/runlevels/default": Dir(),
    }
    assert _managers(files).main is None
    files["/etc/runlevels/default/net.eth0"] = Link("/etc/init.d/net.eth0")
    found = _managers(files)
    assert found.in_charge == (Manager.NETIFRC,) and found.states[Manager.NETIFRC].claims == ("eth0",)


@pytest.mark.parametrize(("mode", "charge"), [(0o755, (Manager.SLACKWARE,)), (0o644, ())])
def test_slackwares_script_must_be_executable(mode: int, charge: tuple[Manager, ...]) -> None:
    files: dict[str, Node] = {
        "/etc/rc.d/rc.M": PROGRAM,
        "/etc/rc.d/rc.inet1": File("#!/bin/sh\n", mode=mode),
        "/etc/rc.d/rc.inet1.conf": 'IPADDR[0]="192.0.2.5"\nNETMASK[0]="255.255.255.0"\nGATEWAY="192.0.2.1"\n',
    }
    assert _managers(files).in_charge == charge


def test_a_dhcp_client_of_its_own_is_told_among_the_others() -> None:
    files: dict[str, Node] = {
        **SYSTEMD,
        "/usr/lib/systemd/system/dhcpcd.service": "[Install]\nWantedBy=multi-user.target\n",
        f"{ETC}/multi-user.target.wants/dhcpcd.service": Link("/usr/lib/systemd/system/dhcpcd.service"),
    }
    found = _managers(files)
    assert found.main is None and found.others == ("dhcpcd.service",)


def test_an_empty_root_has_no_manager() -> None:
    found = _managers({})
    assert found.main is None and not any(state.installed for state in found.states.values())


def test_the_manager_that_leads_out_comes_first() -> None:
    files = {**DEBIAN, **NETWORKD, **WANTED}
    files["/etc/network/interfaces"] = "auto lo eth1\niface lo inet loopback\niface eth1 inet manual\n"
    assert _managers(files).in_charge == (Manager.NETWORKD, Manager.IFUPDOWN)
