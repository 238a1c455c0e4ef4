"""The disk of one machine: a copy of an image, that is opened here between boots."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.root import Root
from tests.vm.store import SUITE, run


class Disk:
    """A raw image in ``folder``. It is mounted in this process's own mount namespace only."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.path = folder / "disk.img"
        self._place = folder / "root"
        self._place.mkdir()
        run("cp", "--sparse=always", "--reflink=auto", image, self.path)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Root]:
        """Its root, to be changed; the machine must not run."""
        run("mount", "-o", "loop", self.path, self._place)
        try:
            yield Root(self._place, SUITE)
        finally:
            run("umount", "-R", self._place)

    def debugfs(self, *commands: str) -> None:
        """Changes below the filesystem, as damage does."""
        for command in commands:
            run("debugfs", "-w", "-R", command, self.path)

    def read(self, path: str) -> str:
        """A file's text, while nothing is mounted."""
        command = ["debugfs", "-R", f"cat {path}", str(self.path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def digest(self) -> str:
        """Of all its bytes."""
        state = hashlib.sha256()
        with self.path.open("rb") as image:
            while chunk := image.read(1 << 22):
                state.update(chunk)
        return state.hexdigest()


def make_key(folder: Path) -> Path:
    """A key for this run's logins; the public half stands beside it."""
    key = folder / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return key


def admit(root: Root, key: Path) -> None:
    """Lets the key's owner log in as root."""
    root.write("/root/.ssh/authorized_keys", key.with_suffix(".pub").read_text(), 0o600)
    root.chmod("/root/.ssh", 0o700)
    root.chmod("/root", 0o700)


def install_program(root: Root, program: Path) -> None:
    """Puts the program on the machine's own disk."""
    run("cp", "-a", "--no-preserve=ownership", f"{program}/root/.", root.path)
