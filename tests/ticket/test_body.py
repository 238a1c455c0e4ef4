"""The body: what a support engineer reads first, and that nothing in it can do harm."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from agent.diagnosis.model import Status
from agent.redaction.model import Removed
from agent.ticket import body
from agent.ticket.model import Ticket
from tests.ticket import samples
from tests.ticket.hostile import HOSTILE

pytest.importorskip("agent.mtr.printing")


def section(text: str, title: str) -> str:
    """The lines of one section."""
    return text.partition(f"== {title}")[2].partition("\n\n==")[0]


def test_the_first_sentence_names_layer_and_problem() -> None:
    text = body.render(samples.ticket())
    assert "BROKEN at " in section(text, "What is broken")
    assert text.startswith("Support ticket of ")


def test_a_suspicion_is_called_one() -> None:
    ticket = samples.ticket()
    cause = ticket.scan.verdict.finding
    assert cause is not None
    verdict = replace(ticket.scan.verdict, finding=replace(cause, status=Status.SUSPECTED))
    text = body.render(replace(ticket, scan=replace(ticket.scan, verdict=verdict)))
    assert "suspected: " in section(text, "What is broken")
    assert "Doubt" in section(text, "What proves it")


def test_no_line_is_wider_than_80_columns_and_all_is_ascii() -> None:
    for line in body.render(samples.ticket()).split("\n"):
        assert len(line) <= 80, line
        assert line.isascii()


def test_what_was_tried_and_undone_is_told_with_its_time() -> None:
    text = section(body.render(samples.ticket()), "What was tried")
    assert "agent fix --" in text
    assert "undone 2026-" in text


def test_the_loss_that_a_report_shows_stands_in_the_answer() -> None:
    text = section(body.render(samples.ticket()), "What is broken")
    assert "MTR " in text


def test_what_was_removed_is_listed_and_addresses_are_mentioned() -> None:
    ticket = replace(samples.ticket(), removed=(Removed("/etc/x", "password", 2),), addresses_redacted=True)
    text = section(body.render(ticket), "What was removed")
    assert "/etc/x: password, 2x" in text
    assert "same name everywhere" in text


def test_without_reports_the_commands_that_make_one_are_told() -> None:
    from agent.ticket.model import Attachment

    told = Attachment("mtr/how-to-make-one.txt", "lish-agent", "- On your computer:\n    mtr -rwbzc 100 192.0.2.1\n")
    text = body.render(replace(samples.ticket(), traces=(), attachments=(told,)))
    assert "mtr -rwbzc 100 192.0.2.1" in section(text, "Network path")


def test_hostile_texts_in_every_field_stay_plain_text() -> None:
    chooser = random.Random(7)
    texts = [*HOSTILE, "\x1b[2J\x1b]0;owned\x07", "a\nb", "\u202egnp.exe", "x" * 5000, "\x9b31m", "\ud800", "\r=="]
    for _ in range(5):
        planted: Ticket = samples.planted(samples.ticket(), lambda: chooser.choice(texts))
        for line in body.render(planted).split("\n"):
            assert len(line) <= 80
            assert line.isascii()
            assert line.isprintable() or not line


def test_a_flood_of_output_is_cut_and_said_to_be() -> None:
    ticket = samples.ticket()
    flood = replace(ticket.scan.diagnostics[0], output="line\n" * 10_000)
    text = body.render(replace(ticket, scan=replace(ticket.scan, diagnostics=(flood,))))
    assert len(text.split("\n")) < 400
    assert "more lines: folder diagnostics" in text
