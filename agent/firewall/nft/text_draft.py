"""The rule-set while its text is read: commands add to it and take away from it, as in the kernel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.firewall.nft.text_tree import Kinds, NotNft

Json = dict[str, object]


@dataclass
class ChainDraft:
    json: Json
    rules: list[Json] = field(default_factory=list)


@dataclass
class SetDraft:
    """A set or a map (``word``); its elements by their keys, as text."""

    word: str
    json: Json
    kinds: Kinds = ("",)
    data: Kinds = ("",)
    elements: dict[str, object] = field(default_factory=dict)

    def add(self, elements: list[object]) -> None:
        for element in elements:
            self.elements[_key(element)] = element

    def remove(self, elements: list[object]) -> bool:
        """False where one was not there."""
        missing = [element for element in elements if self.elements.pop(_key(element), self) is self]
        return not missing


def _key(element: object) -> str:
    if isinstance(element, list) and element:
        element = element[0]
    if isinstance(element, dict) and isinstance(element.get("elem"), dict):
        element = element["elem"]["val"]
    return element if isinstance(element, str) else json.dumps(element)


@dataclass
class TableDraft:
    """``objects`` are counters, quotas, limits, helpers and the like, by their kind and name."""

    family: str
    name: str
    json: Json
    chains: dict[str, ChainDraft] = field(default_factory=dict)
    sets: dict[str, SetDraft] = field(default_factory=dict)
    flowtables: dict[str, Json] = field(default_factory=dict)
    objects: dict[tuple[str, str], Json] = field(default_factory=dict)
    filled: dict[str, ChainDraft] = field(default_factory=dict)  # chains that have rules
    number: int = 0

    def heading(self, name: str) -> Json:
        """What every object within the table begins with."""
        return {"family": self.family, "name": name, "table": self.name}

    def append(self, chain: ChainDraft, rule: Json) -> None:
        self.insert(chain, len(chain.rules), rule)

    def insert(self, chain: ChainDraft, at: int, rule: Json) -> None:
        chain.rules.insert(at, rule)
        self.filled[str(chain.json["name"])] = chain

    def flush(self) -> None:
        """Take all rules away."""
        for chain in self.filled.values():
            chain.rules.clear()
        self.filled.clear()

    def chain(self, name: str) -> ChainDraft:
        if name not in self.chains:
            raise NotNft(f"there is no chain {name}")
        return self.chains[name]

    def set(self, name: str) -> SetDraft:
        if name not in self.sets:
            raise NotNft(f"there is no set {name}")
        return self.sets[name]


@dataclass
class Draft:
    """Tables by their family and name."""

    tables: dict[str, dict[str, TableDraft]] = field(default_factory=dict)
    made: int = 0  # tables, ever
    doubt: Json = field(default_factory=dict)  # a command that wasn't understood
    renamed: int = 0  # chains, ever

    def find(self, family: str, name: str) -> TableDraft | None:
        return self.tables.get(family, {}).get(name)

    def table(self, family: str, name: str, create: bool = False) -> TableDraft:
        found = self.find(family, name)
        if found is None:
            if not create:
                raise NotNft(f"there is no table {family} {name}")
            self.made += 1
            found = TableDraft(family, name, {"family": family, "name": name}, number=self.made)
            self.tables.setdefault(family, {})[name] = found
        return found

    def delete(self, family: str, name: str) -> None:
        if self.tables.get(family, {}).pop(name, None) is None:
            raise NotNft(f"there is no table {family} {name}")

    def flush(self, family: str) -> None:
        """All tables, or those of a family."""
        if family:
            self.tables.pop(family, None)
        else:
            self.tables.clear()

    def rows(self) -> Iterator[Json]:
        """Everything, in nft's order: of each table its objects, sets, flowtables and chains; then its rules."""
        tables = [table for family in self.tables.values() for table in family.values()]
        for table in sorted(tables, key=lambda table: table.number):
            yield {"table": table.json}
            for (word, _), json_of in table.objects.items():
                yield {word: json_of}
            for item in table.sets.values():
                elements: Json = {"elem": list(item.elements.values())} if item.elements else {}
                yield {item.word: {**item.json, **elements}}
            for json_of in table.flowtables.values():
                yield {"flowtable": json_of}
            for chain in table.chains.values():
                if self.doubt:
                    chain.json.setdefault("lish_unknown", self.doubt)
                yield {"chain": chain.json}
            for chain in table.chains.values():
                for rule in chain.rules:
                    yield {"rule": rule}
