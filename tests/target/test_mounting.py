"""A filesystem that is looked at is not changed, and nobody but us sees it mounted, whoever dies."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.target import libc, mounting
from agent.target.detect import open_target
from agent.target.hold import held
from agent.target.mounting import MountFailed, clear_leftovers, mounted, private_namespace
from agent.unknown import Unknown
from tests.rescue import images
from tests.rescue.images import cut_off, digest, disk, fill, make, needs_disks, private, python

pytestmark = needs_disks

CONTENT = b"a line\n" * 5000


def _write(place: Path) -> None:
    (place / "etc").mkdir()
    (place / "etc/hostname").write_bytes(b"web\n")
    (place / "data").write_bytes(CONTENT)
    os.sync()


def _fsync(place: Path) -> object:
    """A file that is safe in the log alone."""
    _write(place)
    stream = (place / "logged").open("wb")
    stream.write(CONTENT)
    stream.flush()
    os.fsync(stream.fileno())
    return stream


def _orphan(place: Path) -> object:
    """A file that is deleted while it is open: the disk's list of orphans names it."""
    stream = _fsync(place)
    (place / "logged").unlink()
    os.sync()
    return stream


def _error_flag(image: Path) -> None:
    images.need("debugfs")
    images.run("debugfs", "-w", "-R", "set_super_value state 2", str(image))


def _image(folder: Path, kind: str) -> tuple[Path, str]:
    """An image in one of the states that disks are found in, and its type."""
    type = kind.split()[0]
    image = make(folder / "image", type)
    if "dirty" in kind:
        cut_off(image, _fsync)
    elif "orphan" in kind:
        cut_off(image, _orphan)
    else:
        fill(image, _write)
    if "errors" in kind:
        _error_flag(image)
    return image, type


def _read_all(directory: str) -> int:
    """Bytes of all files, read through a Target as a scan does."""
    target, count, todo = open_target(directory), 0, ["/"]
    while todo:
        folder = todo.pop()
        names = target.list(folder)
        assert not isinstance(names, Unknown), names
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            if target.is_dir(path):
                todo.append(path)
                continue
            data = target.read(path)
            assert not isinstance(data, Unknown), data
            count += len(data)
    return count


@pytest.mark.parametrize(
    ("kind", "unfinished"),
    [
        ("ext4 clean", False),
        ("ext4 dirty", True),
        ("ext4 orphan", True),
        ("ext4 errors", False),
        ("ext4 dirty errors", True),
        ("ext3 dirty", True),
        ("ext2 clean", False),
        ("xfs clean", False),
        ("xfs dirty", True),
        ("btrfs clean", False),
        ("btrfs dirty", True),
    ],
)
def test_a_look_changes_not_one_bit_and_tells_an_unfinished_log(tmp_path: Path, kind: str, unfinished: bool) -> None:
    image, type = _image(tmp_path, kind)
    before = digest(image)

    def look() -> tuple[bool | None, int]:
        with disk(image) as device, held(device) as claim, mounted(claim.place, type, guarded=claim.guarded) as found:
            return found.unfinished, _read_all(found.path)

    seen, count = private(look)  # type: ignore[misc]
    assert seen is unfinished
    assert count >= (0 if kind == "xfs dirty" else len(CONTENT))  # there all of it is in the log alone
    assert digest(image) == before
    assert images.attached(image) == []


@pytest.mark.parametrize(
    ("kind", "seen"), [("ext4 dirty", True), ("ext4 orphan", False), ("xfs dirty", True), ("btrfs dirty", True)]
)
def test_without_a_loop_device_what_can_not_be_read_unchanged_is_not_read(
    tmp_path: Path, kind: str, seen: bool
) -> None:
    image, type = _image(tmp_path, kind)
    before = digest(image)

    def look() -> bool:
        with disk(image) as device:  # which can be written to
            try:
                with mounted(device, type, guarded=False) as found:
                    assert found.unfinished is (True if kind == "ext4 dirty" else None)
                    _read_all(found.path)
                    return True
            except MountFailed as error:
                assert "reading would change it" in error.reason
                return False

    assert private(look) is seen
    assert digest(image) == before


@pytest.mark.parametrize("kind", ["ext4 dirty", "xfs dirty", "btrfs dirty", "ext4 clean"])
def test_mounting_for_writing_replays_the_log_and_says_so(tmp_path: Path, kind: str) -> None:
    image, type = _image(tmp_path, kind)

    def write() -> tuple[bool | None, bool]:
        with disk(image) as device:
            with mounted(device, type, writable=True) as found:
                there = Path(found.path, "logged").exists()
                Path(found.path, "new").write_text("x")
                unfinished = found.unfinished
            with held(device) as claim, mounted(claim.place, type) as again:
                assert not again.unfinished
                assert Path(again.path, "new").read_text() == "x"
            return unfinished, there

    dirty = "dirty" in kind
    assert private(write) == [dirty, dirty]


