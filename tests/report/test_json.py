"""The JSON follows docs/scan.schema.json, whatever was read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import fastjsonschema
from hypothesis import given
from hypothesis import strategies as st

from agent.change.model import Change, ChangeState, Plan
from agent.diagnosis.model import Evidence, Severity, Status
from agent.fixes.model import Fix, Refusal
from agent.fixes.offers import Offer, Offers
from agent.report.json import render
from tests.diagnosis.build import finding
from tests.report.test_text import EVIL, scan

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "scan.schema.json").read_text())
validate = fastjsonschema.compile(SCHEMA)


@given(st.text(max_size=100), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_time_gives_valid_json(text: str, time: float) -> None:
    for evil in (text, EVIL):
        one = finding(evidence=(Evidence(evil, evil, 3, time=time), Evidence("journal", evil, cursor="s=1")))
        two = finding("other", severity=Severity.WARNING, status=Status.SUSPECTED, proof=evil)
        document = render(scan(one, two, text=evil))
        assert document.isascii()
        validate(json.loads(document))


def test_a_fix_is_named_only_when_it_can_be_run() -> None:
    one = finding()
    assert json.loads(render(scan(one)))["findings"][0]["fix"] is None
    fix = Fix("sendmail", "", (one.id,), lambda request: Refusal(""))
    offered = Offers((Offer(fix, one, "", "agent fix --sendmail", "agent undo", Plan("Moves it.", ())),))
    document = json.loads(render(replace(scan(one), offers=offered)))
    validate(document)
    assert document["findings"][0]["fix"] == {
        "id": "sendmail",
        "command": "agent fix --sendmail",
        "undo": "agent undo",
        "summary": "Moves it.",
        "reboot": False,
    }


def test_earlier_changes_that_wait_for_the_person_are_listed() -> None:
    change = Change("3-sendmail", "sendmail", ChangeState.APPLYING, EVIL, (), 1.7e9)
    waiting = replace(change, id="4-x", state=ChangeState.VERIFIED, confirm_by=1.7e9)
    document = json.loads(render(replace(scan(), interrupted=(change,), unconfirmed=(waiting,))))
    validate(document)
    assert document["interrupted"][0]["undo"] == "agent undo 3"
    assert document["unconfirmed"][0]["confirm"] == "agent confirm 4"
