"""Live, offline and chroot are told apart, Finnix is known, and who can't look hears what to do."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import CannotLook
from agent.target import detect, machine, mounts
from agent.target.detect import in_finnix, nothing_target, open_target
from agent.target.model import Mode
from agent.unknown import Unknown, Why
from tests.target.children import as_nobody, in_child, needs_root

REPOSITORY = Path(__file__).resolve().parents[2]


def hint_of(root: str) -> str:
    with pytest.raises(CannotLook) as caught:
        open_target(root)
    assert caught.value.hint
    return f"{caught.value.message}\n{caught.value.hint}"


def test_the_running_host_is_live() -> None:
    target = open_target()
    assert (target.root, target.mode, target.live) == ("/", Mode.LIVE, True)
    assert target.root_user == (os.geteuid() == 0)
    assert open_target("/.").mode is Mode.LIVE
    assert open_target("//").root == "/"
    assert open_target("/etc/..").mode is Mode.LIVE
    assert target.read("/proc/self/cmdline")
    assert target.resolve("/proc/self/exe") == os.path.realpath(sys.executable)
    assert target.list("/proc/self/task") == (str(os.getpid()),) or target.list("/proc/self/task")
    kernel_log = target.open("/proc/kmsg")
    assert isinstance(kernel_log, Unknown), "reading it would take lines from the log daemon"


def test_who_names_nothing_that_is_there_hears_what_to_name(tmp_path: Path) -> None:
    assert "no such directory" in hint_of(str(tmp_path / "nothing"))
    assert "--root /media/sda" in hint_of(str(tmp_path / "nothing"))
    assert "lsblk" in hint_of("/dev/no-such-disk")
    assert hint_of("")
    assert hint_of("/etc/\0")
    (tmp_path / "disk.img").write_bytes(b"x")
    assert "mount -o ro,loop" in hint_of(str(tmp_path / "disk.img"))
    os.mkfifo(tmp_path / "fifo")
    assert "not a directory" in hint_of(str(tmp_path / "fifo"))
    (tmp_path / "loop").symlink_to("loop")
    assert hint_of(str(tmp_path / "loop"))


@needs_root
def test_who_names_a_disk_hears_how_to_mount_it(tmp_path: Path) -> None:
    os.mknod(tmp_path / "sda", stat.S_IFBLK | 0o600, os.makedev(7, 250))
    answer = hint_of(str(tmp_path / "sda"))
    assert "is a disk" in answer
    assert f"mkdir -p /media/sda && mount -o ro {tmp_path}/sda /media/sda" in answer
    assert "agent scan --root /media/sda" in answer


@needs_root
def test_a_disk_that_is_mounted_already_is_pointed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mknod(tmp_path / "sda", stat.S_IFBLK | 0o600, os.makedev(8, 0))
    line = "36 27 8:0 / /media/my\\040disk rw,relatime - ext4 /dev/sda rw\n"
    monkeypatch.setattr(mounts, "read", lambda *_: mounts.parse(line))
    assert "agent scan --root /media/my disk" in hint_of(str(tmp_path / "sda"))


@needs_root
def test_an_ordinary_user_hears_to_become_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(mode=0o700)
    tmp_path.chmod(0o700)

    def look() -> object:
        as_nobody()
        try:
            open_target(str(tmp_path / "root"))
        except CannotLook as error:
            return [error.message, error.hint]
        return None

    answer = in_child(look)
    assert isinstance(answer, list) and "permission denied" in answer[0] and "sudo" in answer[1]


def test_an_ordinary_user_sees_that_the_host_is_live() -> None:
    def look() -> object:
        if os.geteuid() == 0:
            as_nobody()
        target = open_target()
        return [target.mode.value, target.root_user]

    assert in_child(look) == ["live", False]


def test_an_empty_directory_can_be_looked_at(tmp_path: Path) -> None:
    target = open_target(str(tmp_path))
    assert target.mode is Mode.OFFLINE
    assert target.list("/") == ()


def test_a_log_alone_is_no_host() -> None:
    target = nothing_target()
    answers = (
        *(target.read("/x"), target.stat("/"), target.list("/"), target.space("/"), target.readlink("/x")),
        *(
            target.resolve("/"),
            target.run(["ip"]),
            target.query("links"),
            target.open("/x"),
            target.lines("/x"),
        ),
    )
    for answer in answers:
        assert answer == Unknown("only a log was given", Why.NOT_LIVE)
    assert target.glob("/etc/*") == ()


# -- chroots, for real


@needs_root
def test_a_bare_chroot_is_known_without_proc(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("web1\n")

    def look() -> object:
        os.chroot(tmp_path)
        target = open_target()
        network = target.query("links")
        assert isinstance(network, Unknown)
        command = target.run(["ip", "a"])
        assert isinstance(command, Unknown)
        return [target.mode.value, target.text("/etc/hostname"), network.why.value, command.why.value]

    assert in_child(look) == ["chroot", "web1\n", "not live", "not live"]


@needs_root
def test_a_disk_that_plays_proc_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/root").symlink_to("/")
    (tmp_path / "proc/self").mkdir()
    for name in ("1", "self"):
        (tmp_path / f"proc/{name}/mountinfo").write_text("1 1 8:0 / / rw - ext4 /dev/sda rw\n")

    def look() -> object:
        os.chroot(tmp_path)
        return open_target().mode.value

    assert in_child(look) == "chroot"


# Linode's own recipe (proc, sysfs, a bind of /dev, then chroot), on a mount and on a plain directory.
RECIPE = """
import json, os, subprocess, sys
from agent.target.detect import open_target
from agent.target import command, disks, live, machine, netlink
from agent.unknown import Unknown
root, bound = sys.argv[1], sys.argv[2] == "mount"
def mount(*words):
    subprocess.run(["mount", *words], check=True)
