"""What is held is mounted by nobody and written by nobody, and is free again whatever ends us."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.target import hold, libc, loop
from agent.target.hold import DeviceBusy, held
from tests.rescue.images import attached, digest, disk, make, mounted, needs_disks, private, python, run
from tests.target.children import as_nobody, in_child

pytestmark = needs_disks


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make(tmp_path / "image", "ext4")


@pytest.fixture
def device(image: Path) -> Iterator[str]:
    with disk(image) as name:
        yield name


def try_mount(device: str, place: Path) -> str:
    """By mount(2), in a namespace of our own: "" or what the kernel answers."""
    place.mkdir(exist_ok=True)

    def inside() -> str:
        try:
            libc.mount(device, str(place), "ext4", 0)
        except OSError as error:
            return os.strerror(error.errno or 0)
        libc.call("umount2", os.fsencode(place), 0)
        return ""

    return str(private(inside))


@pytest.mark.parametrize("writing", [False, True])
def test_nobody_mounts_a_held_device(device: str, tmp_path: Path, writing: bool) -> None:
    with held(device, writing) as hold:
        assert hold.guarded
        assert hold.place != device
        assert try_mount(device, tmp_path / "place") == "Device or resource busy"
    assert try_mount(device, tmp_path / "place") == ""


def test_a_device_that_was_held_can_be_mounted_at_once(device: str, tmp_path: Path) -> None:
    for turn in range(40):
        with held(device, writing=bool(turn % 2)):
            pass
        assert try_mount(device, tmp_path / "place") == ""


def test_programs_can_claim_what_they_get(device: str) -> None:
    with held(device, writing=True) as hold:
        os.close(os.open(hold.place, os.O_RDWR | os.O_EXCL))
        with pytest.raises(OSError):
            os.open(device, os.O_RDONLY | os.O_EXCL)


def test_the_kernel_lets_nobody_write_when_it_is_held_for_reading(device: str, image: Path) -> None:
    before = digest(image)
    with held(device) as hold:
        with pytest.raises(OSError), open(hold.place, "r+b", buffering=0) as stream:
            stream.write(b"\xff" * 4096)
        done = subprocess.run(["e2fsck", "-fy", hold.place], capture_output=True, text=True)
        assert done.returncode & 8, done.stdout
    run("sync", "-f", str(image))
    assert digest(image) == before


def test_what_is_written_through_it_is_on_the_disk(device: str) -> None:
    with held(device, writing=True) as hold, open(hold.place, "r+b") as stream:
        stream.write(b"the first bytes")
    with open(device, "rb") as stream:
        assert stream.read(15) == b"the first bytes"


def test_a_mounted_device_is_not_held(device: str, tmp_path: Path) -> None:
    def inside() -> list[str]:
        with mounted(device, tmp_path / "place"):
            try:
                with held(device):
                    return ["held"]
            except DeviceBusy as error:
                return [error.message, error.hint]

    answer = private(inside)
    assert isinstance(answer, list)
    assert answer[0] == f"{device} is mounted on {tmp_path}/place"
    assert f"umount {device}" in answer[1]


def test_what_is_held_is_not_held_again(device: str) -> None:
    with held(device) as first, pytest.raises(DeviceBusy, match=f"carries {first.place}"), held(device):
        pass


def test_another_program_that_holds_it_is_named(device: str) -> None:
    script = "import os, sys, time; os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL); print(flush=True); time.sleep(60)"
    process = python(script, device)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(DeviceBusy, match=rf"is held by \S+ \(process {process.pid}\)"), held(device):
            pass
    finally:
        process.kill()
        process.communicate()
    with held(device):
        pass


def test_a_claim_that_ends_soon_is_waited_for(device: str) -> None:
    script = "import os, sys, time; os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL); print(flush=True); time.sleep(0.3)"
    process = python(script, device)
    assert process.stdout is not None
    process.stdout.readline()
    with held(device):
        pass
    process.communicate()


def test_nothing_is_left_when_the_context_ends_with_an_error(device: str, image: Path) -> None:
    with pytest.raises(KeyboardInterrupt), held(device):
        raise KeyboardInterrupt
    assert attached(image) == [device]


HOLDER = """
import subprocess, sys, time
from agent.target.hold import held
with held(sys.argv[1], writing=True) as hold:
    child = subprocess.Popen(["sh", "-c", "exec <" + hold.place + "; sleep 1"]) if sys.argv[2] else None
    print(hold.place, flush=True)
    time.sleep(60)
