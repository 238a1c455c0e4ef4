"""Links, addresses, routes, rules and neighbours of the running kernel, as records of the shape that
``ip -j -d addr``, ``ip -j route`` ... print, so that one parser serves both. Messages: rtnetlink(7).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from agent.target import kernel

Record = dict[str, object]


class Message(Protocol):
    """What pyroute2 gives for one netlink message."""

    def get(self, key: str) -> object: ...

    def get_attr(self, name: str) -> object: ...


def links(found: Iterable[Message], addresses: Iterable[Message]) -> list[Record]:
    """All links with their addresses, in the kernel's order."""
    messages = list(found)
    names = _names(messages)
    records = [_link(message, names) for message in messages]
    by_index = {record["ifindex"]: record for record in records}
    for message in addresses:
        record = by_index.get(message.get("index"))
        if record is not None:
            info = record["addr_info"]
            assert isinstance(info, list)
            info.append(_address(message))
    return records


def routes(found: Iterable[Message], link_messages: Iterable[Message]) -> list[Record]:
    names = _names(link_messages)
    wanted = (message for message in found if not _number(message.get("flags")) & kernel.CLONED)
    return [_route(message, names) for message in wanted if message.get("family") in _FAMILIES]


def rules(found: Iterable[Message]) -> list[Record]:
    return [_rule(message) for message in found]


def neighbours(found: Iterable[Message], link_messages: Iterable[Message]) -> list[Record]:
    """The neighbours that ``ip neigh`` shows: none for NOARP entries, nor for those without a state."""
    names = _names(link_messages)
    records = []
    for message in found:
        state = _number(message.get("state"))
        states = [name for bit, name in kernel.NEIGHBOUR_STATES if state & bit]
        flags = _number(message.get("flags"))
        if message.get("family") not in _FAMILIES or not states or flags & kernel.PROXY:
            continue
        record: Record = {
            "dst": _text(message.get_attr("NDA_DST")),
            "dev": names.get(_number(message.get("ifindex")), ""),
        }
        mac = _text(message.get_attr("NDA_LLADDR"))
        if mac and "INCOMPLETE" not in states and "FAILED" not in states:
            record["lladdr"] = mac
        if flags & kernel.ROUTER:
            record["router"] = True
        record["state"] = states
        record["family"] = _FAMILIES[_number(message.get("family"))]
        records.append(record)
    return records


_FAMILIES = {int(socket.AF_INET): 4, int(socket.AF_INET6): 6}


def _link(message: Message, names: Mapping[int, str]) -> Record:
    flags = _number(message.get("flags"))
    kind = _number(message.get("ifi_type"))
    shown = [name for bit, name in kernel.LINK_FLAGS if flags & bit]
    if flags & kernel.UP and not flags & kernel.RUNNING:
        shown.insert(0, "NO-CARRIER")
    record: Record = {
        "ifindex": _number(message.get("index")),
        "ifname": _text(message.get_attr("IFLA_IFNAME")),
        "flags": shown,
        "mtu": _number(message.get_attr("IFLA_MTU")),
        "operstate": _text(message.get_attr("IFLA_OPERSTATE")) or "UNKNOWN",
        "link_type": kernel.LINK_TYPES.get(kind, str(kind)),
    }
    for key, attribute in (
        ("address", "IFLA_ADDRESS"),
        ("permaddr", "IFLA_PERM_ADDRESS"),
        ("parentbus", "IFLA_PARENT_DEV_BUS_NAME"),
        ("parentdev", "IFLA_PARENT_DEV_NAME"),
    ):
        value = message.get_attr(attribute)
        if isinstance(value, str) and value:
            record[key] = value
    if record.get("permaddr") == record.get("address"):
        record.pop("permaddr", None)
    altnames = _altnames(message)
    if altnames:
        record["altnames"] = altnames
    master = message.get_attr("IFLA_MASTER")
    if isinstance(master, int) and master:
        record["master"] = names.get(master, f"if{master}")
    outside = message.get_attr("IFLA_LINK_NETNSID")
    lower = message.get_attr("IFLA_LINK")
    if isinstance(outside, int):
        record["link_netnsid"] = outside
    if isinstance(lower, int) and lower and isinstance(outside, int):
        record["link_index"] = lower
    elif isinstance(lower, int) and lower:
        record["link"] = names.get(lower, f"if{lower}")
    info = message.get_attr("IFLA_LINKINFO")
    info_kind = _nested(info, "IFLA_INFO_KIND")
    if isinstance(info_kind, str):
        record["linkinfo"] = {"info_kind": info_kind}
    record["addr_info"] = []
    return record


