"""The program as the machines get it: this checkout and its pure-Python libraries, compiled, in /opt/lish-agent.

python -m tests.vm.program FOLDER builds it there: root/, program.squashfs.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from tests.lab.base import libraries, lower_folders, mount_overlay
from tests.lab.isolation import REPOSITORY
from tests.lab.root import Root
from tests.vm.store import SUITE, digest, run, vm_dir

_PLACE = "/opt/lish-agent"
_COMMAND = f"""\
#!/bin/sh
PYTHONPATH={_PLACE}:{_PLACE}/libraries exec python3 -m agent "$@"
"""
_NOT_NEEDED = shutil.ignore_patterns("__pycache__", "*.pyc", "bin", "*.so", "*.dist-info")


def program_folder() -> Path:
    """Where this state of the program lies once it is built."""
    state = hashlib.sha256()
    for path in sorted(path for part in ("agent", "rules") for path in (REPOSITORY / part).rglob("*")):
        if path.is_file() and path.suffix in (".py", ".toml"):
            state.update(str(path).encode() + path.read_bytes())
    below = [folder.name for folder in lower_folders(SUITE, "")]
    return vm_dir() / f"program-{digest(below, state.hexdigest(), libraries().name, _COMMAND)}"


def _build(folder: Path) -> None:
    tree = folder / "root"
    for part, source in (("agent", REPOSITORY / "agent"), ("rules", REPOSITORY / "rules"), ("libraries", libraries())):
        shutil.copytree(source, Path(f"{tree}{_PLACE}") / part, ignore=_NOT_NEEDED)
    command = Path(f"{tree}/usr/local/bin/agent")
    command.parent.mkdir(parents=True)
    command.write_text(_COMMAND)
    command.chmod(0o755)
    _compile(folder, tree)
    run("mksquashfs", tree, folder / "program.squashfs", "-comp", "lz4", "-all-root", "-no-progress", "-quiet")


def _compile(folder: Path, tree: Path) -> None:
    """By the Python of the machines: in software emulation it takes half a minute."""
    upper, work, merged = (folder / name for name in ("upper", "work", "merged"))
    for path in (upper, work, merged):
        path.mkdir()
    mount_overlay(lower_folders(SUITE, ""), upper, work, merged)
    (merged / "opt").mkdir(exist_ok=True)
    run("mount", "--bind", f"{tree}/opt", merged / "opt")
    # What was checked out a moment ago must not look newer than what was made of it.
    words = ("-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash", _PLACE)
    Root(merged, SUITE).run("python3", *words)
    run("umount", "-R", merged)
    for path in (upper, work, merged):
        shutil.rmtree(path)


if __name__ == "__main__":
    _build(Path(sys.argv[1]))
