"""The support ticket as one HTML page that stands by itself: no script, nothing loaded, nothing but text and drawings.

What is in the ticket was written by others. It gets into the page through ``agent.ticket.markup`` alone, which
escapes it; the content security policy, at the head of the page, forbids all that could do anything even so.
"""

from __future__ import annotations

import base64
import hashlib

from agent.ticket import rest_view
from agent.ticket.answer_view import answer, facts, headline, ladder
from agent.ticket.findings_view import findings
from agent.ticket.marks import clock
from agent.ticket.markup import Element, Node, StyleSheet, document, element, style
from agent.ticket.model import Ticket
from agent.ticket.page_style import CSS
from agent.ticket.room import Room, short
from agent.ticket.timeline_view import timeline
from agent.ticket.traces_view import traces

# Bytes that a section may take: together less than a megabyte.
FINDINGS, TIMELINE, TRACES, CHANGES = 180_000, 120_000, 150_000, 60_000
DIAGNOSTICS, ATTACHMENTS, REMOVED, UNCHECKED = 200_000, 120_000, 30_000, 40_000
SHEET = StyleSheet(CSS)
HASH = base64.b64encode(hashlib.sha256(SHEET.text.encode("ascii")).digest()).decode("ascii")
POLICY = f"default-src 'none'; style-src 'sha256-{HASH}'; form-action 'none'; base-uri 'none'"


def render(ticket: Ticket) -> str:
    """The whole page. A text of any kind in any field of the ticket is shown, and does nothing."""
    return document(element("html", _head(ticket), _body(ticket), lang="en"))


def _head(ticket: Ticket) -> Element:
    scan = ticket.scan
    name = short(scan.subject.hostname, 200) or "unnamed host"
    return element(
        "head",
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", charset="utf-8"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", http_equiv="x-dns-prefetch-control", content="off"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{name}: {headline(scan)} - support ticket"),
        style(SHEET),
    )


def _body(ticket: Ticket) -> Element:
    scan = ticket.scan
    top = element("div", answer(ticket), ladder(scan.rungs), class_="top")
    sections: tuple[Element | None, ...] = (
        top,
        findings(scan, Room(FINDINGS)),
        timeline(ticket.timeline, Room(TIMELINE)),
        traces(ticket.traces, Room(TRACES)),
        rest_view.changes(ticket.changes, Room(CHANGES)),
        rest_view.diagnostics(ticket, Room(DIAGNOSTICS)),
        rest_view.attachments(ticket.attachments, Room(ATTACHMENTS)),
        rest_view.removed(ticket, Room(REMOVED)),
        rest_view.unchecked(scan.unchecked, Room(UNCHECKED)),
    )
    shown = [section for section in sections if section is not None]
    return element("body", _masthead(ticket), element("main", shown), _foot(ticket))


def _masthead(ticket: Ticket) -> Element:
    subject = ticket.scan.subject
    told: list[tuple[str, str]] = [
        ("System", subject.distro.name),
        ("Kernel", subject.kernel),
        ("Network manager", subject.manager),
        ("Init", subject.init),
        ("Examined", _examined(ticket)),
        ("Logs", ", ".join(subject.logs)),
    ]
    pairs: list[tuple[str, Node]] = [(label, short(text, 400)) for label, text in told if text]
    pairs.append(("Made", element("span", clock(ticket.made), " UTC")))
    name = short(subject.hostname, 200) or "unnamed host"
    return element("header", element("p", "Support ticket", class_="over"), element("h1", name), facts(pairs))


def _examined(ticket: Ticket) -> str:
    """How the host was seen."""
    subject = ticket.scan.subject
    if subject.logs:
        return "its logs only"
    where = subject.mode if subject.mode == "live" else f"{subject.mode} {subject.root}"
    return f"{where}, from rescue mode" if subject.rescue else where


def _foot(ticket: Ticket) -> Element:
    text = f"Made by lish-agent {short(ticket.version, 100)}. Nothing on this page is loaded from anywhere or runs."
    return element("footer", element("p", text))
