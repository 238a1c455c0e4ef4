"""Reading 20,000 rules that are in force, and the verdict on one packet, against iptables-save: ratios in one run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from agent.firewall import evaluate
from agent.firewall.inforce import in_force
from agent.firewall.packet import Question, packet
from agent.target.detect import open_target
from tests.fixes.rulesets import apart, run

BANS = 20_000
TIMES = 3
STRANGER = Question(source="203.0.113.5", source_port=40000, destination_port=22, arrives="eth0")
LAST = Question(source=f"10.{BANS - 1 >> 8}.{BANS - 1 & 255}.7", source_port=40000, destination_port=22, arrives="eth0")


def addresses() -> list[str]:
    return [f"10.{number >> 8}.{number & 255}.7" for number in range(BANS)]


def as_rules() -> str:
    """As fail2ban's action iptables-multiport bans."""
    rules = [f"-A f2b-sshd -s {address}/32 -j REJECT --reject-with icmp-port-unreachable" for address in addresses()]
    head = ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":f2b-sshd - [0:0]"]
    jump = "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd"
    return "\n".join([*head, jump, *rules, "-A f2b-sshd -j RETURN", "COMMIT", ""])


def as_set() -> str:
    """As fail2ban's action nftables bans."""
    return f"""table inet f2b-table {{
    set addr-set-sshd {{
        type ipv4_addr
        elements = {{ {", ".join(addresses())} }}
    }}
    chain f2b-chain {{
        type filter hook input priority -1
        tcp dport 22 ip saddr @addr-set-sshd reject
    }}
}}
"""


def as_ipset() -> str:
    """As fail2ban's action iptables-ipset bans."""
    made = "create f2b-sshd hash:ip hashsize 1024 maxelem 65536\n"
    return made + "".join(f"add f2b-sshd {address}\n" for address in addresses())


@dataclass(frozen=True)
class Case:
    name: str
    load: Callable[[], object]
    save: tuple[str, ...]  # the program that it is set against


def _load_ipset() -> None:
    run("ipset", "restore", text=as_ipset())
    match = "-p tcp --dport 22 -m set --match-set f2b-sshd src -j REJECT"
    run("iptables-legacy", "-A", "INPUT", *match.split(" "))


CASES = (
    Case("rules, legacy", lambda: run("iptables-legacy-restore", text=as_rules()), ("iptables-legacy-save",)),
    Case("rules, iptables-nft", lambda: run("iptables-nft-restore", text=as_rules()), ("iptables-nft-save",)),
    Case("a set of nft", lambda: run("nft", "-f", "-", text=as_set()), ("nft", "list", "ruleset")),
    Case("an ipset", _load_ipset, ("ipset", "save")),
)


def seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(TIMES):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measured(case: Case) -> object:
    """Seconds of the program, of reading, and of the verdict on one packet; and the verdicts."""
    case.load()
    target = open_target("/")
    reading = in_force(target)
    verdicts = []
    took = 0.0
    for question in (STRANGER, LAST):
        asked = packet(question, reading.host)
        took = max(took, seconds(partial(evaluate.inbound_and_back, reading.ruleset, asked, reading.host)))
        verdicts.append(evaluate.inbound_and_back(reading.ruleset, asked, reading.host).verdict.value)
    program = seconds(lambda: subprocess.run(case.save, capture_output=True, check=True))
    return [program, seconds(lambda: in_force(target)), took, verdicts]


def main() -> None:
    if os.geteuid() != 0:
        print("reading rules in force: only root may make network namespaces; left out", file=sys.stderr)
        return
    print(f"{BANS} banned addresses in force; how many times as long as the program that prints them")
    for case in CASES:
        if shutil.which(case.save[0]) is None:
            print(f"  {case.name:<20} left out: {case.save[0]} is not installed")
            continue
        found = apart(lambda case=case: measured(case))  # type: ignore[misc]
        assert isinstance(found, list)
        program, reading, verdict, verdicts = found
        assert verdicts == ["accept", "reject"], verdicts
        command = " ".join(case.save)
        print(f"  {case.name:<20} reading {reading / program:6.1f} x, verdict {verdict / program:6.2f} x {command}")


if __name__ == "__main__":
    main()
