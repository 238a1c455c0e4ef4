"""One root and one plan for every operation that the engine knows, and for what it must keep or refuse.

The fixes use some operations in some ways; these use all of them, on files with odd owners, modes, times,
ACLs, extended attributes, second names and flags.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.change.model import (
    Command,
    Link,
    MakeFolder,
    Move,
    Operation,
    Plan,
    Remove,
    Run,
    SetMode,
    WriteFile,
)
from tests.change.roots import Building, debian, programs, settle

# u::rw-, u:1000:rwx, g::r--, m::rwx, o::---, as the kernel stores it (linux/posix_acl_xattr.h)
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, number)
    for tag, permissions, number in (
        (1, 6, 2**32 - 1),
        (2, 7, 1000),
        (4, 4, 2**32 - 1),
        (16, 7, 2**32 - 1),
        (32, 0, 2**32 - 1),
    )
)


@dataclass(frozen=True)
class Planned:
    """``rolled_back``: the plan fails on the way, and the engine itself takes it back. ``refused``: it is
    never begun, for it could not be taken back to the byte."""

    name: str
    operations: tuple[Operation, ...]
    prepare: Callable[[Building], None] = lambda root: None
    runs: bool = False
    rolled_back: bool = False
    refused: bool = False

    @property
    def plan(self) -> Plan:
        return Plan(f"Does {self.name}.", self.operations)


def odd(root: Building) -> None:
    """What may hang on a file: an owner, a mode, times, an ACL, attributes."""
    root.write("/etc/odd", "before\n", 0o4751)
    root.write("/etc/plain", "before\n")
    root.write("/etc/aside", "moved\n", 0o600)
    root.link("/etc/link", "/etc/plain")
    root.folder("/etc/folder")
    root.write("/etc/folder/inside", "x\n")
    root.write("/etc/list.d/one", "1\n")
    root.write("/etc/list.d/two", "2\n", 0o640)
    if os.geteuid() == 0:
        for name in ("/etc/odd", "/etc/aside", "/etc/folder"):
            os.chown(root.at(name), 1234, 4321)
        os.chown(root.at("/etc/link"), 1234, 4321, follow_symlinks=False)
        root.at("/etc/odd").chmod(0o4751)
    for name, value in (
        ("user.note", b"kept \x00\xff"),
        ("system.posix_acl_access", ACL),
        ("security.selinux", b"system_u:object_r:etc_t:s0\x00"),
    ):
        for path in ("/etc/odd", "/etc/aside"):
            try:
                os.setxattr(root.at(path), name, value)
            except OSError:
                continue  # not on this filesystem


def linked(root: Building) -> None:
    odd(root)
    os.link(root.at("/etc/aside"), root.at("/etc/aside.second"))


def shell(script: str, **more: object) -> Run:
    return Run(("/bin/sh", "-c", script), "runs a script", **more)  # type: ignore[arg-type]


PLANS = (
    Planned("a write over a file", (WriteFile("/etc/odd", b"after\n" * 3000),), odd),
    Planned("a write with mode and owner", (WriteFile("/etc/odd", b"after\n", 0o600, 0, 0),), odd),
    Planned("a write over itself", (WriteFile("/etc/odd", b"before\n"),), odd),
    Planned("a new file", (WriteFile("/etc/new", b"new\n"),), odd),
    Planned("a new file of somebody", (WriteFile("/etc/new", b"", 0o640, 1234, 4321),), odd),
    Planned(
        "new folders and a file",
        (MakeFolder("/etc/a"), MakeFolder("/etc/a/b", 0o700), WriteFile("/etc/a/b/c", b"deep\n")),
        odd,
    ),
    Planned("a folder that is there", (MakeFolder("/etc/folder"), WriteFile("/etc/folder/new", b"x")), odd),
    Planned("a move", (Move("/etc/odd", "/etc/odd.saved"),), odd),
    Planned("a move to another folder", (Move("/etc/odd", "/root/odd"),), odd),
    Planned("a move of a link", (Move("/etc/link", "/root/link"),), odd),
    Planned("a move of a file with two names", (Move("/etc/aside", "/root/aside"),), linked),
    Planned("a new link", (Link("/etc/made", "/dev/null"),), odd),
    Planned("a link over a file", (Link("/etc/odd", "../anywhere"),), odd),
    Planned("a link over a link", (Link("/etc/link", "/dev/null"),), odd),
    Planned("a removed file", (Remove("/etc/odd"),), odd),
    Planned("a removed link", (Remove("/etc/link"),), odd),
    Planned("a removed file with two names", (Remove("/etc/aside"),), linked, refused=True),
    Planned("a file's mode and owner", (SetMode("/etc/odd", 0o600, 0, 0),), odd),
    Planned("a folder's mode and owner", (SetMode("/etc/folder", 0o700, 0, 0),), odd),
    Planned("a mode alone", (SetMode("/etc/plain", 0o600),), odd),
    Planned(
        "one path three times",
        (WriteFile("/etc/plain", b"1"), SetMode("/etc/plain", 0o600), Move("/etc/plain", "/etc/plain.1")),
        odd,
    ),
    Planned(
        "a file in place of one moved aside",
        (Move("/etc/odd", "/etc/odd.old"), WriteFile("/etc/odd", b"new\n"), Remove("/etc/odd.old")),
        odd,
    ),
    Planned(
        "a program that rewrites, makes and removes",
        (
            shell(
                "echo 1 >> /etc/list.d/one; rm /etc/list.d/two; echo 3 > /etc/list.d/three; chmod 600 /etc/odd",
                keeps=("/etc/list.d/*", "/etc/odd"),
            ),
        ),
        odd,
        runs=True,
    ),
    Planned(
        "a program with its inverse",
        (
            shell(
                "mv /etc/plain /etc/plain.off",
                inverse=(Command(("/bin/sh", "-c", "[ ! -e /etc/plain.off ] || mv /etc/plain.off /etc/plain")),),
            ),
        ),
        odd,
        runs=True,
    ),
    Planned(
        "a program that fails and is not needed",
        (shell("echo 9 > /etc/list.d/nine; exit 4", keeps=("/etc/list.d/*",), required=False), Remove("/etc/plain")),
        odd,
        runs=True,
    ),
    Planned(
        "a program that fails after a write",
        (
            WriteFile("/etc/odd", b"after\n"),
            Move("/etc/aside", "/root/aside"),
            shell("echo 9 > /etc/list.d/nine; rm /etc/list.d/one; exit 4", keeps=("/etc/list.d/*",)),
        ),
        odd,
        runs=True,
        rolled_back=True,
    ),
    Planned(
        "everything at once",
        (
            MakeFolder("/etc/a", 0o750),
            WriteFile("/etc/a/new", b"new\n"),
            WriteFile("/etc/odd", b"after\n", 0o644),
            Move("/etc/aside", "/root/aside"),
            Link("/etc/aside", "/root/aside"),
            Link("/etc/link", "/dev/null"),
            SetMode("/etc/folder", 0o700),
            Remove("/etc/plain"),
            shell(
                "sed -i s/1/2/ /etc/list.d/one; rm /etc/list.d/two; echo 3 > /etc/list.d/three",
                keeps=("/etc/list.d/*",),
            ),
        ),
        odd,
        runs=True,
    ),
)


def make(planned: Planned, top: Path) -> Path:
    """The plan's root at ``top``."""
    top.mkdir()
    root = Building(top)
    debian(root)
    planned.prepare(root)
    if planned.runs:
        programs(root)
    settle(top)
    return top
