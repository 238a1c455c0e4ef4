"""The top of the page: what is broken, why we believe it, what repairs it, since when; and the ladder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from agent.change.model import Change, ChangeState
from agent.diagnosis.model import Evidence, Finding, LayerState, Rung, Status, VerdictState
from agent.fixes.offers import invocation
from agent.mtr.verdict import Judgement
from agent.report.model import Scan
from agent.report.style import moment
from agent.ticket.marks import badge, clock, mark
from agent.ticket.markup import Element, Node, element
from agent.ticket.model import Ticket, Trace
from agent.ticket.room import left_out, short
from agent.ticket.since import changed, sentences

SENTENCES = 6  # about since when it is
PATHS = 6  # reports of mtr in the answer
CHANGED = 24  # lines about what was changed before
EVIDENCES = 3  # in the answer; the finding itself has more
COMMANDS = 20


def headline(scan: Scan) -> str:
    """The verdict in a few words: "BROKEN at manager"."""
    verdict = scan.verdict
    where = f" at {verdict.layer.value}" if verdict.layer is not None and verdict.finding is not None else ""
    return f"{verdict.state.value.upper()}{where}"


def answer(ticket: Ticket) -> Element:
    """The verdict first."""
    scan = ticket.scan
    verdict, cause = scan.verdict, scan.verdict.finding
    parts: list[Node] = [*_standing(scan.interrupted, scan.unconfirmed, scan.subject.root)]
    parts.append(element("p", badge(verdict.state.value, headline(scan)), class_="state"))
    if cause is None:
        parts.append(element("h2", short(verdict.summary), id="answer"))
        parts += lines("Next", verdict.next)
        if verdict.state is VerdictState.UNKNOWN:
            parts += _since(ticket, None)
    else:
        sure = cause.status is Status.CONFIRMED
        parts.append(element("h2", "" if sure else "Suspected: ", short(cause.title), id="answer"))
        parts.append(facts((("Proof" if sure else "Not proven", short(cause.proof)),)))
        parts += evidence(cause.evidence[:EVIDENCES])
        parts += cure(cause, scan)
        parts += _since(ticket, cause)
    parts += _paths(ticket)
    return element("section", parts, class_=f"card answer {verdict.state.value}", aria_labelledby="answer")


def path_badge(judgement: Judgement) -> Element:
    """The verdict on a report of mtr."""
    return badge("ok" if judgement.verdict.harmless else "broken", judgement.verdict.value.replace("_", " "))


def title(trace: Trace) -> str:
    """Where a report was made, as a heading."""
    return short(trace.title[:1].upper() + trace.title[1:], 300)


def ladder(rungs: Sequence[Rung]) -> Element:
    """The rungs as one climbs them: the lowest at the bottom."""
    steps = [_rung(rung) for rung in reversed(rungs)]
    return element(
        "section",
        element("h2", "The ladder", id="ladder"),
        element("p", "You can ssh in", class_="end"),
        element("ol", steps, class_="ladder", reversed=True),
        element("p", "Powered on: climb from here", class_="end"),
        class_="card",
        aria_labelledby="ladder",
    )


def cure(finding: Finding, scan: Scan) -> Iterator[Element]:
    """The fix that our own command offers and how to take it back; else the rule's advice."""
    offer = scan.offers.of(finding)
    if offer is None:
        yield facts((("Cure", short(finding.advice.text)),))
        yield from lines("Run", finding.advice.commands)
        yield from lines("Undo", finding.advice.undo)
        return
    plan = offer.plan
    yield from lines("Repair it", (offer.command,))
    what = " ".join([plan.summary, *plan.warnings[:1], *(["It takes effect at the next boot."] if plan.reboot else [])])
    yield element("p", short(what), class_="aside")
    yield from lines("Take it back", (offer.undo,))


def lines(label: str, commands: Sequence[str]) -> Iterator[Element]:
    """Commands to be typed, whole and one a line; sentences are prose."""
    if not commands:
        return
    shown = [short(command) for command in commands[:COMMANDS]]
    more = "and more: ticket.json has them all" if len(commands) > COMMANDS else ""
    body: list[Element] = []
    for prose, group in groupby(shown, key=_is_sentence):
        if prose:
            body += [element("p", text) for text in group]
        else:
            body.append(element("pre", element("code", "\n".join(group)), class_="command"))
    if more:
        body.append(left_out(more))
    yield element("div", element("p", label, class_="label"), body, class_="do")


