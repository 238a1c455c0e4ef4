"""Matches on what the kernel knows beside the packet: its connection, the time, sets, routes, sockets."""

from __future__ import annotations

import calendar
import time as clock

from agent.firewall.expression import (
    ALWAYS,
    NEVER,
    Depends,
    Either,
    Every,
    Expression,
    InIpset,
    Named,
    Not,
    NotModelled,
    Present,
    Same,
    Within,
)
from agent.firewall.fields import AddressType, Field, State, Status
from agent.firewall.xtables.options import Option, Options
from agent.firewall.xtables.values import (
    NotUnderstood,
    Setting,
    any_bit,
    equals,
    in_network,
    number,
    port_range,
    protocol,
    span,
)

_STATES = {
    "INVALID": State.INVALID,
    "NEW": State.NEW,
    "ESTABLISHED": State.ESTABLISHED,
    "RELATED": State.RELATED,
    "UNTRACKED": State.UNTRACKED,
}
_VIRTUAL = {"SNAT": Status.SOURCE_TRANSLATED, "DNAT": Status.DESTINATION_TRANSLATED}
_STATUSES = {
    "NONE": 0,
    "EXPECTED": Status.EXPECTED,
    "SEEN_REPLY": Status.SEEN_REPLY,
    "ASSURED": Status.ASSURED,
    "CONFIRMED": Status.CONFIRMED,
}
_OWNED = Within(Field.USER, ((0, 0xFFFFFFFF),))
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def conntrack(options: Options, setting: Setting) -> list[Expression]:
    """conntrack and state. Where the packet has no connection, the state alone decides (xt_conntrack.c)."""
    state = [_state(option) for option in options if option.name in ("ctstate", "state")]
    others = [_of_connection(option, setting) for option in options if option.name not in ("ctstate", "state")]
    if not others:
        return state
    tested = Every((Present(Field.CT_DIRECTION), *others))
    if not state:
        return [tested]
    return [*state, Either((any_bit(Field.CT_STATE, State.NO_CONNECTION), tested))]


def _state(option: Option) -> Expression:
    bits = status = 0
    for name in option.value.upper().split(","):
        if name in _STATES:
            bits |= _STATES[name]
        elif name in _VIRTUAL and option.name == "ctstate":
            status |= _VIRTUAL[name]
        else:
            raise NotUnderstood(f"{name}: unknown state")
    if not status:
        return any_bit(Field.CT_STATE, bits, option.negated)
    matched = Either(
        (any_bit(Field.CT_STATE, bits), any_bit(Field.CT_STATUS, status))
        if bits
        else (any_bit(Field.CT_STATUS, status),)
    )
    return Not(matched) if option.negated else matched


def _of_connection(option: Option, setting: Setting) -> Expression:
    negated = option.negated
    if option.name in ("ctorigsrc", "ctorigdst"):
        field = Field.CT_SOURCE if option.name == "ctorigsrc" else Field.CT_DESTINATION
        return in_network(field, option.value, setting.family, negated)
    if option.name in ("ctorigsrcport", "ctorigdstport"):
        field = Field.CT_SOURCE_PORT if option.name == "ctorigsrcport" else Field.CT_DESTINATION_PORT
        return Within(field, (port_range(option.value, setting),), negated)
    if option.name == "ctproto":
        return equals(Field.CT_PROTOCOL, protocol(option.value), negated=negated)
    if option.name == "ctstatus":
        names = option.value.upper().split(",")
        if not set(names) <= set(_STATUSES):
            raise NotUnderstood(f"{option.value}: unknown status")
        bits = sum({_STATUSES[name] for name in names})
        if not bits:
            return ALWAYS if negated else NEVER
        return any_bit(Field.CT_STATUS, bits, negated)
    if option.name == "ctdir":
        return equals(Field.CT_DIRECTION, {"ORIGINAL": 0, "REPLY": 1}.get(option.value.upper(), 2))
    if option.name == "ctexpire":
        return Depends("how long the connection has to live changes")
    return NotModelled(f"--{option.name} is not modelled")


def in_set(options: Options, _: Setting) -> list[Expression]:
    """set: --match-set NAME src,dst."""
    found: list[Expression] = []
    nomatch = any(option.name == "return-nomatch" for option in options)
    for option in options:
        if option.name == "match-set":
            if len(option.values) != 2:
                raise NotUnderstood("--match-set wants a set and directions")
            name, directions = option.values
            matched = InIpset(name, tuple(directions.lower().split(",")), nomatch)
            found.append(Not(matched) if option.negated else matched)
        elif option.name.startswith(("packets-", "bytes-")):
            found.append(Depends("the counters of the set's entries change"))
    return found


def recent(options: Options, _: Setting) -> list[Expression]:
    """recent: --set always holds, the questions depend on who came before."""
    for option in options:
        if option.name == "set":
            return [NEVER if option.negated else ALWAYS]
    return [Depends("who came before, and how often, is counted by the kernel (recent)")]


def statistic(options: Options, _: Setting) -> list[Expression]:
    """statistic: certain only at probability 0 and 1, and for every packet."""
    values = {option.name: option for option in options}
    chance = values.get("probability")
    if chance is not None and chance.value.strip("0.") in ("", "1"):
        certain = float(chance.value)
        if certain in (0.0, 1.0):
            return [ALWAYS if (certain == 1.0) is not chance.negated else NEVER]
    every = values.get("every")
    if every is not None and every.value == "1":
        return [NEVER if every.negated else ALWAYS]
    return [Depends("a chance, or a counter, decides (statistic)")]


