"""Will it boot? Each thing that the next boot needs, whole and broken, on targets made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.diagnosis import bootable
from agent.diagnosis.boot_checks import disk
from agent.diagnosis.boot_checks.model import Checked
from agent.diagnosis.bootable import BootCheck, BootState, checks, unknowable
from agent.facts.facts import Facts
from agent.target.detect import nothing_target
from agent.target.model import Json, Kind, Mode, Space
from tests.facts.boot_files import DRIVERS, RELEASE, bzimage, initrd
from tests.facts.elf_files import elf
from tests.virtual import Denied, Dir, File, Link, Node, Special, virtual

LOADER = "/lib64/ld-linux-x86-64.so.2"
UUID = "11111111-1111-4111-8111-111111111111"
DISKS: list[Json] = [
    {"path": "/dev/sda", "uuid": UUID, "type": "ext4", "number": "8:0"},
    {"path": "/dev/sdb", "type": "swap", "uuid": "22222222-2222-4222-8222-222222222222", "number": "8:16"},
]
ROOM = Space(20 << 30, 10 << 30, 9 << 30, 1_000_000, 900_000, True)
MODULES = f"/lib/modules/{RELEASE}"
MENU = (
    'set default="0"\n'
    "menuentry 'Debian GNU/Linux' $menuentry_id_option 'x' {\n"
    f"\tlinux\t/boot/vmlinuz-{RELEASE} root=/dev/sda ro console=ttyS0,19200n8 net.ifnames=0\n"
    f"\tinitrd\t/boot/initrd.img-{RELEASE}\n"
    "}\n"
)
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
WORDS = b"\0permitrootlogin\0authorizedkeysfile\0passwordauthentication\0usepam\0port\0include\0hostkey\0match\0"


def program(*needed: str, text: bytes = b"") -> File:
    return File(elf(needed, LOADER) + text, mode=0o755)


WELL: dict[str, Node] = {
    "/boot/grub/grub.cfg": MENU,
    f"/boot/vmlinuz-{RELEASE}": bzimage(),
    f"/boot/initrd.img-{RELEASE}": initrd(),
    f"{MODULES}/modules.dep": "".join(f"{path.split(RELEASE + '/')[1]}:\n" for path in DRIVERS)
    + "kernel/drivers/net/virtio_net.ko:\n",
    f"{MODULES}/modules.builtin": "kernel/drivers/virtio/virtio_pci.ko\n",
    f"{MODULES}/kernel/drivers/net/virtio_net.ko": "",
    **{f"/{path.partition('/')[2]}": "" for path in DRIVERS},
    "/etc/fstab": "/dev/sda / ext4 errors=remount-ro 0 1\n/dev/sdb none swap sw 0 0\n",
    "/sbin/init": Link("/lib/systemd/systemd"),
    "/lib/systemd/systemd": program("libc.so.6"),
    "/bin/sh": program("libc.so.6"),
    LOADER: program(),
    "/lib/libc.so.6": elf(),
    "/lib/systemd/system/default.target": Link("graphical.target"),
    "/lib/systemd/system/graphical.target": "[Unit]\n",
    "/lib/systemd/system/networking.service": "[Service]\n[Install]\nWantedBy=multi-user.target\n",
    "/etc/systemd/system/multi-user.target.wants/networking.service": Link("/lib/systemd/system/networking.service"),
    "/usr/sbin/ifup": program("libc.so.6"),
    "/etc/network/interfaces": "auto eth0\niface eth0 inet static\n  address 192.0.2.10/24\n  gateway 192.0.2.1\n",
    "/usr/lib/udev/rules.d/80-net-setup-link.rules": "",
    "/usr/sbin/sshd": program("libc.so.6", text=WORDS),
    "/etc/ssh/sshd_config": "Port 22\nPermitRootLogin yes\n",
    "/etc/ssh/ssh_host_ed25519_key": File(KEY, mode=0o600),
    "/lib/systemd/system/ssh.service": "[Service]\n[Install]\nWantedBy=multi-user.target\n",
    "/etc/systemd/system/multi-user.target.wants/ssh.service": Link("/lib/systemd/system/ssh.service"),
    "/etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n",
}


def facts(
    changes: Mapping[str, Node | None] | None = None,
    disks: Sequence[Json] | None = DISKS,
    device: str = "/dev/sda",
    mode: Mode = Mode.OFFLINE,
    space: Space = ROOM,
    base: Mapping[str, Node] = WELL,
    container: str = "",
) -> Facts:
    """The target that is well, with files changed (or, None, taken away)."""
    files = {path: node for path, node in {**base, **(changes or {})}.items() if node is not None}
    queries: dict[str, Json] = {"machine": {"container": container}}
    if disks is not None:
        queries["devices"] = list(disks)
    target = virtual(files, mode, queries=queries, spaces={"/": space}, rescue=True)
    return Facts(replace(target, device=device) if mode is Mode.OFFLINE else target)


def of(what: str, found: Sequence[BootCheck]) -> BootCheck:
    """The one check with this name; the worst where there are several."""
    order = list(BootState)
    order.sort(key=lambda state: ("problem", "doubt", "unknown", "ok").index(state.value))
    named = [one for one in found if one.what == what]
    assert named, f"no check of {what!r} in {[one.what for one in found]}"
    return min(named, key=lambda one: order.index(one.state))


def look(what: str, changes: Mapping[str, Node | None] | None = None, **options: object) -> BootCheck:
    return of(what, checks(facts(changes, **options)))  # type: ignore[arg-type]


def test_a_disk_that_is_well_has_nothing_to_say_but_ok() -> None:
    found = checks(facts())
    assert {one.state for one in found} == {BootState.OK}, [one for one in found if one.state is not BootState.OK]
    assert [one.what for one in found] == [
        *("boot menu", "kernel", "initrd", "modules", "root device", "fstab", "init", "network", "ssh", "disk space")
    ]
    assert all(one.why and not one.commands and not one.finding for one in found)


# -- the menu, the kernel, the initrd


def test_a_disk_without_any_kernel_boots_with_linodes_own() -> None:
    bare = {path: None for path in WELL if path.startswith(("/boot/", "/lib/modules"))}
    found = checks(facts(bare))
    kernel = of("kernel", found)
    assert kernel.state is BootState.DOUBT
    assert kernel.why.startswith("no kernel on this disk: it boots only with a kernel that Linode supplies")
    assert not [one for one in found if one.state is BootState.PROBLEM]


def test_a_boot_of_its_own_that_is_not_mounted_is_not_judged() -> None:
    bare: dict[str, Node | None] = {path: None for path in WELL if path.startswith("/boot/")}
    bare["/boot"] = Dir()
    bare["/etc/fstab"] = "/dev/sda / ext4 defaults 0 1\nUUID=33 /boot ext4 nofail 0 2\n"
    found = look("kernel", bare)
    assert found.state is BootState.UNKNOWN and "UUID=33" in found.why


def test_kernels_without_a_menu_are_a_problem_where_grub_was_set_up() -> None:
    gone: dict[str, Node | None] = {"/boot/grub/grub.cfg": None, "/usr/sbin/update-grub": File("#!/bin/sh\n", 0o755)}
    plain = checks(facts(gone))
    assert of("boot menu", plain).state is BootState.DOUBT and of("kernel", plain).state is BootState.OK
    set_up = look("boot menu", {**gone, "/etc/default/grub": "GRUB_DEFAULT=0\n"})
    assert set_up.state is BootState.PROBLEM and set_up.commands == ("agent rescue --chroot /dev/sda update-grub",)


@pytest.mark.parametrize(
    ("changes", "what", "words"),
    [
        ({f"/boot/vmlinuz-{RELEASE}": None}, "kernel", "does not exist"),
        ({f"/boot/vmlinuz-{RELEASE}": ""}, "kernel", "is empty"),
        ({f"/boot/vmlinuz-{RELEASE}": bzimage()[:20_000]}, "kernel", "is cut off"),
        ({f"/boot/initrd.img-{RELEASE}": None}, "initrd", "does not exist"),
        ({f"/boot/initrd.img-{RELEASE}": ""}, "initrd", "is empty"),
        ({f"/boot/initrd.img-{RELEASE}": initrd()[:50_000]}, "initrd", "is cut off"),
        ({f"/boot/initrd.img-{RELEASE}": initrd(["init"])}, "initrd", "lacks virtio_scsi and sd_mod and ext4"),
        ({f"{MODULES}/modules.dep": ""}, "modules", "missing or empty"),
        ({f"{MODULES}/kernel/drivers/net/virtio_net.ko": None}, "modules", "virtio_net.ko is missing"),
        ({path: None for path in WELL if path.startswith(MODULES)}, "modules", f"{MODULES} is missing"),
        ({"/boot/grub/grub.cfg": MENU.replace("net.ifnames=0", "single")}, "command line", "single in"),
        ({"/boot/grub/grub.cfg": MENU.replace(" ro ", " rd.break ")}, "command line", "rd.break in"),
        ({"/boot/grub/grub.cfg": MENU.replace(" ro ", " init=/bin/bash ")}, "init", "/bin/bash does not exist"),
        ({"/boot/grub/grub.cfg": MENU.replace(" ro ", " init=/bin/sh ")}, "init", "init=/bin/sh is on the command"),
    ],
)
def test_what_the_boot_loader_and_the_kernel_need(changes: Mapping[str, Node | None], what: str, words: str) -> None:
    found = look(what, changes)
    assert found.state is BootState.PROBLEM and words in found.why, found


def test_drivers_that_are_built_in_need_no_initrd() -> None:
    builtin = "\n".join(f"kernel/x/{name}.ko" for name in ("virtio_pci", "virtio_scsi", "sd_mod", "ext4", "virtio_net"))
    found = checks(facts({f"{MODULES}/modules.builtin": builtin, f"/boot/initrd.img-{RELEASE}": initrd(["init"])}))
    assert of("initrd", found).state is BootState.OK and of("modules", found).state is BootState.OK


def test_a_default_that_names_nothing_is_a_doubt() -> None:
    found = look("boot menu", {"/boot/grub/grub.cfg": MENU.replace('"0"', '"gnulinux-5.4"')})
    assert found.state is BootState.DOUBT and "'gnulinux-5.4', is none of its entries" in found.why


def test_a_kernel_that_may_not_be_read_is_unknown() -> None:
    assert look("kernel", {f"/boot/vmlinuz-{RELEASE}": Denied()}).state is BootState.UNKNOWN


# -- the root and fstab


@pytest.mark.parametrize(
    ("root", "device", "state", "words"),
    [
        ("/dev/sda", "/dev/sda", BootState.OK, "root=/dev/sda, the disk that this root is on"),
        (f"UUID={UUID}", "/dev/sda", BootState.OK, f"root=UUID={UUID} is /dev/sda, the disk that this root is on"),
        ("/dev/sdb", "/dev/sda", BootState.DOUBT, "this root is on /dev/sda"),
        (f"UUID={UUID}", "/dev/sdb", BootState.PROBLEM, "another system would boot"),
        ("/dev/sda", "", BootState.UNKNOWN, "set in the configuration profile"),
        ("UUID=99999999-9999-4999-8999-999999999999", "/dev/sda", BootState.PROBLEM, "none of the disks"),
        ("/dev/sdq", "/dev/sda", BootState.UNKNOWN, "may order the disks otherwise"),
        ("ZFS=pool/root", "/dev/sda", BootState.UNKNOWN, "names no disk"),
    ],
)
def test_root_names_the_disk_of_this_root(root: str, device: str, state: BootState, words: str) -> None:
    menu = MENU.replace("root=/dev/sda", f"root={root}")
    found = look("root device", {"/boot/grub/grub.cfg": menu}, device=device)
    assert found.state is state and words in found.why, found


def test_two_disks_of_one_name_are_a_doubt() -> None:
    twins: list[Json] = [*DISKS, {"path": "/dev/sdc", "uuid": UUID, "type": "ext4"}]
    found = look("root device", {"/boot/grub/grub.cfg": MENU.replace("/dev/sda", f"UUID={UUID}")}, disks=twins)
    assert found.state is BootState.DOUBT and "/dev/sda and /dev/sdc" in found.why


def test_without_the_machines_disks_nothing_is_said_of_them() -> None:
    found = checks(facts(disks=None))
    assert of("root device", found).state is BootState.UNKNOWN
    assert of("fstab", found).state is BootState.UNKNOWN


@pytest.mark.parametrize(
    ("line", "changes", "state", "words"),
    [
        ("UUID=99 /data ext4 defaults 0 2", {}, BootState.PROBLEM, "line 1 wants UUID=99 for /data"),
        ("UUID=99 /data ext4 nofail 0 2", {}, BootState.OK, ""),
        ("UUID=99 none swap sw 0 0", {}, BootState.DOUBT, "the boot waits for it"),
        ("UUID=99 none swap sw,nofail 0 0", {}, BootState.OK, ""),
        ("/swapfile none swap sw 0 0", {}, BootState.DOUBT, "wants /swapfile for swap"),
        ("/swapfile none swap sw 0 0", {"/swapfile": ""}, BootState.OK, ""),
        ("tmpfs /data tmpfs defaults 0 0", {"/data": ""}, BootState.PROBLEM, "is no directory"),
        ("tmpfs /data tmpfs defaults 0 0", {}, BootState.OK, ""),  # systemd makes it
        ("/srv/a /srv/b none bind 0 0", {}, BootState.PROBLEM, "/srv/a does not exist"),
        ("/srv/a /srv/b none bind 0 0", {"/srv/a/x": ""}, BootState.OK, ""),
        ("/srv/a /srv/b none bind,nofail 0 0", {}, BootState.OK, ""),
        (f"UUID={UUID} / ext4 ro 0 1", {}, BootState.DOUBT, "read-only"),
        ("192.0.2.9:/share /net nfs defaults 0 0", {}, BootState.OK, ""),
    ],
)
def test_lines_of_fstab(line: str, changes: Mapping[str, Node], state: BootState, words: str) -> None:
    found = look("fstab", {"/etc/fstab": line + "\n", **changes})
    assert found.state is state and words in found.why, found


def test_what_lies_on_a_disk_that_is_not_mounted_is_not_judged() -> None:
    lines = f"UUID={UUID} /srv ext4 defaults 0 2\n/srv/a /home none bind 0 0\n"
    assert look("fstab", {"/etc/fstab": lines}).state is BootState.OK
    lines = f"UUID={UUID} /srv ext4 defaults 0 2\ntmpfs /srv/a tmpfs defaults 0 0\n"
    assert look("fstab", {"/etc/fstab": lines, "/srv/a": "hidden by the mount"}).state is BootState.OK


# -- programs


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"/lib/systemd/systemd": None}, "(a link to /lib/systemd/systemd) does not exist"),
        ({"/lib/libc.so.6": None}, "needs libc.so.6, which does not exist"),
        ({LOADER: None}, f"wants the loader {LOADER}"),
        ({"/lib/systemd/systemd": File(elf(machine="aarch64"), mode=0o755)}, "for aarch64, the kernel for x86_64"),
        ({"/sbin/init": None}, "there is no /sbin/init: the boot ends in a shell"),
        ({"/sbin/init": None, "/bin/sh": None}, "/bin/sh does not exist"),
        ({"/etc/systemd/system/default.target": Link("/lib/systemd/system/rescue.target")}, "is rescue.target"),
        ({"/etc/systemd/system/default.target": Link("/dev/null")}, "which is no target"),
        ({"/lib/systemd/system/default.target": None}, "there is no default.target"),
    ],
)
def test_what_the_first_program_needs(changes: Mapping[str, Node | None], words: str) -> None:
    found = look("init", changes)
    assert found.state is BootState.PROBLEM and words in found.why, found


def test_a_library_is_explained_once() -> None:
    found = checks(facts({"/lib/libc.so.6": None}))
    assert of("shell", found).why == "/bin/sh needs libc.so.6, too"
    assert of("ssh", found).why == "/usr/sbin/sshd needs libc.so.6, too"


# -- the network


def test_a_card_that_keeps_its_name() -> None:
    found = look("network")
    assert found.state is BootState.OK and "net.ifnames=0 is set" in found.why
    pinned = {
        "/boot/grub/grub.cfg": MENU.replace(" net.ifnames=0", ""),
        "/etc/systemd/network/10-eth0.link": "[Match]\nMACAddress=00:00:5e:00:53:01\n[Link]\nName=eth0\n",
    }
    assert "10-eth0.link gives it" in look("network", pinned).why
    rule = 'SUBSYSTEM=="net", ATTR{address}=="00:00:5e:00:53:01", NAME="eth0"\n'
    pinned = {
        "/boot/grub/grub.cfg": MENU.replace(" net.ifnames=0", ""),
        "/etc/udev/rules.d/70-persistent-net.rules": rule,
    }
    assert "70-persistent-net.rules:1 gives it" in look("network", pinned).why


def test_a_card_that_udev_will_name_is_a_doubt_and_with_the_last_boots_word_a_problem() -> None:
    changes: dict[str, Node | None] = {"/boot/grub/grub.cfg": MENU.replace(" net.ifnames=0", "")}
    found = look("network", changes)
    assert found.state is BootState.DOUBT and "no net.ifnames=0" in found.why
    changes["/var/log/dmesg"] = "[    1.2] virtio_net virtio2 enp0s3: renamed from eth0\n"
    found = look("network", changes)
    assert found.state is BootState.PROBLEM and "it was called enp0s3 at the last boot" in found.why


def test_a_predictable_name_can_be_known_by_the_last_boot_alone() -> None:
    text = str(WELL["/etc/network/interfaces"]).replace("eth0", "enp0s3")
    changes: dict[str, Node | None] = {"/etc/network/interfaces": text}
    assert "the card will be called eth0" in look("network", changes).why
    changes["/boot/grub/grub.cfg"] = MENU.replace(" net.ifnames=0", "")
    assert look("network", changes).state is BootState.UNKNOWN
    changes["/var/log/dmesg"] = "[    1.2] virtio_net virtio2 enp0s3: renamed from eth0\n"
    assert look("network", changes).state is BootState.OK


def test_where_nothing_names_cards_eth0_stays_eth0() -> None:
    changes: dict[str, Node | None] = {
        "/boot/grub/grub.cfg": MENU.replace(" net.ifnames=0", ""),
        "/usr/lib/udev/rules.d/80-net-setup-link.rules": None,
    }
    assert "nothing on this disk names cards otherwise" in look("network", changes).why


def test_a_manager_that_is_not_enabled_or_can_not_start() -> None:
    link = "/etc/systemd/system/multi-user.target.wants/networking.service"
    found = look("network", {link: None})
    assert found.state is BootState.PROBLEM and found.finding == "no-network-manager"
    found = look("network", {"/usr/sbin/ifup": program("libnone.so")})
    assert found.state is BootState.PROBLEM and "libnone.so" in found.why


def test_a_configuration_that_its_manager_rejects_is_a_problem_with_the_rules_id() -> None:
    found = look("network", {"/etc/network/interfaces": "auto eth0\niface eth0 inet sttic\n"})
    assert found.state is BootState.PROBLEM and found.finding == "ifupdown-config-invalid"


# -- ssh


SHUT = File(KEY, mode=0o600)


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"/usr/sbin/sshd": None}, BootState.DOUBT, "no sshd is installed"),
        ({"/usr/sbin/sshd": program("libnone.so")}, BootState.PROBLEM, "needs libnone.so"),
        (
            {"/etc/systemd/system/multi-user.target.wants/ssh.service": None},
            BootState.PROBLEM,
            "ssh.service is not enabled",
        ),
        ({"/etc/ssh/sshd_not_to_be_run": ""}, BootState.PROBLEM, "keeps sshd from starting"),
        ({"/etc/ssh/sshd_config": None}, BootState.PROBLEM, "no /etc/ssh/sshd_config"),
        ({"/etc/ssh/sshd_config": "Prot 22\nPermitRotLogin yes\n"}, BootState.PROBLEM, "sshd knows no 'prot'"),
        ({"/etc/ssh/sshd_config": "Port\n"}, BootState.PROBLEM, "port has no value"),
        ({"/etc/ssh/sshd_config": "Port 99999\n"}, BootState.PROBLEM, "port can't be '99999'"),
        ({"/etc/ssh/sshd_config": "\n<<<<<<< HEAD\n"}, BootState.PROBLEM, "sshd_config:2: sshd knows no '<<<<<<<'"),
        ({"/etc/ssh/sshd_config": "foo bar\n"}, BootState.PROBLEM, "sshd knows no 'foo'"),
        ({"/etc/ssh/sshd_config": '"UsePAM" yes\n=======\nUsePAM=no # mine\n'}, BootState.OK, ""),
        ({"/etc/ssh/sshd_config": "UsePAM maybe\n"}, BootState.PROBLEM, "usepam can't be 'maybe'"),
        ({"/etc/ssh/sshd_config": "Match User git\nPermitRootLogin no\n"}, BootState.OK, "with a key only"),
        ({"/etc/ssh/sshd_config": "PermitRootLogin no\n"}, BootState.OK, "root may not log in"),
        ({"/etc/ssh/sshd_config": Denied()}, BootState.UNKNOWN, "permission denied"),
        ({"/etc/ssh/ssh_host_ed25519_key": None}, BootState.PROBLEM, "there is no host key"),
        ({"/etc/ssh/ssh_host_ed25519_key": File(KEY, mode=0o644)}, BootState.PROBLEM, "may be read by others"),
        ({"/etc/ssh/ssh_host_ed25519_key": File("", mode=0o600)}, BootState.PROBLEM, "is empty"),
        ({"/etc/ssh/ssh_host_ed25519_key": File(bytes(400), mode=0o600)}, BootState.PROBLEM, "no private key"),
        # one key is enough
        ({"/etc/ssh/ssh_host_rsa_key": File("", mode=0o600)}, BootState.OK, ""),
        # Red Hat's group ssh_keys
        ({"/etc/ssh/ssh_host_ed25519_key": File(KEY, mode=0o640, gid=998)}, BootState.OK, ""),
        # made at boot
        (
            {"/etc/ssh/ssh_host_ed25519_key": None, "/lib/systemd/system/sshd-keygen.target": "[Unit]\n"},
            BootState.OK,
            "",
        ),
        ({"/etc/passwd": "root:x:0:0::/root:/bin/sh\n"}, BootState.PROBLEM, "no user sshd"),
        (
            {"/etc/passwd": "root:x:0:0::/root:/bin/sh\n", "/usr/lib/sysusers.d/openssh.conf": "u sshd\n"},
            BootState.OK,
            "",
        ),
        ({"/etc/passwd": "sshd:x:100:65534:::\n"}, BootState.PROBLEM, "has no root"),
        (
            {"/usr/sbin/sshd": program("libc.so.6", text=WORDS + b"/usr/lib/openssh/sshd-session\0")},
            BootState.PROBLEM,
            "/usr/lib/openssh/sshd-session does not exist",
        ),
        (
            {"/usr/sbin/sshd": program(text=WORDS + b"/var/empty/sshd\0"), "/var/empty/sshd": Dir(mode=0o777)},
            BootState.PROBLEM,
            "must be root's alone",
        ),
        ({"/usr/sbin/sshd": program(text=WORDS + b"/var/empty/sshd\0")}, BootState.DOUBT, "does not exist"),
    ],
)
def test_what_sshd_needs(changes: Mapping[str, Node | None], state: BootState, words: str) -> None:
    found = look("ssh", changes)
    assert found.state is state and words in found.why, found


def test_a_program_that_does_not_tell_its_words_is_not_asked_for_them() -> None:
    assert look("ssh", {"/usr/sbin/sshd": program("libc.so.6"), "/etc/ssh/sshd_config": "Novelty yes\n"}).state is (
        BootState.OK
    )


# -- the disk, and what waits


def test_a_full_disk_and_one_without_inodes() -> None:
    full = Space(20 << 30, 0, 0, 1_000_000, 900_000, True)
    assert look("disk space", space=full).finding == "disk-full"
    assert look("disk space", space=Space(20 << 30, 10 << 30, 9 << 30, 1_000_000, 0, True)).finding == "inodes-full"


def test_selinux_wants_labels_for_what_was_written_from_outside() -> None:
    config: dict[str, Node | None] = {"/etc/selinux/config": "# c\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"}
    found = look("pending", config)
    assert found.state is BootState.DOUBT and found.commands == ("touch /mnt/.autorelabel",)
    assert look("pending", {**config, "/.autorelabel": ""}).state is BootState.OK
    menu = MENU.replace("net.ifnames=0", "net.ifnames=0 selinux=0")
    made = checks(facts({**config, "/boot/grub/grub.cfg": menu}))
    assert not [one for one in made if one.what == "pending"]


def test_packages_that_are_half_done_are_named() -> None:
    status = "Package: libc6\nStatus: install ok half-configured\nArchitecture: amd64\n"
    found = look("packages", {"/var/lib/dpkg/status": status})
    assert found.finding == "dpkg-interrupted" and "libc6" in found.why


# -- all of it


def test_a_check_that_fails_is_unknown_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(checked: object) -> None:
        raise RuntimeError("what nobody thought of")

    made = tuple((what, failing if what == "init" else check) for what, check in bootable._CHECKS)
    monkeypatch.setattr(bootable, "_CHECKS", made)
    found = checks(facts())
    assert of("init", found).state is BootState.UNKNOWN
    assert "what nobody thought of" in of("init", found).why
    assert of("ssh", found).state is BootState.OK and of("kernel", found).state is BootState.OK


def test_nothing_is_said_of_a_host_that_was_not_looked_at() -> None:
    assert [one.state for one in checks(Facts(nothing_target()))] == [BootState.UNKNOWN]
    assert unknowable(Facts(nothing_target()))


def test_an_empty_root_ends_in_words() -> None:
    found = checks(facts(base={"/etc/x": ""}))
    assert of("init", found).state is BootState.PROBLEM
    assert not [one for one in found if "its check failed" in one.why]


def test_a_containers_kernel_is_its_hosts() -> None:
    found = look("kernel", mode=Mode.LIVE, container="docker")
    assert found.state is BootState.UNKNOWN and "host's" in found.why


ODD: tuple[Node, ...] = (
    "",
    "\0" * 50,
    "../../../../etc/passwd\n",
    Denied(),
    Special(Kind.FIFO),
    Link("/nowhere"),
    Dir(),
)
PATHS = sorted(path for path in WELL if not path.endswith("/"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(range(len(ODD)))), max_size=6))
def test_no_disk_makes_a_check_fail(odd: list[tuple[str, int]]) -> None:
    found = checks(facts({path: ODD[number] for path, number in odd}))
    assert not [one for one in found if "its check failed" in one.why], [one.why for one in found]


def test_hostile_words_of_a_menu_end_in_words() -> None:
    for words in ("linux ../../../etc/passwd root=$(reboot)", "linux /boot/" + "x" * 5000, "linux /\x1b[2J root="):
        found = checks(facts({"/boot/grub/grub.cfg": f"menuentry 'x' {{\n\t{words}\n}}\n"}))
        assert of("kernel", found).state in (BootState.PROBLEM, BootState.UNKNOWN)
        assert not [one for one in found if "its check failed" in one.why]


def test_what_can_not_be_known_is_said() -> None:
    said = " ".join(unknowable(facts()))
    for word in ("configuration profile", "Cloud Firewall", "Network Helper", "MAC addresses"):
        assert word in said
    assert "no boot menu" in " ".join(unknowable(facts({"/boot/grub/grub.cfg": None})))


def test_enforcing_is_the_last_word_of_the_file() -> None:
    made = Checked(facts({"/etc/selinux/config": "SELINUX=enforcing\nSELINUX=permissive\n"}))
    assert not disk.enforcing(made)
