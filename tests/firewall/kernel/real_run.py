"""python3 -m tests.firewall.kernel.real_run [--seed N] [--pairs N] [--only WORD]: real rule-sets and this kernel."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from agent.firewall import evaluate, ipset
from agent.firewall.model import Family, Ruleset, together
from agent.firewall.nft import json_reader
from agent.firewall.result import Verdict
from agent.firewall.xtables import save
from tests.firewall.kernel.compare import BACKENDS, EMPTY, disagreement, load, observed, send, tool
from tests.firewall.kernel.compare import shown as shown_case
from tests.firewall.kernel.lab import Lab, command, enter, lab
from tests.firewall.kernel.packets import HOST, Sent, begun
from tests.firewall.kernel.real import Json, Real, is_xtables, rulesets
from tests.firewall.kernel.real_packets import RealPackets

FAMILIES = {4: Family.IP, 6: Family.IP6}


@dataclass
class Tally:
    """``unknown`` and ``pairs`` by rule-set."""

    pairs: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    seconds: float = 0.0


def own_items() -> list[Json]:
    """What nft lists, without the lab's own table and those of iptables-nft."""
    listed = json.loads(command("nft", "-j", "list", "ruleset"))["nftables"]
    return [
        {kind: inner}
        for item in listed
        for kind, inner in item.items()
        if kind != "metainfo"
        and not is_xtables(kind, inner)
        and inner.get("name" if kind == "table" else "table") != "lab"
    ]


def clear(here: Lab) -> None:
    enter(here.host)
    for backend in ("legacy", "nft"):
        for family in (4, 6):
            load(backend, family, EMPTY)
    gone = [
        f"delete table {item['table']['family']} {item['table']['name']}\n" for item in own_items() if "table" in item
    ]
    command("nft", "-f", "-", text="".join(gone))
    here.forget()
    here.forget_connections()


def loaded(real: Real, family: int) -> str:
    """Load it; what was said against it, "" when nothing was."""
    if real.ipsets and shutil.which("ipset"):
        lines = [line.split() for line in real.ipsets.splitlines()]
        made = [f"flush {words[1]}" for words in lines if words[0] == "create"]
        known = [_create(words) if words[0] == "create" else " ".join(words) for words in lines if words]
        creates = [line for line in known if line.startswith("create")]
        adds = [line for line in known if not line.startswith("create")]
        said = command("ipset", "-exist", "restore", text="\n".join([*creates, *made, *adds, ""]), check=False)
        if said.startswith("error"):
            return said
    for backend, texts in real.xtables.items():
        problem = load(backend, family, texts[family]) if family in texts else ""
        if problem:
            return problem
    if real.document:
        said = command("nft", "-j", "-f", "-", text=json.dumps({"nftables": real.document}), check=False)
        if said.startswith("error"):
            return said
    if real.nft:
        said = command("nft", "-f", "-", text=real.nft, check=False)
        if said.startswith("error"):
            return said
    return ""


def _create(words: list[str]) -> str:
    """Without what older tools do not know."""
    kept, skip = [], False
    for word in words:
        if word in ("bucketsize", "initval"):
            skip = True
        elif skip:
            skip = False
        else:
            kept.append(word)
    return " ".join(kept)


def in_force(real: Real, family: int) -> Ruleset:
    """As our readers have it, from what the tools print now."""
    parts = [
        save.read(command(tool(backend, family, "save"), "-c"), FAMILIES[family], BACKENDS[backend])
        for backend in real.xtables
    ]
    if real.document or real.nft:
        parts.append(json_reader.read({"nftables": own_items()}))
    sets = ipset.read(command("ipset", "save")) if real.ipsets else Ruleset()
    return together(*reversed(parts), sets)  # what was registered last is met first


def as_recorded(real: Real, family: int) -> Ruleset:
    """As our readers have it, from what was recorded, perhaps by a newer tool."""
    parts = [
        save.read(texts[family], FAMILIES[family], BACKENDS[backend])
        for backend, texts in real.xtables.items()
        if family in texts
    ]
    if real.document:
        parts.append(json_reader.read({"nftables": list(real.document)}))
    sets = ipset.read(real.ipsets) if real.ipsets else Ruleset()
    return together(*reversed(parts), sets)


