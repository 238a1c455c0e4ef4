"""A person inside of a disk, at a real terminal: it feels like that host, and nothing of it is left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.rescue.visiting import (
    BUSYBOX,
    MARK,
    PROGRAM,
    REPOSITORY,
    Terminal,
    closing,
    hang_up,
    run,
    sleepers,
    small_disk,
    until,
    visit,
)
from tests.target.children import needs_root

pytestmark = [needs_root, pytest.mark.skipif(BUSYBOX is None, reason="not installed: busybox-static")]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return small_disk(tmp_path / "disk")


@pytest.fixture
def device(disk: Path, tmp_path: Path) -> Iterator[str]:
    """The same as an ext4 on a block device, as Linode has it."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("not installed: e2fsprogs")
    image = tmp_path / "image"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", disk, image, "24M"], check=True, capture_output=True)
    found = subprocess.run(["losetup", "--show", "-f", image], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"no loop devices here: {found.stderr.strip()}")
    path = found.stdout.strip()
    try:
        yield path
    finally:
        subprocess.run(["losetup", "-d", path], check=True)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Those that a test opened; closed after it."""
    with closing() as opened:
        yield opened


def mounted_anywhere(device: str) -> list[str]:
    """The processes that have the device mounted, in whatever namespace."""
    number = os.stat(device).st_rdev
    wanted = f" {os.major(number)}:{os.minor(number)} "
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if wanted in Path(f"/proc/{name}/mountinfo").read_text():
                found.append(name)
        except OSError:
            continue
    return found


def free(device: str) -> bool:
    """Nobody has it mounted, and it can be claimed."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not mounted_anywhere(device):
            try:
                os.close(os.open(device, os.O_RDWR | os.O_EXCL))
            except OSError:
                pass
            else:
                return True
        time.sleep(0.05)
    return False


# -- a shell


@pytest.mark.timeout(60)
def test_a_person_gets_a_shell_in_the_disk_and_sees_where_he_is(device: str, terminals: list[Terminal]) -> None:
    terminal = Terminal(device)
    terminals.append(terminal)
    welcome = terminal.at_prompt()
    assert f"You are inside of {device}." in welcome and "everything is unmounted" in welcome
    assert "root@web1:/" in terminal.child.after
    assert terminal.answer("tty").strip() == "/dev/pts/0"
    assert terminal.answer("id -u; hostname").split() == ["0", "web1"]
    terminal.answer("touch /etc/made")
    terminal.type("exit 9")
    assert terminal.end() == 9
    assert f"left {device}; everything is unmounted" in terminal.said
    assert f"agent scan --device {device}" in terminal.said
    assert free(device)
    stat = subprocess.run(["debugfs", "-R", "stat /etc/made", device], capture_output=True, text=True)
    assert "Type: regular" in stat.stdout


@pytest.mark.timeout(60)
def test_ctrl_c_is_for_what_runs_in_the_shell(disk: Path, terminals: list[Terminal]) -> None:
    terminal = visit(disk, terminals)
    terminal.type(f"sleep {MARK}")
    until(10, True)
    terminal.child.sendcontrol("c")
    terminal.at_prompt()
    until(5, False)


@pytest.mark.timeout(60)
def test_jobs_can_be_stopped_and_taken_up_again(disk: Path, terminals: list[Terminal]) -> None:
    terminal = visit(disk, terminals)
    terminal.type(f"sleep {MARK}")
    until(10, True)
    terminal.child.sendcontrol("z")
    terminal.child.expect("Stopped")
    terminal.at_prompt()
    assert "Stopped" in terminal.answer("jobs")
    terminal.type("fg")
    terminal.child.expect("sleep")
    time.sleep(0.2)
    terminal.child.sendcontrol("c")
    terminal.at_prompt()
    until(5, False)


@pytest.mark.timeout(60)
def test_the_terminals_size_follows(disk: Path, terminals: list[Terminal]) -> None:
    terminal = visit(disk, terminals)
    assert "24 80" in terminal.answer("stty size")
    terminal.child.setwinsize(50, 132)
    time.sleep(0.3)
    assert "50 132" in terminal.answer("stty size")


@pytest.mark.timeout(60)
def test_our_terminal_is_as_it_was_afterwards(disk: Path, terminals: list[Terminal]) -> None:
    """A shell around it, as the person has one: what it says of the terminal before and after is the same."""
    shell: pexpect.spawn[str] = pexpect.spawn("/bin/sh", encoding="utf-8", timeout=20, cwd=str(REPOSITORY))
    try:
        shell.sendline("PS1='ready'; stty -a > /tmp/before-$$; echo be''gun")
        shell.expect("begun")
        (disk / "program.py").write_text(PROGRAM)
        shell.sendline(f"PYTHONPATH=. {sys.executable} {disk}/program.py {disk}")
        shell.expect(re.escape(f"({disk}) ") + r"\S*# ")
        shell.sendline("stty -echo; exit")
        shell.expect("left .*\n")
        shell.sendline("stty -a > /tmp/after-$$; cmp /tmp/before-$$ /tmp/after-$$ && echo eq''ual; rm /tmp/*-$$")
        shell.expect("equal")
    finally:
        shell.close(force=True)


