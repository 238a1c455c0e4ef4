"""Entries of a journal file as the search wants them: the message now, the trusted fields when asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from agent.logs.journal_entry import FIELDS, Raw
from agent.logs.journald.journal_file import JournalFile
from agent.logs.journald.layout import EntryObject
from agent.logs.journald.prefilter import Irregular, Prefilter, prefilter
from agent.logs.plan import Plan
from agent.unknown import Unknown, Why

KEPT = 100_000  # data objects that are known to hold no message

_MESSAGE, _IDENT, _BOOT = b"MESSAGE=", b"SYSLOG_IDENTIFIER=", b"_BOOT_ID="


class JournaldReader:
    """``doubtful`` counts the entries read so far of which something was lost or can't be believed."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._idents: dict[int, bytes] = {}
        self._boots: dict[int, bytes] = {}
        self._others: OrderedDict[int, None] = OrderedDict()
        self.doubtful = 0

    @property
    def problem(self) -> str:
        """Why the file could not be read as journald wrote it; known when the first entry has come."""
        return self._file.problem

    def entries(self) -> Iterator[Raw]:
        """Oldest first."""
        for entry in self._file.entries():
            raw = self._raw(entry)
            self.doubtful += raw.doubtful
            yield raw

    def likely(self, plan: Plan) -> Prefilter | None:
        """The way to the entries that may match without reading the others. None: there is no such way."""
        return prefilter(self._file, plan)

    def entry(self, offset: int) -> Raw:
        """The entry at an offset that ``likely`` gave."""
        entry = self._file.entry(offset)
        if entry is None:
            raise Irregular
        return self._raw(entry)

    def _raw(self, entry: EntryObject) -> Raw:
        message: bytes | None = b""
        doubtful = False
        ident = b""
        for item in reversed(entry.items):
            if item in self._others:
                continue
            known = self._idents.get(item)
            if known is not None:
                ident = known
                continue
            boot = self._boots.get(item)
            if boot is not None:
                doubtful = doubtful or boot != entry.boot
                continue
            value = self._file.value(item)
            if isinstance(value, Unknown):
                doubtful = doubtful or value.why is Why.UNREADABLE
                message = message or None
                continue
            if value.startswith(_MESSAGE):
                message = value[len(_MESSAGE) :]
            elif value.startswith(_IDENT):
                ident = self._idents[item] = value[len(_IDENT) :]
            elif value.startswith(_BOOT):
                # Each entry's boot stands in the file twice.
                told = self._boots[item] = _identity(value[len(_BOOT) :])
                doubtful = doubtful or told != entry.boot
            else:
                self._others[item] = None
                if len(self._others) > KEPT:
                    self._others.popitem(last=False)
        return Raw(
            message,
            ident,
            entry.realtime / 1e6,
            entry.boot.hex(),
            self._cursor(entry),
            lambda: self._fields(entry),
            doubtful,
        )

    def _cursor(self, entry: EntryObject) -> str:
        """As journalctl writes it."""
        return (
            f"s={self._file.header.sequence_id.hex()};i={entry.sequence:x};b={entry.boot.hex()}"
            f";m={entry.monotonic:x};t={entry.realtime:x};x={entry.xor_hash:x}"
        )

    def _fields(self, entry: EntryObject) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for item in entry.items:
            value = self._file.value(item)
            if isinstance(value, Unknown):
                continue
            name, equals, text = value.partition(b"=")
            if equals and name in _WANTED:
                found.setdefault(_WANTED[name], text.decode("utf-8", "replace"))
        return found


def _identity(text: bytes) -> bytes:
    """The 16 bytes of an id, b"" for what is none."""
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""


_WANTED = {name.encode(): name for name in FIELDS}
