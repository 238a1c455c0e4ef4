"""A real Debian whose initrd is gone, or cut off in the middle: found by the disk alone, built anew, taken back.

Run in namespaces of its own by test_initramfs: `python -m tests.fixes.real_rebuild FOLDER`; prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from agent.change import engine
from agent.change.store import Store
from agent.diagnosis.evaluation import evaluate
from agent.diagnosis.loader import load
from agent.diagnosis.model import Status
from agent.facts.facts import Facts
from agent.fixes.initramfs import FIX
from agent.fixes.proven import Case, Ready, Wish, answer, still_wrong
from agent.logs.model import Found
from agent.target.detect import open_target
from tests.fixes.real_initrd import manifest
from tests.lab.base import lower_folders, mount_overlay

NOTHING = Found({}, (), (), 0)  # the boot died before there was a log


def main(folder: Path) -> None:
    seen: dict[str, object] = {}
    for damage in ("gone", "cut", "empty"):
        root = folder / damage / "root"
        for path in (folder / damage / "upper", folder / damage / "work", root):
            path.mkdir(parents=True)
        mount_overlay(lower_folders("bookworm", "boot"), folder / damage / "upper", folder / damage / "work", root)
        seen[damage] = repaired(root, damage)
    print(json.dumps(seen))


def repaired(root: Path, damage: str) -> dict[str, object]:
    (initrd,) = root.glob("boot/initrd.img-*")
    release = initrd.name.partition("-")[2]
    (root / "boot/grub").mkdir(exist_ok=True)
    (root / "boot/grub/grub.cfg").write_text(
        f"menuentry 'Debian' {{\n\tlinux /boot/vmlinuz-{release} root=/dev/sda ro\n"
        f"\tinitrd /boot/initrd.img-{release}\n}}\n"
    )
    if damage == "cut":
        # dep would look for the root device of the machine around the chroot
        (root / "etc/initramfs-tools/conf.d/own").write_text("MODULES=dep\n")
    seen: dict[str, object] = {"whole": confirmed(root)}
    data = initrd.read_bytes()
    initrd.unlink()
    if damage != "gone":
        initrd.write_bytes(data[: len(data) // 2 if damage == "cut" else 0])
    before = manifest(root)
    seen["found"] = confirmed(root)
    target = open_target(str(root))
    case = Case(Facts(target), load(), NOTHING)
    found = answer(Wish(FIX), case)
    assert isinstance(found, Ready), found
    started = time.monotonic()
    change = engine.apply(
        Store.open(target),
        FIX.name,
        found.plan,
        verify=lambda: still_wrong(FIX, found.request, case.anew()),
        force=False,
    )
    seen["seconds"] = round(time.monotonic() - started)
    seen["state"], seen["why"] = change.state.value, change.why
    seen["after"] = confirmed(root)
    seen["size"] = (root / f"boot/initrd.img-{release}").stat().st_size / len(data)
    seen["undone"] = engine.undo(Store.open(target)).state.value
    after = manifest(root)
    seen["differences after undo"] = sorted(
        path for path in {**before, **after} if before.get(path) != after.get(path) and "lish-agent" not in path
    )
    return seen


def confirmed(root: Path) -> list[str]:
    """Rules of the boot that hold by what stands on the disk, with their severity."""
    rules = [rule for rule in load() if rule.layer.value == "boot"]
    found = evaluate(Facts(open_target(str(root))), rules, NOTHING).findings
    return sorted(f"{one.id}: {one.severity.value}" for one in found if one.status is Status.CONFIRMED)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
