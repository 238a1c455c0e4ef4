"""The kernel's command line on disk: one word more, and every other byte as it was; the initrd's own tools."""

from __future__ import annotations

import difflib
import fnmatch
import subprocess
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.change.model import WriteFile
from agent.facts.facts import Facts
from agent.fixes import imagined
from agent.fixes.boot_options import WORD, ifnames_off, rebuild_initrds, with_option
from agent.target.model import Mode
from tests.virtual import File, Link, Node, virtual

MENU = """\
### BEGIN /etc/grub.d/10_linux ###
menuentry 'Debian GNU/Linux' --class debian {
\tsearch --no-floppy --fs-uuid --set=root 0a1b
\tlinux\t/boot/vmlinuz-6.1.0-9-amd64 root=/dev/sda ro console=ttyS0,19200n8
\tinitrd\t/boot/initrd.img-6.1.0-9-amd64
}
submenu 'Advanced options' {
\tmenuentry 'Debian GNU/Linux (recovery mode)' {
\t\tlinux\t/boot/vmlinuz-6.1.0-9-amd64 root=/dev/sda ro single
\t\tinitrd\t/boot/initrd.img-6.1.0-9-amd64
\t}
}
### END /etc/grub.d/10_linux ###
### BEGIN /etc/grub.d/30_os-prober ###
menuentry 'Another system (on /dev/sdc)' {
\tlinux /boot/vmlinuz-5 root=/dev/sdc ro
}
### END /etc/grub.d/30_os-prober ###
"""
DEFAULTS = 'GRUB_DEFAULT=0\n# GRUB_CMDLINE_LINUX="commented"\nGRUB_CMDLINE_LINUX="console=ttyS0,19200n8"\n'
HOST: dict[str, Node] = {
    "/etc/default/grub": DEFAULTS,
    "/boot/grub/grub.cfg": MENU,
    "/boot/vmlinuz-6.1.0-9-amd64": "kernel",
    "/boot/initrd.img-6.1.0-9-amd64": "initrd",
}
PROGRAM = File("#!/bin/sh\n", mode=0o755)


def written(files: Mapping[str, Node], mode: Mode = Mode.OFFLINE) -> dict[str, str]:
    """What the edits would write, by path."""
    found = ifnames_off(Facts(virtual(files, mode)))
    return {one.path: one.content.decode() for one in found.operations if isinstance(one, WriteFile)}


def changed(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def sourced(text: str, tmp: str) -> str:
    """What a real shell makes of GRUB_CMDLINE_LINUX, as grub-mkconfig does."""
    done = subprocess.run(
        ["sh", "-c", text + '\nprintf %s "$GRUB_CMDLINE_LINUX"'], capture_output=True, text=True, check=True, cwd=tmp
    )
    return done.stdout


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ('GRUB_CMDLINE_LINUX=""', 'GRUB_CMDLINE_LINUX="net.ifnames=0"'),
        ("GRUB_CMDLINE_LINUX=''", "GRUB_CMDLINE_LINUX='net.ifnames=0'"),
        ("GRUB_CMDLINE_LINUX=", 'GRUB_CMDLINE_LINUX="net.ifnames=0"'),
        ("GRUB_CMDLINE_LINUX=quiet", 'GRUB_CMDLINE_LINUX="quiet net.ifnames=0"'),
        ("GRUB_CMDLINE_LINUX=quiet # mine", 'GRUB_CMDLINE_LINUX="quiet net.ifnames=0" # mine'),
        ('GRUB_CMDLINE_LINUX="a b"  # why', 'GRUB_CMDLINE_LINUX="a b net.ifnames=0"  # why'),
        ("  GRUB_CMDLINE_LINUX='a=\"b c\"'", "  GRUB_CMDLINE_LINUX='a=\"b c\" net.ifnames=0'"),
        ('GRUB_CMDLINE_LINUX="a \\"b\\""', 'GRUB_CMDLINE_LINUX="a \\"b\\" net.ifnames=0"'),
        ('export GRUB_CMDLINE_LINUX="a "', 'export GRUB_CMDLINE_LINUX="a net.ifnames=0"'),
        ('GRUB_CMDLINE_LINUX="a net.ifnames=1 b"', 'GRUB_CMDLINE_LINUX="a net.ifnames=0 b"'),
        ('GRUB_CMDLINE_LINUX="a net.ifnames=0"', 'GRUB_CMDLINE_LINUX="a net.ifnames=0"'),
    ],
)
def test_the_word_goes_into_the_lines_own_quotes(line: str, after: str) -> None:
    text = f"# head\n{line}\nGRUB_TIMEOUT=5\n# tail\n"
    assert with_option(text) == f"# head\n{after}\nGRUB_TIMEOUT=5\n# tail\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GRUB_TIMEOUT=5",
        "#GRUB_CMDLINE_LINUX=x\n",
        'GRUB_CMDLINE_LINUX="a"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX b"\n',
        'GRUB_CMDLINE_LINUX="a"\nGRUB_CMDLINE_LINUX+=" b"\n',
        'GRUB_CMDLINE_LINUX="a \\\n  b"\n',
        "GRUB_CMDLINE_LINUX=a' 'b\n",
        "GRUB_CMDLINE_LINUX=$(echo a)\n",
        'X=1; GRUB_CMDLINE_LINUX="a"\n',
        'GRUB_CMDLINE_LINUX="a"\nif true; then GRUB_CMDLINE_LINUX="b"; fi\n',
    ],
)
def test_however_the_file_is_written_a_shell_reads_the_word_at_the_end(text: str, tmp_path: str) -> None:
    before = sourced(text, tmp_path).split()
    assert sourced(with_option(text), tmp_path).split() == [*before, WORD]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="GRUB_CMDLINE_LINUX=\"' \\\n#$ab+", max_size=80))
