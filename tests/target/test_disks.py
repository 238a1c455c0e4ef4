"""Block devices, by every name that fstab may use; from recorded sysfs, udev, lsblk and blkid."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.target import command, disks
from agent.target.detect import open_target
from agent.target.model import Output
from agent.unknown import Maybe, Unknown, Why
from tests.target.children import needs_root

REPOSITORY = Path(__file__).resolve().parents[2]

UDEV = """S:disk/by-uuid/00000000-1111-2222-3333-444444444444
S:disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi-disk-0
S:disk/by-label/linode\\x20root
E:ID_FS_TYPE=ext4
E:ID_FS_UUID_ENC=00000000-1111-2222-3333-444444444444
E:ID_FS_LABEL_ENC=linode\\x20root
garbage
"""
LSBLK = {
    "blockdevices": [
        {
            "name": "sda",
            "maj:min": "8:0",
            "type": "disk",
            "fstype": "xfs",
            "uuid": "not believed",
            "children": [{"name": "v", "maj:min": "252:0", "type": "lvm", "fstype": "ext4", "label": None}],
        },
        {"name": "sdb", "maj:min": "8:16", "type": "disk", "fstype": None, "uuid": None},
        "no record",
    ]
}
BLKID = """DEVNAME=/dev/sdb
UUID=55555555-6666-7777-8888-999999999999
LABEL=my\\ swap
TYPE=swap

DEVNAME=/dev/other
TYPE=ext4
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with sda (ext4), sdb (swap), one logical volume, an unused loop device."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes device nodes")
    for name, number, size in (
        ("sda", "8:0", 50),
        ("sdb", "8:16", 1024),
        ("dm-0", "252:0", 8),
        ("loop0", "7:0", 0),
        ("sdz", "65:144", 8),
    ):
        folder = tmp_path / "block" / name
        folder.mkdir(parents=True)
        (folder / "dev").write_text(number + "\n")
        (folder / "size").write_text(f"{size}\n")
        (folder / "ro").write_text("0\n")
    (tmp_path / "block/dm-0/dm").mkdir()
    (tmp_path / "block/dm-0/dm/name").write_text("group-v\n")
    (tmp_path / "block/dm-0/dm/uuid").write_text("LVM-abcdef\n")
    dev = tmp_path / "dev"
    for folder_name in ("disk/by-label", "disk/by-uuid", "mapper", "group"):
        (dev / folder_name).mkdir(parents=True)
    for name, major, minor in (("sda", 8, 0), ("sdb", 8, 16), ("dm-0", 252, 0), ("loop0", 7, 0)):
        os.mknod(dev / name, stat.S_IFBLK | 0o600, os.makedev(major, minor))
    (dev / "mapper/group-v").symlink_to("../dm-0")
    (dev / "group/v").symlink_to("../dm-0")
    (dev / r"disk/by-label/data\x2f1").symlink_to("../../dm-0")
    (dev / "disk/by-uuid/dangling").symlink_to("../../sdq")
    (tmp_path / "udev").mkdir()
    (tmp_path / "udev/b8:0").write_text(UDEV)
    monkeypatch.setattr(disks, "SYSFS", str(tmp_path / "block"))
    monkeypatch.setattr(disks, "UDEV", str(tmp_path / "udev"))
    monkeypatch.setattr(disks, "DEV", str(dev))
    return dev


def answering(outputs: dict[str, str]) -> object:
    def run(argv: Sequence[str], timeout: float, limit: int, input: bytes | None = None) -> Maybe[Output]:
        if argv[0] not in outputs:
            return Unknown(f"{argv[0]}: not installed", Why.ABSENT)
        return Output(tuple(argv), 0, outputs[argv[0]], "", 0.1)

    return run


def test_each_source_fills_what_the_others_leave_out(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blkid = BLKID.replace("/dev/", f"{machine}/")
    monkeypatch.setattr(command, "run", answering({"lsblk": json.dumps(LSBLK), "blkid": blkid}))
    found = {str(one["number"]): one for one in disks.devices()}
    assert sorted(found) == ["252:0", "8:0", "8:16"], "no unused loop device, none without a node"
    sda = found["8:0"]
    assert (sda["type"], sda["label"], sda["size"], sda["kind"]) == ("ext4", "linode root", 25600, "disk")
    names = sda["names"]
    assert isinstance(names, list)
    assert names[0] == sda["path"] == f"{machine}/sda"
    assert {"UUID=00000000-1111-2222-3333-444444444444", "LABEL=linode root"} <= set(names)
    assert f"{machine}/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_drive-scsi-disk-0" in names
    volume = found["252:0"]
    assert (volume["path"], volume["type"], volume["kind"]) == (f"{machine}/mapper/group-v", "ext4", "lvm")
    assert volume["label"] == "data/1"
    assert {f"{machine}/group/v", f"{machine}/dm-0"} <= set(volume["names"])  # type: ignore[call-overload]
    swap = found["8:16"]
    assert (swap["type"], swap["label"]) == ("swap", "my swap")
    assert "UUID=55555555-6666-7777-8888-999999999999" in swap["names"]  # type: ignore[operator]


def test_without_programs_the_files_serve(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> Maybe[Output]:
        raise AssertionError("no program may run")

    monkeypatch.setattr(command, "run", run)
    found = {str(one["number"]): one for one in disks.devices(programs=False)}
    assert found["8:0"]["type"] == "ext4"
    assert found["252:0"]["kind"] == "lvm"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"blockdevices": 7}', '{"blockdevices": [{"children": 7}]}'])
def test_what_lsblk_says_is_not_trusted_to_be_json(machine: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(command, "run", answering({"lsblk": text, "blkid": "\n\n=\nDEVNAME\n"}))
    assert len(disks.devices()) == 3


LOOP = """
set -e
truncate -s 20M "$1/image"
mkfs.ext4 -q -L web-root -U 01234567-89ab-cdef-0123-456789abcdef "$1/image"
device=$(losetup --find --show "$1/image")
trap 'losetup -d "$device"' EXIT
"$2" -c "$3" "$device"
"""
ASK = """
import json, sys
from agent.target import disks
print(json.dumps([one for one in disks.devices() if one["path"] == sys.argv[1]]))
"""


@needs_root
@pytest.mark.skipif(not (shutil.which("mkfs.ext4") and shutil.which("losetup")), reason="needs mkfs and losetup")
def test_a_real_filesystem_is_known_by_its_tags(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", LOOP, "sh", str(tmp_path), sys.executable, ASK],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
    )
    if done.returncode:
        pytest.skip(f"no loop device can be made here: {done.stderr[-200:]}")
    (device,) = json.loads(done.stdout)
    assert (device["type"], device["label"], device["size"]) == ("ext4", "web-root", 20 * 1024 * 1024)
    assert "UUID=01234567-89ab-cdef-0123-456789abcdef" in device["names"]


@needs_root
def test_in_rescue_mode_the_machines_disks_are_the_targets(tmp_path: Path) -> None:
    from agent.target.door import RootDoor

    assert isinstance(open_target(str(tmp_path)).query("devices"), Unknown)
    door = RootDoor(str(tmp_path), live=False, rescue=True)
    assert isinstance(door.query("devices", {}), list)
    assert isinstance(door.query("links", {}), Unknown)
