"""One machine in QEMU, used as a person at Lish uses it: a serial console of 80 by 24, and ssh from outside.

It is started in the namespaces of `tests.lab.isolation`, and dies with their first process whatever happens.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pexpect

PORT = 2222  # on 127.0.0.1 of the namespaces: forwarded to the machine's port 22
ADDRESS, PREFIX, GATEWAY = "10.0.2.15", 24, "10.0.2.2"  # of QEMU's user network
MEMORY = 1024  # MiB, as the smallest Linode
COLUMNS, ROWS = 80, 24

_ENDED = re.compile(r"\x1b\]697;(\d+)\x07")  # what the prompt says of the command before it (tree.PROMPT)
_QUESTION = r"\[y/N\] "
_ERASE, _ERASED = re.compile(r"\x1b\[0?K"), "\x00"  # to the end of the line
_MOVE = re.compile(r"\x1b\[(?:\d*;\d*)?H|\x1b\[[0-3]?J")
_CONTROL = re.compile(
    r"\x1b\][^\x07]*\x07|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78cM]|[\x01-\x07\x0b\x0c\x0e-\x1f\x7f]"
)


class MachineFailed(Exception):
    """The machine did not do what was waited for; the message ends with its console's last lines."""


@dataclass(frozen=True)
class Ran:
    """What a command printed on the console, and how it ended."""

    output: str
    exit: int


@dataclass(frozen=True)
class Boot:
    """What the machine starts from: its own boot medium (Linode's GRUB stands outside of the disk), or a kernel."""

    loader: Path | None = None
    kernel: Path | None = None
    initrd: Path | None = None
    command_line: str = ""
    medium: Path | None = None  # a CD

    def words(self) -> list[str]:
        words: list[str] = []
        if self.loader is not None:
            words += ["-drive", f"file={self.loader},if=floppy,format=raw,readonly=on", "-boot", "a"]
        if self.kernel is not None:
            words += ["-kernel", str(self.kernel), "-append", self.command_line]
        if self.initrd is not None:
            words += ["-initrd", str(self.initrd)]
        if self.medium is not None:
            words += ["-drive", f"file={self.medium},if=none,id=cd,format=raw,readonly=on,media=cdrom"]
            words += ["-device", "scsi-cd,drive=cd"]
        return words


