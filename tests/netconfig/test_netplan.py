"""netplan's reader against what ``netplan generate`` 0.106 and 1.1.2 said of the same files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.facts.netconfig import netplan
from agent.facts.netconfig.model import ConfigProblem, ManagerConfig, Method
from agent.target.model import Mode
from tests.virtual import File, Link, Node, virtual

PATH = "/etc/netplan/01.yaml"
RECORDED = json.loads((Path(__file__).parent / "recorded" / "netplan.json").read_text())
GENERATE = Path("/usr/libexec/netplan/generate")


def status(release: str) -> str:
    return (
        f"Package: zlib1g\nVersion: 1:1.2\n\nPackage: netplan.io\nStatus: install ok installed\nVersion: {release}\n\n"
    )


def read(text: str | bytes, release: str = "", mode: Mode = Mode.OFFLINE) -> ManagerConfig:
    files: dict[str, Node] = {PATH: File(text, mode=0o600)}
    if release:
        files["/var/lib/dpkg/status"] = status(release)
    return netplan.read(virtual(files, mode))


def several(files: Mapping[str, str], mode: Mode = Mode.OFFLINE) -> ManagerConfig:
    return netplan.read(virtual({path: File(text, mode=0o600) for path, text in files.items()}, mode))


def fatal(config: ManagerConfig) -> list[ConfigProblem]:
    return [each for each in config.problems if each.fatal]


def ethernet(*lines: str) -> str:
    return "network:\n  version: 2\n  ethernets:\n    eth0:\n" + "".join(f"      {line}\n" for line in lines)


@pytest.mark.parametrize("release", ["0.106", "1.1"])
@pytest.mark.parametrize("case", sorted(RECORDED))
def test_it_takes_and_refuses_what_the_real_program_does(case: str, release: str) -> None:
    content = RECORDED[case]["content"].encode("utf-8", "surrogateescape")
    said = RECORDED[case][release]
    found = fatal(read(content, release + ".2-1"))
    assert bool(found) == bool(said["exit"]), found
    if found and release == "1.1" and case not in ("y-eof", "y-quote2"):
        assert found[0].text.replace(PATH, "FILE") in said["says"].replace("ERROR:../src/util.c:737:", "")


@pytest.mark.skipif(not GENERATE.exists(), reason="netplan is not installed")
def test_it_agrees_with_the_installed_program(tmp_path: Path) -> None:
    asked = ["dpkg-query", "-W", "-f", "${Version}", "netplan.io"]
    release = subprocess.run(asked, capture_output=True, text=True).stdout
    differ = []
    for case, recorded in sorted(RECORDED.items()):
        content = recorded["content"].encode("utf-8", "surrogateescape")
        folder = tmp_path / case / "etc" / "netplan"
        folder.mkdir(parents=True)
        (folder / "01.yaml").write_bytes(content)
        done = subprocess.run([GENERATE, "--root-dir", tmp_path / case], capture_output=True, timeout=20)
        if bool(fatal(read(content, release))) != bool(done.returncode):
            differ.append(case)
    assert not differ


def test_nothing_there_gives_no_files() -> None:
    assert not netplan.read(virtual({})).present


def test_a_tab_is_told_with_its_line() -> None:
    config = read(ethernet("addresses: [192.0.2.2/24]") + "\tdhcp4: yes\n")
    found = fatal(config)[0]
    assert found.code == "invalid-yaml" and found.origin.line == 6
    assert found.text == f"{PATH}:6:1: Invalid YAML: tabs are not allowed for indent:"
    assert config.present and config.broken


def test_addresses_below_the_definition_are_no_definition() -> None:
    text = (
        "network:\n  version: 2\n  ethernets:\n    enX0:\n      dhcp4: false\n    addresses:\n      - 192.168.0.5/24\n"
    )
    found = fatal(read(text))[0]
    assert found.code == "wrong-type" and found.origin.line == 7 and found.interface == "addresses"


def test_a_gateway_with_a_prefix_passes_netplan_and_is_lost() -> None:
    config = read(ethernet("routes:", "  - {to: 192.168.2.0/24, via: 192.168.1.1/24}"))
    assert not config.broken
    found = config.problems[0]
    assert found.code == "via-with-prefix" and found.origin.line == 6
    assert not config.interfaces[0].routes


def test_one_definition_is_read_whole() -> None:
    config = read(
        ethernet(
            "addresses: [192.0.2.2/24, '2001:db8::2/64']",
            "routes: [{to: default, via: 192.0.2.1, on-link: true, metric: 50, table: 5}]",
            "nameservers: {addresses: [203.0.113.1], search: [example.com]}",
            "optional: true",
            "accept-ra: no",
        )
    )
    eth0 = config.interfaces[0]
    assert config.renderer == "networkd"
    assert [str(each.interface) for each in eth0.addresses] == ["192.0.2.2/24", "2001:db8::2/64"]
    route = eth0.default_routes[0]
    assert (str(route.gateway), route.onlink, route.metric, route.table) == ("192.0.2.1", True, 50, "5")
    assert eth0.dns == ("203.0.113.1",) and eth0.settings["nameservers.search"] == "example.com"
    assert eth0.optional and eth0.accept_ra is False and eth0.auto
    assert (eth0.method4, eth0.method6) == (Method.STATIC, Method.STATIC)


def test_match_gives_the_name_and_the_mac() -> None:
    by_mac = read(ethernet("match: {macaddress: 'F2:3C:95:00:00:01'}", "dhcp4: yes")).interfaces[0]
    assert by_mac.name == "" and by_mac.macs == ("f2:3c:95:00:00:01",) and by_mac.method4 is Method.DHCP
    assert read(ethernet("match: {name: 'en*'}")).interfaces[0].name == "en*"
    renamed = read(ethernet("match: {macaddress: 'f2:3c:95:00:00:01'}", "set-name: wan0")).interfaces[0]
    assert renamed.name == "wan0" and renamed.settings["id"] == "eth0"


def test_later_files_amend_earlier_ones() -> None:
    config = several(
        {
            "/etc/netplan/10-a.yaml": ethernet("dhcp4: yes", "addresses: [192.0.2.2/24]"),
            "/etc/netplan/20-b.yaml": ethernet("dhcp4: no", "addresses: [192.0.2.3/24]"),
        }
    )
    eth0 = config.interfaces[0]
    assert [str(each.interface) for each in eth0.addresses] == ["192.0.2.2/24", "192.0.2.3/24"]
    assert eth0.settings["dhcp4"] == "no"


def test_etc_shadows_lib_and_run_shadows_etc_when_live() -> None:
    files = {
        "/lib/netplan/00-network-manager-all.yaml": "network: {version: 2, renderer: NetworkManager}\n",
        "/etc/netplan/00-network-manager-all.yaml": "network: {version: 2}\n",
        "/run/netplan/00-network-manager-all.yaml": "network: {version: 2, renderer: NetworkManager}\n",
    }
    assert several(files).renderer == "networkd"
    assert several(files, Mode.LIVE).renderer == "NetworkManager"


def test_a_port_that_only_a_later_file_defines_is_not_defined() -> None:
    bridge = "network:\n  bridges:\n    br0: {interfaces: [eth0]}\n"
    files = {"/etc/netplan/10.yaml": bridge, "/etc/netplan/20.yaml": ethernet("dhcp4: yes")}
    found = fatal(several(files))[0]
    assert found.code == "undefined-interface" and "br0: interface 'eth0' is not defined" in found.text
    files = {"/etc/netplan/10.yaml": ethernet("dhcp4: no"), "/etc/netplan/20.yaml": bridge}
    config = several(files)
    assert not config.broken
    eth0, br0 = config.interfaces
    assert eth0.settings["master"] == "br0" and eth0.method6 is Method.NONE
    assert br0.virtual


def test_two_default_routes_are_told_once() -> None:
    text = (
        "network:\n  ethernets:\n"
        "    eth0: {routes: [{to: default, via: 192.0.2.1}]}\n"
        "    eth1: {routes: [{to: 0.0.0.0/0, via: 198.51.100.1}]}\n"
    )
    found = [each for each in read(text).problems if each.code == "conflicting-default-routes"]
    assert len(found) == 1 and not found[0].fatal
    assert "IPv4 (table: main, metric: default), first declared in eth0 but also in eth1" in found[0].text
    apart = text.replace("via: 198.51.100.1", "via: 198.51.100.1, metric: 200")
    assert not read(apart).problems


def test_warnings_are_not_fatal() -> None:
    config = netplan.read(virtual({PATH: ethernet("addresses: [192.0.2.2/24]", "gateway4: 192.0.2.1")}))
    assert {each.code for each in config.problems} == {"permissions", "deprecated"}
    assert not config.broken
    assert str(config.interfaces[0].default_routes[0].gateway) == "192.0.2.1"


def test_keys_are_judged_by_the_release_on_the_disk() -> None:
    text = "network: {version: 2, dummy-devices: {d0: {addresses: [192.0.2.2/32]}}}\n"
    assert read(text, "0.106-2").broken
    assert not read(text, "1.1.2-7").broken and not read(text).broken


def test_the_boot_time_generator_forgives_since_release_1_1() -> None:
    assert netplan.ignores_errors(virtual({"/var/lib/dpkg/status": status("0.106-2+deb12u1")})) is False
    assert netplan.ignores_errors(virtual({"/var/lib/dpkg/status": status("1.1.2-7")})) is True
    assert netplan.ignores_errors(virtual({})) is None


def test_a_file_without_yaml_in_its_name_is_told() -> None:
    config = several({"/etc/netplan/01-netcfg.yml": ethernet("dhcp4: yes")})
    assert not config.present and config.problems[0].code == "not-a-yaml-file"


def test_secrets_are_not_kept() -> None:
    text = "network: {wifis: {wl0: {access-points: {home: {password: very-secret}}}}}\n"
    assert "very-secret" not in repr(read(text).interfaces)


@pytest.mark.parametrize(
    "hostile",
    [
        b"a: &a [x]\n" + b"".join(b"b%d: [%s]\n" % (n, b"*a," * 9) for n in range(999)),
        b"[" * 5000,
        b"{a: " * 5000,
        b"- " * 5000,
        b"network: &n {ethernets: *n}\n",
        b"network: {ethernets: &e {eth0: {routes: [&r {to: *r}]}}}\n",
        b"network: {ethernets: {eth0: {? {a: b} : c}}}\n",
        b"network: {ethernets: {eth0: {mtu: 99999999999999999999999999999999}}}\n",
        b"network: {vlans: {v0: {id: '', link: v0}}}\n",
        b"\xff\xfe\x00",
        b"\0" * 1000,
        b"!!python/object/apply:os.system ['true']\n",
        b"network: {version: " + b"9" * 5000 + b"}\n",
        b"x" * 300_000,
    ],
)
def test_hostile_yaml_never_raises(hostile: bytes) -> None:
    read(hostile)


def test_a_chain_of_aliases_is_not_unfolded() -> None:
    rows = ["a0: &a0 {dhcp4: yes}"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    text = "network:\n  ethernets:\n    eth0:\n      addresses:\n        - *a29\n"
    read("\n".join(rows) + "\n" + text)


def test_masked_and_looping_files_are_passed_over() -> None:
    target = virtual({"/etc/netplan/a.yaml": Link("/dev/null"), "/etc/netplan/b.yaml": Link("b.yaml")})
    assert not netplan.read(target).interfaces
