"""The root of a host that is not running: what scenarios write, remove and install in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "HOME": "/root",
}
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class ChrootFailed(Exception):
    """A command in the chroot failed; the message holds its output."""


class Root:
    """A Debian tree on disk. Paths are absolute inside it, and no link in them is followed out of it."""

    def __init__(self, path: Path, suite: str) -> None:
        self.path = path
        self.suite = suite

    def at(self, path: str) -> Path:
        """Where a path of the host lies on this machine; its folder's links are resolved inside."""
        folder, name = os.path.split(path)
        return self._inside(folder) / name

    def _inside(self, folder: str) -> Path:
        done: list[str] = []
        todo = [part for part in folder.split("/") if part]
        while todo:
            part = todo.pop(0)
            here = self.path.joinpath(*done, part)
            if here.is_symlink():
                to = os.readlink(here)
                done = [] if to.startswith("/") else done
                todo = [piece for piece in to.split("/") if piece] + todo
            elif part == "..":
                done = done[:-1]
            else:
                done.append(part)
        return self.path.joinpath(*done)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Writes a file of root's; a link that was there is replaced, not followed."""
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            place.unlink()
        place.write_bytes(text.encode())
        place.chmod(mode)

    def append(self, path: str, text: str) -> None:
        self.write(path, self.read(path) + text)

    def read(self, path: str) -> str:
        return self.at(path).read_text()

    def exists(self, path: str) -> bool:
        place = self.at(path)
        return place.exists() or place.is_symlink()

    def replace(self, path: str, old: str, new: str) -> None:
        """Replaces text that must be there, and keeps the file's mode."""
        place = self.at(path)
        text = place.read_text()
        if old not in text:
            raise ChrootFailed(f"{path} does not hold {old!r}")
        mode = place.stat().st_mode & 0o7777
        self.write(path, text.replace(old, new), mode)

    def link(self, path: str, to: str) -> None:
        self.remove(path)
        place = self.at(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(to)

    def remove(self, path: str) -> None:
        place = self.at(path)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)

    def chmod(self, path: str, mode: int) -> None:
        self.at(path).chmod(mode)

    def run(self, *argv: str, environment: Mapping[str, str] | None = None, timeout: float = 900) -> str:
        """Runs a command chrooted, with nothing of this machine's environment but its proxy."""
        proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
        done = subprocess.run(
            ["chroot", str(self.path), *argv],
            env={**_ENVIRONMENT, **proxies, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise ChrootFailed(f"{' '.join(argv)} ended with {done.returncode}:\n{output[-4000:]}")
        return output

    def enable(self, *units: str) -> None:
        self.run("systemctl", "enable", "--quiet", *units)

    def disable(self, *units: str) -> None:
        self.run("systemctl", "disable", "--quiet", *units)

    def mask(self, *units: str) -> None:
        self.run("systemctl", "mask", "--quiet", *units)

    def purge(self, *packages: str) -> None:
        """Removes packages and their configuration, whatever depends on them."""
        self.run("dpkg", "--purge", "--force-depends", *packages)
