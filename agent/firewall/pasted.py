"""Readings of text that somebody pasted: whatever prints or loads firewall rules, several outputs in one, with noise.

The kind of each part is told by its own form. Known are iptables-save and files for iptables-restore, ``iptables -S``,
``iptables -L``, nft's text, files and JSON, ufw status, firewall-cmd --list-all, and shell scripts. What a listing
hides and a cut loses is said; a part that is not understood leaves the rest as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from agent.errors import UsageError
from agent.firewall import pasted_managers, pasted_script
from agent.firewall.model import Backend, Chain, Family, Problem, Ruleset, assumed_whole, together
from agent.firewall.nft import json_reader
from agent.firewall.nft import text as nft_text
from agent.firewall.owners import owners
from agent.firewall.pasted_lines import Line, plain
from agent.firewall.reading import Owner, Reading, Source
from agent.firewall.xtables import listing, save
from agent.firewall.xtables.tables import TABLES

_MOST = 20  # sentences about what was not understood


class Kind(Enum):
    SAVE = "iptables-save"
    RULES = "iptables -S"
    LISTING = "iptables -L"
    NFT = "nft list ruleset"
    UFW = "ufw status"
    FIREWALLD = "firewall-cmd --list-all"
    SCRIPT = "a shell script"


_DIGESTS = {Kind.UFW: "ufw", Kind.FIREWALLD: "firewalld"}

_TABLE = re.compile(r"\s*\*(\w+)\s*$")
_SAVED = re.compile(
    r"\s*(?::[\w.-]+[ \t]+[\w-]+|COMMIT\s*$"
    r"|(?:\[\d+:\d+\]\s*)?(?:-t\s+\w+\s+)?-(?:[AIDRNPFXZE]|-append|-insert|-policy|-delete|-new)[\w-]*\s)"
)
_CHAIN = re.compile(r"\s*Chain \S+ \((?:policy \w+|\d+ references)")
_RULE = re.compile(
    r"\s*(?:\[\d+:\d+\]\s*)?(?:-t\s+\w+\s+)?(?:-[AIPN]|--append|--insert|--policy|--new-chain)\s+[\w.-]+(?:\s|$)"
)
_NFT = re.compile(
    r"\s*(?:table\s+(?:(?:ip6?|inet|arp|bridge|netdev)\s+)?[\w.-]+\s*\{?\s*$"
    r"|table\s+(?:(?:ip6?|inet|arp|bridge|netdev)\s+)?[\w.-]+\s*\{"
    r"|(?:add|insert|create|delete|destroy|flush)\s+(?:table|chain|rule|set|map|element|ruleset)\b"
    r"|define\s+[\w.-]+\s*=|include\s+\")"
)
_UFW = re.compile(r"\s*Status:\s+(active|inactive)\s*$", re.IGNORECASE)
_COMMAND = re.compile(
    r"\s*(?:sudo\s+(?:-\S+\s+)*)?(?:/\S*/|\$\{?\w+\}?\s)?\s*(?:ip6?tables(?:-legacy|-nft)?(?:-restore)?|nft|ipset)\s+(?!v\d)\S"
)
_CALLED = re.compile(r"\s*\$\{?\w*(?:IPT|ipt|IPTABLES|iptables|FW|NFT)\w*\}?\s+-")
_SHEBANG = re.compile(r"#!\s*\S*/(?:env\s+)?(?:ba|da|a|k|z)?sh\b")
_SIX = re.compile(r"ip6tables|rules\.v6|\bIPv6\b|ip6t|user6\.rules|before6\.rules", re.IGNORECASE)
_FOUR = re.compile(r"iptables|rules\.v4|\bIPv4\b", re.IGNORECASE)
_OF_TABLE = re.compile(r"(?:-t|--table)[ =](\w+)")
_CONTINUES = re.compile(r"\s*(?:-[jmpsdgio]\s|--[a-z]|!\s|ACCEPT\b|DROP\b|REJECT\b)")


@dataclass
class _Part:
    """A part of one kind; ``family`` and ``table`` by the words before it, None and "" where there are none."""

    kind: Kind
    family: Family | None = None
    table: str = ""
    lines: list[Line] = field(default_factory=list)

    @property
    def text(self) -> str:
        """With the lines at their number."""
        found = [""] * (self.lines[-1].number if self.lines else 0)
        for line in self.lines:
            found[line.number - 1] = line.text.strip() if self.kind in (Kind.SAVE, Kind.RULES) else line.text
        return "\n".join(found)


def read(text: str, name: str) -> Reading:
    """What a text says; UsageError with a hint when there is nothing about a firewall in it."""
    parsed = _json(text)
    if parsed is not None:
        ruleset = json_reader.read(parsed)
        return _reading([ruleset], [Source(name, Backend.NFT)], [])
    lines = plain(text)
    said: list[str] = []
    rulesets: list[Ruleset] = []
    sources: list[Source] = []
    digests: list[Owner] = []
    parts = _parts(lines)
    for part in parts:
        ruleset, uncertain = _read(part)
        rulesets.append(ruleset)
        said += uncertain
        if part.kind in _DIGESTS:
            program = _DIGESTS[part.kind]
            digests += (Owner(program, table.family, table.name, "INPUT") for table in ruleset.tables)
        backends = dict.fromkeys(table.backend for table in ruleset.tables)
        sources += (Source(name, backend, part.family) for backend in backends or (Backend.LEGACY,))
    if not parts:
        raise UsageError(
            f"{name}: there are no firewall rules in this text",
            "paste what iptables-save, ip6tables-save, nft list ruleset or ufw status verbose prints",
        )
    return _reading(rulesets, sources, said, digests)


def _reading(rulesets: list[Ruleset], sources: list[Source], said: list[str], digests: Sequence[Owner] = ()) -> Reading:
    whole = together(*rulesets)
    cut = next((chain.truncated for table in whole.tables for chain in table.chains if chain.truncated), "")
    if cut:
        said.append(f"{cut}: rules may be missing; it is judged as if this were all")
    for problem in whole.problems[:_MOST]:
        where = f"line {problem.line}: " if problem.line else ""
        said.append(f"{where}{problem.why}: {problem.text[:100]}" if problem.text else f"{where}{problem.why}")
    if len(whole.problems) > _MOST:
        said.append(f"{len(whole.problems) - _MOST} more lines are not understood")
    ruleset = assumed_whole(whole)
    found = (*digests, *owners(ruleset))
    managers = tuple(dict.fromkeys(one.program for one in found))
    return Reading(
        ruleset, sources=tuple(sources), owners=found, managers=managers, unchecked=tuple(dict.fromkeys(said))
    )


def _json(text: str) -> dict[str, object] | None:
    """The object of nft -j, wherever it stands in the text."""
    at = text.find('"nftables"')
    start = text.rfind("{", 0, at) if at >= 0 else -1
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the JSON of nft ends or breaks: {error}", "paste all that nft -j list ruleset prints"
        ) from error
    return found if isinstance(found, dict) else None


# -- parts


def _parts(lines: Sequence[Line]) -> list[_Part]:
    if _is_script(lines):
        return [_Part(Kind.SCRIPT, lines=list(lines))]
    return [part for part in _Splitter().parts(lines) if part.lines]


def _is_script(lines: Sequence[Line]) -> bool:
    """Commands, and not their output."""
    first = next((line.text for line in lines if line.text.strip()), "")
    if any(_TABLE.match(line.text) or _CHAIN.match(line.text) for line in lines) and not _SHEBANG.match(first):
        return False
    if _SHEBANG.match(first):
        return True
    orders = [line.text for line in lines if _COMMAND.match(line.text) or _CALLED.match(line.text)]
    return any(
        re.search(r"\s(?:-[AIPFNXD]|--append|--insert|--policy|add|insert|flush|create)\s", f"{one} ") for one in orders
    )


class _Splitter:
    """Walks over the lines, and opens a part where one begins."""

    def __init__(self) -> None:
        self._found: list[_Part] = []
        self._part: _Part | None = None
        self._family: Family | None = None
        self._table = ""
        self._depth = 0  # of nft's braces
        self._saved = False  # between *table and COMMIT
        self._chains: set[str] = set()

    def parts(self, lines: Sequence[Line]) -> list[_Part]:
        for index, line in enumerate(lines):
            self._take(line, lines[index + 1].text if index + 1 < len(lines) else "")
        return self._found

    def _take(self, line: Line, after: str) -> None:
        text = line.text
        if line.command:
            self._heading(text)
            self._close()
        elif self._depth:
            self._nft(line)
        elif text.startswith("# Generated by") and "tables" in text:
            self._heading(text)
            self._open(Kind.SAVE, again=True).lines.append(line)
        elif _TABLE.match(text):
            self._open(Kind.SAVE).lines.append(line)
            self._saved = True
        elif self._saved:
            self._in_save(line)
        elif _CHAIN.match(text):
            self._chain(line)
        elif _NFT.match(text):
            self._open(Kind.NFT)
            self._nft(line)
        elif _UFW.match(text):
            self._open(Kind.UFW, again=True).lines.append(line)
        elif pasted_managers.is_zone(text) and re.match(r"\s+target:", after):
            self._open(Kind.FIREWALLD).lines.append(line)
        elif _RULE.match(text):
            self._open(Kind.RULES).lines.append(line)
        elif re.match(r"\s*:(?:INPUT|FORWARD|OUTPUT|PREROUTING)\s+\w+", text):
            self._open(Kind.SAVE).lines.append(line)
            self._saved = True
        elif text.strip():
            self._other(line)

    def _other(self, line: Line) -> None:
        part = self._part
        if part is not None and part.kind is Kind.RULES and _CONTINUES.match(line.text) and part.lines:
            part.lines[-1] = Line(part.lines[-1].number, f"{part.lines[-1].text} {line.text.strip()}")
        elif part is not None and part.kind in (Kind.LISTING, Kind.UFW, Kind.FIREWALLD):
            if _HEADING.match(line.text):
                self._heading(line.text)
                self._close()
            else:
                part.lines.append(line)
        elif part is not None and part.kind is Kind.NFT and line.text.lstrip().startswith("#"):
            part.lines.append(line)
        else:
            self._heading(line.text)

    def _heading(self, text: str) -> None:
        """Which family and table the words before a part speak of."""
        if _SIX.search(text):
            self._family = Family.IP6
        elif _FOUR.search(text):
            self._family = Family.IP
        table = _OF_TABLE.search(text)
        if table and table[1] in TABLES:
            self._table = table[1]
        elif _FOUR.search(text) or _SIX.search(text):
            self._table = ""

    def _open(self, kind: Kind, again: bool = False) -> _Part:
        part = self._part
        if part is None or part.kind is not kind or again:
            self._close()
            part = self._part = _Part(kind, self._family, self._table)
            self._found.append(part)
        return part

    def _close(self) -> None:
        self._part, self._saved, self._depth = None, False, 0
        self._chains = set()

    def _in_save(self, line: Line) -> None:
        part = self._open(Kind.SAVE)
        text = line.text
        if text.strip() == "COMMIT":
            part.lines.append(line)
            self._saved = False
        elif not text.strip() or text.lstrip().startswith("#") or _SAVED.match(text):
            part.lines.append(line)
        elif _CONTINUES.match(text) and part.lines and part.lines[-1].text.lstrip().startswith(("-", "[")):
            part.lines[-1] = Line(part.lines[-1].number, f"{part.lines[-1].text} {text.strip()}")
        else:
            self._heading(text)

    def _chain(self, line: Line) -> None:
        name = line.text.split()[1]
        if name in self._chains or (name == "PREROUTING" and self._chains):
            if (
                name in ("INPUT", "FORWARD")
                and self._part is not None
                and self._part.family is not Family.IP6
                and not self._table
            ):
                self._family = Family.IP6  # the second listing of the same chains is the other family's
            self._close()
        self._open(Kind.LISTING).lines.append(line)
        self._chains.add(name)

    def _nft(self, line: Line) -> None:
        part = self._open(Kind.NFT)
        part.lines.append(line)
        bare = re.sub(r"\"[^\"]*\"|#.*", "", line.text)
        self._depth = max(0, self._depth + bare.count("{") - bare.count("}"))


_HEADING = re.compile(r"\s*(?:#|=|-{3,}|\*{2,}|IPv[46]|ip6?tables\b)")


# -- readers


def _read(part: _Part) -> tuple[Ruleset, Sequence[str]]:
    if part.kind is Kind.SAVE:
        return _saved(part), ()
    if part.kind is Kind.RULES:
        return _ruled(part)
    if part.kind is Kind.LISTING:
        return _listed(part)
    if part.kind is Kind.NFT:
        return nft_text.read(part.text), ()
    if part.kind is Kind.SCRIPT:
        return pasted_script.read(part.text)
    return _managed(part)


def _saved(part: _Part) -> Ruleset:
    """Parts of one paste may be of both families: each begins with its own header, or says it by its addresses."""
    text = part.text
    if not _TABLE.search(text.strip().split("\n")[0]) and "*" not in text[:400]:
        first = part.lines[0].number
        lines = text.split("\n")
        lines[first - 1] = f"*filter\n{lines[first - 1]}"
        return _moved(save.read("\n".join(lines), part.family), first)
    return together(*(save.read(one, family) for one, family in _families(text, part.family)))


def _moved(ruleset: Ruleset, first: int) -> Ruleset:
    """Problems behind a line that we put in ourselves."""
    problems = (Problem(one.line - (one.line > first), one.text, one.why) for one in ruleset.problems)
    return Ruleset(ruleset.tables, ruleset.ipsets, tuple(problems))


def _families(text: str, hint: Family | None) -> Iterator[tuple[str, Family | None]]:
    """A text at the lines where another family's tables begin: at a header, or where a table comes again."""
    lines = text.split("\n")
    starts = [0]
    seen: set[str] = set()
    for number, line in enumerate(lines):
        table = _TABLE.match(line)
        header = re.match(r"# Generated by (?:x|ip)6?tables\S*-save", line)
        if (header and any(one.strip() and not one.startswith("#") for one in lines[starts[-1] : number])) or (
            table and table[1] in seen
        ):
            starts.append(number)
            seen = set()
        if table:
            seen.add(table[1])
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else len(lines)
        part = "\n".join([""] * start + lines[start:end])
        yield part, None if re.search(r"# Generated by", part) or len(starts) > 1 else hint


