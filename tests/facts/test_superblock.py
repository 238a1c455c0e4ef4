"""What superblocks tell, on real filesystems with real errors; and that nothing but a block device is ever read."""

from __future__ import annotations

import base64
import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.facts import superblock
from agent.facts.facts import Facts
from agent.facts.superblock import Superblock
from agent.target import superblocks
from agent.target.detect import open_target
from agent.target.model import Mode
from agent.target.record import record, replay
from agent.unknown import Unknown, Why
from tests.rescue.images import cut_off, digest, disk, make, mounted, need, needs_disks, private, run
from tests.virtual import virtual

RUNNING = open_target("/")


def look(image: Path) -> Superblock:
    with disk(image) as device:
        found = superblock.of(RUNNING, device)
    assert isinstance(found, Superblock), found
    return found


def pieces(image: Path) -> dict[int, bytes]:
    data = image.read_bytes()
    return {offset: data[offset : offset + size] for offset, size in superblocks.PIECES}


def shown(device: str) -> dict[str, str]:
    """dumpe2fs -h, the reference."""
    lines = run("dumpe2fs", "-h", device).splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@needs_disks
@pytest.mark.parametrize("type", ["ext2", "ext3", "ext4", "xfs", "btrfs"])
def test_a_fresh_filesystem_is_whole_and_has_no_damage(tmp_path: Path, type: str) -> None:
    found = look(make(tmp_path / "image", type, "-L", "root"))
    assert (found.type, found.label) == (type, "root")
    assert found.whole is not False
    assert (found.damage, found.unfinished, found.errors) == ("", False, False)


