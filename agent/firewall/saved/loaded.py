"""What has been loaded so far: the state that the loaders of a boot change in turn, and what is to be said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

from agent.firewall import ipset
from agent.firewall.model import Backend, Family, Problem, Ruleset, Table
from agent.firewall.nft import text as nft_text
from agent.firewall.reading import Source
from agent.firewall.saved.tables import Tables
from agent.firewall.sets import Set

_FLUSH = re.compile(r"(?:^|;)\s*flush\s+ruleset(?:\s+(ip6?|inet|arp|bridge|netdev))?\s*(?=;|$)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n\"]*$", re.MULTILINE)
_FAMILIES = {"ip": (Family.IP,), "ip6": (Family.IP6,), "": (Family.IP, Family.IP6)}
_IPSET_COMMANDS = {"-N": "create", "-A": "add", "-D": "del", "-F": "flush", "-X": "destroy", "n": "create", "a": "add"}
_REFUSED = "{} would be refused, at least in part: whether its rules are loaded is not certain"
_LINES = 200_000  # of all that is loaded; the longest lists of banned addresses have some 100,000
_SAID = 100  # sentences; more are read by nobody
_SCRIPTS = 500  # that are read; more were not written by people
_REMOVALS = 200  # from sets; each looks through all lines

Opener = Callable[[str], str]


@dataclass(frozen=True)
class _Text:
    """A piece of nft's text, and where it stands."""

    text: str
    file: str
    line: int  # of its first line


