"""`agent fix --firewall` on a running kernel: a host of its own network, processes, /run and journal of changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.fixes.rulesets import CASES, Case
from tests.target.children import needs_root

REPOSITORY = Path(__file__).parents[2]
pytestmark = [needs_root, pytest.mark.timeout(120)]

_APART = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_BEGIN = """
mount --make-rprivate / && mount -t tmpfs none /run && mount -t tmpfs none /var/lib || exit 90
mount -t tmpfs none /usr/local/sbin && cp /bin/true /usr/local/sbin/sshd || exit 91
ip link set lo up; ip link add eth0 type veth peer name peer; ip link set peer up; ip link set eth0 up
ip addr add 192.0.2.10/24 dev eth0; ip route add default via 192.0.2.1
ip -6 addr add 2001:db8::10/64 dev eth0 nodad; ip -6 route add default via fe80::1 dev eth0
exec "$0" -c "$1"
"""
_PRELUDE = """
import json, os, signal, subprocess, sys, time
from tests.fixes import rulesets
from tests.fixes.rulesets import CASES, printed  # without counters: a network card that is up sends by itself
case = next(one for one in CASES if one.name == {name!r})
told = {{}}
def agent(*words, **more):
    done = subprocess.run([sys.executable, "-m", "agent", *words], capture_output=True, text=True, timeout=60, **more)
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr, done.stderr
    return done
def open_for_all():
    stops = (" -A ", "-A ", "policy drop", ":INPUT DROP", ":FORWARD DROP", "dport")
    return not [line for line in printed(counters=False) if line.strip().startswith(stops) or "policy drop" in line]
def counted():
    return [line for line in printed() if "5:300" in line or "packets 9 bytes 540" in line]
