"""Enabling a service as operations on links: what `systemctl enable` and unmask, rc-update or update-rc.d do.

For systemd this is install.c of systemd 247 to 262, compared in tests with the real systemctl over all units
of real roots. Links alone are made: what the package keeps elsewhere (deb-systemd-helper's notes, the rcN.d
links of an init script that a native unit shadows) stays as it is, for it starts nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.change.model import Command, Link, MakeFolder, Operation, Remove, Run
from agent.facts import systemd_units
from agent.facts.facts import Facts
from agent.facts.netconfig import confdirs, systemd_syntax
from agent.facts.services import Init
from agent.fixes import init_links
from agent.target import Target
from agent.target.model import Kind, Stat
from agent.unknown import Unknown

ETC = "/etc/systemd/system"
LIMIT = 1024 * 1024  # bytes of a unit file
UNITS = 64  # that one unit may pull in by Also=

# systemd.unit(5): the types that may have aliases.
_MAY_ALIAS = (".service", ".socket", ".target", ".device", ".timer", ".path")
_NAME = r"[A-Za-z0-9:_.\\-]"
_PLAIN = re.compile(rf"{_NAME}{{1,250}}")
_WITH_INSTANCE = re.compile(rf"({_NAME}{{1,200}})@([A-Za-z0-9:_.\\@-]*)")

_RELOAD = ("systemctl", "daemon-reload")


def enable(facts: Facts, unit: str) -> tuple[Operation, ...]:
    """The operations that make a service start at boot, a mask of it taken away; none when it does already, or
    when nothing can make it. ``unit`` is systemd's name for it, ``systemd-networkd.service``."""
    if facts.init is Init.SYSTEMD:
        return _systemd(facts.target, systemd_units.full_name(unit))
    return init_links.enable(facts, unit)


