"""Rich rules: from their XML, with the checks that firewalld makes (firewalld.richlanguage(5))."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from agent.firewall.saved.firewalld_objects import Act, Place, RichRule, Thing
from agent.firewall.saved.firewalld_values import address_family, check_port, check_protocol, is_mac
from agent.firewall.saved.firewalld_xml import Element, Refused

_ELEMENTS = (
    "service", "port", "protocol", "source-port", "icmp-block", "icmp-type", "masquerade", "forward-port",
    "tcp-mss-clamp",
)  # fmt: skip
_ACTIONS = ("accept", "reject", "drop", "mark")
_WITHOUT_ACTION = ("icmp-block", "masquerade", "forward-port", "tcp-mss-clamp")
_LEVELS = ("", "emerg", "alert", "crit", "error", "warning", "notice", "info", "debug")
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
REJECTS = {  # as nft prints them; the short names are iptables' own
    "icmp-host-prohibited": ("icmp", "host-prohibited"),
    "host-prohib": ("icmp", "host-prohibited"),
    "icmp-net-prohibited": ("icmp", "net-prohibited"),
    "net-prohib": ("icmp", "net-prohibited"),
    "icmp-admin-prohibited": ("icmp", "admin-prohibited"),
    "admin-prohib": ("icmp", "admin-prohibited"),
    "icmp6-adm-prohibited": ("icmpv6", "admin-prohibited"),
    "adm-prohibited": ("icmpv6", "admin-prohibited"),
    "icmp-net-unreachable": ("icmp", "net-unreachable"),
    "net-unreach": ("icmp", "net-unreachable"),
    "icmp-host-unreachable": ("icmp", "host-unreachable"),
    "host-unreach": ("icmp", "host-unreachable"),
    "icmp-port-unreachable": ("icmp", "port-unreachable"),
    "icmp6-port-unreachable": ("icmpv6", "port-unreachable"),
    "port-unreach": ("icmpx", "port-unreachable"),
    "icmp-proto-unreachable": ("icmp", "prot-unreachable"),
    "proto-unreach": ("icmp", "prot-unreachable"),
    "icmp6-addr-unreachable": ("icmpv6", "addr-unreachable"),
    "addr-unreach": ("icmpv6", "addr-unreachable"),
    "icmp6-no-route": ("icmpv6", "no-route"),
    "no-route": ("icmpv6", "no-route"),
    "tcp-reset": ("tcp reset", ""),
    "tcp-rst": ("tcp reset", ""),
}


class _Nonsense(Exception):
    """firewalld leaves this rule out."""


def read_rule(element: Element, note: Callable[[int, str], None]) -> RichRule | None:
    """The rule, or None where firewalld ignores it (which the note says)."""
    try:
        rule = _rule(element)
        _check(rule)
    except _Nonsense as error:
        note(element.line, f"firewalld ignores this rich rule: {error}")
        return None
    return rule


def _rule(element: Element) -> RichRule:
    family = element.attributes.get("family", "")
    if family not in ("", "ipv4", "ipv6"):
        raise _Nonsense(f"family {family}")
    priority = element.attributes.get("priority", "0").strip()
    if not priority.lstrip("+-").isdecimal() or len(priority) > 6:
        raise Refused(f"line {element.line}: priority {priority} is no number")
    rule = RichRule(family, int(priority))
    for child in element.children:
        given = child.attributes
        if child.name == "source":
            _single(rule.source, child)
            rule = replace(rule, source=_place(child))
        elif child.name == "destination":
            if rule.destination is None:  # more of them are passed over, and the rule stays
                rule = replace(rule, destination=_place(child))
        elif child.name in _ELEMENTS:
            _single(rule.element, child)
            rule = replace(rule, element=_thing(child))
        elif child.name in _ACTIONS:
            _single(rule.action, child)
            value = given.get("type", "") if child.name == "reject" else given.get("set", "")
            rule = replace(rule, action=Act(child.name, value, limit=_limit(child)))
        elif child.name in ("log", "nflog"):
            if rule.log is None:
                rule = replace(rule, log=_log(child))
        elif child.name == "audit":
            _single(rule.audit, child)
            rule = replace(rule, audit=Act("audit", limit=_limit(child)))
        else:
            raise Refused(f"line {child.line}: {child.name} in a rich rule")
    return rule


def _single(already: object, child: Element) -> None:
    if already is not None:
        raise _Nonsense(f"a second {child.name}")


def _place(child: Element) -> Place:
    given = child.attributes
    negated = given.get("invert", "").lower() in ("yes", "true")
    return Place(given.get("address", ""), given.get("mac", ""), given.get("ipset", ""), negated)


def _thing(child: Element) -> Thing:
    given = child.attributes
    if child.name in ("port", "source-port", "forward-port"):
        to = (given.get("to-port", ""), given.get("to-addr", ""))
        return Thing(child.name, given["port"], given["protocol"], *to)
    if child.name == "tcp-mss-clamp":
        return Thing(child.name, given.get("value", "pmtu"))
    return Thing(child.name, given.get("name", given.get("value", "")))


def _log(child: Element) -> Act:
    given = child.attributes
    level, prefix = given.get("level", ""), given.get("prefix", "")
    if level not in _LEVELS or len(prefix) > 127 or ("prefix" in given and not prefix):
        raise _Nonsense("the log's level or prefix")
    for name in ("group", "queue-size"):
        if name in given and not (given[name].isdecimal() and len(given[name]) < 6 and int(given[name]) <= 65535):
            raise _Nonsense(f"the log's {name}")
    return Act(child.name, level, prefix, given.get("group", ""), given.get("queue-size", ""), _limit(child))


def _limit(child: Element) -> str:
    """As in "10/second", or "" for none."""
    limits = [inner.attributes.get("value", "") for inner in child.children if inner.name == "limit"]
    if not limits:
        return ""
    if len(limits) > 1:
        raise _Nonsense("a second limit")
    rate, _, per = limits[0].partition("/")
    if per in _PER.values():
        per = per[0]
    if per not in _PER or not rate.isdecimal() or len(rate) > 9 or int(rate) < 1 or (rate, per) == ("1", "d"):
        raise _Nonsense(f"limit {limits[0]}")
    return f"{int(rate)}/{_PER[per]}"


def _check(rule: RichRule) -> None:
    kind = rule.element.kind if rule.element else ""
    if not -32768 <= rule.priority <= 32767:
        raise _Nonsense(f"priority {rule.priority}")
    if not rule.family and (
        (rule.source and rule.source.address) or rule.destination is not None or kind == "forward-port"
    ):
        raise _Nonsense("no family")
    if not kind and (rule.log is None or rule.priority == 0):
        if rule.action is None:
            raise _Nonsense("no element, no action")
        if rule.source is None and rule.destination is None and rule.priority == 0:
            raise _Nonsense("no element, no source, no destination")
    if kind not in _WITHOUT_ACTION and not (rule.log or rule.audit or rule.action):
        raise _Nonsense("no action, no log, no audit")
    for place in (rule.source, rule.destination):
        if place is not None:
            _check_place(place, rule.family)
    if kind == "masquerade" and (rule.action or (rule.source and rule.source.mac)):
        raise _Nonsense("masquerade with an action or a hardware address")
    if kind in ("icmp-block", "forward-port", "tcp-mss-clamp") and rule.action:
        raise _Nonsense(f"{kind} with an action")
    if rule.element is not None:
        _check_element(rule.element, rule.family)
    if rule.action is not None:
        _check_action(rule.action)


def _check_place(place: Place, family: str) -> None:
    given = [text for text in (place.address, place.mac, place.ipset) if text]
    if len(given) != 1:
        raise _Nonsense("a source or destination that is not one of address, mac and ipset")
    if place.address and address_family(place.address) != family:
        raise _Nonsense(f"{place.address} is no {family} address")
    if place.mac and not is_mac(place.mac):
        raise _Nonsense(f"{place.mac} is no hardware address")


def _check_element(element: Thing, family: str) -> None:
    try:
        if element.kind in ("port", "source-port", "forward-port"):
            check_port(element.name)
            if element.protocol not in ("tcp", "udp", "sctp", "dccp"):
                raise _Nonsense(f"protocol {element.protocol}")
        elif element.kind == "protocol":
            check_protocol(element.name)
    except Refused as error:
        raise _Nonsense(str(error)) from None
    if element.kind == "forward-port":
        if not element.to_port and not element.to_address:
            raise _Nonsense("forward-port without to-port and to-addr")
        if element.to_address and (address_family(element.to_address) != family or "/" in element.to_address):
            raise _Nonsense(f"to-addr {element.to_address}")
    if element.kind == "tcp-mss-clamp" and not _clamps(element.name):
        raise _Nonsense(f"tcp-mss-clamp {element.name}")


def _clamps(size: str) -> bool:
    return size == "pmtu" or (size.isdecimal() and len(size) < 6 and int(size) >= 536)


def _check_action(action: Act) -> None:
    if action.kind == "reject" and action.value and action.value not in REJECTS:
        raise _Nonsense(f"reject type {action.value}")
    if action.kind == "mark":
        for number in action.value.split("/", 1):
            mark_value(number)


def mark_value(text: str) -> int:
    """A mark or its mask, decimal or with 0x."""
    try:
        value = int(text, 16 if text.lower().startswith("0x") else 10)
    except ValueError:
        raise _Nonsense(f"mark {text}") from None
    if not 0 <= value < 1 << 32:
        raise _Nonsense(f"mark {text}")
    return value
