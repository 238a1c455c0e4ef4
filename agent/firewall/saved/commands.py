"""Commands in scripts and units that load rules: iptables-restore, nft -f and ipset restore, with their files.

A script is not run and not followed: a line that loads one named file is taken as run, of any other line that calls a
firewall's program it is said that it was not followed.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from enum import Enum

from agent.firewall.model import Backend, Family

_RESTORE = re.compile(r"(ip|ip6)tables(-legacy|-nft)?-restore")
_CALLS = re.compile(r"(ip6?tables|arptables|ebtables)\b.*|nft|ipset|ufw|firewall-cmd|ferm|shorewall6?|firehol")
_OPTIONS_WITH_VALUE = ("-w", "--wait", "-W", "-M", "--modprobe", "-T", "--table")
_BACKENDS = {"-legacy": Backend.LEGACY, "-nft": Backend.NF_TABLES}
_SIZE = 64 * 1024  # characters of a line; longer ones were not written by people
_DEPTH = 4  # of sh -c within sh -c


class Kind(Enum):
    XTABLES = "iptables-restore"
    NFT = "nft -f"
    IPSET = "ipset restore"
    OTHER = "other"  # changes rules, but is not followed


@dataclass(frozen=True)
class Command:
    """``file`` is "" for OTHER. ``backend`` is None where the program's name leaves it open."""

    kind: Kind
    line: int
    text: str
    file: str = ""
    family: Family = Family.IP
    backend: Backend | None = None
    noflush: bool = False


def commands(text: str) -> tuple[Command, ...]:
    """The commands of a shell's text that have to do with rules, in its order."""
    found: list[Command] = []
    for number, line in _logical_lines(text):
        if len(line) <= _SIZE:
            found += _line(number, line)
        elif re.search(r"tables|nft|ipset", line):
            found.append(Command(Kind.OTHER, number, line[:80]))
    return tuple(found)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    lines: list[tuple[int, str]] = []
    start, held = 0, ""
    for number, line in enumerate(text.split("\n"), start=1):
        start = start or number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        lines.append((start, (held + line).strip()))
        start, held = 0, ""
    if held:
        lines.append((start, held.strip()))
    return lines


def _line(number: int, line: str, depth: int = 0) -> list[Command]:
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # a quote is not closed
        return [Command(Kind.OTHER, number, line)] if _CALLS.search(line) else []
    found: list[Command] = []
    before: list[str] = []
    piped = False
    for words_of_one, ended_by in _simple(words):
        one = _command(number, line, words_of_one, before if piped else [], depth)
        found += one
        before, piped = words_of_one, ended_by == "|"
    return found


def _simple(words: list[str]) -> list[tuple[list[str], str]]:
    """The simple commands of a line, each with the operator that ends it."""
    parts: list[tuple[list[str], str]] = []
    current: list[str] = []
    for word in words:
        if word and set(word) <= set("();|&"):
            parts.append((current, word))
            current = []
        else:
            current.append(word)
    parts.append((current, ""))
    return parts


def _command(number: int, line: str, words: list[str], before: list[str], depth: int) -> list[Command]:
    while words and (words[0] in ("exec", "sudo", "then", "do", "else", "if", "!", "{") or _assigns(words[0])):
        words = words[1:]
    if not words:
        return []
    program, rest = words[0].rsplit("/", 1)[-1], words[1:]
    if program in ("sh", "bash", "dash") and rest[:1] == ["-c"] and len(rest) > 1 and depth < _DEPTH:
        return [found for part in rest[1].split("\n") for found in _line(number, part, depth + 1)]
    restore = _RESTORE.fullmatch(program)
    if restore:
        path = _file(rest, _OPTIONS_WITH_VALUE) or _fed(before)
        family = Family.IP6 if restore.group(1) == "ip6" else Family.IP
        noflush = any(word in ("-n", "--noflush") for word in rest)
        return [_known(Kind.XTABLES, number, line, path, family, _BACKENDS.get(restore.group(2) or ""), noflush)]
    if program == "nft" and any(word in ("-f", "--file") for word in rest):
        at = next(place for place, word in enumerate(rest) if word in ("-f", "--file"))
        path = rest[at + 1] if len(rest) > at + 1 else ""
        return [_known(Kind.NFT, number, line, path if path != "-" else _file(rest, ("-f", "--file")) or _fed(before))]
    if program == "ipset" and any(word in ("restore", "-R", "--restore") for word in rest):
        at = next((place for place, word in enumerate(rest) if word in ("-f", "-file", "--file")), -1)
        path = rest[at + 1] if -1 < at < len(rest) - 1 else _after_less(rest) or _fed(before)
        return [_known(Kind.IPSET, number, line, path)]
    return [Command(Kind.OTHER, number, line)] if _CALLS.fullmatch(program) and not _only_reads(rest) else []


def _assigns(word: str) -> bool:
    return re.match(r"[A-Za-z_]\w*=", word) is not None


def _only_reads(words: list[str]) -> bool:
    return bool(words) and words[0] in ("-L", "-S", "-V", "--version", "--list", "list", "status", "-nL", "-C")


def _file(words: list[str], with_value: tuple[str, ...]) -> str:
    """The file that a program reads: after <, else its first word that is no option."""
    after = _after_less(words)
    if after:
        return after
    skip = False
    for word in words:
        if skip or word.startswith("-") or set(word) <= set("<>") or word.isdigit():
            skip = word in with_value or word == ">"
            continue
        return word
    return ""


def _after_less(words: list[str]) -> str:
    return next((after for word, after in zip(words, words[1:]) if word == "<"), "")


def _fed(before: list[str]) -> str:
    """``cat FILE |``."""
    return before[1] if len(before) == 2 and before[0].rsplit("/", 1)[-1] == "cat" else ""


def _known(
    kind: Kind,
    number: int,
    line: str,
    path: str,
    family: Family = Family.IP,
    backend: Backend | None = None,
    noflush: bool = False,
) -> Command:
    """Followed only where it names one file in full."""
    if not path.startswith("/") or re.search(r"[$`*?]", path):
        return Command(Kind.OTHER, number, line)
    return Command(kind, number, line, path, family, backend, noflush)
