"""The nft table that firewalld builds, as nft -j lists it: chains that grow, and the expressions of rules."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.firewall.saved.firewalld_config import Config
from agent.firewall.saved.firewalld_objects import Ipset
from agent.firewall.saved.firewalld_values import address_family, check_port, is_mac, port_range
from agent.firewall.saved.firewalld_xml import Refused

Json = object  # what json.dumps takes
Expression = Mapping[str, Json]
SUFFIXES = ("pre", "log", "deny", "allow", "post")
_RULE_LIMIT = 200_000

REJECT: Expression = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
ACCEPT: Expression = {"accept": None}
DROP: Expression = {"drop": None}
RETURN: Expression = {"return": None}


def jump(chain: str) -> Expression:
    return {"jump": {"target": chain}}


def match(left: Json, right: Json, op: str = "==") -> Expression:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str, right: Json, op: str = "==") -> Expression:
    return match({"meta": {"key": key}}, right, op)


def payload(protocol: str, name: str, right: Json, op: str = "==") -> Expression:
    return match({"payload": {"protocol": protocol, "field": name}}, right, op)


def port(text: str) -> Json:
    low, high = port_range(text)
    return low if low == high else {"range": [low, high]}


def interface(key: str, name: str) -> list[Expression]:
    """``key`` is iifname or oifname; a + at the end is iptables' wildcard, and alone it means every interface."""
    name = name[:-1] + "*" if name.endswith("+") else name
    return [] if name == "*" else [meta(key, name)]


def address(config: Config, name: str, text: str, negated: bool = False) -> Expression:
    """``name`` is saddr or daddr; ``text`` an address, a network, a hardware address or ipset:NAME."""
    op = "!=" if negated else "=="
    if text.startswith("ipset:"):
        return _in_set(text[6:], config.ipset(text[6:]), name, op)
    if is_mac(text):
        return payload("ether", name, text.lower(), op)
    return payload("ip" if address_family(text) == "ipv4" else "ip6", name, _network(text), op)


def family_of(config: Config, text: str) -> str:
    """The family of a source, "" where it is of both."""
    if text.startswith("ipset:"):
        found = config.ipset(text[6:])
        return "" if found.type == "hash:mac" else "ipv6" if found.six else "ipv4"
    return address_family(text)


def icmp(protocol: str, kind: str, code: int | None) -> list[Expression]:
    found = [payload(protocol, "type", kind)]
    return found if code is None else [*found, payload(protocol, "code", code)]


def _network(text: str) -> Json:
    found = ipaddress.ip_network(text, strict=False)
    if found.prefixlen == found.max_prefixlen:
        return str(found.network_address)
    return {"prefix": {"addr": str(found.network_address), "len": found.prefixlen}}


def _in_set(name: str, found: Ipset, side: str, op: str) -> Expression:
    protocol = "ether" if found.type == "hash:mac" else "ip6" if found.six else "ip"
    keys: list[Json] = []
    for part in found.parts:
        if part == "port":
            keys.append({"meta": {"key": "l4proto"}})
            keys.append({"payload": {"protocol": "th", "field": "dport" if side == "daddr" else "sport"}})
        elif part == "iface":
            keys.append({"meta": {"key": "iifname" if side == "daddr" else "oifname"}})
        elif part == "mark":
            keys.append({"meta": {"key": "mark"}})
        else:
            keys.append({"payload": {"protocol": protocol, "field": side}})
    return match(keys[0] if len(keys) == 1 else {"concat": keys}, f"@{name}", op)


@dataclass
class _Chain:
    base: Mapping[str, Json] | None = None
    rules: list[list[Expression]] = field(default_factory=list)
    keys: list[tuple[int, ...]] = field(default_factory=list)  # by which some rules are sorted; () for others
    seen: set[str] = field(default_factory=set)


