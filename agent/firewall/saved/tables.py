"""xtables' tables while a boot fills them, one restore or command after the other.

``iptables-restore`` empties each table that its file names, and puts it in force at its COMMIT; with --noflush only
the file's own user chains are emptied, and a built-in chain keeps its rules (iptables/iptables-restore.c). A table
without COMMIT is not loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from agent.firewall.model import Backend, Chain, Family, Problem, Rule, Step, Table
from agent.firewall.saved.lines import Line, blocks, quoted, reversed_lists
from agent.firewall.xtables import save
from agent.firewall.xtables.tables import TABLES, base

_COUNTERS = re.compile(r"\[\d+:\d+\]\s*")
_BUILT_IN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_INSERTS = 20_000  # of one boot; each moves all rules behind it
_COMPARED = 50_000  # rules of one boot, with those that are deleted by their words
_NO_CHAIN, _NO_RULE = "there is no such chain", "there is no such rule"
_NOT_EMPTY, _EXISTS = "the chain is not empty", "the chain is there already"
_HARMLESS = (_NO_CHAIN, _NO_RULE, _NOT_EMPTY, _EXISTS)  # a command that fails so changes nothing
_VERBS = {
    "--append": "-A", "--insert": "-I", "--delete": "-D", "--replace": "-R", "--flush": "-F", "--new-chain": "-N",
    "--new": "-N", "--policy": "-P", "--delete-chain": "-X", "--rename-chain": "-E", "--zero": "-Z",
}  # fmt: skip


@dataclass
class _Chain:
    policy: str = "-"
    lines: list[Line] = field(default_factory=list)


_Chains = dict[str, _Chain]


class Tables:
    """The tables of one family in one back end."""

    def __init__(self, family: Family, backend: Backend) -> None:
        self.family = family
        self.backend = backend
        self._tables: dict[str, _Chains] = {}
        self._inserts = 0
        self._compared = 0
        self._meanings: dict[tuple[str, int, str], tuple[tuple[Step, ...], ...]] = {}

    def has_chain(self, table: str, chain: str) -> bool:
        return chain in self._tables.get(table, {})

    def restore(self, text: str, file: str, noflush: bool = False) -> list[Problem]:
        """What iptables-restore does with a text; what is wrong with it."""
        problems: list[Problem] = []
        for name, start, lines, committed in blocks(text, file):
            if name is None:
                problems.append(_problem(lines[0], "stands outside of a table"))
            elif name not in TABLES:
                problems.append(Problem(start, f"*{name}", f"{file}: there is no such table", refused=True))
            elif not committed:
                why = "the table has no COMMIT, and is not loaded"
                problems.append(Problem(start, f"*{name}", f"{file}: {why}", refused=True))
            else:
                problems += self._commit(name, lines, noflush)
        return problems

    def command(self, words: tuple[str, ...], file: str, number: int) -> list[Problem]:
        """What one iptables command does; what is wrong with it."""
        table, kept = "filter", list(words)
        while kept and kept[0] in ("-w", "--wait", "-W", "--wait-interval", "-4", "-6", "-n", "-v"):
            kept = kept[2:] if len(kept) > 1 and kept[1].isdecimal() else kept[1:]
        at = next((place for place, word in enumerate(kept[:-1]) if word in ("-t", "--table")), -1)
        if at >= 0:
            table, kept = kept[at + 1], kept[:at] + kept[at + 2 :]
        line = Line(" ".join(map(quoted, kept)), file, number)
        if table not in TABLES:
            return [_problem(line, "there is no such table")]
        chains = self._tables.setdefault(table, {})
        adds = len(kept) > 1 and _VERBS.get(kept[0], kept[0]) in ("-A", "-I")
        if adds and kept[1] not in chains and base(table, kept[1]) is None:
            return [_problem(line, "the command fails: there is no such chain")]
        why = self._apply(chains, table, line, kept)
        return [_problem(line, why)] if why and why not in _HARMLESS else []

    def flush(self, table: str, chains: bool) -> None:
        """Rules away and policies ACCEPT in a table; ``chains``: its user chains too."""
        found = self._tables.get(table, {})
        for name in list(found):
            if base(table, name) is not None:
                found[name] = _Chain("ACCEPT")
            elif chains:
                del found[name]

    def clear(self) -> None:
        """What ``nft flush ruleset`` leaves of tables that are nft's in the kernel."""
        self._tables.clear()

    def tables(self) -> tuple[list[Table], list[Problem], list[str]]:
        """The tables for the model, what of their rules is not understood, and the files where that stands."""
        text, origins = self._written()
        part = save.read(text, self.family, self.backend)
        problems: list[Problem] = []
        files: dict[str, None] = {}
        for problem in part.problems:
            origin = origins[problem.line - 1]
            files[origin.file] = None
            problems.append(_problem(replace(origin, text=problem.text), problem.why))
        return [_with_lines(table, origins) for table in part.tables], problems, list(files)

    def _commit(self, name: str, lines: list[Line], noflush: bool) -> list[Problem]:
        old = self._tables.get(name, {})
        chains = {chain: _Chain(found.policy, list(found.lines)) for chain, found in old.items()}
        if not noflush:
            chains = {chain: _Chain(found.policy) for chain, found in chains.items() if base(name, chain) is not None}
        problems: list[Problem] = []
        for line in lines:
            if line.text[0] == ":":
                why = _declare(chains, name, line.text[1:].split(), renew=True)
            else:
                text = _COUNTERS.sub("", line.text, count=1) if line.text[0] == "[" else line.text
                words = text.split()
                while len(words) > 2 and words[0] in ("-t", "--table") and words[1] == name:
                    words, text = words[2:], text.split(None, 2)[2]
                    line = replace(line, text=text)
                why = self._apply(chains, name, line, words)
            if why:
                problems.append(_problem(line, why))
        self._tables[name] = chains
        return problems

    def _apply(self, chains: _Chains, table: str, line: Line, words: list[str]) -> str:
        """One command on a table; what is wrong with it, "" when nothing is."""
        verb, name = _VERBS.get(words[0], words[0]) if words else "", words[1] if len(words) > 1 else ""
        if verb == "-Z":
            return ""
        if verb == "-F":
            for chain in [name] if name else list(chains):
                if chain in chains:
                    chains[chain].lines.clear()
                elif base(table, chain) is None:
                    return _NO_CHAIN
            return ""
        if verb == "-X":
            return _delete_chains(chains, table, name)
        if verb == "-N" and name:
            return _EXISTS if name in chains else _declare(chains, table, [name, "-"])
        if verb == "-P" and len(words) > 2:
            return _declare(chains, table, [name, words[2]])
        if verb not in ("-A", "-I", "-D", "-R") or not name:
            return f"{verb or 'the line'} is not followed"
        if name not in chains and base(table, name) is None:
            if verb != "-A":
                return _NO_CHAIN
            chains[name] = _Chain()
            chains[name].lines.append(line)
            return "its chain was not declared"
        place = chains.setdefault(name, _Chain()).lines
        if verb == "-A":
            place.append(line)
            return ""
        return self._change(place, line, verb, table, chains)

    def _change(self, place: list[Line], line: Line, verb: str, table: str, chains: _Chains) -> str:
        """-I, -D and -R: with the number of a rule, or (-D) its words."""
        parts = line.text.lstrip().split(None, 3)
        parts = parts if parts[0][0] != "[" else parts[1:]
        numbered = len(parts) > 2 and parts[2].isdecimal()
        at = int(parts[2][:9]) if numbered else 1
        rest = " ".join(parts[3:]) if numbered else line.text.split(None, 2)[2] if len(parts) > 2 else ""
        as_added = replace(line, text=f"-A {parts[1]} {rest}")
        if verb == "-I":
            self._inserts += 1
            if self._inserts > _INSERTS:
                return "more rules are inserted than are followed"
            as_added = replace(as_added, text=reversed_lists(as_added.text))
            place.insert(min(max(at, 1) - 1, len(place)), as_added)
            return ""
        if not numbered:
            at = next((n for n, one in enumerate(place, start=1) if one.text == as_added.text), 0)
            self._compared += 0 if at else len(place)
            if self._compared > _COMPARED:
                return "more rules are deleted by their words than are followed"
            if not at:
                wanted = self._steps(as_added, table, chains)
                at = next((n for n, one in enumerate(place, start=1) if self._steps(one, table, chains) == wanted), 0)
        if not 1 <= at <= len(place):
            return _NO_RULE
        if verb == "-D":
            del place[at - 1]
        else:
            place[at - 1] = as_added
        return ""

    def _steps(self, line: Line, table: str, chains: _Chains) -> tuple[tuple[Step, ...], ...]:
        """What a rule means: two that mean the same are the same to -D."""
        key = (table, len(chains), line.text)
        if key not in self._meanings:
            declared = "".join(f":{name} - [0:0]\n" for name in chains if base(table, name) is None)
            part = save.read(f"*{table}\n{declared}{line.text}\nCOMMIT\n", self.family, self.backend)
            rules = (rule for one in part.tables for chain in one.chains for rule in chain.rules)
            self._meanings[key] = tuple(rule.steps for rule in rules)
        return self._meanings[key]

    def _written(self) -> tuple[str, list[Line]]:
        """The tables as a text for iptables-restore, and for each of its lines where it stood."""
        lines: list[Line] = []
        for name, chains in self._tables.items():
            lines.append(Line(f"*{name}", "", 0))
            built_in = [chain for chain in _BUILT_IN if base(name, chain) is not None]
            names = built_in + sorted(chain for chain in chains if base(name, chain) is None)
            for chain in names:
                policy = chains[chain].policy if chain in chains else "-"
                if policy not in ("ACCEPT", "DROP"):
                    policy = "ACCEPT" if chain in built_in else "-"
                lines.append(Line(f":{chain} {policy} [0:0]", "", 0))
            for chain in names:
                lines += chains[chain].lines if chain in chains else ()
            lines.append(Line("COMMIT", "", 0))
        return "".join(f"{line.text}\n" for line in lines), lines