"""


def host(name: str, script: str) -> dict[str, object]:
    """What the script put into ``told``. All that it started ends with it."""
    program = _PRELUDE.format(name=name) + textwrap.dedent(script) + "\nprint(json.dumps(told))\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    environment.pop("SSH_CONNECTION", None)
    done = subprocess.run(
        [*_APART, "sh", "-c", _BEGIN, sys.executable, program],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().split("\n")[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_flushed_and_undone_the_rules_are_the_same_with_their_counters(case: Case) -> None:
    told = host(
        case.name,
        """
        case.load()
        before, counters = printed(counters=False), counted()
        dry = agent("fix", "--firewall=flush", "--dry-run")
        told["dry"], told["untouched"] = dry.returncode, printed(counters=False) == before
        asked = agent("fix", "--firewall=flush")
        told["asked"], told["asks"] = asked.returncode, asked.stdout
        done = agent("fix", "--firewall=flush", "--yes", "--json")
        told["fixed"], told["made"] = done.returncode, json.loads(done.stdout)["changes"][0]
        told["open"] = open_for_all()
        again = agent("fix", "--firewall=flush", "--yes", "--force")
        told["again"] = again.stdout
        undone = agent("undo")
        told["undone"], told["said"] = undone.returncode, undone.stdout
        told["same"], told["counters"] = printed(counters=False) == before, counted() == counters != []
        """,
    )
    assert (told["dry"], told["untouched"]) == (0, True)
    assert told["asked"] == 1 and "everything gets in" in str(told["asks"])
    assert told["fixed"] == 0 and told["open"] is True
    made = told["made"]
    assert isinstance(made, dict) and made["state"] == "verified" and made["confirm_by"]
    assert "flushed already" in str(told["again"])
    assert told["undone"] == 0 and told["same"] is True, told["said"]
    assert told["counters"] is True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ssh_is_let_in_past_every_rule_and_undo_takes_only_that_back(case: Case) -> None:
    told = host(
        case.name,
        """
        case.load()
        before = printed(counters=False)
        done = agent("fix", "--firewall")
        told["fixed"], told["said"] = done.returncode, done.stdout + done.stderr
        told["rules"] = [line for line in printed() if "lish-agent: ssh 22" in line]
        told["again"] = agent("fix", "--firewall").stdout
        undone = agent("undo")
        told["undone"] = undone.returncode
        told["same"] = printed(counters=False) == before
        """,
    )
    assert told["fixed"] == 0 and "looked at again: the problem is gone" in str(told["said"]), told["said"]
    rules = told["rules"]
    assert isinstance(rules, list) and len(rules) >= 2
    assert "no rule in force stops ssh" in str(told["again"])
    assert told["undone"] == 0 and told["same"] is True


def test_what_others_add_meanwhile_stays_when_the_rule_is_taken_back() -> None:
    told = host(
        "iptables-nft",
        """
        case.load()
        agent("fix", "--firewall=ssh")
        rulesets.run("iptables-nft", "-I", "INPUT", "1", "-s", "203.0.113.9", "-j", "DROP")
        rulesets.run("iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT")
        def rules():
            return [line for line in printed(counters=False) if line.startswith("-A ")]
        expected = [line for line in rules() if "lish-agent" not in line]
        told["undone"] = agent("undo").returncode
        told["same"] = rules() == expected
        """,
    )
    assert told == {"undone": 0, "same": True}


def test_the_rules_come_back_by_themselves_though_the_console_was_killed() -> None:
    told = host(
        "all at once",
        """
        case.load()
        before = printed(counters=False)
        line = f"{sys.executable} -m agent fix --firewall=flush --yes --for 10s; sleep 90"
        console = subprocess.Popen(["sh", "-c", line], start_new_session=True, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 40
        def settled():
            return b'"state": "verified"' in open("/var/lib/lish-agent/changes/1-firewall/change.json", "rb").read()
        while time.monotonic() < end:
            try:
                if settled():
                    break
            except OSError:
                pass
            time.sleep(0.1)
        told["open"] = open_for_all()
        os.killpg(console.pid, signal.SIGHUP)
        os.killpg(console.pid, signal.SIGKILL)
        console.wait()
        time.sleep(5)
        told["still open"] = open_for_all()
        end = time.monotonic() + 20
        while time.monotonic() < end and printed(counters=False) != before:
            time.sleep(0.2)
        time.sleep(0.5)
        told["same"] = printed(counters=False) == before
        told["history"] = agent("history").stdout.split("\\n")[0].split("UTC  ")[1][:6]
        """,
    )
    assert told == {"open": True, "still open": True, "same": True, "history": "undone"}


def test_kept_or_undone_nothing_happens_when_the_time_comes() -> None:
    told = host(
        "iptables-nft",
        """
        case.load()
        before = printed(counters=False)
        agent("fix", "--firewall=flush", "--yes", "--for", "10s")
        told["confirmed"] = agent("confirm").returncode
        flushed = printed(counters=False)
        time.sleep(11.5)
        told["kept"] = printed(counters=False) == flushed
        agent("undo")
        told["same"] = printed(counters=False) == before
        agent("fix", "--firewall=flush", "--yes", "--for", "10s")
        agent("undo")
        rulesets.run("iptables-nft", "-A", "INPUT", "-s", "203.0.113.9", "-j", "DROP")
        mine = printed(counters=False)
        time.sleep(11.5)
        told["left alone"] = printed(counters=False) == mine
        never = agent("fix", "--firewall=flush", "--yes", "--for", "never", "--json")
        told["never"] = json.loads(never.stdout)["changes"][0]["confirm_by"]
        """,
    )
    assert told == {"confirmed": 0, "kept": True, "same": True, "left alone": True, "never": None}


def test_words_that_make_no_sense_are_refused() -> None:
    told = host(
        "legacy",
        """
        def says(*words):
            done = agent(*words)
            return [done.returncode, done.stderr or done.stdout]
        told["for"] = says("fix", "--firewall=flush", "--for", "soon")
        told["short"] = says("fix", "--firewall=flush", "--for", "1s")
        told["alone"] = says("fix", "--for", "10m")
        told["disk"] = says("fix", "--firewall", "--root", "/var/lib")
        told["choice"] = says("fix", "--firewall=flsh")
        """,
    )
    assert "is no time" in str(told["for"]) and "out of range" in str(told["short"])
    assert "agent fix --firewall=flush --for 10m" in str(told["alone"])
    assert "did you mean flush" in str(told["choice"])
    assert "running host only" in str(told["disk"])


def test_an_ipset_that_somebody_destroyed_meanwhile_comes_back_with_the_rules() -> None:
    if shutil.which("ipset") is None:
        pytest.skip("not installed: ipset")
    told = host(
        "legacy",
        """
        case = rulesets.Case("ipsets", ("legacy", "nft"), False, True)
        case.load()
        def sets():
            return sorted(line.split(" timeout")[0] for line in rulesets.run("ipset", "save").split("\\n"))
        before, held = printed(counters=False), sets()
        done = agent("fix", "--firewall=flush", "--yes")
        told["fixed"], told["said"] = done.returncode, done.stdout + done.stderr
        for name in ("both", "bans", "nets"):
            rulesets.run("ipset", "destroy", name)
        told["undone"] = agent("undo").returncode
        told["same"] = printed(counters=False) == before
        told["sets"] = sets() == held
        """,
    )
    assert told["fixed"] == 0, told["said"]
    assert (told["undone"], told["same"], told["sets"]) == (0, True, True)


def test_rules_that_name_network_cards_are_tried_and_come_back() -> None:
    told = host(
        "native nft",
        """
        rulesets.run("nft", "-f", "-", text=rulesets.CARDS)
        before = printed(counters=False)
        dry = agent("fix", "--firewall=flush", "--dry-run").stdout
        told["tried"] = "could not be tried" not in dry or not any(
            os.path.isdir(f"/sys/module/{kind}") for kind in ("veth", "dummy", "bridge", "tun")
        )
        done = agent("fix", "--firewall=flush", "--yes")
        told["fixed"], told["said"] = done.returncode, done.stdout + done.stderr
        told["open"] = open_for_all()
        told["undone"] = agent("undo").returncode
        told["same"] = printed(counters=False) == before
        """,
    )
    assert told["fixed"] == 0 and told["open"] is True, told["said"]
    assert (told["tried"], told["undone"], told["same"]) == (True, 0, True)


def test_a_table_that_belongs_to_a_running_program_is_not_flushed() -> None:
    told = host(
        "native nft",
        """
        chain = "chain input { type filter hook input priority 0; policy drop; };"
        owner = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        owner.stdin.write("table inet own { flags owner; " + chain + " }\\n")
        owner.stdin.flush()
        time.sleep(0.5)
        before = printed(counters=False)
        told["there"] = any("flags owner" in line for line in before)
        done = agent("fix", "--firewall=flush", "--yes")
        told["refused"], told["said"] = done.returncode, done.stdout + done.stderr
        told["same"] = printed(counters=False) == before
        """,
    )
    if not told["there"]:
        pytest.skip("this nft or kernel knows no owner of a table")
    assert told["refused"] == 1 and "flags owner" in str(told["said"]) and told["same"] is True


def test_rules_that_nft_put_into_a_table_of_iptables_are_not_lost() -> None:
    """iptables-nft-save 1.8.9 prints such a rule without its set: what it saves is not what is in force."""
    told = host(
        "iptables-nft",
        """
        rulesets.run("iptables-nft", "-A", "INPUT", "-m", "multiport", "-p", "tcp", "--dports", "22,80", "-j", "DROP")
        rulesets.run("nft", "add set ip filter banned { type ipv4_addr; elements = { 192.0.2.66 }; }")
        rulesets.run("nft", "add", "rule", "ip", "filter", "INPUT", "ip", "saddr", "@banned", "drop")
        before = printed(counters=False)
        done = agent("fix", "--firewall=flush", "--yes")
        told["said"] = done.stdout + done.stderr
        undone = agent("undo")
        told["same"] = printed(counters=False) == before
        """,
    )
    assert told["same"] is True, told["said"]
