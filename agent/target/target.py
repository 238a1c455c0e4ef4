"""Target: the only way to the examined host. Everything right of it reads through this object."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from agent.target.model import Door, FollowingDoor, Json, Kind, Mode, Output, Space, Stat
from agent.unknown import Maybe, Unknown, Why

_PIECE = 1024 * 1024  # bytes of one read
READ_LIMIT = 4 * 1024 * 1024  # bytes; a configuration file larger than this is not one
RUN_TIMEOUT = 10.0  # seconds
RUN_LIMIT = 1024 * 1024  # bytes of output kept


@dataclass(frozen=True)
class Target:
    """One host under examination, through its door.

    ``root`` is the directory as the user named it ("/" when live). Paths given to the methods
    are absolute inside the target and never leave it. ``rescue`` is true when the machine we
    run on is a rescue system (Finnix): the target is then another disk of the same machine.
    """

    door: Door
    root: str
    mode: Mode
    rescue: bool = False
    root_user: bool = True  # do we run with uid 0
    device: str = ""  # the disk that we ourselves mounted at ``root``, where only we see it

    @property
    def live(self) -> bool:
        """True when the running kernel, its processes and its links are the target's own."""
        return self.mode is Mode.LIVE

    @property
    def name(self) -> str:
        """As the person names it on the command line: a directory, or a disk (/dev/sda)."""
        return self.device or self.root

    @property
    def place(self) -> str:
        """The directory for commands that the person types himself: where he would mount the disk."""
        return "/mnt" if self.device else self.root

    def read(self, path: str, limit: int = READ_LIMIT) -> Maybe[bytes]:
        """Content of a regular file; Unknown when absent, special, denied or over ``limit`` bytes."""
        stream = self.door.open(path)
        if isinstance(stream, Unknown):
            return stream
        data = b""
        try:
            with stream:
                # In pieces: of a file in /proc/sys the kernel refuses to give so much at once (ENOMEM).
                while len(data) <= limit:
                    piece = stream.read(min(_PIECE, limit + 1 - len(data)))
                    if not piece:
                        break
                    data += piece
        except OSError as error:
            return Unknown(f"{path}: {error.strerror or error}", Why.IO)
        if len(data) > limit:
            return Unknown(f"{path}: larger than {limit} bytes", Why.TOO_LARGE)
        return data

    def text(self, path: str, limit: int = READ_LIMIT) -> Maybe[str]:
        """Content of a regular file as text; bytes that are not UTF-8 are kept as surrogates' marks."""
        data = self.read(path, limit)
        return data if isinstance(data, Unknown) else data.decode("utf-8", "replace")

    def lines(self, path: str) -> Maybe[list[str]]:
        """The file's lines without their ends."""
        text = self.text(path)
        return text if isinstance(text, Unknown) else text.split("\n")[: None if text[-1:] != "\n" else -1]

    def open(self, path: str) -> Maybe[BinaryIO]:
        """A regular file opened for reading (logs, journals): the caller closes it."""
        return self.door.open(path)

    def stat(self, path: str, follow: bool = True) -> Maybe[Stat]:
        """stat(2), or lstat(2) with ``follow=False``."""
        return self.door.stat(path, follow)

    def readlink(self, path: str) -> Maybe[str]:
        """The link's own text, not resolved; Unknown(ABSENT) when there is nothing, SPECIAL when no link."""
        return self.door.readlink(path)

    def resolve(self, path: str) -> Maybe[str]:
        """The path inside the target with all links followed (realpath -e after chroot)."""
        return self.door.resolve(path)

    def list(self, path: str) -> Maybe[Sequence[str]]:
        """Names in a directory, sorted, without . and .. ."""
        return self.door.list(path)

    def space(self, path: str) -> Maybe[Space]:
        """Free and total space of the filesystem that holds ``path``."""
        return self.door.space(path)

    def run(
        self,
        argv: Sequence[str],
        timeout: float = RUN_TIMEOUT,
        limit: int = RUN_LIMIT,
        input: bytes | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> Maybe[Output]:
        """Run a reading command on the live host: no shell, LC_ALL=C, fixed PATH, deadline in seconds,
        output cap in bytes, killed as a group. Not live: Unknown(NOT_LIVE), except for the few
        readers that the door allows on an offline root. Not installed: Unknown(ABSENT). ``heard`` is given
        what comes on stdout as it comes; by a door that can't, all of it at the end."""
        if heard is None:
            return self.door.run(tuple(argv), timeout, limit, input)
        if isinstance(self.door, FollowingDoor):
            return self.door.follow(tuple(argv), timeout, limit, input, heard)
        output = self.door.run(tuple(argv), timeout, limit, input)
        if not isinstance(output, Unknown):
            heard(output.stdout.encode())
        return output

    def query(self, name: str, **params: str) -> Maybe[Json]:
        """A record of the live system by a library (see agent/target/live.py for the names)."""
        return self.door.query(name, params)

    def exists(self, path: str, follow: bool = True) -> bool:
        """True when the path is there (a dangling link is not, unless follow=False)."""
        return not isinstance(self.door.stat(path, follow), Unknown)

    def is_file(self, path: str) -> bool:
        stat = self.door.stat(path, True)
        return isinstance(stat, Stat) and stat.kind is Kind.FILE

    def is_dir(self, path: str) -> bool:
        stat = self.door.stat(path, True)
        return isinstance(stat, Stat) and stat.kind is Kind.DIR

    def glob(self, pattern: str) -> tuple[str, ...]:
        """Paths that match a pattern with * ? [] in any component, sorted; no hidden names for ``*``."""
        return tuple(self._glob(pattern))

    def _glob(self, pattern: str) -> Iterator[str]:
        matched = [""]
        for part in pattern.strip("/").split("/"):
            if not any(char in part for char in "*?["):
                matched = [f"{base}/{part}" for base in matched]
                continue
            grown: list[str] = []
            for base in matched:
                names = self.list(base or "/")
                if isinstance(names, Unknown):
                    continue
                grown += [
                    f"{base}/{name}"
                    for name in names
                    if fnmatch.fnmatchcase(name, part) and (part[0] == "." or name[0] != ".")
                ]
            matched = grown
        return (path for path in matched if self.exists(path, follow=False))

    def find_program(self, name: str) -> Maybe[str]:
        """Path of a program on disk, as PATH would find it for root."""
        for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"):
            path = f"{folder}/{name}"
            stat = self.stat(path)
            if isinstance(stat, Stat) and stat.kind is Kind.FILE and stat.executable:
                return path
        return Unknown(f"{name}: not installed", Why.ABSENT)
