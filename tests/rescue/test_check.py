"""A check changes nothing, never touches a filesystem in use, and knows damage from unfinished writes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.facts.filesystem import Check, Health
from agent.rescue import check as checking
from agent.rescue import extfs
from agent.rescue.check import judge_ext
from agent.rescue.tool import Said
from agent.target import command, loop
from tests.rescue import damage
from tests.rescue.damage import block_device, dirty, sound
from tests.rescue.images import attached, digest, disk, make, mounted, need, needs_disks, private, python, run

pytestmark = needs_disks


def look(image: Path, type: str = "ext4") -> tuple[Check, list[str]]:
    """The check of an image on a loop device, and its progress; the image is the same to the byte after it."""
    said: list[str] = []
    before = digest(image)
    with disk(image) as device:
        found = checking.check(block_device(device, type), said.append)
        assert found.device == device
        others = [f"{one} " for one in ("/dev/loop0", "/dev/loop1", "/dev/loop2") if one != device]
        assert not [one for one in others if one in f"{found.output} {found.why} {' '.join(found.command)} "]
    assert attached(image) == []
    assert digest(image) == before
    return found, said


@pytest.mark.parametrize("type", ["ext2", "ext3", "ext4"])
def test_a_sound_filesystem_is_clean(tmp_path: Path, type: str) -> None:
    found, said = look(sound(tmp_path / "image", type), type)
    assert (found.health, found.exit, found.sound) == (Health.CLEAN, 0, True)
    assert found.command[:2] == ("e2fsck", "-fn")
    assert "Pass 5: Checking group summary information" in found.output
    assert said[0].startswith(f"checking {found.device}: pass 1 of 5, ")
    assert said[-1] == f"checking {found.device}: pass 5 of 5, 100 %"
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(
    "hurt, words",
    [
        (damage.cleared_inodes, "has deleted/unused inode"),
        (damage.garbage_inodes, "Inode "),
        (damage.garbage_bitmaps, "lock bitmap differences:"),
        (damage.garbage_directory, "Directory inode "),
    ],
)
def test_damage_is_told_in_the_checkers_words(tmp_path: Path, hurt: Callable[[Path], None], words: str) -> None:
    image = sound(tmp_path / "image")
    hurt(image)
    found, _ = look(image)
    assert found.health is Health.DAMAGED
    assert found.exit is not None
    assert found.exit & 4
    assert found.why.startswith("e2fsck found damage: ")
    assert words in found.output
    assert "\n" not in found.why
    assert "? no" not in found.why
    assert not found.sound


def test_the_number_of_problems_is_told(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    found, _ = look(image)
    assert found.why.endswith(" more)")
    assert "Entry 'file" in found.why


@pytest.mark.parametrize("type", ["ext3", "ext4"])
def test_a_journal_that_was_not_replayed_is_no_damage(tmp_path: Path, type: str) -> None:
    image = dirty(tmp_path / "image", type)
    assert damage.needs_recovery(image)
    found, _ = look(image, type)
    assert found.health is Health.UNFINISHED
    assert found.why.startswith("not cleanly unmounted: its journal has to be replayed")


def test_complaints_about_what_the_journal_settles_are_no_damage(tmp_path: Path) -> None:
    image = dirty(tmp_path / "image")
    damage.garbage_bitmaps(image)
    found, _ = look(image)
    assert found.health is Health.UNFINISHED
    assert found.exit is not None
    assert found.exit & 4
    assert "may be settled then" in found.why


def test_a_filesystem_that_the_kernel_marked_is_damaged_whatever_its_journal_holds(tmp_path: Path) -> None:
    for name, image in (("clean", sound(tmp_path / "one")), ("dirty", dirty(tmp_path / "two"))):
        damage.error_flag(image)
        found, _ = look(image)
        assert found.health is Health.DAMAGED, name
        assert found.why.startswith("the kernel met damage and marked the filesystem")


def test_a_disk_that_was_not_unmounted_and_has_no_journal_is_clean_when_the_check_is(tmp_path: Path) -> None:
    image = sound(tmp_path / "image", "ext2")
    run("debugfs", "-w", "-R", "set_super_value state 0", str(image))
    found, _ = look(image, "ext2")
    assert found.health is Health.CLEAN
    assert found.why == "not cleanly unmounted, but e2fsck found nothing wrong"


@pytest.mark.parametrize("hurt", [damage.no_superblock, damage.no_beginning])
@pytest.mark.parametrize("type", ["", "ext4"])
def test_a_filesystem_without_superblock_is_unreadable_not_unknown(
    tmp_path: Path, hurt: Callable[[Path], None], type: str
) -> None:
    image = sound(tmp_path / "image")
    hurt(image)
    found, _ = look(image, type)
    assert (found.health, found.type) == (Health.UNREADABLE, "ext4")
    assert found.why.startswith("its superblock is gone")


def test_what_is_no_such_filesystem_at_all_is_unreadable(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(damage.noise(1 << 20))
    found, _ = look(image, "ext4")
    assert (found.health, found.why) == (
        Health.UNREADABLE,
        "its superblock is gone; e2fsck can't open a copy either",
    )


@pytest.mark.parametrize("type", ["f2fs", "swap", "crypto_LUKS", ""])
def test_what_nobody_can_check_is_unchecked(tmp_path: Path, type: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    found, _ = look(image, type)
    assert found.health is Health.UNCHECKED
    assert found.command == ()
    assert found.why
    assert found.exit is None


def test_a_filesystem_that_is_mounted_is_not_checked(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")

    def inside() -> list[str]:
        with disk(image) as device, mounted(device, tmp_path / "place"):
            found = checking.check(block_device(device), lambda text: None)
            return [found.health.value, found.why, str(found.command)]

    health, why, argv = private(inside)  # type: ignore[misc]
    assert (health, argv) == ("busy", "()")
    assert why == f"it is mounted on {tmp_path}/place; a filesystem in use can't be checked"


def test_without_the_checker_the_superblock_still_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PATH", (str(tmp_path),))
    sound_one, marked, unfinished = sound(tmp_path / "1"), sound(tmp_path / "2"), dirty(tmp_path / "3")
    damage.error_flag(marked)
    found, _ = look(sound_one)
    assert (found.health, found.why) == (Health.UNCHECKED, "e2fsck is not installed")
    found, _ = look(marked)
    assert (found.health, found.command) == (Health.DAMAGED, ())
    found, _ = look(unfinished)
    assert found.health is Health.UNFINISHED
    assert found.why.endswith("e2fsck is not installed")


# -- XFS and btrfs


def test_a_sound_xfs_is_clean(tmp_path: Path) -> None:
    found, said = look(sound(tmp_path / "image", "xfs"), "xfs")
    assert (found.health, found.exit) == (Health.CLEAN, 0)
    assert f"checking {found.device}: phase 7 of 7" in said


def test_a_damaged_xfs_is_damaged(tmp_path: Path) -> None:
    image = sound(tmp_path / "image", "xfs")
    damage.broken_xfs(image)
    found, _ = look(image, "xfs")
    assert (found.health, found.exit) == (Health.DAMAGED, 1), found.output
    assert found.why.startswith("xfs_repair found damage: ")


def test_an_xfs_whose_log_is_full_is_unfinished(tmp_path: Path) -> None:
    found, _ = look(dirty(tmp_path / "image", "xfs"), "xfs")
    assert found.health is Health.UNFINISHED, found.output


def test_an_xfs_without_superblock_is_unreadable(tmp_path: Path) -> None:
    image = sound(tmp_path / "image", "xfs")
    damage.overwrite(image, 0, bytes(512))
    found, _ = look(image, "xfs")
    assert found.health is Health.UNREADABLE, found.output
    found, _ = look(image, "")
    assert (found.type, found.health) == ("xfs", Health.UNREADABLE)


def test_a_sound_btrfs_is_clean(tmp_path: Path) -> None:
    found, said = look(sound(tmp_path / "image", "btrfs"), "btrfs")
    assert (found.health, found.exit) == (Health.CLEAN, 0)
    assert any(text.startswith(f"checking {found.device}: step 4 of ") for text in said)


def test_a_btrfs_whose_log_is_full_is_unfinished(tmp_path: Path) -> None:
    found, _ = look(dirty(tmp_path / "image", "btrfs"), "btrfs")
    assert found.health is Health.UNFINISHED, found.output


def test_a_damaged_btrfs_is_damaged_and_one_without_superblock_unreadable(tmp_path: Path) -> None:
    image = sound(tmp_path / "image", "btrfs", "--metadata", "single")
    text = run("btrfs", "inspect-internal", "dump-tree", "-t", "fs", str(image))
    leaf = next(line.split()[1] for line in text.splitlines() if line.startswith("leaf "))
    logical = run("btrfs-map-logical", "-l", leaf, str(image)) if _has("btrfs-map-logical") else ""
    if "physical" not in logical:
        pytest.skip("not installed: btrfs-map-logical")
    damage.overwrite(image, int(logical.split("physical ")[1].split()[0]), damage.noise(4096))
    found, _ = look(image, "btrfs")
    assert found.health in (Health.DAMAGED, Health.UNREADABLE), found.output
    damage.overwrite(image, 64 * 1024, bytes(4096))
    found, _ = look(image, "btrfs")
    assert found.health is Health.UNREADABLE


def _has(program: str) -> bool:
    return subprocess.run(["sh", "-c", f"command -v {program}"], capture_output=True).returncode == 0


# -- what the exit status means (e2fsck(8))


def _superblock(clean: bool = True, errors: bool = False, recovery: bool = False) -> extfs.Superblock:
    return extfs.Superblock(b"", clean, errors, recovery, 4096, 1000, 0, b"", 1, 64, 0, True)


@pytest.mark.parametrize(
    "exit, output, superblock, health",
    [
        (0, "", _superblock(), Health.CLEAN),
        (1, "", _superblock(), Health.CLEAN),
        (4, "", _superblock(), Health.DAMAGED),
        (12, "", _superblock(), Health.DAMAGED),
        (4, "", _superblock(recovery=True), Health.UNFINISHED),
        (0, "", _superblock(recovery=True), Health.UNFINISHED),
        (4, "", _superblock(errors=True, recovery=True), Health.DAMAGED),
        (0, "", _superblock(errors=True), Health.DAMAGED),
        (4, "", None, Health.UNREADABLE),
        (4, "e2fsck: Group descriptors look bad... trying backup blocks...", _superblock(), Health.UNREADABLE),
        (32, "", _superblock(), Health.UNCHECKED),
        (36, "", _superblock(), Health.UNCHECKED),
        (-9, "", _superblock(), Health.UNCHECKED),
        (8, "e2fsck: Device or resource busy while trying to open /dev/sda", _superblock(), Health.BUSY),
        (8, "/dev/sda has unsupported feature(s): FEATURE_C12", _superblock(), Health.UNCHECKED),
        (8, "e2fsck: Input/output error while trying to open /dev/sda", _superblock(), Health.UNREADABLE),
        (8, "e2fsck: MMP: device currently active while trying to open", _superblock(), Health.BUSY),
        (128, "error while loading shared libraries", _superblock(), Health.UNCHECKED),
        (16, "Usage: e2fsck", _superblock(), Health.UNCHECKED),
        (0, "Warning!  /dev/sda is mounted.", _superblock(), Health.BUSY),
        (4, "Block 12 is in use already. Fix? no", _superblock(), Health.DAMAGED),
    ],
)
def test_status_and_superblock_are_read_together(
    exit: int, output: str, superblock: extfs.Superblock | None, health: Health
) -> None:
    found, why = judge_ext(Said(("e2fsck",), exit, output, 0.0), superblock)
    assert found is health, why
    assert why


# -- ends, limits


def _stand_in(folder: Path, script: str) -> None:
    """A program in the place of e2fsck."""
    program = folder / "e2fsck"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setattr(command, "PATH", (str(folder), *command.PATH))
    yield lambda script: _stand_in(folder, script)


def test_a_checker_that_says_too_much_is_neither_ended_nor_kept_whole(
    tmp_path: Path, instead: Callable[[str], None]
) -> None:
    instead("yes 'Inode 12 is bad.  Fix? no' | head -n 400000; echo the end; exit 4")
    found, _ = look(sound(tmp_path / "image"))
    assert found.health is Health.DAMAGED
    assert found.why == "e2fsck found damage: Inode 12 is bad. (and 399999 more)"
    assert len(found.output) < 512 * 1024
    assert found.output.endswith("the end\n")
    assert "left out" in found.output


def test_odd_bytes_do_no_harm(tmp_path: Path, instead: Callable[[str], None]) -> None:
    instead("printf 'Entry \\377\\033[2J is bad.  Fix? no\\n'; printf 'no newline'; exit 4")
    found, _ = look(sound(tmp_path / "image"))
    assert found.health is Health.DAMAGED
    found.output.encode("utf-8")
    assert found.output.endswith("no newline")


CHECKER = """
import sys
from agent.facts.devices import BlockDevice
from agent.rescue.check import check
from agent.target import command
command.PATH = (sys.argv[2], *command.PATH)
try:
    check(BlockDevice(sys.argv[1], (), "ext4"), lambda text: None)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whoever_stops_us_the_checker_ends_and_the_disk_is_free(tmp_path: Path, number: signal.Signals) -> None:
    image = sound(tmp_path / "image")
    _stand_in(tmp_path, f"echo $$ > {tmp_path}/started; exec sleep 100")
    with disk(image) as device:
        process = python(CHECKER, device, str(tmp_path))
        started = _wait_for(tmp_path / "started")
        assert len(attached(image)) == 2
        process.send_signal(number)
        output = process.communicate()[0]
        assert output == ("interrupted\n" if number == signal.SIGINT else "")
        for _ in range(100):
            if attached(image) == [device] and not os.path.exists(f"/proc/{started}"):
                break
            time.sleep(0.02)
        assert attached(image) == [device]
        assert not os.path.exists(f"/proc/{started}")


