"""Run a program of the target: on the running host, or inside of a mounted disk.

Only the change engine does this: a scan never runs a mounted disk's programs. There it happens in namespaces
of its own (namespace.py): a chroot with its own processes, mounts, /dev, /run and /tmp and an empty network,
of which nothing is left when the program ends, is killed, or we are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.target import command, mounts
from agent.target.failures import shown, unknown
from agent.target.model import Mode, Output, Stat
from agent.target.target import Target
from agent.unknown import Maybe, Unknown, Why

if TYPE_CHECKING:
    from agent.target.namespace import DeviceNode, Stay

ENDING = 10.0  # seconds that the kernel may take to end all processes of a namespace
OFFLINE = {"SYSTEMD_OFFLINE": "1"}  # systemctl changes links and starts nothing

_DEVICE_NAMES = 20_000  # entries of /dev that are looked at
_REPORT = 4096  # bytes
# What dynamic loaders say before a program's first instruction (ld.so(8), musl), with exit status 127 or 1.
_LOADER = (
    "error while loading shared libraries",
    "Error loading shared library",
    "Error relocating",
    "FATAL: kernel too old",
    "Fatal glibc error",
    "cannot execute binary file",
    "version `GLIBC_",
)


def run_inside(
    target: Target,
    argv: Sequence[str],
    timeout: float,
    limit: int,
    input: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    read_only: bool = False,
) -> Maybe[Output]:
    """Run a program of the target to its end or the deadline (seconds), keeping ``limit`` bytes a stream.

    As ``command.run`` does, with which it shares its answers: Unknown ABSENT where the program is not
    installed, TIMEOUT where it did not end. FAILED where it could not be started: another architecture, a
    damaged libc, a disk without /proc to mount on. ``environment`` is added to the fixed one.
    ``read_only``: it can't write to the disk, however that is mounted.
    """
    argv = tuple(argv)
    if target.mode is not Mode.OFFLINE:
        # In a chroot systemctl can't see that it is in one, where nobody mounted /proc.
        surroundings = {} if target.live else OFFLINE
        return command.run(argv, timeout, limit, input, {**surroundings, **(environment or {})})
    program = find_inside(target, argv)
    if isinstance(program, Unknown):
        return program
    place = Place.at(target.root, read_only=read_only)
    if isinstance(place, Unknown):
        return replace(place, reason=f"{shown(argv[0])}: {place.reason}")
    with place:
        started = time.monotonic()
        try:
            process = command.start(argv, program, input, {**OFFLINE, **(environment or {})}, place.enter)
            output = command.collect(process, argv, started, timeout, limit, input, place.end)
            return _judged(output, place)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return not_started(argv, error)


class Place:
    """The place of one program, from outside: what its child needs, what that reports, and how it is ended.

    Whoever still runs inside ends with the ``with`` block, or with us.
    """

    def __init__(
        self, root: int, devices: Sequence[DeviceNode], stay: Stay | None, terminal: bool, read_only: bool
    ) -> None:
        from agent.target import namespace

        self._namespace = namespace
        life, self._life_writer = os.pipe()
        self._heard, report = os.pipe()
        self._lines: list[str] = []
        self._held = [root, life, self._life_writer, self._heard, report]
        self._ends = [*socket.socketpair()] if terminal else []
        self._entry = namespace.Entry(
            root,
            life,
            self._life_writer,
            report,
            os.getpid(),
            tuple(devices),
            _highest_descriptor(),
            stay or namespace.Stay(read_only=read_only),
            self._ends[1].fileno() if self._ends else -1,
        )

    @classmethod
    def at(cls, root: str, stay: Stay | None = None, terminal: bool = False, read_only: bool = False) -> Maybe[Place]:
        """``terminal``: the program gets one of its own, whose other end comes out of ``channel``."""
        try:
            held = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            return unknown(root, error)
        try:
            return cls(held, tuple(_devices(root)), stay, terminal, read_only)
        except (ImportError, OSError) as error:
            os.close(held)
            return Unknown(f"this Python can't make namespaces ({error})")

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *error: object) -> None:
        for plug in self._ends:
            plug.close()
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()

    def enter(self) -> None:
        """For the child, before it becomes the program."""
        self._namespace.enter(self._entry)

    def heard(self) -> tuple[str, ...]:
        """The lines that were reported from inside so far."""
        os.set_blocking(self._heard, False)
        with contextlib.suppress(BlockingIOError):
            self._lines += os.read(self._heard, _REPORT).decode("utf-8", "replace").split("\n")
        return tuple(line for line in self._lines if line)

    def master(self) -> int:
        """The other end of the program's terminal, once it was started: a descriptor, to be closed. OSError."""
        self._ends[0].settimeout(ENDING)
        descriptors = socket.recv_fds(self._ends[0], 16, 1)[1]
        if not descriptors:
            raise OSError(errno.EIO, "no terminal came")
        os.set_inheritable(descriptors[0], False)
        return descriptors[0]

    @property
    def failure(self) -> str:
        """What could not be prepared, "" when all was."""
        return next((line[len("failed ") :] for line in self.heard() if line.startswith("failed ")), "")

    @property
    def exit(self) -> int | None:
        """The program's own exit status, or minus the signal that ended it; None where it was not seen to end."""
        for line in self.heard():
            if line.startswith("ended "):
                status = int(line.split()[1])
                return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return None

    def release(self) -> None:
        """The end of whoever still runs inside."""
        if self._life_writer in self._held:
            self._held.remove(self._life_writer)
            os.close(self._life_writer)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            if not command.has_ended(process):
                command.signal_group(process.pid, signal.SIGTERM)
                command.wait(process, time.monotonic() + command.GRACE)
        finally:
            self.release()
            command.wait(process, time.monotonic() + ENDING)
            command.end_group(process)


