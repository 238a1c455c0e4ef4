"""The rule-set in force as texts that its own programs load again: what a flush needs to be taken back.

Each part is one transaction of the kernel's: a table of xtables, or all native tables of nft together. A table that is
emptied keeps its chains and sets, and a part is loaded into what is there: so the tables, the chains and their hooks
stay in the order that they had, for chains of one priority are met in the order in which they were registered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.firewall.model import Backend, Family, Ruleset, Table
from agent.target import Target
from agent.target.model import Output
from agent.unknown import Maybe, Unknown, Why

SAVE_TIMEOUT = 60.0  # seconds
LIMIT = 8 * 1024 * 1024  # bytes of one text
WAIT = "20"  # seconds that a restoring program waits for the lock of xtables
HELD = (Family.IP, Family.IP6, Family.INET, Family.NETDEV)  # what can stop a packet to or from this host
_NAME = re.compile(r"[A-Za-z_][\w./\\-]{0,63}", re.ASCII)  # nft(8), LEXICAL CONVENTIONS
_OWNED = re.compile(r"^\tflags [^\n]*\bowner\b", re.MULTILINE)
_FOREIGN = re.compile(r"^\t\t[^\n]*(?:# xt_|xt (?:match|target) \")", re.MULTILINE)
_LINKS = re.compile(rb'\b[io]if (?:!= )?(?!"lo"\n| *"lo" )|\bdevices? (?:=|")|\tflowtable ')
# Made anew, a table must not be more open nor more closed than it was or will be: packets are translated only once
# the rules that judge them stand, and marks are set before rules ask for them.
_ORDER = ("raw", "mangle", "security", "filter", "", "nat")


@dataclass(frozen=True)
class Part:
    """One transaction. ``opened`` is the input that empties it, and lets all through; ``saved`` the one that puts it
    back as it was, with its counters. ``load`` is the command that takes either, ``show`` prints it again."""

    backend: Backend
    family: Family | None  # None: of all, nft's native tables
    tables: tuple[Table, ...]
    load: tuple[str, ...]
    show: tuple[tuple[str, ...], ...]
    opened: bytes
    saved: bytes
    printed: tuple[str, ...] = ()  # what ``show`` printed then

    @property
    def name(self) -> str:
        """For people: "the table filter of iptables-legacy"."""
        if self.backend is Backend.NFT:
            return "nft's tables " + ", ".join(f"{table.family.value} {table.name}" for table in self.tables)
        return f"the table {self.tables[0].name} of {self.load[0].removesuffix('-restore')}"

    @property
    def rules(self) -> int:
        return sum(len(chain.rules) for table in self.tables for chain in table.chains)

    @property
    def needs_links(self) -> bool:
        """Can it only be loaded where network interfaces of these names are?"""
        return self.backend is Backend.NFT and _LINKS.search(self.saved) is not None


def parts(target: Target, ruleset: Ruleset) -> Maybe[tuple[Part, ...]]:
    """All that is in force in IPv4 and IPv6, in the order in which it is put back.

    ``ruleset`` names the tables. Unknown when one of them can't be saved, or not as it can be loaded again.
    """
    found: list[Part] = []
    native: list[Table] = []
    for table in ruleset.tables:
        if table.family not in HELD:
            continue
        if not _plain(table):
            return Unknown(f"a table or chain of {table.family.value} has a name that can't be written", Why.FAILED)
        if table.backend is Backend.NFT:
            native.append(table)
            continue
        part = _of_xtables(target, table)
        if isinstance(part, Unknown):
            return part
        found.append(part)
    if native:
        part = _of_nft(target, tuple(native))
        if isinstance(part, Unknown):
            return part
        found.append(part)
    return tuple(sorted(found, key=_rank))


def _rank(part: Part) -> int:
    name = "" if part.backend is Backend.NFT else part.tables[0].name
    return _ORDER.index(name) if name in _ORDER else 0


def _plain(table: Table) -> bool:
    if table.backend is not Backend.NFT:
        return table.name in _ORDER and all("\n" not in chain.name for chain in table.chains)
    return all(_NAME.fullmatch(name) for name in (table.name, *(chain.name for chain in table.chains)))


# -- tables of xtables


def _of_xtables(target: Target, table: Table) -> Maybe[Part]:
    program = xtables_program(target, table.backend, table.family)
    if isinstance(program, Unknown):
        return program
    text = _said(target, (f"{program}-save", "-c", "-t", table.name))
    if isinstance(text, Unknown):
        return text
    show: list[tuple[str, ...]] = [(f"{program}-save", "-c", "-t", table.name)]
    printed = [text]
    missing: frozenset[str] = frozenset()
    if table.backend is Backend.NF_TABLES:
        listing = ("nft", "list", "table", table.family.value, table.name)
        native = _said(target, listing)
        if not isinstance(native, Unknown):
            # iptables-nft-save prints chains that nobody made, and rules that nft made as others (1.8.9)
            missing = _not_there(native, table)
            show.append(listing)
            printed.append(native)
    saved, opened = _xtables_texts(text, table, missing)
    if not saved:
        return Unknown(f"{program}-save does not print the table {table.name}", Why.FAILED)
    # Without -n, iptables-nft would make the table anew, behind all others.
    keep = ("-n",) if table.backend is Backend.NF_TABLES else ()
    wait = ("-w", WAIT) if _can_wait(target, program) else ()
    return Part(
        table.backend,
        table.family,
        (table,),
        (f"{program}-restore", "-c", *keep, *wait),
        tuple(show),
        opened.encode("utf-8", "surrogateescape"),
        saved.encode("utf-8", "surrogateescape"),
        tuple(printed),
    )


def _not_there(text: str, table: Table) -> frozenset[str]:
    """The base chains that iptables-nft-save prints and nft does not list."""
    real = set(re.findall(r"^\tchain (\S+) \{", text, re.MULTILINE))
    return frozenset(chain.name for chain in table.chains if chain.base is not None) - real


def _xtables_texts(text: str, table: Table, missing: frozenset[str] = frozenset()) -> tuple[str, str]:
    """What puts the table back, and what empties it; with commands that empty what -n would leave."""
    chains: list[str] = []
    rules: list[str] = []
    inside = False
    for line in text.split("\n"):
        if line == f"*{table.name}":
            inside = True
        elif line == "COMMIT":
            inside = False
        elif inside and line.startswith(":"):
            chains += [line] if line[1:].split(" ")[0] not in missing else []
        elif inside and line and not line.startswith("#"):
            rules.append(line)
    if not chains:
        return "", ""
    base = [line for line in chains if line.split(" ")[1:2] != ["-"]]
    emptied = [f"-F {line[1:].split(' ')[0]}" for line in base] if table.backend is Backend.NF_TABLES else []
    saved = [f"*{table.name}", *chains, *emptied, *rules, "COMMIT", ""]
    accepting = [_accepting(line) for line in chains]
    return "\n".join(saved), "\n".join([f"*{table.name}", *accepting, *emptied, "COMMIT", ""])


def _accepting(line: str) -> str:
    words = line.split(" ")
    return " ".join([words[0], words[1] if words[1:2] == ["-"] else "ACCEPT", "[0:0]"])


def xtables_program(target: Target, backend: Backend, family: Family) -> Maybe[str]:
    """Whose -save and -restore are this backend's: "iptables-legacy", "ip6tables-nft", or plain "iptables"."""
    plain = "ip6tables" if family is Family.IP6 else "iptables"
    named = f"{plain}-{'legacy' if backend is Backend.LEGACY else 'nft'}"
    if not isinstance(target.find_program(f"{named}-restore"), Unknown):
        return named
    version = target.run((plain, "-V"))
    if isinstance(version, Unknown):
        return Unknown(f"{named} is not installed, and {plain} can't be asked: {version.reason}", version.why)
    own = Backend.NF_TABLES if "nf_tables" in version.stdout else Backend.LEGACY
    if own is backend and not isinstance(target.find_program(f"{plain}-restore"), Unknown):
        return plain
    return Unknown(f"{named} is not installed", Why.ABSENT)


