"""Makers: one random match or target each, as iptables-restore reads it; "" where it has no place."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.firewall.kernel.pools import DIRECTIONS, OTHERS, OWN, PORTS, SETS

if TYPE_CHECKING:
    from tests.firewall.kernel.grammar import Grammar

Maker = Callable[["Grammar"], str]


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


MATCHES: tuple[tuple[Maker, float], ...] = (
    *((_multiport, 0.25), (_conntrack, 0.3), (_state, 0.08), (_mark, 0.12), (_connmark, 0.05), (_iprange, 0.06)),
    *((_addrtype, 0.08), (_limit, 0.05), (_ttl, 0.04), (_length, 0.06), (_tos, 0.05), (_pkttype, 0.04), (_owner, 0.1)),
    *((_time, 0.04), (_rpfilter, 0.2), (_policy, 0.03), (_physdev, 0.03), (_extension, 0.03), (_comment, 0.06)),
    *((_mac, 0.05), (_set, 0.15), (_string, 0.01)),
)


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


TARGETS: dict[str, Maker] = {
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
