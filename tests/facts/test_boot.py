"""Kernels, modules, boot menus, the command line, and when the boot began."""

from __future__ import annotations

import struct

import pytest

from agent.facts import boot, boot_menu, kernels, utmp
from agent.target.model import Mode
from agent.unknown import Unknown
from tests.virtual import Denied, File, Link, Node, virtual


def image(version: str) -> bytes:
    """An x86 kernel image as far as its header goes."""
    data = bytearray(0x3000)
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x20E, 0x2000)
    text = version.encode() + b" (builder@host) #1 SMP\0"
    data[0x2200 : 0x2200 + len(text)] = text
    return bytes(data)


DEBIAN: dict[str, Node] = {
    "/boot/vmlinuz-6.1.0-18-amd64": image("6.1.0-18-amd64"),
    "/boot/initrd.img-6.1.0-18-amd64": "",
    "/boot/config-6.1.0-18-amd64": "",
    "/boot/System.map-6.1.0-18-amd64": "",
    "/lib/modules/6.1.0-18-amd64/modules.dep": "",
    "/vmlinuz": Link("boot/vmlinuz-6.1.0-18-amd64"),
    "/boot/grub/grub.cfg": (
        'set default="0"\n'
        "menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'x' {\n"
        "\tinsmod gzio\n"
        "\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda ro  console=ttyS0,19200n8 net.ifnames=0\n"
        "\tinitrd\t/boot/initrd.img-6.1.0-18-amd64\n"
        "}\n"
        "menuentry 'Debian GNU/Linux (recovery mode)' {\n"
        "\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda ro single\n"
        "}\n"
    ),
    "/etc/default/grub": ('GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=ttyS0 net.ifnames=0"\n'),
}


def test_debians_kernel_menu_and_defaults() -> None:
    found = boot.read(virtual(DEBIAN))
    assert found.kernels == (
        kernels.KernelImage("/boot/vmlinuz-6.1.0-18-amd64", "6.1.0-18-amd64", "/boot/initrd.img-6.1.0-18-amd64", True),
    )
    assert found.module_folders == ("6.1.0-18-amd64",)
    assert found.grub_config == "/boot/grub/grub.cfg"
    assert found.grub_cmdline == "console=ttyS0 net.ifnames=0 quiet"
    assert found.default_entry is not None and found.default_entry.initrd.endswith("-amd64")
    assert found.menu_cmdlines[0].startswith("/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda ro")
    assert found.ifnames_off is True
    assert isinstance(found.cmdline, Unknown)


def test_a_kernel_whose_modules_were_removed() -> None:
    files = dict(DEBIAN)
    del files["/lib/modules/6.1.0-18-amd64/modules.dep"]
    files["/lib/modules/6.1.0-18-amd64/modules.alias"] = ""  # left behind by depmod
    found = boot.read(virtual(files))
    assert not found.kernels[0].modules and found.module_folders == ()


@pytest.mark.parametrize(
    ("files", "path", "release", "initrd"),
    [
        (
            {
                "/boot/vmlinuz-linux": image("6.7.4-arch1-1"),
                "/boot/initramfs-linux.img": "",
                "/boot/initramfs-linux-fallback.img": "",
            },
            "/boot/vmlinuz-linux",
            "6.7.4-arch1-1",
            "/boot/initramfs-linux.img",
        ),
        (
            {
                "/boot/vmlinuz-linux-lts": "no header",
                "/usr/lib/modules/6.6.1-1-lts/pkgbase": "linux-lts\n",
                "/boot/initramfs-linux-lts.img": "",
            },
            "/boot/vmlinuz-linux-lts",
            "6.6.1-1-lts",
            "/boot/initramfs-linux-lts.img",
        ),
        (
            {
                "/boot/vmlinuz-5.14.0-362.el9.x86_64": "",
                "/boot/initramfs-5.14.0-362.el9.x86_64.img": "",
                "/boot/initramfs-5.14.0-362.el9.x86_64kdump.img": "",
                "/boot/.vmlinuz-5.14.0-362.el9.x86_64.hmac": "",
            },
            "/boot/vmlinuz-5.14.0-362.el9.x86_64",
            "5.14.0-362.el9.x86_64",
            "/boot/initramfs-5.14.0-362.el9.x86_64.img",
        ),
        (
            {"/boot/vmlinuz-lts": "", "/boot/initramfs-lts": "", "/lib/modules/6.6.31-0-lts/modules.dep": ""},
            "/boot/vmlinuz-lts",
            "6.6.31-0-lts",
            "/boot/initramfs-lts",
        ),
        (
            {"/boot/vmlinuz-huge-5.15.19": image("5.15.19"), "/boot/vmlinuz": Link("vmlinuz-huge-5.15.19")},
            "/boot/vmlinuz-huge-5.15.19",
            "5.15.19",
            "",
        ),
        (
            {
                "/boot/kernel-genkernel-x86_64-5.4.97-gentoo": "",
                "/boot/initramfs-genkernel-x86_64-5.4.97-gentoo": "",
            },
            "/boot/kernel-genkernel-x86_64-5.4.97-gentoo",
            "5.4.97-gentoo",
            "/boot/initramfs-genkernel-x86_64-5.4.97-gentoo",
        ),
        (
            {"/boot/vmlinuz-5.14.21-150500-default": "", "/boot/initrd-5.14.21-150500-default": ""},
            "/boot/vmlinuz-5.14.21-150500-default",
            "5.14.21-150500-default",
            "/boot/initrd-5.14.21-150500-default",
        ),
        (
            {"/boot/0123abcd/6.5.6-300.fc39/linux": "", "/boot/0123abcd/6.5.6-300.fc39/initrd": ""},
            "/boot/0123abcd/6.5.6-300.fc39/linux",
            "6.5.6-300.fc39",
            "/boot/0123abcd/6.5.6-300.fc39/initrd",
        ),
        ({"/usr/lib/modules/6.7.4/vmlinuz": ""}, "/usr/lib/modules/6.7.4/vmlinuz", "6.7.4", ""),
    ],
)
def test_each_distributions_kernel_is_found(files: dict[str, Node], path: str, release: str, initrd: str) -> None:
    found = kernels.read(virtual(files))
    assert [(kernel.path, kernel.release, kernel.initrd) for kernel in found] == [(path, release, initrd)]


