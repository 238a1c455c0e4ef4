"""Single values of a report: losses, times, routers, networks."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from agent.mtr.model import Router

NUMBER = re.compile(r"\d{1,12}(?:[.,]\d{0,6})?")
_NAMED = re.compile(r"(?P<name>\S{1,255})\s+\((?P<address>[0-9A-Fa-f:.%\w]{2,60})\)?")
_ASN = re.compile(r"\[?(?P<asn>AS(?:\d{1,10}|\?{1,3}))\]?", re.IGNORECASE)
NOBODY = frozenset(("???", "??", "*", "* * *", "(waiting for reply)", "waiting for reply", "no response from host",
                    "request timed out.", "no reply", "no response", "-"))  # fmt: skip


def number(text: str) -> float | None:
    """A loss or a time as mtr prints it: "0.0%", "100.0", "2010.", "29997", "0,5"; None for anything else."""
    text = text[:-1] if text.endswith("%") else text
    if text.endswith("ms"):
        text = text[:-2]
    return float(text.replace(",", ".")) if NUMBER.fullmatch(text) else None


def share(text: str) -> float | None:
    """A loss in percent, 0 to 100."""
    value = number(text)
    return value if value is not None and value <= 100 else None


def count(text: str) -> int | None:
    """A number of probes."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


@lru_cache(maxsize=4096)
def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def routers(text: str) -> tuple[Router, ...]:
    """Who answers by the text of the column: none for ``???``."""
    text = text.strip()
    if text.lower() in NOBODY or not text:
        return ()
    match = _NAMED.fullmatch(text)
    if match:
        name, address = match["name"], match["address"]
        return (Router("" if name == address else name, address),)
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    return (Router(address=text),) if is_address(text) else (Router(name=text),)


def network(text: str) -> str | None:
    """An autonomous system: "AS63949", "" for one that is not known, None for what is none."""
    match = _ASN.fullmatch(text)
    if match is None:
        return None
    return "" if "?" in match["asn"] else match["asn"].upper()
