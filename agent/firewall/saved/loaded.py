"""What has been loaded so far: the tables that a boot fills, one restore after the other.

``iptables-restore`` empties each table that its file names, and puts it in force at its COMMIT; with --noflush only
the file's own user chains are emptied, and a built-in chain keeps its rules (iptables/iptables-restore.c). A table
without COMMIT is not loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from agent.firewall import ipset
from agent.firewall.model import Backend, Chain, Family, Problem, Rule, Ruleset, Table
from agent.firewall.reading import Source
from agent.firewall.sets import Set
from agent.firewall.xtables import save
from agent.firewall.xtables.tables import TABLES, base

_COUNTERS = re.compile(r"\[\d+:\d+\]\s*")
_BUILT_IN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_NFT_FAMILIES = {"ip": (Family.IP,), "ip6": (Family.IP6,)}


@dataclass(frozen=True)
class _Line:
    text: str
    file: str
    number: int


@dataclass
class _Chain:
    policy: str = "-"
    lines: list[_Line] = field(default_factory=list)


_Tables = dict[str, dict[str, _Chain]]


class Loaded:
    """The state that the loaders of a boot change in turn, and what is to be said of it."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.managers: list[str] = []
        self.unchecked: list[str] = []
        self._problems: list[Problem] = []
        self._xtables: dict[tuple[Family, Backend], _Tables] = {}
        self._nft: list[Table] = []
        self._sets: dict[str, Set] | None = None

    def say(self, text: str) -> None:
        """One more sentence about what could not be read or is not certain; each once."""
        if text not in self.unchecked:
            self.unchecked.append(text)

    def idle(self, path: str, backend: Backend, family: Family | None = None) -> None:
        """A file that is there, and that nothing loads."""
        self.sources.append(Source(path, backend, family))

    def manager(self, name: str) -> None:
        if name not in self.managers:
            self.managers.append(name)

    def has_chain(self, family: Family, backend: Backend, chain: str) -> bool:
        """Does the filter table hold this chain by now?"""
        return chain in self._xtables.get((family, backend), {}).get("filter", {})

    def restore(self, text: str, file: str, family: Family, backend: Backend, noflush: bool = False) -> None:
        """What iptables-restore (ip6tables-restore) does with a text; ``file`` is named where something is wrong."""
        before = len(self._problems)
        tables = self._xtables.setdefault((family, backend), {})
        for name, start, lines, committed in _blocks(text):
            if not name:
                self._refuse(file, start, lines[0].text, "stands outside of a table")
            elif name not in TABLES:
                self._refuse(file, start, f"*{name}", "there is no such table")
            elif not committed:
                self._refuse(file, start, f"*{name}", "the table has no COMMIT, and is not loaded")
            else:
                self._commit(tables, name, [replace(line, file=file) for line in lines], noflush)
        if len(self._problems) > before:
            self.say(f"{file} would be refused in part: whether its tables are loaded is not certain")

    def flush(self, family: Family, backend: Backend, table: str, chains: bool) -> None:
        """Rules away and policies ACCEPT in a table; ``chains``: its user chains too."""
        found = self._xtables.get((family, backend), {}).get(table, {})
        for name in list(found):
            if base(table, name) is not None:
                found[name] = _Chain("ACCEPT")
            elif chains:
                del found[name]

    def restore_sets(self, text: str, file: str) -> None:
        """What ``ipset restore`` does with a text."""
        found = ipset.read(text)
        self._sets = {**(self._sets or {}), **(found.ipsets or {})}
        self._take(found.problems, file)

    def add(self, ruleset: Ruleset, file: str = "") -> None:
        """Tables that are read by others (nft's, firewalld's); those of the same name and family add up as nft's do."""
        self._nft += ruleset.tables
        if ruleset.ipsets is not None:
            self._sets = {**(self._sets or {}), **ruleset.ipsets}
        self._take(ruleset.problems, file)

    def flush_ruleset(self, family: str) -> None:
        """``flush ruleset [FAMILY]``: everything in nf_tables goes, the tables of iptables-nft too."""
        self._nft = [table for table in self._nft if family and table.family.value != family]
        families = _NFT_FAMILIES.get(family, () if family else (Family.IP, Family.IP6))
        for one in families:
            self._xtables.pop((one, Backend.NF_TABLES), None)

    def ruleset(self) -> Ruleset:
        """All of it. Of base chains at the same hook and priority, the kernel asks those first that came last."""
        tables: list[Table] = []
        problems = list(self._problems)
        for (family, backend), found in self._xtables.items():
            text, origins = _written(found)
            part = save.read(text, family, backend)
            tables += (_with_lines(table, origins) for table in part.tables)
            for problem in part.problems:
                origin = origins[problem.line - 1]
                problems.append(Problem(origin.number, problem.text, f"{origin.file}: {problem.why}"))
        tables += self._nft
        sets = None if self._sets is None else MappingProxyType(dict(self._sets))
        return Ruleset(tuple(reversed(tables)), sets, tuple(problems))

    def text(self, family: Family, backend: Backend) -> str:
        """The tables of one family as iptables-save would order them."""
        return _written(self._xtables.get((family, backend), {}))[0]

    def _take(self, problems: tuple[Problem, ...], file: str) -> None:
        for problem in problems:
            self._problems.append(replace(problem, why=f"{file}: {problem.why}") if file else problem)
        if problems:
            self.say(f"{file or 'the configuration'} holds lines that are not understood")

    def _refuse(self, file: str, number: int, text: str, why: str) -> None:
        self._problems.append(Problem(number, text, f"{file}: {why}"))

    def _commit(self, tables: _Tables, name: str, lines: list[_Line], noflush: bool) -> None:
        old = tables.get(name, {})
        chains = {chain: _Chain(found.policy, list(found.lines)) for chain, found in old.items()}
        if not noflush:
            chains = {chain: _Chain(found.policy) for chain, found in chains.items() if base(name, chain) is not None}
        for line in lines:
            why = _apply(chains, name, line)
            if why:
                self._refuse(line.file, line.number, line.text, why)
        tables[name] = chains


