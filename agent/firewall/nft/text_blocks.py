"""Tables, chains and rules in nft's text: what stands within braces, line by line."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.firewall.nft.text_draft import ChainDraft, Json, TableDraft
from agent.firewall.nft.text_expressions import initial
from agent.firewall.nft.text_objects import (
    OBJECTS,
    UNPARTED,
    devices,
    flowtable_line,
    new_set,
    object_line,
    priority,
    set_line,
)
from agent.firewall.nft.text_statements import skip, written
from agent.firewall.nft.text_stream import Stream, Written
from agent.firewall.nft.text_tokens import Kind
from agent.firewall.nft.text_tree import NotNft

_HANDLE = re.compile(r"# handle ([0-9]{1,18})$")
_UNPRINTED = re.compile(r"# xt_.*")  # what an nft without libxtables prints for a match of iptables-nft
_PRINTED = ("# Warning", "# handle")  # comments of nft's own: the end of a listing may have been cut off
_CT_OBJECTS = ("helper", "timeout", "expectation")
_POLICIES = ("accept", "drop")


def _common(stream: Stream) -> bool:
    """``include``, ``define`` and the like, which may stand anywhere; True when there was one."""
    word = stream.word("include", "define", "redefine", "undefine")
    if not word:
        return False
    if word == "include":
        if stream.token.kind is not Kind.QUOTED:
            raise stream.unexpected("a quoted name of a file")
        path = stream.advance().text
        _line_end(stream)
        stream.include(path)
        return True
    name = stream.need_any_word("a name")
    if word == "undefine":
        stream.undefine(name)
    else:
        stream.need_sign("=")
        stream.define(name, initial(stream), again=word == "redefine")
    _line_end(stream)
    return True


def _line_end(stream: Stream) -> None:
    if not stream.at_separator():
        raise stream.unexpected("the end of the line")


def lines(stream: Stream, read: Callable[[], None], end: str, spoilt: Callable[[str, NotNft], None]) -> None:
    """Read lines up to ``end`` ("}", or "" for the end of the text). A line that can't be read is a problem, and
    ``spoilt`` gets its text and the reason."""
    while True:
        if stream.token.kind is Kind.END:
            if end:
                stream.unclosed()
            elif stream.token.text and not stream.token.text.startswith(_PRINTED):
                stream.problem(stream.token.text, "nft refuses a comment at the end that has no newline behind it")
            return
        if stream.is_sign("}"):
            stream.advance()
            if end:
                return
            stream.problem("}", "nothing is open that this could close")
            stream.open = 0
            continue
        if stream.at_separator():
            stream.advance()
            continue
        start, line, open_braces, depth = stream.token, stream.line, stream.open, stream.depth
        try:
            if _common(stream):
                continue
            stream.parted = False
            read()
            if stream.is_sign("}"):
                if not stream.parted:
                    stream.problem("}", "nft wants a semicolon or a new line before it")
            elif stream.token is start or not stream.at_separator():
                raise stream.unexpected("the end of the line")
        except NotNft as problem:
            skip(stream, open_braces)
            stream.recover(depth)
            text = stream.text_since(start)
            stream.problem(text, problem.why, problem.refused, line)
            spoilt(text, problem)


def block(stream: Stream, json: Json, read: Callable[[], None]) -> None:
    """``{ lines }`` of the object that ``json`` describes."""
    stream.need_sign("{")
    stream.deeper()
    stream.open_scope()
    json.update(handle(stream))

    def spoilt(text: str, problem: NotNft) -> None:
        json.setdefault("lish_unknown", {"text": text, "why": problem.why})

    try:
        lines(stream, read, "}", spoilt)
    finally:
        stream.close_scope()
    stream.shallower()


def handle(stream: Stream) -> Json:
    """nft -a writes an object's handle as a comment behind it."""
    found = _HANDLE.match(stream.token.text) if stream.token.kind in (Kind.NEWLINE, Kind.END) else None
    return {"handle": int(found.group(1))} if found else {}


def table_block(stream: Stream, table: TableDraft) -> None:
    stream.family = table.family
    block(stream, table.json, lambda: _table_line(stream, table))
    check_names(stream, table)


def check_names(stream: Stream, table: TableDraft) -> None:
    """Chains and sets that are named, but that the table has not: nft refuses the whole."""
    for kind, name, line in stream.used:
        if kind == "chain" and name not in table.chains:
            stream.problem(name, f"there is no chain {name} in table {table.name}", line=line)
        elif kind == "set" and name not in table.sets and name not in table.flowtables and name not in stream.meters:
            stream.problem(f"@{name}", f"there is no set {name} in table {table.name}", line=line)
    stream.used.clear()


