"""Which loss counts, and from which hop on it goes through to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, log1p

from agent.mtr.model import Hop

LEAST = 3.0  # percent: one or two packets of a hundred are chance, or a router that was busy
ENOUGH = 100  # cycles: with fewer, one packet is more than 1 %
DOUBT = 0.01  # a hop that would lose so little by chance only this often does not lose what the end loses
ASSUMED = 10  # cycles where the report does not tell: what mtr --report sends


@dataclass(frozen=True)
class Run:
    """Answering hops that lose packets, up to the last row without a gap."""

    hops: tuple[Hop, ...]

    @property
    def first(self) -> Hop:
        return self.hops[0]

    @property
    def loss(self) -> float:
        """The lowest loss of the run: the true one. What a router loses above that, it did not care to answer."""
        return min(hop.loss for hop in self.hops)


def lossy(hop: Hop) -> bool:
    """True for a hop that answers, and has lost more than chance explains."""
    return not hop.silent and hop.loss >= LEAST


def lost(hop: Hop) -> int | None:
    """Probes without an answer, None where the report does not tell how many were sent."""
    return None if hop.sent is None else round(hop.sent * hop.loss / 100)


def run(hops: Sequence[Hop]) -> Run | None:
    """The run of loss that reaches the last row; silent rows inside are skipped.

    A hop belongs to it when it loses as much as the lowest loss behind it, or more, or so little less that chance
    explains it.
    """
    found: list[Hop] = []
    lowest = 100.0
    for hop in reversed(hops):
        if hop.silent:
            if not found:
                return None
            continue
        if not lossy(hop) or (found and clearly_less(hop, lowest)):
            break
        found.append(hop)
        lowest = min(lowest, hop.loss)
    return Run(tuple(reversed(found))) if found else None


def clearly_less(hop: Hop, loss: float) -> bool:
    """True when a hop that loses ``loss`` percent would hardly ever have lost as little as this one (binomial)."""
    if hop.loss >= loss:
        return False
    sent = hop.sent or ASSUMED
    return at_most(round(sent * hop.loss / 100), sent, loss / 100) < DOUBT


def at_most(count: int, tries: int, chance: float) -> float:
    """The probability of ``count`` successes or fewer in ``tries``."""
    if chance <= 0 or count >= tries:
        return 1.0
    if chance >= 1:
        return 0.0
    if tries > 100_000:  # nobody sends so many: the rate itself is then exact enough
        return 0.0
    total = 0.0
    for k in range(count, -1, -1):
        ways = lgamma(tries + 1) - lgamma(k + 1) - lgamma(tries - k + 1)
        step = exp(ways + k * log(chance) + (tries - k) * log1p(-chance))
        total += step
        if step < total * 1e-9:
            break
    return min(total, 1.0)


def percent(loss: float) -> str:
    """ "40 %", "4.8 %"."""
    return f"{loss:.1f}".rstrip("0").rstrip(".") + " %"
