"""Making a report: what is refused, what is counted, and what Ctrl-C leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.errors import CannotLook, UsageError
from agent.mtr import making
from agent.mtr.probe import Answer, Run
from agent.mtr.request import Destination, Request, check
from agent.mtr.tally import Tally
from agent.target.model import Mode, Output
from agent.target.target import Target
from tests.virtual import virtual

FAR = Destination("203.0.113.10", "203.0.113.10", 2)
VERSION = ("mtr", "--version")


def quiet(text: str) -> None:
    pass


def mtr_says(argv: tuple[str, ...], said: str, complaint: str = "", exit: int = 0) -> Target:
    answer = Output(argv, exit, said, complaint, 0.1)
    return virtual({}, mode=Mode.LIVE, runs={VERSION: "mtr 0.95\n", argv: answer})


class Path:
    """A path of a few routers; ``interrupt`` after so many probes."""

    def __init__(self, *routers: str, interrupt: int = 0) -> None:
        self._routers = routers
        self._interrupt = interrupt
        self._answers: list[Answer] = []
        self._sent = 0

    def send(self, hop: int, sequence: int) -> None:
        self._sent += 1
        if self._sent == self._interrupt:
            raise KeyboardInterrupt
        address = self._routers[min(hop, len(self._routers)) - 1]
        if address:
            self._answers.append(Answer(sequence, address, 1.0, hop >= len(self._routers)))

    def hear(self, seconds: float) -> Iterator[Answer]:
        yield from self._answers
        self._answers.clear()

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "address", ["", "-x", "--json", "a b", "a;b", "1.2.3.4 -F/etc/passwd", "x\n", "é" * 3, "a" * 300, "fe80::1%-r x"]
)
def test_what_is_no_address_never_reaches_a_program(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        making.make(virtual({}, mode=Mode.LIVE), Request(address), quiet)
    assert refused.value.hint


@pytest.mark.parametrize(
    "request_",
    [
        Request("192.0.2.1", count=0),
        Request("192.0.2.1", count=10**9),
        Request("192.0.2.1", interval=0),
        Request("192.0.2.1", interval=float("nan")),
        Request("192.0.2.1", hops=0),
        Request("192.0.2.1", port=22),
        Request("192.0.2.1", tcp=True, port=65536),
        Request("192.0.2.1", grace=-1),
    ],
)
def test_numbers_out_of_range_are_refused_with_a_hint(request_: Request) -> None:
    with pytest.raises(UsageError) as refused:
        check(request_)
    assert refused.value.hint


def test_a_disk_has_no_path_to_probe() -> None:
    with pytest.raises(CannotLook) as refused:
        making.make(virtual({}), Request("192.0.2.1"), quiet)
    assert refused.value.hint


def test_ctrl_c_leaves_what_was_counted() -> None:
    run = Run(Path("192.0.2.1", "203.0.113.10", interrupt=6), Request("203.0.113.10", 100, interval=0.02), FAR)
    run.go(quiet)
    rows = run.tally.rows()
    assert [(hop.router, hop.sent, hop.loss) for hop in rows] == [("192.0.2.1", 3, 0.0), ("203.0.113.10", 2, 0.0)]


def test_each_cycle_is_told() -> None:
    told: list[str] = []
    Run(Path("192.0.2.1", "203.0.113.10"), Request("203.0.113.10", 3, interval=0.02, grace=0), FAR).go(told.append)
    assert told == [f"cycle {at} of 3, 2 hops, 0.0 % lost so far" for at in (1, 2, 3)]


def test_rows_end_one_silent_row_after_the_last_that_answered() -> None:
    run = Run(Path("192.0.2.1", "", ""), Request("203.0.113.10", 2, interval=0.02, grace=0), FAR)
    run.go(quiet)
    assert [hop.router for hop in run.tally.rows()] == ["192.0.2.1", "???"]


def test_nobody_answers_and_there_are_no_rows() -> None:
    run = Run(Path(""), Request("203.0.113.10", 1, interval=0.02, grace=0), FAR)
    run.go(quiet)
    assert run.tally.rows() == ()
    assert not run.error


def test_a_router_that_refuses_over_and_over_is_two_rows() -> None:
    tally = Tally("203.0.113.10")
    for hop in range(1, 31):
        tally.sent(hop)
        tally.heard(hop, "192.0.2.1" if hop == 1 else "192.0.2.5")
        tally.answered(hop, 1.0)
    assert [hop.router for hop in tally.rows()] == ["192.0.2.1", "192.0.2.5", "192.0.2.5"]


def test_times_are_counted_as_mtr_counts_them() -> None:
    tally = Tally("203.0.113.10")
    for milliseconds in (1.0, 2.0, 6.0):
        tally.sent(1)
        tally.heard(1, "203.0.113.10")
        tally.answered(1, milliseconds)
    tally.sent(1)
    (hop,) = tally.rows()
    assert (hop.loss, hop.sent, hop.last, hop.average, hop.best, hop.worst) == (25.0, 4, 6.0, 3.0, 1.0, 6.0)
    assert hop.deviation == pytest.approx(2.6458, abs=1e-3)


def test_the_events_of_mtr_are_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "unroutable", lambda destination: "")
    argv = ("mtr", "--raw", "-4", "-c", "2", "-m", "30", "-i", "1", "-n", "-G", "5", "--", "203.0.113.10")
    said = (
        "x 0 1\nh 0 192.0.2.1\np 0 1500 1\nx 1 2\nh 1 203.0.113.10\np 1 2500 2\nrubbish\np 99999 1\n"
        "x 0 3\np 0 500 3\nx 1 4\n"
    )
    report = making.make(mtr_says(argv, said), Request("203.0.113.10", 2), quiet)
    assert [(hop.router, hop.sent, hop.loss, hop.average) for hop in report.hops] == [
        ("192.0.2.1", 2, 0.0, 1.0),
        ("203.0.113.10", 2, 50.0, 2.5),
    ]


def test_the_complaint_of_mtr_is_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "unroutable", lambda destination: "")
    argv = ("mtr", "--raw", "-4", "-c", "2", "-m", "30", "-i", "1", "-n", "-G", "5", "--", "203.0.113.10")
    target = mtr_says(argv, "", "mtr: Failure to start mtr-packet: Invalid argument\n", 1)
    report = making.make(target, Request("203.0.113.10", 2), quiet)
    assert (report.hops, report.error) == ((), "Failure to start mtr-packet: Invalid argument")


OLD = ("mtr", "-r", "-4", "-c", "2", "-m", "30", "-i", "1", "-n", "--", "203.0.113.10")


def old_mtr(said: str, complaint: str = "", exit: int = 0) -> Target:
    """A version whose --raw does not tell what it sends."""
    return virtual({}, mode=Mode.LIVE, runs={VERSION: "mtr 0.86\n", OLD: Output(OLD, exit, said, complaint, 0.1)})


def test_the_text_report_of_an_old_mtr_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "unroutable", lambda destination: "")
    said = (
        "Start: Mon Nov 23 12:00:00 2026\n"
        "HOST: web1                        Loss%   Snt   Last   Avg  Best  Wrst StDev\n"
        "  1.|-- 192.0.2.1                  0.0%     2    1.0   1.0   1.0   1.0   0.0\n"
        "  2.|-- 203.0.113.10              50.0%     2    2.5   2.5   2.5   2.5   0.0\n"
    )
    report = making.make(old_mtr(said), Request("203.0.113.10", 2), quiet)
    assert [(hop.router, hop.sent, hop.loss) for hop in report.hops] == [
        ("192.0.2.1", 2, 0.0),
        ("203.0.113.10", 2, 50.0),
    ]


def test_the_complaint_of_an_old_mtr_is_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "unroutable", lambda destination: "")
    report = making.make(old_mtr("", "mtr: unable to get raw sockets.\n", 1), Request("203.0.113.10", 2), quiet)
    assert (report.hops, report.error) == ((), "unable to get raw sockets.")
