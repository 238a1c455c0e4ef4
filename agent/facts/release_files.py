"""The release files from before os-release(5): /etc/redhat-release, lsb-release, debian_version and kin."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.facts.shell_words import assignments
from agent.target import Target
from agent.unknown import Unknown

LIMIT = 64 * 1024


@dataclass(frozen=True)
class Release:
    """What a legacy file says, in os-release's words."""

    id: str
    version: str
    name: str
    like: tuple[str, ...] = ()
    codename: str = ""
    source: str = ""
    base: str = ""


# Words in a product's name -> ID and ID_LIKE. The first that matches counts: a rebuild before its original.
_RHEL_LIKE = ("rhel", "centos", "fedora")
NAMES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"CloudLinux", "cloudlinux", _RHEL_LIKE),
    (r"Scientific Linux", "scientific", _RHEL_LIKE),
    (r"Oracle|Enterprise Linux Enterprise Linux|Unbreakable", "ol", _RHEL_LIKE),
    (r"AlmaLinux", "almalinux", _RHEL_LIKE),
    (r"Rocky Linux", "rocky", _RHEL_LIKE),
    (r"EuroLinux", "eurolinux", _RHEL_LIKE),
    (r"Springdale|PUIAS", "springdale", _RHEL_LIKE),
    (r"Virtuozzo", "virtuozzo", _RHEL_LIKE),
    (r"XenServer|XCP-ng", "xenenterprise", _RHEL_LIKE),
    (r"CentOS", "centos", ("rhel", "fedora")),
    (r"Red Hat Enterprise Linux CoreOS", "rhcos", ("rhel", "fedora")),
    (r"Red Hat", "rhel", ("fedora",)),
    (r"Fedora", "fedora", ()),
    (r"Amazon Linux", "amzn", ("rhel", "fedora")),
    (r"SUSE Linux Enterprise Desktop", "sled", ("suse",)),
    (r"SUSE Linux Enterprise|SLES", "sles", ("suse",)),
    (r"openSUSE.*Tumbleweed", "opensuse-tumbleweed", ("opensuse", "suse")),
    (r"openSUSE|SuSE|SUSE", "opensuse", ("suse",)),
    (r"Mageia", "mageia", ("mandriva", "fedora")),
    (r"Mandriva|Mandrake", "mandriva", ()),
    (r"LMDE", "linuxmint", ("debian",)),
    (r"Linux ?Mint", "linuxmint", ("ubuntu", "debian")),
    (r"Raspbian", "raspbian", ("debian",)),
    (r"Devuan", "devuan", ("debian",)),
    (r"Kali", "kali", ("debian",)),
    (r"Ubuntu", "ubuntu", ("debian",)),
    (r"Debian", "debian", ()),
    (r"Alpine", "alpine", ()),
    (r"Gentoo", "gentoo", ()),
    (r"Slackware", "slackware", ()),
    (r"Flatcar", "flatcar", ("coreos",)),
    (r"CoreOS", "coreos", ()),
    (r"Arch Linux|^Arch$", "arch", ()),
    (r"Manjaro", "manjaro", ("arch",)),
    (r"Void", "void", ()),
    (r"NixOS", "nixos", ()),
    (r"Photon", "photon", ()),
)

# Files whose first line names the product, most telling first: Oracle and others also ship a redhat-release
# that speaks of Red Hat, so their own file comes before it, and system-release is a link to any of them.
LINES = (
    "/etc/oracle-release",
    "/etc/enterprise-release",
    "/etc/ovs-release",
    "/etc/cloudlinux-release",
    "/etc/almalinux-release",
    "/etc/rocky-release",
    "/etc/eurolinux-release",
    "/etc/sl-release",
    "/etc/centos-release",
    "/etc/fedora-release",
    "/etc/mageia-release",
    "/etc/mandriva-release",
    "/etc/redhat-release",
    "/etc/system-release",
    "/etc/photon-release",
    "/etc/gentoo-release",
    "/etc/slackware-version",
)

# Mint's release -> codename of the Ubuntu it is built on (later ones say it in UBUNTU_CODENAME).
_MINT_BASE = {
    "13": "precise",
    "14": "quantal",
    "15": "raring",
    "16": "saucy",
    "17": "trusty",
    "18": "xenial",
    "19": "bionic",
    "20": "focal",
    "21": "jammy",
    "22": "noble",
}
_LMDE_BASE = {"2": "jessie", "3": "stretch", "4": "buster", "5": "bullseye", "6": "bookworm", "7": "trixie"}


def read(target: Target) -> Release | None:
    """The first legacy file that names a distribution; None when none does."""
    for reader in (_lsb, _lines, _suse, _alpine, _debian, _marked, _any_release):
        found = reader(target)
        if found is not None:
            return found
    return None


def id_of_name(name: str) -> str:
    """The ID for a product's name, "" when it is not a known one."""
    known = _known(name)
    return known[0] if known else ""


def _known(name: str) -> tuple[str, tuple[str, ...]] | None:
    """ID and families of a product's name."""
    for pattern, identity, like in NAMES:
        if re.search(pattern, name):
            return identity, like
    return None


def mint(target: Target, base: str, base_version: str) -> Release | None:
    """Mint or LMDE whose os-release is that of ``base``; None when this is no Mint."""
    found = _lsb(target)
    if found is None or found.id != "linuxmint":
        text = target.text("/etc/linuxmint/info", LIMIT)
        if isinstance(text, Unknown):
            return None
        fields = assignments(text)
        description = _line(fields.get("DESCRIPTION", "")) or "Linux Mint"
        found = Release("linuxmint", _line(fields.get("RELEASE", "")), description, source="/etc/linuxmint/info")
    lmde = base == "debian"
    return Release(
        "linuxmint",
        found.version,
        found.name,
        ("debian",) if lmde else ("ubuntu", "debian"),
        found.codename,
        found.source,
        (_LMDE_BASE if lmde else _MINT_BASE).get(found.version.split(".")[0], ""),
    )