mount("--make-rprivate", "/")
if bound:
    mount("--bind", root, root)
mount("-t", "proc", "proc", root + "/proc")
mount("-t", "sysfs", "sys", root + "/sys")
mount("--bind", "/dev", root + "/dev")
open(root + "/run/on-disk", "w").close()
open(root + "/etc/resolv.conf", "w").close()
if bound:
    mount("-t", "tmpfs", "tmpfs", root + "/run")
    open(root + "/run/rescue", "w").close()
def answers(target):
    def kind(answer):
        return answer.why.value if isinstance(answer, Unknown) else "known"
    asked = {path: kind(target.stat(path)) for path in
        ("/proc", "/proc/cmdline", "/sys/class/net", "/dev/null", "/run", "/run/on-disk", "/run/rescue",
         "/etc/mtab", "/etc/hostname")}
    asked["links"] = kind(target.query("links"))
    asked["memory"] = kind(target.query("memory"))
    asked["list"] = kind(target.list("/sys"))
    asked["read"] = kind(target.read("/proc/self/mountinfo"))
    asked["mode"] = target.mode.value
    return asked
outside = answers(open_target(root))
os.chroot(root)
os.chdir("/")
if sys.argv[3] == "nobody":
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(json.dumps([outside, answers(open_target())]))
"""


@needs_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
@pytest.mark.parametrize("user", ["root", "nobody"])
@pytest.mark.parametrize("kind", ["mount", "directory"])
def test_in_linodes_chroot_the_rescue_system_is_not_taken_for_the_target(public: Path, kind: str, user: str) -> None:
    root = public / "root"
    for folder_name in ("proc", "sys", "dev", "run", "etc"):
        (root / folder_name).mkdir(parents=True)
    (root / "etc/hostname").write_text("web1\n")
    (root / "etc/mtab").symlink_to("../proc/self/mounts")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", RECIPE, str(root), kind, user],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
    )
    if "Operation not permitted" in done.stderr and "mount" in done.stderr:
        pytest.skip("mounting is not permitted here")
    assert done.returncode == 0, done.stderr
    outside, inside = json.loads(done.stdout)
    assert (outside.pop("mode"), inside.pop("mode")) == ("offline", "chroot")
    assert outside == inside, "one code path"
    assert inside.pop("/etc/hostname") == "known"
    if kind == "directory":  # /run is the disk's own here, and what is not in it proves nothing
        assert (inside.pop("/run"), inside.pop("/run/on-disk")) == ("known", "known")
    assert set(inside.values()) == {"not live"}, inside
    assert not os.path.ismount(root / "proc")


@needs_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
@pytest.mark.parametrize("words", [["-m"], ["-m", "-p", "-f", "--mount-proc"]])
def test_a_namespace_of_its_own_is_no_chroot(words: list[str]) -> None:
    code = "from agent.target.detect import open_target; print(open_target().mode.value)"
    done = subprocess.run(
        ["unshare", *words, sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.stdout == "live\n", done.stderr


BIND = """
import subprocess, sys
from agent.target.detect import open_target
def mount(*words):
    subprocess.run(["mount", *words], check=True)
