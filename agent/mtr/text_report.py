"""mtr's text reports and the dump of its screen: rows under a header, or rows alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agent.mtr.cleaning import Line
from agent.mtr.model import Form, Hop, Protocol, Report, Router, Unread
from agent.mtr.prompt import Command, command
from agent.mtr.values import NOBODY, NUMBER, is_address, network, number, routers, share

COLUMNS = {
    "loss%": "loss", "loss": "loss", "drop": "drop", "rcv": "received", "snt": "sent", "last": "last",
    "best": "best", "avg": "average", "wrst": "worst", "worst": "worst", "stdev": "deviation", "gmean": "gmean",
    "jttr": "jitter", "javg": "javg", "jmax": "jmax", "jint": "jint", "rtt": "average",
}  # fmt: skip
USUAL = ("loss", "sent", "last", "average", "best", "worst", "deviation")
UNTOLD = "?"  # our own report's, for a number of probes that is not known
MOST_HOPS = 256
MOST_ROUTERS = 64  # at one hop
_HEADER_WORD = re.compile(r"\bloss ?%?(?!\w)", re.IGNORECASE)
_ROW = re.compile(r"\s*(?P<number>\d{1,3})\s?[.:)]\s?(?:\|--|\|-|-|\+-|`-)?\s*(?P<rest>\S.*)")
_BARE_ROW = re.compile(r"\s*(?P<number>\d{1,3})\s+(?P<rest>\S.*)")
_START = re.compile(r"\s*Start:\s*(?P<when>\S.{0,60})")
_SCREEN = re.compile(
    r"\s*(?P<source>\S{1,255}(?: \([^()\s]{1,60}\))?) -> (?P<destination>\S{1,255})(?: \((?P<address>[^()\s]{1,60})\))?"
    r"(?:\s+(?P<when>\S.{0,60}))?$"
)
_LABEL = re.compile(r"\s*\[?(?P<label>MPLS: [^\[\]\n]{1,120})\]?")
_ERROR = re.compile(r"\s*(?:mtr|mtr-packet)(?:\[\d{1,10}\])?: (?P<error>\S.{0,300})")
_PROBES = re.compile(r"\bSnt:\s*(?P<count>\d{1,9})\b")
_TRUNK = re.compile(r"(?<=\S)\s+(?=\d{1,3}\.\s?\|--)")
_CONTINUED = re.compile(r"\s{2,}(?P<router>\S{1,255}(?:\s\([^()\s]{1,60}\))?)")
_SPLIT = re.compile(r"(?<=[\d%.])(?=\|)")


@dataclass
class Table:
    """A report while it is read."""

    line: int
    columns: tuple[str, ...] = USUAL
    header: bool = False
    form: Form = Form.TEXT
    source: str = ""
    destination: str = ""
    destination_address: str = ""
    started: str = ""
    probes: int | None = None
    command: Command | None = None
    numbered: bool = True
    error: str = ""
    hops: list[Hop] = field(default_factory=list)

    def report(self, position: int) -> Report:
        """``position``: which destination of the command this is."""
        told = self.command
        destination = self.destination
        if not destination and told is not None and told.destinations:
            destination = told.destinations[min(position, len(told.destinations) - 1)]
        return Report(
            self.form,
            tuple(self.hops),
            self.source,
            destination,
            self.destination_address,
            self.started,
            told.protocol if told else Protocol.ICMP,
            told is not None,
            self.error,
            self.line,
        )


class TextReader:
    """Takes lines one after the other; ``finish`` gives the reports and what looked like a row and is none."""

    def __init__(self) -> None:
        self._table: Table | None = None
        self._command: Command | None = None
        self._position = 0
        self._started: tuple[int, str] | None = None
        self._screen: tuple[int, re.Match[str]] | None = None
        self.reports: list[Report] = []
        self.unread: list[Unread] = []

    def feed(self, line: Line) -> None:
        text = line.text
        if "|--" in text and text.count("|--") > 1:
            for part in _TRUNK.split(text):
                self._feed(Line(line.number, part))
            return
        self._feed(line)

    def finish(self) -> None:
        """Ends the last report."""
        self._end()

    def _feed(self, line: Line) -> None:
        text = line.text
        if not text.strip():
            return
        row = _ROW.match(text)
        if row is not None and is_address(text.split(None, 1)[0]):
            row = None  # an address, no number
        if row is not None and self._row(line, row):
            return
        if self._marks(line):
            return
        if self._table is not None:
            self._follows(line, row)

    # -- lines that begin or describe a report

    def _marks(self, line: Line) -> bool:
        text = line.text
        lowered = text.lower()
        if "loss" in lowered and self._header(line):
            return True
        if "mtr" in text:
            found = command(text)
            if found is not None:
                self._end()
                self._command, self._position = found, 0
                return True
            error = _ERROR.match(text)
            if error is not None:
                self._end()
                table = Table(line.number, command=self._command, error=error["error"].strip())
                self._table = table
                self._end()
                return True
        started = _START.match(text)
        if started is not None:
            self._end()
            self._started = (line.number, started["when"].strip())
            return True
        if " -> " in text:
            screen = _SCREEN.match(text)
            if screen is not None:
                self._end()
                self._screen = (line.number, screen)
                return True
        return False

    def _header(self, line: Line) -> bool:
        """A line of column names: those from the loss on, or from the first known one before it."""
        words = line.text.split()
        known = [COLUMNS.get(word.lower().rstrip(":|")) for word in words]
        if "loss" not in known:
            joined = _HEADER_WORD.search(line.text)
            if joined is None:
                return False
            words = (line.text[: joined.start()] + " Loss% " + line.text[joined.end() :]).split()
            known = [COLUMNS.get(word.lower().rstrip(":|")) for word in words]
        last = len(known)
        while last and known[last - 1] is None:
            last -= 1
        first = last
        while first and known[first - 1] is not None:
            first -= 1
        columns = [name for name in known[first:last] if name is not None]
        if "loss" not in columns or not {"average", "last", "best", "sent"} & set(columns):
            return False
        head = words[:first]
        named = bool(head) and head[0].rstrip(":").upper() == "HOST"
        probes = _PROBES.search(line.text)
        self._end()
        table = Table(line.number, tuple(columns), header=True, command=self._command)
        if named and head[0].endswith(":"):
            table.source = " ".join(head[1:])
        elif probes:
            table.source, table.probes, table.numbered = head[0], int(probes["count"]), False
        if self._started is not None:
            table.line, table.started = self._started
        if self._screen is not None:
            table.line, match = self._screen
            table.form = Form.SCREEN
            table.source = match["source"]
            table.destination, table.destination_address = match["destination"], match["address"] or ""
            table.started = match["when"] or ""
            if is_address(table.destination) and not table.destination_address:
                table.destination_address = table.destination
        elif named and not head[0].endswith(":"):
            table.form = Form.SCREEN
        self._table = table
        self._started = self._screen = None
        return True

    # -- rows

    def _row(self, line: Line, row: re.Match[str]) -> bool:
        hop = self._hop(int(row["number"]), row["rest"], line)
        if hop is None:
            return False
        self._add(hop, line)
        return True

    def _add(self, hop: Hop, line: Line) -> None:
        table = self._table
        again = table is not None and bool(table.hops) and hop.number == 1 and table.hops[-1].number >= 1
        if table is None or again:
            self._end()
            table = self._table = Table(line.number, command=self._command)
            if self._started is not None:
                table.line, table.started = self._started
                self._started = None
        if len(table.hops) < MOST_HOPS:
            table.hops.append(hop)
        else:
            self.unread.append(Unread(line.number, line.text[:200], f"more than {MOST_HOPS} hops"))

    def _hop(self, position: int, rest: str, line: Line) -> Hop | None:
        """The hop on a row; None for a line that only looks like one."""
        columns = self._table.columns if self._table is not None else USUAL
        words = rest.split()
        numbers: list[float] = []
        while words and len(numbers) < len(columns):
            untold = words[-1] == UNTOLD and columns[-1 - len(numbers)] == "sent"
            value = -1.0 if untold else number(words[-1])
            if value is None:
                break
            numbers.append(value)
            words.pop()
        numbers.reverse()
        asn = network(words[0]) if words else None
        who = " ".join(words[1:] if asn is not None else words).strip()
        if len(numbers) != len(columns):
            if not numbers and who.lower() in NOBODY:
                return Hop(position, (), 100.0, asn=asn or "")
            if self._table is None or not self._table.header:
                return _foreign(position, rest)
            if len(numbers) > len(columns) // 2:
                why = f"{len(numbers)} numbers under {len(columns)} columns"
                self.unread.append(Unread(line.number, line.text[:200], why))
            return None
        if not who:
            return None
        values = dict(zip(columns, numbers))
        return self._of(position, who, asn or "", values)

    def _of(self, position: int, who: str, asn: str, values: dict[str, float]) -> Hop | None:
        loss = values.get("loss", 0.0)
        if loss > 100:
            return None
        found = routers(who)
        probes = self._table.probes if self._table is not None else None
        sent = int(values["sent"]) if values.get("sent", -1) >= 0 else probes
        if sent is None and "received" in values and "drop" in values:
            sent = int(values["received"] + values["drop"])
        if not found:
            # Edited reports have ??? with a loss of 0.0: nobody answered all the same.
            return Hop(position, (), 100.0, sent, asn=asn)
        if loss >= 100:
            return Hop(position, found, 100.0, sent, asn=asn)
        times = [values.get(name) for name in ("last", "average", "best", "worst", "deviation")]
        return Hop(position, found, loss, sent, times[0], times[1], times[2], times[3], times[4], asn)

    def _follows(self, line: Line, row: re.Match[str] | None) -> None:
        """Lines between rows: labels, more routers of the same hop, rows without a number."""
        table = self._table
        assert table is not None
        label = _LABEL.match(line.text)
        if label is not None and table.hops:
            last = table.hops[-1]
            if len(last.labels) < MOST_ROUTERS:
                table.hops[-1] = _with(last, labels=(*last.labels, label["label"].strip()))
            return
        if not table.numbered or (row is None and table.header and not table.hops):
            hop = self._hop(len(table.hops) + 1, line.text.strip(), line)
            if hop is not None:
                self._add(hop, line)
                return
        bare = _BARE_ROW.match(line.text)
        if row is None and bare is not None and table.header and int(bare["number"]) == len(table.hops) + 1:
            hop = self._hop(int(bare["number"]), bare["rest"], line)
            if hop is not None:
                self._add(hop, line)
                return
        more = _CONTINUED.fullmatch(line.text)
        if more is not None and table.hops and row is None and _is_router(more["router"]):
            last = table.hops[-1]
            if len(last.routers) < MOST_ROUTERS:
                table.hops[-1] = _with(last, routers=(*last.routers, *routers(more["router"])))
            return
        if row is not None and NUMBER.search(row["rest"]) and "%" in row["rest"] and not _noted(self.unread, line):
            self.unread.append(Unread(line.number, line.text[:200], "not a row under this header"))

    def _end(self) -> None:
        table, self._table = self._table, None
        if table is None:
            return
        if not table.hops and not table.header and not table.error:
            return
        if not table.hops and table.form is Form.TEXT and not table.error and not table.source:
            return  # column names alone, in prose
        self.reports.append(table.report(self._position))
        self._position += 1


_FOREIGN = re.compile(
    r"(?P<who>\S{1,255}(?: \([^()\s]{1,60}\))?)\s+(?P<loss>\d{1,3}(?:[.,]\d{1,2})?)%"
    r"(?:\s+(?P<time>\d{1,6}(?:[.,]\d{1,3})?) ?ms)?(?:\s+\[?(?P<asn>AS\d{1,10}|AS\?\?\?)?\]?.{0,300})?$"
)


def _foreign(position: int, rest: str) -> Hop | None:
    """A row of a tool that prints in its own way: who, the loss with its %, a time in ms, and whatever follows."""
    match = _FOREIGN.match(rest)
    loss = share(match["loss"]) if match else None
    if match is None or loss is None:
        return None
    time = number(match["time"]) if match["time"] else None
    return Hop(position, routers(match["who"]), loss, None, average=time, asn=network(match["asn"] or "") or "")


def _is_router(text: str) -> bool:
    return is_address(text.split()[0]) or "." in text or ":" in text


def _noted(unread: Sequence[Unread], line: Line) -> bool:
    return bool(unread) and unread[-1].line == line.number


def _with(hop: Hop, routers: tuple[Router, ...] | None = None, labels: tuple[str, ...] | None = None) -> Hop:
    if routers is not None:
        return replace(hop, routers=routers)
    return replace(hop, labels=labels or ())