def _problem(line: Line, why: str) -> Problem:
    return Problem(line.number, line.text, f"{line.file}: {why}" if line.file else why)


def _declare(chains: _Chains, table: str, parts: list[str], renew: bool = False) -> str:
    if len(parts) < 2:
        return "a chain without a policy"
    name, policy = parts[0], parts[1]
    if base(table, name) is not None:
        if policy in ("ACCEPT", "DROP"):
            chains.setdefault(name, _Chain()).policy = policy
        return "" if policy in ("ACCEPT", "DROP", "-") else f"{policy} is no policy"
    if policy != "-":
        return "a chain of the user has no policy"
    if renew or name not in chains:
        chains[name] = _Chain()
    return ""


def _delete_chains(chains: _Chains, table: str, name: str) -> str:
    """-X: of one chain, or of all that nobody made part of the kernel's."""
    own = [chain for chain in chains if base(table, chain) is None]
    wanted = [name] if name else own
    if name and name not in own:
        return _NO_CHAIN
    if any(chains[chain].lines for chain in wanted):
        return _NOT_EMPTY
    for chain in wanted:
        del chains[chain]
    return ""


def _with_lines(table: Table, origins: list[Line]) -> Table:
    return replace(table, chains=tuple(_chain_with_lines(chain, origins) for chain in table.chains))


def _chain_with_lines(chain: Chain, origins: list[Line]) -> Chain:
    rules: list[Rule] = [replace(rule, line=origins[rule.line - 1].number) for rule in chain.rules]
    return replace(chain, rules=tuple(rules))
