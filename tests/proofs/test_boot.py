"""The proofs of the boot rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from agent.diagnosis.model import CantTell, Context, Fails, Holds, Proof, Severity
from agent.diagnosis.proofs import PROOFS
from agent.facts.facts import Facts
from agent.facts.services import Enablement, Init, Unit
from agent.logs.model import Entry, Hits, Match, Trust
from agent.target.model import Json, Mode
from agent.unknown import Unknown, Why
from tests.virtual import File, Node, virtual

ROOT_LINE = "UUID=11111111-1111-4111-8111-111111111111 / ext4 errors=remount-ro 0 1\n"
DATA = "UUID=0fc63daf-8483-4772-8e79-3d69d8477de4"
DATA_LINE = f"{DATA} /data ext4 defaults 0 2\n"
DEVICE_UNIT = r"dev-disk-by\x2duuid-0fc63daf\x2d8483\x2d4772\x2d8e79\x2d3d69d8477de4.device"
DISKS: list[Json] = [{"path": "/dev/sda", "uuid": "11111111-1111-4111-8111-111111111111", "type": "ext4"}]
MOUNTS = "25 1 8:0 / / rw,relatime - ext4 /dev/sda rw,errors=remount-ro\n"


def host(
    files: Mapping[str, Node],
    mode: Mode = Mode.OFFLINE,
    disks: Sequence[Json] | None = None,
    container: str = "",
    rescue: bool = False,
    units: Sequence[Unit] = (),
) -> Facts:
    queries: dict[str, Json] = {"machine": {"container": container}}
    if disks is not None:
        queries["devices"] = list(disks)
    more: dict[str, Node] = {"/sbin/init": "", "/etc/hostname": "web1\n"}
    if mode is Mode.LIVE:
        more.update({"/proc/uptime": "5000.0 1.0\n", "/proc/1/mountinfo": MOUNTS})
    found = Facts(virtual({**more, **files}, mode, queries=queries, rescue=rescue))
    for unit in units:
        found._units[unit.name] = unit
    found.__dict__["init"] = Init.SYSTEMD
    return found


def prove(name: str, of: Facts, *matches: tuple[str, Match]) -> Proof:
    """The boot proofs' answer, with one log match for each pattern named."""
    hits = {pattern: Hits(pattern, 1, (match,)) for pattern, match in matches}
    return PROOFS[name](Context(of, hits, {}, {}))


def systemd(text: str, time: float = 1000.0, **groups: str) -> Match:
    trust = Trust("journal", 0, 1, "init.scope", "systemd")
    return Match("key", Entry("journal", text, time=time, boot=0, ident="systemd", trust=trust), groups)


def emergency(active: str) -> Unit:
    return Unit("emergency.service", "/lib/systemd/system/emergency.service", Enablement.STATIC, active=active)


# -- fstab


def test_a_missing_device_holds_on_a_live_host() -> None:
    proof = prove("fstab_missing_device", host({"/etc/fstab": ROOT_LINE + DATA_LINE}, Mode.LIVE, DISKS))
    assert isinstance(proof, Holds)
    assert proof.values["line"] == "2"
    assert proof.values["device"] == DATA


def test_all_missing_devices_are_named_at_once() -> None:
    """A fix that mends the first only would be taken back, for the second still stops the boot."""
    text = ROOT_LINE + DATA_LINE + DATA_LINE.replace("0fc63daf", "22222222").replace("/data", "/more")
    proof = prove("fstab_missing_device", host({"/etc/fstab": text}, Mode.LIVE, DISKS))
    assert isinstance(proof, Holds)
    assert proof.values["line"] == "2"
    assert proof.values["lines"] == "2,3"
    assert "line 3" in proof.why


def test_from_the_journal_only_the_lines_that_it_speaks_of() -> None:
    text = ROOT_LINE + DATA_LINE.replace("0fc63daf", "22222222").replace("/data", "/more") + DATA_LINE
    said = systemd(f"Timed out waiting for device {DEVICE_UNIT}.")
    proof = prove("fstab_missing_device", host({"/etc/fstab": text}), ("timeout", said))
    assert isinstance(proof, Holds)
    assert proof.values["lines"] == "3"


