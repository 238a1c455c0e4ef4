"""The page in headless Chromium: it renders, asks nobody for anything, and no text in it does anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from agent.ticket.markup import escaped, visible
from agent.ticket.page import POLICY, render
from tests.ticket.browser import Browser, alive, browser
from tests.ticket.hostile import HOSTILE, SCRIPT
from tests.ticket.planting import planted
from tests.ticket.samples import ticket
from tests.ticket.test_page import huge

COUNT = """
const found = {};
for (const one of document.querySelectorAll('*')) found[one.localName] = (found[one.localName] || 0) + 1;
return [found, typeof window.owned, document.title.slice(0, 200), document.body.textContent];
"""
WIDE = """
const wide = [];
for (const one of document.querySelectorAll('body *')) {
  const box = one.getBoundingClientRect();
  if (box.right > innerWidth + 1 && !one.closest('.wide, details pre, svg')) wide.push(one.outerHTML.slice(0, 100));
}
return [document.documentElement.scrollWidth, innerWidth, wide];
"""


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as made:
        yield made


def quiet(window: Browser) -> None:
    """Nothing in the console, and nothing was asked for but the page itself."""
    assert window.console() == []
    assert {address for address in window.requests() if not address.startswith(window.folder.as_uri())} == set()


def test_the_page_renders_without_a_word_in_the_console_or_a_request(window: Browser) -> None:
    window.show(render(ticket()))
    found, _, title, text = window.run(COUNT)
    assert title == "web-1.example.net: BROKEN at manager - support ticket"
    assert found["section"] == 10
    assert "The sendmail hook breaks bringing interfaces up" in text
    widths = "return [...document.querySelectorAll('svg.plot .range')].map(one => one.getBoundingClientRect().width)"
    assert min(window.run(widths)) > 1
    styled = "return getComputedStyle(document.querySelector('.ladder li')).borderBottomStyle"
    assert window.run(styled) == "solid"  # the policy lets our own style in
    quiet(window)


def test_hostile_texts_in_every_field_are_text(window: Browser) -> None:
    window.show(render(planted(ticket(), lambda: "plain")))
    plain = window.run(COUNT)[0]
    assert len(HOSTILE) >= 80
    for number, hostile in enumerate(HOSTILE):
        window.show(render(planted(ticket(), lambda text=hostile: text)), f"hostile-{number}.html")  # type: ignore[misc]
        found, owned, title, text = window.run(COUNT)
        assert owned == "undefined", hostile
        assert found == plain, hostile
        assert visible(hostile) in text, hostile
        assert title.endswith("- support ticket"), hostile
        assert window.driver.current_url.endswith(f"hostile-{number}.html"), hostile
    quiet(window)


def test_markup_that_got_in_by_a_mistake_of_ours_would_still_do_nothing(window: Browser) -> None:
    """The policy alone: real elements written into the page by hand; and that they would do much without it."""
    page = render(ticket())
    with listening() as (address, asked):
        evil = (
            f"<script>{SCRIPT}</script><img src={address}/a.png onload={SCRIPT}><script src={address}/a.js></script>"
            f"<iframe srcdoc='<script>parent.owned=1</script>'></iframe><style>h1 {{ display: none }}</style>"
            f"<object data={address}/a></object><link rel=stylesheet href={address}/a.css><svg onload={SCRIPT}></svg>"
            f"<link rel=prefetch href={address}/b><video src={address}/c poster={address}/d></video>"
            f"<base href={address}><form action={address}/e id=sent></form>"
        )
        with_policy = page.replace("<main>", f"<main>{evil}")
        window.show(with_policy, "mistake.html")
        assert window.run("return typeof window.owned") == "undefined"
        assert window.run("return getComputedStyle(document.querySelector('h1')).display") == "block"
        assert window.run("return document.baseURI").startswith("file:")
        window.run("document.getElementById('sent').submit()")
        assert window.driver.current_url.endswith("mistake.html")
        assert any("Content Security Policy" in message for message in window.console())
        assert asked == []
        window.show(with_policy.replace(escaped(POLICY), ""), "without.html")
        assert window.run("return window.owned") == 1
        assert asked
    window.forget()


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """A server on this host that keeps what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("width", [320, 768, 1280])
@pytest.mark.parametrize("words", ["as they are", "long"])
def test_the_page_never_scrolls_sideways(window: Browser, width: int, words: str) -> None:
    window.size(width)
    window.show(render(ticket() if words == "as they are" else planted(ticket(), lambda: "x" * 500)))
    scroll, inner, wide = window.run(WIDE)
    assert wide == []
    assert scroll <= inner == width


def test_light_and_dark_differ_and_paper_is_light(window: Browser) -> None:
    grounds = {}
    ground = "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    for kind, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
        window.media(kind, scheme)
        window.show(render(ticket()))
        grounds[kind, scheme] = tuple(window.run(ground))
    window.media()
    assert grounds["screen", "light"] == ("rgb(243, 244, 246)", "rgb(26, 29, 33)")
    assert grounds["screen", "dark"] == ("rgb(16, 19, 22)", "rgb(230, 233, 236)")
    assert grounds["print", "dark"] == ("rgb(255, 255, 255)", "rgb(26, 29, 33)")
    quiet(window)


def test_on_paper_the_folded_texts_are_open(window: Browser) -> None:
    if int(window.driver.capabilities["browserVersion"].split(".")[0]) < 131:
        pytest.skip("needs ::details-content")
    shown = "return [...document.querySelectorAll('details > pre')].map(one => one.checkVisibility())"
    window.media("screen")
    window.show(render(ticket()))
    assert set(window.run(shown)) == {False}
    window.media("print")
    assert set(window.run(shown)) == {True}
    window.media()
    assert window.pdf().startswith(b"%PDF-")


def test_headings_go_down_one_step_at_a_time(window: Browser) -> None:
    window.show(render(ticket()))
    levels = window.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(one => +one.localName[1])")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    unnamed = window.run(
        "return [...document.querySelectorAll('section')].filter("
        "one => !document.getElementById(one.getAttribute('aria-labelledby'))).length"
    )
    assert unnamed == 0
    assert window.run("return new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size") == window.run(
        "return document.querySelectorAll('[id]').length"
    )


def test_a_huge_page_is_shown(window: Browser) -> None:
    window.size(1280)
    window.show(render(huge("<\x00\u202e" * 1000)))
    scroll, inner, _ = window.run(WIDE)
    assert scroll <= inner
    quiet(window)


def test_a_browser_leaves_nothing_behind_even_when_its_test_fails() -> None:
    def ours() -> set[int]:
        return {child.pid for child in psutil.Process().children(recursive=True)}

    before = ours()
    folder: Path | None = None
    with pytest.raises(RuntimeError, match="a failing test"), browser() as made:
        folder = made.folder
        made.show(render(ticket()))
        assert alive(folder)
        _kill(made.driver)
        raise RuntimeError("a failing test")
    assert folder is not None
    assert not os.path.exists(folder)
    assert alive(folder) == []
    assert ours() <= before


def _kill(driver: Any) -> None:
    """The driver dies: nobody is left who would end Chromium."""
    driver.service.process.kill()
