"""The proof of a damaged filesystem, by its check and its superblock; and of a disk that can't be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.facts import Facts
from agent.facts.filesystem import Check, Health
from agent.facts.superblock import Filesystem, Met, Superblock
from agent.logs.model import Entry, Match, Trust
from agent.target.model import Mode
from agent.unknown import Unknown, Why
from tests.proofs.managed import prove
from tests.virtual import Node, virtual

FSTAB = "/dev/sda / ext4 errors=remount-ro 0 1\nUUID=1 /srv ext4 nofail 0 2\n"
RW = "25 1 8:0 / / rw,relatime - ext4 /dev/sda rw\n"
RO = "25 1 8:0 / / ro,relatime - ext4 /dev/sda ro\n"
SOUND = Superblock("ext4", checked=500.0, made=400.0)
LAST = Met(1.7e9, "ext4_lookup", 1785, 2)
HURT = replace(SOUND, errors=True, count=3, first=Met(1.6e9, "ext4_iget", 10), last=LAST)
MARKED = replace(SOUND, errors=True)


def host(
    *filesystems: Filesystem, mounts: str = "", check: Check | None = None, files: Mapping[str, Node] | None = None
) -> Facts:
    """A live host when it has mounts, otherwise a disk."""
    found: dict[str, Node] = {"/etc/fstab": FSTAB, **(files or {})}
    if mounts:
        found["/proc/1/mountinfo"] = mounts
    facts = Facts(virtual(found, Mode.LIVE if mounts else Mode.OFFLINE, queries={"machine": {"container": ""}}), check)
    facts.__dict__["superblocks"] = filesystems
    return facts


def root(superblock: Superblock) -> Filesystem:
    return Filesystem("/", "/dev/sda", superblock)


def check(health: Health, why: str = "", output: Sequence[str] = (), type: str = "ext4") -> Check:
    return Check("/dev/sda", type, health, why, ("e2fsck", "-fn", "/dev/sda"), "\n".join(output))


def kernel(text: str, time: float = 1000.0, **groups: str) -> Match:
    return Match("key", Entry("journal", text, time=time, boot=0, trust=Trust("kernel")), groups)


LOOKUP = kernel("EXT4-fs error (device sda): ext4_lookup:1785: inode #2: comm ls", device="sda")


def test_errors_in_the_superblock_hold_without_a_log_and_name_what_when_and_where() -> None:
    proof = prove("fs_corrupt", host(root(HURT)))
    assert isinstance(proof, Holds)
    assert proof.severity is None  # the rule's own: critical
    assert "/dev/sda" in proof.why
    assert "counted 3 errors since its last check" in proof.why
    assert "2023-11-14 22:13 UTC in ext4_lookup:1785, inode 2" in proof.why
    assert "ext4_iget:10" in proof.evidence[1].text
    assert proof.values == {"disk": "/dev/sda", "point": "/"}
    assert proof.commands == ("e2fsck -fn {disk}",)


@pytest.mark.parametrize("superblock", [HURT, MARKED, replace(SOUND, problem="its superblock counts no blocks")])
def test_each_kind_of_damage_holds(superblock: Superblock) -> None:
    assert isinstance(prove("fs_corrupt", host(root(superblock))), Holds)


@pytest.mark.parametrize(
    "superblock",
    [
        SOUND,
        replace(SOUND, unfinished=True),
        replace(SOUND, clean=False, unfinished=True, orphans=True),
        replace(SOUND, whole=True, mounts=90),
        Superblock("btrfs", unfinished=True, generation=9),
    ],
)
def test_a_power_cut_alone_is_no_damage(superblock: Superblock) -> None:
    assert isinstance(prove("fs_corrupt", host(root(superblock))), Fails)
    assert isinstance(prove("fs_corrupt", host(root(superblock), mounts=RW)), Fails)


def test_a_root_that_runs_with_errors_is_a_warning_and_one_that_was_made_read_only_is_critical() -> None:
    for mounts, severity in ((RW, Severity.WARNING), (RO, None)):
        proof = prove("fs_corrupt", host(root(HURT), mounts=mounts))
        assert isinstance(proof, Holds)
        assert proof.severity is severity


def test_a_disk_that_the_boot_does_without_is_a_warning() -> None:
    data = Filesystem("/srv", "/dev/sdb", HURT, optional=True, mounted=False)
    proof = prove("fs_corrupt", host(root(SOUND), data))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING
    assert proof.values["disk"] == "/dev/sdb"


def test_the_root_comes_before_others() -> None:
    data = Filesystem("/srv", "/dev/sdb", HURT, optional=True, mounted=False)
    proof = prove("fs_corrupt", host(data, root(MARKED)))
    assert isinstance(proof, Holds)
    assert proof.values["disk"] == "/dev/sda"
    assert any("/dev/sdb" in evidence.source for evidence in proof.evidence)


def test_a_wrong_checksum_counts_on_an_unmounted_disk_only() -> None:
    """On a mounted one the kernel may be about to write it anew."""
    torn = replace(SOUND, whole=False)
    assert isinstance(prove("fs_corrupt", host(root(torn))), Fails)
    assert isinstance(prove("fs_corrupt", host(Filesystem("/srv", "/dev/sdb", torn, mounted=False))), Holds)


def test_a_disk_that_can_not_be_read_accuses_nobody() -> None:
    unread = Filesystem("/", "/dev/sda", Unknown("/dev/sda: operation not permitted", Why.DENIED))
    assert isinstance(prove("fs_corrupt", host(unread)), Fails)


def test_other_types_name_their_own_checker() -> None:
    proof = prove("fs_corrupt", host(root(Superblock("xfs", errors=True))))
    assert isinstance(proof, Holds)
    assert proof.commands == ("xfs_repair -n {disk}",)


@pytest.mark.parametrize("health", [Health.DAMAGED, Health.UNREADABLE])
def test_a_check_that_found_damage_holds_with_the_checkers_words(health: Health) -> None:
    said = ["Pass 1: Checking inodes", "Inode 12 has illegal blocks", "sda: ********** WARNING: errors **********"]
    proof = prove("fs_corrupt", host(check=check(health, "e2fsck found errors", said)))
    assert isinstance(proof, Holds)
    assert proof.severity is None
    assert "e2fsck found errors" in proof.why
    assert "illegal blocks" in " ".join(evidence.text for evidence in proof.evidence)


def test_a_clean_check_makes_what_a_log_says_past() -> None:
    clean = check(Health.CLEAN, "e2fsck found nothing wrong")
    assert isinstance(prove("fs_corrupt", host(root(SOUND), check=clean), ("ext", LOOKUP)), Fails)
    other = kernel("EXT4-fs error (device sdb): x", device="sdb")
    data = {"/etc/fstab": FSTAB + "/dev/sdb /data ext4 defaults 0 2\n"}
    assert isinstance(prove("fs_corrupt", host(check=clean, files=data), ("ext", other)), Holds)


@pytest.mark.parametrize("health", [Health.UNFINISHED, Health.UNCHECKED, Health.BUSY])
def test_no_check_leaves_the_log_its_word(health: Health) -> None:
    assert isinstance(prove("fs_corrupt", host(check=check(health)), ("ext", LOOKUP)), Holds)


def test_a_mark_that_a_clean_check_contradicts_is_a_warning() -> None:
    proof = prove("fs_corrupt", host(root(HURT), check=check(Health.CLEAN)))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING
    assert "finds nothing wrong now" in proof.why


def test_a_log_older_than_the_last_check_is_past() -> None:
    since = replace(SOUND, checked=2000.0)
    assert isinstance(prove("fs_corrupt", host(root(since)), ("ext", LOOKUP)), Fails)
    assert isinstance(prove("fs_corrupt", host(root(SOUND)), ("ext", LOOKUP)), Holds)


# -- disks that can't be read

READ = "I/O error, dev sda, sector 98760 op 0x0:(READ)"


def test_the_kernels_own_word_for_a_disk_of_the_host_holds_with_its_count() -> None:
    proof = prove("disk_io_error", host(mounts=RW), ("block-layer", kernel(READ, unit="sda")), ("scsi", kernel("x")))
    assert isinstance(proof, Holds)
    assert "2 lines" in proof.why
    assert "sda" in proof.why


def test_errors_of_a_disk_that_is_not_the_hosts_are_no_proof() -> None:
    assert isinstance(prove("disk_io_error", host(mounts=RW), ("block-layer", kernel(READ, unit="sdx"))), CantTell)
    assert isinstance(prove("disk_io_error", host(mounts=RW), ("block-layer", kernel(READ, unit="loop3"))), CantTell)


def test_a_rumour_is_no_proof_and_silence_is_health() -> None:
    told = Match("key", Entry("/var/log/syslog", READ, line=3, ident="kernel"), {"unit": "sda"})
    assert isinstance(prove("disk_io_error", host(), ("block-layer", told)), CantTell)
    assert isinstance(prove("disk_io_error", host()), Fails)


def test_a_checker_that_can_not_read_holds() -> None:
    said = ["Error reading block 131 (Input/output error).  Ignore error? no"]
    proof = prove("disk_io_error", host(check=check(Health.DAMAGED, "unreadable blocks", said)))
    assert isinstance(proof, Holds)
    assert proof.values["disk"] == "/dev/sda"
    assert isinstance(prove("disk_io_error", host(check=check(Health.DAMAGED, "x", ["Inode 12 is bad"]))), Fails)
