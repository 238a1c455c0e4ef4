"""Rule-sets for a real kernel, each in a network namespace of its own that ends with the process that made it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.change.crash import Said, child
from tests.firewall.kernel.lab import unshare

T = TypeVar("T")

LOCKED = """*filter
:INPUT DROP [7:700]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [3:180]
:zed - [0:0]
:f2b-sshd - [0:0]
[5:300] -A INPUT -p tcp -m tcp --dport 22 -j f2b-sshd
[1:60] -A INPUT -m state --state ESTABLISHED -j zed
-A zed -p tcp -m multiport --dports 80,443 -m comment --comment "the web" -j ACCEPT
[2:120] -A f2b-sshd -s {host} -j REJECT
-A f2b-sshd -j RETURN
COMMIT
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 22 -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER -p tcp -m tcp --dport 8080 -j DNAT --to-destination {container}
COMMIT
"""
FOUR = LOCKED.format(host="198.51.100.7/32", container="172.17.0.2:80")
SIX = LOCKED.format(host="2001:db8::7/128", container="[fd00::2]:80")
NATIVE = """table inet guard {
	counter seen {
		packets 5 bytes 50
	}
	set bans {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8, 192.0.2.5 }
	}
	set lately {
		type ipv4_addr
		flags timeout
		timeout 1h
		elements = { 10.0.0.1, 10.0.0.2 timeout 5m }
	}
	set tried {
		type ipv4_addr
		size 100
		flags dynamic,timeout
		timeout 1m
	}
	map hosts {
		type ipv4_addr : verdict
		elements = { 203.0.113.4 : jump checked }
	}
	chain checked {
		ip saddr @bans counter packets 3 bytes 30 drop
		tcp dport 99 quota over 5 mbytes drop
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ip saddr vmap @hosts
		ct state established,related accept
		iif "lo" accept
		ip saddr @lately counter packets 9 bytes 540 drop
		tcp dport { 25, 80-90 } counter accept comment "the web"
		tcp dport 77 add @tried { ip saddr limit rate 5/minute } accept
		counter name "seen"
		tcp dport 22 counter packets 4 bytes 240 reject with tcp reset
	}
	chain unused {
	}
}
table ip6 six {
	chain input {
		type filter hook input priority -10; policy accept;
		tcp dport 22 drop
	}
}
"""
XTABLES = {"legacy": ("iptables-legacy", "ip6tables-legacy"), "nft": ("iptables-nft", "ip6tables-nft")}


CARDS = """table netdev early {
	chain ingress {
		type filter hook ingress device "eth0" priority 0; policy accept;
		ip saddr 198.51.100.9 drop
	}
}
table inet guard {
	chain input {
		type filter hook input priority 0; policy drop;
		iif "lo" accept
		iif "eth0" tcp dport 80 accept
		iif { "lo", "eth0" } udp dport 53 accept
	}
}
"""
IPSETS = """create bans hash:ip family inet timeout 86400
add bans 198.51.100.9
add bans 198.51.100.8
create nets hash:net family inet
add nets 203.0.113.0/24
create both list:set size 8
add both nets
"""


@dataclass(frozen=True)
class Case:
    """A rule-set that stops ssh, by the programs that load it."""

    name: str
    xtables: tuple[str, ...] = ()  # back ends
    native: bool = False
    ipsets: bool = False

    def load(self) -> None:
        if self.ipsets:
            run("ipset", "restore", text=IPSETS)
        for backend in self.xtables:
            for program, text in zip(XTABLES[backend], (FOUR, SIX)):
                run(f"{program}-restore", "-c", text=text)
        if self.native:
            run("nft", "-f", "-", text=NATIVE)
        for backend in self.xtables:  # after nft's tables, and after its own first chains
            run(XTABLES[backend][0], "-A", "zed", "-p", "udp", "-j", "DROP")
            run(XTABLES[backend][0], "-t", "mangle", "-A", "FORWARD", "-j", "MARK", "--set-mark", "7")
            if self.ipsets:
                run(XTABLES[backend][0], "-I", "INPUT", "-m", "set", "--match-set", "both", "src", "-j", "DROP")


CASES = (
    Case("legacy", ("legacy",)),
    Case("iptables-nft", ("nft",)),
    Case("native nft", (), True),
    Case("all at once", ("legacy", "nft"), True),
)


def run(*argv: str, text: str | None = None) -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60)
    assert not done.returncode, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout


def apart(work: Callable[[], object]) -> object:
    """What ``work`` returns, in a process with a network of its own."""

    def inside() -> object:
        unshare()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XTABLES_LOCKFILE"] = str(Path(folder) / "lock")
            run("ip", "link", "set", "lo", "up")
            return work()

    said = child(inside)
    assert isinstance(said, Said)
    return said.answer


def printed(counters: bool = True) -> list[str]:
    """All that is in force, as its programs print it; what goes on by itself (times, dates) left out."""
    return list(_printed(counters))


def _printed(counters: bool) -> Iterator[str]:
    texts = [run("nft", "list", "ruleset")]
    texts += [run(f"{program}-save", "-c") for program in XTABLES["nft"]]  # nft shows their matches as nothing
    for file, program in (("ip_tables_names", "iptables-legacy"), ("ip6_tables_names", "ip6tables-legacy")):
        names = Path("/proc/thread-self/net", file)
        if names.exists() and names.read_text():
            texts.append(run(f"{program}-save", "-c"))
    for text in texts:
        for line in text.split("\n"):
            if line.startswith("#"):
                continue
            line = re.sub(r" expires [\w]+", "", line)
            yield line if counters else re.sub(r"\[\d+:\d+\] ?|packets \d+ bytes \d+", "", line)
