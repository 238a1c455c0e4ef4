"""Kernel parameters of the network: what the disk sets at boot (sysctl.d(5)), and what holds now.

``procps`` (sysctl --system, used by SysV hosts) and systemd-sysctl read the same places; where they
differ (procps reads /etc/sysctl.conf last, systemd only through a link 99-sysctl.conf) the file is read
last here, as it is on nearly every distribution.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agent.facts.netconfig.confdirs import collect
from agent.facts.netconfig.model import Origin
from agent.facts.netconfig.text import glob
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

_LIMIT = 128 * 1024
_KEY = re.compile(r"[A-Za-z0-9_.*?\[\]:/@+-]{1,256}")


@dataclass(frozen=True)
class Assignment:
    """One ``key = value``. ``optional``: written with a leading -, errors are passed over."""

    key: str  # in the form with slashes: net/ipv6/conf/eth0/accept_ra, may hold a glob
    value: str
    origin: Origin
    optional: bool = False


def read(target: Target) -> Mapping[str, Assignment]:
    """What the disk sets, by key in the form with slashes; the last assignment of a key holds.

    A key may be a glob (``net/ipv6/conf/*/accept_ra``); use ``configured`` to ask for one parameter.
    """
    return {each.key: each for each in assignments(target)}


def assignments(target: Target) -> tuple[Assignment, ...]:
    """All assignments in the order in which they are applied."""
    run = ("/run/sysctl.d",) if target.live else ()
    folders = ("/etc/sysctl.d", *run, "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
    files, _ = collect(target, folders, ".conf")
    paths = [file.path for file in files if not file.masked]
    real = {target.resolve(path) for path in paths}
    if target.resolve("/etc/sysctl.conf") not in real:
        paths.append("/etc/sysctl.conf")
    found: list[Assignment] = []
    for path in paths:
        text = target.text(path, limit=_LIMIT)
        if isinstance(text, str):
            found += _parse(path, text)
    return tuple(found)


def _parse(path: str, text: str) -> list[Assignment]:
    found: list[Assignment] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        optional = line.startswith("-")
        key, equals, value = line[1 if optional else 0 :].partition("=")
        name = slashes(key.strip())
        if equals and _KEY.fullmatch(name):
            found.append(Assignment(name, value.strip(), Origin(path, number), optional))
    return found


def slashes(key: str) -> str:
    """A key in the form of /proc/sys: the first separator decides which of . and / parts the words.

    ``net.ipv4.conf.eth0/100.forwarding`` and ``net/ipv4/conf/eth0.100/forwarding`` are the same.
    """
    dot, slash = key.find("."), key.find("/")
    if dot < 0 or (0 <= slash < dot):
        return key
    return key.translate({ord("."): "/", ord("/"): "."})


def configured(target: Target, key: str) -> Assignment | None:
    """What the disk sets for one parameter; None when nothing does.

    An exact name wins over a glob wherever it stands (sysctl.d(5)); among equals the last one holds.
    ``net.ipv6.conf.all`` and ``default`` are parameters of their own: see ``effective``.
    """
    name = slashes(key)
    exact: Assignment | None = None
    globbed: Assignment | None = None
    for each in assignments(target):
        if each.key == name:
            exact = each
        elif any(char in each.key for char in "*?[") and _glob(each.key, name):
            globbed = each
    return exact or globbed


def _glob(pattern: str, name: str) -> bool:
    """A glob whose * does not cross a slash (glob(3) over /proc/sys)."""
    ours, theirs = pattern.split("/"), name.split("/")
    return len(ours) == len(theirs) and all(glob(a, b) for a, b in zip(ours, theirs))


def effective(target: Target, interface: str, name: str, family: int = 6) -> Assignment | None:
    """What the disk makes of one interface's parameter (accept_ra, disable_ipv6, forwarding, autoconf).

    The interface's own setting, else ``default`` (taken over when the interface appears), and for the
    switches that ``all`` writes through to every interface (disable_ipv6, forwarding) also that.
    """
    base = f"net/ipv{family}/conf"
    own = configured(target, f"{base}/{interface}/{name}")
    if own is not None:
        return own
    through = configured(target, f"{base}/all/{name}") if name in ("disable_ipv6", "forwarding") else None
    return through or configured(target, f"{base}/default/{name}")


def value(target: Target, key: str) -> Maybe[str]:
    """The value that holds now, from /proc/sys; Unknown(NOT_LIVE) on a disk at rest."""
    if not target.live:
        return Unknown(f"{key}: only the running kernel knows", Why.NOT_LIVE)
    name = slashes(key)
    if ".." in name.split("/") or not _KEY.fullmatch(name):
        return Unknown(f"{key}: not the name of a parameter", Why.UNREADABLE)
    text = target.text(f"/proc/sys/{name}", limit=65536)
    return text if isinstance(text, Unknown) else text.strip()


def live(target: Target, interface: str, name: str, family: int = 6) -> Maybe[str]:
    """One interface's parameter as it holds now (names with dots, eth0.100, are handled)."""
    return value(target, f"net/ipv{family}/conf/{interface}/{name}")
