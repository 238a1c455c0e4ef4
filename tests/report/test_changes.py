"""What is said of plans and changes: harmless, in 80 columns, without secrets, true."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import fastjsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.change.model import (
    Absent,
    Change,
    ChangeState,
    Command,
    KeptFile,
    Link,
    MakeFolder,
    Move,
    Operation,
    Plan,
    Remove,
    Run,
    SetMode,
    Step,
    WriteFile,
)
from agent.change.preview import preview
from agent.change.store import Damage
from agent.fixes.model import Fix, Refusal
from agent.fixes.offers import Offer, Offers, Withheld, invocation
from agent.report import change_json, changes
from agent.report.secrets import masked
from agent.report.style import Style
from agent.report.text import render
from tests.diagnosis.build import finding
from tests.report.test_text import CONTROL, EVIL, scan
from tests.virtual import File, virtual

validate = fastjsonschema.compile(json.loads((Path(__file__).parents[2] / "docs/change.schema.json").read_text()))
FILE = KeptFile("1", "00", 3, 0o644, 0, 0, 0, 0)


def operations(text: str) -> tuple[Operation, ...]:
    return (
        WriteFile(
            f"/etc/{text}", text.encode("utf-8", "surrogateescape") if text.isascii() else b"\xff\x1b[2J", 0o600, 0
        ),
        Move(f"/a/{text}", f"/b/{text}"),
        Link(f"/l/{text}", text),
        Remove(f"/r/{text}"),
        SetMode(f"/m/{text}", 0o600, gid=0),
        MakeFolder(f"/f/{text}"),
        Run((text, text), text, keeps=(text,), inverse=(Command((text,)),)),
        Run((text,), text, required=False),
    )


def change(text: str = "plain", state: ChangeState = ChangeState.VERIFIED, **more: object) -> Change:
    steps = tuple(
        Step(operation, {f"/p/{text}{n}": FILE}, {f"/p/{text}{n}": Absent()}, True, True, text, text)
        for n, operation in enumerate(operations(text))
    )
    made = Change(
        "3-sendmail", "sendmail", state, text, steps, 1.7e9, warnings=(text,), next=(text,), why=text, place=text
    )
    return replace(made, **more)  # type: ignore[arg-type]


def offer(command: str = "agent fix --sendmail", **more: object) -> Offer:
    fix = Fix("sendmail", "", ("gateway-lost",), lambda request: Refusal(""))
    plan = replace(Plan("Moves it aside.", ()), **more)  # type: ignore[arg-type]
    return Offer(fix, finding(), "", command, "agent undo", plan)


def every_screen(text: str, style: Style) -> list[str]:
    root, plan = f"/media/{text}", Plan(text, operations(text), (text,), text, True, (text,))
    target = virtual({"/etc/x": File("x", mode=0o600)})
    one = finding(proof=text)
    refusal = Refusal(text, text)
    lines: list[str] = []
    for state in ChangeState:
        made = change(text, state, confirm_by=1.7e9)
        lines += changes.done(made, root, text, style) + changes.undone(made, style)
        lines += changes.would_undo(made, style) + changes.stands(made, root, text, style)
        lines += changes.history([made], [Damage(text, text)], root, text, style)
        lines += changes.unfinished(made, root, style) + changes.unconfirmed(made, root, style)
        lines += changes.confirmed(made, root, text, style)
    lines += changes.plan(text, plan, [one], style) + changes.refused(text, refusal, style, (text,))
    lines += changes.preview(text, plan, [one], [preview(target, each) for each in plan.operations], text, style)
    lines += changes.offers(
        Offers((replace(offer(f"agent {text}"), plan=plan),), (Withheld(offer().fix, one, refusal),)), style
    )
    return lines + changes.nothing(text, text, style) + changes.risk(text, style) + changes.sentence(text, style)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=120), st.booleans())
def test_no_control_character_reaches_the_terminal(text: str, utf8: bool) -> None:
    for evil in (text, EVIL):
        shown = every_screen(evil, Style(unicode=utf8))
        assert not [line for line in shown if CONTROL.search(line) or "\n" in line]
        assert utf8 or "".join(shown).isascii()


def test_lines_fit_80_columns_but_for_commands_that_must_not_be_broken() -> None:
    long = "Word " * 40
    for line in every_screen(long, Style()):
        assert len(line) <= 80 or "agent " in line, line


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_valid_json(text: str) -> None:
    target = virtual({})
    for evil in (text, EVIL):
        place = change_json.Place(f"/media/{evil}", evil)
        plan = Plan(evil, operations(evil), (evil,), evil, True, (evil,))
        shown = [preview(target, each) for each in plan.operations]
        made = [change_json.change(change(evil, state, confirm_by=1e18), place) for state in ChangeState]
        document = change_json.render(
            place,
            [*made, change_json.planned("x", plan, shown, evil), change_json.undoing(change(evil), place)],
            [change_json.refusal(evil, Refusal(evil, evil), (evil,)), change_json.unread(Damage(evil, evil))],
            [change_json.nothing(evil, evil)],
            Offers((replace(offer(evil), plan=plan),)),
            [change(evil, ChangeState.APPLYING)],
        )
        assert document.isascii()
        validate(json.loads(document))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("+psk=hush", "+psk=(not shown)"),
        ('-  wpa-psk: "hush now"', "-  wpa-psk: (not shown)"),
        (
            " //srv/x /mnt cifs user=me,password=hush,nofail 0 0",
            " //srv/x /mnt cifs user=me,password=(not shown),nofail 0 0",
        ),
        ("+Private-Key = hush", "+Private-Key = (not shown)"),
        ("+wep-key0='hush'", "+wep-key0=(not shown)"),
        ("+nameserver 192.0.2.1", "+nameserver 192.0.2.1"),
        ("+bypass=1", "+bypass=1"),
        (" spin: 3", " spin: 3"),
    ],
)
def test_keys_and_passwords_are_not_shown(line: str, shown: str) -> None:
    assert masked(line) == shown


def test_a_file_that_not_everybody_may_read_is_not_shown_at_all() -> None:
    target = virtual({"/etc/key": File("old hush", mode=0o600)})
    operation = WriteFile("/etc/key", b"new hush")
    lines = changes.preview("--x", Plan("", (operation,)), [], [preview(target, operation)], "/b", Style())
    assert "hush" not in "\n".join(lines)
    assert "8 bytes become 8" in " ".join(" ".join(lines).split())


def test_a_command_is_quoted_for_the_shell_that_it_will_be_pasted_into() -> None:
    assert invocation("undo", "3") == "agent undo 3"
    assert invocation("fix", "--ifup-hook", "a;b", root="/m x", backup_dir="/b") == (
        "agent fix --ifup-hook 'a;b' --root '/m x' --backup-dir /b"
    )


# -- golden screens
def test_the_screen_of_a_fix_that_worked() -> None:
    made = change(
        summary="Moves it aside.",
        steps=(Step(Move("/a", "/b"), {}), Step(Run(("/x", "-y"), "why"), {}, begun=True)),
        warnings=("The firewall is down.",),
        next=("agent fix --restart-network", "Boot the host."),
        reboot=True,
        why="",
    )
    assert changes.done(made, "/media/sda", "", Style()) == [
        "Done    change 3-sendmail; looked at again: the problem is gone",
        "Warning The firewall is down.",
        "Reboot  it takes effect at the next boot",
        "Next    agent fix --restart-network",
        "        Boot the host.",
        "Undo    not possible: /x -y (why)",
    ]


def test_the_screen_of_a_fix_that_was_taken_back() -> None:
    made = change(state=ChangeState.UNDONE, why="it did not help: x", steps=())
    assert changes.done(made, "/", "", Style()) == [
        "Failed  it did not help: x",
        "        Everything that it did was taken back: the host is as it was before.",
    ]


def test_the_screen_before_a_fix_is_applied() -> None:
    plan = Plan(
        "Does it.", (Move("/a", "/b"), SetMode("/k", 0o600, 0, 0), Run(("/x",), "rebuilds it")), ("Mind this.",)
    )
    assert changes.plan("--it", plan, [finding()], Style()) == [
        "--it: Does it.",
        "Proof   no default route",
        "Move    /a to /b",
        "Mode    /k (mode 0600, owner 0:0)",
        "Run     /x (rebuilds it); CAN'T BE UNDONE",
        "Warning Mind this.",
    ]


def test_the_first_line_of_a_scan_after_an_interruption() -> None:
    seen = replace(scan(finding()), interrupted=(change(state=ChangeState.APPLYING),))
    assert render(seen, Style()).splitlines()[0] == (
        "An earlier fix (3-sendmail) was interrupted: agent undo 3 finishes it"
    )


def test_the_first_screen_of_a_scan_shows_the_fix_in_place_of_the_commands() -> None:
    seen = replace(scan(finding()), offers=Offers((offer(reboot=True, warnings=("The firewall is down.",)),)))
    short = render(seen, Style())
    assert "Fix     agent fix --sendmail\n" in short
    assert "Moves it aside. The firewall is down. It takes effect at the next boot.\n" in re.sub(r"\n {8}", " ", short)
    assert "Undo    agent undo\n" in short
    assert "ip route add" not in short
    assert "ip route add" in render(seen, Style(everything=True))
