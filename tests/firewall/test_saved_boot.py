"""What at_boot says of a disk, against what the disk's real boot had loaded (see record_boot.py, boot_cases.py)."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from agent.firewall import ipset
from agent.firewall.expression import Lookup, Within
from agent.firewall.model import Backend, Chain, Family, Ruleset, Step
from agent.firewall.nft import json_reader
from agent.firewall.reading import Reading
from agent.firewall.saved.boot import at_boot
from agent.firewall.sets import Set
from agent.firewall.statement import Choose
from agent.firewall.xtables import save
from agent.target import Target
from tests.firewall.boot_cases import CASES
from tests.firewall.test_saved_ufw import shape
from tests.virtual import File, Link, Node, virtual

RECORDED = Path(__file__).parent / "recorded"
FAMILIES = {"v4": Family.IP, "v6": Family.IP6}


@cache
def recording(case: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(lzma.decompress((RECORDED / f"boot-{case}.json.xz").read_bytes()))
    return found


def disk(case: str, /, **files: Node | None) -> Target:
    """A recorded disk; ``files`` stand over it, with paths as names, or take a file away (None)."""
    recorded = recording(case)
    tree: dict[str, Node] = {path: File(text, recorded["modes"][path]) for path, text in recorded["tree"].items()}
    tree |= {path: Link(to) for path, to in recorded["links"].items()}
    tree |= {path: File("", 0o755) for path in (*recorded["programs"], "/usr/bin/sh", "/usr/bin/bash")}
    tree["/usr/lib/systemd/systemd"] = File("", 0o755)
    for path, node in files.items():
        tree.pop(path, None)
        if node is not None:
            tree[path] = node
    return virtual(tree)


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("key", FAMILIES)
def test_the_tables_of_iptables_are_those_that_the_boot_loaded(case: str, key: str) -> None:
    backend = Backend.NF_TABLES if CASES[case].backend == "nft" else Backend.LEGACY
    text = recording(case)[key if backend is Backend.NF_TABLES else f"legacy-{key}"]
    recorded = save.read(text, FAMILIES[key], backend)
    reading = at_boot(disk(case))
    assert reading.ruleset.problems == ()
    mine = replace(reading.ruleset, tables=tuple(t for t in reading.ruleset.tables if t.backend is backend))
    assert shape(mine, FAMILIES[key]) == shape(recorded, FAMILIES[key])


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_tables_of_nft_are_those_that_the_boot_loaded(case: str) -> None:
    recorded = json_reader.read(json.loads(recording(case)["nft"]))
    assert nft_shape(at_boot(disk(case)).ruleset) == nft_shape(recorded)


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_ipsets_are_those_that_the_boot_loaded(case: str) -> None:
    recorded = ipset.read(recording(case)["ipset"]).ipsets or {}
    mine = at_boot(disk(case)).ruleset.ipsets or {}
    assert {name: one.elements for name, one in mine.items()} == {name: one.elements for name, one in recorded.items()}


@pytest.mark.parametrize("case", sorted(set(CASES) - {"two", "hook"}))
def test_nothing_of_it_is_left_unchecked(case: str) -> None:
    assert at_boot(disk(case)).unchecked == ()


def nft_shape(ruleset: Ruleset) -> dict[tuple[str, str], dict[str, tuple[object, list[tuple[Step, ...]]]]]:
    return {
        (table.family.value, table.name): {chain.name: chain_shape(chain) for chain in table.chains}
        for table in ruleset.tables
        if table.backend is Backend.NFT and not (table.name in ("filter", "nat", "mangle") and is_xtables(table.chains))
    }


def is_xtables(chains: tuple[Chain, ...]) -> bool:
    """nft lists iptables-nft's tables, too."""
    return any(chain.name.isupper() and chain.base is not None for chain in chains)


def chain_shape(chain: Chain) -> tuple[object, list[tuple[Step, ...]]]:
    return chain.base, [tuple(map(in_order, rule.steps)) for rule in chain.rules]


def in_order(step: Step) -> Step:
    """The kernel gives the elements of an anonymous set in an order of its own."""
    if isinstance(step, Within):
        return replace(step, ranges=tuple(sorted(step.ranges)))
    if isinstance(step, Lookup) and isinstance(step.set, Set):
        return replace(step, set=sorted_set(step.set))
    return replace(step, map=sorted_set(step.map)) if isinstance(step, Choose) and isinstance(step.map, Set) else step


def sorted_set(one: Set) -> Set:
    return replace(one, elements=tuple(sorted(one.elements, key=repr)))


def sources(reading: Reading) -> dict[str, str]:
    return {source.name: source.loaded_by for source in reading.sources}
