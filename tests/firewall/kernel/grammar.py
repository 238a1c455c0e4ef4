"""The grammar: random rule-sets over everything that the model claims to know, and packets that meet their rules.

Values come from small pools, so that rules and packets meet often. What is generated is meant to load; the few
rules that a back end refuses are counted by the caller.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Maker = Callable[["Grammar"], str]

SOURCES = {
    4: ("203.0.113.5", "203.0.113.9", "203.0.113.77", "198.51.100.3", "198.51.100.200", "192.0.2.50"),
    6: ("2001:db8:a::5", "2001:db8:a::9", "2001:db8:a:1::77", "2001:db8:b::3", "2001:db8:b:ffff::1", "2001:db8:1::50"),
}
OWN = {4: ("192.0.2.10", "192.0.2.11", "192.0.2.130"), 6: ("2001:db8:1::10", "2001:db8:1::11", "2001:db8:2::10")}
OTHERS = {4: ("192.0.2.50", "198.51.100.60"), 6: ("2001:db8:1::50", "2001:db8:b::60")}
NETWORKS = {
    4: (
        "203.0.113.0/24",
        "203.0.113.0/28",
        "203.0.113.8/29",
        "198.51.100.0/25",
        "192.0.2.0/25",
        "0.0.0.0/1",
        "128.0.0.0/1",
    ),
    6: (
        "2001:db8:a::/48",
        "2001:db8:a::/64",
        "2001:db8:b::/48",
        "2001:db8::/32",
        "2001:db8:1::/64",
        "::/1",
        "fe80::/10",
    ),
}
PORTS = (22, 80, 443, 2222, 8080, 53, 123, 9999)
LOW, HIGH = 1024, 60999
SETS = {
    4: {
        "addresses": ("hash:ip", ("203.0.113.5", "198.51.100.3", "192.0.2.11")),
        "nets": ("hash:net", ("203.0.113.0/24", "203.0.113.8/29 nomatch", "198.51.100.128/25")),
        "services": ("bitmap:port range 0-10000", ("22", "80-443", "8080")),
        "pairs": ("hash:ip,port", ("203.0.113.5,tcp:22", "192.0.2.10,udp:53", "203.0.113.9,icmp:8/0")),
        "netports": ("hash:net,port", ("203.0.113.0/24,tcp:22", "198.51.100.0/24,udp:53-123")),
        "triples": ("hash:ip,port,ip", ("203.0.113.5,tcp:22,192.0.2.10", "203.0.113.9,udp:53,192.0.2.11")),
        "links": ("hash:net,iface", ("203.0.113.0/24,eth0", "198.51.100.0/24,eth1")),
        "bits": ("bitmap:ip range 203.0.113.0/24", ("203.0.113.5", "203.0.113.64-203.0.113.80")),
        "portnets": ("hash:ip,port,net", ("192.0.2.10,tcp:443,203.0.113.0/24",)),
        "all": ("list:set", ("addresses", "nets")),
    },
    6: {
        "addresses": ("hash:ip family inet6", ("2001:db8:a::5", "2001:db8:b::3", "2001:db8:1::11")),
        "nets": ("hash:net family inet6", ("2001:db8:a::/48", "2001:db8:a::/64 nomatch", "2001:db8:b::/64")),
        "pairs": (
            "hash:ip,port family inet6",
            ("2001:db8:a::5,tcp:22", "2001:db8:1::10,udp:53", "2001:db8:a::9,icmpv6:128/0"),
        ),
        "netports": ("hash:net,port family inet6", ("2001:db8:a::/64,tcp:22", "2001:db8:b::/48,udp:53-123")),
        "all": ("list:set", ("addresses", "nets")),
    },
}
DIRECTIONS = {
    "addresses": 1,
    "nets": 1,
    "services": 1,
    "pairs": 2,
    "netports": 2,
    "triples": 3,
    "links": 2,
    "bits": 1,
    "portnets": 3,
    "all": 1,
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
        self.table = self.chain = ""
        self.side = ""

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
        makers = [maker for maker, share in _MATCHES if self.often(share)]
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
        maker = _MAKERS.get(kind)
        return maker(self) if maker else f"-j {kind}"


def _mac(g: Grammar) -> str:
    if not g.inward:
        return ""
    return f"-m mac {g.bang()}--mac-source {g.one('02:00:00:00:00:01', '02:00:00:00:00:02', '02:00:00:00:00:99')}"


def _multiport(g: Grammar) -> str:
    if g.protocol not in ("tcp", "udp"):
        return ""
    listed = ",".join(
        g.chance.sample(
            ["22", "80", "443", "2222:3000", "53", "8080:9999", "123", "1024:40000"], g.chance.randint(1, 4)
        )
    )
    return f"-m multiport {g.bang()}{g.one('--dports', '--dports', '--sports', '--ports')} {listed}"


def _conntrack(g: Grammar) -> str:
    states = ["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "DNAT", "SNAT"]
    wanted = g.one("NEW", "RELATED,ESTABLISHED", "INVALID", ",".join(g.chance.sample(states, g.chance.randint(1, 3))))
    parts = [f"-m conntrack {g.bang()}--ctstate {wanted}"] if g.often(0.85) else ["-m conntrack"]
    extra = []
    if g.often(0.12):
        extra.append(f"{g.bang()}--ctproto {g.one('tcp', 'udp', '1', '58')}")
    if g.often(0.1):
        extra.append(f"{g.bang()}--ctorigsrc {g.address()}")
    if g.often(0.1):
        extra.append(f"{g.bang()}--ctorigdst {g.address(True)}")
    if g.often(0.1):
        extra.append(f"{g.bang()}--ctorigdstport {g.chance.choice(PORTS)}")
    if g.often(0.1):
        extra.append(
            f"{g.bang()}--ctstatus {g.one('SEEN_REPLY', 'CONFIRMED', 'NONE', 'EXPECTED', 'SEEN_REPLY,EXPECTED')}"
        )
    if g.often(0.1):
        extra.append(f"--ctdir {g.one('ORIGINAL', 'REPLY')}")
    if len(parts[0]) < 15 and not extra:
        extra.append("--ctdir ORIGINAL")
    return " ".join(parts + extra)


def _state(g: Grammar) -> str:
    return f"-m state {g.bang()}--state {g.one('NEW', 'RELATED,ESTABLISHED', 'INVALID', 'UNTRACKED', 'NEW,INVALID')}"


def _mark(g: Grammar) -> str:
    return f"-m mark {g.bang()}--mark {g.one('0x1', '0x2', '0x0/0x1', '0x1/0x1', '0x10/0xf0', '0x3/0xff', '0x0')}"


def _connmark(g: Grammar) -> str:
    return f"-m connmark {g.bang()}--mark {g.one('0x1', '0x2', '0x0/0x1', '0x1/0x1', '0x10/0xf0', '0x0')}"


def _iprange(g: Grammar) -> str:
    if g.family == 4:
        return f"-m iprange {g.bang()}" + g.one(
            *(
                "--src-range 203.0.113.5-203.0.113.60",
                "--dst-range 192.0.2.11-192.0.2.140",
                "--src-range 0.0.0.1-198.51.100.3",
            )
        )
    return f"-m iprange {g.bang()}" + g.one(
        "--src-range 2001:db8:a::6-2001:db8:b::3", "--dst-range 2001:db8:1::11-2001:db8:3::"
    )


def _addrtype(g: Grammar) -> str:
    if g.family == 4:
        kinds = g.one(
            "LOCAL", "UNICAST", "BROADCAST", "MULTICAST", "LOCAL,BROADCAST", "UNICAST,MULTICAST", "UNREACHABLE"
        )
    else:
        kinds = g.one("LOCAL", "UNICAST", "MULTICAST", "LOCAL,UNICAST", "UNSPEC", "UNREACHABLE")
    return f"-m addrtype {g.bang()}{g.one('--dst-type', '--dst-type', '--src-type')} {kinds}"


def _limit(g: Grammar) -> str:
    return g.one(
        "-m limit --limit 3/min --limit-burst 2",
        "-m statistic --mode random --probability 0.5",
        "-m statistic --mode random --probability 1.0",
        "-m statistic --mode nth --every 3 --packet 0",
        "-m hashlimit --hashlimit-upto 5/min --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name h1",
        "-m recent --name r1 --set",
        "-m recent --name r1 --rcheck --seconds 60 --hitcount 2",
        "-m connlimit --connlimit-above 2",
        "-m quota --quota 400",
    )


def _ttl(g: Grammar) -> str:
    how = g.one("eq 64", "eq 12", "lt 64", "gt 63", "gt 12", "lt 200")
    return f"-m {'ttl --ttl' if g.family == 4 else 'hl --hl'}-{how}"


def _length(g: Grammar) -> str:
    return f"-m length {g.bang()}--length {g.one('0:60', '48', '61:', '36:100', '40:1500', ':56', '150:250')}"


def _tos(g: Grammar) -> str:
    return g.one(
        f"-m tos {g.bang()}--tos 0x10/0xff",
        f"-m tos {g.bang()}--tos 0x08/0x1c",
        f"-m dscp {g.bang()}--dscp 0x04",
        f"-m dscp {g.bang()}--dscp 0x0",
        f"-m dscp {g.bang()}--dscp-class AF11",
    )


def _pkttype(g: Grammar) -> str:
    return f"-m pkttype {g.bang()}--pkt-type {g.one('unicast', 'broadcast', 'multicast')}"


def _owner(g: Grammar) -> str:
    if not g.outward:
        return ""
    return f"-m owner {g.bang()}{g.one('--uid-owner 0', '--uid-owner 1000-2000', '--gid-owner 0', '--socket-exists')}"


def _time(g: Grammar) -> str:
    now = time.gmtime()
    hour = now.tm_hour
    return "-m time " + g.one(
        *("--datestart 2020-01-01", "--datestop 2021-01-01T00:00:00", "--timestart 00:00 --timestop 23:59:59"),
        *(
            f"--timestart {(hour + 2) % 24:02d}:00 --timestop {(hour + 1) % 24:02d}:30",
            "--weekdays Mon,Tue,Wed,Thu,Fri,Sat,Sun",
        ),
        *(f"! --monthdays {now.tm_mday},{(now.tm_mday % 28) + 1}", "--monthdays 1,2,3", "--weekdays Sa,Su"),
    )


def _rpfilter(g: Grammar) -> str:
    if g.chain != "PREROUTING" or g.table not in ("raw", "mangle"):
        return ""
    return "-m rpfilter" + g.one("", " --loose", " --invert", " --loose --invert")


def _policy(g: Grammar) -> str:
    if not g.inward:
        return ""
    return f"-m policy --dir in --pol {g.one('none', 'ipsec')}"


def _physdev(g: Grammar) -> str:
    if not g.inward:
        return ""
    return f"-m physdev {g.bang(0.5)}{g.one('--physdev-is-bridged', '--physdev-in eth0')}"


def _extension(g: Grammar) -> str:
    if g.family == 4:
        return f"-m ecn {g.bang()}--ecn-ip-ect {g.one('0', '1', '2')}"
    return g.one("-m rt --rt-type 0", "-m frag --fragid 5", "-m hbh", "-m rt ! --rt-type 0")


def _comment(g: Grammar) -> str:
    return g.one(
        '-m comment --comment "a \\"quoted\\" word"', "-m comment --comment ssh", '-m comment --comment "it\'s -j DROP"'
    )


def _set(g: Grammar) -> str:
    if not g.sets:
        return ""
    name = g.chance.choice(sorted(SETS[g.family]))
    directions = ",".join(g.one("src", "dst") for _ in range(DIRECTIONS[name]))
    nomatch = " --return-nomatch" if name == "nets" and g.often(0.2) else ""
    return f"-m set {g.bang()}--match-set {name}{g.family} {directions}{nomatch}"


def _string(g: Grammar) -> str:
    return g.one("-m string --string LiSh --algo bm", '-m u32 --u32 "0&0xf=5"')


_MATCHES: tuple[tuple[Maker, float], ...] = (
    *((_multiport, 0.25), (_conntrack, 0.3), (_state, 0.08), (_mark, 0.12), (_connmark, 0.05), (_iprange, 0.06)),
    *((_addrtype, 0.08), (_limit, 0.05), (_ttl, 0.04), (_length, 0.06), (_tos, 0.05), (_pkttype, 0.04), (_owner, 0.1)),
    *((_time, 0.04), (_rpfilter, 0.2), (_policy, 0.03), (_physdev, 0.03), (_extension, 0.03), (_comment, 0.06)),
    *((_mac, 0.05), (_set, 0.15), (_string, 0.01)),
)

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


def _marks(g: Grammar) -> str:
    how = g.one(
        "--set-mark 0x1",
        "--set-xmark 0x2/0xff",
        "--or-mark 0x10",
        "--and-mark 0xfe",
        "--xor-mark 0x3",
        "--set-mark 0x1/0xf",
    )
    return f"-j MARK {how}"


def _connmarks(g: Grammar) -> str:
    how = g.one(
        *("--set-mark 0x1", "--save-mark", "--restore-mark", "--set-xmark 0x10/0xf0", "--or-mark 0x2"),
        *(
            "--save-mark --nfmask 0xf --ctmask 0xff",
            "--restore-mark --nfmask 0xff --ctmask 0xf",
            "--save-mark --mask 0xf0",
        ),
    )
    return f"-j CONNMARK {how}"


def _reject(g: Grammar) -> str:
    if g.side == "out":
        return "-j DROP"
    if g.protocol == "tcp" and g.often(0.4):
        return "-j REJECT --reject-with tcp-reset"
    if g.family == 4:
        return (
            f"-j REJECT --reject-with {g.one('icmp-port-unreachable', 'icmp-host-prohibited', 'icmp-admin-prohibited')}"
        )
    return f"-j REJECT --reject-with {g.one('icmp6-port-unreachable', 'icmp6-adm-prohibited', 'icmp6-no-route')}"


def _dnat(g: Grammar) -> str:
    address = g.chance.choice((*OWN[g.family], *OWN[g.family], *OTHERS[g.family]))
    ported = g.protocol in ("tcp", "udp") and g.often(0.6)
    if not ported:
        return f"-j DNAT --to-destination {address}"
    port = g.one(":80", ":8080", ":2222", ":20000-20010")
    return (
        f"-j DNAT --to-destination {address}{port}" if g.family == 4 else f"-j DNAT --to-destination [{address}]{port}"
    )


def _redirect(g: Grammar) -> str:
    if g.protocol in ("tcp", "udp"):
        return f"-j REDIRECT --to-ports {g.one('8080', '2222', '22', '8000-8100')}"
    return "-j REDIRECT"


def _ttl_set(g: Grammar) -> str:
    return "-j TTL --ttl-set 12" if g.family == 4 else "-j HL --hl-set 12"


_MAKERS: dict[str, Maker] = {
    "none": lambda g: "",
    "mark": _marks,
    "connmark": _connmarks,
    "reject": _reject,
    "dnat": _dnat,
    "redirect": _redirect,
    "ttl": _ttl_set,
    "notrack": lambda g: g.one("-j NOTRACK", "-j CT --notrack"),
    "ct": lambda g: g.one("-j CT --zone 5", "-j CT --notrack") if g.often(0.3) else "-j CT --notrack",
    "log": lambda g: (
        g.one("-j NFLOG --nflog-group 7", '-j LOG --log-prefix "in: " --log-level 7')
        if False
        else "-j NFLOG --nflog-group 7"
    ),
    "tos": lambda g: g.one("-j TOS --set-tos 0x10/0xff", "-j DSCP --set-dscp 0x04", "-j TOS --or-tos 0x8"),
    "aside": lambda g: "-j CLASSIFY --set-class 1:2" if g.side == "out" else "-j NFLOG --nflog-group 3",
}