@needs_disks
def test_it_tells_what_dumpe2fs_tells(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4", "-L", "root")
    found, reference = look(image), shown(str(image))
    assert found.uuid == reference["Filesystem UUID"]
    assert found.label == reference["Filesystem volume name"]
    assert str(found.mounts) == reference["Mount count"]
    assert found.clean == (reference["Filesystem state"] == "clean")
    assert found.whole is True
    assert found.made == found.checked > 1.7e9


def with_errors(image: Path, *options: str) -> bool:
    """Two errors that the kernel itself notes, by its own switch for tests of that; False where it has none."""

    def inside() -> bool:
        with disk(image) as device, mounted(device, image.parent / "place", *options):
            switch = Path(f"/sys/fs/ext4/{os.path.basename(device)}")
            if not (switch / "trigger_fs_error").exists():
                return False
            (switch / "trigger_fs_error").write_text("once")
            (switch / "trigger_fs_error").write_text("twice")
            target = dataclasses.replace(open_target(str(image.parent / "place")), rescue=True)
            (root,) = [one for one in Facts(target).superblocks if one.point == "/"]
            assert root.mounted
            assert isinstance(root.superblock, Superblock)
            assert root.superblock.uuid == shown(device)["Filesystem UUID"]
            return True

    return bool(private(inside))


@needs_disks
def test_the_kernels_errors_are_counted_with_their_time_and_place_until_a_check(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4")
    if not with_errors(image, "-o", "errors=continue"):
        pytest.skip("this kernel has no trigger_fs_error")
    found = look(image)
    assert found.count == 2
    assert found.errors
    assert found.last is not None
    assert found.last.function == "trigger_test_error"
    assert found.last.time >= found.made
    assert "counted 2 errors since its last check, the last 20" in found.damage
    need("e2fsck")
    subprocess.run(["e2fsck", "-fy", str(image)], capture_output=True)
    repaired = look(image)
    assert (repaired.count, repaired.errors, repaired.damage) == (0, False, "")
    assert repaired.checked >= found.last.time


@needs_disks
def test_a_filesystem_that_e2fsck_left_with_errors_is_damaged(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4")
    run("debugfs", "-w", "-R", "set_super_value state 3", str(image))
    found = look(image)
    assert found.clean and found.errors
    assert found.damage == "ext4 is marked as one that holds errors"


@needs_disks
def test_a_power_cut_leaves_an_unfinished_log_which_is_no_damage(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4")
    cut_off(image, lambda place: (place / "file").write_text("x" * 100_000))
    found = look(image)
    assert found.unfinished
    assert found.damage == ""


@needs_disks
def test_a_btrfs_log_that_was_not_replayed_shows(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "btrfs")

    def write(place: Path) -> None:
        with (place / "file").open("w") as stream:
            stream.write("x" * 1000)
            stream.flush()
            os.fsync(stream.fileno())

    cut_off(image, write)
    assert look(image).unfinished


@needs_disks
@pytest.mark.parametrize(("type", "offset"), [("ext4", 1024 + 0x90), ("xfs", 0x70), ("btrfs", 0x10000 + 0x130)])
def test_one_byte_too_many_breaks_the_checksum(tmp_path: Path, type: str, offset: int) -> None:
    image = make(tmp_path / "image", type)
    with image.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"!")
    assert look(image).whole is False


@needs_disks
def test_an_xfs_that_must_be_repaired_says_so(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "xfs")
    block = bytearray(pieces(image)[0])
    block[216:220] = (int.from_bytes(block[216:220], "big") | 0x10).to_bytes(4, "big")
    found = superblock.parse({0: bytes(block)})
    assert found is not None
    assert found.damage == "XFS is marked as one that must be repaired"


@needs_disks
def test_a_look_changes_nothing_on_the_disk(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4")
    before = digest(image)
    look(image)
    assert digest(image) == before


def test_nothing_but_a_block_device_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)  # opening it would wait for a writer
    for path in (str(fifo), str(tmp_path), "/dev/null", "/etc/passwd"):
        found = superblock.of(RUNNING, path)
        assert isinstance(found, Unknown)
        assert found.why is Why.SPECIAL, path
    for path in ("/no/such", "4095:1", "", "x\0y"):
        assert isinstance(superblock.of(RUNNING, path), Unknown), path


@needs_disks
def test_a_device_is_found_by_its_number_too(tmp_path: Path) -> None:
    with disk(make(tmp_path / "image", "ext4", "-L", "root")) as device:
        status = os.stat(device)
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        found = superblock.of(RUNNING, number)
    assert isinstance(found, Superblock)
    assert found.label == "root"


@needs_disks
def test_a_recording_keeps_the_superblock(tmp_path: Path) -> None:
    with disk(make(tmp_path / "image", "ext4")) as device:
        target, recording = record(RUNNING)
        found = superblock.of(target, device)
        assert isinstance(found, Superblock)
        assert superblock.of(replay(recording.dump()), device) == found
        assert len(recording.dump()) < 20_000


# -- which disks are the target's


def ext4(label: str = "", errors: int = 0) -> dict[str, object]:
    block = bytearray(1024)
    block[0x38:0x3A] = b"\x53\xef"
    block[0x3A] = 3 if errors else 1
    for place in (0x00, 0x20, 0x28):
        block[place] = 1
    block[0x5C] = 4
    block[0x60] = 0x40
    block[0x78 : 0x78 + len(label)] = label.encode()
    block[0x194] = errors
    return {"number": "8:0", "pieces": {"0": base64.b64encode(bytes(1024) + bytes(block)).decode()}}


def devices(*names: str) -> list[object]:
    return [
        {"path": f"/dev/{name}", "uuid": f"uuid-{name}", "type": "ext4", "number": f"8:{16 * number}"}
        for number, name in enumerate(names)
    ]


def test_the_disk_that_we_mounted_ourselves_is_the_root() -> None:
    queries = {
        "superblock": ext4("root"),
        "mounted": [{"point": "/", "number": "7:3", "source": "/dev/loop3", "type": "ext4"}],
    }
    target = dataclasses.replace(virtual({"/etc/fstab": ""}, queries=queries), device="/dev/sda")
    (root,) = Facts(target).superblocks
    assert (root.point, root.device) == ("/", "/dev/sda")


def test_fstabs_other_disks_belong_to_a_mounted_root_by_lasting_names_alone() -> None:
    """In a rescue system /dev/sdb may be anybody's disk."""
    fstab = "/dev/sda / ext4 defaults 0 1\nUUID=uuid-sdc /srv ext4 nofail 0 2\n/dev/sdb /data ext4 defaults 0 2\n"
    queries = {
        "superblock": ext4(),
        "devices": devices("sda", "sdb", "sdc"),
        "mounted": [{"point": "/", "number": "8:0", "source": "/dev/sda", "type": "ext4"}],
    }
    found = Facts(virtual({"/etc/fstab": fstab}, queries=queries, rescue=True)).superblocks
    assert [(one.point, one.device, one.optional, one.mounted) for one in found] == [
        ("/", "/dev/sda", False, True),
        ("/srv", "/dev/sdc", True, False),
    ]


def test_on_the_running_host_the_mount_table_and_fstab_name_them() -> None:
    mounts = "25 1 8:0 / / rw - ext4 /dev/root rw\n26 25 0:20 / /proc rw - proc proc rw\n"
    fstab = "/dev/sda / ext4 defaults 0 1\n/dev/sdb /data ext4 nofail 0 2\n"
    files = {"/proc/1/mountinfo": mounts, "/etc/fstab": fstab}
    queries = {"superblock": ext4(), "devices": devices("sda", "sdb")}
    found = Facts(virtual(files, Mode.LIVE, queries=queries)).superblocks
    assert [(one.point, one.device) for one in found] == [("/", "/dev/sda"), ("/data", "/dev/sdb")]


@given(st.binary(min_size=0, max_size=4096), st.binary(max_size=64), st.sampled_from([0, 0x38 + 1024, 0x40]))
def test_any_bytes_are_a_superblock_or_none(data: bytes, other: bytes, place: int) -> None:
    for magic in (b"", b"XFSB", b"\x53\xef", b"_BHRfS_M"):
        block = (data[:place].ljust(place, b"\xff") + magic + data).ljust(4096, b"\xff")[:4096]
        for given_pieces in ({0: block, 65536: block}, {0: data, 65536: other}, {}):
            found = superblock.parse(given_pieces)
            assert found is None or isinstance(found.damage, str)


def test_the_checksum_is_that_of_rfc_3720() -> None:
    assert superblock.crc32c(b"123456789") == 0xE3069283
    assert superblock.crc32c(bytes(32)) == 0x8A9136AA
