"""State of the package manager: interrupted runs, packages removed but not purged, what is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from agent.facts.distro import Distro
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

STATUS = "/var/lib/dpkg/status"
UPDATES = "/var/lib/dpkg/updates"
LINE = 64 * 1024  # bytes of one line that are looked at; a description may be longer
SIZE = 256 * 1024 * 1024  # bytes of a status file; the largest seen are 20 MB
COUNT = 200_000  # packages
UPDATE_FILES = 1000

_HALF = frozenset(("unpacked", "half-configured", "half-installed", "triggers-awaited", "triggers-pending"))
_RPM = ("rpmdb.sqlite", "Packages", "Packages.db")

# Which databases speak for which package manager, and the families whose own manager it is.
_DATABASES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("dpkg", (STATUS,), ("debian", "ubuntu")),
    (
        "rpm",
        tuple(f"{base}/{name}" for base in ("/usr/lib/sysimage/rpm", "/var/lib/rpm") for name in _RPM),
        ("rhel", "fedora", "suse", "opensuse", "amzn", "centos", "mageia"),
    ),
    ("apk", ("/lib/apk/db/installed", "/usr/lib/apk/db/installed"), ("alpine",)),
    ("pacman", ("/var/lib/pacman/local",), ("arch",)),
    ("portage", ("/var/db/pkg",), ("gentoo",)),
    ("pkgtools", ("/var/lib/pkgtools/packages", "/var/log/packages"), ("slackware",)),
    ("xbps", ("/var/db/xbps",), ("void",)),
)


@dataclass(frozen=True)
class Packages:
    """dpkg(1)'s database as it is on disk. ``system`` is dpkg, rpm, apk, pacman, portage, or ""
    (Slackware's is pkgtools, Void's xbps). ``busy`` are package programs that run right now (live):
    their half-done packages are work in progress, not an interrupted run."""

    system: str
    dpkg_states: Maybe[Mapping[str, str]]  # package: "install ok installed", "deinstall ok config-files" ...
    pending_updates: tuple[str, ...] = ()  # files in /var/lib/dpkg/updates: a run that was interrupted
    busy: tuple[str, ...] = ()

    def removed_not_purged(self, package: str) -> bool:
        """The package's programs are gone, its configuration files are not."""
        return self._state(package)[2:] == ["config-files"]

    def installed(self, package: str) -> bool:
        """The package's files are there (even if it is not configured)."""
        return self._state(package)[2:] not in ([], ["not-installed"], ["config-files"])

    def half_done(self) -> tuple[str, ...]:
        """Packages that are unpacked, half-configured, half-installed or wait for triggers."""
        return tuple(package for package, words in self._states() if words[2] in _HALF or "reinst" in words[1])

    def held(self) -> tuple[str, ...]:
        """Packages on hold: an upgrade leaves them as they are."""
        return tuple(package for package, words in self._states() if words[0] == "hold")

    def _state(self, package: str) -> list[str]:
        if isinstance(self.dpkg_states, Unknown):
            return []
        return self.dpkg_states.get(package, "").split()

    def _states(self) -> Iterator[tuple[str, list[str]]]:
        if isinstance(self.dpkg_states, Unknown):
            return
        for package, state in self.dpkg_states.items():
            words = state.split()
            if len(words) == 3:
                yield package, words


def read(target: Target, distro: Distro) -> Packages:
    """The package manager in charge and, where it is dpkg, what its database says."""
    system = _system(target, distro)
    if system != "dpkg":
        return Packages(system, Unknown(f"{STATUS}: the package manager is {system or 'unknown'}", Why.ABSENT))
    states = _status_file(target, STATUS)
    pending = _pending(target)
    if not isinstance(states, Unknown):
        for path in pending:  # each replaces what the status file says of its package
            newer = _status_file(target, path)
            if not isinstance(newer, Unknown):
                states.update(newer)
    packages = Packages(system, states, pending)
    if target.live and (pending or packages.half_done()):
        return Packages(system, states, pending, at_work(target))
    return packages


def _system(target: Target, distro: Distro) -> str:
    """The manager whose database is there; the distribution's own when there are several (rpm on Debian)."""
    found = [(name, families) for name, paths, families in _DATABASES if any(target.exists(path) for path in paths)]
    for name, families in found:
        if distro.is_a(*families):
            return name
    return found[0][0] if found else ""


def _status_file(target: Target, path: str) -> Maybe[dict[str, str]]:
    stream = target.open(path)
    if isinstance(stream, Unknown):
        return stream
    try:
        with stream:
            return parse_status(stream)
    except OSError as error:
        return Unknown(f"{path}: {error.strerror or error}", Why.IO)


def parse_status(stream: BinaryIO) -> dict[str, str]:
    """Package and Status of each paragraph of a dpkg status file (deb-control(5)), read line by line.

    A foreign architecture's package beside the native one of the same name is called name:architecture, as
    dpkg calls it.
    """
    states: dict[str, str] = {}
    package = state = architecture = ""
    read = 0
    for line in _lines(stream):
        read += len(line)
        if read > SIZE or len(states) > COUNT:
            break
        if not line.strip():
            _keep(states, package, state, architecture)
            package = state = architecture = ""
        elif line.startswith(b"Package:"):
            package = _value(line)
        elif line.startswith(b"Status:"):
            state = " ".join(_value(line).split())
        elif line.startswith(b"Architecture:"):
            architecture = _value(line)
    _keep(states, package, state, architecture)
    return states


def _keep(states: dict[str, str], package: str, state: str, architecture: str) -> None:
    if package and state:
        states[package if package not in states else f"{package}:{architecture}"] = state


def _value(line: bytes) -> str:
    return line.partition(b":")[2].strip().decode("utf-8", "replace")


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, of which only the beginning is kept when they are longer than any field that counts."""
    continued = False
    while True:
        line = stream.readline(LINE)
        if not line:
            return
        if not continued:
            yield line
        continued = not line.endswith(b"\n")


def _pending(target: Target) -> tuple[str, ...]:
    """dpkg journals its steps in files named by numbers, and removes them when it ends in order."""
    names = target.list(UPDATES)
    if isinstance(names, Unknown):
        return ()
    return tuple(f"{UPDATES}/{name}" for name in names if name.isdecimal())[:UPDATE_FILES]


_PROGRAMS = frozenset(
    (
        "dpkg",
        "apt",
        "apt-get",
        "aptitude",
        "unattended-upgr",
        "do-release-upgr",
        "packagekitd",
        "dnf",
        "dnf5",
        "yum",
        "zypper",
        "rpm",
        "leapp",
        "pacman",
        "apk",
    )
)


def at_work(target: Target) -> tuple[str, ...]:
    """Package programs that run on the live host right now; none on a disk."""
    found: set[str] = set()
    names = target.list("/proc") if target.live else ()
    for name in () if isinstance(names, Unknown) else names:
        if name.isdecimal():
            comm = target.text(f"/proc/{name}/comm", 256)
            if not isinstance(comm, Unknown) and comm.strip() in _PROGRAMS:
                found.add(comm.strip())
    return tuple(sorted(found))
