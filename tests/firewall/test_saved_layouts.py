"""Where other distributions keep saved rules. These disks are constructed: no RPM or OpenRC system was booted."""

from __future__ import annotations

import pytest

from agent.firewall.model import Backend, Family
from agent.firewall.reading import Reading
from agent.firewall.saved.boot import at_boot
from agent.target import Target
from tests.firewall.boot_cases import V4, V6
from tests.virtual import Denied, File, Link, Node, virtual

PROGRAM = File("", mode=0o755)
NFT = "table inet t {\n\tchain c {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n"
WANTS = "/etc/systemd/system/multi-user.target.wants"
SYSTEM = "/usr/lib/systemd/system"


def systemd(units: dict[str, str], enabled: tuple[str, ...] = (), /, **files: Node) -> Target:
    """A disk with systemd, iptables (legacy) and nft; ``units`` are what their ExecStart says."""
    tree: dict[str, Node] = {"/usr/lib/systemd/systemd": PROGRAM, "/sbin/init": Link("/usr/lib/systemd/systemd")}
    tree |= {f"/usr/sbin/{name}": PROGRAM for name in ("iptables-restore", "ip6tables-restore", "nft", "ipset")}
    for name, start in units.items():
        text = f"[Unit]\n[Service]\nExecStart={start}\n[Install]\nWantedBy=multi-user.target\n"
        tree[f"{SYSTEM}/{name}.service"] = text
    tree |= {f"{WANTS}/{name}.service": Link(f"{SYSTEM}/{name}.service") for name in enabled}
    return virtual({**tree, **files})


def openrc(*started: str, **files: Node) -> Target:
    tree: dict[str, Node] = {"/sbin/openrc": PROGRAM, "/etc/inittab": "::sysinit:/sbin/openrc sysinit\n"}
    tree |= {f"/sbin/{name}": Link("xtables-nft-multi") for name in ("iptables-restore", "ip6tables-restore")}
    tree |= {"/sbin/xtables-nft-multi": PROGRAM, "/usr/sbin/nft": PROGRAM, "/usr/sbin/ipset": PROGRAM}
    for name in ("iptables", "ip6tables", "nftables", "ipset"):
        tree[f"/etc/init.d/{name}"] = PROGRAM
    tree |= {f"/etc/runlevels/default/{name}": Link(f"/etc/init.d/{name}") for name in started}
    return virtual({**tree, **files})


def loaded(reading: Reading) -> dict[str, str]:
    return {source.name: source.loaded_by for source in reading.sources}


def policies(reading: Reading) -> dict[tuple[str, str, str], str]:
    """What is dropped by default: family, back end, chain."""
    return {
        (table.family.value, table.backend.value, chain.name): chain.base.policy.action.value
        for table in reading.ruleset.tables
        for chain in table.chains
        if chain.base is not None and chain.base.policy.action.value != "accept"
    }


RED_HAT = {
    "iptables": "/usr/libexec/iptables/iptables.init start",
    "ip6tables": "/usr/libexec/iptables/ip6tables.init start",
    "nftables": "/sbin/nft -f /etc/sysconfig/nftables.conf",
}
RED_HAT_FILES: dict[str, Node] = {
    "/etc/sysconfig/iptables": V4,
    "/etc/sysconfig/ip6tables": V6,
    "/etc/sysconfig/nftables.conf": f'# include "/etc/nftables/main.nft"\ninclude "/etc/nftables/own.nft"\n{NFT}',
    "/etc/nftables/own.nft": NFT.replace("inet t", "inet own"),
}


def test_red_hats_services_load_what_sysconfig_holds() -> None:
    reading = at_boot(systemd(RED_HAT, ("iptables", "ip6tables", "nftables"), **RED_HAT_FILES))
    assert loaded(reading) == {
        "/etc/sysconfig/iptables": "iptables.service",
        "/etc/sysconfig/ip6tables": "ip6tables.service",
        "/etc/sysconfig/nftables.conf": "nftables.service",
    }
    assert sorted(policies(reading)) == [
        ("inet", "nft", "c"),
        *(("ip", "legacy", chain) for chain in ("FORWARD", "INPUT")),
        *(("ip6", "legacy", chain) for chain in ("FORWARD", "INPUT")),
    ]
    assert {table.name for table in reading.ruleset.tables if table.backend is Backend.NFT} == {"t", "own"}
    assert reading.unchecked == ()


def test_files_of_services_that_are_not_enabled_are_idle() -> None:
    reading = at_boot(systemd(RED_HAT, ("ip6tables",), **RED_HAT_FILES))
    assert loaded(reading)["/etc/sysconfig/iptables"] == ""
    assert loaded(reading)["/etc/sysconfig/nftables.conf"] == ""
    assert {table.family for table in reading.ruleset.tables} == {Family.IP6}


def test_a_masked_service_loads_nothing() -> None:
    masked = {"/etc/systemd/system/iptables.service": Link("/dev/null")}
    assert policies(at_boot(systemd(RED_HAT, ("iptables",), **{**RED_HAT_FILES, **masked}))) == {}


