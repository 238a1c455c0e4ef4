"""Inside of a chroot, as Linode's rescue guide enters one: the same answers as from outside, and no harm to the
rescue system that it would be so easy to mistake for the host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.broken import tree
from tests.cli.chrooted import agent_inside, agent_outside, python_inside
from tests.rescue.overlaid import BASES, overlaid
from tests.target.children import needs_root

pytestmark = [needs_root, pytest.mark.skipif(shutil.which("unshare") is None, reason="not installed: util-linux")]


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    root = tree(tmp_path / "disk")
    (root / "host").mkdir()
    for name in ("proc", "sys", "dev", "run", "tmp"):
        (root / name).mkdir(exist_ok=True)
    (root / "etc/resolv.conf").unlink()
    (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    return root


def content(root: Path) -> dict[str, tuple[int, str]]:
    """All but the record of changes, whose numbers and times differ."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith("var/lib/lish-agent"):
            continue
        text = os.readlink(path) if path.is_symlink() else path.read_text("latin-1") if path.is_file() else ""
        found[name] = (path.lstat().st_mode, text)
    return found


def neutral(text: str, root: Path) -> object:
    """What differs by right: the name of the root, the mode, and the words of commands that name it."""
    found = json.loads(text.replace(f" --root {root}", "").replace(f"chroot {root} ", "").replace(f"{root}/", "/"))
    if isinstance(found.get("target"), dict):
        for key in ("root", "mode"):
            found["target"].pop(key, None)
    return found


def test_it_knows_that_it_is_in_a_chroot_and_believes_nothing_of_the_running_kernel(disk: Path) -> None:
    done = agent_inside(disk, "scan", "--json")
    found = json.loads(done.stdout)
    assert found["target"]["mode"] == "chroot" and found["target"]["hostname"] == "web1"
    states = {layer["layer"]: layer["state"] for layer in found["layers"]}
    assert states["link"] == "unchecked" and states["ssh"] == "unchecked"
    assert all("seconds" not in step or not step["output"] for step in found["diagnostics"] if "ip" in step["command"])
    assert "chroot" in agent_inside(disk, "scan").stdout.split("\n")[0]


def test_the_same_disk_gives_the_same_answers_from_inside_and_from_outside(disk: Path) -> None:
    inside, outside = agent_inside(disk, "scan", "--json"), agent_outside(disk, "scan", "--json")
    assert inside.returncode == outside.returncode == 1, inside.stderr + outside.stderr
    assert neutral(inside.stdout, disk) == neutral(outside.stdout, disk)


def test_the_same_repairs_are_offered(disk: Path) -> None:
    inside, outside = agent_inside(disk, "fix"), agent_outside(disk, "fix")
    assert "--sendmail" in inside.stdout
    assert inside.stdout.split() == outside.stdout.replace(f" --root {disk}", "").split()


@pytest.mark.parametrize("words", [("--sendmail",), ("--resolv-conf",), ("--fstab",)], ids=" ".join)
def test_a_fix_does_the_same_or_refuses_with_the_same_words(disk: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    twin = tmp_path / "twin"
    shutil.copytree(disk, twin, symlinks=True)
    inside, outside = agent_inside(disk, "fix", *words), agent_outside(twin, "fix", *words)
    assert inside.returncode == outside.returncode, inside.stderr + outside.stderr
    assert inside.stdout.split() == outside.stdout.replace(f" --root {twin}", "").split()
    assert inside.stderr == outside.stderr
    assert content(disk) == content(twin)


@pytest.mark.parametrize(("fixed", "undone"), [("inside", "outside"), ("outside", "inside"), ("inside", "inside")])
def test_what_was_repaired_on_one_side_is_undone_on_the_other(disk: Path, fixed: str, undone: str) -> None:
    run = {"inside": agent_inside, "outside": agent_outside}
    before = content(disk)
    done = run[fixed](disk, "fix", "--sendmail")
    assert done.returncode == 0 and "the problem is gone" in done.stdout, done.stdout + done.stderr
    assert content(disk) != before
    assert "1-sendmail" in run[undone](disk, "history").stdout
    done = run[undone](disk, "undo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert content(disk) == before


def test_nothing_to_undo_does_not_send_the_person_to_a_disk(disk: Path) -> None:
    done = agent_inside(disk, "undo")
    assert done.returncode == 0 and "--device" not in done.stdout


@pytest.mark.parametrize("more", [(), ("--yes", "--force")], ids=" ".join)
def test_the_network_of_the_rescue_system_is_not_restarted(disk: Path, more: tuple[str, ...]) -> None:
    before = content(disk)
    links = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True).stdout
    done = agent_inside(disk, "fix", "--restart-network", *more)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert "you are inside a chroot: --restart-network would act on the rescue system" in said
    assert "leave it with exit, boot the host" in said
    assert content(disk) == before
    assert subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True).stdout == links