def test_a_line_that_was_waited_for_and_is_nofail_since_is_sound() -> None:
    said = systemd(f"Timed out waiting for device {DEVICE_UNIT}.")
    mended = host({"/etc/fstab": ROOT_LINE + DATA_LINE.replace("defaults", "nofail")})
    assert isinstance(prove("fstab_missing_device", mended, ("timeout", said)), Fails)


def test_all_lines_that_stop_the_boot_are_named_at_once() -> None:
    bad = DATA_LINE.replace("ext4", "etx4")
    proof = prove("fstab_invalid", host({"/etc/fstab": ROOT_LINE + bad + bad.replace("/data", "/more")}))
    assert isinstance(proof, Holds)
    assert proof.values["lines"] == "2,3"


@pytest.mark.parametrize(
    "line",
    [
        f"{DATA} /data ext4 defaults,nofail 0 2\n",
        f"{DATA} /data ext4 noauto 0 2\n",
        "192.0.2.5:/srv /data nfs defaults 0 0\n",
        "tmpfs /data tmpfs defaults 0 0\n",
        "/srv/image /data none bind 0 0\n",
        "",
    ],
)
@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.OFFLINE])
def test_lines_that_the_boot_does_not_wait_for_are_left_alone(line: str, mode: Mode) -> None:
    facts = host({"/etc/fstab": ROOT_LINE + line}, mode, DISKS, rescue=mode is Mode.OFFLINE)
    assert isinstance(prove("fstab_missing_device", facts), Fails)


def test_a_missing_device_holds_in_rescue_mode() -> None:
    proof = prove("fstab_missing_device", host({"/etc/fstab": ROOT_LINE + DATA_LINE}, disks=DISKS, rescue=True))
    assert isinstance(proof, Holds)


def test_without_disks_nothing_is_told_of_fstab() -> None:
    assert isinstance(prove("fstab_missing_device", host({"/etc/fstab": ROOT_LINE + DATA_LINE})), CantTell)


@pytest.mark.parametrize(
    ("pattern", "text", "point"),
    [
        (
            "timeout",
            f"Timed out waiting for device {DEVICE_UNIT}.",
            "",
        ),
        ("timeout", "Timed out waiting for device /dev/disk/by-uuid/0fc63daf-8483-4772-8e79-3d69d8477de4.", ""),
        (
            "timeout",
            f"{DEVICE_UNIT}: Job {DEVICE_UNIT}/start timed out.",
            "",
        ),
        ("dependency", "Dependency failed for data.mount - /data.", "/data"),
    ],
)
def test_offline_the_word_of_systemd_proves_a_line_that_still_stands(pattern: str, text: str, point: str) -> None:
    said = systemd(text, point=point)
    assert isinstance(
        prove("fstab_missing_device", host({"/etc/fstab": ROOT_LINE + DATA_LINE}), (pattern, said)), Holds
    )
    mended = host({"/etc/fstab": ROOT_LINE + "#" + DATA_LINE})
    assert not isinstance(prove("fstab_missing_device", mended, (pattern, said)), Holds)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.OFFLINE])
def test_a_device_that_is_back_is_not_missing_whatever_the_log_says(mode: Mode) -> None:
    disks = [*DISKS, {"path": "/dev/sdb", "uuid": DATA.partition("=")[2], "type": "ext4"}]
    facts = host({"/etc/fstab": ROOT_LINE + DATA_LINE}, mode, disks, rescue=mode is Mode.OFFLINE)
    said = systemd(f"Timed out waiting for device {DEVICE_UNIT}.", point="")
    assert isinstance(prove("fstab_missing_device", facts, ("timeout", said)), Fails)


