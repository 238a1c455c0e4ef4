"""fstab, mounts, memory, block devices."""

from __future__ import annotations

import pytest

from agent.facts import devices, fstab, storage
from agent.facts.devices import BlockDevice
from agent.target.model import Mode
from agent.unknown import Unknown, Why
from tests.virtual import Denied, Link, virtual

LINODE = """\
# /etc/fstab: static file system information.
/dev/sda    /       ext4    noatime,errors=remount-ro   0 1
/dev/sdb    none    swap    sw                          0 0

proc /proc proc defaults 0 0
"""


def test_linodes_own_fstab_has_no_problem() -> None:
    found = fstab.parse(LINODE)
    assert found.problems == ()
    assert [(entry.line, entry.spec, entry.file, entry.type) for entry in found.entries] == [
        (2, "/dev/sda", "/", "ext4"),
        (3, "/dev/sdb", "none", "swap"),
        (5, "proc", "/proc", "proc"),
    ]
    assert found.entries[0].options == ("noatime", "errors=remount-ro")


HEALTHY = [
    "UUID=0a3407de-014b-458b-b5c1-848e92a327a3 / ext4 defaults,discard,x-systemd.growfs 0 1",
    "LABEL=data /srv/my\\040data xfs defaults,nofail,inode64 0 2",
    "tmpfs /tmp tmpfs mode=1777,size=1g",
    "/dev/sdc /data ext4",
    "192.0.2.7:/export /mnt nfs4 _netdev,vers=4.2 0 0",
    "//192.0.2.7/share /mnt cifs credentials=/root/c,_netdev 0 0",
    "/srv/a /srv/b none bind 0 0",
    "overlay /x overlay lowerdir=/a,upperdir=/b,workdir=/c 0 0",
    "/swapfile none swap sw 0 0",
    "/swapfile swap swap defaults,pri=5 0 0",
    "/dev/mapper/vg-home /home btrfs subvol=@home,compress=zstd:1 0 0",
    "pool/data /data zfs defaults 0 0",
    "/dev/sdd /old reiserfs notail 0 0",
    "/dev/sdd /data ext4 defaults 0 0 # the second disk",
    "/dev/sdd /data ext4 defaults 0 2  ",
    "/dev/sdd /data ext4 rw,user_xattr,acl,barrier=1,data=ordered,usrjquota=aquota.user,jqfmt=vfsv1 0 2",
    "none /proc/xen xenfs defaults 0 0",
    "cgroup /sys/fs/cgroup cgroup defaults 0 0",
    "/dev/fd0 /media/floppy0 auto rw,user,noauto 0 0",
    "sshfs#someone@192.0.2.1: /mnt fuse defaults 0 0",
]


@pytest.mark.parametrize("line", HEALTHY)
def test_a_sound_line_has_no_problem(line: str) -> None:
    found = fstab.parse(line + "\n")
    assert found.problems == () and len(found.entries) == 1


# (line, words of the reason, does the boot stop or the root stay as it is)
BROKEN = [
    ("/dev/sdc", "no mount point", False),
    ("/dev/sdc /data", "no filesystem type", False),
    ("/dev/sda /", "no filesystem type", True),
    ("/dev/sdc /data ext4 defaults x y", "dump field is 'x'", False),
    ("/dev/sda / ext4 defaults x 1", "dump field is 'x'", True),
    ("/dev/sdc /data ext4 defaults, noatime 0 2", "space between the options", False),
    ("/dev/sda / ext4 noatime, errors=remount-ro 0 1", "space between the options", True),
    ("/dev/sdc /my data ext4 defaults 0 2", "not a number", False),
    ("/dev/sdc data ext4 defaults 0 0", "not a path", False),
    ("/dev/sdc none ext4 defaults 0 0", "not a path", False),
    ("/dev/sdc mnt/data ext4 defaults 0 0", "not absolute", False),
    ("/dev/sdc /srv/../data ext4 defaults 0 0", "..", False),
    ("UUID= /data ext4 defaults 0 0", "names no device", True),
    ('UUID="" /data ext4 defaults,nofail 0 0', "names no device", False),
    ("/dev/sdc /data ext44 defaults 0 2", "is ext4 meant", True),
    ("/dev/sdc /data etx4 defaults 0 2", "is ext4 meant", True),
    ("/dev/sdc /data ext44 defaults,nofail 0 2", "is ext4 meant", False),
    ("/dev/sdc /data ext4 defualts 0 2", "is defaults meant", True),
    ("/dev/sdc /data ext4 default 0 2", "is defaults meant", True),
    ("/dev/sda / ext4 noatme,errors=remount-ro 0 1", "is noatime meant", True),
    ("/dev/sda / ext4 errros=remount-ro 0 1", "is errors meant", True),
    ("/dev/sdc /data xfs noatme 0 2", "is noatime meant", True),
]