root = sys.argv[1]
mount("--make-rprivate", "/")
mount("-t", "tmpfs", "tmpfs", "/dev/shm")
open("/dev/shm/resolv.conf", "w").close()
mount("--bind", "/dev/shm/resolv.conf", root + "/etc/resolv.conf")
print(open_target(root).read("/etc/resolv.conf").why.value)
"""


@needs_root
@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare")
def test_a_file_bound_in_from_the_running_system_is_not_the_targets(tmp_path: Path) -> None:
    """arch-chroot binds the rescue's resolv.conf over the disk's."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", BIND, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    if "Operation not permitted" in done.stderr or "permission denied" in done.stderr:
        pytest.skip("mounting is not permitted here")
    assert done.stdout == "not live\n", done.stderr


# -- Finnix


def finnix(top: Path, release: str, **files: str) -> Path:
    for path, content in {"usr/lib/os-release": release, **files}.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(content)
    (top / "media/sda/etc").mkdir(parents=True)
    return top


def seen_from(root: Path) -> object:
    def look() -> object:
        os.chroot(root)
        target = open_target("/media/sda")
        return [target.mode.value, target.rescue, target.root]

    return in_child(look)


@needs_root
def test_finnix_is_known_by_two_signs(tmp_path: Path) -> None:
    signs = {"etc/hostname": "finnix\n", "etc/issue": "Finnix 251 (\\l)\n"}
    root = finnix(tmp_path / "251", 'NAME="Finnix"\nID="finnix"\nID_LIKE="debian"\n', **signs)
    assert seen_from(root) == ["offline", True, "/media/sda"]
    root = finnix(tmp_path / "120", "NAME=Finnix\nID=finnix\n", **{"etc/issue": "Finnix 120 (\\l)\n"})
    assert seen_from(root) == ["offline", True, "/media/sda"]


@needs_root
def test_one_sign_of_finnix_is_not_enough(tmp_path: Path) -> None:
    assert seen_from(finnix(tmp_path / "a", "ID=debian\n", **{"etc/hostname": "finnix\n"})) == [
        "offline",
        False,
        "/media/sda",
    ]
    assert seen_from(finnix(tmp_path / "b", 'ID="finnix"\n')) == ["offline", False, "/media/sda"]


def test_a_live_medium_that_is_not_finnix_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "30 27 0:20 / /run/live/overlay rw - tmpfs tmpfs rw\n"
    monkeypatch.setattr(mounts, "read", lambda *_: mounts.parse(line))
    monkeypatch.setattr(detect, "_first", lambda path: b"boot=live quiet\n" if path == "/proc/cmdline" else b"")
    assert not in_finnix(Mode.OFFLINE)


def test_the_disks_own_files_do_not_speak_for_the_machine_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID="finnix"\n')
    (tmp_path / "etc/hostname").write_text("finnix\n")
    (tmp_path / "etc/issue").write_text("Finnix 251\n")
    assert not open_target(str(tmp_path)).rescue


# -- network filesystems, containers


def test_a_path_on_a_network_filesystem_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "36 27 0:50 / /srv/share rw,relatime shared:9 - nfs4 server:/export rw\n"
        "37 27 0:51 / /home/web1/far rw - fuse.sshfs web@198.51.100.7: rw\n"
        "38 27 0:52 / /var/lib/lxcfs rw - fuse.lxcfs lxcfs rw\n"
        "27 1 0:49 / / rw - nfs server:/root rw\n"
        "a line that is not one\n"
    )
    monkeypatch.setattr(mounts, "read", lambda *_: mounts.parse(text))
    target = open_target("/")
    for path in ("/srv/share", "/srv/share/x/y", "/home/web1/far/x"):
        for answer in (target.stat(path), target.space(path), target.list(path), target.read(path)):
            assert isinstance(answer, Unknown) and answer.why is Why.TIMEOUT
    assert not isinstance(target.stat("/etc"), Unknown)
    shares = target.stat("/srv/shares")
    assert isinstance(shares, Unknown) and shares.why is Why.ABSENT


def test_a_machine_made_from_a_containers_image_is_no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[4026531836]")
    monkeypatch.setattr("builtins.open", _no_files)
    assert machine.container() == ""
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[4026532281]")
    assert machine.container()


def _no_files(*_: object, **__: object) -> object:
    raise FileNotFoundError
