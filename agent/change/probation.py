"""The way back that starts by itself: a command that runs after a while unless it is called off.

A change that may lock its maker out is armed before its first byte. Where systemd runs, a transient timer does
it: it belongs to nobody's session. Elsewhere a process of its own waits, without terminal, parent or group. Both
outlive the shell, the ssh session and the program that started them; neither outlives a reboot, after which the
change is shown as one whose time ran out.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Mapping, Sequence

import agent
from agent.change.errors import ChangeRefused
from agent.target import command
from agent.target.model import Output
from agent.unknown import Unknown

PREFIX = "lish-agent-undo-"
_FOLDER = "lish-agent"  # below /run, which a reboot empties
_TIMEOUT = 20.0  # seconds for systemd to answer
_READY = 10.0  # seconds for a process to detach itself
_LIMIT = 64 * 1024  # bytes
_TICK = 5.0  # seconds: a clock that is looked at again survives a process that was stopped (SIGSTOP)


def own_command() -> tuple[tuple[str, ...], Mapping[str, str]]:
    """How to start this program again, from anywhere: words before the verb, and environment to add."""
    if getattr(sys, "frozen", False):
        return (sys.executable,), {}
    # The package's parent: a directory, or the zip file of a zipapp, which Python imports from just the same.
    parent = os.path.dirname(os.path.dirname(os.path.abspath(agent.__file__)))
    given = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return (sys.executable, "-m", "agent"), {"PYTHONPATH": os.pathsep.join(dict.fromkeys([parent, *given]))}


def arm(seconds: float, argv: Sequence[str], name: str, environment: Mapping[str, str] | None = None) -> str:
    """Have ``argv`` run in so many seconds. Returns how, for people; ChangeRefused when it can't be promised.

    ``name`` is the change's id: what ``disarm`` is asked for. ``environment`` is added to a fixed one.
    """
    surroundings = {**command.ENVIRONMENT, **(environment or {})}
    if _systemd_runs() and _timer(seconds, argv, name, environment or {}):
        return f"timer {PREFIX}{name}.timer"
    return f"process {_detached(seconds, argv, name, surroundings)}"


def disarm(name: str) -> bool:
    """Call it off. True when it was still waiting; what runs already, or is somebody else's, is left alone."""
    waited = False
    if _systemd_runs():
        unit = f"{PREFIX}{name}.timer"
        state = command.run(("systemctl", "is-active", unit), _TIMEOUT, _LIMIT)
        if isinstance(state, Output) and state.stdout.strip() == "active":
            stopped = command.run(("systemctl", "stop", unit), _TIMEOUT, _LIMIT)
            waited = isinstance(stopped, Output) and stopped.exit == 0
    return _end_process(name) or waited


# -- a transient timer


def _systemd_runs() -> bool:
    """As sd_booted(3) asks."""
    with contextlib.suppress(OSError):
        return stat.S_ISDIR(os.lstat("/run/systemd/system").st_mode)
    return False


def _timer(seconds: float, argv: Sequence[str], name: str, environment: Mapping[str, str]) -> bool:
    words = [
        "systemd-run",
        f"--unit={PREFIX}{name}",
        f"--on-active={seconds:g}s",
        "--timer-property=AccuracySec=1s",
        f"--description=Takes back change {name} unless it is confirmed",
        *(f"--setenv={key}={value}" for key, value in environment.items()),
    ]
    unit = f"{PREFIX}{name}"
    for more in (["--collect"], []):  # systemd before 236 does not know --collect
        done = command.run((*words, *more, "--", *argv), _TIMEOUT, _LIMIT)
        active = command.run(("systemctl", "is-active", f"{unit}.timer"), _TIMEOUT, _LIMIT)
        if isinstance(active, Output) and active.stdout.strip() == "active" and not isinstance(done, Unknown):
            return True
        if isinstance(done, Unknown) and done.absent:
            return False
    command.run(("systemctl", "stop", f"{unit}.timer"), _TIMEOUT, _LIMIT)  # never two ways back at once
    return False


# -- a process of its own


def _detached(seconds: float, argv: Sequence[str], name: str, environment: Mapping[str, str]) -> int:
    """Start the process that waits; its number once it says that nothing ties it to us any more."""
    program = command.find(argv[0])
    if program is None:
        raise ChangeRefused(f"{argv[0]} can't be run later: it is not there", "leave --confirm-within out")
    deadline = time.monotonic() + seconds
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setsid()
            if os.fork():
                os._exit(0)
            _wait_and_run(deadline, program, argv, name, environment, writer)
        finally:
            os._exit(1)
    os.close(writer)
    os.waitpid(child, 0)
    try:
        said = _read(reader)
    finally:
        os.close(reader)
    pid, _, problem = said.partition(" ")
    if not pid.isdecimal() or problem:
        raise ChangeRefused(
            f"no process could be set up to take the change back: {problem or 'it ended at once'}",
            "leave --confirm-within out, at Lish and not over ssh",
        )
    return int(pid)


def _wait_and_run(
    deadline: float, program: str, argv: Sequence[str], name: str, environment: Mapping[str, str], writer: int
) -> None:
    """In the grandchild: init is its parent, it leads no session and so can't get a terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir("/")
    os.umask(0o022)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    try:
        _record(name)
    except OSError as error:
        os.write(writer, f"0 {error.strerror}: {error.filename}".encode())
        os._exit(1)
    os.write(writer, str(os.getpid()).encode())
    os.closerange(3, max(_descriptors() + 1, 256))
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(left, _TICK))
    os.execve(program, list(argv), dict(environment))


def _read(reader: int) -> str:
    ready, _, _ = select.select([reader], [], [], _READY)
    return os.read(reader, 4096).decode("utf-8", "replace") if ready else ""


def _descriptors() -> int:
    try:
        return max(map(int, os.listdir("/proc/self/fd")))
    except (OSError, ValueError):
        return 4096


def _folder() -> str:
    return f"{'/run' if os.path.isdir('/run') else '/var/run'}/{_FOLDER}"


def _record(name: str) -> None:
    """Who waits, so that he can be called off: number and start time together name one process for ever."""
    folder = _folder()
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise OSError(0, "is not ours alone", folder)
    path = f"{folder}/{name}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump({"pid": os.getpid(), "start": _start_time(os.getpid())}, stream)


def _end_process(name: str) -> bool:
    path = f"{_folder()}/{name}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor) as stream:
            record = json.loads(stream.read(4096))
        pid, start = int(record["pid"]), int(record["start"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    with contextlib.suppress(OSError):
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
    if pid == os.getpid():  # it is we whose time has come
        return False
    return pid > 1 and _kill_that(pid, start)


def _kill_that(pid: int, start: int) -> bool:
    """End the process only if it is still the one that was recorded."""
    try:
        held = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
    except ProcessLookupError:
        return False
    except OSError:  # a kernel before 5.3
        held = -1
    try:
        if _start_time(pid) != start:
            return False
        if held >= 0:
            signal.pidfd_send_signal(held, signal.SIGTERM)
        else:
            os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    finally:
        if held >= 0:
            os.close(held)
    return True


def _start_time(pid: int) -> int:
    """Clock ticks after boot (proc_pid_stat(5), field 22); -1 when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return int(stream.read(4096).rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return -1


__all__ = ["PREFIX", "arm", "disarm", "own_command"]
