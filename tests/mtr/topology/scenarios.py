"""What is broken, and what is then true."""

from __future__ import annotations

from dataclasses import dataclass

from agent.mtr.verdict import Verdict
from tests.mtr.topology.line import HOPS4, HOPS6

SILENT = ""
NO_TIME_EXCEEDED = "iptables -w -A OUTPUT -p icmp --icmp-type time-exceeded -j DROP"
EVERY_FOURTH = "-m statistic --mode nth --every 4 --packet 0 -j DROP"


@dataclass(frozen=True)
class Scenario:
    """``hops`` are who answers, in their order, SILENT for nobody."""

    name: str
    broken: tuple[tuple[str, str], ...]
    hops: tuple[str, ...]
    verdict: Verdict
    mended: tuple[tuple[str, str], ...] = ()
    address: str = HOPS4[-1]
    port: int | None = None
    count: int = 8


R1, R2, R3, R4, D = HOPS4

SCENARIOS = (
    Scenario("healthy", (), HOPS4, Verdict.HEALTHY),
    Scenario("healthy, IPv6", (), HOPS6, Verdict.HEALTHY, address=HOPS6[-1]),
    Scenario(
        "rate limit at hop 2",
        (("R2", "net/ipv4/icmp_ratelimit=1000"),),
        HOPS4,
        Verdict.RATE_LIMITED_HOPS_ONLY,
        (("R2", "net/ipv4/icmp_ratelimit=0"),),
        count=20,
    ),
    Scenario(
        "loss from hop 3 on",
        (("R2", f"iptables -w -A FORWARD -s 198.51.100.1 {EVERY_FOURTH}"),),
        HOPS4,
        Verdict.PERSISTENT_LOSS,
        count=24,
    ),
    Scenario(
        "silent hops 2 and 3",
        (("R2", NO_TIME_EXCEEDED), ("R3", NO_TIME_EXCEEDED)),
        (R1, SILENT, SILENT, R4, D),
        Verdict.HEALTHY,
    ),
    Scenario(
        "silent destination",
        (("D", "iptables -w -A INPUT -j DROP"),),
        (R1, R2, R3, R4, SILENT),
        Verdict.UNRESPONSIVE_TO_END,
    ),
    Scenario(
        "blackhole after hop 2",
        (("R2", "iptables -w -A FORWARD -j DROP"),),
        (R1, R2, SILENT),
        Verdict.UNRESPONSIVE_TO_END,
    ),
    Scenario(
        "blackhole after hop 2, IPv6",
        (("R2", "ip6tables -w -A FORWARD -j DROP"),),
        (*HOPS6[:2], SILENT),
        Verdict.UNRESPONSIVE_TO_END,
        address=HOPS6[-1],
    ),
    Scenario(
        "loop between R3 and R4",
        (("R4", "ip route add 203.0.113.10/32 via 198.51.100.13"),),
        (R1, R2, *((R3, R4) * 14)),
        Verdict.LOOP,
        (("R4", "ip route del 203.0.113.10/32"),),
        count=4,
    ),
    Scenario(
        "destination without its address",
        (("D", "ip addr del 203.0.113.10/24 dev left"), ("R4", "ip neigh flush dev right")),
        (R1, R2, R3, R4, R4),
        Verdict.DESTINATION_ONLY_100,
        (
            ("D", "ip addr add 203.0.113.10/24 dev left"),
            ("D", "ip route add default via 203.0.113.1"),
            ("R4", "ip neigh flush dev right"),
        ),
        count=20,
    ),
    Scenario(
        "prohibited at hop 3",
        (("R3", "iptables -w -A FORWARD -d 203.0.113.10 -j REJECT --reject-with icmp-admin-prohibited"),),
        (R1, R2, R3, R3),
        Verdict.DESTINATION_ONLY_100,
    ),
    Scenario(
        "silent gateway",
        (
            ("R1", "iptables -w -A INPUT -j DROP"),
            ("R1", "iptables -w -A OUTPUT -j DROP"),
            ("R1", "iptables -w -A FORWARD -j DROP"),
        ),
        (),
        Verdict.NO_ROUTE,
    ),
    Scenario(
        "no route on the source",
        (("S", "ip route del default"),),
        (),
        Verdict.NO_ROUTE,
        (("S", "ip route add default via 198.51.100.2"),),
    ),
    Scenario("no DNS", (), (), Verdict.NO_ROUTE, address="no-such-host.invalid"),
    Scenario(
        "destination loses some",
        (("D", f"iptables -w -A INPUT -p icmp {EVERY_FOURTH}"),),
        HOPS4,
        Verdict.DESTINATION_PARTIAL,
        count=20,
    ),
    Scenario("closed port", (), HOPS4, Verdict.HEALTHY, port=99),
    Scenario("open port", (), HOPS4, Verdict.HEALTHY, port=22),
    Scenario("open port, IPv6", (), HOPS6, Verdict.HEALTHY, address=HOPS6[-1], port=22),
    Scenario(
        "filtered port",
        (("D", "iptables -w -A INPUT -p tcp --dport 99 -j DROP"),),
        (R1, R2, R3, R4, SILENT),
        Verdict.UNRESPONSIVE_TO_END,
        port=99,
    ),
    Scenario("closed port, IPv6", (), HOPS6, Verdict.HEALTHY, address=HOPS6[-1], port=99),
    Scenario(
        "filtered port, IPv6",
        (("D", "ip6tables -w -A INPUT -p tcp --dport 99 -j DROP"),),
        (*HOPS6[:4], SILENT),
        Verdict.UNRESPONSIVE_TO_END,
        address=HOPS6[-1],
        port=99,
    ),
)

# Two equal ways from R2 to R3, chosen by the ports; R3 answers with the address at which it was asked.
TWO_WAYS = (
    ("R2", "net/ipv4/fib_multipath_hash_policy=1"),
    ("R2", "ip route replace default nexthop via 198.51.100.10 nexthop via 198.51.100.18"),
    ("R3", "net/ipv4/icmp_errors_use_inbound_ifaddr=1"),
)
ONE_WAY = (
    ("R2", "ip route replace default via 198.51.100.10"),
    ("R3", "net/ipv4/icmp_errors_use_inbound_ifaddr=0"),
)
