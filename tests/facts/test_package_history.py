"""The logs of the package managers.

The lines of dpkg and apt are what the real programs wrote in a Debian root (a package of the lab, installed,
upgraded, failing, killed). No RPM, Arch, Gentoo or Alpine system could be had: their lines are written after the
formats in their programs' sources and documentation.
"""

from __future__ import annotations

import gzip
import lzma
import random
import struct
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.facts import package_history
from agent.facts.package_history import Action, PackageChange, PackageHistory, PackageRun
from agent.facts.package_logs import debian, model, others, reading, rpm
from agent.facts.package_logs.reading import Log
from agent.target.detect import open_target
from tests.virtual import File, Node, virtual

UTC = timezone.utc


def at(text: str, offset: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=offset))).timestamp()


def zone_file(hours: int, name: str = "LAB") -> bytes:
    """A TZif file (tzfile(5)) of one offset."""
    block = struct.pack(">4sc15x6l", b"TZif", b"2", 0, 0, 0, 0, 1, len(name) + 1)
    block += struct.pack(">lbb", hours * 3600, 0, 0) + name.encode() + b"\0"
    return block + block + f"\n{name}{-hours}\n".encode()


def history(files: Mapping[str, Node], since: float | None = None) -> PackageHistory:
    return package_history.read(virtual(files), since)


def the_run(found: PackageHistory) -> PackageRun:
    assert len(found.runs) == 1, found.runs
    return found.runs[0]


DPKG = """\
2026-11-23 07:57:55 startup archives install
2026-11-23 07:57:55 install openssh-lab:all <none> 1.0
2026-11-23 07:57:55 status half-installed openssh-lab:all 1.0
2026-11-23 07:57:55 status unpacked openssh-lab:all 1.0
2026-11-23 07:57:55 configure openssh-lab:all 1.0 <none>
2026-11-23 07:57:55 status unpacked openssh-lab:all 1.0
2026-11-23 07:57:55 status half-configured openssh-lab:all 1.0
2026-11-23 07:57:55 status installed openssh-lab:all 1.0
2026-11-23 07:57:57 startup archives unpack
2026-11-23 07:57:57 upgrade openssh-lab:all 1.0 1.1
2026-11-23 07:57:57 status half-configured openssh-lab:all 1.0
2026-11-23 07:57:57 status unpacked openssh-lab:all 1.0
2026-11-23 07:57:57 status half-installed openssh-lab:all 1.0
2026-11-23 07:57:57 status unpacked openssh-lab:all 1.1
2026-11-23 07:57:57 startup packages configure
2026-11-23 07:57:57 configure openssh-lab:all 1.1 <none>
2026-11-23 07:57:57 status unpacked openssh-lab:all 1.1
2026-11-23 07:57:57 status half-configured openssh-lab:all 1.1
2026-11-23 07:57:57 status installed openssh-lab:all 1.1
"""
APT = """
Start-Date: 2026-11-23  07:57:57
Commandline: apt-get -y -q install /root/lab_1.1.deb
Upgrade: openssh-lab:amd64 (1.0, 1.1)
End-Date: 2026-11-23  07:57:57
"""
FAILED = """
Start-Date: 2026-11-23  07:59:58
Commandline: apt-get -y -q install /root/lab_1.2.deb
Upgrade: openssh-lab:amd64 (1.1, 1.2)
Error: Sub-process /usr/bin/dpkg returned an error code (1)
End-Date: 2026-11-23  07:59:59
"""
KILLED = """
Start-Date: 2026-11-23  08:02:58
Commandline: apt-get -y -q install /root/lab_1.4.deb
Upgrade: openssh-lab:amd64 (1.3, 1.4)
"""
INSTALLED = """
Start-Date: 2026-11-23  01:55:47
Commandline: apt-get -q -y install ifupdown isc-dhcp-client iptables
Install: libnftnl11:amd64 (1.2.4-2, automatic), netbase:amd64 (6.4, automatic), ifupdown:amd64 (0.8.41)
End-Date: 2026-11-23  01:55:48
"""


