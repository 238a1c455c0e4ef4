"""Commands of nft's language, one a line: what ``nft -f`` reads (nft(8), TABLES, CHAINS, RULES ...)."""

from __future__ import annotations

from collections.abc import Callable

from agent.firewall.nft import text_blocks as blocks
from agent.firewall.nft.text_draft import Draft, TableDraft
from agent.firewall.nft.text_objects import elements, object_line
from agent.firewall.nft.text_stream import Stream
from agent.firewall.nft.text_tokens import Kind
from agent.firewall.nft.text_tree import NotNft

_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")
_VERBS = ("add", "create", "insert", "replace", "delete", "destroy", "flush", "rename")
_SHOWING = ("list", "get", "reset", "describe", "export", "monitor")  # they change no rule
_OBJECTS = ("counter", "quota", "limit", "ct", "secmark", "synproxy")
_NOUNS = ("table", "chain", "rule", "set", "map", "element", "flowtable", *_OBJECTS)

_NO_HANDLES = "which one has this handle can't be told from here"
_MAX_RENAMED = 100  # each one looks at all rules of the table


def command(stream: Stream, draft: Draft) -> None:
    """One line of the outermost level."""
    if stream.word(*_SHOWING):
        while not stream.at_separator():
            stream.advance()
        return
    verb = stream.word(*_VERBS) or "add"
    if verb == "flush":
        _flush(stream, draft)
    elif verb in ("delete", "destroy"):
        _delete(stream, draft, forgiving=verb == "destroy")
    elif verb == "rename":
        _rename(stream, draft)
    elif verb in ("insert", "replace"):
        stream.need_word("rule")
        _rule(stream, draft, verb)
    else:
        noun = stream.word(*_NOUNS) or "rule"
        _add(stream, draft, noun, create=verb == "create")


def _family(stream: Stream) -> str:
    return stream.word(*_FAMILIES) if stream.next.kind in (Kind.WORD, Kind.QUOTED, Kind.SIGN) else ""


def _table(stream: Stream, draft: Draft, create: bool = False) -> TableDraft:
    """The table that is named here."""
    family = _family(stream) or "ip"
    table = draft.table(family, stream.identifier(), create)
    stream.family = table.family
    return table


# --- add and create ---


def _add(stream: Stream, draft: Draft, noun: str, create: bool) -> None:
    if noun == "rule":
        _rule(stream, draft, "add")
    elif noun == "table":
        known = draft.made
        table = _table(stream, draft, create=True)
        if create and draft.made == known:
            raise NotNft(f"there is a table {table.name} already")
        if stream.is_sign("{"):
            blocks.table_block(stream, table)
    elif noun == "chain":
        table = _table(stream, draft)
        name = stream.identifier()
        if create and name in table.chains:
            raise NotNft(f"there is a chain {name} already")
        chain = blocks.chain_of(table, name)
        if stream.is_sign("{"):
            blocks.block(stream, chain.json, lambda: blocks.chain_line(stream, table, chain))
        blocks.check_names(stream, table)
    elif noun == "element":
        table = _table(stream, draft)
        item = table.set(stream.identifier())
        item.add(elements(stream, item))
        blocks.check_names(stream, table)
    else:
        _add_named(stream, _table_of(stream, draft, noun), create)


def _table_of(stream: Stream, draft: Draft, noun: str) -> tuple[str, TableDraft]:
    """The kind of object, and the table."""
    return blocks.object_kind(stream, noun) or noun, _table(stream, draft)


def _add_named(stream: Stream, place: tuple[str, TableDraft], create: bool) -> None:
    """Sets, maps, flowtables, and objects."""
    kind, table = place
    name = stream.identifier()
    there = name in table.sets or name in table.flowtables or (kind, name) in table.objects
    if create and there:
        raise NotNft(f"there is a {kind} {name} already")
    if kind in ("set", "map"):
        blocks.set_block(stream, table, kind, name)
        blocks.check_names(stream, table)
    elif kind == "flowtable":
        blocks.flowtable_block(stream, table, name)
    elif stream.is_sign("{"):
        blocks.object_block(stream, table, kind, name)
    else:
        json = table.objects.setdefault((kind, name), table.heading(name))
        object_line(stream, kind, json)


# --- rules ---


