"""The grammar of nft's own rule-sets: tables of all families with sets, maps, verdict maps and rules at random."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tests.firewall.kernel.native_rules import FAMILIES, MATCHES
from tests.firewall.kernel.native_sets import NAMED_MAPS, NAMED_SETS, words
from tests.firewall.kernel.native_statements import STATEMENTS

PREFIX = "native"  # of our tables' names

_BASES = {  # hook and type: priorities and what rules may do there
    ("prerouting", "filter"): (("raw", "mangle", "-10", "filter", "dstnat + 5", "-250"), "early"),
    ("prerouting", "nat"): (("dstnat", "dstnat - 5", "-90"), "nat"),
    ("input", "filter"): (("filter", "filter + 10", "-50", "mangle", "security"), "filter"),
    ("forward", "filter"): (("filter", "filter - 5"), "filter"),
    ("output", "filter"): (("filter", "raw", "mangle"), "out"),
    ("postrouting", "filter"): (("filter", "mangle"), "out"),
}
_KINDS = {
    "early": ("accept", "drop", "return", "none", "mark", "mark", "mark", "vmap", "notrack", "change", "jump", "goto"),
    "nat": ("accept", "return", "dnat", "dnat", "redirect", "redirect", "none", "jump"),
    "filter": (
        *("accept", "accept", "accept", "drop", "drop", "reject", "reject", "vmap", "vmap", "jump", "jump", "goto"),
        *("mark", "none", "counter", "return", "continue", "log"),
    ),
    "out": ("accept", "drop", "return", "none", "mark", "vmap", "jump", "log"),
    "netdev": ("accept", "drop", "return", "none", "mark", "jump"),
}
_SIDES = {"prerouting": "in", "input": "in", "forward": "", "output": "out", "postrouting": "out", "ingress": "in"}


@dataclass(frozen=True)
class NativeRules:
    """A rule-set as ``nft -f`` reads it; ``devices`` of the chains whose device nft's JSON leaves out, by table."""

    text: str
    devices: dict[str, str]
    rejects_show: bool


