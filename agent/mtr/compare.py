"""Two reports side by side: the same path from a booted server and from rescue mode, or both directions of one path."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.mtr import next_steps, owners
from agent.mtr.loss import ASSUMED, LEAST, at_most, percent
from agent.mtr.model import Hop
from agent.mtr.path import Path, named_hop
from agent.mtr.verdict import Judgement, Verdict

CHANCE = 0.05  # two losses that would differ so much this often by chance are the same


class Cause(str, Enum):
    """What a comparison with rescue mode decides."""

    CONFIGURATION = "configuration"  # of the disk: its network, or its firewall
    OUTSIDE = "outside"
    NONE = "none"  # both are fine
    RESCUE_ONLY = "rescue_only"
    UNCLEAR = "unclear"  # too few cycles, or nothing that fits
    NOT_COMPARABLE = "not_comparable"


@dataclass(frozen=True)
class Comparison:
    """The server as it booted from its disk, against the same server in rescue mode."""

    normal: Judgement
    rescue: Judgement
    cause: Cause
    summary: str
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Directions:
    """A path, and the path back."""

    forward: Judgement
    reverse: Judgement
    summary: str
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


def compare(normal: Judgement, rescue: Judgement) -> Comparison:
    """Whether the disk's configuration is at fault, as Linode's guide decides it: rescue mode has another."""
    cause, summary, reasons = _decide(normal, rescue)
    told = tuple(f"{name}: {each.summary}" for name, each in (("booted", normal), ("in rescue mode", rescue)))
    return Comparison(normal, rescue, cause, summary, (*reasons, *told), _ADVICE[cause])


_AGAIN = "Run both again, with 100 cycles and to the same address: mtr -rwbzc 100 ADDRESS"
_ADVICE = {
    Cause.CONFIGURATION: (
        "Look at the disk from rescue mode: agent rescue, or agent scan --device /dev/sda",
        "Check addresses, gateway and routes, then the firewall: agent firewall --device /dev/sda --proto icmp",
        "With Network Helper enabled (Cloud Manager), a boot writes the network configuration anew",
    ),
    Cause.OUTSIDE: (next_steps.TICKET, "Say in the ticket that rescue mode shows the same"),
    Cause.NONE: ("Nothing to do about the path. If a service can't be reached, it is the host: agent scan",),
    Cause.RESCUE_ONLY: (
        "In rescue mode, see whether the network is up: ip addr; ip route; it gets one public IPv4 address by DHCP, and"
        " no other",
        "Run both again, to the IPv4 address that rescue mode has",
    ),
    Cause.UNCLEAR: (_AGAIN, f"If it stays unclear: {next_steps.TICKET[0].lower()}{next_steps.TICKET[1:]}"),
    Cause.NOT_COMPARABLE: (_AGAIN,),
}


def _decide(normal: Judgement, rescue: Judgement) -> tuple[Cause, str, tuple[str, ...]]:
    why = _not_comparable(normal, rescue)
    if why:
        return Cause.NOT_COMPARABLE, f"These two can't be compared: {why}", ()
    if normal.verdict.harmless and rescue.verdict.harmless:
        return Cause.NONE, "Both are fine: neither the path nor the network configuration is at fault now", ()
    if normal.verdict.harmless:
        return (
            Cause.RESCUE_ONLY,
            "Only rescue mode has trouble: that says nothing against the disk's configuration",
            ("the path that the booted server uses works",),
        )
    before, after = _total(normal), _total(rescue)
    if after >= 100 and before < 100:
        return (
            Cause.UNCLEAR,
            "In rescue mode nothing arrives, though some did before: its own network is not up, or the trouble grew",
            (),
        )
    if before >= 100 and after < 100:
        rest = () if rescue.verdict.harmless else (f"the {percent(after)} that is lost in rescue mode too is outside",)
        return (
            Cause.CONFIGURATION,
            "The configuration on the disk is at fault (network or firewall): in rescue mode the same server answers",
            ("the same address, gateway and data centre work with the rescue system's own configuration", *rest),
        )
    if before >= 100:
        return (
            Cause.OUTSIDE,
            "The trouble is outside the disk's configuration: in rescue mode the server can't be reached either",
            ("rescue mode uses nothing of the disk, and does no better",),
        )
    return _by_loss(normal, rescue, before, after)


def _by_loss(normal: Judgement, rescue: Judgement, before: float, after: float) -> tuple[Cause, str, tuple[str, ...]]:
    probes = (_probes(normal), _probes(rescue))
    told = (
        f"{percent(before)} of {probes[0]} probes are lost when booted, {percent(after)} of {probes[1]} in rescue mode"
    )
    if _differs(before, probes[0], after, probes[1]):
        if after < LEAST:
            return (
                Cause.CONFIGURATION,
                "The loss is gone in rescue mode: the configuration on the disk, or its load, is at fault",
                (told,),
            )
        if after < before:
            summary = "Rescue mode loses less: part of it is the server's own, the rest is outside"
        else:
            summary = "Rescue mode loses more: the loss changes with time, so it is outside"
        return Cause.OUTSIDE, summary, (told,)
    if rescue.verdict.harmless:
        return Cause.UNCLEAR, "Too few cycles to decide: the difference can be chance", (told,)
    return Cause.OUTSIDE, "The loss is the same in rescue mode: it is outside the disk's configuration", (told,)


def _total(judgement: Judgement) -> float:
    return 100.0 if judgement.loss is None else judgement.loss


def _probes(judgement: Judgement) -> int:
    return judgement.report.cycles or ASSUMED


def _differs(one: float, of_one: int, other: float, of_other: int) -> bool:
    """Two losses of which the lower would hardly ever come out of a path that loses the higher."""
    (low, sent), high = ((one, of_one), other) if one < other else ((other, of_other), one)
    return low < high and at_most(round(sent * low / 100), sent, high / 100) < CHANCE


def _not_comparable(normal: Judgement, rescue: Judgement) -> str:
    one, other = Path(normal.report), Path(rescue.report)
    for ends in ((_addresses(one), _addresses(other)), (_names(one), _names(other))):
        if all(ends):
            if not ends[0] & ends[1]:
                return f"they go to different destinations ({_goal(one)} and {_goal(other)})"
            break
    if normal.report.protocol is not rescue.report.protocol:
        return (
            f"their probes were different ({normal.report.protocol.value} and {rescue.report.protocol.value}), and"
            " firewalls treat these differently"
        )
    return ""


def _goal(path: Path) -> str:
    return path.named[-1] if path.named else path.goal


def _addresses(path: Path) -> frozenset[str]:
    """The destination's, as told; else those of a last row that answers."""
    found = path.addresses or frozenset(
        owners.addresses(path.hops[-1]) if path.hops and not path.hops[-1].silent else ()
    )
    return frozenset(str(address) for address in found)


