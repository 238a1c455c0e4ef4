"""A ticket without its secrets: every text in it goes through one redactor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import TypeVar, cast

from agent.diagnosis.model import Evidence, Rule
from agent.facts.diagnostics import Diagnostic
from agent.redaction.redactor import Redactor
from agent.ticket.model import Attachment, Event, Ticket

T = TypeVar("T")
DEEPEST = 60


def redacted(ticket: Ticket, addresses: bool) -> Ticket:
    """The ticket as it may be given away; ``removed`` says what is missing. ``addresses``: these are replaced too."""
    hostname = ticket.scan.subject.hostname
    redactor = Redactor(addresses, {hostname, hostname.partition(".")[0]} if hostname else ())
    clean = _Walk(redactor).value(ticket, "the ticket", "", 0)
    return dataclasses.replace(clean, removed=redactor.removed, addresses_redacted=addresses)


class _Walk:
    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._seen: dict[int, tuple[object, object]] = {}

    def value(self, value: T, place: str, key: str, depth: int) -> T:
        """The same value, of the same type, with every text in it redacted."""
        return cast(T, self._value(value, place, key, depth))

    def _value(self, value: object, place: str, key: str, depth: int) -> object:
        if isinstance(value, Enum) or value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self._redactor.text(value, place, key)
        if isinstance(value, bytes):
            # A byte a letter, and back: what is no text stays what it is.
            return self._redactor.text(value.decode("latin-1"), place, key).encode("latin-1", "replace")
        if depth > DEEPEST:
            raise ValueError("too deep to be looked through")
        if isinstance(value, tuple):
            items = [self._value(item, place, key, depth + 1) for item in value]
            return tuple(items)
        if isinstance(value, (list, set, frozenset)):
            return type(value)(self._value(item, place, key, depth + 1) for item in value)
        if isinstance(value, Mapping):
            return {
                self._value(name, place, "", depth + 1): self._value(item, place, str(name), depth + 1)
                for name, item in value.items()
            }
        if isinstance(value, Rule):
            return value  # our own words
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value, place, depth)
        return value

    def _dataclass(self, value: object, place: str, depth: int) -> object:
        known = self._seen.get(id(value))
        if known is not None and known[0] is value:
            return known[1]  # a finding stands in the scan and in its verdict
        place = _place(value) or place
        changed = {}
        for field in dataclasses.fields(value):  # type: ignore[arg-type]
            if field.init:
                before = getattr(value, field.name)
                after = self._value(before, place, "", depth + 1)
                if after is not before and after != before:
                    changed[field.name] = after
        made = dataclasses.replace(value, **changed) if changed else value  # type: ignore[type-var]
        self._seen[id(value)] = (value, made)
        return made


def _place(value: object) -> str:
    """Where a thing's texts come from, for the list of what was removed."""
    if isinstance(value, Diagnostic):
        return " ".join(value.command)
    if isinstance(value, (Attachment, Evidence, Event)):
        return value.source
    return ""
