"""Configuration directories in the manner of systemd: a name in a higher directory replaces a lower one's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

MAX_FILES = 256  # that end in the suffix, per directory; a directory with more is not a configuration

_BACKUP = ("~", ".rpmnew", ".rpmsave", ".rpmorig", ".dpkg-old", ".dpkg-new", ".dpkg-tmp", ".dpkg-dist")
_BACKUP_MORE = (".dpkg-bak", ".dpkg-backup", ".dpkg-remove", ".ucf-new", ".ucf-old", ".ucf-dist", ".swp")


@dataclass(frozen=True)
class ConfFile:
    """One file that counts. ``masked``: it is a link to /dev/null or empty, and hides those below it."""

    path: str
    name: str
    masked: bool = False


def hidden_or_backup(name: str) -> bool:
    """Names that systemd and others skip: hidden, backups of editors and of package managers."""
    return name.startswith(".") or name == "lost+found" or name.endswith(_BACKUP + _BACKUP_MORE)


def collect(target: Target, directories: Sequence[str], suffix: str) -> tuple[tuple[ConfFile, ...], tuple[str, ...]]:
    """Files that end in ``suffix``, sorted by name over all directories, highest directory first.

    A directory that is the same as an earlier one (/lib where /usr is merged) is not read twice.
    Returns the files and the reasons of directories that could not be listed.
    """
    chosen: dict[str, ConfFile] = {}
    seen: set[str] = set()
    unread: list[str] = []
    for directory in directories:
        real = target.resolve(directory)
        if isinstance(real, Unknown):
            if not real.absent:
                unread.append(real.reason)
            continue
        if real in seen:
            continue
        seen.add(real)
        names = target.list(directory)
        if isinstance(names, Unknown):
            unread.append(names.reason)
            continue
        wanted = [name for name in names if name.endswith(suffix) and not hidden_or_backup(name)]
        if len(wanted) > MAX_FILES:
            unread.append(f"{directory}: more than {MAX_FILES} files, the others are not read")
        for name in wanted[:MAX_FILES]:
            if name in chosen:
                continue
            path = f"{directory}/{name}"
            kind = _kind(target, path)
            if kind != "other":
                chosen[name] = ConfFile(path, name, kind == "masked")
    order = sorted(chosen, key=lambda text: text.encode("utf-8", "surrogateescape"))
    return tuple(chosen[name] for name in order), tuple(unread)


def _kind(target: Target, path: str) -> str:
    link = target.readlink(path)
    if isinstance(link, str) and (link == "/dev/null" or target.resolve(path) == "/dev/null"):
        return "masked"
    stat = target.stat(path)
    if isinstance(stat, Stat):
        if stat.kind is Kind.FILE:
            return "masked" if stat.size == 0 else "file"
        return "masked" if stat.kind is Kind.CHAR else "other"
    # a dangling link or a denied file is there and hides lower ones: reading it will say why
    return "file" if isinstance(link, str) or not stat.absent else "other"
