"""A mounted disk may be made by an enemy: no path leaves it, nothing special is opened, nothing hangs."""

from __future__ import annotations

import os
import resource
import socket
import stat
import threading
from pathlib import Path

import pytest

from agent.target.detect import open_target
from agent.target.door import RootDoor
from agent.target.model import Kind, Mode, Stat
from agent.target.target import Target
from agent.target.walk import DEPTH, LINKS
from agent.unknown import Unknown, Why
from tests.target.children import as_nobody, in_child, needs_root

SECRET = "of the rescue system"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "secret").write_text(SECRET)
    return secret


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    top = tmp_path / "root"
    for folder in ("etc", "usr/lib", "var/log", "deep/er"):
        (top / folder).mkdir(parents=True)
    (top / "usr/lib/os-release").write_text("ID=debian\n")
    return top


@pytest.fixture
def target(root: Path) -> Target:
    return open_target(str(root))


def why(answer: object) -> Why:
    assert isinstance(answer, Unknown), answer
    return answer.why


def test_a_mounted_root_is_offline(target: Target, root: Path) -> None:
    assert target.mode is Mode.OFFLINE
    assert target.root == str(root)
    assert not target.live


def test_an_absolute_link_stays_inside(target: Target, root: Path, outside: Path) -> None:
    (root / "etc/os-release").symlink_to("/usr/lib/os-release")
    (root / "etc/stolen").symlink_to(outside / "secret")
    assert target.read("/etc/os-release") == b"ID=debian\n"
    assert target.resolve("/etc/os-release") == "/usr/lib/os-release"
    assert why(target.read("/etc/stolen")) is Why.ABSENT
    assert why(target.stat("/etc/stolen")) is Why.ABSENT
    assert target.readlink("/etc/stolen") == str(outside / "secret")
    assert target.exists("/etc/stolen", follow=False)


def test_dots_end_at_the_root(target: Target, root: Path) -> None:
    (root / "etc/up").symlink_to("../../../../../../../../outside/secret")
    (root / "up").symlink_to("..")
    assert why(target.read("/etc/up")) is Why.ABSENT
    assert why(target.read("/../outside/secret")) is Why.ABSENT
    assert target.resolve("/..") == "/"
    assert target.resolve("/up/up/../etc/..") == "/"
    assert target.list("/up") == target.list("/")
    assert target.read("/../../usr/lib/../lib/os-release") == b"ID=debian\n"


def test_a_directory_link_out_is_walked_inside(target: Target, root: Path, outside: Path) -> None:
    (root / "etc/network").symlink_to(outside)
    assert why(target.list("/etc/network")) is Why.ABSENT
    assert why(target.read("/etc/network/secret")) is Why.ABSENT
    assert why(target.space("/etc/network")) is Why.ABSENT


