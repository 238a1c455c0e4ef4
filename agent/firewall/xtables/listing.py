"""Reader of ``iptables -L`` and ``ip6tables -L``, with and without -n, -v and --line-numbers; of one table.

Without -v the interfaces are hidden: every rule may then hold for one interface only, and the model says so. The
listing is for eyes: iptables-save and -S say more, and are read better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.firewall.expression import NotModelled
from agent.firewall.model import Backend, Chain, Family, Problem, Rule, Ruleset, Step, Table
from agent.firewall.statement import Action, Beyond, End
from agent.firewall.xtables import rule as rules
from agent.firewall.xtables.listing_words import options
from agent.firewall.xtables.save import ELSEWHERE
from agent.firewall.xtables.tables import base
from agent.firewall.xtables.values import SERVICES, Setting

HIDDEN = "-L without -v hides the interfaces: this rule may be for one of them only"

_CHAIN = re.compile(r"Chain (\S+) \((?:policy (\w+)(?: (\S+) packets, (\S+) bytes)?|(\d+) references)\)\s*$")
_OPTIONS = ("--", "-f", "!f", "-", "----")
_SUFFIXES = {"K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_POLICIES = {"ACCEPT": Action.ACCEPT, "DROP": Action.DROP}


@dataclass
class _Chain:
    name: str
    policy: str
    counters: tuple[int, int] | None
    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Columns:
    """Which columns the header names."""

    numbered: bool
    counted: bool
    interfaces: bool


@dataclass(frozen=True)
class _Row:
    """One rule's columns; ``words`` are the options that all but the last column mean."""

    target: str
    words: list[str]
    rest: str
    counters: tuple[int, int] | None


def is_listing(text: str) -> bool:
    """Does this look like the output of -L?"""
    return any(_CHAIN.match(line) for line in text.split("\n")[:200])


def read(
    text: str,
    family: Family | None = None,
    backend: Backend = Backend.LEGACY,
    services: Mapping[str, int] = SERVICES,
    table: str = "filter",
) -> Ruleset:
    """The chains of a listing. The table is not named in it: ``table`` says which one was listed."""
    if family is None:
        family = Family.IP6 if "::/0" in text or "ipv6-icmp" in text else Family.IP
    chains: list[_Chain] = []
    columns = _Columns(False, False, False)
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip()
        opened = _CHAIN.match(line.strip())
        if opened:
            name, policy, packets, size, _ = opened.groups()
            chains.append(_Chain(name, policy or "", _counters(packets, size)))
        elif re.match(r"\s*(?:num\s+)?(?:pkts\s+bytes\s+)?target\s+prot", line):
            columns = _Columns("num" in line.split()[:1], "pkts" in line, bool(re.search(r"\sin\s+out\s", line)))
        elif ELSEWHERE.search(line):
            problems.append(Problem(number, line, "there are rules that this text does not show"))
        elif line.strip() and not line.lstrip().startswith("#"):
            if chains:
                chains[-1].lines.append((number, line))
            else:
                problems.append(Problem(number, line, "not a line of a listing"))
    names = [chain.name for chain in chains]
    setting = Setting(6 if family is Family.IP6 else 4, table, services=services, native=backend is Backend.NF_TABLES)
    built = tuple(_built(chain, names, setting, columns, problems) for chain in chains)
    return Ruleset((Table(table, family, backend, built),), None, tuple(problems))


