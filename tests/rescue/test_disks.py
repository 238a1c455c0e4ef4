"""Every disk is called what it is, by signature and by what lies on it; none is changed, none in use is touched."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from agent.facts.devices import BlockDevice
from agent.facts.facts import Facts
from agent.facts.storage import Mount
from agent.rescue import contents, disks
from agent.rescue.model import Disk, Role
from agent.target.detect import open_target
from agent.unknown import Unknown
from tests.rescue import images
from tests.rescue.images import attached, digest, disk, fill, make, need, needs_disks, private, run, system
from tests.virtual import Dir, Link, Node, virtual

DEBIAN = "Debian GNU/Linux 12 (bookworm), host web"


def survey(*paths: str) -> tuple[Disk, ...]:
    return disks.survey(Facts(open_target("/")), paths)


def surveyed(image: Path, *options: str) -> dict[str, str | list[str]]:
    """The one disk that this image plays, as told by a process with mounts of its own; and that nothing of it
    is changed or left behind."""
    before = digest(image)

    def look() -> dict[str, object]:
        with disk(image, *options) as device:
            (found,) = survey(device)
            assert images.seen_mounts() == []
            return told(found, device)

    answer = private(look)
    assert digest(image) == before
    assert attached(image) == []
    assert isinstance(answer, dict)
    return answer


def told(found: Disk, device: str) -> dict[str, object]:
    return {
        "role": found.role.value,
        "what": found.what,
        "why": found.why,
        "commands": [command.replace(device, "DISK") for command in found.commands],
        "subvolume": found.subvolume,
        "host": found.hostname,
        "type": found.device.type,
    }


# -- what a disk is


@needs_disks
@pytest.mark.parametrize("type", ["ext4", "ext3", "ext2", "xfs", "btrfs"])
def test_a_whole_disk_with_a_system_is_a_root(tmp_path: Path, type: str) -> None:
    found = surveyed(images.root_image(tmp_path / "image", type=type))
    assert (found["role"], found["what"], found["host"]) == ("root", DEBIAN, "web")
    assert (found["type"], found["why"], found["subvolume"]) == (type, "", "")


@needs_disks
@pytest.mark.parametrize("name", ["@", "root", "my system"])
def test_a_root_in_a_subvolume_is_found_and_the_subvolume_named(tmp_path: Path, name: str) -> None:
    image = make(tmp_path / "image", "btrfs")

    def prepare(place: Path) -> None:
        (place / "root").mkdir() if name != "root" else None  # a plain directory of that name is no subvolume
        for one in ("home", name):
            run("btrfs", "subvolume", "create", str(place / one))
        (place / "@x").symlink_to("/")
        system(place / name)

    fill(image, prepare)
    found = surveyed(image)
    assert (found["role"], found["what"], found["subvolume"]) == ("root", DEBIAN, name)


@needs_disks
def test_a_root_in_the_default_subvolume_needs_no_name(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "btrfs")

    def prepare(place: Path) -> None:
        run("btrfs", "subvolume", "create", str(place / "sys"))
        system(place / "sys")
        run("btrfs", "subvolume", "set-default", str(place / "sys"))

    fill(image, prepare)
    found = surveyed(image)
    assert (found["role"], found["subvolume"]) == ("root", "")


def _boot(place: Path) -> None:
    (place / "grub").mkdir()
    (place / "grub/grub.cfg").write_text("set default=0\n")
    (place / "vmlinuz-6.1.0-13-amd64").write_bytes(b"MZ")


def _var(place: Path) -> None:
    for name in ("log", "lib", "spool", "cache"):
        (place / name).mkdir()


@needs_disks
@pytest.mark.parametrize(
    ("prepare", "role", "what"),
    [
        (_boot, "boot", "kernels and boot menu (ext4, label mine)"),
        (_var, "data", "a /var (ext4, label mine)"),
        (lambda place: (place / "etc").mkdir(), "data", "data (ext4, label mine)"),
    ],
)
def test_what_holds_no_system_is_told_apart(
    tmp_path: Path, prepare: Callable[[Path], None], role: str, what: str
) -> None:
    image = make(tmp_path / "image", "ext4", "-L", "mine")
    fill(image, prepare)
    found = surveyed(image)
    assert (found["role"], found["what"]) == (role, what)


@needs_disks
@pytest.mark.parametrize("type", ["ext4", "xfs", "btrfs"])
def test_a_disk_after_a_power_cut_is_read_as_it_is_and_that_is_said(tmp_path: Path, type: str) -> None:
    image = images.root_image(tmp_path / "image", type=type)

    def unsaved(place: Path) -> object:
        import os

        stream = (place / "etc/new").open("w")
        stream.write("x" * 9999)
        stream.flush()
        os.fsync(stream.fileno())
        return stream

    images.cut_off(image, unsaved)
    found = surveyed(image)
    assert (found["role"], found["why"]) == ("root", disks.UNFINISHED)


@needs_disks
def test_one_of_several_disks_of_a_btrfs_is_not_called_damaged(tmp_path: Path) -> None:
    images_of_it = [make(tmp_path / name, "ext4", size=128) for name in ("one", "two")]
    run("mkfs.btrfs", "-q", "-f", "-d", "single", "-m", "raid1", *map(str, images_of_it))
    found = surveyed(images_of_it[0])
    assert (found["role"], found["why"]) == ("container", "part of a btrfs of several disks: mount it yourself")
    assert found["commands"] == ["btrfs device scan", "mount -o ro DISK /mnt", "agent scan --root /mnt"]


@needs_disks
def test_swap_is_swap(tmp_path: Path) -> None:
    assert surveyed(make(tmp_path / "image", "swap"))["role"] == "swap"


@needs_disks
def test_an_empty_disk_is_empty(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(8 * images.MEGABYTE))
    assert surveyed(image)["role"] == "empty"


@needs_disks
def test_an_encrypted_disk_is_named_and_left_alone(tmp_path: Path) -> None:
    need("cryptsetup")
    image = tmp_path / "image"
    image.write_bytes(bytes(20 * images.MEGABYTE))
    words = ("luksFormat", "--batch-mode", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", str(image))
    run("cryptsetup", *words, "--key-file", "-", input="secret")
    found = surveyed(image)
    assert (found["role"], found["what"]) == ("container", "LUKS")
    (command,) = found["commands"]
    assert command.startswith("cryptsetup open DISK loop")


@needs_disks
def test_a_physical_volume_comes_with_the_command_that_activates_it(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(_lvm_label().ljust(8 * images.MEGABYTE, b"\0"))
    found = surveyed(image)
    assert (found["role"], found["what"], found["commands"]) == ("container", "LVM", ["vgchange -ay"])


def _lvm_label() -> bytes:
    """A label in the second sector, as pvcreate(8) writes it (label_header of LVM2's format_text/layout.h)."""
    uuid = b"abcdefABCDEFabcdefABCDEFabcdef12"
    body = struct.pack("<I8s", 32, b"LVM2 001") + uuid + struct.pack("<Q", 8 << 20) + bytes(512 - 72)
    crc, body = 0xF597A6CF, body[: 512 - 20]
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return bytes(512) + b"LABELONE" + struct.pack("<QI", 1, crc) + body


@needs_disks
def test_a_member_of_an_array_comes_with_the_command_that_assembles_it(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes((bytes(4096) + _md_superblock()).ljust(8 * images.MEGABYTE, b"\0"))
    found = surveyed(image)
    assert (found["role"], found["what"]) == ("container", "RAID")
    assert found["commands"] == ["mdadm --assemble --scan --readonly"]


def _md_superblock() -> bytes:
    """Version 1.2 (struct mdp_superblock_1 of linux/raid/md_p.h), 8 sectors into the device."""
    block = bytearray(256)
    struct.pack_into("<III", block, 0, 0xA92B4EFC, 1, 0)
    block[16:32] = bytes(range(1, 17))
    block[32:40] = b"rescue:0"
    struct.pack_into("<QIIQI", block, 64, 0, 1, 0, 8192, 0)
    struct.pack_into("<I", block, 92, 2)
    struct.pack_into("<QQQ", block, 128, 2048, 8192, 8)
    words = sum(struct.unpack("<64I", bytes(block)))
    struct.pack_into("<I", block, 216, (words & 0xFFFFFFFF) + (words >> 32))
    return bytes(block)


@needs_disks
def test_a_squashfs_is_a_medium(tmp_path: Path) -> None:
    need("mksquashfs")
    (tmp_path / "tree").mkdir()
    system(tmp_path / "tree")
    run("mksquashfs", str(tmp_path / "tree"), str(tmp_path / "image"), "-quiet", "-no-progress")
    assert surveyed(tmp_path / "image")["role"] == "rescue"


@needs_disks
def test_of_a_partitioned_disk_the_partitions_are_looked_into(tmp_path: Path) -> None:
    need("sfdisk", "partx")
    root = images.root_image(tmp_path / "root")
    boot = make(tmp_path / "boot", "ext4")
    fill(boot, _boot)
    image = tmp_path / "image"
    image.write_bytes(bytes(images.MEGABYTE) + root.read_bytes() + boot.read_bytes() + bytes(3 * images.MEGABYTE))
    table = f"start=2048,size={root.stat().st_size // 512}\nsize={boot.stat().st_size // 512}\nsize=1024,type=82\n"
    run("sfdisk", "-q", str(image), input=f"label: dos\n{table}")
    before = digest(image)

    def look() -> list[list[str]]:
        with disk(image) as device:
            (unread,) = survey(device)
            assert (unread.role, unread.commands) == (Role.CONTAINER, (f"partx -a {device}",))
            with images.partitions(device):
                found = survey(device, f"{device}p1", f"{device}p2", f"{device}p3")
            return [[one.device.path.replace(device, ""), one.role.value, one.what, one.why] for one in found]

    whole, one, two, three = private(look)  # type: ignore[misc]
    assert whole[:3] == ["", "container", "partitions"]
    assert whole[3].startswith("see /dev/loop")
    assert whole[3].count(",") == 2
    assert one == ["p1", "root", DEBIAN, ""]
    assert two[:2] == ["p2", "boot"]
    assert three[:2] == ["p3", "empty"]
    assert digest(image) == before


# -- what is damaged, busy, or strange


@needs_disks
def test_what_can_not_be_mounted_is_damaged_and_the_kernel_says_why(tmp_path: Path) -> None:
    need("debugfs")
    image = images.root_image(tmp_path / "image", "-O", "^metadata_csum")
    run("debugfs", "-w", "-R", "set_super_value inodes_per_group 7", str(image))
    found = surveyed(image)
    assert found["role"] == "damaged"
    assert "inodes" in found["why"]


@needs_disks
@pytest.mark.parametrize(
    ("type", "size", "options"),
    [
        ("ext4", 160, ("-b", "4096")),
        ("ext4", 24, ("-b", "1024")),
        ("ext3", 160, ("-b", "4096")),
        ("xfs", 300, ()),
        ("btrfs", 128, ()),
    ],
)
def test_a_lost_superblock_is_no_empty_disk(tmp_path: Path, type: str, size: int, options: Sequence[str]) -> None:
    image = make(tmp_path / "image", type, *options, "-L", "web", size=size)
    with image.open("r+b") as stream:
        stream.write(bytes(128 * 1024))
    found = surveyed(image)
    assert (found["role"], found["type"], found["what"]) == ("damaged", type, f"{type}, label web")


@needs_disks
def test_a_type_without_a_driver_is_not_called_damaged(tmp_path: Path) -> None:
    need("mkfs.vfat")
    if "vfat" in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has vfat")
    image = tmp_path / "image"
    image.write_bytes(bytes(4 * images.MEGABYTE))
    run("mkfs.vfat", str(image))
    found = surveyed(image)
    assert (found["role"], found["why"]) == ("data", "not looked into: this kernel has no driver for vfat")


@needs_disks
def test_a_mounted_disk_is_left_alone(tmp_path: Path) -> None:
    image = images.root_image(tmp_path / "image")

    def look() -> list[str]:
        with disk(image) as device, images.mounted(device, tmp_path / "place"):
            (found,) = survey(device)
            return [found.role.value, found.why]

    role, why = private(look)  # type: ignore[misc]
    assert role == "in use"
    assert why.startswith(f"is mounted on {tmp_path}/place")


@needs_disks
@pytest.mark.parametrize("type", ["ext4"])
def test_a_hostile_root_leads_nowhere(tmp_path: Path, type: str) -> None:
    image = make(tmp_path / "image", type)

    def prepare(place: Path) -> None:
        import os

        system(place)
        (place / "etc/os-release").unlink()
        (place / "etc/os-release").symlink_to("/../../../../../../etc/os-release")
        (place / "usr/lib/os-release").symlink_to("/proc/self/root/etc/os-release")
        (place / "etc/hostname").unlink()
        os.mkfifo(place / "etc/hostname")
        (place / "vmlinuz").symlink_to("/dev/zero")

    fill(image, prepare)
    found = surveyed(image)
    assert (found["role"], found["what"], found["host"]) == ("root", "a system of unknown distribution", "")


# -- a root is recognised whatever the distribution

ROOTS = {
    "alpine": {"/etc/alpine-release": "3.20.3\n", "/bin/busybox": "x", "/sbin/init": Link("/bin/busybox")},
    "arch": {"/etc/fstab": "", "/sbin": Link("usr/bin"), "/usr/bin/init": Link("../lib/systemd/systemd")},
    "centos6": {"/etc/inittab": "id:3:initdefault:\n", "/sbin/init": "x", "/bin/sh": Link("bash")},
    "usr on its own disk": {"/etc/fstab": "", "/etc/shadow": "", "/sbin": Link("usr/sbin"), "/usr": Dir()},
    "init is gone": {"/etc/fstab": "", "/etc/hostname": "web\n", "/etc/os-release": "ID=debian\n"},
}
OTHERS = {
    "boot": {"/grub/grub.cfg": "", "/vmlinuz": "x"},
    "home": {"/web/.bashrc": "", "/etc/notes": ""},
    "backup of one file": {"/etc/fstab": ""},
    "etc is a link": {"/etc": Link("/proc"), "/bin/sh": "x"},
}


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_is_known_by_its_kind(name: str) -> None:
    tree = dict(ROOTS[name])
    if name == "arch":
        tree["/usr/lib/systemd/systemd"] = "x"
        tree["/etc/os-release"] = "ID=arch\n"
    assert contents.is_root(virtual(tree))


@pytest.mark.parametrize("name", OTHERS)
def test_what_only_looks_like_one_is_none(name: str) -> None:
    assert not contents.is_root(virtual(OTHERS[name]))


# -- the rescue system's own


def _machine(
    devices: Sequence[BlockDevice], mounts: Sequence[Mount] = (), rescue: bool = True, sysfs: Mapping[str, Node] = {}
) -> Facts:
    facts = Facts(virtual({"/sys/dev/block": Dir(), **sysfs}, rescue=rescue))
    facts.__dict__["devices"] = tuple(devices)
    facts.__dict__["mounts"] = tuple(mounts)
    return facts


def _device(path: str, number: str, type: str = "", kind: str = "disk") -> BlockDevice:
    return BlockDevice(path, (path,), type, 1 << 30, kind, False, number)


@pytest.fixture
def nothing_used(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(disks.busy, "in_use", lambda number: "")
    with contextlib.suppress(StopIteration):
        yield


def test_the_rescue_systems_medium_is_never_a_disk_to_rescue(nothing_used: None) -> None:
    facts = _machine(
        [
            _device("/dev/sda", "8:0", "ext4"),
            _device("/dev/sdh", "8:112"),
            _device("/dev/sr0", "11:0", "iso9660", "rom"),
            _device("/dev/loop0", "7:0", "squashfs", "loop"),
            _device("/dev/sdc", "8:32", "ext4"),
            _device("/dev/zram0", "253:0", "swap"),
            _device("/dev/ram0", "1:0"),
        ],
        [Mount("/dev/sdc", "/run/live/medium", "ext4", ("ro",), "8:32")],
    )
    found = {one.device.path: one.role for one in disks.survey(facts, looking=False)}
    assert found == {
        "/dev/sda": Role.DATA,
        "/dev/sdh": Role.RESCUE,
        "/dev/sr0": Role.RESCUE,
        "/dev/loop0": Role.RESCUE,
        "/dev/sdc": Role.RESCUE,
    }


def _partitioned(disk: str, number: str, *partitions: str) -> dict[str, Node]:
    """A disk in sysfs, with partitions of the numbers that follow its own."""
    folder = f"/sys/devices/pci/block/{disk}"
    major, minor = number.split(":")
    found: dict[str, Node] = {f"/sys/dev/block/{number}": Link(folder), f"{folder}/dev": f"{number}\n"}
    for count, name in enumerate(partitions, 1):
        own = f"{major}:{int(minor) + count}"
        found[f"/sys/dev/block/{own}"] = Link(f"{folder}/{name}")
        found[f"{folder}/{name}/dev"] = f"{own}\n"
        found[f"{folder}/{name}/partition"] = f"{count}\n"
    return found


def test_all_of_a_partitioned_medium_is_the_medium(nothing_used: None) -> None:
    devices = [
        _device("/dev/sda", "8:0"),
        _device("/dev/sda1", "8:1", "ext4", "part"),
        _device("/dev/sdb", "8:16"),
        _device("/dev/sdb1", "8:17", "ext4", "part"),
        _device("/dev/sdb2", "8:18", "vfat", "part"),
    ]
    sysfs = {**_partitioned("sda", "8:0", "sda1"), **_partitioned("sdb", "8:16", "sdb1", "sdb2")}
    mounts = [Mount("/dev/sdb1", "/run/live/medium", "ext4", ("ro",), "8:17")]
    found = {one.device.path: one.role for one in disks.survey(_machine(devices, mounts, False, sysfs), looking=False)}
    assert found == {
        "/dev/sda": Role.CONTAINER,
        "/dev/sda1": Role.DATA,
        "/dev/sdb": Role.RESCUE,
        "/dev/sdb1": Role.RESCUE,
        "/dev/sdb2": Role.RESCUE,
    }


def test_a_member_in_service_points_to_what_it_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    carried = {"8:0": "carries /dev/mapper/vg-root", "252:0": ""}
    monkeypatch.setattr(disks.busy, "in_use", carried.__getitem__)
    devices = [_device("/dev/sda", "8:0", "LVM2_member"), _device("/dev/mapper/vg-root", "252:0", "ext4", "lvm")]
    sysfs: dict[str, Node] = {"/sys/dev/block/8:0/holders/dm-0": Dir(), "/sys/class/block/dm-0/dev": "252:0\n"}
    found = {one.device.path: one for one in disks.survey(_machine(devices, sysfs=sysfs), looking=False)}
    member = found["/dev/sda"]
    assert (member.role, member.why, member.commands) == (Role.CONTAINER, "see /dev/mapper/vg-root", ())
    assert found["/dev/mapper/vg-root"].role is Role.DATA  # which is looked into


def test_outside_of_finnix_sdh_is_a_disk_like_any_other(nothing_used: None) -> None:
    (found,) = disks.survey(_machine([_device("/dev/sdh", "8:112", "ext4")], rescue=False), looking=False)
    assert found.role is Role.DATA


def test_disks_are_listed_in_their_order(nothing_used: None) -> None:
    names = ["sdaa", "sdb10", "sdb", "sda", "sdb2", "vda"]
    facts = _machine([_device(f"/dev/{name}", f"8:{number}", "ext4") for number, name in enumerate(names)])
    found = [one.device.path[5:] for one in disks.survey(facts, looking=False)]
    assert found == ["sda", "sdb", "sdb2", "sdb10", "sdaa", "vda"]


def test_without_a_list_of_devices_it_says_so() -> None:
    facts = _machine([])
    facts.__dict__["devices"] = Unknown("sysfs is not mounted")
    with pytest.raises(disks.CannotLook, match="sysfs is not mounted"):
        disks.survey(facts)
