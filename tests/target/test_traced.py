"""Nothing outside the root is opened: proven by watching a scan-like reader from outside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# A reader that asks for everything there is, by every operation; what it opens is watched from a mark on.
READER = """
import os, sys
from agent.target.detect import open_target
from agent.unknown import Unknown
target = open_target(sys.argv[1])
seen = []
EVENTS = ("open", "os.listdir", "os.scandir", "subprocess.Popen", "os.exec", "socket.connect")
def watch(event, arguments):
    if watching and event in EVENTS:
        seen.append((event, arguments[0]))
watching = False
sys.addaudithook(watch)
MARK = "/the-watch-{}-here"
os.path.exists(MARK.format("begins"))
watching = True
def visit(folder, depth):
    names = target.list(folder)
    for name in names or ():
        path = folder.rstrip("/") + "/" + name
        target.stat(path); target.stat(path, follow=False); target.resolve(path); target.readlink(path)
        target.read(path); target.space(path)
        target.read(path + "/secret"); target.list(path + "/..")
        if target.is_dir(path) and depth and not target.readlink(path):
            visit(path, depth - 1)
visit("/", 4)
for name in ("links", "routes", "memory", "devices", "sockets", "counters"):
    assert not target.query(name)
assert not target.run(["cat", "/etc/passwd"])
assert not target.run(["journalctl", "--directory=/var/log/journal"])
watching = False
os.path.exists(MARK.format("ends"))
for event, subject in seen:
    print(event, repr(subject))
"""


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A root full of ways out of it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "var/log").mkdir(parents=True)
    for number, goal in enumerate(
        ("/", "/etc/passwd", "/proc/self/root", "../../../..", str(outside), f"{outside}/secret", "/dev/zero")
    ):
        (root / f"etc/absolute{number}").symlink_to(goal)
        (root / f"var/log/relative{number}").symlink_to("../../../../../../.." + goal)
        (root / f"chain{number}").symlink_to(f"etc/absolute{number}")
    (root / "etc/hostname").write_text("web1\n")
    os.mkfifo(root / "etc/fifo")
    return root


def test_an_audit_hook_sees_no_path_outside(trap: Path) -> None:
    done = subprocess.run([sys.executable, "-c", READER, str(trap)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines, "the hook saw the reader"
    for line in lines:
        event, subject = line.split(" ", 1)
        if event == "os.scandir":
            assert subject.isdigit(), "directories are listed through their descriptor"
            continue
        assert event == "open", line
        # one name, relative to a directory that is held; never a path. fdopen opens a number.
        assert re.fullmatch(r"b'self/fd/\d+'|b'[^/]+'|\d+", subject), line


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_strace_sees_nothing_opened_outside(trap: Path, tmp_path: Path) -> None:
    log = tmp_path / "strace"
    command = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-y",
        "-s",
        "4096",
        "-e",
        "trace=%file,connect,execve",
        "-o",
        str(log),
    ]
    done = subprocess.run(
        [*command, sys.executable, "-c", READER, str(trap)], capture_output=True, text=True, timeout=120
    )
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert done.returncode == 0, done.stderr
    text = log.read_text()
    begin, end = text.index("/the-watch-begins-here"), text.index("/the-watch-ends-here")
    calls = text[begin:end].splitlines()[1:-1]
    opened = 0
    for call in calls:
        assert "execve(" not in call and "connect(" not in call, call
        result = re.search(r"= \d+<(.*)>$", call)
        if result is None:
            continue
        opened += 1
        assert result[1] == str(trap) or result[1].startswith(str(trap) + "/"), call
        if "O_PATH" not in call:
            assert not result[1].endswith("/fifo"), call
    assert opened > 100
    # every name that is not relative to a held directory would be the running system's
    absolute = [call for call in calls if re.search(r'\((AT_FDCWD<[^>]*>, )?"/', call)]
    assert absolute == []
