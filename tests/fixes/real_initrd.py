"""A real Debian with kernel, initrd and boot menu, on which --interface-names is applied and undone.

Run in namespaces of its own by test_interface_names: `python -m tests.fixes.real_initrd FOLDER`; prints JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from agent.change import engine
from agent.change.store import Store
from agent.diagnosis.loader import load
from agent.facts.facts import Facts
from agent.fixes.interface_names import FIX
from agent.fixes.proven import Case, Ready, Wish, answer, still_wrong
from agent.logs.model import Entry, Found, Hits, Match, Trust
from agent.target.detect import open_target
from tests.lab.base import lower_folders, mount_overlay

INTERFACES = "auto eth0\niface eth0 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n"
NAMES = ("99-default.link", "80-net-setup-link.rules")


def main(folder: Path) -> None:
    root = folder / "root"
    for path in (folder / "upper", folder / "work", root):
        path.mkdir()
    mount_overlay(lower_folders("bookworm", "boot"), folder / "upper", folder / "work", root)
    (root / "etc/network/interfaces").write_text(INTERFACES)
    (root / "boot/grub").mkdir(exist_ok=True)
    (root / "etc/default/grub").write_bytes((root / "usr/share/grub/default/grub").read_bytes())
    make_menu(root)
    before = manifest(root)
    seen: dict[str, object] = {"initrd before": initrd(root, folder / "one")}
    target = open_target(str(root))
    case = Case(Facts(target), load(), renamed())
    found = answer(Wish(FIX), case)
    assert isinstance(found, Ready), found
    store = Store.open(target)
    change = engine.apply(
        store, FIX.name, found.plan, verify=lambda: still_wrong(FIX, found.request, case.anew()), force=False
    )
    seen["state"] = change.state.value
    seen["why"] = change.why
    seen["initrd after"] = initrd(root, folder / "two")
    seen["menu"] = kernel_lines(root)
    with as_before(root / "boot/grub"):
        make_menu(root)
        seen["menu made anew"] = kernel_lines(root)
    seen["undone"] = engine.undo(store).state.value
    after = manifest(root)
    seen["differences after undo"] = sorted(
        path for path in {**before, **after} if before.get(path) != after.get(path) and "lish-agent" not in path
    )
    print(json.dumps(seen))


@contextlib.contextmanager
def as_before(folder: Path) -> Iterator[None]:
    """What happens to a folder and to the menu in it is taken back, times included."""
    menu = folder / "grub.cfg"
    content, times = menu.read_bytes(), [(path, os.stat(path)) for path in (menu, folder)]
    yield
    menu.write_bytes(content)
    for path, stat in times:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def renamed() -> Found:
    """The kernel's line, as the journal of the newest boot has it."""
    rule = next(rule for rule in load() if rule.id == "interface-renamed")
    key = next(pattern.pattern.key for pattern in rule.patterns if pattern.name == "kernel")
    text = "virtio_net virtio0 ens3: renamed from eth0"
    match = Match(key, Entry("journal", text, time=time.time(), boot=0, trust=Trust("kernel")), {"iface": "ens3"})
    return Found({key: Hits(key, 1, (match,))}, (), ("journal",), 1)


PROBE = """#!/bin/sh
case " $* " in
    *target=device*) echo /dev/sda ;;
    *target=fs\\ *|*target=fs" "*) echo ext2 ;;
    *target=abstraction*|*target=partmap*|*uuid*|*hint*) ;;
    *) echo ext2 ;;
esac
"""


def make_menu(root: Path) -> None:
    """The real grub-mkconfig; only grub-probe, which finds no device under an overlay, answers as on a Linode."""
    probe = root.parent / "grub-probe"
    probe.write_text(PROBE)
    probe.chmod(0o755)
    script = f"""
        mount -t proc proc {root}/proc
        mount --rbind /dev {root}/dev
        mount --bind {probe} {root}/usr/sbin/grub-probe
        exec chroot {root} update-grub"""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    own = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", script]
    done = subprocess.run(own, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def kernel_lines(root: Path) -> list[int]:
    lines = re.findall(r"^\s*linux\s.*$", (root / "boot/grub/grub.cfg").read_text(), re.MULTILINE)
    return [len(lines), sum("net.ifnames=0" in line.split() for line in lines)]


def initrd(root: Path, folder: Path) -> dict[str, bool]:
    """For each of udev's files for names in the initrd: does it say anything? Missing ones are left out."""
    folder.mkdir()
    (path,) = root.glob("boot/initrd.img-*")
    (root / "tmp/look").mkdir(exist_ok=True)
    inside = f"/boot/{path.name}"
    subprocess.run(["chroot", str(root), "unmkinitramfs", inside, "/tmp/look"], check=True, capture_output=True)
    found = {one.name: one.stat().st_size > 0 for one in (root / "tmp/look").rglob("*") if one.name in NAMES}
    subprocess.run(["rm", "-rf", str(root / "tmp/look")], check=True)
    return found


def manifest(root: Path) -> dict[str, str]:
    """Content, owner, mode and time of all of /etc and /boot, links' texts."""
    found: dict[str, str] = {}
    for top in ("etc", "boot"):
        for base, folders, files in os.walk(root / top):
            for name in (*files, *folders):
                path = os.path.join(base, name)
                stat = os.lstat(path)
                what = f"{stat.st_mode:o} {stat.st_uid}:{stat.st_gid} {stat.st_mtime_ns}"
                if os.path.islink(path):
                    what += os.readlink(path)
                elif os.path.isfile(path):
                    with open(path, "rb") as stream:
                        what += hashlib.sha256(stream.read()).hexdigest()
                found[path[len(str(root)) :]] = what
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
