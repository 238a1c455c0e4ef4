"""Values in nft's JSON: constants of a data type, prefixes, ranges and flags, as the model's integers and names.

Everything here comes from a text that anybody may have written: each shape is checked, and what is not as nft prints
it is NotUnderstood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.firewall.nft.names import NAMES, OTHER_FAMILY, PACKET_TYPES
from agent.firewall.sets import Part, Prefix
from agent.firewall.xtables.values import SERVICES, NotUnderstood, address

# fmt: off
BITS: Mapping[str, int] = {
    "ipv4_addr": 32, "ipv6_addr": 128, "ether_addr": 48, "inet_proto": 8, "inet_service": 16, "mark": 32,
    "icmp_type": 8, "icmp_code": 8, "icmpv6_type": 8, "icmpv6_code": 8, "ct_state": 32, "ct_status": 32,
    "ct_dir": 8, "tcp_flag": 8, "dscp": 6, "ecn": 2, "fib_addrtype": 32, "ether_type": 16, "nf_proto": 8,
    "boolean": 1, "day": 8, "uid": 32, "gid": 32, "integer": 32, "byte": 8, "length": 16, "cgroup": 32,
}
# fmt: on
NAMED = ("ifname", "iface_index", "pkt_type")  # whose values are names in the model
FLAGS = ("ct_state", "ct_status", "tcp_flag")
DEPTH = 24  # of expressions within expressions


def mapping(item: object, what: str = "this") -> Mapping[str, object]:
    """An object of JSON."""
    if not isinstance(item, Mapping):
        raise NotUnderstood(f"{what} is not an object")
    return item


def sequence(item: object, what: str = "this") -> Sequence[object]:
    """An array of JSON."""
    if not isinstance(item, (list, tuple)):
        raise NotUnderstood(f"{what} is not an array")
    return item


def text(item: object, what: str = "this") -> str:
    """A string of JSON."""
    if not isinstance(item, str):
        raise NotUnderstood(f"{what} is not a string")
    return item


def label(item: object, limit: int = 60) -> str:
    """A word or a number to be shown or compared, cut short; "" for anything else."""
    if isinstance(item, str):
        return item[:limit]
    return str(item) if isinstance(item, int) and abs(item) < 1 << 64 else ""


def integer(item: object, what: str = "this") -> int:
    """A number of JSON that is whole and not negative."""
    if not isinstance(item, int) or isinstance(item, bool) or not 0 <= item < 1 << 128:
        raise NotUnderstood(f"{what} is not a number that it may be")
    return item


def only(item: object, what: str = "this") -> tuple[str, object]:
    """The name and the value of an object that has one member."""
    found = mapping(item, what)
    if len(found) != 1:
        raise NotUnderstood(f"{what} has not one member")
    ((name, value),) = found.items()
    return text(name), value


def constant(kind: str, item: object) -> int | str:
    """One value of a data type; flags may stand together, as a list or in {"|": [...]}."""
    if kind in NAMED:
        return _name(kind, item)
    if isinstance(item, Mapping):
        name, inner = only(item, "a value")
        if name == "|" and kind in FLAGS:
            return flags(kind, inner)
        raise NotUnderstood(f"the value {name} is not modelled here")
    if isinstance(item, (list, tuple)) and kind in FLAGS:
        return flags(kind, item)
    if isinstance(item, bool):
        return int(item)
    if isinstance(item, str):
        return _from_text(kind, item)
    return _from_number(kind, integer(item, "a value"))


def _name(kind: str, item: object) -> str:
    if kind == "pkt_type":
        found = PACKET_TYPES.get(label(item))
        if found is None:
            raise NotUnderstood("this type of packet is not known")
        return found
    if not isinstance(item, str):
        raise NotUnderstood("the number of an interface doesn't tell its name")
    return item


def flags(kind: str, items: object, depth: int = 0) -> int:
    """Flags together: a list of them, or one."""
    if depth > DEPTH:
        raise NotUnderstood("flags within flags without end")
    if isinstance(items, (list, tuple)):
        together = 0
        for item in items:
            together |= flags(kind, item, depth + 1)
        return together
    if isinstance(items, Mapping):
        name, inner = only(items, "flags")
        if name != "|":
            raise NotUnderstood(f"the flags {name} are not modelled")
        return flags(kind, inner, depth + 1)
    return number(kind, items)


def _from_text(kind: str, item: str) -> int:
    if kind == "ipv4_addr":
        return address(item, 4)
    if kind == "ipv6_addr":
        return address(item, 6)
    known = NAMES.get(kind, {})
    if item in known:
        return known[item]
    try:
        if kind == "ether_addr":
            return _hardware(item)
        if kind == "inet_service" and item in SERVICES:
            return SERVICES[item]
        if len(item) < 40 and item.isascii():
            return _from_number(kind, int(item, 0))
    except ValueError:
        pass
    raise NotUnderstood(f"{item[:60]} is not understood")


def _hardware(item: str) -> int:
    parts = item.split(":")
    if len(parts) != 6 or not all(1 <= len(part) <= 2 for part in parts):
        raise ValueError(item)
    return int("".join(part.zfill(2) for part in parts), 16)


def _from_number(kind: str, item: int) -> int:
    if kind == "ether_type":
        return {0x0800: 4, 0x86DD: 6}.get(item, OTHER_FAMILY)
    if kind == "nf_proto":
        return {2: 4, 10: 6}.get(item, OTHER_FAMILY)
    if kind == "fib_addrtype":
        return 1 << min(item, 31)
    if not 0 <= item < 1 << BITS.get(kind, 128):
        raise NotUnderstood(f"{item} is out of range")
    return item


def part(kind: str, item: object) -> Part:
    """What one part of a set's element covers, or what a field is compared with: a value, a prefix, a range, all."""
    if item == "*":
        return (0, (1 << BITS[kind]) - 1) if kind in BITS else Prefix("")
    if kind == "ifname" and isinstance(item, str) and item.endswith("*"):
        return item[:-2] + "*" if item.endswith("\\*") else Prefix(item[:-1])
    if isinstance(item, Mapping) and len(item) == 1:
        name, inner = only(item)
        if name == "prefix":
            return _prefix(kind, inner)
        if name == "range":
            return _range(kind, inner)
    found = constant(kind, item)
    return (found, found) if isinstance(found, int) else found


def _prefix(kind: str, item: object) -> tuple[int, int]:
    given = mapping(item, "a prefix")
    base = number(kind, given.get("addr"))
    length, bits = integer(given.get("len"), "a prefix length"), BITS.get(kind, 0)
    if length > bits:
        raise NotUnderstood(f"{length} is no possible prefix length")
    hosts = (1 << (bits - length)) - 1
    return base & ~hosts, base | hosts


def _range(kind: str, item: object) -> tuple[int, int]:
    ends = sequence(item, "a range")
    if len(ends) != 2:
        raise NotUnderstood("a range has not two ends")
    low, high = number(kind, ends[0]), number(kind, ends[1])
    if low > high:
        raise NotUnderstood("a range is the wrong way round")
    return low, high


def number(kind: str, item: object) -> int:
    """One value that must be a number."""
    found = constant(kind, item)
    if isinstance(found, str):
        raise NotUnderstood("a name where a number should be")
    return found
