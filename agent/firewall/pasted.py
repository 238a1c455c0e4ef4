"""Readings of text that somebody pasted: whatever prints or loads firewall rules, several outputs in one, with noise.

The kind of each part is told by its own form. Known are iptables-save and files for iptables-restore, ``iptables -S``,
``iptables -L``, nft's text, files and JSON, ufw status, firewall-cmd --list-all, and shell scripts. What a listing
hides and a cut loses is said; a part that is not understood leaves the rest as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from agent.errors import UsageError
from agent.firewall import pasted_managers, pasted_script
from agent.firewall.model import Backend, Chain, Family, Problem, Ruleset, assumed_whole, together
from agent.firewall.nft import json_reader
from agent.firewall.nft import text as nft_text
from agent.firewall.owners import owners
from agent.firewall.pasted_lines import Line, plain
from agent.firewall.pasted_parts import CHAIN, OF_TABLE, TABLE, Kind, Part
from agent.firewall.pasted_parts import parts as parts_of
from agent.firewall.reading import Owner, Reading, Source
from agent.firewall.xtables import listing, save

_MOST = 20  # sentences about what was not understood


_DIGESTS = {Kind.UFW: "ufw", Kind.FIREWALLD: "firewalld"}


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
    parts = parts_of(lines)
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


# -- readers


def _read(part: Part) -> tuple[Ruleset, Sequence[str]]:
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


def _saved(part: Part) -> Ruleset:
    """Parts of one paste may be of both families: each begins with its own header, or says it by its addresses."""
    text = part.text
    if not TABLE.search(text.strip().split("\n")[0]) and "*" not in text[:400]:
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
        table = TABLE.match(line)
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


def _ruled(part: Part) -> tuple[Ruleset, Sequence[str]]:
    found = []
    said: list[str] = []
    by_table: dict[str, list[Line]] = {}
    for line in part.lines:
        named = OF_TABLE.search(line.text.partition(" -A ")[0]) if line.text.lstrip().startswith("-t") else None
        by_table.setdefault(named[1] if named else part.table or "filter", []).append(line)
    for table, lines in by_table.items():
        text = Part(Kind.RULES, lines=lines).text
        found.append(save.read(text, part.family or save.family_of(text), table=table))
        if table == "filter" and not re.search(r"^(?:-P|--policy) ", text, re.MULTILINE):
            said.append("the policies of the chains are not shown: ACCEPT is assumed")
    return together(*found), said


def _listed(part: Part) -> tuple[Ruleset, Sequence[str]]:
    names = [line.text.split()[1] for line in part.lines if CHAIN.match(line.text)]
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


def _managed(part: Part) -> tuple[Ruleset, Sequence[str]]:
    lines = [line.text for line in part.lines]
    if part.kind is Kind.UFW and re.search(r":\s+(?:in|ne)", lines[0].lower()):
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