def _ruled(part: _Part) -> tuple[Ruleset, Sequence[str]]:
    found = []
    said: list[str] = []
    by_table: dict[str, list[Line]] = {}
    for line in part.lines:
        named = _OF_TABLE.search(line.text.partition(" -A ")[0]) if line.text.lstrip().startswith("-t") else None
        by_table.setdefault(named[1] if named else part.table or "filter", []).append(line)
    for table, lines in by_table.items():
        text = _Part(Kind.RULES, lines=lines).text
        found.append(save.read(text, part.family or save.family_of(text), table=table))
        if table == "filter" and not re.search(r"^(?:-P|--policy) ", text, re.MULTILINE):
            said.append("the policies of the chains are not shown: ACCEPT is assumed")
    return together(*found), said


def _listed(part: _Part) -> tuple[Ruleset, Sequence[str]]:
    names = [line.text.split()[1] for line in part.lines if _CHAIN.match(line.text)]
    table = part.table or _table_of(names)
    ruleset = listing.read(part.text, part.family, table=table)
    hidden = not any(re.search(r"\sin\s+out\s", line.text) for line in part.lines)
    rules = any(chain.rules for one in ruleset.tables for chain in one.chains)
    return ruleset, (
        "-L without -v hides the interfaces: iptables-save or iptables -L -n -v shows them",
    ) if hidden and rules else ()


