"""agent undo, history and confirm as a person types them."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import fastjsonschema
import pytest

from agent.change.store import Store
from agent.target.detect import open_target
from tests.cli.broken import tree
from tests.cli.test_main import ROOT, agent
from tests.manifest import differences, manifest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can undo a fix")
validate = fastjsonschema.compile(json.loads((ROOT / "docs" / "change.schema.json").read_text()))
ASIDE = "etc/network/if-up.d/sendmail.disabled-by-lish-agent"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path / "disk")


@pytest.fixture
def fixed(root: Path) -> Path:
    assert agent("fix", "--sendmail", "--root", str(root)).returncode == 0
    return root


def said(*words: str) -> tuple[int, dict[str, object]]:
    result = agent(*words, "--json")
    document = json.loads(result.stdout)
    validate(document)
    return result.returncode, document


def probation(root: Path) -> None:
    store = Store.open(open_target(str(root)))
    with store.lock():
        store.save(replace(store.changes()[-1], confirm_by=time.time() + 100))


def test_nothing_to_undo_is_no_error_and_writes_nothing(root: Path) -> None:
    before = manifest(root, ignore=())
    result = agent("undo", "--root", str(root))
    assert result.returncode == 0
    assert "Nothing to undo" in result.stdout.decode()
    assert differences(before, manifest(root, ignore=())) == []


def test_what_is_undone_already_is_no_error(fixed: Path) -> None:
    assert agent("undo", "--root", str(fixed)).returncode == 0
    for words in ((), ("1",), ("1-sendmail",)):
        result = agent("undo", *words, "--root", str(fixed))
        assert (result.returncode, result.stderr) == (0, b"")
        assert "undone already" in result.stdout.decode()


def test_an_unknown_change_is_answered_with_those_that_exist(fixed: Path) -> None:
    for wanted in ("7", "sendmail", "1-", "../x", "\x1b[2J"):
        result = agent("undo", wanted, "--root", str(fixed))
        assert result.returncode == 2
        assert "there are: 1-sendmail" in result.stderr.decode()
        assert b"\x1b" not in result.stderr


def test_a_dry_run_shows_what_would_be_restored_and_changes_nothing(fixed: Path) -> None:
    before = manifest(fixed, ignore=())
    result = agent("undo", "--dry-run", "--root", str(fixed))
    assert result.returncode == 0
    assert "/etc/network/if-up.d/sendmail is as it was before" in result.stdout.decode()
    status, document = said("undo", "--dry-run", "--root", str(fixed))
    assert (status, document["dry_run"]) == (0, True)
    assert differences(before, manifest(fixed, ignore=())) == []


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_what_was_edited_since_is_shown_and_left_alone(fixed: Path, dry: tuple[str, ...]) -> None:
    with (fixed / ASIDE).open("a") as stream:
        stream.write("# mine \x1b[2J psk=hush-hush\n")
    result = agent("undo", *dry, "--root", str(fixed))
    shown = result.stdout.decode()
    assert result.returncode == 1
    assert "+# mine \\x1b[2J psk=(not shown)" in shown
    assert "--force" in shown
    assert (fixed / ASIDE).exists()
    status, document = said("undo", *dry, "--root", str(fixed))
    (refused,) = document["refused"]  # type: ignore[misc]
    assert status == 1 and any("mine" in line for line in refused["differences"])
    assert "hush" not in json.dumps(document)
    if not dry:
        assert agent("undo", "--force", "--root", str(fixed)).returncode == 0
        assert not (fixed / ASIDE).exists()


def test_history_tells_the_newest_first_with_the_command_that_undoes(fixed: Path) -> None:
    agent("undo", "--root", str(fixed))
    agent("fix", "--sendmail", "--root", str(fixed))
    lines = agent("history", "--root", str(fixed)).stdout.decode().splitlines()
    assert lines[0].startswith("2-sendmail ") and lines[0].endswith("verified")
    assert f"Undo    agent undo 2 --root {fixed}" in lines
    assert any(line.startswith("1-sendmail ") and "undone" in line for line in lines)
    assert f"Undo    agent undo 1 --root {fixed}" not in lines
    status, document = said("history", "--root", str(fixed))
    assert (status, [one["id"] for one in document["changes"]]) == (0, ["2-sendmail", "1-sendmail"])  # type: ignore[attr-defined]


def test_history_of_an_untouched_host_is_a_sentence(root: Path) -> None:
    assert agent("history", "--root", str(root)).stdout == b"No fix was applied here.\n"
    assert said("history", "--root", str(root))[1]["changes"] == []


def test_a_record_that_cant_be_read_is_named(fixed: Path) -> None:
    (fixed / "var/lib/lish-agent/changes/1-sendmail/change.json").write_text("{")
    assert "1-sendmail can't be read" in agent("history", "--root", str(fixed)).stdout.decode()
    result = agent("undo", "--root", str(fixed))
    assert result.returncode == 1
    assert b"Traceback" not in result.stderr and b"can't be read" in result.stderr


def test_a_change_on_probation_is_shown_everywhere_and_confirmed(fixed: Path) -> None:
    probation(fixed)
    confirm = f"agent confirm 1 --root {fixed}"
    for verb in ("scan", "history"):
        assert confirm in agent(verb, "--root", str(fixed)).stdout.decode()
    scan = json.loads(agent("scan", "--root", str(fixed), "--json").stdout)
    assert [one["confirm"] for one in scan["unconfirmed"]] == [confirm]
    status, document = said("confirm", "--root", str(fixed))
    assert (status, document["changes"][0]["confirm_by"]) == (0, None)  # type: ignore[index]
    assert confirm not in agent("history", "--root", str(fixed)).stdout.decode()
    assert agent("confirm", "--root", str(fixed)).returncode == 1


def test_the_end_of_a_probation_undoes_only_what_nobody_confirmed(fixed: Path) -> None:
    assert agent("undo", "1-sendmail", "--unconfirmed", "--root", str(fixed)).returncode == 0
    assert (fixed / ASIDE).exists(), "it is not on probation"
    probation(fixed)
    assert agent("undo", "1-sendmail", "--unconfirmed", "--root", str(fixed)).returncode == 0
    assert not (fixed / ASIDE).exists()


def test_a_journal_that_others_may_write_is_not_believed(fixed: Path) -> None:
    (fixed / "var/lib/lish-agent/changes").chmod(0o777)
    for verb in ("undo", "history", "confirm"):
        result = agent(verb, "--root", str(fixed))
        assert result.returncode == 1
        assert b"can't be trusted" in result.stderr and b"Traceback" not in result.stderr
