"""Real hosts that really boot: each breakage is named, confirmed, from inside and from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.conftest import OUTCOMES, wanted
from tests.lab.isolation import REPOSITORY, lab_dir
from tests.lab.run import Job, Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("job", wanted(), ids=lambda job: f"{job[0]}-{job[1].name}")
def test_the_verdict_names_the_true_cause(lab: Lab, job: Job, request: pytest.FixtureRequest) -> None:
    outcome = lab.outcome(*job)
    request.config.stash[OUTCOMES].append(outcome)
    assert not outcome.problems, "\n".join(outcome.problems)


def mounts_below(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {folder}/" in line]


def test_a_lab_that_is_killed_leaves_no_mount_link_or_process(lab: Lab) -> None:
    """And the next run clears the folders that it left. Runs after the others: the disks are built."""
    for one in wanted():
        lab.outcome(*one)
    links = set(os.listdir("/sys/class/net"))
    command = [sys.executable, "-m", "tests.lab", "--suites", wanted()[0][0], "--only", "healthy"]
    started = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until and not booted():
        time.sleep(0.2)
    assert booted(), "no host was booted to be killed"
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    until = time.monotonic() + 30
    while time.monotonic() < until and booted():
        time.sleep(0.2)
    assert not booted()
    assert not mounts_below(lab_dir())
    assert set(os.listdir("/sys/class/net")) == links


def booted() -> list[str]:
    """Processes of nspawn that boot a disk of this lab."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"systemd-nspawn") and any(os.fsencode(lab_dir()) in word for word in words):
            found.append(path.parent.name)
    return found
