"""The compiled search tells what its plain twin tells, on every path, whatever the block and the literals."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.logs.engine import KEPT, SPACING, NativeEngine, PlainEngine

native = pytest.importorskip("agent.logs.native._literals")

# Literals that overlap, hold each other, share pieces and grams, stand at ends; short ones and long ones.
LITERALS = (
    *(
        b"a",
        b"ab",
        b"abc",
        b"abcd",
        b"abcde",
        b"abcdef",
        b"abcdefg",
        b"abcdefgh",
        b"bcdefghi",
        b"xabcdefgh",
        b"aaaaaaa",
    ),
    *(b"aaaaaaaaaaaaaaaa", b"\0\0\0\0\0\0\0\0", b"\xff\xfe\xfd", b"run-parts: /etc/network/", b"/network/if-up.d\n"),
    *(b"end\n", b"abcdefgh\n", b" \t", b": Failed\n", b"Failed with result", b"\xe9\xe8\xe7\xe6\xe5\xe4\xe3\xe2"),
)
PIECES = st.one_of(
    st.sampled_from(
        [*(one.rstrip(b"\n") for one in LITERALS), b"\n", b"\r\n", b" ", b"\0", b"a" * 100, b"abcdefg" * 9]
    ),
    st.binary(max_size=40),
    st.sampled_from([b"x" * 600, b"q" * 31, b"q" * 32, b"q" * 33]),
)


def is_one_line(literal: bytes) -> bool:
    return b"\n" not in literal


def lines_of(hits: Sequence[tuple[int, int, int]]) -> set[tuple[int, int]]:
    return {(line, literal) for line, _, literal in hits}


def check(data: bytes, start: int, stop: int, literals: tuple[bytes, ...], path: str) -> None:
    """Same lines and newlines; each hit stands where it is said to; no gap between told hits is wide without cause."""
    hits, newlines, _ = NativeEngine(literals, path).find(data, start, stop)
    expected, counted, _ = PlainEngine(literals).find(data, start, stop)
    assert newlines == counted
    assert lines_of(hits) == lines_of(expected)
    assert [hit.line for hit in hits] == sorted(hit.line for hit in hits)
    places = {(hit.line, hit.literal): [] for hit in hits}  # type: dict[tuple[int, int], list[int]]
    for hit in hits:
        assert data.startswith(literals[hit.literal].rstrip(b"\n"), start + hit.offset)
        assert data.count(b"\n", start, start + hit.offset) == hit.line
        places[hit.line, hit.literal].append(hit.offset)
    for hit in expected:
        near = min(abs(hit.offset - place) for place in places[hit.line, hit.literal])
        assert near < SPACING + len(literals[hit.literal])


@pytest.mark.parametrize("path", native.PATHS)
@settings(deadline=None, max_examples=400)
@given(
    st.lists(PIECES, max_size=60).map(b"".join),
    st.lists(st.sampled_from(LITERALS), min_size=1, max_size=12, unique=True),
    st.integers(0, 70),
    st.integers(0, 70),
)
@example(b"x" * 32765 + b"abcdefgh" + b"\n" + b"abcdefgh", [b"abcdefgh", b"bcdefghi"], 0, 0)
@example(
    b"x" * 32765 + b"run-parts: /etc/network/if-up.d \t\r\n", [b"run-parts: /etc/network/", b"/network/if-up.d\n"], 3, 0
)
def test_it_equals_the_plain_twin(path: str, data: bytes, literals: list[bytes], head: int, tail: int) -> None:
    start = min(head, len(data))
    check(data, start, max(start, len(data) - tail), tuple(literals), path)


@pytest.mark.parametrize("path", native.PATHS)
@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_literals_are_found(path: str, data: st.DataObject) -> None:
    literals = data.draw(
        st.lists(
            st.binary(min_size=1, max_size=20).filter(lambda one: b"\n" not in one),
            min_size=1,
            max_size=40,
            unique=True,
        )
    )
    parts = data.draw(st.lists(st.one_of(st.sampled_from(literals), st.binary(max_size=9)), max_size=40))
    block = b"".join(parts)
    check(block, 0, len(block), tuple(literals), path)


@pytest.mark.parametrize("path", native.PATHS)
def test_a_literal_at_every_place_around_every_border(path: str) -> None:
    literals = (b"needle-in-hay", b"ndl")
    for size in (0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 32767, 32768, 32769):
        for literal in literals:
            for after in (0, 1, 40):
                data = b"." * size + literal + b"." * after
                engine = NativeEngine(literals, path)
                assert lines_of(engine.find(data, 0, len(data)).hits) == {(0, literals.index(literal))}
                assert not engine.find(data, 0, size + len(literal) - 1).hits


@pytest.mark.parametrize("path", native.PATHS)
def test_a_line_of_64_mib_is_searched_to_its_end(path: str) -> None:
    data = b"y" * (64 << 20) + b"needle-in-hay" + b"z" * 100
    hits, newlines, _ = NativeEngine((b"needle-in-hay",), path).find(data, 0, len(data))
    assert [hit.offset for hit in hits] == [64 << 20] and newlines == 0


@pytest.mark.parametrize("engine", [NativeEngine, PlainEngine])
def test_quiet_literals_are_counted_and_their_last_hits_told(engine: type[NativeEngine] | type[PlainEngine]) -> None:
    data = b"needle-in-hay\nother-needle\n" * 1000
    hits, newlines, counts = engine((b"needle-in-hay", b"other-needle")).find(data, 0, len(data), b"\1\0")
    assert newlines == 2000 and list(counts) == [1000, 0]
    assert [hit.line for hit in hits if hit.literal == 0] == list(range(2000 - 2 * KEPT, 2000, 2))
    assert len([hit for hit in hits if hit.literal == 1]) == 1000
    assert hits == sorted(hits)


def test_many_literals_of_one_beginning_and_a_block_that_repeats_it() -> None:
    literals = tuple(b"a" * size for size in range(3, 400))
    data = b"a" * 200_000 + b"\n" + b"a" * 5
    hits = NativeEngine(literals).find(data, 0, len(data)).hits
    assert lines_of(hits) == {(0, number) for number in range(len(literals))} | {(1, 0), (1, 1), (1, 2)}


@pytest.mark.parametrize(
    ("literals", "path"),
    [((b"",), ""), ((b"\n",), ""), ((b"a\nb",), ""), ((b"x",) * 4097, ""), ((b"x",), "abacus"), (("x",), "")],
)
def test_what_makes_no_sense_is_refused(literals: tuple[bytes, ...], path: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        native.Finder(literals, b"", path)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 11), (0, 1 << 40)])
def test_places_outside_of_the_block_are_refused(start: int, stop: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        native.Finder((b"abc",)).find(b"0123456789", start, stop)
    with pytest.raises(ValueError, match="quiet"):
        native.Finder((b"abc",)).find(b"0123456789", 0, 10, b"\1\1")


def test_threads_search_at_the_same_time() -> None:
    finder = native.Finder((b"needle-in-hay",))
    data = b"x" * 3_000_000 + b"needle-in-hay"
    found: list[int] = []

    def search() -> None:
        found.extend(len(finder.find(data, 0, len(data))[0]) for _ in range(5))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [12] * 20
