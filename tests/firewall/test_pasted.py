"""Texts as people paste them: each answers for a connection to ssh from anywhere."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import UsageError
from agent.firewall import assumed, pasted
from agent.firewall.anybody import Answer
from agent.firewall.packet import Question
from tests.firewall.pastes import PASTES, Paste


def asked(text: str, family: int = 4, port: int = 22) -> assumed.Asked:
    return assumed.ask(pasted.read(text, "paste.txt"), "ssh", Question(family, destination_port=port))


@pytest.mark.parametrize("paste", PASTES, ids=lambda paste: paste.name)
def test_what_becomes_of_ssh(paste: Paste) -> None:
    found = asked(paste.text, paste.family, paste.port)
    shown = found.path.shown
    assert found.path.answer is paste.answer, (shown.why, shown.place, pasted.read(paste.text, "x").unchecked)
    if paste.rule:
        assert shown.place is not None
        assert paste.rule in shown.place.text
    if paste.line:
        assert shown.place is not None
        assert shown.place.line == paste.line


@pytest.mark.parametrize("paste", [one for one in PASTES if one.said], ids=lambda paste: paste.name)
def test_what_is_not_certain_is_said(paste: Paste) -> None:
    said = [*pasted.read(paste.text, "x").unchecked, *asked(paste.text, paste.family).notes]
    assert any(paste.said in sentence for sentence in said), said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "hello world\n",
        "Nov 23 10:00:00 web1 sshd[1]: Server listening on 0.0.0.0 port 22.\n",
        "\x00\xff" * 50,
    ],
)
def test_what_is_no_firewall_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="no firewall rules in this text") as raised:
        pasted.read(text, "paste.txt")
    assert "iptables-save" in raised.value.hint


def test_cut_json_is_said() -> None:
    with pytest.raises(UsageError, match="JSON of nft"):
        pasted.read('{"nftables": [{"table": {"family": "inet", "na', "paste.txt")


def test_a_person_in_charge_is_known() -> None:
    assert pasted.read("Status: active\n\nTo  Action  From\n22  ALLOW  Anywhere\n", "x").managers == ("ufw",)


WORDS = st.sampled_from(
    [
        "*filter",
        ":INPUT DROP [0:0]",
        "COMMIT",
        "-A INPUT -j ACCEPT",
        "-A x -j y",
        "Chain INPUT (policy DROP)",
        "target prot opt source destination",
        "table inet filter {",
        "chain input {",
        "}",
        "{",
        "tcp dport 22 accept",
        "Status: active",
        "22/tcp ALLOW Anywhere",
        "public (active)",
        "  target: DROP",
        "iptables -A INPUT -j DROP",
        "for x in 1 2; do",
        "done",
        "$IPT -P INPUT DROP",
        "#!/bin/sh",
        "-P INPUT DROP",
        "ip6tables -S",
        "*nat",
        "[1:2] -A INPUT",
        '{"nftables": []}',
        '"',
        "'",
        "\\",
        "\x1b[31m",
        "> > -A INPUT",
        "&gt;",
        "-j ACCEPT",
    ]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(WORDS, st.text(max_size=30)), max_size=25).map("\n".join))
def test_nothing_that_is_pasted_breaks_it(text: str) -> None:
    try:
        found = asked(text)
    except UsageError:
        return
    assert isinstance(found.path.answer, Answer)
    json.dumps(found.notes)
