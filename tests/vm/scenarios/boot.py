"""Disks that do not boot."""

from __future__ import annotations

from tests.vm.disk import Disk
from tests.vm.model import EMERGENCY, INITRAMFS, Scenario

MISSING = "8d1d5ba6-6c1f-4d3c-8c3c-0b6d9d0a4f11"
PATIENCE = "[Manager]\nDefaultDeviceTimeoutSec=20s\n"  # else it waits for a minute and a half


def missing_disk(disk: Disk) -> None:
    """fstab names a disk that was taken away."""
    with disk.opened() as root:
        root.append("/etc/fstab", f"UUID={MISSING} /srv/data ext4 defaults 0 2\n")
        root.at("/srv/data").mkdir()
        root.write("/etc/systemd/system.conf.d/patience.conf", PATIENCE)


def damaged(disk: Disk) -> None:
    """A folder's inode was overwritten: what was in it belongs nowhere, and no check puts that right unasked."""
    disk.debugfs("clri /usr/share/zoneinfo", "clri /usr/share/perl5", "ssv state 2")


def no_initrd(disk: Disk) -> None:
    """/boot was full when the kernel was upgraded: GRUB's menu names an initrd that is not there."""
    with disk.opened() as root:
        for path in root.at("/boot").glob("initrd.img-*"):
            path.unlink()


SCENARIOS = (
    Scenario(
        "b",
        "fstab names a missing disk",
        missing_disk,
        shows=r"Timed out waiting for device",
        ends=EMERGENCY,
        finding=r"fstab",
        fix="--fstab",
    ),
    Scenario(
        "d",
        "the filesystem is damaged",
        damaged,
        shows=r"RUN fsck MANUALLY|requires a manual fsck",
        ends=INITRAMFS,
        finding=r"fsck",
        fix="--fsck",
    ),
    Scenario(
        "g",
        "the default kernel has no initrd",
        no_initrd,
        shows=r"error: file .*initrd.* not found|Kernel panic",
        ends=r"end Kernel panic|Press any key",
        finding=r"initrd|initramfs",
        fix="--initramfs",
    ),
)
