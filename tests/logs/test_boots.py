"""The boots that logs tell of, with the messages that tell how each went.

The messages are those of real boots (Debian 12 in a container: twice to the login prompt, once to emergency mode).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from agent.logs import boots, journal_readers
from agent.logs.model import BootSeen
from agent.logs.search import search
from agent.target.detect import open_target
from agent.unknown import Unknown, Why
from tests.logs.test_journal import KERNEL, NEW, OLD, PID1, REMOTE, ROOT, journal, record
from tests.virtual import File, Node, virtual

JOURNALD = {"_TRANSPORT": "driver", "_UID": "0", "_PID": "30", "_COMM": "systemd-journal", "SYSLOG_IDENTIFIER": "x"}
SSHD = {**ROOT, "_COMM": "sshd", "_SYSTEMD_UNIT": "ssh.service", "SYSLOG_IDENTIFIER": "sshd"}
START = 1795428000.0
MULTI_USER = "Reached target multi-user.target - Multi-User System."
EMERGENCY = "Reached target emergency.target - Emergency Mode."
SHUTDOWN = "Reached target shutdown.target - System Shutdown."

needs_journal = pytest.mark.skipif(not REMOTE, reason="systemd-journal-remote is not installed")


@pytest.fixture(params=["library", "journalctl"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both readers give the same."""
    if request.param == "library":
        pytest.importorskip("systemd.journal")
        monkeypatch.setattr(journal_readers, "_command", lambda *given: Unknown("left out", Why.ABSENT))
    else:
        if shutil.which("journalctl") is None:
            pytest.skip("journalctl is not installed")
        monkeypatch.setattr(journal_readers, "_library", lambda stream: Unknown("left out", Why.ABSENT))


def seen(root: Path) -> tuple[BootSeen, ...]:
    return search(open_target(str(root)), []).boots


def names(boot: BootSeen) -> list[str]:
    return [sign.name.partition(":")[2] for sign in boot.signs]


@needs_journal
@pytest.mark.usefixtures("reader")
def test_each_boot_comes_with_its_times_and_its_signs(tmp_path: Path) -> None:
    good = (
        record(0, "Journal started", OLD, **JOURNALD)
        + record(3, "Server listening on 0.0.0.0 port 22.", OLD, **SSHD)
        + record(4, MULTI_USER, OLD, **PID1)
        + record(500, SHUTDOWN, OLD, **PID1)
    )
    bad = (
        record(600, "Journal started", **JOURNALD)
        + record(601, "Dependency failed for local-fs.target - Local File Systems.", **PID1)
        + record(602, EMERGENCY, **PID1)
    )
    journal(tmp_path, good + bad)
    new, old = seen(tmp_path)
    assert (old.id, old.number, old.first, old.last, old.whole) == (OLD, -1, START, START + 500, True)
    assert (new.id, new.number, new.first, new.last, new.trusted) == (NEW, 0, START + 600, START + 602, True)
    assert names(old) == ["sshd", "reached", "shutdown"]
    assert names(new) == ["mounts", "stopped"]


@needs_journal
@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(
    ("said", "fields", "believed"),
    [
        (MULTI_USER, PID1, True),
        (MULTI_USER, {**PID1, "_PID": "4711"}, False),  # root's own systemd --user
        (MULTI_USER, {**PID1, "_UID": "1000", "_PID": "4711"}, False),
        (MULTI_USER, {**ROOT, "SYSLOG_IDENTIFIER": "systemd"}, False),  # logger -t systemd
        ("Reached target Multi-User System.", PID1, True),
        ("Reached target Multi-User.", PID1, True),
        ("Reached target multi-user.target.", PID1, True),
        ("Reached target Basic System.", PID1, False),
        ("Reached target Emergency Mode.", PID1, True),
        (EMERGENCY, {**ROOT, "_COMM": "sh"}, False),
        (
            "Failed to start networking.service - Raise network interfaces.",
            {**PID1, "UNIT": "networking.service"},
            True,
        ),
        ("Failed to start nginx.service - A web server.", {**PID1, "UNIT": "nginx.service"}, False),
        ("Server listening on :: port 22.", SSHD, True),
        ("Server listening on :: port 22.", {**SSHD, "_UID": "1000"}, False),
        ("Linux version 6.1.0", KERNEL, False),
    ],
)
def test_only_who_may_say_it_is_a_sign(tmp_path: Path, said: str, fields: dict[str, str], believed: bool) -> None:
    journal(tmp_path, record(1, said, **fields))
    (boot,) = seen(tmp_path)
    assert bool(boot.signs) is believed