def test_any_text_keeps_its_lines_and_gets_the_word(text: str) -> None:
    after = with_option(text)
    assert WORD in after
    assert [line for line in text.split("\n") if line.startswith("#")] == [
        line for line in after.split("\n") if line.startswith("#")
    ]


def test_all_kernel_lines_of_this_disk_get_the_word_and_other_systems_none() -> None:
    after = written(HOST)
    assert [line[2:].split()[1:] for line in changed(MENU, after["/boot/grub/grub.cfg"]) if line[0] == "+"] == [
        ["/boot/vmlinuz-6.1.0-9-amd64", "root=/dev/sda", "ro", "console=ttyS0,19200n8", WORD],
        ["/boot/vmlinuz-6.1.0-9-amd64", "root=/dev/sda", "ro", "single", WORD],
    ]
    assert after["/boot/grub/grub.cfg"].replace(f" {WORD}", "") == MENU
    assert "root=/dev/sdc ro\n" in after["/boot/grub/grub.cfg"]
    assert after["/etc/default/grub"] == DEFAULTS.replace('19200n8"', '19200n8 net.ifnames=0"')
    assert ifnames_off(Facts(virtual(HOST))).effective


def test_nothing_is_edited_where_the_word_is_there_already() -> None:
    files = {**HOST, **written(HOST)}
    found = ifnames_off(Facts(virtual(files)))
    assert found.operations == ()
    assert found.effective


def test_a_snippet_that_overrides_the_value_is_edited_too() -> None:
    path = "/etc/default/grub.d/50-cloudimg.cfg"
    after = written({**HOST, path: 'GRUB_CMDLINE_LINUX="console=tty1"\n'})
    assert after[path] == 'GRUB_CMDLINE_LINUX="console=tty1 net.ifnames=0"\n'


