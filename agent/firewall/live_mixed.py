"""iptables-nft's tables, of which neither program tells all: nft's JSON has no more than the name of an xt match, and
iptables-nft-save leaves out, or prints wrongly, what nft itself put there (1.8.9 prints ``ip saddr @banned drop`` as
``-j DROP``). So it is believed for rules of the forms that it writes, and for those with an xt match or target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from agent.firewall.model import Backend, Chain, Rule, Table

XTABLES = ("raw", "mangle", "nat", "filter", "security")
_BASE_CHAINS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_PLAIN = ("accept", "drop", "return", "continue", "jump", "goto", "counter")
_FIELDS = (
    ("ip", "saddr"),
    ("ip", "daddr"),
    ("ip", "protocol"),
    ("ip6", "saddr"),
    ("ip6", "daddr"),
    ("ip6", "nexthdr"),
    ("tcp", "sport"),
    ("tcp", "dport"),
    ("udp", "sport"),
    ("udp", "dport"),
)
_KEYS = ("l4proto", "iifname", "oifname", "mark")
_MASKED = ({"payload": {"protocol": "tcp", "field": "flags"}}, {"meta": {"key": "mark"}})
_ICMP_TYPE = {"payload": {"protocol": "icmp", "field": "type"}}
_UNITS = ("second", "minute", "hour", "day")

Json = Mapping[str, object]


@dataclass
class Shape:
    """What nft tells of a table by a name of iptables': the rules of each chain, and what they are made of.

    ``plain``: all are of forms that iptables-nft writes; ``foreign``: some hold an xt match or target."""

    rules: dict[str, list[bool]]  # by chain: does this rule hold an xt match or target?
    plain: bool = True
    foreign: bool = False
    ours: bool = True  # its base chains have iptables' names


def shapes(items: Iterable[object]) -> dict[tuple[str, str], Shape]:
    """The tables of the JSON that iptables-nft may have written, by family and name."""
    found: dict[tuple[str, str], Shape] = {}
    for item in items:
        if not isinstance(item, dict):
            continue
        for kind, inner in item.items():
            if kind not in ("rule", "chain", "set", "map") or not isinstance(inner, dict):
                continue
            family, table = inner.get("family"), inner.get("table")
            if family in ("ip", "ip6") and table in XTABLES:
                key = str(family), str(table)
                shape = found.get(key)
                if shape is None:
                    shape = found[key] = Shape({})
                _note(shape, kind, inner)
    return found


def _note(shape: Shape, kind: str, inner: Json) -> None:
    if kind == "rule":
        expressions = inner.get("expr")
        expressions = expressions if isinstance(expressions, list) else [None]
        # nft itself can't write an xt match: such a rule is iptables-nft's, whatever else it holds
        foreign = any(isinstance(one, dict) and "xt" in one for one in expressions)
        if shape.plain and not foreign:
            shape.plain = all(map(_is_plain, expressions))
        shape.foreign |= foreign
        shape.rules.setdefault(str(inner.get("chain")), []).append(foreign)
    elif kind == "chain":
        name = str(inner.get("name"))
        shape.rules.setdefault(name, [])
        if "hook" in inner and name not in _BASE_CHAINS:
            shape.ours = False
    else:
        shape.plain = False


def _is_plain(expression: object) -> bool:
    """Is this of a form that iptables-nft writes, and prints as it is?"""
    if not isinstance(expression, dict) or len(expression) != 1:
        return False
    ((kind, inner),) = expression.items()
    if kind in _PLAIN:
        return not (kind == "counter" and isinstance(inner, str))  # a counter with a name is nft's
    if not isinstance(inner, dict):
        return False
    if kind == "limit":
        return set(inner) <= {"rate", "burst", "per"} and inner.get("per") in _UNITS
    if kind == "log":
        return "group" in inner
    if kind != "match" or inner.get("op") not in ("==", "!="):
        return False
    left, right = inner.get("left"), inner.get("right")
    if not isinstance(left, dict):
        return False
    masked = left.get("&")
    if isinstance(masked, list):
        return len(masked) == 2 and masked[0] in _MASKED and not isinstance(right, dict)
    if left == _ICMP_TYPE:
        return inner.get("op") == "==" and _is_plain_value(right)  # "!=" is printed as "=="
    return _is_plain_value(right) and _is_plain_field(left)


def _is_plain_value(value: object) -> bool:
    """No set, and no list of flags."""
    if isinstance(value, dict):
        return set(value) <= {"prefix", "range"}
    return isinstance(value, int) or (isinstance(value, str) and value[:1] != "@")


def _is_plain_field(left: Json) -> bool:
    payload = left.get("payload")
    if isinstance(payload, dict):
        return (payload.get("protocol"), payload.get("field")) in _FIELDS
    meta = left.get("meta")
    return isinstance(meta, dict) and meta.get("key") in _KEYS


def agrees(shape: Shape, saved: Table) -> bool:
    """Does iptables-nft-save print as many rules as there are, in each chain?"""
    counts = {name: len(rules) for name, rules in shape.rules.items()}
    for chain in saved.chains:
        if counts.pop(chain.name, 0) != len(chain.rules):
            return False
    return not any(counts.values())


def believed(shape: Shape, saved: Table) -> bool:
    """May the table be taken as iptables-nft-save prints it?"""
    return shape.plain and shape.ours and agrees(shape, saved)


def filled(told: Table, shape: Shape, saved: Table) -> tuple[Table, int]:
    """The table as nft tells it, with the rules that only iptables-nft-save can print; and how many it couldn't."""
    own = saved.chain_by_name
    missing = 0
    chains: list[Chain] = []
    for chain in told.chains:
        foreign = shape.rules.get(chain.name, [])
        other = own.get(chain.name)
        rules = chain.rules[len(chain.rules) - len(foreign) :]  # doubts about the chain stand before its rules
        if not any(foreign):
            chains.append(chain)
            continue
        if other is None or len(other.rules) != len(foreign) or len(rules) != len(foreign):
            missing += sum(foreign)
            chains.append(chain)
            continue
        before = chain.rules[: len(chain.rules) - len(foreign)]
        chains.append(replace(chain, rules=(*before, *_filled(rules, other.rules, foreign))))
    return replace(told, backend=Backend.NFT, chains=tuple(chains)), missing


def _filled(told: Sequence[Rule], saved: Sequence[Rule], foreign: Sequence[bool]) -> list[Rule]:
    return [
        replace(by_save, number=by_nft.number, handle=by_nft.handle) if is_foreign else by_nft
        for by_nft, by_save, is_foreign in zip(told, saved, foreign)
    ]
