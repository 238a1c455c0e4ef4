"""Random rule-sets in nft's language, over all that rules of hosts use; and what nft makes of a text.

What is generated is meant to load. Some pairs of a family and a match don't go together: their lines are left out when
nft refuses them.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

needs_nft = pytest.mark.skipif(
    os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("nft", "ip", "unshare")),
    reason="only root with nft may load rules into a namespace of its own",
)

_SCRIPT = """
ip link add eth0 type veth peer name eth1 && nft $4 -f "$1" || exit
split -l 15 "$2" "$2."  # some rules make nft 1.0.6 crash: the rest of their part is lost
for part in "$2".*; do nft -i < "$part" > /dev/null 2>&1; done
nft $3 list ruleset && echo "# JSON" && nft -j list ruleset
"""


class Refused(Exception):
    """nft's own words."""


def listed(text: str, options: str = "", then: str = "", load: str = "") -> tuple[str, dict[str, Any]]:
    """What nft prints after it has loaded the text into a new network namespace: as text, and as JSON. ``then`` are
    commands, of which those that are refused are passed over; ``load`` are options for the loading."""
    with tempfile.TemporaryDirectory() as folder:
        file, commands = Path(folder, "rules.nft"), Path(folder, "commands.nft")
        file.write_text(text)
        commands.write_text(then)
        argv = ["unshare", "--net", "sh", "-c", _SCRIPT, "sh", str(file), str(commands), options, load]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Refused(done.stderr)
    plain, _, document = done.stdout.partition("# JSON\n")
    return plain, json.loads(document)


def accepted(rules: Rules) -> Rules:
    """The rules that nft takes, one by one: a match may not go with its family or with another match."""
    commands = "".join(
        f'add rule {family} t {chain} {rule} comment "r{number}"\n'
        for number, (family, chain, rule) in enumerate(rules.rules)
    )
    plain, _ = listed(rules.text(empty=True), then=commands)
    taken = {int(number) for number in re.findall(r'comment "r([0-9]+)"$', plain, re.MULTILINE)}
    return Rules(rules.chains, tuple(rule for number, rule in enumerate(rules.rules) if number in taken))


def _lines(text: str) -> list[str]:
    return text.strip().split("\n")


