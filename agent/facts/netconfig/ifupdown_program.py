"""Which program reads /etc/network/interfaces on this target, and which version of it."""

from __future__ import annotations

import re

from agent.facts.netconfig.ifupdown_syntax import Dialect
from agent.target import Target
from agent.unknown import Unknown

_STATUS_LIMIT = 32 * 1024 * 1024  # bytes of dpkg's database
_OLD_RELEASES = ("squeeze", "lenny", "etch", "sarge", "woody")


def dialect(target: Target) -> Dialect:
    """The program behind ``ifup``: by where its link leads, by what its package brings, by the release."""
    program = target.find_program("ifup")
    if isinstance(program, str):
        real = target.resolve(program)
        place = real if isinstance(real, str) else program
        if "busybox" in place:
            return Dialect.BUSYBOX
        if "ifupdown2" in place:
            return Dialect.TWO
        if place.endswith("/ifupdown"):
            return Dialect.NG
    elif target.exists("/usr/share/ifupdown2/ifupdown2") or target.exists("/etc/network/ifupdown2"):
        return Dialect.TWO
    if target.is_dir("/usr/libexec/ifupdown-ng") or target.exists("/etc/network/ifupdown-ng.conf"):
        return Dialect.NG
    if isinstance(program, Unknown) and target.exists("/etc/alpine-release"):
        return Dialect.BUSYBOX
    found = version(target)
    if found:
        return Dialect.OLD if found < (0, 7) else Dialect.CLASSIC
    release = target.text("/etc/debian_version", 4096)
    if isinstance(release, str):
        number = re.match(r"(\d{1,3})\b", release)
        if (number and int(number.group(1)) <= 6) or release.strip().startswith(_OLD_RELEASES):
            return Dialect.OLD
    return Dialect.CLASSIC


def version(target: Target) -> tuple[int, ...]:
    """ifupdown's version from dpkg's database: (0, 8, 41); () when it is not known."""
    status = target.read("/var/lib/dpkg/status", _STATUS_LIMIT)
    if isinstance(status, Unknown):
        return ()
    start = (b"\n" + status).find(b"\nPackage: ifupdown\n")
    if start < 0:
        return ()
    end = status.find(b"\n\n", start)
    fields = status[start : end if end > 0 else None]
    found = re.search(rb"^Version: (?:\d+:)?(\d{1,4}(?:\.\d{1,4})*)", fields, re.MULTILINE)
    return tuple(int(part) for part in found.group(1).split(b".")) if found else ()
