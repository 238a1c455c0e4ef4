"""agent firewall as a person types it: its words, its screen, its JSON, its exit statuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fastjsonschema
import pytest

from tests.firewall.pastes import NFT, NO_SSH, PASTES, SAVE, UFW
from tests.rules.labels import REAL

ROOT = Path(__file__).parents[2]
validate = fastjsonschema.compile(json.loads((ROOT / "docs" / "firewall.schema.json").read_text()))
STATUS = {"accept": 0, "drop": 1, "reject": 1, "unknown": 3}

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "iptables-nft", "nft"))),
    reason="needs root, ip, iptables and nft",
)


def agent(*words: str, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    done = subprocess.run(
        [sys.executable, "-m", "agent", "firewall", *words], input=data, capture_output=True, cwd=ROOT, check=False
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def told(*words: str, stdin: str) -> dict[str, object]:
    done = agent("--rules", "-", "--json", *words, stdin=stdin)
    document: dict[str, object] = json.loads(done.stdout)
    validate(document)
    assert done.returncode == STATUS[str(document["verdict"])]
    assert done.stdout.isascii()
    return document


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--to-port", "99999"], 2, "not a port"),
        (["--to-port", "dancing"], 2, "hint: a number from 1 to 65535"),
        (["--from", "web1"], 2, "not an address"),
        (["--proto", "icmp", "--to-port", "22"], 2, "icmp has no ports"),
        (["--rules", "-", "--root", "/media"], 2, "exclude each other"),
        (["-4", "-6", "--to-port", "22"], 2, "exclude each other"),
        (["-4", "--to-port", "22", "--from", "2001:db8::1"], 2, "of IPv6"),
        (["--from", "2001:db8::1", "--to", "192.0.2.1"], 2, "different families"),
        (["--rules", "/nowhere/at/all"], 3, "hint: "),
        (["--root", "/nowhere/at/all"], 3, "hint: "),
    ],
)
def test_wrong_words_get_a_hint(words: list[str], status: int, said: str) -> None:
    done = agent(*words, stdin=SAVE)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_text_without_rules_gets_a_hint() -> None:
    done = agent("--rules", "-", stdin="good morning\n")
    assert done.returncode == 2
    assert "hint: paste what iptables-save" in done.stderr


def test_a_beginner_sees_on_one_screen_what_stops_ssh() -> None:
    done = agent(
        "--rules", "-", stdin=SAVE.replace("-A INPUT -p tcp", "-A INPUT -p tcp --dport 22 -j DROP\n-A INPUT -p tcp")
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert "DROPPED: tcp to port 22 from anywhere by eth0, IPv4" in lines
    assert "Rule    rule 3 of chain INPUT, table filter (legacy), line 8" in lines
    assert "        -A INPUT -p tcp --dport 22 -j DROP" in lines
    assert "Let in  iptables -I INPUT 3 -p tcp --dport 22 -j ACCEPT" in lines
    assert "Undo    iptables -D INPUT -p tcp --dport 22 -j ACCEPT" in lines


def test_what_is_open_points_outside() -> None:
    done = agent("--rules", "-", "--to-port", "22", stdin=SAVE)
    assert done.returncode == 0
    assert "Cloud Firewall, which is outside and can't be seen" in done.stdout.replace("\n        ", " ")


def test_the_managers_own_word_comes_first() -> None:
    found = told("--to-port", "22", stdin=UFW)
    assert (found["verdict"], found["owner"], found["commands"]) == ("drop", "ufw", ["ufw prepend allow 22/tcp"])


def test_json_has_the_way() -> None:
    found = told("--to-port", "22", "--from", "198.51.100.7", stdin=NFT)
    assert found["verdict"] == "drop"
    assert (found["table"], found["chain"], found["number"], found["family"]) == ("filter", "input", 0, "inet")
    assert [step["chain"] for step in found["trace"]] == ["input"]  # type: ignore[attr-defined,index]
    assert found["from"] == "address"
    assert found["packet"]["from"] == "198.51.100.7"  # type: ignore[index]


def test_one_address_may_come_and_others_not() -> None:
    text = SAVE.replace("-p tcp -m tcp --dport 22", "-s 198.51.100.0/24 -p tcp --dport 22")
    assert told("--to-port", "22", "--from", "198.51.100.7", stdin=text)["verdict"] == "accept"
    anywhere = told("--to-port", "22", stdin=text)
    assert (anywhere["verdict"], anywhere["from"]) == ("drop", "some")
    assert "But     some addresses get in by: -A INPUT -s 198.51.100.0/24" in agent("--rules", "-", stdin=text).stdout


def test_established_connections_and_udp() -> None:
    assert told("--to-port", "22", "--state", "established", stdin=NO_SSH)["verdict"] == "accept"
    assert told("--to-port", "53", "--proto", "udp", stdin=NO_SSH)["verdict"] == "drop"
    assert told("--to-port", "22", "--in", "lo", stdin=NO_SSH)["verdict"] == "accept"
    assert told("--proto", "icmp", stdin=NO_SSH)["verdict"] == "drop"


def test_utf_16_of_windows() -> None:
    assert agent("--rules", "-", stdin=NO_SSH.encode("utf-16")).returncode == 1


def test_hostile_text_reaches_no_terminal() -> None:
    text = NO_SSH.replace(
        "-A INPUT -i lo", '-A INPUT -m comment --comment "\x1b]0;owned\x07\x9b31m" -j DROP\n-A INPUT -i lo'
    )
    done = agent("--rules", "-", stdin=text)
    assert done.returncode == 1
    assert not any(ord(char) < 32 and char != "\n" for char in done.stdout)
    assert "\x9b" not in done.stdout


def test_every_paste_has_a_valid_document() -> None:
    for paste in PASTES[::6]:
        told("--to-port", str(paste.port), stdin=paste.text)


SHELL = """
ip link set lo up; ip link add eth0 type veth peer name wire
ip addr add 192.0.2.10/24 dev eth0; ip link set eth0 up; ip link set wire up; ip route add default via 192.0.2.1
iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
nft add table inet guard
nft 'add chain inet guard in { type filter hook input priority -5; policy accept; }'
nft add rule inet guard in tcp dport 22 reject with tcp reset
exec "$@"
"""


@needs_namespaces
def test_rules_in_force() -> None:
    words = [sys.executable, "-m", "agent", "firewall", "--to-port", "22", "--json"]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", SHELL, "sh", *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    validate(found)
    assert (found["verdict"], found["rule"], found["table"]) == (
        "reject",
        "tcp dport 22 reject with tcp reset",
        "guard",
    )
    assert found["commands"] == ["nft insert rule inet guard in index 0 tcp dport 22 accept"]
    assert found["packet"]["interface"] == "eth0"
    assert found["line"] is None


FIREWALLS = [
    json.loads(line)
    for line in ((REAL / "labels.jsonl").read_text().splitlines() if REAL.is_dir() else ())
    if any(label.startswith(("firewall_", "ssh_", "no_input_drop")) for label in json.loads(line)["labels"])
    and json.loads(line)["kind"] not in ("log", "statecmd")
]


@pytest.mark.parametrize("sample", FIREWALLS, ids=lambda sample: Path(sample["file"]).name)
def test_published_rule_sets_give_their_labels_answer(sample: dict[str, object]) -> None:
    labels = set(sample["labels"])  # type: ignore[call-overload]
    done = agent("--rules", str(REAL / str(sample["file"])), "--to-port", "22", "--json")
    verdict = json.loads(done.stdout)["verdict"]
    if labels & {"firewall_ok", "ssh_allowed", "no_input_drop"}:
        assert verdict == "accept"
    elif labels & {"firewall_blocks_ssh", "firewall_blocks_all", "firewall_blocks_most"}:
        assert "ssh_restricted_source" in labels or verdict in ("drop", "reject")


def disk(root: Path) -> None:
    """A host whose nftables.service is enabled, and whose sshd listens elsewhere than the rules think."""
    files = {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "etc/hostname": "web1\n",
        "etc/ssh/sshd_config": "Port 2222\n",
        "lib/systemd/system/nftables.service": "[Service]\nExecStart=/usr/sbin/nft -f /etc/nftables.conf\n",
        "lib/systemd/systemd": "",
        "usr/sbin/sshd": "",
        "usr/sbin/nft": "",
        "etc/nftables.conf": f"flush ruleset\n{NFT.replace('80, 443', '22, 80')}",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    wants = root / "etc/systemd/system/sysinit.target.wants"
    wants.mkdir(parents=True)
    (wants / "nftables.service").symlink_to("/lib/systemd/system/nftables.service")


def test_a_disk_says_what_it_would_load(tmp_path: Path) -> None:
    disk(tmp_path)
    done = agent("--root", str(tmp_path), "-4")
    assert done.returncode == 1, done.stderr
    assert "ssh (tcp 2222), IPv4    drop " in done.stdout
    assert "Add     to /etc/nftables.conf, at the end of the chain, and keep a copy of it:" in done.stdout
    assert "        tcp dport 2222 accept" in done.stdout.splitlines()
    found = json.loads(agent("--root", str(tmp_path), "--to-port", "22", "--json").stdout)
    validate(found)
    assert (found["verdict"], found["file"], found["sources"][0]["loaded_by"]) == (
        "accept",
        "/etc/nftables.conf",
        "nftables.service",
    )
