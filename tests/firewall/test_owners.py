"""Who wrote a chain: by the names that programs give to theirs, and by no others."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from agent.firewall.model import Backend, Chain, Family, Ruleset, Table
from agent.firewall.owners import owners
from agent.firewall.xtables import save

RECORDED = Path(__file__).parent / "recorded"


def wrote(table: str, *chains: str, family: Family = Family.IP) -> dict[str, str]:
    """The program by chain."""
    made = Table(table, family, Backend.NFT, tuple(Chain(name) for name in chains))
    found = owners(Ruleset((made,)))
    assert all((owner.table, owner.family) == (table, family) for owner in found)
    return {owner.chain: owner.program for owner in found}


@pytest.mark.parametrize(
    ("program", "table", "chains"),
    [
        (
            "ufw",
            "filter",
            "ufw-before-input ufw-user-limit-accept ufw6-skip-to-policy-input ufw-not-local ufw-track-input",
        ),
        ("ufw-docker", "filter", "ufw-docker-logging-deny"),
        ("firewalld", "firewalld", "filter_INPUT filter_IN_public_allow raw_PREROUTING"),
        ("firewalld", "filter", "INPUT_ZONES FORWARD_OUT_ZONES_SOURCE INPUT_direct IN_public_deny FWDI_public_log"),
        ("firewalld", "nat", "POSTROUTING_ZONES POST_public_allow"),
        ("fail2ban", "f2b-table", "f2b-chain"),
        ("fail2ban", "filter", "f2b-sshd f2b-apache-auth fail2ban-ssh"),
        ("Docker", "filter", "DOCKER DOCKER-FORWARD DOCKER-ISOLATION-STAGE-1 DOCKER-CT DOCKER-INGRESS"),
        ("Docker", "docker-bridges", "filter-FORWARD nat-prerouting-and-output"),
        ("Podman", "netavark", "INPUT NETAVARK-DNAT"),
        ("Podman", "nat", "NETAVARK-HOSTPORT-DNAT NETAVARK-1D8721804F16F"),
        ("CNI", "nat", "CNI-HOSTPORT-DNAT CNI-0c5b2b3a7c1d2e3f4a5b6c7d"),
        ("Kubernetes", "nat", "KUBE-SERVICES KUBE-SVC-ERIFXISQEP7F7OF4"),
        ("Calico", "filter", "cali-INPUT cali-wl-to-host"),
        ("Cilium", "filter", "CILIUM_INPUT OLD_CILIUM_INPUT"),
        ("libvirt", "filter", "LIBVIRT_INP LIBVIRT_FWX"),
        ("libvirt", "libvirt_network", "guest_output"),
        ("CrowdSec", "crowdsec", "crowdsec-chain-input"),
        ("CrowdSec", "filter", "CROWDSEC_CHAIN CROWDSEC_LOG"),
        ("sshguard", "sshguard", "blacklist"),
        ("sshguard", "filter", "sshguard"),
        ("CSF", "filter", "LOCALINPUT DENYIN ALLOWIN LOGDROPOUT SYNFLOOD INVDROP"),
        ("Shorewall", "filter", "shorewall net-fw smurfs logdrop"),
        ("Tailscale", "filter", "ts-input ts-forward"),
        ("wg-quick", "wg-quick-wg0", "preraw postmangle"),
        ("systemd", "io.systemd.nat", "prerouting"),
        ("OpenSnitch", "opensnitch", "filter-input"),
        ("psad", "filter", "PSAD_BLOCK_INPUT"),
    ],
)
def test_the_chains_of_a_program_are_named_as_its_own(program: str, table: str, chains: str) -> None:
    assert wrote(table, *chains.split()) == dict.fromkeys(chains.split(), program)


@pytest.mark.parametrize(
    "chains",
    [
        "INPUT FORWARD OUTPUT",
        "ufwx ufw-x ufw- ufw aufw-user-input ufw-user-input\n",
        "f2b- f2b fail2ban",
        "DOCKER-USER docker DOCKERS DOCKER-user",
        "CNI-ADMIN",
        "IN_public PRE_public",  # without firewalld's others they may be anybody's
        "DENYIN ALLOWIN INVALID",
        "net-fw logdrop",
        "crowdsec sshguard2 ts-inputs LIBVIRT_INPUT",
        "\x1b[31mufw-user-input",
    ],
)
def test_look_alikes_and_chains_of_people_belong_to_nobody(chains: str) -> None:
    assert wrote("filter", *chains.split(" ")) == {}


def test_a_jump_to_a_chain_of_a_program_does_not_make_the_chain_that_jumps_its_own() -> None:
    text = (
        "*filter\n:INPUT ACCEPT [0:0]\n:f2b-sshd - [0:0]\n-A INPUT -p tcp -j f2b-sshd\n-A f2b-sshd -j RETURN\nCOMMIT\n"
    )
    assert [owner.chain for owner in owners(save.read(text))] == ["f2b-sshd"]


def test_a_table_that_only_begins_like_a_programs_own_is_not_its_own() -> None:
    assert wrote("firewalld2", "filter_INPUT") == {}
    assert wrote("my-crowdsec", "input") == {}
    assert wrote("docker-bridges", "filter-FORWARD", family=Family.IP6) == {"filter-FORWARD": "Docker"}


def test_everything_that_the_real_ufw_makes_is_its_own() -> None:
    told = json.loads(lzma.decompress((RECORDED / "ufw-logging-full.json.xz").read_bytes()))
    for text, family in ((told["v4"], Family.IP), (told["v6"], Family.IP6)):
        ruleset = save.read(text, family)
        made = [chain.name for table in ruleset.tables for chain in table.chains if chain.base is None]
        assert len(made) > 20
        assert [(owner.chain, owner.program) for owner in owners(ruleset)] == [(name, "ufw") for name in made]


def test_many_chains_with_hostile_names_take_no_time() -> None:
    names = [f"{'ufw-' * 8}{number}" for number in range(3000)] + ["ufw-user" + "-a" * 5000 + "!"]
    assert wrote("filter", *names) == {}