def test_disks_whose_uuids_cannot_be_read_accuse_nobody() -> None:
    assert isinstance(
        prove("fstab_missing_device", host({"/etc/fstab": ROOT_LINE}, Mode.LIVE, [{"path": "/dev/sda"}])), CantTell
    )


def test_the_cure_lets_the_boot_go_on_and_keeps_the_line() -> None:
    proof = prove("fstab_missing_device", host({"/etc/fstab": ROOT_LINE + DATA_LINE}, Mode.LIVE, DISKS))
    assert isinstance(proof, Holds)
    assert proof.commands is not None
    assert proof.commands[0].startswith("cp -p ")
    assert ",nofail" in proof.commands[1]


def test_a_line_that_is_only_odd_is_no_finding() -> None:
    assert isinstance(prove("fstab_invalid", host({"/etc/fstab": ROOT_LINE + DATA_LINE + DATA_LINE})), Fails)


def test_a_containers_fstab_does_not_count() -> None:
    facts = host({"/etc/fstab": "LABEL=cloudimg-rootfs / ext4 defaults 0 1\n" + DATA_LINE}, Mode.LIVE, DISKS, "lxc")
    assert isinstance(prove("fstab_missing_device", facts), Fails)


def test_volumes_that_rescue_mode_has_not_opened_are_not_missing() -> None:
    disks = [*DISKS, {"path": "/dev/sdb", "uuid": "aaaa-bbbb", "type": "LVM2_member"}]
    facts = host({"/etc/fstab": ROOT_LINE + "/dev/mapper/vg0-srv /srv xfs defaults 0 0\n"}, disks=disks, rescue=True)
    assert not isinstance(prove("fstab_missing_device", facts), Holds)


def test_a_sound_fstab_is_valid() -> None:
    assert isinstance(prove("fstab_invalid", host({"/etc/fstab": ROOT_LINE})), Fails)
    assert isinstance(prove("fstab_invalid", host({})), Fails)


def test_a_misspelt_type_is_invalid() -> None:
    proof = prove("fstab_invalid", host({"/etc/fstab": ROOT_LINE + DATA_LINE.replace("ext4", "etx4")}))
    assert isinstance(proof, Holds)
    assert proof.values["line"] == "2"
    assert proof.severity is Severity.CRITICAL


# -- emergency mode


def test_emergency_mode_holds_while_its_service_runs() -> None:
    assert isinstance(prove("emergency_mode", host({}, Mode.LIVE, units=[emergency("active")])), Holds)


def test_a_running_host_is_not_in_emergency_mode_whatever_the_log_says() -> None:
    facts = host({}, Mode.LIVE, units=[emergency("inactive")])
    said = systemd("Reached target emergency.target - Emergency Mode.")
    assert isinstance(prove("emergency_mode", facts, ("systemd", said)), Fails)


def test_offline_the_newest_boot_stopped_in_emergency_mode_until_fstab_is_changed() -> None:
    said = systemd("Reached target emergency.target - Emergency Mode.")
    before = host({"/etc/fstab": File(ROOT_LINE, mtime=500.0)})
    after = host({"/etc/fstab": File(ROOT_LINE, mtime=2000.0)})
    assert isinstance(prove("emergency_mode", before, ("systemd", said)), Holds)
    assert isinstance(prove("emergency_mode", after, ("systemd", said)), CantTell)
    assert isinstance(prove("emergency_mode", before), Fails)


# -- kernel

GRUB = """menuentry 'Debian' {{
  linux /boot/vmlinuz-6.1.0-30-amd64 root={root} ro quiet
{initrd}}}
"""


# The end of an archive is the smallest that is whole (cpio(5), "newc").
INITRD = b"070701" + b"0" * 88 + b"0000000b" + b"0" * 8 + b"TRAILER!!!" + b"\0" * 4


