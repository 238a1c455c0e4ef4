"""The rule-set that is in force on the running host, asked of the kernel by its own programs.

Asking must change nothing. iptables-legacy makes the tables that it is asked for, and loads their modules: it is asked
for those alone that /proc/net/ip_tables_names names. nft and ipset load their kernel side by the mere question: they
are asked only where that is there already. What iptables-nft wrote is read by iptables-nft-save, which knows all of
it; nft prints what it can't say in its own language as nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from agent.firewall import ipset
from agent.firewall.model import Backend, Family, Problem, Ruleset, Table
from agent.firewall.nft import json_reader
from agent.firewall.owners import owners
from agent.firewall.reading import Reading, Source
from agent.firewall.saved import addresses
from agent.firewall.sets import Set
from agent.firewall.xtables import save
from agent.firewall.xtables.tables import TABLES
from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

SECONDS = 30.0  # a program's time; 100,000 rules take nft five
_LIMIT = 256 * 1024 * 1024  # bytes of its output

_FAMILIES = {
    Family.IP: ("iptables", "/proc/net/ip_tables_names"),
    Family.IP6: ("ip6tables", "/proc/net/ip6_tables_names"),
}
_NAMES = {Family.IP: "IPv4", Family.IP6: "IPv6"}


def in_force(target: Target) -> Reading:
    """What the kernel holds now, in this network namespace; what can't be asked is said in ``unchecked``."""
    asking = _Asking(target)
    asking.legacy()
    asking.nft()
    asking.sets()
    ruleset = Ruleset(tuple(asking.tables), asking.ipsets, tuple(asking.problems))
    found = owners(ruleset)
    managers = tuple(dict.fromkeys(one.program for one in found))
    unchecked = tuple(dict.fromkeys(asking.unchecked))
    return Reading(ruleset, addresses.host(target), tuple(asking.sources), found, managers, unchecked)