def _table_line(stream: Stream, table: TableDraft) -> None:
    word = stream.need_any_word("something of a table")
    if word == "flags":
        flags = [stream.need_any_word("a flag")]
        while stream.sign(","):
            flags.append(stream.need_any_word("a flag"))
        table.json["flags"] = flags
    elif word == "comment":
        table.json["comment"] = stream.string()
    elif word == "chain":
        chain_block(stream, table, stream.identifier())
    elif word in ("set", "map"):
        set_block(stream, table, word, stream.identifier())
    elif word == "flowtable":
        flowtable_block(stream, table, stream.identifier())
    elif word == "tunnel":  # where tunnels lead is nothing to the rules
        name = stream.identifier()
        table.objects["tunnel", name] = table.heading(name)
        skip(stream, stream.open)
    else:
        kind = object_kind(stream, word)
        if not kind:
            raise NotNft(f"{word[:40]!r} is nothing that a table has")
        name = stream.identifier()
        object_block(stream, table, kind, name)


def object_kind(stream: Stream, word: str) -> str:
    """The kind of object that these words begin: "ct helper", "counter"; "" for none."""
    if word == "ct":
        return f"ct {stream.need_word(*_CT_OBJECTS)}"
    return word if word in OBJECTS else ""


def set_block(stream: Stream, table: TableDraft, word: str, name: str) -> None:
    draft = table.sets.get(name)
    if draft is None:
        draft = table.sets[name] = new_set(table, word, name)
    block(stream, draft.json, lambda: set_line(stream, draft))


def flowtable_block(stream: Stream, table: TableDraft, name: str) -> None:
    json = table.flowtables.setdefault(name, table.heading(name))
    block(stream, json, lambda: flowtable_line(stream, json))


def object_block(stream: Stream, table: TableDraft, kind: str, name: str) -> None:
    json = table.objects.setdefault((kind, name), table.heading(name))
    block(stream, json, lambda: _object_lines(stream, kind, json))


def _object_lines(stream: Stream, kind: str, json: Json) -> None:
    """Several things of an object may stand in a row."""
    while not stream.at_separator() and not stream.is_sign("}"):
        start = stream.token
        object_line(stream, kind, json)
        if stream.token is start:
            raise stream.unexpected(f"something of a {kind}")
    stream.parted = kind in UNPARTED


def chain_block(stream: Stream, table: TableDraft, name: str) -> None:
    chain = chain_of(table, name)
    block(stream, chain.json, lambda: chain_line(stream, table, chain))


def chain_of(table: TableDraft, name: str) -> ChainDraft:
    """A chain of the table, that is made when it isn't there."""
    if name not in table.chains:
        table.chains[name] = ChainDraft(table.heading(name))
    return table.chains[name]


def chain_line(stream: Stream, table: TableDraft, chain: ChainDraft) -> None:
    """A rule, or a property of the chain."""
    if stream.word("type"):
        _hook(stream, table, chain.json)
    elif stream.word("policy"):
        policy = stream.string_or_variable()
        if policy not in _POLICIES:
            raise NotNft(f"{policy[:40]!r} is no policy")
        chain.json["policy"] = policy
    elif stream.is_word("flags"):
        stream.advance()
        stream.need_word("offload")
        chain.json["flags"] = ["offload"]
    elif stream.word("comment"):
        chain.json["comment"] = stream.string()
    else:
        table.append(chain, rule(stream, table, str(chain.json["name"])))


def _hook(stream: Stream, table: TableDraft, json: Json) -> None:
    """``filter hook input device "eth0" priority 0``."""
    json["type"] = stream.need_any_word("a type of chain")
    stream.need_word("hook")
    json["hook"] = stream.need_any_word("a hook")
    if stream.word("device"):
        found = devices(stream)
        json["dev"] = found[0] if len(found) == 1 else found
    elif stream.word("devices"):
        stream.need_sign("=")
        found = devices(stream)
        json["dev"] = found[0] if len(found) == 1 else found
    json["prio"] = priority(stream, table.family, str(json["hook"]))
    json.setdefault("policy", "accept")


def rule(stream: Stream, table: TableDraft, chain: str) -> Json:
    """One rule; the chains within it are added to the table."""
    stream.family = table.family
    known = len(stream.inner)
    found = _rule_json(table, chain, written(stream))
    for name in (f"__chain{place}" for place in range(known, len(stream.inner))):
        inner = chain_of(table, name)
        inner.json["lish_within"] = chain
        inner.rules += [_rule_json(table, name, item) for item in stream.inner[name]]
    found.update(handle(stream))
    unprinted = _UNPRINTED.match(stream.token.text) if stream.token.kind in (Kind.NEWLINE, Kind.END) else None
    if unprinted:
        expressions = found["expr"]
        assert isinstance(expressions, list)
        expressions.append({"lish_unknown": {"text": unprinted.group(), "why": "nft could not print this part"}})
        found["lish_text"] = f"{found['lish_text']} {unprinted.group()}"
    return found


def _rule_json(table: TableDraft, chain: str, item: Written) -> Json:
    json: Json = {"family": table.family, "table": table.name, "chain": chain}
    if item.comment:
        json["comment"] = item.comment
    json["expr"] = item.expressions
    json["lish_text"] = item.text
    json["lish_line"] = item.line
    return json