def test_there_is_no_probation_in_a_chroot(disk: Path) -> None:
    before = content(disk)
    done = agent_inside(disk, "fix", "--sendmail", "--confirm-within", "2m")
    assert done.returncode == 2 and "for the running host" in done.stderr
    assert "in a chroot a fix can be undone at any time: agent undo" in done.stderr
    assert content(disk) == before
    assert agent_inside(disk, "confirm").returncode == 1


def test_a_chroot_inside_of_it_is_refused(disk: Path) -> None:
    program = (
        "import sys; from agent.cli.chroot import run_chroot; from agent.cli.main import _complain\n"
        "from agent.errors import AgentError\n"
        "try: sys.exit(run_chroot('/dev/sda', ()))\n"
        "except AgentError as error: sys.exit(_complain(error))"
    )
    done = python_inside(disk, "-c", program)
    assert done.returncode == 1 and "you are inside the chroot of a disk" in done.stderr
    assert "type exit first" in done.stderr


def test_a_disk_is_not_opened_by_its_name(disk: Path) -> None:
    done = agent_inside(disk, "scan", "--device", "/dev/sda")
    assert done.returncode != 0 and "in a chroot" in done.stderr


# -- a real distribution


@pytest.fixture
def host() -> Iterator[Path]:
    """Debian, with a package that was unpacked and not configured."""
    if not BASES:
        pytest.skip("no base: make lab builds it")
    with overlaid(BASES[0]) as root:
        status = (root / "var/lib/dpkg/status").read_text()
        at = status.index("Status: install ok installed", status.index("Package: hostname\n"))
        wanted = "Status: install ok unpacked"
        (root / "var/lib/dpkg/status").write_text(
            status[:at] + wanted + status[at + len("Status: install ok installed") :]
        )
        (root / "host").mkdir()
        yield root


@pytest.mark.timeout(180)
def test_an_interrupted_installation_is_finished_in_the_chroot(host: Path) -> None:
    """With the disk's own dpkg, and without starting a service: what it starts is a script that tells."""
    policy = host / "usr/sbin/policy-rc.d"
    policy.unlink(missing_ok=True)
    postinst = host / "var/lib/dpkg/info/hostname.postinst"
    postinst.write_text(
        "#!/bin/sh\nset -e\nls -l /usr/sbin/policy-rc.d\ninvoke-rc.d ssh start && systemctl start ssh\n"
    )
    postinst.chmod(0o755)
    before = subprocess.run(["pgrep", "-c", "sshd"], capture_output=True, text=True).stdout
    found = json.loads(agent_inside(host, "scan", "--json").stdout)
    assert "dpkg-interrupted" in [finding["id"] for finding in found["findings"]]
    done = agent_inside(host, "fix", "--dpkg", "--yes")
    assert done.returncode == 0 and "the problem is gone" in done.stdout, done.stdout + done.stderr
    status = (host / "var/lib/dpkg/status").read_text()
    assert "unpacked" not in status
    assert not policy.exists()
    assert subprocess.run(["pgrep", "-c", "sshd"], capture_output=True, text=True).stdout == before


@pytest.mark.timeout(180)
def test_a_real_system_gives_the_same_answers_from_inside_and_from_outside(host: Path) -> None:
    inside, outside = agent_inside(host, "scan", "--json"), agent_outside(host, "scan", "--json")
    assert neutral(inside.stdout, host) == neutral(outside.stdout, host)
