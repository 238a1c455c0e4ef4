"""The target as a plan's operations on files would leave it: to check a plan before it is shown.

Only what the plan writes, moves, links or removes differs; commands of the plan are taken to have done nothing.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Union

from agent.change.model import Link, Move, Operation, Remove, WriteFile
from agent.target import Target
from agent.target.model import Door, Json, Kind, Output, Space, Stat
from agent.unknown import Maybe, Unknown, Why


@dataclass(frozen=True)
class _Written:
    content: bytes


@dataclass(frozen=True)
class _Linked:
    to: str


@dataclass(frozen=True)
class _Moved:
    source: str


class _Gone:
    pass


_Node = Union[_Written, _Linked, _Moved, _Gone]


def after(target: Target, operations: Sequence[Operation]) -> Target:
    """``target`` with the operations on files applied, in their order, in memory alone."""
    nodes: dict[str, _Node] = {}
    for operation in operations:
        if isinstance(operation, WriteFile):
            nodes[operation.path] = _Written(operation.content)
        elif isinstance(operation, Link):
            nodes[operation.path] = _Linked(operation.to)
        elif isinstance(operation, Remove):
            nodes[operation.path] = _Gone()
        elif isinstance(operation, Move):
            nodes[operation.to] = nodes.get(operation.path, _Moved(operation.path))
            nodes[operation.path] = _Gone()
    return replace(target, door=_Imagined(target.door, nodes, time.time()))


@dataclass(frozen=True)
class _Imagined:
    door: Door
    nodes: Mapping[str, _Node]
    now: float

    def _node(self, path: str, follow: bool) -> tuple[str, _Node | None]:
        """What the plan leaves at a path, and the real path to ask for where it leaves it alone."""
        for _ in range(8):
            node = self.nodes.get(path)
            if node is None and follow:
                real = self.door.resolve(path)
                if not isinstance(real, Unknown):
                    path, node = real, self.nodes.get(real)
            if isinstance(node, _Linked) and follow:
                base = path.rpartition("/")[0]
                path = node.to if node.to.startswith("/") else f"{base}/{node.to}"
                continue
            if isinstance(node, _Moved):
                return node.source, None
            return path, node
        return path, _Gone()

    def stat(self, path: str, follow: bool) -> Maybe[Stat]:
        path, node = self._node(path, follow)
        if isinstance(node, _Gone):
            return _absent(path)
        if isinstance(node, _Written):
            old = self.door.stat(path, True)
            mode, uid, gid = (old.mode, old.uid, old.gid) if isinstance(old, Stat) else (0o644, 0, 0)
            return Stat(Kind.FILE, mode, uid, gid, len(node.content), self.now)
        if isinstance(node, _Linked):
            return Stat(Kind.LINK, 0o777, 0, 0, len(node.to), self.now)
        return self.door.stat(path, follow)

    def readlink(self, path: str) -> Maybe[str]:
        path, node = self._node(path, False)
        if isinstance(node, _Linked):
            return node.to
        if isinstance(node, _Gone):
            return _absent(path)
        return Unknown(f"{path}: not a link", Why.SPECIAL) if node is not None else self.door.readlink(path)

    def resolve(self, path: str) -> Maybe[str]:
        if isinstance(self.nodes.get(path), (_Moved, _Written)):
            return path
        found, node = self._node(path, True)
        if isinstance(node, _Gone):
            return _absent(path)
        return found if node is not None or found != path else self.door.resolve(path)

    def list(self, path: str) -> Maybe[Sequence[str]]:
        names = self.door.list(path)
        real = self.door.resolve(path)
        bases = {path.rstrip("/"), path.rstrip("/") if isinstance(real, Unknown) else real.rstrip("/")}
        mine = {}
        for place, node in self.nodes.items():
            base, _, name = place.rpartition("/")
            if base in bases:
                mine[name] = node
        if isinstance(names, Unknown):
            return tuple(sorted(mine)) if mine and names.absent else names
        gone = {name for name, node in mine.items() if isinstance(node, _Gone)}
        return tuple(sorted((set(names) | set(mine)) - gone))

    def open(self, path: str) -> Maybe[BinaryIO]:
        path, node = self._node(path, True)
        if isinstance(node, _Gone):
            return _absent(path)
        return io.BytesIO(node.content) if isinstance(node, _Written) else self.door.open(path)

    def space(self, path: str) -> Maybe[Space]:
        return self.door.space(path)

    def run(self, argv: Sequence[str], timeout: float, limit: int, input: bytes | None) -> Maybe[Output]:
        return Unknown(f"{argv[0]}: not run on an imagined target", Why.NOT_LIVE)

    def query(self, name: str, params: Mapping[str, str]) -> Maybe[Json]:
        return self.door.query(name, params)


def _absent(path: str) -> Unknown:
    return Unknown(f"{path}: no such file or directory", Why.ABSENT)