_FOUR = ("10.0.0.0/8", "192.0.2.7", "192.0.2.1-192.0.2.9", "{ 10.1.0.0/16, 192.0.2.7, 198.51.100.1-198.51.100.9 }")
_SIX = ("fe80::/10", "2001:db8::1", "2001:db8::1-2001:db8::9", "{ 2001:db8:1::/48, ::1, fd00::1-fd00::9 }")
_PORTS = ("22", "80-90", "> 1024", "!= 53", "{ 22, 80, 443 }", "{ 100-200, 22 }", "!= { 1, 2 }", "@ports", "!= @ports")
_MATCHES = (
    *(f"ip {end} {sign}{value}" for end in ("saddr", "daddr") for sign in ("", "!= ") for value in _FOUR),
    *(f"ip6 {end} {sign}{value}" for end in ("saddr", "daddr") for sign in ("", "!= ") for value in _SIX),
    *(f"{name} {end} {port}" for name in ("tcp", "udp", "th", "sctp") for end in ("sport", "dport") for port in _PORTS),
    *_lines("""
ip saddr @hosts
ip daddr != @hosts
ip saddr . tcp dport @pairs
ip saddr . tcp dport { 192.0.2.1 . 22 }
ip saddr . tcp dport { 10.0.0.0/8 . 1-9, 192.0.2.1 . 22 }
iifname . tcp dport { "eth0" . 22, "lo" . 1-9 }
iifname "eth0"
iifname "e*"
iifname { "eth*", "lo" }
oifname != "lo"
iif "lo"
iif != { "lo" , "eth0" }
meta l4proto tcp
meta l4proto { tcp, udp }
meta l4proto != ipv6-icmp
ip protocol icmp
ip6 nexthdr udp
meta nfproto ipv4
meta mark 0x10
meta mark & 0xff == 0x10
meta mark != 7
meta mark { 1, 2-9 }
ct state established,related
ct state new
ct state { new, invalid }
ct state != invalid
ct mark 5
ct status dnat
ct direction reply
ct original ip daddr 192.0.2.1
ct original proto-dst 22
ct zone 1
ct expiration < 1h2m
ct helper "ftp"
ct bytes > 100000
ct count over 10
ct count 3
tcp flags syn
tcp flags != syn
tcp flags syn / fin,syn,rst,ack
tcp flags & (fin|syn) == (fin|syn)
tcp flags ! fin,syn
tcp flags { syn, ack }
tcp flags == syn|ack
tcp flags & syn == 0
tcp flags fin,rst
icmp type echo-request
icmp type { echo-reply, destination-unreachable }
icmp code 1
icmpv6 code 3
icmpv6 type nd-neighbor-solicit
icmpv6 type { echo-request, nd-router-advert }
icmp type != 8
fib daddr type local
fib saddr . iif oif missing
fib saddr type != { local, broadcast, multicast }
fib daddr . iif oif exists
fib saddr . mark oifname "eth0"
meta pkttype { broadcast, multicast }
meta skuid 0
meta skgid 5-9
meta cgroup 5
meta length > 100
meta cpu 1
meta priority 1:2
meta hour "09:00"-"17:00"
meta day { "Monday", "Sunday" }
rt classid 5
rt mtu > 100
rt ipsec exists
limit rate 10/minute
limit rate over 5/second burst 20 packets
limit rate 10 mbytes/second
limit name "l"
limit rate over 1 kbytes/hour burst 2 kbytes
quota over 10 mbytes
quota until 5 bytes
quota name "q"
ip dscp cs1
ip dscp != { cs1, af21 }
ip ttl < 5
ip length 20-90
ip frag-off & 0x1fff != 0
ip ecn ect1
ip6 hoplimit 255
ip6 flowlabel 7
exthdr frag exists
frag more-fragments 1
tcp option maxseg size < 500
tcp option sack exists
@th,16,16 22
@nh,32,8 & 0xf0 == 0x40
ah spi 5
esp spi 5-9
numgen inc mod 2 0
jhash ip saddr mod 4 seed 0x1 1
socket transparent 1
ipsec in reqid 1
meta iifgroup default
udp length > 8
udplite dport 5
dccp type request
ip option rr exists
sctp chunk data exists
igmp type membership-query
meta rtclassid 7
symhash mod 2 0
"""),
)
_ENDS = _lines("""
accept
drop
return
continue
jump other
goto other
counter
counter packets 3 bytes 4 drop
reject
reject with icmpx admin-prohibited
reject with tcp reset
reject with icmp type host-unreachable
reject with icmpv6 no-route
log
log prefix "a: b" level info
log group 5 snaplen 3
log flags all
log flags tcp sequence,options flags skuid
meta mark set 0x5
meta mark set ct mark
ct mark set meta mark & 0xff
meta mark set meta mark & 0xff00 | 0x10
meta mark set tcp dport map { 22 : 1, 80-90 : 2 }
ct zone set 5
meta priority set 1:10
meta nftrace set 1
notrack
ip ttl set 5
ip dscp set cs1
meta pkttype set host
tcp dport vmap { 22 : accept, 80-90 : jump other }
tcp dport vmap @verdicts
ct state vmap { new : drop }
ip saddr . tcp dport vmap { 192.0.2.1 . 22 : accept }
meta l4proto vmap { tcp : goto other, udp : drop }
add @seen { ip saddr }
update @seen { ip saddr timeout 5m } drop
delete @seen { ip saddr }
add @seen { ip saddr limit rate 10/second } accept
add @seen { ip saddr ct count over 9 }
meter m size 100 { ip saddr limit rate 10/second }
counter name "c"
ct helper set "ftp"
queue
queue num 3
queue flags bypass to 0-3
counter name tcp dport map { 22 : "c" }
tcp option maxseg size set 1400
dup to 192.0.2.1
synproxy mss 1460 wscale 7 timestamp sack-perm
set add ip saddr @seen
reset tcp option sack
""")
_NAT = {
    "prerouting": _lines("""
dnat to 192.0.2.1
dnat ip to 192.0.2.1:80
dnat ip6 to [2001:db8::1]:80
redirect to :8080
redirect
dnat to 192.0.2.1-192.0.2.9:1-9 random,persistent
dnat ip to tcp dport map { 22 : 192.0.2.1 }
dnat ip to ip daddr map @addresses
tproxy ip to :50080
dnat ip prefix to ip daddr map { 10.0.0.0/8 : 11.0.0.0/8 }
"""),
    "postrouting": _lines("""
masquerade
masquerade to :1-100 fully-random
snat to 192.0.2.1
snat ip to 192.0.2.1:5-9 persistent
snat ip6 to 2001:db8::1-2001:db8::9
snat ip to ip saddr map { 10.0.0.1 : 192.0.2.1 }
masquerade random
"""),
}
_DECLARED = """
	set hosts { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1-192.0.2.9, 192.0.3.1 comment "1" } }
	set ports { type inet_service; flags constant; size 9; elements = { 22, 80 } }
	set pairs { typeof ip saddr . tcp dport; counter; elements = { 192.0.2.1 . 22 counter packets 1 bytes 2 } }
	set seen { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 1d2h; gc-interval 5m; }
	set after { type ipv6_addr; flags interval,timeout; auto-merge; policy memory; comment "x y"; }
	map verdicts { type inet_service : verdict; flags interval; elements = { 22 : accept, 80-90 : jump other } }
	map addresses { type ipv4_addr : ipv4_addr; elements = { 192.0.2.1 : 192.0.2.2 } }
	counter c { packets 3 bytes 4 }
	quota q { over 25 mbytes used 2 kbytes }
	limit l { rate 400/minute burst 10 packets }
	ct helper ftp { type "ftp" protocol tcp; }
	ct timeout slow { protocol tcp; policy = { established : 100, close : 20 }; }
	chain other { }
"""