def test_boot_loader_entries_with_the_variables_of_el_8() -> None:
    files: dict[str, Node] = {
        "/boot/grub2/grub.cfg": "insmod blscfg\nblscfg\n",
        "/boot/grub2/grubenv": "# GRUB Environment Block\nkernelopts=root=/dev/sda ro net.ifnames=0 \n#####",
        "/boot/loader/entries/a-4.18.0-80.conf": (
            "title A\nversion 4.18.0-80\nlinux /vmlinuz-4.18.0-80\noptions $kernelopts $tuned_params\n"
        ),
        "/boot/loader/entries/a-4.18.0-348.conf": (
            "title B\nversion 4.18.0-348\nlinux /vmlinuz-4.18.0-348\n"
            "initrd /initramfs-4.18.0-348.img $tuned_initrd\noptions $kernelopts\n"
        ),
        "/boot/vmlinuz-4.18.0-348": "",
        "/boot/initramfs-4.18.0-348.img": "",
    }
    found = boot.read(virtual(files))
    assert found.grub_config == "/boot/grub2/grub.cfg"
    assert [entry.title for entry in found.menu] == ["B", "A"]
    assert found.menu[0].kernel == "/boot/vmlinuz-4.18.0-348"
    assert found.menu[0].initrd == "/boot/initramfs-4.18.0-348.img"
    assert found.menu[0].options == "root=/dev/sda ro net.ifnames=0"
    assert found.ifnames_off is True


def test_grub_legacy_and_syslinux() -> None:
    legacy = boot_menu.parse_grub(
        "default=0\ntitle CentOS\n\troot (hd0)\n\tkernel /boot/vmlinuz-2.6 ro root=/dev/sda\n\tinitrd /boot/i\n"
    )
    assert [(entry.title, entry.kernel, entry.initrd) for entry in legacy] == [
        ("CentOS", "/boot/vmlinuz-2.6", "/boot/i")
    ]
    alpine = boot_menu.parse_syslinux(
        "LABEL lts\n  LINUX vmlinuz-lts\n  INITRD initramfs-lts\n  APPEND root=/dev/sda\n"
    )
    assert [(entry.kernel, entry.options, entry.initrd) for entry in alpine] == [
        ("/vmlinuz-lts", "root=/dev/sda", "/initramfs-lts")
    ]


def test_no_menu_is_unknown_because_it_is_absent() -> None:
    found = boot.read(virtual({}))
    assert isinstance(found.grub_config, Unknown) and found.grub_config.absent
    assert isinstance(found.ifnames_off, Unknown)
    assert found.kernels == () and found.menu == ()


def test_drop_ins_of_grubs_defaults_are_sourced_after_it() -> None:
    target = virtual({
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"\nGRUB_CMDLINE_LINUX=""\n',
        "/etc/default/grub.d/50-cloudimg-settings.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="console=ttyS0"\n',
        "/etc/default/grub.d/60-more.cfg": 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX net.ifnames=0"\n',
    })  # fmt: skip
    assert boot_menu.default_options(target) == "net.ifnames=0 console=ttyS0"