def test_a_snippet_that_only_adds_is_left_alone() -> None:
    path = "/etc/default/grub.d/50-more.cfg"
    assert path not in written({**HOST, path: 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX quiet"\n'})


def test_without_grubs_defaults_the_menu_alone_is_edited() -> None:
    files = {path: node for path, node in HOST.items() if path != "/etc/default/grub"}
    assert list(written(files)) == ["/boot/grub/grub.cfg"]


def test_a_menu_behind_a_link_is_edited_where_it_is() -> None:
    files = {**HOST, "/boot/grub/grub.cfg": Link("../grub2/grub.cfg"), "/boot/grub2/grub.cfg": MENU}
    assert "/boot/grub2/grub.cfg" in written(files)
    assert "/boot/grub/grub.cfg" not in written(files)


def bls(options: str, block: str = "") -> dict[str, Node]:
    files: dict[str, Node] = {
        "/boot/grub2/grub.cfg": "insmod blscfg\nblscfg\n",
        "/boot/loader/entries/abc-5.14.0-9.el9.x86_64.conf": (
            f"title Rocky\nversion 5.14.0-9.el9.x86_64\nlinux /vmlinuz-5.14.0-9\ninitrd /initramfs.img\n{options}\n"
        ),
    }
    if block:
        files["/boot/grub2/grubenv"] = block
    return files


def test_entries_of_the_boot_loader_specification_get_the_word() -> None:
    after = written(bls("options root=/dev/sda ro crashkernel=1G"))
    (text,) = after.values()
    assert "\noptions root=/dev/sda ro crashkernel=1G net.ifnames=0\n" in text


def test_kernelopts_in_grubs_environment_keeps_the_block_at_1024_bytes() -> None:
    head = "# GRUB Environment Block\nsaved_entry=abc\nkernelopts=root=/dev/sda ro \n"
    block = head + "#" * (1024 - len(head))
    after = written(bls("options $kernelopts $tuned_params", block))
    assert list(after) == ["/boot/grub2/grubenv"]
    text = after["/boot/grub2/grubenv"]
    assert len(text) == 1024
    assert "kernelopts=root=/dev/sda ro net.ifnames=0" in text
    assert ifnames_off(Facts(virtual(bls("options $kernelopts", block)))).effective


def test_a_full_environment_block_leaves_it_to_the_entries() -> None:
    head = "# GRUB Environment Block\nkernelopts=root=/dev/sda ro\nx="
    block = head + "y" * (1020 - len(head)) + "\n###"
    after = written(bls("options $kernelopts", block))
    assert [path.rpartition("/")[0] for path in after] == ["/boot/loader/entries"]


def test_a_disk_that_boots_a_kernel_of_linodes_has_no_command_line() -> None:
    found = ifnames_off(Facts(virtual({**HOST, "/proc/sys/kernel/osrelease": "6.2.9-x86_64-linode160\n"}, Mode.LIVE)))
    assert not found.operations
    assert not found.effective


def test_odd_bytes_of_the_menu_survive() -> None:
    raw = MENU.encode().replace(b"Debian GNU", b"D\xe9bian GNU")
    (edit,) = (
        one
        for one in ifnames_off(Facts(virtual({**HOST, "/boot/grub/grub.cfg": raw}))).operations
        if isinstance(one, WriteFile) and one.path.endswith("grub.cfg")
    )
    assert b"D\xe9bian GNU" in edit.content


def test_the_edits_are_seen_by_the_reader_of_the_next_boot() -> None:
    target = virtual(HOST)
    facts = Facts(imagined.after(target, ifnames_off(Facts(target)).operations))
    assert Facts(target).boot.ifnames_off_next is False
    assert facts.boot.ifnames_off_next is True


@pytest.mark.parametrize(
    ("tool", "argv"),
    [
        ("/usr/sbin/update-initramfs", ("update-initramfs", "-u", "-k", "all")),
        ("/usr/bin/dracut", ("dracut", "-f", "--regenerate-all")),
        ("/usr/bin/mkinitcpio", ("mkinitcpio", "-P")),
    ],
)
def test_the_hosts_own_tool_builds_the_initrd_and_undo_keeps_the_images(tool: str, argv: tuple[str, ...]) -> None:
    found = rebuild_initrds(Facts(virtual({**HOST, tool: PROGRAM})), needed=True)
    assert found.run is not None
    assert found.run.argv == argv
    assert any(fnmatch.fnmatchcase("/boot/initramfs-linux.img", pattern) for pattern in found.run.keeps)


@pytest.mark.parametrize("tool", ["/usr/bin/dracut", "/usr/bin/mkinitcpio"])
def test_a_tool_that_looks_at_the_machine_is_not_run_in_a_rescue_system_without_need(tool: str) -> None:
    found = rebuild_initrds(Facts(virtual({**HOST, tool: PROGRAM})), needed=False)
    assert found.run is None
    assert found.command
    assert found.why_not


def test_initramfs_tools_with_modules_dep_looks_at_the_machine_too() -> None:
    files = {**HOST, "/usr/sbin/update-initramfs": PROGRAM, "/etc/initramfs-tools/conf.d/small": "MODULES=dep\n"}
    assert rebuild_initrds(Facts(virtual(files)), needed=False).run is None
    assert rebuild_initrds(Facts(virtual(files)), needed=True).run is not None


def test_without_an_initrd_there_is_nothing_to_build() -> None:
    files = {**HOST, "/usr/sbin/update-initramfs": PROGRAM}
    del files["/boot/initrd.img-6.1.0-9-amd64"]
    assert rebuild_initrds(Facts(virtual(files)), needed=True).run is None


def test_hooks_that_run_after_the_initrd_are_named() -> None:
    files = {**HOST, "/usr/sbin/update-initramfs": PROGRAM, "/etc/initramfs/post-update.d/zz-systemd-boot": PROGRAM}
    assert "zz-systemd-boot" in rebuild_initrds(Facts(virtual(files)), needed=True).warnings[0]
