"""Programs of a mounted disk run in a place of their own, of which nothing is left, whoever dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.target import Mode, Output, Target
from agent.target.detect import open_target
from agent.target.door import RootDoor
from agent.target.enter import run_inside
from agent.unknown import Maybe, Unknown, Why
from tests.lab.isolation import lab_dir
from tests.target.children import needs_root

BUSYBOX = shutil.which("busybox")
BASES = sorted((lab_dir() / "bases").glob("bookworm-*"))
MARK = "86399.375"  # seconds that only these tests' processes sleep

pytestmark = [needs_root, pytest.mark.skipif(BUSYBOX is None, reason="not installed: busybox-static")]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A small disk whose only program is busybox."""
    root = tmp_path / "disk"
    for name in ("bin", "proc", "sys", "dev", "run", "tmp", "etc", "var/lib"):
        (root / name).mkdir(parents=True)
    assert BUSYBOX is not None
    shutil.copy(BUSYBOX, root / "bin" / "busybox")
    for name in ("sh", "cat", "sleep", "setsid", "ls", "touch", "yes", "ip", "mount", "wc", "grep", "mkdir", "id"):
        (root / "bin" / name).symlink_to("busybox")
    return root


def inside(
    root: Path,
    *argv: str,
    timeout: float = 15.0,
    limit: int = 100_000,
    input: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    read_only: bool = False,
) -> Maybe[Output]:
    target = Target(RootDoor(str(root), live=False), str(root), Mode.OFFLINE)
    return run_inside(target, argv, timeout, limit, input, environment, read_only)


def sh(root: Path, script: str, timeout: float = 15.0, limit: int = 100_000) -> Output:
    answer = inside(root, "sh", "-c", script, timeout=timeout, limit=limit)
    assert isinstance(answer, Output), answer
    return answer


def sleepers() -> list[int]:
    """Processes of these tests that still sleep."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if MARK.encode() in words and b"sh" not in words[0]:
                found.append(int(name))
    return found


def gone(seconds: float = 5.0) -> bool:
    """Have they all ended?"""
    end = time.monotonic() + seconds
    while sleepers() and time.monotonic() < end:
        time.sleep(0.02)
    return not sleepers()


def tree(root: Path) -> dict[str, tuple[int, int, str]]:
    """What is on the disk: type and mode, size, link text or content's beginning."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        text = os.readlink(path) if path.is_symlink() else path.read_bytes()[:64].hex() if path.is_file() else ""
        found[str(path.relative_to(root))] = (status.st_mode, status.st_size if path.is_file() else 0, text)
    return found


def mounts() -> str:
    return Path("/proc/self/mounts").read_text()


def test_the_program_runs_in_the_disk_and_says_how_it_ended(disk: Path) -> None:
    output = sh(disk, "echo $0 out; echo err >&2; exit 7")
    assert (output.exit, output.stdout, output.stderr) == (7, "sh out\n", "err\n")
    assert sh(disk, "kill -9 $$").exit == -signal.SIGKILL
    assert sh(disk, "ls /").stdout.split() == sorted(os.listdir(disk))


