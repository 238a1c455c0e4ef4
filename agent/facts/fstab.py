"""fstab(5): its lines, and what mount(8), systemd-fstab-generator(8) and findmnt --verify say of them.

Two readers meet on this file. systemd (getmntent(3)) makes a mount unit of every line whose mount point has a
slash and gives missing fields a default; libmount (mount -a, and the remount of / at boot) drops a line with
fewer than three fields or with a dump or pass field that is no number. So a malformed line is seldom fatal:
what stops a boot is a mount unit that fails, and what leaves the root read-only is a line for / that libmount
drops. Both were tried on systemd 252 with util-linux 2.38.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from agent.facts import mount_words
from agent.target import Target
from agent.unknown import Unknown

PATH = "/etc/fstab"
LIMIT = 1024 * 1024  # bytes
LINES = 2000


@dataclass(frozen=True)
class FstabEntry:
    """One line of fstab(5), escapes decoded. ``text`` is the line as written."""

    line: int
    spec: str
    file: str
    type: str
    options: tuple[str, ...]
    dump: str
    passno: str
    text: str

    @property
    def nofail(self) -> bool:
        """Boot goes on without it: nofail, noauto, or x-systemd.automount."""
        return bool({"nofail", "noauto", "x-systemd.automount"} & set(self.options))

    @property
    def network(self) -> bool:
        """Ordered with remote-fs.target, which nothing at boot requires (systemd.mount(5))."""
        return "_netdev" in self.options or mount_words.is_network(self.type)

    @property
    def required(self) -> bool:
        """The boot stops in emergency mode when it can't be mounted (/: it stays as the kernel mounted it).

        A swap that is missing only costs its timeout: swap.target is wanted, not required."""
        return not (self.nofail or self.network or self.swap)

    @property
    def swap(self) -> bool:
        return self.type == "swap"

    def option(self, name: str) -> str | None:
        """The last value of ``name=value`` ("" for a bare ``name``), None when it is not there."""
        for option in reversed(self.options):
            key, _, value = option.partition("=")
            if key == name:
                return value
        return None


@dataclass(frozen=True)
class FstabProblem:
    line: int
    text: str  # the line as written
    why: str  # what mount(8) or systemd would reject
    fatal: bool  # the boot stops, or root is not mounted as meant


@dataclass(frozen=True)
class Fstab:
    entries: tuple[FstabEntry, ...]
    problems: tuple[FstabProblem, ...]
    unread: str = ""  # why it could not be read; "" when it was (or is absent)
    present: bool = True

    def entry(self, point: str) -> FstabEntry | None:
        """The entry for a mount point."""
        return next((entry for entry in self.entries if entry.file == point), None)


def read(target: Target) -> Fstab:
    """The target's /etc/fstab; absent is not a problem (a container, or gpt-auto)."""
    text = target.text(PATH, LIMIT)
    if isinstance(text, Unknown):
        return Fstab((), (), "" if text.absent else text.reason, present=not text.absent)
    modules = _filesystem_modules(target)
    return parse(text, modules)


def parse(text: str, modules: frozenset[str] = frozenset()) -> Fstab:
    """All lines of an fstab. ``modules`` are filesystem types that the target's kernels have."""
    entries: list[FstabEntry] = []
    problems: list[FstabProblem] = []
    seen: dict[str, FstabEntry] = {}
    for number, raw in enumerate(text.split("\n")[:LINES], start=1):
        line = raw.rstrip("\r")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        entry = _entry(number, line)
        found = _problems(entry, _fields(line), modules)
        if raw.endswith("\r"):
            found += _carriage_return(entry)
        earlier = seen.get(entry.file)
        if earlier is not None and entry.file.startswith("/") and not _may_stack(earlier, entry):
            found.append((f"{entry.file} is already on line {earlier.line}: systemd uses the first", False))
        seen.setdefault(entry.file, entry)
        problems += [FstabProblem(number, _shown(raw), why, fatal) for why, fatal in found]
        if entry.file:
            entries.append(entry)
    return Fstab(tuple(entries), tuple(problems))


def decode(field: str) -> str:
    """getmntent(3)'s escapes: a space in a name is \\040, a tab \\011, a newline \\012, a backslash \\134."""
    return re.sub(
        r"\\(040|011|012|134|043|\\)",
        lambda match: "\\" if match.group(1) == "\\" else chr(int(match.group(1), 8)),
        field,
    )


def _fields(line: str) -> list[str]:
    return line.replace("\x00", " ").split()


def _entry(number: int, line: str) -> FstabEntry:
    fields = _fields(line)
    if len(fields) > 4 and fields[4].startswith("#"):
        fields = fields[:4]
    spec, file, kind, options, dump, passno = [*fields[:6], *[""] * (6 - len(fields[:6]))]
    return FstabEntry(
        line=number,
        spec=decode(spec),
        file=_point(decode(file)),
        type=decode(kind),
        options=tuple(option for option in decode(options).split(",") if option),
        dump=dump,
        passno=passno,
        text=_shown(line),
    )