@pytest.mark.parametrize(
    ("cmdline", "off"),
    [
        ("root=/dev/sda net.ifnames=0", True),
        ("root=/dev/sda", False),
        ("net.ifnames=1", False),
        ("net.ifnames=0 net.ifnames=1", False),
        ("biosdevname=0", False),
        ("xnet.ifnames=0", False),
    ],
)
def test_the_running_command_line_tells_the_names(cmdline: str, off: bool) -> None:
    found = boot.read(
        virtual({"/proc/cmdline": cmdline + "\n", "/boot/grub/grub.cfg": "linux /x net.ifnames=0\n"}, Mode.LIVE)
    )
    assert found.ifnames_off is off


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"/etc/hostname": "web1\n"}, "web1"),
        ({"/etc/hostname": "# a comment\n\nweb1.example.org\n"}, "web1.example.org"),
        ({"/etc/HOSTNAME": "slack.example.org\n"}, "slack.example.org"),
        ({"/etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=six.example.org\n"}, "six.example.org"),
        ({"/etc/conf.d/hostname": 'hostname="gentoo"\n'}, "gentoo"),
        ({"/etc/hostname": "we\x1b[2Jb\n"}, "we[2Jb"),
    ],
)
def test_the_hosts_name(files: dict[str, Node], name: str) -> None:
    assert boot.hostname(virtual(files)) == name


def test_the_name_of_the_rescue_system_is_not_the_targets() -> None:
    files: dict[str, Node] = {"/proc/sys/kernel/hostname": "finnix\n", "/etc/hostname": "web1\n"}
    assert boot.hostname(virtual(files, Mode.CHROOT)) == "web1"
    assert isinstance(boot.kernel(virtual({"/proc/sys/kernel/osrelease": "6.1\n"}, Mode.CHROOT)), Unknown)


# -- when


def record(kind: int, seconds: int, size: int = 384) -> bytes:
    data = bytearray(size)
    struct.pack_into("<h", data, 0, kind)
    struct.pack_into("<I" if size == 384 else "<q", data, 340 if size == 384 else 344, seconds)
    return bytes(data)


@pytest.mark.parametrize("size", [384, 400])
def test_the_newest_boot_in_wtmp(size: int) -> None:
    kinds = [
        (2, 1_600_000_000),
        (1, 1_600_000_010),
        (7, 1_600_000_100),
        (2, 1_700_000_000),
        (8, 1_700_000_500),
    ]
    data = b"".join(record(kind, seconds, size) for kind, seconds in kinds)
    assert utmp.newest_boot(virtual({"/var/log/wtmp": data})) == 1_700_000_000.0


def test_a_wtmp_that_was_rotated_at_this_boot() -> None:
    files: dict[str, Node] = {
        "/var/log/wtmp": record(7, 1_700_000_100),
        "/var/log/wtmp.1": record(2, 1_700_000_000),
    }
    assert utmp.newest_boot(virtual(files)) == 1_700_000_000.0


def test_a_record_that_was_cut_does_not_hide_the_others() -> None:
    assert utmp.newest_boot(virtual({"/var/log/wtmp": record(2, 1_700_000_000) + b"\x07\x00cut"})) == 1_700_000_000.0


def test_a_large_wtmp_is_read_from_its_end() -> None:
    data = record(7, 1_600_000_000) * 20_000 + record(2, 1_700_000_000) + record(7, 1_700_000_001) * 5
    assert utmp.newest_boot(virtual({"/var/log/wtmp": data})) == 1_700_000_000.0


@pytest.mark.parametrize(
    "content", ["", b"\xff" * 384, b"SQLite format 3\0" + b"\x00" * 4080, Denied(), "text\n" * 100]
)
def test_what_is_no_wtmp_tells_nothing(content: Node) -> None:
    assert isinstance(utmp.newest_boot(virtual({"/var/log/wtmp": content})), Unknown)


def test_the_kernels_saved_messages_are_as_new_as_the_boot() -> None:
    files: dict[str, Node] = {
        "/var/log/wtmp": record(2, 1_600_000_000),
        "/var/log/dmesg": File("x", mtime=1_700_000_000.0),
    }
    assert boot.read(virtual(files)).started == 1_700_000_000.0


def test_live_the_kernel_says_when_it_began() -> None:
    assert boot.read(virtual({"/proc/stat": "cpu 1 2\nbtime 1700000000\n"}, Mode.LIVE)).started == 1_700_000_000.0
