"""Owners: who wrote a chain, by the names that programs give theirs.

Only chains of a program's own are named: its jumps in INPUT stand in nobody's chain. Where a program leaves a chain
to people (DOCKER-USER), it is theirs.
"""

from __future__ import annotations

import re

from agent.firewall.model import Chain, Family, Ruleset, Table
from agent.firewall.reading import Owner

# Chains by their whole name. The order tells where two fit.
_CHAINS = tuple(
    (program, re.compile(pattern))
    for program, pattern in (
        ("", r"DOCKER-USER|cali-(?:from|to)-host-endpoint"),
        ("ufw", r"ufw6?-(?:before|after|reject|track|user|skip|not|logging|docker).*"),
        (
            "firewalld",
            r"(?:INPUT|FORWARD|FORWARD_(?:IN|OUT)|PREROUTING|POSTROUTING|OUTPUT)_(?:direct|ZONES|ZONES_SOURCE|POLICIES_\w+|IN_ZONES|OUT_ZONES)(?:_SOURCE)?",
        ),
        ("firewalld", r"(?:IN|FWD[IO]?|FWD|PRE|POST)_[\w.+-]+?(?:_(?:log|deny|allow|pre|post|direct))?"),
        (
            "firewalld",
            r"(?:filter|nat|mangle|raw)_(?:IN|FWD|PRE|POST|OUT|INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING)_.+",
        ),
        ("fail2ban", r"(?:f2b|fail2ban)-.+"),
        ("Docker", r"DOCKER(?:-.+)?"),
        ("Podman", r"(?:NETAVARK|CNI)[-_].+"),
        ("Kubernetes", r"KUBE-.+"),
        ("Calico", r"cali-.+"),
        ("Cilium", r"CILIUM_.+"),
        ("flannel", r"FLANNEL-.+"),
        ("libvirt", r"LIBVIRT_(?:INP|OUT|FW[IOX]|PRT)"),
        ("CrowdSec", r"(?:crowdsec|CROWDSEC).*"),
        ("sshguard", r"sshguard.*"),
        ("DenyHosts", r"denyhosts.*"),
        (
            "CSF",
            r"LOCALINPUT|LOCALOUTPUT|DENYIN|DENYOUT|ALLOWIN|ALLOWOUT|LOGDROPIN|LOGDROPOUT|CC_DENY|CC_ALLOW|GDENYIN|SMTPOUTPUT",
        ),
        ("Tailscale", r"ts-(?:input|forward|postrouting)"),
        ("psad", r"PSAD_BLOCK_.+"),
        (
            "Shorewall",
            r"(?:shorewall|sfilter|smurfs|smurflog|reject|dynamic|tcpflags|logflags|net-fw|fw-net|loc-fw|net2fw|fw2net)",
        ),
        ("UFW-Docker", r"ufw-docker-.+"),
    )
)
# Tables of nft that belong to one program as a whole.
_TABLES = {
    "firewalld": "firewalld",
    "f2b-table": "fail2ban",
    "crowdsec": "CrowdSec",
    "crowdsec6": "CrowdSec",
    "sshguard": "sshguard",
    "docker-bridges": "Docker",
    "netavark": "Podman",
    "kube-proxy": "Kubernetes",
    "libvirt_network": "libvirt",
    "io.systemd.nat": "systemd",
    "calico": "Calico",
    "opensnitch": "OpenSnitch",
}
_PREFIXES = (("wg-quick-", "wg-quick"), ("cali-", "Calico"))
_FIREWALLD_MARKS = ("INPUT_ZONES", "IN_public")


def owners(ruleset: Ruleset) -> tuple[Owner, ...]:
    """Every chain that a known program wrote."""
    return tuple(
        Owner(program, table.family, table.name, chain.name)
        for table in ruleset.tables
        for known in [_programs(table)]
        for chain in table.chains
        for program in [_owner(table, chain, known)]
        if program
    )


def _programs(table: Table) -> frozenset[str]:
    """Those whose chains have common words for names, and that have left their mark in this table."""
    names = table.chain_by_name
    found = {"firewalld"} if any(mark in names for mark in _FIREWALLD_MARKS) else set()
    if "shorewall" in names or {"net-fw", "fw-net"} <= names.keys():
        found.add("Shorewall")
    return frozenset(found)


def _owner(table: Table, chain: Chain, programs: frozenset[str]) -> str:
    if table.name in _TABLES and table.family in (Family.IP, Family.IP6, Family.INET, Family.BRIDGE):
        return _TABLES[table.name]
    for prefix, program in _PREFIXES:
        if table.name.startswith(prefix):
            return program
    if chain.base is not None:
        return ""
    for program, pattern in _CHAINS:
        if pattern.fullmatch(chain.name):
            return "" if program in ("firewalld", "Shorewall") and program not in programs else program
    return ""