def _blocks(text: str) -> Iterator[tuple[str, int, list[_Line], bool]]:
    """The tables of a text in turn: name ("" for a line outside of one), line, lines, and whether it is committed."""
    name, start = "", 0
    lines: list[_Line] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line[0] == "#":
            continue
        if not name and line[0] != "*":
            yield "", number, [_Line(line, "", number)], False
        elif line[0] == "*":
            if name:
                yield name, start, lines, False
            name, start, lines = line[1:].strip(), number, []
        elif line == "COMMIT":
            yield name, start, lines, True
            name, lines = "", []
        else:
            lines.append(_Line(line, "", number))
    if name:
        yield name, start, lines, False


def _apply(chains: dict[str, _Chain], table: str, line: _Line) -> str:
    """One line of a table; what is wrong with it, "" when nothing is."""
    words = _COUNTERS.sub("", line.text, count=1).split() if line.text[0] == "[" else line.text.split()
    if line.text[0] == ":":
        return _declare(chains, table, line.text[1:].split())
    verb, name = words[0] if words else "", words[1] if len(words) > 1 else ""
    if verb in ("-F", "--flush"):
        for chain in [name] if name else list(chains):
            chains.setdefault(chain, _Chain()).lines.clear()
        return ""
    if verb in ("-N", "--new-chain", "-P", "--policy") and name:
        return _declare(chains, table, [name, words[2] if verb in ("-P", "--policy") and len(words) > 2 else "-"])
    if verb not in ("-A", "--append", "-I", "--insert") or not name:
        return f"{verb or 'the line'} is not followed"
    missing = name not in chains and base(table, name) is None
    place = chains.setdefault(name, _Chain()).lines
    if verb in ("-A", "--append"):
        place.append(line)
    else:
        at, text = _insertion(words)
        place.insert(min(max(at, 1) - 1, len(place)), replace(line, text=text))
    return "its chain was not declared" if missing else ""


def _insertion(words: list[str]) -> tuple[int, str]:
    """The place of an -I, and the rule as an -A: it stands where it was put by then."""
    if len(words) > 2 and words[2].isdigit():
        return int(words[2][:9]), " ".join(["-A", words[1], *words[3:]])
    return 1, " ".join(["-A", *words[1:]])


def _declare(chains: dict[str, _Chain], table: str, parts: list[str]) -> str:
    if len(parts) < 2:
        return "a chain without a policy"
    name, policy = parts[0], parts[1]
    if base(table, name) is not None:
        if policy != "-":
            chains.setdefault(name, _Chain()).policy = policy
        return "" if policy in ("ACCEPT", "DROP", "-") else f"{policy} is no policy"
    chains[name] = _Chain()
    return "" if policy == "-" else "a chain of the user has no policy"


def _written(tables: _Tables) -> tuple[str, list[_Line]]:
    """The tables as a text for iptables-restore, and for each of its lines where it stood."""
    lines: list[_Line] = []
    for name, chains in tables.items():
        lines.append(_Line(f"*{name}", "", 0))
        built_in = [chain for chain in _BUILT_IN if base(name, chain) is not None]
        names = built_in + sorted(chain for chain in chains if base(name, chain) is None)
        for chain in names:
            policy = chains[chain].policy if chain in chains else "-"
            if policy not in ("ACCEPT", "DROP"):
                policy = "ACCEPT" if chain in built_in else "-"
            lines.append(_Line(f":{chain} {policy} [0:0]", "", 0))
        for chain in names:
            lines += chains[chain].lines if chain in chains else ()
        lines.append(_Line("COMMIT", "", 0))
    return "".join(f"{line.text}\n" for line in lines), lines


def _with_lines(table: Table, origins: list[_Line]) -> Table:
    return replace(table, chains=tuple(_chain_with_lines(chain, origins) for chain in table.chains))


def _chain_with_lines(chain: Chain, origins: list[_Line]) -> Chain:
    rules: list[Rule] = [replace(rule, line=origins[rule.line - 1].number) for rule in chain.rules]
    return replace(chain, rules=tuple(rules))
