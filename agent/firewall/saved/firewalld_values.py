"""Values in firewalld's files: addresses, ports, protocols; as it checks and joins them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from agent.firewall.saved.firewalld_objects import PortOf
from agent.firewall.saved.firewalld_xml import Refused

_MAC = re.compile(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\Z")
_PROTOCOL = re.compile(r"[A-Za-z0-9.+-]{1,32}\Z")
# The services that firewalld's own files and people name instead of a number are few; others are unknown here.
_PROTOCOL_NAMES = {
    "1": "icmp", "2": "igmp", "4": "ipencap", "6": "tcp", "17": "udp", "33": "dccp", "41": "ipv6", "47": "gre",
    "50": "esp", "51": "ah", "58": "ipv6-icmp", "89": "ospf", "103": "pim", "108": "ipcomp", "112": "vrrp",
    "132": "sctp", "136": "udplite",
}  # fmt: skip


def address_family(text: str) -> str:
    """The family of an address or network, "ipv4" or "ipv6"; "" where it is neither."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    return f"ipv{found.version}"


def is_mac(text: str) -> bool:
    return _MAC.match(text) is not None


def check_port(text: str) -> str:
    """A port or a range, "80-90". Names of services are not looked up: /etc/services is the host's own affair."""
    parts = text.split("-")
    if len(parts) > 2 or not all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts):
        raise Refused(f"port {text} is no number or range of numbers")
    numbers = [int(part) for part in parts]
    if max(numbers) > 65535 or (len(numbers) == 2 and numbers[0] >= numbers[1]):
        raise Refused(f"port {text} is not valid")
    return "-".join(str(number) for number in numbers)


def port_range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def joined(ports: Sequence[PortOf], new: PortOf) -> list[PortOf]:
    """The ports with one more: ranges that touch or overlap become one, as firewalld keeps them."""
    low, high = port_range(new[0])
    touching = []
    for old in ports:
        first, last = port_range(old[0])
        if old[1] == new[1]:
            if first <= low and high <= last:
                return list(ports)
            if first <= high + 1 and low <= last + 1:
                touching.append(old)
                low, high = min(low, first), max(high, last)
    kept = [old for old in ports if old not in touching]
    return [*kept, (str(low) if low == high else f"{low}-{high}", new[1])]


def check_protocol(text: str) -> str:
    """The protocol by the name under which nft prints it."""
    if not _PROTOCOL.match(text):
        raise Refused(f"protocol {text} is not known")
    name = _PROTOCOL_NAMES.get(text, text)
    if name == "icmpv6":
        name = "ipv6-icmp"
    if name not in _PROTOCOL_NAMES.values():
        raise Refused(f"protocol {text} is not known here")
    return name
