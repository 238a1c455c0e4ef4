"""A report of mtr as a drawing: a row a hop, latency to the left, loss to the right.

All widths are percentages and all letters have their own size, so that the drawing fits a telephone, a screen and a
sheet of paper without being scaled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.mtr.model import Hop
from agent.mtr.verdict import Judgement, Verdict
from agent.report.harmless import cut, harmless
from agent.ticket.markup import Element, element

HOPS = 64  # as many as mtr could ever print by itself are 255; more than these nobody reads in a drawing
LABEL = 42  # columns of a hop's name: what fits beside its number on a telephone
TOP, ROW, REMARK = 24.0, 40.0, 18.0  # pixels: the axis, a hop, the line above the hop of the verdict
LEFT, RIGHT = 9.0, 57.0  # percent: where the latency's axis begins and ends
LOSS_LEFT, LOSS_WIDTH = 73.0, 12.0
DYING = (Verdict.UNRESPONSIVE_TO_END, Verdict.DESTINATION_ONLY_100, Verdict.NO_ROUTE)
FAR = 4.0  # a worst time that is so many times the greatest average would squeeze all others: it is cut off


@dataclass(frozen=True)
class Axis:
    """Milliseconds from 0 to ``top``."""

    top: float

    def at(self, milliseconds: float) -> float:
        """Where a time is drawn, in percent of the width."""
        return LEFT + (RIGHT - LEFT) * min(max(milliseconds / self.top, 0.0), 1.0)


@dataclass(frozen=True)
class Row:
    """A hop, and the height at which its latency is drawn."""

    hop: Hop
    top: float
    height: float
    middle: float


def plot(judgement: Judgement) -> Element:
    """The drawing. The table beside it has the same figures, so it is one picture to a screen reader."""
    rows = _rows(judgement)
    axis = scale([row.hop for row in rows])
    height = rows[-1].top + rows[-1].height if rows else TOP
    drawn: list[Element] = []
    for row in rows:
        drawn += _ground(row, judgement)
    drawn += _grid(axis, height)
    drawn += _trend(rows, axis)
    for row in rows:
        drawn += _hop(row, axis, judgement)
    return element(
        "svg",
        drawn,
        class_="plot",
        role="img",
        aria_label=f"Latency and loss of {len(rows)} hops. The table behind it has the same figures.",
        width="100%",
        height=height,
        focusable="false",
    )


def scale(hops: Sequence[Hop]) -> Axis:
    """An axis on which all times fit, but for a worst time far beyond every average."""
    averages = [value for hop in hops for value in (time(hop.average), time(hop.best)) if value is not None]
    worst = [value for hop in hops if (value := time(hop.worst)) is not None] or averages
    usual = max(averages, default=0.0)
    top = max(worst, default=0.0)
    if usual and top > usual * FAR:
        top = usual * 2
    return Axis(_round_up(max(top, usual)))


def time(milliseconds: float | None) -> float | None:
    """A time that can be drawn: no time below zero, no infinity."""
    return milliseconds if milliseconds is not None and math.isfinite(milliseconds) and milliseconds >= 0 else None


def share(percent: float) -> float:
    """A loss that can be drawn: 0 to 100."""
    return min(max(percent, 0.0), 100.0) if math.isfinite(percent) else 0.0


def figure(value: float | None, digits: int = 1) -> str:
    """A number for people; "" where there is none, "?" for one that is none."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "?"
    return f"{value:.3g}" if abs(value) >= 1e6 else f"{value:.{digits}f}"


