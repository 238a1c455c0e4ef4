"""agent fix as a person types it: what it lists, refuses, shows, does, and says afterwards."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fastjsonschema
import pytest

from agent.change.model import ChangeState, Link, Move, Operation, Plan, Run, WriteFile
from agent.change.store import Store
from agent.cli import fixing
from agent.cli.fixing import Session, apply_all, list_offers
from agent.fixes.model import Fix, Planned, Refusal, Request
from agent.fixes.proven import Wish
from agent.target.detect import open_target
from tests.cli.broken import tree
from tests.cli.test_main import ROOT, agent
from tests.manifest import differences, manifest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can repair a host")
validate = fastjsonschema.compile(json.loads((ROOT / "docs" / "change.schema.json").read_text()))

HOOK = "etc/network/if-up.d/sendmail"
ASIDE = "/etc/network/sendmail.aside"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path / "disk")


def fake(
    *operations: Operation,
    verify: Callable[[Request], str] | None = None,
    refusal: Refusal | None = None,
    rules: tuple[str, ...] = ("ifup-hook-sendmail",),
    **more: object,
) -> Fix:
    """A fix whose proof is sendmail's hook. Without operations it moves the hook aside."""
    moves = operations or (Move(f"/{HOOK}", ASIDE),)
    plan = replace(Plan("Does it.", moves), **more)  # type: ignore[arg-type]

    def planned(request: Request) -> Planned:
        return refusal or plan

    return Fix("sendmail", "a test", rules, planned, verify=verify)


def run(root: Path, *fixes: Fix, forced: bool = False, **how: object) -> tuple[int, dict[str, object]]:
    """Exit status and JSON of a call with these fixes."""
    session = Session(open_target(str(root)), as_json=True, force=forced, **how)  # type: ignore[arg-type]
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        status = apply_all(session, [Wish(fix, forced=forced) for fix in fixes])
        text = sys.stdout.getvalue()
    finally:
        sys.stdout = out
    document = json.loads(text) if text else {}
    if document:
        validate(document)
    return status, document


# -- what is typed
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sendmial"], "did you mean --sendmail?"),
        (["--sendmail", "--rooot", "/x"], "did you mean --root?"),
        (["--send"], "there is no option --send"),
        (["sendmail"], "agent fix --sendmail"),
        (["sendmial"], "agent fix --sendmail"),
        (["xyzzy"], "agent fix alone lists"),
        (["--sendmail=purg"], "did you mean purge?"),
        (["--sendmail", "iptables"], "write it with dashes: --iptables"),
        (["--sendmail", "--confirm-within", "soon"], "write 2m"),
        (["--sendmail", "--confirm-within", "1s"], "out of range"),
    ],
)
def test_what_is_mistyped_is_not_guessed_but_named(words: list[str], said: str) -> None:
    result = agent("fix", *words)
    assert (result.returncode, result.stdout) == (2, b"")
    assert said in result.stderr.decode()
    assert b"Traceback" not in result.stderr


def test_help_lists_every_fix() -> None:
    shown = agent("fix", "--help").stdout.decode()
    for flag in ("--sendmail [", "--ifup-hook [NAME]", "--iptables", "--dry-run", "--confirm-within TIME"):
        assert flag in shown


def test_a_probation_is_for_the_running_host(root: Path) -> None:
    result = agent("fix", "--sendmail", "--confirm-within", "2m", "--root", str(root))
    assert result.returncode == 2
    assert b"running host" in result.stderr


# -- the list
def test_without_a_flag_it_lists_what_is_proven_and_changes_nothing(root: Path) -> None:
    before = manifest(root, ignore=())
    result = agent("fix", "--root", str(root))
    shown = result.stdout.decode()
    assert result.returncode == 0
    assert f"Fix     agent fix --sendmail --root {root}\n" in shown
    assert "Nothing was changed" in shown
    document = json.loads(agent("fix", "--root", str(root), "--json").stdout)
    validate(document)
    assert [offer["command"] for offer in document["offers"]] == [f"agent fix --sendmail --root {root}"]
    assert differences(before, manifest(root, ignore=())) == []


