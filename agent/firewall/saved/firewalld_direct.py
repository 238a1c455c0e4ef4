"""firewalld's direct rules (firewalld.direct(5)): rules that it hands to iptables, beside its own table in nft."""

from __future__ import annotations

from agent.firewall.model import Backend, Family, Problem, Ruleset, together
from agent.firewall.saved.firewalld_config import WRITTEN
from agent.firewall.saved.firewalld_xml import Element, Refused, parse
from agent.firewall.xtables import save
from agent.firewall.xtables.tables import TABLES, base
from agent.target import Target
from agent.unknown import Unknown

_PATH = f"{WRITTEN}/direct.xml"
_FAMILIES = {"ipv4": Family.IP, "ipv6": Family.IP6}
_BUILT_IN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")


def direct(target: Target) -> Ruleset:
    """The rules as iptables holds them afterwards. Raises Refused where they can't be told."""
    data = target.read(_PATH)
    if isinstance(data, Unknown):
        if data.absent:
            return Ruleset()
        raise Refused(data.reason)
    try:
        root = parse(data)
    except Refused as error:
        return Ruleset(problems=(Problem(0, _PATH, f"{error}: firewalld goes on without it"),))
    tables = _Tables()
    for wanted in ("chain", "rule", "passthrough"):  # in this order, whatever the file's
        for child in root.children:
            if child.name == wanted:
                _take(tables, child)
    link = target.readlink("/etc/alternatives/iptables")
    legacy = not isinstance(link, Unknown) and "legacy" in link
    flavour = Backend.LEGACY if legacy else Backend.NF_TABLES
    return together(*(save.read(text, _FAMILIES[name], flavour) for name, text in tables.texts()))


class _Tables:
    """Rules by family, table and chain, and how many of each priority stand in each chain."""

    def __init__(self) -> None:
        self.rules: dict[tuple[str, str], dict[str, list[str]]] = {}
        self.places: dict[tuple[str, str, str], list[int]] = {}

    def chain(self, family: str, table: str, name: str) -> list[str]:
        if (family, table) not in self.rules:
            self.rules[family, table] = {item: [] for item in _BUILT_IN if base(table, item)}
        return self.rules[family, table].setdefault(name, [])

    def insert(self, family: str, table: str, name: str, priority: int, rule: str) -> None:
        """firewalld counts the rules of INPUT and of INPUT_direct apart, and puts both into INPUT."""
        before = self.places.setdefault((family, table, name), [])
        index = sum(1 for other in before if other <= priority)
        before.append(priority)
        plain = name.removesuffix("_direct")
        self.chain(family, table, plain if plain in _BUILT_IN else name).insert(index, rule)

    def texts(self) -> list[tuple[str, str]]:
        """As iptables-save prints them."""
        found = []
        for (family, table), chains in self.rules.items():
            lines = [f":{name} {'ACCEPT' if base(table, name) else '-'} [0:0]" for name in chains]
            lines += [f"-A {name} {rule}" for name, rules in chains.items() for rule in rules]
            found.append((family, "\n".join([f"*{table}", *lines, "COMMIT\n"])))
        return found


def _take(tables: _Tables, element: Element) -> None:
    family, table = element.attributes.get("ipv", ""), element.attributes.get("table", "filter")
    if family == "eb":
        return  # frames on a bridge
    name = element.attributes.get("chain", "")
    if element.name == "passthrough" or family not in _FAMILIES or table not in TABLES or not name:
        raise Refused(f"{_PATH}, line {element.line}: {element.name} is not read here")
    if len(name.split()) != 1 or len(name) > 64:
        raise Refused(f"{_PATH}, line {element.line}: the chain's name")
    if element.name == "chain":
        tables.chain(family, table, name)
        return
    priority = element.attributes.get("priority", "").strip()
    if not priority.lstrip("+-").isdecimal() or len(priority) > 10:
        raise Refused(f"{_PATH}, line {element.line}: priority {priority}")
    rule = " ".join(element.text.split())
    tables.insert(family, table, name, int(priority), rule)
