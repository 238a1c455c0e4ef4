"""Effects: how statements change a packet on its way, and what a verdict map chooses."""

from __future__ import annotations

from dataclasses import replace

from agent.firewall.fields import CONNECTION, Field, Key, State, Status, Value, value_of
from agent.firewall.host import Host
from agent.firewall.match import Fields, Scope
from agent.firewall.sets import Set, lookup
from agent.firewall.statement import (
    Assign,
    Choose,
    Constant,
    End,
    Endpoint,
    Jump,
    Operand,
    Read,
    Template,
    Translate,
    Translation,
    Uncertain,
    Untrack,
    Verdict,
)
from agent.unknown import Unknown, Why

_MARK = 0xFFFFFFFF


def applied(step: Assign | Untrack | Template, fields: Fields, scope: Scope) -> Fields:
    """The packet after a statement that changes it and goes on."""
    if isinstance(step, Assign):
        read = step.operand.field if isinstance(step.operand, Read) else step.field
        if step.field not in fields or read not in fields:
            return fields  # a connection mark without a connection: nothing happens
        return {**fields, step.field: _assigned(step, fields, scope)}
    if fields.get(Field.CT_STATE) != State.INVALID or any(field in fields for field in CONNECTION):
        return fields  # too late: it has its connection, or a template of one, or shall have none
    if isinstance(step, Untrack):
        return {**fields, Field.CT_STATE: State.UNTRACKED}
    unknown = Unknown("a rule gives the packet a template of a connection, and not a connection", Why.ABSENT)
    made: dict[Field, Value] = {**fields, Field.CT_STATE: State.NEW}
    for field in CONNECTION:
        made[field] = unknown
    if step.zone:
        made[Field.CT_ZONE] = 1
    return made


def _assigned(step: Assign, fields: Fields, scope: Scope) -> Value:
    if not step.take:
        operand: Value = 0
    else:
        operand = _operand(step.operand, fields, scope)
    if isinstance(operand, Unknown):
        return operand
    if isinstance(operand, str):
        return Unknown("a name can't become a number", Why.UNREADABLE)
    value = (operand & step.take) ^ step.toggle
    if step.keep:
        old = fields.get(step.field)
        if isinstance(old, Unknown):
            return old
        if not isinstance(old, int):
            return Unknown(f"{step.field.value} is a name", Why.UNREADABLE)
        value ^= old & step.keep
    return value & _MARK


def _operand(operand: Operand, fields: Fields, scope: Scope) -> Value:
    if isinstance(operand, Constant):
        return operand.value
    if isinstance(operand, Read):
        return fields.get(operand.field, 0)
    if isinstance(operand, Uncertain):
        return Unknown(operand.reason, Why.UNREADABLE)
    if isinstance(operand, Endpoint):
        return Unknown("an address and a port are no single value", Why.UNREADABLE)
    data = _data(operand.keys, operand.map, fields, scope)
    if isinstance(data, Constant):
        return data.value
    return data if isinstance(data, Unknown) else Unknown("the map has no value for this packet", Why.UNREADABLE)


def chosen(step: Choose, fields: Fields, scope: Scope) -> Verdict | Unknown | None:
    """The verdict that a map has for this packet; None when it has none."""
    data = _data(step.keys, step.map, fields, scope)
    if data is None or isinstance(data, (Unknown, End, Jump)):
        return data
    return Unknown("the map holds no verdicts", Why.UNREADABLE)


def _data(keys: tuple[Key, ...], name: str | Set, fields: Fields, scope: Scope) -> Verdict | Operand | Unknown | None:
    found = name if isinstance(name, Set) else scope.sets.get(name)
    if found is None:
        return Unknown(f"the map {name} is not known", Why.ABSENT)
    key = [value_of(asked, fields) for asked in keys]
    known = tuple(value for value in key if value is not None)
    if len(known) < len(key):
        return None
    hit = lookup(found, known)
    if isinstance(hit, Unknown):
        return hit
    if found.name in scope.changed or (hit is None and found.incomplete):
        return Unknown(f"the map {found.name}: {found.incomplete or 'a rule on the way changes it'}", Why.ABSENT)
    return None if hit is None else hit.data


