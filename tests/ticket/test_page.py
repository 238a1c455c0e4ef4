"""The page of a ticket: it says what a person needs, shows any text as text, and stays small."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from agent.change.model import ChangeState
from agent.diagnosis.model import Evidence, LayerState, Status, VerdictState
from agent.diagnosis.model import Verdict as HostVerdict
from agent.facts.diagnostics import Diagnostic
from agent.fixes.offers import Offers
from agent.logs.model import Unchecked
from agent.redaction.model import Removed
from agent.ticket.model import Attachment, Event, EventKind, Ticket
from agent.ticket.page import POLICY, render
from agent.ticket.page_style import CSS
from tests.ticket.hostile import HOSTILE
from tests.ticket.planting import planted
from tests.ticket.sample_traces import losing
from tests.ticket.samples import scan, ticket

LIMIT = 1_000_000  # bytes of a page


class Page(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def scanned(**changed: object) -> Ticket:
    return replace(ticket(), scan=replace(scan(), **changed))


def test_the_answer_stands_first() -> None:
    text = Page(render(ticket())).text
    order = [
        "Support ticket",
        "web-1.example.net",
        "BROKEN at manager",
        "The sendmail hook breaks bringing interfaces up",
        "reads /usr/share/sendmail/dynamic without looking",
        "agent fix --sendmail",
        "agent undo",
        "Since when",
        "Since the boot of 2026-11-23 09:40 UTC at the latest",
        "Changed just before",
        "removed sendmail-base",
        "The ladder",
        "Findings",
        "Timeline",
        "Network path (MTR)",
        "What was tried, and undone",
        "Diagnostics",
        "Files in the archive",
        "What was removed",
        "What was not looked at",
    ]
    place = 0
    for part in order:
        place = text.index(part, place)


def test_the_title_names_host_and_verdict() -> None:
    assert "<title>web-1.example.net: BROKEN at manager - support ticket</title>" in render(ticket())


def test_every_rung_has_its_state_as_a_word() -> None:
    text = Page(render(ticket())).text
    for rung in scan().rungs:
        word = "not looked at" if rung.state is LayerState.UNCHECKED else rung.state.value
        assert f"{rung.layer.value} {word}{rung.why}" in text


def test_a_suspicion_is_called_one_and_a_healthy_host_healthy() -> None:
    cause = replace(scan().findings[0], status=Status.SUSPECTED, first=None)
    suspected = scanned(verdict=replace(scan().verdict, finding=cause, state=VerdictState.DEGRADED), offers=Offers())
    text = Page(render(suspected)).text
    assert "Suspected: The sendmail hook" in text
    assert "Not proven" in text
    assert "Since the boot of" in text
    well = scanned(verdict=HostVerdict(VerdictState.HEALTHY, None, None, "No known problem found", ("Look outside.",)))
    assert "HEALTHY" in Page(render(well)).text
    assert "Look outside." in Page(render(well)).text


def test_an_interrupted_fix_and_one_on_probation_are_said_before_all_else() -> None:
    done = ticket().changes[1]
    half = replace(done, state=ChangeState.APPLYING)
    soon = replace(done, confirm_by=done.created + 60)
    text = Page(render(scanned(interrupted=(half,), unconfirmed=(soon,)))).text
    assert "was interrupted. This finishes it: agent undo 2" in text
    assert "is undone by itself at 18:37:12 UTC. To keep it: agent confirm 2" in text
    assert text.index("agent confirm 2") < text.index("BROKEN at manager", text.index("Support ticket"))


def test_what_a_command_did_is_not_called_taken_back() -> None:
    text = Page(render(ticket())).text
    assert "undone, but for what its command did" in text
    changes = (replace(ticket().changes[1], state=ChangeState.UNDONE),)
    assert "undone: the host is as it was before" in Page(render(replace(ticket(), changes=changes))).text


def test_how_the_path_and_the_host_fit_together_is_in_the_answer() -> None:
    text = Page(render(scanned(mtr_means="Both are at fault."))).text
    assert text.index("All 100 packets arrived.Both are at fault.") < text.index("The ladder")


def test_without_a_story_the_first_sign_tells_since_when() -> None:
    text = Page(render(replace(ticket(), attachments=()))).text
    assert "Its first sign in the logs is of 2026-11-23 09:41 UTC." in text
    unknown = replace(scan().findings[0], first=None)
    bare = scanned(verdict=replace(scan().verdict, finding=unknown))
    assert "Nothing that was read tells it." in Page(render(replace(bare, attachments=()))).text


def test_the_steps_of_a_judgement_are_numbered_and_the_networks_told_where_known() -> None:
    page = render(ticket())
    assert "<ol><li>Make the same report in the other direction" in page
    assert page.count(">Network</th>") == 1  # of three reports


def test_of_the_newest_events_none_is_left_out_for_an_old_one() -> None:
    events = tuple(Event(float(number), EventKind.FILE, f"event {number}.", "x") for number in range(2000))
    page = render(replace(ticket(), timeline=events))
    left_out = re.search(">([0-9]+) earlier events are not on this page", page)
    assert left_out is not None
    shown = re.findall(r"event ([0-9]+)\.", page)
    assert list(map(int, shown)) == list(range(int(left_out[1]), 2000))
    assert len(shown) > 200


def test_the_policy_comes_first_and_allows_nothing_but_our_style() -> None:
    page = render(ticket())
    assert page.startswith('<!DOCTYPE html>\n<html lang="en"><head><meta http-equiv="Content-Security-Policy" ')
    assert page.index("charset") < 1024
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; form-action 'none'; base-uri 'none'", POLICY
    )
    found = Page(page)
    assert found.tags.count("style") == 1
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(found.tags)


def test_only_our_own_rules_references_are_links() -> None:
    found = Page(render(ticket()))
    links = [value for tag, name, value in found.attributes if name == "href" and tag == "a"]
    assert "https://bugs.debian.org/873978" in links
    assert [value for tag, name, value in found.attributes if (tag, name) == ("a", "rel")] == [
        "noreferrer noopener"
    ] * len(links)
    foreign = replace(scan().findings[0].rule, path="/root/rules/x.toml")
    findings = (replace(scan().findings[0], rule=foreign),)
    found = Page(render(scanned(findings=findings)))
    assert "a" not in found.tags
    assert "https://bugs.debian.org/873978" in found.text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_text_in_every_field_changes_neither_elements_nor_attributes(hostile: str) -> None:
    plain = Page(render(planted(ticket(), lambda: "plain")))
    found = Page(render(planted(ticket(), lambda: hostile)))
    assert Counter(found.tags) == Counter(plain.tags)
    assert Counter((tag, name) for tag, name, _ in found.attributes) == Counter(
        (tag, name) for tag, name, _ in plain.attributes
    )
    values = {"class", "href", "rel", "content", "http-equiv", "id", "role"}
    assert [one for one in found.attributes if one[1] in values] == [
        one for one in plain.attributes if one[1] in values
    ]


def test_lone_surrogates_controls_and_marks_that_reorder_are_visible() -> None:
    page = render(planted(ticket(), lambda: "a\ud800b\x00c\x1bd\u202ee"))
    page.encode("utf-8")
    assert "a\\ud800b\\x00c\\x1bd\\u202ee" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", page)


def test_numbers_and_times_of_no_calendar_do_not_end_the_page() -> None:
    for wild in (math.nan, math.inf, -math.inf, 1e300, -1e18):
        event = Event(wild, EventKind.BOOT, "x", "y")
        first = replace(scan().findings[0], first=wild, last=wild)
        page = render(
            replace(
                scanned(findings=(first,), verdict=replace(scan().verdict, finding=first)),
                made=wild,
                timeline=(event, *ticket().timeline, event),
            )
        )
        assert "unknown time" in page


def test_an_empty_ticket_is_a_page() -> None:
    bare = replace(
        scanned(findings=(), rungs=(), diagnostics=(), next_steps=(), unchecked=()),
        changes=(),
        timeline=(),
        traces=(),
        attachments=(),
        removed=(),
    )
    text = Page(render(bare)).text
    assert "No fix of ours was applied" in text
    assert "Nothing was found that had to be" in text


def huge(text: str) -> Ticket:
    """Far too much of everything."""
    finding = replace(scan().findings[0], evidence=tuple(Evidence(text, text, 1) for _ in range(200)), title=text)
    return Ticket(
        0.0,
        text,
        replace(
            scan(),
            findings=(finding,) * 300,
            verdict=replace(scan().verdict, finding=finding, next=(text,) * 300),
            diagnostics=tuple(Diagnostic((text,) * 3, 1, text * 20, 0.1, text) for _ in range(60)),
            unchecked=tuple(Unchecked(text, f"{number} {text}") for number in range(2000)),
            next_steps=((text,) * 30,) * 200,
        ),
        ticket().changes * 500,
        tuple(Event(float(second), EventKind.FAILURE, text, text) for second in range(0, 86400 * 3000, 86400)),
        (losing(),) * 300,
        tuple(Attachment(text, text, text * 20) for _ in range(200)),
        tuple(Removed(text, text, 1) for _ in range(3000)),
    )


@pytest.mark.parametrize("text", ["x" * 3000, "<\x00\u202e" * 3000, "\U0001f600\n" * 2000, "short"])
def test_a_huge_ticket_is_cut_below_a_megabyte_and_says_so(text: str) -> None:
    began = time.monotonic()
    page = render(huge(text))
    assert len(page.encode("utf-8")) < LIMIT
    assert time.monotonic() - began < 20
    for words in ("more findings are not", "earlier events are not", "more reports are not", "more changes are not"):
        assert words in page


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance of #rrggbb."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


LETTERS = [
    *((letters, ground) for letters in ("text", "quiet") for ground in ("page", "card", "sunk", "blamed")),
    *((letters, "card") for letters in ("ok", "warning", "broken", "unchecked", "info", "link")),
    ("broken", "blamed"),
]
SHAPES = [("range", "card"), ("average", "card"), ("real", "card"), ("own", "card"), ("average", "range")]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_letters_and_shapes_stand_out(scheme: int) -> None:
    blocks = re.findall(r":root \{([^}]*--range[^}]*)\}", CSS)
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", blocks[scheme]))
    for letters, ground in LETTERS:
        assert contrast(colours[letters], colours[ground]) >= 4.5, (letters, ground)
    for shape, ground in SHAPES:
        wanted = 3.0 if ground == "card" else 2.0
        assert contrast(colours[shape], colours[ground]) >= wanted, (shape, ground)
