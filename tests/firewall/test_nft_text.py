"""nft's language: variables, includes, commands, what is not understood, and hostile texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.firewall.nft.text import parse, read
from agent.unknown import Unknown
from tests.firewall.test_nft_listing import MORE, SERVER
from tests.growth import grows_with_its_input


def rules(text: str, **given: Any) -> list[dict[str, Any]]:
    rows: Any = parse(text, **given)["nftables"]
    return [row["rule"] for row in rows if "rule" in row]


def problems(text: str, **given: Any) -> list[tuple[int, str]]:
    rows: Any = parse(text, **given)["lish_problems"]
    return [(row["line"], row["why"]) for row in rows]


def expressions(rule: str, family: str = "inet", **given: Any) -> Any:
    (found,) = rules(f"table {family} t {{ chain other {{ }}\n chain c {{\n{rule}\n}}\n}}\n", **given)
    return found["expr"]


def test_a_server_s_file_has_its_lines_and_texts() -> None:
    found = [(rule["lish_line"], rule["lish_text"]) for rule in rules(SERVER, opener=lambda path: MORE)]
    lines = SERVER.split("\n")
    for text, start in (
        ("ip saddr $admins accept", "\t\tip saddr $admins accept"),
        ("tcp dport $services limit rate 100/second burst 20 packets accept", "\t\ttcp dport $services limit"),
        ('log prefix "dropped: " level info', "\t\tlog prefix"),
        ("meta l4proto ipv6-icmp accept", "add rule inet filter input meta"),
    ):
        (line,) = (number for number, line in enumerate(lines, start=1) if line.startswith(start))
        assert (line, text) in found


def test_semicolons_and_newlines_part_alike() -> None:
    one = rules("table ip t { chain c { type filter hook input priority 0; policy drop; accept; drop; } }")
    two = rules("table ip t {\nchain c {\ntype filter hook input priority 0\npolicy drop\naccept\n drop\n}\n}\n")
    assert [rule["expr"] for rule in one] == [rule["expr"] for rule in two] == [[{"accept": None}], [{"drop": None}]]


# --- names ---


def test_a_variable_is_known_in_its_block_and_those_within() -> None:
    text = "define a = 1\ntable ip t {\n define b = 2\n chain c { define a = 3\n tcp dport { $a, $b } accept\n }\n}\n"
    assert rules(text)[0]["expr"][0]["match"]["right"] == {"set": [3, 2]}
    assert problems(text + "add rule ip t c tcp dport $b accept\n") == [(8, "$b is not defined")]


def test_a_variable_may_hold_a_set_within_a_set() -> None:
    text = "define a = { 1, 2 }\ndefine b = { $a, 3-4 }\ntable ip t { chain c { tcp dport $b accept; } }\n"
    assert rules(text)[0]["expr"][0]["match"]["right"] == {"set": [1, 2, {"range": [3, 4]}]}


def test_redefine_and_undefine() -> None:
    text = "define a = 1\nredefine a = 2\ntable ip t { chain c { tcp dport $a accept; }; }\nundefine a\nundefine a\n"
    assert rules(text)[0]["expr"][0]["match"]["right"] == 2
    assert problems(text) == [(5, "$a is not defined")]
    assert problems("define a = 1\ndefine a = 2\n") == [(2, "$a is defined twice")]


def test_a_name_means_what_stands_on_its_left_says() -> None:
    assert expressions("tcp dport ssh")[0]["match"]["right"] == 22
    assert expressions("meta l4proto icmpv6")[0]["match"]["right"] == "ipv6-icmp"
    assert expressions("ip protocol 6")[0]["match"]["right"] == "tcp"
    assert expressions("ip protocol tcp tcp dport 22")[1]["match"]["left"]["payload"]["field"] == "dport"
    assert expressions("tcp dport backdoor", services={"backdoor": 4711})[0]["match"]["right"] == 4711
    assert expressions("tcp dport backdoor")[0]["lish_unknown"]["why"] == "'backdoor' is no service that is known"


def test_a_host_s_name_is_not_known() -> None:
    assert "looked up" in expressions("ip saddr gateway.example accept")[0]["lish_unknown"]["why"]


def test_what_newer_releases_write_is_read() -> None:
    assert expressions("tcp flags & (fin | syn) == syn")[0]["match"]["left"]["&"][1] == ["fin", "syn"]
    assert expressions("fib saddr . iif check missing")[0]["match"] == {
        "op": "==", "left": {"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, "right": False
    }  # fmt: skip
    assert expressions("last used 1m2s3ms")[0] == {"last": {"used": 62003}}


# --- commands ---


def test_commands_act_in_their_order() -> None:
    text = """
