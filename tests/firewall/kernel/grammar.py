"""The grammar: random rule-sets over everything that the model claims to know, and packets that meet their rules.

Values come from small pools, so that rules and packets meet often. What is generated is meant to load; the few
rules that a back end refuses are counted by the caller.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.firewall.kernel.makers import MATCHES, TARGETS
from tests.firewall.kernel.pools import NETWORKS, OWN, PORTS, SETS, SOURCES

_TABLES = {"raw": 0.35, "mangle": 0.45, "nat": 0.4, "filter": 0.97, "security": 0.15}
TABLES = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
_SIDES = {  # nat translates destinations where packets come in, and where the host sends its own
    "nat": {"PREROUTING": "in", "OUTPUT": "in"},
    **{
        key: {"PREROUTING": "in", "INPUT": "in", "FORWARD": "", "OUTPUT": "out", "POSTROUTING": "out"}
        for key in ("raw", "mangle", "filter", "security")
    },
}
_TARGETS: dict[str, tuple[str, ...]] = {
    "raw": ("ACCEPT", "DROP", "RETURN", "none", "notrack", "notrack", "mark", "log", "ct"),
    "mangle": (
        "ACCEPT",
        "DROP",
        "RETURN",
        "mark",
        "mark",
        "mark",
        "connmark",
        "connmark",
        "tos",
        "ttl",
        "aside",
        "none",
    ),
    "nat": ("ACCEPT", "RETURN", "dnat", "dnat", "redirect", "redirect", "none", "log"),
    "filter": ("ACCEPT", "ACCEPT", "ACCEPT", "DROP", "DROP", "RETURN", "reject", "reject", "log", "none"),
    "security": ("ACCEPT", "DROP", "RETURN", "none"),
}


@dataclass(frozen=True)
class Rules:
    """A rule-set as iptables-restore reads it."""

    text: str
    family: int
    lines: int
    rejects_show: bool  # nothing on the way out can hide a reject


def set_text(family: int) -> str:
    """The ipsets of a family, as ``ipset restore`` reads them."""
    lines: list[str] = []
    for name, (kind, entries) in SETS[family].items():
        lines.append(f"create {name}{family} {kind}")
        lines += [f"add {name}{family} {entry}{family if kind == 'list:set' else ''}" for entry in entries]
    return "\n".join(lines) + "\n"


class Grammar:
    """One family's rule-sets, from one source of chance."""

    def __init__(self, chance: random.Random, family: int, sets: bool) -> None:
        self.chance, self.family, self.sets = chance, family, sets
        self.protocol = ""
        self.table: str = ""
        self.chain: str = ""
        self.side: str = ""

    def one(self, *choices: str) -> str:
        return self.chance.choice(choices)

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def bang(self, share: float = 0.2) -> str:
        return "! " if self.often(share) else ""

    def address(self, own: bool = False) -> str:
        if self.often(0.4):
            return self.chance.choice(NETWORKS[self.family])
        return self.chance.choice(OWN[self.family] if own else SOURCES[self.family])

    def ports(self) -> str:
        """Never all ports: iptables-save leaves their negation out (seen with 1.8.9)."""
        if self.often(0.55):
            return str(self.chance.choice(PORTS))
        low = self.chance.choice((1, 22, 53, 80, 443, 1024, 8080, 30000))
        return self.one(f"{low}:", f":{low + 80}", f"{low}:{min(low + self.chance.choice((0, 60, 400, 20000)), 65535)}")

    def rules(self) -> Rules:
        """All five tables, of which some hold rules. User chains belong to one side: many options exist only for
        packets that come in, or only for those that go out."""
        lines: list[str] = []
        count = 0
        used: set[str] = set()
        for table in TABLES:
            self.table = table
            full = self.often(_TABLES[table])
            users = self.users() if full else {}
            lines.append(f"*{table}")
            lines += [f":{chain} {self.policy(chain)} [0:0]" for chain in TABLES[table]]
            lines += [f":{chain} - [0:0]" for chain in users]
            for chain in (*TABLES[table], *users) if full else ():
                self.chain = chain
                self.side = users.get(chain) or _SIDES[table].get(chain, "")
                order = list(users)
                below = [
                    user
                    for user in (order[order.index(chain) + 1 :] if chain in users else order)
                    if users[user] == self.side
                ]
                for _ in range(self.amount(chain, chain in users)):
                    lines.append(f"-A {chain} {self.rule(below)}".rstrip())
                    count += 1
                    used.add(chain)
            lines.append("COMMIT")
        text = "\n".join(lines) + "\n"
        shows = not {"OUTPUT", "POSTROUTING"} & used and ":OUTPUT DROP" not in text
        return Rules(text, self.family, count, shows)

    def users(self) -> dict[str, str]:
        sides = self.chance.sample(("in", "in", "in", "out", "out"), self.chance.choice((0, 1, 2, 4)))
        return {f"{self.table[:3]}-{side}{number}": side for number, side in enumerate(sides)}

    def policy(self, chain: str) -> str:
        share = {"INPUT": 0.4, "FORWARD": 0.4, "OUTPUT": 0.1}.get(chain, 0) if self.table == "filter" else 0
        return "DROP" if self.often(share) else "ACCEPT"

    def amount(self, chain: str, user: bool) -> int:
        if user or chain in ("INPUT", "PREROUTING") or (chain == "OUTPUT" and self.often(0.5)):
            return self.chance.randint(1, 7)
        return self.chance.choice((0, 0, 1, 2))

    @property
    def inward(self) -> bool:
        """Are we in a chain that only packets from outside meet?"""
        return self.side == "in" and self.table != "nat"

    @property
    def outward(self) -> bool:
        return self.side == "out" and self.table != "nat"

    def rule(self, below: Sequence[str]) -> str:
        parts: list[str] = []
        self.protocol = ""
        answers = self.side == "out"
        if self.often(0.3):
            parts.append(f"{self.bang()}-s {self.address(answers)}")
        if self.often(0.3):
            parts.append(f"{self.bang()}-d {self.address(not answers)}")
        if self.often(0.2) and self.chain not in ("OUTPUT", "POSTROUTING") and (self.inward or self.often(0.3)):
            name = self.one("eth0", "eth1", "eth+", "e+", "lo", "eth", "+")
            # iptables-save leaves "! -i +" out altogether (seen with 1.8.9): then no reader can know
            parts.append(f"{'' if name == '+' else self.bang()}-i {name}")
        if self.often(0.15) and self.chain not in ("INPUT", "PREROUTING"):
            parts.append(f"{self.bang()}-o {self.one('eth0', 'eth1', 'eth+', 'lo', 'eth')}")
        if self.often(0.05) and self.family == 4:
            parts.append(self.one("-f", "! -f"))
        parts += self.protocol_part()
        makers = [maker for maker, share in MATCHES if self.often(share)]
        self.chance.shuffle(makers)
        parts += [part for part in (maker(self) for maker in makers[:3]) if part]
        target = self.target(below)
        if target:
            parts.append(target)
        return " ".join(parts)

    def protocol_part(self) -> list[str]:
        kind = self.chance.random()
        if kind < 0.3:
            return []
        icmp = "icmp" if self.family == 4 else "ipv6-icmp"
        if kind < 0.4:
            return [f"{self.bang(0.5)}-p {self.one('tcp', 'udp', icmp, '47')}"]
        if kind < 0.7:
            self.protocol = "tcp"
            return ["-p tcp -m tcp", *self.tcp_options()]
        if kind < 0.87:
            self.protocol = "udp"
            return ["-p udp -m udp", *self.port_options()]
        self.protocol = icmp
        if self.family == 4:
            wanted = self.one("8", "0", "8/0", "3/3", "echo-request", "any", "8/1", "3")
            return [f"-p icmp -m icmp {self.bang()}--icmp-type {wanted}"]
        wanted = self.one("128", "129", "128/0", "1/4", "echo-request", "135", "1")
        return [f"-p ipv6-icmp -m icmp6 {self.bang()}--icmpv6-type {wanted}"]

    def port_options(self) -> list[str]:
        found: list[str] = []
        side = "--sport" if self.side == "out" else "--dport"
        if self.often(0.7):
            found.append(f"{self.bang()}{side} {self.ports()}")
        if self.often(0.1):
            found.append(f"{self.bang()}{'--dport' if side == '--sport' else '--sport'} {self.ports()}")
        return found

    def tcp_options(self) -> list[str]:
        found = self.port_options()
        if self.often(0.25):
            found.append(
                self.one(
                    *("--syn", "! --syn", "--tcp-flags SYN,ACK,FIN,RST SYN", "! --tcp-flags SYN,ACK SYN,ACK"),
                    *(
                        "--tcp-flags ALL NONE",
                        "--tcp-flags ALL FIN,PSH,URG",
                        "--tcp-flags ACK ACK",
                        "--tcp-flags SYN,RST NONE",
                    ),
                )
            )
        return found

    def target(self, below: Sequence[str]) -> str:
        kinds = list(_TARGETS[self.table])
        if self.side != "in" and self.table == "nat":
            kinds = ["ACCEPT", "RETURN", "none"]
        if below:
            kinds += ["jump"] * (len(kinds) // 2 + 1) + ["goto"]
        kind = self.chance.choice(kinds)
        if kind == "jump":
            return f"-j {self.chance.choice(list(below))}"
        if kind == "goto":
            return f"-g {self.chance.choice(list(below))}"
        maker = TARGETS.get(kind)
        return maker(self) if maker else f"-j {kind}"
