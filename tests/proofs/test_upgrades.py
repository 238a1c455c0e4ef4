"""The proof of an upgrade that stopped half way, by what it leaves; and the look-alikes on healthy hosts."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds, Proof, Severity
from agent.facts import upgrades
from agent.facts.facts import Facts
from agent.target.model import Mode
from tests.proofs.managed import prove
from tests.virtual import File, Link, Node, virtual

MIRROR = "http://deb.debian.org/debian"
LIST = """deb {m} {r} main contrib
deb {m} {r}-updates main
deb http://security.debian.org/debian-security {r}-security main
"""
UBUNTU = "http://mirrors.linode.com/ubuntu/"


def release(codename: str, id: str = "debian") -> dict[str, Node]:
    version = {"bullseye": "11", "bookworm": "12", "trixie": "13", "jammy": "22.04", "noble": "24.04"}[codename]
    return {"/etc/os-release": f'ID={id}\nVERSION_ID="{version}"\nVERSION_CODENAME={codename}\n'}


def status(libc: str, state: str = "installed") -> str:
    return (
        f"Package: base-files\nStatus: install ok installed\nVersion: 12.4\n\n"
        f"Package: libc6\nStatus: install ok {state}\nArchitecture: amd64\nVersion: {libc}-9\n\n"
    )


def debian(
    codename: str = "bookworm", wished: str = "bookworm", libc: str = "2.36", history: str = "", **more: Node
) -> dict[str, Node]:
    files: dict[str, Node] = {
        **release(codename),
        "/etc/apt/sources.list": LIST.format(m=MIRROR, r=wished),
        "/var/lib/dpkg/status": File(status(libc), mtime=1.79e9),
    }
    if history:
        files["/var/log/apt/history.log"] = File(history, mtime=1.79e9)
    return {**files, **more}


def paragraph(packages: str, end: bool = True, command: str = "apt full-upgrade", date: str = "2026-11-20") -> str:
    ended = f"End-Date: {date}  10:09:00\n" if end else ""
    return f"\nStart-Date: {date}  10:00:00\nCommandline: {command}\nUpgrade: {packages}\n{ended}"


CROSSING = "base-files:amd64 (11.1+deb11u8, 12.4+deb12u5), libc6:amd64 (2.31-13, 2.36-9), openssh-server:amd64 (1, 2)"


def look(files: Mapping[str, Node], mode: Mode = Mode.OFFLINE) -> Proof:
    return prove("upgrade_in_progress", Facts(virtual(files, mode)))


def test_a_release_upgrade_that_was_killed_has_no_end_in_apts_log() -> None:
    proof = look(debian(history=paragraph("x:amd64 (1, 2)", date="2026-11-01") + paragraph(CROSSING, end=False)))
    assert isinstance(proof, Holds)
    assert "did not come to its end" in proof.why
    assert proof.evidence[0].source == "/var/log/apt/history.log"
    assert "3 packages" in proof.evidence[0].text
    assert proof.commands is not None
    assert proof.commands[0] == "chroot /media/sda dpkg --configure -a"


def test_one_that_failed_on_a_package_holds_too() -> None:
    failed = paragraph(CROSSING).replace(
        "End-Date", "Error: Sub-process /usr/bin/dpkg returned an error code (1)\nEnd-Date"
    )
    assert isinstance(look(debian(history=failed)), Holds)


def test_an_upgrade_that_ended_is_past_whatever_came_before() -> None:
    done = paragraph(CROSSING, end=False) + paragraph("openssh-server:amd64 (1, 2)")
    assert isinstance(look(debian(history=done)), Fails)
    assert isinstance(look(debian(history=paragraph(CROSSING))), Fails)


def test_an_ordinary_upgrade_that_was_killed_is_dpkgs_business() -> None:
    assert isinstance(look(debian(history=paragraph("nginx:amd64 (1.18, 1.22)", end=False))), Fails)


def test_sources_of_the_next_release_and_an_interrupted_installation() -> None:
    files = debian("bookworm", "trixie", **{"/var/lib/dpkg/status": status("2.36", "half-configured")})
    proof = look(files)
    assert isinstance(proof, Holds)
    assert proof.severity is None
    assert "from trixie" in proof.why
    assert proof.evidence[0].line == 1


def test_a_libc_of_another_release_shows_that_only_some_packages_were_exchanged() -> None:
    for codename, wished, libc in (("bookworm", "trixie", "2.41"), ("bookworm", "bookworm", "2.31")):
        proof = look(debian(codename, wished, libc))
        assert isinstance(proof, Holds), libc
        assert f"libc6 ({libc})" in proof.why


def test_sources_that_were_changed_and_nothing_else_are_a_remark() -> None:
    proof = look(debian("bookworm", "trixie"))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.INFO


def test_a_deb822_file_is_read_as_well() -> None:
    text = (
        "# comment\nTypes: deb deb-src\nURIs: http://deb.debian.org/debian\nSuites: trixie trixie-updates\n"
        "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    files = debian()
    del files["/etc/apt/sources.list"]
    files["/etc/apt/sources.list.d/debian.sources"] = text
    proof = look(files)
    assert isinstance(proof, Holds)
    assert proof.evidence[0].line == 4
    files["/etc/apt/sources.list.d/debian.sources"] = "Enabled: no\n" + text
    assert isinstance(look(files), Fails)


OWN = LIST.format(m=MIRROR, r="bookworm")


@pytest.mark.parametrize(
    "more",
    [
        f"deb {MIRROR} bookworm-backports main\n",
        "deb https://download.docker.com/linux/debian trixie stable\n",
        "deb [arch=amd64 signed-by=/x.gpg] https://apt.postgresql.org/pub/repos/apt trixie-pgdg main\n",
        "deb http://ppa.launchpad.net/a/b/ubuntu noble main\n",
        f"# deb {MIRROR} trixie main\n",
        f"deb {MIRROR} sid main\n",
        f"deb {MIRROR} trixie main\n",  # two releases side by side are somebody's wish
    ],
)
def test_backports_third_parties_and_pinned_releases_are_no_upgrade(more: str) -> None:
    for libc in ("2.36", "2.41") if f"{MIRROR} trixie" in more and more[0] == "d" else ("2.36",):
        assert isinstance(look(debian(libc=libc, **{"/etc/apt/sources.list": OWN + more})), Fails), more


def test_ubuntus_own_releases_are_known_and_a_ppa_is_none_of_them() -> None:
    files: dict[str, Node] = {
        **release("jammy", "ubuntu"),
        "/etc/apt/sources.list": f"deb {UBUNTU} noble main restricted\ndeb {UBUNTU} noble-security main\n",
        "/var/lib/dpkg/status": status("2.39"),
    }
    proof = look(files)
    assert isinstance(proof, Holds)
    assert "noble" in proof.why
    files["/etc/apt/sources.list"] = f"deb {UBUNTU} jammy main universe\n"
    files["/var/lib/dpkg/status"] = status("2.35")
    assert isinstance(look(files), Fails)


def test_another_distribution_of_the_family_is_left_alone() -> None:
    files = debian("bookworm", "trixie")
    files["/etc/os-release"] = "ID=kali\nID_LIKE=debian\nVERSION_CODENAME=kali-rolling\n"
    assert isinstance(look(files), Fails)


def test_an_upgrade_that_runs_right_now_is_no_broken_one() -> None:
    files = debian(history=paragraph(CROSSING, end=False), **{"/proc/812/comm": "unattended-upgr\n"})
    assert isinstance(look(files, Mode.LIVE), CantTell)
    del files["/proc/812/comm"]
    assert isinstance(look(files, Mode.LIVE), Holds)


# -- dnf, yum, Leapp, pacman

FEDORA: dict[str, Node] = {
    "/etc/os-release": "ID=fedora\nVERSION_ID=41\n",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite": "SQLite format 3\0",
}
STATE = "/var/lib/dnf/system-upgrade.json"
STATE5 = "/usr/lib/sysimage/libdnf5/offline/offline-transaction-state.toml"


def state(status: str) -> str:
    return json.dumps({"upgrade_status": status, "target_releasever": "42"})


def test_dnfs_upgrade_that_began_and_did_not_end() -> None:
    proof = look({**FEDORA, STATE: state("incomplete")})
    assert isinstance(proof, Holds)
    assert "to 42" in proof.why
    assert proof.severity is None
    five = look({**FEDORA, STATE5: '[offline-transaction-state]\nstatus = "transaction-incomplete"\n'})
    assert isinstance(five, Holds)


@pytest.mark.parametrize("text", [state("complete"), state(""), "{}", "[]", "not json", "\0"])
def test_a_state_that_is_none_of_these_is_silent(text: str) -> None:
    assert isinstance(look({**FEDORA, STATE: text}), Fails)


def test_an_upgrade_that_waits_for_its_boot_is_a_remark_and_the_link_a_warning() -> None:
    waiting = look({**FEDORA, STATE: state("ready"), "/system-update": Link("/var/lib/dnf/system-upgrade")})
    assert isinstance(waiting, Holds)
    assert waiting.severity is Severity.INFO
    link = look({**FEDORA, "/system-update": Link("/var/cache")})
    assert isinstance(link, Holds)
    assert link.severity is Severity.WARNING
    assert link.commands == ("ls -l {root}/system-update", "rm {root}/system-update")


def test_yums_lists_are_left_by_a_transaction_that_did_not_end() -> None:
    everything = "upgrade 0:openssh-7.4\nupgrade 0:glibc-2.17\n"
    name = "/var/lib/yum/transaction-{}.2026-11-20.10:00.00"
    files = {**FEDORA, name.format("all"): everything, name.format("done"): "upgrade 0:openssh-7.4\n"}
    proof = look(files)
    assert isinstance(proof, Holds)
    assert proof.evidence[0].text == "1 of 2 steps done"
    assert isinstance(look({**files, name.format("done"): everything}), Fails)


def test_leapps_own_boot_entry() -> None:
    menu = "menuentry 'ELevate-Upgrade-Initramfs' {\n linux /boot/vmlinuz-upgrade.x86_64 root=/dev/sda\n}\n"
    files: dict[str, Node] = {**FEDORA, "/boot/grub2/grub.cfg": menu, "/boot/vmlinuz-upgrade.x86_64": "k"}
    assert isinstance(look(files), Holds)
    left = {**files, "/boot/grub2/grub.cfg": menu.replace("-upgrade.x86_64", "-6.1.0")}
    assert isinstance(look(left), Fails)


ARCH: dict[str, Node] = {"/etc/os-release": "ID=arch\n", "/var/lib/pacman/local/x/desc": ""}
PACMAN = """[2026-11-20T10:00:00+0000] [PACMAN] starting full system upgrade
[2026-11-20T10:00:01+0000] [ALPM] transaction started
[2026-11-20T10:00:02+0000] [ALPM] upgraded glibc (2.39-1 -> 2.40-1)
"""


def test_pacmans_transaction_without_an_end() -> None:
    proof = look({**ARCH, "/var/log/pacman.log": PACMAN, upgrades.PACMAN_LOCK: ""})
    assert isinstance(proof, Holds)
    assert proof.severity is None
    ended = PACMAN + "[2026-11-20T10:00:03+0000] [ALPM] transaction completed\n"
    assert isinstance(look({**ARCH, "/var/log/pacman.log": ended}), Fails)


def test_pacmans_lock_alone_is_a_remark() -> None:
    proof = look({**ARCH, upgrades.PACMAN_LOCK: ""})
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.INFO


def test_an_empty_folder_was_never_upgraded() -> None:
    assert isinstance(look({}), Fails)
