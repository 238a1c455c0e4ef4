"""Kinds of ICMP by firewalld's names: nft's name of the type, and the code (None: any).

Sources: firewalld.icmptype(5), RFC 792, RFC 4443; the codes as firewalld matches them.
"""

from __future__ import annotations

from collections.abc import Mapping

Kind = tuple[str, "int | None"]

TYPES: Mapping[str, Mapping[str, Kind]] = {
    "ipv4": {
        "communication-prohibited": ("destination-unreachable", 13),
        "destination-unreachable": ("destination-unreachable", None),
        "echo-reply": ("echo-reply", None),
        "echo-request": ("echo-request", None),
        "fragmentation-needed": ("destination-unreachable", 4),
        "host-precedence-violation": ("destination-unreachable", 14),
        "host-prohibited": ("destination-unreachable", 10),
        "host-redirect": ("redirect", 1),
        "host-unknown": ("destination-unreachable", 7),
        "host-unreachable": ("destination-unreachable", 1),
        "ip-header-bad": ("parameter-problem", 1),
        "network-prohibited": ("destination-unreachable", 8),
        "network-redirect": ("redirect", 0),
        "network-unknown": ("destination-unreachable", 6),
        "network-unreachable": ("destination-unreachable", 0),
        "parameter-problem": ("parameter-problem", None),
        "port-unreachable": ("destination-unreachable", 3),
        "precedence-cutoff": ("destination-unreachable", 15),
        "protocol-unreachable": ("destination-unreachable", 2),
        "redirect": ("redirect", None),
        "required-option-missing": ("parameter-problem", 1),
        "router-advertisement": ("router-advertisement", None),
        "router-solicitation": ("router-solicitation", None),
        "source-quench": ("source-quench", None),
        "source-route-failed": ("destination-unreachable", 5),
        "time-exceeded": ("time-exceeded", None),
        "timestamp-reply": ("timestamp-reply", None),
        "timestamp-request": ("timestamp-request", None),
        "tos-host-redirect": ("redirect", 3),
        "tos-host-unreachable": ("destination-unreachable", 12),
        "tos-network-redirect": ("redirect", 2),
        "tos-network-unreachable": ("destination-unreachable", 11),
        "ttl-zero-during-reassembly": ("time-exceeded", 1),
        "ttl-zero-during-transit": ("time-exceeded", 0),
    },
    "ipv6": {
        "address-unreachable": ("destination-unreachable", 3),
        "bad-header": ("parameter-problem", 0),
        "beyond-scope": ("destination-unreachable", 2),
        "communication-prohibited": ("destination-unreachable", 1),
        "destination-unreachable": ("destination-unreachable", None),
        "echo-reply": ("echo-reply", None),
        "echo-request": ("echo-request", None),
        "failed-policy": ("destination-unreachable", 5),
        "mld-listener-done": ("mld-listener-done", None),
        "mld-listener-query": ("mld-listener-query", None),
        "mld-listener-report": ("mld-listener-report", None),
        "mld2-listener-report": ("mld2-listener-report", None),
        "neighbour-advertisement": ("nd-neighbor-advert", None),
        "neighbour-solicitation": ("nd-neighbor-solicit", None),
        "no-route": ("destination-unreachable", 0),
        "packet-too-big": ("packet-too-big", None),
        "parameter-problem": ("parameter-problem", None),
        "port-unreachable": ("destination-unreachable", 4),
        "redirect": ("nd-redirect", None),
        "reject-route": ("destination-unreachable", 6),
        "router-advertisement": ("nd-router-advert", None),
        "router-solicitation": ("nd-router-solicit", None),
        "time-exceeded": ("time-exceeded", None),
        "ttl-zero-during-reassembly": ("time-exceeded", 1),
        "ttl-zero-during-transit": ("time-exceeded", 0),
        "unknown-header-type": ("parameter-problem", 1),
        "unknown-option": ("parameter-problem", 2),
    },
}
