"""Journal files read by ourselves: what journalctl reads, and what it gives up on."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.logs.journal_entry import Raw
from agent.logs.journald.journal_file import JournalFile, open_journal
from agent.logs.journald.reader import JournaldReader
from agent.unknown import Unknown
from tests.growth import grows_with_its_input
from tests.logs.test_journal import MACHINE, NEW, OLD, REMOTE, ROOT, record

pytestmark = pytest.mark.skipif(
    not REMOTE or shutil.which("journalctl") is None, reason="systemd-journal-remote is not installed"
)
LONG = "a long message, which journald compresses; " * 40
WRITERS = (  # formats that one writer can be asked for: before systemd 246, before 252, and since
    {"SYSTEMD_JOURNAL_KEYED_HASH": "0", "SYSTEMD_JOURNAL_COMPACT": "0"},
    {"SYSTEMD_JOURNAL_KEYED_HASH": "1", "SYSTEMD_JOURNAL_COMPACT": "0"},
    {"SYSTEMD_JOURNAL_KEYED_HASH": "1", "SYSTEMD_JOURNAL_COMPACT": "1"},
)


def written(path: Path, records: str | bytes, environment: Mapping[str, str] = WRITERS[2]) -> Path:
    data = records.encode() if isinstance(records, str) else records
    subprocess.run(
        [REMOTE, "-o", str(path), "-"], input=data, check=True, capture_output=True, env={**os.environ, **environment}
    )
    return path


def many(count: int) -> str:
    return "".join(
        record(
            number,
            f"line {number} " + (LONG if number % 50 == 0 else ""),
            OLD if number < count // 3 else NEW,
            **{**ROOT, "_PID": str(number % 400), "SYSLOG_IDENTIFIER": f"daemon{number % 7}"},
        )
        for number in range(1, count + 1)
    )


def read(path: Path) -> tuple[list[Raw], JournaldReader]:
    with path.open("rb") as stream:
        file = open_journal(stream)
        assert isinstance(file, JournalFile), file
        reader = JournaldReader(file)
        return [raw_with_fields(raw) for raw in reader.entries()], reader


def raw_with_fields(raw: Raw) -> Raw:
    raw.fields()
    return raw


def by_journalctl(path: Path) -> list[tuple[str, str, str, str]]:
    output = subprocess.run(
        ["journalctl", "--file", str(path), "-o", "json", "--all", "--no-pager"], check=True, capture_output=True
    ).stdout
    entries = [json.loads(line) for line in output.splitlines()]
    return [
        (entry["__CURSOR"], entry["__REALTIME_TIMESTAMP"], entry["_BOOT_ID"], _text(entry.get("MESSAGE")))
        for entry in entries
    ]


def _text(value: object) -> str:
    if isinstance(value, list):
        if value and isinstance(value[0], str):
            return value[0]
        return bytes(value).decode("utf-8", "replace")
    return str(value)


def ours(path: Path) -> list[tuple[str, str, str, str]]:
    return [
        (raw.cursor, str(round(raw.time * 1e6)), raw.boot, (raw.message or b"None").decode("utf-8", "replace"))
        for raw in read(path)[0]
    ]


@pytest.mark.parametrize("environment", WRITERS, ids=["plain", "keyed", "compact"])
def test_it_reads_what_journalctl_reads(tmp_path: Path, environment: Mapping[str, str]) -> None:
    path = written(tmp_path / "system.journal", many(3000), environment)
    assert ours(path) == by_journalctl(path)
    assert read(path)[1].problem == ""


def test_the_formats_differ_as_they_should(tmp_path: Path) -> None:
    """Else the test above would show the same thing three times."""
    features = []
    for number, environment in enumerate(WRITERS):
        path = written(tmp_path / f"{number}.journal", many(10), environment)
        with path.open("rb") as stream:
            file = open_journal(stream)
            assert isinstance(file, JournalFile)
            features.append((file.header.keyed, file.header.compact))
    assert features == [(False, False), (True, False), (True, True)]


NAMES = st.sampled_from(["MESSAGE", "SYSLOG_IDENTIFIER", "_PID", "_UID", "_COMM", "UNIT", "_SYSTEMD_UNIT", "OTHER"])
VALUES = st.one_of(
    st.text(alphabet=st.characters(blacklist_characters="\n", blacklist_categories=("Cs",)), max_size=40),
    st.sampled_from(["", "MESSAGE=inside", LONG, "\x00\x01\x02", "\x1b[31m", "=", "x" * 600]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=6), min_size=1, max_size=30))
def test_any_fields_are_read_as_journalctl_reads_them(tmp_path: Path, entries: list[dict[str, str]]) -> None:
    records = b"".join(_binary(number, fields) for number, fields in enumerate(entries, 1))
    path = tmp_path / "any.journal"
    path.unlink(missing_ok=True)
    written(path, records)
    assert ours(path) == by_journalctl(path)


def _binary(number: int, fields: Mapping[str, str]) -> bytes:
    """journald's export format, values with their length in front."""
    head = (
        f"__REALTIME_TIMESTAMP={1795428000000000 + number}\n__MONOTONIC_TIMESTAMP={number}\n_BOOT_ID={NEW}\n"
        f"_MACHINE_ID={MACHINE}\nALWAYS=there\n"
    ).encode()
    body = b"".join(
        name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
        for name, data in ((name, value.encode()) for name, value in fields.items())
    )
    return head + body + b"\n"


