"""Statements of nft, at random: what a rule does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.firewall.kernel import pools
from tests.firewall.kernel.native_rules import Maker

if TYPE_CHECKING:
    from tests.firewall.kernel.native import Native


def _mark_set(g: Native) -> str:
    return g.one(
        *("meta mark set 0x1", "meta mark set 2", "meta mark set meta mark | 0x10", "meta mark set meta mark & 0xf"),
        *("meta mark set meta mark & 0xffffff0f | 0x3", "meta mark set meta mark ^ 0x5", "ct mark set meta mark"),
        *("meta mark set ct mark", "ct mark set 0x1", "ct mark set ct mark | 0x2", "ct mark set meta mark & 0xf"),
        *(f"meta mark set {g.ip} saddr map @bymark", f"meta mark set {g.ip} saddr map @bynet"),
        f"meta mark set {g.ip} saddr map {{ {pools.SOURCES[g.family][0]} : 1, {pools.SOURCES[g.family][3]} : 4 }}",
        *((f"meta mark set {g.ip} saddr . {g.protocol} dport map @netmarks",) if g.protocol in ("tcp", "udp") else ()),
        *((f"meta mark set {g.protocol} dport map @byport",) if g.protocol in ("tcp", "udp") else ()),
    )


def _verdict_map(g: Native) -> str:
    if g.jump == "" or g.family_jump == "":
        return g.one("accept", "drop")
    found = [
        "ct state vmap @bystate",
        f"ct state vmap {{ established : accept, invalid : drop, new : jump {g.jump} }}",
        f"{g.ip} saddr vmap @byaddress",
        f"{g.ip} saddr & {'255.255.255.0' if g.family == 4 else 'ffff:ffff:ffff::'} vmap "
        f"{{ {'203.0.113.0' if g.family == 4 else '2001:db8:a::'} : jump {g.jump} }}",
        f"ct mark vmap {{ 0 : continue, 1 : accept, 2-16 : jump {g.jump} }}",
        f'iifname . {g.ip} saddr vmap {{ "eth0" . {pools.SOURCES[g.family][0]} : jump {g.jump} }}',
        f"fib daddr type vmap {{ local : jump {g.jump}, broadcast : drop }}",
        f"meta length vmap {{ 0-48 : accept, 49-100 : jump {g.jump}, * : continue }}",
        f"icmp{'' if g.family == 4 else 'v6'} type vmap {{ echo-request : jump {g.jump}, echo-reply : drop }}"
        if not g.protocol
        else "continue",
        "meta mark vmap { 1 : accept, 2-5 : drop, 0 : continue }",
        f'iifname vmap {{ "eth0" : jump {g.jump}, "lo" : accept }}',
        f"{g.ip} dscp vmap {{ cs1 : jump {g.jump}, af11 : drop, 0x2 : accept }}",
        f"meta l4proto vmap {{ tcp : jump {g.jump}, udp : continue, icmp : accept }}",
    ]
    if g.protocol in ("tcp", "udp"):
        found += [
            f"{g.protocol} dport vmap @verdicts",
            f"{g.ip} saddr . {g.protocol} dport vmap @judged",
            f"{g.protocol} dport vmap {{ 22 : accept, 80-443 : goto {g.jump}, 8080 : drop, 53 : return }}",
        ]
    return g.chance.choice(found)


def _reject(g: Native) -> str:
    if g.side == "out":
        return "drop"
    if g.protocol == "tcp" and g.often(0.4):
        return "reject with tcp reset"
    if g.table_family == "inet" and g.often(0.5):
        return g.one("reject", "reject with icmpx admin-prohibited", "reject with icmpx no-route")
    if g.family == 4:
        return g.one("reject with icmp host-unreachable", "reject with icmp admin-prohibited")
    return g.one("reject with icmpv6 no-route", "reject with icmpv6 admin-prohibited")


def _dnat(g: Native) -> str:
    address = g.chance.choice((*pools.OWN[g.family], *pools.OWN[g.family], *pools.OTHERS[g.family]))
    family = f"{g.ip} " if g.table_family == "inet" else ""
    if g.protocol not in ("tcp", "udp"):
        return f"dnat {family}to {address}"
    port = g.one("80", "8080", "2222", "20000-20010")
    shown = f"[{address}]" if g.family == 6 else address
    return g.one(
        f"dnat {family}to {address}",
        f"dnat {family}to {shown}:{port}",
        f"dnat {family}to {g.protocol} dport map @targets",
        f"dnat {family}to {g.protocol} dport map {{ 22 : {pools.OWN[g.family][1]}, 80 : {pools.OWN[g.family][0]} }}",
        f"dnat {g.ip} to {g.ip} saddr map @endpoints" if g.table_family == "inet" else f"dnat to :{port}",
        f"dnat to :{port}",
    )


def _redirect(g: Native) -> str:
    if g.protocol in ("tcp", "udp"):
        return f"redirect to :{g.one('8080', '2222', '22', '8000-8100')}"
    return "redirect"


def _change(g: Native) -> str:
    life = "ip ttl set 12" if g.family == 4 else "ip6 hoplimit set 12"
    return g.one(life, f"{g.ip} dscp set cs1", f"{g.ip} dscp set af11", "meta priority set 1:2", "meta nftrace set 0")


STATEMENTS: dict[str, Maker] = {
    "accept": lambda g: "accept",
    "drop": lambda g: "drop",
    "return": lambda g: "return",
    "continue": lambda g: "continue",
    "none": lambda g: "counter",
    "counter": lambda g: "counter accept",
    "mark": _mark_set,
    "vmap": _verdict_map,
    "reject": _reject,
    "dnat": _dnat,
    "redirect": _redirect,
    "change": _change,
    "notrack": lambda g: g.one("notrack", "notrack", "ct zone set 5"),
    "log": lambda g: "log group 7",
    "jump": lambda g: f"jump {g.jump}" if g.jump else "counter",
    "goto": lambda g: f"goto {g.jump}" if g.jump else "counter",
}
