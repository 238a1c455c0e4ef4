"""Where no library is installed, as in rescue systems, the program starts and names what it could not look at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_WITHOUT = """
import sys
for name in ("yaml", "psutil", "pyroute2", "systemd", "zstandard", "iptc", "distro", "agent.logs.native._literals"):
    sys.modules[name] = None
from agent.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def agent(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _WITHOUT, *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture()
def disk(tmp_path: Path) -> Path:
    """A disk whose network netplan configures."""
    generators = tmp_path / "usr/lib/systemd/system-generators"
    for folder in (tmp_path / "etc/netplan", tmp_path / "usr/sbin", generators):
        folder.mkdir(parents=True)
    for program in (tmp_path / "usr/sbin/netplan", generators / "netplan", generators.parent / "systemd"):
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    (tmp_path / "etc/os-release").write_text('ID=ubuntu\nVERSION_ID="22.04"\nNAME=Ubuntu\n')
    (tmp_path / "etc/netplan/01-netcfg.yaml").write_text(
        "network:\n  version: 2\n  ethernets:\n    eth0: {dhcp4: yes}\n"
    )
    (tmp_path / "etc/netplan/01-netcfg.yaml").chmod(0o600)
    return tmp_path


def test_a_scan_says_what_was_not_read(disk: Path) -> None:
    done = agent("scan", "--root", str(disk), "--all")
    assert done.returncode == 3, "this disk has too little on it for a verdict"
    assert done.stderr == ""
    assert "/etc/netplan/01-netcfg.yaml: not read: PyYAML is not installed" in done.stdout


def test_netplan_is_accused_of_nothing(disk: Path) -> None:
    done = agent("scan", "--root", str(disk), "--json")
    assert not [item for item in json.loads(done.stdout)["findings"] if "netplan" in item["id"]]


@pytest.mark.parametrize("words", [("--help",), ("fix",), ("rules", "list"), ("history",), ("rescue", "--help")])
def test_every_verb_starts(words: tuple[str, ...], disk: Path) -> None:
    root = ("--root", str(disk)) if words[0] in ("history",) else ()
    done = agent(*words, *root)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2), done.stderr
