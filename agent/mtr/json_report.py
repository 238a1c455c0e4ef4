"""mtr --json: numbers as numbers (0.94 and later) or as texts (0.87), also where odd names made it ill-formed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from agent.mtr.model import Form, Hop, Protocol, Report, Router, Unread
from agent.mtr.values import count, is_address, network, number, routers, share

LARGEST = 4 << 20  # characters of one document
_COMMA = re.compile(r",(?=\s*[}\]])")
_OBJECT = re.compile(r'\{[^{}]*"(?:count|host)"[^{}]*\}')
_PAIR = re.compile(
    r'"(?P<key>[^"\n]{1,20})"\s*:\s*(?:"(?P<text>[^"\n]{0,300})"|(?P<number>-?[\d.]{1,20}(?:[eE][+-]?\d+)?))'
)
_BEGIN = re.compile(r'\{\s*"report"\s*:')
_MTR = re.compile(r'"mtr"\s*:\s*(?P<body>\{[^{}]*\})')


def documents(text: str) -> Iterator[tuple[int, int, Mapping[str, object] | None]]:
    """Where each document begins and ends, and its content; None for one that is ill-formed."""
    decoder = json.JSONDecoder()
    at = 0
    while True:
        begin = _BEGIN.search(text, at)
        if begin is None:
            return
        following = _BEGIN.search(text, begin.end())
        limit = following.start() if following else len(text)
        piece = text[begin.start() : min(limit, begin.start() + LARGEST)]
        content, length = _decoded(decoder, piece)
        if content is None:
            end = piece.rfind("}") + 1
            yield begin.start(), begin.start() + (end or len(piece)), None
        else:
            yield begin.start(), begin.start() + length, content
        at = limit


def _decoded(decoder: json.JSONDecoder, piece: str) -> tuple[Mapping[str, object] | None, int]:
    for candidate in (piece, None):
        if candidate is None:
            candidate = _COMMA.sub(" ", piece)
        try:
            content, length = decoder.raw_decode(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            return content, length if candidate is piece else len(piece.rstrip())
    return None, 0


def report(content: Mapping[str, object], line: int) -> tuple[Report, list[Unread]]:
    """The report of one document."""
    inner = content.get("report")
    block = inner if isinstance(inner, dict) else {}
    told = block.get("mtr")
    hubs = block.get("hubs")
    return _made(told if isinstance(told, dict) else {}, hubs if isinstance(hubs, list) else [], line)


def pieces(text: str, line: int) -> tuple[Report, list[Unread]]:
    """The report of an ill-formed document, from what can be recognised in it."""
    head = _MTR.search(text)
    told = _pairs(head["body"]) if head else {}
    hubs = [_pairs(match[0]) for match in _OBJECT.finditer(text, head.end() if head else 0)]
    return _made(told, [hub for hub in hubs if "host" in hub], line)


def _pairs(text: str) -> dict[str, object]:
    return {
        match["key"]: match["text"] if match["number"] is None else match["number"] for match in _PAIR.finditer(text)
    }


def _made(told: Mapping[str, object], hubs: list[object], line: int) -> tuple[Report, list[Unread]]:
    hops: list[Hop] = []
    unread: list[Unread] = []
    for hub in hubs[:256]:
        found = _hop(hub, len(hops) + 1) if isinstance(hub, dict) else None
        if found is None:
            unread.append(Unread(line, str(hub)[:200], "a hub without a loss"))
        else:
            hops.append(found)
    destination = _text(told.get("dst"))
    protocol = {"tcp": Protocol.TCP, "udp": Protocol.UDP, "sctp": Protocol.SCTP}.get(
        _text(told.get("protocol")).lower()
    )
    return (
        Report(
            Form.JSON,
            tuple(hops),
            _text(told.get("src")),
            destination,
            destination if is_address(destination) else "",
            protocol=protocol or Protocol.ICMP,
            protocol_told=protocol is not None,
            line=line,
        ),
        unread,
    )


def _hop(hub: Mapping[str, object], position: int) -> Hop | None:
    loss = share(_text(hub.get("Loss%", hub.get("Loss"))))
    if loss is None:
        return None
    found: tuple[Router, ...] = routers(_text(hub.get("host")))
    sent = number(_text(hub.get("Snt")))
    times = [number(_text(hub.get(name))) for name in ("Last", "Avg", "Best", "Wrst", "StDev")]
    if not found or loss >= 100:
        times, loss = [None] * 5, 100.0
    return Hop(
        count(_text(hub.get("count"))) or position,
        found,
        loss,
        None if sent is None else int(sent),
        times[0],
        times[1],
        times[2],
        times[3],
        times[4],
        network(_text(hub.get("ASN"))) or "",
    )


def _text(value: object) -> str:
    """Texts as they are, numbers without an exponent."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else ""
    return str(value)[:300].strip() if isinstance(value, (str, int)) else ""
