"""A real distribution's root to work in: a base of the lab, with a layer in memory over it. Bases never change."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.lab.isolation import lab_dir

BASES = sorted((lab_dir() / "bases").glob("bookworm-*"))


@contextlib.contextmanager
def overlaid(*lower: Path) -> Iterator[Path]:
    """The root, of these layers (the topmost first), as long as the context lasts."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        with _mounted("tmpfs", top):
            for folder in ("upper", "work", "root"):
                (top / folder).mkdir()
            layers = ":".join(map(str, lower))
            with _mounted("overlay", top / "root", f"lowerdir={layers},upperdir={top}/upper,workdir={top}/work"):
                yield top / "root"


@contextlib.contextmanager
def _mounted(kind: str, place: Path, options: str = "mode=0755") -> Iterator[None]:
    subprocess.run(["mount", "-t", kind, "none", "-o", options, place], check=True)
    try:
        yield
    finally:
        if subprocess.run(["umount", place], check=False).returncode:  # a test that failed still holds it
            subprocess.run(["umount", "-l", place], check=True)
