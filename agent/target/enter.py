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
    from agent.target.namespace import DeviceNode

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
) -> Maybe[Output]:
    """Run a program of the target to its end or the deadline (seconds), keeping ``limit`` bytes a stream.

    As ``command.run`` does, with which it shares its answers: Unknown ABSENT where the program is not
    installed, TIMEOUT where it did not end. FAILED where it could not be started: another architecture, a
    damaged libc, a disk without /proc to mount on. ``environment`` is added to the fixed one.
    """
    argv = tuple(argv)
    if target.mode is not Mode.OFFLINE:
        return command.run(argv, timeout, limit, input, environment)
    program = _find(target, argv)
    if isinstance(program, Unknown):
        return program
    try:
        from agent.target import namespace
    except (ImportError, OSError) as error:
        return Unknown(f"{shown(argv[0])}: this Python can't make namespaces ({error})")
    try:
        root = os.open(target.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return unknown(target.root, error)
    life, life_writer = os.pipe()
    heard, report = os.pipe()
    held = [root, life, life_writer, heard, report]
    entry = namespace.Entry(
        root, life, life_writer, report, os.getpid(), tuple(_devices(target.root)), _highest_descriptor()
    )
    started = time.monotonic()

    def release() -> None:
        """The end of whoever still runs inside."""
        if life_writer in held:
            held.remove(life_writer)
            os.close(life_writer)

    def end(process: subprocess.Popen[bytes]) -> None:
        try:
            if not command.has_ended(process):
                command.signal_group(process.pid, signal.SIGTERM)
                command.wait(process, time.monotonic() + command.GRACE)
        finally:
            release()
            command.wait(process, time.monotonic() + ENDING)
            command.end_group(process)

    try:
        surroundings = {**OFFLINE, **(environment or {})}
        process = command.start(argv, program, input, surroundings, lambda: namespace.enter(entry))
        output = command.collect(process, argv, started, timeout, limit, input, end)
        return _judged(output, _heard(heard))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return _not_started(argv, error)
    finally:
        for descriptor in held:
            os.close(descriptor)


def _find(target: Target, argv: tuple[str, ...]) -> Maybe[str]:
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


def _heard(descriptor: int) -> str:
    os.set_blocking(descriptor, False)
    try:
        return os.read(descriptor, _REPORT).decode("utf-8", "replace").strip()
    except BlockingIOError:
        return ""


def _judged(output: Maybe[Output], heard: str) -> Maybe[Output]:
    """The answer, with the program's own exit status instead of its guard's."""
    if heard.startswith("failed "):
        line = "" if isinstance(output, Unknown) else shown(" ".join(output.argv))
        return Unknown(f"{line or 'the program'}: not run on the disk: {heard[7:]}")
    if isinstance(output, Unknown):
        return output
    if heard.startswith("ended "):
        output = replace(output, exit=_exit_status(int(heard.split()[1])))
    first = output.stderr.strip().split("\n")[0]
    if output.exit in (1, 126, 127) and not output.stdout and any(words in first for words in _LOADER):
        return Unknown(f"{shown(' '.join(output.argv))}: the disk's own programs do not start ({shown(first)[:200]})")
    return output


def _exit_status(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _not_started(argv: tuple[str, ...], error: OSError | ValueError | subprocess.SubprocessError) -> Unknown:
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


__all__ = ["run_inside"]