def settled(step: Translate, fields: Fields, scope: Scope) -> Translate:
    """A translation by a map, with what the map gives for this packet."""
    if step.by is None:
        return step
    data = _data(step.by.keys, step.by.map, fields, scope)
    if isinstance(data, Endpoint):
        return replace(step, addresses=data.addresses, ports=data.ports or step.ports, by=None)
    reason = data.reason if isinstance(data, Unknown) else "the map has no address for this packet"
    return replace(step, uncertain=reason, by=None)


def of_source(step: Translate) -> bool:
    """True for translations of the sender's address, which come last on the way."""
    return step.kind in (Translation.SOURCE, Translation.MASQUERADE)


def kinds(step: Translate) -> frozenset[str]:
    """What a translation changes, in the words of ``World.translated``."""
    if of_source(step):
        return frozenset(("source",))
    return frozenset(("destination", "redirect") if step.kind is Translation.REDIRECT else ("destination",))


def translated(step: Translate, fields: Fields, host: Host) -> Fields:
    """The packet after a translation. A range from which the kernel chooses makes the new value unknown."""
    found = dict(fields)
    address, port = (
        (Field.SOURCE, Field.SOURCE_PORT) if of_source(step) else (Field.DESTINATION, Field.DESTINATION_PORT)
    )
    if step.uncertain:
        found[address] = Unknown(step.uncertain, Why.UNREADABLE)
        if port in found:
            found[port] = Unknown(step.uncertain, Why.UNREADABLE)
    elif step.kind is Translation.REDIRECT:
        found[address] = _redirected(fields, host)
    elif step.kind is Translation.MASQUERADE:
        found[address] = Unknown("the address of this host's interface is not known", Why.ABSENT)
    elif step.addresses is not None:
        found[address] = _new_address(step, fields.get(address))
    if found.get(address) != fields.get(address):
        kind = Field.SOURCE_TYPE if of_source(step) else Field.DESTINATION_TYPE
        found[kind] = _address_type(found.get(Field.FAMILY), found.get(address), host)
    if step.ports is not None and port in found:
        found[port] = _new_port(step.ports, found[port])
    if any(found.get(field) != fields.get(field) for field in (address, port)):
        status = found.get(Field.CT_STATUS)
        if isinstance(status, int):
            bit = Status.SOURCE_TRANSLATED if of_source(step) else Status.DESTINATION_TRANSLATED
            found[Field.CT_STATUS] = status | bit
    return found


def _address_type(family: Value | None, address: Value | None, host: Host) -> Value:
    if isinstance(family, int) and isinstance(address, int):
        return host.address_type(family, address)
    return address if isinstance(address, Unknown) else Unknown("the new address is not known", Why.ABSENT)


def _redirected(fields: Fields, host: Host) -> Value:
    """This host's own address: that of the interface of arrival, or the loopback for what it sends itself."""
    family, arrived = fields.get(Field.FAMILY), fields.get(Field.INPUT)
    if not isinstance(family, int) or not isinstance(arrived, str):
        return Unknown("the interface of arrival is not known", Why.ABSENT)
    if not arrived:
        return 0x7F000001 if family == 4 else 1
    return host.own_address(family, arrived)


def _new_port(ports: tuple[int, int], old: Value) -> Value:
    low, high = ports
    if low == high:
        return low
    if isinstance(old, int) and low <= old <= high:
        return old  # the kernel leaves a port that is in the range already
    return Unknown("the kernel chooses a port from a range", Why.UNREADABLE)


def _new_address(step: Translate, old: Value | None) -> Value:
    low, high = step.addresses or (0, 0)
    if step.keep:
        return (low & ~step.keep) | (old & step.keep) if isinstance(old, int) else Unknown("not known", Why.ABSENT)
    return low if low == high else Unknown("the kernel chooses an address from a range", Why.UNREADABLE)
