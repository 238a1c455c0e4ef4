"""Documents that nobody's nft printed: unknowns and problems come of them, and no traceback."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from agent.firewall.nft import json_reader
from tests.firewall.test_nft_json import ACCEPT, DPORT, ask, document, match, named, recorded


def test_no_control_character_of_a_rule_reaches_a_terminal() -> None:
    rules = document([{"log": {"prefix": "\x1b[2J\r\n"}}, {"jump": {"target": "\x07"}}])
    (rule,) = json_reader.read(rules).tables[0].chains[0].rules
    assert rule.text.isprintable()


JUNK: tuple[object, ...] = (
    *(None, True, 0, -1, 1 << 200, 1.5, "", "@x", "*", "\x1b[31m", [], {}, [[]], {"set": None}, {"concat": [1]}),
    *({"range": [5, 1]}, {"prefix": {"addr": "x", "len": 500}}, {"elem": {}}, {"map": {}}, {"&": [1, 2]}, {"|": []}),
    *({"payload": {"protocol": [], "field": {}}}, {"ct": 5}, {"fib": {"result": "oif", "flags": 5}}, {"meta": {}}),
)


def deep(levels: int) -> object:
    found: object = "x"
    for level in range(levels):
        found = ({"&": [found, 1]}, {"concat": [found]}, {"|": [found]}, [found], {"set": found})[level % 5]
    return found


def places(item: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    return [path, *(place for key, inner in pairs for place in places(inner, (*path, key)))]


@pytest.mark.parametrize("seed", range(12))
def test_hostile_documents_give_unknowns_and_no_traceback(seed: int) -> None:
    chance = Random(seed)
    text = json.dumps(
        document(*(rule["expr"] for rule in recorded()), more=[named("set", "s", "ipv4_addr", ["1.2.3.4"])])
    )
    where = places(json.loads(text))[1:]
    for _ in range(12):
        found = json.loads(text)
        for path in chance.sample(where, 30):
            junk = deep(chance.choice((5, 50, 3000))) if chance.random() < 0.1 else chance.choice(JUNK)
            at: Any = found
            try:
                for key in path[:-1]:
                    at = at[key]
                at[path[-1]] = junk
            except (KeyError, IndexError, TypeError):
                continue
        rules = json_reader.read(found)
        assert all(rule.text.isprintable() for table in rules.tables for chain in table.chains for rule in chain.rules)
        ask(rules)


@pytest.mark.parametrize("junk", [*JUNK, deep(3000)])
def test_what_is_no_rule_set_is_a_problem(junk: Any) -> None:
    assert json_reader.read({"nftables": [junk]}).problems or junk == {}
    assert not json_reader.read({"nftables": junk}).tables
    assert json_reader.read({}).problems
    ask(document([junk]))
    ask(document([{"match": junk}], [match(junk, junk)], [match(DPORT, junk)], [{"vmap": {"key": junk, "data": junk}}]))
    ask(document([ACCEPT], more=[named("set", "s", junk, [junk]), named("map", "m", "mark", [junk], map=junk)]))
