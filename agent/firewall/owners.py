"""Owners: which program wrote a chain, by the names that programs give to theirs.

Anybody can give a chain such a name; who does, wants it taken for that program's. What a program leaves to the
administrator (Docker's DOCKER-USER, CNI's CNI-ADMIN) and the kernel's own base chains belong to nobody here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.firewall.model import Ruleset, Table
from agent.firewall.reading import Owner

_ANY = r"[\s\S]*"
_XTABLES = "raw|mangle|nat|filter|security"


@dataclass(frozen=True)
class _Mark:
    """Chains of a program: ``chains`` and ``tables`` are patterns for the whole name. Where the names could be
    anybody's, only beside chains that tell more: ``beside``, all of them in the same table."""

    program: str
    chains: str
    tables: str = _ANY
    beside: tuple[str, ...] = ()

    def may_stand_in(self, table: Table) -> bool:
        """Does the table have the name, and the other chains?"""
        return re.fullmatch(self.tables, table.name) is not None and all(
            name in table.chain_by_name for name in self.beside
        )


def _own_table(program: str, tables: str) -> _Mark:
    """A table that is all a program's, with its base chains."""
    return _Mark(program, _ANY, tables)


_MARKS = (
    # ufw(8), UFW CHAINS; ufw-docker is another project, for Docker beside ufw
    _Mark("ufw-docker", r"ufw6?-docker-[\w-]+"),
    _Mark("ufw", r"ufw6?-(before|after|user|reject|track|logging|skip-to-policy|not-local)(-[\w-]+)?"),
    # firewalld: nftables.py and ipXtables.py of firewall.core
    _own_table("firewalld", r"firewalld(_policy_drop)?"),
    _Mark(
        "firewalld",
        r"(INPUT|OUTPUT|FORWARD|FORWARD_IN|FORWARD_OUT|PREROUTING|POSTROUTING)_(ZONES|ZONES_SOURCE|direct|POLICIES_pre"
        r"|POLICIES_post)|OUTPUT_rich_rule_priority",
        _XTABLES,
    ),
    _Mark("firewalld", r"(IN|PRE|POST|FWDI|FWDO|FWD|OUT)_[\w-]+", _XTABLES, ("INPUT_ZONES",)),
    _Mark("firewalld", r"(PRE|POST)_[\w-]+", _XTABLES, ("PREROUTING_ZONES",)),
    _Mark("firewalld", r"(PRE|POST)_[\w-]+", _XTABLES, ("POSTROUTING_ZONES",)),
    # fail2ban: action.d/iptables.conf, nftables.conf; fail2ban-NAME until 0.8
    _own_table("fail2ban", r"f2b-[\w-]+"),
    _Mark("fail2ban", r"(f2b|fail2ban)-\S+"),
    # Docker Engine, "Docker with iptables" and "Docker with nftables"
    _own_table("Docker", r"docker-bridges"),
    _Mark("Docker", r"DOCKER|DOCKER-(?!USER$)[A-Z][A-Z0-9-]*|DOCKER_(OUTPUT|POSTROUTING)", _XTABLES),
    # Podman's netavark, and CNI's plugins portmap, bridge and firewall
    _own_table("Podman", r"netavark"),
    _Mark("Podman", r"NETAVARK[-_][\w-]+", _XTABLES),
    _Mark("CNI", r"CNI-(?!ADMIN$)[\w-]+", _XTABLES),
    _own_table("CNI", r"cni_hostport|cni_plugins_masquerade"),
    # Kubernetes and its networks
    _own_table("Kubernetes", r"kube-proxy"),
    _Mark("Kubernetes", r"KUBE-[\w-]+", _XTABLES),
    _own_table("Calico", r"calico"),
    _Mark("Calico", r"cali-\S+", _XTABLES),
    _Mark("Cilium", r"(OLD_)?CILIUM_\w+", _XTABLES),
    _own_table("flannel", r"flannel-ipv[46]"),
    _Mark("flannel", r"FLANNEL-(POSTRTG|FWD)", _XTABLES),
    _Mark("Weave Net", r"WEAVE(-[\w-]+)?", _XTABLES),
    _Mark("Istio", r"ISTIO_\w+", _XTABLES),
    # virtual machines and system containers
    _own_table("libvirt", r"libvirt_network"),
    _Mark("libvirt", r"LIBVIRT_(INP|OUT|FWI|FWO|FWX|PRT)|libvirt-(in|out|in-post|host-in)", _XTABLES),
    _Mark("libvirt", r"[FH][IOJP]-[\w.-]+", _XTABLES, ("libvirt-in",)),
    _own_table("LXD", r"lxd"),
    _own_table("Incus", r"incus"),
    # ban lists
    _own_table("CrowdSec", r"crowdsec6?"),
    _Mark("CrowdSec", r"CROWDSEC_(CHAIN|LOG)", _XTABLES),
    _own_table("sshguard", r"sshguard"),
    _Mark("sshguard", r"sshguard", _XTABLES),
    _Mark("DenyHosts", r"denyhosts|DENYHOSTS", _XTABLES),
    _Mark(
        "CSF",
        r"(ALLOW|DENY|GALLOW|GDENY)(IN|OUT)|GDYN(IN|OUT)|ALLOWDYN(IN|OUT)|LOCAL(INPUT|OUTPUT)|LOGDROP(IN|OUT)"
        r"|INVDROP|INVALID|(SYN|PORT|UDP)FLOOD|SMTPOUTPUT|CC_(DENY|ALLOW|ALLOWF|ALLOWP|DENYP|ALLOWPORTS|DENYPORTS|DROP)"
        r"|BOGON|DSHIELD|SPAMDROP|SPAMEDROP|BDE(ALL|ALLALL)?|TOR|ALTTOR|HONEYPOT|BFB|CIARMY|MAXMIND|GREENSNOW"
        r"|STOPFORUMSPAM(180|365)?|MESSENGER|REDIRECT|CONNLIMIT",
        _XTABLES,
        ("LOCALINPUT", "DENYIN", "ALLOWIN"),
    ),
    _Mark("APF", r"(T|TG|RABHU?)?(ALLOW|DENY)|TMP_DROP|PROHIBIT|RESET|[IO]DENT|RAB\w*", _XTABLES, ("TALLOW", "TDENY")),
    _Mark("psad", r"PSAD_BLOCK_(INPUT|OUTPUT|FORWARD)", _XTABLES),
    _Mark("fwknop", r"FWKNOP_\w+", _XTABLES),
    _Mark("Imunify360", r"(INPUT|OUTPUT)_imunify360|imunify360_\w+", _XTABLES),
    _Mark("cPHulk", r"cphulk", _XTABLES),
    # other firewalls
    _Mark("Shorewall", r"(?!INPUT$|OUTPUT$|FORWARD$)[\w~%+-]+", _XTABLES, ("shorewall",)),
    _Mark("SuSEfirewall2", r"(input|forward)_(ext|int|dmz)|reject_func", _XTABLES, ("input_ext", "reject_func")),
    _Mark("lokkit", r"RH-Firewall-1-\w+", _XTABLES),
    _Mark(
        "arno-iptables-firewall",
        r"(EXT|INT|DMZ)_[A-Z_]+_CHAIN|HOST_BLOCK(_\w+)?|VALID_CHK|SPOOF_CHK|RESERVED_NET_CHK|BASE_\w+_CHAIN"
        r"|POST_\w+_CHAIN|INET_\w+_CHAIN|(INPUT|FORWARD|OUTPUT)_CHAIN|UPNP_FORWARD|MAC_FILTER",
        _XTABLES,
        ("EXT_INPUT_CHAIN", "VALID_CHK"),
    ),
    _own_table("NixOS", r"nixos-fw(-rpfilter)?"),
    _Mark("NixOS", r"nixos-(fw|drop|nat)(-[\w-]+)?", _XTABLES),
    _own_table("OpenSnitch", r"opensnitch"),
    _Mark("OpenSnitch", r"opensnitch-[\w-]+", _XTABLES),
    # tunnels and address translation
    _Mark("Tailscale", r"ts-(input|forward|postrouting)", _XTABLES),
    _own_table("wg-quick", r"wg-quick-\S+"),
    _own_table("systemd", r"io\.systemd\.nat"),
    _own_table("Mullvad", r"mullvad"),
    _own_table("NetBird", r"netbird"),
    _Mark("NetBird", r"NETBIRD-[\w-]+", _XTABLES),
    _Mark("OpenVPN Access Server", r"AS0_\w+", _XTABLES),
    _own_table("miniupnpd", r"miniupnpd"),
    _Mark("miniupnpd", r"MINIUPNPD(-[\w-]+)?", _XTABLES),
)


def owners(ruleset: Ruleset) -> tuple[Owner, ...]:
    """The chains of known programs, in the order of the rule-set; those of people, or of nobody known, are left out."""
    return tuple(owner for table in ruleset.tables for owner in _of_table(table))


def _of_table(table: Table) -> Iterator[Owner]:
    marks = [mark for mark in _MARKS if mark.may_stand_in(table)]
    for chain in table.chains:
        program = next((mark.program for mark in marks if re.fullmatch(mark.chains, chain.name)), "")
        if program:
            yield Owner(program, table.family, table.name, chain.name)
