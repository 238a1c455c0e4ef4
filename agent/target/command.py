"""Run a command of the running system: no shell, a fixed environment, a deadline, a cap on what is kept.

Nothing here decides whether a command may run: the door does. On a target that does not run, it lets none but
a few readers through (readers.py): a scan never executes the programs of a mounted disk, since a hostile disk
would then own the rescue system.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import IO, Callable

from agent.target.failures import shown
from agent.target.model import Output
from agent.unknown import Maybe, Unknown, Why

PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")

# The whole environment: nothing of the caller's leaks in (LD_*, PYTHON*, a pager, a locale, a proxy).
ENVIRONMENT = {
    "PATH": ":".join(PATH),
    "HOME": "/",
    "LC_ALL": "C",
    "LANG": "C",
    "TERM": "dumb",
    "COLUMNS": "200",  # dpkg and networkctl cut their tables at 80 columns where no terminal says more
    "PAGER": "cat",
    "NO_COLOR": "1",
    "SYSTEMD_PAGER": "cat",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_URLIFY": "0",
}

GRACE = 0.5  # seconds between asking to end and killing; and for output that a daemon's child still holds open
_TICK = 0.05  # seconds between looks whether the command ended while a child of its keeps the pipes open
_CHUNK = 64 * 1024


def run(
    argv: Sequence[str],
    timeout: float,
    limit: int,
    input: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    heard: Callable[[bytes], None] | None = None,
) -> Maybe[Output]:
    """Run to the end or the deadline (seconds), keeping ``limit`` bytes of each stream.

    A command that says more is ended, and its output marked truncated. One that does not end in time is
    killed with all of its group: Unknown TIMEOUT. Not installed: Unknown ABSENT. Not allowed: DENIED.
    ``environment`` is added to the fixed one. ``heard`` is given what comes on stdout as it comes.
    """
    argv = tuple(argv)
    line = shown(" ".join(argv))
    program = find(argv[0]) if argv else None
    if program is None:
        return Unknown(f"{line.split(' ')[0]}: not installed", Why.ABSENT)
    started = time.monotonic()
    try:
        process = start(argv, program, input, environment)
    except (OSError, ValueError) as error:
        return not_started(line, error)
    return collect(process, argv, started, timeout, limit, input, heard=heard)


def start(
    argv: Sequence[str],
    program: str,
    input: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    enter: Callable[[], None] | None = None,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start the program at a path, in a session of its own: no terminal, nothing of our environment.

    ``enter`` runs in the child just before, and may put it elsewhere (enter.py); ``descriptors`` are open there
    under their numbers. Raises what Popen raises.
    """
    return subprocess.Popen(
        tuple(argv),
        executable=program,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**ENVIRONMENT, **(environment or {})},
        cwd="/",
        start_new_session=True,  # a group of its own to kill; the terminal's Ctrl-C is ours to handle
        preexec_fn=enter,
        pass_fds=tuple(descriptors),
    )


def collect(
    process: subprocess.Popen[bytes],
    argv: tuple[str, ...],
    started: float,
    timeout: float,
    limit: int,
    input: bytes | None = None,
    end: Callable[[subprocess.Popen[bytes]], None] | None = None,
    heard: Callable[[bytes], None] | None = None,
) -> Maybe[Output]:
    """Give it ``input``, read what it says until it ends or is ended. ``end`` ends all that is left of it."""
    try:
        reading = _Reading(process, limit, input, heard)
        in_time = reading.until(started + timeout)
    finally:  # also on Ctrl-C
        (end or end_group)(process)
    if not in_time:
        return Unknown(f"{shown(' '.join(argv))}: no end within {timeout:g} seconds", Why.TIMEOUT)
    return Output(
        argv,
        process.returncode,
        reading.stdout.decode("utf-8", "replace"),
        reading.stderr.decode("utf-8", "replace"),
        time.monotonic() - started,
        reading.truncated,
    )


def find(name: str) -> str | None:
    """The program's path: as named when that is absolute, else the first in PATH that may be run."""
    candidates = (name,) if name.startswith("/") else tuple(f"{folder}/{name}" for folder in PATH)
    for path in candidates:
        with contextlib.suppress(OSError, ValueError):
            if stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK):
                return path
    return None


class _Reading:
    """Reads both streams as they come, so that neither a full pipe nor a silent one can hold the other up."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        limit: int,
        input: bytes | None,
        heard: Callable[[bytes], None] | None,
    ) -> None:
        self._process = process
        self._limit = limit
        self._input = memoryview(input or b"")
        self._heard = heard
        self._kept: dict[int, bytearray] = {}
        self.truncated = False
        self._selector = selectors.DefaultSelector()
        assert process.stdout is not None and process.stderr is not None
        self.stdout = self._watch(process.stdout)
        self.stderr = self._watch(process.stderr)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE)

    def _watch(self, stream: IO[bytes]) -> bytearray:
        os.set_blocking(stream.fileno(), False)
        self._selector.register(stream, selectors.EVENT_READ)
        return self._kept.setdefault(stream.fileno(), bytearray())

    def until(self, deadline: float) -> bool:
        """Read until the command ended (True: also when it was cut short for saying too much)."""
        ended: float | None = None
        with self._selector:
            while self._selector.get_map() and not self.truncated:
                now = time.monotonic()
                if now >= deadline or (ended is not None and now >= ended + GRACE):
                    break
                for key, _ in self._selector.select(min(_TICK, deadline - now)):
                    if key.events & selectors.EVENT_WRITE:
                        self._write(key.fd)
                    else:
                        self._read(key.fd)
                if ended is None and has_ended(self._process):
                    ended = time.monotonic()
        return self.truncated or ended is not None or wait(self._process, deadline)

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(descriptor)
            return
        kept = self._kept[descriptor]
        room = self._limit - len(kept)
        kept += data[:room]
        if self._heard is not None and kept is self.stdout:
            self._heard(data[:room])
        if len(data) > room:
            self.truncated = True

    def _write(self, descriptor: int) -> None:
        try:
            written = os.write(descriptor, self._input[:_CHUNK])
        except BlockingIOError:
            return
        except BrokenPipeError:  # it wants no more: its exit status tells whether that was right
            written = len(self._input)
        self._input = self._input[written:]
        if not self._input:
            self._selector.unregister(descriptor)
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the command if it has not, then all that is left of its group; close the pipes."""
    try:
        if not has_ended(process):
            signal_group(process.pid, signal.SIGTERM)
            wait(process, time.monotonic() + GRACE)
    finally:
        signal_group(process.pid, signal.SIGKILL)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel: left behind
            process.wait(GRACE)


def wait(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait for its end, which is near as a rule: it has closed its output, or was asked to end."""
    pause = 0.001
    while not has_ended(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, _TICK)
    return True


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Without reaping it: until then its number, which is its group's too, is given to nobody else, and the
    group can be killed without hitting a stranger."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # our caller lets the kernel reap
        return True


def signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def not_started(line: str, error: OSError | ValueError) -> Unknown:
    if isinstance(error, PermissionError):
        return Unknown(f"{line}: permission denied", Why.DENIED)
    if isinstance(error, FileNotFoundError):  # the program itself is there: we looked
        return Unknown(f"{line}: its interpreter is missing", Why.FAILED)
    if isinstance(error, OSError) and error.errno == errno.ENOEXEC:
        return Unknown(f"{line}: is no program that this kernel can run", Why.FAILED)
    return Unknown(f"{line}: could not be started ({shown(str(error))})", Why.FAILED)
