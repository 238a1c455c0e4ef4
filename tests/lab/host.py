"""One host that really boots: its disk, its network, its systemd; looked at from inside and outside.

Runs inside the namespaces of `isolation`: the gateway that it sees lives on the other end of its link,
in the network of the job, and is gone with it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.base import libraries, lower_folders, mount_overlay
from tests.lab.isolation import REPOSITORY
from tests.lab.root import Root

ADDRESS, PREFIX, GATEWAY = "192.0.2.10", 24, "192.0.2.1"
OUTSIDE = "outside"  # the gateway's end of the host's link
BOOTED = ("running", "degraded", "maintenance")
_INSIDE = "/opt/lish-agent"
_SECONDS_TO_BOOT, _SECONDS_TO_STOP, _SECONDS_TO_SCAN = 90, 20, 90


def _wear_finnix(folder: Path) -> None:
    """In the job's own mount namespace only: what Finnix's medium and os-release say."""
    info = Path("/run/live/medium/.disk/info")
    info.parent.mkdir(parents=True, exist_ok=True)
    info.write_text("Finnix 125\n")
    release = folder / "os-release"
    release.write_text('PRETTY_NAME="Finnix 125"\nNAME="Finnix"\nID="finnix"\nID_LIKE="debian"\n')
    subprocess.run(["mount", "--bind", str(release), "/usr/lib/os-release"], check=True)
    # A disk that can be looked into: its loop device goes with the mount, and that with the namespace.
    disk, place = folder / "disk.img", folder / "other"
    with disk.open("wb") as image:
        image.truncate(8 << 20)
    place.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop,ro", str(disk), str(place)], check=True)


class HostFailed(Exception):
    """The host did not do what any host does; the message says what."""


@dataclass(frozen=True)
class Ran:
    """A run of the program: how it ended, and what it said."""

    exit: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def said(self) -> str:
        return f"{self.stdout}{self.stderr}".strip()


@dataclass(frozen=True)
class Scan:
    """What the program printed, and how it ended."""

    exit: int
    report: Mapping[str, object] | None  # None: it printed no JSON object
    stderr: str
    seconds: float


class Host:
    """A host's disk in ``folder``, over the layer's; `boot` and `stop` may be repeated."""

    def __init__(self, folder: Path, suite: str, layer: str, link: str) -> None:
        self.folder = folder
        self.link = link
        self.console = folder / "console.log"
        self.bytecode = folder.parent.parent / f"bytecode-{suite}"  # shared by the hosts of a run
        self.bytecode.mkdir(exist_ok=True)
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()
        mount_overlay(lower_folders(suite, layer), folder / "upper", folder / "work", folder / "root")
        self.root = Root(folder / "root", suite)

    def boot(self) -> str:
        """Boots, and waits until systemd has nothing left to start. Gives the system's state."""
        command = ["systemd-nspawn", "--boot", "--directory", str(self.root.path), "--register=no", "--keep-unit"]
        command += [f"--network-veth-extra={OUTSIDE}:{self.link}", "--resolv-conf=off", "--timezone=off"]
        command += ["--link-journal=no", "--console=read-only"]
        for source, place in (
            (REPOSITORY / "agent", f"{_INSIDE}/agent"),
            (REPOSITORY / "rules", f"{_INSIDE}/rules"),
            (libraries(), f"{_INSIDE}/libraries"),
        ):
            command.append(f"--bind-ro={source}:{place}")
        command.append(f"--bind={self.bytecode}:{_INSIDE}/bytecode")
        with self.console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        self._bring_the_gateway_up()
        return self._wait_until_booted()

    def _bring_the_gateway_up(self) -> None:
        until = time.monotonic() + 20
        while not Path("/proc/self/net/dev").read_text().count(f"{OUTSIDE}:"):
            self._still_there()
            if time.monotonic() > until:
                raise HostFailed("its link never appeared")
            time.sleep(0.005)
        for words in (
            ("addr", "add", f"{GATEWAY}/{PREFIX}", "dev", OUTSIDE),
            ("link", "set", OUTSIDE, "up"),
        ):
            subprocess.run(["ip", *words], check=True)

    def _still_there(self) -> None:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            raise HostFailed(f"it did not boot:\n{self.console.read_text(errors='replace')[-2000:]}")

    def _wait_until_booted(self) -> str:
        until = time.monotonic() + _SECONDS_TO_BOOT
        state = "nothing"
        while time.monotonic() < until:
            self._still_there()
            if self._find_leader():
                state = self.inside("systemctl", "is-system-running").stdout.strip()
                if state in BOOTED:
                    return state
            time.sleep(0.1)
        raise HostFailed(f"after {_SECONDS_TO_BOOT} s it is still {state!r}: {self._jobs()}")

    def _jobs(self) -> str:
        return self.inside("systemctl", "list-jobs", "--no-pager").stdout if self._leader else ""

    def _find_leader(self) -> bool:
        """The host's first process: the child of nspawn that runs systemd from its own root."""
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        for child in children:
            command = Path(f"/proc/{child}/cmdline")
            if command.exists() and command.read_bytes().split(b"\0")[0].endswith((b"/systemd", b"/init")):
                self._leader = int(child)
                return True
        return False

    def inside(
        self, *argv: str, environment: Sequence[str] = (), timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the running host, as root at its console would."""
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            [*enter, "env", "-i", path, "HOME=/root", "LC_ALL=C.UTF-8", *environment, *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def answers_ping(self) -> bool:
        """Whether its address answers its gateway."""
        ping = ["ping", "-c", "1", "-W", "1", ADDRESS]
        done = subprocess.run(
            ["chroot", str(self.root.path), *ping], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        return done.returncode == 0

    def journal(self) -> str:
        """The journal of this boot, as a person reads it."""
        return self.inside("journalctl", "-b", "--no-pager", "-o", "short-monotonic").stdout

    def boot_id(self) -> str:
        """The id of this boot, as the journal writes it."""
        return self.inside("cat", "/proc/sys/kernel/random/boot_id").stdout.strip().replace("-", "")

    def settle(self) -> None:
        """Lets the journal reach the disk."""
        self.inside("journalctl", "--sync")

    def agent(self, *words: str) -> Ran:
        """Runs the program in the running host."""
        libs = f"PYTHONPATH={_INSIDE}:{_INSIDE}/libraries"
        started = time.monotonic()
        done = self.inside(
            *("python3", "-m", "agent", *words),
            environment=(libs, f"PYTHONPYCACHEPREFIX={_INSIDE}/bytecode"),
            timeout=_SECONDS_TO_SCAN,
        )
        return Ran(done.returncode, done.stdout, done.stderr, round(time.monotonic() - started, 2))

    def agent_outside(self, *words: str) -> Ran:
        """Runs the program on the disk of the stopped host, as rescue mode would."""
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "agent", *words, "--root", str(self.root.path)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS_TO_SCAN,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, round(time.monotonic() - started, 2))

    def scan_live(self) -> Scan:
        return _scan(self.agent("scan", "--json"))

    def scan_offline(self, rescue: bool = False) -> Scan:
        """Looks at the disk of the stopped host. ``rescue``: this namespace then shows the signs of Finnix,
        so that its block devices count as those of the host."""
        if rescue:
            self.wear_finnix()
        return _scan(self.agent_outside("scan", "--json"))

    def wear_finnix(self) -> None:
        """From now on this namespace shows the signs of Finnix, Linode's rescue system."""
        _wear_finnix(self.folder)

    def stop(self) -> None:
        """Powers off as `poweroff` does; pulls the plug when that takes too long."""
        if self._nspawn is None:
            return
        self._nspawn.send_signal(signal.SIGTERM)
        try:
            self._nspawn.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            if self._leader:
                os.kill(self._leader, signal.SIGKILL)
            self._nspawn.wait(10)
        self._nspawn, self._leader = None, 0

    def remove(self) -> None:
        """Takes the disk away."""
        self.stop()
        subprocess.run(["umount", "-l", str(self.root.path)], check=True)
        shutil.rmtree(self.folder)


def _scan(ran: Ran) -> Scan:
    try:
        report = json.loads(ran.stdout)
    except ValueError:
        report = None
    return Scan(ran.exit, report if isinstance(report, dict) else None, ran.stderr, ran.seconds)
