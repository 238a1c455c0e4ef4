"""What a report of mtr says, by the rules of Linode's guide (docs/mtr.md)."""

from __future__ import annotations

from dataclasses import dataclass

from agent.mtr import loops, loss, next_steps
from agent.mtr.loss import lossy, percent
from agent.mtr.model import Hop, Protocol, Report
from agent.mtr.path import Path, named_hop, numbers
from agent.mtr.remarks import SMALL, remarks
from agent.mtr.verdict import Judgement, Side, Verdict

UNRESOLVED = ("resolve", "name or service", "nodename", "no address associated", "temporary failure in name")
UNROUTED = ("unreachable", "no route", "down")


@dataclass(frozen=True)
class Found:
    """The verdict on a path, before notes and advice."""

    verdict: Verdict
    hop: int | None
    loss: float | None
    summary: str
    reasons: tuple[str, ...]
    side: Side = Side.UNKNOWN
    ambiguity: str = ""


def judge(report: Report, destination: str = "") -> Judgement:
    """The verdict of one report. ``destination``: its name or address, where the user knows more than the report."""
    path = Path(report, destination)
    found = _find(path)
    partial = found.hop is not None and found.loss is not None and found.loss < 100
    run = (found.hop or 0, found.loss or 0.0) if partial else None
    return Judgement(
        report=report,
        verdict=found.verdict,
        hop=found.hop,
        loss=found.loss,
        summary=found.summary,
        side=found.side,
        reasons=found.reasons,
        advice=next_steps.advice(path, found.verdict, found.side, run is not None and run[1] <= SMALL),
        notes=tuple(remarks(path, run)),
        ambiguity=found.ambiguity,
    )


def _find(path: Path) -> Found:
    if not path.answering and not _only_the_destination(path):
        return _nothing(path)
    circle = loops.find(path.hops)
    if circle is not None and not path.reached:
        return _circle(path, circle)
    if path.hops[-1].silent:
        return _silent_end(path)
    twice = loops.ends_twice(path.hops)
    if twice is not None and path.reached is not True:
        return _refused(path, path.hops[twice], path.hops[twice + 1])
    if path.reached is False:
        return _short(path)
    run = loss.run(path.hops)
    if run is None:
        return _arrives(path)
    return _run(path, run) if len(run.hops) > 1 else _destination_loses(path, run.first)


def _only_the_destination(path: Path) -> bool:
    """One row that names who does not answer: a neighbour, or a destination beside the source."""
    return len(path.hops) == 1 and bool(path.hops[0].routers)


# -- nothing came back


def _nothing(path: Path) -> Found:
    error = path.report.error
    words = error.lower()
    if any(word in words for word in UNRESOLVED):
        return Found(
            Verdict.NO_ROUTE,
            None,
            None,
            f"The name {path.named[0] + ' ' if path.named else ''}could not be resolved, so no probe was sent:"
            " this is about DNS, not about the path",
            (f"mtr said: {error}",),
            Side.SOURCE,
            "An MTR to the address instead of the name tells whether the path works",
        )
    if any(word in words for word in UNROUTED):
        return Found(
            Verdict.NO_ROUTE,
            None,
            100.0,
            f"The computer that ran mtr has no route to {path.goal}: no probe left it",
            (f"mtr said: {error}",),
            Side.SOURCE,
        )
    if error:
        summary = "mtr could not begin, so this says nothing about the path"
        return Found(Verdict.NO_ROUTE, None, None, summary, (f"mtr said: {error}",), Side.SOURCE)
    rows = f"all {len(path.hops)} rows are silent" if path.hops else "the report has no row at all"
    return Found(
        Verdict.NO_ROUTE,
        None,
        100.0,
        "Nothing answered at all, not even the first router: the local network, or the gateway, of the computer"
        " that ran mtr is dead",
        (f"{rows}; the first to answer should have been the gateway",),
        Side.SOURCE,
        "A gateway that drops every probe looks like a dead one; pinging it, or any other address, tells",
    )


def _circle(path: Path, circle: loops.Loop) -> Found:
    first = circle.hops[0]
    return Found(
        Verdict.LOOP,
        first.number,
        100.0,
        f"Packets run in a circle from {named_hop(first)} on, and never reach {_goal(path)}",
        (
            f"{numbers(circle.hops)} take turns again and again: {', '.join(hop.router for hop in circle.hops)}",
            "Two routers that send packets to each other are configured wrongly; only their operator can change that",
        ),
        path.side(first) if first.number <= 3 else Side.MIDDLE,
    )


