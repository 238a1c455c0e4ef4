"""systemd-networkd's files on disk: which count, who may read them, and their settings with drop-ins.

Sources: systemd.network(5); the messages are those of systemd 252 and 257, compared with the programs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.facts.netconfig.confdirs import ConfFile, collect
from agent.facts.netconfig.systemd_syntax import Parsed, Setting, parse
from agent.target import Target
from agent.target.model import Stat
from agent.unknown import Unknown

CONF_LIMIT = 128 * 1024  # bytes
USER = "systemd-network"  # networkd runs and reads as this user


@dataclass(frozen=True)
class Reader:
    """Who reads: the daemon's ids; 0 for udev, which reads .link files as root. -1: no such user."""

    uid: int
    gid: int

    def may(self, stat: Stat, bit: int) -> bool:
        """Permission ``bit`` (4 read, 1 search) by the plain mode; access lists are not seen."""
        if self.uid == 0:
            return True
        shift = 6 if stat.uid == self.uid else 3 if stat.gid == self.gid else 0
        return bool(stat.mode >> shift & bit)


@dataclass(frozen=True)
class Piece:
    """One file's part in a configuration: the file itself or one of its drop-ins."""

    path: str
    parsed: Parsed
    denied: bool = False  # the daemon may not read it
    unread: str = ""  # why we could not read it
    dangling: bool = False  # a link to nothing
    text: str = ""

    @property
    def usable(self) -> bool:
        return not self.denied and not self.dangling and self.parsed.usable


def directories(target: Target, name: str = "network") -> tuple[str, ...]:
    """Highest first. /run belongs to the running system: of a disk at rest it means nothing."""
    run = (f"/run/systemd/{name}",) if target.live else ()
    etc, lib = f"/etc/systemd/{name}", f"/lib/systemd/{name}"
    return (etc, *run, f"/usr/local/lib/systemd/{name}", f"/usr/lib/systemd/{name}", lib)


def version(target: Target) -> int | None:
    """systemd's release number, from the name of its shared library; None when it can't be told."""
    found: list[int] = []
    for pattern in (
        "/usr/lib/systemd/libsystemd-shared-*.so",
        "/lib/systemd/libsystemd-shared-*.so",
        "/usr/lib/*-linux-gnu*/systemd/libsystemd-shared-*.so",
        "/usr/lib64/systemd/libsystemd-shared-*.so",
    ):
        for path in target.glob(pattern):
            match = re.match(r"libsystemd-shared-(\d{3})", path.rsplit("/", 1)[1])
            if match:
                found.append(int(match[1]))
    return max(found) if found else None


def daemon(target: Target) -> Reader:
    """The ids of systemd-network; -1 where the user does not exist (then only "others" may read)."""
    text = target.text("/etc/passwd")
    if isinstance(text, str):
        for line in text.split("\n"):
            fields = line.split(":")
            if fields[0] == USER and len(fields) > 3 and fields[2].isdecimal() and fields[3].isdecimal():
                return Reader(int(fields[2]), int(fields[3]))
    return Reader(-1, -1)


def files(target: Target, suffix: str) -> tuple[tuple[ConfFile, ...], tuple[str, ...]]:
    """All files with a suffix (``.network``), in networkd's order, and what could not be listed."""
    return collect(target, directories(target), suffix)


def pieces(target: Target, file: ConfFile, reader: Reader, known: frozenset[str] | None) -> list[Piece]:
    """The file and its drop-ins (``NAME.network.d/*.conf`` of every directory), in the order they apply."""
    dropins, _ = collect(target, [f"{base}/{file.name}.d" for base in directories(target)], ".conf")
    paths = [file.path] + [dropin.path for dropin in dropins if not dropin.masked]
    return [_piece(target, path, reader, known) for path in paths]


def _piece(target: Target, path: str, reader: Reader, known: frozenset[str] | None) -> Piece:
    denied = forbidden(target, path, reader)
    data = target.read(path, limit=CONF_LIMIT)
    if isinstance(data, Unknown):
        if data.absent:
            return Piece(path, Parsed(), dangling=True)
        return Piece(path, Parsed(), denied, data.reason)
    return Piece(path, parse(data, known), denied, text=data.decode("utf-8", "replace"))


def forbidden(target: Target, path: str, reader: Reader) -> bool:
    """Whether the daemon can't open the file: its own mode, or a directory above that it can't search."""
    if reader.uid == 0:
        return False
    real = target.resolve(path)
    if isinstance(real, Unknown):
        return False
    stat = target.stat(real)
    if isinstance(stat, Stat) and not reader.may(stat, 4):
        return True
    parts = real.strip("/").split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        above = target.stat("/" + "/".join(parts[:depth]))
        if isinstance(above, Stat) and not reader.may(above, 1):
            return True
    return False


def merged(found: list[Piece]) -> list[tuple[str, Setting]]:
    """Every setting with its file, main file first."""
    return [(piece.path, setting) for piece in found for setting in piece.parsed.settings]
