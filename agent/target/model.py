"""What the target gives: the values that pass through the door, and the door's protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, Protocol, runtime_checkable

from agent.unknown import Maybe, Unknown

Json = object  # what json.loads gives; narrowed by the fact's parser


class Mode(Enum):
    """How the target is seen (DESIGN: target.mode)."""

    LIVE = "live"
    OFFLINE = "offline"  # a mounted root, --root DIR
    CHROOT = "chroot"  # we ourselves run inside a chroot of it


class Kind(Enum):
    FILE = "file"
    DIR = "dir"
    LINK = "link"
    FIFO = "fifo"
    SOCKET = "socket"
    CHAR = "char"
    BLOCK = "block"


@dataclass(frozen=True)
class Stat:
    """lstat(2)/stat(2) of a path in the target. Times in seconds since the epoch, sizes in bytes."""

    kind: Kind
    mode: int  # permission bits, 0o7777
    uid: int
    gid: int
    size: int
    mtime: float
    inode: int = 0
    device: int = 0
    links: int = 1
    rdev: int = 0
    ctime: float = 0.0  # of the inode's last change, which nobody can set; 0.0 where it is not told

    @property
    def executable(self) -> bool:
        return bool(self.mode & 0o111)


@dataclass(frozen=True)
class Output:
    """What a command gave. ``exit`` is its exit status, or minus the signal that ended it."""

    argv: tuple[str, ...]
    exit: int
    stdout: str
    stderr: str
    seconds: float
    truncated: bool = False

    @property
    def text(self) -> str:
        """stdout then stderr, as a person would have seen them."""
        return self.stdout + self.stderr


@dataclass(frozen=True)
class Space:
    """statvfs(3) of the filesystem that holds a path. Bytes and counts."""

    bytes_total: int
    bytes_free: int
    bytes_available: int  # for an unprivileged user
    inodes_total: int  # 0 where the filesystem has no fixed number (btrfs)
    inodes_free: int
    read_only: bool


class Door(Protocol):
    """The primitive operations on one target. Paths are absolute inside the target.

    Every method returns Unknown instead of raising, and never changes the target.
    """

    def stat(self, path: str, follow: bool) -> Maybe[Stat]: ...

    def readlink(self, path: str) -> Maybe[str]: ...

    def resolve(self, path: str) -> Maybe[str]: ...

    def list(self, path: str) -> Maybe[Sequence[str]]: ...

    def open(self, path: str) -> Maybe[BinaryIO]: ...

    def space(self, path: str) -> Maybe[Space]: ...

    def run(self, argv: Sequence[str], timeout: float, limit: int, input: bytes | None) -> Maybe[Output]: ...

    def query(self, name: str, params: Mapping[str, str]) -> Maybe[Json]: ...


@runtime_checkable
class FollowingDoor(Protocol):
    """A door that tells what a command says while it runs."""

    def follow(
        self,
        argv: Sequence[str],
        timeout: float,
        limit: int,
        input: bytes | None,
        heard: Callable[[bytes], None],
    ) -> Maybe[Output]: ...


__all__ = ["Door", "FollowingDoor", "Json", "Kind", "Mode", "Output", "Space", "Stat", "Unknown"]
