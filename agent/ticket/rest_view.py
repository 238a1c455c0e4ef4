"""The lower half of the page: what was tried, what commands said, what is attached, removed, and not looked at."""

from __future__ import annotations

from collections.abc import Sequence

from agent.change.model import Change, ChangeState, Step
from agent.facts.diagnostics import Diagnostic
from agent.logs.model import Unchecked
from agent.redaction.model import Removed
from agent.report.operations import reversible, said
from agent.ticket.answer_view import COMMANDS, facts, lines
from agent.ticket.marks import badge, clock
from agent.ticket.markup import Element, Node, element
from agent.ticket.model import Attachment, Ticket
from agent.ticket.room import Room, left_out, short

OUTPUT = 40_000  # bytes of one command's output
STEPS = 40  # of one change
LOGS = "logs/"  # attachments of which the end counts
NAMES = 40  # that could not be looked at for one reason
STATES = {
    ChangeState.VERIFIED: ("ok", "applied, and the problem is gone"),
    ChangeState.APPLIED: ("warning", "applied, not verified"),
}


def changes(done: Sequence[Change], room: Room) -> Element | None:
    """What was tried and undone, oldest first."""
    if not done:
        return _section("tried", "What was tried", element("p", "No fix of ours was applied on this host."))
    items = room.take(done, _change, "changes", "ticket.json has them all")
    return _section("tried", "What was tried, and undone", element("ol", items, class_="tried"))


def diagnostics(ticket: Ticket, room: Room) -> Element | None:
    """The outputs of the distribution's set of commands, folded."""
    scan = ticket.scan
    if not scan.diagnostics and not scan.next_steps:
        return None
    parts: list[Node] = [element("p", short(scan.subject.diagnostics, 200), class_="aside")]
    parts += room.take(scan.diagnostics, _diagnostic, "outputs", "the archive has them", "p")
    if scan.next_steps:
        parts.append(element("p", "The set ends with steps that change the host. They were not run:", class_="aside"))
        parts += lines("Not run", [" ".join(step) for step in scan.next_steps[: COMMANDS + 1]])
    return _section("diagnostics", "Diagnostics", *parts)


def attachments(shown: Sequence[Attachment], room: Room) -> Element | None:
    """The files of the archive, folded."""
    if not shown:
        return None
    items = room.take(shown, _attachment, "files", "the archive has them", "p")
    return _section("attached", "Files in the archive", *items)


def removed(ticket: Ticket, room: Room) -> Element:
    """What was taken out, so that nobody wonders about the holes."""
    heading = "What was removed"
    words = "Secrets are taken out before anything is written."
    if ticket.addresses_redacted:
        words += " Addresses are replaced as well: the same address has the same name everywhere."
    parts: list[Node] = [element("p", words)]
    if ticket.removed:
        rows = room.take(ticket.removed, _removed, "places", "ticket.json has them all", "tr")
        head = element(
            "tr",
            [element("th", name, scope="col") for name in ("Place", "Kind")],
            element("th", "Count", scope="col", class_="figure"),
        )
        table = element("table", element("thead", head), element("tbody", rows))
        parts.append(element("div", table, class_="wide", role="region", aria_label=heading, tabindex=0))
    else:
        parts.append(element("p", "Nothing was found that had to be."))
    return _section("removed", heading, *parts)


def unchecked(items: Sequence[Unchecked], room: Room) -> Element | None:
    """Grouped by reason: many checks fail for one cause."""
    if not items:
        return None
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(item.why, []).append(item.what)
    shown = room.take(
        list(groups.items()),
        lambda one: element("li", element("strong", short(one[0], 1000)), ": ", _listed(one[1])),
        "reasons",
        "ticket.json has them all",
    )
    return _section("unchecked", "What was not looked at", element("ul", shown))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(short(name, 300) for name in names[:NAMES])
    return f"{shown}, and {len(names) - NAMES} more" if len(names) > NAMES else shown


def _section(identity: str, heading: str, *parts: Node) -> Element:
    title = element("h2", heading, id=identity)
    return element("section", title, *parts, class_="card", aria_labelledby=identity)


def _change(change: Change) -> Element:
    state, words = _state(change)
    parts: list[Node] = [
        element("h3", short(change.id, 200)),
        element("p", badge(state, words), class_="kind"),
        element("p", short(change.summary, 2000)),
    ]
    told: list[tuple[str, Node | Sequence[Node]]] = [("Applied", clock(change.created))]
    if change.ended is not None:
        told.append(("Undone" if change.state is ChangeState.UNDONE else "Ended", clock(change.ended)))
    if change.why:
        told.append(("Why", short(change.why, 2000)))
    told += [("Warning", short(text, 1000)) for text in change.warnings[:STEPS]]
    parts.append(facts(told))
    parts.append(element("ul", [_step(step) for step in change.steps[:STEPS]], class_="steps"))
    if len(change.steps) > STEPS:
        parts.append(left_out(f"{len(change.steps) - STEPS} more steps"))
    return element("li", parts, class_="done")


def _state(change: Change) -> tuple[str, str]:
    if change.state is ChangeState.UNDONE:
        stays = any(step.begun and not reversible(step.operation) for step in change.steps)
        words = "undone, but for what its command did" if stays else "undone: the host is as it was before"
        return "unchecked", words
    if change.ended_by_boot:
        return "unchecked", "ended by a reboot"
    return STATES.get(change.state, ("broken", "interrupted: undo finishes it"))


def _step(step: Step) -> Element:
    words = said(step.operation)
    parts: list[Node] = [element("strong", words.kind), " ", element("code", short(words.line, 1000))]
    if step.failed:
        parts.append(element("span", f" failed: {short(step.failed, 1000)}", class_="failed"))
    if step.output:
        parts.append(element("pre", element("code", short(step.output, 2000))))
    return element("li", parts)


def _diagnostic(one: Diagnostic) -> Element:
    command = short(" ".join(one.command), 600)
    state = one.error or (f"exit status {one.exit}" if one.exit else "")
    heading: list[Node] = [element("code", f"$ {command}")]
    if state:
        heading.append(element("span", f" ({short(state, 600)})", class_="failed"))
    if not one.output:
        return element(
            "p", heading, element("span", "" if one.error else " said nothing", class_="aside"), class_="empty"
        )
    return _folded(heading, one.output)


def _attachment(one: Attachment) -> Element:
    heading: list[Node] = [
        element("code", short(one.path, 300)),
        " from ",
        short(one.source, 300),
        element("span", f", {len(one.text)} characters", class_="aside"),
    ]
    return _folded(heading, one.text, end=one.path.startswith(LOGS))


def _folded(heading: Sequence[Node], text: str, end: bool = False) -> Element:
    """A details element; its text scrolls by itself on a narrow screen."""
    return element(
        "details",
        element("summary", *heading),
        element("pre", element("code", short(text, OUTPUT, end)), tabindex=0),
    )


def _removed(one: Removed) -> Element:
    return element(
        "tr",
        element("td", short(one.place, 600), class_="host"),
        element("td", short(one.kind, 300)),
        element("td", str(one.count), class_="figure"),
    )