def test_one_upgrade_that_both_logs_tell_of_is_one_run() -> None:
    found = history({"/var/log/dpkg.log": DPKG, "/var/log/apt/history.log": APT})
    dpkg, apt = found.runs
    assert dpkg.changes == (PackageChange(Action.INSTALLED, "openssh-lab", "", "1.0"),)
    assert (dpkg.source, dpkg.line, dpkg.command) == ("/var/log/dpkg.log", 2, "dpkg")
    assert apt.changes == (PackageChange(Action.UPGRADED, "openssh-lab", "1.0", "1.1"),)
    assert (apt.source, apt.line) == ("/var/log/apt/history.log", 2)
    assert (apt.command, apt.failed) == ("apt-get -y -q install /root/lab_1.1.deb", "")
    assert apt.began == at("2026-11-23 07:57:57")


def test_a_run_of_apt_that_failed_says_why() -> None:
    assert the_run(history({"/var/log/apt/history.log": FAILED})).failed == (
        "Sub-process /usr/bin/dpkg returned an error code (1)"
    )


@pytest.mark.parametrize("after", ["", INSTALLED], ids=["at the end", "with others after it"])
def test_a_run_of_apt_without_its_end_was_interrupted(after: str) -> None:
    run = history({"/var/log/apt/history.log": KILLED + after}).runs[-1]
    assert run.failed == model.UNFINISHED
    assert run.changes[0].new == "1.4"


def test_a_run_that_was_cut_off_lasted_as_long_as_dpkg_went_on() -> None:
    steps = DPKG.replace("07:57:55", "08:03:00").replace("07:57:57", "08:03:40").replace("1.1", "1.4")
    files = {"/var/log/apt/history.log": KILLED, "/var/log/dpkg.log": steps}
    assert history(files).runs[0].ended == at("2026-11-23 08:03:40")


def test_packages_that_were_installed_by_the_way_come_without_their_mark() -> None:
    changes = the_run(history({"/var/log/apt/history.log": INSTALLED})).changes
    assert [(change.package, change.new) for change in changes] == [
        ("libnftnl11", "1.2.4-2"),
        ("netbase", "6.4"),
        ("ifupdown", "0.8.41"),
    ]


@pytest.mark.parametrize("how", ["localtime", "timezone", "link"])
def test_dpkg_writes_the_hosts_own_time(how: str) -> None:
    from tests.virtual import Link

    files: dict[str, Node] = {"/var/log/dpkg.log": DPKG}
    if how == "localtime":
        files["/etc/localtime"] = zone_file(5)
    elif how == "link":
        files["/etc/localtime"] = Link("/usr/share/zoneinfo/Asia/Lab")
        files["/usr/share/zoneinfo/Asia/Lab"] = zone_file(5)
    else:
        files["/etc/timezone"] = "Asia/Lab\n"
        files["/usr/share/zoneinfo/Asia/Lab"] = zone_file(5)
    assert the_run(history(files)).began == at("2026-11-23 07:57:55", 5)


def test_a_damaged_zone_is_utc_and_never_a_traceback() -> None:
    files: dict[str, Node] = {"/var/log/dpkg.log": DPKG, "/etc/localtime": zone_file(5)[:30]}
    assert the_run(history(files)).began == at("2026-11-23 07:57:55")


def test_rotations_are_read_packed_or_not_and_old_ones_left_out() -> None:
    def log(day: str) -> bytes:
        return f"{day} 10:00:00 install pkg-{day[-2:]}:amd64 <none> 1\n".encode()

    files: dict[str, Node] = {
        "/var/log/dpkg.log": File(log("2026-11-20"), mtime=at("2026-11-20")),
        "/var/log/dpkg.log.1": File(log("2026-10-19"), mtime=at("2026-10-20")),
        "/var/log/dpkg.log.2.gz": File(gzip.compress(log("2026-09-18")), mtime=at("2026-09-20")),
        "/var/log/dpkg.log.3.xz": File(lzma.compress(log("2026-08-17")), mtime=at("2026-08-20")),
        "/var/log/dpkg.log.bomb": File(log("2026-11-16"), mtime=at("2026-11-20")),
    }
    names = [run.changes[0].package for run in history(files).runs]
    assert names == ["pkg-17", "pkg-18", "pkg-19", "pkg-20"]
    later = history(files, since=at("2026-10-01"))
    assert [run.changes[0].package for run in later.runs] == ["pkg-19", "pkg-20"]
    assert later.sources == ("/var/log/dpkg.log.1", "/var/log/dpkg.log")


# -- RPM: after the formats that the programs' sources show


