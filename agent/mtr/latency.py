"""What the times of a report say: steps that stay, jumps at one hop, and how steady the destination is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.mtr.model import Hop
from agent.mtr.path import numbers

STEP = 60.0  # milliseconds: more than any continent is wide in fibre
UNSTEADY = 0.25  # of the average: a deviation above this, and above ...
SHAKING = 20.0  # ... milliseconds
SLOW = 300.0  # milliseconds: more than half-way round the world


def notes(hops: Sequence[Hop], reached: bool) -> Iterator[str]:
    """What stands out, by hop. ``reached``: the last row is the destination."""
    timed = [(hop, hop.average) for hop in hops if not hop.silent and hop.average is not None]
    if len(timed) > 1:
        yield from _steps(timed)
        yield from _jumps(timed)
    if timed and reached and timed[-1][0] is hops[-1]:
        yield from _at_the_end(*timed[-1])


def _lowest_behind(timed: Sequence[tuple[Hop, float]]) -> list[float]:
    """For each hop the lowest average of itself and all later ones: what the hop really takes."""
    lowest = [average for _, average in timed]
    for index in range(len(lowest) - 2, -1, -1):
        lowest[index] = min(lowest[index], lowest[index + 1])
    return lowest


def _steps(timed: Sequence[tuple[Hop, float]]) -> Iterator[str]:
    lowest = _lowest_behind(timed)
    for index in range(1, len(timed)):
        before, now = lowest[index - 1], lowest[index]
        if now - before >= STEP:
            first, hop = timed[index - 1][0], timed[index][0]
            yield (
                f"Latency rises by {milliseconds(now - before)} between hops {first.number} and {hop.number} and stays:"
                " a long link (across an ocean that is normal), congestion, or a slow way back, which is not shown"
            )


def _jumps(timed: Sequence[tuple[Hop, float]]) -> Iterator[str]:
    lowest = _lowest_behind(timed)
    high = [hop for index, (hop, average) in enumerate(timed[:-1]) if average - lowest[index + 1] >= STEP]
    if high:
        yield (
            f"High latency at {numbers(high)} alone is of no importance: later hops answer faster, so"
            f" {'this router is' if len(high) == 1 else 'these routers are'} only slow to answer"
        )


def _at_the_end(hop: Hop, average: float) -> Iterator[str]:
    deviation = hop.deviation
    if deviation is not None and deviation >= SHAKING and deviation >= average * UNSTEADY:
        best = "" if hop.best is None or hop.worst is None else f", {hop.best:.0f} to {milliseconds(hop.worst)}"
        yield (
            f"The times of hop {hop.number} vary widely (average {milliseconds(average)}, deviation"
            f" {milliseconds(deviation)}{best}): congestion, or a busy destination"
        )
    elif average >= SLOW:
        yield (
            f"Hop {hop.number} takes {milliseconds(average)} on average, more than the longest cables explain:"
            " congestion, a satellite, or a detour on the way there or back"
        )


def milliseconds(value: float) -> str:
    """ "0.3 ms", "212 ms"."""
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
