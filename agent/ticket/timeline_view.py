"""What happened on the host: a strip that shows when, and a list by day and boot that says what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from agent.ticket.marks import clock, day, mark
from agent.ticket.markup import Element, Node, element
from agent.ticket.model import Event, EventKind
from agent.ticket.room import Room, short

LANE, TOP, BOTTOM = 18.0, 4.0, 20.0  # pixels
LEFT, RIGHT = 24.0, 98.0  # percent
SHOWN = 600  # events in the list, the newest


def timeline(events: Sequence[Event], room: Room) -> Element | None:
    """A section; None when nothing is known."""
    if not events:
        return None
    newest = events[-SHOWN:][::-1]
    kept = list(zip(newest, room.fit(newest, _event)))[::-1]
    dropped = len(events) - len(kept)
    parts: list[Node] = [element("h2", "Timeline", id="timeline")]
    parts.append(element("p", "All times in UTC.", class_="aside"))
    parts.append(_strip([event for event, _ in kept]))
    if dropped:
        parts.append(
            element("p", f"{dropped} earlier events are not on this page: ticket.json has them.", class_="cut")
        )
    for name, group in groupby(kept, key=lambda one: day(one[0].time)):
        parts.append(element("h3", name or "Unknown day"))
        parts.append(element("ol", [item for _, item in group], class_="events"))
    return element("section", parts, class_="card", aria_labelledby="timeline")


def _event(event: Event) -> Element:
    return element(
        "li",
        mark(event.kind.value),
        clock(event.time, "%H:%M:%S"),
        element("span", element("strong", event.kind.value), " ", short(event.text, 600), class_="what"),
        element("span", short(event.source, 200), class_="place"),
        class_=f"event {event.kind.value}",
    )


def _strip(events: Sequence[Event]) -> Element:
    """A lane a kind, time from left to right. The list says the same, so screen readers are told of one picture."""
    timed = [event for event in events if math.isfinite(event.time)]
    kinds = [kind for kind in EventKind if any(event.kind is kind for event in timed)]
    first = min((event.time for event in timed), default=0.0)
    span = max((event.time for event in timed), default=0.0) - first
    floor = TOP + LANE * len(kinds)
    drawn: list[Element] = []
    for index, kind in enumerate(kinds):
        middle = TOP + LANE * (index + 0.5)
        drawn.append(element("line", class_="grid", x1=f"{LEFT}%", x2=f"{RIGHT}%", y1=middle, y2=middle))
        drawn.append(element("text", kind.value, class_="lane", x="0", y=middle + 4))
        places = {_place(event.time, first, span) for event in timed if event.kind is kind}
        drawn += [
            element("rect", class_=f"at {kind.value}", x=place, width="4", y=middle - 6, height=12, rx=1)
            for place in sorted(places)
        ]
    drawn += _ends(first, first + span, floor) if timed else []
    return element(
        "svg",
        drawn,
        class_="strip",
        role="img",
        aria_label=f"When the {len(timed)} events happened. The list behind it says what they were.",
        width="100%",
        height=floor + BOTTOM,
        focusable="false",
    )


def _ends(first: float, last: float, floor: float) -> list[Element]:
    drawn = []
    for share, time, anchor in ((0.0, first, "start"), (1.0, last, "end")):
        words = clock(time, "%Y-%m-%d %H:%M").children
        x = f"{LEFT + (RIGHT - LEFT) * share:.2f}%"
        if share and last == first:
            continue
        drawn.append(element("text", *words, class_="tick", x=x, y=floor + 14, text_anchor=anchor))
    return drawn


def _place(time: float, first: float, span: float) -> str:
    """Percent of the width, in steps that an eye can tell apart."""
    share = (time - first) / span if 0 < span < math.inf else 0.0
    return f"{LEFT + (RIGHT - LEFT - 1) * round(share * 400) / 400:.2f}%"
