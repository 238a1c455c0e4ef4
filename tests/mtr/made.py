"""Reports written down by hand, for claims about their meaning."""

from __future__ import annotations

from agent.mtr.model import Form, Hop, Protocol, Report, Router


def made(
    *rows: str,
    sent: int | None = 100,
    destination: str = "",
    source: str = "",
    error: str = "",
    protocol: Protocol = Protocol.ICMP,
) -> Report:
    """A report of rows such as "198.51.100.2 40 12.5 AS63949" (who, loss, average, AS) or "???". Who may be
    name=address."""
    hops = tuple(_hop(number, row.split(), sent) for number, row in enumerate(rows, 1))
    return Report(Form.TEXT, hops, destination=destination, source=source, error=error, protocol=protocol)


def _hop(number: int, words: list[str], sent: int | None) -> Hop:
    who, loss, average, asn = (*words, "", "", "")[:4]
    name, _, address = who.partition("=")
    if not address:
        numeric = name.replace(".", "").isdigit() or ":" in name
        name, address = ("", name) if numeric else (name, "")
    silent = who == "???"
    time = None if silent else float(average or 10)
    lost = float(loss or (100 if silent else 0))
    return Hop(
        number,
        () if silent else (Router(name, address),),
        lost,
        sent,
        time,
        time,
        time,
        time,
        None if time is None else 0.5,
        asn,
    )