def _altnames(message: Message) -> list[str]:
    properties = message.get_attr("IFLA_PROP_LIST")
    many = getattr(properties, "get_attrs", None)
    found = many("IFLA_ALT_IFNAME") if many is not None else ()
    return [name for name in found if isinstance(name, str)]


def _address(message: Message) -> Record:
    family = _number(message.get("family"))
    flags = _number(message.get_attr("IFA_FLAGS") or message.get("flags"))
    peer = _text(message.get_attr("IFA_ADDRESS"))
    local = _text(message.get_attr("IFA_LOCAL")) or peer
    record: Record = {"family": "inet" if family == socket.AF_INET else "inet6", "local": local}
    if peer and peer != local:
        record["address"] = peer
    record["prefixlen"] = _number(message.get("prefixlen"))
    broadcast = message.get_attr("IFA_BROADCAST")
    if isinstance(broadcast, str):
        record["broadcast"] = broadcast
    scope = _number(message.get("scope"))
    record["scope"] = kernel.SCOPES.get(scope, str(scope))
    if not flags & kernel.PERMANENT:
        record["dynamic"] = True
    if flags & kernel.SECONDARY:
        record["temporary" if family == socket.AF_INET6 else "secondary"] = True
    for bit, name in kernel.ADDRESS_FLAGS:
        if flags & bit:
            record[name] = True
    label = message.get_attr("IFA_LABEL")
    if isinstance(label, str):
        record["label"] = label
    times = message.get_attr("IFA_CACHEINFO")
    if isinstance(times, Mapping):
        record["valid_life_time"] = _number(times.get("ifa_valid"))
        record["preferred_life_time"] = _number(times.get("ifa_preferred", times.get("ifa_prefered")))
    return record


def _route(message: Message, names: Mapping[int, str]) -> Record:
    family = _number(message.get("family"))
    kind = _number(message.get("type"))
    table = message.get_attr("RTA_TABLE")
    number = table if isinstance(table, int) else _number(message.get("table"))
    protocol, scope = _number(message.get("proto")), _number(message.get("scope"))
    record: Record = {
        "type": kernel.ROUTE_TYPES[kind] if kind < len(kernel.ROUTE_TYPES) else str(kind),
        "dst": _destination(family, message.get_attr("RTA_DST"), _number(message.get("dst_len"))),
        "family": _FAMILIES[family],
        "table": kernel.TABLES.get(number, str(number)),
        "protocol": kernel.PROTOCOLS.get(protocol, str(protocol)),
    }
    if family == socket.AF_INET:  # the kernel knows no scopes for IPv6 routes
        record["scope"] = kernel.SCOPES.get(scope, str(scope))
    source_length = _number(message.get("src_len"))
    if source_length:
        record["from"] = _destination(family, message.get_attr("RTA_SRC"), source_length)
    record.update(_hop(message, names))
    preferred = message.get_attr("RTA_PREFSRC")
    if isinstance(preferred, str):
        record["prefsrc"] = preferred
    metric = message.get_attr("RTA_PRIORITY")
    if isinstance(metric, int):
        record["metric"] = metric
    preference = message.get_attr("RTA_PREF")
    if isinstance(preference, int):
        record["pref"] = kernel.PREFERENCES.get(preference, str(preference))
    group = message.get_attr("RTA_NH_ID")
    if isinstance(group, int):
        record["nhid"] = group
    hops = message.get_attr("RTA_MULTIPATH")
    if isinstance(hops, Sequence) and not isinstance(hops, (str, bytes)):
        record["nexthops"] = [
            {**_hop(hop, names), "weight": _number(hop.get("hops")) + 1} for hop in hops if _is_message(hop)
        ]
    record["flags"] = _hop_flags(message)
    return record


def _hop(message: Message, names: Mapping[int, str]) -> Record:
    record: Record = {}
    gateway = message.get_attr("RTA_GATEWAY")
    if isinstance(gateway, str):
        record["gateway"] = gateway
    via = message.get_attr("RTA_VIA")  # a gateway of the other family
    if isinstance(via, Mapping):
        family = "inet6" if via.get("family") == socket.AF_INET6 else "inet"
        record["via"] = {"family": family, "host": _text(via.get("addr"))}
    index = message.get_attr("RTA_OIF")
    if not isinstance(index, int):
        index = message.get("oif")
    if isinstance(index, int) and index:
        record["dev"] = names.get(index, f"if{index}")
    flags = _hop_flags(message)
    if flags:
        record["flags"] = flags
    return record