def reloaded(facts: Facts, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The operations, then `systemctl daemon-reload` on a live host that systemd runs."""
    if not facts.target.live or facts.init is not Init.SYSTEMD or not operations:
        return tuple(operations)
    reload = Run(_RELOAD, "makes systemd read its units anew", inverse=(Command(_RELOAD),), required=False)
    return (*operations, reload)


def mask_of(target: Target, unit: str) -> str:
    """The link or empty file of /etc that masks a unit, "" when none does."""
    path = f"{ETC}/{systemd_units.full_name(unit)}"
    stat = target.stat(path, follow=False)
    if not isinstance(stat, Stat):
        return ""
    if stat.kind is Kind.LINK:
        link = target.readlink(path)
        return path if link in ("/dev/null", "/dev/null/") or target.resolve(path) == "/dev/null" else ""
    return path if stat.kind is Kind.FILE and stat.size == 0 else ""


def _systemd(target: Target, name: str) -> tuple[Operation, ...]:
    mask = mask_of(target, name)
    folder = _Folder(target, (mask,) if mask else ())
    links = tuple(folder.links(name))
    if mask and not folder.found:
        return ()  # the mask is all that there is of it
    removed = (Remove(mask),) if mask else ()
    return (*removed, *_with_folders(target, links))


def _with_folders(target: Target, links: Sequence[Link]) -> Iterator[Operation]:
    made: set[str] = set()
    for link in links:
        for folder in (ETC, posixpath.dirname(link.path)):
            if folder not in made and not target.exists(folder):
                made.add(folder)
                yield MakeFolder(folder)
        yield link


@dataclass(frozen=True)
class _Install:
    """A unit's [Install], its drop-ins included. ``path`` is the file in force."""

    name: str
    path: str
    wanted_by: tuple[str, ...] = ()
    required_by: tuple[str, ...] = ()
    upheld_by: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    default_instance: str = ""


class _Folder:
    """/etc/systemd/system as it is, and as enabling would leave it."""

    def __init__(self, target: Target, removed: Sequence[str]) -> None:
        self.target = target
        self.removed = removed
        self.search = systemd_units.search_path(target)
        self.planned: dict[str, str] = {}
        self.found = False  # the unit that was asked for has a file

    def links(self, name: str) -> Iterator[Link]:
        """The links that are missing, for the unit and all that its Also= names."""
        todo = [name]
        done: set[str] = set()
        while todo and len(done) < UNITS:
            one = todo.pop(0)
            if one in done:
                continue
            done.add(one)
            install = self._install(one)
            if install is None:
                continue
            self.found = self.found or one == name
            todo += install.also
            for path, forced in self._wanted(install):
                if self._missing(path, install.path, forced):
                    self.planned[path] = install.path
                    yield Link(path, install.path)

    # -- reading
    def _install(self, name: str) -> _Install | None:
        """None for a unit that is absent or masked, and for an alias that somebody made in /etc."""
        found = self._file(name)
        if found is None:
            return None
        real = posixpath.basename(found)
        if real not in self._names(name):  # an alias that the vendor ships: autovt@one is getty@one
            prefix, at, _, suffix = _parts(real)
            instance = _parts(name)[2]
            return self._install(f"{prefix}@{instance}{suffix}" if at and instance else real)
        data = self.target.read(found, LIMIT)
        if isinstance(data, Unknown):
            return None
        texts = [data]
        folders = [f"{folder}/{one}.d" for one in self._names(name) for folder in self.search]
        files, _ = confdirs.collect(self.target, folders, ".conf")
        for file in files:
            more = self.target.read(file.path, LIMIT)
            if not file.masked and not isinstance(more, Unknown):
                texts.append(more)
        return _read(name, _as_written(self.target, found), texts)

    @staticmethod
    def _names(name: str) -> tuple[str, ...]:
        template = systemd_units.template(name)
        return (name, template) if template else (name,)

    def _file(self, name: str) -> str | None:
        for one in self._names(name):
            if not _valid(one):
                return None
            for folder in self.search:
                path = f"{folder}/{one}"
                if path in self.removed or not self.target.exists(path, follow=False):
                    continue
                return self._usable(path, one)
        return None

    def _usable(self, path: str, name: str) -> str | None:
        """The path of a file with content; of a vendor's link to another name, where that one leads."""
        stat = self.target.stat(path)
        real = self.target.resolve(path)
        if not isinstance(stat, Stat) or isinstance(real, Unknown) or stat.kind is not Kind.FILE or stat.size == 0:
            return None
        if posixpath.basename(real) == name:
            return path
        return None if path.startswith("/etc/") else real

    # -- the links
    def _wanted(self, install: _Install) -> Iterator[tuple[str, bool]]:
        """Each link's path; True where what stands there is replaced (install_info_symlink_wants)."""
        for alias in install.aliases:
            name = _alias(install, alias)
            if name:
                yield f"{ETC}/{name}", False
        for names, suffix in (
            (install.wanted_by, ".wants"),
            (install.required_by, ".requires"),
            (install.upheld_by if systemd_version(self.target) >= 254 else (), ".upholds"),
        ):
            link, template = _linked_name(install)
            for name in names:
                target_name = _expand(install, name)
                if target_name and _valid(target_name) and not (template and "@" not in target_name):
                    yield f"{ETC}/{target_name}{suffix}/{link}", True

    def _missing(self, path: str, to: str, forced: bool) -> bool:
        if path in self.planned:
            return forced and self.planned[path] != to
        link = self.target.readlink(path)
        if isinstance(link, Unknown):
            return link.absent
        if link == to or _same(self.target, posixpath.join(posixpath.dirname(path), link), to):
            return False
        return forced


def _same(target: Target, one: str, other: str) -> bool:
    first = target.resolve(one)
    return not isinstance(first, Unknown) and first == target.resolve(other)


def _read(name: str, path: str, texts: Sequence[bytes]) -> _Install:
    """[Install] of systemd.unit(5): lists grow, and an empty value empties them; Also= only grows."""
    lists: dict[str, list[str]] = {key: [] for key in ("WantedBy", "RequiredBy", "UpheldBy", "Alias", "Also")}
    instance = ""
    for data in texts:
        parsed = systemd_syntax.parse(data)
        for setting in parsed.settings if parsed.usable else ():
            if setting.section != "Install":
                continue
            if setting.key in lists:
                if not setting.value and setting.key != "Also":
                    lists[setting.key].clear()
                lists[setting.key] += [word.strip("\"'") for word in setting.value.split()]
            elif setting.key == "DefaultInstance":
                instance = setting.value
    plain = _Install(name, path)
    instance = _expand(plain, instance)
    if instance and not re.fullmatch(r"[A-Za-z0-9:_.\\@-]{1,200}", instance):
        instance = ""
    install = replace(
        plain,
        wanted_by=tuple(lists["WantedBy"]),
        required_by=tuple(lists["RequiredBy"]),
        upheld_by=tuple(lists["UpheldBy"]),
        aliases=tuple(lists["Alias"]),
        default_instance=instance,
    )
    return replace(install, also=tuple(filter(None, (_expand(install, one) for one in lists["Also"]))))


# -- names
def _parts(name: str) -> tuple[str, str, str, str]:
    """Prefix, "@" or "", instance and suffix."""
    stem, dot, suffix = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    return prefix, at, instance, dot + suffix


def _valid(name: str) -> bool:
    stem, dot, suffix = name.rpartition(".")
    if dot + suffix not in systemd_units.SUFFIXES or len(name) > 255:
        return False
    return bool(_PLAIN.fullmatch(stem) or _WITH_INSTANCE.fullmatch(stem))


def _expand(install: _Install, text: str) -> str:
    """The specifiers that a name in [Install] may hold; "" for one that only the running host could tell."""
    prefix, _, instance, suffix = _parts(install.name)
    instance = instance or install.default_instance
    values = {
        "%%": "%",
        "%i": instance,
        "%j": prefix.rpartition("-")[2],
        "%n": install.name,
        "%N": install.name[: -len(suffix)] if suffix else install.name,
        "%p": prefix,
    }
    unknown = [one for one in re.findall(r"%.?", text) if one not in values]
    return "" if unknown else re.sub(r"%.", lambda match: values[match[0]], text)


def _linked_name(install: _Install) -> tuple[str, bool]:
    """The name of the link in a wants folder; True for a template, which only templates may want."""
    prefix, at, instance, suffix = _parts(install.name)
    if not at or instance:
        return install.name, False
    if install.default_instance:
        return f"{prefix}@{install.default_instance}{suffix}", False
    return install.name, True


def _alias(install: _Install, text: str) -> str:
    """The path of an alias below /etc/systemd/system, "" when systemd refuses it (unit_file_verify_alias)."""
    name = _expand(install, text)
    folder, slash, base = name.rpartition("/")
    if slash:  # the old way of Alias=multi-user.target.wants/NAME
        owner = re.sub(r"\.(?:wants|requires)$", "", folder)
        fits = owner != folder and _valid(owner) and base == install.name and "@." not in base
        return name if fits else ""
    if not _valid(name):
        return ""
    prefix, at, instance, suffix = _parts(name)
    _, own_at, own_instance, own_suffix = _parts(install.name)
    if at and not instance and own_instance:
        instance = own_instance
        name = f"{prefix}@{instance}{suffix}"
    if suffix != own_suffix or suffix not in _MAY_ALIAS or name == install.name:
        return ""
    if at and instance:
        return name if own_at and own_instance in ("", instance) else ""
    if at:
        return name if own_at and not own_instance else ""
    return "" if own_at else name


# -- the target's own ways
def systemd_version(target: Target) -> int:
    """systemd's version, by the name of its private library; 0 when it is not known (before 231)."""
    for pattern in (
        "/usr/lib/systemd/libsystemd-shared-*.so",
        "/lib/systemd/libsystemd-shared-*.so",
        "/usr/lib/*/systemd/libsystemd-shared-*.so",
        "/usr/lib64/systemd/libsystemd-shared-*.so",
    ):
        for path in target.glob(pattern):
            match = re.search(r"-shared-(\d{3})", path)
            if match:
                return int(match.group(1))
    return 0


def _as_written(target: Target, path: str) -> str:
    """The path as this systemd writes it into links: Debian's said /lib until 254, everybody else's /usr/lib."""
    base = re.sub(r"^/(?:usr/)?lib/", "/", path)
    if base == path or not _same(target, f"/lib{base}", f"/usr/lib{base}"):
        return path
    return f"/lib{base}" if _says_lib(target) else f"/usr/lib{base}"


def _says_lib(target: Target) -> bool:
    links = [target.readlink(path) for path in target.glob(f"{ETC}/*.wants/*")[:200]]
    short = sum(1 for link in links if isinstance(link, str) and link.startswith("/lib/"))
    long = sum(1 for link in links if isinstance(link, str) and link.startswith("/usr/lib/"))
    if short != long:
        return short > long
    return target.exists("/etc/debian_version") and systemd_version(target) < 255
