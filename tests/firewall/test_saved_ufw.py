"""What ufw's files load, against what the real ufw 0.36 and 0.36.2 loaded at a boot (see record_ufw.py)."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Union

import pytest

from agent.firewall.model import Backend, Family, Ruleset, Step
from agent.firewall.saved.boot import at_boot
from agent.firewall.statement import End
from agent.firewall.xtables import save
from agent.target import Target
from tests.virtual import File, Link, Node, virtual

RECORDED = Path(__file__).parent / "recorded"
CASES = sorted(path.name[len("ufw-") : -len(".json.xz")] for path in RECORDED.glob("ufw-*.json.xz"))
KEYS = {Backend.NF_TABLES: "", Backend.LEGACY: "legacy-"}
FAMILIES = {"v4": Family.IP, "v6": Family.IP6}

Shape = dict[str, dict[str, tuple[Union[End, None], list[tuple[Step, ...]]]]]


@cache
def recording(case: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(lzma.decompress((RECORDED / f"ufw-{case}.json.xz").read_bytes()))
    return found


def programs(backend: Backend = Backend.NF_TABLES) -> dict[str, Node]:
    """iptables as Debian links it."""
    multi = "/usr/sbin/xtables-nft-multi" if backend is Backend.NF_TABLES else "/usr/sbin/xtables-legacy-multi"
    flavour = "nft" if backend is Backend.NF_TABLES else "legacy"
    tree: dict[str, Node] = {multi: File("", mode=0o755)}
    for family in ("iptables", "ip6tables"):
        for end in ("", "-restore"):
            tree[f"/usr/sbin/{family}{end}"] = Link(f"/etc/alternatives/{family}{end}")
            tree[f"/etc/alternatives/{family}{end}"] = Link(f"/usr/sbin/{family}-{flavour}{end}")
            tree[f"/usr/sbin/{family}-{flavour}{end}"] = Link(multi.rsplit("/", 1)[1])
    return tree


def disk(case: str = "ssh", backend: Backend = Backend.NF_TABLES, /, **files: Node | None) -> Target:
    """A recorded disk; ``files`` stand over it, with paths as names, or take a file away (None)."""
    tree: dict[str, Node] = {"/sbin/init": Link("/lib/systemd/systemd"), "/lib/systemd/systemd": File("", mode=0o755)}
    tree |= {**programs(backend), **recording(case)["tree"]}
    for path, node in files.items():
        tree.pop(path, None)
        if node is not None:
            tree[path] = node
    return virtual(tree)


def shape(ruleset: Ruleset, family: Family) -> Shape:
    """Tables in force, chain by chain; tables that have no rule and let all pass are nothing."""
    found: Shape = {}
    for table in ruleset.tables:
        if table.family is family and (
            any(chain.rules for chain in table.chains)
            or any(chain.base and chain.base.policy.action.value != "accept" for chain in table.chains)
        ):
            found[table.name] = {
                chain.name: (chain.base.policy if chain.base else None, [rule.steps for rule in chain.rules])
                for chain in table.chains
            }
    return found


@pytest.mark.parametrize("backend", KEYS)
@pytest.mark.parametrize("case", CASES)
def test_the_tables_are_those_that_ufw_loaded(case: str, backend: Backend) -> None:
    reading = at_boot(disk(case, backend))
    assert reading.unchecked == ()
    assert reading.ruleset.problems == ()
    assert {table.backend for table in reading.ruleset.tables} == {backend}
    for key, family in FAMILIES.items():
        recorded = save.read(recording(case)[KEYS[backend] + key], family, backend)
        assert recorded.problems == ()
        assert shape(reading.ruleset, family) == shape(recorded, family)


def test_its_chains_are_known_as_ufws() -> None:
    reading = at_boot(disk())
    assert reading.managers == ("ufw",)
    assert {owner.program for owner in reading.owners} == {"ufw"}
    assert {source.name: source.loaded_by for source in reading.sources}["/etc/ufw/user.rules"] == "ufw.service"


def test_ufw_that_is_not_enabled_loads_nothing() -> None:
    off = File(recording("ssh")["tree"]["/etc/ufw/ufw.conf"].replace("ENABLED=yes", "ENABLED=no"))
    reading = at_boot(disk(**{"/etc/ufw/ufw.conf": off}))
    assert (reading.ruleset.tables, reading.managers, reading.unchecked) == ((), (), ())
    assert [(source.name, source.loaded_by) for source in reading.sources] == [("/etc/ufw/ufw.conf", "")]


@pytest.mark.parametrize("unit", [None, Link("/dev/null")])
def test_ufw_without_its_unit_loads_nothing(unit: Node | None) -> None:
    wanted = {"/etc/systemd/system/multi-user.target.wants/ufw.service": None} if unit is None else {}
    reading = at_boot(disk(**{**wanted, **({"/etc/systemd/system/ufw.service": unit} if unit else {})}))
    assert reading.ruleset.tables == ()
    assert [(source.name, source.loaded_by) for source in reading.sources] == [("/etc/ufw/ufw.conf", "")]


@pytest.mark.parametrize("path", ["/etc/ufw/before.rules", "/etc/ufw/user6.rules", "/etc/default/ufw"])
@pytest.mark.parametrize("content", [None, File("")])
def test_a_file_of_ufws_that_is_missing_or_empty_is_said(path: str, content: Node | None) -> None:
    assert any(path in said for said in at_boot(disk(**{path: content})).unchecked)


def test_a_policy_that_is_no_target_is_said() -> None:
    default = recording("ssh")["tree"]["/etc/default/ufw"].replace('INPUT_POLICY="DROP"', 'INPUT_POLICY="allow"')
    reading = at_boot(disk(**{"/etc/default/ufw": default}))
    assert reading.unchecked
    assert reading.ruleset.problems


def test_a_script_of_ufws_that_is_executable_is_said() -> None:
    reading = at_boot(disk(**{"/etc/ufw/after.init": File("#!/bin/sh\n", mode=0o750)}))
    assert "/etc/ufw/after.init" in reading.unchecked[0]


def test_rules_that_were_saved_while_ufw_was_active_keep_it_from_loading() -> None:
    plugin = "/usr/share/netfilter-persistent/plugins.d/15-ip4tables"
    unit = "[Service]\nExecStart=/usr/sbin/netfilter-persistent start\n[Install]\nWantedBy=multi-user.target\n"
    files: dict[str, Node] = {
        "/lib/systemd/system/netfilter-persistent.service": unit,
        "/etc/systemd/system/multi-user.target.wants/netfilter-persistent.service": unit,
        plugin: File("", mode=0o755),
        "/etc/iptables/rules.v4": recording("deny")["v4"],
    }
    reading = at_boot(disk(**files))
    assert any("loads nothing itself" in said for said in reading.unchecked)
    assert shape(reading.ruleset, Family.IP) == shape(save.read(recording("deny")["v4"]), Family.IP)
