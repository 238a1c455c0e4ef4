"""Where the machines' images lie between runs: a folder for each, named after a digest of its recipe."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab.base import BuildFailed, Log, apt_proxy
from tests.lab.isolation import REPOSITORY, isolated, lab_dir

SUITE = "bookworm"
_SECONDS_TO_BUILD = 900


def vm_dir() -> Path:
    """LAB_DIR/vm: the images."""
    return lab_dir() / "vm"


def digest(*parts: object) -> str:
    """A short name for a recipe: another recipe, another name."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:10]


def build(folder: Path, module: str, say: Log) -> None:
    """Builds an image by `python -m MODULE FOLDER.new`, in namespaces of its own, where mounts vanish whatever
    happens. It gets its name when it is complete; what other recipes made of it before is removed."""
    if folder.exists():
        return
    kind = folder.name.rsplit("-", 1)[0]
    say(f"vm: building {kind}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.glob(f"{kind}-*"):
        shutil.rmtree(old)
    new = folder.with_name(f"{folder.name}.new")
    new.mkdir()
    done = subprocess.run(
        isolated([sys.executable, "-m", module, str(new)], network=False),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LAB_DIR": str(lab_dir()), **apt_proxy()},
        timeout=_SECONDS_TO_BUILD,
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailed(f"{kind}:\n{done.stdout.decode(errors='replace')[-4000:]}")
    new.rename(folder)


def run(*argv: str | Path) -> None:
    """Runs one of the builder's programs; its words are kept for the one who started the build."""
    subprocess.run([str(word) for word in argv], check=True, stdin=subprocess.DEVNULL)


def old_folders(kinds: Sequence[str]) -> list[Path]:
    """All images of these kinds, whatever their recipe."""
    return [path for kind in kinds for path in vm_dir().glob(f"{kind}-*")]
