"""A repair does what is safe, asks for the rest, and can be taken back to the byte."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.facts.filesystem import Health
from agent.rescue import check, extfs, repairs, take_back
from agent.rescue import work as work_room
from agent.rescue.repair import Question, Repairing, list_repairs, repairing, undo_repair
from agent.rescue.repairs import Repair, State
from agent.rescue.take_back import CannotUndo
from agent.target import command, mounting
from agent.target.hold import DeviceBusy, held
from tests.rescue import damage
from tests.rescue.damage import block_device, dirty, sound
from tests.rescue.images import (
    attached,
    cut_off,
    digest,
    disk,
    fill,
    make,
    mounted,
    need,
    needs_disks,
    private,
    python,
    run,
)

pytestmark = needs_disks

Answer = Callable[[Question], bool]


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The records lie in a directory of the test's own."""
    need("e2fsck", "e2undo", "debugfs")
    monkeypatch.setattr(repairs, "BASE", str(tmp_path / "repairs"))
    return tmp_path / "repairs"


@pytest.fixture
def progress() -> list[str]:
    return []


def yes(question: Question) -> bool:
    return True


def no(question: Question) -> bool:
    return False


def drive(work: Repairing, answer: Answer) -> Repair:
    work.start()
    while work.question is not None and answer(work.question):
        work.go_on()
    return work.finish()


def mend(image: Path, answer: Answer = yes, type: str = "ext4", backup_dir: str = "") -> Repair:
    with disk(image) as device, repairing(block_device(device, type), backup_dir) as work:
        result = drive(work, answer)
    assert attached(image) == []
    assert result in list_repairs(backup_dir)
    return result


def undone(image: Path, wanted: str = "fsck", backup_dir: str = "") -> Repair:
    """Undo it on a loop device, which may have another number than the one that was repaired."""
    with disk(image) as device:
        record = repairs.find(wanted, backup_dir)
        assert record.device == device, "another test's loop device is in the way"
        return undo_repair(wanted, backup_dir)


def health(image: Path, type: str = "ext4") -> Health:
    with disk(image) as device:
        return check.check(block_device(device, type), lambda text: None).health


DAMAGE: dict[str, tuple[Callable[[Path], None], bool]] = {  # and whether a person has to be asked
    "cleared inodes": (damage.cleared_inodes, False),
    "error flag": (damage.error_flag, False),
    "bitmaps": (damage.garbage_bitmaps, False),
    "inodes": (damage.garbage_inodes, True),
    "directory": (damage.garbage_directory, True),
    "superblock": (damage.no_superblock, True),
    "descriptors": (damage.no_descriptors, True),
    "beginning": (damage.no_beginning, True),
}


@pytest.mark.parametrize("kind", list(DAMAGE))
@pytest.mark.parametrize("block_size", [1024, 4096])
def test_it_is_repaired_and_taken_back_to_the_byte(tmp_path: Path, kind: str, block_size: int) -> None:
    hurt, asked = DAMAGE[kind]
    if kind == "descriptors" and block_size == 4096:
        pytest.skip("they lie elsewhere there")
    image = sound(tmp_path / "image", "ext4", "-b", str(block_size), size=160 if block_size == 4096 else 24)
    hurt(image)
    before = digest(image)
    assert health(image) is not Health.CLEAN
    questions: list[Question] = []
    result = mend(image, lambda question: not questions.append(question))  # type: ignore[func-returns-value]
    assert (result.state, result.verified, result.no_undo) == (State.REPAIRED, True, "")
    assert bool(questions) is asked, questions
    assert not any(question.without_undo for question in questions)
    assert health(image) is Health.CLEAN
    back = undone(image)
    assert (back.state, back.verified, back.undoable) == (State.UNDONE, False, False)
    assert digest(image) == before


