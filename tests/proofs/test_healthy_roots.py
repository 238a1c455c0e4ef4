"""The lab's hosts as disks, without a log line: nothing of boot, storage or packages is found on a healthy one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.diagnosis.evaluation import evaluate
from agent.diagnosis.loader import load
from agent.diagnosis.model import Holds, Layer, Status
from agent.facts.facts import Facts
from agent.logs.model import Found
from agent.target.detect import open_target
from tests.lab.base import LAYERS, lower_folders
from tests.rescue.images import private, run

NOTHING = Found({}, (), (), 0)
DEEPEST = (Layer.BOOT, Layer.STORAGE, Layer.PACKAGES)


def made() -> Iterator[tuple[str, list[Path]]]:
    """The bases and layers that have been built."""
    for suite in ("bullseye", "bookworm", "trixie", "forky"):
        for layer in ("", *LAYERS):
            folders = lower_folders(suite, layer)
            if all(folder.is_dir() for folder in folders):
                yield f"{suite} {layer or 'base'}", folders


ROOTS = dict(made()) if os.geteuid() == 0 else {}


def held(root: str) -> list[str]:
    rules = [rule for rule in load([]) if rule.layer in DEEPEST]
    result = evaluate(Facts(open_target(root)), rules, NOTHING)
    broken = [f"{name}: {proof.why}" for name, proof in result.proofs.items() if isinstance(proof, Holds)]
    failed = [f"{one.what}: {one.why}" for one in result.unchecked if "check failed" in one.why]
    assert all(one.status is not Status.SUSPECTED for one in result.findings)
    return broken + failed


@pytest.mark.skipif(not ROOTS, reason="the lab's hosts have not been built, or we are not root")
@pytest.mark.parametrize("name", ROOTS)
def test_a_healthy_disk_has_no_finding_of_the_deepest_layers(name: str, tmp_path: Path) -> None:
    folders = ROOTS[name]

    def look() -> list[str]:
        if len(folders) == 1:
            return held(str(folders[0]))
        lower = ":".join(map(str, folders))
        run("mount", "-t", "overlay", "overlay", "-o", f"ro,lowerdir={lower}", str(tmp_path))
        return held(str(tmp_path))

    assert private(look) == []
