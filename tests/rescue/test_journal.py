"""Journals that only the disk's own journalctl can read: asked in rescue, with nothing written, and in bounds."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.logs import journal_file, journal_readers
from agent.logs.journal import search_journal
from agent.logs.journal_readers import Reading
from agent.logs.model import Found
from agent.logs.plan import Plan
from agent.logs.search import search
from agent.rescue import journal as own
from agent.rescue.journal import own_journalctl
from agent.target.detect import open_target
from agent.unknown import Maybe, Unknown, Why
from tests.logs.test_journal import HOOK, MACHINE, REMOTE, ROOT, SAID, journal, record
from tests.rescue.overlaid import BASES, overlaid
from tests.target.children import needs_root

BUSYBOX = shutil.which("busybox")
RECORDS = record(1, "first", **ROOT) + record(2, SAID, **ROOT)

pytestmark = [needs_root, pytest.mark.skipif(not REMOTE, reason="not installed: systemd-journal-remote")]
with_base = pytest.mark.skipif(not BASES, reason="no base: make lab builds it")


@pytest.fixture
def host() -> Iterator[Path]:
    """A real distribution, with a journal."""
    with overlaid(BASES[0]) as root:
        (root / "etc/machine-id").write_text(MACHINE + "\n")
        journal(root, RECORDS)
        yield root


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A disk whose journalctl is a script, and a journal that this machine can't read."""
    if BUSYBOX is None:
        pytest.skip("not installed: busybox-static")
    root = tmp_path / "disk"
    for name in ("bin", "proc", "sys", "dev", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for name in ("sh", "sleep", "yes", "touch"):
        (root / "bin" / name).symlink_to("busybox")
    newer(journal(root, RECORDS))
    return root


def newer(path: Path) -> None:
    """A bit of incompatible_flags that nobody knows yet."""
    with path.open("r+b") as stream:
        stream.seek(12)
        flags = struct.unpack("<I", stream.read(4))[0]
        stream.seek(12)
        stream.write(struct.pack("<I", flags | 1 << 20))


def script(root: Path, text: str) -> None:
    (root / "bin/journalctl").write_text(f"#!/bin/sh\n{text}\n")
    (root / "bin/journalctl").chmod(0o755)


def found(root: Path, asked: bool = True) -> Found:
    target = open_target(str(root))
    return search_journal(target, Plan([HOOK]), own=own_journalctl(target) if asked else None)[0]


@with_base
def test_the_disks_own_journalctl_reads_what_this_systems_readers_refuse(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This system is told that it knows no feature: as an old one that meets keyed hashes."""
    monkeypatch.setattr(journal_file, "KNOWN_FEATURES", 0)
    without = found(host, asked=False)
    assert without.hits == {} and "its format is newer than this system's journalctl" in without.unchecked[0].why
    read = found(host)
    assert read.hits["hook"].count == 1 and read.unchecked == () and read.entries == 2
    trust = read.hits["hook"].matches[0].entry.trust
    assert trust is not None and (trust.uid, trust.unit) == (0, "networking.service")


@with_base
def test_a_library_that_leaves_the_file_out_without_a_word_is_not_believed(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_readers, "_ourselves", lambda stream: Unknown("no library for zstd", Why.ABSENT))
    monkeypatch.setattr(journal_readers, "_library", lambda stream: Reading(iter(()), lambda: None))
    assert "0 of 2 entries could be read" in found(host, asked=False).unchecked[0].why
    read = found(host)
    assert read.hits["hook"].count == 1 and read.unchecked == ()


@with_base
def test_what_this_system_can_read_is_not_asked_of_the_disk(host: Path) -> None:
    asked: list[str] = []

    def note(path: str) -> Maybe[object]:
        asked.append(path)
        return Unknown("not to be asked", Why.FAILED)

    target = open_target(str(host))
    read = search_journal(target, Plan([HOOK]), own=note)[0]  # type: ignore[arg-type]
    assert read.hits["hook"].count == 1 and asked == []


@with_base
def test_the_whole_search_takes_it(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "KNOWN_FEATURES", 0)
    target = open_target(str(host))
    assert search(target, [HOOK], own=own_journalctl(target)).hits["hook"].count == 1
    assert search(target, [HOOK]).hits == {}


@with_base
def test_where_neither_can_read_it_both_are_named(host: Path) -> None:
    newer(host / "var/log/journal" / MACHINE / "system.journal")
    (why,) = (item.why for item in found(host).unchecked)
    assert "newer than this system's journalctl" in why and "nor by the disk's own programs" in why


def test_a_disk_without_journalctl_says_so(stand_in: Path) -> None:
    (why,) = (item.why for item in found(stand_in).unchecked)
    assert "journalctl: not installed" in why


def test_a_scan_never_runs_the_disks_journalctl(stand_in: Path) -> None:
    script(stand_in, "echo ran > /ran; echo ran > /tmp/ran")
    target = open_target(str(stand_in))
    assert search(target, [HOOK]).unchecked
    assert not (stand_in / "ran").exists()


def test_it_can_write_nothing_to_the_disk(stand_in: Path) -> None:
    script(stand_in, 'touch /written || echo \'{"MESSAGE":"refused","__CURSOR":"c","__REALTIME_TIMESTAMP":"1"}\'')
    assert found(stand_in).entries == 1
    assert not (stand_in / "written").exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sleep 86399.125", "no end within"),
        ("yes '{}'", "entries could be read"),
        ("yes not json at all", "entries could be read"),
        ("echo broken >&2; exit 1", "journalctl: broken"),
        ("kill -9 $$", "it gave no entries"),
        ("echo '[1'; echo '{\"MESSAGE\": {\"a\": [[]]}}'", "entries could be read"),
    ],
    ids=["hangs", "floods", "talks nonsense", "fails", "is killed", "odd json"],
)
def test_a_hostile_journalctl_is_held_in_bounds(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    monkeypatch.setattr(own, "JOURNALCTL_SECONDS", 1.0)
    monkeypatch.setattr(own, "JOURNALCTL_BYTES", 100_000)
    script(stand_in, text)
    read = found(stand_in)
    assert read.hits == {}
    assert read.entries < 100_000
    if "entries" not in why or read.unchecked:
        assert any(part in item.why for item in read.unchecked for part in (why, "no message"))
    left = subprocess.run(["pgrep", "-f", "86399.12[5]"], capture_output=True, text=True)
    assert left.stdout == ""