def _wait_for(path: Path) -> str:
    for _ in range(500):
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text().strip()
        time.sleep(0.02)
    raise AssertionError(f"{path} never came")


# -- the race


MOUNTER = """
import errno, os, random, sys, time
from agent.target import libc
device, place, log = sys.argv[1:]
libc.call("unshare", libc.NEWNS)
libc.mount("none", "/", None, libc.REC | libc.PRIVATE)
print(flush=True)
with open(log, "w") as stream:
    end = time.time() + 60
    while time.time() < end and not os.path.exists(log + ".stop"):
        try:
            libc.mount(device, place, "ext4", 0)
        except OSError as error:
            assert error.errno == errno.EBUSY, error
            stream.write("refused\\n")
        else:
            begun = time.time()
            time.sleep(random.random() * 0.02)
            ended = time.time()
            libc.call("umount2", os.fsencode(place), 0)
            stream.write(f"mounted {begun} {ended}\\n")
            time.sleep(random.random() * 0.02)
        stream.flush()
"""


@pytest.mark.parametrize("repair", [False, True])
def test_no_checker_ever_starts_on_a_mounted_device(
    tmp_path: Path, instead: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, repair: bool
) -> None:
    """One process mounts and unmounts as fast as it can, another checks (or repairs). In the checker's place is
    a script that looks into the other's mounts when it starts and when the real checker has ended."""
    from agent.errors import AgentError
    from agent.rescue import repair as repairing
    from agent.rescue import repairs

    monkeypatch.setattr(repairs, "BASE", str(tmp_path / "repairs"))
    image = sound(tmp_path / "image")
    log, seen = tmp_path / "log", tmp_path / "seen"
    (tmp_path / "place").mkdir()
    with disk(image) as device:
        mounter = python(MOUNTER, device, str(tmp_path / "place"), str(log))
        try:
            assert mounter.stdout is not None
            mounter.stdout.readline()
            look = f"grep -c '{tmp_path}/place' /proc/{mounter.pid}/mountinfo"
            instead(
                f'echo "$(date +%s.%N) $({look})" >> {seen}; /usr/sbin/e2fsck "$@"; code=$?;'
                f' echo "$(date +%s.%N) $({look})" >> {seen}; exit $code'
            )
            checked = busy = 0
            end = time.monotonic() + 30
            while (checked < 6 or busy < 3) and time.monotonic() < end:
                if not repair:
                    found = checking.check(block_device(device), lambda text: None)
                    checked += found.health is Health.CLEAN
                    busy += found.health is Health.BUSY
                    assert found.health in (Health.CLEAN, Health.BUSY, Health.UNFINISHED), found
                    continue
                try:
                    with repairing.repairing(block_device(device)) as work:
                        work.start()
                        assert work.question is None
                        checked += work.finish().verified
                except AgentError:
                    busy += 1
        finally:
            (tmp_path / "log.stop").touch()
            mounter.communicate()
    assert checked >= 6
    lines = log.read_text().split("\n")[:-1]
    looks = [line.split() for line in seen.read_text().split("\n")[:-1]]
    assert {count for _, count in looks} == {"0"}  # never mounted, at the start and the end of each
    spans = [(float(one[0]), float(two[0])) for one, two in zip(looks[::2], looks[1::2])]
    mounts = [tuple(float(word) for word in line.split()[1:]) for line in lines if line.startswith("mounted")]
    assert len(spans) >= 6
    assert len(mounts) >= 3
    assert "refused" in lines
    assert not [(span, mount) for span in spans for mount in mounts if mount[0] < span[1] and mount[1] > span[0]]


def test_without_loop_devices_a_mount_in_between_is_noticed(
    tmp_path: Path, instead: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("mount")
    monkeypatch.setattr(loop, "CONTROL", str(tmp_path / "none"))
    image = make(tmp_path / "image", "ext4")
    (tmp_path / "place").mkdir()

    def inside() -> list[str]:
        with disk(image) as device:
            quiet = checking.check(block_device(device), lambda text: None)
            instead(f'mount {device} {tmp_path}/place; exec /usr/sbin/e2fsck "$@"')
            try:
                found = checking.check(block_device(device), lambda text: None)
            finally:
                run("umount", str(tmp_path / "place"))
            return [quiet.health.value, found.health.value]

    assert private(inside) == ["clean", "busy"]
