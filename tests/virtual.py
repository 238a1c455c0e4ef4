"""A target made of a dictionary, for tests: files, links, special files, commands' answers, queries.

target = virtual({
    "/etc/hostname": "web1\n",                        # str or bytes: a regular file, mode 0644 root
    "/etc/resolv.conf": Link("../run/resolv.conf"),
    "/etc/x.nmconnection": File("...", mode=0o600, uid=0),
    "/var/empty": Dir(),
    "/dev/initctl": Special(Kind.FIFO),
    "/etc/secret": Denied(),
}, mode=Mode.LIVE, runs={("ip", "a"): "text"}, queries={"links": [...]})
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Union

from agent.target.model import Json, Kind, Mode, Output, Space, Stat
from agent.target.target import Target
from agent.unknown import Maybe, Unknown, Why


@dataclass(frozen=True)
class File:
    content: str | bytes = ""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: float = 0.0
    ctime: float = 0.0


@dataclass(frozen=True)
class Dir:
    mode: int = 0o755
    uid: int = 0
    mtime: float = 0.0
    ctime: float = 0.0


@dataclass(frozen=True)
class Link:
    to: str
    ctime: float = 0.0


@dataclass(frozen=True)
class Special:
    kind: Kind


@dataclass(frozen=True)
class Denied:
    pass


Node = Union[str, bytes, File, Dir, Link, Special, Denied]


@dataclass
class VirtualDoor:
    files: Mapping[str, Node]
    runs: Mapping[Sequence[str], str | Output | Unknown] = field(default_factory=dict)
    queries: Mapping[str, Json] = field(default_factory=dict)
    spaces: Mapping[str, Space] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    live: bool = False

    def _walk(self, path: str, follow: bool) -> Maybe[str]:
        todo = [part for part in path.split("/") if part]
        done: list[str] = []
        hops = 0
        while todo:
            part = todo.pop(0)
            if part == ".":
                continue
            if part == "..":
                done = done[:-1]
                continue
            node = self.files.get("/" + "/".join([*done, part]))
            if isinstance(node, Link) and (todo or follow):
                hops += 1
                if hops > 40:
                    return Unknown(f"{path}: too many links", Why.LOOP)
                if node.to.startswith("/"):
                    done = []
                todo = [piece for piece in node.to.split("/") if piece] + todo
                continue
            done.append(part)
            if not self._there("/" + "/".join(done)):
                if not self.live and done[0] in ("proc", "sys", "dev", "run"):
                    return Unknown(f"{path}: belongs to the running system", Why.NOT_LIVE)
                return Unknown(f"{path}: no such file or directory", Why.ABSENT)
        return "/" + "/".join(done)

    def _there(self, path: str) -> bool:
        return path == "/" or path in self.files or any(name.startswith(path + "/") for name in self.files)

    def stat(self, path: str, follow: bool) -> Maybe[Stat]:
        real = self._walk(path, follow)
        if isinstance(real, Unknown):
            return real
        node = self.files.get(real, Dir())
        if isinstance(node, Denied):
            return Stat(Kind.FILE, 0o600, 0, 0, 0, 0.0)
        if isinstance(node, Link):
            return Stat(Kind.LINK, 0o777, 0, 0, len(node.to), node.ctime, ctime=node.ctime)
        if isinstance(node, Special):
            return Stat(node.kind, 0o644, 0, 0, 0, 0.0)
        if isinstance(node, Dir):
            return Stat(Kind.DIR, node.mode, node.uid, 0, 4096, node.mtime, ctime=node.ctime)
        if not isinstance(node, File):
            node = File(node)
        size = len(node.content if isinstance(node.content, bytes) else node.content.encode())
        return Stat(Kind.FILE, node.mode, node.uid, node.gid, size, node.mtime, ctime=node.ctime)

    def readlink(self, path: str) -> Maybe[str]:
        real = self._walk(path, False)
        if isinstance(real, Unknown):
            return real
        node = self.files.get(real)
        return node.to if isinstance(node, Link) else Unknown(f"{path}: not a link", Why.SPECIAL)

    def resolve(self, path: str) -> Maybe[str]:
        return self._walk(path, True)

    def list(self, path: str) -> Maybe[Sequence[str]]:
        real = self._walk(path, True)
        if isinstance(real, Unknown):
            return real
        node = self.files.get(real)
        if node is not None and not isinstance(node, Dir):
            return Unknown(f"{path}: not a directory", Why.SPECIAL)
        base = real.rstrip("/") + "/"
        return tuple(sorted({n[len(base) :].split("/")[0] for n in self.files if n.startswith(base)} - {""}))

    def open(self, path: str) -> Maybe[BinaryIO]:
        real = self._walk(path, True)
        if isinstance(real, Unknown):
            return real
        node = self.files.get(real, Dir())
        if isinstance(node, Denied):
            return Unknown(f"{path}: permission denied", Why.DENIED)
        if isinstance(node, (Dir, Special, Link)):
            return Unknown(f"{path}: not a regular file", Why.SPECIAL)
        content = node.content if isinstance(node, File) else node
        return io.BytesIO(content if isinstance(content, bytes) else content.encode())

    def space(self, path: str) -> Maybe[Space]:
        return self.spaces.get(path, Unknown(f"{path}: no filesystem", Why.ABSENT))

    def run(self, argv: Sequence[str], timeout: float, limit: int, input: bytes | None) -> Maybe[Output]:
        self.calls.append(tuple(argv))
        answer = self.runs.get(tuple(argv))
        if answer is None:
            return Unknown(f"{argv[0]}: not installed", Why.ABSENT)
        return Output(tuple(argv), 0, answer, "", 0.0) if isinstance(answer, str) else answer

    def query(self, name: str, params: Mapping[str, str]) -> Maybe[Json]:
        return self.queries.get(name, Unknown(f"{name}: not known on this target", Why.NOT_LIVE))


def virtual(
    files: Mapping[str, Node],
    mode: Mode = Mode.OFFLINE,
    runs: Mapping[Sequence[str], str | Output | Unknown] | None = None,
    queries: Mapping[str, Json] | None = None,
    spaces: Mapping[str, Space] | None = None,
    rescue: bool = False,
) -> Target:
    """A target whose files, commands and queries are those given, and nothing else."""
    root = "/" if mode is not Mode.OFFLINE else "/media/sda"
    door = VirtualDoor(files, runs or {}, queries or {}, spaces or {}, live=mode is Mode.LIVE)
    return Target(door, root, mode, rescue)