def test_a_healthy_host_is_offered_nothing(tmp_path: Path) -> None:
    result = agent("fix", "--root", str(tree(tmp_path / "disk", sendmail=False)))
    assert result.returncode == 0
    assert "has a fix here" in result.stdout.decode()


def test_another_hook_is_offered_by_its_name(tmp_path: Path) -> None:
    root = tree(tmp_path / "my disk", sendmail=False, hook="#!/bin/nothing\n")
    document = json.loads(agent("fix", "--root", str(root), "--json").stdout)
    assert [offer["command"] for offer in document["offers"]] == [f"agent fix --ifup-hook other --root '{root}'"]


# -- dry run
def test_a_dry_run_shows_the_plan_and_writes_nothing_not_even_the_journal(root: Path) -> None:
    before = manifest(root, ignore=())
    result = agent("fix", "--sendmail", "--dry-run", "--root", str(root))
    shown = "".join(result.stdout.decode().split())  # a path longer than a line is folded
    assert result.returncode == 0
    assert f"Move/{HOOK}to" in shown
    assert f"Backupin{root}/var/lib/lish-agent/changes:/{HOOK}" in shown
    assert shown.endswith("Nothingwaschanged.")
    validate(json.loads(agent("fix", "--sendmail", "--dry-run", "--json", "--root", str(root)).stdout))
    assert differences(before, manifest(root, ignore=())) == []


def test_a_dry_run_shows_differences_links_commands_and_what_stays(root: Path) -> None:
    fix = fake(
        WriteFile("/etc/hostname", b"web2\n\xff\x1b[2J\n"),
        Link("/etc/mask", "/dev/null"),
        Run(("/bin/sh", "-c", "x"), "for the test"),
        reboot=True,
        warnings=("The firewall is down.",),
    )
    status, document = run(root, fix, dry_run=True)
    (change,) = document["changes"]  # type: ignore[misc]
    assert (status, change["id"], change["state"], change["reboot"]) == (0, None, "planned", True)
    assert change["reversible"] is False
    diff = change["operations"][0]["diff"]
    assert "-web1" in diff and "+web2" in diff
    assert not (root / "var/lib/lish-agent").exists()


# -- applying
def test_fix_and_undo_leave_the_tree_as_it_was(root: Path) -> None:
    before = manifest(root)
    result = agent("fix", "--sendmail", "--root", str(root))
    shown = result.stdout.decode()
    assert result.returncode == 0
    assert "the problem is gone" in shown
    assert f"Undo    agent undo 1 --root {root}\n" in shown
    assert differences(before, manifest(root)) != []
    assert agent("undo", "1", "--root", str(root)).returncode == 0
    assert differences(before, manifest(root)) == []


def test_a_second_call_finds_nothing_to_do(root: Path) -> None:
    agent("fix", "--sendmail", "--root", str(root))
    result = agent("fix", "--sendmail", "--root", str(root))
    assert result.returncode == 0
    assert "nothing to do" in result.stdout.decode()
    document = json.loads(agent("fix", "--sendmail", "--root", str(root), "--json").stdout)
    validate(document)
    assert (document["changes"], len(document["nothing_to_do"])) == ([], 1)


def test_nothing_is_written_where_nothing_is_to_do(tmp_path: Path) -> None:
    root = tree(tmp_path / "disk", sendmail=False)
    before = manifest(root, ignore=())
    assert agent("fix", "--sendmail", "--root", str(root)).returncode == 0
    assert differences(before, manifest(root, ignore=())) == []