def one(here: Lab, real: Real, family: int, chance: random.Random, count: int, tally: Tally) -> None:
    name = f"{real.name} IPv{family}"
    clear(here)
    text = "\n".join([*(texts.get(family, "") for texts in real.xtables.values()), json.dumps(real.document), real.nft])
    packets = RealPackets(chance, family, text + real.ipsets)
    later = begun(here, packets)
    problem = loaded(real, family)
    if problem:
        tally.refusals.append(f"{name}: {problem[:300]}")
        return
    rules = in_force(real, family)
    then = None if real.nft else as_recorded(real, family)
    tally.disagreements += [f"{name}: not read: {found}" for found in rules.problems]
    sending = later + [packets.fresh() for _ in range(count - len(later))]
    chance.shuffle(sending)
    for sent, kernel in zip(sending, send(here, sending)):
        problem, said = disagreement(sent, kernel, rules, True)
        if problem:  # perhaps it only came late
            here.settle(0.1)
            kernel = observed(here, sent.frame)
            problem, said = disagreement(sent, kernel, rules, True)
        tally.pairs[real.name] += 1
        tally.verdicts[said.verdict.value + (" (reply)" if said.reply else "")] += 1
        if said.verdict is Verdict.UNKNOWN:
            tally.unknown[real.name] += 1
            tally.why[said.why] += 1
        if problem:
            tally.disagreements.append(shown_case(name, problem, sent, kernel, said))
        if then is not None and not _the_same(rules, then, sent):
            tally.disagreements.append(f"{name}: as recorded it is judged otherwise: {sent}")


def _the_same(rules: Ruleset, then: Ruleset, sent: Sent) -> bool:
    now, before = (evaluate.inbound(one, sent.told, HOST) for one in (rules, then))
    return (now.verdict, now.possible) == (before.verdict, before.possible)


def run(seed: int, pairs: int, packets: int, only: str = "", stop: int = 10) -> Tally:
    tally, began = Tally(), time.monotonic()
    chance = random.Random(seed)
    wanted = [(real, family) for real in rulesets() if only in real.name for family in real.families]
    if not shutil.which("ipset"):
        wanted = [(real, family) for real, family in wanted if not real.ipsets]
    with lab() as here:
        while sum(tally.pairs.values()) < pairs and wanted:
            chance.shuffle(wanted)
            for real, family in wanted:
                one(here, real, family, chance, packets, tally)
                if sum(tally.pairs.values()) >= pairs or len(tally.disagreements) >= stop:
                    break
            if len(tally.disagreements) >= stop or not tally.pairs:
                break
    tally.seconds = time.monotonic() - began
    return tally


def report(seed: int, tally: Tally, each: bool) -> str:
    pairs, unknown = sum(tally.pairs.values()), sum(tally.unknown.values())
    lines = [
        f"real rule-sets, seed {seed}: {pairs} pairs, {len(tally.pairs)} rule-sets ({len(tally.refusals)} refused), "
        f"{len(tally.disagreements)} disagreements, {100 * unknown / max(pairs, 1):.2f} % unknown, "
        f"{tally.seconds:.1f} s",
        "verdicts: " + ", ".join(f"{name} {count}" for name, count in tally.verdicts.most_common()),
    ]
    for name in sorted(tally.pairs if each else +tally.unknown):
        share = 100 * tally.unknown[name] / tally.pairs[name]
        lines += [f"  {name}: {tally.pairs[name]} pairs, {share:.1f} % unknown"]
    lines += [f"  unknown {count}: {why}" for why, count in tally.why.most_common(12)]
    return "\n".join([*lines, *(f"  refused: {said}" for said in tally.refusals), *tally.disagreements])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--packets", type=int, default=40, help="for each rule-set")
    parser.add_argument("--only", default="", help="rule-sets with this in their name")
    parser.add_argument("--stop", type=int, default=10, help="after so many disagreements")
    parser.add_argument("--each", action="store_true", help="a line for each rule-set")
    given = parser.parse_args()
    tally = run(given.seed, given.pairs, given.packets, given.only, given.stop)
    print(report(given.seed, tally, given.each))
    return 1 if tally.disagreements or tally.refusals else 0


if __name__ == "__main__":
    sys.exit(main())
