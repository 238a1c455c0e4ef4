"""What a program does to the running system comes back from the state that was kept, whole, and ends with the boot."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from agent.change import engine, history
from agent.change.document import dump, load
from agent.change.errors import ChangeRefused, RollbackFailed
from agent.change.model import Change, ChangeState, Command, Plan, Run
from agent.change.store import Store
from agent.report import change_json, changes
from agent.report.style import Style
from agent.target.detect import open_target
from agent.unknown import Unknown

STATE = b"rules, and \xff bytes\n" * 1000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir(mode=0o700)
    (tmp_path / "live").write_bytes(STATE)
    return tmp_path


def store(place: Path) -> Store:
    return Store.open(open_target("/"), str(place / "kept"))


def empties(place: Path, back: str = "cat > {0}", state: bytes = STATE) -> Run:
    live = place / "live"
    inverse = Command(("sh", "-c", back.format(live)), state=state, required=True)
    return Run(("sh", "-c", f": > {live}"), "empties it", inverse=(inverse,))


def applied(place: Path, *operations: Run) -> Change:
    return engine.apply(store(place), "test", Plan("Empties it.", operations), verify=lambda: "")


def test_undo_restores_the_state_that_was_kept(place: Path) -> None:
    change = applied(place, empties(place))
    assert (place / "live").read_bytes() == b""
    assert (place / "kept/changes" / change.id / "files/1").read_bytes() == STATE, "as a file that people can use"
    assert engine.undo(store(place)).state is ChangeState.UNDONE
    assert (place / "live").read_bytes() == STATE


def test_two_plans_are_the_same_though_counters_went_on(place: Path) -> None:
    assert Plan("x", (empties(place),)) == Plan("x", (empties(place, state=b"others"),))
    assert Plan("x", (empties(place),)) != Plan("x", (empties(place, back="true"),))


def test_as_long_as_the_way_back_fails_the_change_stands_and_undo_can_be_run_again(place: Path) -> None:
    applied(place, empties(place, back=f"[ -e {place}/allowed ] && cat > {{0}}"))
    with pytest.raises(RollbackFailed, match="failed") as caught:
        engine.undo(store(place))
    assert "agent undo 1" in caught.value.hint
    assert store(place).changes()[0].state is ChangeState.UNDOING
    (place / "allowed").touch()
    assert engine.undo(store(place)).state is ChangeState.UNDONE
    assert (place / "live").read_bytes() == STATE


def test_by_force_what_can_not_be_put_back_is_given_up_and_named(place: Path) -> None:
    applied(place, empties(place, back="cat >/dev/null; exit 3"))
    with pytest.raises(RollbackFailed):
        engine.undo(store(place))
    undone = engine.undo(store(place), force=True)
    assert undone.state is ChangeState.UNDONE and "exit status 3" in undone.why


def test_the_end_of_a_probation_tries_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PAUSES", (0.0, 0.0))
    back = f"cat > {{0}}.new; echo >> {place}/tries; [ $(wc -l < {place}/tries) -ge 3 ] && mv {{0}}.new {{0}}"
    change = applied(place, empties(place, back=back))
    saved = store(place)
    with saved.lock():
        saved.save(replace(change, confirm_by=1e9))
    assert engine.undo(store(place), change.id, unconfirmed=True).state is ChangeState.UNDONE
    assert (place / "live").read_bytes() == STATE


def test_one_way_back_that_fails_does_not_keep_the_others_from_their_turn(place: Path) -> None:
    applied(place, empties(place), empties(place, back="cat >/dev/null; exit 3"))
    with pytest.raises(RollbackFailed):
        engine.undo(store(place))
    assert (place / "live").read_bytes() == STATE


def test_a_kept_state_that_somebody_changed_is_not_restored(place: Path) -> None:
    change = applied(place, empties(place))
    kept = place / "kept/changes" / change.id / "files/1"
    kept.write_bytes(b"others\n")
    with pytest.raises(RollbackFailed, match="damaged"):
        engine.undo(store(place))
    assert (place / "live").read_bytes() == b""


def test_without_room_for_the_state_nothing_is_touched(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs("/")
    small = os.statvfs_result([real[0], 1, 1000, 400, 400, *real[5:]])
    monkeypatch.setattr(Store, "free", lambda self: small)
    with pytest.raises(ChangeRefused, match="no room"):
        applied(place, empties(place, state=b"x" * 10_000_000))
    assert (place / "live").read_bytes() == STATE


def test_a_newer_change_that_kept_what_this_one_did_is_undone_first(place: Path) -> None:
    applied(place, empties(place))
    applied(place, empties(place, state=b""))
    with pytest.raises(ChangeRefused, match="2-test"):
        engine.undo(store(place), "1")
    engine.undo(store(place))
    engine.undo(store(place))
    assert (place / "live").read_bytes() == STATE


def test_it_is_written_and_read_the_same(place: Path) -> None:
    change = applied(place, empties(place))
    assert load(dump(change)) == replace(change, place="")
    (command,) = change.steps[0].operation.inverse  # type: ignore[union-attr]
    assert command.required and command.stored == "1" and not command.state


def test_a_reboot_ends_it_and_undo_only_says_so(place: Path) -> None:
    change = applied(place, empties(place))
    document = place / "kept/changes" / change.id / "change.json"
    document.write_bytes(dump(replace(change, boot="another", confirm_by=1e9)))
    (read,) = store(place).changes()
    assert read.ended_by_boot and not read.on_probation
    told = changes.history([read], (), "/", "", Style(80))
    assert "ended by a reboot" in told[0]
    assert change_json.change(read, change_json.Place("/"))["why"] == "it ended by a reboot"
    undone = engine.undo(store(place))
    assert undone.state is ChangeState.UNDONE and "the host was booted since" in undone.why
    assert (place / "live").read_bytes() == b"", "what this boot loaded is not touched"


def test_the_target_s_own_history_knows_of_the_reboot_too() -> None:
    found = history.read(open_target("/"))
    assert isinstance(found, (tuple, Unknown))