@pytest.mark.parametrize(("line", "reason", "fatal"), BROKEN)
def test_a_broken_line_is_told_with_its_weight(line: str, reason: str, fatal: bool) -> None:
    found = fstab.parse("# a comment\n" + line + "\n").problems
    assert [(problem.line, problem.text, problem.fatal) for problem in found] == [(2, line, fatal)]
    assert reason in found[0].why


def test_a_mount_point_that_stands_twice_is_a_warning() -> None:
    found = fstab.parse("/dev/sdc /data ext4 defaults 0 0\n/dev/sdd /data/ ext4 defaults 0 0\n")
    assert [(problem.line, problem.fatal) for problem in found.problems] == [(2, False)]
    assert "line 1" in found.problems[0].why


def test_a_second_line_that_is_not_mounted_at_boot_is_none() -> None:
    assert not fstab.parse("/dev/sdc /m ext4 noauto 0 0\n/dev/sdd /m vfat noauto 0 0\n").problems


def test_windows_line_ends_are_told_and_read() -> None:
    found = fstab.parse("/dev/sda / ext4 defaults 0 1\r\n")
    assert found.entries[0].passno == "1" and not found.problems[0].fatal
    assert fstab.parse("/dev/sda / ext4 defaults\r\n").problems[0].fatal


def test_escapes_are_decoded_and_bad_ones_stay() -> None:
    found = fstab.parse("LABEL=a\\040b /with\\011tab\\134 ext4 defaults 0 0\n/dev/sdb /bad\\9 ext4 x 0 0\n")
    assert [(entry.spec, entry.file) for entry in found.entries] == [
        ("LABEL=a b", "/with\ttab\\"),
        ("/dev/sdb", "/bad\\9"),
    ]


@pytest.mark.parametrize(
    ("options", "kind", "required"),
    [
        ("defaults", "ext4", True),
        ("defaults,nofail", "ext4", False),
        ("noauto", "ext4", False),
        ("x-systemd.automount", "ext4", False),
        ("_netdev", "ext4", False),
        ("defaults", "nfs", False),
        ("sw", "swap", False),
    ],
)
def test_what_the_boot_waits_for(options: str, kind: str, required: bool) -> None:
    assert fstab.parse(f"/dev/sdc /data {kind} {options} 0 0\n").entries[0].required is required


def test_a_filesystem_that_the_kernel_has_as_a_module_is_known() -> None:
    target = virtual({
        "/etc/fstab": "/dev/sdc /data ext5 defaults 0 0\n",
        "/lib/modules/6.1.0/kernel/fs/ext5/ext5.ko": "",
    })  # fmt: skip
    assert fstab.read(target).problems == ()


def test_an_absent_fstab_is_no_problem_and_an_unreadable_one_says_why() -> None:
    assert fstab.read(virtual({})) == fstab.Fstab((), (), present=False)
    assert "denied" in fstab.read(virtual({"/etc/fstab": Denied()})).unread


@pytest.mark.parametrize("text", ["\x00" * 100, "\\" * 50, "a " * 10_000, "\n" * 10_000, "= = = = = =", "\u2028/x y"])
def test_garbage_is_no_error(text: str) -> None:
    assert isinstance(fstab.parse(text), fstab.Fstab)


# -- mounts and memory

MOUNTINFO = """\
22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
28 1 8:0 / / ro,relatime shared:1 - ext4 /dev/sda rw,errors=remount-ro
40 28 8:16 / /srv/my\\040data rw,noatime - xfs /dev/sdb rw
"""


def test_mountinfo_is_read() -> None:
    found = storage.parse_mounts(MOUNTINFO)
    assert [(mount.point, mount.source, mount.type, mount.device) for mount in found] == [
        ("/sys", "sysfs", "sysfs", "0:20"),
        ("/", "/dev/sda", "ext4", "8:0"),
        ("/srv/my data", "/dev/sdb", "xfs", "8:16"),
    ]
    assert found[1].read_only and not found[2].read_only