def _rule(stream: Stream, draft: Draft, verb: str) -> None:
    """add, insert, replace: ``rule ip filter input position 3 tcp dport 22 accept``."""
    table = _table(stream, draft)
    name = stream.identifier()
    chain = table.chain(name)
    at = len(chain.rules) if verb == "add" else 0
    if verb == "replace" or stream.is_word("position", "handle"):
        stream.need_word("position", "handle")
        raise NotNft(_NO_HANDLES, refused=False)
    if stream.word("index"):
        at = stream.number()
        if at >= len(chain.rules):
            raise NotNft(f"chain {name} has no rule of index {at}")
        at += verb == "add"
    table.insert(chain, at, blocks.rule(stream, table, name))
    blocks.check_names(stream, table)


# --- flush, delete, rename ---


def _flush(stream: Stream, draft: Draft) -> None:
    noun = stream.need_word("ruleset", "table", "chain", "set", "map", "meter", "flow")
    if noun == "ruleset":
        draft.flush(stream.word(*_FAMILIES))
        return
    if noun == "flow":
        stream.need_word("table")
    table = _table(stream, draft)
    if noun == "table":
        table.flush()
        return
    name = stream.identifier()
    if noun == "chain":
        table.chain(name).rules.clear()
    elif noun in ("set", "map"):
        table.set(name).elements.clear()


def _delete(stream: Stream, draft: Draft, forgiving: bool) -> None:
    try:
        _take_away(stream, draft)
    except NotNft:
        if not forgiving:
            raise
        while not stream.at_separator() and not stream.is_sign("}"):
            stream.advance()


def _take_away(stream: Stream, draft: Draft) -> None:
    noun = stream.need_word(*_NOUNS)
    kind = blocks.object_kind(stream, noun) or noun
    if noun == "table":
        _delete_table(stream, draft)
        return
    table = _table(stream, draft)
    if stream.is_word("handle") and stream.next.kind is Kind.NUMBER:
        raise NotNft(_NO_HANDLES, refused=False)
    name = stream.identifier()
    if noun == "rule":
        raise NotNft(_NO_HANDLES, refused=False)
    if noun == "element":
        item = table.set(name)
        if not item.remove(elements(stream, item)):
            raise NotNft(f"set {name} has no such element")
    else:
        places: dict[str, Callable[[], object]] = {
            "chain": lambda: table.chains.pop(name, None),
            "set": lambda: table.sets.pop(name, None),
            "map": lambda: table.sets.pop(name, None),
            "flowtable": lambda: table.flowtables.pop(name, None),
        }
        if places.get(kind, lambda: table.objects.pop((kind, name), None))() is None:
            raise NotNft(f"there is no {kind} {name}")


def _delete_table(stream: Stream, draft: Draft) -> None:
    family = _family(stream) or "ip"
    if stream.is_word("handle") and stream.next.kind is Kind.NUMBER:
        raise NotNft(_NO_HANDLES, refused=False)
    name = stream.identifier()
    draft.delete(family, name)


def _rename(stream: Stream, draft: Draft) -> None:
    """Rules that jump to the chain follow it."""
    stream.need_word("chain")
    draft.renamed += 1
    if draft.renamed > _MAX_RENAMED:
        raise NotNft("too many chains are renamed", refused=False)
    table = _table(stream, draft)
    name, other = stream.identifier(), stream.identifier()
    chain = table.chain(name)
    if other in table.chains:
        raise NotNft(f"there is a chain {other} already")
    table.chains = {other if key == name else key: value for key, value in table.chains.items()}
    chain.json["name"] = other
    table.filled.pop(name, None)
    table.filled[other] = chain
    for rule in chain.rules:
        rule["chain"] = other
    for one in table.chains.values():
        for rule in one.rules:
            _retarget(rule, name, other)
    for item in table.sets.values():
        for element in item.elements.values():
            _retarget(element, name, other)


def _retarget(tree: object, name: str, other: str) -> None:
    """Jumps within a rule or an element, to the new name."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in ("jump", "goto") and value == {"target": name}:
                tree[key] = {"target": other}
            else:
                _retarget(value, name, other)
    elif isinstance(tree, list):
        for part in tree:
            _retarget(part, name, other)


def read(stream: Stream) -> Draft:
    """The whole text."""
    draft = Draft()

    def spoilt(text: str, problem: NotNft) -> None:
        if not problem.refused:  # then every chain may be another one
            draft.doubt = draft.doubt or {"text": text, "why": problem.why}

    blocks.lines(stream, lambda: command(stream, draft), "", spoilt)
    for (family, name), program in stream.managed.items():
        table = draft.find(family, name)
        if table is not None:
            table.json["lish_managed_by"] = program
    return draft
