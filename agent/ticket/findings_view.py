"""The findings with their evidence: the verdict's own first, past ones last."""

from __future__ import annotations

import os.path
from collections.abc import Iterator

from agent.diagnosis.loader import BUILT_IN
from agent.diagnosis.model import Finding, Rule, Status
from agent.report.model import Scan
from agent.ticket.answer_view import EVIDENCES as ANSWERED
from agent.ticket.answer_view import cure, evidence, facts
from agent.ticket.marks import badge, clock
from agent.ticket.markup import LINK, Element, Node, element
from agent.ticket.room import Room, left_out, short

EVIDENCES = 12  # of one finding
REFERENCES = 12


def findings(scan: Scan, room: Room) -> Element | None:
    """A section with an article a finding; None when there are none."""
    if not scan.findings:
        return None
    items = room.take(scan.findings, lambda one: _finding(one, scan), "findings", "ticket.json has them all", "li")
    return element(
        "section",
        element("h2", "Findings", id="findings"),
        element("ol", items, class_="findings"),
        class_="card",
        aria_labelledby="findings",
    )


def _finding(finding: Finding, scan: Scan) -> Element:
    state = finding.severity.value if finding.status is not Status.PAST else "unchecked"
    words = [finding.severity.value, finding.status.value]
    parts: list[Node] = [element("h3", short(finding.title, 600))]
    parts.append(element("p", badge(state, ", ".join(words)), " ", *_origin(finding), class_="kind"))
    parts.append(facts(tuple(_told(finding))))
    answered = scan.verdict.finding is not None and finding == scan.verdict.finding
    if answered:
        parts.append(element("p", "This is the answer above: what repairs it stands there.", class_="aside"))
    parts += evidence(finding.evidence[ANSWERED if answered else 0 : EVIDENCES])
    if len(finding.evidence) > EVIDENCES:
        parts.append(left_out(f"{len(finding.evidence) - EVIDENCES} more pieces of evidence"))
    if finding.status is not Status.PAST and not answered:
        parts += cure(finding, scan)
    parts += _references(finding.rule)
    return element("li", parts, class_=f"finding {state}")


def _origin(finding: Finding) -> Iterator[Node]:
    yield element("code", short(finding.id, 200))
    yield f" at {finding.rule.layer.value}"
    if finding.explained_by:
        yield f", because of {short(', '.join(finding.explained_by), 600)}"


def _told(finding: Finding) -> Iterator[tuple[str, Node | list[Node]]]:
    yield ("Proof" if finding.status is Status.CONFIRMED else "Why"), short(finding.proof)
    if finding.first is not None:
        seen: list[Node] = [clock(finding.first)]
        if finding.last is not None and finding.last != finding.first:
            seen += [" to ", clock(finding.last)]
        if finding.count > 1:
            seen.append(f" ({finding.count} log entries)")
        yield "Seen", seen


def _references(rule: Rule) -> Iterator[Element]:
    """Links only where the rule is one of ours: anything else is text."""
    if rule.references:
        yield element(
            "ul",
            [element("li", _reference(text, _ours(rule))) for text in rule.references[:REFERENCES]],
            class_="references",
        )


def _reference(text: str, ours: bool) -> Node:
    if ours and LINK.fullmatch(text):
        return element("a", text, href=text, rel="noreferrer noopener")
    return short(text, 600)


def _ours(rule: Rule) -> bool:
    return os.path.dirname(os.path.dirname(rule.path)) == str(BUILT_IN)
