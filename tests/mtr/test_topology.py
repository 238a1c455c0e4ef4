"""Real routers: mtr's report and our own probe's show the same hops, and get the same verdict: the true one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from agent.mtr import making, printing
from agent.mtr.judge import judge
from agent.mtr.model import Report
from agent.mtr.probe import Run
from agent.mtr.probe_icmp import IcmpProber
from agent.mtr.reading import read
from agent.mtr.request import Request, resolve, unroutable
from agent.mtr.verdict import Verdict
from agent.target.detect import open_target
from tests.mtr.topology.line import BESIDE4, HOPS4, HOPS6, Line, line
from tests.mtr.topology.scenarios import ONE_WAY, SCENARIOS, TWO_WAYS, Scenario

NEEDED = ("ip", "iptables", "ip6tables", "mtr")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make namespaces"),
    pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason="needs " + ", ".join(NEEDED)),
]


@pytest.fixture(scope="module")
def routers() -> Iterator[Line]:
    with line() as built:
        with built.at("D"):
            listening = [socket.create_server(("", 22)), socket.create_server(("::", 22), family=socket.AF_INET6)]
        try:
            yield built
        finally:
            for one in listening:
                one.close()


@pytest.fixture
def broken(routers: Line, request: pytest.FixtureRequest) -> Iterator[Scenario]:
    scenario: Scenario = request.param
    try:
        routers.do(scenario.broken)
        yield scenario
    finally:
        routers.open_rules()
        routers.do(scenario.mended)


def asked(scenario: Scenario) -> Request:
    return Request(
        scenario.address,
        scenario.count,
        tcp=scenario.port is not None,
        port=scenario.port,
        interval=0.1,
        grace=0.4,
    )


def by_mtr(request: Request) -> Report:
    return making.make(open_target("/"), request, lambda text: None)


def by_our_own(request: Request) -> Report:
    destination = resolve(request.address)
    if isinstance(destination, str) or unroutable(destination):
        return by_mtr(request)
    return making.own(request, destination, lambda text: None)


def hops(report: Report) -> tuple[str, ...]:
    return tuple(hop.routers[0].address if hop.routers else "" for hop in report.hops)


@pytest.mark.parametrize("broken", SCENARIOS, indirect=True, ids=lambda one: one.name)
@pytest.mark.parametrize("made", [by_mtr, by_our_own], ids=["mtr", "own"])
def test_a_report_shows_the_true_hops_and_gets_the_true_verdict(
    broken: Scenario, made: Callable[[Request], Report]
) -> None:
    report = made(asked(broken))
    assert hops(report) == broken.hops
    assert judge(report, broken.address).verdict is broken.verdict


@pytest.mark.parametrize("made", [by_mtr, by_our_own], ids=["mtr", "own"])
def test_two_ways_are_two_routers_of_one_hop(routers: Line, made: Callable[[Request], Report]) -> None:
    routers.do(TWO_WAYS)
    try:
        report = made(Request(HOPS4[-1], 20, tcp=True, port=22, interval=0.1, grace=0.4))
    finally:
        routers.do(ONE_WAY)
    assert len(report.hops) == len(HOPS4)
    assert {router.address for router in report.hops[2].routers} == {HOPS4[2], BESIDE4[1].partition("/")[0]}
    assert judge(report, HOPS4[-1]).verdict is Verdict.HEALTHY
    again = read("printed", printing.text(report).encode()).reports[0]
    assert set(again.hops[2].routers) == set(report.hops[2].routers)


@pytest.mark.parametrize(
    "broken",
    [one for one in SCENARIOS if one.name in ("silent destination", "loop between R3 and R4", "prohibited at hop 3")],
    indirect=True,
    ids=lambda one: one.name,
)
def test_the_counted_events_are_the_report_that_mtr_itself_prints(broken: Scenario) -> None:
    argv = ["mtr", "-n", "--json", "-c", "6", "-i", "0.1", "-G", "0.4", broken.address]
    printed = subprocess.run(argv, capture_output=True, timeout=60, check=True).stdout
    report = read("mtr", printed).reports[0]
    found = tuple(hop.routers[0].address or hop.routers[0].name if hop.routers else "" for hop in report.hops)
    assert found == broken.hops


@pytest.mark.parametrize("address", ["203.0.113.10", "2001:db8:5::2"])
def test_the_ping_socket_of_a_user_without_rights_sees_the_same_hops(routers: Line, address: str) -> None:
    routers.do((("S", "net/ipv4/ping_group_range=0\t0"),))
    destination = resolve(address)
    assert not isinstance(destination, str)
    with closing(IcmpProber(destination, privileged=False)) as prober:
        run = Run(prober, Request(address, 4, interval=0.1, grace=0.3), destination)
        run.go(lambda text: None)
    assert [hop.router for hop in run.tally.rows()] == list(HOPS6 if ":" in address else HOPS4)


@pytest.mark.parametrize("made", [by_mtr, by_our_own], ids=["mtr", "own"])
def test_ctrl_c_gives_the_report_so_far(routers: Line, made: Callable[[Request], Report]) -> None:
    timer = threading.Timer(0.9, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        report = made(Request(HOPS4[-1], 1000, interval=0.2))
    finally:
        timer.join()
    assert hops(report) == HOPS4
    assert all(hop.loss == 0 for hop in report.hops)
    assert 2 <= (report.cycles or 0) <= 6
