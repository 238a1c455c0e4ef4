"""Reports as mtr 0.95 prints them: as text, and as JSON."""

from __future__ import annotations

import json

from agent.mtr.model import Hop, Report

_HEADINGS = ("Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev")


def text(report: Report) -> str:
    """The wide text report (mtr -w), with an AS column where the report knows one. An error is mtr's one line."""
    if report.error:
        return f"mtr: {report.error}\n"
    with_asn = any(hop.asn for hop in report.hops)
    names = [_who(hop, with_asn) for hop in report.hops]
    width = max([len("HOST: " + report.source) - 6, *(len(name) for name in names)], default=0)
    lines = [f"Start: {report.started}"] if report.started else []
    lead = len("  1.|-- ") if not with_asn else len("  1. ")
    head = f"HOST: {report.source}"
    lines.append(f"{head:<{lead + width}} {_HEADINGS[0]:>6} " + " ".join(f"{name:>5}" for name in _HEADINGS[1:]))
    for hop, name in zip(report.hops, names):
        mark = f"{hop.number:>3}. " if with_asn else f"{hop.number:>3}.|-- "
        lines.append(f"{mark}{name:<{width}} {_numbers(hop)}")
        lines += [f"{'':<{lead}}{router}" for router in map(str, hop.routers[1:])]
        lines += [f"{'':<{lead}}[{label}]" for label in hop.labels]
    return "\n".join(lines) + "\n"


def _who(hop: Hop, with_asn: bool) -> str:
    return f"{hop.asn or 'AS???':<10} {hop.router}" if with_asn else hop.router


def _numbers(hop: Hop) -> str:
    """Losses and times in the width that mtr gives them: what is too wide loses its last sign, not its place."""
    loss = f"{hop.loss:5.1f}%" if hop.loss < 99.95 else "100.0 "
    sent = f"{'?' if hop.sent is None else hop.sent:>5}"
    times = (hop.last, hop.average, hop.best, hop.worst, hop.deviation)
    return " ".join((loss, sent, *(_time(value) for value in times)))


def _time(value: float | None) -> str:
    value = value or 0.0
    if value < 999.95:
        return f"{value:5.1f}"
    return f"{value:4.0f}." if value < 9999.5 else f"{value:.0f}"


def json_text(report: Report) -> str:
    """The JSON document of mtr 0.95."""
    hubs = []
    for hop in report.hops:
        hub: dict[str, object] = {"count": hop.number, "host": hop.router}
        if hop.asn:
            hub["ASN"] = hop.asn
        hub["Loss%"] = hop.loss
        if hop.sent is not None:
            hub["Snt"] = hop.sent
        times = (hop.last, hop.average, hop.best, hop.worst, hop.deviation)
        for name, value in zip(("Last", "Avg", "Best", "Wrst", "StDev"), times):
            hub[name] = 0.0 if value is None else value
        hubs.append(hub)
    head: dict[str, object] = {"src": report.source, "dst": report.destination, "tos": 0, "tests": report.cycles or 0}
    if report.protocol_told:
        head["protocol"] = report.protocol.value
    return json.dumps({"report": {"mtr": head, "hubs": hubs}}, indent=4) + "\n"