@dataclass
class Chains:
    """The table as it grows. A rule that stands in its chain already is not added again, as firewalld does."""

    log_denied: str = "off"
    chains: dict[str, _Chain] = field(default_factory=dict)
    helpers: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    count: int = 0

    def base(self, name: str, kind: str, hook: str, priority: int) -> None:
        found = {"type": kind, "hook": hook, "prio": priority, "policy": "accept"}
        self.chains.setdefault(name, _Chain(found))

    def chain(self, name: str) -> None:
        self.chains.setdefault(name, _Chain())

    def add(self, chain: str, rule: Sequence[Expression], key: tuple[int, ...] | None = None, of: str = "") -> None:
        """At the end of the chain; with a key behind the rules with keys that are not larger. ``of`` tells rules apart
        that only look the same to nft: firewalld adds both."""
        found = self.chains.get(chain)
        if found is None:
            raise Refused(f"a rule for the chain {chain}, which is not there")
        self.count += 1
        if self.count > _RULE_LIMIT:
            raise Refused(f"more than {_RULE_LIMIT} rules")
        mark = repr((rule, key, of))
        if mark in found.seen:
            return
        found.seen.add(mark)
        place = len(found.rules) if key is None else bisect_right(found.keys, key)
        found.rules.insert(place, list(rule))
        if key is not None:
            found.keys.insert(place, key)

    def log(self, prefix: str) -> list[Expression]:
        """What stands in a rule that logs a packet before it is refused."""
        name = "host" if self.log_denied == "unicast" else self.log_denied  # as nft calls it
        kind: list[Expression] = [] if name == "all" else [meta("pkttype", name)]
        return [*kind, {"log": {"prefix": prefix}}]

    def listing(self, config: Config) -> dict[str, Json]:
        """As nft -j list ruleset prints it."""
        where = {"family": "inet", "table": "firewalld"}
        found: list[Json] = [{"table": {"family": "inet", "name": "firewalld"}}]
        found += [{"set": {**where, "name": name, **_set(name, item)}} for name, item in config.ipsets.items()]
        found += [{"ct helper": {**where, "name": name, **item}} for name, item in self.helpers.items()]
        found += [{"chain": {**where, "name": name, **(chain.base or {})}} for name, chain in self.chains.items()]
        handle = 0
        for name, chain in self.chains.items():
            for rule in chain.rules:
                handle += 1
                found.append({"rule": {**where, "chain": name, "handle": handle, "expr": rule}})
        return {"nftables": found}


_KEYS = {"ip": "", "net": "", "mac": "ether_addr", "mark": "mark", "iface": "ifname"}


def _set(name: str, item: Ipset) -> dict[str, Json]:
    types: list[str] = []
    for part in item.parts:
        if part == "port":
            types += ["inet_proto", "inet_service"]
        elif part in _KEYS:
            types.append(_KEYS[part] or ("ipv6_addr" if item.six else "ipv4_addr"))
        else:
            raise Refused(f"ipset {name}: its type {item.type} is not known here")
    timeout = dict(item.options).get("timeout", "0")
    if not timeout.isdecimal() or len(timeout) > 9:
        raise Refused(f"ipset {name}: timeout {timeout}")
    elements = [] if int(timeout) else [_element(name, item, entry) for entry in item.entries]
    found: dict[str, Json] = {"type": types[0] if len(types) == 1 else types}
    if any(part in ("ip", "net", "port") for part in item.parts):
        found["flags"] = ["interval"]
    if int(timeout):
        found["timeout"] = int(timeout)
    if elements:
        found["elem"] = elements
    return found


def _element(name: str, item: Ipset, entry: str) -> Json:
    tokens = entry.split(",")
    if len(tokens) != len(item.parts):
        raise Refused(f"ipset {name}: entry {entry} doesn't fit its type")
    found: list[Json] = []
    for part, token in zip(item.parts, tokens):
        if part == "port":
            protocol, colon, number = token.rpartition(":")
            found += [protocol if colon else "tcp", port(check_port(number))]
        elif part in ("ip", "net"):
            if address_family(token) != ("ipv6" if item.six else "ipv4"):
                raise Refused(f"ipset {name}: {token} is no address of its family")
            found.append(_network(token))
        elif part == "mac" and not is_mac(token):
            raise Refused(f"ipset {name}: {token} is no hardware address")
        else:
            found.append(token.lower() if part == "mac" else token)
    return found[0] if len(found) == 1 else {"concat": found}