def owner(options: Options, _: Setting) -> list[Expression]:
    """owner: the socket's owner; no packet that comes in has one yet."""
    found: list[Expression] = []
    fields = {"uid-owner": Field.USER, "gid-owner": Field.GROUP}
    for option in options:
        if option.name == "socket-exists":
            matched: Expression = _OWNED
        elif option.name in fields:
            if not option.value.replace("-", "").isdecimal():
                raise NotUnderstood(f"{option.value}: a user or group by name")
            matched = Within(fields[option.name], (span(option.value, 0xFFFFFFFF, "-"),))
        else:
            continue
        found.append(Not(matched) if option.negated else matched)
    if any(option.name == "suppl-groups" for option in options):
        found.append(Either((Not(_OWNED), NotModelled("supplementary groups are not modelled"))))
    return found


def reverse_path(options: Options, _: Setting) -> list[Expression]:
    """rpfilter: would a reply to the source leave by the interface of arrival?"""
    names = {option.name for option in options}
    if "validmark" in names:
        return [NotModelled("--validmark is not modelled")]
    kinds = AddressType.UNICAST | (AddressType.LOCAL if "accept-local" in names else 0)
    back: Expression = Not(_no_route()) if "loose" in names else Same(Field.ROUTE_BACK, Field.INPUT)
    matched: Expression = Either((_on_loopback(), Every((any_bit(Field.SOURCE_TYPE, kinds), back))))
    if "accept-local" in names:
        matched = Either((_on_loopback(), NotModelled("--accept-local is not modelled")))
    return [Not(matched) if "invert" in names else matched]


def _no_route() -> Expression:
    return Named(Field.ROUTE_BACK, "")


def _on_loopback() -> Expression:
    return Named(Field.INPUT, "lo")


def policy(options: Options, _: Setting) -> list[Expression]:
    """policy: did, or will, IPsec handle the packet? Of which kind is not modelled."""
    wanted = next((option for option in options if option.name == "pol"), None)
    if wanted is None or wanted.value not in ("none", "ipsec"):
        raise NotUnderstood("--pol none or ipsec is missing")
    if wanted.value == "none":
        return [equals(Field.IPSEC, 0)]
    details = any(option.name not in ("pol", "dir", "strict", "next") for option in options)
    found: list[Expression] = [equals(Field.IPSEC, 1)]
    return [*found, NotModelled("the details of IPsec are not modelled")] if details else found


def bridge_port(options: Options, _: Setting) -> list[Expression]:
    """physdev: without a bridge it holds only when all that it asks is negated (xt_physdev.c)."""
    routed = ALWAYS if all(option.negated for option in options) else NEVER
    bridged = Every((equals(Field.BRIDGED, 1), NotModelled("the ports of a bridge are not modelled")))
    return [Either((Every((equals(Field.BRIDGED, 0), routed)), bridged))]


def time(options: Options, _: Setting) -> list[Expression]:
    """time: dates, hours and days in UTC; in the kernel's own zone they are not known (xt_time.c)."""
    values = {option.name: option for option in options}
    if "kerneltz" in values:
        return [NotModelled("the kernel's time zone is not known")]
    found: list[Expression] = []
    first = _date(values["datestart"].value) if "datestart" in values else 0
    last = _date(values["datestop"].value) if "datestop" in values else (1 << 40)
    if "datestart" in values or "datestop" in values:
        found.append(Within(Field.TIME, ((first, last),)))
    start = _clock(values["timestart"].value) if "timestart" in values else 0
    stop = _clock(values["timestop"].value) if "timestop" in values else 86399
    if start < stop:
        found.append(Within(Field.SECOND_OF_DAY, ((start, stop),)))
    else:
        found.append(Within(Field.SECOND_OF_DAY, ((0, stop), (start, 86399))))
    days = [name for name in ("weekdays", "monthdays") if name in values]
    if days and "contiguous" in values and start >= stop:
        return [NotModelled("--contiguous over midnight is not modelled")]
    if "weekdays" in values:
        option = values["weekdays"]
        listed = tuple((day, day) for day in sorted({_weekday(text) for text in option.value.split(",")}))
        found.append(Within(Field.WEEKDAY, listed, option.negated))
    if "monthdays" in values:
        option = values["monthdays"]
        listed = tuple((number(text, 31), number(text, 31)) for text in option.value.split(","))
        found.append(Within(Field.DAY_OF_MONTH, listed, option.negated))
    return found


def _date(text: str) -> int:
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y-%m", "%Y"):
        try:
            return calendar.timegm(clock.strptime(text, form))
        except ValueError:
            continue
    raise NotUnderstood(f"{text} is not a date")


def _clock(text: str) -> int:
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not all(part.isdecimal() for part in parts):
        raise NotUnderstood(f"{text} is not a time of day")
    hours, minutes, seconds = (*(int(part) for part in parts), 0)[:3]
    return hours * 3600 + minutes * 60 + seconds


def _weekday(text: str) -> int:
    if text.isdecimal():
        return int(text) % 7
    if text[:3].lower() in _DAYS:
        return _DAYS.index(text[:3].lower())
    if text[:2].lower() in tuple(day[:2] for day in _DAYS):
        return tuple(day[:2] for day in _DAYS).index(text[:2].lower())
    raise NotUnderstood(f"{text} is not a day")
