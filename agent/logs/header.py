"""Takes a log line apart: its time, its syslog tag, and the message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone, tzinfo

# Month names as syslog and journalctl print them in the languages that servers are run in.
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january janv janvier januar jän ene enero gennaio gen sty янв января",
            "feb february févr février fév februar fev fevereiro febbraio febrero lut фев февраля",
            "mar march mars mär märz marzo março mrz мар марта",
            "apr april avr avril abr abril aprile kwi апр апреля",
            "may mai mayo maggio mag maio maj мая май",
            "jun june juin juni junio giugno giu junho cze июн июня",
            "jul july juil juillet juli julio luglio lug julho lip июл июля",
            "aug august août agosto ago sie авг августа",
            "sep sept september septembre septiembre settembre set setembro wrz сен сентября",
            "oct october octobre okt oktober octubre ottobre ott out outubro paź окт октября",
            "nov november novembre noviembre novembro lis ноя ноября",
            "dec december déc décembre dez dezember dic diciembre dicembre dezembro gru дек декабря",
        ),
        1,
    )
    for name in names.split()
}
MONTHS.update({f"{number}月": number for number in range(1, 13)})
CLOCK = r"(?P<clock>\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?"
MONTH = r"(?P<month>[^\W\d_]{3,10}|\d{1,2}月)\.?"
WHEN = (
    rf"{MONTH} {{1,2}}(?P<day>\d{{1,2}})(?: (?P<year>\d{{4}}))? {CLOCK}(?: (?P<year2>\d{{4}}))?(?: [A-Z]{{3,4}})?",
    rf"(?P<day>\d{{1,2}})\.? {MONTH}(?: (?P<year>\d{{4}}))? {CLOCK}",
    rf"(?P<iso>\d{{4}}-\d\d-\d\d)[T ]{CLOCK} ?(?P<zone>Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d)?",
)
SEVERITIES = r"(?:(?:kern|user|mail|daemon|auth|authpriv|syslog|cron|local\d)\.[a-z]{3,7} )?"
IDENT = r"(?P<ident>[A-Za-z_(/][^\s:\[\]]{0,63})(?:\[(?P<pid>\d{1,10})\])?:(?: |$)"
HOST = r"(?:(?P<host>[^\s:\[\]]{1,255}|[0-9a-fA-F:.]{2,45}) )?"
STAMPED = tuple(
    re.compile(rf"(?:[A-Z][a-z]{{2}} )?{when} {HOST}{SEVERITIES}{IDENT}(?P<text>.*)", re.DOTALL) for when in WHEN
)
TIMED = tuple(re.compile(rf"(?:[A-Z][a-z]{{2}} )?{when}:? (?P<text>.*)", re.DOTALL) for when in WHEN)
TAGGED = re.compile(
    r"(?P<ident>[A-Za-z_(][\w.@()/-]{0,63})(?:\[(?P<pid>\d{1,10})\])(?::| :)(?: |$)(?P<text>.*)", re.DOTALL
)
KERNEL_TAG = re.compile(r"kernel: (?P<text>.*)", re.DOTALL)
UPTIME = re.compile(
    r"(?:[^\s\[\]:]{1,255} (?=\[ {0,7}\d{1,8}\.\d{6}\]))?"
    r"\[ {0,7}(?P<uptime>\d{1,8}\.\d{3,9})\](?:\[ *[TC]\d+\])? ?(?P<text>.*)",
    re.DOTALL,
)
DMESG_TIME = re.compile(
    r"\[[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) {1,2}(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d) (?P<year>\d{4})\] "
    r"(?P<text>.*)",
    re.DOTALL,
)
PRIORITY = re.compile(r"<\d{1,3}>(?:1 )?")
# RFC 5424: time, host, tag, pid, message id and structured data, each "-" where there is none.
STRUCTURED = re.compile(
    rf"{WHEN[2]} \S{{1,255}} (?P<ident>[^\s:\[]{{1,48}}) \S{{1,128}} \S{{1,32}} "
    r"(?:-|(?:\[(?:[^\]\\]|\\.){0,2000}\]){1,8})(?: \ufeff?(?P<text>.*))?$",
    re.DOTALL,
)
REPEATED = re.compile(r"message repeated \d{1,9} times: \[ ?(?P<text>.*)\]$", re.DOTALL)
# What grep, docker compose and the like put before a line, when a log line follows.
PREFIXED = re.compile(
    r"(?:[\w./@+-]{1,120}(?::\d{1,7})?[:-]|\d{1,7}[:-] {0,2}|[\w.-]{1,60} {1,20}\| )"
    r"(?=(?:[^\W\d_]{3,10}\.? {1,2}\d{1,2} |\d{4}-\d\d-\d\d[T ])\d\d:\d\d:\d\d|\[ {0,7}\d{1,8}\.\d{3,9}\] )"
)
GREP = re.compile(r"\d{1,7}[:-](?=[\[A-Z<])")
# Where a new log line begins in the middle of another: published logs lose their line ends.
EMBEDDED = re.compile(
    rf"(?<=\s)(?=(?:{MONTH} {{1,2}}\d{{1,2}} \d\d:\d\d:\d\d \S{{1,64}} [A-Za-z_(][\w.@()/-]{{0,63}}"
    r"(?:\[\d+\])?:(?: |$)))"
)


@dataclass(frozen=True)
class Header:
    """A line taken apart. ``year`` is 0 where the line has none; ``offset`` its own zone, if any."""

    text: str
    ident: str = ""
    month: int = 0
    day: int = 0
    clock: tuple[int, int, int] = (0, 0, 0)
    year: int = 0
    offset: timezone | None = None
    uptime: float | None = None

    @property
    def timed(self) -> bool:
        return self.month > 0


def parse(line: str) -> Header:
    """Never fails: a line without any header is its own message."""
    line = line.strip()
    line = PRIORITY.sub("", line, count=1) if line.startswith("<") else line
    prefixed = PREFIXED.match(line)
    if prefixed:
        line = line[prefixed.end() :]
    elif line[:1].isdecimal():
        line = GREP.sub("", line, count=1)
    structured = STRUCTURED.match(line)
    if structured and _month(structured):
        return _with_uptime(_header(structured, "" if structured["ident"] == "-" else structured["ident"]))
    for expression in STAMPED:
        match = expression.match(line)
        if match and _month(match):
            return _with_uptime(_header(match, match["ident"]))
    match = DMESG_TIME.match(line)
    if match and _month(match):
        return _header(match, "kernel")
    for expression in TIMED:
        match = expression.match(line)
        if match and _month(match):
            return _with_uptime(_header(match, ""))
    return _untimed(line)


def _untimed(line: str) -> Header:
    match = UPTIME.match(line)
    if match:
        inner = TAGGED.match(match["text"])
        ident = inner["ident"] if inner else ""  # the kernel, or whoever wrote to the console
        return Header(inner["text"] if inner else match["text"], ident, uptime=float(match["uptime"]))
    match = KERNEL_TAG.match(line)
    if match:
        return _with_uptime(Header(match["text"], "kernel"))
    match = TAGGED.match(line)
    if match:
        return _with_uptime(Header(match["text"], match["ident"]))
    return Header(line)


def _with_uptime(header: Header) -> Header:
    """A kernel line in syslog repeats the kernel's own seconds; it is the kernel whose tag was cut."""
    repeated = REPEATED.match(header.text)
    if repeated:
        header = replace(header, text=repeated["text"])
    match = UPTIME.match(header.text)
    if match is None:
        return header
    return Header(
        match["text"],
        header.ident or "kernel",
        header.month,
        header.day,
        header.clock,
        header.year,
        header.offset,
        float(match["uptime"]),
    )