@needs_journal
def test_a_boot_whose_beginning_was_rotated_away_is_not_whole(tmp_path: Path) -> None:
    journal(tmp_path, record(1, "x", **ROOT) + record(4000, "Journal started", **JOURNALD))
    assert [boot.whole for boot in seen(tmp_path)] == [False]


@needs_journal
def test_boots_that_lie_in_several_files_are_one_each(tmp_path: Path) -> None:
    journal(tmp_path, record(1, "Journal started", OLD, **JOURNALD) + record(2, "x", OLD, **ROOT), "system@1.journal")
    journal(tmp_path, record(3, MULTI_USER, OLD, **PID1) + record(90, "Journal started", **JOURNALD))
    new, old = seen(tmp_path)
    assert (old.first, old.last, names(old), old.whole) == (START + 1, START + 3, ["reached"], True)
    assert (new.first, new.whole) == (START + 90, True)


@needs_journal
def test_the_signs_of_many_boots_are_all_kept(tmp_path: Path) -> None:
    ids = [f"{number:032x}" for number in range(1, 61)]
    journal(tmp_path, "".join(record(number * 10, MULTI_USER, boot, **PID1) for number, boot in enumerate(ids)))
    found = seen(tmp_path)
    assert [boot.id for boot in found] == ids[::-1]
    assert all(names(boot) == ["reached"] for boot in found)


@needs_journal
def test_a_service_that_restarts_all_day_does_not_fill_the_memory(tmp_path: Path) -> None:
    journal(tmp_path, "".join(record(n, "Server listening on :: port 22.", **SSHD) for n in range(300)))
    (boot,) = seen(tmp_path)
    assert len(boot.signs) == boots.SIGNS_SHOWN
    assert boot.signs[0].time == START


@needs_journal
def test_the_signs_are_no_hits_of_the_callers(tmp_path: Path) -> None:
    journal(tmp_path, record(1, MULTI_USER, **PID1))
    assert not boots.SIGN_KEYS & set(search(open_target(str(tmp_path)), []).hits)


# -- text logs

SYSLOG = """\
Nov 22 14:00:00 web kernel: [    0.000000] Linux version 6.1.0-50-amd64 (debian-kernel@lists.debian.org)
Nov 22 14:00:04 web sshd[411]: Server listening on 0.0.0.0 port 22.
Nov 22 14:00:05 web systemd[1]: Reached target multi-user.target - Multi-User System.
Nov 22 15:00:00 web systemd[1]: Reached target shutdown.target - System Shutdown.
Nov 22 15:00:20 web kernel: [    0.000000] Linux version 6.1.0-50-amd64 (debian-kernel@lists.debian.org)
Nov 22 15:00:22 web systemd[1]: Failed to start nginx.service - A web server.
Nov 22 15:00:22 web systemd[1]: Failed to start networking.service - Raise network interfaces.
Nov 22 15:00:24 web systemd[1]: Reached target multi-user.target - Multi-User System.
"""
WRITTEN = 1795359630.0  # Nov 22 15:00:30 2026


def texts(files: dict[str, Node]) -> tuple[BootSeen, ...]:
    return search(virtual(files), []).boots


def test_a_syslog_tells_of_boots_too_and_nobody_vouches_for_it() -> None:
    new, old = texts({"/var/log/syslog": File(SYSLOG, mtime=WRITTEN)})
    assert (old.id, old.number, old.first, old.last) == ("", -1, 1795356000.0, 1795359620.0)
    assert (new.number, new.last, new.trusted, new.source) == (0, None, False, "/var/log/syslog")
    assert names(old) == ["sshd", "reached", "shutdown"]
    assert names(new) == ["network", "reached"]


def test_busyboxs_log_is_read_as_well() -> None:
    log = """\
Nov 22 14:00:00 alpine syslog.info syslogd started: BusyBox v1.37.0
Nov 22 14:00:00 alpine kern.notice kernel: [    0.000000] Linux version 6.12.1-0-virt (buildozer@build)
Nov 22 14:00:02 alpine auth.info sshd[2210]: Server listening on 0.0.0.0 port 22.
"""
    (boot,) = texts({"/var/log/messages": File(log, mtime=WRITTEN)})
    assert names(boot) == ["sshd"]


@needs_journal
def test_the_journal_goes_before_text_logs(tmp_path: Path) -> None:
    journal(tmp_path, record(1, MULTI_USER, **PID1))
    (tmp_path / "var/log/syslog").write_text(SYSLOG)
    assert [boot.source for boot in seen(tmp_path)] == ["journal"]
