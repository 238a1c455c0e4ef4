"""Reader of what ``nft -j list ruleset`` prints (libnftables-json(5)), as the model's rule-set.

The object may come from anybody: what has not the form that nft prints becomes a Problem, and what is not understood
a step, a set or a chain that is not known, with its reason.

nft's JSON is poorer than its text in places: version 1.0.6 leaves out the devices of a netdev chain, prints garbage
for the flags of a table, and knows no flag ``dynamic``. What hangs on these is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent.firewall.expression import NotModelled
from agent.firewall.model import Backend, Base, Chain, Family, Hook, Problem, Rule, Ruleset, Step, Table
from agent.firewall.nft.elements import named
from agent.firewall.nft.keys import Setting
from agent.firewall.nft.priorities import priority
from agent.firewall.nft.render import rendered
from agent.firewall.nft.statements import filled_map, steps
from agent.firewall.nft.values import label, mapping, sequence, text
from agent.firewall.sets import Set
from agent.firewall.statement import Action, End
from agent.firewall.xtables.values import NotUnderstood

Json = Mapping[str, object]

_XTABLES = {  # what iptables-nft calls its base chains
    "PREROUTING": Hook.PREROUTING,
    "INPUT": Hook.INPUT,
    "FORWARD": Hook.FORWARD,
    "OUTPUT": Hook.OUTPUT,
    "POSTROUTING": Hook.POSTROUTING,
}
_XTABLES_TABLES = {"filter", "nat", "mangle", "raw", "security"}
_DEVICE_HOOKS = (Hook.INGRESS, Hook.EGRESS)
_OTHERS = {  # objects that decide nothing by themselves
    *("metainfo", "counter", "quota", "limit", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy"),
    *("flowtable", "tunnel", "hook"),
}
_FILLING = {"add", "update", "delete"}


@dataclass
class _Draft:
    """A table as it is put together: its own object, and those that stand in it."""

    json: Json
    family: Family
    name: str
    chains: dict[str, Json] = field(default_factory=dict)
    rules: dict[str, list[Json]] = field(default_factory=dict)
    sets: dict[str, tuple[Json, bool]] = field(default_factory=dict)
    elements: dict[str, list[object]] = field(default_factory=dict)


def read(document: Mapping[str, object]) -> Ruleset:
    """All tables; those that were loaded last come first, as their chains do in the kernel."""
    problems: list[Problem] = []
    drafts = _drafts(document, problems)
    tables = [_table(draft, problems) for draft in drafts.values()]
    return Ruleset(tuple(reversed(tables)), None, tuple(problems))


def _drafts(document: Mapping[str, object], problems: list[Problem]) -> dict[tuple[str, str], _Draft]:
    drafts: dict[tuple[str, str], _Draft] = {}
    items = document.get("nftables") if isinstance(document, Mapping) else None
    if not isinstance(items, (list, tuple)):
        problems.append(Problem(0, "", "this is not what nft -j list ruleset prints: there is no list nftables"))
        return drafts
    for number, item in enumerate(items, start=1):
        try:
            _place(item, drafts)
        except NotUnderstood as problem:
            problems.append(Problem(_line(item), f"object {number}", str(problem)))
    return drafts


def _line(item: object) -> int:
    for inner in item.values() if isinstance(item, Mapping) else ():
        if isinstance(inner, Mapping) and isinstance(inner.get("lish_line"), int):
            return int(inner["lish_line"])
    return 0


def _place(item: object, drafts: dict[tuple[str, str], _Draft]) -> None:
    """Put one object of the list where it belongs."""
    for name, inner in mapping(item, "an object of the list").items():
        if name in _OTHERS:
            continue
        if name not in ("table", "chain", "rule", "set", "map", "element"):
            raise NotUnderstood(f"objects {label(name)} are not known")
        given = mapping(inner, str(name))
        draft = _draft(given, name == "table", drafts)
        own = text(given.get("chain" if name == "rule" else "name"), f"the name of a {name}")
        if name == "chain":
            draft.chains.setdefault(own, given)
        elif name == "rule":
            draft.rules.setdefault(own, []).append(given)
        elif name in ("set", "map"):
            draft.sets.setdefault(own, (given, name == "map"))
        elif name == "element":
            draft.elements.setdefault(own, []).extend(sequence(given.get("elem"), "elements"))


def _draft(given: Json, is_table: bool, drafts: dict[tuple[str, str], _Draft]) -> _Draft:
    family = text(given.get("family", "ip"), "the family")
    name = text(given.get("name" if is_table else "table"), "the name of a table")
    known = drafts.get((family, name))
    if known is None:
        try:
            known = _Draft(given if is_table else {}, Family(family), name)
        except ValueError:
            raise NotUnderstood(f"the family {family[:20]} is not known") from None
        drafts[family, name] = known
    elif is_table and not known.json:
        known.json = given
    return known


def _table(draft: _Draft, problems: list[Problem]) -> Table:
    changes = _changes(draft)
    sets = tuple(_set(draft, name, item, changes, problems) for name, item in draft.sets.items())
    setting = Setting(draft.family, frozenset(hook for hook in map(_hook, draft.chains.values()) if hook))
    chains: list[Chain] = []
    based: list[Chain] = []
    for name, item in draft.chains.items():
        rules = _rules(draft.rules.pop(name, []), setting, problems)
        try:
            chain = _chain(draft, name, item, rules)
        except NotUnderstood as problem:
            problems.append(Problem(_line({"chain": item}), name, str(problem)))
            chain = Chain(name, rules)
        (based if chain.base else chains).append(chain)
    for name, items in draft.rules.items():
        problems.append(Problem(_line({"rule": items[0]}), name, "rules for a chain that is not there"))
        chains.append(Chain(name, _rules(items, setting, problems)))
    return Table(draft.name, draft.family, _backend(draft, based), (*reversed(based), *chains), sets)


def _set(
    draft: _Draft,
    name: str,
    item: tuple[Json, bool],
    changes: Mapping[str, frozenset[str]],
    problems: list[Problem],
) -> Set:
    given, is_map = item
    more = draft.elements.get(name)
    if more:
        own = given.get("elem")
        given = {**given, "elem": [*(own if isinstance(own, list) else []), *more]}
    try:
        return named(given, is_map, changes)
    except NotUnderstood as problem:
        problems.append(Problem(_line({"set": given}), name, str(problem)))
        return Set(name, "", (), incomplete=str(problem))


def _changes(draft: _Draft) -> dict[str, frozenset[str]]:
    """What the rules of a table do to its sets."""
    found: dict[str, frozenset[str]] = {}
    for items in draft.rules.values():
        for item in items:
            expressions = item.get("expr")
            for one in expressions if isinstance(expressions, (list, tuple)) else ():
                if isinstance(one, str) and filled_map(one):
                    found[filled_map(one)] = frozenset(_FILLING)
                for word in ("set", "map"):
                    inner = one.get(word) if isinstance(one, Mapping) else None
                    if isinstance(inner, Mapping) and isinstance(inner.get(word), str):
                        name, kind = label(inner[word], 200).lstrip("@"), label(inner.get("op"))
                        kind = kind if kind in _FILLING else "delete"
                        found[name] = found.get(name, frozenset()) | {kind}
    return found


def _hook(given: Json) -> Hook | None:
    try:
        return Hook(label(given.get("hook")))
    except ValueError:
        return None


def _chain(draft: _Draft, name: str, given: Json, rules: tuple[Rule, ...]) -> Chain:
    if given.get("hook") is None:
        return Chain(name, rules)
    hook = _hook(given)
    if hook is None:
        raise NotUnderstood("the hook of this chain is not known")
    policy = given.get("policy", "accept")
    if policy not in ("accept", "drop"):
        raise NotUnderstood("the policy of this chain is not known")
    base = Base(
        hook,
        priority(given.get("prio", 0), draft.family),
        End(Action(policy)),
        given.get("type") == "nat",
        _words(given.get("dev", given.get("devices"))),
        "dormant" in _words(draft.json.get("flags")),
    )
    return Chain(name, (*_doubts(draft, base), *rules), base)


def _doubts(draft: _Draft, base: Base) -> Iterator[Rule]:
    """Rules that say what nft did not tell of a chain: either way the packet may go on."""
    reasons: list[str] = []
    if base.hook in _DEVICE_HOOKS and not base.device:
        reasons.append("for which device this chain stands was not told")
    flags = draft.json.get("flags")
    known = {"dormant", "owner", "persist"}
    if flags is not None and (not set(_words(flags)) <= known or not isinstance(flags, (str, list, tuple))):
        reasons.append("the flags of this table can't be told: it may be dormant")
    for reason in reasons:
        yield Rule(f"# {reason}", 0, (NotModelled(reason), End(Action.ACCEPT)))


def _rules(items: Sequence[Json], setting: Setting, problems: list[Problem]) -> tuple[Rule, ...]:
    return tuple(_rule(item, number, setting, problems) for number, item in enumerate(items, start=1))


def _rule(given: Json, number: int, setting: Setting, problems: list[Problem]) -> Rule:
    expressions = given.get("expr")
    line = given.get("lish_line")
    line = line if isinstance(line, int) else 0
    if not isinstance(expressions, (list, tuple)):
        problems.append(Problem(line, label(given.get("chain")), "a rule without its expressions"))
        expressions = [{"lish_unknown": {"why": "a rule without its expressions"}}]
    found: tuple[Step, ...] = steps(expressions, setting)
    own = given.get("lish_text")
    handle = given.get("handle")
    return Rule(
        own if isinstance(own, str) else rendered(expressions, given.get("comment")),
        number,
        found,
        _counters(expressions),
        handle if isinstance(handle, int) else None,
        line,
    )


def _counters(expressions: Sequence[object]) -> tuple[int, int] | None:
    for item in expressions:
        inner = item.get("counter") if isinstance(item, Mapping) else None
        if isinstance(inner, Mapping):
            packets, size = inner.get("packets"), inner.get("bytes")
            if isinstance(packets, int) and isinstance(size, int):
                return packets, size
    return None


def _backend(draft: _Draft, based: Sequence[Chain]) -> Backend:
    """iptables-nft makes tables and base chains of fixed names, which nothing else writes in capitals."""
    if "lish_managed_by" in draft.json:
        return Backend.NF_TABLES
    fixed = draft.family in (Family.IP, Family.IP6) and draft.name in _XTABLES_TABLES
    if fixed and based and all(chain.base and _XTABLES.get(chain.name) is chain.base.hook for chain in based):
        return Backend.NF_TABLES
    return Backend.NFT


def _words(item: object) -> tuple[str, ...]:
    if isinstance(item, str):
        return (item,)
    return tuple(one for one in item if isinstance(one, str)) if isinstance(item, (list, tuple)) else ()
