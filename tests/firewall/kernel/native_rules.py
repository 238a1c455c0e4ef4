"""Questions of nft's rules, at random."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tests.firewall.kernel import pools

if TYPE_CHECKING:
    from tests.firewall.kernel.native import Native

Maker = Callable[["Native"], str]


def _op(g: Native, share: float = 0.2) -> str:
    return "!= " if g.often(share) else ""


def _address(g: Native) -> str:
    side = g.one("saddr", "saddr", "daddr")
    own = (side == "daddr") != (g.side == "out")
    pool = (pools.OWN if own else pools.SOURCES)[g.family]
    kind = g.chance.random()
    if kind < 0.35:
        value = g.chance.choice(pool)
    elif kind < 0.6:
        value = g.chance.choice(pools.NETWORKS[g.family])
    elif kind < 0.7:
        low, high = sorted(g.chance.sample(pool, 2), key=_order)
        value = f"{low}-{high}"
    elif kind < 0.85:
        some = g.chance.sample(pool, g.chance.randint(1, 3))
        value = "{ " + ", ".join(some) + " }"
    else:
        value = g.one("@addresses", "@nets", "@counted", "@timed", "@seen")
    if g.family == 4 and g.often(0.05):
        return f"ip {side} & 255.255.0.255 {g.one('==', '!=')} {g.one('203.0.0.5', '192.0.0.10', '198.51.0.3')}"
    return f"{g.ip} {side} {_op(g)}{value}"


def _order(text: str) -> int:
    return int(ipaddress.ip_address(text))


def _port_value(g: Native) -> str:
    kind = g.chance.random()
    if kind < 0.4:
        return f"{_op(g)}{g.chance.choice(pools.PORTS)}"
    if kind < 0.55:
        return f"{_op(g)}{g.one('80-443', '1-1023', '53-123', '1024-65535', '22-80')}"
    if kind < 0.65:
        return f"{g.one('<', '>', '<=', '>=')} {g.one('80', '443', '1024', '2222')}"
    if kind < 0.85:
        some = g.chance.sample(["22", "80", "443", "2222-3000", "53", "8080-9999", "123"], g.chance.randint(1, 4))
        return f"{_op(g)}{{ {', '.join(some)} }}"
    return f"{_op(g)}@services"


def _port(g: Native) -> str:
    if g.protocol not in ("tcp", "udp", ""):
        return ""
    side = g.one("dport", "dport", "dport", "sport")
    if not g.protocol:
        if g.often(0.5):
            g.protocol = "ports"
            return f"meta l4proto {{ tcp, udp }} th {side} {_port_value(g)}"
        g.protocol = g.one("tcp", "tcp", "udp")
    return f"{g.protocol} {side} {_port_value(g)}"


def _protocol(g: Native) -> str:
    if g.protocol:
        return ""
    icmp = "icmp" if g.family == 4 else "ipv6-icmp"
    kind = g.chance.random()
    if kind < 0.4:
        g.protocol = g.one("tcp", "udp")
        return f"meta l4proto {g.protocol}"
    g.protocol = "some"
    if kind < 0.6:
        return f"meta l4proto {_op(g, 0.4)}{{ {', '.join(g.chance.sample(['tcp', 'udp', icmp, 'gre'], 2))} }}"
    if kind < 0.8:
        return f"{'ip protocol' if g.family == 4 else 'ip6 nexthdr'} {_op(g, 0.3)}{g.one('tcp', 'udp', icmp)}"
    return f"meta l4proto != {g.one('tcp', 'udp', icmp)}"


def _icmp(g: Native) -> str:
    if g.protocol not in ("", "icmp"):
        return ""
    g.protocol = "icmp"
    if g.family == 4:
        kind = g.one(
            "icmp type echo-request",
            "icmp type { echo-request, echo-reply, time-exceeded }",
            "icmp type != echo-request",
            "icmp type destination-unreachable icmp code port-unreachable",
            "icmp code 0",
            "icmp type 3-8",
        )
    else:
        kind = g.one(
            "icmpv6 type echo-request",
            "icmpv6 type { echo-request, nd-neighbor-solicit }",
            "icmpv6 type != echo-request",
            "icmpv6 type destination-unreachable icmpv6 code port-unreachable",
            "icmpv6 code 0",
            "icmpv6 type 1-128",
        )
    return kind


def _flags(g: Native) -> str:
    if g.protocol not in ("", "tcp"):
        return ""
    g.protocol = "tcp"
    return "tcp flags " + g.one(
        *("syn", "! syn", "== syn", "!= syn", "syn,ack", "! fin,rst", "& (syn | ack) == syn", "& (fin | syn) != 0"),
        *("syn / fin,syn,rst,ack", "& (fin | syn | rst | ack) != syn", "{ syn, syn | ack, ack }", "!= { syn, ack }"),
        *("& (fin | psh | urg) == fin | psh | urg", "& (fin | syn) == 0"),
    )


def _state(g: Native) -> str:
    return "ct state " + g.one(
        *("new", "established,related", "invalid", "established", "!= new", "! new", "{ new, established }"),
        *("!= { established, related }", "@states", "untracked", "new,untracked", "== new", "!= @states"),
        "& (new | related) == new",
    )


def _connection(g: Native) -> str:
    return g.one(
        *("ct direction original", "ct status dnat", "ct status seen-reply", "ct status ! seen-reply", "ct mark 0"),
        *("ct mark 0x1", "ct mark != 0x1", "ct mark & 0xf == 0x1", "ct mark { 1, 2, 16 }", "ct protocol != tcp"),
        *("ct status confirmed", "ct status & (snat | dnat) == 0"),
        f"ct original {g.ip} saddr {g.chance.choice(pools.SOURCES[g.family])}",
        f"ct original {g.ip} daddr {_op(g)}{g.chance.choice(pools.OWN[g.family])}",
    )


def _mark(g: Native) -> str:
    return "meta mark " + g.one(
        *("0x1", "!= 0x1", "0", "& 0xf == 0x1", "& 0x1 != 0", "{ 1, 2, 16-20 }", "@marks", "!= @marks", "> 1", "1-5"),
        "!= { 0, 3 }",
    )


def _interface(g: Native) -> str:
    name = "oifname" if g.side == "out" and g.often(0.5) else "iifname"
    return f"{name} " + g.one(
        *('"eth0"', '"eth1"', '"eth*"', '!= "eth0"', '!= "eth*"', '{ "eth0", "lo" }', '!= { "eth1", "lo" }'),
        *("@links", "@wild", '"e*"', '{ "eth*", "lo" }', '!= "lo"'),
    )


def _index(g: Native) -> str:
    return f"{'oif' if g.side == 'out' else 'iif'} {g.one('eth0', 'eth1', '!= eth0', 'lo', '{ eth0, lo }')}"


def _fib(g: Native) -> str:
    if g.side not in ("in", ""):
        return ""
    found = [
        *("fib daddr type local", "fib daddr type { local, broadcast, multicast }", "fib daddr type != local"),
        "fib saddr type unicast",
    ]
    if g.chain.startswith(("pre", "in")):
        found += ["fib saddr . iif oif missing", "fib saddr . iif oif exists", "fib saddr oif exists"]
    return g.one(*found)


def _header(g: Native) -> str:
    life = "ttl" if g.family == 4 else "hoplimit"
    return g.one(
        *("meta length > 60", "meta length 40-100", "meta length { 1-64, 100-200 }", "meta length != 48"),
        *(f"{g.ip} {life} 64", f"{g.ip} {life} < 64", f"{g.ip} {life} != 12", f"{g.ip} {life} {{ 12, 64-100 }}"),
        *(f"{g.ip} dscp cs1", f"{g.ip} dscp != cs0", f"{g.ip} dscp {{ cs1, af11, 0x2 }}", f"{g.ip} dscp 0-10"),
        *(f"{g.ip} dscp @classes", f"{g.ip} ecn not-ect", f"{g.ip} ecn ect0"),
        *(("ip frag-off & 0x1fff != 0", "ip frag-off & 0x1fff == 0") if g.family == 4 else ("ip6 dscp > 3",)),
    )


def _frame(g: Native) -> str:
    if g.side != "in":
        return ""
    return g.one(
        *("ether saddr 02:00:00:00:00:01", "ether saddr != 02:00:00:00:00:02", "ether saddr @macs"),
        *("pkttype host", "pkttype != host", "pkttype { broadcast, multicast }", "pkttype broadcast"),
    )


def _family(g: Native) -> str:
    """Only in rules of their own: nft takes nothing else of another family beside them, and 1.0.6 leaves ``ct l3proto``
    out of its listing where an address follows, though a packet without a connection ends the rule there."""
    if g.table_family in ("ip", "ip6"):
        return ""
    other = "ip6" if g.family == 4 else "ip"
    return g.one(
        *(f"meta nfproto ipv{g.family}", f"meta protocol {g.ip}", "meta protocol { ip, ip6 }"),
        *(f"meta protocol {other}", f"meta protocol != {g.ip}", "meta protocol { ip, arp }", "meta protocol != arp"),
        *(("ct l3proto ipv4", "ct l3proto ipv6") if g.table_family == "inet" else ()),
    )


def _concatenation(g: Native) -> str:
    if g.protocol not in ("", "tcp", "udp"):
        return ""
    sources, ports = pools.SOURCES[g.family], pools.PORTS
    if g.often(0.25):
        both = f"203.0.113.0/24 . 192.0.2.10-192.0.2.11, {sources[3]} . 0.0.0.0/0"
        if g.family == 6:
            both = f"{sources[0]} . {pools.OWN[6][0]}, {sources[3]} . ::/0"
        addresses = f"{g.ip} saddr . {g.ip} daddr {_op(g)}{{ {both} }}"
        return g.one(f"iifname . {g.ip} saddr {_op(g)}@linked", addresses)
    g.protocol = g.protocol or g.one("tcp", "tcp", "udp")
    some = ", ".join(f"{g.chance.choice(sources)} . {port}" for port in g.chance.sample(ports, 3))
    return g.one(
        f"{g.ip} saddr . {g.protocol} dport {_op(g)}@pairs",
        f"{g.ip} saddr . {g.protocol} dport {_op(g)}@ranges",
        f"meta l4proto . {g.protocol} dport {_op(g)}@protocols",
        f"{g.ip} saddr . {g.protocol} dport {_op(g)}{{ {some} }}",
        f"{g.ip} saddr . {g.protocol} dport . ct state {_op(g)}{{ {sources[0]} . 22 . new, {sources[1]} . 80 . new }}",
        f"{g.protocol} dport . ct direction {_op(g)}{{ 22 . original, 53 . reply }}",
        f"meta mark . {g.protocol} dport {_op(g)}{{ 0x1 . 22, 0x0 . 80-443 }}",
        f"{g.protocol} sport . {g.protocol} dport {_op(g)}{{ 1024-65535 . 22, 1-1023 . 80-443 }}",
    )


def _chance(g: Native) -> str:
    return g.one(
        *("limit rate 3/minute burst 2 packets", "limit rate over 100/second", "quota 400 bytes", "ct count over 3"),
        *("numgen random mod 2 0", "jhash ip saddr mod 2 0" if g.family == 4 else "numgen inc mod 3 0"),
        f"add @seen {{ {g.ip} saddr }}",
        f"update @seen {{ {g.ip} saddr timeout 1m }}",
        f"meter m{g.count} {{ {g.ip} saddr limit rate 2/minute burst 1 packets }}",
    )


def _raw(g: Native) -> str:
    if g.protocol not in ("tcp", "udp"):
        return ""
    return g.one("@th,16,16 22", "@th,0,16 > 1024", "th dport 80", "th dport vmap @verdicts")


FAMILIES = _family
MATCHES: Sequence[tuple[Maker, float]] = (
    (_address, 0.3), (_port, 0.35), (_protocol, 0.15), (_icmp, 0.08), (_flags, 0.1), (_state, 0.2), (_connection, 0.08),
    (_mark, 0.15), (_interface, 0.15), (_index, 0.05), (_fib, 0.08), (_header, 0.12), (_frame, 0.08),
    (_concatenation, 0.12), (_chance, 0.03), (_raw, 0.03),
)  # fmt: skip