def _silent_end(path: Path) -> Found:
    rows = path.hops
    tail = [hop for hop in rows if not path.answering or hop.number > path.answering[-1].number]
    row = rows[-1]
    last = path.answering[-1] if path.answering else None
    own = len(tail) == 1 and last is not None and path.in_destination_network(last)
    if len(tail) == 1 and (row.routers or own):
        who = named_hop(row) if row.routers else f"hop {row.number}"
        reasons = [f"{numbers(path.answering)} answer, {who} lost all its probes"] if last else [f"{who} is silent"]
        if own and last is not None and not row.routers:
            reasons.append(f"{named_hop(last)} is in the destination's own network, so the next one is the destination")
        return Found(
            Verdict.DESTINATION_ONLY_100,
            row.number,
            100.0,
            f"The path works up to the destination, but the destination itself, {who}, never answers",
            (*reasons, *_lost_before(path)),
            Side.DESTINATION,
            _silent_destination(path),
        )
    assert last is not None  # without an answer there would be one named row
    silent = f"{numbers(tail)} {'is' if len(tail) == 1 else 'are'} silent (???)"
    return Found(
        Verdict.UNRESPONSIVE_TO_END,
        last.number,
        100.0,
        f"The path ends after {named_hop(last)}: nothing behind it answers, nor does {_goal(path)}",
        (f"{named_hop(last)} is the last that answers; {silent}", *_lost_before(path)),
        _side_of_end(path, last),
        "A path that dies there and a destination that answers no probes look the same. A TCP connection to an"
        f" open port ({_port_test(path)}) that succeeds shows a silent destination; so does an MTR in rescue mode,"
        " where Finnix answers ping",
    )


def _side_of_end(path: Path, last: Hop) -> Side:
    """Of a path that dies nobody knows how long it would have been: only networks, and the first hops, tell."""
    if path.in_destination_network(last):
        return Side.DESTINATION
    return Side.SOURCE if path.side(last) is Side.SOURCE or last.number <= 2 else Side.UNKNOWN


def _refused(path: Path, router: Hop, row: Hop) -> Found:
    """The last router answers twice: it says that it can't, or won't, deliver."""
    waited = row.average is not None and row.average >= 200 and row.average > 5 * (router.average or 0)
    if waited:
        why = "it waits seconds for the destination and then gives up: nobody answers its ARP or neighbour request"
    else:
        why = "it refuses at once: a firewall on it, a route that is gone, or nobody who has that address"
    return Found(
        Verdict.DESTINATION_ONLY_100,
        row.number,
        100.0,
        f"The last router, {named_hop(router)}, is reached but reports that it can't deliver to {_goal(path)}",
        (
            f"hops {router.number} and {row.number} are the same address: row {row.number} is no further hop, but the"
            " router's message that the destination is unreachable",
            why[0].upper() + why[1:],
            *_lost_before(path),
        ),
        Side.DESTINATION,
        "A destination that is off, one whose address is not configured, and (without the wait) a firewall in front"
        f" of it look alike. Rescue mode tells: Finnix answers at that address. If {row.router} is the destination's"
        " own address, it was reached",
    )


def _short(path: Path) -> Found:
    """The last row answers, but is not the destination."""
    last = path.hops[-1]
    return Found(
        Verdict.UNRESPONSIVE_TO_END,
        last.number,
        100.0,
        f"The path ends at {named_hop(last)}, which is not {path.goal}: nothing behind it answers",
        (
            f"{named_hop(last)} is the last row, and not the destination: it has reported that the destination can't"
            " be reached, or the report was cut",
            *([f"it lost {percent(last.loss)} of the probes itself"] if last.loss else []),
        ),
        _side_of_end(path, last),
        f"A report that was cut, or stopped at a number of hops (mtr -m), looks the same; {_port_test(path)} tells",
    )


# -- the last row answers


