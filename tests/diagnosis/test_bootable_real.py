"""Will a real Debian boot? Whole, and broken in each way that a boot is known to end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.lab.isolation import REPOSITORY, isolated, why_not

pytestmark = pytest.mark.lab

Check = tuple[str, str, str, str]  # what, state, why, finding


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Check]]:
    """What the checks said of each breakage; all of them are made in namespaces that end with their process."""
    if why_not():
        pytest.skip(why_not())
    from tests.lab.base import Log, prepare

    prepare(["bookworm"], ["boot"], Log())
    prepare(["bullseye"], [], Log())
    job = [sys.executable, "-m", "tests.diagnosis.real_boot", str(tmp_path_factory.mktemp("boot"))]
    done = subprocess.run(
        isolated(job, network=True), cwd=REPOSITORY, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(done.stdout.splitlines()[-1])
    return {name: [(what, state, why, rule) for what, state, why, _, rule in found] for name, found in made.items()}


def test_a_whole_host_gives_no_alarm(seen: Mapping[str, list[Check]]) -> None:
    found = {what: state for what, state, _, _ in seen["nothing"]}
    assert found.pop("root device") == "unknown"  # which disk is /dev/sda is set in the profile
    assert set(found) == {
        *("boot menu", "kernel", "initrd", "modules", "fstab", "init", "network", "ssh", "disk space")
    }
    assert set(found.values()) == {"ok"}


# breakage: what it shows at, as what, in which words
CLAIMS = {
    "no grub.cfg": ("boot menu", "problem", "no boot menu names it"),
    "an empty grub.cfg": ("boot menu", "problem", "names no kernel"),
    "left in rescue mode": ("command line", "problem", "systemd.unit=rescue.target"),
    "a default that is gone": ("boot menu", "doubt", "is none of its entries"),
    "the kernel is empty": ("kernel", "problem", "is empty"),
    "the kernel is cut off": ("kernel", "problem", "is cut off"),
    "the kernel is gone": ("kernel", "problem", "does not exist"),
    "the kernel has a hole": ("kernel", "problem", "nothing but zeros at byte"),
    "the kernel is something else": ("kernel", "problem", "is no kernel"),
    "the initrd is empty": ("initrd", "problem", "is empty"),
    "the initrd is cut off": ("initrd", "problem", "is cut off"),
    "the initrd is gone": ("initrd", "problem", "does not exist"),
    "the initrd has a hole": ("initrd", "problem", "is damaged"),
    "the initrd lacks the driver": ("initrd", "problem", "lacks virtio_scsi"),
    "modules.dep is empty": ("modules", "problem", "modules.dep is missing or empty"),
    "the modules are gone": ("modules", "problem", "is missing"),
    "virtio_net is gone": ("modules", "problem", "virtio_net.ko is missing"),
    "root= names another disk": ("root device", "problem", "root=UUID=22222222 is none of the disks"),
    "fstab wants a disk that is gone": ("fstab", "problem", "which does not exist"),
    "the swap is gone": ("fstab", "doubt", "for swap, which does not exist"),
    "a mount point is a file": ("fstab", "problem", "is no directory"),
    "what is bound is gone": ("fstab", "problem", "/old/home does not exist"),
    "systemd is gone": ("init", "problem", "does not exist"),
    "systemd can't be executed": ("init", "problem", "is not executable (mode 0644)"),
    "systemd's own library is gone": ("init", "problem", "needs libsystemd-shared-"),
    "the loader is gone": ("init", "problem", "wants the loader /lib64/ld-linux-x86-64.so.2"),
    "libc is cut off": ("init", "problem", "libc.so.6 is cut off"),
    "libc is empty": ("init", "problem", "libc.so.6 is empty"),
    "libc is the old release's": ("init", "problem", "of libc.so.6, and"),
    "the shell is gone": ("shell", "problem", "/bin/sh (a link to dash) does not exist"),
    "default.target is rescue.target": ("init", "problem", "is rescue.target"),
    "default.target leads nowhere": ("init", "problem", "which is no target"),
    "networking is not enabled": ("network", "problem", "no network manager is enabled"),
    "udev names the card": ("network", "doubt", "no net.ifnames=0"),
    "another card is configured": ("network", "problem", "the card will be called eth0"),
    "no client for DHCP": ("network", "problem", "eth0 uses DHCP, and none of"),
    "ssh is not enabled": ("ssh", "problem", "does not start at boot"),
    "no host keys": ("ssh", "problem", "there is no host key"),
    "open host keys": ("ssh", "problem", "may be read by others"),
    "empty host keys": ("ssh", "problem", "is empty"),
    "a word that sshd does not know": ("ssh", "problem", "50.conf:3: sshd knows no 'permitrootlogins'"),
    "a value that sshd does not take": ("ssh", "problem", "passwordauthentication can't be 'yess'"),
    "no user sshd": ("ssh", "problem", "no user sshd"),
    "sshd's library is gone": ("ssh", "problem", "libcrypto.so.3"),
    "dpkg was interrupted": ("packages", "doubt", "openssh-server"),
    "a relabelling waits": ("pending", "ok", "boots once more"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_what_is_broken_shows_where_it_is(name: str, seen: Mapping[str, list[Check]]) -> None:
    what, state, words = CLAIMS[name]
    assert [one for one in seen[name] if one[:2] == (what, state) and words in one[2]], seen[name]


def test_every_breakage_makes_a_claim(seen: Mapping[str, list[Check]]) -> None:
    assert set(seen) == {"nothing", *CLAIMS}


def test_one_breakage_does_not_accuse_what_is_whole(seen: Mapping[str, list[Check]]) -> None:
    together = {  # what goes down with it
        "the loader is gone": {"shell", "network", "ssh"},
        "libc is cut off": {"shell", "network", "ssh"},
        "libc is empty": {"shell", "network", "ssh"},
        "libc is the old release's": {"shell", "network", "ssh"},
        "the shell is gone": {"network"},
        "sshd's library is gone": {"init"},
    }
    for name, (what, _, _) in CLAIMS.items():
        accused = {found[0] for found in seen[name] if found[1] in ("problem", "doubt")}
        assert accused <= {what} | together.get(name, set()), (name, seen[name])


@pytest.mark.parametrize("suite", ["bookworm", "bullseye", "trixie", "forky"])
def test_a_containers_root_without_a_kernel_is_no_problem(suite: str) -> None:
    from agent.diagnosis.bootable import BootState, checks
    from agent.facts.facts import Facts
    from agent.target.detect import open_target
    from tests.lab.base import lower_folders

    (root,) = lower_folders(suite, "")
    if not Path(root).is_dir():
        pytest.skip(f"no root of {suite} is there")
    found = {one.what: one for one in checks(Facts(open_target(str(root))))}
    assert not [one for one in found.values() if one.state is BootState.PROBLEM]
    assert found["kernel"].state is BootState.DOUBT and "no kernel on this disk" in found["kernel"].why
    assert found["init"].state is BootState.OK and found["ssh"].state is BootState.OK