def _month(match: re.Match[str]) -> int:
    groups = match.groupdict()
    return int(groups["iso"][5:7]) if groups.get("iso") else MONTHS.get((groups.get("month") or "").lower(), 0)


def _header(match: re.Match[str], ident: str) -> Header:
    groups = match.groupdict()
    hours, minutes, seconds = (int(part) for part in match["clock"].split(":"))
    if groups.get("iso"):
        year, month, day = (int(part) for part in match["iso"].split("-"))
    else:
        year = int(groups.get("year") or groups.get("year2") or 0)
        month, day = _month(match), int(match["day"])
    return Header(
        match["text"] or "",
        ident.strip("()").rpartition("/")[2] if ident.startswith("/") else ident.strip("()"),
        month,
        day,
        (hours, minutes, seconds),
        year,
        _zone(groups.get("zone")),
    )


def _zone(text: str | None) -> timezone | None:
    if not text:
        return None
    if text in ("Z", "UTC", "GMT"):
        return timezone.utc
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:4])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes)) if minutes < 24 * 60 else None


def when(header: Header, newest: float, zone: tzinfo) -> float | None:
    """Seconds since the epoch. A line without a year has that of ``newest`` (when the log was last
    written), or the year before where it would lie in the future of that."""
    if not header.timed:
        return None
    limit = newest + 86400.0
    zone = header.offset or zone
    try:
        if header.year:
            return datetime(header.year, header.month, header.day, *header.clock, tzinfo=zone).timestamp()
        year = datetime.fromtimestamp(limit, zone).year
        for guess in (year, year - 1, year - 2, year - 3, year - 4):  # Feb 29 may be far back
            time = _day(guess, header, zone)
            if time is not None and time <= limit:
                return time
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _day(year: int, header: Header, zone: tzinfo) -> float | None:
    try:
        return datetime(year, header.month, header.day, *header.clock, tzinfo=zone).timestamp()
    except ValueError:
        return None


def split(line: str) -> Iterator[str]:
    """The log lines that were joined on one line, each from its time on."""
    start = 0
    for match in EMBEDDED.finditer(line):
        if MONTHS.get((match["month"] or "").lower()):
            yield line[start : match.start()]
            start = match.start()
    yield line[start:]
