"""Real rule-sets, as the packages loaded them: against this machine's kernel, and what they do with ssh."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys

import pytest

from agent.firewall import evaluate
from agent.firewall.fields import Protocol
from agent.firewall.packet import Question, packet
from agent.firewall.result import Result, Verdict
from tests.firewall.kernel.packets import HOST
from tests.firewall.kernel.real import rulesets
from tests.firewall.kernel.real_run import as_recorded
from tests.firewall.test_kernel import ROOT, needs_root, needs_tools

RULESETS = {one.name: one for one in rulesets()}
HOSTS = {4: ("203.0.113.5", "192.0.2.10"), 6: ("2001:db8:a::5", "2001:db8:1::10")}
BANNED = {4: "203.0.113.5", 6: "2001:db8:a::5"}
HEALTHY = (
    *(f"ufw-ssh{suite} {backend}" for suite in ("", "-bookworm", "-bullseye") for backend in ("legacy", "nft")),
    *(f"docker-{state} {backend}" for state in ("idle", "published", "idle-new") for backend in ("legacy", "nft")),
    *(f"fail2ban-{how}-idle {backend}" for how in ("iptables", "ipset") for backend in ("legacy", "nft")),
    *("fail2ban-nft-idle nft", "firewalld-1.3.3 stock", "firewalld-2.3.1 stock", "podman-nft nft"),
    *("libvirt-iptables nft", "securing legacy", "redhat nft", "router legacy"),
)


def ssh(name: str, family: int = 4, **changed: object) -> Result:
    """A first packet to ssh, and its answer."""
    source, destination = HOSTS[family]
    asked: dict[str, object] = {
        "family": family,
        "protocol": Protocol.TCP,
        "source": source,
        "destination": destination,
        "source_port": 40000,
        "destination_port": 22,
        "arrives": "eth0",
    }
    question = Question(**{**asked, **changed})  # type: ignore[arg-type]
    return evaluate.inbound_and_back(as_recorded(RULESETS[name], family), packet(question, HOST), HOST)


@needs_root
@needs_tools
@pytest.mark.skipif(not shutil.which("ipset"), reason="ipset is missing")
def test_the_model_says_what_the_kernel_does_with_real_rulesets() -> None:
    seed = str(random.SystemRandom().randrange(1_000_000))
    argv = (sys.executable, "-m", "tests.firewall.kernel.real_run", "--pairs", "2000", "--seed", seed)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[:6000] + done.stderr
    summary = re.match(r".*: (\d+) pairs, .* \(0 refused\), 0 disagreements, (\S+) % unknown", done.stdout)
    assert summary, done.stdout[:500]
    assert int(summary.group(1)) >= 2000
    assert float(summary.group(2)) < 2
    print(done.stdout)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_host_answers_ssh(name: str) -> None:
    for family in RULESETS[name].families:
        assert ssh(name, family).verdict is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("name", "verdict", "chain", "text"),
    [
        ("fail2ban-iptables nft", Verdict.REJECT, "f2b-sshd", "-s 203.0.113.5/32 -j REJECT"),
        ("fail2ban-iptables legacy", Verdict.REJECT, "f2b-sshd", "-s 203.0.113.5/32 -j REJECT"),
        ("fail2ban-ipset legacy", Verdict.REJECT, "INPUT", "--match-set f2b-sshd src -j REJECT"),
        ("fail2ban-nft nft", Verdict.REJECT, "f2b-chain", "@addr-set-sshd"),
        ("ufw-stock nft", Verdict.DROP, "INPUT", "policy DROP"),
        ("ufw-stock legacy", Verdict.DROP, "INPUT", "policy DROP"),
        ("firewalld-2.3.1 default-drop", Verdict.DROP, "filter_INPUT_POLICIES", "drop"),
        ("locked nft", Verdict.DROP, "INPUT", "policy DROP"),
        ("screened legacy", Verdict.DROP, "DENYIN", "-s 203.0.113.5/32 ! -i lo -j DROP"),
    ],
)
def test_the_rule_that_stops_ssh_is_named(name: str, verdict: Verdict, chain: str, text: str) -> None:
    said = ssh(name)
    assert said.verdict is verdict
    assert said.place is not None
    assert said.place.chain == chain
    assert text in said.place.text


def test_who_is_banned_from_ssh_reaches_the_web_server() -> None:
    for name in ("fail2ban-iptables nft", "fail2ban-ipset legacy", "fail2ban-nft nft"):
        for family, banned in BANNED.items():
            assert ssh(name, family, source=banned).verdict is Verdict.REJECT
            assert ssh(name, family, source=banned, destination_port=443).verdict is Verdict.ACCEPT


def test_who_is_banned_everywhere_reaches_nothing() -> None:
    for name in ("fail2ban-iptables nft", "fail2ban-ipset legacy", "fail2ban-nft nft"):
        assert ssh(name, source="203.0.113.9", destination_port=443).verdict is Verdict.REJECT


def test_a_published_port_leads_to_the_container() -> None:
    said = ssh("docker-published nft", destination_port=8080)
    assert (said.verdict, said.forwarded) == (Verdict.ACCEPT, True)
    assert not ssh("docker-published nft").forwarded


def test_what_docker_accepts_in_one_back_end_ufw_drops_in_the_other() -> None:
    said = ssh("ufw-ssh nft + docker-published legacy", destination_port=8080)
    assert said.verdict is Verdict.DROP
    assert said.place is not None
    assert (said.place.chain, said.place.text) == ("FORWARD", "policy DROP")


def test_docker_user_stops_what_was_published() -> None:
    said = ssh("docker-user nft", destination_port=8080)
    assert said.verdict is Verdict.DROP
    assert said.place is not None
    assert said.place.chain == "DOCKER-USER"


def test_an_address_may_be_limited_by_ufw_and_that_is_open() -> None:
    said = ssh("ufw-limit nft")
    assert said.verdict is Verdict.UNKNOWN
    assert "recent" in said.why


def test_every_recording_is_read_without_a_problem() -> None:
    for one in RULESETS.values():
        for family in one.families:
            assert not as_recorded(one, family).problems, one.name
