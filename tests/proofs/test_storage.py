"""The proofs of the storage rules."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.facts import Facts
from agent.logs.model import Entry, Match, Trust
from agent.target.model import Json, Mode, Space
from tests.proofs.managed import prove
from tests.virtual import Node, virtual

GIB = 1024**3
FSTAB = "/dev/sda / ext4 errors=remount-ro 0 1\n/dev/sdb none swap sw 0 0\n"
RW = "25 1 8:0 / / rw,relatime - ext4 /dev/sda rw,errors=remount-ro\n"
RO = "25 1 8:0 / / ro,relatime - ext4 /dev/sda ro,errors=remount-ro\n"
ALL = ("disk_full", "inodes_full", "fs_read_only", "fs_corrupt", "oom_killer")


def space(free: int = 10 * GIB, available: int | None = None, inodes: int = 500_000, read_only: bool = False) -> Space:
    return Space(25 * GIB, free, free if available is None else available, 1_000_000, inodes, read_only)


def host(
    root: Space | None = None,
    mounts: str = "",
    container: str = "",
    files: Mapping[str, Node] | None = None,
    boot: Space | None = None,
) -> Facts:
    """A live host when it has mounts, otherwise a disk."""
    found: dict[str, Node] = {"/etc/fstab": FSTAB, **(files or {})}
    queries: dict[str, Json] = {"machine": {"container": container}}
    if mounts:
        found["/proc/1/mountinfo"] = mounts
    spaces = {"/": root or space()}
    if boot:
        spaces["/boot"] = boot
    return Facts(virtual(found, Mode.LIVE if mounts else Mode.OFFLINE, queries=queries, spaces=spaces))


def kernel(text: str, boot: int = 0, **groups: str) -> Match:
    return Match("key", Entry("journal", text, time=1000.0, boot=boot, trust=Trust("kernel")), groups)


def rumour(text: str, **groups: str) -> Match:
    return Match("key", Entry("/var/log/syslog", text, line=3, ident="kernel"), groups)


@pytest.mark.parametrize("mounts", ["", RW])
@pytest.mark.parametrize("name", ALL)
def test_a_healthy_host_has_none_of_them(name: str, mounts: str) -> None:
    assert isinstance(prove(name, host(mounts=mounts)), Fails)


@pytest.mark.parametrize("name", ALL)
def test_a_healthy_container_has_none_of_them(name: str) -> None:
    overlay = "25 1 0:40 / / ro,relatime - overlay overlay ro\n"
    assert isinstance(prove(name, host(mounts=overlay, container="docker")), (Fails, CantTell))


@pytest.mark.parametrize("name", ALL)
def test_an_empty_folder_has_none_of_them(name: str) -> None:
    assert not isinstance(prove(name, Facts(virtual({}))), Holds)


@pytest.mark.parametrize("mounts", ["", RW])
def test_no_byte_left_is_critical(mounts: str) -> None:
    proof = prove("disk_full", host(space(free=4096), mounts))
    assert isinstance(proof, Holds)
    assert proof.severity in (None, Severity.CRITICAL)
    assert proof.values["point"] == "/"


def test_a_small_disk_with_its_last_blocks_kept_back_is_full() -> None:
    small = Space(21 * 1024**2, 600 * 1024, 0, 6144, 6000, False)
    proof = prove("disk_full", host(small))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.CRITICAL


def test_bytes_that_only_root_may_use_make_a_warning() -> None:
    proof = prove("disk_full", host(space(free=GIB, available=0)))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING


def test_nearly_full_is_a_warning() -> None:
    proof = prove("disk_full", host(space(free=100 * 1024**2), RW))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING


def test_a_full_boot_partition_does_not_stop_the_host() -> None:
    full = Space(200 * 1024**2, 0, 0, 50_000, 40_000, False)
    proof = prove("disk_full", host(boot=full))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING


def test_an_image_that_is_always_full_is_not() -> None:
    image = Space(GIB, 0, 0, 1000, 0, True)
    assert not isinstance(prove("disk_full", host(image)), Holds)
    assert not isinstance(prove("inodes_full", host(image)), Holds)


def test_a_disk_mounted_read_only_in_rescue_mode_is_full_all_the_same() -> None:
    assert isinstance(prove("disk_full", host(space(free=0, read_only=True))), Holds)


def test_no_inode_left() -> None:
    assert isinstance(prove("inodes_full", host(space(inodes=0))), Holds)
    assert isinstance(prove("disk_full", host(space(inodes=0))), Fails)


def test_a_filesystem_without_a_number_of_inodes_is_never_out_of_them() -> None:
    assert isinstance(prove("inodes_full", host(Space(GIB, GIB, GIB, 0, 0, False))), Fails)


def test_a_root_that_fstab_wants_writable() -> None:
    proof = prove("fs_read_only", host(mounts=RO))
    assert isinstance(proof, Holds)
    assert proof.values["point"] == "/"


def test_a_root_that_fstab_wants_read_only() -> None:
    facts = host(mounts=RO, files={"/etc/fstab": "/dev/sda / ext4 ro 0 1\n"})
    assert not isinstance(prove("fs_read_only", facts), Holds)


def test_the_kernels_word_counts_offline() -> None:
    said = kernel("EXT4-fs (sda): Remounting filesystem read-only", device="sda")
    assert isinstance(prove("fs_read_only", host(), ("remounted", said)), Holds)
    told = rumour("EXT4-fs (sda): Remounting filesystem read-only", device="sda")
    assert isinstance(prove("fs_read_only", host(), ("remounted", told)), CantTell)


def test_damage_on_the_root() -> None:
    said = kernel("EXT4-fs error (device sda): ext4_lookup:1785: inode #2: comm ls", device="sda")
    proof = prove("fs_corrupt", host(), ("ext", said))
    assert isinstance(proof, Holds)
    assert proof.values["disk"] == "/dev/sda"


@pytest.mark.parametrize("device", ["loop3", "sr0", "fd0", "ram1"])
def test_damage_on_an_image_is_not_the_hosts(device: str) -> None:
    said = kernel(f"EXT4-fs error (device {device}): ext4_lookup:1785: inode #2", device=device)
    assert not isinstance(prove("fs_corrupt", host(mounts=RW), ("ext", said)), Holds)


def test_damage_of_an_older_boot_is_past() -> None:
    said = kernel("EXT4-fs error (device sda): ext4_lookup:1785: inode #2", boot=-1, device="sda")
    assert not isinstance(prove("fs_corrupt", host(), ("ext", said)), Holds)


def test_ext4_counts_its_errors_without_a_log() -> None:
    def counted(number: str, container: str = "") -> object:
        return prove(
            "fs_corrupt", host(mounts=RW, container=container, files={"/sys/fs/ext4/sda/errors_count": number})
        )

    assert isinstance(counted("3\n"), Holds)
    assert not isinstance(counted("0\n"), Holds)
    assert not isinstance(counted("3\n", "docker"), Holds)


def test_memory_ran_out_in_this_boot() -> None:
    said = kernel("Out of memory: Killed process 571 (mysqld) total-vm:2071252kB")
    assert isinstance(prove("oom_killer", host(), ("killed", said)), Holds)
    assert isinstance(prove("oom_killer", host(), ("killed", rumour(said.entry.text))), CantTell)
