"""Records of the running kernel have the shape that ip prints; compared in a network namespace of the test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.target import live, machine, netlink
from agent.target.detect import open_target
from agent.unknown import Unknown, Why
from tests.target.children import needs_root

REPOSITORY = Path(__file__).resolve().parents[2]
needs_namespaces = pytest.mark.skipif(
    not (shutil.which("unshare") and shutil.which("ip")), reason="needs unshare and iproute2"
)

NETWORK = """
set -e
mount --make-rprivate /
mount -t sysfs sysfs /sys
ip link set lo up
ip link add eth0 type veth peer name peer0
ip link property add dev eth0 altname enp0s3 altname a-much-longer-name-than-fifteen 2>/dev/null || true
ip link add br0 type bridge
ip link add dummy0 type veth peer name dummy1
ip link set dummy0 master br0
ip addr add 192.0.2.10/24 brd + dev eth0
ip addr add 192.0.2.11/24 dev eth0
ip addr add 198.51.100.1 peer 198.51.100.2/32 dev dummy0
ip -6 addr add 2001:db8::10/64 dev eth0 nodad
ip -6 addr add 2001:db8::11/64 dev eth0 preferred_lft 0 valid_lft 1000 nodad
ip link set eth0 up
ip link set peer0 up
ip link set dummy0 up
ip link set br0 up
ip route add default via 192.0.2.1 dev eth0 metric 100 proto static src 192.0.2.11
ip route add default via 203.0.113.1 dev eth0 onlink metric 200 proto dhcp
ip route add 203.0.113.0/25 nexthop via 192.0.2.1 weight 2 nexthop via 192.0.2.2
ip route add blackhole 203.0.113.128/25
ip route add unreachable 2001:db8:1::/48
ip route add table 100 default via 192.0.2.9
ip -6 route add default via 2001:db8::1 dev eth0 metric 1024
ip route add 203.0.113.77 via inet6 fe80::1 dev eth0 2>/dev/null || true
ip rule add from 192.0.2.0/28 fwmark 0x1/0xff table 100 priority 1000
ip rule add not to 198.51.100.7 iif eth0 blackhole priority 1001
ip rule add ipproto tcp table main suppress_prefixlength 0 priority 1002
ip -6 rule add from 2001:db8::/64 table 200 priority 1003
ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud stale
ip -6 neigh add 2001:db8::1 lladdr 02:00:00:00:00:01 dev eth0 router nud stale
sleep 0.3
"""
READER = """
import json, subprocess, sys
from agent.target import live
def ip(*words):
    return json.loads(subprocess.run(["ip", "-j", *words], capture_output=True, check=True).stdout or "[]")
def ask(name):
    return live.query(name, {}, live=True, rescue=False, programs=True)
print(json.dumps({
    "ours": {name: ask(name) for name in ("links", "routes", "rules", "neighbours", "counters", "sockets")},
    "theirs": {"links": ip("-d", "addr"),
        "routes4": ip("-4", "-d", "route", "show", "table", "all"),
        "routes6": ip("-6", "-d", "route", "show", "table", "all"),
        "rules4": ip("-4", "rule"), "rules6": ip("-6", "rule"), "neighbours": ip("neigh")},
}))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, dict[str, list[dict[str, object]]]]:
    pytest.importorskip("pyroute2")
    if os.geteuid() != 0:
        pytest.skip("needs root")
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", NETWORK + 'exec "$0" -c "$1"', sys.executable, READER],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
    )
    if done.returncode:
        pytest.skip(f"no network namespace can be made here: {done.stderr[-300:]}")
    found: dict[str, dict[str, list[dict[str, object]]]] = json.loads(done.stdout)
    return found


def only(record: dict[str, object], keys: tuple[str, ...]) -> dict[str, object]:
    return {key: record[key] for key in keys if key in record}


LINK_KEYS = ("ifindex", "ifname", "mtu", "operstate", "link_type", "address", "altnames", "master", "link")
ADDRESS_KEYS = (
    *("family", "local", "address", "prefixlen", "broadcast", "scope", "dynamic", "secondary", "temporary"),
    *("tentative", "dadfailed", "deprecated", "nodad", "mngtmpaddr", "noprefixroute", "label"),
)


