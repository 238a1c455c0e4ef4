"""Traces of an upgrade of the whole system: what apt is told to install from, and what a run that has not ended leaves.

Debian and Ubuntu: sources.list(5) in both its formats, against the release that is installed. Red Hat's family:
dnf's offline upgrades (a state file, and the link /system-update that systemd.offline-updates(7) boots by), yum's
lists of a transaction that it removes at its end. Arch: pacman's lock.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from agent.facts import packages
from agent.facts.distro import Distro
from agent.target import Target
from agent.unknown import Maybe, Unknown

SOURCES = "/etc/apt/sources.list"
LIMIT = 1024 * 1024  # bytes
OFFLINE_LINKS = ("/system-update", "/etc/system-update")
PACMAN_LOCK = "/var/lib/pacman/db.lck"
_DNF = ("/var/lib/dnf/system-upgrade.json", "/var/lib/dnf/system-upgrade/system-upgrade-state.json")
_DNF5 = "/usr/lib/sysimage/libdnf5/offline/offline-transaction-state.toml"

# Releases in their order, with the libc that each came with: the package that everything hangs on.
DEBIAN = {
    "wheezy": "2.13",
    "jessie": "2.19",
    "stretch": "2.24",
    "buster": "2.28",
    "bullseye": "2.31",
    "bookworm": "2.36",
    "trixie": "2.41",
    "forky": "",
    "duke": "",
}
UBUNTU = {
    "precise": "2.15",
    "trusty": "2.19",
    "xenial": "2.23",
    "bionic": "2.27",
    "focal": "2.31",
    "groovy": "2.32",
    "hirsute": "2.33",
    "impish": "2.34",
    "jammy": "2.35",
    "kinetic": "2.36",
    "lunar": "2.37",
    "mantic": "2.38",
    "noble": "2.39",
    "oracular": "2.40",
    "plucky": "2.41",
    "questing": "2.42",
}
_ARCHIVE = re.compile(
    r"[a-z+]+://(?!ppa\.)[^/\s]+/(?:pub/|mirrors?/|linux/)?(?:debian|debian-security|ubuntu|ubuntu-ports)/?"
)


@dataclass(frozen=True)
class Source:
    """One line of apt's sources for the distribution's own archive. ``codename`` is its release: bookworm of
    bookworm-updates; backports, which anybody may add, are none."""

    path: str
    line: int
    text: str
    codename: str


@dataclass(frozen=True)
class Trace:
    """Something that an upgrade leaves until it has ended. ``begun``: packages were being exchanged."""

    path: str
    text: str
    why: str
    begun: bool


def releases(distro: Distro) -> dict[str, str]:
    """The releases of a distribution in their order; none for others than Debian and Ubuntu themselves."""
    return {"debian": DEBIAN, "ubuntu": UBUNTU}.get(distro.id, {})


def sources(target: Target, distro: Distro) -> tuple[Source, ...]:
    """What apt takes the distribution itself from."""
    found: list[Source] = []
    known = releases(distro)
    for path in (SOURCES, *target.glob("/etc/apt/sources.list.d/*.list")):
        text = target.text(path, LIMIT)
        for number, line in enumerate(text.split("\n") if isinstance(text, str) else (), start=1):
            match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+([^#]*)", line)
            if match and _ARCHIVE.fullmatch(match[1]) and "main" in match[3].split():
                found += _source(path, number, line, match[2], known)
    for path in target.glob("/etc/apt/sources.list.d/*.sources"):
        text = target.text(path, LIMIT)
        found += _stanzas(path, text, known) if isinstance(text, str) else []
    return tuple(found)


def _stanzas(path: str, text: str, known: dict[str, str]) -> list[Source]:
    found: list[Source] = []
    fields: dict[str, tuple[int, str]] = {}
    name = ""
    for number, line in enumerate((*text.split("\n"), ""), start=1):
        if line.startswith("#"):
            continue
        if not line.strip():
            found += _stanza(path, fields, known)
            fields, name = {}, ""
        elif line[0] in " \t" and name:
            fields[name] = (fields[name][0], f"{fields[name][1]} {line.strip()}")
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = (number, value.strip())
    return found


def _stanza(path: str, fields: dict[str, tuple[int, str]], known: dict[str, str]) -> list[Source]:
    def words(name: str) -> list[str]:
        return fields.get(name, (0, ""))[1].split()

    if "deb" not in words("types") or words("enabled")[:1] in (["no"], ["false"]) or "main" not in words("components"):
        return []
    if not any(_ARCHIVE.fullmatch(uri) for uri in words("uris")):
        return []
    line, suites = fields.get("suites", (0, ""))
    return [one for suite in suites.split() for one in _source(path, line, f"Suites: {suites}", suite, known)]


def _source(path: str, line: int, text: str, suite: str, known: dict[str, str]) -> list[Source]:
    name = re.sub(r"(?:-updates|-security|/updates|-proposed-updates|-proposed)$", "", suite.strip("/"))
    return [Source(path, line, text.strip()[:200], name)] if name in known else []


def libc(target: Target) -> Maybe[str]:
    """The version of libc6 that dpkg has, as far as a release tells: "2.36"."""
    stream = target.open(packages.STATUS)
    if isinstance(stream, Unknown):
        return stream
    own = False
    try:
        with stream:
            for count, line in enumerate(stream):
                if line.startswith(b"Package:"):
                    own = line.split(b":", 1)[1].strip() == b"libc6"
                elif own and line.startswith(b"Version:"):
                    found = re.match(rb"\s*(\d+\.\d+)", line.split(b":", 1)[1])
                    return found[1].decode() if found else ""
                if count > 5_000_000:
                    break
    except OSError as error:
        return Unknown(f"{packages.STATUS}: {error.strerror or error}")
    return ""


def traces(target: Target) -> tuple[Trace, ...]:
    """What dnf, yum and pacman leave behind, those of runs that had begun first."""
    found = [*_dnf(target), *_dnf5(target), *_yum(target), *_links(target)]
    if target.exists(PACMAN_LOCK, follow=False):
        found.append(Trace(PACMAN_LOCK, "is there", "pacman's lock was left behind: it refuses to work", False))
    return tuple(sorted(found, key=lambda trace: not trace.begun))


def _dnf(target: Target) -> list[Trace]:
    """The plugin system-upgrade of dnf 4: "incomplete" from when it begins until it has ended."""
    for path in _DNF:
        text = target.text(path, LIMIT)
        if isinstance(text, Unknown):
            continue
        try:
            state = json.loads(text)
        except ValueError:
            continue
        status = state.get("upgrade_status") if isinstance(state, dict) else None
        to = str(state.get("target_releasever") or "") if isinstance(state, dict) else ""
        release = f" to {to[:40]}" if to else ""
        shown = f"upgrade_status {status}"
        if status == "incomplete":
            return [Trace(path, shown, f"dnf's system upgrade{release} began and did not come to its end", True)]
        if status == "ready" and any(target.exists(link, follow=False) for link in OFFLINE_LINKS):
            return [Trace(path, shown, f"dnf's system upgrade{release} is to be done at the next boot", False)]
    return []


def _dnf5(target: Target) -> list[Trace]:
    text = target.text(_DNF5, LIMIT)
    found = (
        re.search(r"^\s*status\s*=\s*[\"']([\w-]{1,40})[\"']", text, re.MULTILINE) if isinstance(text, str) else None
    )
    if found and found[1] == "transaction-incomplete":
        return [Trace(_DNF5, f"status {found[1]}", "dnf's offline upgrade began and did not come to its end", True)]
    return []


def _yum(target: Target) -> list[Trace]:
    """yum 3 removes both lists when a transaction has ended (yum-complete-transaction(8))."""
    for path in target.glob("/var/lib/yum/transaction-all.*"):
        if path.endswith(".disabled"):
            continue
        done = path.replace("transaction-all.", "transaction-done.")
        everything, finished = target.lines(path), target.lines(done)
        if isinstance(everything, Unknown) or not any(everything):
            continue
        count = 0 if isinstance(finished, Unknown) else len([line for line in finished if line.strip()])
        steps = len([line for line in everything if line.strip()])
        if count < steps:
            return [
                Trace(path, f"{count} of {steps} steps done", "yum's last transaction did not come to its end", True)
            ]
    return []


def _links(target: Target) -> list[Trace]:
    for path in OFFLINE_LINKS:
        to = target.readlink(path)
        if not isinstance(to, Unknown):
            return [
                Trace(path, f"-> {to[:200]}", f"{path} lies there: the next boot updates packages, nothing else", False)
            ]
    return []
