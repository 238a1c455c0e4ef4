"""What may run for a target that does not run: readers of its own files, and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from agent.target import command
from agent.target.detect import open_target
from agent.target.model import Output
from agent.target.readers import refusal
from agent.target.target import Target
from agent.unknown import Unknown, Why


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "root"
    (top / "var/log/journal/0123").mkdir(parents=True)
    (top / "var/log/journal/0123/system.journal").write_bytes(b"LPKSHHRH")
    (top / "etc").mkdir()
    return top


@pytest.fixture
def target(root: Path) -> Target:
    return open_target(str(root))


def refused(target: Target, *argv: str) -> bool:
    return bool(refusal(argv, target.root, target.door))


def test_programs_do_not_run_for_a_mounted_disk(target: Target, root: Path) -> None:
    (root / "usr/bin").mkdir(parents=True)
    program = root / "usr/bin/evil"
    program.write_text(f"#!/bin/sh\ntouch {root}/ran\n")
    program.chmod(0o755)
    for argv in (["ip", "a"], [str(program)], ["chroot", str(root), "/usr/bin/evil"], ["sh", "-c", "id"], []):
        answer = target.run(argv)
        assert isinstance(answer, Unknown) and answer.why is Why.NOT_LIVE
        assert "the target is not running" in answer.reason
    assert not (root / "ran").exists()


def test_journalctl_may_read_the_targets_journal(target: Target, root: Path) -> None:
    folder = f"--directory={root}/var/log/journal"
    assert not refused(target, "journalctl", folder, "-o", "export", "--no-pager")
    assert not refused(target, "journalctl", folder, "-o", "json", "-a", "-b0", "PRIORITY=3", "+", "_COMM=ifup")
    assert not refused(target, "journalctl", f"--file=/proc/{os.getpid()}/fd/7", "--output=export", "--all")
    assert isinstance(target.run(["journalctl", folder, "--no-pager"]), (Output, Unknown))


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--file=/var/log/journal/x.journal",),
        ("--file=/proc/self/fd/7",),
        ("--file=/proc/1/fd/7",),
        ("--directory=/var/log/journal",),
        ("--directory={root}/../outside",),
        ("--directory={root}x",),
        ("--directory={root}/no/such/folder",),
        ("-D", "{root}/var/log/journal"),
        ("--directory={root}/var/log/journal", "--vacuum-size=1"),
        ("--directory={root}/var/log/journal", "--rotate"),
        ("--directory={root}/var/log/journal", "--cursor-file=/etc/passwd"),
        ("--directory={root}/var/log/journal", "--root=/"),
        ("--directory={root}/var/log/journal", "--image=/dev/sda"),
        ("--directory={root}/var/log/journal", "-f"),
        ("--directory={root}/var/log/journal", "--update-catalog"),
        ("--directory={root}/var/log/journal", "/usr/sbin/sshd"),
        ("--directory={root}/var/log/journal", "-m"),
        ("--directory={root}/var/log/journal", "--file=/var/log/journal/x"),
    ],
)
def test_journalctl_may_do_nothing_else(target: Target, root: Path, words: tuple[str, ...]) -> None:
    assert refused(target, "journalctl", *(word.format(root=root) for word in words))


def test_a_journal_that_links_elsewhere_is_not_handed_over(target: Target, root: Path) -> None:
    folder = f"--directory={root}/var/log/journal"
    (root / "var/log/journal/0123/user.journal").symlink_to("/var/log/journal/mine/user.journal")
    assert refused(target, "journalctl", folder)
    (root / "var/log/journal/0123/user.journal").unlink()
    assert not refused(target, "journalctl", folder)
    (root / "var/log/other").symlink_to("/var/log/journal")
    assert refused(target, "journalctl", f"--directory={root}/var/log/other")


def test_systemctl_may_say_what_is_enabled_in_the_root(target: Target, root: Path) -> None:
    assert not refused(target, "systemctl", f"--root={root}", "is-enabled", "ssh.service")
    assert not refused(target, "systemctl", f"--root={root}/", "list-unit-files", "--no-pager", "--type=service")
    for words in (
        ("is-enabled", "ssh"),
        ("--root=/", "is-enabled", "ssh"),
        (f"--root={root}", "enable", "ssh"),
        (f"--root={root}", "mask", "ssh"),
        (f"--root={root}",),
        (f"--root={root}", "is-enabled", "--now", "ssh"),
        (f"--root={root}", "--root=/", "is-enabled", "ssh"),
        (f"--root={root}", "-H", "is-enabled", "ssh"),
    ):
        assert refused(target, "systemctl", *words), words


EXPORT = """__REALTIME_TIMESTAMP=1700000000000000
__MONOTONIC_TIMESTAMP=1000000
_BOOT_ID=0123456789abcdef0123456789abcdef
MESSAGE=eth0: link is up
PRIORITY=6

"""
REMOTE = next((path for path in ("/lib/systemd/systemd-journal-remote",) if os.path.exists(path)), None)


@pytest.mark.skipif(not (REMOTE and command.find("journalctl")), reason="needs systemd-journal-remote")
def test_journalctl_reads_the_file_that_the_door_opened(target: Target, root: Path) -> None:
    assert REMOTE is not None
    made = root / "var/log/journal/0123/made.journal"
    subprocess.run([REMOTE, "-o", str(made), "-"], input=EXPORT.encode(), check=True, capture_output=True)
    stream = target.open("/var/log/journal/0123/made.journal")
    assert not isinstance(stream, Unknown)
    with stream:
        source = f"--file=/proc/{os.getpid()}/fd/{stream.fileno()}"
        output = target.run(["journalctl", source, "--output=cat", "--no-pager"])
    assert isinstance(output, Output)
    assert output.stdout == "eth0: link is up\n", output.stderr
