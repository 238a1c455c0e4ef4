"""Logs as crashes, full disks and other people leave them: nothing that could be read is lost, nothing counts twice."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.logs import lines
from agent.logs.accept import accepts
from agent.logs.boots import Mark, Timeline
from agent.logs.collect import Collector
from agent.logs.console import search_console
from agent.logs.engine import PlainEngine
from agent.logs.header import parse
from agent.logs.lines import candidates
from agent.logs.literals import required_literals
from agent.logs.model import Entry, Found, Hits, Pattern, Trust
from agent.logs.plan import MARKS, Plan
from agent.logs.search import _dated
from agent.logs.text import Uncoloured, search_texts
from tests.virtual import File, virtual

HOOK = Pattern("hook", r"run-parts: /etc/network/if-up\.d/(?P<hook>\w+) exited")
PLAN = Plan((HOOK, *MARKS))
SAID = b"run-parts: /etc/network/if-up.d/sendmail exited with return code 2"
HIT = b"Nov 23 10:00:00 web1 ifup[311]: " + SAID + b"\n"
LATE = 1795428000.0  # Nov 23 10:00:00 2026 UTC


def search(files: dict[str, bytes]) -> Found:
    return search_texts(virtual({path: File(data, mtime=LATE) for path, data in files.items()}), PLAN)


def syslog(data: bytes) -> Hits | None:
    return search({"/var/log/syslog": data}).hits.get("hook")


@pytest.mark.parametrize("before", [5_000, 70_000, 1_046_528, 1_048_526, 2_097_052, 3_000_000])
@pytest.mark.parametrize("after", [0, 2_500_000])
def test_a_match_anywhere_in_a_long_line_is_found_once(before: int, after: int) -> None:
    hits = syslog(b"Nov 23 10:00:00 web1 app[1]: " + b"y" * before + b" " + SAID + b"z" * after + b"\n" + HIT)
    assert hits is not None and hits.count == 2
    first, second = (match.entry for match in hits.matches)
    assert (first.line, first.ident, second.line, second.ident) == (1, "app", 2, "ifup")
    assert "sendmail exited" in first.text[:200], "what is shown as evidence is what matched"


def test_many_matches_in_one_line_count_once() -> None:
    hits = syslog(b" ".join([SAID] * 50_000) + b"\n" + HIT)
    assert hits is not None and hits.count == 2


@pytest.mark.parametrize("zeros", [1, 5_000, 3_000_000])
def test_zeros_that_a_crash_left_do_not_hide_the_line_behind_them(zeros: int) -> None:
    hits = syslog(b"a\n" + b"\0" * zeros + HIT)
    assert hits is not None
    assert (hits.matches[0].entry.line, hits.matches[0].entry.ident) == (2, "ifup")


PATTERNS = [
    Pattern("a", r"^abcd: x{1,3}$"),
    Pattern("b", r"(?:efgh|ijkl)\d"),
    Pattern("c", r"mnop.{0,20}qrst"),
]
PIECES = st.sampled_from(
    [b"abcd: xx", b"efgh5", b"ijkl", b"7", b"mnop", b"qrst", b"\0", b"\xff", b"\r", b" ", b"u" * 700]
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(PIECES, max_size=12).map(b"".join), max_size=8),
    st.integers(1, 9000),
    st.lists(st.integers(1, 4000), min_size=1, max_size=4),
    st.booleans(),
)
def test_counts_equal_the_obvious_way_whatever_the_blocks(
    texts: list[bytes], block: int, gives: list[int], ended: bool
) -> None:
    """Against every regex on every line, with streams that give less than is asked for."""
    data = b"\n".join(texts) + (b"\n" if ended and texts else b"")
    obvious = {
        (number, pattern.key)
        for number, line in enumerate(data.split(b"\n"), 1)
        for pattern in PATTERNS
        if len(line) <= lines.WINDOW and re.search(pattern.regex, line.lstrip(b"\0").decode("utf-8", "replace"))
    }
    plan = Plan(PATTERNS, PlainEngine)
    found: set[tuple[int, str]] = set()
    counted: list[int] = []
    before = lines.BLOCK
    lines.BLOCK = block
    try:
        for line in candidates(Dribble(data, gives), plan, counted):
            text = line.data.decode("utf-8", "replace")
            found |= {(line.number, plan.patterns[i].key) for i in line.patterns if plan.regexes[i].search(text)}
    finally:
        lines.BLOCK = before
    assert obvious <= found
    assert counted == [data.count(b"\n") + (not data.endswith(b"\n") and bool(data))]
    short = {number for number, line in enumerate(data.split(b"\n"), 1) if len(line) <= lines.WINDOW}
    assert {item for item in found if item[0] in short} == obvious


class Dribble:
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, gives: list[int]) -> None:
        self._stream = io.BytesIO(data)
        self._gives = gives
        self._turn = 0

    def read(self, size: int) -> bytes:
        self._turn += 1
        return self._stream.read(min(size, self._gives[self._turn % len(self._gives)]))


PACKERS = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


def packed(suffix: str, data: bytes) -> bytes:
    if suffix == "zst":
        return bytes(pytest.importorskip("zstandard").compress(data))
    return PACKERS[suffix](data)


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])  # zstd's blocks are all or nothing
def test_a_small_archive_that_lost_its_end_gives_all_that_is_there(suffix: str) -> None:
    path = f"/var/log/syslog.1.{suffix}"
    found = search({path: packed(suffix, HIT * 1000)[:-1]})
    assert found.hits["hook"].count == 1000
    assert [item.what for item in found.unchecked] == [path]


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2", "zst"])
def test_members_follow_each_other_and_what_is_none_is_left_alone(suffix: str) -> None:
    whole = packed(suffix, HIT)
    found = search({f"/var/log/syslog.1.{suffix}": whole + whole + b"\0\0\0rest"})
    assert found.hits["hook"].count == 2
    assert found.unchecked == ()


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2", "zst"])
def test_names_lie_and_contents_do_not(suffix: str) -> None:
    assert search({f"/var/log/syslog.1.{suffix}": HIT}).hits["hook"].count == 1
    assert search({"/var/log/syslog.1": packed(suffix, HIT)}).hits["hook"].count == 1
    assert search({f"/var/log/syslog.1.{suffix}": b""}).unchecked == ()


def test_damage_in_the_middle_of_a_gzip_keeps_what_came_before() -> None:
    text = b"".join(b"Nov 23 10:00:00 web1 x[%d]: %d\n" % (n, n * 7919) for n in range(2000))
    data = bytearray(gzip.compress(HIT + text))
    for place in range(len(data) // 2, len(data) // 2 + 40):
        data[place] ^= 0xFF
    found = search({"/var/log/syslog.1.gz": bytes(data)})
    assert found.hits["hook"].count == 1
    assert len(found.unchecked) == 1


MEMORY_TEST = """
import lzma, resource, sys
from agent.logs.plan import MARKS, Plan
from agent.logs.model import Pattern
from agent.logs.text import search_texts
from tests.virtual import virtual
plan = Plan((Pattern("hook", "run-parts: /etc"), *MARKS))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = search_texts(virtual({sys.argv[1]: sys.stdin.buffer.read()}), plan)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(found.unchecked))
"""


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("syslog.1.gz", lambda: gzip.compress(b"\0" * (200 << 20), 1)),
        ("syslog.1.bz2", lambda: bz2.compress(b"\0" * (200 << 20))),
        ("syslog", lambda: b"x" * (64 << 20)),
        ("syslog.1", lambda: HIT * 300_000),
    ],
)
def test_memory_is_bounded_whatever_the_log(name: str, data: object) -> None:
    given = data()  # type: ignore[operator]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_TEST, f"/var/log/{name}"],
        input=given,
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    grown = int(done.stdout.split()[0]) - 2 * len(given) // 1024  # what the test itself holds
    assert grown < 60_000, f"{grown} KiB"


def test_an_archive_that_asks_for_more_memory_than_any_log_needs_is_refused() -> None:
    # The header of a stream whose dictionary is 1.5 GiB large: never made here, that would take as much.
    small = lzma.compress(HIT, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 96 << 20, "preset": 0}])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = search({"/var/log/syslog.1.xz": small})
    assert [item.why for item in found.unchecked] == ["damaged, read only in part: Memory usage limit exceeded"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


OLD_BOOT = b"Nov 22 10:00:00 web1 kernel: [    0.000000] Linux version 4.4.0-1 (x@y)\n"
START = b'Nov 23 09:59:58 web1 rsyslogd: [origin software="rsyslogd" swVersion="8.16.0" x-pid="9"] start\n'
NEW_BOOT = b"Nov 23 09:59:58 web1 kernel: [    0.000000] Linux version 4.4.0-2 (x@y)\n"


def test_what_the_log_daemon_catches_up_on_belongs_to_the_boot_that_begins() -> None:
    hits = syslog(OLD_BOOT + HIT.replace(b"23 10:00:00", b"22 10:00:05") + START + HIT + NEW_BOOT + HIT)
    assert hits is not None
    assert [match.entry.boot for match in hits.matches] == [-1, 0, 0]


def test_a_log_daemon_that_was_restarted_begins_no_boot() -> None:
    hits = syslog(OLD_BOOT + HIT.replace(b"23 10:00:00", b"22 10:00:05") + START + HIT)
    assert hits is not None
    assert [match.entry.boot for match in hits.matches] == [0, 0]


def test_logs_without_the_kernels_lines_are_dated_by_those_with_them() -> None:
    old = HIT.replace(b"23 10:00:00", b"22 10:00:05")
    found = search({"/var/log/syslog": OLD_BOOT + START + NEW_BOOT, "/var/log/daemon.log": old + HIT})
    assert [match.entry.boot for match in found.hits["hook"].matches] == [-1, 0]


def test_a_text_log_that_went_out_of_use_has_no_newest_boot() -> None:
    """rsyslog was removed by an upgrade: the last boot that it saw is not the last one."""
    found = search({"/var/log/syslog": NEW_BOOT + HIT})
    assert [match.entry.boot for match in found.hits["hook"].matches] == [0]
    later = _dated(found, LATE + 86400)
    assert [match.entry.boot for match in later.hits["hook"].matches] == [-1]


def test_a_timeline_counts_boots_back() -> None:
    timeline = Timeline()
    assert timeline.boot(5.0) is None
    timeline.add([Mark(1, 100.0), Mark(9, 200.0), Mark(12, None)])
    assert [timeline.boot(time) for time in (50.0, 90.0, 150.0, 250.0, None)] == [-2, -1, -1, 0, None]


def test_colours_in_the_middle_of_a_boot_log_do_not_hide_a_match() -> None:
    line = b"[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mnetworking.service\x1b[0m - Raise network\r\n"
    pattern = Pattern("failed", r"Failed to start networking\.service - Raise network$")
    found = search_texts(virtual({"/var/log/boot.log": line}), Plan((pattern, *MARKS)))
    assert found.hits["failed"].count == 1


@given(
    st.lists(st.sampled_from([b"a", b"\x1b[0;1m", b"\x1b[K", b"\n", b"\r\n", b"[m"]), max_size=60), st.integers(1, 9)
)
def test_escape_codes_are_taken_out_wherever_a_block_ends(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    stream = Uncoloured(Dribble(data, [size]))
    whole = b"".join(iter(lambda: stream.read(4096), b""))
    assert whole == data.replace(b"\x1b[0;1m", b"").replace(b"\x1b[K", b"").replace(b"\r\n", b"\n")


def test_thousands_of_rotations_are_not_all_read() -> None:
    found = search({f"/var/log/syslog.{number}": HIT for number in range(1, 3000)})
    assert found.hits["hook"].count == 200
    assert len(found.unchecked) == 1


def test_a_regex_may_match_across_the_tag() -> None:
    pattern = Pattern("x", r"ifup: failed to bring up")
    assert required_literals(pattern.regex) == {b": failed to bring up"}
    found = search_texts(
        virtual({"/var/log/syslog": b"Nov 23 10:00:00 web1 ifup[311]: failed to bring up eth0\n"}),
        Plan((pattern, *MARKS)),
    )
    assert found.hits["x"].count == 1


@pytest.mark.parametrize(
    ("line", "ident", "text"),
    [
        ('<34>1 2026-10-11T22:14:15.003Z web1 su 12 ID47 [x@1 a="b\\]"] hi', "su", "hi"),
        ("<30>1 2026-10-11T22:14:15Z web1 ifup 311 - - hi", "ifup", "hi"),
        ("2026-10-11T22:14:15Z web1 dhclient[1]: bound to - hi", "dhclient", "bound to - hi"),
        ("Sat 2026-10-11 22:14:15 UTC web1 ifup[3]: hi", "ifup", "hi"),
        ("Oct 11 22:14:15 2001:db8::1 ifup[3]: hi", "ifup", "hi"),
        ("Oct 11 22:14:15 web1 ifup[3]: message repeated 2 times: [ hi]", "ifup", "hi"),
        ("/var/log/syslog.1:12:Oct 11 22:14:15 web1 ifup[3]: hi", "ifup", "hi"),
        ("web-1  | Oct 11 22:14:15 web1 ifup[3]: hi", "ifup", "hi"),
        ("10月 11 22:14:15 web1 ifup[3]: hi", "ifup", "hi"),
    ],
)
def test_lines_of_other_writers_are_taken_apart(line: str, ident: str, text: str) -> None:
    header = parse(line)
    assert (header.ident, header.text, header.month, header.day) == (ident, text, 10, 11)


@pytest.mark.parametrize("suffix", ["gz", "xz", "bz2"])
def test_a_captured_text_that_is_cut_gives_what_is_there(suffix: str) -> None:
    found = search_console(f"console.{suffix}", io.BytesIO(packed(suffix, HIT * 10)[:-1]), [HOOK])
    assert found.hits["hook"].count == 10
    assert len(found.unchecked) == 1


def test_a_message_is_evidence_from_where_it_matched() -> None:
    collector = Collector(PLAN)
    collector.offer(Entry("x", "y" * 3000 + SAID.decode(), line=1), [0])
    (match,) = collector.hits()["hook"].matches
    assert match.entry.text.index("run-parts") < 100


@pytest.mark.parametrize(
    ("pattern", "ident", "accepted"),
    [
        (Pattern("x", "x", idents=("kernel", "dracut")), "kernel", True),
        (Pattern("x", "x", idents=("kernel", "dracut")), "dracut", True),
        (Pattern("x", "x", idents=("dracut",)), "kernel", False),
        (Pattern("x", "x"), "kernel", True),
        (Pattern("x", "x", uids=(0,)), "kernel", False),
        (Pattern("x", "x", uids=(0,), transports=("kernel", "journal")), "kernel", True),
        (Pattern("x", "x", transports=("journal",)), "kernel", False),
    ],
)
def test_the_kernels_log_speaks_under_its_tags(pattern: Pattern, ident: str, accepted: bool) -> None:
    assert accepts(pattern, Entry("journal", "x", ident=ident, trust=Trust("kernel"))) is accepted
