"""The literals find what the regexes would find, whatever the input; the fast engine equals its plain twin."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.logs import lines
from agent.logs.engine import PlainEngine, cover
from agent.logs.lines import candidates
from agent.logs.literals import NoLiteral, lint, required_literals
from agent.logs.model import Pattern
from agent.logs.plan import Plan

PATTERNS = [
    Pattern("a", r"if-up\.d/sendmail: \d+: \.: (?:Can't|cannot) open"),
    Pattern("b", r"run-parts: /etc/network/(?P<hook>if-[a-z-]{2,9}\.d/\w{1,40}) exited"),
    Pattern("c", r"(?:Cannot find device|unknown interface) \"?(?P<iface>\w+)"),
    Pattern("d", r"^ens\d{1,3}: renamed from eth0$"),
    Pattern("e", r"Out of [mM]emory: Kill(?:ed)? process"),
]
LINES = st.one_of(
    st.sampled_from(
        [
            b"/etc/network/if-up.d/sendmail: 44: .: Can't open /usr/share/sendmail/dynamic",
            b"run-parts: /etc/network/if-up.d/sendmail exited with return code 2",
            b'Cannot find device "eth0"',
            b"ens3: renamed from eth0",
            b"Out of memory: Killed process 5",
            b"run-parts: /etc/network/",
        ]
    ),
    st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")),
    st.sampled_from([b"", b"\r", b"\0\0\0", b"\xff\xfe", b"x" * 500]),
)


def naive(data: bytes) -> list[tuple[int, str]]:
    """The obvious way: every regex on every line."""
    found = []
    for number, line in enumerate(data.split(b"\n"), 1):
        text = line.decode("utf-8", "replace")
        found += [(number, pattern.key) for pattern in PATTERNS if re.search(pattern.regex, text)]
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=20), st.booleans(), st.integers(7, 300))
def test_candidates_lose_no_match_at_any_block_size(parts: list[bytes], ended: bool, block: int) -> None:
    data = b"\n".join(parts) + (b"\n" if ended else b"")
    plan = Plan(PATTERNS, PlainEngine)
    before = lines.BLOCK
    lines.BLOCK = block
    try:
        found = set()
        for line in candidates(io.BytesIO(data), plan):
            text = line.data.decode("utf-8", "replace")
            for index in line.patterns:
                if plan.regexes[index].search(text):
                    found.add((line.number, plan.patterns[index].key))
    finally:
        lines.BLOCK = before
    missed = set(naive(data)) - found
    assert not [item for item in missed if item[1] != "d"], missed
    if block >= 200:
        assert not missed


@pytest.mark.parametrize(
    ("regex", "literals"),
    [
        (r"abcdef", {b"abcdef"}),
        (r"abc(?:def)ghi", {b"abcdefghi"}),
        (r"x?abcd[0-9]+efg", {b"abcd"}),
        (r"(?:abcd|efgh)", {b"abcd", b"efgh"}),
        (r"(?P<name>[a-z]+): abcd", {b": abcd"}),
        (r"(?:abc){2,}", {b"abc"}),
        (r"^abcd$", {b"abcd\n"}),
        (r"abcd\s*$", {b"abcd\n"}),
        (r"error\.?\s*$", {b"error.\n", b"error\n"}),  # "error" alone stands on many a line
        (r"abcd$|efgh", {b"abcd\n", b"efgh"}),
        (r"ab(?:cd|ef)gh", {b"abcdgh", b"abefgh"}),
        (r"[Ff]ailed(?: again)? here", {b"Failed here", b"failed here", b"Failed again here", b"failed again here"}),
        (r"\(\w+\): (?:abcd|wxabcdyz)", {b": abcd", b": wxabcdyz"}),
        (r"\d(?:abcd|wxabcdyz)", {b"abcd"}),
        (r"é1234", "é1234".encode()),
    ],
)
def test_required_literals(regex: str, literals: set[bytes] | bytes) -> None:
    assert required_literals(regex) == (literals if isinstance(literals, set) else {literals})


@pytest.mark.parametrize("regex", [r"\d+", r"ab", r"(?:abc)?", r"abcd|\d", r"(?i)abcdef", r"[abc]{9}", r""])
def test_a_regex_without_a_literal_is_refused(regex: str) -> None:
    with pytest.raises(NoLiteral):
        required_literals(regex)


def test_lint_names_what_is_slow_on_hostile_lines() -> None:
    assert lint(r"abc.{0,80}def") == []
    assert lint(r"abc.*def")
    assert lint(r"abc(\w+)+")


def test_every_literal_holds_its_atom() -> None:
    literals = [b"run-parts: /etc/network/if-up.d", b"run-parts: failed", b"/etc/network/if-pre-up.d", b"xyz"]
    atoms = cover(literals)
    assert set(atoms) == set(literals)
    assert all(atom in literal for literal, atom in atoms.items())
    assert len(set(atoms.values())) < len(literals)


def test_a_line_of_megabytes_is_searched_in_bounded_pieces() -> None:
    hit = b"run-parts: /etc/network/if-up.d/x exited with return code 2"
    data = b"y" * 3_000_000 + hit + b"z" * 3_000_000 + b"\n" + hit + b"\n"
    plan = Plan(PATTERNS, PlainEngine)
    found = list(candidates(io.BytesIO(data), plan))
    assert max(len(line.data) for line in found) <= lines.WINDOW
    assert {line.number for line in found if plan.regexes[1].search(line.data.decode())} == {1, 2}