def _built(chain: _Chain, names: list[str], setting: Setting, columns: _Columns, problems: list[Problem]) -> Chain:
    found: list[Rule] = []
    setting = Setting(setting.family, setting.table, chain.name, setting.services, setting.native)
    for line, text in chain.lines:
        row = _row(text, columns, setting.family)
        if row is None:
            reason = "this line of the listing is not understood"
            problems.append(Problem(line, text, reason))
            steps: tuple[Step, ...] = (NotModelled(reason), Beyond(reason))
            found.append(Rule(text.strip(), len(found) + 1, steps, line=line))
            continue
        matches, target, unread = options(row.target, row.rest)
        jump = "-g" if "[goto]" in row.rest else "-j"
        words = [*row.words, *matches, *([jump, row.target, *target] if row.target else [])]
        read_rule = rules.read(words, setting, names)
        steps = read_rule.alternatives[0]
        if unread:
            problems.append(Problem(line, text, f"not understood: {unread}"))
            steps = (NotModelled(f'the listing says "{unread}", which is not understood'), *steps)
        elif read_rule.problem:
            problems.append(Problem(line, text, read_rule.problem))
        if not columns.interfaces:
            steps = (NotModelled(HIDDEN), *steps)
        found.append(Rule(" ".join(text.split()), len(found) + 1, steps, row.counters, line=line))
    policy = End(_POLICIES.get(chain.policy, Action.ACCEPT))
    return Chain(chain.name, tuple(found), base(setting.table, chain.name, policy), chain.counters)


def _row(line: str, columns: _Columns, family: int) -> _Row | None:
    """Take the columns apart; None when they are not those of a rule. The target's may be empty: then the protocol
    stands first."""
    found = list(re.finditer(r"\S+", line))
    rest = [match.group() for match in found]
    at = 0
    counters: tuple[int, int] | None = None
    if columns.numbered:
        if not rest or not rest[0].isdecimal():
            return None
        at = 1
    if columns.counted:
        counters = _counters(*rest[at : at + 2]) if len(rest) > at + 1 else None
        if counters is None:
            return None
        at += 2
    opt = next((place for place in (at + 1, at + 2) if rest[place : place + 1] and rest[place] in _OPTIONS), 0)
    if opt:
        first = opt - 1
        fields = rest[first : first + (6 if columns.interfaces else 4)]
        end = first + len(fields)
    elif family == 6:  # old ip6tables leaves the column of options empty
        first = at if rest[at : at + 1] and _is_protocol(rest[at]) and rest[at] == rest[at].lower() else at + 1
        end = first + (5 if columns.interfaces else 3)
        fields = [*rest[first : first + 1], "--", *rest[first + 1 : end]]
    else:
        return None
    if len(fields) != (6 if columns.interfaces else 4) or not _is_protocol(fields[0]):
        return None
    target = rest[at] if first > at else ""
    return _Row(target, _words(fields, columns.interfaces), line[found[end - 1].end() :].strip(), counters)


def _is_protocol(word: str) -> bool:
    return bool(re.fullmatch(r"!?(?:\d{1,3}|all|[a-z][a-z0-9-]*)", word))


def _words(fields: list[str], interfaces: bool) -> list[str]:
    """prot opt [in out] source destination as options."""
    words: list[str] = []
    protocol, opt = fields[0], fields[1]
    if protocol.lstrip("!") not in ("0", "all"):
        words += _option("-p", protocol)
    if opt == "-f":
        words.append("-f")
    elif opt == "!f":
        words += ["!", "-f"]
    if interfaces:
        for name, value in zip(("-i", "-o"), fields[2:4]):
            if value not in ("*", "any"):
                words += _option(name, value)
    for name, value in zip(("-s", "-d"), fields[-2:]):
        if value not in ("anywhere", "0.0.0.0/0", "::/0"):
            words += _option(name, value)
    return words


def _option(name: str, value: str) -> list[str]:
    return ["!", name, value[1:]] if value.startswith("!") else [name, value]


def _counters(packets: str | None = None, size: str | None = None) -> tuple[int, int] | None:
    """Packets and bytes; -v rounds large ones (12K)."""
    found: list[int] = []
    for text in (packets, size):
        match = re.fullmatch(r"(\d+)([KMGT]?)", text or "")
        if not match:
            return None
        found.append(int(match.group(1)) * _SUFFIXES.get(match.group(2), 1))
    return found[0], found[1]
