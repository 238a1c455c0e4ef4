"""What is around a person inside of a disk: the rescue system's network and names, no services; and disks whose
programs do not start."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.target import Mode, Target
from agent.target.door import RootDoor
from agent.unknown import Unknown
from tests.rescue.overlaid import BASES, overlaid
from tests.rescue.visiting import (
    BUSYBOX,
    REPOSITORY,
    Terminal,
    closing,
    run,
    sh,
    small_disk,
    visit,
)
from tests.target.children import needs_root

pytestmark = [needs_root, pytest.mark.skipif(BUSYBOX is None, reason="not installed: busybox-static")]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return small_disk(tmp_path / "disk")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Those that a test opened; closed after it."""
    with closing() as opened:
        yield opened


def content(root: Path) -> dict[str, tuple[int, int, str]]:
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        text = os.readlink(path) if path.is_symlink() else path.read_bytes()[:200].hex() if path.is_file() else ""
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, text)
    return found


# -- what is around it


def test_the_network_is_the_rescue_systems_and_can_only_be_used(disk: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        assert os.readlink("/proc/self/ns/net") == sh(disk, "ls -l /proc/self/ns/net").split()[-1]
    done = run(disk, "ip", "link", "add", "lish0", "type", "dummy")
    assert done.returncode != 0 and "not permitted" in done.stderr.lower()
    assert not Path("/sys/class/net/lish0").exists()


def test_it_sees_only_its_own_processes_and_the_kernel_is_not_its_to_change(disk: Path) -> None:
    assert len([name for name in sh(disk, "ls /proc").split() if name.isdecimal()]) <= 3
    assert "ro," in sh(disk, "grep ' /sys ' /proc/mounts") and "ro," in sh(disk, "grep ' /proc/sys ' /proc/mounts")
    for words in ("-t tmpfs none /var/lib", "-o remount,ro /"):
        assert run(disk, "sh", "-c", f"mount {words}").returncode != 0


def resolved(disk: Path) -> str:
    return sh(disk, "cat /etc/resolv.conf")


def prepare_file(disk: Path) -> None:
    """As it is."""


def prepare_immutable(disk: Path) -> None:
    subprocess.run(["chattr", "+i", disk / "etc/resolv.conf"], check=True, capture_output=True)


def linked(to: str) -> object:
    def prepare(disk: Path) -> None:
        (disk / "etc/resolv.conf").unlink()
        (disk / "etc/resolv.conf").symlink_to(to)

    return prepare


def prepare_chain(disk: Path) -> None:
    """Of links, over a folder that is one: Debian's resolvconf."""
    (disk / "etc/resolv.conf").unlink()
    (disk / "etc/resolv.conf").symlink_to("/etc/resolvconf/run/resolv.conf")
    (disk / "etc/resolvconf").mkdir()
    (disk / "etc/resolvconf/run").symlink_to("/run/resolvconf")


@pytest.mark.parametrize(
    "prepare",
    [
        prepare_file,
        prepare_immutable,
        linked("../run/systemd/resolve/stub-resolv.conf"),
        linked("/run/NetworkManager/resolv.conf"),
        linked("../../../../../../run/resolv.conf"),
        linked("/etc/hostname"),
        prepare_chain,
    ],
    ids=["file", "immutable", "systemd", "absolute", "out of the root", "another file", "chain"],
)
def test_the_rescue_systems_name_servers_are_lent_and_the_disk_stays_as_it_was(disk: Path, prepare: object) -> None:
    assert callable(prepare)
    try:
        try:
            prepare(disk)
        except subprocess.CalledProcessError:
            pytest.skip("this filesystem has no immutable files")
        before = content(disk)
        assert resolved(disk) == Path("/etc/resolv.conf").read_text()
        done = run(disk, "sh", "-c", "echo nameserver 192.0.2.99 > /etc/resolv.conf")
        assert (done.returncode != 0) == (
            not (disk / "etc/resolv.conf").is_symlink() or (disk / "etc/resolv.conf").exists()
        )
        assert content(disk) == before
    finally:
        subprocess.run(["chattr", "-i", disk / "etc/resolv.conf"], check=False, capture_output=True)


@pytest.mark.parametrize("how", ["missing", "a link to nowhere on the disk", "a loop of links", "a directory"])
def test_where_nothing_can_be_covered_it_says_so_and_works_all_the_same(
    disk: Path, terminals: list[Terminal], how: str
) -> None:
    path = disk / "etc/resolv.conf"
    path.unlink()
    if how == "a directory":
        path.mkdir()
    elif how != "missing":
        path.symlink_to("/var/lib/none" if "nowhere" in how else "resolv.conf")
    before = content(disk)
    terminal = Terminal(disk)
    terminals.append(terminal)
    assert "agent fix --resolv-conf" in terminal.at_prompt()
    terminal.type("exit")
    assert terminal.end() == 0
    assert content(disk) == before


def test_a_hostile_resolv_conf_reaches_nothing_outside(disk: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("ours\n")
    (disk / "etc/resolv.conf").unlink()
    (disk / "etc/resolv.conf").symlink_to("../../outside")
    done = run(disk, "sh", "-c", "cat /etc/resolv.conf; echo hostile > /etc/resolv.conf")
    assert "ours" not in done.stdout and outside.read_text() == "ours\n"


# -- a disk whose programs do not start


def test_another_shell_is_taken_where_roots_own_does_not_start(disk: Path, terminals: list[Terminal]) -> None:
    (disk / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/zsh\n")
    terminal = visit(disk, terminals)
    assert terminal.answer("echo $SHELL").strip() == "/bin/sh"


@pytest.mark.parametrize("shell", ["/usr/sbin/nologin", "/bin/true", "/bin/false"])
def test_a_shell_that_lets_nobody_in_is_none(disk: Path, shell: str) -> None:
    (disk / shell[1:]).parent.mkdir(parents=True, exist_ok=True)
    (disk / shell[1:]).write_text(f"#!/bin/sh\nexit {int('true' not in shell)}\n")
    (disk / shell[1:]).chmod(0o755)
    (disk / "etc/passwd").write_text(f"root:x:0:0:root:/root:{shell}\n")
    assert run(disk, input="echo $SHELL\n").stdout == "/bin/sh\n"


def test_a_disk_whose_libc_does_not_start_says_so_and_what_still_works(disk: Path) -> None:
    for name in ("bin/busybox", "bin/sh"):
        (disk / name).unlink()
    loader = next(
        word
        for word in subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout.split()
        if "/ld-" in word
    )
    (disk / loader[1:]).parent.mkdir(parents=True)
    shutil.copy(loader, disk / loader[1:])
    shutil.copy("/bin/sh", disk / "bin/sh")
    done = run(disk)
    assert done.returncode == 1
    assert f"no shell of {disk} starts" in done.stderr and "libc.so.6" in done.stderr
    assert f"agent scan --root {disk}" in done.stderr
    shutil.copy("/bin/true", disk / "bin/true")
    done = run(disk, "true")
    assert done.returncode == 1 and f"no shell of {disk} starts" in done.stderr
    assert run(disk, "none").returncode == 1


def test_a_disk_without_a_place_for_proc_says_so(disk: Path) -> None:
    (disk / "proc").rmdir()
    done = run(disk, "sh", "-c", "exit 0")
    assert done.returncode == 1 and "/proc is missing on the disk" in done.stderr


def test_our_own_root_is_no_disk(disk: Path) -> None:
    assert run("/", "true").returncode == 2


def test_inside_of_a_chroot_rescue_is_refused(disk: Path) -> None:
    from agent.rescue.chroot import in_chroot_refusal

    door = RootDoor(str(disk), live=False)
    refusal = in_chroot_refusal(Target(door, "/", Mode.CHROOT))
    assert refusal is not None and "you are inside the chroot of a disk" in refusal.message
    assert "exit" in refusal.hint
    assert in_chroot_refusal(Target(door, "/", Mode.LIVE)) is None


# -- a real distribution


@pytest.mark.skipif(not BASES, reason="no base: make lab builds it")
@pytest.mark.timeout(120)
def test_a_distributions_tools_work_and_start_no_service(terminals: list[Terminal]) -> None:
    """On an overlay: a base is never changed."""
    script = (
        "invoke-rc.d ssh start; service ssh restart; systemctl start ssh; deb-systemd-invoke start ssh.service; "
        "pidof sshd || echo no sshd; apt-config dump DPkg::Path; ischroot && echo chroot; "
        "sshd -t && echo sshd is fine; dpkg --audit && echo audited"
    )
    with overlaid(BASES[0]) as root:
        terminal = visit(root, terminals)
        assert "PROMPT" not in str(terminal.child.after) and str(terminal.child.after).startswith(f"({root}) root@")
        said = terminal.answer(f"PS4=; {script}")
        assert said.count("not done in the chroot of a disk") == 2
        assert "Running in chroot, ignoring command 'start'" in said
        assert "no sshd" in said and "/run/lish-agent/bin:" in said
        assert "chroot" in said and "sshd is fine" in said and "audited" in said
        assert "password unchanged" not in said
        terminal.type("passwd")
        terminal.child.expect("New password: ")
        terminal.type("xk29-slower-tram")
        terminal.child.expect("Retype new password: ")
        terminal.type("xk29-slower-tram")
        terminal.child.expect("password updated successfully")
        terminal.at_prompt()
        terminal.type("exit")
        assert terminal.end() == 0


@pytest.mark.skipif(not BASES, reason="no base: make lab builds it")
@pytest.mark.parametrize("rescue", [True, False])
def test_an_agent_in_there_knows_that_it_is_in_a_chroot_and_of_which_system(
    rescue: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """The disk's own Python runs it; what marks a rescue system lies on no disk."""
    from agent.rescue.chroot import visit as enter

    script = "from agent.target.detect import open_target as o; t = o('/'); print(t.mode.value, t.rescue)"
    with overlaid(BASES[0]) as root:
        shutil.copytree(REPOSITORY / "agent", root / "opt/agent")
        (root / "run/lish-agent").mkdir(parents=True)
        (root / "run/lish-agent/rescue").touch()
        door = RootDoor(str(root), live=False)
        try:
            target = Target(door, str(root), Mode.OFFLINE, rescue)
            assert enter(target, ("sh", "-c", f'cd /opt && python3 -c "{script}"'), print).exit == 0
        finally:
            door.close()
    assert capfd.readouterr().out == f"chroot {rescue}\n"


def test_a_missing_program_is_unknown_not_a_crash(disk: Path) -> None:
    from agent.target.attend import attend
    from agent.target.namespace import Stay

    target = Target(RootDoor(str(disk), live=False), str(disk), Mode.OFFLINE)
    assert isinstance(attend(target, ("none",), Stay(), {}), Unknown)
