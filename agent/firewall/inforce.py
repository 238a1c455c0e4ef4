"""What is in force on the running host: both back ends of iptables, nft and ipsets, all at once.

To read changes nothing and loads nothing: a part of the kernel is asked only once it is there (live_kernel.py), and
the old xtables only for tables that they hold. Each program is run once, those that don't depend on each other side
by side. A program that fails, or prints what can't be read, is a sentence in ``unchecked``.

Which of the old xtables and of nf_tables a packet meets first at the same priority, only the order tells in which they
were made, which nobody keeps: the old ones are put first. Whether it gets through does not hang on that, but for marks.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from agent.firewall import ipset, live_mixed, live_nft
from agent.firewall.host import Host
from agent.firewall.live_kernel import holds, legacy_tables
from agent.firewall.live_managers import managers
from agent.firewall.live_mixed import Shape
from agent.firewall.live_nft import Key
from agent.firewall.live_programs import complaint, said, save_program
from agent.firewall.model import Backend, Family, Ruleset, Table, together
from agent.firewall.nft import text as nft_text
from agent.firewall.owners import owners
from agent.firewall.reading import Reading, Source
from agent.firewall.saved import addresses
from agent.firewall.xtables import save
from agent.target import Target
from agent.unknown import Unknown, Why

_FAMILIES = {4: Family.IP, 6: Family.IP6}
_AT_ONCE = 4  # programs that run side by side
_SUDO = "run it with sudo"
_INCOMPATIBLE = re.compile(r"^# Table [`'](\S+)' (?:is|contains) incompatible", re.MULTILINE)


@dataclass
class _Looking:
    """What is known so far."""

    target: Target
    pool: ThreadPoolExecutor
    parts: list[Ruleset] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        if sentence not in self.unchecked:
            self.unchecked.append(sentence)

    def missed(self, what: str, why: Unknown) -> None:
        """One more part that could not be read: what it holds, and why it is not known."""
        hint = f" ({_SUDO})" if why.why is Why.DENIED else ""
        self.say(f"{what} can't be read: {complaint(why.reason)}{hint}")


def in_force(target: Target) -> Reading:
    """The rule-set, the host and who is in charge, as of now, in the network namespace that we run in."""
    if not target.live:
        return Reading(unchecked=("what is in force shows only on the running host",))
    if not target.root_user:
        return Reading(host=addresses.host(target), unchecked=(f"only root may read the rules in force: {_SUDO}",))
    with ThreadPoolExecutor(_AT_ONCE) as pool, _uncollected():
        looking = _Looking(target, pool)
        host = pool.submit(addresses.host, target)
        later = [*_legacy(looking), _ipsets(looking), _nf_tables(looking)]
        for finish in later:
            finish()
        ruleset = together(*looking.parts)
        return _reading(looking, ruleset, host)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage meanwhile: what is read all stays, and to look at it again and again doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _reading(looking: _Looking, ruleset: Ruleset, host: Future[Host]) -> Reading:
    found = owners(ruleset)
    return Reading(
        ruleset,
        host.result(),
        tuple(looking.sources),
        found,
        managers(looking.target, found),
        tuple(looking.unchecked),
    )


# -- the old xtables


def _legacy(looking: _Looking) -> list[Callable[[], None]]:
    """Start the programs of those families that have tables; what is returned takes what they print."""
    later: list[Callable[[], None]] = []
    for number, family in _FAMILIES.items():
        what = f"the tables of {'ip6tables' if number == 6 else 'iptables'}-legacy"
        names = legacy_tables(looking.target, number)
        if isinstance(names, Unknown):
            looking.missed(what, names)
            continue
        if names:
            later.append(_saved(looking, Backend.LEGACY, family, what, frozenset(names)))
    return later


def _saved(
    looking: _Looking, backend: Backend, family: Family, what: str, names: frozenset[str] | None
) -> Callable[[], None]:
    """Run iptables-save of one back end and family. ``names`` are the tables that it has to print, if that is known."""
    program = save_program(looking.target, backend, 6 if family is Family.IP6 else 4)
    if isinstance(program, Unknown):
        missing = program
        return lambda: looking.missed(what, missing)
    argv = (*program, "-c")
    text = looking.pool.submit(said, looking.target, argv)

    def finish() -> None:
        printed = text.result()
        if isinstance(printed, Unknown):
            looking.missed(what, printed)
            return
        _take_saved(looking, printed, Source(" ".join(program), backend, family), names)

    return finish


def _take_saved(looking: _Looking, printed: str, source: Source, names: frozenset[str] | None) -> None:
    ruleset = save.read(printed, source.family, source.backend)
    for table in ruleset.tables:
        if any(chain.truncated for chain in table.chains):
            looking.say(f"{source.name} does not print the end of the table {table.name}")
    absent = (names or frozenset()) - {table.name for table in ruleset.tables}
    for name in sorted(absent):
        looking.say(f"{source.name} does not print the table {complaint(name)}")
    if ruleset.tables:
        looking.sources.append(source)
        # that other tables are there as well is known here
        problems = tuple(problem for problem in ruleset.problems if not save.ELSEWHERE.search(problem.text))
        looking.parts.append(replace(ruleset, problems=problems))


# -- nf_tables


def _nf_tables(looking: _Looking) -> Callable[[], None]:
    """nft's JSON first, for it says what else has to be asked."""
    there = holds(looking.target, "nf_tables")
    if isinstance(there, Unknown):
        missed = there
        return lambda: looking.missed("the tables of nft and iptables-nft", missed)
    if not there:
        return _nothing
    printed = looking.pool.submit(said, looking.target, ("nft", "-j", "list", "ruleset"), looking.say)

    def finish() -> None:
        answer = printed.result()
        if isinstance(answer, Unknown) and answer.absent:
            _without_nft(looking)
            return
        found = live_nft.document(answer) if isinstance(answer, str) else answer
        if isinstance(found, Unknown):
            _from_text(looking, found)
        else:
            _from_json(looking, found)

    return finish


