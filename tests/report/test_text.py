"""The first screen at a serial console: 80 columns, harmless, plain."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.diagnosis.model import Evidence, Finding, Layer, LayerState, Rung, Severity, Status
from agent.diagnosis.verdict import judge, relate
from agent.facts.diagnostics import Diagnostic
from agent.facts.distro import Distro
from agent.logs.model import Unchecked
from agent.report.harmless import cut, harmless, width
from agent.report.model import Scan, Subject
from agent.report.style import Style
from agent.report.text import render
from tests.diagnosis.build import finding

EVIL = "a\x1b[2J\x1b]0;owned\x07b\rc\x00\x9b31m\u202edcba\ud800 e\u0301 \u6f22\u5b57 \u2028"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


def scan(*findings: Finding, text: str = "plain") -> Scan:
    related = relate(findings)
    rungs = tuple(Rung(layer, LayerState.OK, f"looked at {text}") for layer in Layer)
    return Scan(
        Subject("/", "live", False, text, Distro("debian", "12", text), "debian10", "ifupdown", "systemd", "6.1"),
        judge(related, rungs),
        rungs,
        related,
        (Diagnostic(("ip", "a"), 0, text, 0.1, ""),),
        (("ifdown", "eth0"), ("ifup", "eth0")),
        (Unchecked(text, text),),
    )


def test_the_first_screen_holds_verdict_proof_cure_undo_and_ladder() -> None:
    lines = render(scan(finding(evidence=(Evidence("/etc/x", "y", 3),))), Style()).splitlines()[:24]
    screen = "\n".join(lines)
    for part in ("BROKEN at route", "Proof   no default route", "/etc/x:3: y", "Run     ip route", "Undo"):
        assert part in screen
    for layer in Layer:
        assert any(line.startswith(layer.value) for line in lines)


@given(st.text(max_size=300), st.booleans(), st.booleans())
def test_no_control_character_reaches_the_terminal(text: str, everything: bool, utf8: bool) -> None:
    for evil in (text, EVIL):
        one = finding(evidence=(Evidence(evil, evil, 3, time=1e9),), proof=evil)
        two = finding("other", severity=Severity.WARNING, status=Status.SUSPECTED, proof=evil)
        shown = render(scan(one, two, text=evil), Style(everything=everything, unicode=utf8))
        assert not CONTROL.search(shown)
        assert utf8 or shown.isascii()


def test_lines_fit_80_columns_but_for_commands_that_must_not_be_broken() -> None:
    long = "word " * 60
    one = finding(evidence=(Evidence("/very/long/path", long, 3),), proof=long)
    command = "mv " + "x" * 100
    one = replace(one, advice=replace(one.advice, text=long, commands=(command,)))
    lines = render(scan(one, finding("two", proof=long), text=long), Style()).splitlines()
    assert any(command in line for line in lines)
    assert [line for line in lines if len(line) > 80 and command not in line] == []


def test_colour_only_where_asked_for() -> None:
    assert "\x1b[" not in render(scan(finding()), Style())
    assert "\x1b[31m" in render(scan(finding()), Style(colour=True))


def test_all_shows_the_commands_output() -> None:
    assert "$ ip a\nplain" in render(scan(finding()), Style(everything=True))
    assert "$ ip a" not in render(scan(finding()), Style())


def test_a_healthy_host_hears_of_cloud_firewall() -> None:
    assert "Cloud Firewall" in render(scan(), Style())


@given(st.text(max_size=60), st.integers(10, 40))
def test_cut_never_exceeds_its_columns(text: str, columns: int) -> None:
    assert width(cut(harmless(text), columns)) <= columns
