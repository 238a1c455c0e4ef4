"""The drawing shows what the report says, for any figures."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.mtr.model import Form, Hop, Report, Router
from agent.mtr.verdict import Judgement, Verdict
from agent.ticket.markup import Element, written
from agent.ticket.plot import HOPS, figure, plot, scale
from tests.ticket.sample_traces import dying, healthy, hop, losing

numbers = st.one_of(st.none(), st.floats(), st.floats(min_value=0, max_value=5000))
hops = st.builds(
    Hop,
    st.integers(min_value=-5, max_value=300),
    st.one_of(st.just(()), st.tuples(st.builds(Router, st.text(max_size=80), st.text(max_size=20)))),
    st.floats(),
    st.one_of(st.none(), st.integers(min_value=0)),
    numbers,
    numbers,
    numbers,
    numbers,
    numbers,
)


def every(drawing: Element, kind: str) -> list[Element]:
    """Elements of one class."""
    return [
        child
        for child in drawing.children
        if isinstance(child, Element) and kind in child.attributes.get("class", "").split()
    ]


def words(drawing: Element, kind: str) -> list[str]:
    return ["".join(str(child) for child in one.children) for one in every(drawing, kind)]


def test_every_hop_has_its_row() -> None:
    drawing = plot(losing().judgement)
    assert words(drawing, "number") == ["1", "2", "3", "4", "5", "6", "7"]
    assert len(every(drawing, "range")) == len(every(drawing, "average")) == 6


def test_a_silent_hop_is_marked_and_the_line_through_it_is_dashed() -> None:
    drawing = plot(losing().judgement)
    assert words(drawing, "silent") == ["???", "silent"]
    assert len(every(drawing, "silence")) == 1
    assert [one.attributes["class"] for one in every(drawing, "trend")].count("trend gap") == 1


def test_the_hop_of_the_verdict_is_framed_and_says_so() -> None:
    assert words(plot(losing().judgement), "remark") == ["\u25bc the trouble begins here"]
    assert words(plot(dying().judgement), "remark") == ["\u25bc the last that answers"]
    assert every(plot(healthy().judgement), "blamed") == []


def test_loss_that_is_only_the_hops_own_is_told_apart() -> None:
    drawing = plot(losing().judgement)
    assert len(every(drawing, "real")) == 4
    widths = [float(one.attributes["width"].rstrip("%")) for one in every(drawing, "real")]
    assert max(widths) - min(widths) < 0.01  # 37 % of it is real at every hop
    assert len(every(drawing, "own")) == 2  # of 38 % and of 65 %


def test_loss_before_the_hop_of_the_verdict_is_that_hops_own() -> None:
    judgement = losing().judgement
    first, *rest = judgement.report.hops
    limited = replace(judgement, report=replace(judgement.report, hops=(replace(first, loss=20.0), *rest)))
    drawing = plot(limited)
    assert len(every(drawing, "real")) == 4
    assert len(every(drawing, "own")) == 3


def test_where_a_path_dies_the_last_answering_hops_loss_is_its_own() -> None:
    drawing = plot(replace(dying().judgement, loss=100.0))
    assert every(drawing, "real") == []
    assert len(every(drawing, "own")) == 1


def test_a_rate_limited_hop_of_a_healthy_path_has_no_real_loss() -> None:
    judgement = losing().judgement
    limited = replace(judgement, verdict=Verdict.RATE_LIMITED_HOPS_ONLY, hop=None, loss=0.0)
    assert every(plot(limited), "real") == []


def test_one_wild_worst_time_does_not_squeeze_the_others() -> None:
    drawing = plot(dying().judgement)
    assert "\u2192 2010" in words(drawing, "value")
    assert len(every(drawing, "beyond")) == 1


def test_the_axis_ends_at_a_round_number() -> None:
    assert scale([hop(1, "", "192.0.2.1", 0, (3, 3, 3, 3, 0))]).top == 5
    assert scale([hop(1, "", "192.0.2.1", 0, (90, 90, 80, 120, 0))]).top == 200
    assert scale([]).top == 1


def test_figures_are_for_people() -> None:
    assert [figure(value) for value in (None, 0.04, 2010, math.nan, math.inf, 1e30)] == [
        "",
        "0.0",
        "2010.0",
        "?",
        "?",
        "1e+30",
    ]


def test_a_path_without_an_end_is_drawn_to_a_limit() -> None:
    many = tuple(hop(number, "", "192.0.2.1", 0, (1, 1, 1, 1, 0)) for number in range(1, 300))
    judgement = replace(losing().judgement, report=replace(losing().judgement.report, hops=many))
    assert len(words(plot(judgement), "number")) == HOPS


@given(st.lists(hops, max_size=8).map(tuple), st.sampled_from(Verdict), st.integers(0, 9), numbers)
def test_any_figures_give_places_inside_of_the_drawing(
    path: tuple[Hop, ...], verdict: Verdict, where: int, loss: float | None
) -> None:
    judgement = Judgement(Report(Form.JSON, path), verdict, where, loss, "x")
    made = written(plot(judgement))
    assert "nan" not in re.sub(r">[^<]*<", "><", made).lower()
    for place in re.findall(r' (?:x|x1|x2|cx|width)="([^"]*)%"', made):
        assert 0 <= float(place) <= 100
