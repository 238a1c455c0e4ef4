"""--initramfs: the initrd of the default entry is built anew by the target's own tool, and nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.change.model import Plan, Remove, Run, WriteFile
from agent.diagnosis.evaluation import evaluate
from agent.diagnosis.loader import load
from agent.diagnosis.model import Status
from agent.facts.facts import Facts
from agent.fixes.initramfs import DRIVERS, FIX
from agent.fixes.model import Planned, Refusal, Request
from agent.fixes.offers import look
from agent.logs.model import Found
from agent.target.model import Mode, Space
from tests.lab.base import LAYERS
from tests.lab.isolation import REPOSITORY, isolated, why_not
from tests.proofs.test_boot import DISKS, HERE, INITRD
from tests.virtual import File, Link, Node, virtual

RELEASE = "6.1.0-30-amd64"
KERNEL, PATH = f"/boot/vmlinuz-{RELEASE}", f"/boot/initrd.img-{RELEASE}"
PROGRAM = File("#!/bin/sh\n", mode=0o755)
GIB = 1024**3


def disk(
    initrd: Node | None = None, tool: str = "update-initramfs", root: str = HERE, path: str = PATH
) -> dict[str, Node]:
    files: dict[str, Node] = {
        KERNEL: "kernel",
        "/boot/grub/grub.cfg": f"menuentry 'Linux' {{\n linux {KERNEL} root={root} ro\n initrd {path}\n}}\n",
        f"/lib/modules/{RELEASE}/modules.dep": "",
        "/var/tmp/x": "",
        "/var/lib/dpkg/status": "",
    }
    if initrd is not None:
        files[path] = initrd
    if tool:
        files[f"/usr/sbin/{tool}"] = PROGRAM
    return files


def request(files: Mapping[str, Node], mode: Mode = Mode.OFFLINE, spaces: Mapping[str, Space] | None = None) -> Request:
    target = virtual(files, mode, queries={"devices": DISKS}, spaces=spaces, rescue=True)
    rules = [rule for rule in load([]) if rule.id in FIX.rules]
    found = evaluate(Facts(target), rules, Found({}, (), (), 0)).findings
    return Request(Facts(target), tuple(one for one in found if one.status is Status.CONFIRMED))


def planned(files: Mapping[str, Node], **more: object) -> Planned:
    given = request(files, **more)  # type: ignore[arg-type]
    assert given.findings
    return FIX.plan(given)


def only_run(found: Planned) -> Run:
    assert isinstance(found, Plan), found
    (run,) = [one for one in found.operations if isinstance(one, Run)]
    return run


@pytest.mark.parametrize("initrd", [None, b"", INITRD[:60], bytes(4096)])
def test_a_missing_empty_or_cut_initrd_is_built_for_its_one_kernel(initrd: bytes | None) -> None:
    run = only_run(planned(disk(initrd)))
    assert run.argv == ("update-initramfs", "-c", "-k", RELEASE)
    assert PATH in run.keeps
    assert run.reversible
    assert run.required


def test_a_whole_initrd_gives_no_proof() -> None:
    assert not request(disk(INITRD)).findings
    assert not request(disk("something that very old kernels took")).findings


@pytest.mark.parametrize(
    ("tool", "path", "argv"),
    [
        ("dracut", f"/boot/initramfs-{RELEASE}.img", ("dracut", "--force", f"/boot/initramfs-{RELEASE}.img", RELEASE)),
        (
            "mkinitcpio",
            "/boot/initramfs-linux.img",
            ("mkinitcpio", "-k", RELEASE, "-g", "/boot/initramfs-linux.img", "-S", "autodetect"),
        ),
        ("mkinitfs", "/boot/initramfs-lts", ("mkinitfs", "-o", "/boot/initramfs-lts", RELEASE)),
    ],
)
def test_each_distribution_has_its_own_tool(tool: str, path: str, argv: tuple[str, ...]) -> None:
    assert only_run(planned(disk(tool=tool, path=path))).argv == argv


def test_a_dracut_that_knows_the_machine_is_told_to_build_for_any() -> None:
    files = disk(tool="dracut", path=f"/boot/initramfs-{RELEASE}.img")
    files["/usr/sbin/dracut"] = File("--no-hostonly) hostonly= ;;", mode=0o755)
    assert "--no-hostonly" in only_run(planned(files)).argv


def test_the_initramfs_tools_of_old_must_be_told_to_take_over() -> None:
    files = disk()
    files["/usr/sbin/update-initramfs"] = File("takeover=0\n", mode=0o755)
    assert only_run(planned(files)).argv == ("update-initramfs", "-c", "-t", "-k", RELEASE)


def test_drivers_for_any_machine_are_put_in_where_the_setting_says_this_machines() -> None:
    files = {**disk(), "/etc/initramfs-tools/initramfs.conf": "MODULES=dep\n"}
    found = planned(files)
    assert isinstance(found, Plan)
    first, run, last = found.operations
    assert isinstance(first, WriteFile)
    assert (first.path, b"MODULES=most" in first.content) == (DRIVERS, True)
    assert isinstance(run, Run)
    assert last == Remove(DRIVERS)


def test_a_root_that_names_no_disk_is_not_cured_by_an_initrd() -> None:
    found = planned(disk(INITRD, root="UUID=0fc63daf-8483-4772-8e79-3d69d8477de4"))
    assert isinstance(found, Refusal)
    assert "0fc63daf" in found.why
    assert "/boot/grub/grub.cfg" in found.hint


def test_a_full_boot_is_refused_and_the_old_kernels_are_named() -> None:
    files = {
        **disk(b""),
        "/boot/vmlinuz-6.1.0-18-amd64": b"k" * 3_000_000,
        "/boot/initrd.img-6.1.0-18-amd64": b"i" * 9_000_000,
    }
    full = Space(100 * 1024**2, 2 * 1024**2, 2 * 1024**2, 1000, 900, False)
    found = planned(files, spaces={"/boot": full})
    assert isinstance(found, Refusal)
    assert "2 MiB are free at /boot" in found.why
    assert "6.1.0-18-amd64 (11 MiB)" in found.hint
    assert "apt-get purge linux-image-6.1.0-18-amd64" in found.hint
    room = Space(100 * 1024**2, 50 * 1024**2, 50 * 1024**2, 1000, 900, False)
    assert isinstance(planned(files, spaces={"/boot": room}), Plan)


def test_a_full_var_tmp_is_refused_too() -> None:
    full = Space(GIB, 1024**2, 1024**2, 1000, 900, False)
    found = planned(disk(b""), spaces={"/var/tmp": full})
    assert isinstance(found, Refusal)
    assert "/var/tmp" in found.why


def test_a_kernel_without_its_modules_is_refused() -> None:
    files = {path: node for path, node in disk().items() if "modules" not in path}
    found = planned(files)
    assert isinstance(found, Refusal)
    assert f"linux-image-{RELEASE}" in found.hint


def test_without_a_tool_it_says_so() -> None:
    assert isinstance(planned(disk(tool="")), Refusal)


def test_a_menu_that_names_another_file_than_the_tool_writes_is_refused() -> None:
    found = planned(disk(path="/boot/my-initrd"))
    assert isinstance(found, Refusal)
    assert "/boot/my-initrd" in found.why


def test_a_menu_that_names_a_link_is_followed() -> None:
    files = {**disk(path="/initrd.img"), "/initrd.img": Link(f"boot/initrd.img-{RELEASE}")}
    assert PATH in only_run(planned(files)).keeps


def test_it_is_offered_and_verified_by_the_file_itself() -> None:
    given = request(disk(b""))
    offers = look(given.facts, given.findings, (FIX,))
    assert [one.command for one in offers.offered] == ["agent fix --initramfs --root /media/sda"]
    assert FIX.verify is not None
    assert "empty" in FIX.verify(given)
    assert FIX.verify(request(disk(INITRD))) == ""


def test_a_running_host_is_warned_before_its_next_boot_and_may_be_repaired() -> None:
    live: dict[str, Node] = {"/proc/sys/kernel/osrelease": f"{RELEASE}\n", "/proc/stat": "btime 1700000000\n"}
    given = request({**disk(b""), **live}, Mode.LIVE)
    assert [one.severity.value for one in given.findings] == ["warning"]
    assert isinstance(FIX.plan(given), Plan)
    elsewhere = {**live, "/proc/sys/kernel/osrelease": "6.2.9-x86_64-linode160\n"}
    assert not request({**disk(b""), **elsewhere}, Mode.LIVE).findings


@pytest.mark.lab
def test_a_real_initrd_is_built_anew_on_a_disk_and_taken_back_to_the_byte(tmp_path: Path) -> None:
    if why_not():
        pytest.skip(why_not())
    from tests.lab.base import Log, prepare

    assert "boot" in LAYERS
    prepare(["bookworm"], ["boot"], Log())
    job = [sys.executable, "-m", "tests.fixes.real_rebuild", str(tmp_path)]
    done = subprocess.run(
        isolated(job, network=True), cwd=REPOSITORY, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for damage, seen in json.loads(done.stdout.splitlines()[-1]).items():
        assert seen["whole"] == [], damage
        assert seen["found"] == ["kernel-panic-no-root: critical"], damage
        assert seen["state"] == "verified", seen
        assert seen["after"] == [], damage
        assert 0.8 < seen["size"] < 3, seen
        assert seen["undone"] == "undone"
        assert seen["differences after undo"] == [], damage