def test_only_we_see_the_mount(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4")
    ours = os.getpid()

    def look() -> tuple[int, int, str]:
        with disk(image) as device, held(device) as claim, mounted(claim.place, "ext4") as found:
            own = [point for point in images.seen_mounts() if point == found.path]
            theirs = [point for point in images.seen_mounts(f"/proc/{ours}/mountinfo") if point == found.path]
            return len(own), len(theirs), Path("/proc/self/mountinfo").read_text()

    from tests.target.children import in_child

    own, theirs, table = in_child(look)  # type: ignore[misc]
    assert (own, theirs) == (1, 0)
    (line,) = [line for line in table.splitlines() if "/lish-agent/mounts/" in line and "/dev/loop" in line]
    assert line.split()[5].split(",")[:4] == ["ro", "nosuid", "nodev", "noexec"]


def test_a_disk_that_wants_a_panic_gets_none(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4", "-e", "panic")

    def options() -> list[str]:
        found = []
        with disk(image) as device:
            for writable in (False, True):
                with mounted(device, "ext4", writable) as place:
                    line = next(one for one in Path("/proc/mounts").read_text().splitlines() if place.path in one)
                    found.append(line.split()[3])
        return found

    for one in private(options):  # type: ignore[attr-defined]
        assert "errors=remount-ro" in one
        assert "panic" not in one


HOLD = """
import sys, time
from agent.target.hold import held
from agent.target.mounting import mounted
writable = sys.argv[2] == "rw"
import contextlib
with contextlib.ExitStack() as stack:
    place = sys.argv[1] if writable else stack.enter_context(held(sys.argv[1])).place
    found = stack.enter_context(mounted(place, "ext4", writable))
    print(found.path, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["ro", "rw"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_whoever_kills_us_nothing_is_left(tmp_path: Path, how: str, number: signal.Signals) -> None:
    image = make(tmp_path / "image", "ext4")
    with disk(image) as device:
        process = python(HOLD, device, how)
        try:
            assert process.stdout is not None
            place = process.stdout.readline().strip()
            assert place in images.seen_mounts(f"/proc/{process.pid}/mountinfo")
            assert images.attached(image) != [device] or how == "rw"
        finally:
            process.send_signal(number)
            process.wait(20)
        assert _soon(lambda: images.attached(image) == [device])
        assert place not in images.seen_mounts()
        with held(device, writing=True):
            pass  # free for anybody


def _soon(check: object, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def test_ctrl_c_in_the_middle_unmounts(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4")

    def interrupted() -> tuple[list[str], list[str]]:
        with disk(image) as device:
            with contextlib.suppress(KeyboardInterrupt), held(device) as claim, mounted(claim.place, "ext4"):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(5)
            return images.seen_mounts(), images.attached(image)

    points, devices = private(interrupted)  # type: ignore[misc]
    assert points == []
    assert len(devices) == 1


def test_ctrl_c_waits_until_what_is_mounted_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make(tmp_path / "image", "ext4")
    real = libc.mount

    def mount(source: str, place: str, kind: str | None, flags: int, data: str = "") -> None:
        real(source, place, kind, flags, data)
        os.kill(os.getpid(), signal.SIGINT)  # the worst moment: mounted, and nobody has written it down

    def interrupted() -> list[str]:
        private_namespace()
        with disk(image) as device:
            monkeypatch.setattr(libc, "mount", mount)
            with pytest.raises(KeyboardInterrupt), mounted(device, "ext4"):
                time.sleep(5)
            return images.seen_mounts()

    assert private(interrupted) == []


def test_a_broken_filesystem_is_refused_in_the_kernels_words(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4", "-O", "^metadata_csum")
    images.need("debugfs")
    images.run("debugfs", "-w", "-R", "set_super_value blocks_count 99999999", str(image))

    def refused() -> list[str]:
        with disk(image) as device, held(device) as claim:
            found = []
            for type in ("ext4", "xfs", "hfsplus"):
                with pytest.raises(MountFailed) as error, mounted(claim.place, type):
                    pass
                assert error.value.unsupported == (type == "hfsplus")
                found.append(error.value.reason)
            return [*found, *images.seen_mounts()]

    size, magic, driver = private(refused)  # type: ignore[misc]
    assert "block count 99999999 exceeds size of device" in size
    assert "magic number" in magic or "rong fs type" in magic or "nvalid" in magic
    assert "no driver for hfsplus" in driver


def test_a_subvolumes_name_smuggles_no_option(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "btrfs")

    def refused() -> str:
        with disk(image) as device, pytest.raises(MountFailed) as error, mounted(device, "btrfs", subvolume="@,rw"):
            pass
        return error.value.reason

    assert "no name of a subvolume" in str(private(refused))


def test_a_subvolume_is_mounted_by_name_and_by_number(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "btrfs")

    def prepare(place: Path) -> None:
        images.run("btrfs", "subvolume", "create", str(place / "@"))
        (place / "@/file").write_text("x")

    fill(image, prepare)

    def look() -> list[list[str]]:
        with disk(image) as device, held(device) as claim:
            found = []
            for subvolume in ("", "@", "subvolid=5", "subvolid=256"):
                with mounted(claim.place, "btrfs", subvolume=subvolume) as place:
                    found.append(os.listdir(place.path))
            return found

    assert private(look) == [["@"], ["file"], ["@"], ["file"]]


def test_what_is_mounted_below_and_what_is_still_open_is_unmounted_too(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4")
    fill(image, lambda place: (place / "boot").mkdir())

    def look() -> tuple[list[str], list[str]]:
        with disk(image) as device:
            with held(device) as claim, mounted(claim.place, "ext4") as found:
                libc.mount("tmpfs", f"{found.path}/boot", "tmpfs", 0)
                stream = open(f"{found.path}/boot/file", "w")  # noqa: SIM115 - it shall stay open
            points = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "tmpfs-boot" in line]
            stream.close()
            return points + images.seen_mounts(), images.attached(image)

    points, devices = private(look)  # type: ignore[misc]
    assert points == []
    assert len(devices) == 1


# -- where there is no namespace to be had


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another /run, and a kernel that refuses namespaces."""
    real = libc.call

    def call(name: str, *arguments: object) -> None:
        if name == "unshare":
            raise PermissionError(1, "Operation not permitted")
        real(name, *arguments)

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(mounting, "BASES", (str(tmp_path / "missing"), str(tmp_path / "run")))
    yield tmp_path / "run"


def _without_namespaces() -> None:
    real = libc.call

    def call(name: str, *arguments: object) -> None:
        if name == "unshare":
            raise PermissionError(1, "Operation not permitted")
        real(name, *arguments)

    libc.call = call


def test_without_a_namespace_the_mount_is_below_run_and_is_unmounted(tmp_path: Path, base: Path) -> None:
    image = make(tmp_path / "image", "ext4")

    def look() -> list[str]:
        _without_namespaces()
        assert not private_namespace()
        with disk(image) as device:
            with held(device) as claim, mounted(claim.place, "ext4") as found:
                assert found.path.startswith(f"{base}/lish-agent/mounts/{os.getpid()}/")
                seen = images.seen_mounts()
            return [*seen, "and then", *images.seen_mounts(), *os.listdir(os.path.dirname(found.path))]

    first, then = private(look)  # type: ignore[misc]
    assert first.startswith(str(base))
    assert then == "and then"


def test_what_a_killed_run_left_the_next_one_clears_and_nothing_else(tmp_path: Path, base: Path) -> None:
    one, two = make(tmp_path / "one", "ext4"), make(tmp_path / "two", "ext4")

    def crash_and_clear() -> dict[str, object]:
        _without_namespaces()
        with disk(one) as first, disk(two) as second:
            dead, living = _holder(first), _holder(second)
            os.kill(dead, signal.SIGKILL)
            os.waitpid(dead, 0)
            (base / "lish-agent/mounts/999999999").mkdir()  # left by a run that got no further
            (base / "lish-agent/mounts/notes").mkdir()  # not ours
            before = len(images.seen_mounts())
            cleared = clear_leftovers()
            after = images.seen_mounts()
            devices = images.attached(one)
            os.kill(living, signal.SIGKILL)
            os.waitpid(living, 0)
            return {
                "before": before,
                "cleared": len(cleared),
                "after": [point.split("/")[-2] for point in after] == [str(living)],
                "devices": devices == [first],
                "then": len(clear_leftovers()),
                "left": sorted(os.listdir(base / "lish-agent/mounts")),
                "mounts": images.seen_mounts(),
            }

    assert private(crash_and_clear) == {
        "before": 2,
        "cleared": 1,
        "after": True,
        "devices": True,
        "then": 1,
        "left": ["notes"],
        "mounts": [],
    }


def _holder(device: str) -> int:
    """A child that keeps the device mounted until it is killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with held(device) as claim, mounted(claim.place, "ext4"):
            os.write(writer, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(reader, 1)
    return child


def test_a_directory_that_others_could_change_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "elsewhere/mounts").mkdir(parents=True)
    (tmp_path / "tmp/lish-agent").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(mounting, "BASES", (str(tmp_path / "tmp"),))
    image = make(tmp_path / "image", "ext4")

    def refused() -> str:
        with disk(image) as device, pytest.raises(mounting.AgentError) as error, mounted(device, "ext4"):
            pass
        return error.value.message

    assert "no directory to mount on" in str(private(refused))
    assert os.listdir(tmp_path / "elsewhere/mounts") == []