def test_input_and_environment_come_in_and_nothing_else(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/leaked")
    answer = inside(disk, "wc", "-c", input=b"x" * 500_000)
    assert isinstance(answer, Output) and answer.stdout.strip() == "500000"
    answer = inside(disk, "sh", "-c", "set", environment={"DEBIAN_FRONTEND": "noninteractive"})
    assert isinstance(answer, Output)
    assert "DEBIAN_FRONTEND='noninteractive'" in answer.stdout and "leaked" not in answer.stdout


def test_nothing_is_left_on_the_disk_or_in_the_mount_table(disk: Path) -> None:
    before, mounted = tree(disk), mounts()
    sh(disk, "touch /tmp/a /run/b /dev/c")
    assert tree(disk) == before
    assert mounts() == mounted


@pytest.mark.parametrize("words", ["-t tmpfs none /var/lib", "-o bind /etc /var/lib"])
def test_a_program_of_the_disk_may_mount_nothing(disk: Path, words: str) -> None:
    """A remount, above all, would reach through the namespace to the filesystem that the disk lies on."""
    answer = sh(disk, f"mount {words} && echo mounted")
    assert "mounted" not in answer.stdout and "not permitted" in answer.stderr.lower().replace(
        "permission denied", "not permitted"
    )


def test_what_it_writes_to_the_disk_stays(disk: Path) -> None:
    sh(disk, "echo new > /etc/file; mkdir /var/lib/folder")
    assert (disk / "etc/file").read_text() == "new\n"
    assert oct((disk / "etc/file").stat().st_mode) == "0o100644"
    assert oct((disk / "var/lib/folder").stat().st_mode) == "0o40755"


def test_it_sees_only_its_own_processes_network_and_mounts(disk: Path) -> None:
    script = "cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l; ip -o link | wc -l; grep -c . /proc/mounts; ls /proc/1/root"
    processes, links, count, root = sh(disk, script).stdout.split("\n")[1:5]
    assert int(processes) <= 6
    assert int(links) == 1
    assert int(count) < 20
    assert root == "disk"  # of the rescue system's tree, nothing
    assert str(disk) not in sh(disk, "cat /proc/mounts").stdout


def test_the_kernels_settings_are_not_the_disks_to_change(disk: Path) -> None:
    before = Path("/proc/sys/kernel/printk").read_text()
    output = sh(disk, "echo 1 > /proc/sys/kernel/printk; echo h > /proc/sysrq-trigger; touch /sys/x; echo end")
    assert output.stdout == "end\n"
    assert output.stderr.count("Read-only") + output.stderr.count("nonexistent") >= 3
    assert Path("/proc/sys/kernel/printk").read_text() == before


def test_of_the_disks_it_sees_none_but_its_own(disk: Path) -> None:
    own = {os.stat(disk).st_dev}
    names = sh(disk, "ls -l /dev | grep ^b").stdout.splitlines()
    for line in names:
        major, minor = line.split()[4].rstrip(","), line.split()[5]
        number = os.makedev(int(major), int(minor))
        assert number in own or Path(f"/sys/dev/block/{major}:{minor}").exists()
    assert len(names) <= 2  # a partition and its disk
    assert "/dev/kmsg" not in sh(disk, "ls /dev/*").stdout


def test_it_has_no_terminal_and_no_keyboard(disk: Path) -> None:
    output = sh(disk, "cat; cat < /dev/tty")
    assert output.stdout == "" and output.exit != 0


def test_descriptors_of_ours_are_not_its_own(disk: Path, tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w") as stream:
        os.set_inheritable(stream.fileno(), True)
        assert "secret" not in sh(disk, "ls -l /proc/self/fd").stdout
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        sh(disk, "exit 1")
        inside(disk, "sleep", MARK, timeout=0.1)
        inside(disk, "nothing")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.timeout(30)
def test_the_deadline_ends_it_with_all_its_children(disk: Path) -> None:
    started = time.monotonic()
    answer = inside(disk, "sh", "-c", f"trap '' TERM; (trap '' TERM; sleep {MARK}) & wait; wait", timeout=0.5)
    assert isinstance(answer, Unknown) and answer.why is Why.TIMEOUT
    assert time.monotonic() - started < 5
    assert gone(0.0)


@pytest.mark.timeout(30)
def test_a_daemon_that_it_leaves_behind_ends_with_it(disk: Path) -> None:
    started = time.monotonic()
    output = sh(disk, f"(setsid sh -c '(setsid sleep {MARK} <&- >&- 2>&- &)' &) ; sleep 0.3; echo started")
    assert output.stdout == "started\n" and output.exit == 0
    assert gone(0.0)  # not "soon": no process is left when the answer is there
    assert time.monotonic() - started < 5


@pytest.mark.timeout(30)
def test_a_daemon_that_keeps_the_pipes_open_holds_nothing_up(disk: Path) -> None:
    started = time.monotonic()
    assert sh(disk, f"setsid sleep {MARK} & sleep 0.2; echo done").stdout == "done\n"
    assert time.monotonic() - started < 3
    assert gone(0.0)


@pytest.mark.timeout(30)
def test_a_flood_is_cut_and_ended(disk: Path) -> None:
    output = sh(disk, "yes", limit=10_000)
    assert output.truncated and len(output.stdout) == 10_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("who", ["us", "the guard", "the keeper"])
def test_killing_any_of_them_leaves_no_process_and_no_mount(disk: Path, who: str) -> None:
    script = textwrap.dedent(
        f"""
        from pathlib import Path
        from tests.target.test_enter import sh
        sh(Path({str(disk)!r}), "(setsid sleep {MARK} &) ; sleep {MARK}", timeout=60)
        """
    )
    us = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while len(sleepers()) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        assert len(sleepers()) == 2
        guard = children_of(us.pid)[0]
        os.kill({"us": us.pid, "the guard": guard, "the keeper": children_of(guard)[0]}[who], signal.SIGKILL)
        assert gone()
    finally:
        us.kill()
        us.wait()
    assert str(disk) not in mounts()


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.timeout(30)
def test_ctrl_c_leaves_no_process(disk: Path) -> None:
    import threading

    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        inside(disk, "sh", "-c", f"(setsid sleep {MARK} &); sleep {MARK}", timeout=20)
    assert gone(0.0)


# -- broken and hostile disks


@pytest.mark.parametrize("name", ["proc", "sys", "dev", "run"])
def test_a_mount_point_that_leads_out_is_refused(disk: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (disk / name).rmdir()
    (disk / name).symlink_to(f"../outside{'' if name != 'proc' else '/'}")
    before = tree(tmp_path)
    answer = inside(disk, "sh", "-c", "echo ran > /etc/ran")
    assert isinstance(answer, Unknown) and answer.why is Why.FAILED
    assert f"/{name} is not a directory of the disk" in answer.reason
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_missing_mount_point_is_refused(disk: Path, name: str) -> None:
    (disk / name).rmdir()
    answer = inside(disk, "sh", "-c", "echo ran > /etc/ran")
    assert isinstance(answer, Unknown) and f"/{name} is missing on the disk" in answer.reason
    assert not (disk / "etc/ran").exists() and not (disk / name).exists()


def test_a_disk_from_before_run_needs_none(disk: Path) -> None:
    (disk / "run").rmdir()
    assert sh(disk, "echo fine").stdout == "fine\n"
    assert not (disk / "run").exists()


def test_a_tmp_that_is_a_link_is_left_alone(disk: Path) -> None:
    (disk / "tmp").rmdir()
    (disk / "tmp").symlink_to("/etc")
    assert sh(disk, "echo fine").stdout == "fine\n"


def test_a_program_that_is_a_link_out_of_the_disk_is_not_run(disk: Path) -> None:
    (disk / "bin/true").symlink_to("/usr/bin/true")
    (disk / "bin/up").symlink_to("../../../../../../../../../usr/bin/true")
    for name in ("true", "up", "/bin/true", "/usr/bin/true"):
        answer = inside(disk, name)
        assert isinstance(answer, Unknown) and answer.why is Why.ABSENT, name


def test_another_architecture_is_said_in_plain_words(disk: Path) -> None:
    header = bytearray((disk / "bin/busybox").read_bytes()[:4096])
    header[18:20] = b"\x16\x00"  # e_machine: s390
    (disk / "bin/other").write_bytes(header)
    (disk / "bin/other").chmod(0o755)
    answer = inside(disk, "other")
    assert isinstance(answer, Unknown) and answer.why is Why.FAILED
    assert "another architecture" in answer.reason


def test_a_missing_loader_or_interpreter_is_said_in_plain_words(disk: Path) -> None:
    shutil.copy("/bin/true", disk / "bin/dynamic")
    (disk / "bin/script").write_text("#!/usr/bin/perl\n")
    (disk / "bin/script").chmod(0o755)
    for name in ("dynamic", "script"):
        answer = inside(disk, name)
        assert isinstance(answer, Unknown) and answer.why is Why.FAILED
        assert "its interpreter or loader is missing on the disk" in answer.reason


def test_a_libc_that_does_not_start_is_said_in_plain_words(disk: Path) -> None:
    loader = subprocess.run(["ldd", "/bin/true"], capture_output=True, text=True, check=True).stdout.split()
    path = next(word for word in loader if "/ld-" in word)
    (disk / path.lstrip("/")).parent.mkdir(parents=True)
    shutil.copy(path, disk / path.lstrip("/"))
    shutil.copy("/bin/true", disk / "bin/dynamic")
    answer = inside(disk, "dynamic")
    assert isinstance(answer, Unknown) and "own programs do not start" in answer.reason
    assert "libc.so.6" in answer.reason


def test_a_disk_mounted_noexec_runs_all_the_same(disk: Path) -> None:
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,noexec,nosuid,nodev", disk], check=True)
        assert sh(disk, "echo fine").stdout == "fine\n"
        assert "noexec" in next(line for line in mounts().splitlines() if str(disk) in line)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_filesystem_mounted_below_comes_along(disk: Path) -> None:
    (disk / "boot").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", disk / "boot"], check=True)
    try:
        sh(disk, "echo menu > /boot/grub.cfg")
        assert (disk / "boot/grub.cfg").read_text() == "menu\n"
    finally:
        subprocess.run(["umount", disk / "boot"], check=True)


def test_not_installed_is_absent(disk: Path) -> None:
    for name in ("dpkg", "/etc/none", ""):
        answer = inside(disk, name)
        assert isinstance(answer, Unknown) and answer.why is Why.ABSENT


def test_in_a_chroot_systemctl_is_told_to_start_nothing(disk: Path) -> None:
    """It sees for itself only where /proc was mounted."""
    answer = run_inside(
        Target(RootDoor("/", live=False), "/", Mode.CHROOT), ("sh", "-c", "echo $SYSTEMD_OFFLINE"), 10, 99
    )
    assert isinstance(answer, Output) and answer.stdout == "1\n"


def test_on_the_running_host_it_is_an_ordinary_command() -> None:
    answer = run_inside(open_target("/"), ("sh", "-c", "echo $A; cat /proc/1/comm"), 10, 1000, None, {"A": "b"})
    assert isinstance(answer, Output)
    assert answer.stdout == "b\n" + Path("/proc/1/comm").read_text()


# -- to read only


@pytest.mark.parametrize("mounted", ["rw", "noexec,nosuid,nodev", "ro,noexec,nosuid,nodev"])
def test_who_may_only_read_can_write_nothing_however_the_disk_is_mounted(disk: Path, mounted: str) -> None:
    (disk / "boot").mkdir()
    subprocess.run(["mount", "--bind", disk, disk], check=True)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "none", disk / "boot"], check=True)
        shutil.copy(disk / "bin/busybox", disk / "boot/busybox")
        for place in (disk, disk / "boot"):
            subprocess.run(["mount", "-o", f"remount,bind,{mounted}", place], check=True)
        script = "for f in /etc/a /boot/a /a /run/a /tmp/a; do touch $f && echo $f; done; ls -l /dev | grep -c ^b"
        answer = inside(disk, "sh", "-c", f"{script}; /boot/busybox true && echo runs", read_only=True)
        assert isinstance(answer, Output), answer
        assert answer.stdout.split() == ["/run/a", "/tmp/a", "0", "runs"]
        assert "Read-only file system" in answer.stderr
    finally:
        subprocess.run(["umount", disk / "boot"], check=False)
        subprocess.run(["umount", disk], check=True)


# -- a real distribution


@pytest.mark.skipif(not BASES, reason="no base: make lab builds it")
def test_a_distributions_own_tools_know_that_they_are_in_a_chroot() -> None:
    script = "dpkg --version | head -1; ischroot && echo chroot; systemctl start ssh; systemctl is-enabled ssh"
    output = sh(BASES[0], script)
    assert "Debian 'dpkg'" in output.stdout and "chroot\n" in output.stdout and "enabled" in output.stdout
    assert "Running in chroot, ignoring command 'start'" in output.stderr


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="not installed: e2fsprogs")
def test_a_boot_menu_generator_finds_the_disk_that_it_is_on(disk: Path, tmp_path: Path) -> None:
    """Its device node, and which one is mounted at /: what grub-probe asks."""
    image, place = tmp_path / "image", tmp_path / "mounted"
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", disk, image, "16M"], check=True, capture_output=True)
    place.mkdir()
    mounted = subprocess.run(["mount", "-o", "loop,noexec", image, place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no loop devices here: {mounted.stderr.strip()}")
    try:
        device = next(line.split()[0] for line in mounts().splitlines() if line.split()[1] == str(place))
        output = sh(place, f"cat /proc/mounts; ls -l {device}; wc -c < {device}; echo kept > /etc/kept")
        assert f"{device} / ext4" in output.stdout
        assert f"{16 << 20}" in output.stdout.split("\n")
        assert len([line for line in sh(place, "ls -l /dev").stdout.split("\n") if line.startswith("b")]) == 1
        assert (place / "etc/kept").read_text() == "kept\n"
    finally:
        subprocess.run(["umount", place], check=True)
