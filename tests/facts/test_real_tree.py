"""The facts on a real tree: the machine that runs the tests, read as if it were a mounted disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.facts import distro, fstab, services
from agent.facts.services import Init
from agent.target import Target
from agent.target.door import RootDoor
from agent.target.model import Mode

GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")


@pytest.fixture(scope="module")
def target() -> Target:
    return Target(RootDoor("/", False), "/", Mode.OFFLINE)


def test_the_distribution_is_known(target: Target) -> None:
    found = distro.read(target)
    if not Path("/etc/os-release").exists():
        pytest.skip("this machine has no os-release")
    assert found.known and found.name


@pytest.mark.skipif(not shutil.which("systemctl"), reason="systemctl is not installed")
def test_enablement_is_what_systemctl_says(target: Target) -> None:
    """systemctl --root is the slow, true twin: it answers from the files, too."""
    argv = ["systemctl", "--root=/", "list-unit-files", "--no-legend", "--no-pager"]
    output = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout
    states = [line.split()[:2] for line in output.split("\n") if len(line.split()) >= 2]
    differing = []
    for name, state in states:
        found = services.unit(target, Init.SYSTEMD, name)
        # what the vendor's own links start, systemctl calls disabled all the same: only /etc is asked for that
        by_vendor = bool(found.wanted_by) and not any(link.startswith("/etc/") for link in found.wanted_by)
        if state in ("enabled", "disabled", "static", "masked") and not (by_vendor and state == "disabled"):
            differing += [(name, state, found.enablement.value)] if found.enablement.value != state else []
    if not states:
        pytest.skip("no unit files on this machine")
    assert differing == []


@pytest.mark.skipif(not GENERATOR.exists(), reason="systemd's fstab generator is not installed")
@pytest.mark.parametrize(
    ("line", "required"),
    [
        ("/dev/sdc /data ext4 defaults 0 0", True),
        ("/dev/sdc /data ext4", True),
        ("/dev/sdc /data", True),
        ("/dev/sdc /data ext4 defaults, noatime 0 2", True),
        ("/dev/sdc /data ext4 nofail 0 0", False),
        ("/dev/sdc /data ext4 noauto 0 0", False),
        ("/dev/sdc /data ext4 _netdev 0 0", False),
        ("192.0.2.1:/x /data nfs defaults 0 0", False),
    ],
)
def test_what_the_boot_waits_for_is_what_systemd_generates(tmp_path: Path, line: str, required: bool) -> None:
    file = tmp_path / "fstab"
    file.write_text(line + "\n")
    units = tmp_path / "units"
    units.mkdir()
    subprocess.run(
        [str(GENERATOR), str(units), str(units), str(units)],
        env={"SYSTEMD_FSTAB": str(file), "SYSTEMD_LOG_TARGET": "null"},
        check=False,
        timeout=60,
    )
    assert bool(list(units.glob("local-fs.target.requires/*.mount"))) is required
    assert fstab.parse(file.read_text()).entries[0].required is required


@pytest.mark.skipif(not GENERATOR.exists(), reason="systemd's fstab generator is not installed")
@pytest.mark.parametrize("line", ["/dev/sdc", "/dev/sdc none ext4 defaults 0 0", "/dev/sdc data ext4 defaults 0 0"])
def test_lines_that_systemd_ignores_do_not_stop_the_boot(tmp_path: Path, line: str) -> None:
    file = tmp_path / "fstab"
    file.write_text(line + "\n")
    subprocess.run(
        [str(GENERATOR), str(tmp_path), str(tmp_path), str(tmp_path)],
        env={"SYSTEMD_FSTAB": str(file), "SYSTEMD_LOG_TARGET": "null"},
        check=False,
        timeout=60,
    )
    assert not list(tmp_path.glob("*.mount"))
    assert [problem.fatal for problem in fstab.parse(file.read_text()).problems] == [False]