def _point(path: str) -> str:
    """A mount point without trailing and double slashes."""
    if not path.startswith("/"):
        return path
    return "/" + "/".join(part for part in path.split("/") if part)


Found = list[tuple[str, bool]]


def _problems(entry: FstabEntry, fields: list[str], modules: frozenset[str]) -> Found:
    dropped = _dropped(entry, fields)
    if dropped:
        return dropped
    found: Found = []
    if entry.spec.partition("=")[0] in mount_words.TAGS and not entry.spec.partition("=")[2].strip("\"'"):
        return [(f"{entry.spec} names no device", entry.required)]
    if not entry.swap:
        found += _bad_point(entry)
    if not found:
        found += _bad_type(entry, modules)
        found += _bad_options(entry)
    return found


def _dropped(entry: FstabEntry, fields: list[str]) -> Found:
    """A line that libmount does not use; fatal for the root, whose remount then has no options."""
    root = entry.file == "/"
    if len(fields) < 2:
        return [("there is no mount point: the line is ignored", False)]
    if len(fields) < 3:
        return [("there is no filesystem type: mount ignores the line", root)]
    for name, value in (("dump", entry.dump), ("pass", entry.passno)):
        if value and not re.fullmatch(r"[+-]?\d{1,9}", value):
            hint = ""
            if entry.options and (fields[3].endswith(",") or value.rstrip(",").partition("=")[0] in _KNOWN):
                hint = " (a space between the options?)"
            elif entry.file and not entry.file.startswith("/"):
                hint = " (a space in a name is written \\040)"
            return [(f"the {name} field is {value!r}, not a number{hint}: mount ignores the line", root)]
    return []


def _bad_point(entry: FstabEntry) -> Found:
    point = entry.file
    if point == "none" or "/" not in point:
        return [(f"mount point {point!r} is not a path: systemd ignores the line", False)]
    if ".." in point.split("/") or "." in point.split("/"):
        return [(f"mount point {point} holds . or ..: systemd makes no unit of it", False)]
    if not point.startswith("/"):
        return [(f"mount point {point!r} is not absolute", False)]
    return []


def _bad_type(entry: FstabEntry, modules: frozenset[str]) -> Found:
    known = mount_words.FILESYSTEMS
    if not entry.spec.startswith("/dev/") and entry.spec.partition("=")[0] not in mount_words.TAGS:
        return []  # a pseudo filesystem: there are more of them than can be listed
    for word in entry.type.split(","):
        if word in known or word in modules or word.startswith("fuse"):
            continue
        near = difflib.get_close_matches(word, mount_words.COMMON_FILESYSTEMS, 1, 0.75)
        if near:
            return [(f"unknown filesystem type {word!r}: is {near[0]} meant?", entry.required)]
    return []


def _bad_options(entry: FstabEntry) -> Found:
    """Misspelt options, for filesystems that refuse to mount with one they don't know."""
    own = mount_words.OPTIONS.get(entry.type)
    if own is None:
        return []
    for option in entry.options:
        name = option.partition("=")[0]
        if name in own or name in mount_words.GENERIC or name.startswith(("x-", "X-", "comment", "LABEL")):
            continue
        near = difflib.get_close_matches(name, sorted(own | mount_words.GENERIC), 1, 0.8)
        if near:
            return [(f"{entry.type} does not know the option {name!r}: is {near[0]} meant?", entry.required)]
    return []


_KNOWN = mount_words.GENERIC | frozenset(name for names in mount_words.OPTIONS.values() for name in names)


def _carriage_return(entry: FstabEntry) -> Found:
    """libmount and systemd both take a carriage return after the last number; after options it is part of
    the last one."""
    if entry.dump:
        return [("the line ends in a carriage return (written on Windows?)", False)]
    return [
        ("the line ends in a carriage return, which becomes part of its last option", entry.required),
    ]


def _may_stack(one: FstabEntry, other: FstabEntry) -> bool:
    """Two lines for one point are meant when one is not mounted at boot."""
    return "noauto" in one.options or "noauto" in other.options or one.swap or other.swap


def _filesystem_modules(target: Target) -> frozenset[str]:
    """Filesystem types the target's kernels bring as modules (kernel/fs/NAME)."""
    names: set[str] = set()
    for folder in target.glob("/lib/modules/*/kernel/fs")[:10]:
        listed = target.list(folder)
        if not isinstance(listed, Unknown):
            names.update(name.split(".")[0] for name in listed)
    return frozenset(names)


def _shown(line: str) -> str:
    return line.rstrip("\r")[:500]