class Loaded:
    """``unchecked`` are sentences about what could not be read or is not certain; ``managers`` programs in charge."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.managers: list[str] = []
        self.unchecked: list[str] = []
        self.flushed = False  # did a text of nft flush what others had loaded, or would have?
        self._problems: list[Problem] = []
        self._xtables: dict[tuple[Family, Backend], Tables] = {}
        self._firewalld: list[Table] = []
        self._nft: list[_Text] = []
        self._opener: Opener | None = None
        self._sets: list[tuple[str, str, int]] = []  # line, file and number
        self._has_sets = False
        self._more_sets: dict[str, Set] = {}
        self._removals = 0
        self._lines = 0
        self._scripts = 0

    def say(self, text: str) -> None:
        """One more sentence about what could not be read or is not certain; each once."""
        if text not in self.unchecked and len(self.unchecked) < _SAID:
            self.unchecked.append(text)

    def idle(self, path: str, backend: Backend, family: Family | None = None) -> None:
        """A file that is there, and that nothing loads."""
        if all(source.name != path for source in self.sources):
            self.sources.append(Source(path, backend, family))

    def loads(self, path: str, backend: Backend, family: Family | None, by: str) -> None:
        """A file that is loaded."""
        self.sources[:] = [one for one in self.sources if one.name != path or one.loaded_by]
        source = Source(path, backend, family, by)
        if source not in self.sources:
            self.sources.append(source)

    def manager(self, name: str) -> None:
        if name not in self.managers:
            self.managers.append(name)

    def has_chain(self, family: Family, backend: Backend, chain: str) -> bool:
        """Does the filter table hold this chain by now?"""
        return self._of(family, backend).has_chain("filter", chain)

    def restore(self, text: str, file: str, family: Family, backend: Backend, noflush: bool = False) -> None:
        """What iptables-restore (ip6tables-restore) does with a text; ``file`` is named where something is wrong."""
        if not self._takes(text, file):
            return
        problems = self._of(family, backend).restore(text, file, noflush)
        self._problems += problems
        if problems:
            self.say(_REFUSED.format(file))

    def command(self, words: tuple[str, ...], file: str, line: int, family: Family, backend: Backend) -> None:
        """What one iptables (ip6tables) command of a script does."""
        problems = self._of(family, backend).command(words, file, line)
        self._problems += problems
        if problems:
            self.say(f"{file} holds commands that fail or are not followed")

    def flush(self, family: Family, backend: Backend, table: str, chains: bool) -> None:
        """Rules away and policies ACCEPT in a table; ``chains``: its user chains too."""
        self._of(family, backend).flush(table, chains)

    def sets(self, text: str, file: str, line: int = 1) -> None:
        """What ``ipset restore`` does with a text, or ipset with the words of a command."""
        self._has_sets = True
        if not self._takes(text, file):
            return
        for number, one in enumerate(text.split("\n"), start=line):
            words = one.split()
            if not words or words[0][0] == "#":
                continue
            verb = _IPSET_COMMANDS.get(words[0], words[0])
            if verb in ("create", "add"):
                self._sets.append((" ".join([verb, *words[1:]]), file, number))
            elif verb in ("flush", "destroy", "del") and self._removals < _REMOVALS:
                self._removals += 1
                self._sets = [entry for entry in self._sets if not _taken(entry[0].split(), verb, words[1:])]
            elif verb != "COMMIT":
                self._problems.append(Problem(number, one, f"{file}: ipset's {verb} is not followed"))
                self.say(f"{file} holds lines that are not understood")

    def nft(self, text: str, file: str, line: int, opener: Opener) -> None:
        """What ``nft -f`` does with a text, or nft with the words of a command."""
        if not self._takes(text, file):
            return
        self._opener = opener
        self._nft.append(_Text(text if text.endswith("\n") else text + "\n", file, line))

    def flush_by(self, text: str) -> None:
        """What a text of nft flushes of what others have loaded."""
        for flush in _FLUSH.finditer(_COMMENT.sub("", text)):
            self.flushed = True
            self._flush_ruleset(flush.group(1) or "")

    def _flush_ruleset(self, family: str) -> None:
        """``flush ruleset [FAMILY]``: everything in nf_tables goes, the tables of iptables-nft too."""
        self._firewalld = [table for table in self._firewalld if family and table.family.value != family]
        for one in _FAMILIES.get(family, ()):
            self._of(one, Backend.NF_TABLES).clear()

    def firewalld(self, ruleset: Ruleset) -> None:
        """The tables that firewalld makes."""
        self._firewalld += ruleset.tables
        self._more_sets.update(ruleset.ipsets or {})
        self._problems += ruleset.problems
        if ruleset.problems:
            self.say("firewalld's configuration holds parts that are not understood")

    def ruleset(self) -> Ruleset:
        """All of it. Of base chains at the same hook and priority, the kernel asks those first that came last."""
        tables: list[Table] = []
        problems = list(self._problems)
        for part in self._xtables.values():
            read, wrong, files = part.tables()
            tables += read
            problems += wrong
            for file in files:
                self.say(_REFUSED.format(file or "a rule"))
        nft = self._read_nft()
        tables += [*self._firewalld, *nft.tables]
        names = {(table.family, table.name) for table in tables if table.backend is Backend.NF_TABLES}
        if any((table.family, table.name) in names for table in nft.tables):
            self.say("tables of iptables and of nft bear the same name: which rules they share is not followed")
        sets = self._read_sets()
        return Ruleset(
            tuple(reversed(tables)),
            sets.ipsets if self._has_sets or self._more_sets else None,
            (*problems, *nft.problems, *sets.problems),
        )

    def takes_script(self) -> bool:
        """Is there room for one more script?"""
        self._scripts += 1
        if self._scripts > _SCRIPTS:
            self.say("there are more scripts than are read")
        return self._scripts <= _SCRIPTS

    def _takes(self, text: str, file: str) -> bool:
        self._lines += text.count("\n") + 1
        if self._lines > _LINES:
            self.say(f"{file} is too long to be read: what it loads is not known")
        return self._lines <= _LINES

    def _of(self, family: Family, backend: Backend) -> Tables:
        return self._xtables.setdefault((family, backend), Tables(family, backend))

    def _read_nft(self) -> Ruleset:
        """All texts as one, for they add to each other's tables; its problems at their own lines."""
        if not self._nft:
            return Ruleset()
        first = self._nft[0]
        read = nft_text.read(
            "".join(part.text for part in self._nft),
            name=first.file if len(self._nft) == 1 else "",
            opener=self._opener,
        )
        if read.problems:
            files = " and ".join(dict.fromkeys(part.file for part in self._nft))
            self.say(_REFUSED.format(files))
        return replace(read, problems=tuple(self._placed(problem) for problem in read.problems))

    def _placed(self, problem: Problem) -> Problem:
        line = problem.line
        for part in self._nft:
            count = part.text.count("\n")
            if line <= count:
                return replace(problem, line=line + part.line - 1, why=_named(part.file, problem.why))
            line -= count
        return problem

    def _read_sets(self) -> Ruleset:
        found = ipset.read("\n".join(line for line, _, _ in self._sets))
        problems: list[Problem] = []
        for problem in found.problems:
            _, file, number = self._sets[problem.line - 1]
            problems.append(replace(problem, line=number, why=f"{file}: {problem.why}"))
            self.say(f"{file} holds lines that are not understood")
        return replace(
            found, ipsets=MappingProxyType({**self._more_sets, **(found.ipsets or {})}), problems=tuple(problems)
        )


def _named(file: str, why: str) -> str:
    return why if why.startswith(file) else f"{file}: {why}"


def _taken(entry: list[str], verb: str, words: list[str]) -> bool:
    """Does a later ipset command take this line away?"""
    if words and entry[1:2] != words[:1]:
        return False
    if verb == "destroy":
        return True
    return entry[0] == "add" and (verb == "flush" or entry[2:3] == words[1:2])
