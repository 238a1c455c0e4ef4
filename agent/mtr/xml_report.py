"""mtr --xml, of every version: attributes without quotes, tags that are no XML (<Loss%>), values with blanks.

Read by its few tags, not by an XML parser: half of the versions write none, and no entity is ever expanded.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from agent.mtr.model import Form, Hop, Report, Unread
from agent.mtr.values import count, is_address, network, number, routers, share

_BEGIN = re.compile(r"<MTR\b(?P<attributes>[^<>]{0,2000})>")
_HUB = re.compile(r"<HUB\b(?P<attributes>[^<>]{0,1000})>")
_ATTRIBUTE = re.compile(
    r"(?P<name>[A-Za-z]{1,20})\s*=\s*"
    r"(?:\"(?P<quoted>[^\"<>]{0,300})\"|'(?P<single>[^'<>]{0,300})'|(?P<bare>[^\s\"'<>]{1,300}))"
)
_VALUE = re.compile(r"<(?P<name>[A-Za-z]{1,12})%?>\s*(?P<value>[^<>\s]{1,30})\s*</")
MOST_HUBS = 256


def documents(text: str) -> Iterator[tuple[int, int]]:
    """Where each report begins and ends."""
    at = 0
    while True:
        begin = _BEGIN.search(text, at)
        if begin is None:
            return
        following = _BEGIN.search(text, begin.end())
        limit = following.start() if following else len(text)
        end = text.find("</MTR>", begin.end(), limit)
        at = end + len("</MTR>") if end >= 0 else limit
        yield begin.start(), at


def report(text: str, line: int) -> tuple[Report, list[Unread]]:
    """The report in a text that begins with its <MTR> tag."""
    begin = _BEGIN.match(text)
    told = _attributes(begin["attributes"]) if begin else {}
    hops: list[Hop] = []
    unread: list[Unread] = []
    starts = [match for _, match in zip(range(MOST_HUBS + 1), _HUB.finditer(text))]
    for index, match in enumerate(starts[:MOST_HUBS]):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        found = _hop(_attributes(match["attributes"]), text[match.end() : min(end, match.end() + 4000)], index + 1)
        if found is None:
            number_of = line + text.count("\n", 0, match.start())
            unread.append(Unread(number_of, match[0][:200], "a hub without a loss"))
        else:
            hops.append(found)
    destination = told.get("DST", "")
    address = destination if is_address(destination) else ""
    return Report(Form.XML, tuple(hops), told.get("SRC", ""), destination, address, line=line), unread


def _hop(attributes: dict[str, str], body: str, position: int) -> Hop | None:
    values = {match["name"].lower(): match["value"] for match in _VALUE.finditer(body)}
    loss = share(values.get("loss", ""))
    if loss is None:
        return None
    found = routers(attributes.get("HOST", ""))
    sent = number(values.get("snt", ""))
    times = [number(values.get(name, "")) for name in ("last", "avg", "best", "wrst", "stdev")]
    if not found or loss >= 100:
        times, loss = [None] * 5, 100.0
    return Hop(
        count(attributes.get("COUNT", "")) or position,
        found,
        loss,
        None if sent is None else int(sent),
        times[0],
        times[1],
        times[2],
        times[3],
        times[4],
        network(attributes.get("ASN", values.get("asn", ""))) or "",
    )


def _attributes(text: str) -> dict[str, str]:
    return {
        match["name"].upper(): html.unescape(match["quoted"] or match["single"] or match["bare"] or "").strip()
        for match in _ATTRIBUTE.finditer(text)
    }
