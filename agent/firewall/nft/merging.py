"""Comparisons that some versions of nft load as one.

nft 1.0.6 loads ``tcp sport != 1 tcp dport != 2``, of fields that stand side by side, as one comparison of both: it
then holds where only one of them differs. It is listed as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.firewall.expression import Either, Every, Expression, NotModelled

_SIDE_BY_SIDE = {
    *((header, "sport", "dport") for header in ("tcp", "udp", "th", "sctp", "dccp", "udplite")),
    *((header, "type", "code") for header in ("icmp", "icmpv6")),
    *(("ip", "ttl", "protocol"), ("ip6", "nexthdr", "hoplimit")),
}
_REASON = "some versions of nft (1.0.6) load these two comparisons as one, which holds where only one of them does"


def merged(one: object, other: object) -> bool:
    """Are these two comparisons, one behind the other, of the kind that is loaded as one?"""
    first, second = _unequal(one), _unequal(other)
    return first is not None and second is not None and first[0] == second[0] and (*first, second[1]) in _SIDE_BY_SIDE


def _unequal(item: object) -> tuple[str, str] | None:
    """Header and field of ``field != value``."""
    inner = item.get("match") if isinstance(item, Mapping) else None
    if not isinstance(inner, Mapping) or inner.get("op") != "!=" or not isinstance(inner.get("right"), (str, int)):
        return None
    left = inner.get("left")
    read = left.get("payload") if isinstance(left, Mapping) else None
    if not isinstance(read, Mapping):
        return None
    header, field = read.get("protocol"), read.get("field")
    return (header, field) if isinstance(header, str) and isinstance(field, str) else None


def either_way(one: list[Expression], other: list[Expression]) -> list[Expression]:
    """What holds, and what does not, however the two were loaded. The last of each is the comparison itself."""
    both = (one[-1], other[-1])
    return [*one[:-1], *other[:-1], Either(both), Either((Every(both), NotModelled(_REASON)))]