def test_red_hat_8_has_the_back_end_of_nft() -> None:
    alternatives: dict[str, Node] = {
        "/usr/sbin/iptables-restore": Link("xtables-nft-multi"),
        "/usr/sbin/xtables-nft-multi": PROGRAM,
    }
    reading = at_boot(systemd(RED_HAT, ("iptables",), **{**RED_HAT_FILES, **alternatives}))
    assert {table.backend for table in reading.ruleset.tables} == {Backend.NF_TABLES}


def test_arch_names_its_files_in_the_units() -> None:
    units = {
        "iptables": "/usr/bin/iptables-restore /etc/iptables/iptables.rules",
        "ip6tables": "/usr/bin/ip6tables-restore /etc/iptables/ip6tables.rules",
    }
    files: dict[str, Node] = {"/etc/iptables/iptables.rules": V4, "/etc/iptables/ip6tables.rules": V6}
    reading = at_boot(systemd(units, ("iptables", "ip6tables"), **files))
    assert loaded(reading) == {
        "/etc/iptables/iptables.rules": "iptables.service",
        "/etc/iptables/ip6tables.rules": "ip6tables.service",
    }
    assert len(policies(reading)) == 4


def test_a_drop_in_names_another_file() -> None:
    files: dict[str, Node] = {
        "/etc/systemd/system/nftables.service.d/own.conf": "[Service]\nExecStart=\n"
        "ExecStart=/sbin/nft -f /srv/own.nft\n",
        "/srv/own.nft": NFT.replace("inet t", "inet own"),
    }
    reading = at_boot(systemd(RED_HAT, ("nftables",), **{**RED_HAT_FILES, **files}))
    assert [table.name for table in reading.ruleset.tables] == ["own"]


def test_a_unit_may_hold_nfts_text_itself() -> None:
    units = {"nftables": "/usr/sbin/nft 'flush ruleset; include \"/etc/nftables/own.nft\"'"}
    reading = at_boot(systemd(units, ("nftables",), **RED_HAT_FILES))
    assert [table.name for table in reading.ruleset.tables] == ["own"]
    assert reading.unchecked == ()


def test_systemd_knows_no_redirection() -> None:
    unit = {"rules": "/usr/sbin/iptables-restore < /etc/iptables.rules"}
    reading = at_boot(systemd(unit, ("rules",), **{"/etc/iptables.rules": V4}))
    assert policies(reading) == {}


@pytest.mark.parametrize(
    ("four", "six", "nft"),
    [
        ("/etc/iptables/rules-save", "/etc/iptables/rules6-save", "/etc/nftables.nft"),  # Alpine
        ("/var/lib/iptables/rules-save", "/var/lib/ip6tables/rules-save", "/var/lib/nftables/rules-save"),  # Gentoo
    ],
)
def test_openrcs_services_load_what_their_settings_name(four: str, six: str, nft: str) -> None:
    key = "rules_file" if nft.startswith("/etc") else "NFTABLES_SAVE"
    files: dict[str, Node] = {
        "/etc/conf.d/iptables": f'IPTABLES_SAVE="{four}"\nSAVE_ON_STOP="yes"\n',
        "/etc/conf.d/ip6tables": f'IP6TABLES_SAVE="{six}"\n',
        "/etc/conf.d/nftables": f'{key}="{nft}"\n',
        four: V4,
        six: V6,
        nft: NFT,
    }
    reading = at_boot(openrc("iptables", "ip6tables", "nftables", **files))
    assert loaded(reading) == {four: "iptables.service", six: "ip6tables.service", nft: "nftables.service"}
    assert len(policies(reading)) == 5
    assert reading.unchecked == ()


def test_openrcs_default_file_is_read_without_settings() -> None:
    reading = at_boot(openrc("iptables", **{"/etc/iptables/rules-save": V4, "/etc/sysconfig/iptables": V6}))
    assert loaded(reading) == {"/etc/iptables/rules-save": "iptables.service"}


def test_rules_that_can_not_be_read_are_said() -> None:
    reading = at_boot(systemd(RED_HAT, ("iptables",), **{"/etc/sysconfig/iptables": Denied()}))
    assert reading.ruleset.tables == ()
    assert any("/etc/sysconfig/iptables" in said for said in reading.unchecked)


def test_a_rule_that_no_iptables_would_take_is_said_with_its_file_and_line() -> None:
    text = V4.replace("-A LOGDROP -j DROP", "-A LOGDROP -j DROP --what")
    reading = at_boot(systemd(RED_HAT, ("iptables",), **{"/etc/sysconfig/iptables": text}))
    assert [(problem.line, "/etc/sysconfig/iptables" in problem.why) for problem in reading.ruleset.problems] == [
        (11, True)
    ]
    assert reading.unchecked


def test_a_table_without_commit_is_not_loaded() -> None:
    text = V4.replace("COMMIT\n*nat", "*nat")
    reading = at_boot(systemd(RED_HAT, ("iptables",), **{"/etc/sysconfig/iptables": text}))
    assert [table.name for table in reading.ruleset.tables] == ["nat"]
    assert reading.unchecked