def _can_wait(target: Target, program: str) -> bool:
    """iptables-restore has -w since 1.6.2."""
    version = target.run((program, "-V"))
    if isinstance(version, Unknown):
        return False
    numbers = re.search(r"v(\d{1,4})\.(\d{1,4})\.(\d{1,4})", version.stdout)
    return numbers is not None and tuple(map(int, numbers.groups())) >= (1, 6, 2)


# -- nft's native tables


def _of_nft(target: Target, tables: Sequence[Table]) -> Maybe[Part]:
    """All in one: nft makes one transaction of a file."""
    saved: list[str] = []
    opened: list[str] = []
    show: list[tuple[str, ...]] = []
    printed: list[str] = []
    for table in tables:
        name = f"{table.family.value} {table.name}"
        command = ("nft", "list", "table", table.family.value, table.name)
        text = _said(target, command)
        if isinstance(text, Unknown):
            return text
        if _OWNED.search(text):
            return Unknown(f"the table {name} belongs to the program that made it (flags owner)", Why.DENIED)
        if _FOREIGN.search(text):
            return Unknown(f"the table {name} holds iptables' own rules, which nft can't load again", Why.FAILED)
        # declared first: it may be gone by then
        saved += [f"table {name}", f"flush table {name}", text.rstrip("\n")]
        opened.append(f"flush table {name}")
        opened += [
            f"chain {name} {chain.name} {{ policy accept; }}"
            for chain in table.chains
            if chain.base is not None and _policy_stands(text, chain.name)
        ]
        show.append(command)
        printed.append(text)
    return Part(
        Backend.NFT,
        None,
        tuple(tables),
        ("nft", "-f", "-"),
        tuple(show),
        ("\n".join(opened) + "\n").encode("utf-8", "surrogateescape"),
        ("\n".join(saved) + "\n").encode("utf-8", "surrogateescape"),
        tuple(printed),
    )


