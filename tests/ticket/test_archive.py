"""The archive: what is in it, that nothing is written without redaction, and that writing fails cleanly."""

from __future__ import annotations

import errno
import io
import os
import random
import re
import stat
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.ticket import archive
from agent.ticket.model import Attachment
from agent.ticket.paths import Names, inside, part
from tests.ticket import samples
from tests.ticket.hostile import HOSTILE

pytest.importorskip("agent.mtr.printing")
pytest.importorskip("agent.ticket.redacted")


def opened(packed: archive.Packed) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(packed.data), mode="r:gz")


def test_the_same_ticket_gives_the_same_bytes() -> None:
    assert archive.pack(samples.ticket()).data == archive.pack(samples.ticket()).data


def test_the_body_comes_first_and_no_owner_is_named() -> None:
    with opened(archive.pack(samples.ticket())) as tar:
        members = tar.getmembers()
    assert members[0].name.endswith("/ticket.txt")
    assert {path.name.rpartition("/")[2] for path in members[:4]} == {
        "ticket.txt",
        "ticket.html",
        "ticket.json",
        "removed.txt",
    }
    assert {(one.uid, one.gid, one.uname, one.gname, one.mode) for one in members} == {(0, 0, "", "", 0o600)}
    assert all(one.isreg() for one in members)


def test_hostile_names_stay_inside() -> None:
    chooser = random.Random(3)
    names = [*HOSTILE, "../../etc/passwd", "/etc/passwd", "..", ".", "", "a/../..", "CON", "x" * 500, "\x1b[2J", "-rf"]
    ticket = samples.planted(samples.ticket(), lambda: chooser.choice(names))
    ticket = replace(ticket, attachments=tuple(Attachment(inside("config", name), name, "x") for name in names))
    packed = archive.pack(ticket)
    assert re.fullmatch(r"lish-ticket-[A-Za-z0-9._@+-]+\.tar\.gz", packed.name)
    with opened(packed) as tar:
        paths = tar.getnames()
    for path in paths:
        assert re.fullmatch(r"lish-ticket-[A-Za-z0-9._@+-]+(?:/[A-Za-z0-9_@+][A-Za-z0-9._@+-]*)+", path), path
    assert len({path.lower() for path in paths}) == len(paths)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("..", "unnamed"), (".ssh", "ssh"), ("a b", "a_b"), ("nul.txt", "_nul.txt"), ("\u202e", "_"), ("-rf", "rf")],
)
def test_a_part_of_a_path_is_harmless(name: str, kept: str) -> None:
    assert part(name) == kept


def test_a_path_is_given_out_once() -> None:
    names = Names()
    assert [names.free(path) for path in ("a/b.txt", "a/B.txt", "a/b.txt", "a/c", "a/c")] == [
        "a/b.txt",
        "a/B-2.txt",
        "a/b-3.txt",
        "a/c",
        "a/c-2",
    ]


def test_without_redaction_nothing_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ticket: object, addresses: bool) -> object:
        raise RuntimeError("no")

    monkeypatch.setattr("agent.ticket.redacted.redacted", broken)
    with pytest.raises(RuntimeError):
        archive.pack(samples.ticket())


def test_a_planted_secret_is_in_no_member(tmp_path: Path) -> None:
    secret = "hunter2SECRETvalue"
    ticket = samples.ticket()
    planted = Attachment("config/etc/x.conf", "/etc/x.conf", f"password={secret}\n")
    packed = archive.pack(replace(ticket, attachments=(*ticket.attachments, planted)))
    assert all(secret.encode() not in member.data for member in packed.members)
    assert b"/etc/x.conf: password" in next(one.data for one in packed.members if one.path == "removed.txt")


def test_the_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        archive.save(archive.pack(samples.ticket()), str(tmp_path / "t.tar.gz"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "t.tar.gz").stat().st_mode) == 0o600


def test_a_file_or_link_that_is_there_is_left_alone(tmp_path: Path) -> None:
    packed = archive.pack(samples.ticket())
    there, link, victim = tmp_path / "there", tmp_path / "link", tmp_path / "victim"
    there.write_text("mine")
    link.symlink_to(victim)
    for path in (there, link):
        with pytest.raises(AgentError, match="is there already") as caught:
            archive.save(packed, str(path))
        assert caught.value.hint
    assert there.read_text() == "mine"
    assert not victim.exists()


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*words: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    packed = archive.pack(samples.ticket())
    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(AgentError, match="No space left") as caught:
            archive.save(packed, str(tmp_path / "t"))
    assert "--print" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_really_full_disk_is_said_to_be() -> None:
    with pytest.raises(AgentError) as caught:
        archive.save(archive.pack(samples.ticket()), "/proc/nowhere.tar.gz")
    assert "-o FILE" in caught.value.hint


def test_ctrl_c_while_writing_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*words: object) -> None:
        raise KeyboardInterrupt

    packed = archive.pack(samples.ticket())
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", stopped)
        with pytest.raises(KeyboardInterrupt):
            archive.save(packed, str(tmp_path / "t"))
    assert list(tmp_path.iterdir()) == []
