"""--restart-network runs the distribution's own step, warns whoever sits on ssh, and can put the network back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from agent.change.model import Plan, Run
from agent.diagnosis.loader import BUILT_IN, load_file
from agent.diagnosis.model import Advice, Finding, Severity, Status
from agent.facts.facts import Facts
from agent.facts.ip_records import parse_links, parse_routes
from agent.fixes import restart_network
from agent.fixes.live_network import restoring
from agent.fixes.model import Refusal, Request
from agent.fixes.restart_network import FIX
from agent.target import Mode
from tests.lab.isolation import lab_dir
from tests.target.children import needs_root
from tests.virtual import File, Link, Node, virtual

LINK = {
    "ifindex": 2,
    "ifname": "eth0",
    "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    "operstate": "UP",
    "address": "f2:3c:91:00:00:01",
    "link_type": "ether",
    "hardware": True,
    "addr_info": [],
}
ADDRESS = {"family": "inet", "local": "192.0.2.10", "prefixlen": 24, "scope": "global"}
ROUTE = {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "protocol": "boot", "family": 4}
DEBIAN: dict[str, Node] = {
    "/etc/os-release": "ID=debian\nVERSION_ID=12\n",
    "/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.10/24\n gateway 192.0.2.1\n",
    "/usr/sbin/ifup": File("", mode=0o755),
    "/usr/sbin/ifdown": File("", mode=0o755),
    "/usr/lib/systemd/system/networking.service": "[Install]\nWantedBy=multi-user.target\n",
    "/etc/systemd/system/multi-user.target.wants/networking.service": "",
    "/usr/lib/systemd/systemd": File("", mode=0o755),
    "/proc/uptime": "5000 1\n",
}
ALPINE: dict[str, Node] = {
    "/etc/os-release": "ID=alpine\nVERSION_ID=3.20\n",
    "/etc/alpine-release": "3.20\n",
    "/etc/network/interfaces": "auto eth0\niface eth0 inet dhcp\n",
    "/etc/runlevels/boot/networking": "",
    "/etc/init.d/networking": File("", mode=0o755),
    "/bin/busybox": File("", mode=0o755),
    "/sbin/ifup": Link("/bin/busybox"),
    "/sbin/ifdown": Link("/bin/busybox"),
}


def facts(
    files: Mapping[str, Node] = DEBIAN, addresses: Sequence[object] = (), routes: Sequence[object] = (), **link: object
) -> Facts:
    record = {**LINK, **link, "addr_info": list(addresses)}
    return Facts(virtual(files, Mode.LIVE, queries={"links": [record], "routes": list(routes), "rules": []}))


def finding(iface: str = "eth0") -> Finding:
    rule = load_file(BUILT_IN / "address/address-missing.toml")
    return Finding(rule, Status.CONFIRMED, Severity.CRITICAL, "", "", (), 0, Advice("", ()), values={"iface": iface})


def planned(given: Facts, found: tuple[Finding, ...] | None = None) -> Plan:
    answer = FIX.plan(Request(given, (finding(),) if found is None else found))
    assert isinstance(answer, Plan), answer
    return answer


def commands(plan: Plan) -> list[str]:
    return [" ".join(operation.argv) for operation in plan.operations if isinstance(operation, Run)]


def test_without_a_fault_it_is_refused_and_may_be_forced() -> None:
    refusal = FIX.plan(Request(facts(), ()))
    assert isinstance(refusal, Refusal) and refusal.forceable and "no fault" in refusal.why
    assert isinstance(FIX.plan(Request(facts(), (), forced=True)), Plan)


def test_it_is_for_the_running_host_only() -> None:
    assert FIX.live_only


def test_debian_takes_the_interface_down_by_force_and_up_again() -> None:
    plan = planned(facts())
    assert commands(plan) == ["ifdown --force eth0", "ifup eth0"]
    down, up = plan.operations
    assert isinstance(down, Run) and isinstance(up, Run)
    assert down.inverse and down.inverse == up.inverse  # else the change could not be taken back
    assert not down.required and up.required


def test_busybox_has_only_the_short_option() -> None:
    assert commands(planned(facts(ALPINE))) == ["ifdown -f eth0", "ifup eth0"]


def test_the_interface_is_the_findings() -> None:
    plan = planned(facts(ifname="ens3"), (finding("ens3"),))
    assert commands(plan) == ["ifdown --force ens3", "ifup ens3"]


def test_a_hostile_interface_name_comes_into_no_command() -> None:
    for name in ("eth0;reboot", "a b", "-f\nflush"):
        answer = FIX.plan(Request(facts(ifname=name), (finding(name),)))
        assert isinstance(answer, Refusal), name


def test_what_is_not_installed_is_not_planned() -> None:
    files = {path: node for path, node in DEBIAN.items() if path != "/usr/sbin/ifdown"}
    answer = FIX.plan(Request(facts(files), (finding(),)))
    assert isinstance(answer, Refusal) and "ifdown is not installed" in answer.why


def test_when_what_is_up_can_not_be_seen_nothing_is_touched() -> None:
    answer = FIX.plan(Request(Facts(virtual(DEBIAN, Mode.LIVE)), (finding(),)))
    assert isinstance(answer, Refusal) and "can't be kept" in answer.why


# -- ssh


def session(*ancestors: tuple[str, bytes]) -> dict[str, Node]:
    """/proc of us and those above us."""
    files: dict[str, Node] = {}
    pid = os.getpid()
    for number, (name, environment) in enumerate(ancestors, start=70001):
        files[f"/proc/{pid}/stat"] = f"{pid} (a) b) S {number} 1 1\n"
        files[f"/proc/{number}/comm"] = name + "\n"
        files[f"/proc/{number}/environ"] = environment
        pid = number
    files[f"/proc/{pid}/stat"] = f"{pid} (x) S 1 1 1\n"
    return files


@pytest.fixture(autouse=True)
def no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


def test_whoever_sits_on_ssh_is_asked_also_under_sudo() -> None:
    connection = b"A=b\0SSH_CONNECTION=198.51.100.7 5022 192.0.2.10 22\0"
    files = {**DEBIAN, **session(("sudo", b""), ("bash", connection), ("sshd", b""))}
    plan = planned(facts(files, [ADDRESS]))
    assert "goes through eth0" in plan.ask and "--confirm-within" in plan.ask
    assert any("only Lish leads back" in line for line in plan.warnings)


def test_sshd_above_us_is_enough() -> None:
    assert planned(facts({**DEBIAN, **session(("bash", b""), ("sshd-session", b""))})).ask


def test_at_the_console_nobody_is_asked() -> None:
    assert planned(facts({**DEBIAN, **session(("bash", b"HOME=/root\0"), ("login", b""))}, [ADDRESS])).ask == ""


def test_our_own_environment_tells_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "198.51.100.7 5022 192.0.2.10 22")
    assert "eth0" in planned(facts(DEBIAN, [ADDRESS])).ask


# -- verification


def test_it_is_verified_when_the_configured_address_and_route_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart_network, "PATIENCE", 0.0)
    assert FIX.verify is not None

    def left(given: Facts) -> str:
        assert FIX.verify is not None
        return FIX.verify(Request(given, (finding(),)))

    assert left(facts(DEBIAN, [ADDRESS], [ROUTE])) == ""
    assert left(facts(DEBIAN, [ADDRESS])) == "there is no default route through 192.0.2.1"
    assert left(facts()) == "eth0 lacks 192.0.2.10/24"
    assert left(facts(flags=["BROADCAST", "MULTICAST"], operstate="DOWN")) == "eth0 is still down"


def test_a_second_card_that_stays_broken_does_not_take_the_first_one_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart_network, "PATIENCE", 0.0)
    stanza = "auto {0}\niface {0} inet static\n address {1}/24\n"
    text = stanza.format("eth0", "192.0.2.10") + stanza.format("eth1", "203.0.113.5")
    second = {**LINK, "ifname": "eth1", "ifindex": 3, "flags": [], "operstate": "DOWN"}
    links = [{**LINK, "addr_info": [ADDRESS]}, second]
    files = {**DEBIAN, "/etc/network/interfaces": text}
    given = Facts(virtual(files, Mode.LIVE, queries={"links": links, "routes": [], "rules": []}))
    assert FIX.verify is not None
    assert FIX.verify(Request(given, (finding("eth1"),))) == ""


# -- the way back


def test_leases_come_back_with_an_end_and_private_addresses_not_at_all() -> None:
    record = {
        **LINK,
        "addr_info": [
            {**ADDRESS, "dynamic": True},
            {"family": "inet6", "local": "2001:db8::5", "prefixlen": 64, "scope": "global", "temporary": True},
            {"family": "inet6", "local": "2001:db8::6", "prefixlen": 64, "scope": "global", "dynamic": True},
            {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
        ],
    }
    four, six = restoring(parse_links([record]), ())
    assert b"addr replace 192.0.2.10/24 dev eth0 scope global brd + valid_lft 3600 preferred_lft 3600\n" in four.input
    assert b"2001:db8::6/64 dev eth0 scope global nodad valid_lft 3600" in six.input
    assert b"2001:db8::5" not in six.input
    assert b"addr replace fe80::1/64 dev eth0 scope link nodad\n" in six.input
    assert four.argv == ("ip", "-4", "-force", "-batch", "-")


@needs_root
@pytest.mark.skipif(shutil.which("busybox") is None, reason="not installed: busybox-static")
def test_busybox_can_put_it_back_as_well() -> None:
    link = parse_links([{**LINK, "addr_info": [ADDRESS, {**ADDRESS, "local": "2001:db8::5", "prefixlen": 64}]}])
    gateway6 = {"dst": "default", "gateway": "fe80::1", "dev": "eth0", "protocol": "ra", "family": 6, "metric": 9}
    found = restoring(link, parse_routes([{**ROUTE, "flags": ["onlink"]}, gateway6], 0), busybox=True)
    script = "ip link add eth0 type veth peer name peer; ip link set peer up; " + "; ".join(
        f"busybox {' '.join(command.argv)} || echo failed" for command in found
    )
    assert all(not command.input for command in found)
    script += "; ip -br addr show eth0; ip route; ip -6 route"
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, timeout=30)
    assert "failed" not in done.stdout, done.stderr
    assert "192.0.2.10/24" in done.stdout and "2001:db8::5/64" in done.stdout
    assert "default via 192.0.2.1 dev eth0 onlink" in done.stdout and "default via fe80::1" in done.stdout


@needs_root
@pytest.mark.skipif(shutil.which("ip") is None, reason="not installed: iproute2")
@pytest.mark.parametrize(
    "damage",
    [
        "ip addr flush dev eth0; ip -6 addr flush dev eth0 scope global",
        "ip link set eth0 down; ip addr flush dev eth0",
        "ip addr add 198.51.100.9/24 dev eth0; ip route replace default via 192.0.2.77 dev eth0 proto dhcp;"
        "ip -6 addr add 2001:db8:9::9/64 dev eth0 nodad;"
        "ip -6 route add default via fe80::99 dev eth0 metric 5 proto static",
        "ip route flush table main; ip -6 route flush dev eth0 proto static; ip route flush table 100",
        "true",
    ],
)
def test_the_network_is_as_it_was(damage: str) -> None:
    """In a network namespace: a static host of Linode's kind, its network damaged, and put back."""
    setup = """
        ip link add eth0 type veth peer name peer; ip link set lo up; ip link set peer up; ip link set eth0 up
        ip addr add 192.0.2.10/24 brd + dev eth0; ip addr add 192.168.130.7/17 brd + dev eth0
        ip -6 addr add 2001:db8::5/64 dev eth0 nodad
        ip -6 addr add 2001:db8::6/64 dev eth0 nodad noprefixroute
        ip route add default via 192.0.2.1 dev eth0 proto static metric 100
        ip route add 203.0.113.0/24 via 192.0.2.2 dev eth0; ip route add 198.51.100.1 dev eth0
        ip route add default via 198.51.100.1 dev eth0 onlink table 100
        ip -6 route add default via fe80::1 dev eth0 proto static metric 1024
        ip -6 route add 2001:db8:5::/48 via 2001:db8::1 dev eth0
        sleep 0.1
    """
    script = f"""
import json, subprocess
from agent.facts.ip_records import parse_links, parse_routes
from agent.fixes.live_network import restoring
def sh(text):
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True)
def seen():
    links = parse_links([one for one in json.loads(sh("ip -j -d addr").stdout) if one.get("ifname") == "eth0"])
    routes = parse_routes(json.loads(sh("ip -j -4 route show table all").stdout), 4)
    routes += parse_routes(json.loads(sh("ip -j -6 route show table all").stdout), 6)
    return links, routes
made = sh({setup!r})
links, routes = seen()
sh({damage!r})
damaged = seen()
problems = []
for command in restoring(links, routes):
    done = subprocess.run(command.argv, input=command.input, capture_output=True)
    problems += [done.stderr.decode(), done.returncode]
subprocess.run(["sleep", "0.2"])
after = seen()
def plain(found):
    links, routes = found
    return (
        sorted(str(one) for link in links for one in link.addresses if one.scope == "global"),
        [link.up for link in links],
        sorted(str(route) for route in routes if route.device == "eth0"),
    )
print(json.dumps([made.stderr, plain((links, routes)), plain(damaged), plain(after), problems]))
"""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    made, before, damaged, after, problems = json.loads(done.stdout)
    assert made == "" and len(before[0]) == 4 and len(before[2]) >= 9
    assert (damaged != before) == (damage != "true")
    assert after == before, problems
    assert problems[1::2] == [0, 0], problems  # else the undo would be called a failure


