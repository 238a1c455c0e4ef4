"""python3 -m tests.firewall.kernel.rendering [RULE-SETS]: rules rendered from nft's JSON against nft's own text."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping

from agent.firewall.nft import json_reader
from tests.firewall.kernel.lab import command, unshare
from tests.firewall.kernel.native import Native


def printed(text: str) -> dict[tuple[str, str], list[str]]:
    """The rules of ``nft list ruleset`` by table and chain."""
    found: dict[tuple[str, str], list[str]] = {}
    table = chain = ""
    for line in text.split("\n"):
        words = line.split()
        if line.startswith("table "):
            table = words[2]
        elif line.startswith("\tchain "):
            chain = words[1]
            found[table, chain] = []
        elif line.startswith("\t}"):
            chain = ""
        elif chain and line.startswith("\t\t") and not line.startswith("\t\ttype "):
            found[table, chain].append(line.strip())
    return found


def rendered(document: Mapping[str, object]) -> dict[tuple[str, str], list[str]]:
    """The same of the model; what the reader adds to a chain has no number."""
    return {
        (table.name, chain.name): [rule.text for rule in chain.rules if rule.number]
        for table in json_reader.read(document).tables
        for chain in table.chains
    }


def differences(count: int, seed: int) -> tuple[int, list[str]]:
    """How many rules were compared, and those that differ."""
    unshare()
    for name in ("eth0", "eth1"):
        command("ip", "link", "add", name, "type", "veth", "peer", "name", f"w-{name}")
    rules, found = 0, []
    for number in range(count):
        chance = random.Random(seed * 1_000_003 + number)
        command("nft", "flush", "ruleset")
        command("nft", "-f", "-", text=Native(chance, chance.choice((4, 6))).rules().text)
        theirs = printed(command("nft", "list", "ruleset"))
        ours = rendered(json.loads(command("nft", "-j", "list", "ruleset")))
        rules += sum(map(len, theirs.values()))
        for place in theirs.keys() | ours.keys():
            one, other = theirs.get(place, []), ours.get(place, [])
            if one != other:
                found.append(f"rule-set {number}, {place}:\n  nft    {one}\n  render {other}")
    return rules, found


def main() -> int:
    seed = random.SystemRandom().randrange(1_000_000)
    rules, found = differences(int(sys.argv[1]) if len(sys.argv) > 1 else 40, seed)
    print(f"seed {seed}: {rules} rules, {len(found)} chains differ", *found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
