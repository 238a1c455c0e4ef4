"""The files of a virtual host as a plan leaves them, and the answer of the fix's own proofs to that."""

from __future__ import annotations

from collections.abc import Mapping

from agent.change.model import Link, MakeFolder, Plan, Remove, Run, SetMode, WriteFile
from tests.virtual import Dir, File, Node
from tests.virtual import Link as Symlink


def left(files: Mapping[str, Node], plan: Plan) -> dict[str, Node]:
    """The files after the plan's operations; its commands are taken to have done nothing to them."""
    tree = dict(files)
    for operation in plan.operations:
        if isinstance(operation, WriteFile):
            old = tree.get(operation.path)
            assert not isinstance(old, Symlink), "never through a link"
            mode = old.mode if isinstance(old, File) else 0o644
            tree[operation.path] = File(operation.content, mode=mode if operation.mode is None else operation.mode)
        elif isinstance(operation, Link):
            tree[operation.path] = Symlink(operation.to)
        elif isinstance(operation, Remove):
            del tree[operation.path]
        elif isinstance(operation, MakeFolder):
            tree[operation.path] = Dir()
        elif isinstance(operation, SetMode):
            old = tree[operation.path]
            assert isinstance(old, File)
            mode = old.mode if operation.mode is None else operation.mode
            uid = old.uid if operation.uid is None else operation.uid
            tree[operation.path] = File(old.content, mode, uid, old.gid if operation.gid is None else operation.gid)
        else:
            assert isinstance(operation, Run)
    return tree


def runs(plan: Plan) -> list[str]:
    """The plan's commands, each with those that undo runs."""
    return [
        " ".join(one.argv) + "".join(f" / {' '.join(command.argv)}" for command in one.inverse)
        for one in plan.operations
        if isinstance(one, Run)
    ]
