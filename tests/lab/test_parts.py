"""The lab's own parts: what can be told without booting a host, and that nothing outlives a killed run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.fixes.registry import FIXES
from tests.lab import base, dhcp, isolation, trip
from tests.lab.root import Root
from tests.lab.scenarios import ALL
from tests.lab.scenarios.trips import TRIPS, everyday
from tests.lab.trip_host import at_rest
from tests.manifest import differences, manifest


def test_every_scenario_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in ALL]
    assert len(names) == len(set(names))


def test_there_are_at_least_eighteen_breakages_and_a_healthy_host_of_each_manager() -> None:
    assert sum(1 for scenario in ALL if scenario.finding) >= 18
    healthy = {scenario.layer for scenario in ALL if not scenario.finding}
    assert healthy == set(base.LAYERS) - {"boot"}  # a disk that is only looked at: no container boots its kernel


def test_each_finding_is_a_rule() -> None:
    rules = {path.stem: path.parent.name for path in (isolation.REPOSITORY / "rules").glob("*/*.toml")}
    for scenario in ALL:
        if scenario.finding:
            assert rules[scenario.finding] == scenario.rung, scenario.name
        assert scenario.consequences <= set(rules) | {"sshd-not-running"}, scenario.name


# What is broken before a system runs, no container acts out: real machines do (tests/vm).
BEFORE_THE_SYSTEM = {"--fsck", "--initramfs"}


def test_every_fix_makes_a_round_trip_on_every_suite() -> None:
    for suite in base.SUITES:
        tried = {scenario.fix[0].partition("=")[0] for chosen, scenario in everyday(base.SUITES) if chosen == suite}
        assert tried == {fix.flag for fix in FIXES} - BEFORE_THE_SYSTEM


def test_every_round_trip_is_made_somewhere_and_has_a_name_of_its_own() -> None:
    names = [scenario.name for scenario in TRIPS]
    assert len(names) == len(set(names))
    assert {scenario.name for _, scenario in everyday(base.SUITES)} == set(names)


def test_the_fix_of_a_round_trip_is_the_one_that_its_rule_names() -> None:
    rules = {path.stem: path.read_text() for path in (isolation.REPOSITORY / "rules").glob("*/*.toml")}
    for scenario in TRIPS:
        assert f'fix = "{scenario.fix[0].partition("=")[0]}' in rules[scenario.finding], scenario.name


def test_a_leg_that_failed_is_seen_in_the_table_with_what_was_said() -> None:
    good = {
        "way": "live",
        "steps": {"broken": "yes", "undone": "inside"},
        "problems": [],
        "said": ["x"],
        "seconds": 1.0,
    }
    bad = {"way": "offline", "steps": {"broken": "NO"}, "problems": ["why"], "said": ["$ agent fix"], "seconds": 2.0}
    one = trip.judge_trip("bookworm", TRIPS[0], {"legs": [good, bad], "console": "login:", "error": ""})
    text = "\n".join(trip.table([one]))
    assert one.problems[:2] == ("offline: why", "offline: $ agent fix")
    assert re.search(r"offline +NO +- +- +- +- +2\n", text)
    assert "login:" in text
    assert text.endswith("1 round trips, 2 ways, 1 wrong")


def test_a_trip_that_could_not_be_acted_out_is_wrong() -> None:
    one = trip.judge_trip("bookworm", TRIPS[0], {"error": "exit 137"})
    assert one.problems == ("could not be acted out: exit 137",)
    assert next(iter(trip.table([one]))).startswith("scenario")


def test_what_a_boot_writes_is_no_difference_and_all_else_is_one(tmp_path: Path) -> None:
    for name in ("etc/network", "var/log/journal", "var/lib/lish-agent"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/network/interfaces").write_text("auto eth0\n")
    before = manifest(tmp_path)
    (tmp_path / "var/log/journal/system.journal").write_text("x")
    (tmp_path / "var/lib/lish-agent/lock").write_text("")
    os.utime(tmp_path / "etc/network/interfaces", ns=(0, 1))
    assert [line.split(" ")[:2] for line in differences(at_rest(before), at_rest(manifest(tmp_path)))] == [
        ["/etc/network/interfaces:", "mtime"]
    ]


def test_the_mirror_is_the_one_this_machine_uses(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("# deb http://old.example/debian stable main\n")
    sources = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"
    (tmp_path / "sources.list.d" / "debian.sources").write_text(sources)
    assert base.mirror(tmp_path) == "http://mirror.example/debian"
    (tmp_path / "sources.list").write_text("deb [signed-by=/k.gpg] http://other.example/debian/ bookworm main\n")
    assert base.mirror(tmp_path) == "http://other.example/debian/"


def test_a_repository_of_another_vendor_is_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb https://packages.example/apt cloud main\n")
    assert base.mirror(tmp_path) == ""


def test_a_link_in_a_root_never_leads_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "root" / "etc").mkdir(parents=True)
    (tmp_path / "root" / "etc" / "network").symlink_to("/../../outside")
    (tmp_path / "root" / "etc" / "resolv.conf").symlink_to("/etc/hostname")
    root = Root(tmp_path / "root", "bookworm")
    root.write("/etc/network/interfaces", "x")
    root.write("/etc/resolv.conf", "y")
    assert (tmp_path / "root" / "outside" / "interfaces").read_text() == "x"
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "root" / "etc" / "resolv.conf").is_symlink()


def test_the_dhcp_server_offers_its_address_to_a_discover() -> None:
    discover = b"\1\1\6\0\xaa\xbb\xcc\xdd" + bytes(20) + b"\2\0\0\0\0\1" + bytes(202) + b"\x63\x82\x53\x63\x35\1\1\xff"
    offer = dhcp.answer(discover)
    assert offer[0] == 2
    assert offer[4:8] == b"\xaa\xbb\xcc\xdd"
    assert offer[16:20] == bytes([192, 0, 2, 10])
    assert offer[240:243] == b"\x35\1\2"


@pytest.mark.parametrize("packet", [b"", b"\2" * 300, b"\1" * 300, b"\1" + bytes(239)])
def test_the_dhcp_server_says_nothing_to_what_is_no_request(packet: bytes) -> None:
    assert dhcp.answer(packet) == b""


_KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from tests.lab.isolation import isolated, run_folder
job = (
    "import subprocess, time; from pathlib import Path; from tests.lab.isolation import enter_cgroup;"
    "enter_cgroup(Path(r'{{folder}}').name + '-0');"
    "subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', r'{{folder}}'], check=True);"
    "subprocess.run(['ip', 'link', 'add', 'outside', 'type', 'veth', 'peer', 'name', 'eth0'], check=True);"
    "print('up', flush=True); time.sleep(600)"
)
with run_folder() as folder:
    command = isolated([sys.executable, "-c", job.replace("{{folder}}", str(folder))], network=True)
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"up\\n"
    print(folder, child.pid, flush=True)
    child.wait()
"""


