"""The change engine, claim by claim, on small trees of files."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.change import engine
from agent.change.errors import ChangeRefused
from agent.change.model import ChangeState, Command, Link, MakeFolder, Move, Plan, Run, SetMode, WriteFile
from agent.change.store import Store
from agent.target.detect import open_target
from tests.manifest import differences, manifest

BUSYBOX = shutil.which("busybox")
needs_shell = pytest.mark.skipif(
    os.geteuid() != 0 or BUSYBOX is None, reason="needs root and busybox-static to run a program in the root"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "root"
    for folder in ("etc/folder", "bin", "proc", "sys", "dev", "run", "tmp", "var/lib"):
        (top / folder).mkdir(parents=True)
    (top / "etc/one").write_text("one\n")
    (top / "etc/two").write_text("two\n")
    os.utime(top / "etc/one", ns=(10**18, 10**18))
    if BUSYBOX:
        shutil.copy(BUSYBOX, top / "bin/busybox")
        (top / "bin/sh").symlink_to("busybox")
    return top


def store(root: Path) -> Store:
    return Store.open(open_target(str(root)))


def plan(*operations: object) -> Plan:
    return Plan("Does something.", operations)  # type: ignore[arg-type]


def shell(script: str, **more: object) -> Run:
    return Run(("/bin/sh", "-c", script), "tries something", **more)  # type: ignore[arg-type]


def refusal(act: Callable[[], object]) -> ChangeRefused:
    with pytest.raises(ChangeRefused) as caught:
        act()
    assert caught.value.message and caught.value.hint
    return caught.value


def test_a_fix_that_did_not_help_is_rolled_back_and_says_so(root: Path) -> None:
    before = manifest(root)
    change = engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"new\n")), verify=lambda: "still broken")
    assert change.state is ChangeState.UNDONE and "still broken" in change.why
    assert differences(before, manifest(root)) == []


def test_the_proof_is_looked_at_after_the_change(root: Path) -> None:
    seen: list[bytes] = []

    def verify() -> str:
        seen.append((root / "etc/one").read_bytes())
        return ""

    change = engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"new\n")), verify=verify)
    assert change.state is ChangeState.VERIFIED and seen == [b"new\n"]


def test_an_older_change_is_not_undone_under_a_newer_one_of_the_same_path(root: Path) -> None:
    engine.apply(store(root), "a", plan(WriteFile("/etc/one", b"1\n")))
    engine.apply(store(root), "b", plan(WriteFile("/etc/two", b"2\n")))
    engine.apply(store(root), "c", plan(WriteFile("/etc/one", b"3\n")))
    refused = refusal(lambda: engine.undo(store(root), "1"))
    assert "3-c" in refused.message and "undo 3" in refused.hint
    engine.undo(store(root), "2")
    engine.undo(store(root), "3-c")
    engine.undo(store(root), "1")
    assert ((root / "etc/one").read_text(), (root / "etc/two").read_text()) == ("one\n", "two\n")


def test_an_edit_since_is_shown_and_kept_when_force_insists(root: Path) -> None:
    engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"new\n")))
    (root / "etc/one").write_text("new\nmine\n")
    refused = refusal(lambda: engine.undo(store(root)))
    assert "+mine" in refused.differences
    assert (root / "etc/one").read_text() == "new\nmine\n"
    change = engine.undo(store(root), force=True)
    assert (root / "etc/one").read_text() == "one\n"
    kept = [path.read_text() for path in Path(change.place, "files").iterdir()]
    assert "new\nmine\n" in kept


def test_a_probation_that_ran_out_is_undone_whatever_was_edited(root: Path) -> None:
    change = engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"new\n")))
    own = store(root)
    with own.lock():
        own.save(replace(change, confirm_by=time.time()))
    (root / "etc/one").write_text("edited\n")
    undone = engine.undo(store(root), change.id, unconfirmed=True)
    assert undone.state is ChangeState.UNDONE and undone.confirm_by is None
    assert (root / "etc/one").read_text() == "one\n"
    assert "edited\n" in [path.read_text() for path in Path(undone.place, "files").iterdir()]


def test_a_confirmed_change_stays(root: Path) -> None:
    change = engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"new\n")))
    own = store(root)
    with own.lock():
        own.save(replace(change, confirm_by=time.time() + 60))
    assert engine.confirm(store(root)).confirm_by is None
    assert engine.undo(store(root), change.id, unconfirmed=True).state is not ChangeState.UNDONE
    assert (root / "etc/one").read_text() == "new\n"


def test_probation_is_for_the_running_host(root: Path) -> None:
    refusal(lambda: engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"x")), confirm_within=60.0))
    assert not (root / "var/lib/lish-agent").exists()


def test_a_damaged_copy_is_refused_before_anything_is_put_back(root: Path) -> None:
    change = engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"1\n"), WriteFile("/etc/two", b"2\n")))
    stored = change.steps[0].before["/etc/one"].stored  # type: ignore[union-attr]
    Path(change.place, "files", stored).write_text("rotten\n")
    refused = refusal(lambda: engine.undo(store(root)))
    assert "/etc/one" in refused.message and "damaged" in refused.message
    assert (root / "etc/two").read_text() == "2\n"


def test_kept_files_whose_record_is_gone_are_left_and_named(root: Path) -> None:
    change = engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"1\n")))
    Path(change.place, "change.json").unlink()
    refused = refusal(lambda: engine.apply(store(root), "t", plan(WriteFile("/etc/two", b"2\n"))))
    assert change.id in refused.message
    assert "one\n" in [path.read_text() for path in Path(change.place, "files").iterdir()]


def test_a_file_with_two_names_is_refused_and_a_move_of_it_keeps_both(root: Path) -> None:
    os.link(root / "etc/one", root / "etc/uno")
    refused = refusal(lambda: engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"x"))))
    assert "hard links" in refused.message
    engine.apply(store(root), "t", plan(Move("/etc/one", "/etc/one.off")))
    engine.undo(store(root))
    assert (root / "etc/one").samefile(root / "etc/uno")


def test_a_link_inside_the_root_is_written_through_and_stays_a_link(root: Path) -> None:
    (root / "etc/alias").symlink_to("/etc/one")
    before = manifest(root)
    engine.apply(store(root), "t", plan(WriteFile("/etc/alias", b"new\n")))
    assert (root / "etc/alias").is_symlink() and (root / "etc/one").read_text() == "new\n"
    engine.undo(store(root))
    assert differences(before, manifest(root)) == []


def test_a_folder_that_somebody_uses_since_stays(root: Path) -> None:
    engine.apply(store(root), "t", plan(MakeFolder("/etc/new"), Link("/etc/new/link", "/dev/null")))
    (root / "etc/new/mine").write_text("mine\n")
    change = engine.undo(store(root))
    assert "no longer empty" in change.why
    assert [path.name for path in (root / "etc/new").iterdir()] == ["mine"]


def test_one_path_touched_twice_comes_back_as_it_was_first(root: Path) -> None:
    before = manifest(root)
    twice = plan(WriteFile("/etc/one", b"1\n"), SetMode("/etc/one", 0o600), WriteFile("/etc/one", b"2\n"))
    change = engine.apply(store(root), "t", twice)
    assert change.state is ChangeState.APPLIED, change.why
    assert (root / "etc/one").read_text() == "2\n"
    engine.undo(store(root))
    assert differences(before, manifest(root)) == []


@needs_shell
def test_a_program_that_fails_takes_the_whole_change_back(root: Path) -> None:
    before = manifest(root)
    made = plan(WriteFile("/etc/one", b"1\n"), shell("echo half > /etc/two; exit 3", keeps=("/etc/two",)))
    change = engine.apply(store(root), "t", made)
    assert change.state is ChangeState.UNDONE and "exit status 3" in change.why
    assert differences(before, manifest(root)) == []


@needs_shell
def test_a_folder_that_a_program_removed_is_made_again(root: Path) -> None:
    (root / "etc/folder/sub").mkdir()
    (root / "etc/folder/sub/file").write_text("x")
    for name in ("etc/folder/sub", "etc/folder"):
        os.utime(root / name, ns=(10**18, 10**18))
    before = manifest(root)
    made = plan(shell("rm -r /etc/folder; echo x > /etc/new.1", keeps=("/etc/folder/sub/*", "/etc/new.*")))
    assert engine.apply(store(root), "t", made).state is ChangeState.APPLIED
    assert not (root / "etc/folder").exists()
    engine.undo(store(root))
    assert differences(before, manifest(root)) == []


@needs_shell
def test_the_opposite_command_runs_when_all_files_are_back(root: Path) -> None:
    inverse = (Command(("/bin/sh", "-c", "cat /etc/one > /etc/seen")),)
    engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"new\n"), shell("true", inverse=inverse)))
    engine.undo(store(root))
    assert (root / "etc/seen").read_text() == "one\n"


@needs_shell
def test_what_ran_for_good_is_not_undone_by_accident(root: Path) -> None:
    change = engine.apply(store(root), "t", plan(WriteFile("/etc/one", b"1\n"), shell("echo gone > /etc/two")))
    assert not change.reversible
    refused = refusal(lambda: engine.undo(store(root)))
    assert "can't be taken back" in refused.message
    undone = engine.undo(store(root), force=True)
    assert "stays" in undone.why
    assert ((root / "etc/one").read_text(), (root / "etc/two").read_text()) == ("one\n", "gone\n")
