"""Names of ICMP types, as iptables knows them: type, and code or None for all (RFC 792, RFC 4443)."""

from __future__ import annotations

from collections.abc import Mapping

from agent.firewall.xtables.values import NotUnderstood, number

ANY = 255

_UNREACHABLE = (
    *("network-unreachable", "host-unreachable", "protocol-unreachable", "port-unreachable", "fragmentation-needed"),
    *("source-route-failed", "network-unknown", "host-unknown", "", "network-prohibited", "host-prohibited"),
    *("TOS-network-unreachable", "TOS-host-unreachable", "communication-prohibited", "host-precedence-violation"),
    "precedence-cutoff",
)

V4: Mapping[str, tuple[int, int | None]] = {
    "any": (ANY, None),
    "echo-reply": (0, None),
    "pong": (0, None),
    "destination-unreachable": (3, None),
    **{name: (3, code) for code, name in enumerate(_UNREACHABLE) if name},
    "source-quench": (4, None),
    "redirect": (5, None),
    "network-redirect": (5, 0),
    "host-redirect": (5, 1),
    "TOS-network-redirect": (5, 2),
    "TOS-host-redirect": (5, 3),
    "echo-request": (8, None),
    "ping": (8, None),
    "router-advertisement": (9, None),
    "router-solicitation": (10, None),
    "time-exceeded": (11, None),
    "ttl-exceeded": (11, None),
    "ttl-zero-during-transit": (11, 0),
    "ttl-zero-during-reassembly": (11, 1),
    "parameter-problem": (12, None),
    "ip-header-bad": (12, 0),
    "required-option-missing": (12, 1),
    "timestamp-request": (13, None),
    "timestamp-reply": (14, None),
    "address-mask-request": (17, None),
    "address-mask-reply": (18, None),
}

V6: Mapping[str, tuple[int, int | None]] = {
    "any": (ANY, None),
    "destination-unreachable": (1, None),
    "no-route": (1, 0),
    "communication-prohibited": (1, 1),
    "beyond-scope": (1, 2),
    "address-unreachable": (1, 3),
    "port-unreachable": (1, 4),
    "failed-policy": (1, 5),
    "reject-route": (1, 6),
    "packet-too-big": (2, None),
    "time-exceeded": (3, None),
    "ttl-exceeded": (3, None),
    "ttl-zero-during-transit": (3, 0),
    "ttl-zero-during-reassembly": (3, 1),
    "parameter-problem": (4, None),
    "bad-header": (4, 0),
    "unknown-header-type": (4, 1),
    "unknown-option": (4, 2),
    "echo-request": (128, None),
    "ping": (128, None),
    "echo-reply": (129, None),
    "pong": (129, None),
    "mld-listener-query": (130, None),
    "mld-listener-report": (131, None),
    "mld-listener-done": (132, None),
    "mld-listener-reduction": (132, None),
    "router-solicitation": (133, None),
    "router-advertisement": (134, None),
    "neighbour-solicitation": (135, None),
    "neighbor-solicitation": (135, None),
    "neighbour-advertisement": (136, None),
    "neighbor-advertisement": (136, None),
    "redirect": (137, None),
}


def kind(text: str, family: int) -> tuple[int, int | None]:
    """Type and code (None: any) of a name, a number, or TYPE/CODE."""
    names = V4 if family == 4 else V6
    lowered = {name.lower(): value for name, value in names.items()}
    if text.lower() in lowered:
        return lowered[text.lower()]
    first, slash, code = text.partition("/")
    if not first.isdecimal():
        raise NotUnderstood(f"the ICMP type {text} is not known")
    return number(str(int(first)), 255), number(code, 255) if slash else None
