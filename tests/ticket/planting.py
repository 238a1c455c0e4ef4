"""A value with another text in place of every string in it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, Callable

from agent.change.model import Change


def planted(value: Any, text: Callable[[], str]) -> Any:
    """The same value with another text in place of every string in it, as deep as data classes and tuples go.

    Identities that must stay what they are (enums, numbers, a fix and its plan function, a change's number) do.
    """
    if isinstance(value, Enum) or value is None or isinstance(value, (bool, int, float, bytes)):
        return value
    if isinstance(value, str):
        return text()
    if isinstance(value, tuple):
        return tuple(planted(one, text) for one in value)
    if isinstance(value, dict):
        return {text(): planted(one, text) for one in value.values()}
    if isinstance(value, Change):
        return replace(_fields(value, text), id=f"{value.number}-{text()}")
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value, text)
    return value


def _fields(value: Any, text: Callable[[], str]) -> Any:
    made = {field.name: planted(getattr(value, field.name), text) for field in fields(value) if field.init}
    return replace(value, **made)
