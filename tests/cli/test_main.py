"""The command as a person types it: its words, its errors, its exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import fastjsonschema
import pytest

ROOT = Path(__file__).parents[2]
validate = fastjsonschema.compile(json.loads((ROOT / "docs" / "scan.schema.json").read_text()))


def agent(*words: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *words],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--nonsense"], 2, "unrecognized arguments"),
        (["dance"], 2, "invalid choice"),
        (["scan", "--root", "/nowhere/at/all"], 3, "hint: "),
        (["scan", "--root", "setup.cfg"], 3, "hint: "),
        (["scan", "--log", "/nowhere/at/all"], 3, "hint: name a log file"),
        (["scan", "--log", "-", "--root", "/media"], 2, "exclude each other"),
        (["scan", "--since", "last tuesday"], 2, "hint: write 2h"),
        (["scan", "--rules", "/nowhere/at/all"], 2, "hint: "),
        (["scan", "--replay", "setup.cfg"], 2, "hint: "),
        (["rules", "show", "nothing"], 2, "agent rules list"),
    ],
)
def test_a_wrong_command_line_gets_a_sentence_and_a_hint(words: list[str], status: int, said: str) -> None:
    result = agent(*words)
    assert (result.returncode, result.stdout) == (status, b"")
    assert said in result.stderr.decode()
    assert b"Traceback" not in result.stderr


def test_agent_alone_is_agent_scan(tmp_path: Path) -> None:
    for words in (["--root", str(tmp_path), "--json"], ["scan", "--root", str(tmp_path), "--json"]):
        document = json.loads(agent(*words).stdout)
        assert document["target"]["root"] == str(tmp_path)


def test_an_empty_directory_is_unknown_and_exit_status_3(tmp_path: Path) -> None:
    result = agent("scan", "--root", str(tmp_path), "--json")
    document = json.loads(result.stdout)
    validate(document)
    assert (result.returncode, document["verdict"]["state"]) == (3, "unknown")
    assert document["unchecked"]


def test_this_machine_gives_valid_json() -> None:
    result = agent("scan", "--json")
    assert result.returncode in (0, 1, 3), result.stderr
    validate(json.loads(result.stdout))
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 5000, bytes(range(256)) * 40, b"x" * 3_000_000, "\x1b[2J\u202e".encode() * 99],
    ids=["empty", "NULs", "every byte", "one long line", "escapes"],
)
def test_any_log_gives_valid_json(data: bytes) -> None:
    result = agent("scan", "--log", "-", "--json", stdin=data)
    document = json.loads(result.stdout)
    validate(document)
    assert all(finding["status"] != "confirmed" for finding in document["findings"])
    assert b"Traceback" not in result.stderr


def test_a_log_alone_suspects_and_says_so() -> None:
    said = b"run-parts: /etc/network/if-up.d/sendmail exited with return code 2\n"
    result = agent("scan", "--log", "-", stdin=b"Nov 23 10:00:00 web1 ifup[3]: " + said)
    assert result.returncode == 1
    shown = result.stdout.decode()
    assert "DEGRADED at manager: suspected: " in shown
    assert "only a log was given" in shown


def test_control_characters_of_a_log_never_reach_the_terminal() -> None:
    line = b"ifup[1]: run-parts: /etc/network/if-up.d/sendmail exited with return code 2 \x1b]0;x\x07\x9b2J\r\n"
    shown = agent("scan", "--all", "--log", "-", stdin=line, PYTHONIOENCODING="utf-8").stdout
    assert b"sendmail" in shown
    assert not set(shown) & (set(range(32)) - {10})


def test_ascii_where_the_locale_is_not_utf8() -> None:
    assert agent("scan", "--root", "/", LC_ALL="C", PYTHONIOENCODING="ascii").stdout.isascii()


def test_a_reader_that_goes_away_is_no_error() -> None:
    shell = f"{sys.executable} -m agent rules list | head -n 1"
    result = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, cwd=ROOT, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_recording_replays_to_the_same_report(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc/network").mkdir(parents=True)
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
    (root / "etc/network/interfaces").write_text("address 192.0.2.1\n")
    kept = tmp_path / "kept"
    first = json.loads(agent("scan", "--json", "--root", str(root), "--record", str(kept)).stdout)
    second = json.loads(agent("scan", "--json", "--replay", str(kept)).stdout)
    for document in (first, second):
        for diagnostic in document["diagnostics"]:
            diagnostic.pop("seconds")
    assert first == second
    assert first["target"]["distro"]["id"] == "debian"