def disk(root: str, initrd: bool = True, modules: bool = True, file: bool = True) -> dict[str, Node]:
    line = "  initrd /boot/initrd.img-6.1.0-30-amd64\n" if initrd else ""
    files: dict[str, Node] = {
        "/boot/vmlinuz-6.1.0-30-amd64": "image " * 2000,
        "/boot/grub/grub.cfg": GRUB.format(root=root, initrd=line),
        "/lib/modules/6.1.0-29-amd64/modules.dep": "",
    }
    if file:
        files["/boot/initrd.img-6.1.0-30-amd64"] = INITRD
    if modules:
        files["/lib/modules/6.1.0-30-amd64/modules.dep"] = ""
    return files


HERE = "UUID=11111111-1111-4111-8111-111111111111"


def test_a_sound_disk_boots() -> None:
    facts = host(disk(HERE), disks=DISKS, rescue=True)
    for name in ("kernel_modules_missing", "kernel_panic_no_root", "initramfs_no_root"):
        assert isinstance(prove(name, facts), Fails), name


def test_a_root_that_is_none_of_the_disks() -> None:
    proof = prove("initramfs_no_root", host(disk(DATA), disks=DISKS, rescue=True))
    assert isinstance(proof, Holds)
    assert DATA in proof.why


def test_a_root_by_the_kernels_name_may_be_ordered_otherwise_in_rescue_mode() -> None:
    assert isinstance(prove("initramfs_no_root", host(disk("/dev/sdd"), disks=DISKS, rescue=True)), CantTell)


def test_without_disks_nothing_is_told_of_the_root() -> None:
    assert isinstance(prove("initramfs_no_root", host(disk(DATA))), CantTell)


def test_a_kernel_without_its_initrd_panics() -> None:
    assert isinstance(prove("kernel_panic_no_root", host(disk(HERE, file=False))), Holds)
    assert isinstance(prove("kernel_panic_no_root", host(disk(HERE, initrd=False))), Holds)


def test_a_kernel_that_knows_its_disk_needs_no_initrd() -> None:
    assert isinstance(prove("kernel_panic_no_root", host(disk("/dev/sda", initrd=False, file=False))), Fails)


def test_the_default_kernels_modules_are_missing() -> None:
    assert isinstance(prove("kernel_modules_missing", host(disk(HERE, modules=False))), Holds)


@pytest.mark.parametrize("container", ["docker", "systemd-nspawn"])
def test_a_containers_kernel_needs_no_modules_on_its_disk(container: str) -> None:
    facts = host({"/proc/sys/kernel/osrelease": "6.9.1-linode1\n", "/proc/modules": ""}, Mode.LIVE, [], container)
    for name in ("kernel_modules_missing", "kernel_panic_no_root", "initramfs_no_root"):
        assert isinstance(prove(name, facts), Fails), name


def test_a_kernel_from_outside_is_a_problem_once_somebody_missed_a_module() -> None:
    files: dict[str, Node] = {"/proc/sys/kernel/osrelease": "4.9.15-x86_64-linode81\n", "/proc/modules": ""}
    assert isinstance(prove("kernel_modules_missing", host(files, Mode.LIVE, DISKS)), Fails)
    missed = systemd("modprobe: FATAL: Module ip_tables not found in directory /lib/modules/4.9.15-x86_64-linode81")
    assert isinstance(prove("kernel_modules_missing", host(files, Mode.LIVE, DISKS), ("moddep", missed)), Holds)


def test_an_empty_folder_has_no_boot_problem() -> None:
    facts = Facts(virtual({}))
    for name in (
        "emergency_mode",
        "fstab_invalid",
        "fstab_missing_device",
        "initramfs_no_root",
        "kernel_modules_missing",
        "kernel_panic_no_root",
    ):
        assert not isinstance(prove(name, facts), Holds), name


def test_disks_that_cannot_be_read_accuse_nobody() -> None:
    facts = host({"/etc/fstab": ROOT_LINE + DATA_LINE}, Mode.LIVE)
    facts.__dict__["devices"] = Unknown("no such command", Why.ABSENT)
    assert isinstance(prove("fstab_missing_device", facts), CantTell)