def _arrives(path: Path) -> Found:
    last = path.hops[-1]
    bad = [hop for hop in path.answering if lossy(hop)]
    some = f"all but {percent(last.loss)} of the" if last.loss else "all"
    fine = f"{_goal(path)} answers {some} probes"
    if not bad:
        return Found(
            Verdict.HEALTHY,
            None,
            last.loss,
            f"The path is fine: {fine}{_time(last)}",
            (f"the last row, {named_hop(last)}, lost {percent(last.loss) if last.loss else 'nothing'}",),
        )
    most = max(bad, key=lambda hop: hop.loss)
    routers = "this router only limits its" if len(bad) == 1 else "these routers only limit their"
    return Found(
        Verdict.RATE_LIMITED_HOPS_ONLY,
        None,
        last.loss,
        f"The path is fine: {fine}; loss at {numbers(bad)} does not go on, {routers} answers",
        (
            f"{named_hop(most)} lost {percent(most.loss)}, but {_clean_behind(path, most)} answer"
            f"{'s' if most is path.answering[-2] else ''} without it: every packet for there passes hop {most.number}",
        ),
    )


def _clean_behind(path: Path, hop: Hop) -> str:
    return numbers([each for each in path.answering if each.number > hop.number and not lossy(each)][-3:])


def _run(path: Path, run: loss.Run) -> Found:
    first, last = run.first, path.hops[-1]
    before = [hop for hop in path.answering if hop.number < first.number]
    reasons = [f"{numbers(run.hops)} lose packets without a gap to the end, {percent(run.loss)} at least"]
    if before:
        reasons.insert(0, f"{numbers(before)} {'is' if len(before) == 1 else 'are'} clean, or nearly")
    if max(hop.loss for hop in run.hops) >= run.loss + loss.LEAST:
        reasons.append(
            f"the lowest loss of the run, {percent(run.loss)}, is the true one: what a router shows above it, it only"
            " did not care to answer"
        )
    if path.report.protocol is Protocol.TCP:
        reasons.append("with TCP probes the place where it begins is not sure")
    return Found(
        Verdict.PERSISTENT_LOSS,
        first.number,
        run.loss,
        f"Packets are lost from {named_hop(first)} on, up to the last hop: {percent(run.loss)} of them",
        tuple(reasons),
        path.side(first),
        f"They may be lost on the way back, which can be another one: an MTR from {_goal(path, last)} to the source"
        " shows it",
    )


def _destination_loses(path: Path, row: Hop) -> Found:
    before = [hop for hop in path.answering if hop.number < row.number]
    if before:
        verb = "does" if len(before) == 1 else "do"
        reason = f"{numbers(before)} {verb} not lose it; hop {row.number}, the last, does"
        other = "its link, its load, or a limit on its answers to ping"
    else:
        reason = f"nobody before hop {row.number} answers, so where the loss begins can't be seen"
        other = "the path before it"
    unsure = "" if path.reached else f". If hop {row.number} is not the destination, the path ends there"
    return Found(
        Verdict.DESTINATION_PARTIAL,
        row.number,
        row.loss,
        f"The destination alone, {named_hop(row)}, loses packets: {percent(row.loss)}",
        (reason, *_lost_before(path)),
        Side.DESTINATION,
        f"The loss can be {other}, or the way back. {_port_test(path, row)}, repeated, tells a limit on ping from real"
        f" loss; an MTR from there to the source shows the way back{unsure}",
    )


def _lost_before(path: Path) -> tuple[str, ...]:
    """Loss at hops before the place that the verdict is about."""
    bad = [hop for hop in path.answering[:-1] if lossy(hop)]
    if not bad:
        return ()
    return (f"loss at {numbers(bad)} (up to {percent(max(hop.loss for hop in bad))}) is not what stops the packets",)


def _silent_destination(path: Path) -> str:
    return (
        "A host that is down, one whose network is configured wrongly, and one whose firewall drops ping look the"
        f" same. {_port_test(path)} tells whether it is only ping; rescue mode, where Finnix answers ping, tells"
        " whether it is the configuration on its disk"
    )


def _goal(path: Path, row: Hop | None = None) -> str:
    if path.named:
        return path.named[0]
    return row.router if row is not None else path.goal


def _port_test(path: Path, row: Hop | None = None) -> str:
    goal = path.named[0] if path.named else (row.routers[0].address or row.routers[0].name) if row else "ADDRESS"
    return f"nc -vz {goal} 22"


def _time(last: Hop) -> str:
    from agent.mtr.latency import milliseconds

    return "" if last.average is None else f", {milliseconds(last.average)} on average"
