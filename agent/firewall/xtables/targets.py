"""The targets that the model knows, by the name after -j, and what those mean that it doesn't."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

from agent.firewall.expression import Expression
from agent.firewall.fields import Field
from agent.firewall.statement import (
    Action,
    Aside,
    Assign,
    Beyond,
    Constant,
    End,
    Fill,
    Read,
    Statement,
    Template,
    Translate,
    Translation,
    Uncertain,
    Untrack,
)
from agent.firewall.xtables.header_matches import dscp_value, tos_value
from agent.firewall.xtables.options import Module, Option, Options, TargetReader, module
from agent.firewall.xtables.values import NotUnderstood, Setting, address_range, masked, network, number, port

_ALL = 0xFFFFFFFF
_Steps = list[Union[Expression, Statement]]


def _aside(name: str) -> TargetReader:
    return lambda options, setting: [Aside(name)]


def _end(action: Action) -> TargetReader:
    return lambda options, setting: [End(action)]


def _beyond(reason: str) -> TargetReader:
    return lambda options, setting: [Beyond(reason)]


def _reject(options: Options, setting: Setting) -> _Steps:
    usual = "icmp-port-unreachable" if setting.family == 4 else "icmp6-port-unreachable"
    return [End(Action.REJECT, options[0].value if options else usual)]


def _mark_step(field: Field, options: Options, names: Mapping[str, str]) -> _Steps:
    """MARK and the same forms of CONNMARK (libxt_MARK.c: old & ~mask ^ value)."""
    for option in options:
        how = names.get(option.name)
        if how is None:
            continue
        value, mask = masked(option.value)
        if how == "set":
            mask = value | mask
        elif how == "and":
            value, mask = 0, ~value & _ALL
        elif how == "or":
            mask = value
        elif how == "xor":
            mask = 0
        return [Assign(field, Constant(value), keep=~mask & _ALL)]
    raise NotUnderstood("which mark is set is not said")


_MARK_FORMS = {"set-mark": "set", "set-xmark": "xset", "and-mark": "and", "or-mark": "or", "xor-mark": "xor"}


def _mark(options: Options, _: Setting) -> _Steps:
    return _mark_step(Field.MARK, options, _MARK_FORMS)


def _connmark(options: Options, _: Setting) -> _Steps:
    values = {option.name: option for option in options}
    if any("shift" in name for name in values):
        field = Field.MARK if "restore-mark" in values else Field.CT_MARK
        return [Assign(field, Uncertain("marks that are shifted are not modelled"))]
    if not {"save-mark", "restore-mark"} & set(values):
        return _mark_step(Field.CT_MARK, options, _MARK_FORMS)
    both = number(values["mask"].value) if "mask" in values else _ALL
    packet = number(values["nfmask"].value) if "nfmask" in values else both
    connection = number(values["ctmask"].value) if "ctmask" in values else both
    if "save-mark" in values:
        return [Assign(Field.CT_MARK, Read(Field.MARK), keep=~connection & _ALL, take=packet)]
    return [Assign(Field.MARK, Read(Field.CT_MARK), keep=~packet & _ALL, take=connection)]


def _tracking(options: Options, _: Setting) -> _Steps:
    names = {option.name for option in options}
    if "notrack" in names:
        return [Untrack()]
    return [Template(zone=any(name.startswith("zone") for name in names))]


def _untrack(_: Options, __: Setting) -> _Steps:
    return [Untrack()]


def _fill(options: Options, _: Setting) -> _Steps:
    steps: _Steps = []
    for option in options:
        if option.name in ("add-set", "del-set") and option.values:
            steps.append(Fill(option.values[0]))
        elif option.name == "map-set":
            steps.append(Assign(Field.MARK, Uncertain("the mark comes from an ipset")))
    return steps


def _destination(options: Options, setting: Setting) -> _Steps:
    given = [option.value for option in options if option.name == "to-destination"]
    return [_translate(Translation.DESTINATION, given, setting)]


def _source(options: Options, setting: Setting) -> _Steps:
    return [_translate(Translation.SOURCE, [option.value for option in options if option.name == "to-source"], setting)]


def _translate(kind: Translation, given: list[str], setting: Setting) -> Translate:
    if len(given) != 1:
        return Translate(kind, uncertain="the kernel chooses among several addresses")
    addresses, ports = given[0], ""
    if setting.family == 4:
        addresses, _, ports = addresses.partition(":")
    elif addresses.startswith("["):
        addresses, _, ports = addresses.rpartition("]")
        addresses, ports = addresses.replace("[", "").replace("]", ""), ports.lstrip(":")
    if "/" in ports:
        return Translate(kind, uncertain="ports that are shifted are not modelled")
    return Translate(
        kind,
        address_range(addresses, setting.family) if addresses else None,
        _ports(ports, setting) if ports else None,
    )


def _ports(text: str, setting: Setting) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    return port(low, setting), port(high, setting) if dash else port(low, setting)


def _random(options: Options) -> bool:
    return any(option.name.startswith("random") for option in options)


def _redirect(options: Options, setting: Setting) -> _Steps:
    wanted = next((option.value for option in options if option.name == "to-ports"), "")
    ports = _ports(wanted, setting) if wanted else None
    if _random(options) and ports is not None and ports[0] != ports[1]:
        return [Translate(Translation.REDIRECT, uncertain="the kernel chooses a port from a range")]
    return [Translate(Translation.REDIRECT, None, ports)]


def _masquerade(options: Options, setting: Setting) -> _Steps:
    return [Translate(Translation.MASQUERADE)]


def _netmap(options: Options, setting: Setting) -> _Steps:
    wanted = next((option.value for option in options if option.name == "to"), "")
    value, mask = network(wanted, setting.family)
    every = 0xFFFFFFFF if setting.family == 4 else (1 << 128) - 1
    if setting.chain in ("PREROUTING", "OUTPUT"):
        kind = Translation.DESTINATION
    elif setting.chain in ("POSTROUTING", "INPUT"):
        kind = Translation.SOURCE
    else:
        return [Beyond("NETMAP in a chain of a user's is not modelled")]
    return [Translate(kind, (value, value | (every ^ mask)), keep=every ^ mask)]


def _ttl(options: Options, _: Setting) -> _Steps:
    for option in options:
        if option.name.endswith("-set"):
            return [Assign(Field.TTL, Constant(number(option.value, 255)))]
    return [Assign(Field.TTL, Uncertain("how far the packet has come is not known"))]


def _dscp(options: Options, _: Setting) -> _Steps:
    wanted = [Option(option.name.replace("set-", ""), option.values) for option in options]
    if len(wanted) != 1:
        raise NotUnderstood("DSCP wants one class")
    return [Assign(Field.TOS, Constant(dscp_value(wanted[0])), keep=0x03)]


def _tos(options: Options, _: Setting) -> _Steps:
    for option in options:
        value, mask = tos_value(option.value)
        if option.name == "and-tos":
            value, mask = 0, ~value & 0xFF
        elif option.name == "or-tos":
            mask = value
        elif option.name == "xor-tos":
            mask = 0
        return [Assign(Field.TOS, Constant(value), keep=~mask & 0xFF)]
    raise NotUnderstood("which type of service is set is not said")


_LOG = "log-level log-prefix log-tcp-sequence:0 log-tcp-options:0 log-ip-options:0 log-uid:0 log-macdecode:0"
_MARKS = "set-mark set-xmark and-mark or-mark xor-mark"
_PROGRAM = "a program decides about the packet"

_TABLE: tuple[tuple[str, str, TargetReader], ...] = (
    ("ACCEPT", "", _end(Action.ACCEPT)),
    ("DROP", "", _end(Action.DROP)),
    ("RETURN", "", _end(Action.RETURN)),
    ("REJECT", "reject-with", _reject),
    ("LOG", _LOG, _aside("log")),
    ("NFLOG", "nflog-group nflog-prefix nflog-range nflog-size nflog-threshold", _aside("log")),
    ("ULOG", "ulog-nlgroup ulog-prefix ulog-cprange ulog-qthreshold", _aside("log")),
    ("TRACE", "", _aside("trace")),
    ("AUDIT", "type", _aside("audit")),
    ("CLASSIFY", "set-class", _aside("classify")),
    ("CHECKSUM", "checksum-fill:0", _aside("checksum")),
    ("TCPMSS", "set-mss clamp-mss-to-pmtu:0", _aside("segment size")),
    ("SECMARK", "selctx", _aside("security mark")),
    ("CONNSECMARK", "save:0 restore:0", _aside("security mark")),
    ("IDLETIMER", "timeout label alarm:0 send_nl_msg", _aside("timer")),
    ("LED", "led-trigger-id led-delay led-always-blink:0", _aside("light")),
    ("RATEEST", "rateest-name rateest-interval rateest-ewmalog", _aside("rate")),
    ("TEE", "gateway oif", _aside("copy")),
    ("MARK", _MARKS, _mark),
    (
        "CONNMARK",
        f"{_MARKS} save-mark:0 restore-mark:0 mask nfmask ctmask left-shift-mark right-shift-mark",
        _connmark,
    ),
    ("CT", "notrack:0 helper ctevents expevents zone zone-orig zone-reply timeout", _tracking),
    ("NOTRACK", "", _untrack),
    ("SET", "add-set:2 del-set:2 map-set:2 timeout exist:0 map-mark:0 map-prio:0 map-queue:0", _fill),
    ("DNAT", "to-destination random:0 persistent:0", _destination),
    ("SNAT", "to-source random:0 random-fully:0 persistent:0", _source),
    ("REDIRECT", "to-ports/to-port random:0", _redirect),
    ("MASQUERADE", "to-ports random:0 random-fully:0", _masquerade),
    ("NETMAP", "to", _netmap),
    ("TTL", "ttl-set ttl-inc ttl-dec", _ttl),
    ("HL", "hl-set hl-inc hl-dec", _ttl),
    ("DSCP", "set-dscp set-dscp-class", _dscp),
    ("TOS", "set-tos and-tos or-tos xor-tos", _tos),
    ("QUEUE", "", _beyond(_PROGRAM)),
    ("NFQUEUE", "queue-num queue-balance queue-bypass:0 queue-cpu-fanout:0", _beyond(_PROGRAM)),
    ("TPROXY", "on-port on-ip tproxy-mark", _beyond("a transparent proxy takes the packet")),
)

MODULES: Mapping[str, Module] = {name: module(spec) for name, spec, _ in _TABLE}
_READERS: Mapping[str, TargetReader] = {name: read for name, _, read in _TABLE}


def statements(name: str, options: Options, setting: Setting) -> _Steps:
    """What a target does; after one that isn't modelled, nothing is known."""
    read = _READERS.get(name)
    if read is None:
        return [Beyond(f"{name} is neither a chain nor a target that is modelled")]
    return read(options, setting)