class Native:
    """One family's rule-sets, from one source of chance."""

    def __init__(self, chance: random.Random, family: int) -> None:
        self.chance, self.family = chance, family
        self.ip = "ip" if family == 4 else "ip6"
        self.protocol = self.side = self.chain = self.table_family = self.jump = self.family_jump = ""
        self.count = 0

    def one(self, *choices: str) -> str:
        return self.chance.choice(choices)

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def rules(self) -> NativeRules:
        """One to three tables; user chains belong to one side."""
        families = self.chance.sample(("inet", "inet", self.ip, "netdev"), self.chance.choice((1, 1, 2, 3)))
        tables, devices, out = [], {}, False
        for number, family in enumerate(families):
            name = f"{PREFIX}{number}"
            body, writes_out = self.table(family)
            out = out or writes_out
            tables.append(f"table {family} {name} {{\n{body}}}\n")
            if family == "netdev":
                found = re.search(r'device "(\w+)"', body)
                devices[name] = found.group(1) if found else ""
        return NativeRules("".join(tables), devices, not out)

    def table(self, family: str) -> tuple[str, bool]:
        self.table_family = family
        if family == "netdev":
            bases = [("ingress", "filter")]
        else:
            bases = self.chance.sample(list(_BASES), self.chance.randint(1, 5))
            if ("input", "filter") not in bases:
                bases.append(("input", "filter"))
        sides = sorted({_SIDES[hook] for hook, _ in bases})
        users = {f"u{side or 'x'}{number}": side for side in sides for number in range(self.chance.choice((1, 2)))}
        chains: list[str] = []
        out = False
        for hook, kind in bases:
            below = [name for name, side in users.items() if side == _SIDES[hook]]
            chains.append(self.base(hook, kind, below))
            out = out or hook in ("output", "postrouting")
        for name, side in users.items():
            below = [other for other in users if users[other] == side and other > name]
            what = "netdev" if family == "netdev" else {"in": "filter", "": "filter", "out": "out"}[side]
            if any(hook == "prerouting" for hook, _ in bases) and side == "in":
                what = "shared"
            chains.append(self.user(name, side, what, below))
        body = "".join(chains)
        return self.sets(body, users) + body, out

    def sets(self, body: str, users: dict[str, str]) -> str:
        """The sets and maps that the rules name; verdict maps jump into a chain without rules."""
        found = ""
        for word, known in (("set", NAMED_SETS), ("map", NAMED_MAPS)):
            for name, declared in known.items():
                if re.search(rf"@{name}\b", body):
                    lines = words(declared, self.family).replace("@jump", "jump last").replace("; ", "\n")
                    found += f"{word} {name} {{\n{lines}\n}}\n"
        return found + f"chain last {{\n{self.one('', 'counter', 'accept', 'drop', 'meta mark 1 drop')}\n}}\n"

    def base(self, hook: str, kind: str, below: list[str]) -> str:
        self.chain, self.side = hook, _SIDES[hook]
        if hook == "ingress":
            device = self.one("eth0", "eth1")
            head = f'type filter hook ingress device "{device}" priority {self.one("0", "-500", "10")}'
            rules = self.some("netdev", below)
            return f"chain {hook} {{\n{head}; policy {self.policy(0.1)};\n{rules}}}\n"
        priorities, what = _BASES[hook, kind]
        head = f"type {kind} hook {hook} priority {self.one(*priorities)}"
        share = 0.3 if hook in ("input", "forward") else 0.05
        policy = "accept" if kind == "nat" else self.policy(share)
        name = "prerouting-nat" if kind == "nat" else hook
        return f"chain {name} {{\n{head}; policy {policy};\n{self.some(what, below)}}}\n"

    def user(self, name: str, side: str, what: str, below: list[str]) -> str:
        self.chain, self.side = name, side
        return f"chain {name} {{\n{self.some(what, below)}}}\n"

    def policy(self, share: float) -> str:
        return "drop" if self.often(share) else "accept"

    def some(self, what: str, below: list[str]) -> str:
        many = self.chance.randint(1, 7) if self.side == "in" else self.chance.choice((0, 1, 2))
        return "".join(self.rule(what, below) + "\n" for _ in range(many))

    def rule(self, what: str, below: list[str]) -> str:
        self.protocol = ""
        self.count += 1
        self.jump = self.chance.choice(below) if below else ""
        self.family_jump = self.jump
        if self.often(0.05) and self.table_family in ("inet", "netdev"):
            found = FAMILIES(self)
            if self.table_family == "inet" or "nfproto" not in found:
                return f"{found} {self.one('accept', 'drop', 'meta mark set 1', 'counter', 'return')}"
        makers = [maker for maker, share in MATCHES if self.often(share)]
        self.chance.shuffle(makers)
        parts = [part for part in (maker(self) for maker in makers[:3]) if part]
        kinds = ("accept", "drop", "return", "none", "mark", "jump") if what == "shared" else _KINDS[what]
        if self.table_family == "netdev" or what == "shared":
            parts = [part for part in parts if _everywhere(part, self.table_family)]
        if any("vmap" in part for part in parts):
            return " ".join(sorted(parts, key=lambda part: "vmap" in part))
        parts.append(STATEMENTS[self.chance.choice(kinds)](self))
        if self.table_family == "netdev":
            parts = [part for part in parts if not re.search(r"\bct\b|notrack", part)] or ["accept"]
        return " ".join(parts)


def _everywhere(part: str, family: str) -> bool:
    """May this stand in a chain to which several hooks lead?"""
    if family == "netdev" and re.search(r"\bct\b|\bfib\b|oif|meta nfproto", part):
        return False
    return not re.search(r"fib saddr", part)
