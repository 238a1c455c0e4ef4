"""Rules of a zone's or a policy's settings: services, ports, forwarded ports, kinds of ICMP, rich rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.firewall.saved import firewalld_chains as chains
from agent.firewall.saved.firewalld_chains import ACCEPT, DROP, REJECT, Chains, Expression, payload
from agent.firewall.saved.firewalld_config import Config
from agent.firewall.saved.firewalld_icmp import TYPES
from agent.firewall.saved.firewalld_objects import Act, Place, RichRule, Service, Settings, Thing
from agent.firewall.saved.firewalld_rich import REJECTS, mark_value
from agent.firewall.saved.firewalld_values import address_family
from agent.firewall.saved.firewalld_values import check_protocol as protocol_name
from agent.firewall.saved.firewalld_xml import Refused

_INCLUDE_LIMIT = 200


@dataclass(frozen=True)
class Names:
    """The chains that take the rules: "IN_public" of filter, and so on; "" where there is none."""

    filter: str = ""
    nat_in: str = ""  # destinations, ports
    nat_out: str = ""  # sources
    mangle: str = ""
    label: str = ""  # in the prefix of what is logged


def apply(config: Config, table: Chains, names: Names, settings: Settings) -> None:
    """Adds all rules in the order in which firewalld does."""
    builder = _Builder(config, table, names, settings.icmp_inversion)
    for name in settings.services:
        builder.service(name, None, [name])
    for number, protocol in settings.ports:
        builder.accept([payload(protocol, "dport", chains.port(number))])
    if settings.masquerade:
        builder.masquerade([chains.meta("nfproto", "ipv4")], "allow", None)
    for item in settings.forward_ports:
        family = address_family(item.to_address) or "ipv4"
        builder.forward([chains.meta("nfproto", family)], item, "allow", None)
    for number, protocol in settings.source_ports:
        builder.accept([payload(protocol, "sport", chains.port(number))])
    for name in settings.icmp_blocks:
        builder.icmp_block(name)
    rules = sorted(settings.rules, key=_order) if config.version >= (2, 0) else settings.rules
    for rule in rules:
        builder.rich(rule)
    for name in settings.protocols:
        builder.accept([chains.meta("l4proto", name)])


@dataclass(frozen=True)
class _Builder:
    config: Config
    table: Chains
    names: Names
    inversion: bool

    def accept(self, tests: Sequence[Expression]) -> None:
        self.table.add(f"filter_{self.names.filter}_allow", [*tests, ACCEPT])

    def service(self, name: str, rule: RichRule | None, included: list[str]) -> None:
        """With what it includes, once each and before itself."""
        found = self.config.service(name)
        if len(included) > _INCLUDE_LIMIT:
            raise Refused(f"the service {name} and others include more than {_INCLUDE_LIMIT}")
        for other in found.includes:
            if other not in included:
                included.append(other)
                self.service(other, rule, included)
        families = [rule.family] if rule and rule.family else ["ipv4", "ipv6"]
        addresses: list[str] = []
        if found.destination:
            if rule and rule.destination:
                raise Refused(f"a rich rule with a destination, and the service {name} has one too")
            addresses = [text for family, text in sorted(found.destination) if family in families]
        for text in addresses if found.destination else [""]:
            tests = [chains.address(self.config, "daddr", text)] if text else []
            if rule is None or (rule.action and rule.action.kind == "accept"):
                self._helpers(found, tests)
            for number, protocol in found.ports:
                self._test(rule, tests, payload(protocol, "dport", chains.port(number)))
            for protocol in found.protocols:
                self._test(rule, tests, chains.meta("l4proto", protocol))
            for number, protocol in found.source_ports:
                self._test(rule, tests, payload(protocol, "sport", chains.port(number)))

    def _test(self, rule: RichRule | None, tests: Sequence[Expression], last: Expression) -> None:
        if rule is None:
            self.accept([*tests, last])
        else:
            self._acts(rule, [*tests, *self._places(rule), last])

    def _helpers(self, found: Service, tests: Sequence[Expression]) -> None:
        """They only watch connections for further ones, which then are "related"."""
        names = {name: name for name in found.helpers}
        for module in found.modules:
            short = module.removeprefix("nf_conntrack_").replace("_", "-")
            names[short] = short
        for name in sorted(names):
            if name not in self.config.helpers:
                raise Refused(f"no helper {name}")
            helper = self.config.helpers[name]
            for number, protocol in helper.ports:
                key = f"helper-{helper.name}-{protocol}"
                self.table.helpers[key] = {"type": helper.short, "protocol": protocol, "l3proto": "inet"}
                rule = [*tests, payload(protocol, "dport", chains.port(number)), {"ct helper": key}]
                self.table.add(f"filter_{self.names.filter}_allow", rule)

    def masquerade(self, tests: Sequence[Expression], suffix: str, of: RichRule | None) -> None:
        rule = [*tests, chains.meta("oifname", "lo", "!="), {"masquerade": None}]
        self.table.add(f"nat_{self.names.nat_out}_{suffix}", rule, _key(of), _of(of))

    def forward(self, tests: Sequence[Expression], item: Thing, suffix: str, of: RichRule | None) -> None:
        tests = [*tests, payload(item.protocol, "dport", chains.port(item.name))]
        target: dict[str, chains.Json] = {}
        if item.to_address:
            target["family"] = "ip" if address_family(item.to_address) == "ipv4" else "ip6"
            target["addr"] = item.to_address
        if item.to_port:
            target["port"] = chains.port(item.to_port)
        action: Expression = {"dnat": target} if item.to_address else {"redirect": target}
        self.table.add(f"nat_{self.names.nat_in}_{suffix}", [*tests, action], _key(of), _of(of))

    def icmp_block(self, name: str) -> None:
        for family in self._families(name):
            tests = self._icmp(family, name)
            if self.inversion:
                self.accept(tests)
                continue
            chain = f"filter_{self.names.filter}_deny"
            if self.table.log_denied != "off":
                log = self.table.log(f"{self.names.label}_ICMP_BLOCK: ")
                self.table.add(chain, [*tests, *log])
            self.table.add(chain, [*tests, REJECT])

    def rich(self, rule: RichRule) -> None:
        tests, element = self._places(rule), rule.element
        source = self._source_family(rule)
        if source and rule.family and source != rule.family:
            raise Refused("a rich rule whose source is of another family than the rule")
        if element is None:
            self._acts(rule, tests)
        elif element.kind == "service":
            self.service(element.name, rule, [element.name])
        elif element.kind == "port":
            self._acts(rule, [*tests, payload(element.protocol, "dport", chains.port(element.name))])
        elif element.kind == "source-port":
            self._acts(rule, [*tests, payload(element.protocol, "sport", chains.port(element.name))])
        elif element.kind == "protocol":
            self._acts(rule, [*tests, chains.meta("l4proto", protocol_name(element.name))])
        elif element.kind == "masquerade":
            self.masquerade(tests, _suffix(rule), rule)
        elif element.kind == "forward-port":
            self.forward(tests, element, _suffix(rule), rule)
        elif element.kind == "tcp-mss-clamp":
            self._clamp(tests, element, rule)
        else:
            self._rich_icmp(rule, element, source)

    def _rich_icmp(self, rule: RichRule, element: Thing, source: str) -> None:
        families = self._families(element.name)
        wanted = rule.family or source
        if rule.family and rule.family not in families:
            raise Refused(f"a rich rule of {rule.family} for {element.name}, which doesn't exist there")
        for family in [wanted] if wanted else families:
            tests = [*self._places(rule, without_family=True), *self._icmp(family, element.name)]
            self._acts(rule, tests)
            if rule.action is None and element.kind == "icmp-block":
                self.table.add(f"filter_{self.names.filter}_{_suffix(rule)}", [*tests, REJECT], _key(rule), _of(rule))

    def _clamp(self, tests: Sequence[Expression], element: Thing, rule: RichRule) -> None:
        syn = chains.match({"payload": {"protocol": "tcp", "field": "flags"}}, "syn", "in")
        value: chains.Json = {"rt": {"key": "mtu"}} if element.name == "pmtu" else int(element.name)
        change: Expression = {"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": value}}
        self.table.add(f"filter_{self.names.filter}_{_suffix(rule)}", [*tests, syn, change])

    def _acts(self, rule: RichRule, tests: Sequence[Expression]) -> None:
        """The rules that log, and then the one that acts."""
        for log in (rule.log, rule.audit):
            if log is not None:
                suffix = "log" if rule.priority == 0 else _suffix(rule)
                chain = f"filter_{self.names.filter}_{suffix}"
                self.table.add(chain, [*tests, *_limit(log), _log(log)], _key(rule), _of(rule))
        if rule.action is None:
            return
        chain = f"filter_{self.names.filter}_{_suffix(rule)}"
        if rule.action.kind == "mark":
            chain = f"mangle_{self.names.mangle}_{_suffix(rule)}"
        self.table.add(chain, [*tests, *_limit(rule.action), _action(rule.action, tests)], _key(rule), _of(rule))

    def _places(self, rule: RichRule, without_family: bool = False) -> list[Expression]:
        """nft leaves the family out where an address tells it."""
        found: list[Expression] = []
        for place, side in ((rule.destination, "daddr"), (rule.source, "saddr")):
            if place is not None:
                found.append(chains.address(self.config, side, _text(place), place.negated))
        told = any(place and (place.address or place.ipset) for place in (rule.source, rule.destination))
        if rule.family and not told and not without_family:
            found.insert(0, chains.meta("nfproto", rule.family))
        return found

    def _source_family(self, rule: RichRule) -> str:
        return chains.family_of(self.config, _text(rule.source)) if rule.source and not rule.source.mac else ""

    def _families(self, name: str) -> Sequence[str]:
        if name not in self.config.icmp_types:
            raise Refused(f"no kind of ICMP {name}")
        return self.config.icmp_types[name]

    def _icmp(self, family: str, name: str) -> list[Expression]:
        found = TYPES[family].get(name)
        if found is None:
            raise Refused(f"the kind of ICMP {name} is not known for {family}")
        return chains.icmp("icmp" if family == "ipv4" else "icmpv6", *found)


def _text(place: Place) -> str:
    return place.address or place.mac or f"ipset:{place.ipset}"


def _suffix(rule: RichRule) -> str:
    if rule.priority:
        return "pre" if rule.priority < 0 else "post"
    kind = rule.element.kind if rule.element else ""
    refuses = kind == "icmp-block" or (rule.action is not None and rule.action.kind in ("reject", "drop"))
    return "deny" if refuses else "allow"


def _key(rule: RichRule | None) -> tuple[int, ...] | None:
    return (rule.priority,) if rule and rule.priority else None


def _of(rule: RichRule | None) -> str:
    return f"rich {rule.family}" if rule else ""


def _limit(act: Act) -> list[Expression]:
    if not act.limit:
        return []
    rate, _, per = act.limit.partition("/")
    return [{"limit": {"rate": int(rate), "burst": 5, "per": per}}]


def _log(act: Act) -> Expression:
    if act.kind == "audit":
        return {"log": {"level": "audit"}}
    found: dict[str, chains.Json] = {"prefix": act.prefix} if act.prefix else {}
    if act.kind == "nflog":
        found["group"] = int(act.group or 0)
    elif act.value:
        found["level"] = {"warning": "warn", "error": "err"}.get(act.value, act.value)
    return {"log": found or None}


def _action(act: Act, tests: Sequence[Expression]) -> Expression:
    if act.kind == "reject":
        kind, answer = REJECTS[act.value] if act.value else (_reject_of(tests), "port-unreachable")
        return {"reject": {"type": kind, "expr": answer} if answer else {"type": kind}}
    if act.kind == "mark":
        value, slash, mask = act.value.partition("/")
        mark: chains.Json = {"meta": {"key": "mark"}}
        kept: chains.Json = {"^": [{"&": [mark, mark_value(mask)]}, mark_value(value)]} if slash else mark_value(value)
        return {"mangle": {"key": mark, "value": kept}}
    return ACCEPT if act.kind == "accept" else DROP


def _reject_of(tests: Sequence[Expression]) -> str:
    """The ICMP with which nft rejects by itself: that of the packet's family, where the rule's tests tell it."""
    text = repr(tests)
    if "'protocol': 'ip'" in text or "'protocol': 'icmp'" in text or "'ipv4'" in text:
        return "icmp"
    return "icmpv6" if "'protocol': 'ip6'" in text or "'icmpv6'" in text or "'ipv6'" in text else "icmpx"


def _order(rule: RichRule) -> tuple[object, ...]:
    """firewalld 2 applies rich rules in an order of its own: by priority, family, source, destination, element."""
    source, destination, element = rule.source or Place(), rule.destination or Place(), rule.element or Thing("")
    return (
        rule.priority,
        rule.family,
        (source.address, source.mac, source.ipset, source.negated),
        (destination.address, destination.ipset, destination.negated),
        (element.kind, element.name, element.protocol, element.to_port, element.to_address),
    )