def test_yum_writes_no_year_and_it_is_counted_back_from_the_files_last_change() -> None:
    log = """\
Dec 30 23:50:00 Updated: 1:NetworkManager-1.18.8-2.el7_9.x86_64
Jan 02 03:19:09 Installed: kernel-3.10.0-1160.el7.x86_64
Jan 02 03:20:54 Erased: postfix
"""
    files = {"/var/log/yum.log": File(log, mtime=at("2026-01-05"))}
    first, second = history(files).runs
    assert first.began == at("2025-12-30 23:50:00")
    assert first.changes == (PackageChange(Action.UPGRADED, "NetworkManager", "", "1:1.18.8-2.el7_9"),)
    assert second.began == at("2026-01-02 03:19:09")
    assert second.changes[0] == PackageChange(Action.INSTALLED, "kernel", "", "3.10.0-1160.el7")
    assert second.changes[1] == PackageChange(Action.REMOVED, "postfix")


def test_dnf_writes_both_versions_of_an_upgrade_and_the_command_elsewhere() -> None:
    log = """\
2026-11-22T09:29:00+0100 INFO --- logging initialized ---
2026-11-22T09:30:12+0100 SUBDEBUG Upgrade: openssh-server-8.7p1-38.el9.x86_64
2026-11-22T09:30:13+0100 SUBDEBUG Installed: kernel-core-5.14.0-503.el9.x86_64
2026-11-22T09:30:13+0100 SUBDEBUG Installed: kernel-core-5.14.0-503.el9.x86_64
2026-11-22T09:30:14+0100 SUBDEBUG Upgraded: openssh-server-8.7p1-34.el9.x86_64
2026-11-22T09:40:00+0100 INFO --- logging initialized ---
2026-11-22T09:40:30+0100 SUBDEBUG Erase: nano-5.6.1-6.el9.x86_64
"""
    commands = "2026-11-22T09:29:01+0100 DDEBUG Command: dnf -y upgrade \n"
    upgrade, removal = history({"/var/log/dnf.rpm.log": log, "/var/log/dnf.log": commands}).runs
    assert upgrade.began == at("2026-11-22 09:30:12", 1)
    assert upgrade.command == "dnf -y upgrade"
    assert upgrade.changes == (
        PackageChange(Action.UPGRADED, "openssh-server", "8.7p1-34.el9", "8.7p1-38.el9"),
        PackageChange(Action.INSTALLED, "kernel-core", "", "5.14.0-503.el9"),
    )
    assert removal.changes == (PackageChange(Action.REMOVED, "nano", "5.6.1-6.el9"),)


def test_dnf5_writes_librpms_callbacks_and_what_goes_beside_what_comes_is_an_upgrade() -> None:
    log = """\
2026-04-30T03:56:51+0000 [18165] INFO RPM callback transaction start, total 3
2026-04-30T03:56:52+0000 [18165] INFO RPM callback install start "openssh-0:9.9p1-11.fc43.x86_64" total 9084
2026-04-30T03:56:52+0000 [18165] INFO RPM callback install stop "openssh-0:9.9p1-11.fc43.x86_64" amount 9084 total 9084
2026-04-30T03:56:53+0000 [18165] INFO RPM callback uninstall start "openssh-0:9.9p1-10.fc43.x86_64" total 40
2026-04-30T03:56:53+0000 [18165] INFO RPM callback uninstall start "nano-0:8.1-1.fc43.x86_64" total 40
2026-04-30T03:56:54+0000 [18165] INFO RPM callback transaction stop, total 3
"""
    assert the_run(history({"/var/log/dnf5.log": log})).changes == (
        PackageChange(Action.UPGRADED, "openssh", "9.9p1-10.fc43", "9.9p1-11.fc43"),
        PackageChange(Action.REMOVED, "nano", "8.1-1.fc43"),
    )