@pytest.mark.lab
@pytest.mark.timeout(120)
def test_what_a_killed_run_leaves_is_cleared_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    if reason := isolation.why_not():
        pytest.skip(f"no lab here: {reason}")
    run = subprocess.Popen(
        [sys.executable, "-c", _KILLED],
        cwd=isolation.REPOSITORY,
        stdout=subprocess.PIPE,
    )
    assert run.stdout is not None
    words = run.stdout.readline().split()
    folder, child = Path(os.fsdecode(words[0])), int(words[1])
    cgroups = [root / f"{isolation.CGROUP_PREFIX}-{folder.name}-0" for root in isolation.cgroup_roots()]
    assert all(cgroup.exists() for cgroup in cgroups)
    run.kill()
    run.wait()
    until = time.monotonic() + 10
    while _runs(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(child), "what the run had started outlived it"
    assert folder.exists()
    assert isolation.clear_stale() == [folder.name]
    assert not folder.exists()
    assert not any(cgroup.exists() for cgroup in cgroups)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert isolation.clear_stale() == []


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.lab
@pytest.mark.timeout(120)
def test_a_living_run_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    if reason := isolation.why_not():
        pytest.skip(f"no lab here: {reason}")
    with isolation.run_folder() as folder:
        assert isolation.clear_stale() == []
        assert folder.exists()
    assert not folder.exists()