def remark(verdict: Verdict) -> str:
    """What is said at the hop of the verdict."""
    if verdict in DYING:
        return "the last that answers"
    if verdict is Verdict.LOOP:
        return "the loop begins here"
    return "the trouble begins here"


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not smaller."""
    if not 0 < value < 1e12:
        return 1.0 if value <= 0 else 1e12
    unit = 10.0 ** math.floor(math.log10(value))
    return next((step * unit for step in (1, 2, 5, 10) if step * unit >= value), 10 * unit)


def _rows(judgement: Judgement) -> list[Row]:
    rows, top = [], TOP
    for hop in judgement.report.hops[:HOPS]:
        more = REMARK if _blamed(hop, judgement) else 0.0
        rows.append(Row(hop, top, ROW + more, top + more + 29))
        top += ROW + more
    return rows


def _blamed(hop: Hop, judgement: Judgement) -> bool:
    return judgement.hop is not None and hop.number == judgement.hop and not judgement.verdict.harmless


def _ground(row: Row, judgement: Judgement) -> Iterator[Element]:
    """The line above a row; the hop of the verdict is framed."""
    if not _blamed(row.hop, judgement):
        yield element("line", class_="between", x1="0", x2="100%", y1=row.top, y2=row.top)
        return
    yield element("rect", class_="blamed", x="0.2%", width="99.6%", y=row.top + 1, height=row.height - 2, rx=4)


def _grid(axis: Axis, height: float) -> Iterator[Element]:
    for part in (0.0, 0.5, 1.0):
        x = _percent(axis.at(axis.top * part))
        yield element("line", class_="grid", x1=x, x2=x, y1=TOP - 4, y2=height)
        unit = " ms" if part == 1.0 else ""
        yield element("text", f"{axis.top * part:g}{unit}", class_="tick", x=x, y=TOP - 9, text_anchor="middle")
    yield element("text", "loss", class_="tick", x=_percent(LOSS_LEFT), y=TOP - 9)


def _trend(rows: Sequence[Row], axis: Axis) -> Iterator[Element]:
    """The line through the averages; dashed where hops between do not tell theirs."""
    before: tuple[int, float, float] | None = None
    for index, row in enumerate(rows):
        average = time(row.hop.average)
        if average is None or row.hop.silent:
            continue
        here = (index, axis.at(average), row.middle)
        if before is not None:
            yield element(
                "line",
                class_="trend" if before[0] == index - 1 else "trend gap",
                x1=_percent(before[1]),
                y1=before[2],
                x2=_percent(here[1]),
                y2=here[2],
            )
        before = here


def _hop(row: Row, axis: Axis, judgement: Judgement) -> Iterator[Element]:
    label = cut(harmless(row.hop.router), LABEL)
    yield element("text", str(row.hop.number), class_="number", x="1%", y=row.middle)
    kind = "silent" if row.hop.silent else "name"
    if _blamed(row.hop, judgement):
        kind += " accused"
        words = f"\N{BLACK DOWN-POINTING TRIANGLE} {remark(judgement.verdict)}"
        yield element("text", words, class_="remark accused", x=_percent(LEFT), y=row.top + 15)
    yield element("text", label, class_=kind, x=_percent(LEFT), y=row.middle - 13)
    if row.hop.silent:
        yield element("line", class_="silence", x1=_percent(LEFT), x2=_percent(RIGHT), y1=row.middle, y2=row.middle)
    else:
        yield from _latency(row, axis)
    yield from _loss(row, judgement)


def _latency(row: Row, axis: Axis) -> Iterator[Element]:
    """Best to worst as a bar, the average as a point with its number."""
    hop = row.hop
    best, average, worst = time(hop.best), time(hop.average), time(hop.worst)
    told = [value for value in (best, average, worst) if value is not None]
    if not told:
        return
    left, right = axis.at(min(told)), axis.at(max(told))
    beyond = max(told) > axis.top
    yield element(
        "rect",
        class_="range beyond" if beyond else "range",
        x=_percent(left),
        width=_percent(max(right - left, 0.4)),
        y=row.middle - 4,
        height=8,
        rx=3,
    )
    if average is not None:
        yield element("circle", class_="average", cx=_percent(axis.at(average)), cy=row.middle, r=4)
    words = figure(average)
    if beyond:
        words = f"\N{RIGHTWARDS ARROW} {figure(max(told), 0)}"
    yield element("text", words, class_="value", x=_percent(right + 1.2), y=row.middle + 4)


def _loss(row: Row, judgement: Judgement) -> Iterator[Element]:
    """The loss as a bar: what reaches the destination neither, and lighter what is this hop's own."""
    loss = share(row.hop.loss)
    y = row.middle - 5
    yield element("rect", class_="track", x=_percent(LOSS_LEFT), width=_percent(LOSS_WIDTH), y=y, height=10)
    if row.hop.silent:
        words = "silent"
    else:
        words = f"{loss:.3g} %"
        real = min(loss, share(judgement.loss or 0.0)) if _behind(row.hop, judgement) else 0.0
        if loss > real:
            yield element("rect", class_="own", x=_percent(LOSS_LEFT), width=_loss_width(loss), y=y + 3, height=4)
        if real:
            yield element("rect", class_="real", x=_percent(LOSS_LEFT), width=_loss_width(real), y=y, height=10)
    kind = "value silent" if row.hop.silent else "value lost" if loss else "value"
    yield element("text", words, class_=kind, x="99%", y=row.middle + 4, text_anchor="end")


def _behind(hop: Hop, judgement: Judgement) -> bool:
    """True from the hop of the verdict on: there, loss is the packets', not the router's own limit."""
    if judgement.hop is None or judgement.verdict.harmless or judgement.verdict in DYING:
        return False
    return hop.number >= judgement.hop


def _loss_width(percent: float) -> str:
    return _percent(LOSS_WIDTH * percent / 100)


def _percent(value: float) -> str:
    return f"{value:.2f}%"
