"""A root with its other filesystems, opened by its disk's name: whole, unchanged by a look, and closed again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.facts.facts import Facts
from agent.rescue import choice, tree
from agent.rescue.disks import survey
from agent.target import Mode, Output, Target
from agent.target.enter import run_inside
from agent.target.hold import held
from agent.unknown import Unknown
from tests.lab.isolation import lab_dir
from tests.rescue import images
from tests.rescue.images import attached, cut_off, digest, disk, fill, make, need, needs_disks, private, python, run

pytestmark = needs_disks

BASES = sorted((lab_dir() / "bases").glob("bookworm-*"))


def text(target: Target, path: str) -> str:
    found = target.text(path)
    return found.reason if isinstance(found, Unknown) else found


def refused(device: str, writable: bool = False) -> list[str]:
    before = images.seen_mounts()
    with pytest.raises(AgentError) as error, tree.opened(device, writable):
        pass
    assert images.seen_mounts() == before
    return [error.value.message, error.value.hint]


# -- one disk


@pytest.mark.parametrize("how", ["path", "link", "UUID", "LABEL", "by-uuid"])
def test_a_disk_is_opened_by_every_name_it_has(tmp_path: Path, how: str) -> None:
    identity = "7b1d3a52-0000-4000-8000-00000000abcd"
    image = images.root_image(tmp_path / "image", "-U", identity, "-L", "lishtest-root")
    before = digest(image)

    def look() -> list[object]:
        with disk(image) as device:
            (tmp_path / "link").symlink_to(device)
            names = {
                "path": device,
                "link": str(tmp_path / "link"),
                "UUID": f"UUID={identity.upper()}",
                "LABEL": "LABEL=lishtest-root",
                "by-uuid": f"/dev/disk/by-uuid/{identity}",
            }
            with tree.opened(names[how]) as target:
                seen = [target.device == device, target.mode.value, text(target, "/etc/hostname").strip()]
                known = Facts(target).devices
                assert not isinstance(known, Unknown)
                assert device in [one.path for one in known]
                assert target.run(["ls"]).why.value == "not live"  # type: ignore[union-attr]
            return [*seen, target.exists("/etc"), images.seen_mounts(), len(attached(image))]

    assert private(look) == [True, "offline", "web", False, [], 1]
    assert digest(image) == before


def test_without_a_name_the_only_root_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, swap = (
        images.root_image(tmp_path / "1"),
        images.root_image(tmp_path / "2", host="db"),
        make(tmp_path / "3", "swap"),
    )

    def look() -> list[object]:
        with disk(one) as first, disk(swap) as second, disk(two) as third:
            paths: list[str] = [first, second]
            monkeypatch.setattr(choice, "survey", lambda facts, only=(): survey(facts, only or paths))
            with tree.opened("") as target:
                found = target.device == first
            paths.append(third)
            several = [word.replace(first, "ONE").replace(third, "TWO") for word in refused("")]
            paths[:] = [second]
            return [found, *several, *refused("")]

    found, several, hint, none, _ = private(look)  # type: ignore[misc]
    assert found is True
    assert several.startswith("several disks hold a system: ONE (Debian")
    assert "TWO (Debian GNU/Linux 12 (bookworm), host db)" in several
    assert hint == "name the one that you mean"
    assert none == "no disk here holds a system"


def test_what_is_written_stays_and_the_disk_is_clean_afterwards(tmp_path: Path) -> None:
    image = images.root_image(tmp_path / "image")

    def change() -> list[object]:
        said: list[str] = []
        with disk(image) as device:
            with tree.opened(device, writable=True, say=said.append) as target:
                Path(target.root, "etc/new").write_text("new\n")
                os.sync()
            assert attached(image) == [device]
            with tree.opened(device) as target:
                return [text(target, "/etc/new"), said, images.seen_mounts(f"/proc/{os.getppid()}/mountinfo")]

    assert private(change) == ["new\n", [], []]
    assert "clean" in run("dumpe2fs", "-h", str(image)).split("Filesystem state:")[1].split("\n")[0]


def _unsaved(place: Path) -> object:
    stream = (place / "etc/late").open("w")
    stream.write("late\n" * 2000)
    stream.flush()
    os.fsync(stream.fileno())
    return stream


@pytest.mark.parametrize("type", ["ext4", "xfs", "btrfs"])
def test_after_a_power_cut_it_is_said_what_became_of_the_log(tmp_path: Path, type: str) -> None:
    image = images.root_image(tmp_path / "image", type=type)
    cut_off(image, _unsaved)
    before = digest(image)

    def look(writable: bool) -> list[str]:
        said: list[str] = []
        with disk(image) as device, tree.opened(device, writable, say=said.append) as target:
            return [line.replace(device, "DISK") for line in said] + [text(target, "/etc/late")[:4]]

    reading = private(lambda: look(False))
    assert isinstance(reading, list)
    assert reading[0] == "DISK was not cleanly unmounted: its log is not replayed: what is seen may be old"
    assert digest(image) == before
    assert private(lambda: look(True)) == [
        "DISK was not cleanly unmounted: its log was replayed by mounting it",
        "late",
    ]
    writing = private(lambda: look(True))
    assert writing == ["late"]


# -- what is refused


def test_each_refusal_says_why_and_what_to_do(tmp_path: Path) -> None:
    need("debugfs")
    root, swap = images.root_image(tmp_path / "root"), make(tmp_path / "swap", "swap")
    data, broken = make(tmp_path / "data", "ext4"), images.root_image(tmp_path / "broken", "-O", "^metadata_csum")
    run("debugfs", "-w", "-R", "set_super_value inodes_per_group 7", str(broken))

    def ask() -> dict[str, list[str]]:
        found = {}
        with disk(root) as one, disk(swap) as two, disk(data) as three, disk(broken) as four:
            found["nothing there"] = refused("/dev/nosuchdisk")
            found["no such label"] = refused("LABEL=nosuchlabel")
            found["a directory"] = refused(str(tmp_path))
            found["an image"] = refused(str(root))
            found["swap"] = refused(two)
            found["data"] = refused(three)
            found["damaged"] = [line.replace(four, "DISK") for line in refused(four)]
            found["damaged, to write"] = [line.replace(four, "DISK") for line in refused(four, True)]
            with images.mounted(one, tmp_path / "place"):
                found["mounted"] = [line.replace(one, "DISK") for line in refused(one)]
                found["mounted, to write"] = [line.replace(one, "DISK") for line in refused(one, True)]
            with held(one):
                found["held"] = [line.replace(one, "DISK") for line in refused(one, True)]
        return found

    found = private(ask)
    assert isinstance(found, dict)
    assert found["nothing there"] == ["/dev/nosuchdisk: there is no such disk", "agent rescue lists the disks"]
    assert found["no such label"][0] == "LABEL=nosuchlabel: there is no such disk"
    assert found["a directory"] == [f"{tmp_path} is a directory, not a disk", f"did you mean --root {tmp_path}?"]
    assert "losetup --find --show" in found["an image"][1]
    assert "holds no system (swap)" in found["swap"][0]
    assert "holds no system (data (ext4))" in found["data"][0]
    for how in ("damaged", "damaged, to write"):
        assert "inodes" in found[how][0]
        assert found[how][1] == "agent fix --fsck --device DISK"
    for how in ("mounted", "mounted, to write"):
        assert found[how][0].startswith(f"DISK is mounted on {tmp_path}/place")
        assert "umount DISK" in found[how][1]
    assert found["held"][0].startswith("DISK ")


def test_the_running_root_is_not_opened_as_a_disk() -> None:
    (own,) = [
        line.split()[2] for line in Path("/proc/self/mountinfo").read_text().splitlines() if line.split()[4] == "/"
    ][-1:]
    known = Facts(tree.open_target("/")).devices
    assert not isinstance(known, Unknown)
    path = next((one.path for one in known if one.number == own), None)
    if path is None:
        pytest.skip("the root here is on no disk that is seen")
    message, hint = private(lambda: refused(path))  # type: ignore[misc]
    assert message == f"{path} is mounted at /: it is the running system's own root"
    assert hint == "leave --device out"


def test_in_a_chroot_no_disk_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tree.open_target

    def in_chroot(root: str) -> Target:
        from dataclasses import replace

        return replace(real(root), mode=Mode.CHROOT)

    monkeypatch.setattr(tree, "open_target", in_chroot)
    with pytest.raises(AgentError, match="in a chroot") as error, tree.opened("/dev/sda"):
        pass
    assert "exit" in error.value.hint


def test_a_filesystem_marked_with_errors_is_read_but_not_written_to_unless_insisted(tmp_path: Path) -> None:
    need("debugfs")
    image = images.root_image(tmp_path / "image")
    run("debugfs", "-w", "-R", "set_super_value state 2", str(image))

    def ask() -> list[str]:
        with disk(image) as device:
            with tree.opened(device) as target:
                found = [text(target, "/etc/hostname").strip()]
            found += [line.replace(device, "DISK") for line in refused(device, True)]
            with tree.opened(device, writable=True, unchecked=True) as target:
                found.append(text(target, "/etc/hostname").strip())
            return found

    name, why, hint, again = private(ask)  # type: ignore[misc]
    assert name == again == "web"
    assert "is marked as one that holds errors: it has to be repaired" in why
    assert hint == "agent fix --fsck --device DISK"


# -- several disks


def _several(tmp_path: Path) -> dict[str, Path]:
    """A root whose /boot, /usr, /var and /var/log are disks of their own."""
    fstab = "".join(
        f"LABEL=lishtest-{label} {point} ext4 defaults 0 2\n"
        for label, point in (
            ("log", "/var/log"),
            ("boot", "/boot"),
            ("usr", "/usr"),
            ("var", "/var"),
            ("home", "/home"),
        )
    )
    root = images.root_image(tmp_path / "root", "-L", "lishtest-root", fstab=fstab)
    found = {"root": root}
    for label, names in (
        ("boot", ("grub",)),
        ("usr", ("bin", "lib")),
        ("var", ("log", "lib")),
        ("log", ("apt",)),
        ("home", ("web",)),
    ):
        image = make(tmp_path / label, "ext4", "-L", f"lishtest-{label}")
        fill(image, lambda place, names=names: [(place / name).mkdir() for name in names])  # type: ignore[misc]
        fill(image, lambda place, label=label: (place / "is").write_text(label))  # type: ignore[misc]
        found[label] = image
    return found


def _with_disks(found: dict[str, Path], work: Callable[[dict[str, str]], object]) -> object:
    import contextlib

    def inside() -> object:
        with contextlib.ExitStack() as stack:
            return work({name: stack.enter_context(disk(image)) for name, image in found.items()})

    return private(inside)


def test_the_disks_of_a_system_are_put_together_and_taken_apart(tmp_path: Path) -> None:
    found = _several(tmp_path)
    before = {name: digest(image) for name, image in found.items()}

    def look(devices: dict[str, str]) -> list[object]:
        with tree.opened(devices["root"]) as target:
            seen = [text(target, f"{point}/is") for point in ("/boot", "/usr", "/var", "/var/log")]
            home = target.exists("/home/web")
            points = [point.removeprefix(target.root) for point in images.seen_mounts()]
            flags = [target.space(point).read_only for point in ("/", "/boot", "/var/log")]  # type: ignore[union-attr]
        return [seen, home, points, flags, images.seen_mounts(), len(attached(*found.values()))]

    assert _with_disks(found, look) == [
        ["boot", "usr", "var", "log"],
        False,
        ["", "/boot", "/usr", "/var", "/var/log"],
        [True, True, True],
        [],
        6,
    ]
    assert {name: digest(image) for name, image in found.items()} == before


def test_writing_reaches_the_disk_that_it_belongs_to(tmp_path: Path) -> None:
    found = _several(tmp_path)

    def write(devices: dict[str, str]) -> list[object]:
        with tree.opened(devices["root"], writable=True) as target:
            Path(target.root, "boot/new").write_text("kernel")
        with held(devices["boot"]) as claim, images.mounted(claim.place, tmp_path / "look", "-o", "ro,noload"):
            new = (tmp_path / "look/new").read_text()
        return [new, images.seen_mounts()]

    assert _with_disks(found, write) == ["kernel", []]


def test_a_disk_that_is_missing_or_busy_is_told_and_the_rest_is_seen(tmp_path: Path) -> None:
    found = _several(tmp_path)
    del found["usr"]

    def look(devices: dict[str, str]) -> list[object]:
        said: list[str] = []
        with images.mounted(devices["boot"], tmp_path / "place"):
            with tree.opened(devices["root"], say=said.append) as target:
                seen = [text(target, "/var/log/is"), target.exists("/boot/is"), target.exists("/usr/is")]
            with pytest.raises(AgentError) as error, tree.opened(devices["root"], writable=True):
                pass
            left = [point for point in images.seen_mounts() if point != str(tmp_path / "place")]
        return [
            seen,
            [line.replace(devices["boot"], "BOOT") for line in said],
            "is mounted on" in error.value.message,
            left,
        ]

    seen, said, busy, left = _with_disks(found, look)  # type: ignore[misc]
    assert (seen, busy, left) == (["log", False, False], True, [])
    missing_line, busy_line = said
    assert busy_line.startswith(f"what fstab mounts on /boot is not seen: BOOT is mounted on {tmp_path}/place")
    assert missing_line == "fstab line 3 names LABEL=lishtest-usr for /usr: no disk here is that"


@pytest.mark.parametrize(
    ("prepare", "inside"),
    [
        ("/../../../../../../..{outside}", ""),  # leads to the same path inside of the disk, where nothing is
        ("{outside}", ""),
        ("/proc/self/root{outside}", ""),
        ("/dev", ""),
        ("/srv/boot", "/srv/boot/is"),
        ("../srv/boot", "/srv/boot/is"),
    ],
)
def test_a_mount_point_that_is_a_link_never_leaves_the_disk(tmp_path: Path, prepare: str, inside: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    image = images.root_image(tmp_path / "image", fstab="LABEL=lishtest-boot /boot ext4 defaults 0 2\n")
    boot = make(tmp_path / "boot", "ext4", "-L", "lishtest-boot")
    fill(boot, lambda place: (place / "is").write_text("boot") and None)

    def link(place: Path) -> None:
        (place / "srv/boot").mkdir(parents=True)
        (place / "boot").rmdir()
        (place / "boot").symlink_to(prepare.format(outside=outside))

    fill(image, link)

    def look() -> list[object]:
        with disk(image) as one, disk(boot), tree.opened(one) as target:
            points = images.seen_mounts()
            assert all(point.startswith(target.root) for point in points), points
            assert os.listdir(outside) == []
            return [len(points), text(target, inside) if inside else ""]

    assert private(look) == ([2, "boot"] if inside else [1 if prepare != "/dev" else 2, ""])


def test_subvolumes_of_one_btrfs_are_mounted_from_the_same_disk(tmp_path: Path) -> None:
    identity = "7b1d3a52-0000-4000-8000-00000000beef"
    image = make(tmp_path / "image", "btrfs", "-U", identity)

    def prepare(place: Path) -> None:
        for name in ("@", "@var"):
            run("btrfs", "subvolume", "create", str(place / name))
        lines = f"UUID={identity} / btrfs subvol=@ 0 0\nUUID={identity} /var btrfs subvol=/@var 0 0\n"
        images.system(place / "@", fstab=lines)
        (place / "@var/is").write_text("var")

    fill(image, prepare)
    before = digest(image)

    def look(writable: bool) -> list[object]:
        with disk(image) as device:
            with tree.opened(device, writable) as target:
                seen = [text(target, "/var/is"), text(target, "/etc/hostname").strip()]
                if writable:
                    Path(target.root, "var/new").write_text("x")
            return [*seen, images.seen_mounts(), len(attached(image))]

    assert private(lambda: look(False)) == ["var", "web", [], 1]
    assert digest(image) == before
    assert private(lambda: look(True)) == ["var", "web", [], 1]


# -- the end of it

HOLD = """
import sys, time
from agent.rescue import tree
with tree.opened(sys.argv[1], writable=sys.argv[2] == "rw") as target:
    print(target.root, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["ro", "rw"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_whoever_ends_us_all_is_unmounted(tmp_path: Path, how: str, number: signal.Signals) -> None:
    boot = make(tmp_path / "boot", "ext4", "-L", "lishtest-boot2")
    root = images.root_image(tmp_path / "root", fstab="LABEL=lishtest-boot2 /boot ext4 defaults 0 2\n")
    with disk(root) as one, disk(boot) as two:
        process = python(HOLD, one, how)
        try:
            assert process.stdout is not None
            place = process.stdout.readline().strip()
            assert [point.removeprefix(place) for point in images.seen_mounts(f"/proc/{process.pid}/mountinfo")] == [
                "",
                "/boot",
            ]
        finally:
            process.send_signal(number)
            process.wait(20)
        end = time.monotonic() + 5
        while len(attached(root, boot)) > 2 and time.monotonic() < end:
            time.sleep(0.05)
        assert len(attached(root, boot)) == 2
        for device in (one, two):
            with held(device, writing=True):
                pass


def test_an_error_inside_closes_it_too(tmp_path: Path) -> None:
    image = images.root_image(tmp_path / "image")

    def fail() -> list[object]:
        with disk(image) as device:
            try:
                with tree.opened(device) as target:
                    raise KeyError(target.device)
            except KeyError:
                return [images.seen_mounts(), len(attached(image))]

    assert private(fail) == [[], 1]


# -- a real root


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not BASES:
        pytest.skip("no base of the lab: make test-lab makes them")
    image = tmp_path_factory.mktemp("debian") / "image"
    with image.open("wb") as stream:
        stream.truncate(1024 * images.MEGABYTE)
    run("mkfs.ext4", "-q", "-F", "-d", str(BASES[0]), str(image))
    return image


def test_a_real_debian_is_seen_whole_and_unchanged(debian: Path) -> None:
    before = digest(debian)

    def look() -> list[object]:
        with disk(debian) as device, tree.opened(device) as target:
            facts = Facts(target)
            assert not isinstance(facts.devices, Unknown)
            assert isinstance(facts.mounts, Unknown)
            return [facts.distro.id, facts.init.value, device in [one.path for one in facts.devices]]

    assert private(look) == ["debian", "systemd", True]
    assert digest(debian) == before


def test_its_programs_run_in_a_tree_opened_for_writing(debian: Path, tmp_path: Path) -> None:
    import shutil

    image = tmp_path / "copy"
    shutil.copyfile(debian, image)

    def work() -> list[object]:
        with disk(image) as device, tree.opened(device, writable=True) as target:
            found = []
            for words in (
                ["/bin/true"],
                ["dpkg", "--audit"],
                ["ldconfig"],
                ["sh", "-c", "echo made > /etc/made && grep -c . /proc/mounts && test -b $0", device],
                ["sh", "-c", "stat -c %d / && stat -c %t:%T $0", device],
            ):
                answer = run_inside(target, words, 30.0, 100_000)
                assert isinstance(answer, Output), answer
                found.append([answer.exit, answer.stderr])
            return [found, text(target, "/etc/made"), images.seen_mounts(f"/proc/{os.getppid()}/mountinfo")]

    answers, made, seen = private(work)  # type: ignore[misc]
    assert answers == [[0, ""]] * 5
    assert made == "made\n"
    assert seen == []
    assert attached(image) == []