def test_zypp_calls_an_upgrade_an_installation_and_the_log_before_it_shows_which_it_is() -> None:
    log = """\
2026-11-01 10:00:00|command|root@pc1|'zypper' 'install' 'wicked'|
2026-11-01 10:00:05|install|wicked|0.6.74-1.1|x86_64|root@pc1|repo-oss|a28b7b36|
# 2026-11-01 10:00:05 wicked-0.6.74-1.1.x86_64.rpm installed ok
2026-11-20 12:00:00|command|root@pc1|'zypper' 'dup'|
2026-11-20 12:01:00|install|wicked|0.6.75-1.1|x86_64||repo-oss|b28b7b36|
2026-11-20 12:01:30|install|kernel-default|6.4.0-2.1|x86_64||repo-oss|c28b7b36|
2026-11-20 12:01:31|remove |cowsay|3.03-5.2|noarch|root@pc1|
"""
    first, second = history({"/var/log/zypp/history": log}).runs
    assert (first.command, first.changes[0].action) == ("zypper install wicked", Action.INSTALLED)
    assert second.command == "zypper dup"
    assert second.changes == (
        PackageChange(Action.UPGRADED, "wicked", "0.6.74-1.1", "0.6.75-1.1"),
        PackageChange(Action.INSTALLED, "kernel-default", "", "6.4.0-2.1"),
        PackageChange(Action.REMOVED, "cowsay", "3.03-5.2"),
    )


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("kernel-core-5.14.0-503.el9.x86_64", "kernel-core", "5.14.0-503.el9"),
        ("openssh-0:9.9p1-11.fc43.x86_64", "openssh", "9.9p1-11.fc43"),
        ("1:NetworkManager-1.18.8-2.el7_9.x86_64", "NetworkManager", "1:1.18.8-2.el7_9"),
        ("grub2-tools-1:2.06-70.el9.noarch", "grub2-tools", "1:2.06-70.el9"),
        ("java-1.8.0-openjdk-1:1.8.0.412-1.el8.x86_64", "java-1.8.0-openjdk", "1:1.8.0.412-1.el8"),
        ("postfix", "postfix", ""),
    ],
)
def test_a_packages_name_is_told_from_its_version(text: str, name: str, version: str) -> None:
    assert rpm.name_and_version(text) == (name, version)


# -- Arch, Gentoo, Alpine, Slackware: likewise


@pytest.mark.parametrize("form", ["new", "old", "oldest"])
def test_pacman_writes_its_times_in_two_ways(form: str) -> None:
    stamp, tag = {
        "new": ("2026-11-22T14:03:46+0200", "[ALPM] "),
        "old": ("2026-11-22 14:03", "[ALPM] "),
        "oldest": ("2026-11-22 14:03", ""),
    }[form]
    log = f"""\
[{stamp}] [PACMAN] Running 'pacman -Syu'
[{stamp}] {tag}transaction started
[{stamp}] {tag}upgraded linux (6.11.1.arch1-1 -> 6.12.1.arch1-1)
[{stamp}] {tag}installed newdep (1.0-1)
[{stamp}] {tag}warning: /etc/foo.conf installed as /etc/foo.conf.pacnew
[{stamp}] {tag}transaction completed
"""
    run = the_run(history({"/var/log/pacman.log": log}))
    assert run.began == (at("2026-11-22 14:03:46", 2) if form == "new" else at("2026-11-22 14:03:00"))
    assert (run.command, run.failed) == ("pacman -Syu", "")
    assert run.changes == (
        PackageChange(Action.UPGRADED, "linux", "6.11.1.arch1-1", "6.12.1.arch1-1"),
        PackageChange(Action.INSTALLED, "newdep", "", "1.0-1"),
    )


def test_a_transaction_of_pacman_without_its_end_was_interrupted() -> None:
    log = """\
[2026-11-22T14:03:46+0000] [PACMAN] Running 'pacman -Syu'
[2026-11-22T14:03:50+0000] [ALPM] transaction started
[2026-11-22T14:03:51+0000] [ALPM] upgraded glibc (2.39-1 -> 2.40-1)
"""
    assert the_run(history({"/var/log/pacman.log": log})).failed == model.UNFINISHED


