"""A recording answers as its target did."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.target.detect import open_target
from agent.target.model import Kind, Mode, Output, Space, Stat
from agent.target.record import record, replay
from agent.target.target import Target
from agent.unknown import Maybe, Unknown, Why
from tests.virtual import Denied, File, Link, Special, virtual

HOST = {
    "/etc/hostname": "web1\n",
    "/etc/resolv.conf": Link("../run/resolv.conf"),
    "/etc/x.nmconnection": File("[connection]\n", mode=0o600),
    "/etc/bytes": b"\x00\xff caf\xe9",
    "/etc/secret": Denied(),
    "/dev/initctl": Special(Kind.FIFO),
    "/etc/caf\udce9": "a name that is no text",
}
PATHS = [*HOST, "/", "/etc", "/no/such", "/etc/hostname/x", "/\udcff"]


def host() -> Target:
    return virtual(
        HOST,
        mode=Mode.LIVE,
        rescue=True,
        runs={
            ("ip", "a"): "text",
            ("x", "y"): Output(("x", "y"), -9, "caf\ufffd", "\x1b[0m", 1.25, True),
            ("slow",): Unknown("slow: no end", Why.TIMEOUT),
        },
        queries={
            "links": [{"ifname": "eth0", "mtu": 1500, "altnames": None, "up": True}],
            "memory": {"total": 1},
        },
        spaces={"/": Space(1, 2, 3, 4, 5, True)},
    )


def ask_all(target: Target) -> list[object]:
    """Every operation on every path; streams as their content."""
    answers: list[object] = []
    for path in PATHS:
        answers += [target.stat(path), target.stat(path, follow=False), target.readlink(path)]
        answers += [target.resolve(path), target.list(path), target.space(path), target.read(path)]
    for argv in (["ip", "a"], ["x", "y"], ["slow"], ["nothing"]):
        answers.append(target.run(argv))
    answers.append(target.run(["ip", "a"], input=b"\xff"))
    answers += [
        target.query("links"),
        target.query("memory"),
        target.query("no such"),
        target.query("x", y="z"),
    ]
    return answers


def test_a_replay_answers_as_the_target_did() -> None:
    target, recording = record(host())
    asked = ask_all(target)
    assert asked == ask_all(host()), "recording changes no answer"
    replayed = replay(recording.dump())
    assert ask_all(replayed) == asked
    assert ask_all(replayed) == asked, "again"
    assert (replayed.root, replayed.mode, replayed.rescue) == ("/", Mode.LIVE, True)


@given(st.lists(st.sampled_from(range(len(PATHS))), max_size=20), st.binary(max_size=50))
def test_whatever_is_asked_of_the_target_the_recording_knows(order: list[int], content: bytes) -> None:
    source = virtual({**HOST, "/etc/bytes": content})
    target, recording = record(source)
    asked = [(target.read(PATHS[one]), target.stat(PATHS[one]), target.list(PATHS[one])) for one in order]
    replayed = replay(recording.dump())
    assert asked == [(replayed.read(PATHS[one]), replayed.stat(PATHS[one]), replayed.list(PATHS[one])) for one in order]


def test_what_was_not_asked_is_unknown() -> None:
    target, recording = record(host())
    target.read("/etc/hostname")
    replayed = replay(recording.dump())
    answers: list[Maybe[object]] = [
        replayed.read("/etc/other"),
        replayed.stat("/etc/hostname"),
        replayed.list("/etc"),
        replayed.run(["ip", "a"]),
        replayed.query("links"),
        replayed.space("/"),
        replayed.readlink("/etc/resolv.conf"),
    ]
    for answer in answers:
        assert isinstance(answer, Unknown) and answer.why is Why.FAILED
        assert answer.reason.endswith("not recorded")


def test_answers_that_change_are_replayed_in_their_order() -> None:
    counters: dict[str, object] = {"counters": 1}
    target, recording = record(virtual({}, queries=counters))
    for number in (1, 2, 3):
        counters["counters"] = number
        assert target.query("counters") == number
    replayed = replay(recording.dump())
    assert [replayed.query("counters") for _ in range(5)] == [1, 2, 3, 3, 3]


def test_an_answer_after_equal_ones_keeps_its_turn() -> None:
    counters: dict[str, object] = {"counters": 0}
    target, recording = record(virtual({}, queries=counters))
    given_answers = [1, 1, 2, 1]
    for number in given_answers:
        counters["counters"] = number
        target.query("counters")
    replayed = replay(recording.dump())
    assert [replayed.query("counters") for _ in given_answers] == given_answers


def test_of_a_large_file_the_beginning_is_kept(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"0123456789" * 100)
    target, recording = record(open_target(str(tmp_path)), file_limit=10)
    assert target.read("/log") == b"0123456789" * 100, "the scan itself sees all of it"
    assert recording.truncated == ("/log",)
    assert json.loads(recording.dump())["truncated"] == ["/log"]
    assert replay(recording.dump()).read("/log") == b"0123456789"


def test_all_files_together_have_a_limit(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / str(number)).write_bytes(b"x" * 100)
    target, recording = record(open_target(str(tmp_path)), total_limit=250)
    for number in range(5):
        assert target.read(f"/{number}") == b"x" * 100
    assert recording.truncated == ("/2", "/3", "/4")
    assert len(recording.dump()) < 5000


def test_a_real_root_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/link").symlink_to("hostname")
    (tmp_path / "etc/hostname").write_text("web1\n")
    target, recording = record(open_target(str(tmp_path)))

    def look(one: Target) -> list[object]:
        return [
            *(one.stat("/etc/link"), one.stat("/etc/link", follow=False), one.read("/etc/link")),
            *(one.list("/etc"), one.resolve("/etc/link"), one.run(["ip", "a"]), one.query("links")),
            *(one.glob("/etc/*"), one.find_program("ip"), one.lines("/etc/hostname")),
        ]

    first = look(target)
    again = replay(recording.dump())
    assert look(again) == first
    assert isinstance(first[0], Stat)
    assert again.root == str(tmp_path) and again.mode is Mode.OFFLINE


HEAD = b'{"schema": "lish-agent/recording/1", "target": {"root": "/", "mode": "live"}, "answers": '


def test_a_recorded_file_still_has_its_descriptor(tmp_path: Path) -> None:
    """The log readers read by position."""
    (tmp_path / "log").write_bytes(b"0123456789")
    target, _ = record(open_target(str(tmp_path)))
    stream = target.open("/log")
    assert not isinstance(stream, Unknown)
    with stream:
        assert os.pread(stream.fileno(), 3, 2) == b"234"
        assert stream.read() == b"0123456789"


def test_what_the_kernel_makes_anew_is_read_once() -> None:
    target, recording = record(open_target("/"))
    text = target.text("/proc/self/status")
    assert isinstance(text, str) and text.startswith("Name:")
    assert replay(recording.dump()).text("/proc/self/status") == text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"schema": "another/1"}',
        HEAD + b"7}",
        HEAD + b'[[["stat","/",true],[[{"stat":{}},1]]]]}',
        HEAD + b'[[["open","/"],[[{"bytes":"***"},1]]]]}',
        HEAD + b'[[["open","/"],[[{"other":1},1]]]]}',
        HEAD.replace(b"live", b"dead") + b"[]}",
        b"[" * 100_000,
    ],
)
def test_what_is_no_recording_is_a_usage_error(data: bytes) -> None:
    with pytest.raises(UsageError):
        replay(data)
