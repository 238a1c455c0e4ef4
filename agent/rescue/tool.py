"""Run a filesystem's own checker on a held device: as long as it takes, with its progress, in bounded memory.

What it says names the device as the person named it: the loop device that it works on (hold.py) is nobody's
business.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

from agent.target import command, libc
from agent.target.failures import shown
from agent.target.hold import Held
from agent.unknown import Maybe, Unknown, Why

HEAD, TAIL = 192 * 1024, 64 * 1024  # bytes that are kept of a long output: its beginning and its end
PROGRESS = "{progress}"  # among the arguments: the number of the descriptor that progress is written to
_TICK = 0.1  # seconds between looks at what goes on beside the output
_PATIENCE = 600.0  # seconds for an end in order; then it is killed
_CHUNK = 64 * 1024
_LINE = 4096  # bytes; a longer line is taken in pieces
_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class Ask:
    """How a checker is run. ``command`` names the device by ``Held.place``.

    ``progress`` gets each line that is written to the descriptor PROGRESS, ``line`` each line of the output as it
    comes; ``counting`` is counted in the whole output, also in what is not kept. ``watch`` is asked ten times a
    second, and a reason from it ends the program.

    ``gently``: it writes to the disk. To be stopped, it is asked to end and waited for, ``waiting`` being told so;
    when we are killed, it goes on to its end. Without it, the program dies with us. ``stoppable`` False: it is let
    go on to its end in any case.
    """

    command: tuple[str, ...]
    progress: Callable[[str], None] | None = None
    line: Callable[[str], None] | None = None
    counting: re.Pattern[str] | None = None
    watch: Callable[[], str] | None = None
    gently: bool = False
    waiting: Callable[[], None] | None = None
    stoppable: bool = True


@dataclass(frozen=True)
class Said:
    """What came of it. ``exit`` is minus the signal that ended it; ``stopped`` is what ``watch`` said."""

    command: tuple[str, ...]  # as a person would type it
    exit: int
    output: str
    seconds: float
    counted: int = 0
    stopped: str = ""


def run(ask: Ask, held: Held) -> Maybe[Said]:
    """To its end. Unknown ABSENT when it is not installed. On Ctrl-C it is ended, and the interrupt goes on."""
    name = ask.command[0]
    program = command.find(name)
    if program is None:
        return Unknown(f"{name} is not installed", Why.ABSENT)
    started = time.monotonic()
    reader, writer = os.pipe()
    try:
        argv = tuple(str(writer) if word == PROGRESS else word for word in ask.command)
        kept = (writer, held.descriptor) if held.guarded else (writer,)
        try:
            process = command.start(argv, program, enter=_stay if ask.gently else _die_with_us, descriptors=kept)
        except (OSError, ValueError) as error:
            return command.not_started(shown(" ".join(ask.command)), error)
        os.close(writer)
        writer = -1
        reading = _Reading(process, reader, ask, held)
        try:
            stopped = reading.to_the_end()
        finally:
            _end_gently(process, reading, ask) if ask.gently else command.end_group(process)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    typed = [held.path if word == held.place else word for word in ask.command]
    while PROGRESS in typed:  # "-C", and its descriptor
        at = typed.index(PROGRESS)
        del typed[at - 1 : at + 1]
    seconds = time.monotonic() - started
    return Said(tuple(typed), process.returncode, reading.output(), seconds, reading.counted, stopped)


def _stay() -> None:
    """Half a repair is worse than one that nobody reads: without us, its output goes nowhere."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _die_with_us() -> None:
    with contextlib.suppress(OSError):
        libc.call("prctl", _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _Reading:
    """Both streams in the order in which they come, and the progress."""

    def __init__(self, process: subprocess.Popen[bytes], progress: int, ask: Ask, held: Held) -> None:
        assert process.stdout is not None and process.stderr is not None
        self._process = process
        self._ask = ask
        self._progress = progress
        self._rest = {process.stdout.fileno(): b"", process.stderr.fileno(): b"", progress: b""}
        self._place = re.compile(re.escape(held.place) + r"(?!\d)")
        self._path = held.path
        self._head = ""
        self._tail = ""
        self._dropped = 0
        self.counted = 0
        self.progressed = False
        self._selector = selectors.DefaultSelector()
        for descriptor in self._rest:
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ)

    def to_the_end(self, deadline: float = float("inf"), watching: bool = True) -> str:
        """Until it has ended or the deadline has come; ``watch``'s reason when that said to end it."""
        ended = False
        while time.monotonic() < deadline and not ended:
            if watching and self._ask.watch is not None:
                reason = self._ask.watch()
                if reason:
                    return reason
            ended = command.has_ended(self._process)
            self._take(0 if ended else _TICK)
            while ended and self._take(0):
                pass  # what is still in the pipes; a child of its may keep them open
        if ended:
            for descriptor in tuple(self._rest):
                self._line(descriptor, self._rest[descriptor])
                self._rest[descriptor] = b""
        return ""

    def _take(self, wait: float) -> bool:
        taken = False
        if not self._selector.get_map():  # it closed its output, and goes on
            time.sleep(wait)
        for key, _ in self._selector.select(wait) if self._selector.get_map() else ():
            data = b""
            with contextlib.suppress(BlockingIOError):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    self._selector.unregister(key.fd)
            taken = taken or bool(data)
            *lines, rest = re.split(rb"[\n\r]", self._rest[key.fd] + data)
            for line in lines:
                self._line(key.fd, line + b"\n")
            if len(rest) > _LINE:
                self._line(key.fd, rest)
                rest = b""
            self._rest[key.fd] = rest
        return taken

    def _line(self, descriptor: int, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        if not text:
            return
        if descriptor == self._progress:
            self.progressed = True
            if self._ask.progress is not None:
                self._ask.progress(text.rstrip("\n"))
            return
        text = self._place.sub(lambda match: self._path, text)
        if self._ask.counting is not None:
            self.counted += len(self._ask.counting.findall(text))
        self._keep(text)
        if self._ask.line is not None:
            self._ask.line(text.rstrip("\n"))

    def _keep(self, text: str) -> None:
        if len(self._head) < HEAD and not self._tail:
            self._head += text
            return
        self._tail += text
        if len(self._tail) > 2 * TAIL:
            self._dropped += len(self._tail) - TAIL
            self._tail = self._tail[-TAIL:]

    def output(self) -> str:
        left_out = f"\n[... {self._dropped} characters left out ...]\n" if self._dropped else ""
        return shown(self._head + left_out + self._tail)


def _end_gently(process: subprocess.Popen[bytes], reading: _Reading, ask: Ask) -> None:
    """It finishes what it is at, and its undo file with it; a second Ctrl-C does not hurry it.

    e2fsck is left alone until its first pass: a signal while it replays the journal lets it do that, and then
    abort without an end to its undo file (seen with e2fsck 1.47).
    """
    deadline = float("inf")
    told = command.has_ended(process)
    while not command.has_ended(process) and time.monotonic() < deadline:
        with contextlib.suppress(KeyboardInterrupt):
            if not told and ask.waiting is not None:
                told = True
                ask.waiting()
            if ask.stoppable and deadline == float("inf") and (reading.progressed or PROGRESS not in ask.command):
                command.signal_group(process.pid, signal.SIGTERM)
                deadline = time.monotonic() + _PATIENCE
            reading.to_the_end(min(deadline, time.monotonic() + _TICK), watching=False)
    command.end_group(process)