def _hop_flags(message: Message) -> list[str]:
    flags = _number(message.get("flags"))
    return [name for bit, name in kernel.HOP_FLAGS if flags & bit]


def _rule(message: Message) -> Record:
    family = _number(message.get("family"))
    record: Record = {
        "priority": _number(message.get_attr("FRA_PRIORITY")),
        "family": _FAMILIES.get(family, family),
    }
    if _number(message.get("flags")) & kernel.INVERTED:
        record["not"] = True
    record["src"] = _text(message.get_attr("FRA_SRC")) or "all"
    _prefix(record, "srclen", family, _number(message.get("src_len")))
    destination = message.get_attr("FRA_DST")
    if isinstance(destination, str):
        record["dst"] = destination
        _prefix(record, "dstlen", family, _number(message.get("dst_len")))
    mark, mask = message.get_attr("FRA_FWMARK"), message.get_attr("FRA_FWMASK")
    if isinstance(mark, int) and (mark or mask):
        record["fwmark"] = hex(mark)
        if isinstance(mask, int) and mask != kernel.ALL_BITS:
            record["fwmask"] = hex(mask)
    for key, attribute in (("iif", "FRA_IIFNAME"), ("oif", "FRA_OIFNAME")):
        name = message.get_attr(attribute)
        if isinstance(name, str):
            record[key] = name
    protocol = message.get_attr("FRA_IP_PROTO")
    if isinstance(protocol, int):
        record["ipproto"] = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}.get(protocol, str(protocol))
    suppressed = message.get_attr("FRA_SUPPRESS_PREFIXLEN")
    if isinstance(suppressed, int) and suppressed != kernel.ALL_BITS:
        record["suppress_prefixlen"] = suppressed
    action = _number(message.get("action"))
    target = message.get_attr("FRA_GOTO")
    if isinstance(target, int):
        record["goto"] = target
    elif action in kernel.RULE_ACTIONS:
        record["action"] = kernel.RULE_ACTIONS[action]
    else:
        table = message.get_attr("FRA_TABLE")
        number = table if isinstance(table, int) else _number(message.get("table"))
        record["table"] = kernel.TABLES.get(number, str(number))
    return record


def _prefix(record: Record, key: str, family: int, length: int) -> None:
    if length and length != _host_length(family):
        record[key] = length


def _host_length(family: int) -> int:
    return 32 if family == socket.AF_INET else 128


def _destination(family: int, address: object, length: int) -> str:
    if not isinstance(address, str):
        return "default" if not length else f"0/{length}"
    return address if length == _host_length(family) else f"{address}/{length}"


def _names(messages: Iterable[Message]) -> dict[int, str]:
    return {_number(one.get("index")): _text(one.get_attr("IFLA_IFNAME")) for one in messages}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_message(value: object) -> bool:
    return hasattr(value, "get_attr") and hasattr(value, "get")


def _nested(value: object, name: str) -> object:
    attribute = getattr(value, "get_attr", None)
    return attribute(name) if attribute is not None else None


def add_hardware(record: Record, container: bool, sysfs: str = "/sys/class/net") -> None:
    """Add "driver" and "hardware" to a link's record.

    Hardware is a NIC that the platform gives: sysfs shows a device behind it. In a container that is the
    uplink, whose other end is outside of it (a veth, macvlan or ipvlan with a peer in another namespace).
    """
    folder = f"{sysfs}/{record['ifname']}"
    record["driver"] = ""
    try:
        # sysfs shows the links of the namespace that mounted it, which need not be ours
        with open(f"{folder}/ifindex", "rb") as stream:
            same = stream.read(32).strip() == str(record["ifindex"]).encode()
    except OSError:
        same = False
    info = record.get("linkinfo")
    kind = info.get("info_kind") if isinstance(info, dict) else None
    if same and os.path.exists(f"{folder}/device"):
        record["driver"] = os.path.basename(os.path.realpath(f"{folder}/device/driver"))
        if not os.path.exists(f"{folder}/device/driver"):
            record["driver"] = ""
        record["hardware"] = True
    elif container and kind in ("veth", "macvlan", "ipvlan", "ipvtap", "macvtap"):
        record["hardware"] = "link_netnsid" in record
    elif same:
        record["hardware"] = False
    else:
        record["hardware"] = "parentdev" in record or (kind is None and record["link_type"] == "ether")