"""


def test_nothing_is_left_when_we_are_killed(device: str, image: Path, tmp_path: Path) -> None:
    process = python(HOLDER, device, "")
    assert process.stdout is not None
    place = process.stdout.readline().strip()
    assert attached(image) == [device, place]
    process.kill()
    process.communicate()
    for _ in range(100):
        if attached(image) == [device]:
            break
        time.sleep(0.02)
    assert attached(image) == [device]
    assert try_mount(device, tmp_path / "place") == ""


def test_a_program_that_outlives_us_keeps_the_claim(device: str, image: Path, tmp_path: Path) -> None:
    process = python(HOLDER, device, "with a child")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert try_mount(device, tmp_path / "place") == "Device or resource busy"
    process.communicate()  # the child's end closes the pipe
    for _ in range(100):
        if attached(image) == [device]:
            break
        time.sleep(0.02)
    assert try_mount(device, tmp_path / "place") == ""


def test_where_there_are_no_loop_devices_it_says_so(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CONTROL", str(tmp_path / "none"))
    with held(device) as hold:
        assert (hold.place, hold.guarded) == (device, False)
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))  # a program's own claim
    with held(device, keep=True):
        assert try_mount(device, tmp_path / "place") == "Device or resource busy"
    assert try_mount(device, tmp_path / "place") == ""


def test_a_kernel_that_can_only_do_it_in_two_steps_serves(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_CONFIGURE", 0x4CFF)  # an ioctl that no kernel knows
    with held(device) as hold:
        assert hold.guarded
        name = os.path.basename(hold.place)
        assert Path(f"/sys/block/{name}/ro").read_text() == "1\n"
        assert Path(f"/sys/block/{name}/loop/autoclear").read_text() == "1\n"
        assert try_mount(device, tmp_path / "place") == "Device or resource busy"


def test_two_that_want_a_loop_device_at_once_both_get_one(tmp_path: Path) -> None:
    script = """
import sys
from agent.target.hold import held
for turn in range(60):
    with held(sys.argv[1]) as hold:
        assert hold.guarded
print("done")
"""
    with contextlib.ExitStack() as stack:
        devices = [stack.enter_context(disk(make(tmp_path / name, "ext2", size=1))) for name in ("one", "two")]
        processes = [python(script, device) for device in devices]
        assert [process.communicate()[0] for process in processes] == ["done\n", "done\n"]


def test_what_is_no_block_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, words in ((tmp_path / "file", "is not a block device"), (tmp_path / "none", "no such file")):
        with pytest.raises(AgentError, match=words), held(str(path)):
            pass
    with pytest.raises(AgentError, match="no such name"), held("a\0b"):
        pass


def test_who_may_not_open_it_is_told_to_be_root(device: str) -> None:
    def inside() -> str:
        as_nobody()
        try:
            with held(device):
                return "held"
        except AgentError as error:
            return error.hint

    assert in_child(inside) == "run it as root (sudo)"


def test_a_read_only_disk_is_not_held_for_writing(image: Path) -> None:
    with disk(image, "--read-only") as device:
        with held(device) as hold:
            assert stat.S_ISBLK(os.stat(hold.place).st_mode)
        with pytest.raises(AgentError, match="it is read-only"), held(device, writing=True):
            pass


def test_a_device_that_changed_behind_its_name_is_not_taken(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(make(tmp_path / "other", "ext4")) as other:
        link = tmp_path / "sda"
        link.symlink_to(device)
        asked = []

        def swapped(number: str) -> str:
            asked.append(number)
            link.unlink()
            link.symlink_to(other)
            return ""

        monkeypatch.setattr(hold.busy, "in_use", swapped)
        with pytest.raises(DeviceBusy, match="replaced"), held(str(link)):
            pass
        assert len(asked) == 1
