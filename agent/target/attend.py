"""Run a program of a mounted disk for a person: at a terminal of its own, which is shown at his.

Bytes go both ways until the program has ended. Nothing of the terminal that we were called from is handed in:
what runs inside can neither type commands there nor outlive us. Where input or output is no terminal (a pipe,
a file), the program gets ours as they are, and Ctrl-C is passed on.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from agent.target import command
from agent.target.enter import OFFLINE, Place, find_inside, not_started
from agent.target.failures import shown
from agent.target.target import Target
from agent.unknown import Maybe, Unknown

if TYPE_CHECKING:
    from agent.target.namespace import Stay

FAREWELL = 10.0  # seconds that a program gets to end by itself when its terminal is closed (apt finishes a step)
_KEYS, _SCREEN = 0, 1  # our descriptors
_CHUNK = 64 * 1024
_TICK = 0.2  # seconds
_ASKED = (signal.SIGHUP, signal.SIGTERM)


class Ended(BaseException):
    """Somebody ended us: the terminal was closed (SIGHUP), or SIGTERM came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def orderly_end() -> Iterator[None]:
    """SIGHUP and SIGTERM raise Ended in here, so that all is put back; a second one changes nothing."""

    def leave(number: int, frame: FrameType | None) -> None:
        for other in _ASKED:
            signal.signal(other, signal.SIG_IGN)
        raise Ended(number)

    before = {number: signal.signal(number, leave) for number in _ASKED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def attend(
    target: Target,
    argv: Sequence[str],
    stay: Stay,
    environment: Mapping[str, str],
    greet: Callable[[tuple[str, ...]], None] = lambda lines: None,
) -> Maybe[int]:
    """Run it to its end: its exit status, or minus the signal that ended it.

    Unknown ABSENT where it is not installed, FAILED where it could not be started. ``greet`` is called when all
    is ready, with what was reported from inside ("unlent": there was no resolv.conf to cover).
    """
    program = find_inside(target, argv)
    if isinstance(program, Unknown):
        return program
    terminal = os.isatty(_KEYS) and os.isatty(_SCREEN)
    place = Place.at(target.root, stay, terminal)
    if isinstance(place, Unknown):
        return place
    with place:
        try:
            process = _start(argv, program, environment, place, terminal)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            reason = place.failure
            return Unknown(f"not run on the disk: {reason}") if reason else not_started(argv, error)
        try:
            if terminal:
                _at_terminal(process, place, greet)
            else:
                _with_our_streams(process)
        finally:
            place.end(process)
        if place.failure:
            return Unknown(f"{shown(' '.join(argv))}: not run on the disk: {place.failure}")
        return process.returncode if place.exit is None else place.exit


def _start(
    argv: Sequence[str], program: str, environment: Mapping[str, str], place: Place, terminal: bool
) -> subprocess.Popen[bytes]:
    streams = subprocess.DEVNULL if terminal else None
    return subprocess.Popen(
        tuple(argv),
        executable=program,
        stdin=streams,
        stdout=streams,
        stderr=streams,
        env={**OFFLINE, **environment},
        cwd="/",
        start_new_session=True,
        preexec_fn=place.enter,
    )


def _with_our_streams(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C is for the program; who presses it again wants to leave."""
    asked = False
    while not command.has_ended(process):
        try:
            command.wait(process, time.monotonic() + 3600)
        except KeyboardInterrupt:
            if asked:
                raise
            asked = True
            command.signal_group(process.pid, signal.SIGINT)


def _at_terminal(process: subprocess.Popen[bytes], place: Place, greet: Callable[[tuple[str, ...]], None]) -> None:
    try:
        master = place.master()
    except OSError:
        if command.wait(process, time.monotonic() + command.GRACE):
            return  # the place could not be made: its report says why
        raise
    try:
        greet(place.heard())
        with contextlib.suppress(termios.error), _raw(_KEYS, master):  # the error: it is gone already
            _relay(process, _KEYS, _SCREEN, master)
    finally:
        os.close(master)  # what still runs at the terminal is told by SIGHUP
        command.wait(process, time.monotonic() + FAREWELL)


@contextlib.contextmanager
def _raw(ours: int, master: int) -> Iterator[None]:
    """Our terminal passes every key on; the program's begins with its settings and its size, and follows it."""
    before = termios.tcgetattr(ours)
    termios.tcsetattr(master, termios.TCSANOW, before)

    def resize(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(ours, termios.TIOCGWINSZ, bytes(8)))

    handler = signal.signal(signal.SIGWINCH, resize)
    resize(signal.SIGWINCH, None)
    try:
        tty.setraw(ours, termios.TCSADRAIN)
        yield
    finally:
        signal.signal(signal.SIGWINCH, handler)
        with contextlib.suppress(termios.error):  # it may be gone
            termios.tcsetattr(ours, termios.TCSADRAIN, before)


def _relay(process: subprocess.Popen[bytes], keys: int, screen: int, master: int) -> None:
    """Until the program has ended and all that it said was shown, or our terminal is gone."""
    os.set_blocking(master, False)
    typed = bytearray()
    open_end = True  # does anybody have the program's end of the terminal open?
    while True:
        # What is shown waits for a slow console, and so does the program: nothing piles up here.
        ready, writable, _ = select.select(
            [keys, *([master] if open_end else [])] if not typed else [master] if open_end else [],
            [master] if typed and open_end else [],
            [],
            _TICK,
        )
        if master in ready:
            data = _read(master)
            if data and not _show(screen, data):
                return
            if data == b"":
                open_end = False
        if keys in ready:
            data = _read(keys)
            if data == b"":
                return  # our terminal was closed
            typed += data or b""
        if master in writable:
            with contextlib.suppress(BlockingIOError):
                del typed[: os.write(master, typed)]
        if not open_end:
            typed.clear()
        if command.has_ended(process) and not (open_end and select.select([master], [], [], 0)[0]):
            return


def _read(descriptor: int) -> bytes | None:
    """What is there; b"" at the end, None when there was nothing after all."""
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:  # EIO: the other end of the terminal is closed
        return b""


def _show(screen: int, data: bytes) -> bool:
    """False when our terminal was closed."""
    try:
        while data:
            data = data[os.write(screen, data) :]
    except OSError:
        return False
    return True


__all__ = ["Ended", "attend", "orderly_end"]