@dataclass(frozen=True)
class Rules:
    """``chains`` are families, names and declarations; ``rules`` families, chains and texts."""

    chains: tuple[tuple[str, str, str], ...]
    rules: tuple[tuple[str, str, str], ...]

    def text(self, empty: bool = False) -> str:
        """As a file for ``nft -f``; ``empty``: without the rules."""
        lines: list[str] = []
        for family in dict.fromkeys(family for family, _, _ in self.chains):
            lines.append(f"table {family} t {{{_DECLARED}")
            for of, chain, base in self.chains:
                if of == family:
                    inside = [
                        rule for where, name, rule in self.rules if (where, name) == (family, chain) and not empty
                    ]
                    lines += [f"\tchain {chain} {{", *(f"\t\t{line}" for line in (base, *inside)), "\t}"]
            lines.append("}")
        return "\n".join((*lines, ""))


def generated(seed: int, count: int) -> Rules:
    """Tables of three families, and so many rules in each chain."""
    chance = random.Random(seed)
    chains: list[tuple[str, str, str]] = []
    rules: list[tuple[str, str, str]] = []
    for family in ("inet", "ip", "ip6"):
        for hook, priority in (("input", "filter"), ("prerouting", "raw + 5"), ("output", "-7")):
            policy = chance.choice(("accept", "drop"))
            chains.append((family, hook, f"type filter hook {hook} priority {priority}; policy {policy};"))
            rules += [(family, hook, _rule(chance, _ENDS)) for _ in range(count)]
        for hook, priority in (("prerouting", "dstnat"), ("postrouting", "srcnat")):
            chains.append((family, f"nat_{hook}", f"type nat hook {hook} priority {priority};"))
            rules += [(family, f"nat_{hook}", _rule(chance, _NAT[hook])) for _ in range(count)]
    return Rules(tuple(chains), tuple(rules))


def _rule(chance: random.Random, ends: list[str]) -> str:
    matches = [chance.choice(_MATCHES) for _ in range(chance.choice((0, 1, 1, 1, 2)))]
    return " ".join((*matches, chance.choice(ends))).strip() or "accept"
