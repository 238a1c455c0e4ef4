"""The model against this machine's kernel: as root, where network namespaces and both back ends of iptables work."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("ip", "nft", "iptables-legacy-restore", "iptables-nft-restore", "ip6tables-legacy-restore")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make network namespaces")
needs_tools = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in TOOLS), reason=f"one of {', '.join(TOOLS)} is missing"
)

WRONG = """
import sys
from agent.firewall import match
right = match._within
def wrong(expression, fields):
    truth = right(expression, fields)
    return not truth if expression.negated and isinstance(truth, bool) else truth
match._within = wrong
from tests.firewall.kernel import __main__
sys.exit(__main__.main())
"""


def compared(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=280)


@needs_root
@needs_tools
def test_the_model_says_what_the_kernel_does() -> None:
    """2,000 pairs of rule-set and packet, over both back ends, alone and together, and both families."""
    seed = str(random.SystemRandom().randrange(1_000_000))
    done = compared(sys.executable, "-m", "tests.firewall.kernel", "--pairs", "2000", "--seed", seed)
    assert done.returncode == 0, done.stdout[:6000] + done.stderr
    summary = re.match(
        r"seed \d+: (\d+) pairs, \d+ rule-sets \((\d+) refused\), 0 disagreements, (\S+) % unknown", done.stdout
    )
    assert summary, done.stdout[:500]
    assert int(summary.group(1)) >= 2000
    assert summary.group(2) == "0"
    assert float(summary.group(3)) < 15  # random rules are full of limits and chances; real ones are not
    print(done.stdout)


@needs_root
@needs_tools
def test_the_model_says_what_the_kernel_does_with_nft_s_own_rule_sets() -> None:
    """Alone, and beside both back ends of iptables."""
    seed = str(random.SystemRandom().randrange(1_000_000))
    argv = ("--pairs", "1500", "--seed", seed, "--backends", "native,native,all")
    done = compared(sys.executable, "-m", "tests.firewall.kernel", *argv)
    assert done.returncode == 0, done.stdout[:6000] + done.stderr
    print(done.stdout)


@needs_root
@needs_tools
def test_a_model_that_is_wrong_is_found_out() -> None:
    done = compared(sys.executable, "-c", WRONG, "--pairs", "600", "--seed", "1", "--stop", "3")
    assert done.returncode == 1, done.stdout[:3000] + done.stderr
    assert "kernel" in done.stdout
