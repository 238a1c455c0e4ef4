"""Rules that differ in their source alone: the quick way gives what the slow one gives."""

from __future__ import annotations

import random
from pathlib import Path

from agent.firewall.xtables import rule as rules
from agent.firewall.xtables.alike import Reader
from agent.firewall.xtables.options import words
from agent.firewall.xtables.values import SERVICES, Setting

RECORDED = Path(__file__).parent / "recorded"
CHAINS = ("INPUT", "f2b-sshd", "banned")
SOURCES = ("192.0.2.1", "192.0.2.0/24", "10/8", "0.0.0.0/0", "192.0.2.1/255.0.255.0", "1.2.3", "x", "1.2.3.4/99", "")
ODD = (
    "-s {} -j DROP",
    "-s {} -c 5 50 -j DROP",
    "-s {} ! -d 192.0.2.9 -p tcp --dport 22 -j f2b-sshd",
    "-s {} -d 192.0.2.1,192.0.2.2 -j DROP",
    "-s {},192.0.2.77 -j DROP",
    "-s {} -s 192.0.2.3 -j DROP",
    "! -s {} -j DROP",
    "-s ! {} -j DROP",
    "-s {} -6 -j DROP",
    "-s {} -j NOSUCH --nosuch 1",
    "-s {} -m nosuch --nosuch 1 -j DROP",
    "-s {} -p",
    "-s {}",
    "-s {} -g banned",
)


def recorded() -> list[str]:
    """The rules of iptables -S that were recorded, without their chain."""
    lines = [line for path in sorted(RECORDED.glob("*-ipv4-*.S.txt")) for line in path.read_text().split("\n")]
    return [line.split(" ", 2)[2] for line in lines if line.startswith("-A ")]


def test_the_quick_way_and_the_slow_one_agree_on_every_rule() -> None:
    chance = random.Random(1)
    forms = list(ODD)
    for line in recorded():
        parts = line.split(" ")
        rest = " ".join(parts[2:] if parts[0] == "-s" else parts)
        forms.append("-s {} " + rest)
    setting = Setting(4, "filter", "INPUT", SERVICES, False)
    reader = Reader(setting, CHAINS)
    asked = [form.format(source) for form in forms for source in SOURCES] * 2
    chance.shuffle(asked)
    assert len(asked) > 500
    for line in asked:
        assert reader.read(words(line)) == rules.read(words(line), setting, CHAINS), line
