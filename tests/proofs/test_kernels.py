"""The proofs of what a boot starts with, by the disk alone: menu, kernel, initrd, root, and a pending relabelling."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds, Severity
from agent.facts.facts import Facts
from agent.target.model import Mode
from tests.proofs.test_boot import DATA, DISKS, HERE, INITRD, disk, host, prove
from tests.virtual import Dir, Node, virtual

RELEASE = "6.1.0-30-amd64"
KERNEL, PATH = f"/boot/vmlinuz-{RELEASE}", f"/boot/initrd.img-{RELEASE}"
MENU = "/boot/grub/grub.cfg"
LIVE: dict[str, Node] = {"/proc/sys/kernel/osrelease": f"{RELEASE}\n"}
LINODE: dict[str, Node] = {"/proc/sys/kernel/osrelease": "6.2.9-x86_64-linode160\n", "/proc/modules": ""}


def without(files: Mapping[str, Node], *parts: str) -> dict[str, Node]:
    return {path: node for path, node in files.items() if not any(part in path for part in parts)}


# -- the menu


def test_a_menu_whose_kernel_is_there_is_sound() -> None:
    assert isinstance(prove("grub_config_missing", host(disk(HERE))), Fails)


def test_a_kernel_and_no_menu_where_grub_was_set_up() -> None:
    proof = prove("grub_config_missing", host({**without(disk(HERE), "grub"), "/boot/grub/grubenv": ""}))
    assert isinstance(proof, Holds)
    assert proof.severity is None
    assert KERNEL in proof.why


def test_a_menu_that_an_upgrade_left_empty() -> None:
    for text in ("", "### BEGIN /etc/grub.d/00_header ###\nset timeout=5\n"):
        proof = prove("grub_config_missing", host({**disk(HERE), MENU: text}))
        assert isinstance(proof, Holds), text
        assert MENU in proof.why


def test_a_menu_whose_kernel_was_removed_names_those_that_are_there() -> None:
    files = {**without(disk(HERE), "vmlinuz"), "/boot/vmlinuz-5.10.0-9-amd64": "kernel"}
    proof = prove("grub_config_missing", host(files))
    assert isinstance(proof, Holds)
    assert f"boots {KERNEL}, which does not exist" in proof.why
    assert "5.10.0-9" in " ".join(evidence.text for evidence in proof.evidence)


def test_a_kernel_that_is_empty_or_zeros_can_not_boot() -> None:
    for content in (b"", bytes(8192)):
        assert isinstance(prove("grub_config_missing", host({**disk(HERE), KERNEL: content})), Holds)


@pytest.mark.parametrize(
    "files",
    [
        {},  # boots a kernel of Linode's, or is a container
        {"/boot/grub/grub.cfg": "", "/etc/fstab": "/dev/sdb /boot ext4 defaults 0 2\n", "/boot": Dir()},
        {KERNEL: "kernel"},  # nothing shows that GRUB ever booted it
        {KERNEL: "kernel", "/etc/lilo.conf": "", "/boot/grub": Dir()},
    ],
)
def test_a_disk_that_may_boot_otherwise_is_not_accused(files: Mapping[str, Node]) -> None:
    assert not isinstance(prove("grub_config_missing", host({"/etc/fstab": "", **files}, disks=DISKS)), Holds)


def test_a_boot_partition_that_is_not_mounted_hides_the_menu() -> None:
    fstab = f"{HERE} / ext4 defaults 0 1\n{DATA} /boot ext4 defaults 0 2\n"
    facts = host({"/etc/fstab": fstab, "/boot": Dir(), "/etc/default/grub": ""})
    assert isinstance(prove("grub_config_missing", facts), CantTell)


def test_a_linode_that_runs_linodes_kernel_needs_no_menu() -> None:
    files = {**without(disk(HERE), "grub"), "/etc/default/grub": "", **LINODE}
    assert isinstance(prove("grub_config_missing", host(files, Mode.LIVE, DISKS)), Fails)


def test_a_running_host_is_warned_before_its_next_boot() -> None:
    files = {**without(disk(HERE), "grub"), "/boot/grub/grubenv": "", **LIVE}
    proof = prove("grub_config_missing", host(files, Mode.LIVE, DISKS))
    assert isinstance(proof, Holds)
    assert proof.severity is Severity.WARNING


def test_a_running_host_whose_kernel_is_not_its_disks_was_booted_otherwise() -> None:
    files = {**without(disk(HERE), "grub"), "/boot/grub/grubenv": "", "/proc/sys/kernel/osrelease": "6.9.1-custom\n"}
    assert isinstance(prove("grub_config_missing", host(files, Mode.LIVE, DISKS)), Fails)


@pytest.mark.parametrize("container", ["docker", "systemd-nspawn"])
def test_a_container_needs_no_menu(container: str) -> None:
    files = {**without(disk(HERE), "grub"), "/boot/grub/grubenv": "", **LIVE}
    assert isinstance(prove("grub_config_missing", host(files, Mode.LIVE, DISKS, container)), Fails)


def test_a_btrfs_subvolume_in_the_menus_path_is_not_a_missing_kernel() -> None:
    files = {**disk(HERE), MENU: f"menuentry 'x' {{\n linux /@{KERNEL} root={HERE}\n}}\n"}
    assert isinstance(prove("grub_config_missing", host(files)), CantTell)


# -- the initrd


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (bytes(9000), "zeros"), (INITRD[:50], "cut off"), (gzip.compress(INITRD)[:-9], "")],
)
def test_an_initrd_that_is_not_whole_ends_in_a_panic(content: bytes, words: str) -> None:
    proof = prove("kernel_panic_no_root", host({**disk("/dev/sda"), PATH: content}))
    assert isinstance(proof, Holds)
    assert words in proof.why
    assert proof.values["cause"] == "initrd"
    assert proof.values["release"] == RELEASE


def test_a_whole_initrd_of_any_kind_is_no_finding() -> None:
    for content in (INITRD, gzip.compress(INITRD), INITRD + bytes(400) + gzip.compress(INITRD)):
        assert isinstance(prove("kernel_panic_no_root", host({**disk("/dev/sda"), PATH: content})), Fails)


@pytest.mark.parametrize("module", ["drivers/scsi/virtio_scsi.ko.xz", "fs/ext4/ext4.ko"])
def test_a_kernel_whose_disk_or_filesystem_is_a_module_needs_an_initrd(module: str) -> None:
    files = disk("/dev/sda", initrd=False, file=False)
    files["/etc/fstab"] = "/dev/sda / ext4 defaults 0 1\n"
    assert isinstance(prove("kernel_panic_no_root", host(files)), Fails)
    files[f"/lib/modules/{RELEASE}/kernel/{module}"] = ""
    assert isinstance(prove("kernel_panic_no_root", host(files)), Holds)


def archive(*names: str) -> bytes:
    made = b""
    for name in names:
        raw = name.encode() + b"\0"
        head = b"070701" + b"0" * 88 + f"{len(raw):08x}".encode() + b"0" * 8
        made += (head + raw).ljust((len(head + raw) + 3) // 4 * 4, b"\0")
    return made + INITRD


def modular(*inside: str) -> dict[str, Node]:
    return {
        **disk("/dev/sda"),
        PATH: archive(*inside),
        f"/lib/modules/{RELEASE}/modules.builtin": "kernel/fs/ext2.ko\n",
        f"/lib/modules/{RELEASE}/kernel/drivers/scsi/virtio_scsi.ko": "",
    }


def test_an_initrd_without_any_disks_driver_finds_no_root() -> None:
    proof = prove("initramfs_no_root", host(modular("init", "usr/lib/modules/x/kernel/net/core.ko")))
    assert isinstance(proof, Holds)
    assert proof.values["cause"] == "initrd"


@pytest.mark.parametrize("driver", ["virtio_scsi.ko", "virtio_blk.ko.zst", "nvme.ko"])
def test_an_initrd_with_a_disks_driver_is_not_accused(driver: str) -> None:
    facts = host(modular("init", f"usr/lib/modules/x/kernel/drivers/{driver}"))
    assert not isinstance(prove("initramfs_no_root", facts), Holds)


def test_a_root_on_another_disk_is_only_a_suspicion() -> None:
    disks = [*DISKS, {"path": "/dev/sdb", "uuid": DATA.partition("=")[2], "type": "ext4"}]
    facts = host(disk(DATA), disks=disks, rescue=True)
    object.__setattr__(facts.target, "device", "/dev/sda")
    proof = prove("initramfs_no_root", facts)
    assert isinstance(proof, CantTell)
    assert "/dev/sdb, not this disk" in proof.why


# -- SELinux

RELABEL: dict[str, Node] = {
    "/.autorelabel": "",
    "/etc/selinux/config": "# comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
    "/usr/lib/systemd/system/selinux-autorelabel.service": "",
}


def test_a_relabelling_waits() -> None:
    proof = prove("selinux_relabel_pending", host(RELABEL))
    assert isinstance(proof, Holds)
    assert "enforcing" in proof.why


@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("/.autorelabel", None),
        ("/etc/selinux/config", "SELINUX=disabled\n"),
        ("/etc/selinux/config", None),
        ("/usr/lib/systemd/system/selinux-autorelabel.service", None),
        (MENU, f"menuentry 'x' {{\n linux {KERNEL} root=/dev/sda selinux=0\n}}\n"),
    ],
)
def test_a_file_that_nobody_acts_on_is_no_finding(path: str, node: str | None) -> None:
    files = without(RELABEL, path) if node is None else {**RELABEL, KERNEL: "kernel", path: node}
    assert not isinstance(prove("selinux_relabel_pending", host(files)), Holds)


def test_an_empty_folder_has_none_of_them() -> None:
    facts = Facts(virtual({}))
    for name in ("grub_config_missing", "selinux_relabel_pending"):
        assert not isinstance(prove(name, facts), Holds), name
