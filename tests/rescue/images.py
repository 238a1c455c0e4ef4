"""Disks for tests: image files on real loop devices, and what can be on them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.target.children import in_child

MEGABYTE = 1024 * 1024
_MAKERS = {
    "ext2": ("mkfs.ext2", "-q", "-F"),
    "ext3": ("mkfs.ext3", "-q", "-F"),
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
    "swap": ("mkswap",),
}
_SIZES = {"xfs": 300, "btrfs": 128}  # MiB; the least that mkfs takes


def why_not() -> str:
    """Why no disk can be made here, or ""."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("losetup") is None or shutil.which("mkfs.ext4") is None:
        return "not installed: losetup, mkfs.ext4"
    return "" if os.path.exists("/dev/loop-control") else "this kernel has no loop devices"


needs_disks = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


def run(*words: str, input: str | None = None) -> str:
    done = subprocess.run(words, input=input, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr or done.stdout}"
    return done.stdout


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"not installed: {program}")


def make(path: Path, type: str, *options: str, size: int = 0) -> Path:
    """An image with an empty filesystem; ``size`` in MiB."""
    need(_MAKERS[type][0])
    with path.open("wb") as stream:
        stream.truncate((size or _SIZES.get(type, 24)) * MEGABYTE)
    run(*_MAKERS[type], *options, str(path))
    return path


@contextlib.contextmanager
def disk(image: Path, *options: str) -> Iterator[str]:
    """A loop device for the image, as long as the context lasts; it plays a disk."""
    device = run("losetup", "--find", "--show", *options, str(image)).strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], capture_output=True)


@contextlib.contextmanager
def partitions(device: str) -> Iterator[None]:
    """The partitions of a disk's table, told to the kernel, which may know no such tables itself."""
    run("partx", "--add", device)
    try:
        yield
    finally:
        subprocess.run(["partx", "--delete", device], capture_output=True)


@contextlib.contextmanager
def mounted(device: str, place: Path, *options: str) -> Iterator[Path]:
    """By mount(8), for filling a disk: only ever used inside of ``private``."""
    place.mkdir(parents=True, exist_ok=True)
    run("mount", *options, device, str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], capture_output=True)


def private(work: Callable[[], object]) -> object:
    """Do it in a forked child with mounts of its own, of which nothing is left when it ends."""

    def alone() -> object:
        from agent.target import libc

        libc.call("unshare", libc.NEWNS)
        libc.mount("none", "/", None, libc.REC | libc.PRIVATE)
        return work()

    return in_child(alone)


def fill(image: Path, work: Callable[[Path], None], *options: str) -> None:
    """Let ``work`` write into the image's filesystem, and unmount it cleanly."""

    def inside() -> None:
        with disk(image) as device, mounted(device, image.parent / "filling", *options) as place:
            work(place)

    private(inside)


def cut_off(image: Path, work: Callable[[Path], object], *options: str) -> None:
    """As ``fill``, but with the power cut before it is unmounted: the image is what the disk held by then."""
    copy = image.with_suffix(".cut")

    def inside() -> None:
        with disk(image) as device, mounted(device, image.parent / "filling", *options) as place:
            kept = work(place)
            run("sync", "--file-system", str(image))
            shutil.copyfile(image, copy)
            del kept

    private(inside)
    copy.replace(image)


def system(folder: Path, name: str = "Debian GNU/Linux 12 (bookworm)", host: str = "web", fstab: str = "") -> None:
    """The least that makes a root."""
    for path in ("etc", "sbin", "bin", "boot", "var", "usr/lib", "proc", "sys", "dev", "run", "tmp"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    (folder / "etc/os-release").write_text(f'ID=debian\nPRETTY_NAME="{name}"\nVERSION_ID="12"\n')
    (folder / "etc/hostname").write_text(f"{host}\n")
    (folder / "etc/fstab").write_text(fstab)
    (folder / "sbin/init").write_text("#!/bin/sh\n")
    (folder / "sbin/init").chmod(0o755)


def root_image(path: Path, *options: str, type: str = "ext4", fstab: str = "", **words: str) -> Path:
    """An image that holds such a root."""
    make(path, type, *options)
    fill(path, lambda place: system(place, fstab=fstab, **words))
    return path


def digest(image: Path) -> str:
    checked = hashlib.sha256()
    with image.open("rb") as stream:
        for block in iter(lambda: stream.read(MEGABYTE), b""):
            checked.update(block)
    return checked.hexdigest()


def attached(*images: Path) -> list[str]:
    """Loop devices on these images, or on loop devices on them."""
    names = [str(image) for image in images]
    listed = [line.split() for line in run("losetup", "--list", "--noheadings", "-O", "NAME,BACK-FILE").splitlines()]
    for _ in range(2):
        names += [one[0] for one in listed if len(one) > 1 and one[1] in names and one[0] not in names]
    return names[len(images) :]


def seen_mounts(place: str = "/proc/self/mountinfo") -> list[str]:
    """Mount points of everything that lies on a loop device, as a process sees them."""
    return [
        line.split()[4]
        for line in Path(place).read_text().splitlines()
        if line.split(" - ")[1].split()[1][:9] == "/dev/loop"
    ]


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process of its own that runs the script, with the repository in its path."""
    repository = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, cwd=repository
    )
