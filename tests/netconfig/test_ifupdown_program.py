"""Our reader against ifupdown itself: recorded answers always, the program where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.facts.netconfig import ifupdown
from agent.facts.netconfig.model import ManagerConfig
from tests.netconfig.ifupdown_cases import CASES
from tests.virtual import virtual

MAIN = "/etc/network/interfaces"

# with no inet loopback stanza but an inet6 one, ifupdown forgets the lo that it adds by itself
_ODD = {"v6l"}

# what only the reader says (the program is silent) and what ifup says only when it brings an interface up
_OURS = {
    "source-missing",
    "missing-variable",
    "bad-address",
    "bad-netmask",
    "bad-gateway",
    "bad-value",
    "repeated-option",
    "second-gateway",
}


def _said(config: ManagerConfig) -> list[str]:
    said = [problem.text for problem in config.problems if problem.code not in _OURS]
    if any(
        problem.fatal and problem.origin.path == MAIN and problem.code not in _OURS | {"unknown-interface"}
        for problem in config.problems
    ):
        said = [text for text in said if not text.startswith("unknown interface")]
        said.append(f'couldn\'t read interfaces file "{MAIN}"')
    return said


@pytest.mark.parametrize("name", CASES)
def test_the_reader_rejects_what_ifupdown_rejects(name: str) -> None:
    files, said, listed = CASES[name]
    if name in _ODD:
        said = []
    config = ifupdown.read(virtual(files))
    assert _said(config) == said
    ours = {one.name for one in config.interfaces if one.auto and not one.pattern} - {"lo"}
    if any(problem.fatal and problem.code not in _OURS | {"unknown-interface"} for problem in config.problems):
        assert ours >= set(listed) - {"lo"}  # the program drops what follows an error, the reader says what was meant
    else:
        assert ours == set(listed) - {"lo"}


@pytest.mark.skipif(shutil.which("ifquery") is None, reason="ifupdown is not installed here")
@pytest.mark.parametrize("name", CASES)
def test_the_recorded_answers_are_those_of_the_program_here(name: str, tmp_path: Path) -> None:
    version = subprocess.run(["ifquery", "--version"], capture_output=True, text=True, check=False).stdout
    if not version.startswith("ifquery version 0.8"):
        pytest.skip("another program, or another version")
    files, said, listed = CASES[name]
    root = str(tmp_path)
    for path, content in files.items():
        place = tmp_path / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.replace("/etc/network/", f"{root}/etc/network/").encode())
    (tmp_path / "state").mkdir()
    argv = ["ifquery", "-i", root + MAIN, "--state-dir", f"{root}/state", "--list", "-a"]
    ran = subprocess.run(argv, capture_output=True, text=True, cwd="/", check=False, timeout=20)
    assert [line.replace(root, "").replace("ifquery: ", "", 1) for line in ran.stderr.splitlines()] == said
    assert ran.stdout.split() == listed