def _is_sentence(text: str) -> bool:
    return text[:1].isupper() or text.endswith(".")


def facts(pairs: Sequence[tuple[str, Node | Sequence[Node]]]) -> Element:
    """Labels with their values."""
    return element(
        "dl",
        [
            element(
                "div", element("dt", label), element("dd", value) if isinstance(value, (str, Element)) else _dd(value)
            )
            for label, value in pairs
        ],
        class_="facts",
    )


def evidence(shown: Sequence[Evidence]) -> Iterator[Element]:
    """What shows it: place, time, and the text as it is."""
    if shown:
        yield element("ul", [_evidence(one) for one in shown], class_="evidence")


def _dd(values: Sequence[Node]) -> Element:
    return element("dd", *values)


def _evidence(one: Evidence) -> Element:
    place = f"{one.source}:{one.line}" if one.line else one.source
    parts: list[Node] = [element("span", short(place, 600), class_="place")]
    if one.time is not None:
        parts += [" ", clock(one.time)]
    if one.boot is not None:
        parts.append(f", boot {one.boot}" if one.boot else ", newest boot")
    return element("li", element("p", parts, class_="source"), element("pre", element("code", short(one.text, 2000))))


def _rung(rung: Rung) -> Element:
    state = rung.state.value
    words = "not looked at" if rung.state is LayerState.UNCHECKED else state
    return element(
        "li",
        mark(state),
        element("span", element("strong", rung.layer.value), " ", element("em", words), class_="rung"),
        element("span", short(rung.why, 600), class_="why"),
        class_=state,
    )


def _standing(interrupted: Sequence[Change], unconfirmed: Sequence[Change], root: str) -> Iterator[Element]:
    """What somebody must know before all else: a fix half done, or one that ends by itself."""
    for change in interrupted:
        work = "The undoing of an earlier fix" if change.state is ChangeState.UNDOING else "An earlier fix"
        command = invocation("undo", str(change.number), root=root)
        yield _note(f"{work} ({short(change.id, 200)}) was interrupted. This finishes it:", command)
    for change in unconfirmed:
        until = moment(change.confirm_by, "%H:%M:%S")
        command = invocation("confirm", str(change.number), root=root)
        yield _note(f"{short(change.id, 200)} is undone by itself at {until} UTC. To keep it:", command)


def _note(text: str, command: str) -> Element:
    return element("p", mark("warning"), " ", text, " ", element("code", short(command, 600)), class_="note")


def _paths(ticket: Ticket) -> Iterator[Element]:
    """What the reports of mtr say, a line each, and how that fits what was found on the host."""
    traces = ticket.traces
    if not traces:
        return
    yield element("p", "Network path", class_="label")
    items = [
        element("li", title(one), ": ", path_badge(one.judgement), ". ", short(one.judgement.summary, 600))
        for one in traces[:PATHS]
    ]
    if len(traces) > PATHS:
        items.append(left_out(f"{len(traces) - PATHS} more reports", "li"))
    yield element("ul", items, class_="before")
    if ticket.scan.mtr_means:
        yield element("p", short(ticket.scan.mtr_means, 1000))
    if ticket.directions is not None:
        yield element("p", short(f"Both ways: {ticket.directions.summary}", 1000))


def _since(ticket: Ticket, cause: Finding | None) -> Iterator[Element]:
    """Since when it is broken, and what was changed on the host just before."""
    told, changes = sentences(ticket), changed(ticket)
    if not told and cause is not None and cause.first is not None:
        told = (f"Its first sign in the logs is of {moment(cause.first, '%Y-%m-%d %H:%M') or 'an unknown time'} UTC.",)
    yield element("p", "Since when", class_="label")
    for sentence in told[:SENTENCES] or ("Nothing that was read tells it.",):
        yield element("p", short(sentence, 1000), class_="since")
    if changes:
        yield element("p", "Changed just before", class_="label")
        yield element("ul", [element("li", short(line, 600)) for line in changes[:CHANGED]], class_="before")
