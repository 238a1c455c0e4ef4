"""Markup is made of values: nothing that is handed in as a text becomes anything else."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.ticket.markup import (
    ATTRIBUTES,
    NAMES,
    Element,
    StyleSheet,
    document,
    element,
    escaped,
    size,
    style,
    visible,
    written,
)
from agent.ticket.room import Room, short
from tests.ticket.hostile import HOSTILE

texts = st.one_of(st.text(max_size=200), st.sampled_from(HOSTILE))


class Seen(HTMLParser):
    """What a parser finds."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self.others = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.data += data

    def handle_comment(self, data: str) -> None:
        self.others += 1

    handle_decl = handle_pi = unknown_decl = handle_comment


def seen(node: Element) -> Seen:
    parser = Seen()
    parser.feed(written(node))
    parser.close()
    return parser


@given(texts, texts)
def test_any_text_and_any_value_come_out_as_they_went_in(text: str, value: str) -> None:
    found = seen(element("p", element("span", text, id=value)))
    assert [tag for tag, _ in found.tags] == ["p", "span"]
    assert list(found.tags[1][1]) == ["id"]
    assert found.tags[1][1]["id"] == visible(value)
    assert found.data == visible(text)
    assert not found.others


@given(st.text())
def test_what_is_written_is_utf8_without_a_control_or_a_mark_that_hides(text: str) -> None:
    made = escaped(text)
    made.encode("utf-8")
    assert not set(made) & set("<>\"'`\x00\x1b\x7f\x9b\r\u202e\u200b\ufeff")


def test_only_known_elements_and_attributes_can_be_made() -> None:
    for name in ("script", "iframe", "object", "embed", "img", "link", "base", "form", "input", "use", "style", "b c"):
        with pytest.raises(ValueError, match="element"):
            element(name)
    for name in ("onclick", "style", "src", "srcset", "action", "formaction", "xlink_href", "ping", "x y"):
        with pytest.raises(ValueError, match="attribute"):
            element("p", **{name: "x"})
    assert not any(name.startswith("on") for name in ATTRIBUTES)
    assert not NAMES & {"script", "foreignObject", "animate", "set", "use", "image", "a:href"}


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "http://example.com/",
        "https://user@example.com/",
        "https://example.com:8/",
        'https://example.com/"x',
        "https://example.com/\n",
        " https://example.com/",
        "//example.com",
        "https://exa\u0301mple.com/",
        "",
    ],
)
def test_a_link_leads_to_a_plain_https_address_or_nowhere(address: str) -> None:
    with pytest.raises(ValueError, match="link"):
        element("a", "x", href=address)


def test_a_link_belongs_to_an_anchor() -> None:
    assert 'href="https://bugs.debian.org/873978"' in written(element("a", "x", href="https://bugs.debian.org/873978"))
    with pytest.raises(ValueError, match="link"):
        element("p", href="https://bugs.debian.org/873978")


def test_values_that_are_left_out_are_not_written() -> None:
    assert written(element("ol", class_=None, id=False, reversed=True, x=1.50, y=2.0)) == (
        '<ol reversed="" x="1.5" y="2"></ol>'
    )


def test_a_style_sheet_can_not_end_its_element() -> None:
    with pytest.raises(ValueError, match="end its element"):
        StyleSheet("a { content: '</style>' }")
    assert written(style(StyleSheet("a > b { color: red }"))) == "<style>a > b { color: red }</style>"


def test_text_that_begins_with_a_line_end_keeps_it_when_preformatted() -> None:
    assert written(element("pre", "\nx")) == "<pre>\n\nx</pre>"


def test_depth_does_not_matter() -> None:
    node: Any = "x"
    for _ in range(20_000):
        node = element("div", node)
    assert document(node).count("<div>") == 20_000


@given(texts, st.integers(min_value=0, max_value=5000))
def test_a_short_text_takes_no_more_room_than_it_may(text: str, limit: int) -> None:
    for long in (text, text * 50):
        made = short(long, limit)
        kept, _, rest = made.partition(" [... ")
        assert made == long or (rest and len(escaped(kept).encode()) <= limit and long.startswith(kept))


def test_of_a_log_the_end_is_kept() -> None:
    made = short("first\n" + "line\n" * 5000 + "last\n", 4000, end=True)
    assert made.startswith("[21")
    assert made.endswith("line\nlast\n")
    assert "first" not in made
    assert short("x", 100, end=True) == "x"


def test_a_short_text_that_costs_much_at_its_beginning_is_cut_quickly() -> None:
    assert len(short("\x00" * 10_000_000 + "a", 4000)) < 1200


def test_a_section_is_cut_with_a_line_that_says_how_much() -> None:
    room = Room(1000)
    made = room.take(range(100), lambda number: element("li", f"item {number}"), "items", "look there")
    assert written(made[-1]).startswith('<li class="cut">')
    assert f"{100 - (len(made) - 1)} more items are not on this page: look there" in written(made[-1])
    assert sum(map(size, made[:-1])) <= 1000