def _table_of(chains: Sequence[str]) -> str:
    """The table whose chains these are, as -L without its command shows them."""
    built_in = [
        name
        for name in chains
        if name.isupper() and name in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
    ]
    if "PREROUTING" not in built_in and "POSTROUTING" not in built_in:
        return "filter"
    if "FORWARD" in built_in:
        return "mangle"
    return "nat" if "POSTROUTING" in built_in else "raw"


def _managed(part: _Part) -> tuple[Ruleset, Sequence[str]]:
    lines = [line.text for line in part.lines]
    if part.kind is Kind.UFW and "inactive" in lines[0].lower():
        return Ruleset(), ("ufw is inactive: rules that others loaded are not shown",)
    digest = pasted_managers.ufw if part.kind is Kind.UFW else pasted_managers.firewalld
    found: list[Ruleset] = []
    said: Sequence[str] = ()
    for version, family in ((4, Family.IP), (6, Family.IP6)):
        rows, said = digest(lines, version)
        text = "".join(f"{row}\n" for _, row in rows)
        found.append(
            _placed(
                save.read(f"*filter\n{text}COMMIT\n", family),
                [part.lines[index].number if index >= 0 else 0 for index, _ in rows],
            )
        )
    return together(*found), said


def _placed(ruleset: Ruleset, numbers: Sequence[int]) -> Ruleset:
    """Rules at the lines of the digest that they stand for; rows that hide something are no problem of the text."""

    def at(line: int) -> int:
        return numbers[line - 2] if 2 <= line < len(numbers) + 2 else 0

    tables = tuple(
        replace(table, chains=tuple(_chain_at(chain, at) for chain in table.chains)) for table in ruleset.tables
    )
    problems = tuple(
        Problem(at(one.line), one.text, one.why)
        for one in ruleset.problems
        if "not-shown-by-this-listing" not in one.text + one.why
    )
    return Ruleset(tables, ruleset.ipsets, problems)


def _chain_at(chain: Chain, at: Callable[[int], int]) -> Chain:
    return replace(chain, rules=tuple(replace(rule, line=at(rule.line)) for rule in chain.rules))
