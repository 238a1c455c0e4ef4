"""firewalld's configuration as a whole: its defaults, and over them what the administrator wrote."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from agent.firewall.model import Problem
from agent.firewall.saved import firewalld_read as read
from agent.firewall.saved.firewalld_objects import Helper, Ipset, Policy, Service, Zone, combined
from agent.firewall.saved.firewalld_xml import SIZE_LIMIT, Element, Refused, parse
from agent.target import Target
from agent.unknown import Unknown

T = TypeVar("T")

PACKAGED = "/usr/lib/firewalld"
WRITTEN = "/etc/firewalld"
_FILE_LIMIT = 5000
_VERSIONS = (
    "/usr/lib/python3*/dist-packages/firewall/config/__init__.py",
    "/usr/lib/python3*/site-packages/firewall/config/__init__.py",
)
_VERSION = re.compile(r"^VERSION\s*=\s*['\"](\d{1,4})\.(\d{1,4})", re.MULTILINE)


@dataclass
class Config:
    """``version`` is of the program: rule-sets of 1.x and 2.x are laid out differently."""

    version: tuple[int, int]
    options: Mapping[str, str]
    zones: dict[str, Zone] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    ipsets: dict[str, Ipset] = field(default_factory=dict)
    helpers: dict[str, Helper] = field(default_factory=dict)
    icmp_types: dict[str, tuple[str, ...]] = field(default_factory=dict)
    default_zone: str = "public"
    problems: list[Problem] = field(default_factory=list)

    def option(self, name: str, default: str) -> str:
        """A value of firewalld.conf; case doesn't matter in those that we ask for."""
        return (self.options.get(name) or default).lower()

    def service(self, name: str) -> Service:
        return _known(self.services, name, "service")

    def ipset(self, name: str) -> Ipset:
        return _known(self.ipsets, name, "ipset")

    def zone(self, name: str) -> Zone:
        return _known(self.zones, name, "zone")


def load(target: Target) -> Config:
    """Raises Refused where firewalld would not take the configuration, or where we can't read all of it."""
    config = Config(_version(target), _options(target))
    for path, root in _files(target, "ipsets"):
        config.ipsets[_name(path)] = _read(path, partial(read.ipset, root))
    for path, root in _files(target, "icmptypes"):
        config.icmp_types[_name(path)] = _read(path, partial(read.icmp_type, root))
    for path, root in _files(target, "helpers"):
        config.helpers[_name(path)] = _read(path, partial(read.helper, _name(path), root))
    for path, root in _files(target, "services"):
        config.services[_name(path)] = _read(path, partial(read.service, root))
    for path, root in _files(target, "zones"):
        config.zones[_name(path)] = _zone(config, path, root)
    for directory in _directories(target):
        parts = [_zone(config, path, root) for path, root in _files_in(target, f"{WRITTEN}/zones/{directory}")]
        if parts:
            config.zones[directory] = combined(directory, parts)
    for path, root in _files(target, "policies"):
        config.policies[_name(path)] = _read(path, partial(read.policy, _name(path), root, _note(config, path)))
    _choose_default(config)
    return config


def _zone(config: Config, path: str, root: Element) -> Zone:
    found = _read(path, partial(read.zone, _name(path), root, _note(config, path)))
    if config.version < (2, 0) and ("ingress-priority" in root.attributes or "egress-priority" in root.attributes):
        raise Refused(f"{path}: priorities of zones came with firewalld 2")
    return found


def _choose_default(config: Config) -> None:
    for name in ("block", "drop", "trusted"):
        config.zone(name)
    wanted = config.options.get("DefaultZone") or "public"
    config.default_zone = wanted
    if wanted not in config.zones:
        config.default_zone = next((name for name in ("public", "external") if name in config.zones), "block")
        why = f"no such zone: firewalld uses {config.default_zone} instead"
        config.problems.append(Problem(0, f"DefaultZone={wanted}", why))


def _known(things: Mapping[str, T], name: str, kind: str) -> T:
    if name not in things:
        raise Refused(f"no {kind} {name}")
    return things[name]


def _note(config: Config, path: str) -> Callable[[int, str], None]:
    """firewalld 1 leaves out a rule that makes no sense; firewalld 2 gives up."""

    def warn(line: int, why: str) -> None:
        if config.version >= (2, 0):
            raise Refused(f"line {line}: {why.replace('ignores', 'refuses')}")
        config.problems.append(Problem(line, path, why))

    return warn


def _read(path: str, reader: Callable[[], T]) -> T:
    try:
        return reader()
    except Refused as error:
        raise Refused(f"{path}: {error}") from None


def _name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".xml")


def _files(target: Target, kind: str) -> Iterator[tuple[str, Element]]:
    """The packaged files first: those of the same name in /etc stand in their place. All are parsed, for firewalld
    gives up on a broken file even where another one replaces it."""
    yield from _files_in(target, f"{PACKAGED}/{kind}")
    yield from _files_in(target, f"{WRITTEN}/{kind}")


def _files_in(target: Target, directory: str) -> Iterator[tuple[str, Element]]:
    names = target.list(directory)
    if isinstance(names, Unknown):
        if names.absent:
            return
        raise Refused(names.reason)
    files = [name for name in names if name.endswith(".xml")]
    if not all(name.isprintable() and " " not in name for name in files):
        raise Refused(f"{directory}: a file's name with a blank or a control character")
    if len(files) > _FILE_LIMIT:
        raise Refused(f"{directory}: more than {_FILE_LIMIT} files")
    for name in files:
        path = f"{directory}/{name}"
        data = target.read(path, SIZE_LIMIT)
        if isinstance(data, Unknown):
            raise Refused(data.reason)
        yield path, _read(path, partial(parse, data))


def _directories(target: Target) -> list[str]:
    """Directories in zones/: the files of each are one zone."""
    names = target.list(f"{WRITTEN}/zones")
    if isinstance(names, Unknown):
        return []
    return [
        name
        for name in names
        if name.isprintable() and not name.endswith(".xml") and target.is_dir(f"{WRITTEN}/zones/{name}")
    ]


def _options(target: Target) -> dict[str, str]:
    """firewalld.conf; without it firewalld has defaults of its own."""
    text = target.text(f"{WRITTEN}/firewalld.conf")
    if isinstance(text, Unknown):
        if text.absent:
            return {}
        raise Refused(text.reason)
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, equals, value = line.strip().partition("=")
        if equals and name and name[0] not in "#;":
            found.setdefault(name.strip(), value.strip())
    return found


def _version(target: Target) -> tuple[int, int]:
    for pattern in _VERSIONS:
        for path in target.glob(pattern):
            text = target.text(path)
            match = None if isinstance(text, Unknown) else _VERSION.search(text)
            if match:
                return int(match[1]), int(match[2])
    raise Refused("the version of firewalld is not known, and each lays its rules out differently")
