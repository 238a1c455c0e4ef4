"""The package manager and dpkg's database."""

from __future__ import annotations

import io

import pytest

from agent.facts import packages
from agent.facts.distro import Distro
from agent.target.model import Mode
from agent.unknown import Unknown
from tests.virtual import Denied, Node, virtual

DEBIAN = Distro("debian", "12", "Debian")
STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2
Description: GNU shell
 Status: not this one
 .

Package: sendmail-base
Status: deinstall ok config-files
Architecture: all

Package: libc6
Status: install ok installed
Architecture: amd64

Package: libc6
Status: install ok unpacked
Architecture: i386

Package: openssh-server
Status: install ok half-configured
Architecture: amd64

Package: broken
Status: install reinstreq half-installed
Architecture: amd64

Package: linux-image-amd64
Status: hold ok installed
Architecture: amd64
"""


def read(files: dict[str, Node], mode: Mode = Mode.OFFLINE) -> packages.Packages:
    return packages.read(virtual(files, mode), DEBIAN)


def test_states_of_dpkg() -> None:
    found = read({packages.STATUS: STATUS})
    assert found.system == "dpkg"
    assert found.installed("bash") and not found.removed_not_purged("bash")
    assert found.removed_not_purged("sendmail-base") and not found.installed("sendmail-base")
    assert not found.removed_not_purged("never-seen")
    assert found.half_done() == ("libc6:i386", "openssh-server", "broken")
    assert found.held() == ("linux-image-amd64",)


def test_an_interrupted_run_leaves_numbered_updates_that_count() -> None:
    found = read({
        packages.STATUS: STATUS,
        "/var/lib/dpkg/updates/0001": "Package: bash\nStatus: install ok unpacked\nArchitecture: amd64\n",
        "/var/lib/dpkg/updates/tmp.i": "rubbish",
    })  # fmt: skip
    assert found.pending_updates == ("/var/lib/dpkg/updates/0001",)
    assert "bash" in found.half_done()


def test_a_run_that_is_still_going_is_named() -> None:
    files: dict[str, Node] = {packages.STATUS: STATUS, "/proc/42/comm": "dpkg\n", "/proc/43/comm": "bash\n"}
    assert read(files, Mode.LIVE).busy == ("dpkg",)
    assert read(files).busy == ()


def test_a_status_file_larger_than_any_configuration_file_is_read() -> None:
    text = "".join(f"Package: p{n}\nStatus: install ok installed\nDescription: {'x' * 400}\n\n" for n in range(15_000))
    found = read({packages.STATUS: text})
    assert not isinstance(found.dpkg_states, Unknown) and len(found.dpkg_states) == 15_000


def test_giant_lines_do_not_fill_the_memory_or_start_fields() -> None:
    data = b"Package: a\nDescription: " + b"y" * 200_000 + b"Status: no\nStatus: install ok installed\n"
    assert packages.parse_status(io.BytesIO(data)) == {"a": "install ok installed"}


def test_an_unreadable_status_is_unknown_and_accuses_nobody() -> None:
    found = read({packages.STATUS: Denied()})
    assert isinstance(found.dpkg_states, Unknown)
    assert found.half_done() == () and not found.removed_not_purged("sendmail-base")


@pytest.mark.parametrize("data", [b"", b"\x00" * 9999, b"\xff\xfe", b"Package:\nStatus:\n\n\n", b"Status: x\n" * 50])
def test_garbage_is_no_error(data: bytes) -> None:
    read({packages.STATUS: data}).half_done()


@pytest.mark.parametrize(
    ("path", "identity", "system"),
    [
        ("/var/lib/rpm/Packages", "centos", "rpm"),
        ("/var/lib/rpm/rpmdb.sqlite", "fedora", "rpm"),
        ("/usr/lib/sysimage/rpm/Packages.db", "opensuse-leap", "rpm"),
        ("/lib/apk/db/installed", "alpine", "apk"),
        ("/var/lib/pacman/local/x/desc", "arch", "pacman"),
        ("/var/db/pkg/sys-apps/x", "gentoo", "portage"),
        ("/var/log/packages/x", "slackware", "pkgtools"),
        ("/nothing", "debian", ""),
    ],
)
def test_other_package_managers_are_told(path: str, identity: str, system: str) -> None:
    assert packages.read(virtual({path: ""}), Distro(identity, "", "")).system == system


def test_debian_with_rpm_installed_is_still_dpkgs() -> None:
    assert read({packages.STATUS: STATUS, "/var/lib/rpm/rpmdb.sqlite": ""}).system == "dpkg"
    target = virtual({packages.STATUS: "", "/var/lib/rpm/rpmdb.sqlite": ""})
    assert packages.read(target, Distro("rocky", "9", "", ("rhel",))).system == "rpm"
