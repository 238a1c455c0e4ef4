"""What is known of services that load rules: their files, and those whose rules no file tells."""

from __future__ import annotations

from dataclasses import dataclass

from agent.firewall.model import Family
from agent.firewall.saved.commands import Kind


@dataclass(frozen=True)
class Saved:
    """A file that a service loads, unless its unit itself names another. ``setting`` is OpenRC's: a file of settings
    and the variable in it that names the file. ``plugin`` is the part of netfilter-persistent that loads it."""

    service: str
    kind: Kind
    path: str
    family: Family = Family.IP
    setting: tuple[str, str] | None = None
    plugin: str = ""


_PLUGINS = "/usr/share/netfilter-persistent/plugins.d"
PERSISTENT_SETTINGS = "/etc/default/netfilter-persistent"
_CONF = "/etc/conf.d"

SAVED = (
    Saved("netfilter-persistent", Kind.IPSET, "/etc/iptables/ipsets", plugin=f"{_PLUGINS}/10-ipset"),
    Saved("netfilter-persistent", Kind.RESTORE, "/etc/iptables/rules.v4", plugin=f"{_PLUGINS}/15-ip4tables"),
    Saved(
        "netfilter-persistent", Kind.RESTORE, "/etc/iptables/rules.v6", Family.IP6, plugin=f"{_PLUGINS}/25-ip6tables"
    ),
    # Debian 6 and 7
    Saved("iptables-persistent", Kind.RESTORE, "/etc/iptables/rules.v4"),
    Saved("iptables-persistent", Kind.RESTORE, "/etc/iptables/rules.v6", Family.IP6),
    Saved("iptables-persistent", Kind.RESTORE, "/etc/iptables/rules"),
    # Red Hat's iptables-services and ipset-service, Arch
    Saved("ipset", Kind.IPSET, "/etc/sysconfig/ipset"),
    Saved("ipset", Kind.IPSET, "/etc/ipset.conf"),
    Saved("iptables", Kind.RESTORE, "/etc/sysconfig/iptables"),
    Saved("iptables", Kind.RESTORE, "/etc/iptables/iptables.rules"),
    Saved("ip6tables", Kind.RESTORE, "/etc/sysconfig/ip6tables", Family.IP6),
    Saved("ip6tables", Kind.RESTORE, "/etc/iptables/ip6tables.rules", Family.IP6),
    Saved("nftables", Kind.NFT, "/etc/nftables.conf"),
    Saved("nftables", Kind.NFT, "/etc/sysconfig/nftables.conf"),
    # Alpine, and Gentoo with the other default
    Saved("ipset", Kind.IPSET, "/etc/ipset.d/ipset.save", setting=(f"{_CONF}/ipset", "IPSET_SAVE")),
    Saved("ipset", Kind.IPSET, "/var/lib/ipset/rules-save", setting=(f"{_CONF}/ipset", "IPSET_SAVE")),
    Saved("iptables", Kind.RESTORE, "/etc/iptables/rules-save", setting=(f"{_CONF}/iptables", "IPTABLES_SAVE")),
    Saved("iptables", Kind.RESTORE, "/var/lib/iptables/rules-save", setting=(f"{_CONF}/iptables", "IPTABLES_SAVE")),
    Saved("ip6tables", Kind.RESTORE, "/etc/iptables/rules6-save", Family.IP6, (f"{_CONF}/ip6tables", "IP6TABLES_SAVE")),
    Saved(
        "ip6tables", Kind.RESTORE, "/var/lib/ip6tables/rules-save", Family.IP6, (f"{_CONF}/ip6tables", "IP6TABLES_SAVE")
    ),
    Saved("nftables", Kind.NFT, "/etc/nftables.nft", setting=(f"{_CONF}/nftables", "rules_file")),
    Saved("nftables", Kind.NFT, "/var/lib/nftables/rules-save", setting=(f"{_CONF}/nftables", "NFTABLES_SAVE")),
)

# Services that add chains of their own while they run: containers' networks, bans. A boot begins without them.
BESIDE = {
    **dict.fromkeys(("docker", "dockerd"), "Docker"),
    "podman": "podman",
    "libvirtd": "libvirt",
    "fail2ban": "fail2ban",
    "sshguard": "sshguard",
    "crowdsec-firewall-bouncer": "CrowdSec",
    **dict.fromkeys(("kubelet", "kube-proxy", "k3s"), "Kubernetes"),
}

# Services that make whole firewalls of configurations of their own.
ALONE = (
    *("shorewall", "shorewall6", "shorewall-lite", "ferm", "firehol", "SuSEfirewall2", "csf", "apf", "awall"),
    *("arno-iptables-firewall", "vuurmuur"),
)
