"""NetworkManager's keyfile reader against what releases 1.42 and 1.52 loaded, and its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.facts.netconfig import networkmanager
from agent.facts.netconfig.model import ManagerConfig, Method
from agent.target.model import Mode
from tests.virtual import Denied, File, Link, Node, virtual

ETC = "/etc/NetworkManager/system-connections"
RECORDED = json.loads((Path(__file__).parent / "recorded" / "networkmanager.json").read_text())
# refused by both, in words that differ in detail
WORDED = {"bad8.nmconnection", "nogroupend.nmconnection"}


def recorded(case: str) -> Mapping[str, Node]:
    entry = RECORDED[case]
    content = entry["content"].encode("utf-8", "surrogateescape")
    return {f"{ETC}/{case}": File(content, mode=int(entry["mode"], 8), uid=entry["uid"])}


def read(text: str, mode: int = 0o600, name: str = "eth0.nmconnection") -> ManagerConfig:
    return networkmanager.read(virtual({f"{ETC}/{name}": File(text, mode=mode)}))


def profile(*lines: str) -> str:
    head = "[connection]\nid=eth0\nuuid=11111111-2222-3333-4444-555555555555\ntype=ethernet\n"
    return head + "interface-name=eth0\n" + "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("case", sorted(RECORDED))
def test_it_loads_and_refuses_what_the_real_program_does(case: str) -> None:
    config = networkmanager.read(virtual(recorded(case)))
    assert bool(config.interfaces) == RECORDED[case]["loaded"]
    if RECORDED[case]["says"] and case not in WORDED:
        said = [each.text.replace(f"{ETC}/", "") for each in config.problems if each.fatal]
        assert said == RECORDED[case]["says"]


def test_nothing_there_gives_no_files() -> None:
    assert not networkmanager.read(virtual({})).present


def test_mode_0644_is_refused_in_networkmanagers_words() -> None:
    config = read(profile(), mode=0o644)
    found = config.problems[0]
    assert found.code == "keyfile-permissions" and found.fatal and found.interface == "eth0"
    assert found.text == (
        f'keyfile: load: "{ETC}/eth0.nmconnection": failed to load connection: File permissions (100644) are insecure'
    )
    assert config.present and not config.interfaces


def test_a_static_profile_is_read_whole() -> None:
    config = read(
        profile(
            "[ipv4]",
            "method=manual",
            "address1=192.0.2.123/24,192.0.2.1",
            "address2=192.168.140.2/17",
            "dns=203.0.113.1;203.0.113.2;",
            "route1=198.51.100.0/24,192.0.2.9,10",
            "[ipv6]",
            "method=auto",
        )
    )
    eth0 = config.interfaces[0]
    assert not config.problems
    assert [str(each.interface) for each in eth0.addresses] == ["192.0.2.123/24", "192.168.140.2/17"]
    assert eth0.addresses[0].origin.line == 8
    assert [(each.destination, str(each.gateway)) for each in eth0.routes] == [
        ("default", "192.0.2.1"),
        ("198.51.100.0/24", "192.0.2.9"),
    ]
    assert eth0.dns == ("203.0.113.1", "203.0.113.2")
    assert (eth0.method4, eth0.method6) == (Method.STATIC, Method.AUTO)


@pytest.mark.parametrize(
    ("lines", "four", "six"),
    [
        ((), Method.DHCP, Method.AUTO),
        (("[ipv4]", "method=disabled", "[ipv6]", "method=disabled"), Method.NONE, Method.NONE),
        (("[ipv4]", "method=auto", "[ipv6]", "method=dhcp"), Method.DHCP, Method.DHCP),
        (("[ipv4]", "method=link-local", "[ipv6]", "method=link-local"), Method.NONE, Method.NONE),
    ],
)
def test_methods(lines: tuple[str, ...], four: Method, six: Method) -> None:
    eth0 = read(profile(*lines)).interfaces[0]
    assert (eth0.method4, eth0.method6) == (four, six)


def test_ports_of_a_bond_need_no_addresses() -> None:
    text = "[connection]\nid=p\ntype=ethernet\ninterface-name=eth0\nmaster=bond0\nslave-type=bond\n"
    eth0 = read(text).interfaces[0]
    assert (eth0.method4, eth0.method6) == (Method.NONE, Method.NONE)


def test_virtual_and_not_autoconnected_profiles_are_told() -> None:
    br0 = read("[connection]\nid=b\ntype=bridge\ninterface-name=br0\nautoconnect=false\n").interfaces[0]
    assert br0.virtual and not br0.auto


def test_a_profile_by_mac_has_no_name() -> None:
    text = "[connection]\nid=x\ntype=ethernet\n[ethernet]\nmac-address=F2:3C:95:00:00:01\n"
    found = read(text).interfaces[0]
    assert found.name == "" and found.macs == ("f2:3c:95:00:00:01",)


def test_a_lower_directory_takes_only_the_suffix_and_no_profile_twice() -> None:
    config = networkmanager.read(
        virtual(
            {
                f"{ETC}/a": File(profile(), mode=0o600),
                "/usr/lib/NetworkManager/system-connections/b.nmconnection": File(profile(), mode=0o600),
                "/usr/lib/NetworkManager/system-connections/c": File(profile(), mode=0o600),
            }
        )
    )
    assert [each.origin.path for each in config.interfaces] == [f"{ETC}/a"]
    assert [each.code for each in config.problems] == ["no-extension"]


def test_a_profile_that_can_not_be_read_is_not_called_healthy() -> None:
    config = networkmanager.read(virtual({f"{ETC}/a.nmconnection": Denied()}))
    assert config.files and config.unread and not config.interfaces


def test_a_link_to_a_profile_is_followed() -> None:
    files = {f"{ETC}/a.nmconnection": Link("/srv/a"), "/srv/a": File(profile(), mode=0o600)}
    assert networkmanager.read(virtual(files)).interfaces


def test_secrets_are_not_kept() -> None:
    config = read(profile("[802-1x]", "password=very-secret", "[vpn-secrets]", "token=very-secret"))
    assert "very-secret" not in repr(config)


def ifcfg(**more: Node) -> Mapping[str, Node]:
    return {
        "/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\n",
        "/etc/sysconfig/network-scripts/ifcfg-lo": "DEVICE=lo\n",
        "/usr/sbin/NetworkManager": File("", mode=0o755),
        **{path.replace("|", "/"): node for path, node in more.items()},
    }


def test_ifcfg_files_without_a_reader_on_disk_are_told() -> None:
    found = networkmanager.read(virtual(ifcfg())).problems
    assert [(each.code, each.interface) for each in found] == [("ifcfg-without-plugin", "eth0")]


@pytest.mark.parametrize(
    "reader",
    [
        "/usr/lib64/NetworkManager/1.42.2-1.el9/libnm-settings-plugin-ifcfg-rh.so",
        "/etc/sysconfig/network-scripts/ifup-eth",
    ],
)
def test_ifcfg_files_with_a_reader_are_left_alone(reader: str) -> None:
    assert not networkmanager.read(virtual({**ifcfg(), reader: File("", mode=0o755)})).problems


def test_settings_are_merged_in_order() -> None:
    settings = networkmanager.nm_settings(
        virtual(
            {
                "/usr/lib/NetworkManager/conf.d/10.conf": "[keyfile]\nunmanaged-devices=*,except:type:wifi\n",
                "/etc/NetworkManager/NetworkManager.conf": "[main]\nplugins=ifupdown,keyfile\n"
                "[ifupdown]\nmanaged=false\n",
                "/etc/NetworkManager/conf.d/10-a.conf": "[keyfile]\nunmanaged-devices=interface-name:eth*\n",
                "/etc/NetworkManager/conf.d/20-b.conf": "[keyfile]\nunmanaged-devices+=except:interface-name:eth1\n",
            }
        )
    )
    assert settings.plugins == ("ifupdown", "keyfile") and not settings.ifupdown_managed
    assert settings.leaves_alone("eth0") and not settings.leaves_alone("eth1")
    assert not settings.leaves_alone("ens3")


def test_an_etc_snippet_replaces_the_lower_one_of_its_name() -> None:
    files: dict[str, Node] = {
        "/usr/lib/NetworkManager/conf.d/10-globally-managed-devices.conf": "[keyfile]\nunmanaged-devices=*\n",
    }
    assert networkmanager.nm_settings(virtual(files)).leaves_alone("eth0")
    files["/etc/NetworkManager/conf.d/10-globally-managed-devices.conf"] = ""
    assert not networkmanager.nm_settings(virtual(files)).leaves_alone("eth0")


def test_a_broken_configuration_is_named() -> None:
    settings = networkmanager.nm_settings(virtual({"/etc/NetworkManager/NetworkManager.conf": "plugins\n"}))
    assert settings.broken[0].startswith("/etc/NetworkManager/NetworkManager.conf:1: ")


@pytest.mark.parametrize("junk", [b"\0" * 999, b"\xff" * 999, b"[" * 9999, b"=\n" * 999, b"[a]\n=b\n", b"[a]\nb" * 999])
def test_junk_never_raises(junk: bytes) -> None:
    files = {f"{ETC}/a": File(junk, mode=0o600), "/etc/NetworkManager/NetworkManager.conf": File(junk)}
    for mode in (Mode.OFFLINE, Mode.LIVE):
        networkmanager.read(virtual(files, mode))
        networkmanager.nm_settings(virtual(files, mode))