def _names(path: Path) -> frozenset[str]:
    return frozenset(text.lower() for text in path.named if owners.address_of(text) is None)


# -- both directions


def directions(forward: Judgement, reverse: Judgement) -> Directions:
    """What a report from the other end adds. Probes and answers of either report use both ways."""
    reasons = [f"{name}: {each.summary}" for name, each in (("there", forward), ("back", reverse))]
    there, back = forward.verdict.harmless, reverse.verdict.harmless
    same = Path(forward.report).addresses & Path(reverse.report).addresses
    if same:
        return Directions(
            forward,
            reverse,
            f"Both reports go to {next(iter(same))}: the second is not the other direction",
            tuple(reasons),
            ("Run the second on the other computer, to the address of the first",),
        )
    if there and back:
        summary = "Both directions are fine"
        advice: tuple[str, ...] = forward.advice
    elif there or back:
        summary, advice = _one_sided(forward, reverse)
    else:
        summary = _both_bad(forward, reverse)
        advice = (f"Open a support ticket with both reports{next_steps.BY_US}", next_steps.RESCUE)
    return Directions(forward, reverse, summary, tuple(reasons), advice)


def _one_sided(forward: Judgement, reverse: Judgement) -> tuple[str, tuple[str, ...]]:
    bad, name = (reverse, "back") if forward.verdict.harmless else (forward, "there")
    other = "there" if name == "back" else "back"
    if bad.verdict is Verdict.NO_ROUTE:
        return f"Only the way {name} has trouble, and that at its beginning: {bad.summary}", bad.advice
    if _total(bad) >= 100:
        summary = (
            f"The network carries packets both ways (the report {other} proves it); what is not answered are the probes"
            f" {name}: a firewall that drops ping at their destination is likely, a fault of the path is not"
        )
        return summary, (next_steps.CLOUD_FIREWALL, *bad.advice)
    return (
        f"Only the report {name} loses packets. Each report uses both ways, so either the loss had passed, or the"
        f" destination of the way {name} limits its answers",
        ("Run both at the same time, with 100 cycles", *bad.advice),
    )


def _both_bad(forward: Judgement, reverse: Judgement) -> str:
    one, other = _hop(forward), _hop(reverse)
    if one is None or other is None:
        return "Both directions have trouble"
    owner = owners.owner(one)
    same_number = owners.number_of(one) is not None and owners.number_of(one) == owners.number_of(other)
    text = f"Both directions have trouble: there from {named_hop(one)}, back from {named_hop(other)}"
    if same_number or (owner is not None and owner is owners.owner(other)):
        return f"{text}; both are {owner.name if owner else one.asn}'s"
    return f"{text}; the fault lies between these two"


def _hop(judgement: Judgement) -> Hop | None:
    return next((hop for hop in judgement.report.hops if hop.number == judgement.hop), None)
