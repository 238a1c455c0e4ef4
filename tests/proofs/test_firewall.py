"""The proofs of the firewall rules, on rule-sets of people who locked themselves out, and of those who did not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agent.diagnosis.ladder import LOOKS
from agent.diagnosis.model import CantTell, Fails, Holds, Layer, LayerState, Proof, Severity
from agent.diagnosis.packet_paths import Paths
from agent.facts.facts import Facts
from agent.facts.netconfig.model import Manager, Method
from agent.firewall.host import Host, Interface, Network, Route
from agent.firewall.model import Backend, Family, Ruleset, together
from agent.firewall.reading import Owner, Reading, Source
from agent.firewall.xtables import save
from agent.target.model import Json, Mode
from tests.proofs.managed import config, facts, iface, prove, said
from tests.virtual import File, Node, virtual

SSHD: Mapping[str, Node] = {
    "/etc/hostname": "web1\n",
    "/usr/sbin/sshd": File("\x7fELF", 0o755),
    "/etc/ssh/sshd_config": "Port 22\n",
    "/etc/resolv.conf": "nameserver 198.51.100.53\n",
    "/proc/uptime": "5000.0 1.0\n",
}
ETH0 = Interface("eth0", (Network(4, 0xC000020A, 24), Network(6, 0x20010DB8 << 96 | 10, 64)))
TUNNEL = Interface("wg0", (Network(4, 0x0A080001, 24),))
DEFAULT = (Route(Network(4, 0, 0), "eth0"), Route(Network(6, 0, 0), "eth0"), Route(Network(4, 0x0A080000, 24), "wg0"))
BOTH = Host((Interface("lo"), ETH0, TUNNEL), DEFAULT)
ONLY_4 = Host((Interface("lo"), ETH0), DEFAULT[:1])

ESTABLISHED = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
ICMP = "-A INPUT -p icmp -j ACCEPT"
ICMPV6 = "-A INPUT -p ipv6-icmp -j ACCEPT\n"
SSH = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
DROP, ACCEPT = ":INPUT DROP [0:0]\n", ":INPUT ACCEPT [0:0]\n"
ALL = ("firewall_blocks_all", "firewall_blocks_ssh", "firewall_blocks_ping", "firewall_blocks_outbound")


def rules(text: str, family: Family = Family.IP, backend: Backend = Backend.NF_TABLES) -> Ruleset:
    head = "" if text.startswith("*") else "*filter\n"
    return save.read(f"{head}{text}COMMIT\n", family, backend)


def both(text: str, six: str = "") -> Ruleset:
    """The same for both families; IPv6's own ICMP is let in, as it must be."""
    chains, _, rest = text.partition("-A")
    return together(rules(text), rules(six or f"{chains}{ICMPV6}{'-A' if rest else ''}{rest}", Family.IP6))


def host(
    ruleset: Ruleset,
    where: Host = BOTH,
    files: Mapping[str, Node] = SSHD,
    owners: tuple[Owner, ...] = (),
    live: bool = True,
    unchecked: tuple[str, ...] = (),
    sources: tuple[Source, ...] = (),
    method: Method = Method.STATIC,
) -> Facts:
    mode = Mode.LIVE if live else Mode.OFFLINE
    configs = [config(Manager.IFUPDOWN, iface(Manager.IFUPDOWN, "eth0", method=method))]
    found = facts(files, enabled=[Manager.IFUPDOWN], configs=configs, mode=mode)
    queries: dict[str, Json] = {"machine": {"container": ""}, "sockets": []} if live else {}
    found.target = virtual(files, mode, queries=queries)
    found.derived[Paths] = Paths(found, Reading(ruleset, where, sources, owners, (), unchecked))
    return found


def proof(name: str, of: Facts) -> Proof:
    return prove(name, of)