add table inet t
add chain inet t c { type filter hook input priority -5; policy drop; }
add rule inet t c tcp dport 1 accept
insert rule inet t c tcp dport 2 accept
add rule inet t c index 0 tcp dport 3 accept
add set inet t s { type ipv4_addr; }
add element inet t s { 192.0.2.1, 192.0.2.2 }
delete element inet t s { 192.0.2.1 }
add chain inet t other
flush chain inet t other
rename chain inet t other another
inet t another jump c
"""
    assert problems(text) == []
    found = rules(text)
    assert [rule["expr"][0]["match"]["right"] for rule in found[:3]] == [2, 3, 1]
    assert found[3]["chain"] == "another"
    rows: Any = parse(text)["nftables"]
    assert [row["set"]["elem"] for row in rows if "set" in row] == [["192.0.2.2"]]
    assert next(row["chain"]["prio"] for row in rows if "chain" in row) == -5


def test_flush_ruleset_leaves_nothing() -> None:
    text = "table ip a { }\ntable ip6 b { }\n"
    assert len(parse(text)["nftables"]) == 2  # type: ignore[arg-type]
    assert parse(text + "flush ruleset ip\n")["nftables"] == [{"table": {"family": "ip6", "name": "b"}}]
    assert parse(text + "flush ruleset\n")["nftables"] == []


def test_a_table_is_taken_away_with_all_that_is_in_it() -> None:
    assert parse("table ip a { chain c { accept; } }\ndelete table ip a\n")["nftables"] == []
    assert problems("delete table ip a\n") == [(1, "there is no table ip a")]
    assert problems("destroy table ip a\n") == []


@pytest.mark.parametrize("command", ["delete rule ip a c handle 5", "replace rule ip a c handle 5 drop"])
def test_what_goes_by_handles_makes_the_chains_doubtful(command: str) -> None:
    text = f"table ip a {{\nchain c {{ accept; }}\n}}\n{command}\n"
    (found,) = parse(text)["lish_problems"]  # type: ignore[misc]
    assert not found["refused"]
    (table,) = read(text).tables
    assert "can't be read" in table.chains[0].truncated


# --- what is not understood ---


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("table ip t {\nchain c {\nfoo bar\n}\n}\n", 3, "'foo' begins no statement"),
        ("table ip t {\nchain c {\ntcp dprot 22\n}\n}\n", 3, "'dprot' where a field of tcp belongs"),
        ("table ip t {\nchain c {\njump nowhere\n}\n}\n", 3, "there is no chain nowhere in table t"),
        ("table ip t {\nchain c {\nip saddr @nothing drop\n}\n}\n", 3, "there is no set nothing in table t"),
        ("table ip t {\nchain c {\naccept\n", 4, "the text ends before a block is closed"),
        ("table ip t {\n}\n}\n", 3, "nothing is open that this could close"),
        ("add rule ip t c accept\n", 1, "there is no table ip t"),
        ("table ip t {\nchain c {\ntype filter hook input priority low\n}\n}\n", 3, "'low' is no name of a priority"),
        ("table ip t {\nset s {\ntype ipv4_addr\nelements = { 999.1.1.1 }\n}\n}\n", 4, "'999.1.1.1' is no address"),
        ("table ip t {\nchain c {\ntype nat hook input priority dstnat\n}}", 3, "dstnat is no priority at hook input"),
        ("table ip t {\nchain c { accept }\n}\n", 2, "nft wants a semicolon or a new line before it"),
        ("table ip t {\n}\n# end", 3, "nft refuses a comment at the end that has no newline behind it"),
        ("table ip t {\r\n}\r\n", 1, "lines end with a carriage return, which nft refuses"),
        ("table ip t {\ncounter c {\nfoo\n}\n}\n", 3, "'foo' where something of a counter belongs"),
        ('include "/nowhere"\n', 1, "the included file can't be read: no such file"),
        ("table ip t {\nchain c {\nip saddr $missing drop\n}\n}\n", 3, "$missing is not defined"),
    ],
)  # fmt: skip
def test_what_nft_refuses_is_a_problem_with_its_line(text: str, line: int, why: str) -> None:
    def opener(path: str) -> str:
        raise FileNotFoundError("no such file")

    assert (line, why) in problems(text, opener=opener)


def test_a_rule_keeps_the_place_of_what_is_not_understood() -> None:
    (first, second) = rules("table ip t { chain c {\n tcp dport 22 frobnicate { a; b } now accept\n drop\n}\n}\n")
    assert [*first["expr"][0]] == ["match"]
    assert first["expr"][1] == {
        "lish_unknown": {"text": "frobnicate { a; b } now accept", "why": "'frobnicate' begins no statement"}
    }
    assert first["lish_text"] == "tcp dport 22 frobnicate { a; b } now accept"
    assert second["expr"] == [{"drop": None}]


def test_an_include_that_is_not_at_hand_is_said() -> None:
    (found,) = parse('include "/etc/more.nft"\n')["lish_problems"]  # type: ignore[misc]
    assert found["why"] == "the included file is not at hand"
    assert not found["refused"]
    (found,) = parse('include "/x"\n', opener=lambda path: Unknown("/x: permission denied"))["lish_problems"]  # type: ignore[misc]
    assert found["why"] == "the included file can't be read: /x: permission denied"


def test_a_problem_within_an_include_has_the_line_of_the_include() -> None:
    assert problems('\ninclude "/x"\n', opener=lambda path: "\n\nfoo bar baz\n") == [
        (2, "/x, line 3: there is no table ip foo")
    ]


def test_files_that_include_themselves_come_to_an_end() -> None:
    assert "too deeply" in problems('include "/x"\n', opener=lambda path: 'include "/x"\ninclude "/x"\n')[0][1]


def test_a_set_with_a_line_that_is_not_understood_is_incomplete() -> None:
    text = "table ip t {\nset s {\ntype ipv4_addr\nelements = { nonsense nonsense }\n}\nchain c { }\n}\n"
    (table,) = read(text).tables
    assert "can't be read" in table.set_by_name["s"].incomplete
    assert "can't be read" not in table.chain_by_name["c"].truncated


def test_what_xtables_wrote_is_told_apart() -> None:
    text = """# Warning: table ip filter is managed by iptables-nft, do not touch!