def _nothing() -> None:
    return None


def _from_json(looking: _Looking, items: Sequence[object]) -> None:
    shapes = live_mixed.shapes(items)
    saved = _saved_tables(looking, shapes)
    kept = {key: table for key, table in saved.items() if live_mixed.believed(shapes[key], table)}
    rest = frozenset(live_nft.keys(items)) - set(kept)
    order = {key: place for place, key in enumerate(live_nft.keys(items))}
    native = Ruleset()
    if rest:
        text = said(looking.target, ("nft", "-a", "list", "ruleset"))
        native = live_nft.read(items, text if isinstance(text, str) else "", rest)
        looking.sources.append(Source("nft list ruleset", Backend.NFT))
    tables = [*kept.values(), *(_whole(looking, table, shapes, saved) for table in native.tables)]
    # the kernel asks those first that came last
    tables.sort(key=lambda table: -order.get((table.family.value, table.name), 0))
    looking.parts.append(replace(native, tables=tuple(tables)))


def _saved_tables(looking: _Looking, shapes: Mapping[Key, Shape]) -> dict[Key, Table]:
    """What iptables-nft-save prints of the tables that it made, where asking it loads no module."""
    found: dict[Key, Table] = {}
    plain = all(shape.plain for shape in shapes.values())
    if not plain and holds(looking.target, "nft_compat") is not True:
        return found
    waiting = []
    for number, family in _FAMILIES.items():
        if any(key[0] == family.value and (shape.foreign or shape.plain) for key, shape in shapes.items()):
            program = save_program(looking.target, Backend.NF_TABLES, number)
            if not isinstance(program, Unknown):
                waiting.append((program, family, looking.pool.submit(said, looking.target, (*program, "-c"))))
    for program, family, text in waiting:
        printed = text.result()
        if isinstance(printed, Unknown):
            looking.missed(f"what {program[0]} prints", printed)
            continue
        refused = set(_INCOMPATIBLE.findall(printed))
        ruleset = save.read(printed, family, Backend.NF_TABLES)
        looking.sources.append(Source(" ".join(program), Backend.NF_TABLES, family))
        for table in ruleset.tables:
            key = family.value, table.name
            if table.name not in refused and key in shapes:
                found[key] = table
    return found


def _whole(looking: _Looking, table: Table, shapes: Mapping[Key, Shape], saved: Mapping[Key, Table]) -> Table:
    """A table that nft tells, with those rules that only iptables-nft-save can print."""
    key = table.family.value, table.name
    shape = shapes.get(key)
    if shape is None or not shape.foreign:
        return table
    missing = sum(map(sum, shape.rules.values()))
    if key in saved:
        table, missing = live_mixed.filled(table, shape, saved[key])
    if missing:
        looking.say(f"{missing} rules of iptables-nft in the table {table.family.value} {table.name} can't be read")
    return table


def _from_text(looking: _Looking, why: Unknown) -> None:
    """An nft that has no JSON, or whose JSON is broken."""
    text = said(looking.target, ("nft", "list", "ruleset"))
    if isinstance(text, Unknown):
        looking.missed("nft's tables", text if why.why is not Why.DENIED else why)
        return
    looking.say(f"{complaint(why.reason)}: nft's text is read in its place")
    looking.sources.append(Source("nft list ruleset", Backend.NFT))
    looking.parts.append(live_nft.natives(nft_text.read(text)))


def _without_nft(looking: _Looking) -> None:
    """iptables-nft's own tables, when nobody can tell of others."""
    read = False
    for number, family in _FAMILIES.items():
        program = save_program(looking.target, Backend.NF_TABLES, number)
        if not isinstance(program, Unknown):
            read = True
            _saved(looking, Backend.NF_TABLES, family, f"what {program[0]} prints", None)()
    told = "tables of nft itself can't be seen" if read else "its tables can't be seen"
    looking.say(f"the kernel has nf_tables, and nft is not installed: {told}")


# -- ipsets


def _ipsets(looking: _Looking) -> Callable[[], None]:
    """What ipset prints, where the kernel has sets."""
    there = holds(looking.target, "ip_set")
    if there is False:
        looking.parts.append(Ruleset(ipsets=MappingProxyType({})))
        return _nothing
    if isinstance(there, Unknown):
        return _nothing  # a rule that asks for a set says itself that nobody told of it
    text = looking.pool.submit(said, looking.target, ("ipset", "save"))

    def finish() -> None:
        printed = text.result()
        if isinstance(printed, str):
            ruleset = ipset.read(printed)
            looking.parts.append(ruleset)
            if ruleset.ipsets:
                looking.sources.append(Source("ipset save", Backend.LEGACY))
        elif not printed.absent:
            looking.missed("ipsets", printed)

    return finish
