"""Saved files, tried with the real programs in a scratch namespace; and the proof that rests on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.diagnosis.model import CantTell, Fails, Holds
from agent.facts.facts import Facts
from agent.facts.services import Init
from agent.firewall.model import Backend, Family
from agent.firewall.reading import Reading, Source
from agent.firewall.saved import trial
from agent.firewall.saved.trial import Refusal
from agent.target.detect import open_target
from agent.target.model import Mode, Output
from agent.unknown import Unknown, Why
from tests.proofs.managed import facts, prove, said, unit
from tests.virtual import File, Node, virtual

PROGRAMS = ("unshare", "iptables-legacy-restore", "iptables-nft-restore", "nft")
real = pytest.mark.skipif(
    os.geteuid() != 0
    or not all(map(shutil.which, PROGRAMS))
    or (Path("/proc/modules").exists() and not Path("/sys/module/nf_tables").is_dir())
    or not Path("/proc/net/ip_tables_names").exists(),
    reason="needs root, both back ends of iptables, and their modules in the kernel",
)
TABLES = (Backend.LEGACY, Backend.NF_TABLES)

GOOD = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"


def source(name: str, backend: Backend, family: Family | None = Family.IP) -> Source:
    return Source(name, backend, family, "netfilter-persistent.service")


@real
@pytest.mark.parametrize("backend", TABLES)
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GOOD, None, ""),
        (GOOD.replace("--dport", "--dprt"), 3, 'unknown option "--dprt"'),
        (GOOD.replace("COMMIT\n", ""), 4, "COMMIT expected"),
        (GOOD.replace("ACCEPT\nC", "nochain\nC"), 3, "nochain"),
    ],
)
def test_iptables_restore(tmp_path: Path, backend: Backend, text: str, line: int | None, words: str) -> None:
    file = tmp_path / "rules.v4"
    file.write_text(text)
    before = subprocess.run(("nft", "list", "ruleset"), capture_output=True, check=True).stdout
    found = trial.refusal(open_target("/"), source(str(file), backend))
    assert subprocess.run(("nft", "list", "ruleset"), capture_output=True, check=True).stdout == before
    if line is None:
        assert found is None
    else:
        assert isinstance(found, Refusal)
        assert abs(found.line - line) <= 1  # iptables-nft names the COMMIT where the kernel refuses
        assert words in found.why


@real
@pytest.mark.parametrize("backend", TABLES)
def test_a_set_that_another_service_makes_is_no_refusal(tmp_path: Path, backend: Backend) -> None:
    file = tmp_path / "rules.v4"
    file.write_text("*filter\n:INPUT DROP [0:0]\n-A INPUT -m set --match-set friends src -j ACCEPT\nCOMMIT\n")
    assert isinstance(trial.refusal(open_target("/"), source(str(file), backend)), Unknown)


@real
def test_nft(tmp_path: Path) -> None:
    file = tmp_path / "nftables.conf"
    table = "table inet filter {\n chain input {\n  type filter hook input priority 0\n  RULE\n }\n}\n"
    file.write_text(table.replace("RULE", "tcp dport 22 accept"))
    assert trial.refusal(open_target("/"), source(str(file), Backend.NFT, None)) is None
    file.write_text(table.replace("RULE", "tcp dprt 22 accept"))
    found = trial.refusal(open_target("/"), source(str(file), Backend.NFT, None))
    assert isinstance(found, Refusal) and (found.file, found.line) == (str(file), 4)
    part = tmp_path / "part.nft"
    part.write_text("define ports = { 22, }}\n")
    file.write_text(f'include "{part}"\n')
    found = trial.refusal(open_target("/"), source(str(file), Backend.NFT, None))
    assert isinstance(found, Refusal) and (found.file, found.line) == (str(part), 1)
    file.write_text(table.replace("RULE", "iif eth7 accept"))
    assert isinstance(trial.refusal(open_target("/"), source(str(file), Backend.NFT, None)), Unknown)


RULES = "/etc/iptables/rules.v4"
LINKS: Mapping[str, Node] = {
    RULES: GOOD.replace("--dport", "--dprt"),
    "/proc/modules": "nf_tables 1 0 - Live 0x0\n",
    "/sys/module/nf_tables/refcnt": "1\n",
    "/usr/sbin/iptables-nft-restore": File("", 0o755),
}
TRIED = ("unshare", "--net", "iptables-nft-restore")
REFUSED = Output(
    TRIED, 2, "", 'iptables-nft-restore v1.8.9 (nf_tables): unknown option "--dprt"\nError occurred at line: 3\n', 0.1
)


def host(answer: str | Output | Unknown, failed: bool = False, live: bool = True, text: str = "") -> Facts:
    mode = Mode.LIVE if live else Mode.OFFLINE
    files = {**LINKS, RULES: text} if text else LINKS
    units = [unit("netfilter-persistent.service", "failed" if failed else "active", live=live)]
    units += [
        unit(f"{name}.service", "inactive", live=live)
        for name in ("iptables", "ip6tables", "nftables", "firewalld", "ufw")
    ]
    found = facts(files, mode=mode, init=Init.SYSTEMD, units=units)
    found.target = virtual(files, mode, runs={TRIED: answer})
    found.derived[Reading] = Reading(sources=(source(RULES, Backend.NF_TABLES),))
    return found


def test_the_refused_line_is_shown() -> None:
    proof = prove("firewall_restore", host(REFUSED))
    assert isinstance(proof, Holds)
    assert (
        'can\'t load /etc/iptables/rules.v4:3: iptables-nft-restore v1.8.9 (nf_tables): unknown option "--dprt"'
        in proof.why
    )
    assert proof.evidence[0].text == "-A INPUT -p tcp --dprt 22 -j ACCEPT"
    assert (proof.evidence[0].source, proof.evidence[0].line) == (RULES, 3)


def test_what_loads_now_is_past_unless_its_service_has_failed() -> None:
    line = ("restore", said("iptables-restore: line 3 failed"))
    assert isinstance(prove("firewall_restore", host(""), line), Fails)
    proof = prove("firewall_restore", host("", failed=True), line)
    assert isinstance(proof, Holds)
    assert proof.why == "netfilter-persistent.service has failed; what it loads would be accepted now"


def test_what_can_not_be_tried_hangs_on_the_log() -> None:
    missing = Unknown("unshare: not installed", Why.ABSENT)
    assert isinstance(prove("firewall_restore", host(missing)), Fails)
    assert isinstance(prove("firewall_restore", host(missing), ("restore", said("line 3 failed"))), Holds)
    assert isinstance(prove("firewall_restore", host(missing), ("restore", said("x", trusted=False))), CantTell)
