"""systemd's units from the files on disk, by the rules of systemd.unit(5), without asking systemd."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from agent.facts import init_scripts
from agent.facts.service_model import Enablement, Unit
from agent.target import Target
from agent.target.model import Kind
from agent.unknown import Unknown

SUFFIXES = (
    *(".service", ".socket", ".target", ".mount", ".automount", ".timer", ".path", ".swap", ".device"),
    *(".slice", ".scope"),
)
HOPS = 20  # links that one name may go through

# systemd.unit(5), table "Load path when running in system mode", highest precedence first.
_ETC = "/etc/systemd/system"
_RUNTIME_BEFORE = ("/run/systemd/transient", "/run/systemd/generator.early")
_RUNTIME = ("/run/systemd/system", "/run/systemd/system.attached", "/run/systemd/generator")
_VENDOR = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_RUNTIME_LAST = ("/run/systemd/generator.late",)


def search_path(target: Target) -> tuple[str, ...]:
    """The folders in which a unit is looked for. /run is empty when the target boots, and in a chroot it
    may be the rescue system's: it counts only when live."""
    control = (f"{_ETC}.control",)
    if not target.live:
        return (*control, _ETC, f"{_ETC}.attached", *_VENDOR)
    return (
        *control,
        "/run/systemd/system.control",
        *_RUNTIME_BEFORE,
        _ETC,
        f"{_ETC}.attached",
        *_RUNTIME,
        *_VENDOR,
        *_RUNTIME_LAST,
    )


@dataclass(frozen=True)
class Fragment:
    """The unit file in force. ``name`` is the unit's own name, where an alias was asked for."""

    name: str
    path: str
    masked: bool = False


def unit(target: Target, name: str) -> Unit:
    """One unit as it is on disk; live state is added by services.unit."""
    name = full_name(name)
    found = fragment(target, name)
    if found is None:
        return _from_script(target, name)
    if found.masked:
        return Unit(name, found.path, Enablement.MASKED)
    install = _install(target, found.path)
    wanted = wanted_by(target, found.name)
    if wanted:
        state = Enablement.ENABLED if install is not None else Enablement.STATIC
        if any(link.startswith("/run/systemd/generator") for link in wanted) and install is None:
            state = Enablement.GENERATED
        elif any(link.startswith("/etc/") for link in wanted):
            state = Enablement.ENABLED  # somebody enabled it by hand (systemctl add-wants)
    elif install is None:
        state = Enablement.STATIC
        if found.path.startswith("/run/systemd/generator"):
            state = Enablement.GENERATED
    else:
        # a unit that asks for nothing but an alias is enabled by that alias alone (display-manager.service)
        aliases = () if install.wanted else tuple(filter(None, (_alias(target, a) for a in install.aliases)))
        wanted = aliases
        state = Enablement.ENABLED if aliases else Enablement.DISABLED
    return Unit(name, found.path, state, wanted)


def full_name(name: str) -> str:
    return name if name.endswith(SUFFIXES) else f"{name}.service"


def fragment(target: Target, name: str) -> Fragment | None:
    """The file in force for a unit's name: through aliases, from a template, or its mask."""
    seen: list[str] = []
    while len(seen) < HOPS and name not in seen:
        seen.append(name)
        found = _look_up(target, name)
        if found is None:
            return None
        if found.masked or found.name in (name, template(name)):
            return Fragment(name, found.path, found.masked)
        name = found.name
    return None


def template(name: str) -> str:
    """ "getty@tty1.service" -> "getty@.service"; "" when it is no instance."""
    stem, dot, suffix = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    return f"{prefix}@{dot}{suffix}" if at and instance else ""


def _look_up(target: Target, name: str) -> Fragment | None:
    for wanted in filter(None, (name, template(name))):
        for folder in search_path(target):
            found = _file(target, f"{folder}/{wanted}", wanted)
            if found is not None:
                return found
    return None


def _file(target: Target, path: str, wanted: str) -> Fragment | None:
    """What stands at a path: a unit, a mask, or a link to another name; None when nothing usable does."""
    first = path
    for _ in range(HOPS):
        stat = target.stat(path, follow=False)
        if path == "/dev/null":
            return Fragment(wanted, first, masked=True)
        if isinstance(stat, Unknown):
            break
        if stat.kind is not Kind.LINK:
            if stat.kind is Kind.CHAR or (stat.kind is Kind.FILE and stat.size == 0):
                return Fragment(wanted, first, masked=True)
            if stat.kind is not Kind.FILE:
                return None
            return Fragment(_named(path, wanted), path)
        to = target.readlink(path)
        if isinstance(to, Unknown):
            return None
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), to))
        path = "/" + path.lstrip("/")
    # The link's end is missing. An alias still counts by its name (the unit may stand in another folder of
    # the path: /lib and /usr/lib are not merged everywhere); a plain link to itself does not.
    name = path.rsplit("/", 1)[1]
    return Fragment(name, path) if name != wanted and name.endswith(SUFFIXES) else None