def find_inside(target: Target, argv: Sequence[str]) -> Maybe[str]:
    """The program's path inside of the disk."""
    if not argv or not argv[0]:
        return Unknown("no program is named", Why.ABSENT)
    if not argv[0].startswith("/"):
        return target.find_program(argv[0])
    found = target.stat(argv[0])
    if isinstance(found, Unknown) and not found.absent:
        return found
    if isinstance(found, Stat) and target.is_file(argv[0]) and found.executable:
        return argv[0]
    return Unknown(f"{shown(argv[0])}: not installed", Why.ABSENT)


def _judged(output: Maybe[Output], place: Place) -> Maybe[Output]:
    """The answer, with the program's own exit status instead of its guard's."""
    if place.failure:
        line = "" if isinstance(output, Unknown) else shown(" ".join(output.argv))
        return Unknown(f"{line or 'the program'}: not run on the disk: {place.failure}")
    if isinstance(output, Unknown):
        return output
    if place.exit is not None:
        output = replace(output, exit=place.exit)
    first = output.stderr.strip().split("\n")[0]
    if output.exit in (1, 126, 127) and not output.stdout and any(words in first for words in _LOADER):
        return Unknown(f"{shown(' '.join(output.argv))}: the disk's own programs do not start ({shown(first)[:200]})")
    return output


def not_started(argv: Sequence[str], error: OSError | ValueError | subprocess.SubprocessError) -> Unknown:
    """Why a program of the disk did not start."""
    line = shown(" ".join(argv))
    if isinstance(error, FileNotFoundError):
        return Unknown(f"{line}: its interpreter or loader is missing on the disk")
    if isinstance(error, subprocess.SubprocessError):
        return Unknown(f"{line}: the place to run it could not be made")
    found = command.not_started(line, error)
    if isinstance(error, OSError) and error.errno == errno.ENOEXEC:
        return replace(found, reason=f"{found.reason}: the disk may be of another architecture")
    return found


# -- what the place needs to know of this machine


def _devices(root: str) -> Iterator[DeviceNode]:
    """The block devices that hold the disk's filesystems, by all their names below /dev.

    Of those only: a boot menu generator looks at its own disk, and has no business with the others.
    """
    from agent.target.namespace import DeviceNode

    numbers = _block_numbers(root)
    seen = 0
    for folder, folders, names in os.walk("/dev") if numbers else ():
        folders[:] = [name for name in folders if name not in ("shm", "pts", "mqueue", "hugepages", "fd")]
        for name in [*names, *folders]:
            seen += 1
            if seen > _DEVICE_NAMES:
                return
            path = f"{folder}/{name}"
            with contextlib.suppress(OSError):
                status = os.stat(path)
                if stat.S_ISBLK(status.st_mode) and status.st_rdev in numbers:
                    to = os.readlink(path) if os.path.islink(path) else ""
                    yield DeviceNode(path[len("/dev/") :], status.st_rdev, to)


def _block_numbers(root: str) -> frozenset[int]:
    real = os.path.realpath(root)
    numbers = {os.stat(real).st_dev}
    for mount in mounts.read():
        if mount.point != real and not mount.point.startswith(f"{real.rstrip('/')}/"):
            continue
        major, _, minor = mount.device.partition(":")
        if major.isdecimal() and minor.isdecimal():
            numbers.add(os.makedev(int(major), int(minor)))
        with contextlib.suppress(OSError):  # btrfs has a number of its own; its source is the device
            status = os.stat(mount.source)
            if mount.source.startswith("/dev/") and stat.S_ISBLK(status.st_mode):
                numbers.add(status.st_rdev)
    todo = [number for number in numbers if os.major(number)]
    found: set[int] = set()
    while todo:
        number = todo.pop()
        if number in found:
            continue
        found.add(number)
        todo += _below(number)
    return frozenset(found)


def _below(number: int) -> Iterator[int]:
    """The disk of a partition, and what a mapped device is made of."""
    place = os.path.realpath(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    files = [f"{place}/../dev"] if os.path.exists(f"{place}/partition") else []
    with contextlib.suppress(OSError):
        files += [f"{place}/slaves/{name}/dev" for name in os.listdir(f"{place}/slaves")]
    for file in files:
        with contextlib.suppress(OSError, ValueError), open(file) as stream:
            major, _, minor = stream.read(32).strip().partition(":")
            yield os.makedev(int(major), int(minor))


def _highest_descriptor() -> int:
    """One more than any descriptor that a child of ours may hold when it starts."""
    try:
        return max(map(int, os.listdir("/proc/self/fd"))) + 64
    except (OSError, ValueError):
        return 4096


__all__ = ["Place", "find_inside", "not_started", "run_inside"]
