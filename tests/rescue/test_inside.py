"""What only the disk's own programs can tell: asked on a disk that they can't write to, and never believed blindly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.rescue import inside
from agent.rescue.inside import Answer, Said, asked
from agent.target.detect import open_target
from tests.lab.isolation import lab_dir
from tests.rescue.overlaid import BASES, overlaid
from tests.target.children import needs_root

BUSYBOX = shutil.which("busybox")
NETPLAN = sorted((lab_dir() / "layers").glob("bookworm-netplan-*"))

pytestmark = needs_root
with_base = pytest.mark.skipif(not BASES, reason="no base: make lab builds it")


@pytest.fixture
def host() -> Iterator[Path]:
    with overlaid(BASES[0]) as root:
        yield root


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk whose programs are scripts."""
    if BUSYBOX is None:
        pytest.skip("not installed: busybox-static")
    root = tmp_path / "disk"
    for name in ("bin", "sbin", "proc", "sys", "dev", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for name in ("sh", "sleep", "touch", "yes"):
        (root / "bin" / name).symlink_to("busybox")
    return root


def program(root: Path, name: str, text: str) -> None:
    (root / "sbin" / name).write_text(f"#!/bin/sh\n{text}\n")
    (root / "sbin" / name).chmod(0o755)


def answers(root: Path) -> dict[str, Said]:
    return {said.command: said for said in asked(open_target(str(root)))}


@with_base
def test_a_healthy_system_says_that_all_is_well(host: Path) -> None:
    found = answers(host)
    assert found["sshd -t"].answer is found["dpkg --audit"].answer is Answer.OK
    assert "rpm -qa" not in found and "netplan generate" not in found  # not installed: not mentioned


@with_base
def test_a_broken_sshd_configuration_is_told_in_sshds_own_words(host: Path) -> None:
    (host / "etc/ssh/sshd_config").write_text("PortX 22\n")
    said = answers(host)["sshd -t"]
    assert said.answer is Answer.PROBLEM and "Bad configuration option: PortX" in said.words


@with_base
def test_an_sshd_without_host_keys_is_a_problem(host: Path) -> None:
    for path in (host / "etc/ssh").glob("ssh_host_*"):
        path.unlink()
    said = answers(host)["sshd -t"]
    assert said.answer is Answer.PROBLEM and "no hostkeys available" in said.words


@with_base
def test_a_half_installed_package_is_told(host: Path) -> None:
    path = host / "var/lib/dpkg/status"
    text = path.read_text()
    at = text.index("Status: install ok installed", text.index("Package: hostname\n"))
    path.write_text(text[:at] + "Status: install ok half-configured" + text[at + len("Status: install ok installed") :])
    said = answers(host)["dpkg --audit"]
    assert said.answer is Answer.PROBLEM and "hostname" in said.words


@with_base
@pytest.mark.skipif(not NETPLAN, reason="no layer with netplan: make lab builds it")
@pytest.mark.parametrize(
    ("text", "answer"), [("network: {version: 2}\n", "ok"), ("network:\n  ethernetz: {}\n", "problem")]
)
def test_netplan_generates_into_a_throw_away(text: str, answer: str) -> None:
    with overlaid(NETPLAN[0], BASES[0]) as root:
        (root / "etc/netplan").mkdir(exist_ok=True)
        (root / "etc/netplan/01.yaml").write_text(text)
        (root / "etc/netplan/01.yaml").chmod(0o600)
        said = answers(root)["netplan generate"]
        assert said.answer.value == answer, said
        assert not list((root / "run").rglob("*.network"))


@with_base
def test_a_system_whose_libc_is_broken_can_not_tell(host: Path) -> None:
    libc = next((host / "usr/lib").glob("*-linux-gnu/libc.so.6"))
    libc.write_bytes(b"broken")
    for said in answers(host).values():
        assert said.answer is Answer.CANT_TELL and "own programs do not start" in said.words


def test_nothing_is_asked_that_is_not_there(disk: Path) -> None:
    assert asked(open_target(str(disk))) == ()
    assert asked(open_target("/")) == ()  # the running host


def test_they_can_write_nothing_to_the_disk(disk: Path) -> None:
    for name in ("sshd", "dpkg", "rpm"):
        program(disk, name, "touch /etc/written; exit 0")
    answers(disk)
    assert not (disk / "etc/written").exists()


@pytest.mark.timeout(60)
def test_a_program_that_hangs_or_floods_is_ended(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "SECONDS", 0.5)
    monkeypatch.setattr(inside, "BYTES", 10_000)
    program(disk, "sshd", "sleep 60")
    program(disk, "dpkg", "yes half installed")
    found = answers(disk)
    assert found["sshd -t"].answer is Answer.CANT_TELL and "no end within" in found["sshd -t"].words
    assert len(found["dpkg --audit"].words) <= 400


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("echo bash; echo coreutils", Answer.OK),
        ("echo error: rpmdb: BDB0113 Thread/process failed >&2; echo bash; exit 0", Answer.PROBLEM),
        ("echo 'error: cannot open Packages database in /var/lib/rpm' >&2; exit 1", Answer.PROBLEM),
        ("echo 'error: sqlite failure: attempt to write a readonly database' >&2; exit 1", Answer.CANT_TELL),
        ("echo 'error: db5 error(30): Read-only file system' >&2; exit 1", Answer.CANT_TELL),
        ("exit 0", Answer.CANT_TELL),
    ],
)
def test_what_rpm_says_is_understood(disk: Path, text: str, answer: Answer) -> None:
    program(disk, "rpm", text)
    assert answers(disk)["rpm -qa"].answer is answer