def rebuild(target: Target, name: str) -> str | None:
    """The ID of a rebuild that kept ID=rhel: told by its name or by its own release file."""
    for text in (name, _text(target, "/etc/oracle-release"), _text(target, "/etc/sl-release")):
        identity = id_of_name(text)
        if identity and identity not in ("rhel", "rhcos", "fedora"):
            return identity
    return None


def debian_version(text: str) -> tuple[str, str]:
    """/etc/debian_version as (version, codename): ("6.0.10", ""), ("", "trixie") for testing and sid."""
    line = _line(text.split("\n")[0]) if text else ""
    if re.fullmatch(r"\d+(\.\d+)*", line):
        return line, ""
    match = re.fullmatch(r"([a-z]+)(?:/sid)?", line)
    return "", match.group(1) if match else ""


def _lsb(target: Target) -> Release | None:
    text = target.text("/etc/lsb-release", LIMIT)
    if isinstance(text, Unknown):
        return None
    fields = assignments(text)
    identity = _line(fields.get("DISTRIB_ID", ""))
    if not identity:
        return None  # RHEL's holds only LSB_VERSION
    description = _line(fields.get("DISTRIB_DESCRIPTION", "")) or identity
    known, like = _known(f"{identity} {description}" if identity == "LinuxMint" else identity) or (
        re.sub(r"[^a-z0-9._-]", "", identity.lower()),
        (),
    )
    version = _line(fields.get("DISTRIB_RELEASE", ""))
    if version in ("rolling", "n/a", "testing", "unstable"):
        version = ""
    codename = _line(fields.get("DISTRIB_CODENAME", ""))
    base = ""
    if known == "linuxmint":
        base = (_LMDE_BASE if like == ("debian",) else _MINT_BASE).get(version.split(".")[0], "")
    return Release(known, version, description, like, codename, "/etc/lsb-release", base)


def _lines(target: Target) -> Release | None:
    for path in LINES:
        found = parse_line(_text(target, path), path)
        if found is not None:
            return found
    return None


def parse_line(text: str, source: str) -> Release | None:
    """ "CentOS release 6.10 (Final)", "Slackware 14.2", "Gentoo Base System release 2.14"."""
    line = _line(text)
    if not line:
        return None
    match = re.match(
        r"(?P<name>.*?)(?:\s+(?:release|version))?\s+v?(?P<version>\d[\w.]*\+?)(?:\s+\((?P<codename>[^)]*)\))?",
        line,
    )
    name = match.group("name") if match else line
    known = _known(name)
    if known is None:
        return None
    identity, like = known
    version = match.group("version").rstrip("+") if match else ""
    if identity == "slackware":
        version = ".".join(version.split(".")[:2])  # "Slackware 13.0.0.0.0"
    codename = match.group("codename") or "" if match else ""
    if line.rstrip().endswith("+") or codename.lower() == "rawhide":
        codename = codename or "current"
    return Release(identity, version, line, like, codename, source)


def _suse(target: Target) -> Release | None:
    """SuSE-release: the product, then VERSION = 11 and PATCHLEVEL = 4."""
    text = _text(target, "/etc/SuSE-release", whole=True)
    found = parse_line(text.split("\n")[0], "/etc/SuSE-release")
    if found is None:
        return None
    fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|CODENAME)\s*=\s*(\S.*?)\s*$", text, re.MULTILINE))
    version = fields.get("VERSION", found.version)
    if fields.get("PATCHLEVEL", "0") != "0" and "." not in version:
        version += "." + fields["PATCHLEVEL"]
    codename = fields.get("CODENAME", "")
    return Release(found.id, version, found.name, found.like, codename, found.source)


def _alpine(target: Target) -> Release | None:
    version = _line(_text(target, "/etc/alpine-release"))
    return Release("alpine", version, f"Alpine Linux {version}", (), "", "/etc/alpine-release") if version else None


def _debian(target: Target) -> Release | None:
    text = _text(target, "/etc/debian_version")
    version, codename = debian_version(text)
    if not version and not codename:
        return None
    return Release("debian", version, f"Debian GNU/Linux {_line(text)}", (), codename, "/etc/debian_version")


def _marked(target: Target) -> Release | None:
    """Distributions whose release file is empty, or says nothing but that it is there."""
    for path, identity, name in (
        ("/etc/arch-release", "arch", "Arch Linux"),
        ("/etc/gentoo-release", "gentoo", "Gentoo"),
        ("/etc/finnix", "finnix", "Finnix"),
        ("/usr/lib/finnix", "finnix", "Finnix"),
        ("/usr/bin/xbps-install", "void", "Void Linux"),
    ):
        if target.exists(path):
            return Release(identity, "", name, source=path)
    return None


def _any_release(target: Target) -> Release | None:
    """A release file of a product that is not known here: its name becomes the ID."""
    for path in (*target.glob("/etc/*-release"), *target.glob("/etc/*_version")):
        stem = re.sub(r"[-_](release|version)$", "", path.rsplit("/", 1)[1])
        line = _line(_text(target, path))
        if stem in ("os", "lsb", "system", "debian") or not line or "=" in line:
            continue
        version = re.search(r"\d[\w.]*", line)
        return Release(stem.lower(), version.group(0) if version else "", line, (), "", path)
    return None


def _text(target: Target, path: str, whole: bool = False) -> str:
    text = target.text(path, LIMIT)
    if isinstance(text, Unknown):
        return ""
    return text if whole else text.strip().split("\n")[0]


def _line(text: str) -> str:
    """One short line without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:200]
