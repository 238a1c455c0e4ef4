"""Namespaces of our own for everything that the lab does, so that this machine never changes.

A job runs as the first process of its own mount, network, process and host-name namespaces. What it
mounts, the links it makes and the processes it starts are gone when it ends, also when it is killed:
the kernel takes the namespaces down with their first process. What can outlive it are its folder and
its cgroup; `clear_stale` removes those of runs that did not end well.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.lab.kernel_log import writer

REPOSITORY = Path(__file__).resolve().parents[2]
CGROUP_PREFIX = "lish-agent-lab"
_NEEDED = ("systemd-nspawn", "debootstrap", "unshare", "nsenter", "setpriv", "ip", "chroot")


def lab_dir() -> Path:
    """Where bases, layers and running hosts live: LAB_DIR, or .lab in the repository."""
    return Path(os.environ.get("LAB_DIR") or REPOSITORY / ".lab").resolve()


def why_not() -> str:
    """Why no host can be booted here, or "" where it can."""
    if sys.platform != "linux":
        return "not Linux"
    if os.geteuid() != 0:
        return "not root"
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        return f"not installed: {' '.join(missing)}"
    if writer() is None:
        return "not installed: systemd-journal-remote"
    if not cgroup_roots():
        return "no cgroup2 filesystem is mounted"
    return _why_no_overlay()


def _why_no_overlay() -> str:
    probe = lab_dir() / f"probe-{os.getpid()}"
    for name in ("lower", "upper", "work", "merged"):
        (probe / name).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
    try:
        done = subprocess.run(
            isolated(["mount", "-t", "overlay", "overlay", "-o", options, f"{probe}/merged"], network=True),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no namespaces here: {error}"
    finally:
        shutil.rmtree(probe, ignore_errors=True)
    return "" if done.returncode == 0 else f"no namespaces or overlay mounts here: {done.stderr.strip()}"


def isolated(argv: Sequence[str], network: bool) -> list[str]:
    """The command as first process of its own namespaces, which dies with the thread that starts it.

    ``network`` gives it an empty network of its own; without it, it may download packages.
    """
    own = ["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--uts", "--ipc"]
    return ["setpriv", "--pdeathsig", "KILL", "unshare", *own, *(["--net"] if network else []), *argv]


# The folder of one run: it holds a lock for as long as the run lives.


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """A new folder for this run's hosts, locked while it runs, and removed after it."""
    runs = lab_dir() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    clear_stale()
    folder = runs / f"{os.getpid()}-{time.time_ns() // 1_000_000}"
    with locked(runs / f"{folder.name}.lock"):
        folder.mkdir()
        try:
            yield folder
        finally:
            remove_run(folder)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits for the lock, and holds it."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def build_lock() -> Iterator[None]:
    """Held while bases are built: two labs may share what one of them builds."""
    folder = lab_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "build.lock"):
        yield


def clear_stale() -> list[str]:
    """Removes what killed runs left: processes, cgroups, folders. Gives the names of those runs."""
    cleared = []
    for path in sorted((lab_dir() / "runs").glob("*.lock")):
        with path.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # its run is alive
            remove_run(path.with_suffix(""))
            cleared.append(path.stem)
    return cleared


def remove_run(folder: Path) -> None:
    """Ends a run's remaining processes and removes its cgroups and its folder."""
    remove_cgroups(f"{folder.name}-*")
    if folder.exists():
        shutil.rmtree(folder)
    folder.with_suffix(".lock").unlink(missing_ok=True)


# Cgroups: two containers in one cgroup would stop each other's services.


def cgroup_roots() -> list[Path]:
    """The hierarchies that systemd lives in: cgroup2, and the named one of a mixed layout."""
    roots = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = [*after.split(" "), "", ""][:3]
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            roots.append(Path(before.split(" ")[4]))
    return roots


def enter_cgroup(name: str) -> None:
    """Moves this process into a cgroup of its own, in each hierarchy that systemd uses."""
    for root in cgroup_roots():
        cgroup = root / f"{CGROUP_PREFIX}-{name}"
        cgroup.mkdir(exist_ok=True)
        (cgroup / "cgroup.procs").write_text(str(os.getpid()))


def remove_cgroups(pattern: str) -> None:
    """Removes the lab's cgroups of that name, and kills what still runs in them."""
    for root in cgroup_roots():
        for cgroup in root.glob(f"{CGROUP_PREFIX}-{pattern}"):
            _remove_cgroup(cgroup)


def _remove_cgroup(cgroup: Path) -> None:
    """Kills what still runs in a cgroup of the lab, and removes it."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        folders = sorted((path for path in cgroup.rglob("*") if path.is_dir()), reverse=True)
        for folder in [*folders, cgroup]:
            with contextlib.suppress(OSError):
                for process in (folder / "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(process), signal.SIGKILL)
            with contextlib.suppress(OSError):
                folder.rmdir()
        if not cgroup.exists():
            return
        time.sleep(0.05)
