"""agent ticket as a person types it."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from pathlib import Path

import fastjsonschema
import pytest

from agent.cli.main import main
from tests.cli.broken import tree

ROOT = Path(__file__).parents[2]
SECRET = "hunter2SECRETvalue"
REPORT = """\
Start: 2026-11-23T18:00:00+0000
HOST: home                        Loss%   Snt   Last   Avg  Best  Wrst StDev
  1.|-- 198.51.100.1               0.0%   100    0.6   0.7   0.4   1.9   0.2
  2.|-- 203.0.113.77               0.0%   100    9.6   9.7   9.4  11.9   0.2
  3.|-- 192.0.2.10                 0.0%   100   10.6  10.7  10.4  11.9   0.2
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A broken host whose name wants to leave the folder, with a secret in its configuration."""
    root = tree(tmp_path / "root")
    (root / "etc/hostname").write_text("../../x\x1b[2Jy\n")
    (root / "etc/network/interfaces").write_text(
        (root / "etc/network/interfaces").read_text() + f"    wpa-psk {SECRET}\n"
    )
    return root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def needs_redaction() -> None:
    pytest.importorskip("agent.ticket.redacted")


def test_one_archive_for_its_owner_alone_without_the_secret(
    host: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs_redaction()
    report = folder / "home.txt"
    report.write_text(REPORT)
    assert main(["ticket", "--root", str(host), "--mtr", str(report), "--reverse", str(report)]) == 0
    (written,) = folder.glob("*.tar.gz")
    assert written.name.startswith("lish-ticket-")
    assert "x1b" not in written.name
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    said = capsys.readouterr().out
    assert str(written) in said
    assert "scp " in said
    assert "Taken out: " in said
    with tarfile.open(written) as tar:
        texts = {one.name.partition("/")[2]: tar.extractfile(one).read() for one in tar.getmembers()}  # type: ignore[union-attr]
    assert not any(SECRET.encode() in text for text in texts.values())
    validate = fastjsonschema.compile(json.loads((ROOT / "docs" / "ticket.schema.json").read_text()))
    document = json.loads(texts["ticket.json"])
    validate(document)
    assert [one["title"] for one in document["mtr"]] == ["from outside", "from this host"]
    assert b"ifup-hook-sendmail" in texts["ticket.json"]
    assert {"mtr/1-from-outside.txt", "mtr/2-from-this-host.txt"} <= set(texts)


def test_show_lists_and_writes_nothing(host: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs_redaction()
    assert main(["ticket", "--root", str(host), "--show"]) == 0
    said = capsys.readouterr().out
    assert "ticket.txt" in said
    assert "Taken out: " in said
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("words", [["--print"], ["-o", "-"]])
def test_print_gives_the_text_alone(
    words: list[str], host: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    needs_redaction()
    assert main(["ticket", "--root", str(host), *words]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Support ticket of ")
    assert "\x1b" not in said
    assert SECRET not in said
    assert list(folder.iterdir()) == []


def test_the_archive_is_not_put_onto_the_examined_disk(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from agent.cli import ticket
    from agent.target.detect import open_target

    monkeypatch.chdir(host / "etc")
    assert not Path(ticket._place("", open_target(str(host)))).is_relative_to(host)
    assert ticket._place(str(host / "x.tar.gz"), open_target(str(host))) == str(host / "x.tar.gz")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--show", "-o", "x"], 2, "--show writes nothing"),
        (["--show", "--print"], 2, "--show writes nothing"),
        (["--print", "-o", "x"], 2, "exclude each other"),
        (["--mtr", "/nowhere/at/all"], 2, "hint: "),
        (["--since", "last tuesday"], 2, "hint: write 2h"),
        (["--root", "/nowhere/at/all"], 3, "hint: "),
        (["--root", "/", "--device", "/dev/null", "--root", "/x"], 2, "exclude each other"),
    ],
)
def test_a_wrong_command_line_gets_a_sentence_and_a_hint(
    words: list[str], status: int, said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ticket", *words]) == status
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(folder.iterdir()) == []


def test_without_the_part_that_takes_secrets_out_nothing_is_written(
    host: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "agent.ticket.redacted", None)
    assert main(["ticket", "--root", str(host)]) == 1
    caught = capsys.readouterr()
    assert "nothing was written" in caught.err
    assert caught.out == ""
    assert list(folder.iterdir()) == []


def test_a_file_that_is_there_is_kept(host: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs_redaction()
    (folder / "mine").write_text("mine")
    assert main(["ticket", "--root", str(host), "-o", "mine"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (folder / "mine").read_text() == "mine"
    assert os.listdir(folder) == ["mine"]
