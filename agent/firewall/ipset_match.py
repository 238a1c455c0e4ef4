"""Is a packet in an ipset? Which of its fields make the key, the set's type and the rule's directions say.

Sources: man ipset, SET TYPES; net/netfilter/ipset/ip_set_core.c and ip_set_hash_gen.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

from agent.firewall.expression import InIpset
from agent.firewall.fields import Field, Protocol, Value
from agent.firewall.sets import Set, lookup
from agent.unknown import Unknown, Why

Truth = Union[bool, Unknown]
Fields = Mapping[Field, Value]

_DEEPEST = 8  # a list:set may hold no list:set, so 2 would do

_PORTS = (Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.UDPLITE)

_BY_DIRECTION = {
    "ip": {"src": Field.SOURCE, "dst": Field.DESTINATION},
    "net": {"src": Field.SOURCE, "dst": Field.DESTINATION},
    "iface": {"src": Field.INPUT, "dst": Field.OUTPUT},
    "mac": {"src": Field.SOURCE_MAC},
    "mark": {"src": Field.MARK, "dst": Field.MARK},
}


def holds(expression: InIpset, fields: Fields, ipsets: Mapping[str, Set], depth: int = 0) -> Truth:
    """True, False, or Unknown: as xt_set answers."""
    found = ipsets.get(expression.set)
    if found is None:
        return Unknown(f"there is no ipset {expression.set} among those that were read", Why.ABSENT)
    if found.type == "list:set":
        return _in_members(found, expression, fields, ipsets, depth)
    family = fields.get(Field.FAMILY)
    if isinstance(family, Unknown):
        return family
    if found.family and found.family != family:
        return False
    parts = found.type.partition(":")[2].split(",")
    if len(expression.directions) < len(parts):
        return False
    key: list[Value] = []
    for part, direction in zip(parts, expression.directions):
        values = _key_part(part, direction, fields, bitmap=found.type.startswith("bitmap:"))
        if values is None:
            return False
        key += values
    hit = lookup(found, tuple(key))
    if isinstance(hit, Unknown):
        return hit
    if found.incomplete and (hit is None or hit.except_):
        return Unknown(f"the ipset {found.name}: {found.incomplete}", Why.ABSENT)
    if hit is None:
        return False
    return hit.except_ if expression.return_nomatch else not hit.except_


def _key_part(part: str, direction: str, fields: Fields, *, bitmap: bool) -> tuple[Value, ...] | None:
    """The values of one part of the key; None where the packet has none: then it is in no such set."""
    if part != "port":
        field = _BY_DIRECTION.get(part, {}).get(direction)
        value = None if field is None else fields.get(field)
        return None if value is None else (value,)
    protocol = fields.get(Field.PROTOCOL)
    if protocol is None or isinstance(protocol, (Unknown, str)):
        return None if protocol is None else (protocol, protocol)
    if protocol in _PORTS:
        port = fields.get(Field.SOURCE_PORT if direction == "src" else Field.DESTINATION_PORT)
        if bitmap:
            return (port,) if port is not None and protocol in _PORTS[:2] else None
        return None if port is None else (protocol, port)
    if bitmap:
        return None
    if protocol in (Protocol.ICMP, Protocol.ICMPV6):
        kind, code = fields.get(Field.ICMP_TYPE), fields.get(Field.ICMP_CODE)
        if isinstance(kind, int) and isinstance(code, int):
            return (protocol, kind << 8 | code)
        return None
    return (protocol, 0)


def _in_members(found: Set, expression: InIpset, fields: Fields, ipsets: Mapping[str, Set], depth: int) -> Truth:
    """A list of sets: the first that holds the packet; those whose key is longer than the rule's are passed over."""
    if depth > _DEEPEST:
        return Unknown(f"the ipset {found.name} holds itself", Why.LOOP)
    open_question: Unknown | None = None
    for name in found.members:
        truth = holds(InIpset(name, expression.directions, expression.return_nomatch), fields, ipsets, depth + 1)
        if truth is True:
            return True
        if isinstance(truth, Unknown):
            open_question = open_question or truth
    return False if open_question is None else open_question
