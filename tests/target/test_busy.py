"""A device in use is known as such, whatever its name and wherever it is mounted."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.target import busy, disks, loop
from agent.target.busy import in_use
from tests.rescue.images import disk, make, mounted, need, needs_disks, private, python, run

pytestmark = needs_disks


def number(device: str) -> str:
    status = os.stat(device)
    return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    with disk(make(tmp_path / "image", "ext4")) as name:
        yield name


def test_a_device_that_nobody_uses_is_free(device: str) -> None:
    assert in_use(number(device)) == ""


def test_a_mounted_device_is_in_use_and_the_place_is_named(device: str, tmp_path: Path) -> None:
    def inside() -> str:
        with mounted(device, tmp_path / "a place"):
            return in_use(number(device))

    assert private(inside) == f"is mounted on {tmp_path}/a place"
    assert in_use(number(device)) == ""


def test_a_bind_mount_alone_keeps_it_in_use(device: str, tmp_path: Path) -> None:
    def inside() -> str:
        (tmp_path / "bound").mkdir()
        with mounted(device, tmp_path / "place") as place:
            run("mount", "--bind", str(place / "lost+found"), str(tmp_path / "bound"))
        try:
            return in_use(number(device))
        finally:
            run("umount", str(tmp_path / "bound"))

    assert private(inside) == f"is mounted on {tmp_path}/bound"


def test_a_node_of_another_name_is_the_same_device(device: str, tmp_path: Path) -> None:
    node = tmp_path / "root"
    os.mknod(node, 0o600 | 0o060000, os.stat(device).st_rdev)

    def inside() -> str:
        with mounted(str(node), tmp_path / "place"):
            return in_use(number(device))

    assert "is mounted on" in str(private(inside))


MOUNTER = """
import sys, time
from agent.target import libc
libc.call("unshare", libc.NEWNS)
libc.mount("none", "/", None, libc.REC | libc.PRIVATE)
libc.mount(sys.argv[1], sys.argv[2], "ext4", 0)
print("mounted", flush=True)
time.sleep(60)
"""


def test_a_mount_that_only_another_process_sees_counts(device: str, tmp_path: Path) -> None:
    process = python(MOUNTER, device, str(tmp_path))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "mounted\n"
        assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
        reason = in_use(number(device))
        assert reason.startswith(f"is mounted on {tmp_path} by python")
        assert reason.endswith(f"(process {process.pid})")
    finally:
        process.kill()
        process.communicate()


def test_swap_is_in_use(tmp_path: Path) -> None:
    need("swapon")
    with disk(make(tmp_path / "image", "swap")) as device:
        if subprocess.run(["swapon", device], capture_output=True).returncode:
            pytest.skip("no swap allowed here")
        try:
            assert in_use(number(device)) == "is used as swap"
        finally:
            run("swapoff", device)


def test_every_disk_of_a_mounted_btrfs_is_in_use(tmp_path: Path) -> None:
    need("mkfs.btrfs")
    images = [make(tmp_path / name, "btrfs") for name in ("one", "two")]
    with disk(images[0]) as first, disk(images[1]) as second:
        run("mkfs.btrfs", "-q", "-f", first, second)
        run("btrfs", "device", "scan", first, second)

        def inside() -> list[str]:
            with mounted(first, tmp_path / "place"):
                return [in_use(number(first)), in_use(number(second))]

        reasons = private(inside)
        run("btrfs", "device", "scan", "--forget")
    assert isinstance(reasons, list)
    assert all("btrfs" in reason or "mounted on" in reason for reason in reasons), reasons


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A disk with one partition, an ext4 in it."""
    need("addpart")
    image = tmp_path / "image"
    with image.open("wb") as stream:
        stream.truncate(48 << 20)
    with disk(image, "--partscan") as whole:
        part = f"{whole}p1"
        run("addpart", whole, "1", "2048", "40960")
        for _ in range(50):
            if os.path.exists(part):
                break
            time.sleep(0.02)
        else:
            pytest.skip("no device nodes for partitions here")
        run("mkfs.ext4", "-q", "-F", part)
        yield whole, part


def test_a_disk_is_in_use_when_its_partition_is(parts: tuple[str, str], tmp_path: Path) -> None:
    whole, part = parts
    assert in_use(number(whole)) == in_use(number(part)) == ""

    def inside() -> str:
        with mounted(part, tmp_path / "place"):
            return in_use(number(whole))

    assert private(inside) == f"has the partition {part}, which is mounted on {tmp_path}/place"


def test_a_partition_is_in_use_when_its_disk_is(parts: tuple[str, str], tmp_path: Path) -> None:
    whole, part = parts
    with disk(Path(whole)) as above:
        assert in_use(number(part)) == f"is part of {whole}, which carries {above}"


def test_a_device_that_carries_another_is_in_use(device: str, tmp_path: Path) -> None:
    with disk(Path(device)) as above:
        assert in_use(number(device)) == f"carries {above}"

        def inside() -> str:
            with mounted(above, tmp_path / "place"):
                return in_use(number(device))

        assert private(inside) == f"carries {above}, which is mounted on {tmp_path}/place"


def test_a_device_below_device_mapper_is_in_use(device: str) -> None:
    need("dmsetup")
    name = f"lish-agent-test-{os.getpid()}"
    created = subprocess.run(["dmsetup", "create", name, "--table", f"0 8192 linear {device} 0"], capture_output=True)
    if created.returncode:
        pytest.skip("no device mapper here")
    try:
        assert in_use(number(device)).startswith("carries /dev/")
    finally:
        run("dmsetup", "remove", "--retry", name)


def test_who_has_it_open_is_named(device: str) -> None:
    process = python("import sys, time; f = open(sys.argv[1]); print(flush=True); time.sleep(60)", device)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert f"(process {process.pid})" in busy.opened_by(number(device))
        assert in_use(number(device)) == ""  # who only reads a device does not claim it
    finally:
        process.kill()
        process.communicate()


def test_names_are_those_that_people_know(device: str) -> None:
    assert busy.name_of(number(device)) == device
    assert busy.name_of("250:250") == "250:250"


def test_a_loop_device_on_a_disk_is_not_listed_beside_it(device: str) -> None:
    listed = {record["path"] for record in disks.devices(programs=False)}
    assert device in listed
    with disk(Path(device)) as above:
        listed = {record["path"] for record in disks.devices(programs=False)}
    assert device in listed
    assert above not in listed


def test_loop_devices_know_what_they_lie_on_also_by_another_name(device: str, tmp_path: Path) -> None:
    node = tmp_path / "gone"
    os.mknod(node, 0o600 | 0o060000, os.stat(device).st_rdev)
    with disk(node) as above:
        node.unlink()
        with contextlib.suppress(StopIteration):
            assert (os.path.basename(above), number(device)) in list(loop.attached())
