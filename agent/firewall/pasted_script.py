"""Shell scripts that somebody pasted: variables with plain values and loops over plain words are written out."""

from __future__ import annotations

import re

from agent.firewall import ipset
from agent.firewall.model import Backend, Family, Problem, Ruleset, together
from agent.firewall.nft import text as nft_text
from agent.firewall.saved.commands import Command, Kind, commands
from agent.firewall.saved.tables import Tables

_ASSIGNED = re.compile(
    r"^[ \t]*(?:export |declare |readonly )?(\w{1,64})="
    r"(\"[^\"`]{0,400}\"|'[^']{0,400}'|[^\s\"'`;#|&()]{0,400})[ \t]*(?:;|#.*)?$",
    re.MULTILINE,
)
_USED = re.compile(r"\$(?:\{(\w{1,64})\}|(\w{1,64}))")
_LOOP = re.compile(
    r"\bfor[ \t]+(\w{1,64})[ \t]+in[ \t]+([^;\n$`]{1,1000})[ \t]*(?:;|\n)\s*do\b"
    r"((?:(?!\bdo\b|\bdone\b)[\s\S]){1,4000})\bdone\b"
)
_LARGEST = 1 << 20  # characters that a script may become


def read(script: str) -> tuple[Ruleset, tuple[str, ...]]:
    """The rule-set that a script leaves on a host without rules, and the sentences of what was not followed."""
    tables = {family: Tables(family, Backend.LEGACY) for family in (Family.IP, Family.IP6)}
    problems: list[Problem] = []
    said: list[str] = []
    nft: dict[int, str] = {}
    sets: list[str] = []
    for one in commands(_written_out(script)):
        if one.kind is Kind.RULE:
            problems += tables[one.family].command(one.words, "", one.line)
        elif one.kind is Kind.RESTORE and one.content:
            problems += tables[one.family].restore(one.content, "", one.noflush)
        elif one.kind is Kind.NFT and one.content:
            nft[one.line] = nft.get(one.line, "") + one.content.replace("\n", ";")
        elif one.kind is Kind.IPSET and one.content:
            sets.append(one.content)
        else:
            said.append(_not_followed(one))
    parts = []
    for family in tables.values():
        built, wrong, _ = family.tables()
        parts.append(Ruleset(tuple(built), None, tuple(wrong)))
    if nft:
        lines = [nft.get(number, "") for number in range(1, max(nft) + 1)]
        parts.append(nft_text.read("\n".join(lines)))
    if sets:
        parts.append(ipset.read("".join(sets)))
    return together(*parts, Ruleset(problems=tuple(problems))), tuple(dict.fromkeys(said))


def _not_followed(one: Command) -> str:
    if one.file:
        return f"line {one.line} loads {one.file}, which is not part of this text"
    return f"line {one.line} is not followed: {one.text[:100]}"


def _written_out(script: str) -> str:
    """With values for variables, and loops one turn after the other on the line where they begin."""
    script = re.sub(r"(?:[^\n]*\\\n)+[^\n]*", _one_line, script)
    values: dict[str, str] = {}
    lines = []
    for line in script.split("\n"):
        line = _filled(line, values)
        assigned = _ASSIGNED.match(line)
        if assigned:
            values[assigned[1]] = assigned[2].strip("\"'")
        lines.append(line)
    text = "\n".join(lines)
    for _ in range(8):  # loops within loops
        grown = _LOOP.sub(_turns, text)
        if grown == text or len(grown) > _LARGEST:
            break
        text = grown
    return text


def _one_line(lines: re.Match[str]) -> str:
    """A command over several lines on the first of them, so that the others keep their number."""
    return lines[0].replace("\\\n", " ") + "\n" * lines[0].count("\n")


def _filled(line: str, values: dict[str, str]) -> str:
    return _USED.sub(lambda used: values.get(used[1] or used[2], used[0]), line)


def _turns(loop: re.Match[str]) -> str:
    name, body = loop[1], " ".join(part for part in loop[3].split("\n") if not part.lstrip().startswith("#"))
    turns = [_filled(body.strip().rstrip(";"), {name: word.strip("\"'")}) for word in loop[2].split()[:256]]
    return " ; ".join(turns) + "\n" * loop[0].count("\n")
