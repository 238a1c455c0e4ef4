"""What a round trip gives: how far each of its legs came, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.lab.scenarios.model import Scenario

STEPS = ("broken", "fixed", "healthy", "undone", "broken again")


@dataclass
class Leg:
    """One way of fixing one host: how far it came. ``steps`` says of each step how it went: "yes", "NO", or
    from where it was undone; a step that is absent was not reached, or can't be had."""

    way: str  # "live", "offline"
    steps: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # what the agent itself said, run by run
    seconds: float = 0.0


@dataclass
class Result:
    """All legs of a trip. ``error`` says why it could not be acted out."""

    legs: list[Leg] = field(default_factory=list)
    console: str = ""  # its end, of the last host
    error: str = ""


@dataclass(frozen=True)
class RoundTrip:
    """How a trip went, leg by leg. ``problems`` is empty when all was as it must be."""

    suite: str
    scenario: Scenario
    legs: tuple[Leg, ...]
    problems: tuple[str, ...]


def judge_trip(suite: str, scenario: Scenario, result: Mapping[str, object]) -> RoundTrip:
    """Reads what `main` wrote."""
    raw = result.get("legs", [])
    assert isinstance(raw, list)
    legs = tuple(Leg(**leg) for leg in raw)
    problems = [f"could not be acted out: {result['error']}"] if result["error"] else []
    for leg in legs:
        problems += [f"{leg.way}: {problem}" for problem in leg.problems]
        if leg.problems:
            problems += [f"{leg.way}: {text}" for text in leg.said]
    if problems and result.get("console"):
        problems.append(f"the console ends with:\n{result['console']}")
    return RoundTrip(suite, scenario, legs, tuple(problems))


def table(trips: Sequence[RoundTrip]) -> Iterator[str]:
    """A line a leg: each step, and from where it was undone; then what went wrong."""
    rows: list[tuple[str, ...]] = [("scenario", "suite", "fixed by", *STEPS, "seconds")]
    for trip in trips:
        for leg in trip.legs:
            steps = [leg.steps.get(step, "-") for step in STEPS]
            rows.append((trip.scenario.name, trip.suite, leg.way, *steps, f"{leg.seconds:.0f}"))
        if not trip.legs:
            rows.append((trip.scenario.name, trip.suite, "-", *("-" for _ in STEPS), "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
    for trip in trips:
        for problem in trip.problems:
            yield f"{trip.suite}, {trip.scenario.name}: {problem}"
    for note in sorted({f"{trip.scenario.name}: {trip.scenario.note}" for trip in trips if trip.scenario.note}):
        yield f"note: {note}"
    wrong = sum(1 for trip in trips if trip.problems)
    yield f"{len(trips)} round trips, {len(rows) - 1} ways, {wrong} wrong"
