"""A hostile disk is scanned within bounded memory and time, and nothing outside it is read."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import socket
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MEGABYTE = 1024 * 1024
MARKER = "the-secret-of-the-outside"
HOOK = "run-parts: /etc/network/if-up.d/sendmail exited with return code 2"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links out of it, loops, fifos, sockets, a 10 GiB sparse log, a 64 MiB line, 100,000 files."""
    base = tmp_path_factory.mktemp("hostile")
    outside, made = base / "outside", base / "root"
    outside.mkdir()
    for name in ("hostname", "interfaces", "resolv.conf", "fstab", "syslog", "os-release", "system.journal"):
        (outside / name).write_text(f"{MARKER} {name}\n")
    for folder in (
        "etc/network/interfaces.d",
        "etc/systemd/network",
        "etc/netplan",
        "var/log/journal",
        "proc",
    ):
        (made / folder).mkdir(parents=True)
    up = "../" * 30
    (made / "etc/hostname").symlink_to(outside / "hostname")
    (made / "etc/network/interfaces").symlink_to(up + str(outside / "interfaces").lstrip("/"))
    (made / "etc/network/interfaces.d/loop").symlink_to("loop")
    (made / "etc/resolv.conf").symlink_to(outside / "resolv.conf")
    (made / "etc/os-release").symlink_to(outside / "os-release")
    (made / "etc/ssh").symlink_to("/etc/ssh")
    (made / "etc/systemd/network/10-a.network").symlink_to("/proc/self/environ")
    (made / "etc/systemd/network/20-\udcff\udcfe.network").write_bytes(b"[Match]\nName=\xff\xfe\n")
    os.mkfifo(made / "etc/fstab")
    os.mkfifo(made / "etc/netplan/10-fifo.yaml")
    (made / "etc/netplan/20-bomb.yaml").write_text(
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    )
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(made / "var/log")
        server.bind("daemon.log")
        os.chdir(here)
    (made / "var/log/journal/0123456789abcdef0123456789abcdef").symlink_to(outside)
    (made / "var/log/kern.log").symlink_to(outside / "syslog")
    with (made / "var/log/syslog").open("wb") as log:
        log.write(f"Nov 23 10:00:00 web1 ifup[311]: {HOOK}\n".encode())
        log.truncate(10 * 1024 * MEGABYTE)
    with (made / "var/log/messages").open("wb") as log:
        for _ in range(64):
            log.write(b"x" * MEGABYTE)
        log.write(b"\n\xff\xfe\x00 invalid\n")
        log.write(f"Nov 23 10:00:00 web1 ifup[311]: {HOOK}\n".encode())
    (made / "var/log/auth.log").write_text("no")
    (made / "var/log/auth.log").chmod(0)
    for number in range(100_000):
        os.close(os.open(made / f"var/log/{number}", os.O_CREAT | os.O_WRONLY))
    yield made
    shutil.rmtree(base)


def scan(root: Path, *before: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*before, sys.executable, "-m", "agent", "scan", "--root", str(root), "--json"],
        capture_output=True,
        cwd=REPOSITORY,
        timeout=240,
        check=False,
    )


# Its own peak: the one that wait4(2) tells begins with the size of whoever started it.
WITH_PEAK = """
import sys
from agent.cli.main import main
status = main(sys.argv[2:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
open(sys.argv[1], "w").write(peak.split()[1])
sys.exit(status)
"""


def test_it_is_scanned_without_traceback_in_bounded_memory(root: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", WITH_PEAK, str(tmp_path / "peak"), "scan", "--root", str(root), "--json"]
    ran = subprocess.run(words, capture_output=True, cwd=REPOSITORY, check=False)
    assert ran.stderr == b""
    document = json.loads(ran.stdout)
    assert int((tmp_path / "peak").read_text()) * 1024 < 150 * MEGABYTE
    assert document["verdict"]["state"] != "healthy"
    assert MARKER not in json.dumps(document)
    assert all(finding["status"] != "confirmed" for finding in document["findings"] if "hook" in finding["id"])


def test_what_could_not_be_read_is_listed(root: Path) -> None:
    whats = json.dumps(json.loads(scan(root).stdout)["unchecked"])
    for path in ("/var/log/kern.log", "/var/log/daemon.log"):
        assert path in whats


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_nothing_outside_the_root_is_opened(root: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    calls = "trace=open,openat,openat2,execve,connect,readlinkat,unlink,mkdir,rename"
    result = scan(root, "strace", "-f", "-y", "-e", calls, "-o", str(trace))
    assert json.loads(result.stdout)
    text = trace.read_text(errors="replace")
    opened = re.findall(r"= \d+<([^>]*)>$", text, re.MULTILINE)
    assert any(path.startswith(f"{root}/etc") for path in opened), "the trace shows the scan"
    own = [
        str(REPOSITORY),
        str(root),
        sys.prefix,
        sys.base_prefix,
        *site.getsitepackages(),
        "/usr/lib",
        "/lib",
        "/usr/local/lib",
        "/proc",
        "/sys/",  # of the machine that we run on: is it a rescue system?
        "/dev/null",
        "/dev/urandom",
        "/usr/share/locale",
        "/usr/share/zoneinfo",
        "/etc/ld.so",
        "/etc/localtime",
        "/etc/locale.alias",
        "/etc/issue",
        "/etc/os-release",
        "/etc/hostname",
        "/etc/mime.types",
        "/tmp",
        "pipe:",
        "socket:",
        "anon_inode:",
    ]
    outside = [path for path in opened if not path.startswith(tuple(own)) and path != "/"]
    assert outside == []
    assert not [path for path in opened if "/outside" in path]
    programs = re.findall(r'execve\("([^"]+)"', text)
    assert not [path for path in programs if str(root) in path], "no program of the disk is run"