def test_an_include_leads_nowhere_but_into_the_disk() -> None:
    files: dict[str, Node] = {
        "/etc/sysconfig/nftables.conf": 'include "/etc/nftables/*.nft"\n',
        "/etc/nftables/own.nft": Link("../../../../../srv/real.nft"),
        "/srv/real.nft": NFT,
    }
    reading = at_boot(systemd(RED_HAT, ("nftables",), **files))
    assert [table.name for table in reading.ruleset.tables] == ["t"]


def test_an_include_that_is_missing_makes_nft_refuse_the_file() -> None:
    files: dict[str, Node] = {"/etc/sysconfig/nftables.conf": f'include "/etc/nftables/gone.nft"\n{NFT}'}
    reading = at_boot(systemd(RED_HAT, ("nftables",), **files))
    assert any("gone.nft" in said for said in reading.unchecked)


def test_firewalld_and_iptables_stop_each_other() -> None:
    files: dict[str, Node] = {
        **RED_HAT_FILES,
        f"{SYSTEM}/firewalld.service": "[Unit]\nConflicts=iptables.service ip6tables.service\n"
        "[Service]\nExecStart=/usr/sbin/firewalld\n[Install]\nWantedBy=multi-user.target\n",
        f"{WANTS}/firewalld.service": Link(f"{SYSTEM}/firewalld.service"),
    }
    reading = at_boot(systemd(RED_HAT, ("iptables",), **files))
    assert any("stop each other" in said for said in reading.unchecked)


def test_units_tell_which_comes_last() -> None:
    late = "[Unit]\nAfter=iptables.service\n[Service]\nExecStart=/sbin/nft -f /etc/late.nft\n"
    files: dict[str, Node] = {
        "/etc/sysconfig/iptables": V4,
        "/etc/late.nft": f"flush ruleset\n{NFT}",
        "/etc/systemd/system/nftables.service": late,
        f"{WANTS}/nftables.service": Link("/etc/systemd/system/nftables.service"),
        "/usr/sbin/iptables-restore": Link("xtables-nft-multi"),
        "/usr/sbin/xtables-nft-multi": PROGRAM,
    }
    reading = at_boot(systemd(RED_HAT, ("iptables",), **files))
    assert policies(reading) == {("inet", "nft", "c"): "drop"}
    assert reading.unchecked == ()
    first = {"/etc/systemd/system/nftables.service": late.replace("After", "Before")}
    assert len(policies(at_boot(systemd(RED_HAT, ("iptables",), **{**files, **first})))) == 3
    unsaid = {"/etc/systemd/system/nftables.service": late.replace("After", "Wants")}
    assert at_boot(systemd(RED_HAT, ("iptables",), **{**files, **unsaid})).unchecked


def test_firewalld_loads_its_zones() -> None:
    files: dict[str, Node] = {
        "/usr/lib/firewalld/zones/public.xml": "<zone><short>Public</short><service name='ssh'/></zone>\n",
        "/usr/lib/firewalld/services/ssh.xml": "<service><port protocol='tcp' port='22'/></service>\n",
        "/etc/firewalld/firewalld.conf": "DefaultZone=public\n",
        "/etc/sysconfig/iptables": V4,
    }
    reading = at_boot(systemd({**RED_HAT, "firewalld": "/usr/sbin/firewalld --nofork"}, ("firewalld",), **files))
    assert reading.managers == ("firewalld",)
    assert [table.name for table in reading.ruleset.tables] == ["firewalld"]
    assert loaded(reading)["/etc/sysconfig/iptables"] == ""


def test_programs_whose_chains_come_later_are_named() -> None:
    units = {"docker": "/usr/bin/dockerd", "fail2ban": "/usr/bin/fail2ban-server", "shorewall": "/sbin/shorewall start"}
    reading = at_boot(systemd(units, ("docker", "fail2ban")))
    assert (reading.managers, reading.unchecked) == (("Docker", "fail2ban"), ())
    assert "shorewall" in at_boot(systemd(units, ("shorewall",))).unchecked[0]
    assert at_boot(systemd(units)).managers == ()


def test_a_file_that_is_longer_than_any_list_is_not_read() -> None:
    text = "*filter\n" + "-I INPUT -j DROP\n" * 250_000 + "COMMIT\n"
    reading = at_boot(systemd(RED_HAT, ("iptables",), **{"/etc/sysconfig/iptables": text}))
    assert reading.ruleset.tables == ()
    assert "too long" in reading.unchecked[0]


def test_the_number_of_sentences_has_an_end() -> None:
    files: dict[str, Node] = {
        f"/etc/systemd/system/u{number}.service": "[Service]\nExecStart=$X iptables\n" for number in range(300)
    }
    wants: dict[str, Node] = {f"{WANTS}/u{number}.service": "" for number in range(300)}
    assert len(at_boot(systemd({}, (), **files, **wants)).unchecked) == 100
