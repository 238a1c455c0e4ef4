"""What nft tells of the tables in nf_tables: its JSON, and its text for what the JSON leaves out.

nft's JSON names no rule in nft's own words, and that of version 1.0.6 leaves out the devices of a netdev chain and the
flag ``dynamic``, and prints the flags of a table as garbage; the text has all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from agent.firewall.model import Backend, Ruleset
from agent.firewall.nft import json_reader
from agent.unknown import Maybe, Unknown, Why

Key = tuple[str, str]  # family and name of a table

_TABLE = re.compile(r"table (\w+) (\S+)(?: \{)?(?: # .*)?")
_BLOCK = re.compile(r"\t(chain|set|map|meter|flowtable|counter|quota|limit|ct \w+|secmark|synproxy) (\S+) \{(?: # .*)?")
_HANDLE = re.compile(r" # handle ([0-9]{1,19})$")
_NAME = re.compile(r'"[^"]*"|[\w.@-]+')
_DEVICES = re.compile(r"devices? (?:= )?(\{[^}]*\}|\"[^\"]*\"|\S+)")


@dataclass
class Text:
    """What only the text tells: rules in nft's words by table and handle, and what the JSON leaves out."""

    rules: dict[tuple[Key, int], str] = field(default_factory=dict)
    devices: dict[tuple[Key, str], list[str]] = field(default_factory=dict)
    flags: dict[tuple[Key, str], list[str]] = field(default_factory=dict)  # "" for the table itself
    tables: set[Key] = field(default_factory=set)


def scan(text: str) -> Text:
    """Take from ``nft -a list`` what ``Text`` holds, by the form of its lines alone."""
    found = Text()
    table: Key = ("", "")
    block = kind = ""
    waiting: list[str] = []
    for line in text.split("\n"):
        if not line or line[0] != "\t":
            match = _TABLE.fullmatch(line)
            if match:
                table, block, kind, waiting = (match[1], match[2]), "", "", []
                found.tables.add(table)
            continue
        if line == "\t}":
            block = kind = ""
            waiting = []
        elif line[1] != "\t":
            match = _BLOCK.fullmatch(line)
            if match:
                kind, block = match[1], match[2]
            elif line.startswith("\tflags "):
                found.flags[table, ""] = re.split(r"[,\s]+", line[7:].strip())
        elif kind == "chain":
            handle = _HANDLE.search(line)
            if handle:
                words = " ".join([*waiting, line[: handle.start()].strip()])
                found.rules[table, int(handle[1])] = words
                waiting = []
            elif not waiting and line.startswith("\t\ttype "):
                devices = _DEVICES.search(line)
                if devices:
                    found.devices[table, block] = [
                        name.strip('"') for name in re.findall(r'"[^"]*"|[\w.@-]+', devices[1])
                    ]
            else:
                waiting.append(line.strip())
        elif kind in ("set", "map") and line.startswith("\t\tflags "):
            found.flags[table, block] = re.split(r"[,\s]+", line[8:].strip())
    return found


def document(printed: str) -> Maybe[list[object]]:
    """The objects of the JSON that nft printed."""
    try:
        found = json.loads(printed)
    except (ValueError, RecursionError):
        return Unknown("nft prints no JSON", Why.UNREADABLE)
    objects = found.get("nftables") if isinstance(found, dict) else None
    return objects if isinstance(objects, list) else Unknown("nft's JSON is of another form", Why.UNREADABLE)


def keys(items: Iterable[object]) -> Iterator[Key]:
    """Family and name of the tables, in the order in which they were made."""
    for item in items:
        table = item.get("table") if isinstance(item, dict) else None
        if isinstance(table, dict):
            yield str(table.get("family")), str(table.get("name"))


def completed(items: Iterable[object], told: Text, wanted: frozenset[Key]) -> Iterator[object]:
    """The objects of the JSON that belong to these tables, with what only the text tells."""
    for item in items:
        if not isinstance(item, dict):
            yield item
            continue
        for kind, inner in item.items():
            if not isinstance(inner, dict) or kind == "metainfo":
                continue
            table = (str(inner.get("family")), str(inner.get("name" if kind == "table" else "table")))
            if table in wanted:
                yield {kind: _completed(kind, inner, table, told)}


def _completed(kind: str, given: dict[str, object], table: Key, told: Text) -> dict[str, object]:
    if kind == "rule":
        handle = given.get("handle")
        words = told.rules.get((table, handle)) if isinstance(handle, int) else None
        return given if words is None else {**given, "lish_text": words}
    if table not in told.tables:
        return given
    name = str(given.get("name"))
    if kind == "chain" and (table, name) in told.devices:
        return {**given, "dev": told.devices[table, name]}
    if kind == "table":
        flags = told.flags.get((table, ""))
        kept = {key: value for key, value in given.items() if key != "flags"}
        return {**kept, "flags": flags} if flags else kept
    if kind in ("set", "map") and (table, name) in told.flags:
        return {**given, "flags": told.flags[table, name]}
    return given


def read(items: Iterable[object], text: str, wanted: frozenset[Key]) -> Ruleset:
    """The wanted tables from nft's JSON, completed by what ``nft -a list ruleset`` prints ("" where it failed)."""
    return natives(json_reader.read({"nftables": list(completed(items, scan(text), wanted))}))


def natives(found: Ruleset) -> Ruleset:
    """What is read by nft is nft's, whatever its name: iptables-nft prints its own, and leaves out others."""
    return replace(found, tables=tuple(replace(table, backend=Backend.NFT) for table in found.tables))