def test_the_backup_can_be_kept_elsewhere_and_every_command_says_so(root: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept here"
    kept.mkdir()
    before = manifest(root, ignore=())
    result = agent("fix", "--sendmail", "--root", str(root), "--backup-dir", str(kept))
    assert f"Undo    agent undo 1 --root {root} --backup-dir '{kept}'\n" in result.stdout.decode()
    assert not (root / "var/lib/lish-agent").exists()
    assert agent("undo", "--root", str(root), "--backup-dir", str(kept)).returncode == 0
    assert differences(before, manifest(root, ignore=())) == []


@pytest.mark.parametrize(
    ("log", "reason"),
    [("", "there is no proof for it"), ('Cannot find device "eth0"', "it is only suspected, not proven")],
)
def test_what_cant_be_proven_is_refused_with_its_reason_and_force_insists(root: Path, log: str, reason: str) -> None:
    (root / "var/log").mkdir()
    (root / "var/log/syslog").write_text(f"Nov 23 10:00:00 web1 ifup[311]: {log}\n")
    fix = fake(WriteFile("/etc/made", b"x"), rules=("interface-missing",))
    status, document = run(root, fix)
    assert status == 1
    (refused,) = document["refused"]  # type: ignore[misc]
    assert reason in refused["why"] and refused["forceable"] is True
    assert "running host" in refused["why"]
    status, document = run(root, fix, forced=True)
    assert (status, (root / "etc/made").read_text()) == (0, "x")
    assert (root / "var/lib/lish-agent/changes/1-sendmail").is_dir()


def test_a_fix_that_does_not_plan_says_why(root: Path) -> None:
    status, document = run(root, fake(refusal=Refusal("Network Helper writes it", "Cloud Manager")))
    assert status == 1
    (refused,) = document["refused"]  # type: ignore[misc]
    assert (refused["why"], refused["hint"]) == ("Network Helper writes it", "Cloud Manager")


def test_what_did_not_help_is_taken_back_and_the_rest_is_not_tried(root: Path) -> None:
    before = manifest(root)
    useless = fake(WriteFile("/etc/useless", b"x"))
    status, document = run(root, useless, fake())
    (change,) = document["changes"]  # type: ignore[misc]
    assert (status, change["state"], change["verified"], change["undo"]) == (1, "undone", False, None)
    assert "did not help" in change["why"]
    assert "not tried" in document["refused"][0]["why"]  # type: ignore[index]
    assert differences(before, manifest(root)) == []


def test_a_later_fix_sees_what_an_earlier_one_did(root: Path) -> None:
    status, document = run(root, fake(), fake())
    assert status == 0
    assert (len(document["changes"]), len(document["nothing_to_do"])) == (1, 1)  # type: ignore[arg-type]


# -- risk
@pytest.mark.parametrize("more", [{"ask": "the network goes down"}, {}], ids=["risky", "irreversible"])
def test_a_risk_without_a_terminal_wants_yes(root: Path, more: dict[str, str]) -> None:
    operations = () if more else (Move(f"/{HOOK}", ASIDE), Run(("/bin/true",), "a test", required=False))
    status, document = run(root, fake(*operations, **more))
    assert status == 1
    assert "--yes" in document["refused"][0]["hint"]  # type: ignore[index]
    assert (root / HOOK).exists()
    status, document = run(root, fake(*operations, **more), yes=True)
    assert status == 0
    assert not (root / HOOK).exists()


@pytest.mark.parametrize(("answer", "moved"), [(b"y\n", True), (b"\n", False), (b"n\n", False), (b"\x04", False)])
def test_at_a_terminal_it_asks_and_only_y_is_yes(root: Path, answer: bytes, moved: bool) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.cli.test_fix import *;"
        "session = Session(open_target(sys.argv[1]));"
        "sys.exit(apply_all(session, [Wish(fake(ask='the network goes down'))]))"
    )
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(root)], stdin=child, stdout=child, stderr=child, cwd=ROOT, close_fds=True
    )
    os.close(child)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(parent, 4096)
    os.write(parent, answer)
    with open(parent, "rb", buffering=0) as stream:
        try:
            while piece := stream.read(4096):
                said += piece
        except OSError:
            pass
    assert process.wait(60) == (0 if moved else 1)
    assert b"the network goes down" in said
    assert (root / HOOK).exists() is not moved


# -- interruptions
def test_ctrl_c_while_it_applies_takes_back_and_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(request: Request) -> str:
        raise KeyboardInterrupt

    before = manifest(root)
    session = Session(open_target(str(root)))
    assert apply_all(session, [Wish(fake(verify=stopped))]) == 130
    said = capsys.readouterr().err
    assert "1-sendmail was taken back" in said
    assert "nothing was changed" not in said
    assert differences(before, manifest(root)) == []


def test_ctrl_c_before_anything_was_done_says_that_nothing_was_changed(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fixing.examine, "case", stopped)
    assert apply_all(Session(open_target(str(root))), [Wish(fake())]) == 130
    assert "stopped; nothing was changed" in capsys.readouterr().err