def test_what_emerge_merges_and_unmerges_in_one_session_is_an_upgrade() -> None:
    log = """\
1795356200: Started emerge on: Nov 22, 2026 14:03:20
1795356200:  *** emerge --update @world
1795356210:  >>> emerge (1 of 2) sys-kernel/gentoo-sources-6.12.1 to /
1795356220:  ::: completed emerge (1 of 2) sys-kernel/gentoo-sources-6.12.1 to /
1795356221:  >>> emerge (2 of 2) net-misc/openssh-9.9_p1-r2 to /
1795356230:  === Unmerging... (net-misc/openssh-9.8_p1)
1795356231:  >>> unmerge success: net-misc/openssh-9.8_p1
1795356232:  ::: completed emerge (2 of 2) net-misc/openssh-9.9_p1-r2 to /
1795356233:  *** exiting successfully.
1795356233:  *** terminating.
1795356300: Started emerge on: Nov 22, 2026 14:05:00
1795356300:  *** emerge app-misc/foo
1795356310:  ::: completed emerge (1 of 2) app-misc/foo-1.0 to /
1795356320:  *** exiting unsuccessfully with status '1'.
1795356321:  *** terminating.
"""
    world, foo = history({"/var/log/emerge.log": log}).runs
    assert (world.began, world.command, world.failed) == (1795356200.0, "emerge --update @world", "")
    assert world.changes == (
        PackageChange(Action.INSTALLED, "sys-kernel/gentoo-sources", "", "6.12.1"),
        PackageChange(Action.UPGRADED, "net-misc/openssh", "9.8_p1", "9.9_p1-r2"),
    )
    assert foo.failed == "it failed"


def test_apk_writes_its_command_in_utc_and_what_it_printed() -> None:
    log = """
Running `apk upgrade` at 2026-11-22 14:03:05
(1/2) Upgrading musl (1.2.5-r0 -> 1.2.5-r1)
(2/2) Installing linux-lts (6.12.1-r0)
OK: 100 MiB in 80 packages

Running `apk add nosuch` at 2026-11-22 15:00:00
ERROR: unable to select packages:

Running `apk del dhcpcd` at 2026-11-22 16:00:00
(1/1) Purging dhcpcd (10.0.8-r0)
"""
    files: dict[str, Node] = {"/var/log/apk.log": log, "/etc/localtime": zone_file(9)}
    upgrade, removal = history(files).runs
    assert (upgrade.began, upgrade.command, upgrade.failed) == (at("2026-11-22 14:03:05"), "apk upgrade", "")
    assert upgrade.changes == (
        PackageChange(Action.UPGRADED, "musl", "1.2.5-r0", "1.2.5-r1"),
        PackageChange(Action.INSTALLED, "linux-lts", "", "6.12.1-r0"),
    )
    assert removal.failed == model.UNFINISHED
    assert removal.changes == (PackageChange(Action.REMOVED, "dhcpcd", "10.0.8-r0"),)


def test_slackwares_packages_are_as_old_as_their_files() -> None:
    when = at("2026-11-22 14:03:05")
    packages, removed = "/var/lib/pkgtools/packages", "/var/lib/pkgtools/removed_packages"
    files: dict[str, Node] = {
        f"{packages}/openssh-9.9p1-x86_64-1_slack15.0": File("", mtime=when),
        f"{packages}/kernel-huge-5.15.193-x86_64-1": File("", mtime=when + 5),
        f"{packages}/bash-5.1.016-x86_64-1": File("", mtime=at("2022-01-01")),
        f"{removed}/openssh-8.8p1-x86_64-2-upgraded-2026-11-22,14:03:04": File(""),
        f"{removed}/dhcpcd-8.1.9-x86_64-2-2026-11-22,14:04:00": File(""),
    }
    run = history(files, since=at("2026-11-01")).runs[-1]
    assert set(run.changes) == {
        PackageChange(Action.UPGRADED, "openssh", "8.8p1-2", "9.9p1-1_slack15.0"),
        PackageChange(Action.INSTALLED, "kernel-huge", "", "5.15.193-1"),
        PackageChange(Action.REMOVED, "dhcpcd", "8.1.9"),
    }


def test_without_a_log_the_database_tells_at_least_when() -> None:
    found = history({"/lib/apk/db/installed": File("P:musl\n", mtime=at("2026-11-22 14:03:05"))})
    assert (found.runs, found.database_path) == ((), "/lib/apk/db/installed")
    assert found.database == at("2026-11-22 14:03:05")
    assert found.unexplained


# -- hostile and broken logs


def test_a_log_of_ten_gigabytes_of_holes_is_read_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "var/log/dpkg.log"
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        stream.truncate(10 << 30)
        stream.seek(0, 2)
        stream.write(b"\n" + DPKG.encode())
    began = time.monotonic()
    run = the_run(package_history.read(open_target(str(tmp_path))))
    assert (run.line, run.changes[0].package) == (0, "openssh-lab")
    assert time.monotonic() - began < 5


def test_a_packed_bomb_ends_at_its_limit() -> None:
    bomb = gzip.compress(DPKG.encode() + b"\0" * (200 << 20), 1)
    found = history({"/var/log/dpkg.log.2.gz": bomb})
    assert the_run(found).changes[0].package == "openssh-lab"
    assert found.unread == ("/var/log/dpkg.log.2.gz: only its first 16 MiB were read",)


