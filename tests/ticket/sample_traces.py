"""Reports of mtr with their judgements: one that loses, one that dies, one that is well."""

from __future__ import annotations

from typing import Any

from agent.mtr.model import Form, Hop, Report, Router
from agent.mtr.verdict import Judgement, Side, Verdict
from agent.ticket.model import Trace


def hop(number: int, name: str, address: str, loss: float, times: tuple[float, ...] = (), **more: Any) -> Hop:
    """``times``: last, average, best, worst, deviation. No address: nobody answers."""
    last, average, best, worst, deviation = times or (None,) * 5
    routers = (Router(name, address),) if address else ()
    return Hop(number, routers, loss, more.pop("sent", 100), last, average, best, worst, deviation, **more)


def losing() -> Trace:
    """From outside: the loss begins at hop 4, and stays to the end."""
    hops = (
        hop(1, "gateway.home.example", "198.51.100.1", 0.0, (0.6, 0.7, 0.4, 1.9, 0.2)),
        hop(2, "", "198.51.100.65", 0.0, (8.9, 9.4, 7.8, 14.1, 1.3), asn="AS64500"),
        hop(3, "", "", 100.0),
        hop(
            4,
            "core-2.transit.example",
            "203.0.113.9",
            38.0,
            (31.0, 33.2, 29.9, 88.4, 9.1),
            asn="AS64501",
            labels=("Lbl 24012 TC 0 S 1 TTL 1",),
        ),
        hop(5, "edge-1.fra.example", "203.0.113.14", 65.0, (30.8, 31.9, 29.7, 51.0, 4.4), asn="AS64501"),
        hop(6, "", "203.0.113.77", 37.0, (32.2, 34.0, 30.6, 97.5, 8.8), asn="AS63949"),
        hop(7, "web-1.example.net", "192.0.2.123", 37.0, (33.1, 33.8, 31.0, 74.2, 7.0), asn="AS63949"),
    )
    report = Report(
        Form.TEXT,
        hops,
        source="desk.home.example",
        destination="192.0.2.123",
        destination_address="192.0.2.123",
        started="2026-11-23T18:40:02+0000",
    )
    judgement = Judgement(
        report,
        Verdict.PERSISTENT_LOSS,
        4,
        37.0,
        "37 % of the packets are lost on the way to the host, from hop 4 (core-2.transit.example) on.",
        Side.MIDDLE,
        (
            "Hop 4 loses 38 %, and every hop after it loses at least 37 %: the loss is real.",
            "Hop 5 shows 65 %, more than the hops behind it: 28 % of that is its limit on answers.",
            "Hop 3 never answers, and the hops behind it do: it is silent, not broken.",
        ),
        (
            "Make the same report in the other direction, from the host: agent mtr --run 198.51.100.1",
            "Send both reports to your own provider and to support.",
        ),
        ("Latency rises by 24 ms from hop 2 to hop 4, and stays: a long line, not a fault.",),
        "The loss may be on the way back, which this report can't show; the report from the host tells.",
    )
    return Trace("From outside", judgement)


def dying() -> Trace:
    """From this host: nobody answers after hop 2, and one hop's worst time is out of all proportion."""
    hops = (
        hop(1, "", "192.0.2.1", 0.0, (0.3, 0.4, 0.2, 2010.0, 63.0), sent=30),
        hop(2, "", "203.0.113.77", 10.0, (1.1, 1.2, 0.9, 3.0, 0.3), sent=30),
        hop(3, "", "", 100.0, sent=30),
    )
    judgement = Judgement(
        Report(Form.JSON, hops, source="web-1.example.net", destination="198.51.100.1"),
        Verdict.UNRESPONSIVE_TO_END,
        2,
        None,
        "Nobody answers after hop 2 (203.0.113.77).",
        Side.SOURCE,
        ("Hop 3 and all behind it are silent, the destination too.",),
        ("Compare with a report from rescue mode: agent mtr --compare NORMAL RESCUE",),
        ("Only 30 probes were sent: 100 tell more.",),
        'A "silent host" and a "path that dies" look the same; a report to another address tells.',
    )
    return Trace("From this host", judgement)


def healthy() -> Trace:
    """Nothing wrong."""
    hops = tuple(
        hop(
            number,
            f"r{number}.example",
            f"198.51.100.{number}",
            0.0,
            (number * 2.0, number * 2.1, number * 1.8, number * 3.0, 0.2),
        )
        for number in range(1, 5)
    )
    judgement = Judgement(
        Report(Form.TEXT, hops, source="rescue", destination="192.0.2.1"),
        Verdict.HEALTHY,
        None,
        0.0,
        "All 100 packets arrived.",
    )
    return Trace("From rescue mode", judgement, from_here=True)
