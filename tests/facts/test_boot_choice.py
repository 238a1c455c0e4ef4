"""Which entry of a boot menu boots when nobody chooses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.facts import boot, boot_choice, boot_menu
from agent.facts.boot_menu import MenuEntry
from tests.virtual import Node, virtual

# As grub-mkconfig of Debian 12 writes it, without the lines that do not count here.
GRUB = """\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="DEFAULT"
fi
function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
    save_env saved_entry
  fi
}
### BEGIN /etc/grub.d/10_linux ###
function gfxmode {
\tset gfxpayload="${1}"
}
menuentry 'Debian GNU/Linux' --class debian --class os $menuentry_id_option 'gnulinux-simple-1' {
\tload_video
\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda ro console=ttyS0
\tinitrd\t/boot/initrd.img-6.1.0-18-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1' {
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-18-amd64' $menuentry_id_option 'gnulinux-6.1.0-18-amd64-advanced-1' {
\t\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda ro
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-18-amd64 (recovery mode)' $menuentry_id_option 'r18' {
\t\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda ro single
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 5.10.0-28-amd64' $menuentry_id_option 'gnulinux-5.10.0-28-amd64-advanced-1' {
\t\tlinux\t/boot/vmlinuz-5.10.0-28-amd64 root=/dev/sda ro
\t}
}
menuentry 'Memory test' {
\tlinux16 /boot/memtest86+.bin
}
menuentry "Another > one" {
\tlinux /boot/vmlinuz-another root=/dev/sdb
}
"""


def default(files: Mapping[str, Node]) -> MenuEntry:
    entry = boot.read(virtual(files)).default_entry
    assert entry is not None
    return entry


def grub(preset: str, environment: str = "") -> MenuEntry:
    files: dict[str, Node] = {"/boot/grub/grub.cfg": GRUB.replace("DEFAULT", preset)}
    if environment:
        files["/boot/grub/grubenv"] = "# GRUB Environment Block\n" + environment + "#" * 500
    return default(files)


@pytest.mark.parametrize(
    ("preset", "line"),
    [
        ("0", "Debian GNU/Linux"),
        ("1>0", "Debian GNU/Linux, with Linux 6.1.0-18-amd64"),
        ("1>1", "Debian GNU/Linux, with Linux 6.1.0-18-amd64 (recovery mode)"),
        ("1>2", "Debian GNU/Linux, with Linux 5.10.0-28-amd64"),
        ("1", "Debian GNU/Linux, with Linux 6.1.0-18-amd64"),  # the submenu, and its first
        ("3", "Another > one"),  # the memory test counts
        ("gnulinux-simple-1", "Debian GNU/Linux"),
        ("gnulinux-advanced-1>gnulinux-5.10.0-28-amd64-advanced-1", "Debian GNU/Linux, with Linux 5.10.0-28-amd64"),
        (
            "Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 5.10.0-28-amd64",
            "Debian GNU/Linux, with Linux 5.10.0-28-amd64",
        ),
        ("Another >> one", "Another > one"),
        # what is not there: GRUB boots the first
        ("7", "Debian GNU/Linux"),
        ("gnulinux-5.4.0-1-amd64-advanced-1", "Debian GNU/Linux"),
        ("", "Debian GNU/Linux"),
    ],
)
def test_grubs_default_by_number_id_and_title(preset: str, line: str) -> None:
    assert grub(preset).title == line


def test_grubs_saved_entry_is_in_its_environment() -> None:
    assert grub("${saved_entry}", "saved_entry=1>2\n").kernel.endswith("5.10.0-28-amd64")
    assert grub("${saved_entry}").title == "Debian GNU/Linux"
    assert grub("0", "saved_entry=1>2\n").title == "Debian GNU/Linux"


def test_what_is_for_the_next_boot_alone_comes_first() -> None:
    assert grub("0", "next_entry=1>2\n").kernel.endswith("5.10.0-28-amd64")
    assert grub("0", "next_entry=\n").title == "Debian GNU/Linux"


def test_the_specifications_entries_are_named_by_their_files() -> None:
    files: dict[str, Node] = {
        "/boot/grub2/grub.cfg": 'set default="${saved_entry}"\ninsmod blscfg\nblscfg\n',
        "/boot/grub2/grubenv": "saved_entry=abc-5.14.0-70.el9.x86_64\n",
    }
    for release in ("5.14.0-70.el9.x86_64", "5.14.0-362.el9.x86_64"):
        files[f"/boot/loader/entries/abc-{release}.conf"] = (
            f"title Rocky ({release})\nversion {release}\nlinux /vmlinuz-{release}\noptions root=UUID=1\n"
        )
    assert default(files).kernel == "/vmlinuz-5.14.0-70.el9.x86_64"
    files["/boot/grub2/grubenv"] = "saved_entry=0\n"  # the newest
    assert default(files).kernel == "/vmlinuz-5.14.0-362.el9.x86_64"
    files["/boot/grub2/grubenv"] = "saved_entry=1\n"
    assert default(files).kernel == "/vmlinuz-5.14.0-70.el9.x86_64"


LEGACY = "default=DEFAULT\ntimeout=5\ntitle One\n\tkernel /boot/vmlinuz-1 ro\ntitle Two\n\tkernel /boot/vmlinuz-2 ro\n"


@pytest.mark.parametrize(
    ("preset", "saved", "kernel"), [("0", "", "1"), ("1", "", "2"), ("saved", "1\n#\n#\n", "2"), ("saved", "", "1")]
)
def test_grub_legacy_counts_its_titles(preset: str, saved: str, kernel: str) -> None:
    files: dict[str, Node] = {"/boot/grub/menu.lst": LEGACY.replace("DEFAULT", preset)}
    if saved:
        files["/boot/grub/default"] = saved
    assert default(files).kernel == f"/boot/vmlinuz-{kernel}"


def test_syslinux_names_its_label() -> None:
    text = "DEFAULT lts\nLABEL virt\n  LINUX vmlinuz-virt\n  APPEND root=/dev/sda\n"
    text += "LABEL lts\n  LINUX vmlinuz-lts\n  APPEND root=/dev/sda ro\n"
    assert default({"/boot/extlinux.conf": text}).kernel == "/vmlinuz-lts"
    assert default({"/boot/extlinux.conf": text.replace("DEFAULT lts", "DEFAULT menu.c32")}).kernel == "/vmlinuz-virt"
    marked = text.replace("DEFAULT lts", "DEFAULT menu.c32").replace("LABEL lts\n", "LABEL lts\n  MENU DEFAULT\n")
    assert default({"/boot/extlinux.conf": marked}).kernel == "/vmlinuz-lts"


def test_braces_of_other_things_do_not_end_a_submenu() -> None:
    text = "submenu 'More' {\n  function f {\n    true\n  }\n  menuentry 'In' {\n    linux /boot/in\n  }\n}\n"
    text += "menuentry 'Out' {\n  linux /boot/out\n}\n"
    entries = boot_menu.parse_grub(text)
    assert [entry.names for entry in entries] == [(("0", "More"), ("0", "In")), (("1", "Out"),)]


@given(st.text(max_size=200), st.text(max_size=20))
def test_no_menu_makes_the_reader_fail(text: str, preset: str) -> None:
    entries = boot_menu.parse_grub(f"submenu {text}\nmenuentry '{text}' {{\n linux /x {text}\n}}\n" * 3)
    boot_choice.find(preset, [entry.names for entry in entries])
    boot_choice.of_grub(f"set default={text}\n", {"saved_entry": preset})
    boot_choice.of_legacy(text, preset)
    boot_choice.of_syslinux(text)
