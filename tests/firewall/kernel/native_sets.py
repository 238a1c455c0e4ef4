"""Named sets and maps of nft, with @ for what hangs on the family: @addr its type, @s0 a source, @d1 an own address."""

from __future__ import annotations

from tests.firewall.kernel import pools

NAMED_SETS = {  # name: declaration, with @ for the family's own words and addresses
    "addresses": "type @addr; elements = { @s0, @s3, @d1 }",
    "nets": "type @addr; flags interval; elements = { @n1, @n3, @n4 }",
    "services": "type inet_service; flags interval; elements = { 22, 80-443, 8080 }",
    "pairs": "type @addr . inet_service; elements = { @s0 . 22, @s1 . 53, @s3 . 80 }",
    "ranges": "type @addr . inet_service; flags interval; elements = { @n1 . 22, @n3 . 53-123, @s1 . 80-8080 }",
    "protocols": "type inet_proto . inet_service; elements = { tcp . 22, udp . 53, tcp . 443, udp . 123 }",
    "links": 'type ifname; elements = { "eth0", "lo" }',
    "wild": 'type ifname; flags interval; elements = { "eth*", "lo" }',
    "marks": "type mark; flags interval; elements = { 1, 3-5, 16 }",
    "macs": "type ether_addr; elements = { 02:00:00:00:00:01, 02:00:00:00:00:99 }",
    "states": "type ct_state; elements = { new, established }",
    "counted": "type @addr; counter; elements = { @s0, @s4 }",
    "timed": 'type @addr; flags timeout; timeout 1h; elements = { @s1 timeout 30m, @s3 comment "c" }',
    "seen": "type @addr; flags dynamic, timeout; timeout 1h; size 65536",
    "linked": "type ifname . @addr; elements = { eth0 . @s0, eth1 . @s3 }",
    "classes": "type dscp; elements = { cs1, af11 }",
}
NAMED_MAPS = {
    "bymark": "type @addr : mark; elements = { @s0 : 1, @s1 : 2, @s3 : 0x10 }",
    "bynet": "type @addr : mark; flags interval; elements = { @n1 : 3, @n3 : 5 }",
    "byport": "type inet_service : mark; flags interval; elements = { 22 : 1, 80-443 : 2, * : 9 }",
    "verdicts": "type inet_service : verdict; flags interval; elements = { 22 : accept, 80-443 : @jump, 8080 : drop }",
    "judged": "type @addr . inet_service : verdict; elements = { @s0 . 22 : accept, @s1 . 80 : drop, @s3 . 53: @jump }",
    "byaddress": "type @addr : verdict; flags interval; elements = { @n1 : @jump, @n3 : drop, @s5 : return }",
    "bystate": "type ct_state : verdict; elements = { established : accept, related : accept, invalid : drop }",
    "targets": "type inet_service : @addr; elements = { 80 : @d1, 443 : @d2 }",
    "endpoints": "type @addr : @addr . inet_service; elements = { @s0 : @d1 . 8080, @s3 : @d0 . 22, @s1 : @d2 . 2222 }",
    "netmarks": "type @addr . inet_service : mark; flags interval; elements = { @n1 . 22 : 1, @n3 . 53-443 : 2 }",
}


def words(text: str, family: int) -> str:
    """With the family's own words, addresses and networks in place."""
    places = {"@addr": f"ipv{family}_addr"}
    places |= {f"@s{number}": one for number, one in enumerate(pools.SOURCES[family])}
    places |= {f"@d{number}": one for number, one in enumerate(pools.OWN[family])}
    known = pools.NETWORKS[family]
    places |= {"@n1": known[1], "@n3": known[2 if family == 6 else 3], "@n4": known[4]}
    for word, value in places.items():
        text = text.replace(word, value)
    return text
