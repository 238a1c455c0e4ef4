"""What else stands out in a report: too few probes, silent routers, loss that does not count, the Great Firewall."""

from __future__ import annotations

from collections.abc import Iterator

from agent.mtr import latency, loops, owners
from agent.mtr.loss import ENOUGH, LEAST, percent
from agent.mtr.model import Protocol
from agent.mtr.path import Path, numbers

SMALL = 10.0  # percent, up to which the protocols above cope, by Linode's guide
FIRST = 5  # public hops among which a source in China shows its provider


def remarks(path: Path, run: tuple[int, float] | None) -> Iterator[str]:
    """The notes on a report. ``run``: the hop from which on some loss reaches the end, and how much."""
    if run is not None and run[1] <= SMALL:
        yield "Loss of 10 % or less is hardly felt by what runs over TCP, and often passes by itself"
    yield from _few_cycles(path, run)
    yield from _china(path)
    yield from _blemishes(path, None if run is None else run[0])
    if path.report.protocol is Protocol.TCP:
        yield (
            "Probes were TCP: many routers don't answer these, so loss between the ends means little; only the last"
            " hop counts"
        )
    if path.report.protocol is Protocol.UDP:
        yield "Probes were UDP: many destinations answer none, or only some of them"
    twice = None if path.reached else loops.ends_twice(path.hops)
    hops = path.hops if twice is None else path.hops[: twice + 1]
    yield from latency.notes(hops, path.reached is not False and twice is None)


def _few_cycles(path: Path, run: tuple[int, float] | None) -> Iterator[str]:
    cycles = path.report.cycles
    if cycles is None or cycles >= ENOUGH or not path.hops:
        return
    probes = f"{cycles} probe{'' if cycles == 1 else 's'} a hop"
    if run is not None:
        one = percent(100 / max(cycles, 1))
        yield f"Too few cycles to be sure ({probes}, so one lost packet is {one}): repeat it with 100 (mtr -c 100)"
    else:
        yield f"Only {probes}: rare loss would not show, and support asks for 100 (mtr -c 100)"


def _blemishes(path: Path, run: int | None) -> Iterator[str]:
    last = path.answering[-1].number if path.answering else 0
    silent = [hop for hop in path.hops if hop.silent and hop.number < last]
    if silent:
        yield (
            f"Silence (???) at {numbers(silent)} is harmless: later hops answer, so packets get through; such routers"
            " just don't answer"
        )
    small = [hop for hop in path.hops if 0 < hop.loss < LEAST and not hop.silent and (run is None or hop.number < run)]
    if small:
        most = percent(max(hop.loss for hop in small))
        yield f"Loss of {most} {'or less ' if len(small) > 1 else ''}at {numbers(small)} is too little to mean anything"


def _china(path: Path) -> Iterator[str]:
    blemished = any(hop.loss > 0 or hop.silent for hop in path.hops)
    public = [hop for hop in path.answering if not owners.private(hop)]
    known = [owners.owner(hop) for hop in public[:FIRST]]
    inside = any(owner is not None and owner.china for owner in known)
    ends = path.report.source.lower().rstrip(".").endswith(".cn")
    if blemished and (inside or ends):
        yield (
            "The path comes out of China: loss, ??? or silence there can be the Great Firewall, which Linode can't"
            " change; a new address of the server is no cure. Compare with an MTR from another country"
        )
