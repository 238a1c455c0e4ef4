"""Which distribution the target runs.

The library ``distro`` reads paths itself: its root_dir follows absolute links out of the root, and giving
it copies would mean writing temporary files on a host that may be full, read-only, or the target. So the
target's door reads os-release(5) and the legacy files, and the parsing is done here; the tests compare the
result with the library's for every tree where the library's own answer is right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.facts import release_files
from agent.facts.shell_words import assignments
from agent.target import Target
from agent.unknown import Unknown

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")  # os-release(5): the first that is there counts
LIMIT = 64 * 1024  # bytes; release files are a few lines


@dataclass(frozen=True)
class Distro:
    """``id`` is os-release's ID (or the legacy release file's, in the same words), "" when unknown.
    ``version`` is VERSION_ID ("" for rolling and sid), ``name`` for people. ``like`` are the families
    (ID_LIKE). ``source`` is the file that told. ``variant`` is VARIANT_ID (Fedora's coreos, server ...),
    ``base`` the codename of the distribution that this one is built on (Mint: jammy, LMDE: bookworm)."""

    id: str
    version: str
    name: str
    like: tuple[str, ...] = ()
    codename: str = ""
    source: str = ""
    variant: str = ""
    base: str = ""

    @property
    def known(self) -> bool:
        return bool(self.id)

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, () when it has none: (18, 4) for Ubuntu 18.04."""
        numbers = []
        for part in self.version.split("."):
            if not (part.isascii() and part.isdecimal() and len(part) < 12):
                break
            numbers.append(int(part))
        return tuple(numbers)

    def is_a(self, *families: str) -> bool:
        """True when the id or one of the families is among ``families``."""
        return any(name in families for name in (self.id, *self.like))


def read(target: Target) -> Distro:
    """os-release first, corrected where it is known to say less than the legacy files beside it."""
    for path in OS_RELEASE:
        text = target.text(path, LIMIT)
        if isinstance(text, Unknown):
            continue
        found = parse_os_release(text, path)
        if found.known:
            return _corrected(target, found)
    legacy = release_files.read(target)
    if legacy is None:
        return Distro("", "", "")
    return Distro(legacy.id, legacy.version, legacy.name, legacy.like, legacy.codename, legacy.source, base=legacy.base)


def parse_os_release(text: str, source: str = "") -> Distro:
    """The fields of os-release(5) as a Distro; an unknown one when it names nothing."""
    fields = assignments(text)
    name = _clean(fields.get("NAME", ""))
    pretty = _clean(fields.get("PRETTY_NAME", "")) or " ".join(filter(None, (name, fields.get("VERSION", ""))))
    identity = _word(fields.get("ID", "")) or release_files.id_of_name(name)
    return Distro(
        id=identity,
        version=_version(fields.get("VERSION_ID", "")),
        name=pretty or identity,
        like=tuple(filter(None, map(_word, fields.get("ID_LIKE", "").split()))),
        codename=_codename(fields),
        source=source,
        variant=_word(fields.get("VARIANT_ID", "")),
        base=_clean(fields.get("UBUNTU_CODENAME", "") or fields.get("DEBIAN_CODENAME", "")).lower(),
    )


def _corrected(target: Target, found: Distro) -> Distro:
    """Known places where os-release alone would mislead."""
    if found.id in ("ubuntu", "debian"):
        # Mint up to 17 and LMDE up to 2 kept the os-release of what they are built on
        mint = release_files.mint(target, found.id, found.version)
        if mint is not None:
            return replace(
                found,
                id=mint.id,
                version=mint.version,
                name=mint.name,
                like=mint.like,
                base=found.codename or mint.base,
                codename=mint.codename,
                source=mint.source,
            )
    if found.id == "debian" and not found.version:
        return _testing(target, found)
    if found.id == "rhel":
        # Scientific Linux 7 began with ID="rhel": a rebuild with Red Hat's os-release tells by its own file
        own = release_files.rebuild(target, found.name)
        if own is not None:
            return replace(found, id=own, like=("rhel", "centos", "fedora"))
    return found


def _testing(target: Target, found: Distro) -> Distro:
    """Debian testing and sid have no VERSION_ID; /etc/debian_version says "trixie/sid", or 13.1 after all."""
    text = target.text("/etc/debian_version", LIMIT)
    if isinstance(text, Unknown):
        return found
    version, codename = release_files.debian_version(text)
    major = version.split(".")[0]
    return replace(found, version=major, codename=found.codename or codename)


def _codename(fields: dict[str, str]) -> str:
    for key in ("VERSION_CODENAME", "UBUNTU_CODENAME", "DEBIAN_CODENAME"):
        if fields.get(key):
            return _clean(fields[key])
    # "7 (wheezy)", "12.04.5 LTS, Precise Pangolin"
    match = re.search(r"\(([^\d()][^()]*)\)|,\s*(\D+)$", fields.get("VERSION", ""))
    if match:
        return _clean(match.group(1) or match.group(2))
    pretty = re.search(r"\b([a-z]+)/sid\b", fields.get("PRETTY_NAME", ""))
    return pretty.group(1) if pretty else ""


def _version(text: str) -> str:
    """A VERSION_ID, unless it is a placeholder that an image build forgot to fill (TEMPLATE_VERSION_ID)."""
    text = _clean(text)
    if "VERSION_ID" in text or text.lower() in ("rolling", "n/a", "unknown", "sid", "testing"):
        return ""
    return text.split()[0] if text else ""


def _word(text: str) -> str:
    """An identifier: os-release(5) allows a-z, 0-9, and . _ -; some vendors write capitals."""
    return re.sub(r"[^a-z0-9._-]+", "", text.strip().lower())[:64]


def _clean(text: str) -> str:
    """One short line without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:200]
