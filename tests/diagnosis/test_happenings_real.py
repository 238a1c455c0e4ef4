"""A real Debian: boots well twice, is upgraded and edited by its own tools, stops in emergency mode; then the list."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.diagnosis.boot_records import Course
from agent.diagnosis.happenings import Before, what_changed
from agent.facts.facts import Facts
from agent.logs.search import search
from agent.target.detect import open_target
from tests.lab.isolation import isolated, lab_dir, remove_cgroups, why_not

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

POWEROFF = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/systemctl --no-block poweroff
"""


def bases() -> list[Path]:
    return sorted((lab_dir() / "bases").glob("bookworm-*"))


class Host:
    """A copy of a prepared disk, and what happens on it."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.console = root.parent / "console.log"

    def boot(self, until: bytes = b"") -> None:
        """Runs until it powers off, or until its console says ``until``, and then has its power cut."""
        argv = isolated(
            [sys.executable, "-m", "tests.diagnosis.changing_host", self.name, str(self.root)], network=True
        )
        with self.console.open("wb") as console:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        ends = time.monotonic() + 60
        while process.poll() is None and not (until and until in self.console.read_bytes()):
            if time.monotonic() > ends:
                break
            time.sleep(0.05)
        if process.poll() is None:
            time.sleep(1 if until in self.console.read_bytes() else 0)  # the journal has what the console has
            process.send_signal(signal.SIGKILL)
        process.wait()
        remove_cgroups(self.name)
        if not until:
            assert process.returncode == 0, self.console.read_text(errors="replace")[-2000:]

    def install(self, version: str) -> None:
        folder = self.root.parent / "package"
        (folder / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (folder / "etc/ssh").mkdir(parents=True, exist_ok=True)
        (folder / "etc/ssh/lab.conf").write_text(f"# {version}\n")
        (folder / "DEBIAN/conffiles").write_text("/etc/ssh/lab.conf\n")
        control = f"Package: openssh-lab\nVersion: {version}\nArchitecture: all\nMaintainer: Lab <lab@example.com>\n"
        (folder / "DEBIAN/control").write_text(control + "Description: a package of the lab\n")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "check": True, "timeout": 60}
        subprocess.run(["dpkg-deb", "--build", str(folder), str(self.root / "root/lab.deb")], **quiet)  # type: ignore[call-overload]
        subprocess.run(["chroot", str(self.root), "apt-get", "-y", "install", "/root/lab.deb"], **quiet)  # type: ignore[call-overload]

    def before(self) -> Before:
        target = open_target(str(self.root))
        return what_changed(Facts(target), search(target, []))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    reason = why_not() or ("" if bases() else "no base was built: make lab")
    if reason:
        pytest.skip(f"no host can be booted here: {reason}")
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", "--reflink=auto", str(bases()[0]), str(root)], check=True, timeout=120)
    (root / "var/log/journal").mkdir(exist_ok=True)
    units = root / "etc/systemd/system"
    (units / "poweroff-lab.service").write_text(POWEROFF)
    (units / "graphical.target.wants").mkdir(exist_ok=True)
    (units / "graphical.target.wants/poweroff-lab.service").symlink_to("../poweroff-lab.service")
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("/lib/systemd/system/graphical.target")
    name = f"changes-{os.getpid()}"
    try:
        yield Host(root, name)
    finally:
        remove_cgroups(name)
        shutil.rmtree(root, ignore_errors=True)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_what_was_done_between_the_last_good_boot_and_the_first_bad_one_is_the_list(host: Host) -> None:
    host.install("1.0")
    host.boot()
    host.boot()
    time.sleep(6)
    host.install("1.1")
    time.sleep(6)  # else the edit would count as the package manager's own doing
    fstab = host.root / "etc/fstab"
    fstab.write_text((fstab.read_text() if fstab.exists() else "") + "none /srv nosuchfs defaults 0 0\n")
    host.boot(until=b"You are in emergency mode")
    host.boot(until=b"You are in emergency mode")

    found = host.before()

    assert found.good is not None and found.bad is not None
    assert (found.good.course, found.good.clean_end) == (Course.WELL, True)
    assert (found.bad.course, found.bad.clean_end) == (Course.STOPPED, False)
    assert found.bad.why == "stopped in emergency mode: a filesystem was not mounted"
    lines = [one.what for one in found.happenings]
    assert lines == ["/etc/fstab changed", "upgraded openssh-lab 1.0 -> 1.1"]
    assert found.unread == ()

    fstab.chmod(0o600)  # somebody tries something: the time of the true change is lost, its name is not
    lines = [one.what for one in host.before().happenings]
    assert lines == ["upgraded openssh-lab 1.0 -> 1.1", "/etc/fstab changed (after it broke)"]