@needs_namespaces
def test_links_are_those_of_ip(answers: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    ours, theirs = answers["ours"]["links"], answers["theirs"]["links"]
    assert [only(one, LINK_KEYS) for one in ours] == [only(one, LINK_KEYS) for one in theirs]
    without = [[flag for flag in one["flags"] if flag != "M-DOWN"] for one in theirs]  # type: ignore[attr-defined]
    assert [one["flags"] for one in ours] == without, "M-DOWN is ip's own: the lower link is down"
    for mine, ip in zip(ours, theirs):
        assert mine.get("linkinfo", {}).get("info_kind") == ip.get("linkinfo", {}).get("info_kind")  # type: ignore[attr-defined]
        assert [only(one, ADDRESS_KEYS) for one in mine["addr_info"]] == [  # type: ignore[attr-defined]
            only(one, ADDRESS_KEYS)
            for one in ip["addr_info"]  # type: ignore[attr-defined]
        ]


@needs_namespaces
def test_a_veth_of_our_own_is_no_hardware(answers: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    links = {one["ifname"]: one for one in answers["ours"]["links"]}
    assert not any(one["hardware"] for one in links.values())
    assert all(one["driver"] == "" for one in links.values())


ROUTE_KEYS = (
    *("type", "dst", "gateway", "via", "dev", "protocol", "scope", "prefsrc", "metric", "flags", "pref"),
    *("nexthops",),
)


@needs_namespaces
@pytest.mark.parametrize("family", [4, 6])
def test_routes_are_those_of_ip(answers: dict[str, dict[str, list[dict[str, object]]]], family: int) -> None:
    ours = [one for one in answers["ours"]["routes"] if one["family"] == family]
    theirs = [{"table": "main", **one} for one in answers["theirs"][f"routes{family}"]]

    def comparable(route: dict[str, object]) -> str:
        kept = only(route, (*ROUTE_KEYS, "table"))
        if family == 6:
            kept.pop("scope", None)  # ip always says global
        kept["nexthops"] = [only(hop, ("gateway", "dev", "weight")) for hop in kept.pop("nexthops", [])]  # type: ignore[attr-defined]
        return json.dumps(kept, sort_keys=True)

    assert sorted(map(comparable, ours)) == sorted(map(comparable, theirs))
    assert any(one["dst"] == "default" and one["table"] == "main" for one in ours)


@needs_namespaces
@pytest.mark.parametrize("family", [4, 6])
def test_rules_are_those_of_ip(answers: dict[str, dict[str, list[dict[str, object]]]], family: int) -> None:
    found = [one for one in answers["ours"]["rules"] if one["family"] == family]
    ours = [{key: value for key, value in one.items() if key != "family"} for one in found]
    theirs = answers["theirs"][f"rules{family}"]
    for one in theirs:
        if "not" in one:
            one["not"] = True  # ip writes a null
        one.pop("protocol", None)
        one.pop("suppress_ifgroup", None)
    assert [{key: str(value) for key, value in one.items()} for one in ours] == [
        {key: str(value) for key, value in one.items()} for one in theirs
    ]


@needs_namespaces
def test_neighbours_are_those_of_ip(answers: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    def comparable(one: dict[str, object]) -> str:
        kept = only(one, ("dst", "dev", "lladdr", "state"))
        return json.dumps({**kept, "router": "router" in one}, sort_keys=True)

    ours, theirs = answers["ours"]["neighbours"], answers["theirs"]["neighbours"]
    assert sorted(map(comparable, ours)) == sorted(map(comparable, theirs))
    assert len(ours) >= 3


@needs_namespaces
def test_counters_are_per_link(answers: dict[str, dict[str, dict[str, dict[str, int]]]]) -> None:
    assert set(answers["ours"]["counters"]) >= {"lo", "eth0"}
    assert answers["ours"]["counters"]["eth0"]["errin"] == 0


# -- hardware


def link(kind: str | None = None, outside: int | None = None, name: str = "eth0") -> dict[str, object]:
    record: dict[str, object] = {"ifname": name, "ifindex": 2, "link_type": "ether"}
    if kind:
        record["linkinfo"] = {"info_kind": kind}
    if outside is not None:
        record["link_netnsid"] = outside
    return record


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    (tmp_path / "drivers/virtio_net").mkdir(parents=True)
    (tmp_path / "devices/virtio2").mkdir(parents=True)
    (tmp_path / "devices/virtio2/driver").symlink_to(tmp_path / "drivers/virtio_net")
    (tmp_path / "net/eth0").mkdir(parents=True)
    (tmp_path / "net/eth0/ifindex").write_text("2\n")
    return tmp_path


@pytest.mark.parametrize(
    ("record", "container", "hardware"),
    [
        (link("veth", 0), True, True),  # nspawn, docker: the uplink
        (link("macvlan", 0), True, True),
        (link("veth"), True, False),  # both ends inside
        (link("veth", 0), False, False),  # a host's link to its container
        (link("bridge"), False, False),
        (link(), False, False),  # sysfs shows it, and no device behind it
    ],
)
def test_hardware_is_what_the_platform_gives(
    sysfs: Path, record: dict[str, object], container: bool, hardware: bool
) -> None:
    netlink.add_hardware(record, container, str(sysfs / "net"))
    assert (record["hardware"], record["driver"]) == (hardware, "")


def test_a_device_behind_it_makes_it_hardware(sysfs: Path) -> None:
    (sysfs / "net/eth0/device").symlink_to(sysfs / "devices/virtio2")
    record = link()
    netlink.add_hardware(record, container=False, sysfs=str(sysfs / "net"))
    assert (record["hardware"], record["driver"]) == (True, "virtio_net")
    stranger = {**link(), "ifindex": 7}  # the sysfs of another namespace: its eth0 is not ours
    netlink.add_hardware(stranger, container=False, sysfs=str(sysfs / "net"))
    assert stranger["driver"] == ""


# -- when it can't be had


def test_the_running_machine_is_not_the_target_that_does_not_run(tmp_path: Path) -> None:
    target = open_target(str(tmp_path))
    for name in ("links", "routes", "rules", "neighbours", "counters", "memory", "sockets", "devices", "machine"):
        answer = target.query(name)
        assert isinstance(answer, Unknown) and answer.why is Why.NOT_LIVE


def test_a_library_that_is_missing_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    monkeypatch.setitem(sys.modules, "psutil", None)
    target = open_target()
    for name in ("links", "memory", "sockets"):
        answer = target.query(name)
        assert isinstance(answer, Unknown) and answer.why is Why.FAILED
        assert "not installed" in answer.reason
    assert isinstance(target.query("no such record"), Unknown)
    assert isinstance(target.query("memory", of="whom"), Unknown)


def test_a_library_that_raises_or_hangs_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TIMEOUT", 0.2)

    def raising() -> object:
        raise RuntimeError("no /proc")

    monkeypatch.setattr(live, "_QUERIES", {"memory": raising, "counters": lambda: time.sleep(5)})
    failed, slow = open_target().query("memory"), open_target().query("counters")
    assert isinstance(failed, Unknown) and failed.reason == "memory: RuntimeError: no /proc"
    assert isinstance(slow, Unknown) and slow.why is Why.TIMEOUT


def test_memory_counts_bytes() -> None:
    pytest.importorskip("psutil")
    memory = machine.memory()
    assert set(memory) == {"total", "available", "swap_total", "swap_free"}
    with open("/proc/meminfo") as stream:
        total = int(stream.readline().split()[1]) * 1024
    assert memory["total"] == total


@needs_root
def test_listening_sockets_are_listed() -> None:
    psutil = pytest.importorskip("psutil")
    import socket

    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as other:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        tcp.listen()
        found = {(one["type"], one["address"], one["port"]): one for one in machine.sockets()}
        assert found[("tcp", *tcp.getsockname())]["pid"] == os.getpid()
        assert found[("tcp", *tcp.getsockname())]["name"] == psutil.Process().name()
        assert ("udp", *udp.getsockname()) in found
        assert ("tcp", *other.getsockname()) not in found


def test_every_record_is_json() -> None:
    for name in ("links", "routes", "rules", "neighbours", "counters", "memory", "sockets", "devices", "machine"):
        answer = open_target().query(name)
        assert json.loads(json.dumps(answer)) == answer if not isinstance(answer, Unknown) else answer.reason
