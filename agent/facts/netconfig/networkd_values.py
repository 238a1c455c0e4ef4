"""Single values of networkd's settings: words, interface names, hardware addresses, and its complaints."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from agent.facts.netconfig.systemd_syntax import Setting
from agent.facts.netconfig.text import mac

_NAME_MAX = 127  # patterns may be as long as an alternative name


@dataclass(frozen=True)
class Words:
    items: tuple[str, ...] = ()


def words(value: str) -> Words:
    """A list as systemd splits it: by blanks, with quotes. A leading ! negates every word."""
    negated = value.startswith("!")
    body = value[1:] if negated else value
    try:
        found = shlex.split(body, posix=True) if any(char in body for char in "\"'\\") else body.split()
    except ValueError:  # a quote without its end: networkd takes the rest
        found = body.replace('"', "").replace("'", "").split()
    return Words(tuple(f"!{word}" if negated else word for word in found))


def interface_names(value: str) -> tuple[list[str], list[str]]:
    """The valid and the invalid words of [Match] Name=."""
    good: list[str] = []
    bad: list[str] = []
    for word in words(value).items:
        plain = word[1:] if word.startswith("!") else word
        (good if _valid_name(plain) else bad).append(word if _valid_name(plain) else plain)
    return good, bad


def _valid_name(name: str) -> bool:
    """An interface name, or a pattern of one: no reserved word, no number, none of ``:/%``."""
    if not name or len(name) > _NAME_MAX or name in (".", "..", "all", "default"):
        return False
    if name.isdecimal():
        return False
    return not any(char in ":/%" or ord(char) <= 32 or ord(char) >= 127 for char in name)


def hardware(text: str) -> str | None:
    """A hardware address, lower case with colons. Others than Ethernet's are kept as they are."""
    found = mac(text)
    if found is None and ":" in text:
        parts = text.lower().split(":")
        digits = "0123456789abcdef"
        if 1 < len(parts) <= 32 and all(0 < len(each) <= 2 and set(each) <= set(digits) for each in parts):
            return ":".join(each.zfill(2) for each in parts)
    return found


def complaint(modern: bool, setting: Setting, old: str, error: str = "") -> str:
    """What networkd says of a value that it can't parse: one wording since release 257."""
    return f"Failed to parse {setting.key}={setting.value}, ignoring: {error or 'Invalid argument'}" if modern else old