class _Asking:
    """What was answered so far."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tables: list[Table] = []
        self.ipsets: Mapping[str, Set] | None = None
        self.problems: list[Problem] = []
        self.sources: list[Source] = []
        self.unchecked: list[str] = []
        self._texts: list[str] = []

    def legacy(self) -> None:
        """The tables of iptables-legacy, and of every iptables before nf_tables."""
        for family, (name, held) in _FAMILIES.items():
            names = self.target.text(held, 4096)
            if isinstance(names, Unknown):
                if not names.absent:
                    self.unchecked.append(
                        f"whether there are {_NAMES[family]} rules of iptables-legacy: {names.reason}"
                    )
                continue
            if not names.split():
                continue
            program = self._program(f"{name}-legacy-save", f"{name}-save")
            text = self._said((program,))
            if isinstance(text, Unknown):
                self.unchecked.append(f"the {_NAMES[family]} rules of iptables-legacy can't be read: {text.reason}")
            elif "(nf_tables)" in text.split("\n", 1)[0]:
                self.unchecked.append(f"there are {_NAMES[family]} rules of iptables-legacy, and no {name}-legacy-save")
            else:
                self._take(program, text, family, Backend.LEGACY)

    def nft(self) -> None:
        """The tables of nf_tables: nft's own, and iptables-nft's."""
        if not self._in_the_kernel("nf_tables"):
            return
        if isinstance(self.target.find_program("nft"), Unknown):
            self.unchecked.append("the program nft is not installed: tables that it could show can't be seen")
            for family in _FAMILIES:
                self._by_iptables_nft(family, {})
            return
        document = self._listed()
        if isinstance(document, Unknown):
            self.unchecked.append(f"nft's tables can't be read: {document.reason}")
            return
        read = json_reader.read(document)
        foreign: dict[Family, dict[str, Table]] = {}
        for table in read.tables:
            if table.backend is Backend.NF_TABLES:
                foreign.setdefault(table.family, {})[table.name] = table
            else:
                self.tables.append(table)
        for family, known in foreign.items():
            self._by_iptables_nft(family, known)
        if len(self.tables) or not foreign:
            self.sources.append(Source("nft list ruleset", Backend.NFT))
        self.problems += read.problems

    def sets(self) -> None:
        """The ipsets, where rules ask for one."""
        if not any(word in text for text in self._texts for word in ("-set ", "--match-set")):
            return
        text = self._said(("ipset", "save")) if self._in_the_kernel("ip_set") else Unknown("the kernel holds none")
        if isinstance(text, Unknown):
            self.unchecked.append(f"rules ask for ipsets, which can't be read: {text.reason}")
            return
        found = ipset.read(text)
        self.ipsets = found.ipsets or MappingProxyType({})
        self.problems += found.problems
        self.sources.append(Source("ipset save", Backend.LEGACY))

    def _by_iptables_nft(self, family: Family, known: Mapping[str, Table]) -> None:
        """The tables that iptables-nft wrote; ``known`` is how nft shows them."""
        name = _FAMILIES[family][0]
        program = self._program(f"{name}-nft-save", f"{name}-save")
        text = self._said((program,))
        if isinstance(text, Unknown) or "(nf_tables)" not in text:
            self.tables += known.values()
            if known:
                self.sources.append(Source("nft list ruleset", Backend.NF_TABLES, family))
            return
        part = self._take(program, text, family, Backend.NF_TABLES)
        shown = {table.name for table in part.tables}
        self.tables += (table for table in known.values() if table.name not in shown)

    def _take(self, program: str, text: str, family: Family, backend: Backend) -> Ruleset:
        part = save.read(text, family, backend)
        self.tables += part.tables
        self.problems += part.problems
        self.sources.append(Source(program, backend, family))
        self._texts.append(text)
        return part

    def _listed(self) -> Maybe[Mapping[str, object]]:
        """What nft lists as JSON: all, or without the rules of the tables that iptables-nft-save will tell better."""
        chains = self._json("list", "chains")
        if isinstance(chains, Unknown):
            return chains
        theirs = {_table_of(item) for item in _objects(chains, "chain") if _of_iptables(item)}
        tables = self._json("list", "tables") if theirs else Unknown("not needed")
        if isinstance(tables, Unknown):
            return self._json("list", "ruleset")
        objects: list[object] = []
        for item in _objects(tables, "table"):
            family, name = str(item.get("family")), str(item.get("name"))
            if (family, name) in theirs:
                objects += [
                    {"table": item},
                    *({"chain": one} for one in _objects(chains, "chain") if _table_of(one) == (family, name)),
                ]
                continue
            listed = self._json("list", "table", family, name)
            if isinstance(listed, Unknown):
                return listed
            found = listed.get("nftables")
            objects += found if isinstance(found, list) else []
        return {"nftables": objects}

    def _json(self, *command: str) -> Maybe[Mapping[str, object]]:
        text = self._said(("nft", "--json", *command))
        if isinstance(text, Unknown):
            return text
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            return Unknown(f"nft --json: {error}", Why.UNREADABLE)
        return found if isinstance(found, dict) else Unknown("nft --json: no object", Why.UNREADABLE)

    def _said(self, argv: tuple[str, ...]) -> Maybe[str]:
        output = self.target.run(argv, SECONDS, _LIMIT)
        if isinstance(output, Unknown):
            return output
        if output.exit != 0:
            said = " ".join((output.stderr or output.stdout).split())[:200]
            hint = "; run as root (sudo)" if "ermitted" in said or "ermission" in said or "be root" in said else ""
            return Unknown(f"{argv[0]}: {said or f'exit status {output.exit}'}{hint}")
        if output.truncated:
            return Unknown(f"{argv[0]} says more than {_LIMIT >> 20} MiB", Why.TOO_LARGE)
        return output.stdout

    def _program(self, *names: str) -> str:
        """The first of these that is installed; the last one's name when none is."""
        return next((name for name in names if not isinstance(self.target.find_program(name), Unknown)), names[-1])

    def _in_the_kernel(self, module: str) -> bool:
        """There already: a module that is loaded, or a kernel that was built with it."""
        target = self.target
        if target.is_dir(f"/sys/module/{module}") or not target.exists("/proc/modules"):
            return True
        release = target.text("/proc/sys/kernel/osrelease", 256)
        if isinstance(release, Unknown):
            return False
        built_in = target.text(f"/lib/modules/{release.strip()}/modules.builtin")
        return not isinstance(built_in, Unknown) and f"/{module}.ko" in built_in


def _objects(document: Mapping[str, object], kind: str) -> Iterator[Mapping[str, object]]:
    items = document.get("nftables")
    for item in items if isinstance(items, list) else ():
        found = item.get(kind) if isinstance(item, dict) else None
        if isinstance(found, dict):
            yield found


def _of_iptables(chain: Mapping[str, object]) -> bool:
    """A base chain as iptables-nft makes it."""
    family, table = _table_of(chain)
    return family in ("ip", "ip6") and table in TABLES and chain.get("hook") == str(chain.get("name")).lower()


def _table_of(chain: Mapping[str, object]) -> tuple[str, str]:
    return str(chain.get("family")), str(chain.get("table"))
