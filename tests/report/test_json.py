"""The JSON follows docs/scan.schema.json, whatever was read."""

from __future__ import annotations

import json
from pathlib import Path

import fastjsonschema
from hypothesis import given
from hypothesis import strategies as st

from agent.diagnosis.model import Evidence, Severity, Status
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
    from dataclasses import replace

    one = finding()
    one = replace(one, rule=replace(one.rule, fix="--sendmail"))
    assert json.loads(render(scan(one)))["findings"][0]["fix"] is None
    shown = json.loads(render(scan(one), frozenset({"--sendmail"})))["findings"][0]["fix"]
    assert shown == {"id": "sendmail", "command": "agent fix --sendmail"}
