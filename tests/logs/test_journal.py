"""journald's files, written by systemd's own programs: what is read, whom it trusts, and what is damaged."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.logs import journal_readers
from agent.logs.journal import search_journal
from agent.logs.model import Found, Pattern
from agent.logs.plan import Plan
from agent.target import Target
from agent.target.detect import open_target
from agent.target.record import record as record_target
from agent.target.record import replay
from agent.unknown import Unknown, Why

REMOTE = next(
    (p for p in ("/lib/systemd/systemd-journal-remote", "/usr/lib/systemd/systemd-journal-remote") if Path(p).exists()),
    "",
)
pytestmark = pytest.mark.skipif(not REMOTE, reason="systemd-journal-remote is not installed")

MACHINE = "0123456789abcdef0123456789abcdef"
OLD, NEW = "a" * 32, "b" * 32
HOOK = Pattern("hook", r"if-up\.d/sendmail exited", uids=(0,), units=("networking.service",), comms=("run-parts",))
RENAMED = Pattern("renamed", r"renamed from eth0", transports=("kernel",))
FAILED = Pattern("failed", r"Failed to start", uids=(0,), units=("networking.service",), comms=("systemd",))


def record(number: int, message: str, boot: str = NEW, **fields: str) -> str:
    lines = {
        "__REALTIME_TIMESTAMP": str(1795428000000000 + number * 1000000),
        "__MONOTONIC_TIMESTAMP": str(number * 1000000),
        "_BOOT_ID": boot,
        "_MACHINE_ID": MACHINE,
        "MESSAGE": message,
        **fields,
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items()) + "\n"


KERNEL = {"_TRANSPORT": "kernel", "SYSLOG_IDENTIFIER": "kernel"}
ROOT = {"_TRANSPORT": "stdout", "_UID": "0", "_PID": "311", "_COMM": "ifup", "_SYSTEMD_UNIT": "networking.service"}
PID1 = {"_TRANSPORT": "journal", "_UID": "0", "_PID": "1", "_COMM": "systemd", "_SYSTEMD_UNIT": "init.scope"}
SAID = "run-parts: /etc/network/if-up.d/sendmail exited with return code 2"


def journal(root: Path, records: str, name: str = "system.journal") -> Path:
    folder = root / "var/log/journal" / MACHINE
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    subprocess.run([REMOTE, "-o", str(path), "-"], input=records.encode(), check=True, capture_output=True)
    return path


def search(root: Path) -> Found:
    return search_journal(open_target(str(root)), Plan([HOOK, RENAMED, FAILED]))[0]


LEFT_OUT = Unknown("left out", Why.ABSENT)


@pytest.fixture(params=["ourselves", "library", "journalctl"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three readers give the same."""
    if request.param == "ourselves":
        monkeypatch.setattr(journal_readers, "_library", lambda stream: LEFT_OUT)
        monkeypatch.setattr(journal_readers, "_command", lambda *given: LEFT_OUT)
        return
    monkeypatch.setattr(journal_readers, "_ourselves", lambda stream: LEFT_OUT)
    if request.param == "library":
        pytest.importorskip("systemd.journal")
        monkeypatch.setattr(journal_readers, "_command", lambda *given: LEFT_OUT)
    else:
        if shutil.which("journalctl") is None:
            pytest.skip("journalctl is not installed")
        monkeypatch.setattr(journal_readers, "_library", lambda stream: LEFT_OUT)


@pytest.mark.usefixtures("reader")
def test_entries_come_with_boot_time_cursor_and_trusted_fields(tmp_path: Path) -> None:
    filler = "".join(record(number, f"line {number}", **ROOT) for number in range(10, 5000))
    journal(tmp_path, record(1, SAID, OLD, **ROOT) + filler + record(6000, SAID + "\nmore", **ROOT))
    found = search(tmp_path)
    old, new = (match.entry for match in found.hits["hook"].matches)
    assert (old.boot, new.boot, new.source, new.time) == (-1, 0, "journal", 1795434000.0)
    assert new.trust is not None and (new.trust.uid, new.trust.unit, new.trust.comm) == (
        0,
        "networking.service",
        "ifup",
    )
    assert new.cursor and new.cursor != old.cursor
    assert found.unchecked == ()
    assert found.entries == 4992


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("said", "fields", "key"),
    [
        (SAID, ROOT, "hook"),
        (SAID, {**ROOT, "_UID": "1000"}, None),  # logger -t ifup, by a user
        (SAID, {**ROOT, "_SYSTEMD_UNIT": "ssh.service", "_COMM": "sshd"}, None),  # an ssh user name
        (SAID, {**ROOT, "_SYSTEMD_UNIT": "x.service", "_COMM": "run-parts"}, "hook"),
        ("ens3: renamed from eth0", KERNEL, "renamed"),
        ("ens3: renamed from eth0", {**ROOT, "SYSLOG_IDENTIFIER": "kernel"}, None),
        ("Failed to start networking.service", {**PID1, "UNIT": "networking.service"}, "failed"),
        ("Failed to start networking.service", {**ROOT, "_COMM": "logger", "_SYSTEMD_UNIT": "user@0.service"}, None),
    ],
)
def test_only_who_may_say_it_is_believed(tmp_path: Path, said: str, fields: dict[str, str], key: str | None) -> None:
    journal(tmp_path, record(1, said, **fields))
    assert list(search(tmp_path).hits) == ([key] if key else [])