def test_mounts_of_a_disk_are_not_those_of_the_host_we_run_on() -> None:
    found = storage.mounts(virtual({"/proc/self/mountinfo": MOUNTINFO}))
    assert isinstance(found, Unknown) and found.why is Why.NOT_LIVE


def test_old_kernels_have_proc_mounts() -> None:
    target = virtual({"/proc/mounts": "/dev/root / ext3 ro,errors=continue 0 0\n"}, Mode.LIVE)
    found = storage.mounts(target)
    assert not isinstance(found, Unknown) and found[0].read_only and found[0].device == ""


def test_memory_comes_from_the_record_or_from_meminfo() -> None:
    record = {"total": 10, "available": 5, "swap_total": 2, "swap_free": 1}
    assert storage.memory(virtual({}, Mode.LIVE, queries={"memory": record})) == storage.Memory(10, 5, 2, 1)
    text = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 10 kB\nCached: 20 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"
    found = storage.memory(virtual({"/proc/meminfo": text}, Mode.LIVE))
    assert found == storage.Memory(1000 * 1024, 130 * 1024, 0, 0)


# -- devices

SDA = BlockDevice("/dev/sda", ("/dev/sda", "/dev/disk/by-uuid/0a34-AB", "LABEL=my data"), "ext4", 100)
ROOT = BlockDevice("/dev/dm-0", ("/dev/dm-0", "/dev/mapper/vg0-my--root"), "ext4")
DEVICES = (SDA, ROOT)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("/dev/sda", SDA),
        ("/dev//sda", SDA),
        ("/dev/sdb", None),
        ("UUID=0a34-AB", SDA),
        ("UUID=0A34-ab", SDA),
        ('UUID="0a34-AB"', SDA),
        ("UUID=", None),
        ("UUID=ffff", None),
        ("/dev/disk/by-uuid/0a34-AB", SDA),
        ("LABEL=my data", SDA),
        ("/dev/disk/by-label/my\\x20data", SDA),
        ("LABEL=other", None),
        ("/dev/mapper/vg0-my--root", ROOT),
        ("/dev/vg0/my-root", ROOT),
        ("/dev/vg0/root", None),
    ],
)
def test_a_spec_finds_its_device(spec: str, found: BlockDevice | None) -> None:
    assert devices.find(DEVICES, spec) is found


@pytest.mark.parametrize(
    ("spec", "kind", "device"),
    [
        ("/dev/sdb", "ext4", True),
        ("UUID=x", "xfs", True),
        ("PARTLABEL=x", "swap", True),
        ("/dev/vg/lv", "auto", True),
        ("tmpfs", "tmpfs", False),
        ("none", "swap", False),
        ("proc", "proc", False),
        ("192.0.2.1:/x", "nfs", False),
        ("//192.0.2.1/x", "cifs", False),
        ("/swapfile", "swap", False),
        ("/srv/a", "none", False),
        ("pool/x", "zfs", False),
        ("overlay", "overlay", False),
        ("/images/x.iso", "iso9660", False),
    ],
)
def test_what_is_a_device(spec: str, kind: str, device: bool) -> None:
    assert devices.is_device(spec, kind) is device


def test_devices_come_from_the_record() -> None:
    record = [
        {"path": "/dev/sda", "names": ["/dev/sda", "UUID=ab"], "type": "ext4", "size": 7, "uuid": "ab"},
        {"path": 3},
        "nonsense",
    ]
    found = devices.read(virtual({}, queries={"devices": record}))
    assert found == (BlockDevice("/dev/sda", ("/dev/sda", "UUID=ab"), "ext4", 7),)


def test_without_a_record_udevs_links_tell_on_the_running_host() -> None:
    target = virtual(
        {
            "/proc/partitions": "major minor  #blocks  name\n\n   8        0   10 sda\n",
            "/dev/sda": "",
            "/dev/disk/by-uuid/abc": Link("../../sda"),
        },
        Mode.LIVE,
    )
    found = devices.read(target)
    assert found == (BlockDevice("/dev/sda", ("/dev/sda", "/dev/disk/by-uuid/abc"), "", 10 * 1024),)


def test_no_device_at_all_accuses_nobody() -> None:
    assert isinstance(devices.read(virtual({}, queries={"devices": []})), Unknown)
    assert isinstance(devices.read(virtual({})), Unknown)