def _named(path: str, wanted: str) -> str:
    """The name that a link's end gives to the unit: an instance of a template keeps its own."""
    name = path.rsplit("/", 1)[1]
    if not name.endswith(SUFFIXES) or name == template(wanted):
        return wanted
    return name


def wanted_by(target: Target, name: str) -> tuple[str, ...]:
    """Links that start a unit: NAME in any *.wants, *.requires or *.upholds folder.

    Only the link's name counts, not where it leads; a link to /dev/null takes the dependency away, and the
    same link in a folder of lower precedence with it.
    """
    template_name = re.fullmatch(r"([^@]+@)(\.\w+)", name)
    found: dict[tuple[str, str], str] = {}
    for folder in search_path(target):
        listed = target.list(folder)
        if isinstance(listed, Unknown):
            continue
        for group in listed:
            if not group.endswith((".wants", ".requires", ".upholds")) or group.startswith("initrd"):
                continue  # targets that only an initrd reaches are no part of this system's boot
            for link in _links(target, f"{folder}/{group}", name, template_name):
                found.setdefault((group, link), f"{folder}/{group}/{link}")
    real: dict[str, str] = {}
    for path in found.values():
        if target.readlink(path) == "/dev/null":
            continue
        resolved = target.resolve(path.rsplit("/", 1)[0])
        # where /lib is a link to usr/lib, the same folder is met twice
        real.setdefault(f"{resolved}/{path.rsplit('/', 1)[1]}", path)
    return tuple(real.values())


def _links(target: Target, folder: str, name: str, instances: re.Match[str] | None) -> tuple[str, ...]:
    if instances is None:
        return (name,) if target.exists(f"{folder}/{name}", follow=False) else ()
    listed = target.list(folder)
    prefix, suffix = instances.groups()
    return tuple(
        link
        for link in (() if isinstance(listed, Unknown) else listed)
        if link.startswith(prefix) and link.endswith(suffix)
    )


@dataclass(frozen=True)
class _Install:
    wanted: bool  # WantedBy=, RequiredBy= or UpheldBy= names something
    aliases: tuple[str, ...]


def _install(target: Target, path: str) -> _Install | None:
    """The [Install] section; None when there is none."""
    text = target.text(path, 1024 * 1024)
    if isinstance(text, Unknown):
        return None
    section = ""
    wanted = False
    seen = False
    aliases: list[str] = []
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("["):
            section = line
            continue
        key, equals, value = line.partition("=")
        if section != "[Install]" or not equals or line[:1] in "#;":
            continue
        seen = True
        if key.strip() in ("WantedBy", "RequiredBy", "UpheldBy") and value.strip():
            wanted = True
        elif key.strip() == "Alias":
            aliases += value.split()
    return _Install(wanted, tuple(aliases)) if seen else None


def _alias(target: Target, name: str) -> str:
    path = f"{_ETC}/{name}"
    return path if target.exists(path, follow=False) else ""


def _from_script(target: Target, name: str) -> Unit:
    """systemd-sysv-generator(8): an init script without a unit of its name becomes one."""
    stem, _, suffix = name.rpartition(".")
    if suffix != "service" or not _has_sysv_generator(target):
        return Unit(name, "", Enablement.ABSENT)
    path = init_scripts.script(target, stem)
    if not path:
        return Unit(name, "", Enablement.ABSENT)
    links = init_scripts.start_links(target, stem, ("S", "2", "3", "4", "5"))
    return Unit(name, path, Enablement.GENERATED if links else Enablement.DISABLED, links)


def _has_sysv_generator(target: Target) -> bool:
    """systemd 258 dropped it; where the generators can't be seen, it is taken to be there."""
    for folder in ("/usr/lib/systemd/system-generators", "/lib/systemd/system-generators"):
        listed = target.list(folder)
        if not isinstance(listed, Unknown) and listed:
            return "systemd-sysv-generator" in listed
    return True
