"""Disks whose boot loads rules, one way each; acted out by record_boot.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """``files`` are laid over the disk, those in ``executable`` with mode 0755; ``enabled`` are units."""

    files: Mapping[str, str]
    enabled: tuple[str, ...] = ()
    executable: tuple[str, ...] = ()
    backend: str = "nft"


V4 = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:LOGDROP - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,80,443 -j ACCEPT
-A INPUT -j LOGDROP
-A LOGDROP -m limit --limit 5/min -j LOG --log-prefix "dropped: "
-A LOGDROP -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 80
COMMIT
"""
V6 = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
COMMIT
"""
_LOOPBACK = "auto lo\niface lo inet loopback\n"

_NFTABLES = """#!/usr/sbin/nft -f
flush ruleset
define web = { 80, 443 }
include "/etc/nftables.d/*.nft"
table inet filter {
    set banned {
        type ipv4_addr
        flags interval
        elements = { 192.0.2.0/24, 198.51.100.7 }
    }
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state vmap { established : accept, related : accept, invalid : drop }
        ip saddr @banned drop
        tcp dport $web accept
        jump more
    }
    chain more {
        icmp type echo-request limit rate 5/second accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
    }
}
add rule inet filter more counter
"""

_RC_LOCAL = """#!/bin/sh -e
# rules of long ago
[ -x /usr/sbin/iptables ] || exit 0
iptables -P INPUT DROP
iptables -F INPUT
iptables -N doors 2>/dev/null || true
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -p tcp -m comment --comment "the doors" -j doors
iptables -A doors -p tcp --dport 23 -j ACCEPT
iptables -I doors 1 -p tcp -s 192.0.2.0/24,198.51.100.0/24 --dport 22 -j ACCEPT
iptables -D doors -p tcp --dport 23 -j ACCEPT
iptables -t mangle -A PREROUTING -p tcp --dport 443 -j MARK --set-mark 7
if [ -f /etc/iptables.six ]; then
    ip6tables-restore < /etc/iptables.six
else
    ip6tables -P INPUT DROP
fi
exit 0
iptables -P INPUT ACCEPT
"""

_SCRIPT = """#!/bin/bash
ipset create -exist trusted hash:net
ipset add trusted 203.0.113.0/24
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
-A INPUT -m set --match-set trusted src -j ACCEPT
-A INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset
COMMIT
RULES
nft add table inet own
nft add chain inet own input '{ type filter hook input priority 10; policy accept; }'
nft add rule inet own input tcp dport '{ 25, 110 }' drop
nft insert rule inet own input iif lo accept
"""

_OWN_UNIT = """[Unit]
Description=rules of our own
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/firewall.sh start
[Install]
WantedBy=multi-user.target
"""

CASES = {
    "persistent": Case({"/etc/iptables/rules.v4": V4, "/etc/iptables/rules.v6": V6}, ("netfilter-persistent",)),
    "persistent-legacy": Case(
        {"/etc/iptables/rules.v4": V4, "/etc/iptables/rules.v6": V6}, ("netfilter-persistent",), backend="legacy"
    ),
    "persistent-off": Case({"/etc/iptables/rules.v4": V4, "/etc/iptables/rules.v6": V6}),
    "persistent-sets": Case(
        {
            "/etc/iptables/ipsets": "create bad hash:ip family inet\nadd bad 192.0.2.66\n",
            "/etc/iptables/rules.v4": "*filter\n-A INPUT -m set --match-set bad src -j DROP\nCOMMIT\n",
            "/etc/iptables/rules.v6": V6,
        },
        ("netfilter-persistent",),
    ),
    "nftables": Case(
        {
            "/etc/nftables.conf": _NFTABLES,
            "/etc/nftables.d/10-nat.nft": "table ip nat {\n\tchain pre {\n"
            "\t\ttype nat hook prerouting priority dstnat;\n\t\ttcp dport 8080 redirect to :80\n\t}\n}\n",
            "/etc/nftables.d/20-more.nft": "table inet filter {\n\tchain input {\n"
            "\t\ttype filter hook input priority filter;\n\t\ttcp dport 22 accept\n\t}\n}\n",
        },
        ("nftables",),
        ("/etc/nftables.conf",),
    ),
    "hook": Case(
        {
            "/etc/network/interfaces": _LOOPBACK,
            "/etc/network/if-pre-up.d/iptables": "#!/bin/sh\n/sbin/iptables-restore < /etc/iptables.firewall.rules\n",
            "/etc/network/if-pre-up.d/broken": "/sbin/iptables -P FORWARD DROP\n",
            "/etc/network/if-up.d/six.sh": "#!/bin/sh\nip6tables -P INPUT DROP\n",
            "/etc/iptables.firewall.rules": V4,
        },
        ("networking",),
        ("/etc/network/if-pre-up.d/iptables", "/etc/network/if-up.d/six.sh"),
    ),
    "options": Case(
        {
            "/etc/network/interfaces": _LOOPBACK + "    pre-up iptables-restore < /etc/iptables.rules\n"
            "    post-up ip6tables-restore /etc/ip6tables.rules && nft -f /etc/more.nft\n"
            "iface eth9 inet dhcp\n    pre-up iptables-restore < /etc/other.rules\n",
            "/etc/iptables.rules": V4,
            "/etc/ip6tables.rules": V6,
            "/etc/other.rules": "*filter\n-P INPUT ACCEPT\n-F\nCOMMIT\n",
            "/etc/more.nft": "table inet more {\n\tchain in {\n\t\ttype filter hook input priority 5;\n"
            "\t\ttcp dport 22 drop\n\t}\n}\n",
        },
        ("networking",),
    ),
    "rc-local": Case({"/etc/rc.local": _RC_LOCAL, "/etc/iptables.six": V6}, (), ("/etc/rc.local",)),
    "rc-local-no-six": Case({"/etc/rc.local": _RC_LOCAL}, (), ("/etc/rc.local",), backend="legacy"),
    "own-unit": Case(
        {"/etc/systemd/system/firewall.service": _OWN_UNIT, "/usr/local/sbin/firewall.sh": _SCRIPT},
        ("firewall",),
        ("/usr/local/sbin/firewall.sh",),
        backend="legacy",
    ),
    "cron": Case(
        {
            "/etc/iptables.rules": V4,
            "/etc/ip6tables.rules": V6,
            "/etc/cron.d/rules": "@reboot root iptables-restore < /etc/iptables.rules\n"  # its PATH has no sbin
            "@reboot root /usr/sbin/ip6tables-restore /etc/ip6tables.rules\n",
        },
        ("cron",),
    ),
    "two": Case(
        {"/etc/nftables.conf": _NFTABLES, "/etc/iptables/rules.v4": V4, "/etc/iptables/rules.v6": V6},
        ("nftables", "netfilter-persistent"),
        ("/etc/nftables.conf",),
        backend="legacy",
    ),
}