def test_loops_and_long_chains_end(target: Target, root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("/a")
    (root / "self").symlink_to("self/self")
    assert why(target.read("/a")) is Why.LOOP
    assert why(target.list("/self")) is Why.LOOP
    assert why(target.resolve("/a/x")) is Why.LOOP
    for number in range(LINKS + 1):
        (root / f"chain{number}").symlink_to(f"chain{number + 1}" if number < LINKS else "usr/lib/os-release")
    assert target.read("/chain1") == b"ID=debian\n", "as many links as the kernel follows"
    assert why(target.read("/chain0")) is Why.LOOP, "one more than the kernel follows"


def test_links_that_multiply_end(target: Target, root: Path) -> None:
    (root / "x0").mkdir()
    for number in range(1, 30):
        (root / f"x{number}").symlink_to("/".join([f"../x{number - 1}"] * 50))
    assert isinstance(target.stat("/x29/y"), Unknown)


@pytest.mark.timeout(20)
def test_special_files_are_never_opened(target: Target, root: Path) -> None:
    os.mkfifo(root / "etc/hostname")
    (root / "etc/fstab").symlink_to("hostname")
    with socket.socket(socket.AF_UNIX) as listening:
        where = os.getcwd()
        os.chdir(root)
        listening.bind("etc/socket")
        os.chdir(where)
    for path, kind in (("/etc/hostname", Kind.FIFO), ("/etc/fstab", Kind.FIFO), ("/etc/socket", Kind.SOCKET)):
        assert why(target.read(path)) is Why.SPECIAL
        found = target.stat(path)
        assert isinstance(found, Stat) and found.kind is kind
    assert why(target.list("/etc/hostname")) is Why.SPECIAL
    assert why(target.open("/etc")) is Why.SPECIAL
    assert why(target.readlink("/etc")) is Why.SPECIAL


@needs_root
def test_devices_are_never_opened(target: Target, root: Path) -> None:
    os.mknod(root / "etc/zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.mknod(root / "etc/disk", stat.S_IFBLK | 0o666, os.makedev(7, 0))
    assert why(target.read("/etc/zero")) is Why.SPECIAL
    assert why(target.read("/etc/disk")) is Why.SPECIAL
    zero = target.stat("/etc/zero")
    assert isinstance(zero, Stat) and zero.kind is Kind.CHAR and zero.rdev == os.makedev(1, 5)


def test_a_sparse_giant_costs_nothing(target: Target, root: Path) -> None:
    with (root / "var/log/syslog").open("wb") as stream:
        stream.truncate(10 * 1024**3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert why(target.read("/var/log/syslog")) is Why.TOO_LARGE
    stream_of_log = target.open("/var/log/syslog")
    assert not isinstance(stream_of_log, Unknown)
    with stream_of_log:
        assert stream_of_log.read(10) == bytes(10)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024, "KiB"


@needs_root
def test_an_unreadable_file_is_denied(public: Path) -> None:
    (public / "shadow").write_text("x")
    (public / "shadow").chmod(0)
    (public / "private").mkdir(mode=0)

    def look() -> object:
        as_nobody()
        target = open_target(str(public))
        answers = (target.read("/shadow"), target.list("/private"), target.stat("/private/x"))
        return [target.root_user, *(why(answer).value for answer in answers)]

    assert in_child(look) == [False, "denied", "denied", "denied"]


def test_names_that_are_no_text_are_read(target: Target, root: Path) -> None:
    name = b"caf\xe9\xff.conf"
    (root / "etc" / os.fsdecode(name)).write_bytes(b"latin")
    os.symlink(name, os.fsencode(root / "etc/link"))
    names = target.list("/etc")
    assert not isinstance(names, Unknown)
    found = name.decode("utf-8", "surrogateescape")
    assert found in names
    assert target.read(f"/etc/{found}") == b"latin"
    assert target.readlink("/etc/link") == found
    assert target.resolve("/etc/link") == f"/etc/{found}"
    missing = target.read(f"/etc/{found}/x")
    assert isinstance(missing, Unknown)
    missing.reason.encode("utf-8")  # a reason can be printed anywhere


@pytest.mark.parametrize(
    "path",
    ["/etc/" + "x" * 300, "/" + "y/" * 3000, "/etc/\0", "/etc/\ud800", "", "/usr/lib/os-release/x"],
    ids=["long name", "long path", "NUL", "lone surrogate", "empty", "file as directory"],
)
def test_impossible_names_are_absent(target: Target, path: str) -> None:
    for answer in (target.stat(path), target.read(path), target.list(path), target.resolve(path)):
        assert why(answer) is Why.ABSENT
    assert why(target.readlink(path)) is Why.ABSENT


def test_a_slash_at_the_end_asks_for_a_directory(target: Target, root: Path) -> None:
    (root / "lib").symlink_to("usr/lib")
    (root / "file").symlink_to("usr/lib/os-release/")
    assert why(target.stat("/usr/lib/os-release/")) is Why.ABSENT
    assert why(target.stat("/file")) is Why.ABSENT
    found = target.stat("/lib/", follow=False)
    assert isinstance(found, Stat) and found.kind is Kind.DIR
    assert target.resolve("/lib/.") == "/usr/lib"


def test_a_nest_without_bottom_is_refused(target: Target, root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(DEPTH + 10):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert target.exists("/d" * 100)
    assert why(target.stat("/d" * (DEPTH + 5))) is Why.TOO_LARGE


def test_too_many_names_are_refused(target: Target, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.target.door.NAMES", 3)
    for number in range(4):
        (root / f"etc/{number}").touch()
    assert why(target.list("/etc")) is Why.TOO_LARGE


def test_no_descriptor_is_left_open(target: Target, root: Path) -> None:
    (root / "loop").symlink_to("usr/lib/../lib/../../loop")
    (root / "etc/x").symlink_to("/usr/lib/../lib/os-release")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        target.read("/etc/x")
        target.stat("/loop")
        target.stat("/usr/lib/nothing/x")
        target.list("/usr/lib")
        target.list("/etc/x")
        target.open("/etc")
        target.space("/usr/lib")
        target.resolve("/usr/lib/../../..")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_closed_door_gives_its_descriptors_back(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        RootDoor(str(root), live=False).list("/")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.timeout(60)
def test_a_directory_swapped_for_a_link_never_leads_out(target: Target, root: Path, outside: Path) -> None:
    """The classic race: a checked directory becomes a link before it is used."""
    inside, link = root / "etc/d", root / "etc/l"
    inside.mkdir()
    (inside / "secret").write_text("inside")
    link.symlink_to(outside)
    file_link = root / "etc/f"
    (root / "etc/g").write_text("inside")
    file_link.symlink_to(outside / "secret")
    stop = threading.Event()

    def swap() -> None:
        other = root / "etc/t"
        while not stop.is_set():
            for one, two in ((inside, link), (root / "etc/g", file_link)):
                os.rename(one, other)
                os.rename(two, one)
                os.rename(other, two)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(3000):
            for path in ("/etc/d/secret", "/etc/g", "/etc/l/../l/secret"):
                answer = target.read(path)
                seen.add(answer if isinstance(answer, bytes) else answer.why)
            names = target.list("/etc/d")
            assert isinstance(names, Unknown) or names == ("secret",)
    finally:
        stop.set()
        thread.join()
    assert SECRET.encode() not in seen
    assert b"inside" in seen
    assert seen <= {b"inside", Why.ABSENT, Why.IO, Why.SPECIAL}


@needs_root
def test_reading_leaves_the_access_times_alone(target: Target, root: Path) -> None:
    file = root / "usr/lib/os-release"
    os.utime(file, (1000, 2000))
    os.utime(root / "usr/lib", (1000, 2000))
    assert target.read("/usr/lib/os-release")
    assert target.list("/usr/lib")
    assert (file.stat().st_atime, (root / "usr/lib").stat().st_atime) == (1000, 1000)


def test_space_is_that_of_the_filesystem(target: Target, root: Path) -> None:
    found = target.space("/usr/lib/os-release")
    expected = os.statvfs(root)
    assert not isinstance(found, Unknown)
    assert found.bytes_total == expected.f_blocks * expected.f_frsize
    assert found.inodes_total == expected.f_files
    assert not found.read_only


def test_what_is_missing_in_run_proves_nothing(target: Target, root: Path) -> None:
    """Offline, each systemd host's resolv.conf is a link to a file that its boot will make."""
    (root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (root / "run").mkdir()
    (root / "run/left-over").write_text("on the disk")
    (root / "var/run").symlink_to("/run")
    assert why(target.read("/etc/resolv.conf")) is Why.NOT_LIVE
    assert why(target.read("/var/run/network/ifstate")) is Why.NOT_LIVE
    assert why(target.read("/proc/cmdline")) is Why.NOT_LIVE
    assert why(target.list("/sys/class/net")) is Why.NOT_LIVE
    assert target.read("/run/left-over") == b"on the disk"
    assert target.list("/run") == ("left-over",)
    assert why(target.read("/var/nothing")) is Why.ABSENT