HEALTHY = {
    "nothing": both(ACCEPT),
    "ssh is let in": both(f"{DROP}-A INPUT -i lo -j ACCEPT\n{ESTABLISHED}{ICMP}\n{SSH}"),
    "ssh is let in by its interface": both(f"{DROP}{ESTABLISHED}{ICMP}\n-A INPUT -i eth0 {SSH[9:]}"),
    "ssh at a rate": both(
        f"{DROP}{ESTABLISHED}{ICMP}\n"
        "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --rsource\n"
        "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 "
        f"--name DEFAULT --rsource -j DROP\n{SSH}"
    ),
    "bans of others": both(f"{ACCEPT}:f2b-sshd - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n"
        "-A f2b-sshd -s 203.0.113.50/32 -j REJECT --reject-with icmp-port-unreachable\n-A f2b-sshd -j RETURN\n",
        six=ACCEPT),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_rule_sets_are_silent(name: str) -> None:
    of = host(HEALTHY[name])
    for one in ALL:
        assert isinstance(proof(one, of), Fails), one
    state, why = LOOKS[Layer.FIREWALL](of)
    assert state is LayerState.OK, why


def test_nothing_gets_in() -> None:
    of = host(both(f"{DROP}-A INPUT -i lo -j ACCEPT\n{ESTABLISHED}"))
    found = proof("firewall_blocks_all", of)
    assert isinstance(found, Holds) and found.severity is None
    assert found.why == "nothing new gets in by IPv4: ssh (tcp 22) ends at the policy DROP of filter INPUT"
    assert found.evidence[0].text == "policy DROP"
    assert found.commands == ("iptables -A INPUT -p tcp --dport 22 -j ACCEPT",)
    assert found.undo == ("iptables -D INPUT -p tcp --dport 22 -j ACCEPT",)


def test_ssh_is_forgotten() -> None:
    of = host(both(f"{DROP}{ESTABLISHED}{ICMP}\n-A INPUT -p tcp --dport 443 -j ACCEPT\n"))
    assert isinstance(proof("firewall_blocks_all", of), Fails)
    found = proof("firewall_blocks_ssh", of)
    assert isinstance(found, Holds) and found.severity is None
    assert found.why == "ssh (tcp 22) from outside ends at the policy DROP of filter INPUT"


def test_the_port_is_sshds_own() -> None:
    of = host(
        both(f"{DROP}{ESTABLISHED}{ICMP}\n{SSH}"),
        files={**SSHD, "/etc/ssh/sshd_config": "Port 2222\n"},
    )
    found = proof("firewall_blocks_ssh", of)
    assert isinstance(found, Holds) and "tcp 2222" in found.why


def test_the_rule_is_named_and_its_tool() -> None:
    of = host(both(f"{ACCEPT}{ESTABLISHED}-A INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset\n"))
    found = proof("firewall_blocks_ssh", of)
    assert isinstance(found, Holds)
    assert "rule 2 of filter INPUT" in found.why
    assert found.commands == ("iptables -I INPUT 2 -p tcp --dport 22 -j ACCEPT",)


def test_only_some_may_come() -> None:
    of = host(
        both(f"{DROP}{ESTABLISHED}{ICMP}\n{SSH.replace('-p', '-s 198.51.100.0/24 -p', 1)}", six=f"{DROP}{ICMPV6}")
    )
    found = proof("firewall_blocks_ssh", of)
    assert isinstance(found, Holds) and found.severity is Severity.INFO
    assert "only some addresses" in found.why


def test_who_comes_by_the_tunnel_gets_in() -> None:
    of = host(both(f"{DROP}{ESTABLISHED}-A INPUT -i wg0 -j ACCEPT\n"))
    for name in ("firewall_blocks_all", "firewall_blocks_ssh"):
        found = proof(name, of)
        assert isinstance(found, Holds) and found.severity is Severity.INFO, name
        assert "wg0" in found.why


def test_ipv6_without_its_neighbours() -> None:
    six = f"{DROP}{ESTABLISHED}{SSH}"
    found = proof("firewall_blocks_all", host(together(rules(ACCEPT), rules(six, Family.IP6))))
    assert isinstance(found, Holds) and found.severity is Severity.WARNING
    assert "neighbour discovery" in found.why
    shut = proof("firewall_blocks_all", host(together(rules(ACCEPT), rules(DROP, Family.IP6))))
    assert isinstance(shut, Holds) and shut.severity is Severity.INFO
    assert isinstance(
        proof("firewall_blocks_all", host(together(rules(ACCEPT), rules(six, Family.IP6)), ONLY_4)), Fails
    )


def test_ping_is_a_remark() -> None:
    found = proof("firewall_blocks_ping", host(both(f"{DROP}{ESTABLISHED}{SSH}")))
    assert isinstance(found, Holds)
    assert found.why == "ping ends at the policy DROP of filter INPUT"


def test_answers_do_not_get_out() -> None:
    of = host(both(":INPUT ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n-A OUTPUT -o lo -j ACCEPT\n"))
    assert isinstance(proof("firewall_blocks_ssh", of), Fails)
    found = proof("firewall_blocks_outbound", of)
    assert isinstance(found, Holds) and found.severity is None
    assert found.why == "ssh (tcp 22) gets in, its answer ends at the policy DROP of filter OUTPUT"


def test_name_servers_are_not_heard() -> None:
    of = host(both(f"{DROP}{SSH}-A INPUT -p icmp -j ACCEPT\n"))
    found = proof("firewall_blocks_outbound", of)
    assert isinstance(found, Holds) and found.severity is Severity.WARNING
    assert found.why == "the answer to a question to name server 198.51.100.53 ends at the policy DROP of filter INPUT"


def test_the_address_is_not_renewed() -> None:
    out = ESTABLISHED.replace("INPUT", "OUTPUT")
    text = f":INPUT ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n{out}-A OUTPUT -p udp --dport 53 -j ACCEPT\n"
    assert isinstance(proof("firewall_blocks_outbound", host(both(text))), Fails)
    found = proof("firewall_blocks_outbound", host(both(text), method=Method.DHCP))
    assert isinstance(found, Holds) and "DHCP" in found.why


def test_what_could_not_be_read_is_no_clean_bill() -> None:
    of = host(Ruleset(), unchecked=("nft could not be run: not root",))
    for name in ALL:
        found = proof(name, of)
        assert isinstance(found, CantTell) and found.why == "nft could not be run: not root"
    assert LOOKS[Layer.FIREWALL](of) == (LayerState.UNCHECKED, "nft could not be run: not root")
    shut = proof("firewall_blocks_ssh", host(both(DROP), unchecked=("nft could not be run: not root",)))
    assert isinstance(shut, Holds)


def test_a_rule_of_a_disk_is_named_by_file_and_line() -> None:
    text = f"*filter\n{DROP}{ESTABLISHED}-A INPUT -p tcp --dport 22 -j DROP\n"
    saved = (Source("/etc/iptables/rules.v4", Backend.NF_TABLES, Family.IP, "netfilter-persistent.service"),)
    found = proof("firewall_blocks_ssh", host(rules(text), ONLY_4, live=False, sources=saved))
    assert isinstance(found, Holds)
    assert (found.evidence[0].source, found.evidence[0].line) == ("/etc/iptables/rules.v4", 4)
    assert found.commands is None


def test_managers_have_their_own_words() -> None:
    owners = (Owner("ufw", Family.IP, "filter", "ufw-user-input"),)
    text = f"{DROP}:ufw-user-input - [0:0]\n-A INPUT -j ufw-user-input\n{SSH}".replace("ACCEPT", "DROP")
    text = text.replace("-A INPUT -p", "-A ufw-user-input -p")
    found = proof("firewall_blocks_ssh", host(rules(text), ONLY_4, owners=owners))
    assert isinstance(found, Holds)
    assert found.commands == ("ufw prepend allow 22/tcp",) and found.undo == ("ufw delete allow 22/tcp",)
    assert "(ufw)" in found.why


def login(address: str) -> bytes:
    record = bytearray(384)
    record[0:2] = (7).to_bytes(2, "little")
    record[44:48] = b"root"
    record[76 : 76 + len(address)] = address.encode()
    record[340:344] = (1_790_000_000).to_bytes(4, "little")
    return bytes(record)


BANS = (
    f"{ACCEPT}:f2b-sshd - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n"
    "-A f2b-sshd -s 198.51.100.7/32 -j REJECT\n"
)
FAIL2BAN = (Owner("fail2ban", Family.IP, "filter", "f2b-sshd"),)


def test_one_who_logs_in_is_banned() -> None:
    of = host(rules(BANS), ONLY_4, {**SSHD, "/var/log/wtmp": login("198.51.100.7")}, FAIL2BAN)
    found = proof("ban_list_hit", of)
    assert isinstance(found, Holds)
    assert found.values["unban"] == "fail2ban-client set sshd unbanip 198.51.100.7"
    assert isinstance(proof("firewall_blocks_ssh", of), Fails)


def test_one_who_logs_in_by_the_words_of_the_journal() -> None:
    told = ("login", said("Accepted publickey for root", address="198.51.100.7"))
    assert isinstance(prove("ban_list_hit", host(rules(BANS), ONLY_4, owners=FAIL2BAN), told), Holds)
    other = ("login", said("Accepted publickey for root", address="198.51.100.8"))
    assert isinstance(prove("ban_list_hit", host(rules(BANS), ONLY_4, owners=FAIL2BAN), other), Fails)


def test_bans_of_strangers_are_none_of_our_business() -> None:
    of = host(rules(BANS), ONLY_4, {**SSHD, "/var/log/wtmp": login("198.51.100.8")}, FAIL2BAN)
    assert isinstance(proof("ban_list_hit", of), Fails)
    assert isinstance(proof("ban_list_hit", host(rules(BANS), ONLY_4)), Fails)  # nobody's list
    assert isinstance(proof("ban_list_hit", host(rules(BANS), ONLY_4, owners=FAIL2BAN)), CantTell)  # nobody logged in


@pytest.mark.parametrize(("count", "expected"), [("65500\n", Holds), ("100\n", Fails), ("", Fails)])
def test_the_table_of_connections(count: str, expected: type) -> None:
    proc = "/proc/sys/net/netfilter/nf_conntrack_"
    files = {**SSHD, f"{proc}count": count, f"{proc}max": "65536\n"} if count else SSHD
    found = proof("conntrack_full", host(Ruleset(), files=files))
    assert isinstance(found, expected)
    if isinstance(found, Holds):
        assert found.values["more"] == "262144"
    assert isinstance(proof("conntrack_full", host(Ruleset(), live=False)), CantTell)