class Machine:
    """A running machine. ``disks`` are raw images: /dev/sda, then /dev/vda"""

    def __init__(self, boot: Boot, disks: Sequence[Path], transcript: Path, title: str) -> None:
        words = ["-accel", "tcg", "-smp", "1", "-m", str(MEMORY), "-nodefaults", "-vga", "none", "-no-reboot"]
        words += ["-cpu", "qemu64,-svm,+rdrand"]
        words += ["-serial", "mon:stdio", "-display", "none", "-device", "virtio-scsi-pci"]
        for number, disk in enumerate(disks):
            # writeback: what the machine did not flush is in this machine's memory, and survives QEMU's death
            words += ["-drive", f"file={disk},if=none,id=d{number},format=raw,discard=ignore"]
            # SCSI disks are looked at side by side, and the quicker one becomes sda: the second is of another kind.
            words += ["-device", f"scsi-hd,drive=d{number}" if number == 0 else f"virtio-blk-pci,drive=d{number}"]
        words += boot.words()
        words += ["-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{PORT}-:22"]
        words += ["-device", "virtio-net-pci,netdev=n0,romfile="]
        self.words = words
        self.title = title
        self.started = time.monotonic()
        self._transcript = transcript
        self._log = (transcript.with_suffix(".raw")).open("a", encoding="utf-8", newline="")
        self._log.write(f"\n\n######## {title}\n")
        self._console: pexpect.spawn[str] = pexpect.spawn(
            "qemu-system-x86_64",
            words,
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            codec_errors="replace",
            timeout=120,
            echo=False,
        )
        self._console.logfile_read = self._log
        self._console.delaybeforesend = None

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.cut_power()

    @property
    def seconds(self) -> float:
        """Since the power was switched on."""
        return time.monotonic() - self.started

    def expect(self, *patterns: str, seconds: float = 120) -> re.Match[str]:
        """Waits for the first of the patterns; gives its match. MachineFailed when none comes."""
        try:
            self._console.expect([re.compile(pattern) for pattern in patterns], timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            what = "the machine ended" if isinstance(error, pexpect.EOF) else f"{seconds:.0f} seconds went by"
            tail = "\n".join(readable(str(self._console.before)).splitlines()[-30:])
            raise MachineFailed(f"{self.title}: {what} without {' or '.join(patterns)}:\n{tail}") from error
        match = self._console.match
        assert isinstance(match, re.Match)
        return match

    @property
    def before(self) -> str:
        """What the console showed before the last match."""
        return readable(str(self._console.before))

    def type(self, text: str) -> None:
        """Types a line, and Enter."""
        self._console.send(f"{text}\r")

    def pause(self, seconds: float) -> None:
        """Lets it run for a while; what it prints is kept."""
        with contextlib.suppress(pexpect.TIMEOUT):
            self._console.expect(pexpect.EOF, timeout=seconds)

    def prompt(self, seconds: float = 120) -> int:
        """Waits for the shell's prompt; gives the exit status of the command before."""
        ended = int(self.expect(_ENDED.pattern, seconds=seconds)[1])
        self.expect("# ", seconds=10)
        return ended

    def run(self, command: str, seconds: float = 180, answer: str = "") -> Ran:
        """Types a command, says ``answer`` whenever it is asked, and waits until it has ended."""
        self.type(command)
        printed = ""
        while True:
            ended = self.expect(_ENDED.pattern, *([_QUESTION] if answer else []), seconds=seconds)
            printed += str(self._console.before)
            if ended.re.pattern == _ENDED.pattern:
                break
            printed += ended[0]
            self.type(answer)
        output = readable(printed).partition("\n")[2]  # without the echo of what was typed
        self.expect("# ", seconds=10)
        return Ran(output.strip("\n"), int(ended[1]))

    def log_in(self, password: str, seconds: float = 120) -> None:
        """As root, at the console's login prompt."""
        self.expect("login: ", seconds=seconds)
        self.log_in_now(password)

    def log_in_now(self, password: str) -> None:
        """As root; the login prompt was seen already."""
        self.type("root")
        self.expect("Password: ")
        self.type(password)
        self.prompt()

    def cross_the_line(self) -> str:
        """The line of the last match, as it was shown; waits for its end."""
        head = str(self._console.before).rpartition("\n")[2]
        assert isinstance(self._console.match, re.Match)
        middle = self._console.match[0]
        self.expect("\r|\n", seconds=30)
        return readable(f"{head}{middle}{self._console.before}").strip().rpartition("\n")[2]

    def power_off(self) -> None:
        """As `poweroff` does; the plug is pulled where that takes long."""
        self.type("poweroff")
        with contextlib.suppress(pexpect.TIMEOUT):
            self._console.expect(pexpect.EOF, timeout=40)
        self.cut_power()

    def cut_power(self) -> None:
        """Pulls the plug: QEMU is killed."""
        if not self._console.closed:
            self._console.close(force=True)
            self._log.close()
            raw = self._transcript.with_suffix(".raw").read_bytes().decode()
            self._transcript.write_text(readable(raw), encoding="utf-8")

    # From outside

    def answers(self, seconds: float = 0) -> bool:
        """Does something greet on port 22? QEMU itself accepts every connection, and closes it when nobody is there."""
        until = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), timeout=5) as connection:
                connection.settimeout(5)
                if connection.recv(8).startswith(b"SSH-2.0"):
                    return True
            if time.monotonic() > until:
                return False
            time.sleep(0.5)

    def admits(self, key: Path) -> str:
        """Logs in by ssh and runs `true`; "" where that works, else what ssh said."""
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=20")
        words = [word for option in options for word in ("-o", option)]
        done = subprocess.run(
            ["ssh", "-F", "none", *words, "-i", str(key), "-p", str(PORT), "root@127.0.0.1", "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return "" if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"

    def reachable(self, key: Path, seconds: float) -> str:
        """Nothing when it is reached by TCP and by an ssh login, else why not."""
        if not self.answers(seconds):
            return "nothing greets on port 22"
        return self.admits(key)


def readable(text: str) -> str:
    """A console's text as a person saw it: no control sequences, lines that were written over as they were left."""
    text = re.sub("\x1b\\[[0-9;]*…", "…", text)  # systemd cuts its own sequences
    text = text.replace("\0", "").replace("\r\n", "\n")
    text = _CONTROL.sub("", _MOVE.sub("\n", _ERASE.sub(_ERASED, text)))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_left(line) for line in text.split("\n")))


def _left(line: str) -> str:
    """What is left of a line in which the cursor went back, and of which parts were erased."""
    shown: list[str] = []
    place = 0
    for character in line:
        if character == "\r":  # to the begin of the row: the shell goes on in the next one when one is full
            place -= (place - 1) % COLUMNS + 1 if place else 0
        elif character == "\b":
            place = max(0, place - 1)
        elif character == _ERASED:
            del shown[place:]
        else:
            shown[place : place + 1] = [character]
            place += 1
    return "".join(shown).rstrip()
