"""--fstab: nofail on the proven lines, and not a byte else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.change.model import Plan, WriteFile
from agent.facts import fstab as facts_of_fstab
from agent.facts.facts import Facts
from agent.facts.services import Enablement, Init, Unit
from agent.fixes.fstab import FIX, with_options
from agent.fixes.model import Request
from agent.target.model import Json, Mode
from tests.fixes import hooked
from tests.fixes.left import runs
from tests.proofs.test_boot import DATA, DATA_LINE, DISKS, MOUNTS, ROOT_LINE, systemd
from tests.virtual import File, Node, virtual

OTHER = "UUID=22222222-2222-4222-8222-222222222222"
FSTAB = (
    "# the disks\r\n"
    "\n"
    f"{ROOT_LINE}"
    "/dev/sda\tnone\tswap\tsw\t0\t0\n"
    "UUID=0fc63daf-8483-4772-8e79-3d69d8477de4   /srv/my\\040data\text4\tdefaults,noatime\t0 2   # the second disk\n"
    "tmpfs /tmp tmpfs nosuid 0 0\n"
    f"{OTHER} /backup xfs defaults 0 2"
)


def host(
    text: str | bytes,
    mode: Mode = Mode.LIVE,
    disks: Sequence[Json] | None = DISKS,
    init: Init = Init.SYSTEMD,
    files: Mapping[str, Node] | None = None,
    units: Sequence[Unit] = (),
    mounts: str = MOUNTS,
) -> Facts:
    queries: dict[str, Json] = {"machine": {"container": ""}}
    if disks is not None:
        queries["devices"] = list(disks)
    base: dict[str, Node] = {"/sbin/init": "", "/etc/hostname": "web1\n", "/etc/fstab": File(text)}
    if mode is Mode.LIVE:
        base.update({"/proc/uptime": "5000.0 1.0\n", "/proc/1/mountinfo": mounts, "/proc/self/mountinfo": mounts})
    found = Facts(virtual({**base, **(files or {})}, mode, queries=queries, rescue=mode is Mode.OFFLINE))
    found.__dict__["init"] = init
    for unit in units:
        found._units[unit.name] = unit
    return found


def written(planned: Plan) -> bytes:
    writes = [one for one in planned.operations if isinstance(one, WriteFile)]
    assert [one.path for one in writes] == ["/etc/fstab"]
    return writes[0].content


def still_wrong(text: bytes, mode: Mode = Mode.LIVE, **more: str) -> str:
    after = host(text, mode, **more)  # type: ignore[arg-type]
    assert FIX.verify is not None
    return FIX.verify(Request(after, hooked.findings(FIX, after)))


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.OFFLINE])
def test_only_the_options_of_the_proven_lines_change(mode: Mode) -> None:
    planned = hooked.plan(FIX, host(FSTAB, mode))
    expected = FSTAB.replace("defaults,noatime\t", "defaults,noatime,nofail\t").replace(
        "xfs defaults", "xfs defaults,nofail"
    )
    assert written(planned) == expected.encode()
    assert planned.reboot
    assert still_wrong(written(planned), mode) == ""
    assert not hooked.findings(FIX, host(written(planned), mode))


def test_a_root_that_is_not_there_is_never_touched() -> None:
    refused = hooked.refusal(FIX, host(ROOT_LINE.replace("1111", "9999")))
    assert "root" in refused.why
    assert not refused.forceable
    assert "findmnt" in refused.hint


def test_beside_a_bad_root_line_the_others_are_mended_and_the_root_is_named() -> None:
    text = ROOT_LINE.replace("1111", "9999") + DATA_LINE
    planned = hooked.plan(FIX, host(text))
    assert written(planned) == text.replace("ext4 defaults", "ext4 defaults,nofail").encode()
    assert any("Line 1" in warning for warning in planned.warnings)
    assert still_wrong(written(planned)) == ""


@pytest.mark.parametrize("point", ["/usr", "/"])
def test_even_a_forced_fix_leaves_root_and_usr_alone(point: str) -> None:
    found = host(ROOT_LINE + DATA_LINE.replace("/data", point))
    confirmed = hooked.findings(FIX, found)
    assert confirmed
    assert not isinstance(FIX.plan(Request(found, confirmed, forced=True)), Plan)


def test_without_a_proof_no_line_is_guessed_even_when_forced() -> None:
    found = host(ROOT_LINE + DATA_LINE, Mode.OFFLINE, disks=None)
    assert not hooked.findings(FIX, found)
    assert not isinstance(FIX.plan(Request(found, (), forced=True)), Plan)


def test_from_a_journal_alone_only_the_line_that_was_waited_for() -> None:
    unit = r"dev-disk-by\x2duuid-22222222\x2d2222\x2d4222\x2d8222\x2d222222222222.device"
    said = systemd(f"Timed out waiting for device {unit}.")
    found = host(FSTAB, Mode.OFFLINE, disks=None)
    planned = hooked.plan(FIX, found, ("timeout", said))
    assert written(planned) == FSTAB.replace("xfs defaults", "xfs defaults,nofail").encode()
    after = host(written(planned), Mode.OFFLINE, disks=None)
    assert not hooked.findings(FIX, after, ("timeout", said))


def test_a_line_that_mount_would_refuse_is_marked_too() -> None:
    planned = hooked.plan(FIX, host(ROOT_LINE + DATA_LINE.replace("ext4", "etx4"), Mode.OFFLINE, disks=None))
    assert b"etx4 defaults,nofail 0 2" in written(planned)
    assert still_wrong(written(planned), Mode.OFFLINE) == ""


def test_a_line_for_root_that_mount_drops_is_refused() -> None:
    refused = hooked.refusal(
        FIX, host("UUID=11111111-1111-4111-8111-111111111111 / ext4 errors=remount-ro, noatime 0 1\n")
    )
    assert "root" in refused.why


def test_a_kernel_update_is_thought_of_when_boot_is_not_mounted() -> None:
    planned = hooked.plan(FIX, host(ROOT_LINE + DATA_LINE.replace("/data", "/boot")))
    assert any("kernel" in warning for warning in planned.warnings)


def test_mountall_has_its_own_word() -> None:
    found = host(ROOT_LINE + DATA_LINE, init=Init.UPSTART, files={"/sbin/mountall": File("", 0o755)})
    assert b"defaults,nofail,nobootwait 0 2" in written(hooked.plan(FIX, found))


def test_live_systemd_reads_the_file_anew_and_the_boot_goes_on_from_emergency_mode() -> None:
    emergency = Unit("emergency.service", "/lib/x", Enablement.STATIC, active="active")
    planned = hooked.plan(FIX, host(ROOT_LINE + DATA_LINE, units=[emergency]))
    assert runs(planned) == ["systemctl daemon-reload / systemctl daemon-reload"]
    assert any("systemctl default" in line for line in planned.next)
    assert runs(hooked.plan(FIX, host(ROOT_LINE + DATA_LINE, Mode.OFFLINE))) == []


def test_the_timeout_is_advice_and_not_done_unasked() -> None:
    planned = hooked.plan(FIX, host(ROOT_LINE + DATA_LINE))
    assert b"timeout" not in written(planned)
    assert any("x-systemd.device-timeout" in line for line in planned.next)


def test_a_line_that_is_mounted_all_the_same_does_not_roll_the_fix_back() -> None:
    """The edit makes the file newer than the boot, so what an old file could be excused for shows up."""
    odd = "/dev/sda /mounted etx4 defaults 0 0\n"
    mounts = MOUNTS + "30 25 8:0 / /mounted rw - ext4 /dev/sda rw\n"
    planned = hooked.plan(FIX, host(ROOT_LINE + DATA_LINE + odd, mounts=mounts))
    assert still_wrong(written(planned), mounts=mounts) == ""


LINES = [
    ("{0} /data ext4 defaults 0 2", "{0} /data ext4 defaults,nofail 0 2"),
    ("{0} /data ext4", "{0} /data ext4 defaults,nofail"),
    ("{0}\t/data\text4", "{0}\t/data\text4\tdefaults,nofail"),
    ("{0} /data ext4  ", "{0} /data ext4 defaults,nofail  "),
    ("  {0} /data ext4 rw", "  {0} /data ext4 rw,nofail"),
    ("{0} /data ext4 rw,", "{0} /data ext4 rw,nofail"),
    ("{0} /data ext4 rw\r", "{0} /data ext4 nofail,rw\r"),
    ("{0} /data ext4 rw 0 2\r", "{0} /data ext4 rw,nofail 0 2\r"),
    ("{0} /data ext4\r", "{0} /data ext4 defaults,nofail 0 0\r"),
    ("{0} /data ext4 rw # why", "{0} /data ext4 rw,nofail # why"),
]


@pytest.mark.parametrize("before, after", LINES)
def test_layouts(before: str, after: str) -> None:
    spec = "UUID=1"
    assert with_options(before.format(spec).encode(), ("nofail",)) == after.format(spec).encode()
    entry = facts_of_fstab.parse(after.format(spec)).entries[0]
    assert entry.nofail
    assert not any(problem.fatal for problem in facts_of_fstab.parse(after.format(spec)).problems)


@pytest.mark.parametrize("line", ["", "# UUID=1 /data ext4 defaults", "UUID=1 /data", "\t", "   #x y z a"])
def test_what_is_no_mount_is_no_line_to_change(line: str) -> None:
    assert with_options(line.encode(), ("nofail",)) is None


BLANKS = st.sampled_from([" ", "\t", "  \t "])
WORDS = st.text(
    st.characters(blacklist_categories=("Cc", "Zs", "Zl", "Zp", "Cs"), blacklist_characters="#"), min_size=1
)


@given(
    st.lists(st.tuples(WORDS, BLANKS), min_size=4, max_size=6),
    st.sampled_from(["", " ", "\t# a comment", "\r"]),
)
def test_any_line_keeps_all_but_its_options(fields: list[tuple[str, str]], end: str) -> None:
    line = "".join(word + blank for word, blank in fields[:-1]) + fields[-1][0] + end
    new = with_options(line.encode(), ("nofail",))
    assert new is not None
    before, after = line.split(), new.decode().split()
    assert after[:3] + after[4:] == before[:3] + before[4:]
    assert "nofail" in after[3].split(",")
    assert set(before[3].rstrip(",").split(",")) <= set(after[3].split(","))


def test_bytes_that_are_no_text_stay(tmp_path: object) -> None:
    text = b"# caf\xe9 \xff\n" + (ROOT_LINE + DATA_LINE).encode()
    planned = hooked.plan(FIX, host(text))
    assert written(planned) == text.replace(b"ext4 defaults", b"ext4 defaults,nofail")


GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")


@pytest.mark.skipif(not GENERATOR.exists(), reason="no systemd")
@pytest.mark.parametrize("line", [DATA_LINE, DATA_LINE.replace("ext4", "etx4"), f"{DATA} /data ext4\n"])
def test_systemds_own_generator_no_longer_requires_the_mount(tmp_path: Path, line: str) -> None:
    def required_and_wanted(text: bytes) -> tuple[bool, bool]:
        place = Path(tempfile.mkdtemp(dir=tmp_path))
        (place / "fstab").write_bytes(text)
        environment = {"SYSTEMD_FSTAB": str(place / "fstab"), "SYSTEMD_LOG_LEVEL": "emerg", "PATH": "/usr/bin:/bin"}
        subprocess.run([GENERATOR, place, place, place], env=environment, check=False, capture_output=True, timeout=30)
        return tuple(  # type: ignore[return-value]
            (place / f"local-fs.target.{how}/data.mount").is_symlink() for how in ("requires", "wants")
        )

    text = ROOT_LINE + line
    if required_and_wanted(text.encode()) != (True, False):
        pytest.skip("this generator does not read SYSTEMD_FSTAB")
    planned = hooked.plan(FIX, host(text))
    assert required_and_wanted(written(planned)) == (False, True)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root")
def test_mount_of_util_linux_passes_over_the_line(tmp_path: Path) -> None:
    """As the scripts of SysV and OpenRC call it."""

    def status(text: bytes) -> int:
        (tmp_path / "fstab").write_bytes(text)
        argv = ["unshare", "--mount", "mount", "-a", "-T", str(tmp_path / "fstab")]
        return subprocess.run(argv, check=False, capture_output=True, timeout=30).returncode

    line = DATA_LINE.replace("/data", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    assert status(line.encode()) != 0
    assert status(with_options(line.rstrip("\n").encode(), ("nofail",)) or b"") == 0
