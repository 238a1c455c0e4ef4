"""What is fuzzed: everything that reads what strangers wrote. Each raises when a promise is broken."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.errors import UsageError
from agent.firewall import pasted
from agent.firewall.nft.text import parse
from agent.logs.console import search_console
from agent.logs.journald.journal_file import open_journal
from agent.logs.journald.payload import lz4_block
from agent.logs.journald.reader import JournaldReader
from agent.logs.model import Pattern
from agent.logs.plan import MARKS
from agent.mtr import json_report, printing, raw_report, text_report, winmtr, xml_report  # noqa: F401 - to be followed
from agent.mtr.judge import judge
from agent.mtr.model import Hop
from agent.mtr.reading import read as read_mtr
from agent.redaction.redactor import Redactor
from agent.unknown import Unknown

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples"
PATTERNS = (*MARKS, Pattern("hook", r"run-parts: /etc/network/if-up\.d/\S{1,200} exited with return code \d+"))


NAME = re.compile(r"[A-Za-z][\w.-]*|[\da-f.:]+|\?\?\?", re.ASCII)  # a router's; anything else is printed as it came

SOURCE = re.compile(r"|vm|node1.*")  # those of the samples; one that is called as a column can't be told from it


@dataclass(frozen=True)
class FuzzTarget:
    """``try_one`` takes any bytes; ``seeds`` are inputs to begin with."""

    try_one: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


def mtr(data: bytes) -> None:
    """Any text is a report or a clear refusal; what was read is judged, printed, and read again as the same."""
    try:
        reports = read_mtr("x", data).reports
    except UsageError as error:
        assert error.hint
        return
    for report in reports:
        judge(report)
        printing.json_text(report)
        printed = printing.text(report)
        if report.hops and SOURCE.fullmatch(report.source) and all(_printable(hop) for hop in report.hops):
            (again,) = read_mtr("x", printed.encode()).reports
            assert [_row(hop) for hop in again.hops] == [_row(hop) for hop in report.hops], printed


def _printable(hop: Hop) -> bool:
    """A router with a usual name, or nobody; a cut --raw report may have answers of nobody."""
    return bool(NAME.fullmatch(hop.router)) and (bool(hop.routers) or hop.loss >= 100)


def _row(hop: Hop) -> tuple[object, ...]:
    """What must come back (who answered second is printed below the row, and may look like anything)."""
    return hop.number, hop.router, hop.sent, hop.loss if hop.loss >= 99.95 else f"{hop.loss:.1f}"


def journal(data: bytes) -> None:
    """No file makes the reader of journals fail, or give more entries than the file has room for."""
    descriptor = os.memfd_create("journal")
    with os.fdopen(descriptor, "w+b") as stream:
        stream.write(data)
        stream.flush()
        file = open_journal(stream)
        if not isinstance(file, Unknown):
            entries = [(raw.message, raw.fields()) for raw in JournaldReader(file).entries()]
            assert len(entries) <= len(data) // 64


def nft(data: bytes) -> None:
    """Any text is a ruleset, with problems where it is none."""
    parse(data.decode("utf-8", "replace"))


def firewall(data: bytes) -> None:
    """Whatever is pasted is read, or refused with a hint."""
    try:
        pasted.read(data.decode("utf-8", "replace"), "x")
    except UsageError as error:
        assert error.hint


def redaction(data: bytes) -> None:
    """What was redacted is left as it is."""
    redactor = Redactor(addresses=data[:1] > b"\x7f")
    once = redactor.text(data.decode("utf-8", "replace"), "x")
    assert redactor.text(once, "x") == once


def lz4(data: bytes) -> None:
    """As the library: the same bytes where it accepts a block."""
    import lz4.block

    try:
        expected = lz4.block.decompress(data, uncompressed_size=65536)
    except lz4.block.LZ4BlockError:
        lz4_block(data, 65536)
        return
    found = lz4_block(data, 65536)
    assert found == expected or isinstance(found, Unknown)  # the library copies from before the block as well


def log(data: bytes) -> None:
    """Any bytes can be searched as a log."""
    search_console("x", io.BytesIO(data), PATTERNS)


def _files(*folders: str) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        for folder in folders:
            for path in sorted((SAMPLES / folder).rglob("*")):
                if path.is_file() and path.stat().st_size < 65536:
                    yield path.read_bytes()

    return seeds


def _rules() -> Iterator[bytes]:
    from tests.firewall.pastes import PASTES

    for paste in PASTES:
        yield paste.text.encode()


def _secrets() -> Iterator[bytes]:
    from tests.redaction.corpus import PLANTED, STAYS

    for _, text in (*PLANTED, *STAYS):
        yield text.encode()


def _journals() -> Iterator[bytes]:
    """None but those that the machine has: `make fuzz` runs without a writer as well."""
    folder = Path(os.environ.get("FUZZ_JOURNALS", "/var/log/journal"))
    for path in sorted(folder.rglob("*.journal"))[:8]:
        yield path.read_bytes()[:262144]


def _blocks() -> Iterator[bytes]:
    import lz4.block

    for data in (b"", b"a" * 300, bytes(range(256)) * 4, b"MESSAGE=" + b"line of a log; " * 90):
        yield lz4.block.compress(data, store_size=False)


TARGETS = {
    "mtr": FuzzTarget(mtr, _files("mtr", "real/mtr")),
    "journal": FuzzTarget(journal, _journals),
    "nft": FuzzTarget(nft, _rules),
    "firewall": FuzzTarget(firewall, _rules),
    "redaction": FuzzTarget(redaction, _secrets),
    "lz4": FuzzTarget(lz4, _blocks),
    "log": FuzzTarget(log, _files("logs", "real/logs")),
}