_HALF_UP = """
mount --make-rprivate / && mount -t tmpfs none {base} && mkdir {base}/upper {base}/work {base}/root || exit 90
mount -t overlay overlay -o lowerdir={lower},upperdir={base}/upper,workdir={base}/work {base}/root || exit 91
cd {base}/root && mount -t proc proc proc && mount -t tmpfs run run && mkdir run/network || exit 92
ip link set lo up; ip link add eth0 type veth peer name peer; ip link set peer up
printf 'auto eth0\\niface eth0 inet static\\n address 192.0.2.10/24\\n gateway 192.0.2.1\\n' > etc/network/interfaces
printf '#!/bin/sh\\nexit 1\\n' > etc/network/if-up.d/broken; chmod 755 etc/network/if-up.d/broken
chroot . ifup eth0 && exit 93
rm etc/network/if-up.d/broken
chroot . ifdown eth0; chroot . ifup eth0 && exit 94
chroot . {down} || exit 95
chroot . {up} || exit 96
ip -br addr show eth0; ip route show default
"""


@needs_root
@pytest.mark.timeout(60)
def test_a_real_interface_that_a_hook_left_half_up_comes_up_by_force_only(tmp_path: Path) -> None:
    layers = sorted((lab_dir() / "layers").glob("bookworm-ifupdown-*"))
    bases = sorted((lab_dir() / "bases").glob("bookworm-*"))
    if not layers or not bases:
        pytest.skip("no base with ifupdown: make lab builds it")
    down, up = commands(planned(facts()))
    script = _HALF_UP.format(base=tmp_path, lower=f"{layers[0]}:{bases[0]}", down=down, up=up)
    done = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    assert "192.0.2.10/24" in done.stdout and "default via 192.0.2.1" in done.stdout
