"""What a report says, in one word and in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.mtr.model import Report


class Verdict(str, Enum):
    """The words of the contract (docs/mtr.md)."""

    HEALTHY = "healthy"
    RATE_LIMITED_HOPS_ONLY = "rate_limited_hops_only"
    PERSISTENT_LOSS = "persistent_loss"
    UNRESPONSIVE_TO_END = "unresponsive_to_end"
    DESTINATION_ONLY_100 = "destination_only_100"
    DESTINATION_PARTIAL = "destination_partial"
    LOOP = "loop"
    NO_ROUTE = "no_route"

    @property
    def harmless(self) -> bool:
        """True when packets arrive as they should."""
        return self in (Verdict.HEALTHY, Verdict.RATE_LIMITED_HOPS_ONLY)


class Side(str, Enum):
    """Whose network the trouble lies in, as far as a report tells."""

    SOURCE = "source"  # the first hops: the provider of whoever ran mtr
    MIDDLE = "middle"
    DESTINATION = "destination"  # the last hops: the network of the destination
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Judgement:
    """The verdict of one report.

    ``hop`` is where the trouble begins (the last hop that answered, for a path that dies), None for a healthy path.
    ``loss`` is the true loss to the destination in percent, None where nothing can be said. ``summary`` is one
    sentence. ``reasons`` say why, with hop numbers; ``advice`` what to do next, in order; ``notes`` what else stands
    out (latency, too few cycles, the Great Firewall); ``ambiguity`` what the report can't tell apart, with the test
    that tells ("" where there is none).
    """

    report: Report
    verdict: Verdict
    hop: int | None
    loss: float | None
    summary: str
    side: Side = Side.UNKNOWN
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ambiguity: str = ""