table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy accept;
		tcp dport 22 xt match "recent" counter packets 0 bytes 0 xt target "LOG"
		meta l4proto tcp # xt_tcp counter packets 0 bytes 0 accept
	}
}
"""
    rows: Any = parse(text)["nftables"]
    assert rows[0]["table"]["lish_managed_by"] == "iptables-nft"
    first, second = rules(text)
    assert {"xt": {"type": "match", "name": "recent"}} in first["expr"]
    assert second["expr"][-1]["lish_unknown"]["text"] == "# xt_tcp counter packets 0 bytes 0 accept"


def test_a_chain_within_a_rule_is_a_chain() -> None:
    text = "table ip t { chain c {\n tcp dport 22 jump {\n ip saddr 192.0.2.1 accept\n drop\n }\n accept\n}\n}\n"
    found = rules(text)
    assert [rule["chain"] for rule in found] == ["c", "c", "__chain0", "__chain0"]
    assert found[0]["expr"][1] == {"jump": {"target": "__chain0"}}
    assert problems(text) == []


# --- hostile texts ---

_SIGNS = ' {}();:,.@$!=<>&|^-/*[]#"\\\n\t'
_WORDS = """table chain set map rule flush add delete define include elements type ip inet filter input hook priority
accept drop jump goto tcp dport ct state vmap meta mark counter limit rate 22 0x10 10.0.0.0 fe80::1 1d2h
aa:bb:cc:dd:ee:ff 99999999999999999999999999 "x" timeout comment reject with"""
PIECES = st.sampled_from(
    [*_SIGNS, *_WORDS.split(), "table ip t {\n", "chain c {\n", "}\n", "\x00", "\x1b[31m", "\ud800", "\u00e9"]
)


def read_all(text: str, included: str = "") -> None:
    parsed = parse(text, opener=lambda path: included or text)
    json.dumps(parsed)
    read(text)


@settings(deadline=None, max_examples=300)
@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read_all(text)


@settings(deadline=None, max_examples=500)
@given(st.lists(PIECES, max_size=60).map(" ".join))
def test_any_words_of_nft_are_read(text: str) -> None:
    read_all(text)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(SERVER)), st.integers(0, 40), st.lists(PIECES, max_size=4).map("".join))
def test_a_file_with_a_piece_changed_is_read(start: int, length: int, piece: str) -> None:
    read_all(SERVER[:start] + piece + SERVER[start + length :], MORE)


SHAPES: dict[str, Callable[[int], str]] = {
    "braces": lambda size: "{" * size,
    "closed": lambda size: "}" * size,
    "parentheses": lambda size: "table x { chain y { tcp dport " + "(" * size,
    "operators": lambda size: "table x { chain y { tcp flags " + "syn|" * size,
    "parts": lambda size: "table x { chain y { ip saddr " + ". ip saddr " * size,
    "hashes": lambda size: "table x { chain y { " + "jhash " * size,
    "tunnels": lambda size: "table x { chain y { " + "vxlan gre " * size,
    "tables": lambda size: "table x {" * size,
    "inner": lambda size: "table x { chain y { " + "jump { accept; }\n" * size,
    "rules": lambda size: "table x { chain y { accept\n}\n}\n" + "insert rule x y drop\n" * size,
    "flushes": lambda size: "".join(f"table x {{ chain c{n} {{ }} }}\nflush table x\n" for n in range(size)),
    "renames": lambda size: "table x { chain y { accept\n}\n}\n" + "rename chain x y z\nrename chain x z y\n" * size,
    "elements": lambda size: (
        "table x { set y { type ipv4_addr; } }\n"
        + "add element x y { 192.0.2.1 }\ndelete element x y { 192.0.2.1 }\n" * size
    ),
    "junk": lambda size: "\x00" * size,
    "lines": lambda size: "foo\n" * size,
    "quote": lambda size: 'table x { chain y { log prefix "' + "a\n" * size,
    "jumps": lambda size: "table x { chain y { " + "jump z;" * size,
    "scopes": lambda size: "table x { " + "define a = 1\nundefine a\n" * size,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_with_the_text(shape: str) -> None:
    assert grows_with_its_input(lambda size: parse(SHAPES[shape](size)), 1_000, 16_000)


def test_variables_that_multiply_come_to_an_end() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    text = "define a = { 1, 2 }\n" + "".join(
        f"define {new} = {{ ${old}, ${old} }}\n" for old, new in zip(letters, letters[1:])
    )
    assert problems(text)[0][1] == "variables make too many elements"
