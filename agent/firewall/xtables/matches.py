"""The matches that the model knows, by the name after -m, and what those mean that it doesn't."""

from __future__ import annotations

from collections.abc import Mapping

from agent.firewall.expression import ALWAYS, NEVER, Depends, Expression, NotModelled
from agent.firewall.xtables import header_matches as header
from agent.firewall.xtables import state_matches as state
from agent.firewall.xtables.header_matches import each
from agent.firewall.xtables.options import MatchReader, Module, Options, module
from agent.firewall.xtables.values import Setting

_PORTS = "source-port/sport destination-port/dport"
_CONNECTION = (
    "ctstate ctproto ctorigsrc ctorigdst ctreplsrc ctrepldst ctorigsrcport ctorigdstport ctreplsrcport"
    " ctrepldstport ctstatus ctexpire ctdir"
)
_COUNTERS = " ".join(f"{what}-{how}" for what in ("packets", "bytes") for how in ("eq", "lt", "gt"))


def _nothing(_: Options, __: Setting) -> list[Expression]:
    return []


def _depends(reason: str) -> MatchReader:
    return lambda options, setting: [Depends(reason)]


def _absent(_: Options, __: Setting) -> list[Expression]:
    """Headers that only packets with extension headers have; those that the model follows have none."""
    return [NEVER]


def _always(_: Options, __: Setting) -> list[Expression]:
    return [ALWAYS]


_TABLE: tuple[tuple[str, str, MatchReader], ...] = (
    ("tcp", f"{_PORTS} tcp-flags:2 syn:0 tcp-option", header.both_ports),
    ("udp", _PORTS, header.both_ports),
    ("udplite", _PORTS, each(header.ports)),
    ("sctp", f"{_PORTS} chunk-types:2", each(header.ports)),
    ("dccp", f"{_PORTS} dccp-types dccp-option", each(header.ports)),
    ("icmp", "icmp-type", each(header.icmp)),
    ("icmp6", "icmpv6-type/icmp6-type", each(header.icmp)),
    (
        "multiport",
        "source-port/source-ports/sports destination-port/destination-ports/dports ports/port",
        each(header.multiport),
    ),
    ("length", "length", each(header.length)),
    ("ttl", "ttl-eq/ttl ttl-lt ttl-gt", each(header.ttl)),
    ("hl", "hl-eq/hl hl-lt hl-gt", each(header.ttl)),
    ("tos", "tos", each(header.tos)),
    ("dscp", "dscp dscp-class", each(header.dscp)),
    ("ecn", "ecn-ip-ect ecn-tcp-cwr:0 ecn-tcp-ece:0", each(header.ecn)),
    ("mac", "mac-source", each(header.mac)),
    ("iprange", "src-range dst-range", each(header.iprange)),
    ("pkttype", "pkt-type", each(header.packet_type)),
    ("mark", "mark", each(header.mark)),
    ("connmark", "mark", each(header.connmark)),
    ("addrtype", "src-type dst-type limit-iface-in:0 limit-iface-out:0", each(header.address_type)),
    ("comment", "comment", _nothing),
    ("conntrack", _CONNECTION, state.conntrack),
    ("state", "state", state.conntrack),
    ("set", f"match-set/set:2 return-nomatch:0 update-counters:0 update-subcounters:0 {_COUNTERS}", state.in_set),
    (
        "recent",
        "set:0 rcheck:0 update:0 remove:0 seconds reap:0 hitcount rttl:0 name rsource:0 rdest:0 mask",
        state.recent,
    ),
    ("statistic", "mode probability every packet", state.statistic),
    ("owner", "uid-owner gid-owner socket-exists:0 suppl-groups:0", state.owner),
    ("rpfilter", "loose:0 validmark:0 accept-local:0 invert:0", state.reverse_path),
    ("policy", "dir pol strict:0 reqid spi proto mode tunnel-src tunnel-dst next:0", state.policy),
    ("physdev", "physdev-in physdev-out physdev-is-in:0 physdev-is-out:0 physdev-is-bridged:0", state.bridge_port),
    ("time", "timestart timestop datestart datestop weekdays monthdays kerneltz:0 utc:0 contiguous:0", state.time),
    ("limit", "limit limit-burst", _depends("it lets so many packets through in a time (limit)")),
    (
        "connlimit",
        "connlimit-upto connlimit-above connlimit-mask connlimit-saddr:0 connlimit-daddr:0",
        _depends("it counts the connections that are open (connlimit)"),
    ),
    ("quota", "quota", _depends("it holds until so many bytes came (quota)")),
    ("connbytes", "connbytes connbytes-dir connbytes-mode", _depends("it counts what the connection sent (connbytes)")),
    ("nfacct", "nfacct-name", _always),
    ("rt", "rt-type rt-segsleft rt-len rt-0-res:0 rt-0-addrs rt-0-not-strict:0", _absent),
    ("frag", "fragid fraglen fragres:0 fragfirst:0 fragmore:0 fraglast:0", _absent),
    ("hbh", "hbh-len hbh-opts", _absent),
    ("dst", "dst-len dst-opts", _absent),
)

_FREE: Mapping[str, MatchReader] = {
    "hashlimit": _depends("it lets so many packets of each sender through in a time (hashlimit)"),
    "rateest": _depends("it measures a rate (rateest)"),
    "cluster": _depends("other hosts of a cluster may take the packet (cluster)"),
    "cpu": _depends("the processor that handles the packet is not known"),
}

MODULES: Mapping[str, Module] = {
    **{name: module(spec) for name, spec, _ in _TABLE},
    **{name: module("", free=True) for name in _FREE},
}
_READERS: Mapping[str, MatchReader] = {**{name: read for name, _, read in _TABLE}, **_FREE}

SPELLINGS: Mapping[str, str] = {"icmpv6": "icmp6", "ipv6-icmp": "icmp6"}

# The match that a protocol brings along without -m.
BY_PROTOCOL: Mapping[int, str] = {1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmp6", 132: "sctp", 136: "udplite"}


def expressions(name: str, options: Options, setting: Setting) -> list[Expression]:
    """What a match asks; for one that isn't modelled, a question without an answer."""
    read = _READERS.get(name)
    if read is None:
        return [NotModelled(f"the match {name} is not modelled")]
    return read(options, setting)