@pytest.mark.timeout(60)
def test_it_can_type_nothing_at_our_terminal(disk: Path, terminals: list[Terminal]) -> None:
    """Its terminal is its own: ours has no process of the disk's, and none of its descriptors leads to it."""
    terminal = visit(disk, terminals)
    terminal.type(f"sleep {MARK}")
    until(10, True)
    inside, outside = sleepers()[0], terminal.child.pid
    ours = os.stat(f"/proc/{outside}/fd/0").st_dev
    for number in (0, 1, 2):
        assert os.stat(f"/proc/{inside}/fd/{number}").st_dev != ours  # of another devpts
    assert os.getsid(inside) != os.getsid(outside)
    assert len(os.listdir(f"/proc/{inside}/fd")) == 3


# -- one command


def test_a_commands_output_and_exit_status_are_passed_on(disk: Path) -> None:
    done = run(disk, "sh", "-c", "echo out; echo err >&2; cat; exit 5", input="typed\n")
    assert (done.returncode, done.stdout) == (5, "out\ntyped\n")
    assert "err\n" in done.stderr and "You are inside" not in done.stderr
    assert run(disk, "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL


def test_a_command_that_is_not_installed_is_named(disk: Path) -> None:
    done = run(disk, "apt-get", "update")
    assert done.returncode == 1 and f"apt-get: not installed on {disk}" in done.stderr


@pytest.mark.timeout(60)
def test_ctrl_c_ends_a_command_whose_output_goes_elsewhere(disk: Path) -> None:
    argv = [sys.executable, "-c", PROGRAM, str(disk), "sleep", MARK]
    us = subprocess.Popen(argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until(20, True)
        us.send_signal(signal.SIGINT)
        assert us.wait(20) == 128 + signal.SIGINT
        until(5, False)
    finally:
        us.kill()
        us.wait()


# -- the end of it


@pytest.mark.timeout(90)
@pytest.mark.parametrize("end", ["exit", "kill -9", "SIGTERM", "closed terminal"])
def test_nothing_is_left_whatever_ends_it(device: str, terminals: list[Terminal], end: str) -> None:
    """Also not a daemon that was left inside, and that has no terminal."""
    before = Path("/proc/self/mounts").read_text()
    terminal = visit(device, terminals)
    terminal.answer(f"(setsid sleep {MARK} </dev/null >/dev/null 2>&1 &) ")
    until(10, True)
    assert mounted_anywhere(device)
    if end == "exit":
        terminal.type("exit")
        assert terminal.end() == 0
        assert not sleepers() and not mounted_anywhere(device)  # not "soon": it said that it is unmounted
    elif end == "kill -9":
        terminal.child.kill(signal.SIGKILL)
    elif end == "SIGTERM":
        terminal.child.kill(signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
        assert "everything is unmounted" in terminal.said
    else:
        hang_up(terminal)
    until(20, False)
    assert free(device)
    assert Path("/proc/self/mounts").read_text() == before


@pytest.mark.timeout(60)
def test_a_shell_is_told_when_its_terminal_is_closed(disk: Path, terminals: list[Terminal]) -> None:
    """apt ends its step then, which is better than being killed."""
    script = "trap 'echo told > /etc/told; exit' HUP; echo ready; while :; do sleep 0.1; done"
    terminal = visit(disk, terminals, "sh", "-c", script)
    terminal.child.expect("ready")
    hang_up(terminal)
    end = time.monotonic() + 10
    while not (disk / "etc/told").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert (disk / "etc/told").read_text() == "told\n"


@pytest.mark.timeout(60)
def test_daemons_are_asked_to_end_before_they_are_killed(disk: Path, terminals: list[Terminal]) -> None:
    terminal = visit(disk, terminals)
    daemon = "trap 'echo ended > /var/lib/ended; exit' TERM; echo > /var/lib/up; while :; do sleep 0.1; done"
    terminal.answer(f'(setsid sh -c "{daemon}" </dev/null >/dev/null 2>&1 &)')
    end = time.monotonic() + 10
    while not (disk / "var/lib/up").exists() and time.monotonic() < end:
        time.sleep(0.05)
    terminal.type("exit")
    assert terminal.end() == 0
    assert (disk / "var/lib/ended").read_text() == "ended\n"


@pytest.mark.timeout(60)
def test_a_daemon_that_does_not_end_holds_nobody_up(disk: Path, terminals: list[Terminal]) -> None:
    terminal = visit(disk, terminals)
    terminal.answer(f"(setsid sh -c \"trap '' TERM HUP; sleep {MARK}\" </dev/null >/dev/null 2>&1 &) ")
    until(10, True)
    started = time.monotonic()
    terminal.type("exit")
    assert terminal.end() == 0
    assert not sleepers() and time.monotonic() - started < 8
