"""The walk inside a root is the kernel's own after chroot(2): random trees of links, both asked."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from agent.target.door import RootDoor
from agent.target.walk import RootedPlaces
from agent.unknown import Unknown, Why
from tests.target.children import in_child, needs_root

KINDS = {
    errno.ENOENT: Why.ABSENT,
    errno.ENOTDIR: Why.ABSENT,
    errno.ELOOP: Why.LOOP,
    errno.EISDIR: Why.SPECIAL,
    errno.ENAMETOOLONG: Why.ABSENT,
}
NAMES = ("a", "b", "c", "d.d", "...", "é")


def build(top: Path, dice: random.Random) -> list[str]:
    """A tree of directories, files and links to anywhere; returns paths worth asking for."""
    folders = [top]
    for _ in range(8):
        folder = dice.choice(folders) / dice.choice(NAMES)
        if not folder.exists():
            folder.mkdir()
            folders.append(folder)
    for number in range(40):
        path = dice.choice(folders) / dice.choice((*NAMES, "e", "f", "g"))
        if os.path.lexists(path):
            continue
        if dice.random() < 0.3:
            path.write_text(str(number))
        else:
            path.symlink_to(random_path(dice, absolute=dice.random() < 0.3))
    return [random_path(dice, absolute=True) for _ in range(150)]


def random_path(dice: random.Random, absolute: bool) -> str:
    parts = dice.choices((*NAMES, "e", "f", "g", "..", "..", ".", ""), k=dice.randint(1, 5))
    path = ("/" if absolute else "") + "/".join(parts) + dice.choice(("", "", "", "/", "/.", "/.."))
    return path or "."


def by_the_kernel(top: Path, paths: list[str]) -> object:
    os.chroot(top)
    os.chdir("/")
    return [[stat_of(path, True), stat_of(path, False), content(path), names(path)] for path in paths]


def stat_of(path: str, follow: bool) -> object:
    try:
        found = os.stat(path, follow_symlinks=follow)
        return [found.st_ino, found.st_size, found.st_mode & 0o7777]
    except OSError as error:
        return KINDS[error.errno or 0].value


def content(path: str) -> object:
    try:
        with open(path, "rb") as stream:
            return stream.read().decode()
    except OSError as error:
        return KINDS[error.errno or 0].value


def names(path: str) -> object:
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return KINDS[error.errno or 0].value


def by_the_door(door: RootDoor, path: str) -> object:
    answers: list[object] = []
    for follow in (True, False):
        found = door.stat(path, follow)
        answers.append(found.why.value if isinstance(found, Unknown) else [found.inode, found.size, found.mode])
    stream = door.open(path)
    if isinstance(stream, Unknown):
        answers.append(stream.why.value)
    else:
        with stream:
            answers.append(stream.read().decode())
    listed = door.list(path)
    if isinstance(listed, Unknown):  # no directory at the end is SPECIAL for us, ENOTDIR for the kernel
        answers.append("absent" if listed.why is Why.SPECIAL else listed.why.value)
    else:
        answers.append(list(listed))
    return answers


@needs_root
@pytest.mark.parametrize("seed", range(40))
def test_every_path_leads_where_the_kernel_goes_after_chroot(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    top = tmp_path / "root"
    top.mkdir()
    paths = build(top, dice)
    expected = in_child(lambda: by_the_kernel(top, paths))
    assert isinstance(expected, list)
    door = RootDoor(str(top), live=False)
    for path, answer in zip(paths, expected):
        assert by_the_door(door, path) == answer, path
        real = door.resolve(path)
        if isinstance(real, str):
            assert real.startswith("/") and "/../" not in real + "/"
            itself = door.stat(real, False)
            there = door.stat(path, True)
            assert not isinstance(there, Unknown)
            assert itself == there, f"{path} resolves to {real}, which is no link and the same object"
            assert door.resolve(real) == real


def test_the_running_hosts_kernel_walks_its_own_paths(tmp_path: Path) -> None:
    """The live door leaves the walk to the kernel; on a tree of ours both doors agree."""
    dice = random.Random(7)
    top = tmp_path / "root"
    top.mkdir()
    build(top, dice)
    live = RootDoor("/", live=True)
    held = os.open("/", os.O_PATH)
    try:
        walked = RootedPlaces(held, frozenset())
        for folder, _, files in os.walk(top):
            for name in files:
                path = os.path.join(folder, name)
                found = live.stat(path, True)
                try:
                    with walked.at(path, True) as place:
                        expected = place.stat.st_ino
                except OSError:
                    assert isinstance(found, Unknown)
                else:
                    assert not isinstance(found, Unknown) and found.inode == expected
                    assert live.resolve(path) == os.path.realpath(path)
    finally:
        os.close(held)
