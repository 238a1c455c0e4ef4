"""What we print is read again as what it was; nothing that is read makes the reader fail."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.mtr.judge import judge
from agent.mtr.model import Form, Hop, Report, Router
from agent.mtr.printing import json_text, text
from agent.mtr.reading import read
from tests.growth import grows_with_its_input
from tests.mtr.samples import SAMPLES

ROUTERS = st.one_of(
    st.builds(Router, address=st.ip_addresses(v=4).map(str)),
    st.builds(Router, address=st.ip_addresses(v=6).map(str)),
    st.builds(Router, name=st.sampled_from(["gw.example", "ae-1.r2.ams.example.net", "_gateway"])),
    st.builds(Router, name=st.just("core.example"), address=st.ip_addresses().map(str)),
)
TENTHS = st.integers(0, 9999).map(lambda number: number / 10)


@st.composite
def hops(draw: st.DrawFn, number: int) -> Hop:
    sent = draw(st.none() | st.integers(1, 99999))
    asn = draw(st.sampled_from(["", "AS63949", "AS1"]))
    if draw(st.booleans()):
        return Hop(number, (), 100.0, sent, asn=asn)
    loss = draw(st.integers(0, 999)) / 10
    times = [draw(TENTHS) for _ in range(5)]
    labels = tuple(draw(st.lists(st.just("MPLS: Lbl 24015 TC 0 S u TTL 1"), max_size=2)))
    more = tuple(draw(st.lists(ROUTERS.filter(lambda router: router.name != "_gateway"), max_size=2)))
    return Hop(number, (draw(ROUTERS), *more), loss, sent, *times, asn, labels)


@st.composite
def reports(draw: st.DrawFn) -> Report:
    count = draw(st.integers(0, 12))
    found = tuple(draw(hops(number)) for number in range(1, count + 1))
    return Report(Form.TEXT, found, "vm", started=draw(st.sampled_from(["", "2026-11-22T14:46:13+0000"])))


@settings(deadline=None)
@given(reports())
def test_a_printed_report_is_read_as_the_same(report: Report) -> None:
    (again,) = read("x", text(report).encode()).reports
    assert again == report


@settings(deadline=None)
@given(reports())
def test_printed_json_is_read_as_the_same(report: Report) -> None:
    (again,) = read("x", json_text(report).encode()).reports
    first = tuple(Hop(hop.number, hop.routers[:1], hop.loss, hop.sent, *_times(hop), hop.asn) for hop in report.hops)
    assert [hop.router for hop in again.hops] == [hop.router for hop in first]
    assert [(hop.loss, hop.sent, *_times(hop), hop.asn) for hop in again.hops] == [
        (hop.loss, hop.sent, *_times(hop), hop.asn) for hop in first
    ]


def _times(hop: Hop) -> tuple[float | None, ...]:
    return hop.last, hop.average, hop.best, hop.worst, hop.deviation


def test_it_is_printed_as_mtr_prints_it() -> None:
    for name in (
        "healthy_wide_no_dns.txt",
        "d_link_down_r4_arp_fails.txt",
        "dest_drops_all.txt",
        "route_loop_r3_r4.txt",
    ):
        recorded = (SAMPLES / "mtr" / name).read_text()
        (report,) = read(name, recorded.encode()).reports
        theirs = [line.split() for line in recorded.splitlines()[1:-1]]
        assert [line.split() for line in text(report).splitlines()] == theirs


def test_an_error_is_printed_as_mtrs_own() -> None:
    assert text(Report(Form.TEXT, (), error="Network is unreachable")) == "mtr: Network is unreachable\n"


PIECES = [path.read_bytes() for path in sorted((SAMPLES / "mtr").iterdir())]


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_input_makes_the_reader_fail(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(PIECES)))
    for _ in range(data.draw(st.integers(0, 12))):
        at = data.draw(st.integers(0, len(content)))
        what = data.draw(st.sampled_from(["cut", "insert", "flip", "twice"]))
        if what == "cut":
            del content[at : at + data.draw(st.integers(1, 200))]
        elif what == "insert":
            content[at:at] = data.draw(
                st.one_of(st.binary(max_size=30), st.sampled_from([b"|", b"%", b"\n", b'"', b"{"]))
            )
        elif what == "flip" and at < len(content):
            content[at] = data.draw(st.integers(0, 255))
        elif what == "twice":
            content += content[at:]
    _read(bytes(content))


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(max_size=2000), st.text(max_size=2000).map(lambda text: text.encode("utf-8", "replace"))))
def test_no_rubbish_makes_the_reader_fail(data: bytes) -> None:
    _read(data)


def _read(data: bytes) -> None:
    try:
        reading = read("x", data)
    except UsageError as error:
        assert error.hint
        return
    for report in reading.reports:
        assert all(0 <= hop.loss <= 100 for hop in report.hops)
        judge(report)
        text(report)
        json_text(report)


@pytest.mark.parametrize(
    "unit",
    [
        b"  1.|-- a 0.0% 10 0.1 0.2 0.1 0.3 0.1\n",
        b'{"report": {"mtr": {',
        b'{"report":',
        b"<MTR A=",
        b"<MTR><HUB COUNT=1 HOST=x>",
        b"x 0 1\nh 0 a\n",
        b"MTR.0.95,1,OK,h,1,",
        b"1.|-- 1.|-- ",
        b"<<<<<",
        b"&&&&#",
        b"[code][[",
        b"a (b) -> ",
        b"HOST: Loss% Snt ",
        b"mtr -r mtr ",
        b"\x1b[\x1b]",
        b"        ",
        b"> > > ",
        b"1. 1. 1. ",
        b"0.0% 0.0% ",
        b"a-",
        b"| ",
        b"Host - % | Sent\n",
    ],
)
def test_hostile_input_takes_time_in_proportion(unit: bytes) -> None:
    assert grows_with_its_input(lambda size: _read((unit * (size // len(unit) + 1))[:size]), 40_000, 320_000)
