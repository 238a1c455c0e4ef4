"""Whenever --firewall dies, undo or the timer makes the rule-set as it was; no table is ever left half empty."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.change.firewall_crash import KINDS, WAYS, Row, run
from tests.fixes.rulesets import CASES
from tests.target.children import needs_root

DEATHS = int(os.environ.get("DEATHS", "1"))  # of so many one is tried
BY_NAME = {case.name: case for case in CASES}


def row(job: tuple[str, str, str, int, bool]) -> Row:
    name, kind, way, step, both = job
    return run(BY_NAME[name], kind, way, step, (False, True) if both else (False,))


@needs_root
@pytest.mark.parametrize("way", ["apply", "undo", "timer"])
def test_some_deaths_of_a_flush_of_everything(way: str) -> None:
    found = row(("all at once", "flush", way, 17 if way == "apply" else 5, False))
    assert found.points >= 4 and found.problems == []


@needs_root
@pytest.mark.crash
@pytest.mark.timeout(7200)
def test_every_death(capsys: pytest.CaptureFixture[str]) -> None:
    """Both sides of each call where the programs are at work; the side before, where that is covered in part."""
    jobs = [
        (name, kind, way, DEATHS, way in ("apply", "undo") and name == "all at once")
        for name in BY_NAME
        for kind in KINDS
        for way in WAYS
    ]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        rows = list(pool.map(row, jobs))
    with capsys.disabled():
        print()
        for one in rows:
            print(f"{one.subject:32} {one.way:10} {one.points:6} {one.survivors:6}")
        print(f"{'all':43} {sum(one.points for one in rows):6} {sum(one.survivors for one in rows):6}")
    assert [problem for one in rows for problem in one.problems] == []
