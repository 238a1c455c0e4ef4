"""Hosts with a firewall: ufw, firewalld, fail2ban and nft as they should be, and people who locked themselves out."""

from __future__ import annotations

from tests.lab.root import Root
from tests.lab.scenarios.ifupdown import hook, static
from tests.lab.scenarios.model import Running, Scenario

LAYER = "firewall"
SERVICES = ("ufw.service", "firewalld.service", "fail2ban.service", "nftables.service")
_ESTABLISHED = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
_CHAINS = ":INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
SHUT = f"*filter\n{_CHAINS}-A INPUT -i lo -j ACCEPT\n{_ESTABLISHED}COMMIT\n"
NO_SSH = """\
#!/usr/sbin/nft -f
flush ruleset
define web = { 80, 443 }
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state vmap { established : accept, related : accept, invalid : drop }
        meta l4proto { icmp, ipv6-icmp } accept
        tcp dport $web accept
    }
}
"""


def _only(root: Root, *services: str) -> None:
    """The host of every guide, with one firewall of those that are installed."""
    static(root)
    root.disable(*(service for service in SERVICES if service not in services))
    if services:
        root.enable(*services)


def _ufw(root: Root, *commands: str) -> None:
    """ufw as a person sets it up; in a network of its own, for it loads its rules at once."""
    _only(root, "ufw.service")
    for command in (*commands, "--force enable"):
        root.run("unshare", "--net", "ufw", *command.split())


def ufw_with_ssh(root: Root) -> None:
    _ufw(root, "limit 22/tcp", "allow 80,443/tcp", "deny from 203.0.113.0/24")


def ufw_without_ssh(root: Root) -> None:
    _ufw(root, "allow 80,443/tcp")


def firewalld(root: Root) -> None:
    _only(root, "firewalld.service")


def fail2ban(root: Root) -> None:
    _only(root, "fail2ban.service")
    root.write("/etc/fail2ban/jail.d/lab.local", "[sshd]\nenabled = true\nbackend = systemd\n")


def nft(root: Root) -> None:
    _only(root, "nftables.service")
    root.write("/etc/nftables.conf", NO_SSH.replace("{ 80", "{ 22, 80"))


def nft_without_ssh(root: Root) -> None:
    root.write("/etc/nftables.conf", NO_SSH)


def nft_misspelt(root: Root) -> None:
    root.write("/etc/nftables.conf", NO_SSH.replace("tcp dport", "tcp dprt"))


def nothing_loaded(root: Root) -> None:
    _only(root)


def all_shut(root: Root) -> None:
    hook(root, "if-pre-up.d/iptables", "#!/bin/sh\niptables-restore < /etc/iptables.rules\n")
    root.write("/etc/iptables.rules", SHUT)


def shut_by_hand(host: Running) -> None:
    """What a beginner types; over ssh it was the last thing that he typed."""
    host.inside("iptables", "-P", "INPUT", "DROP")


PING = frozenset({"firewall-blocks-ping"})
SSH_TOO = frozenset({"firewall-blocks-ssh", "firewall-blocks-ping", "firewall-blocks-outbound"})

SCENARIOS = (
    Scenario("firewall: healthy, ufw with ssh limited", LAYER, ufw_with_ssh, answers=True),
    Scenario("firewall: healthy, firewalld as installed", LAYER, firewalld, answers=True),
    Scenario("firewall: healthy, fail2ban idle", LAYER, fail2ban, answers=True),
    Scenario("firewall: healthy, nft with ssh", LAYER, nft, answers=True),
    Scenario(
        "firewall: ufw without ssh",
        LAYER,
        ufw_without_ssh,
        finding="firewall-blocks-ssh",
        rung="firewall",
        answers=True,
    ),
    Scenario(
        "firewall: nft without ssh",
        LAYER,
        nft,
        nft_without_ssh,
        finding="firewall-blocks-ssh",
        rung="firewall",
        answers=True,
    ),
    Scenario(
        "firewall: nft file misspelt",
        LAYER,
        nft,
        nft_misspelt,
        finding="firewall-restore-failed",
        rung="firewall",
        answers=True,
    ),
    Scenario(
        "firewall: a hook shuts all",
        LAYER,
        nothing_loaded,
        all_shut,
        finding="firewall-blocks-all",
        rung="firewall",
        consequences=SSH_TOO,
        answers=False,
    ),
    Scenario(
        "firewall: shut by hand",
        LAYER,
        nothing_loaded,
        finding="firewall-blocks-all",
        rung="firewall",
        offline="",
        consequences=SSH_TOO,
        whisper=shut_by_hand,
    ),
)
