"""What the tests of the chroot share: a small disk, the command in a process of its own, a person's terminal."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect

REPOSITORY = Path(__file__).parents[2]
BUSYBOX = shutil.which("busybox")
MARK = "86399.625"  # seconds that only these tests' processes sleep
PROGRAM = """
import sys
from agent.cli.chroot import run_chroot
from agent.cli.main import _complain
from agent.errors import AgentError
try:
    sys.exit(run_chroot(sys.argv[1], sys.argv[2:]))
except AgentError as error:
    sys.exit(_complain(error))
"""
APPLETS = (
    "sh",
    "cat",
    "sleep",
    "setsid",
    "ls",
    "touch",
    "ip",
    "mount",
    "grep",
    "id",
    "tty",
    "stty",
    "hostname",
    "kill",
)


def small_disk(root: Path) -> Path:
    """A small disk whose only program is busybox."""
    assert BUSYBOX is not None
    for name in ("bin", "proc", "sys", "dev", "run", "tmp", "etc", "var/lib", "root", "sbin", "usr/sbin"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "sbin/init").symlink_to("../bin/busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/hostname").write_text("web1\n")
    (root / "etc/os-release").write_text('ID=debian\nPRETTY_NAME="Debian"\n')
    (root / "etc/fstab").write_text("/dev/sda / ext4 defaults 0 1\n")
    (root / "etc/resolv.conf").write_text("nameserver 192.0.2.53\n")
    return root


def run(where: Path | str, *command: str, input: str = "") -> subprocess.CompletedProcess[str]:
    """One command inside, with pipes."""
    argv = [sys.executable, "-c", PROGRAM, str(where), *command]
    return subprocess.run(argv, cwd=REPOSITORY, input=input, capture_output=True, text=True, timeout=60)


def sh(where: Path | str, script: str) -> str:
    done = run(where, "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Terminal:
    """The person's terminal."""

    def __init__(self, where: Path | str, *command: str) -> None:
        self.child: pexpect.spawn[str] = pexpect.spawn(
            sys.executable,
            ["-c", PROGRAM, str(where), *command],
            cwd=str(REPOSITORY),
            env={**os.environ, "TERM": "vt100"},
            encoding="utf-8",
            dimensions=(24, 80),
            timeout=20,
        )
        self.prompt = re.escape(f"({where}) ") + r"\S*[#$] "

    def at_prompt(self) -> str:
        """Wait for the prompt; what came before it."""
        self.child.expect(self.prompt)
        return str(self.child.before)

    def type(self, line: str) -> None:
        self.child.sendline(line)

    def answer(self, line: str) -> str:
        """What a command says. (What is typed may be echoed twice: by the kernel, and by the shell.)"""
        self.type(f"echo be''gun; {line}; echo en''ded")
        self.child.expect("begun\r\n")
        self.child.expect("ended\r\n")
        said = str(self.child.before)
        self.at_prompt()
        return said

    def end(self) -> int:
        """Its exit status, when it has ended by itself."""
        self.child.expect(pexpect.EOF)
        self.said = str(self.child.before)
        self.child.close()
        return int(self.child.exitstatus if self.child.exitstatus is not None else -(self.child.signalstatus or 0))


def hang_up(terminal: Terminal) -> None:
    """The terminal is closed: to its session the kernel sends SIGHUP."""
    os.close(terminal.child.child_fd)
    terminal.child.child_fd = -1


@contextlib.contextmanager
def closing() -> Iterator[list[Terminal]]:
    """The terminals that are put into the list are closed at the end."""
    opened: list[Terminal] = []
    try:
        yield opened
    finally:
        for terminal in opened:
            if terminal.child.child_fd >= 0:
                terminal.child.close(force=True)
            else:
                terminal.child.ptyproc.terminate(force=True)


def visit(where: Path | str, terminals: list[Terminal], *command: str) -> Terminal:
    terminal = Terminal(where, *command)
    terminals.append(terminal)
    if not command:
        terminal.at_prompt()
    return terminal


def sleepers() -> list[int]:
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if MARK.encode() in words and words[0].endswith(b"sleep"):
            found.append(int(name))
    return found


def until(seconds: float, holds: bool, count: int = 1) -> None:
    """Until so many of the sleepers are there, or none."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if len(sleepers()) >= count if holds else not sleepers():
            return
        time.sleep(0.05)
    raise AssertionError(f"sleepers: {sleepers()}")
