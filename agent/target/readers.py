"""The few commands that may run for a target that is not running, and what they may be asked.

They are the rescue system's own programs, they are told where the target's files are, and they only read.
Everything else is refused: what it would say is true of the rescue system (``ip``, ``systemctl status``), or
it would execute what lies on the disk. (In a chroot the programs are the disk's own; whoever entered it
decided to trust them, and the same list holds.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from agent.target.model import Door, Kind, Stat
from agent.unknown import Unknown

_NOT_RUN = "not run: the target is not running"

# What reads, and no more: --rotate, --vacuum-*, --flush, --cursor-file, --update-catalog ... would write.
_JOURNAL_FLAGS = frozenset(
    (
        *(
            "-a",
            "--all",
            "-k",
            "--dmesg",
            "-q",
            "--quiet",
            "-r",
            "--reverse",
            "-x",
            "--catalog",
            "-N",
            "--fields",
        ),
        *(
            "-b",
            "--boot",
            "--list-boots",
            "--header",
            "--no-pager",
            "--no-full",
            "--no-hostname",
            "--no-tail",
        ),
        *("--utc", "--verify", "--disk-usage", "--system"),
    )
)
_JOURNAL_VALUES = frozenset(
    (
        *("output", "output-fields", "since", "until", "lines", "unit", "priority", "identifier", "facility"),
        *("boot", "grep", "field", "cursor", "after-cursor", "case-sensitive"),
    )
)
_JOURNAL_SHORT = ("-o", "-n", "-u", "-p", "-t", "-b", "-g", "-F", "-S", "-U", "-c")
_JOURNAL_MATCH = re.compile(r"[A-Z_][A-Z0-9_]*=.*|\+", re.DOTALL)
_SYSTEMCTL_VERBS = frozenset(("is-enabled", "list-unit-files", "get-default"))
_SYSTEMCTL_FLAGS = frozenset(
    (
        *("--no-pager", "--no-legend", "--plain", "--full", "-l", "-q", "--quiet", "--all", "-a"),
        *("--type=", "--state="),
    )
)


def refusal(argv: Sequence[str], root: str, door: Door) -> str:
    """Why a command must not run for the tree at ``root``; empty when it may."""
    if not argv:
        return _NOT_RUN
    program, *rest = argv
    if program == "journalctl":
        return _journalctl(rest, root, door)
    if program == "systemctl":
        return _systemctl(rest, root)
    return _NOT_RUN


def _systemctl(words: Sequence[str], root: str) -> str:
    roots = [word for word in words if word.startswith("--root=")]
    if len(roots) != 1 or os.path.abspath(roots[0].partition("=")[2]) != os.path.abspath(root):
        return _NOT_RUN
    plain = [word for word in words if not word.startswith("-")]
    if not plain or plain[0] not in _SYSTEMCTL_VERBS:
        return _NOT_RUN
    for word in words:
        known = word.partition("=")[0] + "=" if "=" in word else word
        if word.startswith("-") and word not in roots and known not in _SYSTEMCTL_FLAGS:
            return _NOT_RUN
    return ""


def _journalctl(words: Sequence[str], root: str, door: Door) -> str:
    sources = 0
    valued = False  # is this word the value of the option before it?
    for word in words:
        if valued:
            valued = False
        elif word.startswith(("--file=", "--directory=")):
            if not _of_the_target(word, root, door):
                return f"not run: {word} is not surely the target's own"
            sources += 1
        elif word in _JOURNAL_SHORT and word != "-b":
            valued = True
        elif not _reads_only(word):
            return _NOT_RUN
    return "" if sources else _NOT_RUN


def _reads_only(word: str) -> bool:
    if word in _JOURNAL_FLAGS or _JOURNAL_MATCH.fullmatch(word):
        return True
    if word.startswith("--"):
        option, separator, _ = word[2:].partition("=")
        return bool(separator) and option in _JOURNAL_VALUES
    return any(word.startswith(short) and len(word) > 2 for short in _JOURNAL_SHORT)


def _of_the_target(word: str, root: str, door: Door) -> bool:
    """A source is a file that we hold open ourselves (the door opened it), or a directory of the tree that
    holds no link by which journalctl, which knows nothing of our root, would read elsewhere."""
    option, _, path = word.partition("=")
    if option == "--file":
        return re.fullmatch(rf"/proc/{os.getpid()}/fd/[0-9]+", path) is not None
    base = os.path.abspath(root)
    path = os.path.normpath(path) if os.path.isabs(path) and ".." not in path.split("/") else ""
    inside = path[len(base.rstrip("/")) :]
    if not path or not (path + "/").startswith(base.rstrip("/") + "/"):
        return False
    return door.resolve(inside or "/") == (inside or "/") and _free_of_links(inside or "/", door, depth=2)


def _free_of_links(folder: str, door: Door, depth: int) -> bool:
    names = door.list(folder)
    if isinstance(names, Unknown):
        return False
    for name in names:
        path = f"{folder.rstrip('/')}/{name}"
        found = door.stat(path, False)
        if not isinstance(found, Stat) or found.kind not in (Kind.FILE, Kind.DIR):
            return False
        if found.kind is Kind.DIR and depth > 1 and not _free_of_links(path, door, depth - 1):
            return False
    return True