@pytest.mark.parametrize("type", ["ext3", "ext4"])
def test_a_journal_is_replayed_without_a_question_and_that_is_undone_too(tmp_path: Path, type: str) -> None:
    image = dirty(tmp_path / "image", type)
    before = digest(image)
    result = mend(image, no, type)
    assert result.state is State.REPAIRED
    assert "recovering journal" in result.steps[0].output
    assert not damage.needs_recovery(image)
    contents = subprocess.run(["debugfs", "-R", "cat last", str(image)], capture_output=True, text=True)
    assert contents.stdout == "the last"
    undone(image)
    assert digest(image) == before
    assert damage.needs_recovery(image)


def test_a_dirty_and_damaged_disk_is_undone_through_all_its_steps(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    cut_off(image, damage.half_done)
    damage.garbage_inodes(image)
    before = digest(image)
    result = mend(image)
    assert [step.command[1] for step in result.steps] == ["-fp", "-fy"]
    assert "recovering journal" in result.steps[0].output
    assert result.verified
    undone(image)
    assert digest(image) == before


def test_what_is_refused_is_shown_and_without_consent_not_done(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.garbage_inodes(image)
    questions: list[Question] = []
    before = digest(image)
    result = mend(image, lambda question: bool(questions.append(question)))  # type: ignore[func-returns-value]
    assert (result.state, result.verified) == (State.REFUSED, False)
    assert [step.command[1] for step in result.steps] == ["-fp"]
    assert len(questions) == 1
    assert any("UNEXPECTED INCONSISTENCY" in line for line in questions[0].refused)
    assert questions[0].command[:2] == ("e2fsck", "-fy")
    if result.undoable:
        undone(image)
    assert digest(image) == before


def test_the_superblock_is_not_written_without_consent(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.no_superblock(image)
    before = digest(image)
    result = mend(image, no, "")
    assert (result.state, result.steps, result.undoable) == (State.REFUSED, (), False)
    assert digest(image) == before


def test_where_no_copy_of_the_superblock_is_left_it_says_to_rebuild(tmp_path: Path) -> None:
    image = make(tmp_path / "image", "ext4", size=4)  # one group: no copy
    damage.no_superblock(image)
    before = digest(image)
    refused = pytest.raises(AgentError, match="no superblock and no copy")
    with disk(image) as device, refused as caught, repairing(block_device(device)) as work:
        work.start()
    assert "Rebuild" in caught.value.hint
    assert digest(image) == before


def test_a_sound_filesystem_stays_sound(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    before = digest(image)
    result = mend(image, no)
    assert result.verified
    undone(image)
    assert digest(image) == before


def test_its_progress_is_told(tmp_path: Path, progress: list[str]) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    with disk(image) as device, repairing(block_device(device), "", progress.append) as work:
        drive(work, yes)
        assert f"repairing {device}: pass 5 of 5, 100 %" in progress
        assert f"checking {device}: pass 5 of 5, 100 %" in progress


# -- the record


def test_the_intent_is_on_disk_before_the_first_byte(tmp_path: Path, base: Path, in_place_of: InPlaceOf) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    in_place_of(
        "e2fsck", f'[ -e {tmp_path}/seen ] || cp {base}/1/repair.json {tmp_path}/seen; exec /usr/sbin/e2fsck "$@"'
    )
    result = mend(image)
    seen = json.loads((tmp_path / "seen").read_text())
    assert (seen["state"], seen["id"], seen["steps"][0]["exit"]) == ("running", "fsck-1", None)
    assert seen["steps"][0]["before"] == result.steps[0].before
    for path in base.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_repairs_are_numbered_found_and_listed(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    first, second = mend(image), mend(image)
    assert (first.id, second.id) == ("fsck-1", "fsck-2")
    assert [one.id for one in list_repairs()] == ["fsck-1", "fsck-2"]
    assert repairs.find("fsck").id == "fsck-2"
    assert repairs.is_id("fsck-2")
    assert not repairs.is_id("3-fsck")
    with pytest.raises(AgentError, match="there is no repair 'fsck-9'") as caught:
        repairs.find("fsck-9")
    assert "fsck-1, fsck-2" in caught.value.hint


def test_they_are_taken_back_the_newest_first(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    before = digest(image)
    mend(image)
    mend(image)
    with pytest.raises(CannotUndo, match="fsck-2 repaired the same filesystem later"):
        undone(image, "fsck-1")
    undone(image, "fsck")
    undone(image, "fsck")
    assert digest(image) == before
    with pytest.raises(CannotUndo, match="undone already"):
        undone(image, "fsck-1")


def test_the_backup_directory_holds_record_and_undo(tmp_path: Path, base: Path) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    before = digest(image)
    (tmp_path / "backup").mkdir()
    result = mend(image, backup_dir=str(tmp_path / "backup"))
    assert result.place == f"{tmp_path}/backup/repairs/1"
    assert not base.exists() or not list(base.iterdir())
    assert list_repairs() == ()
    undone(image, "fsck-1", str(tmp_path / "backup"))
    assert digest(image) == before


def test_where_no_record_can_be_written_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = sound(tmp_path / "image")
    before = digest(image)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(repairs, "BASE", str(tmp_path / "file/repairs"))
    refused = pytest.raises(AgentError, match="can't be written")
    with disk(image) as device, refused as caught, repairing(block_device(device)):
        pass
    assert "--backup-dir" in caught.value.hint
    (tmp_path / "open").mkdir()
    (tmp_path / "open/repairs").mkdir()
    (tmp_path / "open/repairs").chmod(0o777)
    refused = pytest.raises(AgentError, match="others may write")
    with disk(image) as device, refused, repairing(block_device(device), str(tmp_path / "open")):
        pass
    assert digest(image) == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema": "lish-agent/repair-record/1"}', "null", '{"schema": 3}', "[" * 9999]
)
def test_a_record_that_makes_no_sense_is_left_out(base: Path, text: str) -> None:
    (base / "7").mkdir(parents=True, mode=0o700)
    (base / "7/repair.json").write_text(text)
    assert list_repairs() == ()
    assert repairs.begin("/dev/sda", "ext4", "").id == "fsck-8"


def test_a_record_does_not_reach_out_of_its_directory(base: Path) -> None:
    record = repairs.begin("/dev/sda", "ext4", "")
    path = Path(record.place) / "repair.json"
    content = json.loads(path.read_text())
    content["steps"] = [{"command": [], "output": "", "undo": "../../etc/shadow", "before": "", "after": ""}]
    path.write_text(json.dumps(content))
    assert list_repairs() == ()


# -- when it can't be taken back


def test_after_a_mount_for_writing_an_undo_is_refused(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    mend(image)
    fill(image, lambda place: None)
    before = digest(image)
    with pytest.raises(CannotUndo, match="was written to since"):
        undone(image)
    assert digest(image) == before


def test_an_undo_of_a_mounted_device_is_refused(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    mend(image)

    def inside() -> str:
        with disk(image) as device, mounted(device, tmp_path / "place", "-o", "ro,noload"):
            try:
                undo_repair("fsck")
            except DeviceBusy as error:
                return error.message
        return "undone"

    assert "is mounted on" in str(private(inside))
    undone(image)  # a mount that could not write does no harm


def test_another_disk_in_its_place_is_left_alone(tmp_path: Path) -> None:
    image, other = sound(tmp_path / "image"), sound(tmp_path / "other")
    damage.cleared_inodes(image)
    mend(image)
    before = digest(other)
    with pytest.raises(CannotUndo, match="holds another filesystem now"):
        undone(other)
    assert digest(other) == before


def test_an_undo_file_that_was_damaged_is_not_used(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    result = mend(image)
    after = digest(image)
    damage.overwrite(Path(result.place) / "undo-1", 0x2C, b"\0\0\0\0")
    with pytest.raises(CannotUndo, match="undo file is unfinished"):
        undone(image)
    (Path(result.place) / "undo-1").unlink()
    with pytest.raises(CannotUndo):
        undone(image)
    assert digest(image) == after


def test_without_room_for_an_undo_file_it_asks_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    before = digest(image)
    monkeypatch.setattr(work_room, "_FLOOR", 1 << 60)
    questions: list[Question] = []
    result = mend(image, lambda question: bool(questions.append(question)))  # type: ignore[func-returns-value]
    assert (result.state, result.steps) == (State.REFUSED, ())
    assert digest(image) == before
    assert questions[0].without_undo
    assert "--backup-dir DIR" in questions[0].text
    result = mend(image, yes)
    assert (result.state, result.undoable) == (State.REPAIRED, False)
    assert "-z" not in result.steps[0].command
    with pytest.raises(CannotUndo, match="can't be undone: its undo file may take"):
        undone(image)


def test_an_undo_file_that_outgrows_its_room_stops_the_repair_and_all_is_put_back(tmp_path: Path) -> None:
    image = dirty(tmp_path / "image")
    damage.garbage_inodes(image)
    before = digest(image)
    questions: list[Question] = []
    with disk(image) as device, repairing(block_device(device)) as work:
        full = iter([False, True])
        work._room_ends = lambda: "the room is used up" if next(full, True) else ""  # type: ignore[method-assign]
        work.start()
        while work.question is not None and len(questions) < 1:
            questions.append(work.question)
        result = work.finish()
    assert questions[0].without_undo
    assert (result.state, result.steps) == (State.REFUSED, ())
    assert digest(image) == before


def test_with_consent_it_goes_on_without_undo_when_the_room_is_used_up(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.garbage_inodes(image)
    with disk(image) as device, repairing(block_device(device)) as work:
        work._room_ends = lambda: "the room is used up"  # type: ignore[method-assign]
        result = drive(work, yes)
    assert (result.state, result.no_undo, result.undoable) == (State.REPAIRED, "the room is used up", False)
    assert health(image) is Health.CLEAN


def test_a_disk_that_is_really_full_says_that_it_could_not_be_taken_back(tmp_path: Path) -> None:
    """Where the watch is not fast enough: e2fsck stops with an unfinished undo file."""
    image = sound(tmp_path / "image", size=64)
    damage.garbage_inodes(image)
    damage.overwrite(image, damage.place_of(image, "Inode table") + 65536, damage.noise(65536))
    small = tmp_path / "small"
    small.mkdir()

    def inside() -> list[str]:
        run("mount", "-t", "tmpfs", "-o", "size=56k,mode=0700", "tmpfs", str(small))
        work_room._FLOOR = -(1 << 60)
        try:
            with disk(image) as device, repairing(block_device(device), str(small)) as work:
                result = drive(work, yes)
                return [result.state.value, result.no_undo, str(result.undoable)]
        except OSError as error:
            return ["failed", str(error), ""]
        except AgentError as error:
            return ["refused", error.message, ""]
        finally:
            run("umount", "--lazy", str(small))

    answer = private(inside)
    assert isinstance(answer, list)
    assert answer[2] != "True", answer


# -- stopped


InPlaceOf = Callable[[str, str], None]


@pytest.fixture
def in_place_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InPlaceOf]:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setattr(command, "PATH", (str(folder), *command.PATH))

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    yield put


REPAIRER = """
import signal, sys
from agent.facts.devices import BlockDevice
from agent.rescue import repair, repairs
from agent.target import command, mounting
device, repairs.BASE, command.PATH = sys.argv[1], sys.argv[2], (sys.argv[3], *command.PATH)
try:
    with repair.repairing(BlockDevice(device, (), "ext4")) as work:
        work.start()
        while work.question is not None:
            work.go_on()
        print(work.finish().state.value)
except BaseException as error:
    print(type(error).__name__, work.repair.state.value, work.repair.why, flush=True)
"""

# e2fsck that gets a signal at its Nth write to disk or undo file
SIGNALLED = """
exec strace -f -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal={number}:when={write} /usr/sbin/e2fsck "$@"
"""


@pytest.mark.parametrize("write", [1, 2, 5, 9, 14, 20, 30, 45, 80])
def test_a_checker_that_is_killed_leaves_what_can_be_repaired_and_says_what_can_be_undone(
    tmp_path: Path, in_place_of: InPlaceOf, write: int
) -> None:
    need("strace")
    image = sound(tmp_path / "image")
    cut_off(image, damage.half_done)
    damage.garbage_inodes(image)
    before = digest(image)
    in_place_of("e2fsck", SIGNALLED.format(number="SIGKILL", write=write))
    with contextlib.suppress(AgentError):
        mend(image)
    result = list_repairs()[-1]
    assert not result.interrupted
    if result.state is State.UNDONE:
        assert digest(image) == before
    else:
        assert not result.verified
        assert not result.undoable
        assert result.no_undo
        assert f"agent fix --fsck --device {result.device}" in result.next[0]
    (tmp_path / "programs/e2fsck").unlink()
    assert mend(image).verified


@pytest.mark.parametrize("write", [1, 4, 8, 12, 25, 40])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_us_all_is_put_back(
    tmp_path: Path, base: Path, in_place_of: InPlaceOf, number: signal.Signals, write: int
) -> None:
    """Ctrl-C, or SIGTERM, in the middle of e2fsck's work: it is asked to end, and its work is taken back."""
    need("strace")
    image = dirty(tmp_path / "image")
    damage.garbage_inodes(image)
    before = digest(image)
    # stopped at a write of the run, until we have been told to end
    script = (
        f'[ -e {tmp_path}/once ] && exec /usr/sbin/e2fsck "$@"; touch {tmp_path}/once;'
        f" (while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; kill -CONT $$) & "
        f"{SIGNALLED.format(number='SIGSTOP', write=write)}"
    )
    in_place_of("e2fsck", script)
    with disk(image) as device:
        process = python(REPAIRER, device, str(base), str(tmp_path / "programs"))
        _until(lambda: (tmp_path / "once").exists())
        time.sleep(0.5)
        process.send_signal(number)
        time.sleep(0.2)
        process.send_signal(number)  # impatience changes nothing
        _continue(process.pid)
        (tmp_path / "go").touch()
        output = process.communicate(timeout=60)[0]
        _until(lambda: attached(image) == [device])
    assert output.split()[0] == ("KeyboardInterrupt" if number == signal.SIGINT else "Killed")
    assert output.split()[1] == "undone", output
    assert digest(image) == before
    assert list_repairs()[0].state is State.UNDONE


def _until(met: Callable[[], bool]) -> None:
    for _ in range(500):
        if met():
            return
        time.sleep(0.02)
    raise AssertionError("it never came")


def _continue(parent: int) -> None:
    """Let every stopped process below it go on."""
    for _ in range(10):
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, IndexError):
                fields = entry.read_text().rpartition(")")[2].split()
                if fields[0] in "Tt" and "e2fsck" in (entry.parent / "comm").read_text():
                    os.kill(int(entry.parent.name), signal.SIGCONT)
        time.sleep(0.02)


def test_when_we_are_killed_the_checker_ends_its_work_and_that_can_be_undone(
    tmp_path: Path, base: Path, in_place_of: InPlaceOf
) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    before = digest(image)
    in_place_of("e2fsck", f'touch {tmp_path}/once; sleep 1; exec /usr/sbin/e2fsck "$@"')
    with disk(image) as device:
        process = python(REPAIRER, device, str(base), str(tmp_path / "programs"))
        _until(lambda: (tmp_path / "once").exists())
        process.kill()
        process.communicate()
        with pytest.raises(DeviceBusy), held(device):  # e2fsck is still at work, and nobody gets between
            pass
        _until(lambda: attached(image) == [device])
        assert list_repairs()[0].interrupted
        assert check.check(block_device(device), lambda text: None).health is Health.CLEAN
        assert undo_repair("fsck").state is State.UNDONE
    assert digest(image) == before


@pytest.mark.parametrize("write", [1, 2, 3, 5, 8])
def test_an_undo_that_was_killed_is_begun_again(tmp_path: Path, in_place_of: InPlaceOf, write: int) -> None:
    need("strace")
    image = sound(tmp_path / "image")
    damage.garbage_inodes(image)
    before = digest(image)
    result = mend(image)
    assert len(result.steps) == 2
    inject = f"-e trace=pwrite64 -e inject=pwrite64:signal=SIGKILL:when={write}"
    in_place_of(
        "e2undo",
        f'case "$1" in -n) exec /usr/sbin/e2undo "$@";; esac; [ -e {tmp_path}/once ] && exec /usr/sbin/e2undo "$@";'
        f' touch {tmp_path}/once; exec strace -f -qq -o /dev/null {inject} /usr/sbin/e2undo "$@"',
    )
    with pytest.raises(CannotUndo, match="e2undo"):
        undone(image)
    assert list_repairs()[0].interrupted
    assert undone(image).state is State.UNDONE
    assert digest(image) == before


def test_an_error_on_the_way_puts_all_back(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.garbage_inodes(image)
    before = digest(image)
    with disk(image) as device, pytest.raises(ZeroDivisionError), repairing(block_device(device)) as work:
        work.start()
        work.go_on()
        raise ZeroDivisionError
    assert work.repair.state is State.UNDONE
    assert digest(image) == before


# -- what is not repaired, and the other filesystems


def test_a_device_in_use_is_never_repaired(tmp_path: Path, base: Path) -> None:
    image = sound(tmp_path / "image")

    def inside() -> str:
        with disk(image) as device, mounted(device, tmp_path / "place"):
            try:
                with repairing(block_device(device)):
                    return "begun"
            except DeviceBusy as error:
                return error.message

    assert "is mounted on" in str(private(inside))
    assert not base.exists()


def test_nobody_mounts_it_while_a_question_is_open(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.garbage_inodes(image)
    with disk(image) as device, repairing(block_device(device)) as work:
        work.start()
        assert work.question is not None
        done = subprocess.run(["mount", device, str(tmp_path)], capture_output=True)
        assert done.returncode != 0


def test_a_missing_checker_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = sound(tmp_path / "image")
    monkeypatch.setattr(command, "PATH", (str(tmp_path),))
    for type, words in (("ext4", "e2fsck is not installed"), ("xfs", "xfs_repair is not installed")):
        refused = pytest.raises(AgentError, match=words)
        with disk(image) as device, refused, repairing(block_device(device, type)):
            pass


@pytest.mark.parametrize("type", ["swap", "vfat", "", "btrfs"])
def test_what_is_not_repaired_here_is_refused_with_a_way_out(tmp_path: Path, type: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    with disk(image) as device, pytest.raises(AgentError) as caught, repairing(block_device(device, type)):
        pass
    assert caught.value.hint
    assert ("btrfs scrub" in caught.value.hint) is (type == "btrfs")
    assert digest(image) == digest(image)
    assert not any(image.read_bytes())


def test_an_xfs_is_repaired_after_the_question_for_there_is_no_undo(tmp_path: Path) -> None:
    image = sound(tmp_path / "image", "xfs")
    damage.broken_xfs(image)
    before = digest(image)
    refused = mend(image, no, "xfs")
    assert (refused.state, refused.steps) == (State.REFUSED, ())
    assert digest(image) == before
    result = mend(image, yes, "xfs")
    assert (result.state, result.verified, result.undoable) == (State.REPAIRED, True, False)
    with pytest.raises(CannotUndo, match="XFS has no undo file"):
        undone(image)


def test_the_log_of_an_xfs_is_replayed_not_thrown_away(tmp_path: Path) -> None:
    image = dirty(tmp_path / "image", "xfs")

    def inside() -> list[object]:
        result = mend(image, yes, "xfs")
        return [result.state.value, [list(step.command[:2]) for step in result.steps]]

    state, commands = private(inside)  # type: ignore[misc]
    assert state == "repaired"
    assert [line[0] for line in commands] == ["xfs_repair", "mount", "xfs_repair"]
    assert not any("-L" in line for line in commands)
    found: list[bytes] = []
    fill(image, lambda place: found.append((place / "last").read_bytes()) or (place / "ok").touch())  # type: ignore[func-returns-value]
    assert health(image, "xfs") is Health.CLEAN


def test_an_xfs_log_is_thrown_away_only_with_a_second_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = dirty(tmp_path / "image", "xfs")
    before = digest(image)

    @contextlib.contextmanager
    def refused(source: str, type: str, writable: bool = False) -> Iterator[None]:
        raise mounting.MountFailed(source, "log mount/recovery failed")
        yield

    monkeypatch.setattr(mounting, "mounted", refused)
    questions: list[Question] = []

    def first_only(question: Question) -> bool:
        questions.append(question)
        return len(questions) == 1

    assert mend(image, first_only, "xfs").state is State.REFUSED
    assert "-L" in questions[1].command
    assert "log mount/recovery failed" in questions[1].text
    assert "lost" in questions[1].risk
    assert digest(image) == before
    result = mend(image, yes, "xfs")
    assert result.state is State.REPAIRED
    assert result.steps[-1].command[:2] == ("xfs_repair", "-L")


def test_an_e2fsck_that_knows_no_undo_files_is_used_after_a_question(tmp_path: Path, in_place_of: InPlaceOf) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    in_place_of(
        "e2fsck", 'case "$*" in *" -z "*) echo "invalid option -- z"; exit 16;; esac; exec /usr/sbin/e2fsck "$@"'
    )
    questions: list[Question] = []
    result = mend(image, lambda question: not questions.append(question))  # type: ignore[func-returns-value]
    assert [question.without_undo for question in questions] == [True]
    assert (result.state, result.no_undo) == (State.REPAIRED, "this e2fsck is too old to keep an undo file")


@pytest.mark.parametrize(
    "text, words",
    [
        ("/dev/sda has unsupported feature(s): FEATURE_C12", "too old"),
        ("e2fsck: MMP: device currently active while trying to open /dev/sda", "multiple mount protection"),
        ("e2fsck: Input/output error while trying to open /dev/sda", "read errors"),
    ],
)
def test_what_is_no_damage_is_not_forced(tmp_path: Path, in_place_of: InPlaceOf, text: str, words: str) -> None:
    image = sound(tmp_path / "image")
    before = digest(image)
    in_place_of("e2fsck", f'echo "{text}"; exit 8')
    with disk(image) as device, pytest.raises(AgentError, match=words), repairing(block_device(device)) as work:
        work.start()
    assert work.repair.state is State.UNDONE
    assert digest(image) == before


# -- the parts


def test_the_superblock_of_real_images_is_understood(tmp_path: Path) -> None:
    for options in ((), ("-O", "^metadata_csum"), ("-O", "^64bit"), ("-O", "meta_bg,^resize_inode"), ("-b", "1024")):
        image = make(tmp_path / "image", "ext4", *options, size=40)
        with image.open("rb") as stream:
            first = extfs.read(stream.fileno())
            assert first is not None
            assert (first.intact, first.clean, first.errors, first.needs_recovery) == (True, True, False, False)
            assert first.block_size * first.blocks == 40 << 20
            assert extfs.sound_descriptors(stream.fileno(), first)
            copy = extfs.copy(stream.fileno())
            if copy is not None:
                again = extfs.parse(extfs.as_first(copy))
                assert again is not None
                assert (again.intact, again.group, again.uuid) == (True, 0, first.uuid)


@pytest.mark.parametrize("data", [b"", bytes(1024), b"\xff" * 1024, damage.noise(1024)])
def test_what_is_no_superblock_is_none(data: bytes) -> None:
    assert extfs.parse(data) is None


def test_an_undo_file_is_known_as_finished_by_its_own_checksum(tmp_path: Path) -> None:
    image = sound(tmp_path / "image")
    damage.cleared_inodes(image)
    subprocess.run(["e2fsck", "-fy", "-z", str(tmp_path / "undo-1"), str(image)], capture_output=True)
    assert take_back.is_finished(str(tmp_path / "undo-1"))
    damage.overwrite(tmp_path / "undo-1", 100, b"x")
    assert not take_back.is_finished(str(tmp_path / "undo-1"))
    assert not take_back.is_finished(str(tmp_path / "undo-2"))