def _policy_stands(text: str, chain: str) -> bool:
    """Does this base chain drop what reaches its end?"""
    return (
        re.search(rf"^\tchain {re.escape(chain)} \{{\n(?:\t\tcomment [^\n]*\n)?\t\ttype [^\n]*policy drop;", text, re.M)
        is not None
    )


# -- what both need


def _said(target: Target, argv: tuple[str, ...]) -> Maybe[str]:
    output = target.run(argv, SAVE_TIMEOUT, LIMIT)
    if isinstance(output, Unknown):
        return output
    if output.exit:
        return Unknown(f"{' '.join(argv)} failed: {_last(output)}", Why.FAILED)
    if "\ufffd" in output.stdout:
        return Unknown(f"{' '.join(argv)} prints what is no text", Why.UNREADABLE)
    if output.truncated:
        return Unknown(f"{' '.join(argv)} says more than {LIMIT} bytes", Why.TOO_LARGE)
    return output.stdout


def _last(output: Output) -> str:
    lines = [line.strip() for line in output.text.split("\n") if line.strip()]
    return lines[-1][:200] if lines else f"exit status {output.exit}"


_COUNTERS = re.compile(
    r"^\[\d+:\d+\] (?=-A )|(?<=\s)\[\d+:\d+\]$|\bpackets \d+ bytes \d+|\bused \d+(?: \w?bytes)?| expires [\dsmhd]+"
)
_COMMENT = re.compile(r"^#")


def without_counters(text: str) -> Iterator[str]:
    """The lines of a saved text, without what goes on by itself: counters, times left, dates."""
    for line in text.split("\n"):
        if line.strip() and not _COMMENT.match(line):
            yield _COUNTERS.sub("", line).rstrip()


__all__ = ["HELD", "Part", "parts", "without_counters", "xtables_program"]
