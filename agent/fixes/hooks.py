"""What the fixes of hooks share: where a hook goes when it is moved aside, whose file it is, what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from agent.change.model import Move, Operation
from agent.diagnosis.proofs.hooks import busybox_run_parts
from agent.facts.facts import Facts
from agent.facts.netconfig.ifupdown_program import dialect
from agent.facts.netconfig.ifupdown_syntax import Dialect
from agent.facts.packages import STATUS
from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

SUFFIX = "disabled-by-lish-agent"
NAME_MAX = 255  # bytes of a file name
_COUNT = 1000  # names that are tried
_LINE = 64 * 1024  # bytes of a line of dpkg's database
_SIZE = 256 * 1024 * 1024  # bytes of it that are read


@dataclass(frozen=True)
class Conffile:
    """A configuration file of a Debian package, as dpkg's database has it."""

    path: str
    package: str
    installed: bool  # False: the package was removed and not purged


def aside(facts: Facts, path: str) -> Move:
    """The hook, or the link that it is, goes to a name that nothing runs.

    run-parts of debianutils skips names with a dot, so the hook can stay in its folder. busybox' run-parts
    (1.35, tried), ifupdown2 and openresolv run such names as well: there it goes to the folder above, which
    holds no hooks.
    """
    folder, _, name = path.rpartition("/")
    if _runs_any_name(facts, folder):
        above, _, last = folder.rpartition("/")
        folder, name = above, f"{last}.{name}"
    room = NAME_MAX - len(SUFFIX) - len(".1000.")
    name = name.encode()[:room].decode("utf-8", "ignore")
    for number in range(1, _COUNT):
        to = f"{folder}/{name}.{SUFFIX}" + (f".{number}" if number > 1 else "")
        if not facts.target.exists(to, follow=False):
            break
    return Move(path, to)


def _runs_any_name(facts: Facts, folder: str) -> bool:
    found = facts.target.find_program("run-parts")
    if isinstance(found, Unknown) or busybox_run_parts(facts):
        return True
    if folder.startswith("/etc/network/"):
        return dialect(facts.target) is Dialect.TWO
    return folder.startswith("/etc/resolvconf/") and facts.packages.installed("openresolv")


def link_text(target: Target, path: str) -> str:
    """Where the path points when it is a symbolic link, else ""."""
    stat = target.stat(path, follow=False)
    if not isinstance(stat, Stat) or stat.kind is not Kind.LINK:
        return ""
    to = target.readlink(path)
    return "" if isinstance(to, Unknown) else to


def moved(operations: tuple[Operation, ...]) -> tuple[str, ...]:
    """The paths that a plan moves."""
    return tuple(operation.path for operation in operations if isinstance(operation, Move))


def listed(words: tuple[str, ...] | list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""


def afterwards(facts: Facts) -> tuple[str, ...]:
    """How the network comes up again."""
    if facts.target.live:
        return (
            "Bring the network up again, from the console and not over ssh: agent fix --restart-network (or reboot).",
        )
    return ("Boot the host from its own disk: this no longer stops ifup.",)


def conffiles(facts: Facts) -> Mapping[str, Conffile]:
    """The configuration files of dpkg's packages by path; empty where there is no dpkg."""
    if facts.packages.system != "dpkg":
        return {}
    stream = facts.target.open(STATUS)
    if isinstance(stream, Unknown):
        return {}
    try:
        with stream:
            return {one.path: one for one in _conffiles(stream)}
    except OSError:
        return {}


def _conffiles(stream: BinaryIO) -> Iterator[Conffile]:
    """The Conffiles fields of a status file (deb-control(5)): " path md5 [obsolete]", one a line."""
    package, installed, within = "", False, False
    read = 0
    while read < _SIZE:
        line = stream.readline(_LINE)
        if not line:
            return
        read += len(line)
        if within and line.startswith(b" "):
            words = line.decode("utf-8", "replace").split()
            while words and words[-1] in ("obsolete", "remove-on-upgrade"):
                words.pop()
            if len(words) >= 2 and words[0].startswith("/"):
                yield Conffile(" ".join(words[:-1]), package, installed)
            continue
        within = line.startswith(b"Conffiles:")
        if line.startswith(b"Package:"):
            package, installed = line[8:].strip().decode("utf-8", "replace"), False
        elif line.startswith(b"Status:"):
            installed = line.split()[-1:] not in ([b"config-files"], [b"not-installed"])


def restorable(owners: Mapping[str, Conffile], paths: tuple[str, ...]) -> tuple[str, ...]:
    """How the package's own version comes back: dpkg takes a conffile that is gone for one that the
    administrator deleted, and an upgrade does not bring it back by itself."""
    packages = sorted({owners[path].package for path in paths if path in owners and owners[path].installed})
    if not packages:
        return ()
    return (
        f"An upgrade of {listed(packages)} does not bring back by itself what was moved. The package's own version: "
        f"apt-get -o Dpkg::Options::=--force-confmiss install --reinstall {' '.join(packages)}",
    )
