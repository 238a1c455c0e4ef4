"""The boots that wtmp tells of."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.facts import boots
from agent.facts.boots import RecordedBoot
from agent.unknown import Unknown
from tests.virtual import File, virtual

T = 1_795_000_000
SIZES = {"glibc": 384, "64-bit times": 400}


def record(kind: int, user: str, seconds: int, pid: int = 0, size: int = 384) -> bytes:
    head = struct.pack("<hxxi32s4s32s256s", kind, pid, b"~", b"~~", user.encode(), b"6.1.0")
    if size == 384:
        return (head + struct.pack("<hhiII", 0, 0, 0, seconds, 0)).ljust(384, b"\0")
    return (head + struct.pack("<hhqqq", 0, 0, 0, seconds, 0)).ljust(400, b"\0")


def boot(seconds: int, size: int = 384) -> bytes:
    return record(2, "reboot", seconds, size=size)


def level(seconds: int, letter: str, size: int = 384) -> bytes:
    return record(1, "runlevel", seconds, ord(letter), size)


def shutdown(seconds: int, size: int = 384) -> bytes:
    return record(1, "shutdown", seconds, size=size)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_boot_has_its_run_level_its_logins_and_its_end(size: int) -> None:
    data = boot(T, size) + level(T + 9, "5", size) + record(7, "root", T + 60, size=size) + shutdown(T + 900, size)
    data += boot(T + 1000, size)
    assert boots.read(virtual({"/var/log/wtmp": data})) == (
        RecordedBoot(float(T), "5", True, float(T + 900), "/var/log/wtmp"),
        RecordedBoot(float(T + 1000), "", False, None, "/var/log/wtmp"),
    )


def test_rotations_are_read_by_number_and_by_date() -> None:
    found = boots.read(
        virtual({"/var/log/wtmp": boot(T), "/var/log/wtmp.1": boot(T - 100), "/var/log/wtmp-20261101": boot(T - 200)})
    )
    assert not isinstance(found, Unknown)
    assert [one.began for one in found] == [T - 200, T - 100, T]


def test_single_user_mode_is_no_run_level_that_was_reached() -> None:
    found = boots.read(virtual({"/var/log/wtmp": boot(T) + level(T + 5, "1")}))
    assert found == (RecordedBoot(float(T), "", False, None, "/var/log/wtmp"),)


@pytest.mark.parametrize("data", [b"", b"x" * 384, boot(0), boot(T)[:200]])
def test_what_is_no_wtmp_is_unknown(data: bytes) -> None:
    assert isinstance(boots.read(virtual({"/var/log/wtmp": File(data)})), Unknown)


@given(st.binary(max_size=1200))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    boots.read(virtual({"/var/log/wtmp": data}))
