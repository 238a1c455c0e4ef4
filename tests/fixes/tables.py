"""The tables of a case as the model names them, read with no more than what their programs print."""

from __future__ import annotations

from agent.firewall.model import Backend, Base, Chain, Family, Hook, Rule, Ruleset, Table, together
from agent.firewall.statement import Action, End
from agent.firewall.xtables import save
from tests.fixes import rulesets
from tests.fixes.rulesets import Case


def in_force(case: Case) -> Ruleset:
    """The tables and chains that are there."""
    found = []
    for backend, kind in (("legacy", Backend.LEGACY), ("nft", Backend.NF_TABLES)):
        for program, family in zip(rulesets.XTABLES[backend], (Family.IP, Family.IP6)):
            if backend in case.xtables:
                found.append(save.read(rulesets.run(f"{program}-save"), family, kind))
    if case.native:
        found.append(Ruleset((_native("guard", Family.INET, 0), _native("six", Family.IP6, -10))))
    return together(*found)


def _native(name: str, family: Family, priority: int) -> Table:
    """Its chains, and as many rules as there are."""
    text = rulesets.run("nft", "list", "table", family.value, name)
    chains: list[Chain] = []
    for block in text.split("\n\tchain ")[1:]:
        lines = [line.strip() for line in block.split("\n\t}")[0].split("\n")]
        base = next((line for line in lines if line.startswith("type ")), "")
        rules = [line for line in lines[1:] if line and line != base]
        action = Action.DROP if "policy drop" in base else Action.ACCEPT
        chains.append(
            Chain(
                lines[0].split(" ")[0],
                tuple(Rule(line, number, ()) for number, line in enumerate(rules, start=1)),
                Base(Hook.INPUT, priority, End(action)) if base else None,
            )
        )
    return Table(name, family, Backend.NFT, tuple(chains))