def test_when_the_newest_boot_began_is_told(tmp_path: Path) -> None:
    journal(tmp_path, record(1, "x", OLD) + record(100, "y") + record(200, "z"))
    assert search_journal(open_target(str(tmp_path)), Plan([HOOK]))[1] == 1795428100.0


def damage(path: Path, what: str) -> None:
    data = bytearray(path.read_bytes())
    if what == "truncated":
        del data[len(data) // 3 :]
    elif what == "no signature":
        data[:8] = b"\0" * 8
    elif what == "unknown feature":
        data[12:16] = b"\xff\0\0\0"
    elif what == "empty":
        data.clear()
    else:
        data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("what", ["truncated", "no signature", "unknown feature", "empty", "overwritten"])
def test_a_journal_that_cannot_be_read_is_unchecked_never_nothing_found(tmp_path: Path, what: str) -> None:
    path = journal(tmp_path, "".join(record(n, f"{SAID} {n}", **ROOT) for n in range(3000)))
    damage(path, what)
    found = search(tmp_path)
    assert [item.what for item in found.unchecked] == [f"/var/log/journal/{MACHINE}/system.journal"], found


def test_a_damaged_file_does_not_hide_its_neighbours(tmp_path: Path) -> None:
    damage(journal(tmp_path, record(1, SAID, **ROOT)), "overwritten")
    journal(tmp_path, record(2, SAID, **ROOT), "system@1.journal")
    found = search(tmp_path)
    assert found.hits["hook"].count == 1
    assert len(found.unchecked) == 1


def test_links_that_lead_out_of_the_root_are_not_followed(tmp_path: Path) -> None:
    journal(tmp_path / "outside", record(1, SAID, **ROOT))
    inside = tmp_path / "inside/var/log/journal"
    inside.mkdir(parents=True)
    (inside / MACHINE).symlink_to(tmp_path / "outside/var/log/journal" / MACHINE)
    assert search(tmp_path / "inside").hits == {}


def test_a_users_own_journal_proves_nothing(tmp_path: Path) -> None:
    journal(tmp_path, record(1, SAID, **ROOT), "user-1000.journal")
    assert search(tmp_path).hits == {}


def test_no_journal_at_all_is_no_problem(tmp_path: Path) -> None:
    target: Target = open_target(str(tmp_path))
    assert search_journal(target, Plan([HOOK])) == (Found({}, (), (), 0), None)


def test_a_journal_can_be_read_from_a_recording(tmp_path: Path) -> None:
    pytest.importorskip("systemd.journal")
    journal(tmp_path, record(1, SAID, OLD, **ROOT) + record(2, SAID, **ROOT))
    target, recording = record_target(open_target(str(tmp_path)))
    first = search_journal(target, Plan([HOOK]))
    assert first[0].hits["hook"].count == 2
    assert search_journal(replay(recording.dump()), Plan([HOOK])) == first


@pytest.mark.parametrize("what", ["truncated", "no signature"])
def test_what_a_damaged_journal_still_holds_is_found(tmp_path: Path, what: str) -> None:
    """libsystemd gives nothing of such a file, and a host that died has one."""
    said = record(1, SAID, **ROOT)
    path = journal(tmp_path, said + "".join(record(n, f"line {n}", **ROOT) for n in range(2, 20000)))
    damage(path, what)
    if what == "truncated":
        assert path.stat().st_size < 8 * 1024 * 1024
    found = search(tmp_path)
    assert found.hits["hook"].count == 1
    assert found.hits["hook"].matches[0].entry.boot == 0
    assert [item.why.partition(":")[0] for item in found.unchecked] == [
        "damaged (it is cut short)" if what == "truncated" else "damaged (its header is damaged)"
    ]
