"""Parsers of iproute2's JSON records (``ip -j -d addr``, ``ip -j route`` ...), whoever made them.

Records come from pyroute2 or from the ip command. One of an unexpected shape is left out, never an error:
versions differ in keys, and a replayed target's records may have been edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network

from agent.facts.network import Address, Link, Neighbour, Route, RoutingRule

# Kinds of links that software makes. A veth, macvlan or ipvlan may still be a container's uplink.
UPLINK_KINDS = frozenset({"veth", "macvlan", "macvtap", "ipvlan", "ipvtap", "venet"})
_HOST_VETHS = ("veth", "ve-", "vb-", "cali", "lxc", "vnet", "cilium")

# routes that the kernel keeps for itself in table local
OWN_ROUTES = frozenset({"local", "broadcast", "anycast", "multicast"})

_FAMILIES = {"inet": 4, "inet6": 6, "2": 4, "10": 6, "4": 4, "6": 6}
_TABLES = {"254": "main", "255": "local", "253": "default"}

_SCOPES = {"0": "global", "universe": "global", "200": "site", "253": "link", "254": "host", "255": "nowhere"}
_NO_FLAG = frozenset({"valid_life_time", "preferred_life_time", "prefixlen", "metric", "any"})


def parse_links(records: object) -> tuple[Link, ...]:
    """Links with their addresses from ``ip -j -d addr`` (without -d the kinds are guessed from the names).

    Records of the target's own may also have "driver" and "hardware".
    """
    found = []
    peers: dict[str, bool] = {}
    told = False  # the record says itself which links the platform gives
    for record in mappings(records):
        name = text(record, "ifname")
        if not name:
            continue
        info = record.get("linkinfo")
        kind = text(info, "info_kind") if isinstance(info, dict) else ""
        kind = kind or guessed_kind(name, text(record, "link_type"), text(record, "link"))
        flags = words(record, "flags")
        peers[name] = "link_netnsid" in record or text(record, "link").startswith("if")
        link = Link(
            name=name,
            index=number(record, "ifindex"),
            mac=_mac(text(record, "address"), text(record, "link_type")),
            flags=flags,
            operstate=text(record, "operstate") or guessed_state(flags),
            mtu=number(record, "mtu"),
            kind=kind,
            altnames=words(record, "altnames"),
            master=text(record, "master"),
            addresses=tuple(_addresses(record.get("addr_info"))),
            driver=text(record, "driver"),
            hardware=record.get("hardware") is True,
        )
        found.append(link)
        told = told or isinstance(record.get("hardware"), bool)
    return tuple(found) if told else with_hardware(found, peers)


def with_hardware(links: list[Link], foreign_peer: Mapping[str, bool]) -> tuple[Link, ...]:
    """Mark the links that the platform gives.

    A link without a kind is a device. Where there is none, we are in a container: then its uplinks are the
    veths and macvlans whose other end is in another namespace (``foreign_peer``) and that serve no bridge.
    """
    devices = {link.name for link in links if not link.kind and not link.loopback}
    if not devices:
        devices = {
            link.name
            for link in links
            if link.kind in UPLINK_KINDS
            and foreign_peer.get(link.name, False)
            and not link.master
            and not link.name.startswith(_HOST_VETHS)
        }
    return tuple(replace(link, hardware=link.name in devices) for link in links)


def guessed_kind(name: str, link_type: str, peer: str = "") -> str:
    """The kind of a link by its name, for records that don't tell (ip without -d, busybox)."""
    if link_type == "ppp":
        return "ppp"
    if peer.startswith("if") or name.startswith(("veth", "ve-", "vb-")):
        return "veth"
    for prefix, kind in _KINDS:
        rest = name[len(prefix) :]
        if name.startswith(prefix) and (not rest or rest[0].isdecimal() or prefix[-1] == "-"):
            return kind
    if peer and peer != "NONE":
        return "vlan" if "." in name or name.startswith("vlan") else "veth"
    if link_type in ("sit", "ipip", "gre", "tunnel6", "gre6"):
        return link_type
    return ""


_KINDS = (
    ("docker", "bridge"),
    ("br-", "bridge"),
    ("br", "bridge"),
    ("virbr", "bridge"),
    ("lxcbr", "bridge"),
    ("lxdbr", "bridge"),
    ("cni", "bridge"),
    ("bond", "bond"),
    ("team", "team"),
    ("dummy", "dummy"),
    ("tun", "tun"),
    ("tap", "tun"),
    ("wg", "wireguard"),
    ("ifb", "ifb"),
    ("sit", "sit"),
    ("gre", "gre"),
    ("gretap", "gretap"),
    ("tunl", "ipip"),
    ("ip6tnl", "ip6tnl"),
    ("ip_vti", "vti"),
    ("vxlan", "vxlan"),
)


def guessed_state(flags: tuple[str, ...]) -> str:
    """The operational state where it is not told (busybox), from the flags."""
    if "UP" not in flags or "NO-CARRIER" in flags:
        return "DOWN"
    return "UP" if "LOWER_UP" in flags and "LOOPBACK" not in flags else "UNKNOWN"


def _addresses(records: object) -> Iterator[Address]:
    for record in mappings(records):
        found = address_interface(f"{text(record, 'local')}/{number(record, 'prefixlen', 128)}")
        if found is None:
            continue
        flags = [key for key, value in record.items() if (value is True or value is None) and key not in _NO_FLAG]
        flags += [word for word in words(record, "flags") if word not in flags]
        scope = text(record, "scope")
        yield Address(found, _SCOPES.get(scope, scope or "global"), tuple(flags))