def damaged(path: Path, what: str) -> Path:
    data = bytearray(path.read_bytes())
    first, used = data.find(b"MESSAGE=") - 72, len(data.rstrip(b"\0"))  # before it lie the hash tables
    half = first + (used - first) // 2
    if what == "truncated":
        del data[half:]
    elif what == "no signature":
        data[:8] = b"\0" * 8
    elif what == "no header":
        data[:4096] = b"\xff" * 4096
    elif what == "first half gone":
        data[:half] = b"\0" * half
    elif what == "a hole":
        data[half : half + 50_000] = b"\xaa" * 50_000
    else:
        source = random.Random(7)
        for _ in range(200):
            data[source.randrange(first, used)] ^= 1 << source.randrange(8)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("environment", WRITERS, ids=["plain", "keyed", "compact"])
@pytest.mark.parametrize(
    ("what", "share"),
    [
        ("truncated", 0.3),
        ("no signature", 1.0),
        ("no header", 0.99),
        ("first half gone", 0.1),
        ("a hole", 0.3),
        ("flipped bits", 0.9),
    ],
)
def test_of_a_damaged_file_more_is_read_than_journalctl_reads(
    tmp_path: Path, environment: Mapping[str, str], what: str, share: float
) -> None:
    path = written(tmp_path / "system.journal", many(4000), environment)
    whole = {raw.cursor.partition(";")[2]: raw.message for raw in read(path)[0]}
    raws, reader = read(damaged(path, what))
    right = [raw for raw in raws if whole.get(raw.cursor.partition(";")[2]) == raw.message]
    theirs = subprocess.run(
        ["journalctl", "--file", str(path), "-o", "cat", "--no-pager"], capture_output=True, check=False
    ).stdout.splitlines()
    assert len(right) >= max(share * 4000, min(len(theirs), 4000))
    assert reader.problem
    wrong = [raw for raw in raws if raw not in right and not raw.doubtful]
    assert len(wrong) <= 40  # a flipped bit within a text is still a text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_makes_it_fail(tmp_path: Path, data: st.DataObject) -> None:
    source = tmp_path / "whole.journal"
    if not source.exists():
        written(source, many(60))
    content = bytearray(source.read_bytes().rstrip(b"\0"))
    for _ in range(data.draw(st.integers(1, 40))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    broken = tmp_path / "broken.journal"
    broken.write_bytes(bytes(content[:cut]))
    with broken.open("rb") as stream:
        file = open_journal(stream)
        if isinstance(file, Unknown):
            return
        entries = [raw_with_fields(raw) for raw in JournaldReader(file).entries()]
    assert len(entries) <= 70


def test_rubbish_is_passed_over_in_linear_time(tmp_path: Path) -> None:
    """Eight times the rubbish takes about eight times as long, whatever it looks like."""
    unit = bytes([1, 0, 0, 0, 0, 0, 0, 0, 80, 0, 0, 0, 0, 0, 0, 0]) + b"\xff" * 24

    def read(times: int) -> None:
        path = tmp_path / f"{times}.journal"
        path.write_bytes(b"\0" * 240 + (unit * 20_000 + b"\0" * 100_000) * times)
        with path.open("rb") as stream:
            file = open_journal(stream)
            if isinstance(file, JournalFile):
                list(JournaldReader(file).entries())

    assert grows_with_its_input(read, 1, 8)


def test_an_empty_file_and_one_of_zeros_are_no_journals(tmp_path: Path) -> None:
    for content in (b"", b"LPKSHHRH", b"\0" * 5000, b"x" * 5000):
        path = tmp_path / "x.journal"
        path.write_bytes(content)
        with path.open("rb") as stream:
            assert isinstance(open_journal(stream), Unknown)
