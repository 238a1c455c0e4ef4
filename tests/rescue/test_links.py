"""Which disk a line of fstab means here: by name where that is sure, by kind where disks have changed places."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.facts.devices import BlockDevice
from agent.rescue.links import FstabLink, companions, for_system
from agent.rescue.model import Disk, Role
from tests.virtual import virtual

ROOT_ID = "0d9b1c2e-0000-4000-8000-000000000001"


def disk(name: str, type: str, role: Role, *tags: str) -> Disk:
    path = f"/dev/{name}"
    return Disk(BlockDevice(path, (path, *tags), type, 1 << 30, "disk", False, f"8:{ord(name[2]) * 16}"), role)


def linked(fstab: str, *disks: Disk, root: str = "/dev/sda") -> dict[str, FstabLink]:
    target = replace(virtual({"/etc/fstab": fstab}), device=root)
    return {link.entry.file: link for link in companions(target, disks)}


def path(link: FstabLink) -> str:
    return link.disk.device.path if link.disk else ""


SDA = disk("sda", "ext4", Role.ROOT, f"UUID={ROOT_ID}", "LABEL=root")
SDB = disk("sdb", "swap", Role.SWAP, "UUID=0d9b1c2e-0000-4000-8000-000000000002")


def test_linodes_own_fstab_fits_and_says_nothing() -> None:
    found = linked(
        "/dev/sda / ext4 errors=remount-ro 0 1\n/dev/sdb none swap sw 0 0\nproc /proc proc defaults 0 0\n", SDA, SDB
    )
    assert {point: path(link) for point, link in found.items()} == {"/": "/dev/sda", "none": "/dev/sdb"}
    assert all(not link.why for link in found.values())


@pytest.mark.parametrize("spec", [f"UUID={ROOT_ID.upper()}", "LABEL=root", f"/dev/disk/by-uuid/{ROOT_ID}", "/dev/sda"])
def test_the_roots_own_line_is_known_by_every_name(spec: str) -> None:
    link = linked(f"{spec} / ext4 defaults 0 1\n", SDA, SDB)["/"]
    assert (path(link), link.why) == ("/dev/sda", "")


def test_a_root_that_has_moved_is_told_in_a_sentence() -> None:
    moved = disk("sdb", "ext4", Role.ROOT)
    link = linked("/dev/sda / ext4 defaults 0 1\n", disk("sda", "swap", Role.SWAP), moved, root="/dev/sdb")["/"]
    assert path(link) == "/dev/sdb"
    assert "fstab line 1 names /dev/sda for /: here that disk is /dev/sdb" in link.why
    assert "configuration profile" in link.why


def test_a_root_that_another_uuid_is_written_for_is_told() -> None:
    link = linked("UUID=ffffffff-0000-4000-8000-000000000001 / ext4 defaults 0 1\n", SDA)["/"]
    assert path(link) == "/dev/sda"
    assert f"not what this disk is called: UUID={ROOT_ID}" in link.why


def test_disks_that_changed_places_are_found_by_their_kind() -> None:
    root = disk("sdc", "ext4", Role.ROOT)
    fstab = "/dev/sda / ext4 defaults 0 1\n/dev/sdb none swap sw 0 0\n/dev/sdc /var/www xfs defaults 0 2\n"
    found = linked(fstab, disk("sda", "swap", Role.SWAP), disk("sdb", "xfs", Role.DATA), root, root="/dev/sdc")
    assert {point: path(link) for point, link in found.items()} == {
        "/": "/dev/sdc",
        "none": "/dev/sda",
        "/var/www": "/dev/sdb",
    }
    assert "here it is /dev/sda" in found["none"].why
    assert "here it is /dev/sdb" in found["/var/www"].why


def test_of_two_that_might_be_meant_none_is_guessed() -> None:
    fstab = "/dev/sda / ext4 defaults 0 1\n/dev/sdz /var ext4 defaults 0 2\n"
    data = [disk("sdb", "ext4", Role.DATA), disk("sdc", "ext3", Role.DATA)]
    link = linked(fstab, SDA, *data)["/var"]
    assert link.disk is None
    assert link.why == "fstab line 2 names /dev/sdz for /var: no disk here is that"


def test_a_uuid_is_never_guessed() -> None:
    link = linked(
        "UUID=ffffffff-0000-4000-8000-00000000000f /var ext4 defaults 0 2\n", SDA, disk("sdb", "ext4", Role.DATA)
    )
    assert link["/var"].disk is None


def test_a_name_that_two_disks_answer_to_means_none_of_them() -> None:
    twins = [disk("sdb", "ext4", Role.DATA, "LABEL=data"), disk("sdc", "ext4", Role.DATA, "LABEL=data")]
    link = linked("LABEL=data /var ext4 defaults 0 2\n", SDA, *twins)["/var"]
    assert link.disk is None
    assert "/dev/sdb, /dev/sdc" in link.why


def test_a_clone_of_the_root_does_not_take_its_place() -> None:
    clone = replace(SDA, device=replace(SDA.device, path="/dev/sdc", names=("/dev/sdc", f"UUID={ROOT_ID}")))
    link = linked(f"UUID={ROOT_ID} / ext4 defaults 0 1\n", clone, SDA)["/"]
    assert (path(link), link.why) == ("/dev/sda", "")


def test_a_path_to_a_filesystem_of_another_kind_is_not_believed() -> None:
    link = linked("/dev/sdb /var ext4 defaults 0 2\n", SDA, SDB)["/var"]
    assert link.disk is None
    assert "(ext4): here that is swap" in link.why


def test_ext3_may_have_become_ext4() -> None:
    link = linked("/dev/sdb /var ext3 defaults 0 2\n", SDA, disk("sdb", "ext4", Role.DATA))["/var"]
    assert (path(link), link.why) == ("/dev/sdb", "")


def test_subvolumes_of_the_roots_own_disk_belong_to_it() -> None:
    root = disk("sda", "btrfs", Role.ROOT, f"UUID={ROOT_ID}")
    fstab = f"UUID={ROOT_ID} / btrfs subvol=@ 0 0\nUUID={ROOT_ID} /var btrfs subvol=@var 0 0\n"
    assert path(linked(fstab, root)["/var"]) == "/dev/sda"


def test_what_belongs_to_a_system_is_mounted_outermost_first_and_the_rest_is_not() -> None:
    lines = {
        "/var/log": "defaults",
        "/boot/efi": "noauto",
        "/usr": "defaults",
        "/var": "defaults",
        "/home": "defaults",
        "/srv/www": "defaults",
        "/var/backups": "noauto",
        "/boot": "defaults",
        "/var/../home": "defaults",
        "swap": "sw",
        "/variety": "defaults",
    }
    fstab = "".join(f"LABEL=x {point} ext4 {options} 0 2\n" for point, options in lines.items())
    found = companions(replace(virtual({"/etc/fstab": fstab}), device="/dev/sda"), (SDA,))
    assert [link.entry.file for link in for_system(found)] == ["/usr", "/var", "/boot", "/var/log", "/boot/efi"]


def test_without_an_fstab_there_is_nothing_to_link() -> None:
    assert companions(virtual({}), (SDA,)) == ()