def test_ctrl_c_at_the_second_fix_names_the_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(request: Request) -> Planned:
        raise KeyboardInterrupt

    second = replace(fake(), plan=stopped)
    first = fake(WriteFile("/etc/made", b"x"), verify=lambda request: "")
    assert apply_all(Session(open_target(str(root))), [Wish(first), Wish(second)]) == 130
    said = capsys.readouterr().err
    assert "1-sendmail is applied" in said and f"agent undo 1 --root {root}" in said


def test_what_could_not_be_shown_is_not_done(root: Path) -> None:
    before = manifest(root, ignore=())
    shell = f"(sleep 0.1; {sys.executable} -m agent fix --sendmail --root '{root}'; echo $? >&2) | true"
    result = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, cwd=ROOT, check=False)
    assert result.stderr == b"1\n"
    assert differences(before, manifest(root, ignore=())) == []


def test_a_dry_run_says_what_would_be_refused(root: Path) -> None:
    os.link(root / "etc/hostname", root / "etc/second-name")
    status, document = run(root, fake(WriteFile("/etc/hostname", b"x")), dry_run=True)
    assert (status, document["changes"]) == (1, [])
    assert "hostname" in document["refused"][0]["why"]  # type: ignore[index]


def interrupted(root: Path) -> None:
    """As if the program had died in the middle of its change."""
    agent("fix", "--sendmail", "--root", str(root))
    store = Store.open(open_target(str(root)))
    with store.lock():
        store.save(replace(store.changes()[-1], state=ChangeState.APPLYING))


def test_no_fix_is_made_before_an_interrupted_one_is_undone(root: Path) -> None:
    before = manifest(root)
    interrupted(root)
    undo = f"agent undo 1 --root {root}"
    result = agent("fix", "--iptables", "--root", str(root))
    assert result.returncode == 1
    assert undo in result.stdout.decode()
    listed = agent("fix", "--root", str(root))
    assert listed.returncode == 0
    assert "An earlier fix (1-sendmail) was interrupted" in listed.stdout.decode().splitlines()[0]
    document = json.loads(agent("fix", "--root", str(root), "--json").stdout)
    validate(document)
    assert [one["undo"] for one in document["interrupted"]] == [undo]
    assert agent("undo", "--root", str(root)).returncode == 0
    assert differences(before, manifest(root)) == []


def test_a_scan_shows_an_interrupted_fix_first(root: Path) -> None:
    interrupted(root)
    result = agent("scan", "--root", str(root))
    assert "An earlier fix (1-sendmail) was interrupted" in result.stdout.decode().splitlines()[0]
    document = json.loads(agent("scan", "--root", str(root), "--json").stdout)
    fastjsonschema.validate(json.loads((ROOT / "docs" / "scan.schema.json").read_text()), document)
    assert [one["id"] for one in document["interrupted"]] == ["1-sendmail"]


def test_a_scan_names_the_fix_instead_of_the_commands_on_its_first_screen(root: Path) -> None:
    first = agent("scan", "--root", str(root)).stdout.decode().splitlines()[:24]
    assert f"Fix     agent fix --sendmail --root {root}" in first
    assert f"Undo    agent undo --root {root}" in first
    assert not [line for line in first if line.startswith("Run")]
    assert [line for line in first if line.startswith("ssh ")], "the ladder ends on the first screen"
    assert any(
        line.startswith("Run ") for line in agent("scan", "--all", "--root", str(root)).stdout.decode().splitlines()
    )
    document = json.loads(agent("scan", "--root", str(root), "--json").stdout)
    assert document["verdict"]["next"] == [f"agent fix --sendmail --root {root}"]
    assert document["verdict"]["undo"] == [f"agent undo --root {root}"]
    assert document["findings"][0]["commands"]


def test_an_ordinary_user_is_told_to_use_sudo(root: Path) -> None:
    target = replace(open_target(str(root)), root_user=False)
    with pytest.raises(Exception, match="only root"):
        apply_all(Session(target), [Wish(fake())])
    assert list_offers(Session(target, as_json=True)) == 0
