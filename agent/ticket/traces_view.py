"""The reports of mtr: what they say, the drawing, the table with the same figures, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.mtr.model import Hop
from agent.mtr.verdict import Judgement, Side
from agent.ticket.answer_view import facts, path_badge, title
from agent.ticket.markup import Element, Node, element
from agent.ticket.model import Trace
from agent.ticket.plot import DYING, HOPS, figure, plot
from agent.ticket.room import Room, left_out, short

TABLE = 256  # hops: no path has more
ROUTERS = 8  # that answer at one hop
SENTENCES = 30
NEXT = "What to do next"  # in this order
COLUMNS = ("Hop", "Host", "Loss %", "Sent", "Best", "Average", "Worst", "Deviation", "Network")
WORDS = ("Hop", "Host", "Network")  # columns of words; figures stand to the right


def traces(shown: Sequence[Trace], room: Room) -> Element | None:
    """A section with an article a report; None when there is none."""
    if not shown:
        return None
    numbered = list(enumerate(shown, 1))
    items = room.take(numbered, lambda one: _trace(*one), "reports", "ticket.json has them all", "p")
    return element(
        "section", element("h2", "Network path (MTR)", id="mtr"), items, class_="card", aria_labelledby="mtr"
    )


def _trace(number: int, trace: Trace) -> Element:
    judgement = trace.judgement
    report = judgement.report
    parts: list[Node] = [element("h3", f"{number}. ", title(trace))]
    parts.append(element("p", path_badge(judgement), class_="kind"))
    parts.append(element("p", short(judgement.summary), class_="summary"))
    parts.append(facts(tuple(_told(judgement))))
    if report.hops:
        parts.append(element("figure", element("figcaption", _legend()), plot(judgement)))
        if len(report.hops) > HOPS:
            parts.append(left_out(f"Only the first {HOPS} of {len(report.hops)} hops are drawn."))
        parts.append(_table(report.hops, number))
    for label, sentences in (
        ("Why", judgement.reasons),
        ("What else stands out", judgement.notes),
        (NEXT, judgement.advice),
        ("What this report can't tell", (judgement.ambiguity,) if judgement.ambiguity else ()),
    ):
        parts += _sentences(label, sentences)
    return element("div", parts, class_="trace")


def _told(judgement: Judgement) -> Iterator[tuple[str, Node]]:
    report = judgement.report
    where = short(report.destination, 300)
    if report.destination_address and report.destination_address != report.destination:
        where = f"{where} ({short(report.destination_address, 300)})"
    ends = [end for end in (short(report.source, 300), where) if end]
    if ends:
        yield "Path", " \N{RIGHTWARDS ARROW} ".join(ends)
    probes = report.protocol.value.upper() if report.protocol_told else f"{report.protocol.value.upper()} (assumed)"
    yield "Probes", f"{probes}, {report.cycles} a hop" if report.cycles is not None else probes
    if report.started:
        yield "Started", short(report.started, 300)
    if judgement.side is not Side.UNKNOWN:
        yield (
            "Whose network",
            f"the {judgement.side.value}'s" if judgement.side is not Side.MIDDLE else "between the two",
        )
    if judgement.loss is not None and judgement.verdict not in DYING:
        yield "True loss", f"{figure(judgement.loss)} % of the packets"
    if report.error:
        yield "mtr said", short(report.error, 600)


def _legend() -> Iterator[Node]:
    yield "Per hop: "
    for kind, words in (
        ("range", "best to worst time"),
        ("average", "average"),
        ("real", "loss that goes on to the end"),
        ("own", "loss of this hop's own answers"),
    ):
        yield element("span", _swatch(kind), " ", words, class_="legend")
        yield " "


def _swatch(kind: str) -> Element:
    thick = 4.0 if kind == "own" else 8.0
    shape = (
        element("circle", class_=kind, cx="8", cy="5", r=4)
        if kind == "average"
        else element("rect", class_=kind, x="0", y=5 - thick / 2, width="16", height=thick)
    )
    return element("svg", shape, class_="plot swatch", width="16", height="10", aria_hidden="true", focusable="false")


def _table(hops: Sequence[Hop], number: int) -> Element:
    columns = COLUMNS if any(hop.asn for hop in hops) else COLUMNS[:-1]
    head = [element("th", name, scope="col", class_=None if name in WORDS else "figure") for name in columns]
    rows = [_row(hop, len(columns)) for hop in hops[:TABLE]]
    if len(hops) > TABLE:
        rows.append(left_out(f"{len(hops) - TABLE} more hops: ticket.json has them all", "tr"))
    return element(
        "div",
        element(
            "table",
            element("caption", f"The same as figures, report {number}. Times in milliseconds."),
            element("thead", element("tr", head)),
            element("tbody", rows),
        ),
        class_="wide",
        role="region",
        aria_label=f"Figures of report {number}",
        tabindex=0,
    )


def _row(hop: Hop, columns: int) -> Element:
    sent = "" if hop.sent is None else str(hop.sent)
    times = (hop.best, hop.average, hop.worst, hop.deviation)
    return element(
        "tr",
        element("th", str(hop.number), scope="row"),
        element("td", list(_routers(hop)), class_="host"),
        *(element("td", cell, class_="figure") for cell in (figure(hop.loss), sent, *map(figure, times))),
        [element("td", short(hop.asn, 100))] if columns == len(COLUMNS) else [],
        class_="silent" if hop.silent else None,
    )


def _routers(hop: Hop) -> Iterator[Node]:
    yield short(hop.router, 300)
    for other in hop.routers[1:ROUTERS]:
        yield element("span", f"also {short(str(other), 300)}", class_="more")
    for label in hop.labels[:ROUTERS]:
        yield element("span", f"MPLS {short(label, 200)}", class_="more")


def _sentences(label: str, sentences: Sequence[str]) -> Iterator[Element]:
    if sentences:
        yield element("h4", label)
        items = [element("li", short(sentence, 2000)) for sentence in sentences[:SENTENCES]]
        yield element("ol" if label == NEXT else "ul", items)