def test_a_packed_log_that_is_cut_short_gives_what_it_has() -> None:
    lines = [f"2026-11-22 10:{n % 60:02}:00 install p{random.Random(n).random()}:all <none> 1\n" for n in range(5000)]
    data = gzip.compress("".join(lines).encode())
    found = history({"/var/log/dpkg.log.2.gz": data[: len(data) // 2]})
    assert found.runs
    assert "damaged, read only in part" in found.unread[0]


@pytest.mark.parametrize("name", ["/var/log/dpkg.log", "/var/log/apt/history.log", "/var/log/dnf5.log"])
def test_a_log_that_is_no_regular_file_is_said_to_be_unread(name: str) -> None:
    from agent.target.model import Kind
    from tests.virtual import Special

    found = history({name: Special(Kind.FIFO)})
    assert found.runs == ()
    assert len(found.unread) == 1 and name in found.unread[0]


def test_many_short_runs_are_joined_in_little_time() -> None:
    lines, paragraphs = [], []
    for number in range(40_000):
        stamp = datetime.fromtimestamp(1.7e9 + number * 600, UTC).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"{stamp} install a{number}:all <none> 1")
        paragraphs.append(f"Start-Date: {stamp}\nInstall: a{number}:all (1)\nEnd-Date: {stamp}\n")
    began = time.monotonic()
    dpkg = debian.dpkg(Log("d", tuple(lines), 0), UTC)
    apt = debian.apt(Log("a", tuple("\n".join(paragraphs).split("\n")), 0), UTC)
    assert len(debian.joined(apt, dpkg)) == 40_000
    assert time.monotonic() - began < 10


PARSERS = (
    lambda log: debian.apt(log, UTC),
    lambda log: debian.dpkg(log, UTC),
    lambda log: rpm.yum(log, UTC),
    lambda log: rpm.dnf(log, UTC),
    lambda log: rpm.dnf_commands(log, UTC),
    lambda log: rpm.dnf5(log, UTC),
    lambda log: rpm.zypp(log, UTC),
    lambda log: others.pacman(log, UTC),
    others.emerge,
    others.apk,
)
PIECES = st.sampled_from(
    [
        *DPKG.split(),
        *FAILED.split("\n"),
        "Feb 29 10:00:00 Updated: a-1-1",
        "9999-99-99 99:99:99",
        "2026-02-30T10:00:00+9999",
        "99999999999: Started emerge on: x",
        "[2026-11-22T14:03:46+0000] [ALPM] transaction started",
        "2026-11-22 14:03:46|install|",
        "Running `apk` at 0000-00-00 00:00:00",
        "(1/1) Purging x (1)",
        "\n",
        " ",
        "|",
        "(",
        "\x1b[2J",
        "\0",
        "é",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=60))
def test_no_text_makes_a_parser_fail(pieces: list[str]) -> None:
    log = Log("/var/log/x", tuple("".join(pieces).split("\n")), 1795356200.0)
    for parse in PARSERS:
        parse(log)


@pytest.mark.parametrize("parse", range(len(PARSERS)))
@pytest.mark.parametrize("piece", ["a", "a (", "1-", "/a-1", "2026-11-22 10:00:00 install ", "-r1", "[2026"])
def test_a_line_of_a_megabyte_is_no_burden(parse: int, piece: str) -> None:
    line = (piece * 300_000)[:1_000_000]
    heads = ("Install: ", "2026-11-22 10:00:00 install ", "1795356200:  ::: completed emerge (1 of 1) ", "")
    lines = ("Start-Date: 2026-11-22  10:00:00", *(head + line for head in heads))
    began = time.monotonic()
    PARSERS[parse](Log("x", lines, 1795356200.0))
    assert time.monotonic() - began < 3


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["", "gz", "xz", "bz2", "zst"]))
def test_no_bytes_make_the_reader_fail(data: bytes, suffix: str) -> None:
    magic = {"gz": b"\x1f\x8b\x08", "xz": b"\xfd7zXZ\x00", "bz2": b"BZh9", "zst": b"\x28\xb5\x2f\xfd", "": b""}[suffix]
    target = virtual({"/x": magic + data})
    reading.read(target, "/x")