def address_interface(written: str) -> IPv4Interface | IPv6Interface | None:
    """An address as ip prints it, with its prefix length or without; None when it is none."""
    try:
        return ip_interface(written)
    except ValueError:
        pass
    head, _, tail = written.partition("/")
    try:  # a prefix length of the other family's size stands for "the whole address"
        return ip_interface(head) if tail == "128" else None
    except ValueError:
        return None


def parse_routes(records: object, family: int = 0) -> tuple[Route, ...]:
    """Routes from ``ip -j route``; the kernel's own (table local, multicast) are left out.

    ``family`` (4 or 6) is what was asked for; 0: taken from each record. A route over several next hops gives
    one Route for each.
    """
    found: list[Route] = []
    for record in mappings(records):
        kind = text(record, "type") or "unicast"
        table = _TABLES.get(text(record, "table"), text(record, "table") or "main")
        if kind in OWN_ROUTES or table == "local":
            continue
        hops = [record, *mappings(record.get("nexthops"))]
        if len(hops) > 1:
            hops = hops[1:]
        own = _FAMILIES.get(text(record, "family"), family)
        for hop in hops:
            gateway = text(hop, "gateway")
            via = hop.get("via")
            if isinstance(via, dict):
                gateway = text(via, "host") or gateway
            version = own or family_of(text(record, "dst"), gateway, text(record, "prefsrc"))
            found.append(
                Route(
                    destination=destination(text(record, "dst"), version),
                    gateway=gateway or None,
                    device=text(hop, "dev"),
                    family=version,
                    metric=number(record, "metric"),
                    table=table,
                    protocol=text(record, "protocol"),
                    kind=kind,
                    flags=tuple(dict.fromkeys(words(record, "flags") + words(hop, "flags"))),
                    source=text(record, "prefsrc"),
                )
            )
    return tuple(found)


def family_of(*hints: str) -> int:
    """The address family that addresses are of: 6 when the first telling one has a colon, else 4."""
    for hint in hints:
        if ":" in hint:
            return 6
        if "." in hint:
            return 4
    return 4


def destination(written: str, family: int) -> str:
    """A destination as "default" or in CIDR form: ip leaves out the length of a host route."""
    if written in ("", "default", "any", "all", "0.0.0.0/0", "::/0", "0/0"):
        return "default"
    try:
        return str(ip_network(written, strict=False))
    except ValueError:
        return written


def parse_rules(records: object, family: int = 0) -> tuple[RoutingRule, ...]:
    """Policy rules from ``ip -j rule`` and ``ip -j -6 rule``."""
    found = []
    for record in mappings(records):
        source, to = _prefix(record, "src"), _prefix(record, "dst")
        parts = ["not"] if "not" in record else []
        parts += ["from", source or "all"]
        parts += ["to", to] if to else []
        for key in ("tos", "fwmark", "iif", "oif", "ipproto", "sport", "dport", "uidrange", "l3mdev"):
            if key in record and key != "fwmask":
                parts += [key, text(record, key)] if text(record, key) else [key]
        action = text(record, "action")
        if action and action not in ("to_tbl", "lookup"):
            parts.append(action)
        if "suppress_prefixlen" in record:
            parts += ["suppress_prefixlength", text(record, "suppress_prefixlen")]
        table = text(record, "table")
        version = _FAMILIES.get(text(record, "family"), family) or family_of(source, to)
        found.append(
            RoutingRule(
                number(record, "priority"),
                version,
                " ".join(part for part in parts if part),
                _TABLES.get(table, table),
            )
        )
    return tuple(found)


def _prefix(record: Mapping[str, object], key: str) -> str:
    address, length = text(record, key), text(record, key + "len")
    return f"{address}/{length}" if length and "/" not in address and address != "all" else address


def parse_neighbours(records: object) -> tuple[Neighbour, ...]:
    """The neighbour table from ``ip -j neigh``."""
    return tuple(
        Neighbour(
            address=text(record, "dst"),
            device=text(record, "dev"),
            state=(words(record, "state") or ("NONE",))[0].upper(),
            mac=text(record, "lladdr").lower(),
            router="router" in record and record["router"] is not False,
        )
        for record in mappings(records)
        if text(record, "dst")
    )


# -- reading values of any type


def mappings(records: object) -> list[Mapping[str, object]]:
    """The dictionaries of a list; nothing for any other shape (ip prints empty ones between)."""
    if not isinstance(records, (list, tuple)):
        return []
    return [record for record in records if isinstance(record, dict) and record]


def text(record: Mapping[str, object], key: str) -> str:
    """A value as text; "" when it is missing or no plain value."""
    value = record.get(key)
    if isinstance(value, bool) or value is None:
        return ""
    return value if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else ""


def number(record: Mapping[str, object], key: str, default: int = 0) -> int:
    """A value as a whole number, decimal or 0x; the default when it is none."""
    value = record.get(key)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return default
    return default


def words(record: Mapping[str, object], key: str) -> tuple[str, ...]:
    """A list of texts; a lone text counts as a list of one."""
    value = record.get(key)
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(item for item in value if isinstance(item, str))


def _mac(address: str, link_type: str) -> str:
    """The link's MAC; tunnels carry an IP address in the same field."""
    if link_type not in ("", "ether", "loopback", "infiniband", "ieee802.11"):
        return ""
    return address.lower() if address.count(":") >= 5 and address.strip("0:") else ""
