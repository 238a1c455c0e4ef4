"""What may be imported before a word is said: a person at a slow console waits for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

BARE = {"agent", "agent.cli", "agent.cli.main", "agent.errors", "agent.report", "agent.report.harmless"}
SCRIPT = """
import sys
before = set(sys.modules)
from agent.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("imported:", *sorted(set(sys.modules) - before))
"""


def imported(*words: str) -> set[str]:
    argv = [sys.executable, "-c", SCRIPT, *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split()[1:])


def our_own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "agent"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["-h"], ["frob"]], ids=" ".join)
def test_help_and_version_import_next_to_nothing(words: list[str]) -> None:
    found = imported(*words)
    assert our_own(found) <= BARE
    assert not found & {"yaml", "psutil", "pyroute2", "icmplib", "zstandard", "systemd"}
    assert not found & {"json", "subprocess", "socket", "ctypes", "logging", "asyncio", "dataclasses"}


@pytest.mark.parametrize("verb", ["scan", "mtr", "firewall", "ticket", "history", "undo", "confirm", "rules", "rescue"])
def test_the_help_of_a_verb_imports_that_verb_alone(verb: str) -> None:
    found = our_own(imported(verb, "--help"))
    assert found <= BARE | {f"agent.cli.{verb}", "agent.cli.place", "agent.cli.fixing", "agent.cli.examine"}
