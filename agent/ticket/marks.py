"""States and kinds as a shape with a word beside it: never told by colour alone."""

from __future__ import annotations

from datetime import datetime, timezone

from agent.diagnosis.model import LayerState, Severity, VerdictState
from agent.report.style import moment
from agent.ticket.markup import Element, element
from agent.ticket.model import EventKind

# Shapes of 16 by 16, filled by the even-odd rule: what is drawn inside of a shape is cut out of it.
CHECK = "M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0zM3.2 8.2l1.4-1.4 2.2 2.2 4.6-4.6 1.4 1.4-6 6z"
TRIANGLE = "M8 0.5L16 15H0zM7.1 5.5v5h1.8v-5zM7.1 11.6v1.8h1.8v-1.8z"
CROSS = (
    "M4.7 0h6.6L16 4.7v6.6L11.3 16H4.7L0 11.3V4.7z"
    "M4 5.3L6.7 8 4 10.7 5.3 12 8 9.3 10.7 12 12 10.7 9.3 8 12 5.3 10.7 4 8 6.7 5.3 4z"
)
RING = "M8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0zM8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM4.5 7.1h7v1.8h-7z"
SHAPES = {
    LayerState.OK.value: CHECK,
    LayerState.WARNING.value: TRIANGLE,
    LayerState.BROKEN.value: CROSS,
    LayerState.UNCHECKED.value: RING,
    VerdictState.HEALTHY.value: CHECK,
    VerdictState.DEGRADED.value: TRIANGLE,
    VerdictState.UNKNOWN.value: RING,
    Severity.CRITICAL.value: CROSS,
    Severity.INFO.value: RING,
    EventKind.BOOT.value: "M7 0h2v8H7zM4 2.2v2.4a5 5 0 1 0 8 0V2.2A7 7 0 1 1 4 2.2z",
    EventKind.PACKAGE.value: "M1 1h14v14H1zM3 3v2h10V3zM3 7v6h10V7zM6 8h4v2H6z",
    EventKind.FILE.value: "M2 0h8l4 4v12H2zM4 2v12h8V5H9V2zM5 8h6v1.5H5zM5 10.5h6V12H5z",
    EventKind.CHANGE.value: "M8 0l8 8-8 8-8-8zM8 3L3 8l5 5 5-5z",
    EventKind.FAILURE.value: CROSS,
    EventKind.LOGIN.value: "M8 1a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM1 15c0-8 14-8 14 0z",
}


def mark(state: str) -> Element:
    """The shape of a state. It is hidden from screen readers: the word stands beside it."""
    shape = element("path", d=SHAPES.get(state, RING))
    return element("svg", shape, class_=f"mark {state}", viewBox="0 0 16 16", aria_hidden="true", focusable="false")


def badge(state: str, words: str = "") -> Element:
    """Shape and word of a state."""
    return element("span", mark(state), " ", element("strong", words or state), class_=f"badge {state}")


def clock(seconds: float | None, layout: str = "%Y-%m-%d %H:%M:%S") -> Element:
    """A time in UTC, for people and machines; "unknown time" where a calendar has none."""
    shown = moment(seconds, layout)
    if not shown or seconds is None:
        return element("span", "unknown time")
    return element("time", shown, datetime=moment(seconds, "%Y-%m-%dT%H:%M:%SZ"))


def day(seconds: float) -> str:
    """The day of a time, with its weekday; "" where a calendar has none."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%A, %Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return ""
